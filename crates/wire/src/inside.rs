//! Requests that come inside a connection which was upgraded. What is said over a WebSocket must pass the
//! same walls as what is posted: the budgets, the firewall, the door. So the edge hands the room that serves
//! the socket a way back in ([`Inside`], among the extensions of the upgrade request), and the room sends each
//! message through it as the request that a client would have made. Nothing is decided anew for sockets.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

/// What a sub-protocol begins with that carries a token. Browsers let a script put nothing else on the
/// request of a WebSocket (WHATWG WebSockets, section 3.1), and an address is no place for a secret. The
/// edge takes it off and puts it where every request has it, before anybody looks:
/// `authorization: Bearer TOKEN`.
pub const TOKEN_PROTOCOL: &str = "wardroom.token.";

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// A way back to the edge, for whoever serves an upgraded connection. The request is taken as if it had come
/// from the same client by itself; its address and how it speaks TLS are those of the connection.
#[derive(Clone)]
pub struct Inside(Arc<dyn Fn(Request<Bytes>) -> Answering + Send + Sync>);

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inside")
    }
}

impl Inside {
    /// A way that leads to `take`.
    pub fn new(take: impl Fn(Request<Bytes>) -> Answering + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Sends a request. There is always an answer; what the edge refuses is answered by the edge.
    pub fn ask(&self, request: Request<Bytes>) -> Answering {
        (self.0)(request)
    }
}
