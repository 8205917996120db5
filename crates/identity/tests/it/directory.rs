//! A directory provisions people and groups, and takes people out.

use std::time::Duration;

use federation::scim::{Kind, ListAsked, Patch, Resource};
use guard::action::{
    DisableUser, GrantRole, ManageConnections, ProvisionDirectory, ReadConnections, ReadDirectory, ReadUsers,
};
use guard::{Actor, Grant, Role};
use identity::connections::{Domain, GroupRole};
use identity::directory::{DirectoryError, Provisioned};
use identity::notices::{NoticeHand, NoticeKind};
use identity::{IdentityError, Refused, UserState, UserView, Why};
use kernel::{ConnectionId, DirectoryEntryId, UserId};
use serde_json::{Value, json};
use store::Via;

use crate::connections::make;
use crate::house::{House, refusal};
use crate::provider::Net;

const BASE: &str = "https://desk.example/scim/v2";

/// A house with an owner elsewhere and the directory of a connection that vouches for `corp.example`.
struct Corp {
    house: House,
    net: Net,
    connection: ConnectionId,
    actor: Actor,
}

fn person(name: &str) -> Value {
    json!({
        "userName": format!("{name}@corp.example"), "externalId": format!("x-{name}"),
        "displayName": name, "active": true,
        "emails": [{ "value": format!("{name}@corp.example"), "type": "work", "primary": true }],
    })
}

fn of(kind: Kind, body: &Value) -> Resource {
    Resource::of_body(kind, body).unwrap()
}

fn rule(name: &str, role: Role) -> GroupRole {
    GroupRole { group: name.to_owned(), grant: Grant::everywhere(role) }
}

impl Corp {
    async fn new() -> Self {
        Self::in_house(House::new().await).await
    }

    async fn in_house(house: House) -> Self {
        let net = Net::default();
        net.open(&house, &["corp.example", "other.example"]);
        house.staff(Role::Owner, "owner@example.org").await;
        let (connection, actor) =
            Self::connect(&house, &net, "https://idp.corp.example", "corp.example").await;
        Self { house, net, connection, actor }
    }

    /// Makes a connection, and lets its directory come with a token.
    async fn connect(house: &House, net: &Net, issuer: &str, domain: &str) -> (ConnectionId, Actor) {
        net.idp(house, issuer, true);
        let connection = make(house, issuer).await;
        let (identity, via) = (&house.identity, Via::default());
        let may = || house.operator_may::<ManageConnections>(&house.whole());
        identity.set_domains(may(), connection, &[Domain::parse(domain).unwrap()], &via).await.unwrap();
        let token = identity.make_directory_token(may(), connection, 90, &via).await.unwrap();
        let actor = identity.directory_at_door(token.expose()).await.unwrap().unwrap();
        (connection, actor)
    }

    fn may(&self) -> guard::Permit<ProvisionDirectory> {
        self.house.permit(&self.actor, &self.house.whole())
    }

    fn reads(&self) -> guard::Permit<ReadDirectory> {
        self.house.permit(&self.actor, &self.house.whole())
    }

    async fn map(&self, rules: Vec<GroupRole>) {
        let identity = &self.house.identity;
        let read = self.house.operator_may::<ReadConnections>(&self.house.whole());
        let mut settings = identity.connection(&read, self.connection).await.unwrap().settings;
        settings.people.mapping = rules;
        let may = self.house.operator_may::<ManageConnections>(&self.house.whole());
        identity.set_connection(may, self.connection, "Corp", settings, &Via::default()).await.unwrap();
    }

    async fn try_create(&self, kind: Kind, body: &Value) -> Result<Provisioned, DirectoryError> {
        self.house.identity.directory_create(self.may(), of(kind, body), &Via::default()).await
    }

    async fn create(&self, body: &Value) -> DirectoryEntryId {
        self.try_create(Kind::User, body).await.unwrap().id()
    }

