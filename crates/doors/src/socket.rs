//! WebSockets (RFC 6455): the handshake of the server's side, and frames under limits. Frames themselves are
//! tungstenite's; the accept value is computed here, with the house's one cryptographic library.
//!
//! A room sees text only. Whatever a peer sends that is no text of at most [`LARGEST`] bytes, or no frame at all,
//! ends the socket with the close code that says so. Control frames beyond [`CONTROLS`] between two texts do, too.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use kernel::{Problem, ProblemKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use crate::refusal::Refusal;

/// The largest text, and the largest frame, in bytes: what a body of the chat API may have, and a little around it.
pub const LARGEST: usize = 129 * 1024;
/// Pings and pongs that a peer may send between two texts.
pub const CONTROLS: u32 = 600;
/// How long the peer may take to say goodbye after we did.
const GOODBYE: Duration = Duration::from_secs(2);

/// A request that asks for a WebSocket (RFC 6455 section 4.2.1). Over HTTP/2 there is none (RFC 8441 is not
/// spoken): browsers open a connection of their own for each.
#[derive(Debug)]
pub struct Upgrade {
    accept: HeaderValue,
    protocols: Vec<String>,
    on: OnUpgrade,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let no = |detail: &'static str| {
            let mend = "Open this address with a WebSocket client (RFC 6455, version 13) over HTTP/1.1.";
            Refusal::from(Problem::new(ProblemKind::Malformed, detail, mend))
        };
        let headers = &parts.headers;
        let upgrades = parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && names(headers, &header::CONNECTION, "upgrade")
            && names(headers, &header::UPGRADE, "websocket");
        if !upgrades {
            return Err(no("This address is a WebSocket, and the request does not ask for one."));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(no("The WebSocket is of another version than 13."));
        }
        let accept =
            headers.get(header::SEC_WEBSOCKET_KEY).and_then(accept).ok_or_else(|| no("There is no key."))?;
        let protocols = listed(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        let on =
            parts.extensions.remove::<OnUpgrade>().ok_or_else(|| no("The connection cannot be upgraded."))?;
        Ok(Self { accept, protocols, on })
    }
}

impl Upgrade {
    /// Whether the client offers to speak this sub-protocol.
    pub fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| offered == protocol)
    }

    /// The answer that agrees, and the socket once the client has it; `None` when the client went away.
    pub fn accept(self, protocol: &'static str) -> (Response, impl Future<Output = Option<Socket>> + Send) {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        let socket = async move {
            let upgraded = self.on.await.ok()?;
            Some(Socket::over(TokioIo::new(upgraded)).await)
        };
        (response, socket)
    }
}

/// RFC 6455 section 4.2.2, step 5.4. SHA-1 proves here that the server understood, and protects nothing.
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let bytes = STANDARD.decode(key.as_bytes()).ok().filter(|key| key.len() == 16);
    bytes.as_ref()?;
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    HeaderValue::from_str(&STANDARD.encode(context.finish())).ok()
}

fn listed<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

fn names(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    listed(headers, name).any(|listed| listed.eq_ignore_ascii_case(word))
}

/// Why a socket ends, as its close frame says (RFC 6455 section 7.4; 4000 and above are ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: &'static str,
}

impl Close {
    /// The process ends.
    pub const AWAY: Self = Self::new(1001, "the service is ending; connect again in a moment");
    /// What came is no frame of this protocol.
    pub const PROTOCOL: Self = Self::new(1002, "this is no WebSocket frame");
    /// What came is no text.
    pub const NO_TEXT: Self = Self::new(1003, "only text is understood here");
    /// What came as text is not UTF-8.
    pub const NO_UTF8: Self = Self::new(1007, "the text is not UTF-8");
    /// What came is not what this route takes.
    pub const POLICY: Self = Self::new(1008, "this is not a message of this protocol");
    /// What came is too large.
    pub const LARGE: Self = Self::new(1009, "the message is too large");
    /// Something here failed.
    pub const FAILED: Self = Self::new(1011, "something failed here; connect again in a moment");

    /// A code with its reason.
    pub const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A text.
    Text(String),
    /// A sign of life.
    Alive,
    /// Something for which the socket must be closed.
    Wrong(Close),
    /// The peer said goodbye, or is gone.
    Gone,
}

/// The peer takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer of a WebSocket is gone")]
pub struct Gone;

