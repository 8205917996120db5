//! Bot folders read, compiled and run, with the embedded engine where one is needed.

mod engine_room;
mod mistakes;
mod samples;
mod whole;
