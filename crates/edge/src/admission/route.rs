//! What kind of thing a request asks for, as far as its cost and its urgency go. The edge does not know
//! the route table; these are the addresses of the contract (docs/openapi, docs/architecture/routes.txt).

use http::Method;
use serde::{Deserialize, Serialize};

/// The listener that a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// The door for the people who chat.
    Public,
    /// The door for staff.
    Staff,
}

/// A class of routes: its own lane, its own budget, its own price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// `/healthz` and `/readyz`: never queued behind anything.
    Health,
    /// Pages and their parts.
    Page,
    /// Reading on behalf of somebody: event streams, staff pages.
    Read,
    /// Sending a message, and other changes.
    Send,
    /// Opening a conversation.
    Open,
    /// Signing in, enrolling, single sign-on: each try costs a password hash or a ceremony.
    Login,
    /// A model's answer in one request, an export, a search: seconds of work.
    Costly,
}

impl Route {
    pub(crate) const ALL: [Self; 7] =
        [Self::Health, Self::Page, Self::Read, Self::Send, Self::Open, Self::Login, Self::Costly];

    /// The class of a request.
    pub(crate) fn of(door: Door, method: &Method, path: &str) -> Self {
        let under =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if matches!(path, "/healthz" | "/readyz") {
            return Self::Health;
        }
        if under("/sign-in") || under("/enrol") || under("/sso") || under("/login") {
            return Self::Login;
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match door {
            Door::Public if under("/v1") || under("/channels") => {
                if reads {
                    Self::Read
                } else {
                    Self::Costly
                }
            }
            Door::Public if path == "/chat/v1/conversations" => {
                if reads {
                    Self::Read
                } else {
                    Self::Open
                }
            }
            Door::Public if under("/chat") => {
                if reads {
                    Self::Read
                } else {
                    Self::Send
                }
            }
            Door::Public if reads => Self::Page,
            Door::Staff if under("/assets") => Self::Page,
            Door::Staff if path.ends_with("/export") || under("/backup") || under("/search") => Self::Costly,
            _ if reads => Self::Read,
            _ => Self::Send,
        }
    }

    /// What one request of the class takes from a budget that is counted in requests.
    pub(crate) const fn price(self) -> f64 {
        match self {
            Self::Health | Self::Page | Self::Read => 1.0,
            Self::Send => 2.0,
            Self::Open => 3.0,
            Self::Login => 5.0,
            Self::Costly => 10.0,
        }
    }

    /// The name, as it stands in events and on pages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Page => "page",
            Self::Read => "read",
            Self::Send => "send",
            Self::Open => "open",
            Self::Login => "login",
            Self::Costly => "costly",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl Door {
    pub(crate) const ALL: [Self; 2] = [Self::Public, Self::Staff];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The name, as it stands in events and on pages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Staff => "staff",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes_of_the_contract_fall_into_their_classes() {
        for (door, method, path, class) in [
            (Door::Public, Method::GET, "/healthz", Route::Health),
            (Door::Public, Method::GET, "/widget.js", Route::Page),
            (Door::Public, Method::POST, "/chat/v1/conversations", Route::Open),
            (Door::Public, Method::POST, "/chat/v1/conversations/x/messages", Route::Send),
            (Door::Public, Method::GET, "/chat/v1/conversations/x/events", Route::Read),
            (Door::Public, Method::POST, "/v1/chat/completions", Route::Costly),
            (Door::Public, Method::GET, "/sso/oidc/callback", Route::Login),
            (Door::Public, Method::GET, "/ssology", Route::Page),
            (Door::Staff, Method::POST, "/sign-in/code", Route::Login),
            (Door::Staff, Method::GET, "/conversations", Route::Read),
            (Door::Staff, Method::POST, "/audit/export", Route::Costly),
        ] {
            assert_eq!(Route::of(door, &method, path), class, "{method} {path}");
        }
    }
}
