//! One request and its answer: what is refused before the application sees it, what is taken off and
//! put on, and the limits of time. The order of the steps is the order of the file.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use kernel::{Problem, ProblemKind};
use tower_service::Service;

use crate::admission::{Admission, Because, CHALLENGE, Door, Turned, Visit};
use crate::body::{Coming, RequestBody, Verdict};
use crate::flight::{Activity, Flight};
use crate::inside;
use crate::inspect::{Blocked, Pending, Read};
use crate::{Firewall, Limits, Peer, Stats};

/// Browsers that have once been here over TLS come back over TLS (RFC 6797): two years, as the preload
/// lists ask.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Fields by which a proxy would tell the client's address. No proxy stands before this listener, so
/// whoever sends them lies.
const SPOOFABLE: [&str; 12] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "proxy",
];
/// How much of any body is read before its request waits for its turn. Chat messages fit. Of what is larger,
/// few are read at once.
const GATHERED: u64 = 16 * 1024;
/// How much of a body is inspected. The rooms read no body that is larger, and refuse it whole.
const INSPECTED: u64 = 128 * 1024 + 1;

/// How large a body may be that nobody reads, without ending its connection.
const SMALL: u64 = 4096;

/// Fields that only our own rooms may set.
const OURS: &str = "x-wardroom-";

/// What every request of one connection shares.
pub(crate) struct Exchange {
    pub(crate) peer: Peer,
    pub(crate) admission: Admission,
    pub(crate) firewall: Option<Firewall>,
    pub(crate) door: Door,
    /// How the client spoke TLS, hashed.
    pub(crate) hello: u64,
    pub(crate) limits: Arc<Limits>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) activity: Arc<Activity>,
    /// Requests turned away in a row.
    pub(crate) heedless: AtomicU32,
}

/// Refusals in a row that are answered at once: a page asks for several things at a time.
const PROMPT: u32 = 8;
/// How long the next refusal waits for its answer; twice as long each time, and never longer than the last.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

