//! Why a decision falls as it does: the decision, the rule, the reason, the remedy. It asks the guard the
//! very question, for a person as their grants are now, or for a role as if somebody held it and nothing
//! else, signed in a moment ago at a level that can be named: with a passkey when none is.

use guard::action::ReadPolicy;
use guard::{Act, Actor, Circumstances, Grant, Permit, Resource, Role, ServiceName, Staff};
use kernel::{BotName, ConversationId, HoldId, Reason, ReleaseId, SubjectId, UserId};
use store::users;

use crate::{Inner, Rulebook, RulebookError};

/// Who would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Whoever has the machine's command line.
    Operator,
    /// Somebody who holds this role everywhere, and nothing else.
    Role(Role),
    /// A member of staff, with what they hold now.
    User(UserId),
}

/// What is asked about, by its address: `tenant`, `bot/NAME`, `release/ID`, `conversation/ID`, `account/ID`,
/// `person/ID` (who chats) or `hold/ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// `tenant`
    Tenant,
    /// `bot/NAME`
    Bot(BotName),
    /// `release/ID`
    Release(ReleaseId),
    /// `conversation/ID`
    Conversation(ConversationId),
    /// `account/ID`
    Account(UserId),
    /// `person/ID`
    Person(SubjectId),
    /// `hold/ID`
    Hold(HoldId),
}

/// A text that is the address of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoThing {
    /// It is of no kind that there is.
    #[error(
        "name `tenant`, `bot/NAME`, `release/ID`, `conversation/ID`, `account/ID`, `person/ID` or `hold/ID`"
    )]
    Kind,
    /// What stands behind the kind is not what it is called by.
    #[error("what stands after `{0}/` is no {1}")]
    Name(&'static str, &'static str),
}

impl std::str::FromStr for Thing {
    type Err = NoThing;

    fn from_str(text: &str) -> Result<Self, NoThing> {
        let id = |kind| NoThing::Name(kind, "id; ids look like 0198c0de-1234-7abc-8def-0123456789ab");
        match text.split_once('/') {
            None if text == "tenant" => Ok(Self::Tenant),
            Some(("bot", name)) => {
                BotName::new(name).map(Self::Bot).map_err(|_| NoThing::Name("bot", "name of a bot"))
            }
            Some(("release", text)) => text.parse().map(Self::Release).map_err(|_| id("release")),
            Some(("conversation", text)) => {
                text.parse().map(Self::Conversation).map_err(|_| id("conversation"))
            }
            Some(("account", text)) => text.parse().map(Self::Account).map_err(|_| id("account")),
            Some(("person", text)) => text.parse().map(Self::Person).map_err(|_| id("person")),
            Some(("hold", text)) => text.parse().map(Self::Hold).map_err(|_| id("hold")),
            _ => Err(NoThing::Kind),
        }
    }
}

/// What the questioner would have stated and proved.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The reason that they state.
    pub reason: Option<Reason>,
    /// The level of their last proof, 1 to 3 ([`guard::Staff::assurance`]).
    pub level: u8,
}

impl Default for Stated {
    fn default() -> Self {
        Self { reason: None, level: 3 }
    }
}

/// A decision, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Whether it would be permitted.
    pub allowed: bool,
    /// The rule that decides; `default` when none permits it.
    pub rule: String,
    /// Why not, as part of a sentence.
    pub reason: Option<String>,
    /// What helps, as a sentence.
    pub remedy: Option<String>,
    /// Whether they would be told that the thing exists.
    pub visible: bool,
    /// The roles that could do it alone, when it is refused.
    pub roles: Vec<Role>,
}

