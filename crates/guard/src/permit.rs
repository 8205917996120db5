//! The decision, and the permit that proves it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cedar_policy::{Authorizer, Decision, PolicyId};
use kernel::{BotName, ConversationId, Reason, SubjectId, TenantId, Timestamp, UserId};

use crate::facts::Words;
use crate::matrix::Cell;
use crate::policy::{Asker, GuardError, Policies, PolicyFiles, Rule};
use crate::specimen::Specimen;
use crate::survey::Survey;
use crate::{Act, Action, Actor, Circumstances, Resource, Role, Visitor};

/// Proof that this actor may do `A` to this resource, at the moment it was asked. It has one maker,
/// [`Guard::permit`], and no copy.
///
/// It does not promise that the answer would be the same later: for work that lasts (an open stream),
/// ask again when the actor's session or the resource changes.
#[derive(Debug)]
pub struct Permit<A: Action> {
    actor: Actor,
    resource: Resource,
    reason: Option<Reason>,
    rule: Arc<str>,
    at: Timestamp,
    action: PhantomData<fn() -> A>,
}

impl<A: Action> Permit<A> {
    /// Who may.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What about.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The tenant in which this permit holds: the actor's and the resource's, which are the same.
    pub fn tenant(&self) -> TenantId {
        self.resource.tenant()
    }

    /// The policy that permits it, for the audit record.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The reason that was stated, for the audit record.
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// When it was decided.
    pub fn decided_at(&self) -> Timestamp {
        self.at
    }
}

/// A refusal. It names the policy, and says how to put it right to whoever may know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused by `{rule}`: {reason}")]
pub struct Denied {
    rule: Arc<str>,
    reason: Cow<'static, str>,
    remedy: Cow<'static, str>,
    visible: bool,
}

impl Denied {
    /// The policy that refused; `default` when none allowed it, `fault` when the question made no sense.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Why, as part of a sentence.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How to put it right, as a sentence.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Whether the actor may know that the resource exists. If not, the door answers 404.
    pub fn visible(&self) -> bool {
        self.visible
    }
}

/// The authorization. Clones share it: when one is given other policies, all decide by them from the next
/// question on.
#[derive(Debug, Clone)]
pub struct Guard {
    inner: Arc<RwLock<Arc<Inner>>>,
}

#[derive(Debug)]
struct Inner {
    policies: Policies,
    words: Words,
    authorizer: Authorizer,
    /// For each action the roles that can hold it, found when first asked for.
    holders: HashMap<Act, OnceLock<Vec<Role>>>,
    /// How it answers the survey, found when first asked for.
    survey: OnceLock<Arc<Survey>>,
}

/// The guard of the policies that ship, which is made once.
static SHIPPED: OnceLock<Arc<Inner>> = OnceLock::new();

/// What the policies say, before it is put in words.
pub(crate) enum Verdict {
    Allowed(Arc<str>),
    /// The first `forbid` that hit, in the order of loading.
    Forbidden(Arc<str>),
    NothingAllows,
    Fault,
}

/// Which policies are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    /// All that can bear on the question.
    Whole,
    /// Those that permit, guards and separations aside.
    Permits,
}

impl Guard {
    /// The guard with the policies that are built in.
    ///
    /// # Errors
    /// When the policies cannot be read, do not fit their schema, or fail the decisions of known answer
    /// that are made here. A process that gets this error must not serve.
    pub fn embedded() -> Result<Self, GuardError> {
        let inner = match SHIPPED.get() {
            Some(inner) => Arc::clone(inner),
            None => {
                let inner = Self::of(&PolicyFiles::shipped())?.inner();
                Arc::clone(SHIPPED.get_or_init(|| inner))
            }
        };
        Ok(Self { inner: Arc::new(RwLock::new(inner)) })
    }

    /// The guard with other policies than those that ship.
    ///
    /// # Errors
    /// As [`Guard::embedded`].
    pub fn of(files: &PolicyFiles) -> Result<Self, GuardError> {
        Self::loaded(files, |_| true)
    }

