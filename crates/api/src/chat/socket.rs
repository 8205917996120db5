//! `GET /chat/v1/conversations/{id}/socket`: a conversation over one WebSocket (RFC 6455). Down come the events
//! of the stream beside it ([`super::events`]), up go messages.
//!
//! A message that comes up is sent through the edge as the `POST` that a page would have made ([`wire::inside`]):
//! the same budget is charged, the same rules read it, the same door checks the token again, the same handler
//! stores it. So nothing here knows what a message may be, and nothing can be said here that could not be posted.
//!
//! The token comes as `authorization: Bearer TOKEN`, or from a browser, whose scripts cannot set fields, as the
//! sub-protocol `wardroom.token.TOKEN` beside `wardroom.chat.v1`. It never stands in the address. A browser also
//! tells the page's origin, which must be one that the conversation's bot allows, or our own: CORS does not hold
//! for WebSockets, so the door asks itself.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use doors::socket::{Close, Heard, Socket, Upgrade};
use doors::{Authorized, Query, Refusal};
use guard::action::ReadOwnConversation;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use kernel::{ConversationId, Problem, ProblemKind};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use wire::inside::Inside;

use super::told::{Over, Telling, Told};
use crate::Front;

/// The sub-protocol that is spoken.
const PROTOCOL: &str = "wardroom.chat.v1";
/// How often a sign of life is asked for.
const BEAT: Duration = Duration::from_secs(10);
/// How long a socket may show none: its peer has had two more chances then.
const SILENCE: Duration = Duration::from_secs(35);
/// How long the peer may refuse to take one event.
const STALL: Duration = Duration::from_secs(10);
/// What a `ref` may have, in bytes.
const REF: usize = 64;
/// What an answer to a challenge may have, in bytes.
const PROOF_BYTES: usize = 512;

/// The token is worth nothing any more: its session has ended, or the half hour is over that one lives.
const SIGNED_OUT: Close = Close::new(4401, "the sign-in has ended");
const EXPIRED: Close = Close::new(4401, "the half hour is over; exchange the token and connect again");
/// No sign of life came.
const SILENT: Close = Close::new(4408, "no sign of life came");

/// From where on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// The `id` of the last event that the client has.
    #[serde(default)]
    after: u64,
}

/// Opens the socket.
pub(crate) async fn socket(
    leave: Authorized<ReadOwnConversation>,
    State(front): State<Front>,
    Query(from): Query<From>,
    upgrade: Upgrade,
    Asked { inside, headers }: Asked,
) -> Result<Response, Refusal> {
    let permit = leave.into_permit();
    let (Some(conversation), Some(bot)) = (permit.resource().conversation(), permit.resource().bot()) else {
        return Err(Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Open one.").into());
    };
    if let Some(origin) = headers.get(header::ORIGIN) {
        // What cannot be read is no origin of ours.
        let origin = origin.to_str().unwrap_or("null");
        if !front.shelf.allows(bot, origin) && !front.is_own(origin, &headers) {
            return Err(Problem::new(
                ProblemKind::Forbidden,
                "This bot may not be used from this web page.",
                "Add the page's origin to `allowed_origins` in the bot's `bot.toml`, and push the bot.",
            )
            .into());
        }
    }
    if !upgrade.speaks(PROTOCOL) {
        return Err(Problem::new(
            ProblemKind::Malformed,
            "The WebSocket does not offer a sub-protocol that is spoken here.",
            format!("Offer `{PROTOCOL}`."),
        )
        .into());
    }
    let telling = Telling::begin(front.clone(), permit, &headers, from.after).await?;
    let talk = Talk { telling, way: Posting::of(inside, &headers, conversation)? };
    let (response, opening) = upgrade.accept(PROTOCOL);
    front.sockets.spawn(async move {
        if let Some(socket) = opening.await {
            talk.run(socket).await;
        }
    });
    Ok(response)
}

/// What the edge left among the request's extensions, and its fields.
pub(crate) struct Asked {
    inside: Inside,
    headers: HeaderMap,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let inside = parts.extensions.get::<Inside>().cloned().ok_or_else(|| {
            tracing::error!("a WebSocket was asked for past the edge");
            let mend = "Use `POST .../messages` and `GET .../events`.";
            Problem::new(ProblemKind::Unavailable, "WebSockets are not served here.", mend)
        })?;
        Ok(Self { inside, headers: parts.headers.clone() })
    }
}

