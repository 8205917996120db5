//! What policies of one's own lack beside those that ship: actions that a newer program brought, about which
//! older policies say nothing, so that nobody may do them. And the ready change that takes them over.
//!
//! Not told: that what ships guards an action more strictly than it did, or that an action is permitted to
//! fewer or more; the files say that, line by line. An action that somebody left out on purpose counts as
//! lacking, until a policy without conditions forbids it: then it was decided.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, PolicySet, Schema};
use serde_json::{Value, json};

use crate::policy::{Asker, PolicyFiles, bears, in_file_order, uid_of};
use crate::{Act, GuardError};

/// The file into which policies are taken over.
const FILE: &str = "adopted";
/// Files whose permits only hand on what roles permit: whoever lacks a role's permit is not helped by them.
const HAND_ON: [&str; 2] = ["api_key", "custom"];

impl PolicyFiles {
    /// The actions that what ships permits to somebody, and these policies permit to nobody and do not forbid to
    /// everybody.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn lacks(&self) -> Result<Vec<Act>, GuardError> {
        let (shipped, ours) = (Book::of(&Self::shipped())?, Book::of(self)?);
        let mut lacking = Vec::new();
        for act in Act::ALL {
            if shipped.permits(*act)? && !ours.permits(*act)? && !ours.closes(*act)? {
                lacking.push(*act);
            }
        }
        Ok(lacking)
    }

    /// These policies and, in a file `adopted`, what ships about the actions that they lack: each policy that
    /// permits one, and each that forbids one by its name, for those actions alone. `None` when they lack
    /// nothing.
    ///
    /// # Errors
    /// When a file cannot be read, or there are too many of them.
    pub fn adopting(&self) -> Result<Option<Self>, GuardError> {
        let lacking = self.lacks()?;
        if lacking.is_empty() {
            return Ok(None);
        }
        let (shipped, ours) = (Book::of(&Self::shipped())?, Book::of(self)?);
        let mut names: HashSet<String> =
            ours.policies.iter().filter_map(|(_, policy)| id_of(policy)).collect();
        let mut text = String::new();
        for (_, policy) in &shipped.policies {
            let mut acts = Vec::new();
            for act in &lacking {
                if shipped.is_about(policy, *act)? {
                    acts.push(*act);
                }
            }
            let wanted = policy.effect() == Effect::Permit || names_actions(policy);
            if acts.is_empty() || !wanted {
                continue;
            }
            let id = id_of(policy).unwrap_or_default();
            let mut name = format!("{FILE}.{id}");
            for number in 2_u32.. {
                if names.insert(name.clone()) {
                    break;
                }
                name = format!("{FILE}.{id}_{number}");
            }
            text.push_str(&narrowed(policy, &acts, &name)?);
            text.push_str("\n\n");
        }
        let told: BTreeSet<&str> = lacking.iter().map(|act| act.name()).collect();
        let told = told.into_iter().collect::<Vec<_>>().join(", ");
        let text = format!("// Taken over from what ships, for: {told}.\n\n{}\n", text.trim_end());
        let mut files = Vec::from(self.clone());
        match files.iter_mut().find(|(name, _)| name == FILE) {
            Some((_, there)) => *there = format!("{}\n\n{text}", there.trim_end()),
            None => files.push((FILE.to_owned(), text)),
        }
        Self::new(files).map(Some)
    }
}

/// Policies, read and not checked.
struct Book {
    /// Each with its file.
    policies: Vec<(String, Policy)>,
    actions: cedar_policy::Entities,
}

impl Book {
    fn of(files: &PolicyFiles) -> Result<Self, GuardError> {
        let schema = |e: String| GuardError::Schema(e);
        let (parsed, _) =
            Schema::from_cedarschema_str(PolicyFiles::schema()).map_err(|e| schema(e.to_string()))?;
        let actions = parsed.action_entities().map_err(|e| schema(e.to_string()))?;
        let mut policies = Vec::new();
        for (file, text) in files.iter() {
            let parsed: PolicySet = text.parse().map_err(|e: cedar_policy::ParseErrors| {
                GuardError::Syntax { file: file.to_owned(), cause: e.to_string() }
            })?;
            policies
                .extend(in_file_order(&parsed).into_iter().map(|policy| (file.to_owned(), policy.clone())));
        }
        Ok(Self { policies, actions })
    }

    /// Whether a policy permits it to somebody.
    fn permits(&self, act: Act) -> Result<bool, GuardError> {
        let mut permits = self
            .policies
            .iter()
            .filter(|(file, policy)| policy.effect() == Effect::Permit && !HAND_ON.contains(&file.as_str()));
        permits.try_fold(false, |found, (_, policy)| Ok(found || self.is_about(policy, act)?))
    }

    /// Whether a policy forbids it, by name, to everybody and always.
    fn closes(&self, act: Act) -> Result<bool, GuardError> {
        let uid = uid_of(act)?;
        Ok(self.policies.iter().any(|(_, policy)| {
            policy.effect() == Effect::Forbid
                && !policy.has_non_scope_constraint()
                && names_actions(policy)
                && Asker::ALL.into_iter().all(|asker| bears(policy, asker, &uid, &self.actions))
        }))
    }

    fn is_about(&self, policy: &Policy, act: Act) -> Result<bool, GuardError> {
        let uid = uid_of(act)?;
        Ok(Asker::ALL.into_iter().any(|asker| bears(policy, asker, &uid, &self.actions)))
    }
}

