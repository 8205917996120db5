//! By which way a request came, for the events of what it does.

use axum::extract::FromRequestParts;
use http::request::Parts;
use kernel::RequestId;
use store::{Source, Via};

/// The way of a request.
pub(crate) fn way(parts: &Parts) -> Via {
    let source = parts.extensions.get::<Source>().map(|Source(address)| address.clone());
    Via { request: parts.extensions.get::<RequestId>().copied(), source, device: None }
}

/// The way of the request, for a handler.
pub(crate) struct ByDoor(pub(crate) Via);

impl<S: Send + Sync> FromRequestParts<S> for ByDoor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(way(parts)))
    }
}
