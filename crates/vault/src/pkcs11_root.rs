//! The root key in an HSM, through PKCS#11 (OASIS, 2.40 and later). The key is made inside the token
//! and never leaves it; the token wraps and unwraps tenant keys.
//!
//! A session belongs to one thread, so a thread of its own holds it and works off requests in turn
//! (`desk.rs`). A vendor's module that hangs makes callers give up after [`PATIENCE`]; a module that
//! corrupts memory takes the process with it, as it would any process that loads it.

mod desk;

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kernel::{Secret, World};

use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};
use desk::Desk;

/// How long a caller waits for the token.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many requests may wait for the token; more are told that it is out of reach.
const QUEUE: usize = 64;

/// Which token, and which key in it.
#[derive(Debug)]
pub struct Pkcs11Settings {
    /// The vendor's module, an absolute path. It is loaded into this process: whoever can write to it
    /// is this process.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label (`CKA_LABEL`).
    pub key: String,
    /// The user's PIN.
    pub pin: Secret<String>,
}

/// How the token wraps. Both bind a tenant key to tenant and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkcs11Method {
    /// `CKM_AES_GCM` by `C_Encrypt`, with the context as AAD.
    AesGcm,
    /// `CKM_AES_KEY_WRAP` (RFC 3394) of a carrier key, under which the tenant key is sealed with the
    /// context as AAD: for tokens without AES-GCM.
    AesKeyWrap,
}

type Job = Box<dyn FnOnce(&mut Desk) + Send>;

/// A root key in an HSM.
///
/// Dropping it closes the session and waits until that is done: a module may be torn down when the process
/// exits, and a thread that is still inside of it then crashes the process in its last moment.
pub struct Pkcs11Root {
    info: ProviderInfo,
    /// `None` only while it is dropped.
    jobs: Option<SyncSender<Job>>,
    /// Disconnected once the thread has left the module for good.
    left: Mutex<Receiver<Infallible>>,
}

impl Pkcs11Root {
    /// Makes the root key inside the token: AES-256, sensitive, not extractable.
    ///
    /// # Errors
    /// When the token cannot be used, or has a key of that label already.
    pub fn create(settings: Pkcs11Settings, world: World) -> Result<Self, ProviderError> {
        let root = Self::start(settings, None, world)?;
        root.ask(Desk::create)?;
        root.ask(Desk::health)?;
        Ok(root)
    }

    /// Finds the root key in the token. `method` is chosen by what the token can do when it is `None`;
    /// keys wrapped by either method are unwrapped.
    ///
    /// # Errors
    /// When the token cannot be used, the key is not there exactly once, or it can be extracted.
    pub fn open(
        settings: Pkcs11Settings,
        method: Option<Pkcs11Method>,
        world: World,
    ) -> Result<Self, ProviderError> {
        let root = Self::start(settings, method, world)?;
        root.ask(Desk::health)?;
        Ok(root)
    }

    fn start(
        settings: Pkcs11Settings,
        method: Option<Pkcs11Method>,
        world: World,
    ) -> Result<Self, ProviderError> {
        if !settings.module.is_absolute() {
            let why = format!("the module `{}` is not an absolute path", settings.module.display());
            return Err(ProviderError::Unsafe { why });
        }
        let key = format!("{} in token {}", settings.key, settings.token);
        let (jobs, work) = sync_channel::<Job>(QUEUE);
        let (inside, left) = sync_channel(0);
        std::thread::Builder::new()
            .name("pkcs11".to_owned())
            .spawn(move || {
                let mut desk = Desk::new(settings, method, world);
                // Ends when the root is dropped; the session is closed with the desk.
                while let Ok(job) = work.recv() {
                    job(&mut desk);
                }
                drop(desk);
                drop(inside);
            })
            .map_err(|error| ProviderError::Unavailable { why: format!("no thread: {error}") })?;
        Ok(Self { info: ProviderInfo { kind: "pkcs11", key }, jobs: Some(jobs), left: Mutex::new(left) })
    }

    /// Has the thread at the token do something, and waits for it.
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let unavailable = |why: &str| ProviderError::Unavailable { why: why.to_owned() };
        let (answer, wait) = sync_channel(1);
        let job = Box::new(move |desk: &mut Desk| {
            // Nobody waits any more when the caller has lost patience.
            let _ = answer.send(work(desk));
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| unavailable("the token's thread has ended"))?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many requests wait for the token"),
            TrySendError::Disconnected(_) => unavailable("the token's thread has ended"),
        })?;
        wait.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => unavailable("the token did not answer in time"),
            RecvTimeoutError::Disconnected => unavailable("the token's thread has ended"),
        })?
    }
}

impl KeyProvider for Pkcs11Root {
    fn describe(&self) -> ProviderInfo {
        self.info.clone()
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let key = KeyBytes::from_slice(key.expose()).ok_or(ProviderError::Refused)?;
        let context = *context;
        self.ask(move |desk| desk.wrap(&key, &context))
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let (blob, context) = (blob.to_vec(), *context);
        self.ask(move |desk| desk.unwrap(&blob, &context))
    }

    fn health(&self) -> Result<(), ProviderError> {
        self.ask(Desk::health)
    }
}

impl Drop for Pkcs11Root {
    fn drop(&mut self) {
        self.jobs = None;
        // A module that hangs is not waited for without end.
        let left = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = left.recv_timeout(PATIENCE);
    }
}

impl fmt::Debug for Pkcs11Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Root({})", self.info)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn dropping_it_waits_until_its_thread_has_left_the_module() {
        let [token, key] = ["a token", "a key"].map(str::to_owned);
        let pin = Secret::new("1234".to_owned());
        let settings = Pkcs11Settings { module: PathBuf::from("/nowhere"), token, key, pin };
        let root = Pkcs11Root::start(settings, None, World::real()).unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let job: Job = Box::new(move |_| {
            std::thread::sleep(Duration::from_millis(300));
            told.store(true, Ordering::SeqCst);
        });
        assert!(root.jobs.as_ref().unwrap().try_send(job).is_ok());
        drop(root);
        assert!(done.load(Ordering::SeqCst));
    }
}
