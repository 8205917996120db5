//! Answers held back a little, so that rules can read them before they leave: the beginning of a text, and
//! never longer than a moment. Streams, parts of pages, files and whatever is packed are not touched.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{self, HeaderMap};
use http::response::Parts;
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout;

/// How much of an answer is read by the rules. What comes after it has left unread.
const HELD: usize = 64 * 1024;
/// How long an answer that comes in pieces is held for more of it.
const MOMENT: Duration = Duration::from_millis(500);

/// Whether an answer is one that rules read.
pub(super) fn is_text(method: &Method, answer: &Parts) -> bool {
    let bodiless = *method == Method::HEAD
        || answer.status.is_informational()
        || matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    !bodiless && !is_packed(&answer.headers) && is_of_text(&answer.headers)
}

fn is_packed(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
}

/// Pages, plain text and documents, but no event streams and no parts of pages.
fn is_of_text(headers: &HeaderMap) -> bool {
    // What has no type is whatever a browser takes it for.
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is = |wanted: &&str| kind.eq_ignore_ascii_case(wanted);
    let ends = |end: &str| {
        kind.len() > end.len()
            && kind.get(kind.len() - end.len()..).is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    ["text/html", "text/plain", "text/xml", "application/json", "application/xml"].iter().any(is)
        || ends("+json")
        || (ends("+xml") && !kind.eq_ignore_ascii_case("image/svg+xml"))
}

/// The body of an answer that was inspected, or was not for the rules.
pub(crate) enum Read<B: Body> {
    Past(B),
    Ahead(Held<B>),
}

impl<B: Body<Data = Bytes> + Unpin> Body for Read<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            Self::Past(body) => Pin::new(body).poll_frame(cx),
            Self::Ahead(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Past(body) => body.is_end_stream(),
            Self::Ahead(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Past(body) => body.size_hint(),
            Self::Ahead(body) => body.size_hint(),
        }
    }
}

/// A body of which the beginning was read ahead.
pub(crate) struct Held<B: Body> {
    ahead: VecDeque<Result<Frame<Bytes>, B::Error>>,
    ahead_bytes: u64,
    /// What follows, unless the end has come.
    rest: Option<B>,
}

impl<B: Body<Data = Bytes> + Unpin> Held<B> {
    /// Reads ahead: to the end, to the bound, or for a moment.
    pub(super) async fn of(body: B) -> Self {
        let mut held = Self { ahead: VecDeque::new(), ahead_bytes: 0, rest: Some(body) };
        // Most answers are there as a whole. Of the others, what comes in a moment is read by the rules, and
        // the rest goes its way.
        if held.read().now_or_never().is_none() {
            let _ = timeout(MOMENT, held.read()).await;
        }
        held
    }

    async fn read(&mut self) {
        while self.ahead_bytes < HELD as u64 {
            let Some(rest) = &mut self.rest else { return };
            match poll_fn(|cx| Pin::new(&mut *rest).poll_frame(cx)).await {
                None => self.rest = None,
                Some(frame) => {
                    let broken = frame.is_err();
                    let bytes = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                    self.ahead_bytes += bytes as u64;
                    self.ahead.push_back(frame);
                    if broken {
                        return;
                    }
                }
            }
        }
    }

    /// What was read ahead, up to the bound.
    pub(super) fn beginning(&self) -> Bytes {
        let mut parts = self.ahead.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let first = match (parts.next(), parts.next()) {
            (None, _) => Bytes::new(),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let mut whole = [first.as_ref(), second.as_ref()].concat();
                parts.for_each(|part| whole.extend_from_slice(part));
                whole.into()
            }
        };
        first.slice(..first.len().min(HELD))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.ahead.pop_front() {
            let bytes = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
            self.ahead_bytes = self.ahead_bytes.saturating_sub(bytes as u64);
            return Poll::Ready(Some(frame));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(self.ahead_bytes));
        }
        hint.set_lower(hint.lower().saturating_add(self.ahead_bytes));
        hint
    }
}

impl<B: Body> Unpin for Held<B> {}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn read(kind: &str, status: u16) -> bool {
        let builder = Response::builder().status(status);
        let builder = if kind.is_empty() { builder } else { builder.header("content-type", kind) };
        is_text(&Method::GET, &builder.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn texts_are_read_and_streams_and_parts_of_pages_are_not() {
        for kind in ["text/html; charset=utf-8", "TEXT/PLAIN", "application/problem+json", "a/b+xml", ""] {
            assert!(read(kind, 200), "{kind}");
        }
        for kind in
            ["text/event-stream", "text/css", "text/javascript", "image/svg+xml", "font/woff2", "+json"]
        {
            assert!(!read(kind, 200), "{kind}");
        }
        assert!(!read("text/html", 304) && !read("text/html", 204) && !read("", 101));
        let packed = Response::builder().header("content-encoding", "br").body(()).unwrap();
        assert!(!is_text(&Method::GET, &packed.into_parts().0));
    }

    #[tokio::test]
    async fn what_was_held_goes_out_as_it_came() {
        let held = Held::of(Full::from("hello")).await;
        assert_eq!((held.beginning(), held.size_hint().exact()), (Bytes::from("hello"), Some(5)));
        assert_eq!(held.collect().await.unwrap().to_bytes(), "hello");
        let frames = (0..40).map(|n| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![n; 4096]))));
        let held = Held::of(StreamBody::new(futures_util::stream::iter(frames))).await;
        assert_eq!(held.beginning().len(), HELD);
        assert!(held.ahead_bytes < HELD as u64 + 4096, "the rest is not held");
        assert_eq!(held.collect().await.unwrap().to_bytes().len(), 40 * 4096);
    }

    #[tokio::test]
    async fn an_error_comes_where_it_came() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"a"))), Err(std::io::Error::other("torn"))];
        let mut held = Held::of(StreamBody::new(futures_util::stream::iter(frames))).await;
        assert_eq!(held.beginning(), "a");
        assert!(held.frame().await.unwrap().is_ok());
        assert!(held.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_an_end_is_held_for_a_moment_only() {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from("tick")))]);
        let body = StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()));
        let held = tokio::time::timeout(Duration::from_secs(5), Held::of(body)).await.unwrap();
        assert_eq!(held.beginning(), "tick");
    }
}