    /// The guard as it would be if one policy were taken out: to see what that policy is for.
    ///
    /// # Errors
    /// As [`Guard::embedded`].
    pub fn without(files: &PolicyFiles, id: &str) -> Result<Self, GuardError> {
        Self::loaded(files, |other| other != id)
    }

    fn loaded(files: &PolicyFiles, keep: impl Fn(&str) -> bool) -> Result<Self, GuardError> {
        let policies = Policies::load(files, keep)?;
        let words = Words::new(&policies.schema)?;
        let holders = Act::ALL.iter().map(|act| (*act, OnceLock::new())).collect();
        let authorizer = Authorizer::new();
        let inner = Inner { policies, words, authorizer, holders, survey: OnceLock::new() };
        let guard = Self { inner: Arc::new(RwLock::new(Arc::new(inner))) };
        guard.canary()?;
        Ok(guard)
    }

    /// Decides by the policies of `other` from now on; every clone does. Questions under way are answered
    /// by the policies that they began with.
    pub fn install(&self, other: &Guard) {
        let next = other.inner();
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Decides whether `actor` may do `A` to `resource`.
    ///
    /// # Errors
    /// [`Denied`] when a policy forbids it, when none permits it, and when the facts do not fit together.
    pub fn permit<A: Action>(
        &self,
        actor: &Actor,
        resource: &Resource,
        circumstances: &Circumstances,
    ) -> Result<Permit<A>, Denied> {
        let rule = self.decide(A::ACT, actor, resource, circumstances)?;
        Ok(Permit {
            actor: actor.clone(),
            resource: resource.clone(),
            reason: circumstances.reason.clone(),
            rule,
            at: circumstances.now,
            action: PhantomData,
        })
    }

    /// The same decision for an action known only by value, for explaining and for hiding links. It
    /// yields the name of the permitting policy and no permit.
    ///
    /// # Errors
    /// As [`Guard::permit`].
    pub fn decide(
        &self,
        act: Act,
        actor: &Actor,
        resource: &Resource,
        circumstances: &Circumstances,
    ) -> Result<Arc<str>, Denied> {
        let verdict = self.weigh(View::Whole, act, actor, resource, circumstances);
        if let Verdict::Allowed(rule) = verdict {
            return Ok(rule);
        }
        let visible = self.shows(actor, resource, circumstances);
        Err(match verdict {
            Verdict::Forbidden(rule) => self.forbidden(rule, visible),
            Verdict::NothingAllows | Verdict::Allowed(_) => self.nothing_allows(act, actor, visible),
            Verdict::Fault => Denied {
                rule: "fault".into(),
                reason: Cow::Owned(format!("`{act}` cannot be asked about a {}", resource.kind())),
                remedy: Cow::Borrowed("Report this: the question itself is wrong."),
                visible,
            },
        })
    }

    /// Asks the policies. Whatever goes wrong in asking is a refusal.
    pub(crate) fn weigh(
        &self,
        view: View,
        act: Act,
        actor: &Actor,
        resource: &Resource,
        circumstances: &Circumstances,
    ) -> Verdict {
        if !act.resources().contains(&resource.kind()) {
            return Verdict::Fault;
        }
        // A key never does more than the account that it belongs to could do now.
        if let Actor::ApiKey(program) = actor {
            match self.weigh(view, act, &program.owner(circumstances.now), resource, circumstances) {
                Verdict::Allowed(_) => {}
                refused => return refused,
            }
        }
        let inner = self.inner();
        let Some(slice) = inner.policies.slices.get(&(Asker::of(actor), act)) else {
            return Verdict::Fault;
        };
        let policies = match view {
            View::Whole => &slice.whole,
            View::Permits => &slice.permits,
        };
        let Ok(facts) = inner.words.facts(act, actor, resource, circumstances) else {
            return Verdict::Fault;
        };
        let answer = inner.authorizer.is_authorized(&facts.request, policies, &facts.entities);
        // A policy that fails to evaluate is skipped by Cedar; a skipped `forbid` would let somebody in.
        if answer.diagnostics().errors().next().is_some() {
            return Verdict::Fault;
        }
        let rules = answer.diagnostics().reason().filter_map(|id| inner.policies.rules.get(id));
        let first = rules.min_by_key(|rule| rule.rank).map(|rule| Arc::clone(&rule.id));
        match (answer.decision(), first) {
            (Decision::Allow, Some(rule)) => Verdict::Allowed(rule),
            (Decision::Deny, Some(rule)) => Verdict::Forbidden(rule),
            (Decision::Deny, None) => Verdict::NothingAllows,
            (Decision::Allow, None) => Verdict::Fault,
        }
    }

    /// Whether the actor may know that the resource exists: it is of their tenant, and their roles,
    /// guards aside, show such things to them.
    fn shows(&self, actor: &Actor, resource: &Resource, circumstances: &Circumstances) -> bool {
        if actor.tenant() != resource.tenant() {
            return false;
        }
        let by = resource.kind().shown_by();
        by.is_empty()
            || by.iter().any(|act| {
                matches!(self.weigh(View::Permits, *act, actor, resource, circumstances), Verdict::Allowed(_))
            })
    }

    fn forbidden(&self, id: Arc<str>, visible: bool) -> Denied {
        let inner = self.inner();
        let rule = inner.policies.rules.get(&PolicyId::new(&id));
        let text = |pick: fn(&Rule) -> Option<&String>, otherwise: &'static str| {
            rule.and_then(pick).map_or(Cow::Borrowed(otherwise), |text| Cow::Owned(text.clone()))
        };
        Denied {
            reason: text(|rule| rule.reason.as_ref(), "a policy forbids it"),
            remedy: text(|rule| rule.remedy.as_ref(), "Ask an owner."),
            rule: id,
            visible,
        }
    }

