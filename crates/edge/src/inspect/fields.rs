//! Which fields of which routes hold words that people write freely, and which hold secrets. The edge
//! does not know the route table; these are the addresses of the contract (docs/architecture/routes.txt,
//! docs/openapi), and a test holds them to it.

use waf::{Exclusion, Policy};

use crate::EdgeError;
use crate::admission::Door;

/// Fields of one route, as rules name them: `json.text` in a JSON body, `text` in a form.
pub(super) struct Fields {
    pub(super) door: Door,
    /// The route's template; what stands in braces stands for one segment.
    pub(super) path: &'static str,
    /// Words for people to read. Their safety comes from how they are stored and shown; no rule about
    /// meaning refuses a request on their account.
    words: &'static [&'static str],
    /// Secrets, and documents that are sealed or signed: rules have nothing to say about them.
    sealed: &'static [&'static str],
}

/// A reason may be stated on every form of the console.
const REASON: &str = "reason";

/// What a connection's people are: names of claims and of factors are addresses as often as not.
const PEOPLE: &[&str] =
    &["name", "mapping", "email_claim", "name_claim", "groups_claim", "assurance", REASON];

/// A logout message of a provider; what it wants back is its own affair.
const LOGOUT: &[&str] = &["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature"];

/// What the house's routes declare. The first that fits counts: a path's own words before what stands in
/// braces.
pub(super) const DECLARED: [Fields; 35] = [
    words(Door::Public, "/chat/v1/conversations/{id}/messages", &["json.text"]),
    words(Door::Staff, "/conversations/{id}/reply", &["text", REASON]),
    words(Door::Staff, "/api/v1/conversations/{id}/reply", &["json.text"]),
    words(Door::Staff, "/api-keys", &["name", REASON]),
    words(Door::Staff, "/service-accounts", &["name", REASON]),
    sealed(Door::Public, "/chat/v1/conversations", &["json.site_token"]),
    words(Door::Staff, "/bots/{name}/trial", &["text", "remembered", REASON]),
    both("/connections/oidc", &["name", "issuer", REASON], &["secret"]),
    both("/connections/saml", &["name", "address", REASON], &["metadata"]),
    words(Door::Staff, "/connections/{connection}", PEOPLE),
    both("/connections/{connection}/metadata", &["address", REASON], &["metadata"]),
    words(Door::Staff, "/connections/{connection}/saml", &["subject_attribute", REASON]),
    sealed(Door::Staff, "/connections/{connection}/secret", &["secret"]),
    sealed(Door::Staff, "/sign-in", &["password"]),
    sealed(Door::Staff, "/sign-in/code", &["code"]),
    sealed(Door::Staff, "/enrol", &["code"]),
    sealed(Door::Staff, "/enrol/password", &["password", "again"]),
    sealed(Door::Staff, "/step-up/code", &["code"]),
    sealed(Door::Staff, "/sso/saml/{connection}/acs", &["SAMLResponse"]),
    sealed(Door::Staff, "/sso/saml/{connection}/logout", LOGOUT),
    // Providers may stand inside the house, and say in words what went wrong. These come in the query,
    // where the engine knows no conversation text.
    sealed(Door::Staff, "/sso/oidc/callback", &["iss", "error_description", "error_uri"]),
    sealed(Door::Staff, "/sso/oidc/callback/{connection}", &["iss", "error_description", "error_uri"]),
    sealed(Door::Staff, "/sso/oidc/backchannel", &["logout_token"]),
    sealed(Door::Public, "/sso/oidc/callback", &["iss", "error_description", "error_uri"]),
    sealed(Door::Public, "/sso/oidc/callback/{connection}", &["iss", "error_description", "error_uri"]),
    sealed(Door::Public, "/sso/oidc/backchannel", &["logout_token"]),
    sealed(Door::Public, "/sso/saml/{connection}/acs", &["SAMLResponse"]),
    sealed(Door::Public, "/sso/saml/{connection}/logout", LOGOUT),
    directory("/scim/v2/.search"),
    directory("/scim/v2/Users"),
    directory("/scim/v2/Users/.search"),
    directory("/scim/v2/Users/{id}"),
    directory("/scim/v2/Groups"),
    directory("/scim/v2/Groups/.search"),
    directory("/scim/v2/Groups/{id}"),
];

/// What a directory says of people and groups, and the questions it asks about them: names and addresses of
/// every shape, and filters that look like SQL. All of it is data, which is sealed when it is kept and
/// escaped when it is shown; the room's own reader refuses what is of bad form.
const DIRECTORY: &[&str] = &["/^json/", "filter", "attributes", "excludedAttributes", "sortBy"];
/// The most values of one body that are told apart: more than fit into what is inspected of it. A group
/// comes with all its members.
const MEMBERS: usize = 20_000;
/// The Core Rule Set's lists of methods and of media types, which know no `PATCH` and no SCIM.
const UNKNOWN_TO_CRS: [u32; 2] = [911_100, 920_420];

