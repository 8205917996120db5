//! Signing in and out through a provider that speaks SAML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::Encryption;
use guard::action::{ManageConnections, ReadConnections};
use guard::{Grant, Role};
use identity::connections::{
    Domain, Draft, DraftProvider, Finished, GroupRole, LogoutMessage, Metadata, Parted, Provider, Settings,
    Wish,
};
use identity::{IdentityError, Refused, SignedIn, Why};
use kernel::ConnectionId;
use store::Via;

use crate::documents::Documents;
use crate::house::{House, from, refusal};
use crate::saml_idp::{Asked, Person, SLO, SamlIdp, Signer, alice, asked};

const METADATA: &str = "https://idp.corp.example/metadata";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// A house with an owner of its own and a connection to a provider that vouches for `corp.example`.
struct Fed {
    house: House,
    idp: SamlIdp,
    documents: Documents,
    connection: ConnectionId,
}

impl Fed {
    async fn new() -> Self {
        let (house, documents) = (House::new().await, Documents::default());
        documents.open(&house);
        house.staff(Role::Owner, "owner@example.org").await;
        let idp = SamlIdp::new(&house.world);
        documents.put(METADATA, SamlIdp::metadata(&[&idp.signer]));
        let permit = house.operator_may::<ManageConnections>(&house.whole());
        let provider = DraftProvider::Saml { metadata: Metadata::Address(METADATA.to_owned()) };
        let draft = Draft { name: "Corp".to_owned(), provider };
        let connection = house.identity.make_connection(permit, draft, &Via::default()).await.unwrap();
        let fed = Self { house, idp, documents, connection };
        fed.set(|settings| {
            settings.people.create = true;
            settings.people.groups = Some("groups".to_owned());
            let row =
                |group: &str, role| GroupRole { group: group.to_owned(), grant: Grant::everywhere(role) };
            settings.people.mapping =
                vec![row("support", Role::SupportManager), row("desk", Role::SupportAgent)];
        })
        .await;
        let (identity, domains) = (&fed.house.identity, [Domain::parse("corp.example").unwrap()]);
        identity.set_domains(fed.may(), connection, &domains, &Via::default()).await.unwrap();
        identity.switch_connection(fed.may(), connection, true, &Via::default()).await.unwrap();
        fed
    }

    fn may(&self) -> guard::Permit<ManageConnections> {
        self.house.operator_may::<ManageConnections>(&self.house.whole())
    }

    async fn set(&self, change: impl FnOnce(&mut Settings)) {
        let permit = self.house.operator_may::<ReadConnections>(&self.house.whole());
        let mut settings = self.house.identity.connection(&permit, self.connection).await.unwrap().settings;
        change(&mut settings);
        let (identity, via) = (&self.house.identity, Via::default());
        identity.set_connection(self.may(), self.connection, "Corp", settings, &via).await.unwrap();
    }

    async fn set_saml(&self, change: impl FnOnce(&mut federation::saml::SamlSettings)) {
        self.set(|settings| match &mut settings.provider {
            Provider::Saml(saml) => change(saml),
            Provider::Oidc(_) => panic!("it speaks SAML"),
        })
        .await;
    }

    async fn try_sign_in(&self, person: &Person) -> Result<SignedIn, IdentityError> {
        let (identity, via) = (&self.house.identity, from("192.0.2.7"));
        let there = identity.depart(self.connection, Wish::sign_in("/".to_owned()), None).await?;
        let (response, relay_state) = self.idp.answer(there.to.expose(), person);
        let handle = identity.saml_form(self.connection, &response, &relay_state, &via).await?;
        match identity.saml_answer(&there.ceremony, handle.0.expose(), &via).await? {
            Finished::SignedIn { signed_in, .. } => Ok(signed_in),
            other => panic!("{other:?}"),
        }
    }

    async fn sign_in(&self, person: &Person) -> SignedIn {
        self.try_sign_in(person).await.unwrap()
    }

    /// The sign-in is refused, and for this reason.
    async fn refused(&self, person: &Person, reason: &str) {
        assert_eq!(refusal(self.try_sign_in(person).await), Refused::Provider);
        assert_eq!(self.house.events("AUTH-1013W").await.last().unwrap()["reason"], reason);
    }

