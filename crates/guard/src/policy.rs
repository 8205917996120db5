//! The policies as they are loaded: parsed, checked strictly against the schema, named by their `@id`,
//! and split by who asks for what, so that a visitor's message does not walk through the rules for staff.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Schema, ValidationMode, Validator,
};

use serde::{Deserialize, Serialize};

use crate::role::POLICIES;
use crate::{Act, Actor};

/// Why the policies cannot be used. Nothing is permitted then: the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The schema cannot be read.
    #[error("the policy schema cannot be read: {0}")]
    Schema(String),
    /// A policy file cannot be read.
    #[error("the policy file `{file}` cannot be read: {cause}")]
    Syntax {
        /// The file.
        file: String,
        /// What Cedar says.
        cause: String,
    },
    /// A policy lacks its `@id`, or shares it with another.
    #[error("a policy of `{file}` has no `@id` of its own")]
    Id {
        /// The file.
        file: String,
    },
    /// A policy names a role, action or fact that does not exist, or compares what cannot be compared.
    #[error("the policies do not fit the schema: {0}")]
    Strict(String),
    /// There are too many files or too much text, or a file's name is not a name.
    #[error("these are not policy files: {0}")]
    Files(&'static str),
    /// A decision whose answer is known came out otherwise.
    #[error("the policies do not work as loaded: {0}")]
    Canary(&'static str),
}

/// The schema that is built in.
const SCHEMA: &str = include_str!("../../../policies/wardroom.cedarschema");

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../policies/roles/", $name, ".cedar")))
    };
}

/// The files that ship. When several `forbid` policies hit, the first in this order is named.
fn shipped() -> Vec<(&'static str, &'static str)> {
    let mut sources = vec![file!("guards"), file!("separation"), file!("purpose")];
    sources.extend([file!("staff"), file!("end_user"), file!("services")]);
    sources.push(file!("api_key"));
    sources.push(file!("custom"));
    sources.extend(POLICIES);
    sources
}

/// The most files that a set of policies has.
const FILES: usize = 64;

/// The most text that a set of policies has, in bytes.
const TEXT: usize = 256 * 1024;

/// A set of policy files, by name without `.cedar`, in the order in which they are read. They are texts
/// only: [`Guard::of`](crate::Guard::of) parses and checks them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
pub struct PolicyFiles(Vec<(String, String)>);

impl PolicyFiles {
    /// The files that ship.
    pub fn shipped() -> Self {
        Self(shipped().into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
    }

    /// These files. Those that bear the name of one that ships are read in the shipped order, which
    /// decides the rule that a refusal names; others come after them by name.
    ///
    /// # Errors
    /// [`GuardError::Files`] when there are more than 64 files, more than 256 KiB, a name that is not one
    /// to 40 small letters, digits and underscores, or the same name twice.
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, GuardError> {
        let mut files: Vec<(String, String)> = files.into_iter().collect();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if files.is_empty() || files.len() > FILES {
            return Err(GuardError::Files("between 1 and 64 files are wanted"));
        }
        if files.iter().map(|(_, text)| text.len()).sum::<usize>() > TEXT {
            return Err(GuardError::Files("they are larger than 256 KiB together"));
        }
        if !files.iter().all(|(name, _)| (1..=40).contains(&name.len()) && name.chars().all(fits)) {
            return Err(GuardError::Files("a file's name is small letters, digits and underscores"));
        }
        let order = shipped();
        let place = |name: &str| order.iter().position(|(other, _)| *other == name).unwrap_or(usize::MAX);
        files.sort_by(|(a, _), (b, _)| (place(a), a).cmp(&(place(b), b)));
        let mut pairs = files.iter().zip(files.iter().skip(1));
        if pairs.any(|((a, _), (b, _))| a == b) {
            return Err(GuardError::Files("two files bear one name"));
        }
        Ok(Self(files))
    }

    /// Name and text of each file, in the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The schema that every policy is checked against. It is part of the program and does not change
    /// with the policies.
    pub const fn schema() -> &'static str {
        SCHEMA
    }
}

