//! What comes inside an upgraded connection: the room that serves a WebSocket sends each message back here as
//! a request, and it passes the same steps as one that was posted ([`crate::exchange`]).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use kernel::{Problem, ProblemKind};
use tower_service::Service;
use wire::inside::{Answering, Inside, TOKEN_PROTOCOL};

use crate::RequestBody;
use crate::body::Coming;
use crate::exchange::Exchange;

/// The largest answer that goes into a socket. Rooms answer a message with a line.
const ANSWER: usize = 64 * 1024;

/// Puts the token that a browser's script sent as a sub-protocol where every request has it, so that budgets,
/// rules and doors see one kind of credential. What the script offers besides stays.
///
/// # Errors
/// When there are two tokens: nobody knows which one counts.
pub(crate) fn lift_token(headers: &mut HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(header::UPGRADE) || !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Ok(());
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered: Vec<&str> = offered
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let mut tokens = offered.iter().filter_map(|one| one.strip_prefix(TOKEN_PROTOCOL));
    let Some(token) = tokens.next() else { return Ok(()) };
    if tokens.next().is_some() || headers.contains_key(header::AUTHORIZATION) {
        return Err(Problem::new(
            ProblemKind::Malformed,
            "The request has more than one token.",
            "Send one, as `authorization` or as a sub-protocol.",
        ));
    }
    let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
    let others: Vec<&str> = offered.iter().filter(|one| !one.starts_with(TOKEN_PROTOCOL)).copied().collect();
    let others = HeaderValue::from_str(&others.join(", "));
    let (Ok(mut bearer), Ok(others)) = (bearer, others) else { return Ok(()) };
    bearer.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, others);
    Ok(())
}

/// The way back for the room that serves an upgraded connection.
pub(crate) fn way<S, B>(exchange: Exchange, service: S) -> Inside
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let (exchange, service) = (Arc::new(exchange), Mutex::new(service));
    Inside::new(move |request| {
        let service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answer(Arc::clone(&exchange), service, request)
    })
}

fn answer<S, B>(exchange: Arc<Exchange>, service: S, request: Request<Bytes>) -> Answering
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    Box::pin(async move {
        let request = request.map(|body| Coming::Inside(Full::new(body)));
        let Ok(response) = exchange.answer(service, request).await;
        let (mut parts, body) = response.into_parts();
        match Limited::new(body, ANSWER).collect().await {
            Ok(whole) => Response::from_parts(parts, whole.to_bytes()),
            Err(error) => {
                tracing::error!(%error, "an answer inside a socket could not be read");
                let problem = Problem::new(
                    ProblemKind::Internal,
                    "The answer could not be read.",
                    "Try again in a moment.",
                );
                parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                Response::from_parts(parts, serde_json::to_vec(&problem).unwrap_or_default().into())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_token_among_the_sub_protocols_becomes_a_bearer_token_and_leaves_them() {
        let mut headers = asked(&[
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "wardroom.chat.v1,wardroom.token.abc_-1"),
        ]);
        lift_token(&mut headers).unwrap();
        assert_eq!(headers["authorization"], "Bearer abc_-1");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(headers["sec-websocket-protocol"], "wardroom.chat.v1");
    }

    #[test]
    fn two_tokens_are_refused_and_a_request_that_upgrades_nothing_is_left_alone() {
        let offered = ("sec-websocket-protocol", "wardroom.token.a");
        let two = ("sec-websocket-protocol", "wardroom.token.a, wardroom.token.b");
        assert!(lift_token(&mut asked(&[("upgrade", "websocket"), two])).is_err());
        assert!(lift_token(&mut asked(&[("upgrade", "websocket"), offered, offered])).is_err());
        assert!(
            lift_token(&mut asked(&[("upgrade", "websocket"), offered, ("authorization", "Bearer c")]))
                .is_err()
        );
        let mut plain = asked(&[offered]);
        lift_token(&mut plain).unwrap();
        assert!(!plain.contains_key("authorization"));
    }
}
