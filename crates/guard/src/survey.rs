//! What a set of policies does, asked over a finite space of requests: every role alone and in pairs,
//! made of actions, over one bot, weakly signed in, signed in by what can be phished, long signed in, without a
//! stated reason; strangers, people who chat, keys and services; everything their own, others', of other bots and
//! of other tenants, and people under a legal hold.
//! Two sets are compared by it, and the invariants that no change may break are held against every answer.
//!
//! A question on which the same policies bear as among those that ship is not asked again: its answer is
//! known. So a small change is rehearsed in a moment.
//!
//! The space is finite because policies see roles by presence, places by scope and time by two limits.
//! Triples of roles are not in it; that no three do what no two do is proved once for the policies that
//! ship (`cargo xtask conformance authz`), not at every change.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::custom::can_be_given;
use crate::grants::Duty;
use crate::permit::{Verdict, View};
use crate::policy::Asker;
use crate::specimen::{Specimen, Whose, moment, thing};
use crate::{
    Act, Actor, Circumstances, CustomRole, Grant, Guard, GuardError, PolicyFiles, Resource, ResourceKind,
    Role, ServiceName,
};

/// What holds whatever the policies say: the name, and the sentence.
pub const INVARIANTS: &[(&str, &str)] = &[
    ("tenants", "no action crosses tenants"),
    ("developer-transcripts", "whoever builds bots never reads a transcript"),
    ("support-bots", "whoever reads transcripts never changes a bot"),
    ("auditor-writes", "an auditor never writes"),
    ("auditor-transcripts", "an auditor never reads a transcript"),
    ("own-release", "nobody approves their own release"),
    ("approver-builds", "whoever approves releases builds none"),
    ("keys-and-data", "key use and data access never meet in one human role"),
    ("keys-custodians", "only custodians change keys"),
    ("own-roles", "nobody grants a role to themselves"),
    ("second-factor", "staff do nothing with one factor"),
    ("fresh", "no sign-in lasts longer than twelve hours"),
    ("step-up", "keys, policies and sign-in rules are changed only within five minutes of a proof"),
    ("phishing", "keys, policies, sign-in rules and owners are not changed by a proof that can be phished"),
    ("legal-hold", "nothing under a legal hold is erased"),
    ("own-hold", "nobody lifts a legal hold that they placed"),
    ("purpose", "no transcript is opened without a stated reason"),
    ("scope", "a grant for one bot does not reach beyond it"),
    ("strangers", "somebody unknown opens a conversation and does nothing else"),
    ("own-conversation", "people who chat reach their own conversation and nothing else"),
    ("services", "no service of ours reads a transcript"),
    ("api-keys", "no API key touches keys, people, policies or sign-in"),
    ("custom-power", "no role made of actions gives power to give power"),
];

/// An invariant that a set of policies breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its name in [`INVARIANTS`].
    pub invariant: &'static str,
    /// Who could do what.
    pub example: String,
}

/// A line of the matrix that a change of policies changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who.
    pub who: String,
    /// What.
    pub act: Act,
    /// Whose thing.
    pub whose: &'static str,
    /// Under which circumstances, where they are out of the ordinary.
    pub under: &'static str,
    /// Whether it was permitted.
    pub before: bool,
    /// Whether it would be.
    pub after: bool,
}

/// What a change of policies would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// How many questions were asked of either set.
    pub questions: usize,
    /// The answers that change, at most [`Rehearsal::SHOWN`].
    pub changes: Vec<Change>,
    /// How many change in all.
    pub changed: usize,
    /// The invariants that would be broken, each with its first example.
    pub broken: Vec<Broken>,
}

impl Rehearsal {
    /// How many changes are kept.
    pub const SHOWN: usize = 500;
}

/// Somebody of the survey.
struct Member {
    name: String,
    specimen: Specimen,
    roles: Vec<Role>,
    /// Whether every circumstance is asked, or only the ordinary one and actions of weight.
    closely: bool,
}

