//! The ledger from outside: a log is made of real events, signed, damaged in every way we can think
//! of, and verified.

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod common;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod stored;
