//! What the frame asks of the house behind it: who is this, what is that, what is known of the moment,
//! and write it down.

use std::borrow::Cow;
use std::future::Future;
use std::str::FromStr;

use guard::{Act, Actor, Circumstances, Denied, Guard, Resource};
use http::request::Parts;
use kernel::{BotName, Problem, ProblemKind, Reason, TenantId, World};

use crate::cookie::SessionSecret;
use crate::csrf::{self, FormExtras, Token};
use crate::refusal::nothing_here;

/// The header in which a program states the reason for a sensitive act, percent-encoded where it is not
/// ASCII. Forms have the field [`csrf::REASON_FIELD`]. It does not begin with `x-wardroom-`, because the edge
/// takes every such header off.
pub const REASON_HEADER: &str = "wardroom-reason";

/// The state behind a set of doors.
pub trait Entrance: Clone + Send + Sync + 'static {
    /// Who decides.
    fn guard(&self) -> &Guard;

    /// Time and ids.
    fn world(&self) -> &World;

    /// Who asks. A request without credentials is [`Actor::Anonymous`]; one with credentials that are
    /// false or expired is an error, not anonymous.
    fn arrival(&self, parts: &Parts) -> impl Future<Output = Result<Arrival, Problem>> + Send;

    /// The thing that is asked about, with its facts from the store. What does not exist is a `NotFound`
    /// problem, whose words the door replaces by its own. It must look for the thing in the actor's
    /// tenant only.
    fn resource(
        &self,
        need: &ResourceNeed,
        actor: &Actor,
    ) -> impl Future<Output = Result<Resource, Problem>> + Send;

    /// Writes a decision down, permitted or denied. An error stops the request: what cannot be recorded
    /// does not happen.
    fn record(&self, decision: &Decision<'_>) -> impl Future<Output = Result<(), Problem>> + Send;

    /// What is known of the moment: the time, and the reason that the request states, if it does.
    ///
    /// # Errors
    /// `Invalid` when the stated reason is not acceptable as a text.
    fn circumstances(&self, parts: &Parts) -> Result<Circumstances, Problem> {
        let now = Circumstances::at(self.world().now());
        Ok(match stated_reason(parts)? {
            Some(reason) => now.because(reason),
            None => now,
        })
    }
}

/// Who came, and how they proved it.
#[derive(Debug)]
pub struct Arrival {
    pub(crate) actor: Actor,
    pub(crate) csrf: Option<Token>,
}

impl Arrival {
    /// Nobody that we know.
    pub fn unknown(tenant: TenantId) -> Self {
        Self { actor: Actor::Anonymous { tenant }, csrf: None }
    }

    /// Somebody who showed a bearer token, a client certificate or another thing that no browser sends
    /// by itself.
    pub fn by_token(actor: Actor) -> Self {
        Self { actor, csrf: None }
    }

    /// Somebody who showed the session cookie. What they change must come from our own pages.
    pub fn by_cookie(actor: Actor, session: &SessionSecret) -> Self {
        Self { actor, csrf: Some(csrf::token(session)) }
    }
}

/// What the guard said, for the record.
#[derive(Debug)]
pub struct Decision<'a> {
    /// What was asked.
    pub act: Act,
    /// Who asked.
    pub actor: &'a Actor,
    /// What about.
    pub resource: &'a Resource,
    /// The request.
    pub request: kernel::RequestId,
    /// The reason that was stated.
    pub reason: Option<&'a Reason>,
    /// The policy that permits it, or the refusal.
    pub outcome: Result<&'a str, &'a Denied>,
}

/// Which thing a request is about: the action, and the parameters of its path and query.
#[derive(Debug, Clone)]
pub struct ResourceNeed {
    act: Act,
    path: Vec<(String, String)>,
    query: String,
}

impl ResourceNeed {
    pub(crate) fn new(act: Act, path: Vec<(String, String)>, query: Option<&str>) -> Self {
        Self { act, path, query: query.unwrap_or_default().to_owned() }
    }

    /// What is asked for.
    pub fn act(&self) -> Act {
        self.act
    }

    /// A parameter of the path, for example `id` of `/conversations/{id}`, if the route has it.
    pub fn path(&self, name: &str) -> Option<&str> {
        self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the path as an id or a name.
    ///
    /// # Errors
    /// `NotFound` when it is not there, or not of that shape: nothing can have such an address.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.path(name).and_then(|text| text.parse().ok()).ok_or_else(nothing_here)
    }

    /// The bot that the query names (`?bot=front-desk`), for lists that can be asked for one bot.
    ///
    /// # Errors
    /// `Invalid` when it is not a bot's name, or named twice.
    pub fn bot_of_query(&self) -> Result<Option<BotName>, Problem> {
        let mut named = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| name == "bot");
        match (named.next(), named.next()) {
            (None, _) => Ok(None),
            (Some((_, name)), None) => BotName::new(&name).map(Some).map_err(|error| {
                Problem::new(ProblemKind::Invalid, sentence(&error), "Name one bot as `?bot=NAME`.")
            }),
            _ => Err(Problem::new(
                ProblemKind::Invalid,
                "The query names more than one bot.",
                "Name one bot as `?bot=NAME`.",
            )),
        }
    }
}

/// The reason that a request states, in its header or its form.
fn stated_reason(parts: &Parts) -> Result<Option<Reason>, Problem> {
    let refuse = |detail: String| {
        let mend = "State a reason of at most 500 characters on one line, percent-encoded as UTF-8.";
        Problem::new(ProblemKind::Invalid, detail, mend)
    };
    let in_form = parts.extensions.get::<FormExtras>().and_then(|extras| extras.reason.as_ref());
    let text: Cow<'_, str> = match (parts.headers.get(REASON_HEADER), in_form) {
        (Some(value), _) => percent_encoding::percent_decode(value.as_bytes())
            .decode_utf8()
            .map_err(|_| refuse(format!("The header `{REASON_HEADER}` is not percent-encoded UTF-8.")))?,
        (None, Some(reason)) => Cow::Borrowed(reason.expose()),
        (None, None) => return Ok(None),
    };
    Reason::new(&text).map(Some).map_err(|error| refuse(sentence(&error)))
}

/// An error's words as a sentence.
pub(crate) fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