/// An open socket and what it needs.
struct Talk {
    telling: Telling,
    way: Posting,
}

/// An answer to a message on its way.
type Answering = std::pin::Pin<Box<dyn Future<Output = String> + Send>>;

impl Talk {
    async fn run(mut self, mut socket: Socket) {
        let close = self.until_over(&mut socket).await;
        if let Some(close) = close {
            socket.close(close).await;
        }
    }

    /// Talks until one of the two has had enough; `None` when the peer is gone already.
    async fn until_over(&mut self, socket: &mut Socket) -> Option<Close> {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut answering: Option<Answering> = None;
        loop {
            let out = tokio::select! {
                // It asks first whether the token still opens anything.
                told = self.telling.next() => match told {
                    Ok(told) => Some(frame(told)),
                    Err(over) => return Some(of(over)),
                },
                answer = answered(&mut answering), if answering.is_some() => {
                    answering = None;
                    Some(answer)
                }
                // One message after the other: who sends faster is read more slowly.
                come = socket.hear(), if answering.is_none() => {
                    heard = Instant::now();
                    match come {
                        Heard::Text(text) => match Up::read(&text) {
                            Some(up) => answering = Some(self.way.post(up)),
                            None => return Some(Close::POLICY),
                        },
                        Heard::Alive => {}
                        Heard::Wrong(close) => return Some(close),
                        Heard::Gone => return None,
                    }
                    None
                }
                _ = beat.tick() => {
                    if answering.is_some() {
                        // Nobody listened meanwhile.
                        heard = Instant::now();
                    }
                    if heard.elapsed() > SILENCE {
                        return Some(SILENT);
                    }
                    timeout(STALL, socket.ping()).await.ok()?.ok()?;
                    None
                }
            };
            let Some(out) = out else { continue };
            tokio::select! {
                biased;
                over = self.telling.over() => return Some(of(over)),
                said = timeout(STALL, socket.say(out)) => said.ok()?.ok()?,
            }
        }
    }
}

/// The answer to the message that is on its way.
async fn answered(answering: &mut Option<Answering>) -> String {
    match answering {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}

fn of(over: Over) -> Close {
    match over {
        Over::SignedOut => SIGNED_OUT,
        Over::Expired => EXPIRED,
        Over::Ending => Close::AWAY,
        Over::Failed => Close::FAILED,
    }
}

/// An event as a frame: the fields of a server-sent event as members.
fn frame(Told { kind, id, data }: Told) -> String {
    json!({ "event": kind, "id": id.to_string(), "data": data }).to_string()
}

/// What comes up.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Up {
    event: Kind,
    /// The client's own mark for it, which comes back with the answer.
    #[serde(rename = "ref", default)]
    mark: Option<Mark>,
    /// The answer to a challenge, as `wardroom-proof` has it.
    #[serde(default)]
    proof: Option<Mark>,
    /// The body of `POST .../messages`.
    data: Value,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Message,
}

/// A short text without control characters.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Mark(String);

impl TryFrom<String> for Mark {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let short = text.len() <= PROOF_BYTES && !text.chars().any(char::is_control);
        if short { Ok(Self(text)) } else { Err("too long, or not plain text") }
    }
}

impl Up {
    /// A frame of this protocol; `None` for any other text.
    fn read(text: &str) -> Option<Self> {
        let up: Self = serde_json::from_str(text).ok()?;
        let fits = up.mark.as_ref().is_none_or(|mark| mark.0.len() <= REF);
        fits.then_some(up)
    }
}

/// How a message becomes a request.
struct Posting {
    inside: Inside,
    uri: Uri,
    /// The fields of the upgrade request that say who asks.
    headers: HeaderMap,
}

/// What is of the upgrade and not of a message.
const OF_THE_UPGRADE: [HeaderName; 7] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::COOKIE,
];

const PROOF: HeaderName = HeaderName::from_static("wardroom-proof");
const CHALLENGE: HeaderName = HeaderName::from_static("wardroom-challenge");

