//! The shape of a decision: all that a policy can weigh of it, without whose it was. A change of policies
//! is rehearsed on the shapes of decisions that were really made, and nothing of a person is kept for it:
//! no id, no address, no content, no time but how long ago the proof was, roughly.

use kernel::{BotName, ConversationId, HoldId, ReleaseId, SessionId, SubjectId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::specimen::id;
use crate::{Act, Actor, Circumstances, Denied, Grant, Guard, Program, Resource, ResourceKind, Scope, Staff};

/// The shape of a decision about a member of staff or a program with a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    act: String,
    grants: Vec<Grant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyShape>,
    assurance: u8,
    /// Seconds since the proof, rounded up: to minutes within the first ten, then to quarters of an hour.
    proof: u64,
    purpose: bool,
    thing: ThingShape,
}

/// What a program's key was made for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyShape {
    acts: Vec<String>,
    scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThingShape {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bot: Option<BotName>,
    /// Of the tenant that asks.
    home: bool,
    /// Whose it is, where somebody is its author, has it, or is it.
    whose: Whose,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    waiting: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Whose {
    Nobodys,
    Theirs,
    Somebodys,
}

impl Whose {
    fn of(person: Option<UserId>, me: UserId) -> Self {
        match person {
            None => Self::Nobodys,
            Some(person) if person == me => Self::Theirs,
            Some(_) => Self::Somebodys,
        }
    }

    fn person(self) -> Option<UserId> {
        match self {
            Self::Nobodys => None,
            Self::Theirs => Some(id(1)),
            Self::Somebodys => Some(id(9)),
        }
    }
}

/// Rounded up, so that a limit that has passed has passed in the shape too.
fn rounded(seconds: u64) -> u64 {
    let step = if seconds <= 600 { 60 } else { 900 };
    seconds.div_ceil(step) * step
}

impl Shape {
    /// The shape of a decision; none for people who chat, for services and for strangers, whose few
    /// questions the survey asks in full.
    pub fn of(act: Act, actor: &Actor, resource: &Resource, now: Timestamp, purpose: bool) -> Option<Self> {
        let (grants, me, key, assurance, proof) = match actor {
            Actor::Staff(staff) => {
                let proof = rounded(now.since(staff.authenticated_at).as_secs());
                (&staff.grants, staff.user, None, staff.assurance, proof)
            }
            Actor::ApiKey(program) => {
                let mut acts: Vec<String> = program.acts.iter().map(|act| act.name().to_owned()).collect();
                acts.sort();
                let key = KeyShape { acts, scope: program.scope.clone() };
                (&program.grants, program.owner, Some(key), 2, 0)
            }
            _ => return None,
        };
        let mut grants = grants.clone();
        grants.sort();
        let whose = match resource {
            Resource::Tenant(_) | Resource::Bot { .. } | Resource::Person { .. } => Whose::Nobodys,
            Resource::Release { author, .. } | Resource::Hold { author, .. } => Whose::of(*author, me),
            Resource::Conversation { assignee, .. } => Whose::of(*assignee, me),
            Resource::Account { user, .. } => Whose::of(Some(*user), me),
        };
        let thing = ThingShape {
            kind: resource.kind().name().to_owned(),
            bot: resource.bot().cloned(),
            home: resource.tenant() == actor.tenant(),
            whose,
            waiting: matches!(resource, Resource::Conversation { waiting: true, .. }),
            held: matches!(resource, Resource::Person { held: true, .. }),
        };
        Some(Self { act: act.name().to_owned(), grants, key, assurance, proof, purpose, thing })
    }

    /// Asks a guard what it would decide. `None` when the shape speaks of something that is no longer
    /// there: an action, a kind of thing.
    pub fn ask(&self, guard: &Guard) -> Option<Result<std::sync::Arc<str>, Denied>> {
        let act: Act = self.act.parse().ok()?;
        let resource = self.resource()?;
        let now = Timestamp::from_millis(self.proof * 1000);
        let mut circumstances = Circumstances::at(now);
        if self.purpose {
            circumstances.reason = kernel::Reason::new("rehearsal").ok();
        }
        Some(guard.decide(act, &self.actor()?, &resource, &circumstances))
    }

    /// The shape as a line that people read.
    pub fn sentence(&self) -> String {
        let roles: Vec<&str> = self.grants.iter().map(|grant| grant.role.display()).collect();
        let who = if roles.is_empty() { "staff without a role".to_owned() } else { roles.join(" and ") };
        let key = if self.key.is_some() { "a key of " } else { "" };
        let whose = match self.thing.whose {
            Whose::Nobodys => "",
            Whose::Theirs => " of their own",
            Whose::Somebodys => " of somebody else",
        };
        let kind = self.thing.kind.to_lowercase();
        let after = if self.proof > 600 {
            format!(", {} minutes after a proof", self.proof / 60)
        } else {
            String::new()
        };
        format!("{key}{who}: {} on a {kind}{whose}{after}", self.act)
    }

    fn actor(&self) -> Option<Actor> {
        let (tenant, user) = (id::<TenantId>(2), id::<UserId>(1));
        let grants = self.grants.clone();
        let Some(key) = &self.key else {
            let authenticated_at = Timestamp::from_millis(0);
            let (assurance, session) = (self.assurance, id::<SessionId>(3));
            return Some(Staff { user, tenant, grants, assurance, authenticated_at, session }.into());
        };
        let acts: Result<Vec<Act>, _> = key.acts.iter().map(|act| act.parse()).collect();
        let (acts, scope) = (acts.ok()?, key.scope.clone());
        Some(Program { key: id(10), tenant, owner: user, grants, acts, scope }.into())
    }

    fn resource(&self) -> Option<Resource> {
        let tenant = id::<TenantId>(if self.thing.home { 2 } else { 200 });
        let person = self.thing.whose.person();
        let bot = || self.thing.bot.clone();
        let kind = |kind: ResourceKind| self.thing.kind == kind.name();
        Some(match () {
            () if kind(ResourceKind::Tenant) => Resource::Tenant(tenant),
            () if kind(ResourceKind::Bot) => Resource::Bot { tenant, bot: bot()? },
            () if kind(ResourceKind::Release) => {
                Resource::Release { tenant, bot: bot()?, release: id::<ReleaseId>(6), author: person }
            }
            () if kind(ResourceKind::Conversation) => Resource::Conversation {
                tenant,
                bot: bot()?,
                conversation: id::<ConversationId>(7),
                subject: id::<SubjectId>(8),
                assignee: person,
                waiting: self.thing.waiting,
            },
            () if kind(ResourceKind::Account) => Resource::Account { tenant, user: person? },
            () if kind(ResourceKind::Person) => {
                Resource::Person { tenant, subject: id::<SubjectId>(8), held: self.thing.held }
            }
            () if kind(ResourceKind::Hold) => {
                Resource::Hold { tenant, hold: id::<HoldId>(11), author: person }
            }
            () => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::specimen::{Specimen, Whose as Place, moment, thing};

    #[test]
    fn a_shape_is_decided_as_the_decision_was_and_names_nobody() {
        let guard = Guard::embedded().unwrap();
        let mut asked = 0;
        for role in Role::ALL {
            for specimen in
                [Specimen::of_roles(&[*role]), Specimen::of_one_bot(*role), Specimen::key_of(*role)]
            {
                for act in Act::ALL {
                    for (kind, place) in act.resources().iter().flat_map(|k| Place::ALL.map(|p| (*k, p))) {
                        let thing = thing(kind, place).unwrap();
                        for seconds in [0, 301] {
                            let now = moment(seconds);
                            let was = guard.decide(*act, &specimen.actor, &thing, &now).is_ok();
                            let shape = Shape::of(*act, &specimen.actor, &thing, now.now, true).unwrap();
                            let text = serde_json::to_string(&shape).unwrap();
                            assert!(!text.contains("00000000"), "{text}");
                            let again: Shape = serde_json::from_str(&text).unwrap();
                            assert_eq!(again.ask(&guard).unwrap().is_ok(), was, "{text}");
                            asked += 1;
                        }
                    }
                }
            }
        }
        assert!(asked > 5_000, "{asked}");
    }

    #[test]
    fn a_limit_that_has_passed_has_passed_in_the_shape_too() {
        assert_eq!([0, 1, 300, 301, 600, 601, 43_201].map(rounded), [0, 60, 300, 360, 600, 900, 44_100]);
    }

    #[test]
    fn what_is_no_longer_there_is_not_asked() {
        let actor = Specimen::of_roles(&[Role::Owner]).actor;
        let tenant = thing(ResourceKind::Tenant, Place::Own).unwrap();
        let shape = Shape::of(Act::ReadUsers, &actor, &tenant, Timestamp::from_millis(0), false).unwrap();
        let text = serde_json::to_string(&shape).unwrap().replace("iam.read", "iam.dance");
        let gone: Shape = serde_json::from_str(&text).unwrap();
        assert!(gone.ask(&Guard::embedded().unwrap()).is_none());
        assert!(shape.sentence().starts_with("owner: iam.read on a tenant"), "{}", shape.sentence());
    }
}