#[derive(Clone, Copy)]
struct Question {
    member: usize,
    act: Act,
    kind: ResourceKind,
    whose: Whose,
    under: Under,
}

/// The circumstances.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    Ordinary,
    NoReason,
    AfterFiveMinutes,
    AfterTwelveHours,
    /// Of a person: a legal hold keeps what they said.
    OnHold,
}

impl Under {
    const ALL: [Under; 5] =
        [Self::Ordinary, Self::NoReason, Self::AfterFiveMinutes, Self::AfterTwelveHours, Self::OnHold];

    const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "",
            Self::NoReason => "without a reason",
            Self::AfterFiveMinutes => "after five minutes",
            Self::AfterTwelveHours => "after twelve hours",
            Self::OnHold => "under a legal hold",
        }
    }

    fn moment(self) -> Circumstances {
        match self {
            Self::Ordinary | Self::OnHold => moment(0),
            Self::NoReason => Circumstances { reason: None, ..moment(0) },
            Self::AfterFiveMinutes => moment(301),
            Self::AfterTwelveHours => moment(43_201),
        }
    }

    /// The thing as it stands under these circumstances; none where they make no difference to such a thing.
    fn thing(self, kind: ResourceKind, whose: Whose) -> Option<Resource> {
        match (self, thing(kind, whose)?) {
            (Self::OnHold, Resource::Person { tenant, subject, .. }) => {
                Some(Resource::Person { tenant, subject, held: true })
            }
            (Self::OnHold, _) => None,
            (_, thing) => Some(thing),
        }
    }
}

/// The space of requests.
struct Space {
    members: Vec<Member>,
    questions: Vec<Question>,
}

static SPACE: OnceLock<Space> = OnceLock::new();

fn space(guard: &Guard) -> &'static Space {
    // Which actions are of weight, the schema says, and all guards have one schema.
    SPACE.get_or_init(|| {
        let members = members();
        let questions = questions(guard, &members);
        Space { members, questions }
    })
}

/// The space of requests, and how a guard answered them.
pub struct Survey {
    members: &'static [Member],
    questions: &'static [Question],
    answers: Vec<bool>,
}

impl std::fmt::Debug for Survey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Survey of {} questions", self.questions.len())
    }
}

