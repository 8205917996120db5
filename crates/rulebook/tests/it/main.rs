//! A change of policies from the first try to the way back, on a real store.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use guard::action::{ApprovePolicy, ProposePolicy, ReadPolicy, RollBackPolicy};
use guard::{Act, Action, Actor, Circumstances, Grant, Guard, Permit, PolicyFiles, Resource, Role, Staff};
use kernel::{BotName, ManualClock, Reason, TenantId, Timestamp, World};
use rulebook::{PolicyRefusal, Rulebook, RulebookError, RulebookParts, Stated, Thing, VersionState, Who};
use store::{Db, DbUrl, Keychain, Via, audit, tenants};
use vault::{CachePolicy, FileRoot, Keyring};

const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

struct House {
    rulebook: Rulebook,
    guard: Guard,
    world: World,
    clock: Arc<ManualClock>,
    tenant: TenantId,
    db: Db,
    keys: Keychain,
    _room: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let room = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let world = World::rehearsal(Arc::clone(&clock) as Arc<_>, 7);
        let (url, opening) = (DbUrl::sqlite(room.path().join("house.db")), world.clone());
        let db = tokio::task::spawn_blocking(move || Db::open(&url, &opening).unwrap()).await.unwrap();
        let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
        let keys = Keychain::new(db.clone(), keyring, world.clone());
        let (tenant, now): (TenantId, _) = (world.id(), world.now());
        db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
        keys.prepare(tenant).await.unwrap();
        let guard = Guard::embedded().unwrap();
        let rulebook = Self::rulebook(tenant, &db, &keys, &guard, &world);
        Self { rulebook, guard, world, clock, tenant, db, keys, _room: room }
    }

    fn rulebook(tenant: TenantId, db: &Db, keys: &Keychain, guard: &Guard, world: &World) -> Rulebook {
        let (db, keys, guard, world) = (db.clone(), keys.clone(), guard.clone(), world.clone());
        Rulebook::new(RulebookParts { tenant, db, keys, guard, world })
    }

    fn admin(&self) -> Staff {
        Staff {
            user: self.world.id(),
            tenant: self.tenant,
            grants: vec![Grant::everywhere(Role::SecurityAdmin)],
            assurance: 3,
            authenticated_at: self.world.now(),
            session: self.world.id(),
        }
    }

    fn leave<A: Action>(&self, who: &Staff) -> Permit<A> {
        let now = Circumstances::at(self.world.now()).because(Reason::new("a new desk").unwrap());
        self.guard.permit(&who.clone().into(), &Resource::Tenant(self.tenant), &now).unwrap()
    }

    async fn codes(&self) -> Vec<String> {
        let operator = Actor::Service { name: guard::ServiceName::Operator, tenant: self.tenant };
        let now = Circumstances::at(self.world.now());
        let permit = self.guard.permit(&operator, &Resource::Tenant(self.tenant), &now).unwrap();
        let leaves =
            self.db.read(move |tx| audit::list(tx, &permit, &audit::Filter::default())).await.unwrap();
        leaves.into_iter().map(|leaf| leaf.code).filter(|code| code.starts_with("CONF-")).collect()
    }

    /// Whether an owner may try a bot in the sandbox, which the policies that ship do not allow.
    fn owner_tries_bots(&self) -> bool {
        let owner = Staff { grants: vec![Grant::everywhere(Role::Owner)], ..self.admin() };
        let bot = Resource::Bot { tenant: self.tenant, bot: BotName::new("front-desk").unwrap() };
        let now = Circumstances::at(self.world.now());
        self.guard.decide(Act::TestBot, &owner.into(), &bot, &now).is_ok()
    }
}

/// The policies that ship, and one more.
fn with(extra: &str) -> PolicyFiles {
    let mut files = Vec::from(PolicyFiles::shipped());
    files.push(("extra".to_owned(), extra.to_owned()));
    PolicyFiles::new(files).unwrap()
}

fn good() -> PolicyFiles {
    with(
        r#"@id("extra.owner_tries") permit (principal is User, action == Action::"bot.test-sandbox", resource)
           when { resource in principal.grants.owner };"#,
    )
}