    async fn group(&self, name: &str, members: &[DirectoryEntryId]) -> DirectoryEntryId {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id.to_string() })).collect();
        let body = json!({ "displayName": name, "externalId": format!("x-{name}"), "members": members });
        self.try_create(Kind::Group, &body).await.unwrap().id()
    }

    async fn try_patch(
        &self,
        entry: (Kind, DirectoryEntryId),
        operations: Value,
    ) -> Result<Provisioned, DirectoryError> {
        let patch = Patch::of_body(json!({ "Operations": operations }).to_string().as_bytes()).unwrap();
        self.house.identity.directory_patch(self.may(), entry, patch, None, &Via::default()).await
    }

    async fn patch(&self, entry: (Kind, DirectoryEntryId), operations: Value) -> Value {
        self.try_patch(entry, operations).await.unwrap().shown(BASE)
    }

    async fn active(&self, person: DirectoryEntryId, active: bool) {
        self.patch((Kind::User, person), json!([{ "op": "replace", "value": { "active": active } }])).await;
    }

    async fn delete(&self, kind: Kind, id: DirectoryEntryId) {
        let via = Via::default();
        self.house.identity.directory_delete(self.may(), (kind, id), None, &via).await.unwrap();
    }

    async fn list(&self, kind: Kind, query: &str) -> Value {
        let asked = ListAsked::of_query(query).unwrap();
        self.house.identity.directory_list(self.reads(), &[kind], &asked, BASE).await.unwrap()
    }

    async fn account(&self, address: &str) -> Option<UserView> {
        let permit = self.house.operator_may::<ReadUsers>(&self.house.whole());
        let all = self.house.identity.users(permit).await.unwrap();
        all.into_iter().find(|user| user.email.as_str() == address)
    }

    async fn roles(&self, address: &str) -> Vec<Role> {
        let account = self.account(address).await.unwrap();
        account.grants.iter().map(|grant| grant.role).collect()
    }

    async fn by_hand(&self, user: UserId, role: Role) {
        let permit = self.house.operator_may::<GrantRole>(&self.house.account(user));
        self.house.identity.grant(permit, Grant::everywhere(role), None, &Via::default()).await.unwrap();
    }
}

