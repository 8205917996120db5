//! The firewall in the path of a request: after the body was read, before the rooms see it; and of its
//! answer, before it leaves. Rules and their engine are of the crate `waf`; here stands which policy a
//! request falls under, what a refusal says, and what is written down.
//!
//! A request costs tens of microseconds and is inspected where it is; the engine bounds its own work and
//! refuses what would cost more. What is not inspected: bodies beyond what any room reads (the beginning
//! is), and answers that are no text or come as a stream.

mod answer;
mod config;
mod fields;
#[cfg(feature = "overhear")]
mod overhear;
mod program;
mod tally;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use kernel::{Problem, ProblemKind, RequestId, World};
use waf::{Carried, Decision, Explained, Inspector, Processor, Refusal, Verdict};

use answer::Held;
pub(crate) use answer::Read;
pub use config::{FirewallConfig, FirewallExclusion, FirewallMode, FirewallRoute};
#[cfg(feature = "overhear")]
pub use overhear::Overhear;
use program::{Asked, Program};
use tally::Tally;

use crate::admission::{Door, News, Visit, Witness};
use crate::{EdgeError, RequestBody, Shutdown};

/// The field under which an answer carries its reference, as the rooms' answers do.
const REFERENCE: HeaderName = HeaderName::from_static("x-request-id");

/// The firewall of a process: one for all its listeners. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Firewall(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    program: ArcSwap<Program>,
    tally: Mutex<Tally>,
    witness: OnceLock<Arc<dyn Witness>>,
    #[cfg(feature = "overhear")]
    ear: overhear::Ear,
}

/// What an inspection led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The request was refused.
    Blocked,
    /// It would have been, if the firewall did more than observe.
    Observed,
    /// It went on; its conversation text looks like an attack, or quotes one.
    Suspicious,
}

/// What the firewall found in one request, or in many alike. It names rules, never what they matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it was the answer, and not the request.
    pub answer: bool,
    /// The request's reference, if it is one request.
    pub reference: Option<RequestId>,
    /// Whence it came, if it is one request.
    pub address: Option<IpAddr>,
    /// The rules that matched; at most sixteen.
    pub rules: Vec<u32>,
    /// The score they made; the highest of many.
    pub score: u64,
    /// The score from which requests are refused.
    pub threshold: u64,
    /// The class of routes.
    pub route: &'static str,
    /// The method.
    pub method: Method,
    /// How many requests.
    pub count: u64,
}

/// A request that was refused, or an answer that was withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocked {
    reference: RequestId,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The request's form.
    Form,
    /// What the request would do.
    Meaning,
    /// What the answer would tell.
    Answer,
}

/// What is kept of a request until its answer is inspected.
pub(crate) struct Pending {
    inspector: Arc<Inspector>,
    carried: Carried,
    head: Head,
    /// Its answer shows what people wrote.
    shows_words: bool,
}

/// The head of a request.
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
}

impl Blocked {
    /// The words for whoever asked. They name no rule: that would be a lesson in how to pass it.
    pub(crate) fn problem(&self) -> Problem {
        let (kind, detail) = match self.why {
            Why::Form => (ProblemKind::Malformed, "The request is not well formed."),
            Why::Meaning => (ProblemKind::Forbidden, "The request looks like an attack and was refused."),
            Why::Answer => (ProblemKind::Internal, "Something here failed, and its answer was withheld."),
        };
        let reference = self.reference;
        let mend = match self.why {
            Why::Answer => {
                format!("Try again; if it happens again, tell the operator this reference: {reference}")
            }
            Why::Form | Why::Meaning => {
                format!("If you meant no harm, tell the operator this reference: {reference}")
            }
        };
        Problem::new(kind, detail, mend).at(format!("urn:wardroom:request:{reference}"))
    }

    /// The reference as a field of the answer.
    pub(crate) fn field(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((REFERENCE, HeaderValue::from_str(&self.reference.to_string()).ok()?))
    }
}

impl Firewall {
    /// A firewall with these settings. Rule files are read and compiled, which takes up to seconds.
    ///
    /// # Errors
    /// When a setting makes no sense; when a rule cannot be used, with its file, its line and the mend.
    pub fn new(config: &FirewallConfig, world: &World) -> Result<Self, EdgeError> {
        Ok(Self(Arc::new(Inner {
            world: world.clone(),
            program: ArcSwap::from_pointee(Program::load(config)?),
            tally: Mutex::default(),
            witness: OnceLock::new(),
            #[cfg(feature = "overhear")]
            ear: overhear::Ear::default(),
        })))
    }

    /// Takes other settings, and reads the rule files again. Requests under way end under the old ones.
    ///
    /// # Errors
    /// As [`Firewall::new`]; the old ones stay in force then.
    pub fn reload(&self, config: &FirewallConfig) -> Result<(), EdgeError> {
        self.0.program.store(Arc::new(Program::load(config)?));
        Ok(())
    }