impl TryFrom<Vec<(String, String)>> for PolicyFiles {
    type Error = GuardError;

    fn try_from(files: Vec<(String, String)>) -> Result<Self, GuardError> {
        Self::new(files)
    }
}

impl From<PolicyFiles> for Vec<(String, String)> {
    fn from(files: PolicyFiles) -> Self {
        files.0
    }
}

/// One policy, as it is named and explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: Arc<str>,
    /// Why it forbids, as part of a sentence.
    pub reason: Option<String>,
    /// What helps, as a sentence.
    pub remedy: Option<String>,
    /// Its place in the order of loading.
    pub(crate) rank: usize,
    /// Whether it forbids; else it permits.
    pub forbids: bool,
    /// What it says.
    pub(crate) text: Arc<str>,
}

/// The kinds of actor, which are the kinds of principal in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    Anonymous,
    Visitor,
    User,
    ApiKey,
    Service,
}

impl Asker {
    pub(crate) const ALL: [Asker; 5] =
        [Self::Anonymous, Self::Visitor, Self::User, Self::ApiKey, Self::Service];

    pub(crate) const fn of(actor: &Actor) -> Self {
        match actor {
            Actor::Anonymous { .. } => Self::Anonymous,
            Actor::Visitor(_) => Self::Visitor,
            Actor::Staff(_) => Self::User,
            Actor::ApiKey(_) => Self::ApiKey,
            Actor::Service { .. } | Actor::Directory { .. } => Self::Service,
        }
    }

    /// The name of the type in the schema.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "Anonymous",
            Self::Visitor => "Visitor",
            Self::User => "User",
            Self::ApiKey => "ApiKey",
            Self::Service => "Service",
        }
    }

    /// Whether this asker's facts come without scopes and groups. Putting a hierarchy together costs
    /// as much as the decision, and people who chat wait for it at every message; so their policies
    /// may not use `in`, and are refused when they do.
    pub(crate) const fn is_flat(self) -> bool {
        matches!(self, Self::Anonymous | Self::Visitor)
    }
}

/// The policies that can bear on one action by one kind of actor.
#[derive(Debug)]
pub(crate) struct Slice {
    /// All of them.
    pub(crate) whole: PolicySet,
    /// Those that permit, without the guards: what the actor's roles show them.
    pub(crate) permits: PolicySet,
}

/// All policies, split by who asks for what.
#[derive(Debug)]
pub(crate) struct Policies {
    pub(crate) schema: Schema,
    pub(crate) slices: HashMap<(Asker, Act), Slice>,
    pub(crate) rules: HashMap<PolicyId, Rule>,
}

impl Policies {
    /// Reads and checks everything, or refuses everything.
    pub(crate) fn load(files: &PolicyFiles, keep: impl Fn(&str) -> bool) -> Result<Self, GuardError> {
        let (schema, warnings) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|e| GuardError::Schema(e.to_string()))?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(GuardError::Schema(warning.to_string()));
        }
        let mut rules = HashMap::new();
        let mut policies = Vec::new();
        for (file, text) in files.iter() {
            let nameless = || GuardError::Id { file: file.to_owned() };
            let parsed: PolicySet = text.parse().map_err(|e: cedar_policy::ParseErrors| {
                GuardError::Syntax { file: file.to_owned(), cause: e.to_string() }
            })?;
            // A template is a policy with a hole; nobody fills it here.
            if parsed.templates().next().is_some() {
                return Err(nameless());
            }
            for policy in in_file_order(&parsed) {
                let name = policy.annotation("id").filter(|id| !id.is_empty());
                let name: Arc<str> = name.ok_or_else(nameless)?.into();
                let note = |key| policy.annotation(key).map(str::to_owned);
                let (reason, remedy) = (note("reason"), note("remedy"));
                let forbids = policy.effect() == Effect::Forbid;
                let id = PolicyId::new(&name);
                if !keep(&name) {
                    continue;
                }
                let policy = policy.new_id(id.clone());
                let (rank, text) = (rules.len(), policy.to_string().into());
                if rules.insert(id, Rule { id: name, reason, remedy, rank, forbids, text }).is_some() {
                    return Err(nameless());
                }
                policies.push(policy);
            }
        }
        validate(&schema, &policies)?;
        let actions = schema.action_entities().map_err(|e| GuardError::Schema(e.to_string()))?;
        let mut slices = HashMap::new();
        for asker in Asker::ALL {
            for act in Act::ALL {
                slices.insert((asker, *act), slice(&policies, asker, *act, &actions)?);
            }
        }
        Ok(Self { schema, slices, rules })
    }
}