/// Whether a policy says which actions it is about. One about any action is in every set of policies already.
fn names_actions(policy: &Policy) -> bool {
    !matches!(policy.action_constraint(), ActionConstraint::Any)
}

fn id_of(policy: &Policy) -> Option<String> {
    policy.annotation("id").map(str::to_owned)
}

/// The same policy under another name, for these actions alone.
fn narrowed(policy: &Policy, acts: &[Act], name: &str) -> Result<String, GuardError> {
    let malformed = |cause: String| GuardError::Syntax { file: FILE.to_owned(), cause };
    let mut said = policy.to_json().map_err(|e| malformed(e.to_string()))?;
    let entities: Vec<Value> = acts.iter().map(|act| json!({ "type": "Action", "id": act.name() })).collect();
    let members = said.as_object_mut().ok_or_else(|| malformed("no policy".to_owned()))?;
    members.insert("action".to_owned(), json!({ "op": "in", "entities": entities }));
    if let Some(notes) = members.get_mut("annotations").and_then(Value::as_object_mut) {
        notes.insert("id".to_owned(), Value::from(name));
    }
    let policy = Policy::from_json(Some(PolicyId::new(name)), said).map_err(|e| malformed(e.to_string()))?;
    Ok(policy.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::action::ChangeOwnFactors;
    use crate::{Circumstances, Grant, Guard, Resource, Role, Staff};

    /// What ships without what it says of one action, as older policies are.
    fn older() -> PolicyFiles {
        let files = PolicyFiles::shipped();
        let without = |text: &str| {
            text.replace(
                r#"[Action::"self.manage", Action::"self.change-factors"]"#,
                r#"Action::"self.manage""#,
            )
            .replace(",\n        Action::\"self.change-factors\"\n", "\n")
        };
        let files = files.iter().map(|(name, text)| (name.to_owned(), without(text)));
        PolicyFiles::new(files.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_ships_lacks_nothing() {
        assert!(PolicyFiles::shipped().lacks().unwrap().is_empty());
        assert!(PolicyFiles::shipped().adopting().unwrap().is_none());
    }

    #[test]
    fn older_policies_take_a_new_action_over_with_what_guards_it() {
        let older = older();
        assert!(!older.iter().any(|(_, text)| text.contains("self.change-factors")));
        assert_eq!(
            older.lacks().unwrap().iter().map(|act| act.name()).collect::<Vec<_>>(),
            ["self.change-factors"]
        );
        let adopted = older.adopting().unwrap().unwrap();
        assert!(adopted.lacks().unwrap().is_empty());
        let (_, text) = adopted.iter().find(|(name, _)| *name == FILE).unwrap();
        for words in ["adopted.staff.own_account", "adopted.guard.step_up", "@reason", "forbid", "permit"] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
        assert!(!text.contains("self.manage") && !text.contains("api-key.make"), "{text}");
        // Checked as strictly as any other; and they decide as what ships does.
        let world = kernel::World::real();
        let (tenant, user, now) = (world.id(), world.id(), world.now());
        let decided = |files: &PolicyFiles, whose: kernel::UserId, age: u64| {
            let staff = Staff {
                user,
                tenant,
                grants: vec![Grant::everywhere(Role::SupportAgent)],
                assurance: 2,
                authenticated_at: now.before(Duration::from_secs(age)),
                session: world.id(),
            };
            let on = Resource::Account { tenant, user: whose };
            let guard = Guard::of(files).unwrap();
            let permit = guard.permit::<ChangeOwnFactors>(&staff.into(), &on, &Circumstances::at(now));
            permit.map(drop).map_err(|denied| denied.rule().trim_start_matches("adopted.").to_owned())
        };
        let shipped = PolicyFiles::shipped();
        for (whose, age, allowed) in [(user, 10, true), (user, 400, false), (world.id(), 10, false)] {
            let answer = decided(&adopted, whose, age);
            assert_eq!((answer.is_ok(), &answer), (allowed, &decided(&shipped, whose, age)));
            assert!(decided(&older, whose, age).is_err());
        }
    }

    #[test]
    fn what_is_forbidden_without_conditions_was_decided() {
        let with = |policy: &str| {
            let mut files = Vec::from(older());
            files.push(("ours".to_owned(), policy.to_owned()));
            PolicyFiles::new(files).unwrap().lacks().unwrap().len()
        };
        let closed =
            r#"@id("ours.fixed") forbid (principal, action == Action::"self.change-factors", resource)"#;
        assert_eq!(with(&format!("{closed};")), 0);
        assert_eq!(with(&format!("{closed} when {{ principal.tenant == resource.tenant }};")), 1);
    }

    #[test]
    fn taking_over_twice_finds_names_and_keeps_what_was_taken_over() {
        let first = older().adopting().unwrap().unwrap();
        let mut files = Vec::from(first);
        // Somebody took over the guard, and not who may.
        let adopted = files.iter_mut().find(|(name, _)| name == FILE).unwrap();
        let cut = adopted.1.find("@id(\"adopted.staff").unwrap();
        adopted.1.truncate(cut);
        let again = PolicyFiles::new(files).unwrap().adopting().unwrap().unwrap();
        let (_, text) = again.iter().find(|(name, _)| *name == FILE).unwrap();
        assert!(
            text.contains("adopted.guard.step_up\"") && text.contains("adopted.guard.step_up_2\""),
            "{text}"
        );
        assert!(Guard::of(&again).is_ok());
    }
}
