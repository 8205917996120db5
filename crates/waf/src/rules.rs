//! Rules as the rest of the house sees them.

use crate::{
    Carried, Explained, LoadError, Policy, Request, Response, Source, Verdict,
    compile::{self, Program},
    engine, seclang,
};
use std::{fmt, sync::Arc};

/// A set of rules, ready to run. Cheap to clone; swap it whole to load new rules while requests run.
#[derive(Clone)]
pub struct Rules(Arc<Program>);

/// What a set of rules consists of, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Rules with an id.
    pub rules: usize,
    /// Rules and links of chains.
    pub links: usize,
    /// Rules and links that the prefilter guards.
    pub guarded: usize,
    /// Distinct chains of transformations.
    pub chains: usize,
}

impl Rules {
    /// Reads and compiles rules, source after source.
    ///
    /// # Errors
    /// [`LoadError`] names the file, the line, what is wrong and the mend. Nothing is loaded by halves.
    pub fn load(sources: &[Source]) -> Result<Self, LoadError> {
        let mut directives = Vec::new();
        for source in sources {
            directives.extend(seclang::read(source)?);
        }
        Ok(Self(Arc::new(compile::compile(directives)?)))
    }

    /// Inspects a request, head and body.
    #[must_use]
    pub fn inspect(&self, request: &Request<'_>, policy: &Policy) -> Verdict {
        engine::request(&self.0, policy, request, false).0
    }

    /// Inspects a request and keeps what its response's inspection needs.
    #[must_use]
    pub fn inspect_request(&self, request: &Request<'_>, policy: &Policy) -> (Verdict, Carried) {
        let (verdict, carried, _) = engine::request(&self.0, policy, request, false);
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
        policy: &Policy,
    ) -> Verdict {
        engine::response(&self.0, policy, carried, request, response, false).0
    }

    /// The same inspection, told in full: content, for a person who asked. With no response the phases
    /// after the request are left out.
    #[must_use]
    pub fn explain(
        &self,
        request: &Request<'_>,
        response: Option<&Response<'_>>,
        policy: &Policy,
    ) -> (Verdict, Vec<Explained>) {
        let (verdict, carried, mut told) = engine::request(&self.0, policy, request, true);
        let Some(response) = response else { return (verdict, told) };
        let (verdict, _, more) = engine::response(&self.0, policy, carried, request, response, true);
        told.extend(more);
        (verdict, told)
    }

    /// What it consists of.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rules = &self.0.rules;
        Counts {
            rules: rules.iter().filter(|rule| rule.id != 0).count(),
            links: rules.len(),
            guarded: rules.iter().filter(|rule| !rule.needs.is_empty()).count(),
            chains: self.0.chains.len(),
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(out)
    }
}