const fn words(door: Door, path: &'static str, words: &'static [&'static str]) -> Fields {
    Fields { door, path, words, sealed: &[] }
}

const fn sealed(door: Door, path: &'static str, sealed: &'static [&'static str]) -> Fields {
    Fields { door, path, words: &[REASON], sealed }
}

const fn both(path: &'static str, words: &'static [&'static str], sealed: &'static [&'static str]) -> Fields {
    Fields { door: Door::Staff, path, words, sealed }
}

const fn directory(path: &'static str) -> Fields {
    Fields { door: Door::Staff, path, words: &[], sealed: DIRECTORY }
}

impl Fields {
    /// The policy of this route.
    pub(super) fn policy(&self, base: &Policy) -> Result<Policy, EdgeError> {
        let mut policy = base.clone();
        for field in self.words {
            let target = format!("ARGS:{field}");
            // Text of bad form is refused by the room that it is for, which says what is wrong with it.
            policy.exclusions.push(Exclusion::ids(100_022..=100_023).of_target(&target)?);
            policy.conversation_text.push((*field).to_owned());
        }
        for field in self.sealed {
            policy.exclusions.push(Exclusion::ids(1..=u32::MAX).of_target(&format!("ARGS:{field}"))?);
        }
        if self.sealed == DIRECTORY {
            // Entra puts paths with filters in the place of names.
            policy.exclusions.push(Exclusion::ids(1..=u32::MAX).of_target("ARGS_NAMES:/^json/")?);
            policy.body.args = MEMBERS;
            policy.exclusions.extend(UNKNOWN_TO_CRS.map(|id| Exclusion::ids(id..=id)));
        }
        Ok(policy)
    }

    /// Whether a path is of this route.
    pub(super) fn is_for(&self, door: Door, path: &str) -> bool {
        self.door == door && fits(self.path, path)
    }
}

/// Whether a path is of a template: what stands in braces stands for one segment, `*` at the end for
/// whatever follows.
pub(super) fn fits(template: &str, path: &str) -> bool {
    let (mut ours, mut theirs) = (template.split('/').peekable(), path.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(ours_now), Some(now)) => {
                let begins = ours_now.strip_suffix('*').filter(|_| ours.peek().is_none());
                if begins.is_some_and(|begins| now.starts_with(begins)) {
                    return true;
                }
                if ours_now != now && !ours_now.starts_with('{') {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// Routes whose answers show what people wrote, or what their bot's authors did. Who quotes an error
/// there shall be read: such answers are inspected only when they are errors themselves.
const SHOWN: [(Door, &str); 14] = [
    (Door::Public, "/chat/v1/conversations/{id}/messages"),
    (Door::Public, "/chat/v1/conversations/{id}/person/export"),
    (Door::Public, "/mine/export"),
    (Door::Public, "/docs/{*page}"),
    (Door::Staff, "/bots/{name}"),
    (Door::Staff, "/bots/{name}/trial"),
    (Door::Staff, "/connections/{connection}/trial"),
    (Door::Staff, "/conversations"),
    (Door::Staff, "/conversations/{id}"),
    (Door::Staff, "/conversations/{id}/close"),
    (Door::Staff, "/conversations/{id}/give-back"),
    (Door::Staff, "/conversations/{id}/reply"),
    (Door::Staff, "/tickets"),
    (Door::Staff, "/tickets/{ticket}"),
];

/// Whether the answers of this path show what people wrote.
pub(super) fn shows_words(door: Door, path: &str) -> bool {
    SHOWN.iter().any(|(of, template)| {
        // Pages lie in folders.
        *of == door && fits(&template.replace("{*page}", "*"), path)
    })
}

/// The policy of routes of this door that declare nothing.
pub(super) fn plain(door: Door, base: &Policy) -> Policy {
    let mut policy = base.clone();
    if door == Door::Staff {
        policy.conversation_text.push(REASON.to_owned());
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one_of_the_route_table() {
        let table = include_str!("../../../../docs/architecture/routes.txt");
        let (public, staff) = table.split_once("Staff door").unwrap();
        for fields in &DECLARED {
            let part = if fields.door == Door::Public { public } else { staff };
            let mut listed = part.lines().filter_map(|line| line.split_whitespace().nth(1));
            assert!(listed.any(|path| path == fields.path), "{}", fields.path);
        }
        for (door, template) in SHOWN {
            let part = if door == Door::Public { public } else { staff };
            let mut listed = part.lines().filter_map(|line| line.split_whitespace().nth(1));
            assert!(listed.any(|path| path == template), "{template}");
        }
    }

    #[test]
    fn a_star_stands_for_whatever_follows() {
        for (template, path, fit) in [
            ("/docs/*", "/docs/a/b", true),
            ("/docs/*", "/docs/", true),
            ("/docs/*", "/docs", false),
            ("/docs*", "/docs-old/x", true),
            ("/a/{id}/*", "/a/1/b/c", true),
            ("/a/{id}/*", "/a/1", false),
            ("/a/{id}", "/a/1/b", false),
            ("*", "/anything", true),
        ] {
            assert_eq!(fits(template, path), fit, "{template} {path}");
        }
        assert!(shows_words(Door::Public, "/docs/desk/cards.html"));
        assert!(!shows_words(Door::Staff, "/audit"));
    }

    #[test]
    fn a_template_is_for_its_paths_and_no_others() {
        let of = |path| DECLARED.iter().filter(|fields| fields.is_for(Door::Staff, path)).count();
        assert_eq!(of("/conversations/0198/reply"), 1);
        assert_eq!(of("/conversations/0198/reply/"), 0);
        assert_eq!(of("/conversations/0198"), 0);
        assert_eq!(of("/sign-in"), 1);
        let first = |path| DECLARED.iter().find(|fields| fields.is_for(Door::Staff, path)).unwrap().path;
        assert_eq!(first("/connections/oidc"), "/connections/oidc");
        assert_eq!(first("/connections/saml"), "/connections/saml");
        assert_eq!(first("/connections/0198"), "/connections/{connection}");
        assert!(!DECLARED[0].is_for(Door::Staff, "/chat/v1/conversations/x/messages"));
    }
}
