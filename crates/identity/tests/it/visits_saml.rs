//! People who chat and sign in through a provider that speaks SAML: at the public door's own addresses, in
//! the browser in which it began, and never with a word that was meant for staff.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::{Encryption, SamlSettings};
use guard::action::{ManageConnections, ReadConnections};
use guard::{Grant, Permit, Role};
use identity::connections::{
    Arrived, ConnectionView, Departure, Domain, Draft, DraftProvider, LogoutMessage, Metadata, Parted,
    Provider, ProviderAccess, Serves, Settings, Visit, Wish,
};
use identity::person::{PersonSecret, PersonSession};
use identity::{CeremonyId, Identity, IdentityError, Refused, Why};
use kernel::{BotName, ConnectionId};
use store::Via;

use crate::attacks;
use crate::documents::Documents;
use crate::house::{House, from, refusal};
use crate::saml_idp::{Asked, Person, SLO, SamlIdp, alice, asked};

const CHAT: &str = "https://chat.example";
const DESK: &str = "https://desk.example";

fn visit() -> Visit {
    Visit { bot: BotName::new("club").unwrap(), next: "/with/club".to_owned() }
}

/// A house with one connection, over SAML, that is for people who chat.
struct Club {
    house: House,
    idp: SamlIdp,
    connection: ConnectionId,
}

impl Club {
    async fn new() -> Self {
        let house = House::new().await;
        Documents::default().open(&house);
        house.staff(Role::Owner, "owner@example.org").await;
        let idp = SamlIdp::new(&house.world);
        let connection = make(&house, &idp).await;
        let club = Self { house, idp, connection };
        club.serve(Serves::Visitors).await;
        club.identity().switch_connection(club.may(), connection, true, &Via::default()).await.unwrap();
        club
    }

    fn identity(&self) -> &Identity {
        &self.house.identity
    }

    fn may(&self) -> Permit<ManageConnections> {
        self.house.operator_may::<ManageConnections>(&self.house.whole())
    }

    async fn view(&self) -> ConnectionView {
        let reads = self.house.operator_may::<ReadConnections>(&self.house.whole());
        self.identity().connection(&reads, self.connection).await.unwrap()
    }

    async fn try_set(&self, change: impl FnOnce(&mut Settings)) -> Result<(), IdentityError> {
        let mut settings = self.view().await.settings;
        change(&mut settings);
        self.identity()
            .set_connection(self.may(), self.connection, "Members", settings, &Via::default())
            .await
    }

    async fn serve(&self, serves: Serves) {
        self.try_set(|settings| settings.serves = serves).await.unwrap();
    }

    async fn set_saml(&self, change: impl FnOnce(&mut SamlSettings)) {
        let set = self.try_set(|settings| match &mut settings.provider {
            Provider::Saml(saml) => change(saml),
            Provider::Oidc(_) => panic!("it speaks SAML"),
        });
        set.await.unwrap();
    }

    async fn leave(&self) -> Departure {
        self.identity().visit_depart(self.connection, visit()).await.unwrap()
    }

    /// What the browser gets that brings an answer to the public door: `ceremony` is its cookie.
    async fn bring(
        &self,
        ceremony: &CeremonyId,
        response: &str,
        relay_state: &str,
    ) -> Result<Arrived, IdentityError> {
        let (identity, via) = (self.identity(), from("192.0.2.7"));
        let handle = identity.visit_saml_form(self.connection, response, relay_state, &via).await?;
        identity.visit_saml_answer(ceremony, handle.0.expose(), &via).await
    }

    async fn come(&self, person: &Person) -> Result<Arrived, IdentityError> {
        let there = self.leave().await;
        let (response, state) = self.idp.answer(there.to.expose(), person);
        self.bring(&there.ceremony, &response, &state).await
    }

    async fn sign_in(&self, person: &Person) -> (PersonSecret, PersonSession) {
        let secret = self.come(person).await.unwrap().secret;
        let session = self.identity().person(&secret).await.unwrap().unwrap();
        (secret, session)
    }