#[tokio::test]
async fn a_change_is_tried_proposed_agreed_to_by_another_and_put_back() {
    let house = House::open().await;
    let (first, second, via) = (house.admin(), house.admin(), Via::default());

    let trial = house.rulebook.try_out(&house.leave::<ReadPolicy>(&first), good()).await.unwrap();
    assert!(trial.holds());
    assert_eq!((trial.added.as_slice(), trial.over), (["extra.owner_tries".to_owned()].as_slice(), None));
    let change = &trial.rehearsal.changes[0];
    assert_eq!((change.act, change.before, change.after), (Act::TestBot, false, true));
    assert!(trial.rehearsal.changes.iter().any(|change| change.who == "owner"));

    let version = house.rulebook.propose(house.leave(&first), good(), &via).await.unwrap();
    assert!(!house.owner_tries_bots(), "a proposal changes nothing");
    let own = house.rulebook.approve(house.leave::<ApprovePolicy>(&first), version, &via).await;
    assert!(matches!(own, Err(RulebookError::Refused(PolicyRefusal::OwnProposal))), "{own:?}");
    house.rulebook.approve(house.leave(&second), version, &via).await.unwrap();
    assert!(house.owner_tries_bots());

    // Another process finds it, and one that starts later does.
    let elsewhere = Guard::embedded().unwrap();
    let other = House::rulebook(house.tenant, &house.db, &house.keys, &elsewhere, &house.world);
    assert_eq!(other.install().await.unwrap(), Some(version));
    assert!(elsewhere.rules().iter().any(|rule| &*rule.id == "extra.owner_tries"));

    let back = house.rulebook.roll_back(house.leave::<RollBackPolicy>(&first), None, &via).await.unwrap();
    assert!(!house.owner_tries_bots());
    assert_eq!(other.install().await.unwrap(), Some(back));
    assert!(!elsewhere.rules().iter().any(|rule| &*rule.id == "extra.owner_tries"));

    let history = house.rulebook.history(house.leave(&second)).await.unwrap();
    let states: Vec<_> = history.iter().map(|line| (line.version, line.state, line.restores)).collect();
    assert_eq!(states, [(back, VersionState::InForce, Some(0)), (version, VersionState::Replaced, None)]);
    assert_eq!(history[1].reason.as_str(), "a new desk");
    assert_eq!((history[1].proposed_by, history[1].decided_by), (Some(first.user), Some(second.user)));
    assert_eq!(house.codes().await, ["CONF-1013W", "CONF-1011I", "CONF-1010I"]);
    // And forth again, by the same command.
    house.rulebook.roll_back(house.leave(&second), Some(version), &via).await.unwrap();
    assert!(house.owner_tries_bots());
}

