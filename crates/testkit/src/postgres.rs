//! A private PostgreSQL cluster for one run of one test binary.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

/// The major versions that the suites are run on, the preferred one first.
const VERSIONS: [&str; 5] = ["15", "16", "17", "18", "14"];

/// A running PostgreSQL server that belongs to this process: a Unix socket and a loopback port, no
/// password, data in a temporary folder.
///
/// A small shell stands between this process and the server and reads a pipe that this process holds
/// open. When the pipe closes (the process has ended, or was killed) the shell stops the server and
/// removes the folder, so nothing is left behind even by a test that was aborted.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// The keeper and its pipe. Nothing is ever written; closing it is the signal.
    keeper: Mutex<(Child, Option<ChildStdin>)>,
    databases: AtomicU32,
    _room: TempDir,
}

impl Cluster {
    /// The one cluster of this process, started on first use. It does not wait for the disk: what a
    /// machine's power failure would do to it is nobody's question in a test.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start, saying what to do.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&["-c", "fsync=off", "-c", "full_page_writes=off"], None))
    }

    /// A cluster of its own that also speaks TLS, with this certificate chain and key in PEM.
    ///
    /// # Panics
    /// As for [`Cluster::shared`].
    pub fn with_tls(certificates: &str, key: &str) -> Cluster {
        Self::start(&["-c", "fsync=off", "-c", "ssl=on"], Some((certificates, key)))
    }

    /// A cluster of its own that waits for the disk as a real one does, for measurements.
    ///
    /// # Panics
    /// As for [`Cluster::shared`].
    pub fn durable() -> Cluster {
        let settings = ["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=256MB"];
        Self::start(&settings, None)
    }

    #[expect(clippy::panic, reason = "a suite that cannot run must say so loudly, never skip")]
    fn start(settings: &[&str], tls: Option<(&str, &str)>) -> Self {
        match Self::try_start(settings, tls) {
            Ok(cluster) => cluster,
            Err(why) => panic!(
                "the PostgreSQL half of this suite cannot run: {why}\n\
                 install PostgreSQL (Debian: `apt-get install postgresql-15`), and as root make sure \
                 the user `postgres` exists"
            ),
        }
    }

    fn try_start(settings: &[&str], tls: Option<(&str, &str)>) -> Result<Self, String> {
        let programs = programs().ok_or("`initdb` and `postgres` were not found")?;
        let room = tempfile::Builder::new().prefix("wardroom-pg-").tempdir().map_err(|e| e.to_string())?;
        let folder = room.path().to_owned();
        // PostgreSQL refuses to run as root; then its own user must own the folder.
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let data = folder.join("data");
        run(as_owner(&programs.join("initdb"))
            .args(["--no-sync", "--no-instructions", "-A", "trust", "-U", "wardroom", "-E", "UTF8"])
            .args(["--locale", "C.UTF-8", "-D"])
            .arg(&data))?;
        if let Some((certificates, key)) = tls {
            // The names are the server's defaults; it refuses a key that others can read.
            for (name, pem) in [("server.crt", certificates), ("server.key", key)] {
                let file = data.join(name);
                std::fs::write(&file, pem).map_err(|e| e.to_string())?;
                run(Command::new("chmod").arg("600").arg(&file))?;
                if is_root() {
                    run(Command::new("chown").arg("postgres").arg(&file))?;
                }
            }
        }
        // Another program could take the port between this and the server's start; the server would
        // then say so, and the run fails.
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).map_err(|e| e.to_string())?;
        let script = r#"set -u; programs=$1; data=$2; folder=$3; shift 3
            "$programs/postgres" -D "$data" "$@" >"$folder/log" 2>&1 &
            server=$!
            echo started
            read -r _ || true
            kill -INT "$server" 2>/dev/null
            wait "$server"
            rm -rf "$folder""#;
        let mut keeper = as_owner(Path::new("/bin/sh"))
            .arg("-c")
            .arg(script)
            .arg("keeper")
            .args([&programs, &data, &folder])
            .args(["-k".as_ref(), folder.as_os_str()])
            .args(["-h", "127.0.0.1", "-p", &port.port().to_string()])
            .args(["-c", "max_connections=300", "-c", "log_min_messages=warning"])
            .args(settings)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let (pipe, words) = (keeper.stdin.take(), keeper.stdout.take());
        let mut line = String::new();
        if let Some(words) = words {
            BufReader::new(words).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        let cluster = Self {
            programs,
            folder,
            port: port.port(),
            keeper: Mutex::new((keeper, pipe)),
            databases: AtomicU32::new(0),
            _room: room,
        };
        for _ in 0..300 {
            if cluster.try_sql("postgres", "SELECT 1").is_ok() {
                return Ok(cluster);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(cluster.folder.join("log")).unwrap_or_default();
        Err(format!("the server did not answer within 15 s; it said: {log}"))
    }

    /// Makes a fresh, empty database and gives its name.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The address of a database over the loopback port.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://wardroom@127.0.0.1:{}/{database}", self.port)
    }

    /// The address of a database over the Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://wardroom@{folder}:{}/{database}", self.port)
    }

    /// The folder that holds the server's files: data, write-ahead log, server log.
    pub fn files(&self) -> &Path {
        &self.folder
    }

    /// A whole database as `pg_dump` writes it.
    ///
    /// # Panics
    /// When the server refuses.
    #[expect(clippy::panic, reason = "a test's own statement must work")]
    pub fn dump(&self, database: &str) -> String {
        let dumped = run(Command::new(self.programs.join("pg_dump")).arg("-h").arg(&self.folder).args([
            "-p",
            &self.port.to_string(),
            "-U",
            "wardroom",
            database,
        ]));
        dumped.unwrap_or_else(|why| panic!("the dump failed: {why}"))
    }

    /// Runs a statement as the superuser, beside whatever is under test, and gives its unaligned
    /// output.
    ///
    /// # Panics
    /// When the server refuses.
    #[expect(clippy::panic, reason = "a test's own statement must work")]
    pub fn sql(&self, database: &str, statement: &str) -> String {
        match self.try_sql(database, statement) {
            Ok(output) => output,
            Err(why) => panic!("the test's own statement `{statement}` failed: {why}"),
        }
    }

    fn try_sql(&self, database: &str, statement: &str) -> Result<String, String> {
        run(Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-U", "wardroom", "-d", database, "-c", statement]))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let (keeper, pipe) = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(pipe.take());
        // The keeper ends when the server has; the folder is its `TempDir`'s to remove.
        let _ = keeper.wait();
    }
}

/// The folder of PostgreSQL's programs: Debian's first, then whatever is on the path.
fn programs() -> Option<PathBuf> {
    let debian = VERSIONS.iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .chain(std::env::split_paths(&path))
        .find(|folder| ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file()))
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<String, String> {
    // PostgreSQL's programs complain about a current folder that they may not enter.
    let output =
        command.current_dir("/").output().map_err(|e| format!("{:?}: {e}", command.get_program()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{:?}: {}", command.get_program(), words.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_answers_and_leaves_nothing_behind() {
        let cluster = Cluster::start(&["-c", "fsync=off"], None);
        let name = cluster.database();
        assert_eq!(cluster.sql(&name, "SELECT 6 * 7").trim(), "42");
        let folder = cluster.folder.clone();
        drop(cluster);
        assert!(!folder.exists());
    }
}