/// Cedar numbers the policies of a file `policy0`, `policy1`, ...: by that number, they stand as written.
pub(crate) fn in_file_order(parsed: &PolicySet) -> Vec<&Policy> {
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    policies.sort_by_key(|policy| {
        let number = policy.id().to_string();
        number.trim_start_matches("policy").parse::<u32>().unwrap_or(u32::MAX)
    });
    policies
}

fn validate(schema: &Schema, policies: &[Policy]) -> Result<(), GuardError> {
    let set =
        PolicySet::from_policies(policies.iter().cloned()).map_err(|e| GuardError::Strict(e.to_string()))?;
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    // A warning is an error here: it is a policy that can never match, or a look-alike letter.
    let found = result.validation_errors().map(ToString::to_string);
    let mut found = found.chain(result.validation_warnings().map(ToString::to_string));
    found.next().map_or(Ok(()), |first| Err(GuardError::Strict(first)))
}

/// The policies whose principal and action can match. One that names neither is in every slice.
fn slice(policies: &[Policy], asker: Asker, act: Act, actions: &Entities) -> Result<Slice, GuardError> {
    let uid = uid_of(act)?;
    let meets = |policy: &&Policy| bears(policy, asker, &uid, actions);
    let mine: Vec<Policy> = policies.iter().filter(meets).cloned().collect();
    if asker.is_flat() && mine.iter().any(climbs) {
        return Err(GuardError::Strict(format!("a policy for {} uses `in`", asker.name())));
    }
    let set = |policies: Vec<Policy>| {
        PolicySet::from_policies(policies).map_err(|e| GuardError::Strict(e.to_string()))
    };
    let permits = mine.iter().filter(|policy| policy.effect() == Effect::Permit).cloned().collect();
    Ok(Slice { permits: set(permits)?, whole: set(mine)? })
}

/// Whether a policy's principal and action can match.
pub(crate) fn bears(policy: &Policy, asker: Asker, act: &EntityUid, actions: &Entities) -> bool {
    let named = |name: &EntityTypeName| name.to_string() == asker.name();
    let by = match policy.principal_constraint() {
        // `in` climbs a hierarchy of principals, and there is none: it could be anybody.
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(uid) => named(uid.type_name()),
        PrincipalConstraint::Is(name) | PrincipalConstraint::IsIn(name, _) => named(&name),
    };
    by && match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *act,
        ActionConstraint::In(any) => any.iter().any(|one| one == act || actions.is_ancestor_of(one, act)),
    }
}

/// An action as the schema names it.
pub(crate) fn uid_of(act: Act) -> Result<EntityUid, GuardError> {
    let uid = format!("Action::\"{act}\"");
    uid.parse().map_err(|e: cedar_policy::ParseErrors| GuardError::Schema(e.to_string()))
}

