//! The memory of Wardroom: SQL on SQLite or PostgreSQL, the same statements on both.
//!
//! Four promises:
//! - **Content is ciphertext.** No function here takes a plaintext body; content columns are sealed
//!   before they arrive, and this crate holds no key.
//! - **Tenant data needs a permit.** Functions over a tenant's rows take the proof that the guard
//!   allowed the act, and take the tenant from it. The few that cannot say why.
//! - **Acknowledged is durable.** [`Db::write`] answers after COMMIT, and a job's audit row is
//!   committed with the job or not at all.
//! - **A statement is a constant.** SQL is `&'static str`; what people send is only ever a parameter.
//!
//! Not promised: that someone who can write to the database's files cannot delete or roll back rows.
//! Row chains and the ledger's signed checkpoints make that evident afterwards.

mod access;
mod additions;
mod address;
mod db;
mod engine;
mod error;
mod job;
mod keychain;
mod migrate;
mod places;
mod postgres_engine;
mod refusals;
mod scribe;
mod sqlite_engine;
mod tx;
mod value;
mod words;
mod writer;

pub mod access_requests;
pub mod api_keys;
pub mod audit;
pub mod bots;
pub mod bound;
pub mod connections;
pub mod conversations;
pub mod credentials;
pub mod custody;
pub mod custom_roles;
pub mod directory;
pub mod directory_tokens;
pub mod dump;
pub mod end_users;
pub mod holds;
pub mod identities;
pub mod key_requests;
pub mod keys;
pub mod messages;
pub mod notices;
pub mod person_sessions;
pub mod policies;
pub mod retention;
pub mod rewraps;
pub mod sessions;
pub mod settings;
pub mod tenants;
pub mod tickets;
pub mod users;

pub use access::{Erases, Knows, Lists, Opens, Owns, Reads, Writes};
pub use additions::Addition;

pub use address::DbUrl;
pub use db::{Counts, Db, Options};
pub use engine::Dialect;
pub use error::{EngineFault, StoreError};
pub use keychain::Keychain;
pub use migrate::{MIGRATIONS, Migration, schema_sum, translate};
pub use places::SealedColumn;
pub use refusals::RefusedRow;
pub use scribe::{Device, Scribe, Source, Via, Written};
pub use tx::{Read, Tx};
pub use value::{ColumnError, FromValue, Row, ToValue, Value};
pub use words::Keyed;
pub use writer::BATCH;
