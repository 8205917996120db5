//! People who chat and sign in through their own provider: what they may be, what they may not, and how it
//! ends.

use std::sync::Arc;
use std::time::Duration;

use guard::Role;
use guard::action::{ManageConnections, ReadConnections};
use identity::connections::{Arrived, Finished, Serves, Visit, Wish};
use identity::person::{PersonSecret, PersonSession};
use identity::{CeremonyId, Identity, IdentityError, Refused, Why};
use kernel::{BotName, ConnectionId};
use serde_json::{Value, json};
use store::Via;

use crate::connections::make;
use crate::house::{House, from, refusal};
use crate::provider::{CHAT, DESK, Idp, Net};

const ISSUER: &str = "https://idp.corp.example";
const OTHER: &str = "https://idp.club.example";

fn visit() -> Visit {
    Visit { bot: BotName::new("club").unwrap(), next: "/with/club".to_owned() }
}

fn ada() -> Value {
    json!({ "sub": "u-1", "email": "ada@corp.example", "sid": "s-1", "groups": ["admins"], "amr": ["pwd", "mfa"] })
}

/// A house with one connection that is for people who chat.
struct Club {
    house: House,
    net: Net,
    idp: Arc<Idp>,
    connection: ConnectionId,
}

impl Club {
    async fn new() -> Self {
        Self::named(true).await
    }

    async fn named(names_itself: bool) -> Self {
        let (house, net) = (House::new().await, Net::default());
        net.open(&house, &["corp.example"]);
        let idp = net.idp(&house, ISSUER, names_itself);
        let connection = make(&house, ISSUER).await;
        let club = Self { house, net, idp, connection };
        club.serve(connection, Serves::Visitors).await;
        club.switch(connection, true).await;
        club
    }

    fn identity(&self) -> &Identity {
        &self.house.identity
    }

    async fn serve(&self, connection: ConnectionId, serves: Serves) {
        let reads = self.house.operator_may::<ReadConnections>(&self.house.whole());
        let mut settings = self.identity().connection(&reads, connection).await.unwrap().settings;
        settings.serves = serves;
        settings.people.create = true;
        let may = self.house.operator_may::<ManageConnections>(&self.house.whole());
        self.identity().set_connection(may, connection, "Corp", settings, &Via::default()).await.unwrap();
    }

    async fn switch(&self, connection: ConnectionId, on: bool) {
        let may = self.house.operator_may::<ManageConnections>(&self.house.whole());
        self.identity().switch_connection(may, connection, on, &Via::default()).await.unwrap();
    }

    async fn come(&self, person: Value) -> Result<Arrived, IdentityError> {
        let there = self.identity().visit_depart(self.connection, visit()).await?;
        let answer = self.idp.authorize(there.to.expose(), person);
        self.identity().visit_answer(&there.ceremony, &answer, None, &from("192.0.2.7")).await
    }

    async fn sign_in(&self, person: Value) -> (PersonSecret, PersonSession) {
        let secret = self.come(person).await.unwrap().secret;
        let session = self.identity().person(&secret).await.unwrap().unwrap();
        (secret, session)
    }

    async fn why(&self, secret: &PersonSecret) -> Option<Why> {
        self.identity().person(secret).await.unwrap().err()
    }

