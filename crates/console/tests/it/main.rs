//! The console from outside: requests through the whole router, over a real database.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod access;
mod doorstep;
mod holds;
mod house;
mod keys;
mod live;
mod own;
mod pages;
mod policies;
mod roles;
mod sessions;
mod traffic;
mod transcripts;
