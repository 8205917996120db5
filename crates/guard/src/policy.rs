//! The policies as they are loaded: parsed, checked strictly against the schema, named by their `@id`,
//! and split by who asks for what, so that a visitor's message does not walk through the rules for staff.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Schema, ValidationMode, Validator,
};

use crate::{Act, Actor, Role};

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
        file: &'static str,
        /// What Cedar says.
        cause: String,
    },
    /// A policy lacks its `@id`, or shares it with another.
    #[error("a policy of `{file}` has no `@id` of its own")]
    Id {
        /// The file.
        file: &'static str,
    },
    /// A policy names a role, action or fact that does not exist, or compares what cannot be compared.
    #[error("the policies do not fit the schema: {0}")]
    Strict(String),
    /// A decision whose answer is known came out otherwise.
    #[error("the policies do not work as loaded: {0}")]
    Canary(&'static str),
}

/// One file of policies.
pub(crate) type Source = (&'static str, &'static str);

/// The schema that is built in.
pub(crate) const SCHEMA: &str = include_str!("../../../policies/wardroom.cedarschema");

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../policies/roles/", $name, ".cedar")))
    };
}

/// The files that are built in. When several `forbid` policies hit, the first in this order is named.
pub(crate) fn embedded() -> Vec<Source> {
    let mut sources = vec![file!("guards"), file!("separation"), file!("purpose")];
    sources.extend([file!("staff"), file!("end_user"), file!("services")]);
    sources.push(file!("api_key"));
    sources.extend(Role::ALL.iter().map(|role| (role.name(), role.policy())));
    sources
}

/// One policy, as it is named and explained.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) reason: Option<String>,
    pub(crate) remedy: Option<String>,
    /// Its place in the order of loading.
    pub(crate) rank: usize,
    pub(crate) forbids: bool,
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
    const ALL: [Asker; 5] = [Self::Anonymous, Self::Visitor, Self::User, Self::ApiKey, Self::Service];

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
    const fn name(self) -> &'static str {
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
    pub(crate) fn load(
        schema: &str,
        sources: &[Source],
        keep: impl Fn(&str) -> bool,
    ) -> Result<Self, GuardError> {
        let (schema, warnings) =
            Schema::from_cedarschema_str(schema).map_err(|e| GuardError::Schema(e.to_string()))?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(GuardError::Schema(warning.to_string()));
        }
        let mut rules = HashMap::new();
        let mut policies = Vec::new();
        for (file, text) in sources {
            let parsed: PolicySet = text
                .parse()
                .map_err(|e: cedar_policy::ParseErrors| GuardError::Syntax { file, cause: e.to_string() })?;
            for policy in in_file_order(&parsed) {
                let name = policy.annotation("id").filter(|id| !id.is_empty());
                let name: Arc<str> = name.ok_or(GuardError::Id { file })?.into();
                let note = |key| policy.annotation(key).map(str::to_owned);
                let (reason, remedy) = (note("reason"), note("remedy"));
                let forbids = policy.effect() == Effect::Forbid;
                let id = PolicyId::new(&name);
                if !keep(&name) {
                    continue;
                }
                let policy = policy.new_id(id.clone());
                let rank = rules.len();
                if rules.insert(id, Rule { id: name, reason, remedy, rank, forbids }).is_some() {
                    return Err(GuardError::Id { file });
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
fn in_file_order(parsed: &PolicySet) -> Vec<&Policy> {
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
    let named = |name: &EntityTypeName| name.to_string() == asker.name();
    let by = |policy: &Policy| match policy.principal_constraint() {
        // `in` climbs a hierarchy of principals, and there is none: it could be anybody.
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(uid) => named(uid.type_name()),
        PrincipalConstraint::Is(name) | PrincipalConstraint::IsIn(name, _) => named(&name),
    };
    let uid: EntityUid = format!("Action::\"{act}\"")
        .parse()
        .map_err(|e: cedar_policy::ParseErrors| GuardError::Schema(e.to_string()))?;
    let about = |policy: &Policy| match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == uid,
        ActionConstraint::In(any) => any.iter().any(|one| *one == uid || actions.is_ancestor_of(one, &uid)),
    };
    let meets = |policy: &&Policy| by(policy) && about(policy);
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

    fn with(extra: &'static str) -> Result<Policies, GuardError> {
        let mut sources = embedded();
        sources.push(("extra", extra));
        Policies::load(SCHEMA, &sources, |_| true)
    }

    #[test]
    fn the_policies_that_ship_pass_the_strict_check() {
        let policies = Policies::load(SCHEMA, &embedded(), |_| true).unwrap();
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
        assert!(matches!(with(nameless), Err(GuardError::Id { file: "extra" })));
        let twice =
            "@id(\"service.edge\") permit (principal is Service, action == Action::\"bot.read\", resource);";
        assert!(matches!(with(twice), Err(GuardError::Id { file: "extra" })));
        assert!(matches!(with("permit ("), Err(GuardError::Syntax { file: "extra", .. })));
    }

    #[test]
    fn a_message_meets_only_the_rules_for_messages() {
        let policies = Policies::load(SCHEMA, &embedded(), |_| true).unwrap();
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
                "guard.fresh_sign_in",
                "guard.second_factor",
                "guard.tenant",
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
}
