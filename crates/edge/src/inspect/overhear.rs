//! For judges of the firewall, and in no house: somebody hears every verdict, also those from which nothing
//! follows, and what it is about.

use std::sync::Arc;

use waf::{Inspector, Request, Response, Verdict};

use super::{Firewall, HeadRef};
use crate::admission::Visit;

/// Whoever hears.
pub trait Overhear: Send + Sync {
    /// A request was inspected, or the response to it; a response's request comes without its body.
    fn hear(
        &self,
        inspector: &Inspector,
        request: &Request<'_>,
        response: Option<&Response<'_>>,
        verdict: &Verdict,
    );
}

/// The first who listened.
#[derive(Default)]
pub(super) struct Ear(std::sync::OnceLock<Arc<dyn Overhear>>);

impl std::fmt::Debug for Ear {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an ear")
    }
}

impl Firewall {
    /// Tells `listener` of every verdict from now on. The first one stays.
    pub fn overhear(&self, listener: Arc<dyn Overhear>) {
        let _ = self.0.ear.0.set(listener);
    }

    pub(super) fn overheard(
        &self,
        inspector: &Inspector,
        visit: &Visit,
        head: HeadRef<'_>,
        body: &[u8],
        response: Option<&Response<'_>>,
        verdict: &Verdict,
    ) {
        if let Some(listener) = self.0.ear.0.get() {
            head.shown(visit.address(), body, |request| listener.hear(inspector, request, response, verdict));
        }
    }
}
