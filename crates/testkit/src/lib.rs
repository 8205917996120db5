//! What the test suites of several rooms share. Development only; nothing here is shipped.
//!
//! Today that is one thing: a private PostgreSQL cluster. It is started on first use, in a folder of
//! its own, and ends with the process that started it, however that process ends.

mod postgres;

pub use postgres::Cluster;
