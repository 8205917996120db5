//! Signing in through a provider, and what follows when the provider, or the house, changes its mind.

use std::sync::Arc;
use std::time::Duration;

use guard::action::{
    DisableUser, GrantRole, ManageConnections, ManageOwnAccount, ReadConnections, ReadOverview,
};
use guard::{Actor, Grant, Role};
use identity::connections::{Domain, Draft, DraftProvider, Finished, GroupRole, Settings, Unsaid, Wish};
use identity::notices::{NoticeHand, NoticeKind};
use identity::{IdentityError, Refused, SignedIn, Why};
use kernel::{ConnectionId, Secret};
use serde_json::{Value, json};
use store::{Device, Via};

use crate::house::{House, PASSWORD, from, refusal};
use crate::provider::{ACCESS_TOKEN, CLIENT_SECRET, Idp, Net};

const ISSUER: &str = "https://idp.corp.example";

/// A house with an owner of its own and one connection to a provider that vouches for `corp.example`.
pub(crate) struct Fed {
    pub(crate) house: House,
    net: Net,
    idp: Arc<Idp>,
    pub(crate) connection: ConnectionId,
}

fn alice() -> Value {
    json!({
        "sub": "u-1", "email": "alice@corp.example", "name": "Alice Liddell", "amr": ["pwd", "mfa"], "sid": "s-1",
        "groups": ["support"],
    })
}

fn with(mut person: Value, name: &str, value: Value) -> Value {
    person[name] = value;
    person
}

impl Fed {
    pub(crate) async fn new() -> Self {
        Self::with_net(true).await
    }

    async fn with_net(names_itself: bool) -> Self {
        let (house, net) = (House::new().await, Net::default());
        net.open(&house, &["corp.example"]);
        house.staff(Role::Owner, "owner@example.org").await;
        let idp = net.idp(&house, ISSUER, names_itself);
        let connection = make(&house, ISSUER).await;
        let fed = Self { house, net, idp, connection };
        fed.set(|settings| {
            settings.people.create = true;
            settings.people.groups = Some("groups".to_owned());
            settings.people.mapping = vec![
                group("support", Role::SupportManager),
                group("desk", Role::SupportAgent),
                group("makers", Role::BotDeveloper),
            ];
        })
        .await;
        let domains = [Domain::parse("corp.example").unwrap()];
        fed.house.identity.set_domains(fed.may(), connection, &domains, &Via::default()).await.unwrap();
        fed.switch(true).await;
        fed
    }

    pub(crate) fn may(&self) -> guard::Permit<ManageConnections> {
        self.house.operator_may::<ManageConnections>(&self.house.whole())
    }

    async fn settings(&self) -> Settings {
        let permit = self.house.operator_may::<ReadConnections>(&self.house.whole());
        self.house.identity.connection(&permit, self.connection).await.unwrap().settings
    }

