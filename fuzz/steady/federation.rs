//! The fuzz targets of single sign-on on the stable toolchain: `[SECONDS [SEED [TARGET]]]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the workshop speaks to a person")]
#![expect(clippy::indexing_slicing, reason = "a tool of the workshop may stop at a bug")]
#![expect(clippy::disallowed_methods, reason = "the runs are bounded in time")]

#[path = "../steady.rs"]
mod steady;
#[path = "../federation.rs"]
mod targets;

fn main() -> std::process::ExitCode {
    steady::main(&targets::ALL, &targets::PIECES)
}
