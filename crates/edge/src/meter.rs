//! What an HTTP/2 connection sends, by the heads of its frames (RFC 9113 section 4.1), seen on the way to
//! the HTTP stack. Frames that ask for nothing cost us more than their bytes tell: seventeen of them are a
//! PING, and a megabyte of PINGs is a third of a second of work. And a request that is cancelled in the same
//! breath never reaches the counts of requests.
//!
//! Here nothing is refused and nothing is judged but by number; whether a frame is lawful is for the stack.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::flight::Activity;

/// What a client says before its first frame (RFC 9113 section 3.4).
const PREFACE: usize = 24;
/// Bytes of a frame's head.
const HEAD: usize = 9;
/// A piece of a body that is smaller than this, and not its last, is chatter too.
const TINY: usize = 64;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// `ACK` of SETTINGS and PING, `END_STREAM` of DATA.
const LAST: u8 = 1;

/// A stream of bytes whose frames are counted as they are read.
pub(crate) struct Meter<S> {
    inner: S,
    activity: Arc<Activity>,
    frames: Frames,
}

impl<S> Meter<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity, frames: Frames { skip: PREFACE, head: [0; HEAD], have: 0 } }
    }
}

/// Where in the stream of frames we are.
struct Frames {
    /// Bytes to come that are no head.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
}

/// What was found in one piece.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Frames that ask for nothing.
    idle: u64,
    /// Requests that were cancelled in the piece in which they came.
    breathless: u64,
}

impl Frames {
    fn look(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        let mut first_new = None;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (_, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip -= bytes.len() - rest.len();
                bytes = rest;
                continue;
            }
            let wanted = (HEAD - self.have).min(bytes.len());
            let (more, rest) = bytes.split_at(wanted);
            self.head.iter_mut().skip(self.have).zip(more).for_each(|(to, from)| *to = *from);
            self.have += wanted;
            bytes = rest;
            if self.have < HEAD {
                break;
            }
            self.have = 0;
            let [a, b, c, kind, flags, d, e, f, g] = self.head;
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or_default();
            let stream = u32::from_be_bytes([d & 0x7F, e, f, g]);
            self.skip = length;
            match kind {
                HEADERS => {
                    first_new.get_or_insert(stream);
                }
                DATA if length >= TINY || flags & LAST != 0 => {}
                // They answer ours, and there are few of ours.
                PING | SETTINGS if flags & LAST != 0 => {}
                RST_STREAM if first_new.is_some_and(|first| stream >= first) => {
                    seen.breathless += 1;
                    seen.idle += 1;
                }
                _ => seen.idle += 1,
            }
        }
        seen
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.activity.flood().is_some() {
            // Nobody listens any more; the connection's steward ends it.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.inner).poll_read(cx, buffer);
        let seen = this.frames.look(buffer.filled().get(before..).unwrap_or_default());
        if seen != Seen::default() {
            this.activity.idled(seen.idle, seen.breathless);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, parts);
        self.note(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S> Meter<S> {
    fn note(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(written)) = result {
            self.activity.said(*written);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
    }

    fn frames() -> Frames {
        Frames { skip: PREFACE, head: [0; HEAD], have: 0 }
    }

    fn conversation() -> Vec<u8> {
        [
            vec![b'P'; PREFACE],
            frame(SETTINGS, 0, 0, &[0; 12]),
            frame(HEADERS, 4, 1, &[0x82; 30]),
            frame(DATA, 0, 1, &[7; 500]),
            frame(DATA, 0, 1, &[7; 3]),
            frame(DATA, 1, 1, &[]),
            frame(PING, 1, 0, &[0; 8]),
            frame(PING, 0, 0, &[0; 8]),
            frame(RST_STREAM, 0, 1, &[0; 4]),
        ]
        .concat()
    }

    #[test]
    fn a_request_cancelled_in_the_same_breath_is_told_from_one_that_was_under_way() {
        let mut frames = frames();
        let seen = frames.look(&conversation());
        assert_eq!(seen, Seen { idle: 4, breathless: 1 });
        assert_eq!(frames.look(&frame(RST_STREAM, 0, 1, &[0; 4])), Seen { idle: 1, breathless: 0 });
        let later = [frame(HEADERS, 5, 3, &[0; 9]), frame(RST_STREAM, 0, 1, &[0; 4])].concat();
        assert_eq!(frames.look(&later), Seen { idle: 1, breathless: 0 });
    }

    proptest! {
        #[test]
        fn frames_are_counted_alike_wherever_the_pieces_are_cut(cuts in prop::collection::vec(0usize..700, 0..8)) {
            let bytes = conversation();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut frames = frames();
            let idle: u64 = cuts.windows(2).map(|cut| frames.look(&bytes[cut[0]..cut[1]]).idle).sum();
            prop_assert_eq!(idle, 4);
        }
    }
}
