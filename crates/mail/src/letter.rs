//! What a letter is: plain text from the house to one person.

use std::time::{Duration, UNIX_EPOCH};

use kernel::{Email, Note, Timestamp, Title};
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};

use crate::MailError;

/// Whom letters are from: `wardroom@example.org`, or with a name, `Wardroom <wardroom@example.org>`.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl Sender {
    /// Reads one.
    ///
    /// # Errors
    /// When the text is none of the two forms, or the address has characters outside ASCII.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let refuse = || MailError::Settings {
            why: format!("`{}` is not like `Wardroom <wardroom@example.org>`", text.escape_debug()),
        };
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
            Some((name, address)) => (Some(name.trim()).filter(|name| !name.is_empty()), address),
            None => (None, text),
        };
        // A `Title` is one line of at most 200 characters.
        let name = name.map(Title::new).transpose().map_err(|_| refuse())?;
        if name.as_ref().is_some_and(|name| name.as_str().contains(['<', '>', '"'])) {
            return Err(refuse());
        }
        let address = address_of(&Email::new(address).map_err(|_| refuse())?).map_err(|_| refuse())?;
        Ok(Self(Mailbox::new(name.map(|name| name.as_str().to_owned()), address)))
    }

    /// The address alone.
    pub(crate) fn address(&self) -> &str {
        self.0.email.as_ref()
    }
}

/// A letter. It is to one person only, so that nobody learns of another from it.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What tells it from others. The same letter sent once more has the same, so that a mailbox can see it.
    pub id: String,
    /// Whom it is for.
    pub to: Email,
    /// Its subject.
    pub subject: Title,
    /// Its text.
    pub text: Note,
    /// When it was written.
    pub at: Timestamp,
}

/// A letter as it goes over the wire.
pub(crate) struct Written {
    pub(crate) to: String,
    /// The headers and the text, each line with CR LF at its end, ASCII throughout.
    pub(crate) bytes: Vec<u8>,
}

impl Letter {
    pub(crate) fn write(&self, from: &Sender) -> Result<Written, MailError> {
        let to = address_of(&self.to)?;
        let token = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.id.is_empty() || self.id.len() > 100 || !self.id.chars().all(token) {
            return Err(MailError::Unwritable);
        }
        let domain = from.0.email.domain();
        let header = |name: &'static str, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        let message = Message::builder()
            .date(UNIX_EPOCH + Duration::from_millis(self.at.as_millis()))
            .message_id(Some(format!("<{}@{domain}>", self.id)))
            .from(from.0.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(self.subject.as_str())
            // No out-of-office note is to answer it (RFC 3834).
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(self.text.as_str().to_owned())
            .map_err(|_| MailError::Unwritable)?;
        let bytes = message.formatted();
        if bytes.is_ascii() { Ok(Written { to: to.to_string(), bytes }) } else { Err(MailError::Unwritable) }
    }
}

/// An address that every relay can carry: ASCII, and a local part that needs no quotes.
fn address_of(email: &Email) -> Result<lettre::Address, MailError> {
    let text = email.as_str();
    if !text.is_ascii() {
        return Err(MailError::Address);
    }
    text.parse().map_err(|_| MailError::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(to: &str, subject: &str, text: &str) -> Letter {
        Letter {
            id: "0198c0de-1234-7abc-8def-0123456789ab".to_owned(),
            to: Email::new(to).unwrap(),
            subject: Title::new(subject).unwrap(),
            text: Note::new(text).unwrap(),
            at: Timestamp::from_millis(1_795_430_000_000),
        }
    }

    fn written(letter: &Letter) -> String {
        let from = Sender::parse("Wardroom <wardroom@example.org>").unwrap();
        String::from_utf8(letter.write(&from).unwrap().bytes).unwrap()
    }

    #[test]
    fn a_letter_says_who_wrote_it_when_and_that_no_person_did() {
        let text = written(&letter("ada@example.org", "Your password was changed", "Hello.\n\nIt was you?"));
        assert_eq!(
            text,
            "Date: Mon, 23 Nov 2026 10:33:20 +0000\r\n\
             Message-ID: <0198c0de-1234-7abc-8def-0123456789ab@example.org>\r\n\
             From: Wardroom <wardroom@example.org>\r\n\
             To: ada@example.org\r\n\
             Subject: Your password was changed\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             Hello.\r\n\r\nIt was you?"
        );
    }

    #[test]
    fn a_sender_is_an_address_or_a_name_and_an_address() {
        for good in ["a@example.org", "<a@example.org>", "A <a@example.org>", "Ä & Söhne <a@example.org>"] {
            assert_eq!(Sender::parse(good).unwrap().address(), "a@example.org", "{good}");
        }
        for bad in [
            "",
            "a",
            "A a@example.org",
            "A <a@example.org",
            "A <a@example.org> B",
            "A <b> <a@example.org>",
            "A\r\nBcc: x@example.org <a@example.org>",
            "\"A\" <a@example.org>",
            "ä@example.org",
            "a@exämple.org",
            "a..b@example.org",
        ] {
            assert!(Sender::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_that_mail_cannot_carry_everywhere_is_refused() {
        for to in ["ä@example.org", "a@exämple.org", "a..b@example.org", ".a@example.org"] {
            let from = Sender::parse("a@example.org").unwrap();
            let refused = letter(to, "s", "t").write(&from).err().unwrap();
            assert!(matches!(refused, MailError::Address) && refused.is_final(), "{to}");
            assert!(!format!("{refused} {refused:?}").contains("example"));
        }
    }

    proptest::proptest! {
        /// Whatever the parts are: if they are parts at all, the letter has the headers that it should have,
        /// once each, and the text is below them.
        #[test]
        fn no_part_of_a_letter_makes_a_header(
            to in "[\\PC\r\n<>,@.a-z]{1,20}@[a-z\r\n]{1,8}\\.[a-z\r\n:]{2,5}",
            subject in "(\\PC|[\r\n:]|Bcc: ){1,120}",
            text in "(\\PC|[\r\n:.]|Bcc: ){1,200}",
            name in "(\\PC|[\r\n:<>\",@]|Bcc: ){0,60}",
        ) {
            let from = Sender::parse(&format!("{name} <house@example.org>"))
                .or_else(|_| Sender::parse("house@example.org"))
                .unwrap();
            let (Ok(to), Ok(subject), Ok(text)) = (Email::new(&to), Title::new(&subject), Note::new(&text)) else {
                return Ok(());
            };
            let at = Timestamp::from_millis(1_795_430_000_000);
            let Ok(written) = (Letter { id: "a".to_owned(), to, subject, text, at }).write(&from) else {
                return Ok(());
            };
            let whole = String::from_utf8(written.bytes).unwrap();
            let (head, _) = whole.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            let nine = [
                "Date", "Message-ID", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type",
                "Content-Transfer-Encoding",
            ];
            proptest::prop_assert_eq!(names, nine);
            proptest::prop_assert!(!written.to.contains(['\r', '\n', '<', '>', ' ']));
            for line in whole.split("\r\n") {
                proptest::prop_assert!(!line.contains(['\r', '\n']) && line.len() <= 998);
            }
        }
    }
}
