//! What the test suites of several rooms share. Development only; nothing here is shipped.
//!
//! Private servers, each in a folder and on a port of its own, that end with the process that started
//! them: PostgreSQL and, with the feature `servers`, a small HTTPS server for tests to speak with, the
//! key services OpenBao and moto (AWS), the mail relay Exim, and a WebSocket client. And a small disk that
//! can be filled.

mod disk;
#[cfg(feature = "servers")]
mod https;
#[cfg(feature = "servers")]
mod kms;
mod postgres;
#[cfg(feature = "servers")]
mod smtp;
#[cfg(feature = "servers")]
mod socket;

pub use disk::Disk;
#[cfg(feature = "servers")]
pub use https::{Authority, Heard, HttpsServer, Identity, Said};
#[cfg(feature = "servers")]
pub use kms::{Moto, OpenBao};
pub use postgres::Cluster;
#[cfg(feature = "servers")]
pub use smtp::{Offers, Relay};
#[cfg(feature = "servers")]
pub use socket::{Came, SocketClient, Turned};