/// An open socket, the server's side.
#[derive(Debug)]
pub struct Socket<T = TokioIo<Upgraded>> {
    stream: WebSocketStream<T>,
    controls: u32,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    /// A socket over a stream on which the handshake is done.
    pub async fn over(stream: T) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(1024 * 1024)
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        Self {
            stream: WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await,
            controls: 0,
        }
    }

    /// Waits for what comes. It can be abandoned at any moment without losing anything. Pings are answered.
    pub async fn hear(&mut self) -> Heard {
        let heard = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => {
                self.controls = 0;
                return Heard::Text(text.as_str().to_owned());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Alive,
            Some(Ok(Message::Binary(_))) => Heard::Wrong(Close::NO_TEXT),
            Some(Ok(Message::Close(_))) => {
                // The answer to a goodbye is made already, and wants to be sent.
                let _ = timeout(GOODBYE, self.stream.flush()).await;
                Heard::Gone
            }
            None => Heard::Gone,
            Some(Err(error)) => fault(&error),
        };
        self.controls = self.controls.saturating_add(1);
        match heard {
            Heard::Alive if self.controls > CONTROLS => Heard::Wrong(Close::POLICY),
            heard => heard,
        }
    }

    /// Sends a text. When it is abandoned, what was begun goes out before whatever is sent next.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn say(&mut self, text: String) -> Result<(), Gone> {
        self.stream.send(Message::text(text)).await.map_err(|_| Gone)
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn ping(&mut self) -> Result<(), Gone> {
        self.stream.send(Message::Ping(Vec::new().into())).await.map_err(|_| Gone)
    }

    /// Says goodbye with a reason, and hears the peer out for a moment, so that the reason arrives.
    pub async fn close(mut self, close: Close) {
        let frame = CloseFrame { code: close.code.into(), reason: close.reason.into() };
        let parting = pin!(async {
            if self.stream.send(Message::Close(Some(frame))).await.is_ok() {
                while self.stream.next().await.is_some_and(|heard| heard.is_ok()) {}
            }
        });
        let _ = timeout(GOODBYE, parting).await;
    }
}

/// What a fault of the peer's leads to.
fn fault(error: &Error) -> Heard {
    match error {
        // The connection ended in the middle of whatever it was.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Heard::Gone,
        Error::Protocol(_) => Heard::Wrong(Close::PROTOCOL),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Heard::Wrong(Close::LARGE),
        Error::Capacity(_) => Heard::Wrong(Close::POLICY),
        Error::Utf8(_) => Heard::Wrong(Close::NO_UTF8),
        _ => Heard::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn the_accept_value_is_that_of_the_standard() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for bad in ["", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZSBub25jZ?=="] {
            assert_eq!(accept(&HeaderValue::from_static(bad)), None, "{bad}");
        }
    }

    /// Plays bytes to a socket as its peer, then goes; how the socket judged them, and what it sent back.
    async fn played(bytes: &[u8]) -> (Heard, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(1024 * 1024);
        let mut socket = Socket::over(ours).await;
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        let end = loop {
            match socket.hear().await {
                Heard::Text(text) => assert!(text.len() <= LARGEST),
                Heard::Alive => {}
                end => break end,
            }
        };
        match &end {
            Heard::Wrong(close) => socket.close(*close).await,
            _ => drop(socket),
        }
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        (end, sent)
    }

    fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(payload.len()) {
            Ok(short @ 0..126) => frame.push(0x80 | u8::try_from(short).unwrap()),
            Ok(middle) => {
                frame.push(0x80 | 126);
                frame.extend(middle.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    /// The code of the close frame that ends what a server sent.
    fn code_of(mut sent: &[u8]) -> Option<u16> {
        while let [first, length @ 0..126, rest @ ..] = sent {
            let (payload, after) = rest.split_at_checked(usize::from(*length))?;
            if *first == 0x88 {
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
            sent = after;
        }
        None
    }

    #[tokio::test]
    async fn every_wrong_frame_ends_the_socket_with_the_code_that_says_why() {
        let unmasked = [0x81, 2, b'h', b'i'].to_vec();
        let reserved = masked(3, b"");
        let long_ping = masked(9, &[0; 126]);
        let mut alone = masked(1, b"a");
        alone[0] = 0;
        for (bytes, code) in [
            (unmasked, 1002),
            (reserved, 1002),
            (long_ping, 1002),
            (alone, 1002),
            (masked(2, b"binary"), 1003),
            (masked(1, b"\xff\xfe"), 1007),
            (masked(1, &vec![b'a'; LARGEST + 1]), 1009),
            (masked(9, b"").repeat(CONTROLS as usize + 1), 1008),
        ] {
            let (end, sent) = played(&bytes).await;
            let Heard::Wrong(close) = end else { panic!("{code}: {end:?}") };
            assert_eq!((close.code, code_of(&sent)), (code, Some(code)));
        }
        assert_eq!(played(&masked(1, &vec![b'a'; LARGEST])).await.0, Heard::Gone);
        let (end, sent) = played(&masked(8, &1000u16.to_be_bytes())).await;
        assert_eq!((end, code_of(&sent)), (Heard::Gone, Some(1000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn whatever_bytes_come_the_socket_ends_and_says_a_code_that_may_be_said(
            begins in prop::collection::vec((0u8..16, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
            ends in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes: Vec<u8> = begins.iter().flat_map(|(opcode, payload)| masked(*opcode, payload)).collect();
            bytes.extend(ends);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let (end, sent) = runtime.unwrap().block_on(played(&bytes));
            if let Heard::Wrong(close) = end {
                prop_assert!([1002, 1003, 1007, 1008, 1009].contains(&close.code));
                prop_assert_eq!(code_of(&sent), Some(close.code));
            }
        }
    }
}