#[tokio::test]
async fn what_breaks_an_invariant_or_does_not_fit_is_not_proposed() {
    let house = House::open().await;
    let (admin, via) = (house.admin(), Via::default());
    let breaks = with(r#"@id("x") permit (principal is Service, action in Action::"transcript", resource);"#);
    let refused = house.rulebook.propose(house.leave::<ProposePolicy>(&admin), breaks, &via).await;
    let Err(RulebookError::Broken(broken)) = refused else { unreachable!("{refused:?}") };
    assert_eq!(broken[0].invariant, "services");

    let mut without = Vec::from(PolicyFiles::shipped());
    without.retain(|(name, _)| name != "separation");
    let without = PolicyFiles::new(without).unwrap();
    let refused = house.rulebook.propose(house.leave::<ProposePolicy>(&admin), without, &via).await;
    assert!(matches!(refused, Err(RulebookError::Policies(_) | RulebookError::Broken(_))), "{refused:?}");

    let misspelt = with(r#"@id("x") permit (principal is User, action == Action::"bot.burn", resource);"#);
    let refused = house.rulebook.propose(house.leave::<ProposePolicy>(&admin), misspelt, &via).await;
    assert!(matches!(refused, Err(RulebookError::Policies(_))), "{refused:?}");
    let same = house.rulebook.propose(house.leave(&admin), PolicyFiles::shipped(), &via).await;
    assert!(matches!(same, Err(RulebookError::Same)), "{same:?}");
    assert!(house.codes().await.is_empty(), "what was refused is no event of the policies");
}

#[tokio::test]
async fn a_proposal_ends_by_refusal_by_time_and_by_being_overtaken() {
    let house = House::open().await;
    let via = Via::default();
    let (first, second) = (house.admin(), house.admin());
    let refused = house.rulebook.propose(house.leave(&first), good(), &via).await.unwrap();
    house.rulebook.refuse(house.leave(&second), refused, &via).await.unwrap();
    let gone = house.rulebook.approve(house.leave(&second), refused, &via).await;
    assert!(matches!(gone, Err(RulebookError::Refused(PolicyRefusal::NoProposal))), "{gone:?}");

    let late = house.rulebook.propose(house.leave(&first), good(), &via).await.unwrap();
    house.clock.advance(rulebook::APPROVAL + Duration::from_secs(1));
    let (first, second) = (house.admin(), house.admin());
    let gone = house.rulebook.approve(house.leave(&second), late, &via).await;
    assert!(matches!(gone, Err(RulebookError::Refused(PolicyRefusal::Expired))), "{gone:?}");
    assert!(!house.owner_tries_bots());

    let one = house.rulebook.propose(house.leave(&first), good(), &via).await.unwrap();
    assert!(house.rulebook.roll_back(house.leave(&first), Some(99), &via).await.is_err());
    house.rulebook.approve(house.leave(&second), one, &via).await.unwrap();
    assert!(house.owner_tries_bots());
}

#[tokio::test]
async fn decisions_are_counted_without_names_and_replayed_on_a_change() {
    let house = House::open().await;
    let admin = house.admin();
    let owner = Staff { grants: vec![Grant::everywhere(Role::Owner)], ..house.admin() };
    let bot = Resource::Bot { tenant: house.tenant, bot: BotName::new("front-desk").unwrap() };
    let (actor, now) = (Actor::Staff(owner.clone()), house.world.now());
    for _ in 0..3 {
        let decided = house.guard.decide(Act::TestBot, &actor, &bot, &Circumstances::at(now));
        let outcome = decided.as_ref().map(|rule| &**rule);
        house.rulebook.note(Act::TestBot, &actor, &bot, (now, false), outcome);
    }
    assert_eq!(house.rulebook.write_down().await.unwrap(), 1);
    let (tenant, leave) = (house.tenant, house.leave::<ReadPolicy>(&admin));
    let met = house.db.read(move |tx| store::policies::shapes(tx, &leave)).await.unwrap();
    assert_eq!(met[0].times, 3);
    for id in [owner.user.to_string(), tenant.to_string(), owner.session.to_string()] {
        assert!(!met[0].shape.contains(&id), "{}", met[0].shape);
    }
    let trial = house.rulebook.try_out(&house.leave::<ReadPolicy>(&admin), good()).await.unwrap();
    assert_eq!((trial.replay.shapes, trial.replay.decisions), (1, 3));
    let line = &trial.replay.changed[0];
    assert_eq!((line.before, line.after, line.rule.as_str()), (false, true, "extra.owner_tries"));
    assert_eq!(line.sentence, "owner: bot.test-sandbox on a bot");
}

#[tokio::test]
async fn a_decision_is_explained_with_its_rule_its_reason_and_its_remedy() {
    let house = House::open().await;
    let leave = house.leave::<ReadPolicy>(&house.admin());
    let bot: Thing = "bot/front-desk".parse().unwrap();
    let ask = async |role, act| {
        house.rulebook.explain(&leave, &Who::Role(role), act, &bot, Stated::default()).await.unwrap()
    };
    let yes = ask(Role::BotDeveloper, Act::UpdateBot).await;
    assert_eq!((yes.allowed, yes.rule.as_str()), (true, "bot_developer.bots"));
    let no = ask(Role::SupportManager, Act::UpdateBot).await;
    assert_eq!((no.allowed, no.rule.as_str()), (false, "separation.support_bots"));
    assert!(no.reason.unwrap().contains("changes no bots") && no.remedy.unwrap().contains("bot developer"));
    assert_eq!(no.roles, [Role::BotDeveloper, Role::NlpEngineer]);
    let nobody = Who::User(house.world.id());
    let none = house.rulebook.explain(&leave, &nobody, Act::UpdateBot, &bot, Stated::default()).await;
    assert!(matches!(none, Err(RulebookError::Nothing)), "{none:?}");
}
