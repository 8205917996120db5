//! The firewall's fuzz targets on the stable toolchain: `[SECONDS [SEED [TARGET]]]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the workshop speaks to a person")]
#![expect(clippy::indexing_slicing, reason = "a tool of the workshop may stop at a bug")]
#![expect(clippy::disallowed_methods, reason = "the runs are bounded in time")]

#[path = "../steady.rs"]
mod steady;
#[path = "../waf.rs"]
mod targets;

fn main() -> std::process::ExitCode {
    let ended = steady::main(&targets::ALL, &targets::PIECES);
    let most = targets::MOST_STEPS.load(std::sync::atomic::Ordering::Relaxed);
    if most > 0 {
        println!("  at most {most} steps for a byte of a request");
    }
    ended
}
