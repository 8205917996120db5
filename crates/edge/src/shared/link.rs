//! The connection to the store: how it is made, kept, found to be dead, and made again.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::resp::{Reply, command, parse};
use super::{Ask, Inner, Rumour, Shared, Told};

/// How long reaching the store may take, in each of its steps.
const REACH: Duration = Duration::from_secs(2);
/// The pause after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Silence after which the store is asked whether it is there.
const IDLE: Duration = Duration::from_secs(1);
/// An answer that is later than this makes the store count as away, though it may still come.
const LATE: Duration = Duration::from_millis(100);
/// And after this the connection is given up.
const DEAD: Duration = Duration::from_secs(2);
/// How long what is kept for later edges outlives its end: their clocks may differ.
const GRACE: Duration = Duration::from_secs(60);
/// Bytes of questions that are sent at once.
const BATCH: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection on which everything is ready.
pub(super) struct Reached {
    stream: Box<dyn Stream>,
    read: BytesMut,
    /// What was kept for edges that come later: its place, and the sealed message.
    kept: Vec<(Bytes, Bytes)>,
}

/// What an answer is for.
enum Waiting {
    Question(oneshot::Sender<Reply>),
    Rumour(Told),
    Nobody,
}

/// Stays with the store for as long as it is polled.
pub(super) async fn keep(
    shared: &Shared,
    asked: &mut mpsc::Receiver<Ask>,
    heard: impl Fn(Rumour) + Send + Sync,
    known: impl Fn() -> Vec<Rumour> + Send + Sync,
) {
    let inner = &shared.0;
    let mut pause = PAUSE;
    loop {
        let since = Instant::now();
        let error = match reach(inner).await {
            Ok(reached) => {
                catch_up(shared, &reached.kept, &heard, &known);
                inner.stands(true, "");
                let Err(error) = Talk::new(inner, reached, asked, &heard).go_on().await;
                error
            }
            Err(error) => error,
        };
        inner.stands(false, &error.to_string());
        // Whoever waits for an answer decides alone, now and not after its patience.
        while asked.try_recv().is_ok() {}
        pause = if since.elapsed() > IDLE { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        sleep(pause).await;
    }
}

/// Connects, shows who we are, and makes sure that the store does what it is needed for.
pub(super) async fn reach(inner: &Inner) -> io::Result<Reached> {
    let address = &inner.address;
    let patiently = |error| move |_| io::Error::new(io::ErrorKind::TimedOut, error);
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let tcp = timeout(REACH, connecting).await.map_err(patiently("it does not answer"))??;
    tcp.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match &inner.tls {
        None => Box::new(tcp),
        Some(config) => {
            let name = ServerName::try_from(address.host.clone())
                .map_err(|_| io::Error::other("its name cannot stand in a certificate"))?;
            let connecting = TlsConnector::from(config.clone()).connect(name, tcp);
            Box::new(
                timeout(REACH, connecting).await.map_err(patiently("its TLS handshake takes too long"))??,
            )
        }
    };
    let mut reached = Reached { stream, read: BytesMut::new(), kept: Vec::new() };
    timeout(REACH, greet(inner, &mut reached)).await.map_err(patiently("it does not answer"))??;
    Ok(reached)
}

async fn greet(inner: &Inner, reached: &mut Reached) -> io::Result<()> {
    let address = &inner.address;
    let mut hello = vec!["HELLO", "3"];
    if let Some(password) = &address.password {
        hello.extend(["AUTH", &address.user, password.expose()]);
    }
    hello.extend(["SETNAME", "wardroom-edge"]);
    reached.say(&hello).await?;
    if address.database != 0 {
        reached.say(&["SELECT", &address.database.to_string()]).await?;
    }
    for script in [&inner.take, &inner.tell] {
        let loaded = reached.say(&["SCRIPT", "LOAD", script.text]).await?;
        if loaded != Reply::Text(Bytes::copy_from_slice(script.name.as_bytes())) {
            return Err(io::Error::other("it names scripts in another way"));
        }
    }
    // A store that cannot write is found now and not by requests.
    let trial = format!("{}:trial", inner.name);
    reached.say(&["EVALSHA", &inner.take.name, "1", &trial, "2", "1"]).await?;
    let mut subscribe = Vec::new();
    command(&mut subscribe, [&b"SUBSCRIBE"[..], inner.channel().as_bytes()]);
    reached.stream.write_all(&subscribe).await?;
    reached.stream.flush().await?;
    // Asked after the subscription, so that nothing falls between the two.
    let Reply::Many(kept) = reached.say(&["HGETALL", &inner.kept()]).await? else {
        return Err(io::Error::other("it answers in another way than Valkey does"));
    };
    let mut texts = kept.into_iter().filter_map(|reply| match reply {
        Reply::Text(text) => Some(text),
        _ => None,
    });
    while let (Some(place), Some(message)) = (texts.next(), texts.next()) {
        reached.kept.push((place, message));
    }
    let now = inner.world.now();
    let over =
        |sealed: &Bytes| inner.keys.open(sealed).is_none_or(|told| told.rumour.until().after(GRACE) <= now);
    let over = reached.kept.iter().filter(|(place, sealed)| !place.is_empty() && over(sealed));
    let over: Vec<String> = over.map(|(place, _)| String::from_utf8_lossy(place).into_owned()).collect();
    if !over.is_empty() {
        let kept = inner.kept();
        let parts = ["HDEL", &kept].into_iter().chain(over.iter().map(String::as_str));
        reached.say(&parts.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

impl Reached {
    /// Says one command and waits for its answer. What other edges tell meanwhile is kept as well.
    async fn say(&mut self, parts: &[&str]) -> io::Result<Reply> {
        let mut text = Vec::new();
        command(&mut text, parts.iter().map(|part| part.as_bytes()));
        self.stream.write_all(&text).await?;
        self.stream.flush().await?;
        loop {
            while let Some(reply) = next(&mut self.read)? {
                match reply {
                    Reply::Push(push) => {
                        self.kept.extend(message(push).map(|message| (Bytes::new(), message)));
                    }
                    Reply::Refused(why) => return Err(refused(&why)),
                    reply => return Ok(reply),
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Learns what happened before, and tells what the store forgot or never knew.
fn catch_up(
    shared: &Shared,
    kept: &[(Bytes, Bytes)],
    heard: &impl Fn(Rumour),
    known: &impl Fn() -> Vec<Rumour>,
) {
    let inner = &shared.0;
    let now = inner.world.now();
    let mut before: Vec<Told> = kept.iter().filter_map(|(_, sealed)| inner.keys.open(sealed)).collect();
    before.sort_by_key(|told| told.at);
    let places: Vec<String> = before.iter().map(|told| inner.keys.place(&told.rumour)).collect();
    for told in before {
        if told.rumour.until() > now && inner.is_news(&told) {
            heard(told.rumour);
        }
    }
    for rumour in known() {
        let waits =
            inner.untold().iter().any(|told| inner.keys.place(&told.rumour) == inner.keys.place(&rumour));
        if !waits && !places.contains(&inner.keys.place(&rumour)) {
            shared.tell(rumour);
        }
    }
}

/// The talk on one connection.
struct Talk<'a, H> {
    inner: &'a Inner,
    stream: Box<dyn Stream>,
    read: BytesMut,
    asked: &'a mut mpsc::Receiver<Ask>,
    heard: &'a H,
    /// In the order of their answers, and when they were asked.
    waiting: VecDeque<(Waiting, Instant)>,
    last: Instant,
}

impl<'a, H: Fn(Rumour) + Sync> Talk<'a, H> {
    fn new(inner: &'a Inner, reached: Reached, asked: &'a mut mpsc::Receiver<Ask>, heard: &'a H) -> Self {
        let Reached { stream, read, .. } = reached;
        Self { inner, stream, read, asked, heard, waiting: VecDeque::new(), last: Instant::now() }
    }

    /// Until it ends.
    async fn go_on(mut self) -> Result<std::convert::Infallible, io::Error> {
        // What was not told yet is told first.
        self.inner.news.notify_one();
        let ended = self.turns().await;
        let untold = std::mem::take(&mut self.waiting).into_iter().rev();
        let mut waiting = self.inner.untold();
        for (what, _) in untold {
            if let Waiting::Rumour(told) = what {
                waiting.push_front(told);
            }
        }
        ended
    }

    async fn turns(&mut self) -> Result<std::convert::Infallible, io::Error> {
        let mut out = Vec::new();
        loop {
            out.clear();
            let wake = self.wake();
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.read) => {
                    if read? == 0 {
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended the connection"));
                    }
                    self.listen()?;
                }
                ask = self.asked.recv() => {
                    let Some(ask) = ask else { return Err(io::Error::other("nobody asks any more")) };
                    self.ask(&mut out, ask);
                    while out.len() < BATCH && let Ok(ask) = self.asked.try_recv() {
                        self.ask(&mut out, ask);
                    }
                }
                () = self.inner.news.notified() => self.tell(&mut out),
                () = tokio::time::sleep_until(wake) => self.worry(&mut out)?,
            }
            if !out.is_empty() {
                let sent = async {
                    self.stream.write_all(&out).await?;
                    self.stream.flush().await
                };
                let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it takes nothing more");
                timeout(DEAD, sent).await.map_err(late)??;
            }
        }
    }

    /// When to look whether the store is still there.
    fn wake(&self) -> Instant {
        match self.waiting.front() {
            Some((_, asked)) if self.inner.together.load(Ordering::Relaxed) => *asked + self.late(),
            Some((_, asked)) => *asked + DEAD.max(self.late()),
            None => self.last + IDLE,
        }
    }

    fn late(&self) -> Duration {
        LATE.max(self.inner.timeout * 4)
    }

    fn ask(&mut self, out: &mut Vec<u8>, ask: Ask) {
        // Who waits no longer decided alone; to ask now would count it twice.
        if !ask.reply.is_closed() {
            out.extend_from_slice(&ask.command);
            self.waiting.push_back((Waiting::Question(ask.reply), Instant::now()));
        }
    }

    /// Tells the other edges what waits to be told.
    fn tell(&mut self, out: &mut Vec<u8>) {
        let inner = self.inner;
        let untold = std::mem::take(&mut *inner.untold());
        for told in untold {
            let Some(sealed) = inner.keys.seal(&told, &inner.world) else { continue };
            let (kept, channel) = (inner.kept(), inner.channel());
            let place = inner.keys.place(&told.rumour);
            let lasts = told.rumour.until().since(inner.world.now()) + GRACE;
            let lasts = lasts.as_millis().to_string();
            let texts = ["EVALSHA", &inner.tell.name, "1", &kept, &channel, &place];
            let parts = texts.into_iter().map(str::as_bytes);
            command(out, parts.chain([sealed.as_slice(), lasts.as_bytes()]));
            self.waiting.push_back((Waiting::Rumour(told), Instant::now()));
        }
        let passing = std::mem::take(&mut *inner.passing());
        for told in passing {
            let Some(sealed) = inner.keys.seal(&told, &inner.world) else { continue };
            command(out, [&b"PUBLISH"[..], inner.channel().as_bytes(), &sealed]);
            self.waiting.push_back((Waiting::Nobody, Instant::now()));
        }
    }

    /// Reads what came.
    fn listen(&mut self) -> io::Result<()> {
        while let Some(reply) = next(&mut self.read)? {
            self.last = Instant::now();
            match reply {
                Reply::Push(push) => self.hear(push),
                Reply::Refused(why) => return Err(refused(&why)),
                reply => {
                    let (what, _) = self.waiting.pop_front().ok_or_else(malformed)?;
                    if !self.inner.together.load(Ordering::Relaxed) {
                        self.inner.stands(true, "");
                    }
                    match what {
                        // Nobody waits any more: it decided alone.
                        Waiting::Question(asked) => drop(asked.send(reply)),
                        Waiting::Rumour(_) => count(&self.inner.counts.told),
                        Waiting::Nobody => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn hear(&self, push: Vec<Reply>) {
        let told = message(push).and_then(|sealed| self.inner.keys.open(&sealed));
        let others = told.filter(|told| told.from != self.inner.me);
        let now = self.inner.world.now();
        if let Some(told) = others.filter(|told| told.rumour.until() > now && self.inner.is_news(told)) {
            count(&self.inner.counts.heard);
            (self.heard)(told.rumour);
        }
    }

    /// Nothing came for a while.
    fn worry(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self.waiting.front() {
            None => {
                command(out, [&b"PING"[..]]);
                self.waiting.push_back((Waiting::Nobody, Instant::now()));
                Ok(())
            }
            Some((_, asked)) if asked.elapsed() >= DEAD.max(self.late()) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))
            }
            Some(_) => {
                self.inner.stands(false, "its answers come late");
                Ok(())
            }
        }
    }
}

fn next(read: &mut BytesMut) -> io::Result<Option<Reply>> {
    let Some((reply, used)) = parse(read).map_err(|_| malformed())? else { return Ok(None) };
    read.advance(used);
    Ok(Some(reply))
}

/// The message in what was said of a channel.
fn message(push: Vec<Reply>) -> Option<Bytes> {
    let mut parts = push.into_iter();
    match (parts.next()?, parts.next()?, parts.next()?) {
        (Reply::Text(kind), Reply::Text(_), Reply::Text(message)) if kind == "message" => Some(message),
        _ => None,
    }
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it speaks another protocol")
}

/// The first word is a code; the rest could quote what we said.
fn refused(why: &str) -> io::Error {
    let code: String = why.chars().take_while(char::is_ascii_uppercase).take(24).collect();
    io::Error::other(format!("it refuses: {}", if code.is_empty() { "ERR" } else { &code }))
}
