//! By which way a request came, for the events of what it does.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use kernel::RequestId;
use store::{Source, Via};

/// The way of the request.
pub(crate) struct ByDoor(pub(crate) Via);

impl<S: Send + Sync> FromRequestParts<S> for ByDoor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let source = parts.extensions.get::<Source>().map(|Source(address)| address.clone());
        Ok(Self(Via { request: parts.extensions.get::<RequestId>().copied(), source }))
    }
}