impl Survey {
    /// Asks a guard everything. With the answers of another, only that on which other policies bear.
    pub(crate) fn ask_all(guard: &Guard, known: Option<(&Guard, &Survey)>) -> Self {
        let Space { members, questions } = space(guard);
        let mut survey = Self { members, questions, answers: Vec::new() };
        let mut alike: HashMap<(bool, Act, &'static str), bool> = HashMap::new();
        let mut answers = Vec::with_capacity(questions.len());
        for (at, question) in questions.iter().enumerate() {
            let same = known.and_then(|(other, answered)| {
                let actor = &members.get(question.member)?.specimen.actor;
                let key = (matches!(actor, Actor::ApiKey(_)), question.act, Asker::of(actor).name());
                let same = *alike.entry(key).or_insert_with(|| guard.bears_alike(other, actor, question.act));
                if same { answered.answers.get(at).copied() } else { None }
            });
            answers.push(same.unwrap_or_else(|| survey.ask(guard, *question)));
        }
        survey.answers = answers;
        survey
    }

    /// How many questions there are.
    pub fn len(&self) -> usize {
        self.questions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// How many were permitted.
    pub fn permitted(&self) -> usize {
        self.answers.iter().filter(|answer| **answer).count()
    }

    /// Whether a decision is different when one policy is taken out; `None` when such a set is refused
    /// before it decides anything, which is as good.
    pub fn misses(&self, guard: &Guard, files: &PolicyFiles, rule: &str) -> Option<bool> {
        let mutant = match Guard::without(files, rule) {
            Ok(mutant) => mutant,
            Err(GuardError::Canary(_) | GuardError::Strict(_)) => return None,
            Err(_) => return Some(false),
        };
        // Only questions on which the policy bears can fall otherwise.
        let mut asked = self.questions.iter().zip(&self.answers).filter(|(question, _)| {
            self.member(question).is_some_and(|it| guard.bears_on(rule, &it.specimen.actor, question.act))
        });
        Some(asked.any(|(question, answer)| self.ask(&mutant, *question) != *answer))
    }

    /// The invariants that the answers break, each with its first example.
    pub fn broken(&self, guard: &Guard) -> Vec<Broken> {
        let mut broken: Vec<Broken> = Vec::new();
        for (question, _) in self.questions.iter().zip(&self.answers).filter(|(_, answer)| **answer) {
            let Some(member) = self.member(question) else { continue };
            for invariant in against(guard, member, question) {
                if broken.iter().all(|known| known.invariant != invariant) {
                    broken.push(Broken { invariant, example: self.sentence(question) });
                }
            }
        }
        broken
    }

    fn member(&self, question: &Question) -> Option<&Member> {
        self.members.get(question.member)
    }

    fn ask(&self, guard: &Guard, question: Question) -> bool {
        let Some(member) = self.member(&question) else { return false };
        let Some(thing) = question.under.thing(question.kind, question.whose) else { return false };
        let moment = question.under.moment();
        let verdict = guard.weigh(View::Whole, question.act, &member.specimen.actor, &thing, &moment);
        matches!(verdict, Verdict::Allowed(_))
    }

    fn sentence(&self, question: &Question) -> String {
        let who = self.member(question).map_or("", |member| member.name.as_str());
        let (act, whose, kind) = (question.act, question.whose.name(), question.kind);
        let under = question.under.name();
        format!("{who}: {act} on {whose} {kind} {under}").trim_end().to_owned()
    }
}

impl Guard {
    /// What would change if the policies of `candidate` were put in the place of these.
    pub fn rehearse(&self, candidate: &Guard) -> Rehearsal {
        let (now, then) = (self.survey(), candidate.survey());
        let mut rehearsal =
            Rehearsal { questions: now.len(), broken: then.broken(candidate), ..Rehearsal::default() };
        let answers = now.answers.iter().zip(&then.answers);
        for (question, (before, after)) in now.questions.iter().zip(answers).filter(|(_, (a, b))| a != b) {
            rehearsal.changed += 1;
            if rehearsal.changes.len() < Rehearsal::SHOWN {
                rehearsal.changes.push(Change {
                    who: now.member(question).map(|member| member.name.clone()).unwrap_or_default(),
                    act: question.act,
                    whose: question.whose.name(),
                    under: question.under.name(),
                    before: *before,
                    after: *after,
                });
            }
        }
        rehearsal
    }
}

/// A role for each duty, made of all the actions that bring it.
fn made_of_duties() -> Vec<Role> {
    let of = |duty: &Duty| {
        let acts = Act::ALL.iter().copied().filter(|act| Duty::of(*act) == Some(*duty));
        CustomRole::new(duty.name(), acts).ok().map(Role::Custom)
    };
    Duty::ALL.iter().filter_map(of).collect()
}

fn members() -> Vec<Member> {
    let member = |name: String, specimen: Specimen, roles: &[Role], closely: bool| Member {
        name,
        specimen,
        roles: roles.to_vec(),
        closely,
    };
    let mut members = vec![
        member("somebody unknown".to_owned(), Specimen::anonymous(), &[], true),
        member("somebody who chats".to_owned(), Specimen::visitor(), &[], true),
        member("a directory".to_owned(), Specimen::directory(), &[], true),
        member("staff without a role".to_owned(), Specimen::of_roles(&[]), &[], true),
    ];
    for name in ServiceName::ALL {
        members.push(member(format!("the service {name}"), Specimen::service(*name), &[], true));
    }
    let made = made_of_duties();
    let light: Vec<Act> =
        Act::ALL.iter().copied().filter(|act| can_be_given(*act) && Duty::of(*act).is_none()).collect();
    let light = CustomRole::new("light", light).ok().map(Role::Custom);
    for role in Role::ALL.iter().chain(&made).chain(&light) {
        let name = role.display();
        members.push(member(name.to_owned(), Specimen::of_roles(&[*role]), &[*role], true));
        members.push(member(format!("{name} of one bot"), Specimen::of_one_bot(*role), &[*role], true));
        for (level, words) in [(1, "with one factor"), (2, "without a passkey")] {
            let mut weak = Specimen::of_roles(&[*role]);
            if let Actor::Staff(staff) = &mut weak.actor {
                staff.assurance = level;
            }
            members.push(member(format!("{name} {words}"), weak, &[*role], false));
        }
    }
    for role in Role::ALL {
        let name = format!("a key of a {}", role.display());
        members.push(member(name, Specimen::key_of(*role), &[*role], true));
    }
    let all: Vec<Role> = Role::ALL.iter().chain(&made).copied().collect();
    for (i, a) in all.iter().enumerate() {
        for b in all.iter().skip(i + 1) {
            let name = format!("{} and {}", a.display(), b.display());
            let grants = [*a, *b].map(Grant::everywhere).to_vec();
            members.push(member(name, Specimen::of_grants(grants), &[*a, *b], false));
        }
    }
    members
}

/// Whether an action is worth asking of everybody.
fn weighty(guard: &Guard, act: Act) -> bool {
    guard.lies_in(act, "write") || matches!(act.group(), "transcript" | "audit")
}

fn questions(guard: &Guard, members: &[Member]) -> Vec<Question> {
    let mut questions = Vec::new();
    for (at, member) in members.iter().enumerate() {
        for act in Act::ALL.iter().filter(|act| member.closely || weighty(guard, **act)) {
            for kind in act.resources() {
                for whose in Whose::ALL {
                    for under in Under::ALL {
                        if under.thing(*kind, whose).is_none() {
                            continue;
                        }
                        let ordinary = under == Under::Ordinary;
                        let near = matches!(whose, Whose::Own | Whose::Others);
                        if (ordinary && (near || member.closely)) || (member.closely && whose == Whose::Own) {
                            questions.push(Question { member: at, act: *act, kind: *kind, whose, under });
                        }
                    }
                }
            }
        }
    }
    questions
}

/// The invariants that a permitted question breaks.
fn against(guard: &Guard, member: &Member, question: &Question) -> Vec<&'static str> {
    let Question { act, kind, whose, under, .. } = *question;
    let mut broken = Vec::new();
    let mut rule = |name: &'static str, breaks: bool| {
        if breaks {
            broken.push(name);
        }
    };
    let transcript = act.group() == "transcript";
    let (keys, bots) = (guard.lies_in(act, "key-change"), guard.lies_in(act, "bot-change"));
    rule("tenants", whose == Whose::OtherTenants);
    rule("legal-hold", under == Under::OnHold);
    rule("purpose", act == Act::ReadTranscript && under == Under::NoReason);
    match &member.specimen.actor {
        Actor::Anonymous { .. } => rule("strangers", act != Act::OpenConversation),
        Actor::Visitor(_) => rule(
            "own-conversation",
            whose != Whose::Own
                || !matches!(
                    act,
                    Act::PostMessage | Act::ReadOwnConversation | Act::ReadOwnData | Act::EraseOwnData
                ),
        ),
        Actor::Service { .. } | Actor::Directory { .. } => rule("services", transcript),
        Actor::ApiKey(_) => {
            let closed = ["key", "iam", "policy", "connection", "backup", "privacy", "api-key", "access"];
            rule("api-keys", closed.contains(&act.group()));
        }
        Actor::Staff(staff) => {
            let has = |duty: Duty| member.roles.iter().any(|role| Duty::all_of(*role).contains(&duty));
            let made = member.roles.iter().any(|role| matches!(role, Role::Custom(_)));
            let auditor = has(Duty::Audits);
            rule("developer-transcripts", transcript && has(Duty::Builds));
            rule("support-bots", bots && has(Duty::Reads));
            rule("auditor-writes", auditor && guard.lies_in(act, "write"));
            rule("auditor-transcripts", auditor && transcript);
            rule("own-release", act == Act::ActivateRelease && whose == Whose::Own);
            rule("approver-builds", bots && has(Duty::Approves) && has(Duty::Builds));
            rule("keys-and-data", (keys && has(Duty::Reads)) || (transcript && has(Duty::Keys)));
            rule("keys-custodians", keys && !has(Duty::Keys));
            let appoints = matches!(act, Act::GrantRole | Act::GrantOwner) && kind == ResourceKind::Account;
            rule("own-roles", appoints && whose == Whose::Own);
            rule("own-hold", act == Act::LiftHold && whose == Whose::Own);
            rule("second-factor", staff.assurance < 2);
            rule("fresh", under == Under::AfterTwelveHours);
            let fresh = keys || guard.lies_in(act, "policy-change") || act == Act::ManageConnections;
            rule("step-up", fresh && under == Under::AfterFiveMinutes);
            rule("phishing", fresh && staff.assurance < 3);
            let confined = staff.grants.iter().any(|grant| grant.scope != crate::Scope::Tenant);
            let own = matches!(act.group(), "self" | "api-key" | "access") || act == Act::ReadOverview;
            rule("scope", confined && !own && whose == Whose::OtherBots);
            rule("custom-power", made && member.roles.len() == 1 && !own && !can_be_given(act));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_breaks_no_invariant() {
        let guard = Guard::embedded().unwrap();
        let survey = guard.survey();
        assert!(survey.len() > 8_000, "{}", survey.len());
        assert!(survey.permitted() > 500, "{}", survey.permitted());
        assert_eq!(survey.broken(&guard), []);
    }

    /// All of them are taken out, one by one, by `cargo xtask conformance authz`.
    #[test]
    fn a_policy_that_is_gone_is_noticed() {
        let (files, guard) = (PolicyFiles::shipped(), Guard::embedded().unwrap());
        let (survey, rules) = (guard.survey(), guard.rules());
        assert!(rules.len() > 40, "{}", rules.len());
        for rule in rules.iter().filter(|rule| rule.id.starts_with("separation.")) {
            let missed = survey.misses(&guard, &files, &rule.id);
            assert_ne!(missed, Some(false), "nothing falls otherwise when `{}` is gone", rule.id);
        }
    }

    #[test]
    fn what_a_role_made_of_actions_may_give_is_what_its_policy_lists() {
        let guard = Guard::embedded().unwrap();
        for act in Act::ALL {
            let Ok(role) = CustomRole::new("helper", [*act]) else { continue };
            let holder = Specimen::of_roles(&[Role::Custom(role)]);
            assert!(holder.may(&guard, *act, Whose::Others), "{act}");
        }
        let policy = include_str!("../../../policies/roles/custom.cedar");
        for act in Act::ALL {
            let listed = [act.name(), act.group()].iter().any(|name| policy.contains(&format!("\"{name}\"")));
            assert_eq!(listed, can_be_given(*act), "{act}");
        }
    }

    #[test]
    fn a_change_is_shown_by_what_it_changes_and_by_what_it_breaks() {
        let (now, mut files) = (Guard::embedded().unwrap(), Vec::from(PolicyFiles::shipped()));
        files.push((
            "extra".to_owned(),
            r#"@id("extra.open") permit (principal is Service, action in Action::"transcript", resource);"#
                .to_owned(),
        ));
        let then = Guard::of(&PolicyFiles::new(files).unwrap()).unwrap();
        let rehearsal = now.rehearse(&then);
        let broken: Vec<&str> = rehearsal.broken.iter().map(|it| it.invariant).collect();
        assert_eq!(broken, ["services", "purpose"]);
        assert!(rehearsal.changes.iter().all(|change| !change.before && change.after));
        assert!(
            rehearsal.changes.iter().any(|it| it.who == "the service edge" && it.act == Act::ReadTranscript)
        );
        assert_eq!(now.rehearse(&now).changed, 0);
    }
}
