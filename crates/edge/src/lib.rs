//! The public edge of Wardroom: listeners that speak TLS 1.3 and nothing older, the limits under which
//! strangers may use them, the admission that keeps those who are known served, the firewall that reads
//! requests before the rooms do, and the certificates they show.
//!
//! ```no_run
//! use edge::{Admission, AdmissionConfig, AccessConfig, Door, Edge, EdgeError, Limits, Shutdown, Tls, TlsSource};
//! # use std::convert::Infallible;
//! # async fn run<S, F>(listener: tokio::net::TcpListener, ca: wire::ca::LocalCa, application: S) -> Result<(), EdgeError>
//! # where
//! #     S: tower_service::Service<http::Request<edge::RequestBody>, Response = http::Response<http_body_util::Full<bytes::Bytes>>, Error = Infallible, Future = F> + Clone + Send + 'static,
//! #     F: Future + Send + Future<Output = Result<http::Response<http_body_util::Full<bytes::Bytes>>, Infallible>>,
//! # {
//! # let names = vec![];
//! # let world = kernel::World::real();
//! let tls = Tls::open(TlsSource::Local { ca, names }, &world).await?;
//! let admission = Admission::new(AdmissionConfig::default(), &AccessConfig::default(), &world)?;
//! let (trigger, shutdown) = Shutdown::new();
//! let edge = Edge::new(tls, Limits::default(), admission, Door::Public)?;
//! let report = edge.serve(listener, application, shutdown).await?;
//! # drop(trigger);
//! # Ok(())
//! # }
//! ```
//!
//! The application is any [`tower_service::Service`] from a request to a response; it finds a [`Peer`]
//! among the request's extensions. Not here: who the peer is as a person, and what it may do. That is
//! decided at the doors behind this crate.

mod acme;
mod admission;
mod antechamber;
mod body;
mod error;
mod exchange;
mod flight;
mod inside;
mod inspect;
mod limits;
mod listener;
mod meter;
mod peer;
mod plain;
mod report;
mod shared;
mod shutdown;
mod socket;
mod tls;

pub use acme::{AcmeChallenge, AcmeConfig, Challenges, ExternalAccount};
pub use admission::{
    AccessConfig, AccessList, Admission, AdmissionConfig, Country, Door, FormList, Heavy, ISSUED, InForce,
    LaneTraffic, MeasureStep, News, Override, PlaceFile, PlaceLimit, Rate, Route, STANDING, Traffic,
    TrafficDimension, Witness,
};
pub use body::{BodyError, RequestBody};
pub use error::EdgeError;
#[cfg(feature = "overhear")]
pub use inspect::Overhear;
pub use inspect::{
    Finding, Firewall, FirewallConfig, FirewallExclusion, FirewallMode, FirewallRoute, Outcome,
};
pub use limits::Limits;
pub use listener::Edge;
pub use peer::{Peer, PeerTls};
pub use plain::{PlainConfig, serve_plain};
pub use report::{ServeReport, Stats};
pub use shared::{Shared, SharedConfig, SharedStatus};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use tls::{ClientAuthorities, Tls, TlsSource, TlsStatus};