    async fn why(&self, secret: &PersonSecret) -> Option<Why> {
        self.identity().person(secret).await.unwrap().err()
    }

    async fn last_reason(&self) -> String {
        let events = self.house.events("AUTH-1013W").await;
        events.last().unwrap()["reason"].as_str().unwrap().to_owned()
    }

    async fn objects(&self, outcome: Result<Arrived, IdentityError>, reason: &str) {
        assert_eq!(refusal(outcome), Refused::Provider);
        assert_eq!(self.last_reason().await, reason);
    }

    fn address(&self, door: &str, end: &str) -> String {
        format!("{door}/sso/saml/{}/{end}", self.connection)
    }

    async fn says(&self, query: &str) -> Result<Parted, IdentityError> {
        let message = LogoutMessage::Query(query.to_owned());
        self.identity().visit_saml_logout(self.connection, &message, &from("192.0.2.7")).await
    }

    /// The provider asks to end sessions; gives how many ended.
    async fn logs_out(&self, name_id: &str, sessions: &[&str]) -> u64 {
        let query = self.idp.logout(&self.address(CHAT, "logout"), name_id, sessions);
        match self.says(&query).await.unwrap() {
            Parted::Asked { ended, back } => {
                let back = asked(back.unwrap().expose(), "SAMLResponse");
                let ours = format!("<saml:Issuer>{}</saml:Issuer>", self.address(CHAT, "metadata"));
                assert!(back.xml.contains("status:Success") && back.xml.contains(&ours), "{}", back.xml);
                ended
            }
            other @ Parted::Answered { .. } => panic!("{other:?}"),
        }
    }
}

async fn make(house: &House, idp: &SamlIdp) -> ConnectionId {
    let metadata = Metadata::File(SamlIdp::metadata(&[&idp.signer]));
    let draft = Draft { name: "Members".to_owned(), provider: DraftProvider::Saml { metadata } };
    let permit = house.operator_may::<ManageConnections>(&house.whole());
    house.identity.make_connection(permit, draft, &Via::default()).await.unwrap()
}

