//! The body of a request under its limits: so many bytes, no slower than so, no longer than so.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;

/// Why a body ended before its end. The edge itself answers the request then (413 or 408), whatever the
/// application makes of this error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// More bytes than the listener reads.
    #[error("the body is larger than {most} bytes")]
    TooLarge {
        /// Bytes allowed.
        most: u64,
    },
    /// The client sent it too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection ended, or what came is not HTTP.
    #[error("the body could not be read")]
    Broken(#[source] hyper::Error),
}

/// What a body's limits had to say, seen by the task that answers.
#[derive(Debug, Default)]
pub(crate) struct Verdict(AtomicU8);

const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

impl Verdict {
    pub(crate) fn too_large(&self) -> bool {
        self.0.load(Ordering::Acquire) == TOO_LARGE
    }

    pub(crate) fn too_slow(&self) -> bool {
        self.0.load(Ordering::Acquire) == TOO_SLOW
    }
}

/// The body of a request, as the application reads it.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    most: u64,
    read: u64,
    pace: Pace,
    clock: Option<Pin<Box<Sleep>>>,
    verdict: Arc<Verdict>,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, limits: &Limits, verdict: Arc<Verdict>) -> Self {
        let pace = Pace {
            rate: limits.body_rate,
            grace: limits.body_grace,
            longest: limits.body_timeout,
            waited: Duration::ZERO,
            since: None,
        };
        Self { inner, most: limits.body_bytes, read: 0, pace, clock: None, verdict }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.pace.arrived(Instant::now());
                this.clock = None;
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.read = this.read.saturating_add(length);
                if this.read > this.most {
                    this.verdict.0.store(TOO_LARGE, Ordering::Release);
                    return Poll::Ready(Some(Err(BodyError::TooLarge { most: this.most })));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(BodyError::Broken(e)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let patience = this.pace.patience(Instant::now(), this.read);
                let clock = this.clock.get_or_insert_with(|| Box::pin(sleep(patience)));
                if clock.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.verdict.0.store(TOO_SLOW, Ordering::Release);
                Poll::Ready(Some(Err(BodyError::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How long a body has made us wait. Only waiting counts: a body is not slow when the application is.
#[derive(Debug)]
struct Pace {
    rate: u64,
    grace: Duration,
    longest: Duration,
    waited: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// What is left of the patience that `read` bytes have earned.
    fn patience(&mut self, now: Instant, read: u64) -> Duration {
        let since = *self.since.get_or_insert(now);
        let waited = self.waited + now.saturating_duration_since(since);
        let earned = Duration::from_millis(read.saturating_mul(1000) / self.rate.max(1));
        self.grace.saturating_add(earned).min(self.longest).saturating_sub(waited)
    }

    fn arrived(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_counts_waiting_and_pays_for_bytes() {
        let mut pace = Pace {
            rate: 100,
            grace: Duration::from_secs(2),
            longest: Duration::from_secs(10),
            waited: Duration::ZERO,
            since: None,
        };
        let start = Instant::now();
        assert_eq!(pace.patience(start, 0), Duration::from_secs(2));
        pace.arrived(start + Duration::from_secs(1));
        // The application takes a minute over it: not the client's fault.
        let later = start + Duration::from_secs(61);
        assert_eq!(pace.patience(later, 0), Duration::from_secs(1));
        pace.arrived(later);
        assert_eq!(pace.patience(later, 300), Duration::from_secs(4));
        pace.arrived(later);
        assert_eq!(pace.patience(later, 1_000_000), Duration::from_secs(9), "no longer than the longest");
        assert_eq!(pace.patience(later + Duration::from_secs(20), 1_000_000), Duration::ZERO);
    }
}
