//! The TLS listener: accept under caps, shake hands under a deadline, serve HTTP/1.1 or HTTP/2 as
//! agreed, and drain when told to stop. A connection's life reads from top to bottom.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::HandshakeKind;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service;

use crate::admission::{Admission, Door, Gate, Permit, Refused, read_proxy};
use crate::antechamber::aside;
use crate::body::Coming;
use crate::exchange::Exchange;
use crate::flight::{Activity, Flood};
use crate::meter::Meter;
use crate::socket::Socket;
use crate::{EdgeError, Firewall, Limits, Peer, PeerTls, RequestBody, ServeReport, Shutdown, Stats, Tls};

/// How long a connection may take to say goodbye after it was told to.
const GOODBYE: Duration = Duration::from_secs(5);
/// The pause after the system had no descriptor left; it doubles up to a second.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What somebody who speaks cleartext to the TLS port is told.
const USE_HTTPS: &str = "This port speaks HTTPS only. Use an address that begins with https://\n";

/// A TLS listener that can be watched.
#[derive(Debug, Clone)]
pub struct Edge {
    tls: Tls,
    limits: Arc<Limits>,
    admission: Admission,
    firewall: Option<Firewall>,
    door: Door,
    stats: Arc<Stats>,
}

impl Edge {
    /// An edge with these limits, as this door of the house. All doors share one `admission`.
    ///
    /// # Errors
    /// When the limits make no sense.
    pub fn new(tls: Tls, limits: Limits, admission: Admission, door: Door) -> Result<Self, EdgeError> {
        limits.check()?;
        Ok(Self { tls, limits: Arc::new(limits), admission, firewall: None, door, stats: Arc::default() })
    }

    /// The same with a firewall that reads every request before the application does.
    #[must_use]
    pub fn behind(mut self, firewall: Firewall) -> Self {
        self.firewall = Some(firewall);
        self
    }

    /// The counters, live.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Serves `service` over TLS on `listener` until `shutdown`, then drains: no new connections, requests
    /// in flight are finished within [`Limits::drain_timeout`], the rest is cut.
    ///
    /// Every request has a [`Peer`] among its extensions. The service answers errors itself; when it
    /// panics, that request is answered 500 and nothing else is harmed. An upgraded connection (WebSocket)
    /// is the application's: it still counts as a connection, but the drain does not wait for it.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn serve<S, B>(
        self,
        listener: TcpListener,
        service: S,
        shutdown: Shutdown,
    ) -> Result<ServeReport, EdgeError>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        listener.local_addr().map_err(EdgeError::Listen)?;
        let stats = Arc::clone(&self.stats);
        let drain = self.limits.drain_timeout;
        let gate = Gate::new(&self.limits);
        let mut open = JoinSet::new();
        let doors = Doors { gate: &gate, stats: &stats, admission: &self.admission, door: self.door };
        accept(&listener, doors, &shutdown.clone(), &mut open, |stream, addr, permit| {
            connection(self.clone(), stream, addr, permit, service.clone(), shutdown.clone())
        })
        .await;
        drop(listener);
        finish(open, drain, &stats).await;
        Ok(stats.snapshot())
    }
}

/// What stands at a listener: who may come in at all.
#[derive(Clone, Copy)]
pub(crate) struct Doors<'a> {
    pub(crate) gate: &'a Arc<Gate>,
    pub(crate) stats: &'a Stats,
    pub(crate) admission: &'a Admission,
    pub(crate) door: Door,
}

impl Doors<'_> {
    /// Leave for a connection to be open. That of a proxy is counted for its client, once it is known.
    fn enter(self, address: IpAddr) -> Option<Permit> {
        if self.admission.announces(address) {
            return self.gate.enter(true).map_err(|refused| refuse(self.stats, refused)).ok();
        }
        if self.admission.connect(self.door, address).is_err() {
            self.stats.refused_admission.add();
            return None;
        }
        let mut permit = match self.gate.enter(self.admission.is_friend(address)) {
            Ok(permit) => permit,
            Err(refused) => {
                refuse(self.stats, refused);
                return None;
            }
        };
        // Behind a proxy that tells by `x-forwarded-for`, an address is no client.
        if !self.admission.is_proxy(address)
            && let Err(refused) = permit.count_for(address)
        {
            refuse(self.stats, refused);
            return None;
        }
        Some(permit)
    }
}

fn refuse(stats: &Stats, refused: Refused) {
    match refused {
        Refused::Full => stats.refused_full.add(),
        Refused::Address => stats.refused_address.add(),
        Refused::Network => stats.refused_network.add(),
    }
}