impl Rulebook {
    /// Explains what would be decided now.
    ///
    /// # Errors
    /// [`RulebookError::Nothing`] when there is no such thing.
    pub async fn explain(
        &self,
        permit: &Permit<ReadPolicy>,
        who: &Who,
        act: Act,
        on: &Thing,
        stated: Stated,
    ) -> Result<Explained, RulebookError> {
        let inner = &self.0;
        let thing = inner.thing(permit, on).await?;
        let mut now = Circumstances::at(inner.world.now());
        let level = stated.level;
        if let Some(reason) = stated.reason {
            now = now.because(reason);
        }
        let actor = match who {
            Who::Operator => Actor::Service { name: ServiceName::Operator, tenant: inner.tenant },
            Who::Role(role) => inner.staff(inner.world.id(), vec![Grant::everywhere(*role)], level),
            Who::User(user) => {
                let (tenant, user, at) = (inner.tenant, *user, inner.world.now());
                let found = inner.db.read(move |tx| {
                    let known = users::find(tx, tenant, user)?.is_some();
                    Ok((known, users::grants_of(tx, tenant, user, at)?))
                });
                let (known, grants) = found.await?;
                if !known {
                    return Err(RulebookError::Nothing);
                }
                inner.staff(user, grants, level)
            }
        };
        Ok(match inner.guard.decide(act, &actor, &thing, &now) {
            Ok(rule) => Explained {
                allowed: true,
                rule: rule.to_string(),
                reason: None,
                remedy: None,
                visible: true,
                roles: Vec::new(),
            },
            Err(denied) => {
                let alone = |role: &&Role| {
                    let holder = inner.staff(inner.world.id(), vec![Grant::everywhere(**role)], level);
                    inner.guard.decide(act, &holder, &thing, &now).is_ok()
                };
                Explained {
                    allowed: false,
                    rule: denied.rule().to_owned(),
                    reason: Some(denied.reason().to_owned()),
                    remedy: Some(denied.remedy().to_owned()),
                    visible: denied.visible(),
                    roles: Role::ALL.iter().filter(alone).copied().collect(),
                }
            }
        })
    }
}

impl Inner {
    fn staff(&self, user: UserId, grants: Vec<Grant>, assurance: u8) -> Actor {
        Actor::Staff(Staff {
            user,
            tenant: self.tenant,
            grants,
            assurance,
            authenticated_at: self.world.now(),
            session: self.world.id(),
        })
    }

    async fn thing(&self, permit: &Permit<ReadPolicy>, on: &Thing) -> Result<Resource, RulebookError> {
        let tenant = permit.tenant();
        Ok(match on {
            Thing::Tenant => Resource::Tenant(tenant),
            Thing::Bot(bot) => Resource::Bot { tenant, bot: bot.clone() },
            Thing::Account(user) => Resource::Account { tenant, user: *user },
            Thing::Person(subject) => {
                let subject = *subject;
                let held = self.db.read(move |tx| store::holds::keep(tx, tenant, subject)).await?;
                Resource::Person { tenant, subject, held }
            }
            Thing::Hold(id) => {
                let id = *id;
                let row = self.db.read(move |tx| store::holds::find(tx, tenant, id)).await?;
                row.ok_or(RulebookError::Nothing)?.resource(tenant)
            }
            Thing::Release(id) => {
                let id = *id;
                let row = self.db.read(move |tx| store::bots::release(tx, tenant, id)).await?;
                row.ok_or(RulebookError::Nothing)?.resource()
            }
            Thing::Conversation(id) => {
                let id = *id;
                let row = self.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await?;
                row.ok_or(RulebookError::Nothing)?.resource()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_things_address_is_read_strictly() {
        assert_eq!("tenant".parse(), Ok(Thing::Tenant));
        assert_eq!("bot/front-desk".parse(), Ok(Thing::Bot(BotName::new("front-desk").unwrap())));
        for bad in
            ["", "bot", "bot/", "bot/A", "release/x", "tenant/1", "account/alice", "person/bob", "hold/"]
        {
            assert!(bad.parse::<Thing>().is_err(), "{bad}");
        }
        assert_eq!("desk/a".parse::<Thing>(), Err(NoThing::Kind));
        assert!(
            "hold/a"
                .parse::<Thing>()
                .unwrap_err()
                .to_string()
                .starts_with("what stands after `hold/` is no id")
        );
    }
}
