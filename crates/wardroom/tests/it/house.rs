//! A running Wardroom for a test: the real binary in its own data directory on ports of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// What `wardroom up --json` prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub(crate) public: String,
    pub(crate) console: String,
    pub(crate) enrolment: Option<String>,
    pub(crate) ca: PathBuf,
}

/// A running process. It is killed when dropped.
pub(crate) struct House {
    child: Child,
    /// What it says on standard error, once it has ended.
    said: mpsc::Receiver<String>,
    pub(crate) ready: Ready,
    pub(crate) started_in: Duration,
}

/// How a start that should fail failed.
pub(crate) struct Refusal {
    pub(crate) status: i32,
    pub(crate) stderr: String,
}

fn command(data: &Path, environment: &[(&str, &Path)]) -> Command {
    crate::root::settle(data);
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardroom"));
    command
        .args(["up", "--json", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--data"])
        .arg(data)
        .env_remove("WARDROOM_DATA")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl House {
    /// Starts on a data directory and waits until it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(data: &Path, environment: &[(&str, &Path)]) -> Self {
        Self::try_start_with(data, environment)
            .unwrap_or_else(|refusal| panic!("it did not start ({}): {}", refusal.status, refusal.stderr))
    }

    /// Starts, or tells how it refused to.
    pub(crate) fn try_start(data: &Path) -> Result<Self, Refusal> {
        Self::try_start_with(data, &[])
    }

    /// The same with more in its environment.
    #[expect(clippy::disallowed_methods, reason = "the start's real time is measured")]
    pub(crate) fn try_start_with(data: &Path, environment: &[(&str, &Path)]) -> Result<Self, Refusal> {
        let begun = Instant::now();
        let mut child = command(data, environment).spawn().expect("the binary runs");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let (errors, said) = mpsc::channel();
        // Both pipes are drained to the end, so that the process never waits for a reader.
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = errors.send(text);
        });
        let (lines, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        match ready.recv_timeout(Duration::from_secs(60)) {
            Ok(line) => {
                let ready = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("not a ready line: {line}: {error}"));
                Ok(Self { child, said, ready, started_in: begun.elapsed() })
            }
            Err(_) => {
                let _ = child.kill();
                let status = child.wait().expect("it ends").code().unwrap_or(-1);
                let stderr = said.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
                Err(Refusal { status, stderr })
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ctrl-C, and the exit status. What it says of a bad end is shown.
    #[expect(clippy::print_stdout, reason = "shown with the test that fails")]
    pub(crate) fn interrupt(self) -> i32 {
        let (status, said) = self.interrupt_and_tell();
        if status != 0 {
            println!("{said}");
        }
        status
    }

    /// The same, with all that it logged.
    pub(crate) fn interrupt_and_tell(mut self) -> (i32, String) {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupted.is_ok_and(|status| status.success()));
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                let said = self.said.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
                return (status.code().unwrap_or(-1), said);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it did not end within 30 seconds of Ctrl-C");
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs another command of the binary and returns status, stdout and stderr.
pub(crate) fn wardroom(args: &[&str]) -> (i32, String, String) {
    wardroom_with(args, "")
}

/// The same with something on standard input.
pub(crate) fn wardroom_with(args: &[&str], input: &str) -> (i32, String, String) {
    wardroom_in(args, input, &[])
}

/// The same with more in its environment.
pub(crate) fn wardroom_in(
    args: &[&str],
    input: &str,
    environment: &[(&str, &Path)],
) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wardroom"))
        .args(args)
        .env_remove("WARDROOM_DATA")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that asks for nothing may be gone before it is told.
    let _ = child.stdin.take().expect("stdin is a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
