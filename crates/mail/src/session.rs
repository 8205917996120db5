//! One visit at the relay: encryption, signing in, letters, good-bye (RFC 5321, 3207, 4954, 8314).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outbound::{Line, Plain};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use crate::letter::Written;
use crate::replies::{Reply, Unread, Wire};
use crate::{Credentials, Letter, MailError, Sender, Step, Words};

/// A relay that has greeted, encrypted, and knows who we are.
#[derive(Debug)]
pub struct Session {
    talk: Talk<Line>,
    from: Sender,
    offers: Reply,
    /// A letter was begun and not finished.
    unfinished: bool,
    /// One of the few connections that there may be at once.
    _turn: OwnedSemaphorePermit,
}

/// The relay took a letter over.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What it said, which is where to look in its log.
    pub words: Words,
}

/// Questions and answers on a connection.
#[derive(Debug)]
pub(crate) struct Talk<S> {
    wire: Wire<S>,
    server: String,
    answer: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Talk<S> {
    pub(crate) fn new(stream: S, server: String, answer: Duration) -> Self {
        Self { wire: Wire::new(stream), server, answer }
    }

    /// The relay's greeting, which comes unasked.
    pub(crate) async fn greeting(&mut self) -> Result<Reply, MailError> {
        self.ask(Step::Greeting, b"").await
    }

    /// Says who we are, and hears what the relay can do. `me` is our own end of the connection.
    pub(crate) async fn hello(&mut self, me: Option<std::net::IpAddr>) -> Result<Reply, MailError> {
        // An address literal, as the standard has it for machines without a name (RFC 5321, 4.1.3).
        let me = match me {
            Some(std::net::IpAddr::V4(address)) => format!("[{address}]"),
            Some(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            None => "localhost".to_owned(),
        };
        self.ask(Step::Hello, format!("EHLO {me}\r\n").as_bytes()).await
    }

    /// Writes, and waits for a reply that says yes.
    async fn ask(&mut self, step: Step, bytes: &[u8]) -> Result<Reply, MailError> {
        let exchange = async {
            self.wire.write(bytes).await?;
            self.wire.reply().await
        };
        let server = || self.server.clone();
        let reply = match tokio::time::timeout(self.answer, exchange).await {
            Err(_) => return Err(MailError::Late { server: server(), step }),
            Ok(Err(Unread::Broken(error))) => {
                return Err(MailError::Broken { server: server(), step, why: why(&error) });
            }
            Ok(Err(Unread::Malformed)) => return Err(MailError::Protocol { server: server(), step }),
            Ok(Ok(reply)) => reply,
        };
        if reply.is_yes() {
            return Ok(reply);
        }
        Err(MailError::Refused { server: server(), step, code: reply.code, words: reply.words() })
    }

    /// The same for a reply that must be this one.
    async fn expect(&mut self, step: Step, bytes: &[u8], code: u16) -> Result<Reply, MailError> {
        let reply = self.ask(step, bytes).await?;
        if reply.code == code {
            Ok(reply)
        } else {
            Err(MailError::Protocol { server: self.server.clone(), step })
        }
    }
}

impl Talk<Plain> {
    /// Asks for encryption, and gives the connection back for it. All that was said so far is forgotten.
    pub(crate) async fn start_tls(mut self, offers: &Reply) -> Result<Plain, MailError> {
        if offers.offer("STARTTLS").is_none() {
            return Err(MailError::NoEncryption { server: self.server });
        }
        self.expect(Step::StartTls, b"STARTTLS\r\n", 220).await?;
        let Self { wire, server, .. } = self;
        wire.into_bare().ok_or(MailError::Smuggled { server })
    }
}

impl Session {
    pub(crate) fn new(talk: Talk<Line>, offers: Reply, from: Sender, turn: OwnedSemaphorePermit) -> Self {
        Self { talk, from, offers, unfinished: false, _turn: turn }
    }

    /// Signs in, and tells how. There is a `Session` on encrypted lines only.
    pub(crate) async fn sign_in(&mut self, with: &Credentials) -> Result<&'static str, MailError> {
        let ways = self.offers.offer("AUTH").unwrap_or_default();
        let offered = |way: &str| ways.split(' ').any(|word| word == way);
        let (user, password) = (with.user(), with.password());
        if offered("PLAIN") {
            let secret = Zeroizing::new(format!("\0{user}\0{}", password.expose()));
            let line = encoded("AUTH PLAIN ", secret.as_bytes());
            self.talk.expect(Step::SignIn, line.as_bytes(), 235).await?;
            return Ok("PLAIN");
        }
        if offered("LOGIN") {
            self.talk.expect(Step::SignIn, b"AUTH LOGIN\r\n", 334).await?;
            self.talk.expect(Step::SignIn, encoded("", user.as_bytes()).as_bytes(), 334).await?;
            let line = encoded("", password.expose().as_bytes());
            self.talk.expect(Step::SignIn, line.as_bytes(), 235).await?;
            return Ok("LOGIN");
        }
        Err(MailError::NoSignIn { server: self.talk.server.clone() })
    }

    /// Hands a letter over. After an error that [is of the letter](MailError::is_of_the_letter) the next one
    /// may follow; after any other the session is over.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn send(&mut self, letter: &Letter) -> Result<Receipt, MailError> {
        let Written { to, bytes } = letter.write(&self.from)?;
        if self.unfinished {
            self.talk.ask(Step::Reset, b"RSET\r\n").await?;
        }
        self.unfinished = true;
        let size = match self.offers.offer("SIZE") {
            Some(_) => format!(" SIZE={}", bytes.len()),
            None => String::new(),
        };
        let from = format!("MAIL FROM:<{}>{size}\r\n", self.from.address());
        self.talk.ask(Step::Sender, from.as_bytes()).await?;
        self.talk.ask(Step::Recipient, format!("RCPT TO:<{to}>\r\n").as_bytes()).await?;
        self.talk.expect(Step::Text, b"DATA\r\n", 354).await?;
        let reply = self.talk.expect(Step::Text, &dotted(&bytes), 250).await?;
        self.unfinished = false;
        Ok(Receipt { words: reply.words() })
    }

