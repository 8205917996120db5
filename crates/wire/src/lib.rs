//! What Wardroom's own services say to each other, and how they know one another.
//!
//! - [`release`]: a compiled bot, as `core` hands it to `engine`.
//! - [`turn`]: one turn of a conversation: what the engine is asked, and the events it answers with.
//! - [`ca`]: the local certificate authority that gives a fresh deployment its certificates.
//! - [`inside`]: requests that come inside a connection which was upgraded, taken by the edge like any other.
//!
//! Both ends may live in one process; [`turn::EngineService`] is then called directly, with the same
//! types and the same errors as across the network.

pub mod ca;
pub mod inside;
pub mod release;
pub mod turn;
