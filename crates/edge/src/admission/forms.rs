//! What requests may look like, as an operator lists it: methods, hosts and origins, by door and class of
//! routes. Without a list everything is as the rooms take it.

use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{Method, Request};
use kernel::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};

use super::{Admission, Door, Route};
use crate::EdgeError;

/// One list of forms. A request must fit every list of its door and class.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FormList {
    /// The doors it is for; empty: all.
    pub doors: Vec<Door>,
    /// The classes of routes it is for; empty: all but `health`, which probes ask for under any name.
    pub routes: Vec<Route>,
    /// The methods that are taken; empty: all.
    pub methods: Vec<String>,
    /// The hosts that requests may be for, without a port: `chat.example.org`, or `*.example.org` for every
    /// name below it; empty: all.
    pub hosts: Vec<String>,
    /// The origins whose pages may ask: `https://www.example.org`; empty: all. A request that names no
    /// origin is no page's.
    pub origins: Vec<String>,
}

impl FormList {
    pub(super) fn check(&self) -> Result<(), EdgeError> {
        let refuse = |why| Err(EdgeError::Limit { limit: "edge.forms", why });
        if !self.methods.iter().all(|method| method.parse::<Method>().is_ok()) {
            return refuse("names something that is no method");
        }
        let bare = |host: &String| {
            let host = host.strip_prefix("*.").unwrap_or(host);
            host.parse::<Authority>()
                .is_ok_and(|it| it.port().is_none() && it.host() == host && !host.contains('*'))
        };
        if !self.hosts.iter().all(bare) {
            return refuse("names something that is no host; write it without scheme and port");
        }
        let origin = |origin: &String| {
            origin.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "https" | "http") && host.parse::<Authority>().is_ok()
            })
        };
        if !self.origins.iter().all(origin) {
            return refuse("names something that is no origin, such as `https://www.example.org`");
        }
        Ok(())
    }

    fn concerns(&self, door: Door, route: Route) -> bool {
        let here = match self.routes.is_empty() {
            true => route != Route::Health,
            false => self.routes.contains(&route),
        };
        here && (self.doors.is_empty() || self.doors.contains(&door))
    }

    /// What is wrong with a request for `host`.
    fn objects(&self, method: &Method, host: &str, origin: Option<&HeaderValue>) -> Option<Problem> {
        let methods = &self.methods;
        if !methods.is_empty() && !methods.iter().any(|known| known.eq_ignore_ascii_case(method.as_str())) {
            return Some(Problem::new(
                ProblemKind::MethodNotAllowed,
                "This method is not taken here.",
                "Use another method, or ask the operator to take this one.",
            ));
        }
        let fits = |known: &String| match known.strip_prefix("*.") {
            None => known.eq_ignore_ascii_case(host),
            Some(end) => host
                .len()
                .checked_sub(end.len() + 1)
                .and_then(|at| host.split_at_checked(at))
                .and_then(|(before, rest)| Some((before, rest.strip_prefix('.')?)))
                .is_some_and(|(before, rest)| !before.is_empty() && rest.eq_ignore_ascii_case(end)),
        };
        if !self.hosts.is_empty() && !self.hosts.iter().any(fits) {
            return Some(Problem::new(
                ProblemKind::Forbidden,
                "Nothing is served here under this name.",
                "Use the address that the operator gave you.",
            ));
        }
        let origin = origin.filter(|_| !self.origins.is_empty())?;
        let known = |known: &String| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        (!self.origins.iter().any(known)).then(|| {
            Problem::new(
                ProblemKind::Forbidden,
                "Pages of this origin may not ask here.",
                "Ask the operator to let this origin in.",
            )
        })
    }
}

impl Admission {
    /// Whether a request looks as the operator's lists say.
    pub(crate) fn form<B>(&self, door: Door, request: &Request<B>) -> Result<(), Problem> {
        let settings = self.0.settings.load();
        let forms = settings.access.forms();
        if forms.is_empty() {
            return Ok(());
        }
        let route = Route::of(door, request.method(), request.uri().path());
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let named = named.and_then(|host| host.parse::<Authority>().ok());
        let host = request.uri().host().or(named.as_ref().map(Authority::host)).unwrap_or_default();
        let origin = request.headers().get(header::ORIGIN);
        let mut lists = forms.iter().filter(|list| list.concerns(door, route));
        lists.find_map(|list| list.objects(request.method(), host, origin)).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<FormList, String> {
        let list: FormList = serde_json::from_str(text).map_err(|error| error.to_string())?;
        list.check().map(|()| list).map_err(|error| error.to_string())
    }

    #[test]
    fn a_star_stands_for_names_below_and_not_for_the_name_or_its_likes() {
        let list = list(r#"{"hosts": ["chat.example", "*.Bank.example"]}"#).unwrap();
        let fits = |host: &str| list.objects(&Method::GET, host, None).is_none();
        for host in ["chat.example", "CHAT.example", "a.bank.example", "a.b.bank.example"] {
            assert!(fits(host), "{host}");
        }
        for host in
            ["bank.example", "evilbank.example", ".bank.example", "chat.example.org", "", "x.chat.example"]
        {
            assert!(!fits(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_method_host_or_origin_is_refused() {
        for text in [
            r#"{"methods": ["GE T"]}"#,
            r#"{"hosts": ["https://chat.example"]}"#,
            r#"{"hosts": ["chat.example:8443"]}"#,
            r#"{"hosts": ["*"]}"#,
            r#"{"origins": ["www.example.org"]}"#,
            r#"{"origins": ["https://www.example.org/path"]}"#,
        ] {
            assert!(list(text).is_err(), "{text}");
        }
        assert!(list(r#"{"methods": ["GET", "post"], "origins": ["https://a.example:8443"]}"#).is_ok());
    }
}
