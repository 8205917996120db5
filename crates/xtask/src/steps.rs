//! Running a list of steps so that a person can follow: a line when a step starts, its output as it
//! comes, and a summary with times at the end. Every step runs, even after one failed.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;

/// The steps done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Result<Duration, String>)>,
}

impl Steps {
    /// Runs one step.
    #[expect(clippy::disallowed_methods, reason = "a step's time is shown to a person")]
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Outcome) {
        println!("\n== {name}");
        let begun = Instant::now();
        let outcome = work().map(|()| begun.elapsed());
        if let Err(message) = &outcome {
            println!("!! {name}: {message}");
        }
        self.done.push((name.to_owned(), outcome));
    }

    /// Prints the summary; an error when any step failed.
    pub(crate) fn summary(self) -> Outcome {
        println!("\n{:-<72}", "");
        for (name, outcome) in &self.done {
            match outcome {
                Ok(time) => println!("  ok      {name:<48} {:>7.1} s", time.as_secs_f64()),
                Err(message) => println!("  FAILED  {name:<48} {message}"),
            }
        }
        let failed = self.done.iter().filter(|(_, outcome)| outcome.is_err()).count();
        println!("{} passed, {failed} failed", self.done.len() - failed);
        if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} steps failed", self.done.len())) }
    }
}

/// Runs a command in the repository's root with its output shown.
pub(crate) fn call(program: &str, args: &[&str]) -> Outcome {
    call_in(&crate::root(), program, args)
}

/// Runs a command in a folder with its output shown.
pub(crate) fn call_in(folder: &std::path::Path, program: &str, args: &[&str]) -> Outcome {
    let status = Command::new(program)
        .args(args)
        .current_dir(folder)
        .status()
        .map_err(|error| format!("cannot start `{program}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{program} {}` ended with {status}", args.join(" "))) }
}

/// Runs a command and returns what it printed.
pub(crate) fn ask(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(crate::root())
        .output()
        .map_err(|error| format!("cannot start `{program}`: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{program} {}` ended with {}: {}", args.join(" "), output.status, said.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{program}` printed something that is not UTF-8"))
}
