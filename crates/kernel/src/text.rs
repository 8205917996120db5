//! Text that has been looked at: bounded in length, normalised to NFC, free of control characters.
//! A function that takes a [`MessageText`] need not ask again. Text that people wrote does not print
//! in `Debug`, so it cannot slip into a log.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Why a text was refused. The text itself is not part of the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing is left after the white space at both ends is taken off.
    #[error("the {field} is empty")]
    Empty {
        /// What the text is, for example `message`.
        field: &'static str,
    },
    /// More characters than allowed.
    #[error("the {field} has {found} characters; {max} are allowed")]
    TooLong {
        /// What the text is.
        field: &'static str,
        /// Characters found.
        found: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A control character, or a character that only changes the direction of the text around it.
    #[error("the {field} has the control character U+{code:04X} at position {at}")]
    Control {
        /// What the text is.
        field: &'static str,
        /// The code point found.
        code: u32,
        /// Its position, counted in characters from zero.
        at: usize,
    },
    /// The text has not the shape that this field demands.
    #[error("the {field} must be {shape}")]
    Shape {
        /// What the text is.
        field: &'static str,
        /// The shape in words, for example `an e-mail address`.
        shape: &'static str,
    },
}

/// Whether a character may stand in a text. C0 and C1 controls (but for line feed and tab in
/// multi-line text), and the explicit bidirectional overrides of "Trojan Source" (CVE-2021-42574),
/// may not.
fn allowed(c: char, multi_line: bool) -> bool {
    match c {
        '\n' | '\t' => multi_line,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => false,
        _ => !c.is_control(),
    }
}

/// Whether a text is clean as it stands: printable ASCII, as most of what is written, stored and read here.
fn is_clean(text: &str, max: usize, multi_line: bool) -> bool {
    let bytes = text.as_bytes();
    let printable = |byte: &u8| matches!(byte, b' '..=b'~') || (multi_line && matches!(byte, b'\n' | b'\t'));
    let trimmed = |end: Option<&u8>| end.is_some_and(u8::is_ascii_graphic);
    bytes.len() <= max && trimmed(bytes.first()) && trimmed(bytes.last()) && bytes.iter().all(printable)
}

fn clean(field: &'static str, text: &str, max: usize, multi_line: bool) -> Result<String, TextError> {
    if is_clean(text, max, multi_line) { Ok(text.to_owned()) } else { cleaned(field, text, max, multi_line) }
}

fn cleaned(field: &'static str, text: &str, max: usize, multi_line: bool) -> Result<String, TextError> {
    // Length first, in characters as they came: normalising a huge text would be work for nothing.
    let found = text.chars().count();
    if found > max {
        return Err(TextError::TooLong { field, found, max });
    }
    // A form post ends lines with CR LF (HTML, "newline normalization"); one line feed is meant.
    let text = if multi_line { text.replace("\r\n", "\n") } else { text.to_owned() };
    if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| !allowed(*c, multi_line)) {
        return Err(TextError::Control { field, code: u32::from(c), at });
    }
    // ASCII is its own normal form, and most of what is read and written here is ASCII.
    let text: String = if text.is_ascii() { text.trim().to_owned() } else { text.trim().nfc().collect() };
    let found = text.chars().count();
    match found {
        0 => Err(TextError::Empty { field }),
        _ if found > max => Err(TextError::TooLong { field, found, max }),
        _ => Ok(text),
    }
}

macro_rules! personal_text {
    ($($(#[$doc:meta])* $name:ident, $field:literal, $max:literal, $multi:literal $(, $check:expr)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters (Unicode scalar values) it may have.
            pub const MAX: usize = $max;

            /// Checks and normalises a text.
            ///
            /// # Errors
            /// When it is empty, too long, holds a control character or has the wrong shape.
            pub fn new(text: &str) -> Result<Self, TextError> {
                let text = clean($field, text, Self::MAX, $multi)?;
                $( let text = { let check: fn(String) -> Result<String, TextError> = $check; check(text)? }; )?
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // All at once: `String` is cleared one byte at a time.
                let mut bytes = std::mem::take(&mut self.0).into_bytes();
                bytes.resize(bytes.capacity(), 0);
                zeroize::zeroize_bytes(&mut bytes);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} characters)"), self.0.chars().count())
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0.clone()
            }
        }
    )*};
}