    async fn why(&self, signed_in: &SignedIn) -> Option<Why> {
        self.house.identity.session(&signed_in.secret).await.unwrap().err()
    }

    fn our_logout(&self) -> String {
        format!("https://desk.example/sso/saml/{}/logout", self.connection)
    }

    async fn says(&self, query: &str) -> Result<Parted, IdentityError> {
        let message = LogoutMessage::Query(query.to_owned());
        self.house.identity.saml_logout(self.connection, &message, &from("192.0.2.7")).await
    }

    /// The provider asks to end sessions; gives how many ended.
    async fn logs_out(&self, name_id: &str, sessions: &[&str]) -> u64 {
        match self.says(&self.idp.logout(&self.our_logout(), name_id, sessions)).await.unwrap() {
            Parted::Asked { ended, back } => {
                let back = asked(back.unwrap().expose(), "SAMLResponse");
                assert!(back.xml.contains("status:Success") && back.relay_state == "there", "{}", back.xml);
                ended
            }
            other @ Parted::Answered { .. } => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_from_an_address_makes_a_connection_that_people_sign_in_through() {
    let fed = Fed::new().await;
    let signed_in = fed.sign_in(&alice()).await;
    let signed = fed.house.signed(&signed_in).await;
    assert_eq!(signed.session.assurance, 2);
    assert_eq!(signed.actor.grants, [Grant::everywhere(Role::SupportManager)]);
    assert_eq!(fed.house.events("AUTH-1001I").await.last().unwrap()["method"], "saml");
    // A group that is gone takes its role along, and the session that had it ends.
    let again = fed.sign_in(&alice().with("groups", &["desk"])).await;
    assert_eq!(fed.house.signed(&again).await.actor.grants, [Grant::everywhere(Role::SupportAgent)]);
    assert_eq!(fed.why(&signed_in).await, Some(Why::Ended));
    fed.refused(&alice().with("groups", &["unknown"]), "sso.no-role").await;
    assert_eq!(fed.why(&again).await, Some(Why::Ended));
    fed.refused(&alice().without("groups"), "sso.groups-unsaid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_assertions_are_refused_accepted_or_demanded_as_the_connection_says() {
    let mut fed = Fed::new().await;
    let metadata = fed.house.identity.saml_metadata(fed.connection).await.unwrap();
    assert!(!metadata.contains("use=\"encryption\""), "a key is published that nobody wants");
    fed.set_saml(|saml| saml.encryption = Encryption::Offered).await;
    let metadata = fed.house.identity.saml_metadata(fed.connection).await.unwrap();
    let after = metadata.split_once("use=\"encryption\"").unwrap().1;
    let after = after.split_once("<ds:X509Certificate>").unwrap().1;
    let certificate = after.split_once("</ds:X509Certificate>").unwrap().0.to_owned();
    assert_eq!(metadata.matches(&certificate).count(), 1, "one key does one thing");
    fed.sign_in(&alice()).await;
    fed.idp.encrypt_for = Some(certificate.clone());
    fed.sign_in(&alice()).await;
    fed.set_saml(|saml| saml.encryption = Encryption::Required).await;
    let same = fed.house.identity.saml_metadata(fed.connection).await.unwrap();
    assert!(same.contains(&certificate), "the key that the provider knows was replaced");
    fed.sign_in(&alice()).await;
    fed.idp.encrypt_for = None;
    fed.refused(&alice(), "saml.encryption_required").await;
    fed.set_saml(|saml| saml.encryption = Encryption::Off).await;
    fed.idp.encrypt_for = Some(certificate);
    fed.refused(&alice(), "saml.encryption_not_offered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_of_the_provider_ends_the_sessions_that_it_names_and_no_others() {
    let fed = Fed::new().await;
    let first = fed.sign_in(&alice()).await;
    let second = fed.sign_in(&alice().in_session("s-2")).await;
    let third = fed.sign_in(&alice().in_session("s-3")).await;
    assert_eq!(fed.logs_out("somebody-else", &["s-1"]).await, 0);
    assert_eq!(fed.logs_out("u-1", &["s-unknown"]).await, 0);
    assert_eq!(fed.why(&first).await, None);
    assert_eq!(fed.logs_out("u-1", &["s-1"]).await, 1);
    assert_eq!((fed.why(&first).await, fed.why(&second).await), (Some(Why::Ended), None));
    // Without a session: all of the person's.
    assert_eq!(fed.logs_out("u-1", &[]).await, 2);
    assert_eq!((fed.why(&second).await, fed.why(&third).await), (Some(Why::Ended), Some(Why::Ended)));
    let ends = fed.house.events("AUTH-1003I").await;
    assert!(ends.iter().rev().take(3).all(|event| event["why"] == "provider"), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_is_forged_changed_repeated_or_late_ends_nothing() {
    let fed = Fed::new().await;
    let signed_in = fed.sign_in(&alice()).await;
    let stranger = SamlIdp::new(&fed.house.world);
    let forged = stranger.logout(&fed.our_logout(), "u-1", &[]);
    let genuine = fed.idp.logout(&fed.our_logout(), "u-1", &["s-1"]);
    let (unsigned, _) = genuine.split_once("&SigAlg").unwrap();
    let elsewhere = fed.idp.logout(SLO, "u-1", &[]);
    for (query, reason) in [
        (forged.as_str(), "saml.signature"),
        (&genuine.replace("RelayState=there", "RelayState=here"), "saml.signature"),
        (unsigned, "saml.unsigned"),
        (&elsewhere, "saml.destination"),
        ("", "saml.query"),
    ] {
        assert_eq!(refusal(fed.says(query).await), Refused::Provider);
        assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], reason, "{query}");
    }
    let form = LogoutMessage::Form { request: Some("x".to_owned()), response: None, relay_state: None };
    let outcome = fed.house.identity.saml_logout(fed.connection, &form, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::Provider);
    assert_eq!(fed.why(&signed_in).await, None);
    assert!(matches!(fed.says(&genuine).await, Ok(Parted::Asked { ended: 1, .. })));
    let again = fed.sign_in(&alice()).await;
    assert_eq!(refusal(fed.says(&genuine).await), Refused::Provider);
    assert_eq!(fed.house.events("AUTH-1013W").await.last().unwrap()["reason"], "saml.replayed");
    let late = fed.idp.logout(&fed.our_logout(), "u-1", &[]);
    fed.house.minutes(7);
    assert_eq!(refusal(fed.says(&late).await), Refused::Provider);
    assert_eq!(fed.why(&again).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_here_asks_the_provider_to_and_takes_its_answer_once() {
    let fed = Fed::new().await;
    let signed = fed.house.signed(&fed.sign_in(&alice()).await).await;
    let there = fed.house.identity.farewell(&signed).await.unwrap().unwrap();
    assert!(there.0.expose().starts_with(&format!("{SLO}?SAMLRequest=")), "{}", there.0.expose());
    let sent = asked(there.0.expose(), "SAMLRequest");
    for part in [">u-1</saml:NameID>", "<samlp:SessionIndex>s-1</samlp:SessionIndex>"] {
        assert!(sent.xml.contains(part), "{}", sent.xml);
    }
    let answer = fed.idp.parted(&fed.our_logout(), there.0.expose());
    assert!(matches!(fed.says(&answer).await, Ok(Parted::Answered { success: true })));
    assert_eq!(refusal(fed.says(&answer).await), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_a_new_name_at_each_sign_in_is_logged_out_by_that_name() {
    let fed = Fed::new().await;
    fed.set_saml(|saml| saml.subject_attribute = Some("employee".to_owned())).await;
    let transient = |name_id, session| Person {
        name_id,
        format: TRANSIENT,
        ..alice().with("employee", &["e-4711"]).in_session(session)
    };
    let first = fed.sign_in(&transient("t-1", "s-1")).await;
    let second = fed.sign_in(&transient("t-2", "s-2")).await;
    assert_eq!(first.user, second.user);
    assert_eq!(fed.logs_out("e-4711", &[]).await, 0, "logouts do not know the attribute");
    assert_eq!(fed.logs_out("t-2", &[]).await, 1);
    assert_eq!((fed.why(&first).await, fed.why(&second).await), (None, Some(Why::Ended)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_rolls_its_key_over_without_an_hour_in_which_nobody_can_sign_in() {
    let mut fed = Fed::new().await;
    let renew = async |fed: &Fed, metadata, keep| {
        let identity = &fed.house.identity;
        identity.renew_metadata(fed.may(), fed.connection, metadata, keep, &Via::default()).await
    };
    fed.sign_in(&alice()).await;
    let new = Signer::new();
    fed.documents.put(METADATA, SamlIdp::metadata(&[&new]));
    renew(&fed, Metadata::Address(METADATA.to_owned()), true).await.unwrap();
    fed.sign_in(&alice()).await;
    let old = std::mem::replace(&mut fed.idp.signer, new);
    fed.sign_in(&alice()).await;
    renew(&fed, Metadata::File(SamlIdp::metadata(&[&fed.idp.signer])), false).await.unwrap();
    fed.sign_in(&alice()).await;
    fed.idp.signer = old;
    fed.refused(&alice(), "saml.signature").await;
    // It stays the same provider, with a handful of keys.
    let other = SamlIdp::metadata(&[&fed.idp.signer]);
    let other = String::from_utf8(other).unwrap().replace("corp.example/saml", "evil.example/saml");
    let outcome = renew(&fed, Metadata::File(other.into_bytes()), true).await;
    assert_eq!(refusal(outcome), Refused::Setting("issuer"));
    let outcome = renew(&fed, Metadata::Address("https://nowhere.example/".to_owned()), true).await;
    assert!(matches!(refusal(outcome), Refused::ProviderUnusable(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_forms_alone_is_asked_by_one_and_one_that_takes_both_by_what_is_set() {
    let fed = Fed::new().await;
    let depart = async || {
        let wish = Wish::sign_in("/".to_owned());
        fed.house.identity.depart(fed.connection, wish, None).await.unwrap()
    };
    let read_again = async |bindings: &[&str]| {
        let metadata = Metadata::File(SamlIdp::metadata_with(&[&fed.idp.signer], bindings));
        let (identity, via) = (&fed.house.identity, Via::default());
        identity.renew_metadata(fed.may(), fed.connection, metadata, false, &via).await
    };
    assert!(depart().await.form.is_none());
    read_again(&["POST", "Redirect"]).await.unwrap();
    assert!(depart().await.form.is_none(), "where there is a choice, a redirect");
    fed.set_saml(|saml| saml.send_by_form = true).await;
    for bindings in [&["POST", "Redirect"][..], &["POST"]] {
        read_again(bindings).await.unwrap();
        let there = depart().await;
        assert_eq!(there.to.expose(), "https://idp.corp.example/form");
        let fields = there.form.unwrap();
        let field = |name: &str| {
            fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.expose().clone()).unwrap()
        };
        let xml = STANDARD.decode(field("SAMLRequest")).unwrap();
        let xml = String::from_utf8(xml).unwrap();
        assert!(
            xml.contains("<ds:SignatureValue>")
                && xml.contains("Destination=\"https://idp.corp.example/form\"")
        );
        let asked = Asked { xml, relay_state: field("RelayState") };
        let (response, relay_state) = fed.idp.answer_to(asked, &alice());
        let (identity, via) = (&fed.house.identity, from("192.0.2.7"));
        let handle = identity.saml_form(fed.connection, &response, &relay_state, &via).await.unwrap();
        let finished = identity.saml_answer(&there.ceremony, handle.0.expose(), &via).await.unwrap();
        assert!(matches!(finished, Finished::SignedIn { .. }), "{finished:?}");
    }
    fed.set_saml(|saml| saml.send_by_form = false).await;
    assert!(depart().await.form.is_some(), "it takes nothing else");
    let refused = read_again(&["SOAP"]).await;
    assert!(matches!(refusal(refused), Refused::ProviderUnusable(_)));
}
