//! What can go wrong with a letter. No error shows a password, an address or a text.

use std::fmt;

use outbound::OutboundError;

/// How far an exchange with a relay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The relay greets.
    Greeting,
    /// We say who we are, and it says what it can do.
    Hello,
    /// Encryption is asked for.
    StartTls,
    /// We sign in.
    SignIn,
    /// The sender is named.
    Sender,
    /// The person is named to whom it goes.
    Recipient,
    /// The text is handed over.
    Text,
    /// An exchange is begun anew.
    Reset,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::SignIn => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Text => "DATA",
            Self::Reset => "RSET",
        })
    }
}

/// What a relay said, without control characters and at most 300 characters of it. It may name the person
/// that a letter is for, so it does not print in `Debug`; show it to whoever runs the relay.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(String);

impl Words {
    const MOST: usize = 300;

    pub(crate) fn new(text: &str) -> Self {
        let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self(shown.trim().chars().take(Self::MOST).collect())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} characters)", self.0.chars().count())
    }
}

/// Why a letter was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// What was given at construction cannot be used.
    #[error("the mail settings cannot be used: {why}")]
    Settings {
        /// What is wrong, and how to put it right.
        why: String,
    },
    /// The relay could not be reached, or is not to be trusted.
    #[error(transparent)]
    Way(#[from] OutboundError),
    /// The connection broke in the middle.
    #[error("the connection to `{server}` broke at {step}: {why}")]
    Broken {
        /// The relay.
        server: String,
        /// Where.
        step: Step,
        /// What the system said.
        why: String,
    },
    /// The relay did not answer in time.
    #[error("`{server}` did not answer in time at {step}")]
    Late {
        /// The relay.
        server: String,
        /// Where.
        step: Step,
    },
    /// What came is not SMTP, or is too much of it.
    #[error("`{server}` does not answer in SMTP at {step}; is it a mail relay, and is `security` right?")]
    Protocol {
        /// The relay.
        server: String,
        /// Where.
        step: Step,
    },
    /// The relay does not offer encryption on this port, or somebody on the way took the offer away.
    #[error(
        "`{server}` offers no STARTTLS, so nothing is sent; name a port with implicit TLS (465), or mend the relay"
    )]
    NoEncryption {
        /// The relay.
        server: String,
    },
    /// Something was put into the connection before encryption began.
    #[error("`{server}` said more than it was asked before encryption began, so nothing is sent")]
    Smuggled {
        /// The relay.
        server: String,
    },
    /// The relay takes no password, or only in a way that is not spoken here.
    #[error(
        "`{server}` offers neither AUTH PLAIN nor AUTH LOGIN; take `user` and `password` out, or use another port"
    )]
    NoSignIn {
        /// The relay.
        server: String,
    },
    /// The relay said no.
    #[error("`{server}` answered {code} at {step}")]
    Refused {
        /// The relay.
        server: String,
        /// To what.
        step: Step,
        /// Its reply code: 4xx for now, 5xx for good (RFC 5321, section 4.2.1).
        code: u16,
        /// What it said beside that.
        words: Words,
    },
    /// The address is well-formed for us, but SMTP cannot carry it without extensions that are not spoken
    /// here (RFC 6531): it has characters outside ASCII, or a local part that would have to be quoted.
    #[error("the address has characters that mail cannot carry everywhere")]
    Address,
    /// The letter cannot be written down.
    #[error("the letter cannot be written down")]
    Unwritable,
}

impl MailError {
    /// Whether this very letter will never be taken, however often it is tried: its recipient or its text
    /// was refused for good. All else may be put right by whoever runs the relay.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Address | Self::Unwritable => true,
            Self::Refused { step: Step::Recipient | Step::Text, code, .. } => *code >= 500,
            _ => false,
        }
    }

    /// Whether the relay itself is well, and only this letter was not taken.
    pub fn is_of_the_letter(&self) -> bool {
        let refused = matches!(self, Self::Refused { step: Step::Recipient | Step::Text, .. });
        refused || matches!(self, Self::Address | Self::Unwritable)
    }

    /// The relay's reply code, if it gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What the relay said, for whoever runs it.
    pub fn words(&self) -> Option<&Words> {
        match self {
            Self::Refused { words, .. } => Some(words),
            _ => None,
        }
    }
}
