//! What the test suites of several rooms share. Development only; nothing here is shipped.
//!
//! Private servers, each in a folder and on a port of its own, that end with the process that started
//! them: PostgreSQL, a small HTTPS server for tests to speak with, and the key services OpenBao and moto
//! (AWS).

mod https;
mod kms;
mod postgres;

pub use https::{Authority, Heard, HttpsServer, Identity, Said};
pub use kms::{Moto, OpenBao};
pub use postgres::Cluster;
