//! The columns that nothing vouches for. docs/encryption.md says of each what somebody who writes to the
//! database could do with it, and how it would be noticed.

pub(crate) const UNBOUND: &[&str] = &[];