impl Exchange {
    /// Answers one request.
    pub(crate) async fn answer<S, B>(
        self: Arc<Self>,
        service: S,
        mut request: Request<Coming>,
    ) -> Result<Response<Answer<B>>, Infallible>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let mut flight = self.activity.begin();
        self.stats.requests.add();
        let clear = inside::lift_token(request.headers_mut());
        let version = request.version();
        let named = host(&request).is_some_and(|host| host != "localhost");
        // A page of another origin may read our own refusals: they say nothing of anybody.
        let afar = self.door == Door::Public
            && request.headers().contains_key(header::ORIGIN)
            && request.uri().path().starts_with("/chat/");
        let admitted = match self.admit(&request, clear) {
            Ok(visit) => self.share(visit).await,
            refused => refused,
        };
        let mut response = match admitted {
            Ok(visit) => {
                self.heedless.store(0, Ordering::Relaxed);
                self.pass(service, visit, request).await
            }
            Err(refusal) => {
                // A small body is most likely here already; the HTTP/1.1 stack reads it away, or ends the
                // connection when it is not.
                let bodied = request.body().size_hint().upper().is_none_or(|bytes| bytes > SMALL);
                self.dawdle(&refusal).await;
                refusal.response(&self.admission, bodied)
            }
        };
        if afar && matches!(response.body(), Content::Ours(_)) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after, wardroom-challenge"),
            );
        }
        flight.answered();
        flight.offer();
        let mut response = response.map(|content| Answer { content, flight });
        let headers = response.headers_mut();
        // Never for `localhost`: a browser would keep it for every other server of that machine.
        if named {
            headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
        }
        if version == Version::HTTP_2 {
            headers.remove(header::CONNECTION);
        }
        Ok(response)
    }

    /// Who is told to come back later and asks again at once is answered later and later: a connection
    /// that floods gets one refusal in two seconds, and costs us as little.
    async fn dawdle(&self, refusal: &Refusal) {
        let Refusal::Turned(Turned { wait: Some(_), .. }) = refusal else { return };
        let before = self.heedless.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = before.checked_sub(PROMPT) {
            tokio::time::sleep((FIRST_DELAY * 2u32.saturating_pow(times.min(8))).min(LONGEST_DELAY)).await;
        }
    }

    /// Everything that is decided by a request's head.
    fn admit(&self, request: &Request<Coming>, clear: Result<(), Problem>) -> Result<Visit, Refusal> {
        let unclear = || clear.err().map(Refusal::Problem);
        if let Some(refusal) = refusal(request, &self.limits).or_else(unclear) {
            self.stats.refused_requests.add();
            return Err(refusal);
        }
        if let Err(problem) = self.admission.form(self.door, request) {
            self.stats.refused_requests.add();
            return Err(Refusal::Problem(problem));
        }
        let client = self.admission.client(self.peer.addr.ip(), request.headers());
        self.admission.request(self.door, request, client, self.hello).map_err(|turned| {
            self.stats.refused_budget.add();
            Refusal::Turned(turned)
        })
    }

    /// What the other edges say to somebody whom this one would let in.
    async fn share(&self, visit: Visit) -> Result<Visit, Refusal> {
        match self.admission.share(&visit).await {
            Ok(()) => Ok(visit),
            Err(turned) => {
                self.stats.refused_budget.add();
                Err(Refusal::Turned(turned))
            }
        }
    }

    async fn pass<S, B>(&self, service: S, visit: Visit, request: Request<Coming>) -> Response<Content<B>>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let verdict = Arc::new(Verdict::default());
        let activity = Arc::clone(&self.activity);
        let mut request =
            request.map(|body| RequestBody::new(body, &self.limits, Arc::clone(&verdict), activity));
        request.extensions_mut().insert(self.peer_of(&visit));
        if request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(inside::way(self.within(&visit), service.clone()));
        }
        let work = AssertUnwindSafe(self.work(service, &visit, request)).catch_unwind();
        let outcome = tokio::time::timeout(self.limits.request_timeout, work).await;
        // A broken limit outranks what the application made of it: it may not know why its read failed.
        if verdict.too_slow() {
            self.stats.slow_requests.add();
            return plain(&Problem::new(
                ProblemKind::TooSlow,
                "The body of the request came too slowly.",
                "Send it again over a better connection.",
            ));
        }
        if verdict.too_large() {
            self.stats.refused_requests.add();
            return plain(&too_large(self.limits.body_bytes));
        }
        match outcome {
            Ok(Ok(Ok((mut response, pending)))) => {
                let status = response.status();
                self.admission.learn(&visit, status, response.headers_mut());
                strip_ours(response.headers_mut());
                self.inspect_answer(pending, &visit, response).await
            }
            Ok(Ok(Err(refusal))) => refusal.response(&self.admission, false),
            Ok(Err(_)) => {
                tracing::error!(peer = %self.peer.addr, "a request handler panicked");
                plain(&Problem::new(
                    ProblemKind::Internal,
                    "The request could not be completed.",
                    "Try again; if it happens again, tell the operator.",
                ))
            }
            Err(_) => {
                self.stats.late_answers.add();
                plain(&Problem::new(
                    ProblemKind::Unavailable,
                    "There was no answer in time.",
                    "Try again in a moment.",
                ))
            }
        }
    }

    /// From the first byte of the body to the head of the answer. What is small is read before anything
    /// waits for it; then the request waits for its turn, and only then does it cost us work.
    async fn work<S, B>(
        &self,
        mut service: S,
        visit: &Visit,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<B>, Option<Pending>), Refusal>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    {
        // What went wrong is in the verdict, or else there is nobody left to be told.
        let body = request.body_mut();
        let mut whole = body.gather(GATHERED).await.map_err(|_| Refusal::Problem(unreadable()))?;
        let shed = |turned| {
            self.stats.shed.add();
            Refusal::Turned(turned)
        };
        let mut _place = None;
        if !whole {
            _place = self.admission.large(visit).await.map_err(shed)?;
            whole = body.gather(INSPECTED).await.map_err(|_| Refusal::Problem(unreadable()))?;
        }
        let pending = self.inspect(visit, &request, whole)?;
        let mut turn = self.admission.turn(visit).await.map_err(shed)?;
        if let Some(turn) = turn.as_mut().filter(|_| !whole) {
            // What is still to come of it is read by the application, at its sender's pace.
            turn.say_nothing();
        }
        // The firewall has read what was sent; the rooms read what they may believe.
        strip(request.headers_mut());
        let Ok(()) = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
        let Ok(response) = service.call(request).await;
        Ok((response, pending))
    }

    /// What the firewall has to say of a request.
    fn inspect(
        &self,
        visit: &Visit,
        request: &Request<RequestBody>,
        whole: bool,
    ) -> Result<Option<Pending>, Refusal> {
        let Some(firewall) = &self.firewall else { return Ok(None) };
        let is_of = |bot: &str| self.admission.is_of(visit, bot);
        firewall.inspect(self.door, visit, request, whole, &is_of).map_err(|blocked| {
            self.stats.blocked.add();
            // An answer like any other, to those who watch for unusual traffic.
            self.admission.learn(visit, StatusCode::FORBIDDEN, &mut HeaderMap::new());
            Refusal::Blocked(blocked)
        })
    }

    /// What the firewall has to say of an answer.
    async fn inspect_answer<B: Body<Data = Bytes> + Unpin>(
        &self,
        pending: Option<Pending>,
        visit: &Visit,
        response: Response<B>,
    ) -> Response<Content<B>> {
        let (Some(firewall), Some(pending)) = (&self.firewall, pending) else {
            return response.map(|body| Content::Theirs(Read::Past(body)));
        };
        match firewall.inspect_answer(pending, visit, response).await {
            Ok(response) => response.map(Content::Theirs),
            Err(withheld) => {
                self.stats.withheld.add();
                let mut response = Refusal::Blocked(withheld).response(&self.admission, false);
                // The request was read to its end, and nothing is wrong with the connection.
                response.headers_mut().remove(header::CONNECTION);
                response
            }
        }
    }

    /// The exchange of what comes inside this connection once it is upgraded.
    fn within(&self, visit: &Visit) -> Self {
        Self {
            peer: self.peer_of(visit),
            admission: self.admission.clone(),
            firewall: self.firewall.clone(),
            door: self.door,
            hello: self.hello,
            limits: Arc::clone(&self.limits),
            stats: Arc::clone(&self.stats),
            activity: Arc::clone(&self.activity),
            heedless: AtomicU32::new(0),
        }
    }

    /// The peer as the application sees it.
    fn peer_of(&self, visit: &Visit) -> Peer {
        let mut peer = self.peer.clone();
        if visit.address() != peer.addr.ip() {
            peer.addr = std::net::SocketAddr::new(visit.address(), 0);
        }
        peer
    }
}