    /// Tells `witness` from now on. The first one stays.
    pub fn tell(&self, witness: Arc<dyn Witness>) {
        let _ = self.0.witness.set(witness);
    }

    /// Tells sums when their time is over, until the shutdown.
    pub async fn watch(self, shutdown: Shutdown) {
        loop {
            let last = tokio::select! {
                () = shutdown.requested() => true,
                () = tokio::time::sleep(tally::WINDOW) => false,
            };
            let now = if last { self.0.world.now().after(tally::WINDOW) } else { self.0.world.now() };
            let sums = self.tally(|tally| tally.turn(now));
            self.say(sums);
            if last {
                return;
            }
        }
    }

    /// What the rules say of a request, with all that they looked at: for a person who asks. `bot` names
    /// the bot whose conversation it is of. `None` when the firewall is off.
    pub fn explain(
        &self,
        door: Door,
        path: &str,
        bot: Option<&str>,
        request: &waf::Request<'_>,
    ) -> Option<(Verdict, Vec<Explained>)> {
        let program = self.0.program.load();
        let chosen = program.choose(Asked { door, path, is_of: &|name| bot == Some(name) })?;
        Some(chosen.inspectors.strict.explain(request, None))
    }

    /// Inspects a request with what was gathered of its body; `whole` says whether that is all of it, and
    /// `is_of` whether it is of a conversation with the bot of this name.
    pub(crate) fn inspect(
        &self,
        door: Door,
        visit: &Visit,
        request: &Request<RequestBody>,
        whole: bool,
        is_of: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Pending>, Blocked> {
        let program = self.0.program.load();
        let path = request.uri().path();
        let body = request.body().gathered();
        let opened = program::bot_of_opening(path, &body);
        let is_of = |name: &str| opened.as_deref().map_or_else(|| is_of(name), |bot| bot == name);
        let Some(chosen) = program.choose(Asked { door, path, is_of: &is_of }) else { return Ok(None) };
        let head = HeadRef::of(request);
        let (inspector, (verdict, carried)) = head.shown(visit.address(), &body, |request| {
            // A body that is cut off here, or that the rooms' own parser refuses as well, is bad form and
            // no attack: the room that it is for says best what is wrong. All else is inspected.
            let typed = request.header("content-type").unwrap_or_default();
            let forgiven =
                !whole || (Processor::of_content_type(typed) == Processor::Json && !is_json(&body));
            let inspector = if forgiven { &chosen.inspectors.forgiving } else { &chosen.inspectors.strict };
            (inspector, inspector.inspect_request(request))
        });
        #[cfg(feature = "overhear")]
        self.overheard(inspector, visit, head, &body, None, &verdict);
        self.conclude(verdict, inspector, false, visit, request.method())?;
        let inspector = chosen.answers.then(|| Arc::clone(inspector));
        Ok(inspector.map(|inspector| {
            let remembered = inspector.rules().remember_requests();
            let headers = if remembered { request.headers().clone() } else { HeaderMap::new() };
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let head = Head { method, uri, version: request.version(), headers };
            Pending { inspector, carried, head, shows_words: fields::shows_words(door, path) }
        }))
    }

    /// Inspects the answer to a request, or the beginning of it, if it is one that rules read.
    pub(crate) async fn inspect_answer<B: Body<Data = Bytes> + Unpin>(
        &self,
        pending: Pending,
        visit: &Visit,
        response: Response<B>,
    ) -> Result<Response<Read<B>>, Blocked> {
        let Pending { inspector, carried, head, shows_words } = pending;
        let (parts, body) = response.into_parts();
        let passes_over = shows_words && parts.status < StatusCode::BAD_REQUEST;
        if passes_over || !answer::is_text(&head.method, &parts) {
            return Ok(Response::from_parts(parts, Read::Past(body)));
        }
        let held = Held::of(body).await;
        let beginning = held.beginning();
        let headers: Vec<_> =
            parts.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect();
        let answered = waf::Response {
            status: parts.status.as_u16(),
            protocol: b"HTTP/1.1",
            headers: &headers,
            body: &beginning,
        };
        let asked = head.as_ref();
        let verdict = asked
            .shown(visit.address(), &[], |request| inspector.inspect_response(carried, request, &answered));
        #[cfg(feature = "overhear")]
        self.overheard(&inspector, visit, asked, &[], Some(&answered), &verdict);
        self.conclude(verdict, &inspector, true, visit, asked.method)?;
        Ok(Response::from_parts(parts, Read::Ahead(held)))
    }

    fn conclude(
        &self,
        verdict: Verdict,
        inspector: &Inspector,
        answer: bool,
        visit: &Visit,
        method: &Method,
    ) -> Result<(), Blocked> {
        let policy = inspector.policy();
        let (score, threshold) = match answer {
            true => (verdict.outbound_score, policy.outbound_threshold),
            false => (verdict.inbound_score, policy.inbound_threshold),
        };
        let signal = !answer && u32::try_from(verdict.signal.score).unwrap_or(0) >= policy.inbound_threshold;
        let (outcome, why) = match (&verdict.decision, &verdict.withheld) {
            (Decision::Refuse(_), _) if answer => (Outcome::Blocked, Why::Answer),
            (Decision::Refuse(Refusal { status: 400, .. }), _) => (Outcome::Blocked, Why::Form),
            (Decision::Refuse(_), _) => (Outcome::Blocked, Why::Meaning),
            (_, Some(_)) => (Outcome::Observed, Why::Meaning),
            _ if signal => (Outcome::Suspicious, Why::Meaning),
            _ => return Ok(()),
        };
        let reference: RequestId = self.0.world.id();
        let (mut rules, score) = match outcome {
            Outcome::Suspicious => (verdict.signal.rules, verdict.signal.score),
            // An answer's verdict tells what the request's did as well.
            Outcome::Blocked | Outcome::Observed => {
                let of_side = verdict.matches.iter().filter(|found| (found.phase > 2) == answer);
                (of_side.map(|found| found.rule).collect(), score)
            }
        };
        rules.dedup();
        rules.truncate(tally::RULES);
        let finding = Finding {
            outcome,
            answer,
            reference: Some(reference),
            address: Some(visit.address()),
            rules,
            score: u64::try_from(score).unwrap_or(0),
            threshold: u64::from(threshold),
            route: visit.route().name(),
            method: method.clone(),
            count: 1,
        };
        let now = self.0.world.now();
        let told = self.tally(|tally| tally.add(finding, now));
        self.say(told);
        match outcome {
            Outcome::Blocked => Err(Blocked { reference, why }),
            Outcome::Observed | Outcome::Suspicious => Ok(()),
        }
    }

    fn tally<T>(&self, work: impl FnOnce(&mut Tally) -> T) -> T {
        work(&mut self.0.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, findings: Vec<Finding>) {
        let Some(witness) = self.0.witness.get() else { return };
        for finding in findings {
            witness.note(News::Inspected(finding));
        }
    }
}

/// Whether the rooms could read this as JSON, in whatever way they would.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// A request's head, where it stands.
#[derive(Clone, Copy)]
struct HeadRef<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
}

impl Head {
    fn as_ref(&self) -> HeadRef<'_> {
        let Self { method, uri, version, headers } = self;
        HeadRef { method, uri, version: *version, headers }
    }
}

