//! The whole house from outside: the real binary, real TLS, real files.

mod bad_input;
mod canary;
mod house;
mod kill;
mod start;
mod visitor;
mod walk;
