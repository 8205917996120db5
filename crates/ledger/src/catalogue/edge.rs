//! The edge's verdicts on requests.

use super::events;
use crate::jcs::Json;
use crate::words::{Listed, Pseudonym, Token, Word};

/// The method of a request, as far as OCSF tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// CONNECT
    Connect,
    /// DELETE
    Delete,
    /// GET
    Get,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
    /// POST
    Post,
    /// PUT
    Put,
    /// TRACE
    Trace,
    /// PATCH
    Patch,
    /// Any other
    Other,
}

impl Method {
    /// The method of that name (RFC 9110: names are case-sensitive).
    pub fn named(name: &str) -> Self {
        match name {
            "CONNECT" => Self::Connect,
            "DELETE" => Self::Delete,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// The name; `OTHER` for what OCSF has no word for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "OTHER",
        }
    }

    /// OCSF's `activity_id` in the class HTTP Activity.
    const fn activity(self) -> u64 {
        match self {
            Self::Connect => 1,
            Self::Delete => 2,
            Self::Get => 3,
            Self::Head => 4,
            Self::Options => 5,
            Self::Post => 6,
            Self::Put => 7,
            Self::Trace => 8,
            Self::Patch => 9,
            Self::Other => 99,
        }
    }
}

impl crate::words::sealed::Sealed for Method {}

impl Word for Method {
    const KIND: &'static str = "method";

    fn to_json(&self) -> Option<Json> {
        Some(Json::text(self.name()))
    }
}

