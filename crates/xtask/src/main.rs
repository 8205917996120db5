//! The one tool of the workshop: `cargo xtask test | tidy | ui | bench | fuzz | conformance`.
//! It uses the standard library and little else, so that it builds in seconds.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command-line tool")]
#![expect(clippy::indexing_slicing, reason = "indexing JSON gives null for what is not there")]

mod asvs;
mod bench;
mod conformance;
mod fuzz;
mod needs;
mod steps;
mod test;
mod tidy;
mod ui;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test                 install what is needed (as root on Debian or Ubuntu), then run every check:
                       format, lints, tidy, user interface, unit, integration and browser tests
  test --fast          the same without the browser and the kill tests
  tidy [--bless]       hold the house against its plan: arrows, sizes, headers, data classes, docs
                       (--bless writes the golden files anew)
  ui                   build ui/dist from ui/src
  bench [NAME]         measure; without a name, list what can be measured
  fuzz [--seconds N]   feed parsers and the firewall with mutated bytes, each target for a minute if left out
  conformance [NAME]   run the judgement of other people's tools; without a name, list them
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", rest @ ..] => test::run(rest.contains(&"--fast")),
        ["tidy"] => tidy::run(false),
        ["tidy", "--bless"] => tidy::run(true),
        ["ui"] => ui::build(),
        ["bench", rest @ ..] => bench::run(rest),
        ["fuzz"] => fuzz::run("60"),
        ["fuzz", "--seconds", seconds] => fuzz::run(seconds),
        ["conformance", rest @ ..] => conformance::run(rest),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What every command of this tool ends with: nothing, or words for a person.
type Outcome = Result<(), String>;

/// The root of the repository.
fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