    /// The sign-in is refused, and for this reason.
    async fn objects(&self, outcome: Result<Arrived, IdentityError>, reason: &str) {
        assert_eq!(refusal(outcome), Refused::Provider);
        assert_eq!(self.house.events("AUTH-1013W").await.last().unwrap()["reason"], reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_person_of_a_provider_is_the_same_person_here_and_no_account() {
    let club = Club::new().await;
    let arrived = club.come(ada()).await.unwrap();
    assert_eq!((arrived.next.as_str(), arrived.lifetime), ("/with/club", Duration::from_secs(12 * 60 * 60)));
    let first = club.identity().person(&arrived.secret).await.unwrap().unwrap();
    let (_, second) = club.sign_in(ada()).await;
    assert_eq!(first.subject, second.subject);
    assert_ne!(first.id, second.id);
    let mut bob = ada();
    bob["sub"] = "u-2".into();
    assert_ne!(club.sign_in(bob).await.1.subject, first.subject);
    // Nothing of what the provider said of them is in the log, and no account was made.
    let events = club.house.events("CHAT-1041I").await;
    assert_eq!(events.len(), 3);
    assert_eq!(events[0]["subject"], events[1]["subject"]);
    assert!(!events[0].to_string().contains(&first.subject.to_string()), "{}", events[0]);
    assert!(club.house.events("AUTH-1005I").await.is_empty());
    assert!(club.identity().offers().await.unwrap().is_empty(), "staff are not offered it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_belongs_to_the_browser_in_which_it_began_and_a_code_to_one_use() {
    let club = Club::new().await;
    let mine = club.identity().visit_depart(club.connection, visit()).await.unwrap();
    let theirs = club.identity().visit_depart(club.connection, visit()).await.unwrap();
    let answer = club.idp.authorize(theirs.to.expose(), ada());
    // Their answer, brought into my browser.
    let outcome = club.identity().visit_answer(&mine.ceremony, &answer, None, &Via::default()).await;
    club.objects(outcome, "oidc.state").await;
    // The ceremony is over, even for the right answer.
    let right = club.idp.authorize(mine.to.expose(), ada());
    let outcome = club.identity().visit_answer(&mine.ceremony, &right, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // A browser without the cookie's ceremony.
    let unknown = CeremonyId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let outcome = club.identity().visit_answer(&unknown, &answer, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // The right browser, once; then never again.
    club.identity().visit_answer(&theirs.ceremony, &answer, None, &Via::default()).await.unwrap();
    let outcome = club.identity().visit_answer(&theirs.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // The code in a ceremony of its own state: the provider has given tokens for it before.
    let again = club.identity().visit_depart(club.connection, visit()).await.unwrap();
    let state = |query: &str| query.split('&').find(|pair| pair.starts_with("state=")).unwrap().to_owned();
    let fresh = club.idp.authorize(again.to.expose(), ada());
    let replayed = answer.replace(&state(&answer), &state(&fresh));
    let outcome = club.identity().visit_answer(&again.ceremony, &replayed, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::Provider);
    // And one that took too long.
    let late = club.identity().visit_depart(club.connection, visit()).await.unwrap();
    let answer = club.idp.authorize(late.to.expose(), ada());
    club.house.minutes(11);
    let outcome = club.identity().visit_answer(&late.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_chats_never_becomes_staff_and_staff_never_a_person_who_chats() {
    let club = Club::new().await;
    let identity = club.identity();
    // A connection for people who chat does not send staff away,
    let outcome = identity.depart(club.connection, Wish::sign_in("/".into()), None).await;
    assert_eq!(refusal(outcome), Refused::NoConnection);
    // and one for staff no people who chat.
    club.serve(club.connection, Serves::Staff).await;
    assert_eq!(refusal(identity.visit_depart(club.connection, visit()).await), Refused::NoConnection);
    // With one for both, neither door takes the other's ceremony, whatever the answer is.
    club.serve(club.connection, Serves::Both).await;
    let staff = identity.depart(club.connection, Wish::sign_in("/".into()), None).await.unwrap();
    assert!(staff.to.expose().contains(&form(&format!("{DESK}/sso/oidc/callback"))));
    let answer = club.idp.authorize(staff.to.expose(), ada());
    let outcome = identity.visit_answer(&staff.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    let person = identity.visit_depart(club.connection, visit()).await.unwrap();
    assert!(person.to.expose().contains(&form(&format!("{CHAT}/sso/oidc/callback"))));
    let answer = club.idp.authorize(person.to.expose(), ada());
    let outcome = identity.oidc_answer(&person.ceremony, &answer, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // The meaning of a connection is looked at when somebody comes back, too.
    let person = identity.visit_depart(club.connection, visit()).await.unwrap();
    let answer = club.idp.authorize(person.to.expose(), ada());
    let staff = identity.depart(club.connection, Wish::sign_in("/".into()), None).await.unwrap();
    let staffs = club.idp.authorize(staff.to.expose(), ada());
    club.serve(club.connection, Serves::Staff).await;
    let outcome = identity.visit_answer(&person.ceremony, &answer, None, &Via::default()).await;
    club.objects(outcome, "sso.not-for-visitors").await;
    club.serve(club.connection, Serves::Visitors).await;
    let outcome = identity.oidc_answer(&staff.ceremony, &staffs, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::Provider);
    assert_eq!(club.house.events("AUTH-1013W").await.last().unwrap()["reason"], "sso.not-for-staff");
    // Nor does the secret of one open anything of the other.
    let (secret, _) = club.sign_in(ada()).await;
    let line = secret.set_cookie(Duration::from_secs(60)).unwrap();
    let named = line.to_str().unwrap().replace("__Host-wardroom-person=", "__Host-wardroom=");
    let mut headers = http::HeaderMap::new();
    headers.insert("cookie", named.split(';').next().unwrap().parse().unwrap());
    let as_staff = doors::cookie::SessionSecret::of_request(&headers).unwrap();
    assert_eq!(identity.session(&as_staff).await.unwrap().err(), Some(Why::Unknown));
}

fn form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_connections_address_is_refused() {
    let club = Club::named(false).await;
    let other = club.net.idp(&club.house, OTHER, false);
    let second = make(&club.house, OTHER).await;
    club.serve(second, Serves::Visitors).await;
    club.switch(second, true).await;
    let there = club.identity().visit_depart(club.connection, visit()).await.unwrap();
    assert!(there.to.expose().contains(&form(&format!("{CHAT}/sso/oidc/callback/{}", club.connection))));
    let answer = club.idp.authorize(there.to.expose(), ada());
    let outcome = club.identity().visit_answer(&there.ceremony, &answer, Some(second), &Via::default()).await;
    club.objects(outcome, "oidc.state").await;
    // The same id at two providers is two people.
    let there = club.identity().visit_depart(second, visit()).await.unwrap();
    let answer = other.authorize(there.to.expose(), ada());
    let arrived =
        club.identity().visit_answer(&there.ceremony, &answer, Some(second), &Via::default()).await.unwrap();
    let elsewhere = club.identity().person(&arrived.secret).await.unwrap().unwrap();
    assert_ne!(elsewhere.subject, club.sign_in(ada()).await.1.subject);
    assert_eq!(elsewhere.connection, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_idle_after_twelve_hours_and_when_the_provider_wants() {
    let club = Club::new().await;
    let (secret, session) = club.sign_in(ada()).await;
    for _ in 0..2 {
        club.house.minutes(59);
        assert_eq!(club.why(&secret).await, None, "a request keeps it");
    }
    club.house.minutes(61);
    assert_eq!(
        club.identity().person_holds(session.subject, session.id).await.unwrap().err(),
        Some(Why::Idle)
    );
    assert_eq!(club.why(&secret).await, Some(Why::Ended), "and it is over");
    assert_eq!(club.house.events("CHAT-1042I").await.last().unwrap()["why"], "idle");

    let (secret, session) = club.sign_in(ada()).await;
    for _ in 0..12 {
        assert_eq!(club.why(&secret).await, None);
        club.house.minutes(59);
    }
    club.house.minutes(13);
    assert_eq!(club.why(&secret).await, Some(Why::Expired));
    assert!(club.identity().person_sessions(&session).await.unwrap().is_empty());
    // Of somebody else's token nothing is known.
    let stranger = club.house.world.id();
    let (_, session) = club.sign_in(ada()).await;
    assert_eq!(club.identity().person_holds(stranger, session.id).await.unwrap().err(), Some(Why::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_ends_one_session_or_all_of_them_and_nobody_elses() {
    let club = Club::new().await;
    let (here, session) = club.sign_in(ada()).await;
    let (there, other) = club.sign_in(ada()).await;
    let mut bob = ada();
    bob["sub"] = "u-2".into();
    let (his, stranger) = club.sign_in(bob).await;
    let identity = club.identity();
    assert_eq!(identity.person_sessions(&session).await.unwrap().len(), 2);
    assert!(!identity.end_person_session(&session, stranger.id, &Via::default()).await.unwrap());
    assert!(identity.end_person_session(&session, other.id, &Via::default()).await.unwrap());
    assert_eq!((club.why(&there).await, club.why(&here).await), (Some(Why::Ended), None));
    let (_, _) = club.sign_in(ada()).await;
    assert_eq!(identity.end_person_sessions(&session, &Via::default()).await.unwrap(), 2);
    assert_eq!((club.why(&here).await, club.why(&his).await), (Some(Why::Ended), None));
    // More than ten at once: the one used longest ago goes.
    let (first, _) = club.sign_in(ada()).await;
    for _ in 0..10 {
        club.house.advance(1);
        club.sign_in(ada()).await;
    }
    assert_eq!(club.why(&first).await, Some(Why::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_logout_ends_the_session_and_whatever_waits_for_its_end() {
    let club = Club::new().await;
    let (secret, session) = club.sign_in(ada()).await;
    let mut elsewhere = ada();
    elsewhere["sid"] = "s-2".into();
    let (phone, _) = club.sign_in(elsewhere).await;
    let waiting = tokio::spawn({
        let identity = club.identity().clone();
        async move { identity.person_ended(session.id).await.unwrap() }
    });
    let token = club.idp.logout_token(json!({ "sid": "s-1", "sub": "u-1" }));
    assert_eq!(club.identity().back_channel(&token, &Via::default()).await.unwrap(), 1);
    let told = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert_eq!(told.expect("it is told at last").unwrap(), Why::Ended);
    assert_eq!((club.why(&secret).await, club.why(&phone).await), (Some(Why::Ended), None));
    assert_eq!(club.house.events("CHAT-1042I").await.last().unwrap()["why"], "provider");
    // Twice is once too often; without a session's id it is about all of the person's.
    assert_eq!(refusal(club.identity().back_channel(&token, &Via::default()).await), Refused::Provider);
    let all = club.idp.logout_token(json!({ "sub": "u-1" }));
    assert_eq!(club.identity().back_channel(&all, &Via::default()).await.unwrap(), 1);
    assert_eq!(club.why(&phone).await, Some(Why::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_word_of_the_provider_ends_both_kinds_of_session() {
    let club = Club::new().await;
    club.house.staff(Role::Owner, "owner@example.org").await;
    club.serve(club.connection, Serves::Both).await;
    let may = || club.house.operator_may::<ManageConnections>(&club.house.whole());
    let domains = [identity::connections::Domain::parse("corp.example").unwrap()];
    club.identity().set_domains(may(), club.connection, &domains, &Via::default()).await.unwrap();
    let reads = club.house.operator_may::<ReadConnections>(&club.house.whole());
    let mut settings = club.identity().connection(&reads, club.connection).await.unwrap().settings;
    settings.people.default = Some(guard::Grant::everywhere(Role::SupportAgent));
    club.identity().set_connection(may(), club.connection, "Corp", settings, &Via::default()).await.unwrap();
    let there = club.identity().depart(club.connection, Wish::sign_in("/".into()), None).await.unwrap();
    let answer = club.idp.authorize(there.to.expose(), ada());
    let staff = club.identity().oidc_answer(&there.ceremony, &answer, None, &Via::default()).await.unwrap();
    let Finished::SignedIn { signed_in, .. } = staff else { panic!("{staff:?}") };
    let (secret, _) = club.sign_in(ada()).await;
    let token = club.idp.logout_token(json!({ "sub": "u-1" }));
    assert_eq!(club.identity().back_channel(&token, &Via::default()).await.unwrap(), 2);
    assert_eq!(club.why(&secret).await, Some(Why::Ended));
    assert_eq!(club.identity().session(&signed_in.secret).await.unwrap().err(), Some(Why::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_no_longer_serves_people_who_chat_ends_their_sessions() {
    let club = Club::new().await;
    let (secret, _) = club.sign_in(ada()).await;
    club.serve(club.connection, Serves::Both).await;
    assert_eq!(club.why(&secret).await, None);
    club.serve(club.connection, Serves::Staff).await;
    assert_eq!(club.why(&secret).await, Some(Why::Ended));
    club.serve(club.connection, Serves::Visitors).await;
    let (secret, _) = club.sign_in(ada()).await;
    club.switch(club.connection, false).await;
    assert_eq!(club.why(&secret).await, Some(Why::Ended));
    assert_eq!(refusal(club.come(ada()).await), Refused::NoConnection);
    assert!(club.identity().visit_offers(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_for_people_who_chat_alone_has_no_directory_that_makes_accounts() {
    let club = Club::new().await;
    let make = async || {
        let may = club.house.operator_may::<ManageConnections>(&club.house.whole());
        club.identity().make_directory_token(may, club.connection, 30, &Via::default()).await
    };
    assert!(matches!(refusal(make().await), Refused::Setting(_)));
    club.serve(club.connection, Serves::Both).await;
    let token = make().await.unwrap();
    assert!(club.identity().directory_at_door(token.expose()).await.unwrap().is_some());
    club.serve(club.connection, Serves::Visitors).await;
    assert!(club.identity().directory_at_door(token.expose()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_signed_in_and_never_chatted_is_forgotten_when_they_ask() {
    let club = Club::new().await;
    let (secret, session) = club.sign_in(ada()).await;
    let (phone, _) = club.sign_in(ada()).await;
    let there = club.identity().person_farewell(&session).await.unwrap().unwrap().0;
    assert!(
        there.expose().starts_with(&format!("{ISSUER}/end?")) && there.expose().contains("id_token_hint=")
    );
    assert!(there.expose().contains(&form(&format!("{CHAT}/mine"))), "{}", there.expose());
    club.identity().forget_person(&session, &Via::default()).await.unwrap();
    assert_eq!((club.why(&secret).await, club.why(&phone).await), (Some(Why::Ended), Some(Why::Ended)));
    // Whoever comes back is somebody new.
    assert_ne!(club.sign_in(ada()).await.1.subject, session.subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_wrote_into_the_database_opens_nothing() {
    let club = Club::new().await;
    let (secret, session) = club.sign_in(ada()).await;
    let (victim, id) = (club.house.world.id::<kernel::SubjectId>(), session.id);
    let forged = club.house.db.write(move |tx| {
        tx.execute("UPDATE person_sessions SET subject = $1 WHERE id = $2", store::params![victim, id])
    });
    forged.await.unwrap();
    let error = club.identity().person(&secret).await.unwrap_err();
    let refused =
        matches!(error, IdentityError::Store(store::StoreError::Tampered { table: "person_sessions", .. }));
    assert!(refused, "{error:?}");
}