events! {
    /// A request was refused because a limit was reached. Written once per client and window with the
    /// number of requests it stands for, so that a flood of requests is not a flood of events.
    "EDGE-1001W" "request.refused" RequestRefused: Http 99, Warning, Failure, Activity {
        /// The limit: `connections`, `address`, `prefix`, `route`, `tenant`, ...
        limit: &'static str,
        /// The route's template, or `unmatched`.
        route: Token,
        /// The method.
        method: Method,
        /// How many requests this event stands for.
        count: u64,
    }
    shape |e| {
        "http_request": http_request(e.method, &e.route),
        "count": Json::whole(e.count),
        "action_id": Json::whole(2),
        "disposition_id": Json::whole(25),
    }
    activity |e| e.method.activity();

    /// The web application firewall blocked a request, or would have if it did more than observe. Of many
    /// in a short time the rest is summed up.
    "EDGE-1003W" "request.blocked" RequestBlocked: Http 99, Warning, Failure, Security {
        /// The rules that matched.
        rules: Listed<Token>,
        /// The anomaly score that they made.
        score: u64,
        /// The score from which requests are blocked.
        threshold: u64,
        /// The route's template, or `unmatched`.
        route: Token,
        /// The method.
        method: Method,
        /// The person who chats, when known already.
        subject: Option<Pseudonym>,
        /// Whether it was let pass, because the firewall only observes.
        passed: bool,
        /// How many requests this event stands for.
        count: u64,
    }
    shape |e| {
        "http_request": http_request(e.method, &e.route),
        "count": Json::whole(e.count),
        "action_id": Json::whole(if e.passed { 1 } else { 2 }),
        "disposition_id": Json::whole(if e.passed { 17 } else { 2 }),
    }
    activity |e| e.method.activity();

    /// What somebody wrote in a conversation looks like an attack, or quotes one. It was not refused for
    /// that. Of many in a short time the rest is summed up.
    "EDGE-1004I" "suspicious.text" SuspiciousText: Http 99, Info, Success, Security {
        /// The rules that matched.
        rules: Listed<Token>,
        /// The score that they made; the highest of many.
        score: u64,
        /// The route's template or class.
        route: Token,
        /// The method.
        method: Method,
        /// How many requests this event stands for.
        count: u64,
    }
    shape |e| {
        "http_request": http_request(e.method, &e.route),
        "count": Json::whole(e.count),
        "action_id": Json::whole(1),
        "disposition_id": Json::whole(17),
    }
    activity |e| e.method.activity();

    /// The web application firewall withheld an answer, because it would have told too much, or would have
    /// if it did more than observe. The visitor was told of a fault. Of many in a short time the rest is
    /// summed up.
    "EDGE-1005W" "response.withheld" ResponseWithheld: Http 99, Warning, Failure, Security {
        /// The rules that matched.
        rules: Listed<Token>,
        /// The anomaly score that they made.
        score: u64,
        /// The score from which answers are withheld.
        threshold: u64,
        /// The route's template or class.
        route: Token,
        /// The request's method.
        method: Method,
        /// Whether it was let pass, because the firewall only observes.
        passed: bool,
        /// How many answers this event stands for.
        count: u64,
    }
    shape |e| {
        "http_request": http_request(e.method, &e.route),
        "count": Json::whole(e.count),
        "action_id": Json::whole(if e.passed { 1 } else { 2 }),
        "disposition_id": Json::whole(if e.passed { 17 } else { 2 }),
    }
    activity |e| e.method.activity();

    /// Traffic became unusual, an attack, or calm again, by the edge's own baselines.
    "EDGE-1010W" "traffic.state" TrafficState: Http 99, Warning, Success, Activity {
        /// `calm`, `elevated` or `attack`.
        state: &'static str,
        /// What is unusual: `rate`, `pressure`, `refusals`, `strangers`, `failures`, `mix`.
        signals: Listed<Token>,
    }
    shape |_e| { "http_request": anything() };

    /// The edge limits one value of one dimension of traffic, or limits it harder than before.
    "EDGE-1011W" "traffic.limited" TrafficLimited: Http 99, Warning, Success, Security {
        /// `address`, `network`, `fingerprint`, `agent` or `path`.
        dimension: &'static str,
        /// The fingerprint, agent or path; none for addresses.
        value: Option<Token>,
        /// The address or the network, in its spelling as a block.
        block: Option<Pseudonym>,
        /// `throttle`, `challenge` or `deny`.
        step: &'static str,
        /// `over-budget`, `new-and-heavy`, `protocol-abuse` or `another-edge`.
        why: &'static str,
        /// How long it lasts in seconds, unless its reason lasts longer.
        seconds: u64,
    }
    shape |_e| { "http_request": anything(), "action_id": Json::whole(2), "disposition_id": Json::whole(25) };

    /// A limit on one value of one dimension of traffic ended.
    "EDGE-1012I" "traffic.unlimited" TrafficUnlimited: Http 99, Info, Success, Security {
        /// `address`, `network`, `fingerprint`, `agent` or `path`.
        dimension: &'static str,
        /// The fingerprint, agent or path; none for addresses.
        value: Option<Token>,
        /// The address or the network, in its spelling as a block.
        block: Option<Pseudonym>,
        /// How long it was in force, in seconds.
        seconds: u64,
    }
    shape |_e| { "http_request": anything(), "action_id": Json::whole(1), "disposition_id": Json::whole(1) };

    /// Staff let a block of addresses in, shut it out, or took that back.
    "EDGE-1013I" "traffic.decided" TrafficDecided: Http 99, Info, Success, Accountability {
        /// The block of addresses.
        block: Pseudonym,
        /// `allow`, `deny`, `undo` or `lift`.
        decision: &'static str,
        /// How long it lasts, in seconds.
        seconds: u64,
    }
    shape |_e| { "http_request": anything() };

    /// Strangers answered challenges in the last ten seconds, and opened conversations by that.
    "EDGE-1014I" "challenge.answered" ChallengeAnswered: Http 99, Info, Success, Activity {
        /// Answers that were taken.
        accepted: u64,
        /// Answers that were wrong, late or used before.
        refused: u64,
        /// How many zero bits are asked for.
        bits: u64,
    }
    shape |e| { "http_request": anything(), "count": Json::whole(e.accepted) };
}

/// Not one request, but what they have in common.
fn anything() -> Json {
    Json::object([("url", Json::object([("path", Json::text("*"))]))])
}

fn http_request(method: Method, route: &Token) -> Json {
    let mut members = vec![("url", Json::object([("path", Json::text(route.to_string()))]))];
    if method != Method::Other {
        members.push(("http_method", Json::text(method.name())));
    }
    Json::object(members)
}
