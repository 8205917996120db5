//! What a connection is set to: who the provider is, and what its people and groups are here. One
//! document, sealed as a whole; the secret that goes with it is sealed beside it and never in it.

use federation::assurance::Assurance;
use federation::oidc::{Algorithm, Issuer};
use federation::saml::{SamlConnection, SamlSettings};
use guard::{Grant, Role, check_assignment};
use kernel::Secret;
use serde::{Deserialize, Serialize};

use crate::Refused;

/// The most bytes of a text in the settings.
const MAX_TEXT: usize = 512;
/// The most groups that mean something here.
const MAX_GROUPS: usize = 200;

/// The settings of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who the provider is.
    pub provider: Provider,
    /// What its people are here.
    pub people: People,
    /// Whose sign-in it is.
    #[serde(default)]
    pub serves: Serves,
}

/// Whose sign-in a connection is. Somebody who came as one is never the other: their sessions, cookies,
/// ceremonies and addresses are different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serves {
    /// Staff sign in through it, at the staff door.
    #[default]
    Staff,
    /// People who chat sign in through it, at the public door. They get no account and no role.
    Visitors,
    /// Each at their own door.
    Both,
}

impl Serves {
    /// Whether staff sign in through it.
    pub const fn staff(self) -> bool {
        matches!(self, Self::Staff | Self::Both)
    }

    /// Whether people who chat do.
    pub const fn visitors(self) -> bool {
        matches!(self, Self::Visitors | Self::Both)
    }
}

/// Who the provider is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// It speaks OpenID Connect.
    Oidc(OidcSettings),
    /// It speaks SAML 2.0.
    Saml(Box<SamlSettings>),
}

/// A provider that speaks OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSettings {
    /// Its name, letter by letter as its tokens say it.
    pub issuer: String,
    /// Who we are there.
    pub client: String,
    /// The signatures that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// Whether the user info is fetched too, because the ID token leaves something out.
    pub user_info: bool,
    /// Whether answers come to an address of this connection's own, because the provider does not name
    /// itself in them.
    pub own_address: bool,
}

/// What a provider's people are here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Whether somebody without an account gets one when they first sign in.
    pub create: bool,
    /// What everybody who signs in through this connection holds.
    pub default: Option<Grant>,
    /// The claim or attribute with the address.
    pub email: String,
    /// The claim or attribute with the name.
    pub name: String,
    /// The claim or attribute with the groups; none when those of a sign-in mean nothing here.
    pub groups: Option<String>,
    /// What a sign-in comes to that says nothing of groups.
    pub unsaid: Unsaid,
    /// What a group brings.
    pub mapping: Vec<GroupRole>,
    /// What the provider's word about factors is worth.
    pub assurance: Assurance,
}

/// What a sign-in comes to that says nothing of groups, although groups mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsaid {
    /// It is refused.
    Refuse,
    /// It is in no group.
    NoGroup,
}

/// A group and the role it brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// The group, letter by letter as the provider says it.
    pub group: String,
    /// What it brings.
    pub grant: Grant,
}

impl Default for People {
    /// Nobody gets an account by themselves, and no group means anything.
    fn default() -> Self {
        Self {
            create: false,
            default: None,
            email: "email".to_owned(),
            name: "name".to_owned(),
            groups: None,
            unsaid: Unsaid::Refuse,
            mapping: Vec::new(),
            assurance: Assurance::usual(),
        }
    }
}

impl Settings {
    /// Holds the settings against what may be set.
    ///
    /// # Errors
    /// [`Refused::Setting`] with the field.
    pub fn check(&self) -> Result<(), Refused> {
        match &self.provider {
            Provider::Oidc(oidc) => oidc.check()?,
            Provider::Saml(saml) => {
                SamlConnection::new((**saml).clone()).map_err(|_| Refused::Setting("metadata"))?;
            }
        }
        self.people.check()
    }
}

impl Provider {
    /// Whether both settings are of one provider.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Oidc(a), Self::Oidc(b)) => a.issuer == b.issuer,
            (Self::Saml(a), Self::Saml(b)) => a.idp_entity_id == b.idp_entity_id && a.acs == b.acs,
            _ => false,
        }
    }

    /// Whether the provider names its people by the same ids with both settings. Where it does not, nobody is
    /// who they were linked as, and they are found by their addresses once more.
    pub(crate) fn names_people_as(&self, other: &Self) -> bool {
        match (self, other) {
            // A provider may give each client ids of its own (OpenID Connect Core section 8.1).
            (Self::Oidc(a), Self::Oidc(b)) => a.client == b.client,
            (Self::Saml(a), Self::Saml(b)) => {
                a.subject_attribute == b.subject_attribute && a.name_id_format == b.name_id_format
            }
            _ => false,
        }
    }
}

impl OidcSettings {
    fn check(&self) -> Result<(), Refused> {
        Issuer::parse(&self.issuer).map_err(|_| Refused::Setting("issuer"))?;
        short("client id", &self.client)?;
        if self.algorithms.is_empty() {
            return Err(Refused::Setting("algorithms"));
        }
        let is_scope = |scope: &String| {
            let fits = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
            !scope.is_empty() && scope.len() <= 128 && scope.bytes().all(fits)
        };
        if self.scopes.len() > 20 || !self.scopes.iter().all(is_scope) {
            return Err(Refused::Setting("scopes"));
        }
        Ok(())
    }
}

