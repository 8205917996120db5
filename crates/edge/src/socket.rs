//! The TCP socket of one connection, under TLS: gives up on a peer that takes no byte for too long,
//! ends with a lingering close, and holds the connection's permit for as long as it lives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::admission::Permit;
use crate::flight::Activity;

/// How long, and for how many bytes, a closed socket still reads. Closing with unread bytes makes the
/// kernel send a reset, which can overtake the answer that said why (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;
/// What one connection may read before others have their turn: a client that sends without end is never
/// found waiting, and would be served alone.
const RATION: usize = 16 * 1024;

pub(crate) struct Socket {
    stream: TcpStream,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Option<(Pin<Box<Sleep>>, usize)>,
    activity: Arc<Activity>,
    /// What is left of it in this turn.
    ration: usize,
    _permit: Permit,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, stall: Duration, permit: Permit, activity: Arc<Activity>) -> Self {
        Self { stream, stall, stalled: None, closing: None, activity, ration: RATION, _permit: permit }
    }

    /// Passes on what writing said, and starts or stops the clock of a stall.
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let stall = self.stall;
        let clock = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(clock.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ration == 0 {
            self.ration = RATION;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len().saturating_sub(before);
        self.ration = if result.is_pending() { RATION } else { self.ration.saturating_sub(read) };
        self.activity.heard(read);
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let until = Instant::now() + LINGER;
        let (clock, read) = this.closing.get_or_insert_with(|| (Box::pin(sleep_until(until)), 0));
        let mut scratch = [0u8; 4096];
        loop {
            if clock.as_mut().poll(cx).is_ready() || *read >= LINGER_BYTES {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *read += buffer.filled().len(),
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