fn status(outcome: Result<Provisioned, DirectoryError>) -> u16 {
    match outcome.unwrap_err() {
        DirectoryError::Scim(error) => error.status,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Result<Provisioned, DirectoryError>) -> Refused {
    match outcome.unwrap_err() {
        DirectoryError::Identity(IdentityError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

/// The whole life of a person: made, in a group, signed in, taken out, back again, deleted, made anew.
async fn a_life(corp: &Corp) {
    corp.map(vec![rule("Agents", Role::SupportAgent)]).await;
    let alice = corp.create(&person("alice")).await;
    corp.group("agents", &[alice]).await;
    assert_eq!(corp.roles("alice@corp.example").await, [Role::SupportAgent]);
    assert_eq!(corp.account("alice@corp.example").await.unwrap().state, UserState::Active);

    corp.active(alice, false).await;
    assert_eq!(corp.account("alice@corp.example").await.unwrap().state, UserState::Disabled);
    assert_eq!(corp.house.events("AUTH-1007I").await.len(), 1);
    corp.active(alice, true).await;
    assert_eq!(corp.account("alice@corp.example").await.unwrap().state, UserState::Active);
    assert_eq!(corp.house.events("AUTH-1030I").await.len(), 1);

    corp.delete(Kind::User, alice).await;
    let gone = corp.account("alice@corp.example").await.unwrap();
    assert_eq!((gone.state, gone.grants.len()), (UserState::Disabled, 0));
    assert_eq!(corp.list(Kind::Group, "").await["Resources"][0].get("members"), None);
    let again = corp.create(&person("alice")).await;
    assert_ne!(again, alice);
    let back = corp.account("alice@corp.example").await.unwrap();
    assert_eq!((back.id, back.state), (gone.id, UserState::Active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_made_taken_out_brought_back_and_deleted() {
    a_life(&Corp::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_postgresql_and_its_files_tell_no_name() {
    let cluster = testkit::Cluster::shared();
    let database = cluster.database();
    let url = cluster.url(&database).parse().unwrap();
    let corp = Corp::in_house(House::on(&url, tempfile::tempdir().unwrap()).await).await;
    a_life(&corp).await;
    corp.create(&person("birdwhistle")).await;
    let found = corp.list(Kind::User, "filter=userName+sw+%22BIRD%22").await;
    assert_eq!(found["totalResults"], 1);
    let dump = cluster.dump(&database).to_lowercase();
    assert!(dump.contains("copy public.directory_entries"), "the entries are in the dump");
    assert!(!dump.contains("birdwhistle") && !dump.contains("corp.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deactivated_is_signed_out_streams_and_all() {
    let corp = Corp::new().await;
    let bob = corp.house.staff(Role::SupportAgent, "bob@corp.example").await;
    let signed = corp.house.signed(&bob.signed_in).await;
    let entry = corp.create(&person("bob")).await;
    assert!(corp.house.identity.session(&bob.signed_in.secret).await.unwrap().is_ok(), "nothing has changed");
    let identity = corp.house.identity.clone();
    let open = tokio::spawn(async move { identity.ended(&signed).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!open.is_finished());
    corp.patch((Kind::User, entry), json!([{ "op": "Replace", "path": "active", "value": "False" }])).await;
    let why = tokio::time::timeout(Duration::from_secs(60), open).await.unwrap().unwrap();
    assert_eq!(why, Why::Ended);
    assert_eq!(corp.house.identity.session(&bob.signed_in.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(
        refusal(corp.house.password("bob@corp.example", crate::house::PASSWORD).await),
        Refused::SignIn
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_there_is_taken_over_even_to_be_disabled() {
    let corp = Corp::new().await;
    let bob = corp.house.staff(Role::SupportAgent, "bob@corp.example").await;
    let mut body = person("bob");
    body["active"] = json!(false);
    corp.create(&body).await;
    let account = corp.account("bob@corp.example").await.unwrap();
    assert_eq!((account.id, account.state), (bob.user, UserState::Disabled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whom_the_connection_does_not_vouch_for_is_kept_and_gets_no_account() {
    let corp = Corp::new().await;
    let victim = corp.house.staff(Role::SupportAgent, "victim@elsewhere.example").await;
    for (name, email) in [
        ("a", "victim@elsewhere.example"),
        ("b", "new@elsewhere.example"),
        ("c", "no address"),
        ("d", "x@sub.corp.example"),
    ] {
        let body = json!({ "userName": name, "active": false, "emails": [{ "value": email }] });
        let entry = corp.create(&body).await;
        corp.active(entry, true).await;
        corp.active(entry, false).await;
        corp.delete(Kind::User, entry).await;
    }
    assert!(corp.house.identity.session(&victim.signed_in.secret).await.unwrap().is_ok());
    assert!(corp.account("new@elsewhere.example").await.is_none());
    assert!(corp.house.events("AUTH-1007I").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_sees_and_touches_its_own_people_and_groups_only() {
    let corp = Corp::new().await;
    let alice = corp.create(&person("alice")).await;
    let group = corp.group("Agents", &[alice]).await;
    let (connection, actor) =
        Corp::connect(&corp.house, &corp.net, "https://idp.other.example", "other.example").await;
    let other = Corp { connection, actor, ..corp };
    assert_eq!(other.list(Kind::User, "").await["totalResults"], 0);
    assert_eq!(
        other.list(Kind::User, "filter=userName+eq+%22alice@corp.example%22").await["totalResults"],
        0
    );
    let off = json!([{ "op": "replace", "value": { "active": false } }]);
    assert_eq!(status(other.try_patch((Kind::User, alice), off).await), 404);
    let members = json!([{ "op": "remove", "path": "members" }]);
    assert_eq!(status(other.try_patch((Kind::Group, group), members).await), 404);
    let read = other.house.identity.directory_entry(other.reads(), (Kind::User, alice)).await;
    assert_eq!(status(read), 404);
    // Neither by the address of somebody else's account, nor into a group of its own.
    other.map(vec![rule("mine", Role::SecurityAdmin)]).await;
    let twin = other.create(&person("alice")).await;
    other.group("mine", &[alice, twin]).await;
    assert_eq!(other.list(Kind::Group, "").await["Resources"][0]["members"].as_array().unwrap().len(), 1);
    other.active(twin, false).await;
    let account = other.account("alice@corp.example").await.unwrap();
    assert_eq!((account.state, account.grants.len()), (UserState::Active, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_stays_and_the_refusal_is_written_down() {
    let corp = Corp::new().await;
    let second = corp.house.staff(Role::Owner, "second@corp.example").await;
    let entry = corp.create(&person("second")).await;
    let first = corp.account("owner@example.org").await.unwrap();
    let permit = corp.house.operator_may::<DisableUser>(&corp.house.account(first.id));
    corp.house.identity.disable(permit, &Via::default()).await.unwrap();
    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    assert_eq!(refused(corp.try_patch((Kind::User, entry), off).await), Refused::LastOwner);
    let via = Via::default();
    let gone = corp.house.identity.directory_delete(corp.may(), (Kind::User, entry), None, &via).await;
    assert!(matches!(gone, Err(DirectoryError::Identity(IdentityError::Refused(Refused::LastOwner)))));
    assert!(corp.house.identity.session(&second.signed_in.secret).await.unwrap().is_ok());
    let events = corp.house.events("AUTH-1033W").await;
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["reason"], &events[0]["user"]), (&json!("last-owner"), &json!(second.user)));
    let shown = corp.list(Kind::User, "").await;
    assert_eq!(shown["Resources"][0]["active"], true, "nothing of it was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_somebody_here_has_disabled_no_directory_enables() {
    let corp = Corp::new().await;
    let alice = corp.create(&person("alice")).await;
    let user = corp.account("alice@corp.example").await.unwrap().id;
    let disable = || corp.house.operator_may::<DisableUser>(&corp.house.account(user));
    corp.house.identity.disable(disable(), &Via::default()).await.unwrap();
    corp.active(alice, false).await;
    corp.active(alice, true).await;
    assert_eq!(corp.account("alice@corp.example").await.unwrap().state, UserState::Disabled);
    // Not even when the directory had disabled the account first.
    let bob = corp.create(&person("bob")).await;
    let user = corp.account("bob@corp.example").await.unwrap().id;
    corp.active(bob, false).await;
    let disable = corp.house.operator_may::<DisableUser>(&corp.house.account(user));
    corp.house.identity.disable(disable, &Via::default()).await.unwrap();
    corp.active(bob, true).await;
    assert_eq!(corp.account("bob@corp.example").await.unwrap().state, UserState::Disabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_bring_roles_take_them_along_and_leave_what_was_granted_by_hand() {
    let corp = Corp::new().await;
    corp.map(vec![rule("Agents", Role::SupportAgent), rule("x-leads", Role::SupportManager)]).await;
    let alice = corp.create(&person("alice")).await;
    let user = corp.account("alice@corp.example").await.unwrap().id;
    corp.by_hand(user, Role::SupportAgent).await;
    let agents = corp.group("agents", &[alice]).await;
    let leads = corp.group("leads", &[]).await;
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "value": alice.to_string() }] }]);
    corp.patch((Kind::Group, leads), add.clone()).await;
    assert_eq!(corp.roles("alice@corp.example").await, [Role::SupportAgent, Role::SupportManager]);
    // By the directory's own id of the group, whatever it is called; and the same twice is nothing new.
    let before = corp.house.events("AUTH-1032I").await.len();
    corp.patch((Kind::Group, leads), add).await;
    assert_eq!(corp.house.events("AUTH-1032I").await.len(), before);
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{alice}\"]") }]);
    corp.patch((Kind::Group, leads), remove).await;
    corp.patch((Kind::Group, agents), json!([{ "op": "replace", "path": "members", "value": [] }])).await;
    // The role that was granted by hand as well is still held.
    assert_eq!(corp.roles("alice@corp.example").await, [Role::SupportAgent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_under_another_name_and_another_meaning_of_a_group_change_roles_at_once() {
    let corp = Corp::new().await;
    corp.map(vec![rule("Agents", Role::SupportAgent)]).await;
    let alice = corp.create(&person("alice")).await;
    let group = corp.group("Agents", &[alice]).await;
    corp.patch((Kind::Group, group), json!([{ "op": "replace", "value": { "displayName": "Makers" } }]))
        .await;
    assert!(corp.roles("alice@corp.example").await.is_empty());
    corp.map(vec![rule("Makers", Role::BotDeveloper)]).await;
    assert_eq!(corp.roles("alice@corp.example").await, [Role::BotDeveloper]);
    corp.delete(Kind::Group, group).await;
    assert!(corp.roles("alice@corp.example").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn duties_that_may_not_meet_do_not_and_it_is_written_down() {
    let corp = Corp::new().await;
    corp.map(vec![rule("Makers", Role::BotDeveloper)]).await;
    let alice = corp.create(&person("alice")).await;
    let user = corp.account("alice@corp.example").await.unwrap().id;
    corp.by_hand(user, Role::SupportManager).await;
    corp.group("Makers", &[alice]).await;
    assert_eq!(corp.roles("alice@corp.example").await, [Role::SupportManager]);
    assert_eq!(corp.house.events("AUTH-1033W").await[0]["reason"], "roles-conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_set_the_connection_up_gains_nothing_by_it() {
    let corp = Corp::new().await;
    let (_, admin) = corp.house.with_passkey(Role::SecurityAdmin, "admin@corp.example").await;
    let entry = corp.create(&person("admin")).await;
    let signed = corp.house.signed(&admin).await;
    let actor: Actor = signed.actor.clone().into();
    let (identity, whole) = (&corp.house.identity, corp.house.whole());
    let read: guard::Permit<ReadConnections> = corp.house.permit(&actor, &whole);
    let mut settings = identity.connection(&read, corp.connection).await.unwrap().settings;
    settings.people.mapping = vec![rule("Auditors", Role::PrivacyOfficer)];
    let may: guard::Permit<ManageConnections> = corp.house.permit(&actor, &whole);
    identity.set_connection(may, corp.connection, "Corp", settings, &Via::default()).await.unwrap();
    corp.group("Auditors", &[entry]).await;
    assert_eq!(corp.roles("admin@corp.example").await, [Role::SecurityAdmin]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_live_at_most_and_each_ends() {
    let corp = Corp::new().await;
    let identity = &corp.house.identity;
    let may = || corp.house.operator_may::<ManageConnections>(&corp.house.whole());
    let make = |days| identity.make_directory_token(may(), corp.connection, days, &VIA);
    static VIA: Via = Via { request: None, source: None, device: None };
    assert_eq!(refusal(make(0).await), Refused::Setting("days"));
    let second = make(1).await.unwrap();
    assert!(second.expose().starts_with("wrs1_") && second.expose().len() == 48);
    assert_eq!(refusal(make(1).await), Refused::TwoTokens);
    let known = |text: String| async move { identity.directory_at_door(&text).await.unwrap().is_some() };
    assert!(known(second.expose().clone()).await);
    assert!(!known(format!("{}x", second.expose())).await);
    assert!(!known("wrs1_".to_owned()).await && !known(String::new()).await);
    corp.house.advance(86_400);
    assert!(!known(second.expose().clone()).await, "a day is over");
    assert_eq!(corp.house.events("AUTH-1033W").await[0]["reason"], "token-ended");
    let third = make(30).await.unwrap();
    let read = corp.house.operator_may::<ReadConnections>(&corp.house.whole());
    let (_, tokens) = identity.directory(read, corp.connection).await.unwrap();
    assert_eq!(tokens.len(), 3);
    identity.revoke_directory_token(may(), corp.connection, tokens[0].id, &VIA).await.unwrap();
    assert!(!known(third.expose().clone()).await);
    let again = identity.revoke_directory_token(may(), corp.connection, tokens[0].id, &VIA).await;
    assert_eq!(refusal(again), Refused::NoToken);
    let fourth = make(30).await.unwrap();
    identity.switch_connection(may(), corp.connection, false, &VIA).await.unwrap();
    assert!(!known(fourth.expose().clone()).await, "the connection is off");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_paged() {
    let corp = Corp::new().await;
    let mut ids = Vec::new();
    for name in ["carol", "alice", "bob"] {
        ids.push(corp.create(&person(name)).await);
        corp.house.advance(1);
    }
    let group = corp.group("Agents", &[ids[1]]).await;
    let names = |list: &Value| -> Vec<String> {
        let all = list["Resources"].as_array().unwrap().iter();
        all.map(|one| one["displayName"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&corp.list(Kind::User, "").await), ["carol", "alice", "bob"]);
    assert_eq!(names(&corp.list(Kind::User, "sortBy=displayName&startIndex=2").await), ["bob", "carol"]);
    let none = corp.list(Kind::User, "count=0").await;
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(3), &json!([])));
    for (filter, found) in [
        ("userName eq \"ALICE@corp.example\"", 1),
        ("externalId eq \"x-bob\"", 1),
        ("externalId eq \"X-BOB\"", 0),
        ("userName eq \"nobody\"", 0),
        ("id eq \"nonsense\"", 0),
        ("displayName co \"o\"", 2),
        ("active eq true and emails[type eq \"work\"]", 3),
        ("groups.display eq \"Agents\"", 1),
    ] {
        let query: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        assert_eq!(corp.list(Kind::User, &query).await["totalResults"], found, "{filter}");
    }
    for (member, found) in [(ids[1], 1), (ids[0], 0)] {
        let filter = format!("id eq \"{group}\" and members eq \"{member}\"");
        let query: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("filter", &filter).finish();
        let list = corp.list(Kind::Group, &format!("excludedAttributes=members&{query}")).await;
        assert_eq!(list["totalResults"], found);
        assert!(list["Resources"].as_array().unwrap().iter().all(|one| one.get("members").is_none()));
    }
    assert_eq!(corp.list(Kind::User, "").await["Resources"][1]["groups"][0]["display"], "Agents");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_unique_versions_count_and_the_account_follows_the_directory() {
    let corp = Corp::new().await;
    let alice = corp.create(&person("alice")).await;
    let mut twin = person("alice");
    twin["userName"] = json!("ALICE@CORP.example");
    assert_eq!(status(corp.try_create(Kind::User, &twin).await), 409);
    corp.create(&person("bob")).await;
    let taken = json!([{ "op": "replace", "path": "userName", "value": "bob@corp.example" }]);
    assert_eq!(status(corp.try_patch((Kind::User, alice), taken).await), 409);
    let (identity, via) = (&corp.house.identity, Via::default());
    let mut body = person("alice");
    body["displayName"] = json!("Alice Liddell");
    body["emails"][0]["value"] = json!("a.liddell@corp.example");
    let replace =
        |version| identity.directory_replace(corp.may(), alice, of(Kind::User, &body), version, &via);
    assert_eq!(status(replace(Some(7)).await), 412);
    assert_eq!(replace(Some(1)).await.unwrap().version(), 2);
    assert_eq!(replace(None).await.unwrap().version(), 2, "nothing was to be changed");
    let account = corp.account("a.liddell@corp.example").await.unwrap();
    assert_eq!(account.name.as_str(), "Alice Liddell");
    // The letter about it goes to the former address, too: to whoever had the account before.
    let letters = identity.letters_due(10).await.unwrap();
    let letter = letters.iter().find(|letter| letter.told.kind == NoticeKind::DetailsChanged).unwrap();
    assert_eq!((letter.user, letter.told.hand), (account.id, NoticeHand::Provisioning));
    let to: Vec<&str> = letter.to.iter().map(|to| to.as_str()).collect();
    assert_eq!(to, ["a.liddell@corp.example", "alice@corp.example"]);
    // Whoever holds a role that was granted here keeps the address; with another, another could sign in.
    corp.by_hand(account.id, Role::SupportAgent).await;
    let mallory = json!([{ "op": "replace", "value": {
        "displayName": "Al", "emails[type eq \"work\"].value": "mallory@corp.example" } }]);
    corp.patch((Kind::User, alice), mallory).await;
    let kept = corp.account("a.liddell@corp.example").await.unwrap();
    assert_eq!((kept.id, kept.name.as_str()), (account.id, "Al"));
    // An address that somebody else has, or that the connection does not vouch for, is not taken on.
    for address in ["bob@corp.example", "alice@elsewhere.example"] {
        let path = json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": address }]);
        corp.patch((Kind::User, alice), path).await;
        assert_eq!(corp.account("a.liddell@corp.example").await.unwrap().id, account.id);
    }
}

/// Somebody flips a bit of a person's and of a group's record, past the program.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_record_leaves_the_list_and_keeps_nobody_else_from_being_disabled() {
    let dir = Corp::new().await;
    let (bad, good) = (dir.create(&person("bad")).await, dir.create(&person("good")).await);
    let group = dir.group("Night", &[good]).await;
    let flip = move |tx: &mut store::Tx<'_>| {
        for id in [bad, group] {
            let select = "SELECT record FROM directory_entries WHERE id = $1";
            let mut sealed: Vec<u8> = tx.row(select, store::params![id])?.unwrap().take("record")?;
            *sealed.last_mut().unwrap() ^= 2;
            tx.execute("UPDATE directory_entries SET record = $2 WHERE id = $1", store::params![id, sealed])?;
        }
        Ok(())
    };
    dir.house.db.write(flip).await.unwrap();
    for query in ["", "filter=active+eq+true"] {
        let listed = dir.list(Kind::User, query).await;
        let ids: Vec<_> =
            listed["Resources"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        assert_eq!(ids, [json!(good.to_string())], "{listed}");
    }
    assert_eq!(dir.list(Kind::Group, "").await["Resources"], json!([]));
    // The one who is asked for by name is not passed over as if there were nobody.
    let asked = (Kind::User, bad);
    assert!(dir.house.identity.directory_entry(dir.reads(), asked).await.is_err());
    dir.active(good, false).await;
    let told = dir.house.db.refused_lately();
    assert_eq!(told, [("directory_entries", 2)]);
}
