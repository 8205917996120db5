//! A private mail relay: Debian's Exim, one process for each connection, on a port of the loopback
//! interface, with its mail in a folder that ends with the test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a suite that cannot run must say so loudly, never skip"
)]

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::{Authority, Identity};

const EXIM: &str = "/usr/sbin/exim4";

/// How a [`Relay`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offers {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS.
    StartTls,
    /// No encryption at all, as after an attack that takes the offer away.
    Nothing,
}

/// A relay. It takes mail from whoever signs in as [`Relay::USER`] with [`Relay::PASSWORD`]. Mail to `busy@..`
/// it refuses for now (451), mail to `nobody@..` for good (550), and a text with the word `unwanted` too.
#[derive(Debug)]
pub struct Relay {
    folder: tempfile::TempDir,
    offers: Offers,
    port: u16,
    owner: (u32, u32),
    open: Option<Open>,
    connections: Arc<AtomicUsize>,
}

/// The listener of a relay that is there.
#[derive(Debug)]
struct Open {
    stopped: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Relay {
    /// Who may send.
    pub const USER: &'static str = "wardroom";
    /// With this password.
    pub const PASSWORD: &'static str = "correct horse, battery: \u{1F50B}";

    /// Starts one as `localhost`, vouched for by an authority.
    ///
    /// # Panics
    /// When Exim is not installed (Debian: `exim4-daemon-light`), the tests do not run as root, or there is no
    /// port.
    pub fn start(authority: &Authority, offers: Offers) -> Self {
        Self::with(&authority.issue(&["localhost"]), offers)
    }

    /// Starts one with this certificate.
    ///
    /// # Panics
    /// As [`Relay::start`].
    pub fn with(identity: &Identity, offers: Offers) -> Self {
        assert!(Path::new(EXIM).exists(), "install exim4-daemon-light");
        let folder = tempfile::Builder::new().prefix("relay-").tempdir().unwrap();
        let home = folder.path();
        std::fs::write(home.join("certificate.pem"), &identity.certificate).unwrap();
        std::fs::write(home.join("key.pem"), &identity.key).unwrap();
        std::fs::write(home.join("exim.conf"), configuration(home, offers)).unwrap();
        for name in ["spool", "mail"] {
            std::fs::create_dir(home.join(name)).unwrap();
        }
        // Exim delivers nothing as root, and hands its spool to its own user, which root alone can let it do.
        assert!(is_root(home), "Exim keeps its spool as its own user: run the tests of mail as root");
        let owner = exims_own_user().unwrap();
        let inside = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
        for path in inside.chain([home.to_owned()]) {
            chown(path, Some(owner.0), Some(owner.1)).unwrap();
        }
        std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut relay = Self { folder, offers, port: 0, owner, open: None, connections };
        relay.come_back();
        relay
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Nobody answers any more.
    ///
    /// # Panics
    /// When the listener's thread did.
    pub fn go_away(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        open.thread.join().unwrap();
    }

    /// It is there again, on the same port.
    ///
    /// # Panics
    /// When somebody else took the port meanwhile.
    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let (over, connections) = (Arc::clone(&stopped), Arc::clone(&self.connections));
        let (home, owner, offers) = (self.folder.path().to_owned(), self.owner, self.offers);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                serve(&home, owner, offers, stream);
            }
        });
        self.open = Some(Open { stopped, thread });
    }

    /// The letters that were delivered, as they lie in the mailbox.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn letters(&self) -> Vec<String> {
        let Ok(inside) = std::fs::read_dir(self.folder.path().join("mail/new")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = inside.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// Waits until so many letters are delivered.
    ///
    /// # Panics
    /// When they are not after half a minute.
    pub fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..1200 {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{} letters of {count}; the relay's log:\n{}", self.letters().len(), self.log());
    }

    /// What the relay wrote down.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["mainlog", "rejectlog", "paniclog"].map(read).concat()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// Lets one Exim process talk on a connection, and deliver what it is given. It ends with the connection.
fn serve(home: &Path, (user, group): (u32, u32), offers: Offers, stream: TcpStream) {
    let ours = |stream: &TcpStream| Stdio::from(OwnedFd::from(stream.try_clone().unwrap()));
    let mut exim = Command::new(EXIM);
    exim.arg("-C").arg(home.join("exim.conf")).arg("-bs").current_dir("/");
    if offers == Offers::Tls {
        exim.arg("-tls-on-connect");
    }
    exim.uid(user).gid(group);
    let child = exim.stdin(ours(&stream)).stdout(ours(&stream)).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    // Taken in when it ends, so that no test leaves the dead behind.
    std::thread::spawn(move || child.wait());
}

fn is_root(made: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(made).unwrap().uid() == 0
}

/// The user that Debian's package makes for it.
fn exims_own_user() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("Debian-exim:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn configuration(home: &Path, offers: Offers) -> String {
    let home = home.display();
    let advertise = if offers == Offers::Nothing { "" } else { "*" };
    let (user, password) = (Relay::USER, Relay::PASSWORD);
    format!(
        "primary_hostname = relay.test
spool_directory = {home}/spool
log_file_path = {home}/%slog
tls_certificate = {home}/certificate.pem
tls_privatekey = {home}/key.pem
tls_advertise_hosts = {advertise}
acl_smtp_rcpt = recipient
acl_smtp_data = text
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
deliver_drop_privilege = true

begin acl
recipient:
  deny !authenticated = *
       message = sign in first
  defer local_parts = busy
       message = 4.2.0 come back later
  deny local_parts = nobody
       message = 5.1.1 no such mailbox
  accept
text:
  deny condition = ${{if match{{$message_body}}{{unwanted}}}}
       message = 5.7.1 we do not want this
  accept

begin routers
all:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  directory = {home}/mail
  maildir_format
  envelope_to_add
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
"
    )
}