enum Refusal {
    /// Too many header fields: 431 without a body (RFC 6585), as the HTTP/1.1 parser answers.
    Fields,
    Problem(Problem),
    /// By admission.
    Turned(Turned),
    /// By the firewall.
    Blocked(Blocked),
}

impl Refusal {
    fn response<B: Body>(&self, admission: &Admission, bodied: bool) -> Response<Content<B>> {
        match self {
            Self::Fields => {
                let mut response = Response::new(Content::Ours(Full::default()));
                *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                response
            }
            Self::Problem(problem) => plain(problem),
            Self::Blocked(blocked) => {
                let mut response = plain(&blocked.problem());
                response.headers_mut().extend(blocked.field());
                response
            }
            Self::Turned(turned) => {
                let mut response = plain(&turned.problem());
                let headers = response.headers_mut();
                if let Some(wait) = turned.wait {
                    headers.insert(header::RETRY_AFTER, HeaderValue::from(admission.retry_after(wait)));
                }
                if let Some(challenge) = admission.challenge(turned) {
                    headers.insert(CHALLENGE, challenge);
                }
                // Whoever is to come back may keep the connection: a new one would cost us more. An unread
                // body is in the way of that, and who is not to come back has no use for it.
                if !bodied && turned.because != Because::AccessList {
                    headers.remove(header::CONNECTION);
                }
                response
            }
        }
    }
}