impl People {
    /// No group brings the owner's role: owners are appointed by owners, by name. And the roles of a
    /// mapping must be ones that can be held at all; which of them meet in one person is seen when that
    /// person signs in.
    fn check(&self) -> Result<(), Refused> {
        short("address claim", &self.email)?;
        short("name claim", &self.name)?;
        if let Some(groups) = &self.groups {
            short("group claim", groups)?;
        }
        if self.mapping.len() > MAX_GROUPS {
            return Err(Refused::Setting("groups"));
        }
        for GroupRole { group, .. } in &self.mapping {
            short("group", group)?;
        }
        let grants = self.mapping.iter().map(|row| &row.grant).chain(&self.default);
        if grants.clone().any(|grant| grant.role == Role::Owner) {
            return Err(Refused::Setting("owner"));
        }
        // What everybody holds must go with each of the roles that a group brings.
        for grant in grants {
            let default: Vec<Grant> = self.default.iter().cloned().collect();
            check_assignment(&default, grant).map_err(Refused::from)?;
        }
        Ok(())
    }

    /// What these groups bring, with what everybody holds; each once, in order.
    pub(crate) fn grants_of(&self, groups: &[String]) -> Vec<Grant> {
        let brought =
            self.mapping.iter().filter(|row| groups.contains(&row.group)).map(|row| row.grant.clone());
        let mut grants: Vec<Grant> = self.default.iter().cloned().chain(brought).collect();
        grants.sort();
        grants.dedup();
        grants
    }
}

fn short(field: &'static str, text: &str) -> Result<(), Refused> {
    let fits = !text.trim().is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Refused::Setting(field)) }
}

/// A domain of e-mail addresses, in small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Reads a domain.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let label = |label: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let fits = text.len() <= 253 && text.contains('.') && text.split('.').all(label);
        fits.then_some(Self(text))
    }

    /// The domain of an address.
    pub fn of(email: &kernel::Email) -> Option<Self> {
        email.as_str().rsplit_once('@').and_then(|(_, domain)| Self::parse(domain))
    }

    /// The domain.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn secret(&self) -> Secret<String> {
        Secret::new(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc() -> Settings {
        let oidc = OidcSettings {
            issuer: "https://idp.example".to_owned(),
            client: "wardroom".to_owned(),
            algorithms: vec![Algorithm::Es256],
            scopes: vec!["email".to_owned()],
            user_info: false,
            own_address: false,
        };
        Settings { provider: Provider::Oidc(oidc), people: People::default(), serves: Serves::Staff }
    }

    fn row(group: &str, role: Role) -> GroupRole {
        GroupRole { group: group.to_owned(), grant: Grant::everywhere(role) }
    }

    #[test]
    fn no_group_brings_the_owners_role() {
        let mut settings = oidc();
        settings.people.groups = Some("groups".to_owned());
        settings.people.mapping = vec![row("admins", Role::Owner)];
        assert_eq!(settings.check(), Err(Refused::Setting("owner")));
        settings.people.mapping = vec![row("admins", Role::SecurityAdmin)];
        assert_eq!(settings.check(), Ok(()));
        settings.people.default = Some(Grant::everywhere(Role::Owner));
        assert_eq!(settings.check(), Err(Refused::Setting("owner")));
    }

    #[test]
    fn what_everybody_holds_must_go_with_what_a_group_brings() {
        let mut settings = oidc();
        settings.people.groups = Some("groups".to_owned());
        settings.people.default = Some(Grant::everywhere(Role::BotDeveloper));
        settings.people.mapping = vec![row("support", Role::SupportManager)];
        assert!(matches!(settings.check(), Err(Refused::Separation(_))));
    }

    #[test]
    fn a_mapping_may_be_for_a_directory_alone_and_settings_that_cannot_be_are_refused() {
        let mut settings = oidc();
        settings.people.mapping = vec![row("support", Role::SupportManager)];
        assert_eq!(settings.check(), Ok(()));
        for (issuer, client) in [("http://idp.example", "a"), ("https://idp.example", " ")] {
            let mut settings = oidc();
            if let Provider::Oidc(oidc) = &mut settings.provider {
                (oidc.issuer, oidc.client) = (issuer.to_owned(), client.to_owned());
            }
            assert!(settings.check().is_err(), "{issuer} {client}");
        }
    }

    #[test]
    fn groups_bring_each_role_once() {
        let mut people = People { default: Some(Grant::everywhere(Role::SupportAgent)), ..People::default() };
        people.mapping =
            vec![row("a", Role::SupportManager), row("b", Role::SupportManager), row("c", Role::Auditor)];
        let brought = people.grants_of(&["b".to_owned(), "a".to_owned(), "x".to_owned()]);
        assert_eq!(brought, [Role::SupportAgent, Role::SupportManager].map(Grant::everywhere));
    }

    #[test]
    fn a_domain_has_one_spelling() {
        assert_eq!(Domain::parse(" Corp.Example ").unwrap().as_str(), "corp.example");
        for bad in ["", "example", "a..b", "-a.example", "a b.example", "ex\u{e4}mple.org", "a.example/"] {
            assert_eq!(Domain::parse(bad), None, "{bad}");
        }
    }
}