impl Posting {
    fn of(inside: Inside, headers: &HeaderMap, conversation: ConversationId) -> Result<Self, Problem> {
        let mut headers = headers.clone();
        for name in OF_THE_UPGRADE.iter().chain([&PROOF]) {
            headers.remove(name);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let uri = format!("/chat/v1/conversations/{conversation}/messages").parse::<Uri>();
        let uri =
            uri.map_err(|_| Problem::new(ProblemKind::Internal, "There is no address.", "Open a new one."))?;
        Ok(Self { inside, uri, headers })
    }

    /// Posts it; the frame that answers.
    fn post(&self, up: Up) -> Answering {
        let body = Bytes::from(up.data.to_string());
        let mut request = Request::new(body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if let Some(proof) = up.proof.and_then(|proof| HeaderValue::from_str(&proof.0).ok()) {
            request.headers_mut().insert(PROOF, proof);
        }
        let answering = self.inside.ask(request);
        Box::pin(async move {
            let response = answering.await;
            let accepted = response.status() == StatusCode::ACCEPTED;
            let event = if accepted { "accepted" } else { "refused" };
            let data: Value = serde_json::from_slice(response.body()).unwrap_or_default();
            let mut answer = json!({ "event": event, "data": data });
            let field = |name: &HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
            let wait = field(&header::RETRY_AFTER).and_then(|wait| wait.parse::<u64>().ok());
            let more = [
                ("ref", up.mark.map(|mark| json!(mark.0))),
                ("retry_after", wait.map(|wait| json!(wait))),
                ("challenge", field(&CHALLENGE).map(|challenge| json!(challenge))),
            ];
            if let Some(members) = answer.as_object_mut() {
                members.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
            }
            answer.to_string()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_message_with_its_body_and_nothing_else() {
        let up = Up::read(r#"{"event":"message","ref":"1","data":{"text":"hello"}}"#).unwrap();
        assert_eq!((up.mark, up.data), (Some(Mark("1".to_owned())), json!({ "text": "hello" })));
        let long = format!(r#"{{"event":"message","ref":"{}","data":{{}}}}"#, "a".repeat(REF + 1));
        for text in [
            "",
            "hello",
            "[]",
            r#"{"event":"message"}"#,
            r#"{"event":"ping","data":{}}"#,
            r#"{"event":"message","data":{},"token":"x"}"#,
            r#"{"event":"message","ref":"a\u0000","data":{}}"#,
            &long,
        ] {
            assert_eq!(Up::read(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_message_goes_as_the_request_that_a_page_would_make_and_its_answer_comes_back_under_its_mark() {
        let inside = Inside::new(|request| {
            assert_eq!(
                (request.method(), request.headers()["authorization"].as_bytes()),
                (&Method::POST, &b"Bearer t"[..])
            );
            for gone in ["upgrade", "connection", "cookie", "sec-websocket-key"] {
                assert!(!request.headers().contains_key(gone), "{gone}");
            }
            let long = request.body().len() > 20;
            assert_eq!(request.headers()["content-length"], request.body().len().to_string());
            Box::pin(async move {
                let response = http::Response::builder();
                if long {
                    let response =
                        response.status(429).header("retry-after", "3").header("wardroom-challenge", "c");
                    return response.body(Bytes::from_static(b"{\"status\":429}")).unwrap();
                }
                response.status(202).body(Bytes::from_static(b"{\"seq\":7}")).unwrap()
            })
        });
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer t"),
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("cookie", "a=b"),
            ("sec-websocket-key", "k"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let way = Posting::of(inside, &headers, kernel::Id::from_bytes([7; 16])).unwrap();
        let ask = |text: &str| {
            way.post(
                Up::read(&json!({ "event": "message", "ref": "r", "data": { "text": text } }).to_string())
                    .unwrap(),
            )
        };
        let answer: Value = serde_json::from_str(&ask("hi").await).unwrap();
        assert_eq!(answer, json!({ "event": "accepted", "ref": "r", "data": { "seq": 7 } }));
        let answer: Value = serde_json::from_str(&ask(&"a".repeat(30)).await).unwrap();
        assert_eq!(
            answer,
            json!({ "event": "refused", "ref": "r", "retry_after": 3, "challenge": "c", "data": { "status": 429 } })
        );
    }
}
