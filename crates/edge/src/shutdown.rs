//! One signal to stop, seen by the listeners and by the application's open streams alike.

use tokio::sync::watch;

/// The hand that stops. Dropping it stops too: a server whose owner is gone must not run on.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// The signal to stop. Clone it to everything that has to end: listeners, and the event streams of the
/// application, which end themselves when they see it.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A signal and the hand that gives it.
    pub fn new() -> (ShutdownTrigger, Self) {
        let (trigger, signal) = watch::channel(false);
        (ShutdownTrigger(trigger), Self(signal))
    }

    /// Whether the signal has been given.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for the signal. May be dropped and called again at any time.
    pub async fn requested(&self) {
        let mut signal = self.0.clone();
        // An error means that the trigger is gone, which is a signal as well.
        let _ = signal.wait_for(|stop| *stop).await;
    }

    /// The same signal as a plain tokio type, for crates that know nothing of this one: `true`, or a
    /// closed channel, means stop.
    pub fn receiver(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}

impl From<watch::Receiver<bool>> for Shutdown {
    fn from(signal: watch::Receiver<bool>) -> Self {
        Self(signal)
    }
}

impl ShutdownTrigger {
    /// Gives the signal.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
