//! The peer: an nginx of one process on the loopback, its CPU time as the system accounts for it, and the
//! upstream behind it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const NGINX: &str = "/usr/sbin/nginx";

/// A running nginx; it ends when dropped.
pub(crate) struct Nginx {
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Starts nginx in a folder of its own with what belongs into its `http` block. `modules` come before
    /// everything; `ready` is a port that it will listen on.
    pub(crate) fn start(folder: &Path, modules: &str, http: &str, ready: u16) -> Result<Self, String> {
        let at = folder.display();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let conf = format!(
            "{modules}\ndaemon off;\nmaster_process off;\nworker_processes 1;\npid {at}/pid;\n\
             error_log {at}/error.log crit;\nevents {{ worker_connections 512; }}\n\
             http {{\naccess_log off;\nkeepalive_requests 1000000;\n{paths}{http}\n}}\n"
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, conf).map_err(|error| error.to_string())?;
        let child = Command::new(NGINX)
            .args(["-p", &at.to_string(), "-e", &format!("{at}/error.log"), "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {NGINX}: {error}"))?;
        let mut nginx = Self { child, folder: folder.to_owned() };
        // Rules are read before a port is opened, which takes seconds.
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", ready)).is_ok() {
                return Ok(nginx);
            }
            if let Ok(Some(status)) = nginx.child.try_wait() {
                return Err(format!("nginx ended with {status}: {}", nginx.last_words()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("nginx does not open its port: {}", nginx.last_words()))
    }

    /// CPU time of the process so far, in microseconds, without children.
    pub(crate) fn cpu(&self) -> f64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        tasks.map(|task| schedstat(&task.path().join("schedstat"))).sum()
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("error.log")).unwrap_or_default();
        text.lines().rev().take(3).collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time on a processor, in microseconds, from one of the kernel's `schedstat` files.
pub(crate) fn schedstat(file: &Path) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1_000.0
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// An upstream that answers every request with two words, on threads of its own; its port.
pub(crate) fn upstream() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(reading) = stream.try_clone() else { return };
    let mut reading = BufReader::new(reading);
    while let Some(length) = head(&mut reading) {
        let body = std::io::copy(&mut (&mut reading).take(length), &mut std::io::sink());
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nall right";
        if body.is_err() || stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// Reads a head to its end; the length of the body that follows.
pub(crate) fn head(from: &mut impl BufRead) -> Option<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Some(length);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}