/// Whether a policy asks for a place in a hierarchy. One that cannot be looked through counts as asking.
fn climbs(policy: &Policy) -> bool {
    fn any_in(part: &serde_json::Value) -> bool {
        match part {
            serde_json::Value::Object(members) => members.iter().any(|(name, value)| match name.as_str() {
                "annotations" => false,
                "in" => true,
                "op" => value == "in",
                _ => any_in(value),
            }),
            serde_json::Value::Array(items) => items.iter().any(any_in),
            _ => false,
        }
    }
    policy.to_json().map_or(true, |json| any_in(&json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(extra: &str) -> Result<Policies, GuardError> {
        let mut files: Vec<(String, String)> = PolicyFiles::shipped().into();
        files.push(("extra".to_owned(), extra.to_owned()));
        Policies::load(&PolicyFiles::new(files)?, |_| true)
    }

    #[test]
    fn the_policies_that_ship_pass_the_strict_check() {
        let policies = Policies::load(&PolicyFiles::shipped(), |_| true).unwrap();
        assert!(policies.rules.values().all(|rule| !rule.forbids || rule.reason.is_some()));
        assert!(policies.rules.values().all(|rule| !rule.forbids || rule.remedy.is_some()));
    }

    #[test]
    fn a_policy_with_a_misspelt_action_role_or_fact_is_refused() {
        for bad in [
            r#"@id("x") permit (principal is User, action == Action::"transcript.reed", resource);"#,
            r#"@id("x") permit (principal is User, action, resource) when { resource in principal.grants.ownr };"#,
            r#"@id("x") permit (principal is User, action, resource) when { principal.assurance == "2" };"#,
            r#"@id("x") permit (principal is Visitor, action in Action::"iam", resource);"#,
        ] {
            assert!(matches!(with(bad), Err(GuardError::Strict(_))), "{bad}");
        }
    }

    #[test]
    fn a_policy_without_a_name_of_its_own_is_refused() {
        let nameless = "permit (principal is Service, action == Action::\"bot.read\", resource);";
        assert!(matches!(with(nameless), Err(GuardError::Id { file }) if file == "extra"));
        let twice =
            "@id(\"service.edge\") permit (principal is Service, action == Action::\"bot.read\", resource);";
        assert!(matches!(with(twice), Err(GuardError::Id { file }) if file == "extra"));
        assert!(matches!(with("permit ("), Err(GuardError::Syntax { file, .. }) if file == "extra"));
    }

    #[test]
    fn a_message_meets_only_the_rules_for_messages() {
        let policies = Policies::load(&PolicyFiles::shipped(), |_| true).unwrap();
        let ids = |asker, act| {
            let slice = policies.slices.get(&(asker, act)).unwrap();
            let mut ids: Vec<String> = slice.whole.policies().map(|p| p.id().to_string()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(Asker::Visitor, Act::PostMessage), ["end_user.send", "guard.tenant"]);
        assert_eq!(ids(Asker::Anonymous, Act::OpenConversation), ["end_user.open", "guard.tenant"]);
        assert_eq!(
            ids(Asker::User, Act::UpdateBot),
            [
                "bot_developer.bots",
                "custom.given",
                "guard.fresh_sign_in",
                "guard.second_factor",
                "guard.tenant",
                "nlp_engineer.bots",
                "separation.approver_builds",
                "separation.auditor_read_only",
                "separation.support_bots",
            ]
        );
    }

    #[test]
    fn a_policy_for_visitors_that_needs_a_hierarchy_is_refused() {
        for bad in [
            r#"@id("x") permit (principal is Visitor, action in Action::"chat", resource);"#,
            r#"@id("x") permit (principal is Visitor, action == Action::"chat.send", resource)
               when { resource in principal.tenant };"#,
            r#"@id("x") forbid (principal, action, resource in Scope::"a");"#,
        ] {
            assert!(with(bad).is_err_and(|error| error.to_string().contains("uses `in`")), "{bad}");
        }
    }

    #[test]
    fn files_are_read_in_the_shipped_order_whatever_order_they_come_in() {
        let mut files: Vec<(String, String)> = PolicyFiles::shipped().into();
        files.reverse();
        assert_eq!(PolicyFiles::new(files.clone()).unwrap(), PolicyFiles::shipped());
        files.push(("guards".to_owned(), String::new()));
        assert!(PolicyFiles::new(files).is_err());
        for bad in ["", "../x", "Guards", "a.cedar"] {
            assert!(PolicyFiles::new([(bad.to_owned(), String::new())]).is_err(), "{bad}");
        }
        let huge = "x".repeat(TEXT + 1);
        assert!(PolicyFiles::new([("guards".to_owned(), huge)]).is_err());
    }

    #[test]
    fn a_policy_with_a_hole_is_refused() {
        let hole = r#"@id("x") permit (principal == ?principal, action == Action::"bot.read", resource);"#;
        assert!(with(hole).is_err());
    }
}