    pub(crate) async fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings().await;
        change(&mut settings);
        let identity = &self.house.identity;
        identity
            .set_connection(self.may(), self.connection, "Corp", settings, &Via::default())
            .await
            .unwrap();
    }

    async fn switch(&self, on: bool) {
        let identity = &self.house.identity;
        identity.switch_connection(self.may(), self.connection, on, &Via::default()).await.unwrap();
    }

    pub(crate) async fn go(&self, wish: Wish, person: Value) -> Result<Finished, IdentityError> {
        let there = self.house.identity.depart(self.connection, wish, None).await?;
        let answer = self.idp.authorize(there.to.expose(), person);
        self.house.identity.oidc_answer(&there.ceremony, &answer, None, &from("192.0.2.7")).await
    }

    async fn try_sign_in(&self, person: Value) -> Result<SignedIn, IdentityError> {
        match self.go(Wish::sign_in("/".to_owned()), person).await? {
            Finished::SignedIn { signed_in, .. } => Ok(signed_in),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn sign_in(&self, person: Value) -> SignedIn {
        self.try_sign_in(person).await.unwrap()
    }

    /// The sign-in is refused, and for this reason.
    pub(crate) async fn refused(&self, person: Value, reason: &str) {
        let before = self.house.events("AUTH-1013W").await.len();
        assert_eq!(refusal(self.try_sign_in(person).await), Refused::Provider);
        let events = self.house.events("AUTH-1013W").await;
        assert_eq!(events.len(), before + 1);
        assert_eq!(events.last().unwrap()["reason"], reason);
    }

    async fn why(&self, signed_in: &SignedIn) -> Option<Why> {
        self.house.identity.session(&signed_in.secret).await.unwrap().err()
    }

    async fn roles(&self, signed_in: &SignedIn) -> Vec<Role> {
        self.house.signed(signed_in).await.actor.grants.iter().map(|grant| grant.role).collect()
    }
}

fn group(name: &str, role: Role) -> GroupRole {
    GroupRole { group: name.to_owned(), grant: Grant::everywhere(role) }
}

pub(crate) async fn make(house: &House, issuer: &str) -> ConnectionId {
    let permit = house.operator_may::<ManageConnections>(&house.whole());
    let provider = DraftProvider::Oidc {
        issuer: issuer.to_owned(),
        client: "wardroom".to_owned(),
        secret: Secret::new(CLIENT_SECRET.to_owned()),
    };
    let draft = Draft { name: "Corp".to_owned(), provider };
    house.identity.make_connection(permit, draft, &Via::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_makes_an_account_with_the_roles_of_its_groups() {
    let fed = Fed::new().await;
    let signed_in = fed.sign_in(alice()).await;
    let signed = fed.house.signed(&signed_in).await;
    let who = fed.house.identity.who(&signed).await.unwrap();
    assert_eq!((who.name.as_str(), who.email.as_str()), ("Alice Liddell", "alice@corp.example"));
    assert_eq!(fed.roles(&signed_in).await, [Role::SupportManager]);
    assert_eq!(signed.session.assurance, 2);
    assert_eq!(fed.house.events("AUTH-1014I").await[0]["how"], "created");
    assert_eq!(fed.house.events("AUTH-1001I").await.last().unwrap()["method"], "oidc");
    // The same person again, by another address: it is the provider's id that counts.
    let again = fed.sign_in(with(alice(), "email", json!("a.liddell@corp.example"))).await;
    assert_eq!(again.user, signed_in.user);
    assert_eq!(fed.house.events("AUTH-1014I").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_gone_takes_its_role_along_and_leaves_what_was_granted_by_hand() {
    let fed = Fed::new().await;
    let both = with(alice(), "groups", json!(["support", "desk"]));
    let first = fed.sign_in(both).await;
    assert_eq!(fed.roles(&first).await, [Role::SupportAgent, Role::SupportManager]);
    let permit = fed.house.operator_may::<GrantRole>(&fed.house.account(first.user));
    let by_hand = Grant::everywhere(Role::SupportAgent);
    fed.house.identity.grant(permit, by_hand, None, &Via::default()).await.unwrap();
    let second = fed.sign_in(with(alice(), "groups", json!([]))).await;
    // The role that was also granted by hand is still held; what came of the group alone is gone.
    assert_eq!(fed.roles(&second).await, [Role::SupportAgent]);
    assert_eq!(fed.why(&first).await, Some(Why::Ended));
    let third = fed.sign_in(alice()).await;
    assert_eq!(fed.roles(&third).await, [Role::SupportAgent, Role::SupportManager]);
    assert_eq!(fed.why(&second).await, Some(Why::Ended), "a session never changes its powers");
    let fourth = fed.sign_in(alice()).await;
    assert_eq!(fed.why(&third).await, None, "nothing changed, so nothing ended");
    assert_eq!(fed.why(&fourth).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_and_changed_groups_are_told_to_whoever_signs_in_through_a_provider() {
    let fed = Fed::new().await;
    let first = fed.sign_in(alice()).await;
    let told = async |signed_in: &SignedIn| {
        let signed = fed.house.signed(signed_in).await;
        let actor = Actor::Staff(signed.actor);
        let leave = fed.house.permit::<ManageOwnAccount>(&actor, &fed.house.account(signed_in.user));
        let mut told = fed.house.identity.unseen_notices(&leave).await.unwrap().told;
        told.sort_by_key(|told| (told.at, told.kind.as_str()));
        told.into_iter().map(|told| (told.kind, told.hand)).collect::<Vec<_>>()
    };
    assert_eq!(told(&first).await, [], "with a new account every device is new, and every role");
    let on = async |person: Value, token: Option<&SignedIn>| {
        let there =
            fed.house.identity.depart(fed.connection, Wish::sign_in("/".to_owned()), None).await.unwrap();
        let answer = fed.idp.authorize(there.to.expose(), person);
        let token = token.map(|before| Arc::new(Secret::new(before.device.expose().to_owned())));
        let via = Via { device: Some(Device { kind: None, token }), ..from("192.0.2.7") };
        match fed.house.identity.oidc_answer(&there.ceremony, &answer, None, &via).await.unwrap() {
            Finished::SignedIn { signed_in, .. } => signed_in,
            other => panic!("{other:?}"),
        }
    };
    let known = on(alice(), Some(&first)).await;
    assert_eq!(told(&known).await, []);
    fed.house.advance(1);
    let unknown = on(alice(), None).await;
    assert_eq!(told(&unknown).await, [(NoticeKind::NewDevice, NoticeHand::Oneself)]);
    fed.house.advance(1);
    let other = on(with(alice(), "groups", json!(["desk"])), Some(&first)).await;
    assert_eq!(
        told(&other).await,
        [(NoticeKind::NewDevice, NoticeHand::Oneself), (NoticeKind::RolesChanged, NoticeHand::Provisioning)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_left_is_no_sign_in_and_the_old_session_is_void() {
    let fed = Fed::new().await;
    let first = fed.sign_in(alice()).await;
    fed.refused(with(alice(), "groups", json!([])), "sso.no-role").await;
    assert_eq!(fed.why(&first).await, Some(Why::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_unsaid_cut_off_or_unreadable_are_not_taken_for_none() {
    let fed = Fed::new().await;
    let first = fed.sign_in(alice()).await;
    fed.refused(with(alice(), "groups", json!(null)), "sso.groups-unsaid").await;
    let overage = with(with(alice(), "groups", json!(null)), "_claim_names", json!({"groups": "src1"}));
    fed.refused(overage, "sso.groups-too-many").await;
    fed.refused(with(alice(), "groups", json!(vec!["x"; 501])), "sso.groups-too-many").await;
    fed.refused(with(alice(), "groups", json!([{"id": 7}])), "sso.groups-unreadable").await;
    assert_eq!(fed.why(&first).await, None, "nothing was changed by any of them");
    // What follows from silence is the connection's choice.
    fed.set(|settings| {
        settings.people.unsaid = Unsaid::NoGroup;
        settings.people.default = Some(Grant::everywhere(Role::SupportAgent));
        settings.people.mapping.retain(|row| row.grant.role != Role::BotDeveloper);
    })
    .await;
    let second = fed.sign_in(with(alice(), "groups", json!(null))).await;
    assert_eq!(fed.roles(&second).await, [Role::SupportAgent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_one_person_may_not_hold_together_are_not_brought_together() {
    let fed = Fed::new().await;
    fed.refused(with(alice(), "groups", json!(["support", "makers"])), "sso.roles-conflict").await;
    let bob = json!({"sub": "u-2", "email": "bob@corp.example", "groups": ["makers"], "amr": ["mfa"]});
    let signed_in = fed.sign_in(bob.clone()).await;
    assert_eq!(fed.roles(&signed_in).await, [Role::BotDeveloper]);
    fed.refused(with(bob, "groups", json!(["makers", "support"])), "sso.roles-conflict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_links_an_account_only_from_the_connection_that_vouches_for_its_domain() {
    let fed = Fed::new().await;
    let house = &fed.house;
    let carol = house.staff(Role::SupportAgent, "carol@corp.example").await;
    let dave = house.staff(Role::SupportAgent, "dave@elsewhere.example").await;
    let person =
        |sub: &str, email: &str| json!({"sub": sub, "email": email, "groups": ["desk"], "amr": ["mfa"]});
    let signed_in = fed.sign_in(person("c", "carol@corp.example")).await;
    assert_eq!(signed_in.user, carol.user);
    assert_eq!(house.events("AUTH-1014I").await[0]["how"], "address");
    fed.refused(person("d", &dave.email), "sso.address-foreign").await;
    let unverified = with(person("e", "erin@corp.example"), "email_verified", json!(false));
    fed.refused(unverified, "sso.address-unverified").await;
    fed.refused(with(person("f", ""), "email", json!(null)), "sso.no-address").await;
    // A second provider says the same address. The domain is not its own.
    let evil = fed.net.idp(house, "https://evil.example", true);
    let connection = make(house, "https://evil.example").await;
    house.identity.switch_connection(fed.may(), connection, true, &Via::default()).await.unwrap();
    let mut domains = vec![Domain::parse("corp.example").unwrap()];
    let taken = house.identity.set_domains(fed.may(), connection, &domains, &Via::default()).await;
    assert_eq!(refusal(taken), Refused::DomainTaken);
    // Its own domain does not count before it is proved.
    domains = vec![Domain::parse("evil.example").unwrap()];
    house.identity.set_domains(fed.may(), connection, &domains, &Via::default()).await.unwrap();
    for email in ["carol@corp.example", "x@evil.example"] {
        let there = house.identity.depart(connection, Wish::sign_in("/".into()), None).await.unwrap();
        let answer = evil.authorize(there.to.expose(), person("c", email));
        let outcome = house.identity.oidc_answer(&there.ceremony, &answer, None, &Via::default()).await;
        assert_eq!(refusal(outcome), Refused::Provider);
        assert_eq!(house.events("AUTH-1013W").await.last().unwrap()["reason"], "sso.address-foreign");
    }
    assert_eq!(house.identity.offer_for("x@evil.example").await.unwrap(), None);
    let offer = house.identity.offer_for("new@CORP.example").await.unwrap().unwrap();
    assert_eq!(offer.connection, fed.connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_made_only_where_the_connection_makes_them() {
    let fed = Fed::new().await;
    fed.set(|settings| settings.people.create = false).await;
    fed.refused(alice(), "sso.no-account").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_in_the_browser_that_asked_and_for_the_provider_that_was_asked() {
    let fed = Fed::with_net(false).await;
    let identity = &fed.house.identity;
    let wish = || Wish::sign_in("/".to_owned());
    let (mine, other) = (
        identity.depart(fed.connection, wish(), None).await.unwrap(),
        identity.depart(fed.connection, wish(), None).await.unwrap(),
    );
    let answer = fed.idp.authorize(mine.to.expose(), alice());
    // Slipped into another browser's sign-in: its state is another.
    let swapped = identity.oidc_answer(&other.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(swapped), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "oidc.state");
    let again = identity.oidc_answer(&other.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(again), Refused::CeremonyOver);
    // Brought to the address of another connection.
    let there: ConnectionId = fed.house.world.id();
    let mixed = identity.oidc_answer(&mine.ceremony, &answer, Some(there), &Via::default()).await;
    assert_eq!(refusal(mixed), Refused::Provider);
    let third = identity.depart(fed.connection, wish(), None).await.unwrap();
    let answer = fed.idp.authorize(third.to.expose(), alice());
    fed.house.minutes(11);
    let late = identity.oidc_answer(&third.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(late), Refused::CeremonyOver);
    // The code of one browser in the answer of another: PKCE and nonce are the other's.
    let (mine, other) = (
        identity.depart(fed.connection, wish(), None).await.unwrap(),
        identity.depart(fed.connection, wish(), None).await.unwrap(),
    );
    let theirs = fed.idp.authorize(other.to.expose(), alice());
    let code = theirs.split('&').next().unwrap();
    let own = fed.idp.authorize(mine.to.expose(), alice());
    let state = own.split('&').nth(1).unwrap();
    let injected =
        identity.oidc_answer(&mine.ceremony, &format!("{code}&{state}"), None, &Via::default()).await;
    assert_eq!(refusal(injected), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "oidc.token-error");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_factor_at_the_provider_opens_nothing_before_a_second_one_here() {
    let fed = Fed::new().await;
    let weak = with(alice(), "amr", json!(["pwd"]));
    let outcome = fed.go(Wish::sign_in("/bots".to_owned()), weak.clone()).await.unwrap();
    let Finished::SignedIn { signed_in, next, factor_missing } = outcome else { panic!() };
    assert_eq!((next.as_str(), factor_missing), ("/bots", true));
    let signed = fed.house.signed(&signed_in).await;
    assert_eq!(signed.session.assurance, 1);
    let actor = Actor::Staff(signed.actor.clone());
    let now = guard::Circumstances::at(fed.house.world.now());
    let denied = crate::house::guard().permit::<ReadOverview>(&actor, &fed.house.whole(), &now);
    assert_eq!(denied.unwrap_err().rule(), "guard.second_factor");
    // Through the provider, with two factors, and not by somebody else, and not with one.
    let step_up = || Wish::step_up(&signed, "/bots".to_owned());
    let bob = json!({"sub": "u-2", "email": "bob@corp.example", "groups": ["desk"], "amr": ["mfa"]});
    assert_eq!(refusal(fed.go(step_up(), bob).await), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "sso.other-person");
    assert_eq!(refusal(fed.go(step_up(), weak).await), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "sso.one-factor");
    let old = fed.house.world.now().as_millis() / 1000 - 121;
    assert_eq!(refusal(fed.go(step_up(), with(alice(), "auth_time", json!(old))).await), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "oidc.auth-time");
    let Finished::SteppedUp { secret, .. } = fed.go(step_up(), alice()).await.unwrap() else { panic!() };
    assert_eq!(fed.why(&signed_in).await, Some(Why::Unknown), "the old secret is void");
    let now = fed.house.identity.session(&secret).await.unwrap().unwrap();
    assert_eq!((now.session.id, now.session.assurance), (signed.session.id, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_the_provider_wants_it_to() {
    let fed = Fed::new().await;
    let ends = fed.house.world.now().as_millis() / 1000 + 30 * 60;
    let signed_in = fed.sign_in(with(alice(), "session_expiry", json!(ends))).await;
    fed.house.minutes(29);
    assert_eq!(fed.why(&signed_in).await, None);
    fed.house.minutes(2);
    assert_eq!(fed.why(&signed_in).await, Some(Why::Expired));
    let stale = fed.house.world.now().as_millis() / 1000 - 13 * 60 * 60;
    fed.refused(with(alice(), "auth_time", json!(stale)), "oidc.auth-time").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_word_ends_the_session_that_it_names_and_is_believed_once() {
    let fed = Fed::new().await;
    let (first, second) = (fed.sign_in(alice()).await, fed.sign_in(with(alice(), "sid", json!("s-2"))).await);
    let identity = &fed.house.identity;
    let token = fed.idp.logout_token(json!({"sid": "s-1", "sub": "u-1"}));
    assert_eq!(identity.back_channel(&token, &Via::default()).await.unwrap(), 1);
    assert_eq!((fed.why(&first).await, fed.why(&second).await), (Some(Why::Ended), None));
    assert_eq!(fed.house.events("AUTH-1003I").await.last().unwrap()["why"], "provider");
    assert_eq!(refusal(identity.back_channel(&token, &Via::default()).await), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "sso.replayed");
    // Another provider says it: the sessions are not its own.
    let evil = fed.net.idp(&fed.house, "https://evil.example", true);
    let forged = evil.logout_token(json!({"sub": "u-1", "iss": ISSUER}));
    assert_eq!(refusal(identity.back_channel(&forged, &Via::default()).await), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "oidc.signature");
    let nonce = fed.idp.logout_token(json!({"sub": "u-1", "nonce": "n"}));
    assert_eq!(refusal(identity.back_channel(&nonce, &Via::default()).await), Refused::Provider);
    assert_eq!(fed.why(&second).await, None);
    // Without a session's id, all of the person's end.
    let all = fed.idp.logout_token(json!({"sub": "u-1"}));
    assert_eq!(identity.back_channel(&all, &Via::default()).await.unwrap(), 1);
    assert_eq!(fed.why(&second).await, Some(Why::Ended));
    assert_eq!(refusal(identity.back_channel("x", &Via::default()).await), Refused::Provider);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_again_when_one_is_unknown_and_not_more_often_than_every_five_minutes() {
    let fed = Fed::new().await;
    fed.sign_in(alice()).await;
    let asked = fed.idp.times_asked("/keys");
    fed.house.minutes(6);
    fed.idp.new_key("k2");
    fed.sign_in(alice()).await;
    assert_eq!(fed.idp.times_asked("/keys"), asked + 1);
    fed.idp.new_key("k3");
    for _ in 0..3 {
        fed.refused(alice(), "oidc.unknown-key").await;
    }
    assert_eq!(fed.idp.times_asked("/keys"), asked + 1);
    fed.house.minutes(5);
    fed.sign_in(alice()).await;
    assert_eq!(fed.idp.times_asked("/keys"), asked + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_switched_off_ends_its_sessions_and_lets_nobody_in() {
    let fed = Fed::new().await;
    let signed_in = fed.sign_in(alice()).await;
    assert_eq!(fed.house.identity.offers().await.unwrap().len(), 1);
    let there = fed.house.identity.depart(fed.connection, Wish::sign_in("/".into()), None).await.unwrap();
    let answer = fed.idp.authorize(there.to.expose(), alice());
    fed.switch(false).await;
    assert_eq!(fed.why(&signed_in).await, Some(Why::Ended));
    assert!(fed.house.identity.offers().await.unwrap().is_empty());
    // Somebody who was on the way comes too late.
    let outcome = fed.house.identity.oidc_answer(&there.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::Provider);
    assert_eq!(refusal(fed.try_sign_in(alice()).await), Refused::NoConnection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_is_not_let_in_by_its_provider() {
    let fed = Fed::new().await;
    let signed_in = fed.sign_in(alice()).await;
    let permit = fed.house.operator_may::<DisableUser>(&fed.house.account(signed_in.user));
    fed.house.identity.disable(permit, &Via::default()).await.unwrap();
    fed.refused(alice(), "sso.disabled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_providers_let_in_a_break_glass_account_still_gets_in_and_is_noticed() {
    let fed = Fed::new().await;
    let house = &fed.house;
    let (mut key, glass) = house.with_passkey(Role::Owner, "glass@example.org").await;
    let local = house.staff(Role::SupportAgent, "local@example.org").await;
    let identity = &house.identity;
    let via = Via::default();
    let only = |on| identity.set_only_connections(fed.may(), on, &via);
    assert_eq!(
        refusal(identity.set_only_connections(fed.may(), true, &Via::default()).await),
        Refused::NobodyLeft
    );
    let without = identity.name_break_glass(fed.may(), local.user, true, &Via::default()).await;
    assert_eq!(refusal(without), Refused::GlassKey);
    identity.name_break_glass(fed.may(), glass.user, true, &Via::default()).await.unwrap();
    let half_way = house.password(&local.email, PASSWORD).await.unwrap();
    only(true).await.unwrap();
    // The same words as for a wrong password, also for somebody who was half-way.
    assert_eq!(refusal(house.password(&local.email, PASSWORD).await), Refused::SignIn);
    assert_eq!(house.events("AUTH-1002W").await.last().unwrap()["reason"], "elsewhere");
    let code = house.code(&local.letters);
    assert_eq!(refusal(identity.totp_step(&half_way, &code, &Via::default()).await), Refused::SignIn);
    // Nor does a break-glass account open, before it is armed and after its time.
    let arm = |hours| identity.arm_break_glass(fed.may(), glass.user, hours, &via);
    assert_eq!(refusal(house.passkey(&key).await), Refused::SignIn);
    for wrong in [0, 25] {
        assert_eq!(refusal(arm(Some(wrong)).await), Refused::Setting("hours"));
    }
    let other = identity.arm_break_glass(fed.may(), local.user, Some(1), &via).await;
    assert_eq!(refusal(other), Refused::NoGlass);
    assert!(arm(Some(2)).await.unwrap().is_some());
    key.counter += 1;
    house.passkey(&key).await.unwrap();
    house.minutes(120);
    key.counter += 1;
    assert_eq!(refusal(house.passkey(&key).await), Refused::SignIn);
    arm(Some(1)).await.unwrap();
    arm(None).await.unwrap();
    key.counter += 1;
    assert_eq!(refusal(house.passkey(&key).await), Refused::SignIn);
    assert_eq!(house.events("AUTH-1017W").await.len(), 1);
    assert_eq!(house.events("AUTH-1062W").await.len(), 3);
    fed.sign_in(alice()).await;
    assert_eq!(house.events("AUTH-1017W").await.len(), 1);
    let last = identity.name_break_glass(fed.may(), glass.user, false, &Via::default()).await;
    assert_eq!(refusal(last), Refused::NobodyLeft);
    only(false).await.unwrap();
    house.sign_in(&local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_set_the_groups_up_gains_nothing_by_it() {
    let fed = Fed::new().await;
    let local = fed.house.staff(Role::SecurityAdmin, "admin@corp.example").await;
    let admin = json!({"sub": "a", "email": "admin@corp.example", "groups": [], "acr": "phr"});
    let signed_in = fed.sign_in(admin.clone()).await;
    assert_eq!(signed_in.user, local.user);
    let signed = fed.house.signed(&signed_in).await;
    let own: guard::Permit<ManageConnections> =
        fed.house.permit(&Actor::Staff(signed.actor.clone()), &fed.house.whole());
    let settings = fed.settings().await;
    let identity = &fed.house.identity;
    identity.set_connection(own, fed.connection, "Corp", settings, &Via::default()).await.unwrap();
    let again = fed.sign_in(with(admin.clone(), "groups", json!(["makers"]))).await;
    assert_eq!(fed.roles(&again).await, [Role::SecurityAdmin]);
    // Once somebody else has answered for it, it applies.
    fed.set(|_| {}).await;
    let again = fed.sign_in(with(admin, "groups", json!(["makers"]))).await;
    assert_eq!(fed.roles(&again).await, [Role::BotDeveloper, Role::SecurityAdmin]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_shows_everything_and_changes_nothing() {
    let fed = Fed::new().await;
    let (_, signed_in) = fed.house.with_passkey(Role::Owner, "second@example.org").await;
    let signed = fed.house.signed(&signed_in).await;
    let actor = Actor::Staff(signed.actor.clone());
    let may: guard::Permit<ManageConnections> = fed.house.permit(&actor, &fed.house.whole());
    let read: guard::Permit<ReadConnections> = fed.house.permit(&actor, &fed.house.whole());
    let wish = Wish::trial(&may).unwrap();
    let Finished::Tried { ceremony, .. } = fed.go(wish.clone(), alice()).await.unwrap() else { panic!() };
    let trial = fed.house.identity.trial(&read, &ceremony).await.unwrap();
    assert!(trial.passed.len() > 8 && trial.failed.is_none(), "{trial:?}");
    assert!(trial.shown.iter().any(|(_, text)| text.contains("alice@corp.example")));
    let preview = trial.preview.unwrap();
    assert_eq!((preview.account, preview.level, preview.objection), (None, 2, None));
    assert_eq!(preview.roles, [Grant::everywhere(Role::SupportManager)]);
    assert!(fed.house.events("AUTH-1014I").await.is_empty(), "no account was made");
    // A provider that forges is shown with the check that failed.
    let forged = with(alice(), "aud", json!("someone-else"));
    let Finished::Tried { ceremony, .. } = fed.go(wish, forged).await.unwrap() else { panic!() };
    let trial = fed.house.identity.trial(&read, &ceremony).await.unwrap();
    assert_eq!(trial.failed.unwrap().0, "oidc.aud");
    assert_eq!(trial.passed.last().unwrap(), "it is by the issuer of this connection");
    // Nobody else looks at it.
    let other: guard::Permit<ReadConnections> = fed.house.operator_may(&fed.house.whole());
    assert_eq!(refusal(fed.house.identity.trial(&other, &ceremony).await), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_open_for_a_session_hears_of_its_end_by_itself() {
    let fed = Fed::new().await;
    let signed_in = fed.sign_in(alice()).await;
    let signed = fed.house.signed(&signed_in).await;
    let identity = fed.house.identity.clone();
    let waiting = tokio::spawn(async move { identity.ended(&signed).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    let permit = fed.house.operator_may::<DisableUser>(&fed.house.account(signed_in.user));
    fed.house.identity.disable(permit, &Via::default()).await.unwrap();
    // How soon is measured where streams are (`wardroom`, the suites of SCIM and OpenID Connect).
    let why = tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
    assert_eq!(why, Why::Ended);
}

/// The access token is for asking the provider once; the ID token is kept, sealed, to sign out there.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_of_a_provider_is_given_to_the_browser_or_lies_open_in_the_database() {
    let fed = Fed::new().await;
    let wish = Wish::sign_in("/".to_owned());
    let there = fed.house.identity.depart(fed.connection, wish, None).await.unwrap();
    let answer = fed.idp.authorize(there.to.expose(), alice());
    let finished =
        fed.house.identity.oidc_answer(&there.ceremony, &answer, None, &from("192.0.2.7")).await.unwrap();
    let Finished::SignedIn { signed_in, next, .. } = finished else { panic!("signed in") };
    let given = fed.idp.given.lock().unwrap().clone();
    assert_eq!(given.len(), 1);
    let words = [ACCESS_TOKEN, CLIENT_SECRET, given[0].as_str()];
    let device = signed_in.device.expose();
    let cookie = signed_in.secret.set_cookie(Duration::from_secs(60)).unwrap();
    let told = format!("{} {next} {device} {}", there.to.expose(), cookie.to_str().unwrap());
    for word in words {
        assert!(!told.contains(word) && !told.contains(&word[..16]), "{word}");
    }
    let mut bytes = 0;
    for file in std::fs::read_dir(fed.house.folder()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        bytes += content.len();
        for word in words {
            assert!(!content.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
        }
    }
    assert!(bytes > 50_000, "the files were read");
}
