//! The port-80 listener: answers ACME's http-01 challenges and sends everybody else to HTTPS. It never
//! serves content and never reads a body.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::admission::{Admission, Door, Gate, Permit};
use crate::flight::Activity;
use crate::listener::{Doors, Steward, accept, finish, http1_builder};
use crate::socket::Socket;
use crate::{Challenges, EdgeError, Limits, ServeReport, Shutdown, Stats};

/// Where an http-01 challenge is asked for (RFC 8555 section 8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// What the cleartext listener knows.
#[derive(Debug, Clone)]
pub struct PlainConfig {
    /// The port of the HTTPS listener as the public sees it; 443 is left out of addresses.
    pub https_port: u16,
    /// The hosts that people may be sent to, in lower case. Empty: any host that was asked for.
    pub hosts: Vec<String>,
    /// The challenges being answered, from [`crate::Tls::challenges`].
    pub challenges: Option<Challenges>,
}

/// Serves redirects and challenges on `listener` until `shutdown`.
///
/// # Errors
/// When the limits make no sense, or the listener cannot be used.
pub async fn serve_plain(
    listener: TcpListener,
    config: PlainConfig,
    limits: Limits,
    admission: Admission,
    shutdown: Shutdown,
) -> Result<ServeReport, EdgeError> {
    limits.check()?;
    listener.local_addr().map_err(EdgeError::Listen)?;
    let stats = Arc::new(Stats::default());
    let (config, limits) = (Arc::new(config), Arc::new(limits));
    let gate = Gate::new(&limits);
    let mut open = JoinSet::new();
    let doors = Doors { gate: &gate, stats: &stats, admission: &admission, door: Door::Public };
    accept(&listener, doors, &shutdown, &mut open, |stream, _: SocketAddr, permit| {
        let (config, limits) = (Arc::clone(&config), Arc::clone(&limits));
        connection(config, limits, Arc::clone(&stats), stream, permit, shutdown.clone())
    })
    .await;
    drop(listener);
    finish(open, limits.drain_timeout, &stats).await;
    Ok(stats.snapshot())
}

async fn connection(
    config: Arc<PlainConfig>,
    limits: Arc<Limits>,
    stats: Arc<Stats>,
    stream: TcpStream,
    permit: Permit,
    shutdown: Shutdown,
) {
    let activity = Activity::new(limits.cancelled_streams);
    let socket = Socket::new(stream, limits.write_stall, permit, Arc::clone(&activity));
    let service = service_fn(|request: Request<Incoming>| {
        stats.requests.add();
        let mut flight = activity.begin();
        flight.answered();
        let response = answer(&config, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let conn = http1_builder(&limits).serve_connection(TokioIo::new(socket), service);
    let steward = Steward {
        limits: &limits,
        stats: &stats,
        activity: &activity,
        shutdown: &shutdown,
        // Here is nothing to flood with: one small answer to each request.
        offences: None,
    };
    steward.watch(conn, http1::Connection::graceful_shutdown).await;
}

fn answer<B>(config: &PlainConfig, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        // Sending a form on would send its content in the clear a second time.
        return text(StatusCode::FORBIDDEN, "Use HTTPS.\n");
    }
    if let Some(token) = request.uri().path().strip_prefix(CHALLENGE) {
        let proof = config.challenges.as_ref().and_then(|challenges| challenges.http(token));
        return match proof {
            Some(proof) => text(StatusCode::OK, proof),
            None => text(StatusCode::NOT_FOUND, "No such challenge.\n"),
        };
    }
    let Some(host) = host(request, &config.hosts) else {
        return text(StatusCode::BAD_REQUEST, "The request is for no host known here.\n");
    };
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let place = match config.https_port {
        443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    };
    let Ok(place) = HeaderValue::from_str(&place) else {
        return text(StatusCode::BAD_REQUEST, "The request cannot be read.\n");
    };
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "Use HTTPS.\n");
    response.headers_mut().insert(header::LOCATION, place);
    response
}

/// The host asked for, without its port, when people may be sent there.
fn host<B>(request: &Request<B>, allowed: &[String]) -> Option<String> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return None };
    let host = host.to_str().ok()?;
    let authority: Authority = host.parse().ok()?;
    let host = authority.host().to_ascii_lowercase();
    let fits = !authority.as_str().contains('@') && !host.is_empty();
    (fits && (allowed.is_empty() || allowed.contains(&host))).then_some(host)
}

fn text(status: StatusCode, words: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(words.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, uri: &str, host: &str) -> Response<Full<Bytes>> {
        let config = PlainConfig { https_port: 8443, hosts: vec!["chat.test".to_owned()], challenges: None };
        let request = Request::builder().method(method).uri(uri).header("host", host).body(()).unwrap();
        answer(&config, &request)
    }

    #[test]
    fn everybody_is_sent_to_https() {
        let response = ask("GET", "/a/b?c=d", "Chat.test:80");
        assert_eq!(response.status(), 301);
        assert_eq!(response.headers()["location"], "https://chat.test:8443/a/b?c=d");
    }

    #[test]
    fn nobody_is_sent_to_a_host_that_is_not_ours() {
        for host in ["evil.test", "chat.test@evil.test", "", "chat.test evil.test"] {
            let response = ask("GET", "/", host);
            assert_eq!(response.status(), 400, "{host}");
            assert!(!response.headers().contains_key("location"));
        }
        assert_eq!(ask("POST", "/login", "chat.test").status(), 403);
        assert_eq!(ask("GET", "/.well-known/acme-challenge/x", "chat.test").status(), 404);
    }
}
