//! API keys: what they open, for how long, and what takes it from them.

use guard::action::{
    DisableUser, GrantRole, InviteUser, ListConversations, MakeApiKey, ReadApiKeys, ReadAudit, ResetFactors,
    RevokeApiKey, RevokeRole,
};
use guard::{Act, Action, Actor, Circumstances, Grant, Permit, Resource, Role, Scope, Staff};
use identity::Refused;
use identity::api_keys::{KeyRefused, KeyWish};
use kernel::{BotName, Secret, Title, UserId};
use store::Via;

use crate::house::{House, Person, from, guard, name, refusal};

fn wish(owner: UserId, acts: &[Act]) -> KeyWish {
    let name = Title::new("night report").unwrap();
    KeyWish { owner, name, acts: acts.to_vec(), scope: Scope::Tenant, days: 90, sources: Vec::new() }
}

impl House {
    async fn leave<A: Action>(&self, person: &Person, of: UserId) -> Permit<A> {
        // Signed in a moment ago: making a key needs a fresh proof.
        let signed = self.sign_in(person).await;
        let staff = self.signed(&signed).await.actor;
        let staff = Staff { authenticated_at: self.world.now(), ..staff };
        self.permit(&staff.into(), &self.account(of))
    }

    pub(crate) async fn key_of(&self, person: &Person, acts: &[Act]) -> Secret<String> {
        let permit = self.leave::<MakeApiKey>(person, person.user).await;
        self.identity.make_key(permit, wish(person.user, acts), &Via::default()).await.unwrap().1
    }

    pub(crate) async fn opens(&self, key: &Secret<String>) -> Result<Actor, KeyRefused> {
        let outcome = self.identity.program(key.expose(), &from("192.0.2.1")).await.unwrap();
        outcome.map(Actor::from)
    }

