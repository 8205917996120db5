//! How much a provider's word is worth: from what it says about the sign-in (`acr` and `amr`, or a
//! SAML `AuthnContextClassRef`) to an authenticator assurance level (NIST SP 800-63B). The rules are
//! the connection's; a provider that says nothing gets level 1, and the house then asks for a factor
//! of its own.

use serde::{Deserialize, Serialize};

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// The authentication context: `acr`, or `AuthnContextClassRef`.
    Context,
    /// One of the authentication methods: `amr`, or the attribute `authnmethodsreferences`.
    Method,
}

/// If the provider says this, the sign-in has that level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What to look at.
    pub about: About,
    /// The value, letter by letter.
    pub value: String,
    /// The level, 2 or 3; others are taken for 1.
    pub level: u8,
}

/// The rules of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Assurance(Vec<Rule>);

impl Assurance {
    /// The most rules.
    pub const MAX: usize = 32;

    /// These rules; rules beyond [`Assurance::MAX`] are dropped.
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.truncate(Self::MAX);
        Self(rules)
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// What the better known providers say when a second factor was used. A passkey at Okta is `phr` or
    /// `phrh`; Keycloak counts levels; REFEDS has a profile; Microsoft says it in `amr` and, over SAML,
    /// in an attribute. Google says nothing of it.
    pub fn usual() -> Self {
        use About::{Context, Method};
        let rule = |about, value: &str, level| Rule { about, value: value.to_owned(), level };
        Self(vec![
            rule(Method, "mfa", 2),
            rule(Method, "http://schemas.microsoft.com/claims/multipleauthn", 2),
            rule(Context, "phr", 3),
            rule(Context, "phrh", 3),
            rule(Context, "https://refeds.org/profile/mfa", 2),
            rule(Context, "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract", 2),
            rule(Context, "2", 2),
            rule(Context, "3", 3),
        ])
    }

    /// The level of a sign-in: the highest that a rule gives it, and 1 otherwise.
    pub fn level(&self, context: Option<&str>, methods: &[&str]) -> u8 {
        let holds = |rule: &&Rule| match rule.about {
            About::Context => context == Some(rule.value.as_str()),
            About::Method => methods.contains(&rule.value.as_str()),
        };
        let levels = self.0.iter().filter(holds).map(|rule| rule.level);
        levels.filter(|level| (2..=3).contains(level)).max().unwrap_or(1)
    }

    /// The contexts to ask for so that the sign-in has at least `level`, the best first.
    pub fn contexts(&self, level: u8) -> Vec<String> {
        let mut wanted: Vec<&Rule> =
            self.0.iter().filter(|rule| rule.about == About::Context && rule.level >= level).collect();
        wanted.sort_by_key(|rule| std::cmp::Reverse(rule.level));
        wanted.into_iter().map(|rule| rule.value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_of_note_gets_the_level_that_it_proves() {
        let usual = Assurance::usual();
        // Microsoft Entra, Okta with a passkey, Keycloak, REFEDS, Google.
        assert_eq!(usual.level(Some("1"), &["pwd", "mfa"]), 2);
        assert_eq!(usual.level(Some("phr"), &["mfa", "hwk"]), 3);
        assert_eq!(usual.level(Some("2"), &[]), 2);
        assert_eq!(usual.level(Some("https://refeds.org/profile/mfa"), &[]), 2);
        assert_eq!(usual.level(None, &[]), 1);
        assert_eq!(Assurance::default().level(Some("phr"), &["mfa"]), 1);
    }

    #[test]
    fn a_rule_cannot_give_a_level_that_there_is_not() {
        let odd = Assurance::new(vec![Rule { about: About::Method, value: "x".into(), level: 9 }]);
        assert_eq!(odd.level(None, &["x"]), 1);
    }

    #[test]
    fn the_best_context_is_asked_for_first() {
        assert_eq!(Assurance::usual().contexts(3), ["phr", "phrh", "3"]);
    }
}
