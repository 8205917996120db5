//! What the test suites of several rooms share. Development only; nothing here is shipped.
//!
//! A private PostgreSQL cluster, started on first use in a folder of its own, which ends with the
//! process that started it, however that process ends; and a small disk that can be filled.

mod disk;
mod postgres;

pub use disk::Disk;
pub use postgres::Cluster;
