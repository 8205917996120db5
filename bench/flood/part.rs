//! A part of the measurement that runs as a process of its own: on its processor, with its place in the
//! queue for it, asked by lines and answering by lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::Failure;

/// Where a part runs: the processor, and how it yields to others there (`nice`; below zero needs root, and
/// without it the part runs as others do).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    processor: usize,
    nice: i32,
}

/// The house has the first processor.
pub(crate) const HOUSE: Place = Place { processor: 0, nice: -10 };
/// The people share the last one with the attackers, and go before them.
pub(crate) const PEOPLE: Place = Place { processor: 1, nice: -15 };
/// The attackers.
pub(crate) const CROWD: Place = Place { processor: 1, nice: 0 };

/// A running part. It ends when dropped.
pub(crate) struct Part {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Place {
    /// A command that runs there.
    pub(crate) fn command(self, program: &std::ffi::OsStr) -> Command {
        let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
        let mut command = Command::new("taskset");
        command.args(["-c", &self.processor.min(last).to_string(), "nice", "-n", &self.nice.to_string()]);
        command.arg(program).stderr(Stdio::null());
        command
    }
}

impl Part {
    /// Starts a part of this program.
    pub(crate) fn start(place: Place, words: &[&str]) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let mut command = place.command(program.as_os_str());
        command.arg("part").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take().ok_or("the part has no voice")?);
        Ok(Self { child, to, from: BufReader::new(from) })
    }

    /// The next line it says.
    pub(crate) fn hear(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("a part of the measurement ended early".into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Says a word and hears the answer.
    pub(crate) fn ask(&mut self, word: &str) -> Result<Value, Failure> {
        let to = self.to.as_mut().ok_or("the part does not listen")?;
        writeln!(to, "{word}")?;
        to.flush()?;
        self.hear()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A part ends when nobody speaks to it any more; who does not is made to.
        drop(self.to.take());
        for _ in 0..20 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The part's own side: `first` is said at once, then each line that comes is answered, until nobody
/// speaks any more.
pub(crate) fn serve(first: &Value, mut answer: impl FnMut(&str) -> Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{first}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", answer(line?.trim()))?;
        out.flush()?;
    }
    Ok(())
}

/// Processor time of a process so far, in milliseconds (proc(5), ticks of 10 ms), and its memory in use,
/// in KiB.
pub(crate) fn usage(process: u32) -> (f64, i64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the program may hold anything; what follows its last bracket is numbers.
    let fields: Vec<&str> =
        stat.rsplit(')').next().map(|rest| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default();
    ((ticks(11) + ticks(12)) * 10.0, memory)
}