    fn nothing_allows(&self, act: Act, actor: &Actor, visible: bool) -> Denied {
        let (reason, remedy) = match actor {
            Actor::Anonymous { .. } => (
                Cow::Borrowed("nobody is signed in"),
                Cow::Borrowed("Sign in, or send the conversation's token as `authorization: Bearer ..`."),
            ),
            Actor::Visitor(_) => (
                Cow::Borrowed("the token opens one conversation, and this is not it"),
                Cow::Borrowed("Use the token that was given with this conversation."),
            ),
            Actor::ApiKey(_) => (
                Cow::Owned(format!(
                    "the key, or the account that it belongs to, has no leave for `{act}` here"
                )),
                Cow::Borrowed("Use a key that was made for this, of an account that may do it."),
            ),
            Actor::Service { name, .. } => (
                Cow::Owned(format!("the service `{name}` has no leave for `{act}`")),
                Cow::Borrowed("Have a member of staff do it."),
            ),
            Actor::Directory { .. } => (
                Cow::Owned(format!("a directory's token has no leave for `{act}`")),
                Cow::Borrowed("Use the token for provisioning alone."),
            ),
            Actor::Staff(staff) => {
                let roles = self.holders(act);
                if roles.iter().any(|role| staff.holds(*role)) {
                    (
                        Cow::Owned(format!("your role allows `{act}`, but not here")),
                        Cow::Borrowed("Have it assigned to you, or ask an owner for a grant that covers it."),
                    )
                } else {
                    let roles: Vec<&str> = roles.iter().map(|role| role.display()).collect();
                    let remedy = if roles.is_empty() {
                        Cow::Borrowed("No role of staff has this leave.")
                    } else {
                        Cow::Owned(format!("Ask an owner; this needs the role {}.", roles.join(" or ")))
                    };
                    (Cow::Owned(format!("none of your roles allows `{act}`")), remedy)
                }
            }
        };
        Denied { rule: "default".into(), reason, remedy, visible }
    }

    /// The roles that ship and can hold an action at all.
    pub fn holders(&self, act: Act) -> Vec<Role> {
        let find = || {
            let able = |role: &&Role| Cell::of(&Specimen::of_roles(&[**role]), self, act).somewhere();
            Role::ALL.iter().filter(able).copied().collect()
        };
        self.inner().holders.get(&act).map_or_else(Vec::new, |found| found.get_or_init(find).clone())
    }

