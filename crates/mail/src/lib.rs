//! Letters to members of staff, out of band: what changed on their account, and links that are good once.
//!
//! A [`Mailer`] knows one relay, which the operator named, and hands letters over to it by SMTP submission
//! (RFC 6409). A [`Letter`] is plain text to one person.
//!
//! - Encryption comes first, from the first byte or by STARTTLS, with TLS 1.3 and the relay's name verified.
//!   A relay that does not offer it gets nothing: no letter, no password. There is no other mode.
//! - What was said before encryption is forgotten, and a relay that says more than it was asked before
//!   encryption begins is left (CVE-2011-0411 and its kin).
//! - An address and a subject are of types that hold no line end, so no header can be smuggled into a letter.
//! - A password is sent from memory that is overwritten. No error and no `Debug` holds a password, an
//!   address or a text.
//!
//! What is *not* promised: that a letter arrives. The relay's "accepted" is the last thing that is known here.
//! What happens behind the relay is not encrypted by us, so no letter holds a secret other than a link that
//! is good once.

mod error;
mod letter;
mod mailer;
mod replies;
mod session;

pub use error::{MailError, Step, Words};
pub use letter::{Letter, Sender};
pub use mailer::{Credentials, Limits, Mailer, Security, Settings, Told};
pub use session::{Receipt, Session};