/// What is wrong with a request, before its body is read.
fn refusal(request: &Request<Coming>, limits: &Limits) -> Option<Refusal> {
    let headers = request.headers();
    if headers.len() > limits.header_fields {
        return Some(Refusal::Fields);
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some(Refusal::Problem(Problem::new(
            ProblemKind::MethodNotAllowed,
            "This method is not served.",
            "Use another method.",
        )));
    }
    let malformed = |detail: &'static str| {
        let mend = "Send one well-formed request.";
        Some(Refusal::Problem(Problem::new(ProblemKind::Malformed, detail, mend)))
    };
    // Two readings of where a message ends are how requests are smuggled (RFC 9112 section 6.1).
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return malformed("The request has both a length and a transfer encoding.");
    }
    if !host_is_clear(request) {
        return malformed("The request does not say clearly for which host it is.");
    }
    if request.body().size_hint().lower() > limits.body_bytes {
        return Some(Refusal::Problem(too_large(limits.body_bytes)));
    }
    None
}

/// One host, and the same one in both places that can name it (RFC 9112 section 3.2, RFC 9113 section
/// 8.3.1).
fn host_is_clear(request: &Request<Coming>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    let authority = request.uri().authority().map(|a| a.as_str());
    let named = host.and_then(|h| h.to_str().ok()).filter(|h| !h.is_empty());
    match (named, authority) {
        _ if more.is_some() => false,
        (Some(named), Some(authority)) => named.eq_ignore_ascii_case(authority),
        (Some(named), None) => {
            named.parse::<Authority>().is_ok_and(|a| !named.contains('@') && !a.host().is_empty())
        }
        (None, Some(_)) => host.is_none(),
        (None, None) => host.is_none() && request.version() == Version::HTTP_10,
    }
}

/// The host that the request is for, in lower case and without its port.
fn host<B>(request: &Request<B>) -> Option<String> {
    let named = || request.headers().get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let host = request.uri().authority().cloned().or_else(named)?;
    Some(host.host().to_ascii_lowercase())
}

fn strip(headers: &mut HeaderMap) {
    for name in SPOOFABLE {
        headers.remove(name);
    }
    strip_ours(headers);
}

/// Takes off what our own rooms say to each other.
fn strip_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OURS)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

fn unreadable() -> Problem {
    let mend = "Send one well-formed request.";
    Problem::new(ProblemKind::Malformed, "The body of the request could not be read.", mend)
}

fn too_large(most: u64) -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        format!("The body is larger than {most} bytes."),
        "Send less at a time.",
    )
}

/// A problem as an answer that ends the connection (HTTP/1.1): after a refusal nobody knows where in
/// the stream of bytes the next request would begin.
fn plain<B: Body>(problem: &Problem) -> Response<Content<B>> {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Content::Ours(Full::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of an answer; the request stays in flight until it is dropped.
pub(crate) struct Answer<B: Body> {
    content: Content<B>,
    flight: Flight,
}

enum Content<B: Body> {
    Theirs(Read<B>),
    Ours(Full<Bytes>),
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.flight.taken();
        let next = match &mut self.content {
            Content::Theirs(body) => Pin::new(body).poll_frame(cx),
            Content::Ours(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        };
        if matches!(next, Poll::Ready(Some(Ok(_)))) {
            self.flight.offer();
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Theirs(body) => body.is_end_stream(),
            Content::Ours(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Theirs(body) => body.size_hint(),
            Content::Ours(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_either_place_without_its_port() {
        let of = |uri: &str, field: &str| host(&Request::get(uri).header("host", field).body(()).unwrap());
        assert_eq!(of("/", "Chat.test:8443").as_deref(), Some("chat.test"));
        assert_eq!(of("https://Chat.test:8443/", "x").as_deref(), Some("chat.test"));
        assert_eq!(of("/", "localhost:8443").as_deref(), Some("localhost"));
        assert_eq!(of("/", "a b"), None);
    }

    #[test]
    fn claims_of_an_address_are_stripped_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for name in ["x-forwarded-for", "forwarded", "x-wardroom-actor", "x-request-id", "cookie"] {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "x-request-id"]);
    }
}