    /// The policies with their reasons, in the order of loading.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = self.inner().policies.rules.values().cloned().collect();
        rules.sort_by_key(|rule| rule.rank);
        rules
    }

    /// Whether an action lies in a group of the schema, such as `write`.
    pub(crate) fn lies_in(&self, act: Act, group: &str) -> bool {
        self.inner().words.lies_in(act, group)
    }

    /// Whether a policy can bear on this question at all.
    pub(crate) fn bears_on(&self, rule: &str, actor: &Actor, act: Act) -> bool {
        let inner = self.inner();
        let slice = |asker| inner.policies.slices.get(&(asker, act));
        let has = |asker| slice(asker).is_some_and(|it| it.whole.policy(&PolicyId::new(rule)).is_some());
        // What a key asks is asked for its owner as well.
        has(Asker::of(actor)) || (matches!(actor, Actor::ApiKey(_)) && has(Asker::User))
    }

    /// Whether the same policies bear on this question here and there.
    pub(crate) fn bears_alike(&self, other: &Guard, actor: &Actor, act: Act) -> bool {
        let (ours, theirs) = (self.inner(), other.inner());
        let alike = |asker| {
            let (a, b) = (ours.policies.slices.get(&(asker, act)), theirs.policies.slices.get(&(asker, act)));
            let (Some(a), Some(b)) = (a, b) else { return false };
            let text = |inner: &Inner, id: &PolicyId| -> Option<Arc<str>> {
                inner.policies.rules.get(id).map(|rule| Arc::clone(&rule.text))
            };
            let same = |id: &PolicyId| text(&ours, id).is_some() && text(&ours, id) == text(&theirs, id);
            a.whole.num_of_policies() == b.whole.num_of_policies()
                && a.whole.policies().all(|policy| same(policy.id()))
        };
        alike(Asker::of(actor)) && (!matches!(actor, Actor::ApiKey(_)) || alike(Asker::User))
    }

    /// How it answers every question of the survey. It is asked once; what the policies that ship answer
    /// alike is not asked again.
    pub fn survey(&self) -> Arc<Survey> {
        let inner = self.inner();
        let find = || {
            let shipped = SHIPPED.get().filter(|shipped| !Arc::ptr_eq(shipped, &inner));
            let Some(shipped) = shipped else { return Arc::new(Survey::ask_all(self, None)) };
            let shipped = Self { inner: Arc::new(RwLock::new(Arc::clone(shipped))) };
            Arc::new(Survey::ask_all(self, Some((&shipped, &shipped.survey()))))
        };
        Arc::clone(inner.survey.get_or_init(find))
    }

    /// Three decisions of known answer. They would come out otherwise if actions had lost their groups,
    /// which Cedar does not report: `action in ..` would just never match.
    fn canary(&self) -> Result<(), GuardError> {
        let owner = Specimen::of_roles(&[Role::Owner]);
        if !Cell::of(&owner, self, Act::ReadUsers).everywhere() {
            return Err(GuardError::Canary("an owner is not permitted to see the staff"));
        }
        let both = Specimen::of_roles(&[Role::BotDeveloper, Role::SupportManager]);
        if Cell::of(&both, self, Act::ListConversations).somewhere() {
            return Err(GuardError::Canary("the separation of duties does not hold"));
        }
        if !Cell::of(&Specimen::anonymous(), self, Act::OpenConversation).everywhere() {
            return Err(GuardError::Canary("nobody is permitted to open a conversation"));
        }
        Ok(())
    }
}

/// What rooms read off a permit most often.
impl<A: Action> Permit<A> {
    /// The member of staff who may, or on whose account a program may.
    pub fn user(&self) -> Option<UserId> {
        self.actor.account()
    }

    /// The person who chats, if it is they who may.
    pub fn visitor(&self) -> Option<&Visitor> {
        self.actor.visitor()
    }

    /// The subject of the conversation that it is about, if it is about one.
    pub fn subject(&self) -> Option<SubjectId> {
        match &self.resource {
            Resource::Conversation { subject, .. } => Some(*subject),
            _ => None,
        }
    }

    /// The conversation that it is about, if it is about one.
    pub fn conversation(&self) -> Option<ConversationId> {
        self.resource.conversation()
    }

    /// The bot that it is about, or whose release or conversation it is about.
    pub fn bot(&self) -> Option<&BotName> {
        self.resource.bot()
    }
}
