//! The body of a request under its limits: so many bytes, no slower than so, no longer than so.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;
use crate::flight::Activity;

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

/// Where a body comes from.
#[derive(Debug)]
pub(crate) enum Coming {
    /// The connection.
    Wire(Incoming),
    /// An upgraded connection: it is all here.
    Inside(Full<Bytes>),
}

impl Body for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Wire(body) => Pin::new(body).poll_frame(cx),
            Self::Inside(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Wire(body) => body.is_end_stream(),
            Self::Inside(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Wire(body) => body.size_hint(),
            Self::Inside(body) => body.size_hint(),
        }
    }
}

/// The body of a request, as the application reads it.
#[derive(Debug)]
pub struct RequestBody {
    inner: Coming,
    /// What was read ahead of the application.
    ahead: VecDeque<Frame<Bytes>>,
    ended: bool,
    activity: Arc<Activity>,
    most: u64,
    read: u64,
    pace: Pace,
    clock: Option<Pin<Box<Sleep>>>,
    verdict: Arc<Verdict>,
}

impl RequestBody {
    pub(crate) fn new(
        inner: Coming,
        limits: &Limits,
        verdict: Arc<Verdict>,
        activity: Arc<Activity>,
    ) -> Self {
        let pace = Pace {
            rate: limits.body_rate,
            grace: limits.body_grace,
            longest: limits.body_timeout,
            waited: Duration::ZERO,
            since: None,
        };
        Self {
            inner,
            ahead: VecDeque::new(),
            ended: false,
            activity,
            most: limits.body_bytes,
            read: 0,
            pace,
            clock: None,
            verdict,
        }
    }

    /// Reads up to `bytes` ahead of the application, so that whoever sends slowly holds up nobody but
    /// themselves. Whether the body is all there then.
    ///
    /// # Errors
    /// As reading it would give.
    pub(crate) async fn gather(&mut self, bytes: u64) -> Result<bool, BodyError> {
        while !self.is_whole() && self.read < bytes {
            let next = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await;
            match next {
                Some(frame) => self.ahead.push_back(frame?),
                None => self.ended = true,
            }
        }
        Ok(self.is_whole())
    }

    /// What was read ahead and not yet by the application.
    pub(crate) fn gathered(&self) -> Cow<'_, [u8]> {
        let mut parts = self.ahead.iter().filter_map(Frame::data_ref);
        match (parts.next(), parts.next()) {
            (None, _) => Cow::Borrowed(&[]),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                let mut whole = [first.as_ref(), second.as_ref()].concat();
                parts.for_each(|part| whole.extend_from_slice(part));
                Cow::Owned(whole)
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pace.arrived(Instant::now());
                self.clock = None;
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.activity.was_of_use(length);
                self.read = self.read.saturating_add(length);
                if self.read > self.most {
                    self.verdict.0.store(TOO_LARGE, Ordering::Release);
                    return Poll::Ready(Some(Err(BodyError::TooLarge { most: self.most })));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(BodyError::Broken(e)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let patience = self.pace.patience(Instant::now(), self.read);
                let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(patience)));
                if clock.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.verdict.0.store(TOO_SLOW, Ordering::Release);
                Poll::Ready(Some(Err(BodyError::TooSlow)))
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if self.ended => Poll::Ready(None),
            None => self.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.is_whole()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let mut hint = if self.ended { SizeHint::with_exact(0) } else { self.inner.size_hint() };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint.set_lower(hint.lower().saturating_add(ahead));
        hint
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