fn decoded(response: &str) -> String {
    String::from_utf8(STANDARD.decode(response).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_person_of_a_provider_is_the_same_person_here_and_no_account() {
    let club = Club::new().await;
    let arrived = club.come(&alice()).await.unwrap();
    assert_eq!((arrived.next.as_str(), arrived.lifetime), ("/with/club", Duration::from_secs(12 * 60 * 60)));
    let first = club.identity().person(&arrived.secret).await.unwrap().unwrap();
    let (_, second) = club.sign_in(&alice().in_session("s-2")).await;
    assert_eq!(first.subject, second.subject);
    assert_ne!(first.id, second.id);
    let bob = Person { name_id: "u-2", ..alice() };
    assert_ne!(club.sign_in(&bob).await.1.subject, first.subject);
    let events = club.house.events("CHAT-1041I").await;
    assert_eq!((events.len(), &events[0]["subject"]), (3, &events[1]["subject"]));
    assert!(club.house.events("AUTH-1005I").await.iter().all(|event| event["how"] != "created"));
    assert!(club.identity().offers().await.unwrap().is_empty(), "staff are not offered it");
    assert_eq!(club.identity().visit_offers(Some("Members")).await.unwrap().len(), 1);
    // The provider's own end of the session is kept to, and one that has come is refused.
    let capped = club.come(&alice().lasting(900)).await.unwrap();
    assert_eq!(capped.lifetime, Duration::from_secs(900));
    club.house.minutes(16);
    assert_eq!(club.why(&capped.secret).await, Some(Why::Expired));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_door_is_a_service_of_its_own_in_requests_and_metadata() {
    let club = Club::new().await;
    let request = asked(club.leave().await.to.expose(), "SAMLRequest").xml;
    let (entity, acs) = (club.address(CHAT, "metadata"), club.address(CHAT, "acs"));
    assert!(request.contains(&format!("<saml:Issuer>{entity}</saml:Issuer>")), "{request}");
    assert!(request.contains(&format!("AssertionConsumerServiceURL=\"{acs}\"")), "{request}");
    assert!(!request.contains(DESK), "{request}");
    let metadata = club.identity().visit_saml_metadata(club.connection).await.unwrap();
    let logout = club.address(CHAT, "logout");
    for part in [format!("entityID=\"{entity}\""), acs.clone(), logout.clone(), "use=\"signing\"".to_owned()]
    {
        assert!(metadata.contains(&part), "no {part} in {metadata}");
    }
    assert!(!metadata.contains(DESK), "{metadata}");
    // The page of the connection shows the same, beside what staff have.
    let view = club.view().await;
    assert_eq!(view.visitors, Some([acs, logout, entity]));
    assert_eq!(view.answers, club.address(DESK, "acs"));
    // One that is for staff alone has nothing to tell there, and sends nobody away from there.
    club.serve(Serves::Staff).await;
    let outcome = club.identity().visit_saml_metadata(club.connection).await;
    assert_eq!(refusal(outcome), Refused::NoConnection);
    let outcome = club.identity().visit_depart(club.connection, visit()).await;
    assert_eq!(refusal(outcome), Refused::NoConnection);
}

/// A word that was made for one door, and is of that door in one piece only, is refused at the other for
/// that piece; as a whole it is too.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_for_staff_opens_nothing_at_the_public_door_nor_the_other_way_round() {
    let club = Club::new().await;
    club.serve(Serves::Both).await;
    let identity = club.identity();
    let domains = [Domain::parse("corp.example").unwrap()];
    identity.set_domains(club.may(), club.connection, &domains, &Via::default()).await.unwrap();
    club.try_set(|settings| {
        settings.people.create = true;
        settings.people.default = Some(Grant::everywhere(Role::SupportAgent));
    })
    .await
    .unwrap();
    let pieces = [
        ("metadata", "saml.audience"),
        ("acs", "saml.recipient"),
        // What the answer that was made for the other door says of itself, all of it.
        ("", "saml.recipient"),
    ];
    for (piece, reason) in pieces {
        let to = |door: &str, Asked { xml, relay_state }: Asked| {
            let (ours, other) = if door == CHAT { (CHAT, DESK) } else { (DESK, CHAT) };
            let xml = match piece {
                "" => xml.replace(ours, other),
                end => xml.replace(&club.address(ours, end), &club.address(other, end)),
            };
            club.idp.answer_to(Asked { xml, relay_state }, &alice())
        };
        let there = club.leave().await;
        let (response, state) = to(CHAT, asked(there.to.expose(), "SAMLRequest"));
        club.objects(club.bring(&there.ceremony, &response, &state).await, reason).await;

        let there = identity.depart(club.connection, Wish::sign_in("/".to_owned()), None).await.unwrap();
        let (response, state) = to(DESK, asked(there.to.expose(), "SAMLRequest"));
        let via = from("192.0.2.7");
        let handle = identity.saml_form(club.connection, &response, &state, &via).await.unwrap();
        let outcome = identity.saml_answer(&there.ceremony, handle.0.expose(), &via).await;
        assert_eq!(refusal(outcome), Refused::Provider);
        assert_eq!(club.last_reason().await, reason);
    }
    // The genuine answer of one door at the other finds nobody who waits for it, and is spent for neither.
    let via = Via::default();
    let staff = identity.depart(club.connection, Wish::sign_in("/".to_owned()), None).await.unwrap();
    let (response, state) = club.idp.answer(staff.to.expose(), &alice());
    let outcome = identity.visit_saml_form(club.connection, &response, &state, &via).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    let handle = identity.saml_form(club.connection, &response, &state, &via).await.unwrap();
    let outcome = identity.visit_saml_answer(&staff.ceremony, handle.0.expose(), &via).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    identity.saml_answer(&staff.ceremony, handle.0.expose(), &via).await.unwrap();

    let person = club.leave().await;
    let (response, state) = club.idp.answer(person.to.expose(), &alice());
    let outcome = identity.saml_form(club.connection, &response, &state, &via).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    let handle = identity.visit_saml_form(club.connection, &response, &state, &via).await.unwrap();
    let outcome = identity.saml_answer(&person.ceremony, handle.0.expose(), &via).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    identity.visit_saml_answer(&person.ceremony, handle.0.expose(), &via).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_belongs_to_the_browser_in_which_it_began_and_an_answer_to_one_use() {
    let club = Club::new().await;
    let (identity, via) = (club.identity(), from("192.0.2.7"));
    let (mine, theirs) = (club.leave().await, club.leave().await);
    let (response, state) = club.idp.answer(theirs.to.expose(), &alice());
    // Their answer, posted from a page of theirs in my browser.
    let outcome = club.bring(&mine.ceremony, &response, &state).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    assert_eq!(club.last_reason().await, "sso.other-browser");
    // It is spent, for them too.
    let outcome = club.bring(&theirs.ceremony, &response, &state).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // An answer to another question, and one that nobody asked for.
    let (response, _) = club.idp.answer(mine.to.expose(), &alice());
    let third = club.leave().await;
    let (_, state) = club.idp.answer(third.to.expose(), &alice());
    club.objects(club.bring(&third.ceremony, &response, &state).await, "saml.in_response_to").await;
    let outcome = identity.visit_saml_form(club.connection, &response, "invented", &via).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // At the address of another connection.
    let second = make(&club.house, &club.idp).await;
    let (response, state) = club.idp.answer(mine.to.expose(), &alice());
    let outcome = identity.visit_saml_form(second, &response, &state, &via).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    // The right browser, once; what it took is good once, too.
    let there = club.leave().await;
    let (response, state) = club.idp.answer(there.to.expose(), &alice());
    let handle = identity.visit_saml_form(club.connection, &response, &state, &via).await.unwrap();
    identity.visit_saml_answer(&there.ceremony, handle.0.expose(), &via).await.unwrap();
    let again = identity.visit_saml_answer(&there.ceremony, handle.0.expose(), &via).await;
    assert_eq!(refusal(again), Refused::CeremonyOver);
    // And what took too long.
    let there = club.leave().await;
    let (response, state) = club.idp.answer(there.to.expose(), &alice());
    club.house.minutes(11);
    assert_eq!(refusal(club.bring(&there.ceremony, &response, &state).await), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_the_way_to_the_public_door_is_refused_for_its_own_reason() {
    type Change = fn(&str) -> String;
    let club = Club::new().await;
    let changes: [(&str, Change); 6] = [
        ("saml.digest", |xml| xml.replace(">u-1<", ">u-9<")),
        ("saml.markup", |xml| xml.replace(">u-1<", ">u-<!-- -->1<")),
        ("saml.id_attribute", |xml| xml.replace("<saml:Subject>", "<saml:Subject ID=\"_x\">")),
        ("saml.unsigned", |xml| {
            let (before, rest) = xml.split_once("<ds:Signature ").unwrap();
            format!("{before}{}", rest.split_once("</ds:Signature>").unwrap().1)
        }),
        ("saml.destination", |xml| xml.replacen("/acs\" ID=", "/elsewhere\" ID=", 1)),
        ("saml.status", |xml| xml.replace("status:Success", "status:Responder")),
    ];
    for (reason, change) in changes {
        let there = club.leave().await;
        let (response, state) = club.idp.answer(there.to.expose(), &alice());
        let changed = change(&decoded(&response));
        assert_ne!(changed, decoded(&response), "{reason}");
        let outcome = club.bring(&there.ceremony, &STANDARD.encode(changed), &state).await;
        club.objects(outcome, reason).await;
    }
    // Somebody else's key.
    let stranger = SamlIdp::new(&club.house.world);
    let there = club.leave().await;
    let (response, state) = stranger.answer(there.to.expose(), &alice());
    club.objects(club.bring(&there.ceremony, &response, &state).await, "saml.signature").await;
    assert!(club.house.events("CHAT-1041I").await.is_empty(), "somebody was signed in");
}

/// The generator of attacks that the verifier is tried with, at this door: from each family a few, each made
/// from a genuine answer of its own, for an answer is good once.
#[tokio::test(flavor = "multi_thread")]
async fn no_family_of_attacks_that_the_generator_knows_opens_the_public_door() {
    const OF_EACH: usize = 3;
    let club = Club::new().await;
    let mut tried: BTreeMap<&'static str, usize> = BTreeMap::new();
    loop {
        let there = club.leave().await;
        let (response, state) = club.idp.answer(there.to.expose(), &alice());
        let mut by_family: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
        for attack in attacks::all(&decoded(&response)) {
            by_family.entry(attack.family).or_default().push(attack.xml);
        }
        let next = by_family.iter().find(|(family, _)| tried.get(*family).copied().unwrap_or(0) < OF_EACH);
        let Some((family, of_it)) = next else { break };
        let nth = tried.entry(family).or_default();
        let xml = &of_it[*nth * (of_it.len() - 1) / (OF_EACH - 1)];
        *nth += 1;
        let outcome = club.bring(&there.ceremony, &STANDARD.encode(xml), &state).await;
        assert_eq!(refusal(outcome), Refused::Provider, "{family}: {}", String::from_utf8_lossy(xml));
        let reason = club.last_reason().await;
        assert!(reason.starts_with("saml."), "{family}: {reason}");
    }
    assert!(tried.len() > 6, "{tried:?}");
    assert!(club.house.events("CHAT-1041I").await.is_empty(), "somebody was signed in");
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_assertions_are_opened_with_the_key_that_the_public_metadata_shows() {
    let mut club = Club::new().await;
    club.set_saml(|saml| saml.encryption = Encryption::Required).await;
    let metadata = club.identity().visit_saml_metadata(club.connection).await.unwrap();
    let after = metadata.split_once("use=\"encryption\"").unwrap().1;
    let after = after.split_once("<ds:X509Certificate>").unwrap().1;
    club.idp.encrypt_for = Some(after.split_once('<').unwrap().0.to_owned());
    club.sign_in(&alice()).await;
    club.idp.encrypt_for = None;
    let there = club.leave().await;
    let (response, state) = club.idp.answer(there.to.expose(), &alice());
    let outcome = club.bring(&there.ceremony, &response, &state).await;
    club.objects(outcome, "saml.encryption_required").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_forms_is_asked_by_one_from_the_public_door_too() {
    let club = Club::new().await;
    let metadata = Metadata::File(SamlIdp::metadata_with(&[&club.idp.signer], &["POST"]));
    let (identity, via) = (club.identity(), Via::default());
    identity.renew_metadata(club.may(), club.connection, metadata, false, &via).await.unwrap();
    let there = club.leave().await;
    assert_eq!(there.to.expose(), "https://idp.corp.example/form");
    let fields: BTreeMap<_, _> =
        there.form.unwrap().into_iter().map(|(name, value)| (name, value.expose().clone())).collect();
    let request = Asked { xml: decoded(&fields["SAMLRequest"]), relay_state: fields["RelayState"].clone() };
    let (response, state) = club.idp.answer_to(request, &alice());
    club.bring(&there.ceremony, &response, &state).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_logout_ends_the_sessions_that_it_names_and_whatever_waits_for_their_end() {
    let club = Club::new().await;
    let (first, session) = club.sign_in(&alice()).await;
    let (second, _) = club.sign_in(&alice().in_session("s-2")).await;
    let (his, _) = club.sign_in(&Person { name_id: "u-2", ..alice() }).await;
    assert_eq!(club.logs_out("somebody-else", &[]).await, 0);
    assert_eq!(club.logs_out("u-1", &["s-unknown"]).await, 0);
    let waiting = tokio::spawn({
        let identity = club.identity().clone();
        async move { identity.person_ended(session.id).await.unwrap() }
    });
    assert_eq!(club.logs_out("u-1", &["s-1"]).await, 1);
    let told = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert_eq!(told.expect("it is told at last").unwrap(), Why::Ended);
    assert_eq!((club.why(&first).await, club.why(&second).await), (Some(Why::Ended), None));
    assert_eq!(club.house.events("CHAT-1042I").await.last().unwrap()["why"], "provider");
    // Named without a session: all of the person's, and nobody else's.
    assert_eq!(club.logs_out("u-1", &[]).await, 1);
    assert_eq!((club.why(&second).await, club.why(&his).await), (Some(Why::Ended), None));
    // Forged, changed, for the staff's door, or said twice.
    let stranger = SamlIdp::new(&club.house.world);
    let here = club.address(CHAT, "logout");
    let genuine = club.idp.logout(&here, "u-2", &[]);
    for (query, reason) in [
        (stranger.logout(&here, "u-2", &[]), "saml.signature"),
        (genuine.replace("RelayState=there", "RelayState=here"), "saml.signature"),
        (genuine.split_once("&SigAlg").unwrap().0.to_owned(), "saml.unsigned"),
        (club.idp.logout(&club.address(DESK, "logout"), "u-2", &[]), "saml.destination"),
    ] {
        assert_eq!(refusal(club.says(&query).await), Refused::Provider);
        assert_eq!(club.last_reason().await, reason, "{query}");
    }
    assert_eq!(club.why(&his).await, None);
    // At the staff's door what is said to the public door is not heard either.
    let message = LogoutMessage::Query(genuine.clone());
    let outcome = club.identity().saml_logout(club.connection, &message, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::Provider);
    assert_eq!(club.last_reason().await, "saml.destination");
    assert_eq!(club.why(&his).await, None);
    assert!(matches!(club.says(&genuine).await, Ok(Parted::Asked { ended: 1, .. })));
    assert_eq!(refusal(club.says(&genuine).await), Refused::Provider);
    assert_eq!(club.last_reason().await, "saml.replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_here_asks_the_provider_to_and_takes_its_answer_once_and_at_this_door() {
    let club = Club::new().await;
    let (_, session) = club.sign_in(&alice()).await;
    let there = club.identity().person_farewell(&session).await.unwrap().unwrap();
    assert!(there.0.expose().starts_with(&format!("{SLO}?SAMLRequest=")), "{}", there.0.expose());
    let sent = asked(there.0.expose(), "SAMLRequest").xml;
    let issuer = format!("<saml:Issuer>{}</saml:Issuer>", club.address(CHAT, "metadata"));
    for part in [">u-1</saml:NameID>", "<samlp:SessionIndex>s-1</samlp:SessionIndex>", issuer.as_str()] {
        assert!(sent.contains(part), "{sent}");
    }
    // The staff's door waits for no such answer.
    let elsewhere = club.idp.parted(&club.address(DESK, "logout"), there.0.expose());
    let message = LogoutMessage::Query(elsewhere);
    let outcome = club.identity().saml_logout(club.connection, &message, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
    let answer = club.idp.parted(&club.address(CHAT, "logout"), there.0.expose());
    assert!(matches!(club.says(&answer).await, Ok(Parted::Answered { success: true })));
    assert_eq!(refusal(club.says(&answer).await), Refused::CeremonyOver);
    // A provider that offers no logout is not asked, and signing out here does not depend on it.
    club.set_saml(|saml| saml.idp_logout = None).await;
    let (_, session) = club.sign_in(&alice()).await;
    assert!(club.identity().person_farewell(&session).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_could_not_answer_to_the_public_door_is_not_made_one_for_people_who_chat() {
    for (visitors, usable) in [(DESK, false), ("http://chat.example", false), (CHAT, true)] {
        let house = House::new().await;
        let documents = Documents::default();
        house.identity.open_to_providers(ProviderAccess {
            fetch: std::sync::Arc::new(documents),
            origin: DESK.to_owned(),
            visitors: visitors.to_owned(),
            vouched: Vec::new(),
        });
        let idp = SamlIdp::new(&house.world);
        let connection = make(&house, &idp).await;
        let club = Club { house, idp, connection };
        let outcome = club.try_set(|settings| settings.serves = Serves::Visitors).await;
        match usable {
            true => outcome.unwrap(),
            false => assert_eq!(refusal(outcome), Refused::NoPublicAddress, "{visitors}"),
        }
        assert_eq!(club.view().await.visitors.is_some(), usable, "{visitors}");
    }
}