/// Accepts until told to stop. `greet` makes the task of one connection.
pub(crate) async fn accept<F>(
    listener: &TcpListener,
    doors: Doors<'_>,
    shutdown: &Shutdown,
    open: &mut JoinSet<()>,
    mut greet: impl FnMut(TcpStream, SocketAddr, Permit) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let stats = doors.stats;
    let mut pause = ACCEPT_PAUSE;
    let mut stop = pin!(shutdown.requested());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => return,
            Some(ended) = open.join_next(), if !open.is_empty() => {
                note(&ended, stats);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            // The peer went away between its arrival and our look at it.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(e) => {
                // No descriptors or no memory: asking again at once would only burn the processor.
                stats.accept_errors.add();
                tracing::warn!(error = %e, "cannot accept a connection");
                tokio::select! { () = &mut stop => return, () = sleep(pause) => {} }
                pause = (pause * 2).min(Duration::from_secs(1));
                continue;
            }
        };
        pause = ACCEPT_PAUSE;
        stats.connections.add();
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if let Some(permit) = doors.enter(addr.ip()) {
            // Answers are small and must not wait for one another (Nagle's algorithm).
            let _ = stream.set_nodelay(true);
            open.spawn(greet(stream, addr, permit));
        }
    }
}

/// Waits for the connections to end, and cuts those that do not.
pub(crate) async fn finish(mut open: JoinSet<()>, drain: Duration, stats: &Stats) {
    let ended = timeout(drain, async {
        while let Some(ended) = open.join_next().await {
            note(&ended, stats);
        }
    })
    .await;
    if ended.is_err() {
        for _ in 0..open.len() {
            stats.cut.add();
        }
        open.shutdown().await;
    }
}

fn note(ended: &Result<(), JoinError>, stats: &Stats) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        tracing::error!("the task of a connection panicked");
        stats.panics.add();
    }
}

/// One connection from its first byte to its last.
async fn connection<S, B>(
    edge: Edge,
    stream: TcpStream,
    addr: SocketAddr,
    permit: Permit,
    service: S,
    shutdown: Shutdown,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let deadline = Instant::now() + edge.limits.handshake_timeout;
    let activity = Activity::new(edge.limits.cancelled_streams);
    let hands = tokio::select! {
        () = shutdown.requested() => return,
        hands = timeout_at(deadline, arrive(&edge, stream, addr, permit, &activity)) => hands,
    };
    let (stream, addr, hello) = match hands {
        Ok(Ok(Some(arrived))) => arrived,
        Ok(Ok(None)) => return,
        Ok(Err(_)) | Err(_) => return edge.stats.handshake_failures.add(),
    };
    let tls = agreed(&stream);
    edge.stats.handshakes.add();
    if tls.resumed {
        edge.stats.resumed.add();
    }
    let h2 = tls.alpn == "h2";
    let exchange = Arc::new(Exchange {
        peer: Peer { addr, tls: Some(tls) },
        admission: edge.admission.clone(),
        firewall: edge.firewall.clone(),
        door: edge.door,
        hello,
        limits: Arc::clone(&edge.limits),
        stats: Arc::clone(&edge.stats),
        activity: Arc::clone(&activity),
        heedless: AtomicU32::new(0),
    });
    let service =
        service_fn(move |request| Arc::clone(&exchange).answer(service.clone(), request.map(Coming::Wire)));
    let steward = Steward {
        limits: &edge.limits,
        stats: &edge.stats,
        activity: &activity,
        shutdown: &shutdown,
        offences: Some((&edge.admission, addr.ip())),
    };
    if h2 {
        activity.watch_chatter();
        let stream = Meter::new(stream, Arc::clone(&activity));
        let conn = http2_builder(&edge.limits).serve_connection(TokioIo::new(stream), service);
        steward.watch(conn, http2::Connection::graceful_shutdown).await;
    } else {
        let conn =
            http1_builder(&edge.limits).serve_connection(TokioIo::new(stream), service).with_upgrades();
        steward.watch(conn, http1::UpgradeableConnection::graceful_shutdown).await;
    }
}

/// What comes before HTTP: the proxy's word, if it is one, and the TLS handshake. `None` when nobody is
/// to be served, who was told so where that is possible.
async fn arrive(
    edge: &Edge,
    mut stream: TcpStream,
    addr: SocketAddr,
    mut permit: Permit,
    activity: &Arc<Activity>,
) -> io::Result<Option<(TlsStream<Socket>, SocketAddr, u64)>> {
    if !edge.admission.announces(addr.ip()) {
        let stream = shake_hands(edge, stream, addr.ip(), permit, activity).await?;
        return Ok(stream.map(|(stream, hello)| (stream, addr, hello)));
    }
    let client = match read_proxy(&mut stream).await {
        Ok(client) => client.unwrap_or(addr),
        Err(error) => {
            edge.stats.refused_proxy.add();
            return Err(error);
        }
    };
    if edge.admission.connect(edge.door, client.ip()).is_err() {
        edge.stats.refused_admission.add();
        return Ok(None);
    }
    let friend = edge.admission.is_friend(client.ip());
    if let Err(refused) = permit.is_of(friend).and_then(|()| permit.count_for(client.ip())) {
        refuse(&edge.stats, refused);
        return Ok(None);
    }
    let stream = shake_hands(edge, stream, client.ip(), permit, activity).await?;
    Ok(stream.map(|(stream, hello)| (stream, client, hello)))
}