impl<'a> HeadRef<'a> {
    fn of<B>(request: &'a Request<B>) -> Self {
        let (method, uri) = (request.method(), request.uri());
        Self { method, uri, version: request.version(), headers: request.headers() }
    }

    /// The request as the engine knows it. HTTP/2 names the host elsewhere; rules look for it in one place.
    fn shown<T>(self, remote: IpAddr, body: &[u8], work: impl FnOnce(&waf::Request<'_>) -> T) -> T {
        let Self { method, uri, version, headers: fields } = self;
        // HTTP/2 has every target in absolute form; in HTTP/1 it is as it was sent.
        let absolute = (version < Version::HTTP_2 && uri.scheme().is_some()).then(|| uri.to_string());
        let origin = || uri.path_and_query().map_or("/", |target| target.as_str());
        let target = absolute.as_deref().unwrap_or_else(origin).as_bytes();
        let protocol: &[u8] = match version {
            Version::HTTP_2 => b"HTTP/2.0",
            Version::HTTP_10 => b"HTTP/1.0",
            _ => b"HTTP/1.1",
        };
        let mut headers: Vec<(&[u8], &[u8])> = Vec::with_capacity(fields.len() + 1);
        if !fields.contains_key(header::HOST)
            && let Some(authority) = uri.authority()
        {
            headers.push((b"host", authority.as_str().as_bytes()));
        }
        headers.extend(fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())));
        let method = method.as_str().as_bytes();
        work(&waf::Request { remote, method, target, protocol, headers: &headers, body })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Whether a request of the staff door would be refused.
    fn refused(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> bool {
        refused_at(Door::Staff, method, target, headers, body)
    }

    fn refused_at(door: Door, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> bool {
        let firewall = Firewall::new(&FirewallConfig::default(), &World::real()).unwrap();
        let path = target.split('?').next().unwrap();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = waf::Request {
            remote: Ipv4Addr::LOCALHOST.into(),
            method: method.as_bytes(),
            target: target.as_bytes(),
            protocol: b"HTTP/2.0",
            headers: &headers,
            body: body.as_bytes(),
        };
        firewall.explain(door, path, None, &request).unwrap().0.refuses()
    }

    fn posted(path: &str, form: &str) -> bool {
        refused("POST", path, &[("content-type", "application/x-www-form-urlencoded")], form)
    }

    #[test]
    fn what_signing_in_sends_is_not_taken_for_an_attack() {
        let document = "PHNhbWxwOlJlc3BvbnNlIElEPSJfOGU4ZGM1ZjY5YTk4Y2M0YzFmZjM0Lys9".repeat(200);
        let answer = format!("SAMLResponse={document}%3D%3D&RelayState=0198c0de-1234");
        let typed =
            [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://idp.example")];
        let logout = format!(
            "SAMLRequest={document}&RelayState=https%3A%2F%2F10.0.0.1%2F%3Fa%3D1&SigAlg=x&Signature=y"
        );
        for door in [Door::Staff, Door::Public] {
            assert!(!refused_at(door, "POST", "/sso/saml/0198/acs", &typed, &answer));
            assert!(!refused_at(door, "POST", "/sso/saml/0198/logout", &typed, &logout));
            assert!(!refused_at(door, "GET", &format!("/sso/saml/0198/logout?{logout}"), &[], ""));
        }
        let callback = "/sso/oidc/callback?code=4%2F0AX4XfWh-x_y.Z~&state=5ca75bd30&iss=https%3A%2F%2F127.0.0.1%3A8080%2Frealms%2Fbank";
        assert!(!refused("GET", callback, &[], ""));
        let problem = "/sso/oidc/callback?error=access_denied&error_description=The+user's+role+isn't+in+%22select%22+or+1%3D1&state=x";
        assert!(!refused("GET", problem, &[], ""));
        assert!(!posted(
            "/sign-in",
            "login=a%40example.org&password=%27+OR+1%3D1+--+%3Cscript%3E&next=%2Fusers"
        ));
        let passkey = format!(
            r#"{{"credential": {{"id": "{0}", "rawId": "{0}", "type": "public-key", "response": {{"clientDataJSON": "{1}", "authenticatorData": "{0}", "signature": "{1}", "userHandle": null}}, "clientExtensionResults": {{}}}}}}"#,
            "kKLz_vO-9yBqVwhVnKZ8Xg", "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiYSJ9"
        );
        assert!(!refused(
            "POST",
            "/sign-in/passkey/finish",
            &[("content-type", "application/json")],
            &passkey
        ));
        assert!(!refused("GET", "/", &[("referer", "http://localhost:3000/shop?a=b")], ""));
    }

    #[test]
    fn what_a_directory_says_of_people_is_not_taken_for_an_attack() {
        let scim = [("content-type", "application/scim+json")];
        let person = r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "o'brien--@corp.example",
            "name": {"familyName": "O'Brien; DROP TABLE users; --"}, "displayName": "<script>alert(1)</script>"}"#;
        assert!(!refused("POST", "/scim/v2/Users", &scim, person));
        let patch = r#"{"Operations": [{"op": "Add", "value": {"emails[type eq \"work\" or 1=1].value": "' OR 1=1 --",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "${jndi:x}"}}]}"#;
        assert!(!refused("PATCH", "/scim/v2/Users/0198", &scim, patch));
        for filter in ["userName+eq+%22o'brien'+OR+1%3D1+--%22", "id+eq+%22a%22+and+members+eq+%22b%22"] {
            let target = format!("/scim/v2/Groups?excludedAttributes=members&filter={filter}");
            assert!(!refused("GET", &target, &[], ""), "{filter}");
        }
        let members = vec![r#"{"value":"01a20686"}"#; 2500].join(",");
        let group = format!(r#"{{"displayName": "All", "members": [{members}]}}"#);
        assert!(!refused("PUT", "/scim/v2/Groups/0198", &scim, &group));
        assert!(refused("GET", "/scim/v2/Users?other=%27+UNION+SELECT+password+FROM+users--", &[], ""));
        assert!(refused("GET", "/scim/v2/Users", &[("user-agent", "() { :;}; /bin/cat /etc/passwd")], ""));
    }

    #[test]
    fn the_rest_of_such_a_request_is_inspected_in_full() {
        assert!(posted("/sign-in", "login=%27+OR+1%3D1+--+&password=x"));
        assert!(posted("/sign-in", "login=a&password=x&next=%3Cscript%3Ealert(1)%3C%2Fscript%3E"));
        assert!(posted("/users", "password=%27+UNION+SELECT+password+FROM+users--"), "declared elsewhere");
        assert!(!posted("/users/1/disable", "reason=He+wrote+%3Cscript%3Ealert(1)%3C%2Fscript%3E+to+us"));
        assert!(refused("GET", "/sso/oidc/callback?state=%3Cscript%3Ealert(1)%3C/script%3E", &[], ""));
    }
}
