//! Rules as the rest of the house sees them.

use crate::{
    Explained, Inspector, LoadError, Policy, Request, Response, Source, Verdict,
    compile::{self, Program},
    seclang,
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

    /// These rules under a policy.
    #[must_use]
    pub fn under(&self, policy: Policy) -> Inspector {
        Inspector::new(self.clone(), policy)
    }

    /// Inspects one request. Whoever inspects many keeps what [`Rules::under`] makes.
    #[must_use]
    pub fn inspect(&self, request: &Request<'_>, policy: &Policy) -> Verdict {
        self.under(policy.clone()).inspect(request)
    }

    /// Inspects one request and its response, told in full; see [`Inspector::explain`].
    #[must_use]
    pub fn explain(
        &self,
        request: &Request<'_>,
        response: Option<&Response<'_>>,
        policy: &Policy,
    ) -> (Verdict, Vec<Explained>) {
        self.under(policy.clone()).explain(request, response)
    }

    /// Whether any rule looks at responses. Without one there is nothing to hold back for them.
    #[must_use]
    pub fn inspect_responses(&self) -> bool {
        let [_, _, heads, bodies, last] = &self.0.phases;
        [heads, bodies, last].iter().any(|rules| !rules.is_empty())
    }

    /// Whether rules that look at responses look at the request's head as well.
    #[must_use]
    pub fn remember_requests(&self) -> bool {
        self.0.remembers_request()
    }

    /// Whether any rule looks at whether a request's body could be read. The built-in ones do; those of the
    /// Core Rule Set leave it to the configuration around them.
    #[must_use]
    pub fn judge_bodies(&self) -> bool {
        let [of_request, _] = &self.0.used;
        of_request.contains(&crate::Variable::ReqbodyError)
    }

    pub(crate) fn program(&self) -> &Program {
        &self.0
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
