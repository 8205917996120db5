//! The one way out: HTTPS to targets that an operator named, and to nothing else.
//!
//! A [`Client`] is made for one purpose (a key provider, an identity provider, a sink of events) with the
//! list of its targets. A request to anything else is refused before a name is looked up. The addresses
//! a name resolves to are checked before a connection is opened, and the connection goes to the checked
//! address: a name that is pointed at `169.254.169.254` or at `127.0.0.1` meanwhile leads nowhere.
//!
//! - TLS 1.3 only, certificates verified against the web's roots or against one given file.
//! - No redirect is followed, no proxy of the environment is used, no cookie is kept, nothing is
//!   decompressed.
//! - One bound on connecting, one on the whole exchange, one on the size of an answer.
//! - No error and no `Debug` holds a header's value, a path, a query or a body.
//!
//! For mail, whose protocol is not HTTP, a [`Dialer`] opens encrypted lines to one server, under the same
//! rules.
//!
//! One exception: [`Metadata`] asks the address at which a cloud tells a machine its credentials.
//!
//! What is *not* promised: revocation of a server's certificate is not asked for, and what the HTTP
//! library had in its own buffers is not overwritten. Calls block, those of a [`Dialer`] excepted; make them from
//! blocking threads.

mod address;
mod client;
mod error;
mod exchange;
mod fence;
mod line;
mod metadata;
mod target;
mod tls;

pub use address::{AddressKind, kind_of};
pub use client::{Client, Limits, Settings};
pub use error::OutboundError;
pub use exchange::{Answer, Request, segment};
pub use line::{Addresses, Dialer, Line, Plain};
pub use metadata::Metadata;
pub use target::{Origin, Reach, Target};
pub use tls::{ClientIdentity, Roots};
