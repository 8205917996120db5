//! Rules and a policy, made ready for each other: what the policy takes away is looked up once, and not
//! with every request.

use crate::{Carried, Explained, Policy, Request, Response, Rules, Verdict, engine};
use std::fmt;

/// Rules under one policy. Made by [`Rules::under`]; a process makes one for each kind of route and keeps
/// it as long as its rules.
pub struct Inspector {
    rules: Rules,
    prepared: engine::Prepared,
}

impl Inspector {
    pub(crate) fn new(rules: Rules, policy: Policy) -> Self {
        let prepared = engine::Prepared::new(rules.program(), policy);
        Self { rules, prepared }
    }

    /// The policy it holds to.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.prepared.policy
    }

    /// The rules it runs.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Inspects a request, head and body.
    #[must_use]
    pub fn inspect(&self, request: &Request<'_>) -> Verdict {
        self.inspect_request(request).0
    }

    /// Inspects a request and keeps what its response's inspection needs.
    #[must_use]
    pub fn inspect_request(&self, request: &Request<'_>) -> (Verdict, Carried) {
        let (verdict, carried, _) = engine::request(self.rules.program(), &self.prepared, request, false);
        (verdict, carried)
    }

    /// Inspects a response of ours. Rules of its phases see the request's head, not its body. The verdict
    /// holds the request's matches as well.
    #[must_use]
    pub fn inspect_response(
        &self,
        carried: Carried,
        request: &Request<'_>,
        response: &Response<'_>,
    ) -> Verdict {
        engine::response(self.rules.program(), &self.prepared, carried, request, response, false).0
    }

    /// The same inspection, told in full: content, for a person who asked. With no response the phases
    /// after the request are left out.
    #[must_use]
    pub fn explain(
        &self,
        request: &Request<'_>,
        response: Option<&Response<'_>>,
    ) -> (Verdict, Vec<Explained>) {
        let program = self.rules.program();
        let (verdict, carried, mut told) = engine::request(program, &self.prepared, request, true);
        let Some(response) = response else { return (verdict, told) };
        let (verdict, _, more) = engine::response(program, &self.prepared, carried, request, response, true);
        told.extend(more);
        (verdict, told)
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.policy();
        write!(out, "{:?} at level {} over {:?}", policy.mode, policy.paranoia, self.rules)
    }
}