personal_text! {
    /// What a person, a bot or an agent says in a conversation.
    MessageText, "message", 8000, true;
    /// Why a member of staff opens a transcript or does another sensitive act.
    Reason, "reason", 500, false;
    /// The name of a person, as shown.
    DisplayName, "name", 100, false;
    /// The subject line of a ticket, or another one-line title.
    Title, "title", 200, false;
    /// A longer text written by staff or gathered by a flow.
    Note, "note", 8000, true;
    /// An e-mail address, lower-cased. Checked for shape only: one `@`, a dotted or `localhost`
    /// domain, no white space (RFC 5321 limits). It does not promise that anybody reads mail there.
    Email, "e-mail address", 254, false, email;
}

fn email(text: String) -> Result<String, TextError> {
    let refused = TextError::Shape { field: "e-mail address", shape: "of the form name@example.org" };
    let Some((local, domain)) = text.split_once('@') else { return Err(refused) };
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let dotted = domain == "localhost" || (domain.contains('.') && domain.split('.').all(label));
    let plain = !local.is_empty()
        && local.len() <= 64
        && !local.chars().any(|c| c.is_whitespace() || "@<>()[],;:\\\"".contains(c));
    if dotted && plain { Ok(text.to_lowercase()) } else { Err(refused) }
}

/// The name of a bot: a lower-case slug of 1 to 63 characters, `[a-z0-9]` with single hyphens inside.
/// Names are not personal; they print.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BotName(String);

impl BotName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the text is not such a slug.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let shape = !text.is_empty()
            && text.len() <= 63
            && text.split('-').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
        if shape {
            Ok(Self(text.to_owned()))
        } else {
            Err(TextError::Shape {
                field: "bot name",
                shape: "1 to 63 lower-case letters, digits and single hyphens, for example `front-desk`",
            })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BotName({})", self.0)
    }
}

impl fmt::Display for BotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for BotName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl TryFrom<String> for BotName {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(&text)
    }
}

impl From<BotName> for String {
    fn from(name: BotName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_of_8000_characters_is_the_longest() {
        assert!(MessageText::new(&"é".repeat(8000)).is_ok());
        assert_eq!(
            MessageText::new(&"é".repeat(8001)),
            Err(TextError::TooLong { field: "message", found: 8001, max: 8000 })
        );
    }

    #[test]
    fn control_and_override_characters_are_refused_with_their_place() {
        assert_eq!(MessageText::new("a\0b"), Err(TextError::Control { field: "message", code: 0, at: 1 }));
        assert_eq!(
            MessageText::new("ab\u{202E}"),
            Err(TextError::Control { field: "message", code: 0x202E, at: 2 })
        );
        assert_eq!(Reason::new("a\nb"), Err(TextError::Control { field: "reason", code: 10, at: 1 }));
        assert!(MessageText::new("two\r\nlines\tand a tab").is_ok());
        assert_eq!(MessageText::new(" \n "), Err(TextError::Empty { field: "message" }));
    }

    #[test]
    fn what_people_write_does_not_print() {
        let text = MessageText::new("my card is 4111 1111 1111 1111").unwrap();
        assert_eq!(format!("{text:?}"), "MessageText(30 characters)");
    }

    #[test]
    fn e_mail_addresses_are_checked_for_shape_and_lower_cased() {
        assert_eq!(Email::new("Ada@Example.ORG").unwrap().as_str(), "ada@example.org");
        for bad in [
            "ada",
            "ada@",
            "@example.org",
            "a b@example.org",
            "ada@exa mple.org",
            "ada@example",
            "a@b@c.de",
            "a@-b.de",
        ] {
            assert!(Email::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bot_name_is_a_slug() {
        assert!(BotName::new("front-desk-2").is_ok());
        for bad in ["", "Front", "a--b", "-a", "a-", "a_b", "../x", &"a".repeat(64)] {
            assert!(BotName::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_clean_as_it_stands_is_what_cleaning_it_gives(text in "[ -~\\n\\t\\ré]{0,60}", many: bool) {
            let slowly = cleaned("text", &text, 50, many);
            if is_clean(&text, 50, many) {
                prop_assert_eq!(slowly.as_ref(), Ok(&text));
            }
            prop_assert_eq!(clean("text", &text, 50, many), slowly);
        }

        #[test]
        fn accepting_a_text_twice_changes_nothing(text in "\\PC{0,200}") {
            if let Ok(once) = MessageText::new(&text) {
                prop_assert_eq!(MessageText::new(once.as_str()).unwrap(), once);
            }
        }
    }
}
