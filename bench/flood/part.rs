//! A part of the measurement that runs as a process of its own: on its processor, with its place in the
//! queue for it, asked by lines and answering by lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::Failure;

/// Where a part runs: the processor, and how it goes before others there. What is before the ordinary needs
/// root; without it the part runs as others do, and the figures tell of them, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    processor: usize,
    order: &'static [&'static str],
}

/// The house has the first processor.
pub(crate) const HOUSE: Place = Place { processor: 0, order: &["nice", "-n", "-20"] };
/// The people share the last one with the attackers, and go before them: they need little of it.
pub(crate) const PEOPLE: Place = Place { processor: 1, order: &["chrt", "-f", "10"] };
/// The attackers, in a session of their own: before nobody.
pub(crate) const CROWD: Place = Place { processor: 1, order: &["setsid"] };

/// Our session goes before the others of the machine (sched(7): processors are divided among sessions
/// first, and only then by `nice` within each); dropped, it is as before.
pub(crate) struct Foreground;

const SESSION: &str = "/proc/self/autogroup";

impl Foreground {
    pub(crate) fn take() -> Self {
        if std::fs::write(SESSION, "-20").is_err() {
            println!("no right to go before other work of this machine: it is in the figures");
        }
        Self
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = std::fs::write(SESSION, "0");
    }
}

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
        command.args(["-c", &self.processor.min(last).to_string()]);
        // Tried with a program that does nothing.
        let may = Command::new("chrt").args(["-f", "10", "true"]).stderr(Stdio::null()).status();
        if may.is_ok_and(|status| status.success()) {
            command.args(self.order);
        }
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