/// The TLS handshake; `None` when the peer spoke something else and was told so, or when there are too
/// many handshakes.
async fn shake_hands(
    edge: &Edge,
    stream: TcpStream,
    client: IpAddr,
    permit: Permit,
    activity: &Arc<Activity>,
) -> io::Result<Option<(TlsStream<Socket>, u64)>> {
    let mut first = [0u8; 1];
    let seen = stream.peek(&mut first).await?;
    let mut socket = Socket::new(stream, edge.limits.write_stall, permit, Arc::clone(activity));
    // A TLS record of a handshake begins with 22, an HTTP method with a letter.
    if seen == 1 && first.iter().all(u8::is_ascii_alphabetic) {
        edge.stats.cleartext.add();
        say(&mut socket, "400 Bad Request", USE_HTTPS).await?;
        return Ok(None);
    }
    // The first message is read before the configuration is chosen: an ACME server asks for another.
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let config = edge.tls.config_for(&start.client_hello());
    let hello = edge.admission.hello(&start.client_hello());
    // Saying hello costs us nothing; what follows does.
    let Ok(_hands) = edge.admission.handshake(client).await else {
        edge.stats.refused_admission.add();
        return Ok(None);
    };
    let acme = config.alpn_protocols.iter().any(|p| p == b"acme-tls/1");
    // The key exchange and the signing are done when the stream is asked for.
    let mut stream = aside(move || start.into_stream(config)).await?.await?;
    if acme {
        // The proof is in the certificate; nothing is said inside (RFC 8737 section 3).
        stream.shutdown().await?;
        return Ok(None);
    }
    Ok(Some((stream, hello)))
}

/// One short answer in plain text, by hand, and the end of the connection.
async fn say(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), status: &str, text: &str) -> io::Result<()> {
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}

fn agreed(stream: &TlsStream<Socket>) -> PeerTls {
    let (_, conn) = stream.get_ref();
    PeerTls {
        version: conn.protocol_version().and_then(|v| v.as_str()).unwrap_or("unknown"),
        group: conn.negotiated_key_exchange_group().and_then(|g| g.name().as_str()).unwrap_or("unknown"),
        suite: conn.negotiated_cipher_suite().and_then(|s| s.suite().as_str()).unwrap_or("unknown"),
        alpn: if conn.alpn_protocol() == Some(b"h2") { "h2" } else { "http/1.1" },
        resumed: conn.handshake_kind() == Some(HandshakeKind::Resumed),
        server_name: conn.server_name().map(Arc::from),
    }
}

pub(crate) fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.header_fields)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(64 * 1024))
        .half_close(false);
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        // Streams that the peer opened and reset before we looked at them (CVE-2023-44487), and streams
        // that it made us reset (CVE-2025-8671): past these counts the connection is closed.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_frame_size(16 * 1024)
        .initial_stream_window_size(128 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(128 * 1024)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_interval);
    builder
}

/// Sees to it that a connection ends: when all stops, when nothing happens on it, when it is abused.
pub(crate) struct Steward<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) stats: &'a Stats,
    pub(crate) activity: &'a Activity,
    pub(crate) shutdown: &'a Shutdown,
    /// Who is told of an offence, and whose it is.
    pub(crate) offences: Option<(&'a Admission, IpAddr)>,
}

impl Steward<'_> {
    /// A flood is counted, and whose it is, is told.
    fn charge(&self, flood: Flood) {
        match flood {
            Flood::Resets => self.stats.reset_floods.add(),
            Flood::Chatter => self.stats.chatter_floods.add(),
        }
        if let Some((admission, client)) = self.offences {
            admission.offended(client);
        }
    }

    pub(crate) async fn watch<C: Future>(&self, conn: C, say_goodbye: fn(Pin<&mut C>)) {
        let mut conn = pin!(conn);
        let often = self.limits.idle_timeout.min(self.limits.write_stall);
        let mut check = pin!(sleep(often));
        let mut leaving = false;
        loop {
            tokio::select! {
                // What the HTTP/2 stack ended by itself may have been a flood all the same.
                _ = conn.as_mut() => return self.activity.flood().into_iter().for_each(|flood| self.charge(flood)),
                // The time for what is in flight is the drain's; the listener cuts at its end.
                () = self.shutdown.requested(), if !leaving => {
                    leaving = true;
                    say_goodbye(conn.as_mut());
                }
                flood = self.activity.flooded() => {
                    self.charge(flood);
                    say_goodbye(conn.as_mut());
                    // Long enough to say so (GOAWAY), too short to go on.
                    let _ = timeout(Duration::from_millis(50), conn).await;
                    return;
                }
                () = check.as_mut() => {
                    let now = Instant::now();
                    let untaken = self.activity.untaken_until(self.limits.write_stall);
                    if untaken.is_some_and(|until| until <= now) {
                        say_goodbye(conn.as_mut());
                        let _ = timeout(Duration::from_millis(50), conn).await;
                        return;
                    }
                    let due = match self.activity.idle_since() {
                        Some(since) => since + self.limits.idle_timeout,
                        None => untaken.unwrap_or(now + often).min(now + often),
                    };
                    if due <= now {
                        say_goodbye(conn.as_mut());
                        let _ = timeout(GOODBYE, conn).await;
                        return;
                    }
                    check.as_mut().reset(due);
                }
            }
        }
    }
}