    fn may<A: Action>(&self, actor: &Actor) -> bool {
        guard().permit::<A>(actor, &self.whole(), &Circumstances::at(self.world.now())).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_it_was_made_for_and_only_what_its_owner_could_do_now() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    // Made for more than its owner may do: it gets no more by it.
    let key = house.key_of(&ada, &[Act::ListConversations, Act::ReadAudit]).await;
    let actor = house.opens(&key).await.unwrap();
    assert!(house.may::<ListConversations>(&actor));
    assert!(!house.may::<ReadAudit>(&actor));
    let narrow = house.key_of(&ada, &[Act::ReadBots]).await;
    assert!(!house.may::<ListConversations>(&house.opens(&narrow).await.unwrap()));

    // The role is lost: the key loses it with the next request.
    let revoke = house.operator_may::<RevokeRole>(&house.account(ada.user));
    let manager = Grant::everywhere(Role::SupportManager);
    house.identity.revoke(revoke, manager.clone(), &Via::default()).await.unwrap();
    assert!(!house.may::<ListConversations>(&house.opens(&key).await.unwrap()));
    let grant = house.operator_may::<GrantRole>(&house.account(ada.user));
    house.identity.grant(grant, manager, None, &Via::default()).await.unwrap();
    assert!(house.may::<ListConversations>(&house.opens(&key).await.unwrap()));

    let disable = house.operator_may::<DisableUser>(&house.account(ada.user));
    house.identity.disable(disable, &Via::default()).await.unwrap();
    assert_eq!(house.opens(&key).await, Err(KeyRefused::Owner));
    // Shown again within the minute, it is not recorded again.
    assert_eq!(house.opens(&key).await, Err(KeyRefused::Owner));
    let refused = house.events("AUTH-1042W").await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["reason"], "owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_one_bot_sees_that_bot() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let permit = house.leave::<MakeApiKey>(&ada, ada.user).await;
    let bot = |text| BotName::new(text).unwrap();
    let only = KeyWish { scope: Scope::Bot(bot("front-desk")), ..wish(ada.user, &[Act::ListConversations]) };
    let (_, key) = house.identity.make_key(permit, only, &Via::default()).await.unwrap();
    let actor = house.opens(&key).await.unwrap();
    let on = |name| Resource::Bot { tenant: house.tenant, bot: bot(name) };
    let now = Circumstances::at(house.world.now());
    assert!(guard().permit::<ListConversations>(&actor, &on("front-desk"), &now).is_ok());
    assert!(guard().permit::<ListConversations>(&actor, &on("harbor-bank"), &now).is_err());
    assert!(!house.may::<ListConversations>(&actor));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_after_its_days_and_two_of_a_line_live_while_it_is_changed() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let acts = [Act::ListConversations];
    for days in [0, 91] {
        let permit = house.leave::<MakeApiKey>(&ada, ada.user).await;
        let long = KeyWish { days, ..wish(ada.user, &acts) };
        let outcome = house.identity.make_key(permit, long, &Via::default()).await;
        assert_eq!(refusal(outcome), Refused::Setting("number of days"), "{days}");
    }
    let first = house.key_of(&ada, &acts).await;
    let keys =
        || async { house.identity.keys(house.operator_may::<ReadApiKeys>(&house.whole())).await.unwrap() };
    let old = keys().await[0].clone();

    house.minutes(89 * 24 * 60);
    let rotate = || async {
        let permit = house.leave::<MakeApiKey>(&ada, ada.user).await;
        house.identity.rotate_key(permit, old.id, 90, &Via::default()).await
    };
    let (new, second) = rotate().await.unwrap();
    assert!(house.opens(&first).await.is_ok() && house.opens(&second).await.is_ok());
    assert!(matches!(refusal(rotate().await), Refused::Keys(_)));
    let listed = keys().await;
    assert_eq!(
        listed.iter().map(|key| (key.id, key.line)).collect::<Vec<_>>(),
        [(new, old.id), (old.id, old.id)]
    );
    assert!(listed[0].used.is_some());

    house.minutes(24 * 60);
    assert_eq!(house.opens(&first).await, Err(KeyRefused::Expired));
    assert!(house.opens(&second).await.is_ok());
    let permit = house.leave::<RevokeApiKey>(&ada, ada.user).await;
    house.identity.revoke_key(permit, new, &Via::default()).await.unwrap();
    assert_eq!(house.opens(&second).await, Err(KeyRefused::Revoked));
    let made = house.events("AUTH-1040I").await;
    assert_eq!(made.len(), 2);
    assert_eq!(made[1]["replaces"], old.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_addresses_is_good_from_these_alone() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let permit = house.leave::<MakeApiKey>(&ada, ada.user).await;
    let sources = vec!["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let wish = KeyWish { sources, ..wish(ada.user, &[Act::ReadBots]) };
    let (_, key) = house.identity.make_key(permit, wish, &Via::default()).await.unwrap();
    let shown = |via: Via| {
        let key = key.expose().clone();
        let identity = house.identity.clone();
        async move { identity.program(&key, &via).await.unwrap().map(drop) }
    };
    assert_eq!(shown(from("198.51.100.7")).await, Ok(()));
    assert_eq!(shown(from("::ffff:198.51.100.7")).await, Ok(()));
    assert_eq!(shown(from("192.0.2.1")).await, Err(KeyRefused::Source));
    assert_eq!(shown(Via::default()).await, Err(KeyRefused::Source));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_key_is_nowhere_and_a_made_up_one_never_reaches_the_database() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let key = house.key_of(&ada, &[Act::ReadBots]).await;
    for made_up in
        ["", "wrk1_", "Bearer", &key.expose().replace("wrk1", "wrk2"), &format!("{}0", key.expose())]
    {
        let outcome = house.identity.program(made_up, &from("192.0.2.1")).await.unwrap();
        assert_eq!(outcome.map(drop), Err(KeyRefused::Unknown));
    }
    let secret = key.expose().split('_').nth(2).unwrap().to_owned();
    for entry in std::fs::read_dir(house.folder()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        assert!(!bytes.windows(12).any(|window| window == b"night report"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_or_ends_a_key_of_somebody_else() {
    let house = House::new().await;
    let owner = house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let signed = house.sign_in(&owner).await;
    let staff: Actor = house.signed(&signed).await.actor.into();
    let now = Circumstances::at(house.world.now());
    // An owner rules over accounts, and could otherwise read transcripts by a key of somebody else's.
    assert!(guard().permit::<MakeApiKey>(&staff, &house.account(ada.user), &now).is_err());
    let permit = house.leave::<MakeApiKey>(&owner, owner.user).await;
    let outcome = house.identity.make_key(permit, wish(ada.user, &[Act::ReadBots]), &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::NoAccount);

    house.key_of(&ada, &[Act::ReadBots]).await;
    let bob = house.staff(Role::SupportAgent, "bob@example.org").await;
    let id = house.identity.keys(house.operator_may::<ReadApiKeys>(&house.whole())).await.unwrap()[0].id;
    let permit = house.leave::<RevokeApiKey>(&bob, bob.user).await;
    assert_eq!(refusal(house.identity.revoke_key(permit, id, &Via::default()).await), Refused::NoKey);
    let permit = house.leave::<ReadApiKeys>(&bob, bob.user).await;
    assert!(house.identity.keys(permit).await.unwrap().is_empty());
    // An owner may end it.
    let permit = house.leave::<RevokeApiKey>(&owner, ada.user).await;
    house.identity.revoke_key(permit, id, &Via::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_is_no_way_around_the_separation_of_duties() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::BotDeveloper, "ada@example.org").await;
    let make = house.operator_may::<InviteUser>(&house.whole());
    let service =
        house.identity.make_service(make, name("release robot"), ada.user, &Via::default()).await.unwrap();
    let grant = |role| {
        let permit = house.operator_may::<GrantRole>(&house.account(service));
        let identity = house.identity.clone();
        async move { identity.grant(permit, Grant::everywhere(role), None, &Via::default()).await }
    };
    // A developer may not read transcripts, nor by a robot's hand.
    assert!(matches!(refusal(grant(Role::SupportManager).await), Refused::Separation(_)));
    grant(Role::BotDeveloper).await.unwrap();
    let permit = house.leave::<MakeApiKey>(&ada, ada.user).await;
    let (_, key) =
        house.identity.make_key(permit, wish(service, &[Act::ReadBots]), &Via::default()).await.unwrap();
    assert!(house.opens(&key).await.is_ok());
    let reset = house.operator_may::<ResetFactors>(&house.account(service));
    assert_eq!(refusal(house.identity.reset_factors(reset, &Via::default()).await), Refused::Service);

    // Nor does an owner raise themselves by a robot of theirs.
    let owner = house.staff(Role::Owner, "second@example.org").await;
    let make = house.operator_may::<InviteUser>(&house.whole());
    let own =
        house.identity.make_service(make, name("own robot"), owner.user, &Via::default()).await.unwrap();
    let permit = house.leave::<GrantRole>(&owner, own).await;
    let raised =
        house.identity.grant(permit, Grant::everywhere(Role::SupportManager), None, &Via::default()).await;
    assert_eq!(refusal(raised), Refused::OwnRequest);

    // Who answers for it comes to hold what may not go with the robot's role.
    let account = house.account(ada.user);
    let via = Via::default();
    let revoke = house.operator_may::<RevokeRole>(&account);
    house.identity.revoke(revoke, Grant::everywhere(Role::BotDeveloper), &via).await.unwrap();
    assert!(house.opens(&key).await.is_ok());
    let agent = house.operator_may::<GrantRole>(&account);
    house.identity.grant(agent, Grant::everywhere(Role::SupportAgent), None, &via).await.unwrap();
    assert_eq!(house.opens(&key).await, Err(KeyRefused::Answers));
}