    /// Says good-bye. What the relay says to that no longer matters.
    pub async fn end(mut self) {
        let _ = self.talk.ask(Step::Reset, b"QUIT\r\n").await;
    }

    /// How the line is encrypted.
    pub(crate) fn line(&self) -> &Line {
        self.talk.wire.stream()
    }
}

/// A line of an exchange that holds a secret, in memory that is overwritten.
fn encoded(before: &str, secret: &[u8]) -> Zeroizing<String> {
    // Reserved at once: a string that grew would leave a copy behind.
    let mut line = Zeroizing::new(String::with_capacity(before.len() + secret.len() * 2 + 8));
    line.push_str(before);
    STANDARD.encode_string(secret, &mut line);
    line.push_str("\r\n");
    line
}

/// A text as it stands after `DATA`: a point at the beginning of a line is doubled, and a point alone ends it
/// (RFC 5321, 4.5.2).
fn dotted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut begins = true;
    for byte in text {
        if begins && *byte == b'.' {
            out.push(b'.');
        }
        begins = *byte == b'\n';
        out.push(*byte);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Why a connection broke, in words for whoever looks after the relay.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the other side closed it without a word".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a receiver makes of it.
    fn undotted(said: &[u8]) -> Option<Vec<u8>> {
        let end = if said == b".\r\n" { 0 } else { said.windows(5).position(|w| w == b"\r\n.\r\n")? + 2 };
        if said.len() != end + 3 {
            return None;
        }
        let lines = said[..end].split_inclusive(|byte| *byte == b'\n');
        Some(lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line).to_vec()).collect())
    }

    proptest::proptest! {
        #[test]
        fn a_text_arrives_as_it_was_whatever_points_are_in_it(text in "([a.]{0,3}\r\n){0,6}[a.]{0,3}") {
            let mut whole = text.clone().into_bytes();
            if !whole.ends_with(b"\r\n") {
                whole.extend_from_slice(b"\r\n");
            }
            proptest::prop_assert_eq!(undotted(&dotted(text.as_bytes())), Some(whole));
        }
    }

    #[test]
    fn a_secret_is_encoded_without_growing() {
        for length in 0..100 {
            let line = encoded("AUTH PLAIN ", &vec![b'x'; length]);
            assert!(line.len() <= 11 + length * 2 + 8 && line.ends_with("\r\n"), "{length}");
        }
        assert_eq!(encoded("AUTH PLAIN ", b"\0a\0b").as_str(), "AUTH PLAIN AGEAYg==\r\n");
    }
}
