//! Commands killed at moments spread over their own length, whatever a machine takes for them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a command is thought to take before it was once seen to end.
const FIRST_GUESS: Duration = Duration::from_millis(400);

/// Kills commands, and learns how long each kind (its first two words) takes undisturbed.
pub(crate) struct Killer {
    chance: u64,
    lengths: BTreeMap<String, Duration>,
}

impl Killer {
    /// One with its own sequence of moments; `seed` is not zero.
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: seed, lengths: BTreeMap::new() }
    }

    /// Runs a command and kills it somewhere within its length. Gives whether it was still at work.
    pub(crate) async fn strike(&mut self, data: &Path, command: &[&str]) -> bool {
        let kind = command.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let length = self.lengths.entry(kind).or_insert(FIRST_GUESS);
        // xorshift: from the first moment of the program to its last.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let moment = length.mul_f64((self.chance % 1000) as f64 / 1000.0);
        let mut child = program(data, command).spawn().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the kills are spread over the real time")]
        let begun = Instant::now();
        let mut ended = false;
        while !ended && begun.elapsed() < moment {
            tokio::time::sleep(Duration::from_millis(2)).await;
            ended = child.try_wait().unwrap().is_some();
        }
        if ended {
            *length = begun.elapsed();
        } else {
            // It may take longer than it did, on a machine that is busier now.
            *length = length.mul_f64(1.1);
        }
        let _ = child.kill();
        child.wait().unwrap();
        !ended
    }
}

/// The binary with a command that nobody listens to.
pub(crate) fn program(data: &Path, command: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wardroom"));
    program
        .args(command)
        .arg("--data")
        .arg(data)
        .env_remove("WARDROOM_DATA")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    program
}
