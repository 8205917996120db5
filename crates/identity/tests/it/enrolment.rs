//! From an invitation to an account.

use guard::action::{InviteUser, ReadUsers};
use guard::{Grant, Role};
use identity::Refused;
use identity::password::PasswordRefused;
use kernel::{Id, UserId};
use store::Via;

use crate::authenticator::{Authenticator, ORIGIN};
use crate::house::{House, challenge, email, from, name, refusal, secret};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_enrols_and_then_no_other_first_owner_can() {
    let house = House::new().await;
    let invite = house.identity.first_owner_invite().await.unwrap().unwrap();
    let view = house.identity.look_at_invite(invite.expose()).await.unwrap();
    assert_eq!((view.grant, view.again), (Grant::everywhere(Role::Owner), false));
    let ada = house.enrol(&invite, "Ada Lovelace", "ada@example.org").await;

    let signed = house.signed(&ada.signed_in).await;
    assert_eq!(signed.actor.grants, [Grant::everywhere(Role::Owner)]);
    assert_eq!(signed.actor.assurance, 2);
    let who = house.identity.who(&signed).await.unwrap();
    assert_eq!((who.name.as_str(), who.email.as_str()), ("Ada Lovelace", "ada@example.org"));
    assert_eq!(ada.codes.len(), 10);

    assert!(house.identity.first_owner_invite().await.unwrap().is_none());
    assert_eq!(refusal(house.identity.look_at_invite(invite.expose()).await), Refused::Invite);
    for (code, count) in
        [("AUTH-1005I", 1), ("AUTH-1006I", 1), ("AUTH-1004I", 2), ("AUTH-1008I", 1), ("AUTH-1001I", 1)]
    {
        assert_eq!(house.events(code).await.len(), count, "{code}");
    }
    // The account that an invitation makes was named when it was made.
    assert_eq!(house.events("AUTH-1005I").await[0]["user"], ada.user.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_the_first_owner_is_made_anew_at_each_start_and_lasts_a_day() {
    let house = House::new().await;
    let first = house.identity.first_owner_invite().await.unwrap().unwrap();
    let others = house.invite(Role::Owner, None).await;
    let second = house.identity.first_owner_invite().await.unwrap().unwrap();
    assert!(house.identity.look_at_invite(others.expose()).await.is_ok());
    assert_eq!(refusal(house.identity.look_at_invite(first.expose()).await), Refused::Invite);
    house.minutes(24 * 60 - 1);
    assert!(house.identity.look_at_invite(second.expose()).await.is_ok());
    house.minutes(1);
    assert_eq!(refusal(house.identity.look_at_invite(second.expose()).await), Refused::Invite);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_enrolment_leaves_no_account_and_the_invitation_open() {
    let house = House::new().await;
    let invite = house.identity.first_owner_invite().await.unwrap().unwrap();
    let ceremony = house.begin(&invite, "Ada Lovelace", "ada@example.org").await;
    house.choose(&ceremony).await;
    house.identity.enrol_passkey_options(&ceremony).await.unwrap();
    let users = house.identity.users(house.operator_may::<ReadUsers>(&house.whole())).await.unwrap();
    assert!(users.is_empty());
    house.enrol(&invite, "Ada Lovelace", "ada@example.org").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_enrolments_with_one_invitation_make_one_account() {
    let house = House::new().await;
    let invite = house.invite(Role::BotDeveloper, None).await;
    let late = house.begin(&invite, "Mallory", "mallory@example.org").await;
    let setup = house.choose(&late).await;
    house.enrol(&invite, "Ada Lovelace", "ada@example.org").await;
    let code = house.code(setup.letters.expose());
    let outcome = house.identity.enrol_code(&late, &code, &Via::default()).await;
    assert!(matches!(refusal(outcome), Refused::Invite | Refused::AccountExists));
    let users = house.identity.users(house.operator_may::<ReadUsers>(&house.whole())).await.unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].email.as_str(), "ada@example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_is_over_after_ten_minutes_however_often_its_page_is_loaded() {
    let house = House::new().await;
    let invite = house.invite(Role::Auditor, None).await;
    let ceremony = house.begin(&invite, "Ada Lovelace", "ada@example.org").await;
    let shown = house.choose(&ceremony).await;
    house.minutes(9);
    let again = house.identity.enrolment(&ceremony).await.unwrap();
    assert_eq!(again.totp.unwrap().letters.expose(), shown.letters.expose());
    house.minutes(1);
    assert_eq!(refusal(house.identity.enrolment(&ceremony).await), Refused::CeremonyOver);
    let code = house.code(shown.letters.expose());
    let outcome = house.identity.enrol_code(&ceremony, &code, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_for_one_address_serves_no_other_and_an_address_has_one_account() {
    let house = House::new().await;
    let invite = house.invite(Role::SupportAgent, Some("Ada@Example.org")).await;
    let begin = |address: &str| house.identity.begin_enrolment(invite.expose(), name("Eve"), email(address));
    assert_eq!(refusal(begin("eve@example.org").await), Refused::OtherAddress);
    house.enrol(&invite, "Ada Lovelace", "ada@example.org").await;

    let permit = house.operator_may::<InviteUser>(&house.whole());
    let grant = Grant::everywhere(Role::Owner);
    let outcome = house.identity.invite(permit, grant, Some(email("ada@example.org")), &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::AccountExists);
    let open = house.invite(Role::Owner, None).await;
    let outcome = house.identity.begin_enrolment(open.expose(), name("Eve"), email("ada@example.org")).await;
    assert_eq!(refusal(outcome), Refused::AccountExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_lasts_a_week_and_can_be_withdrawn() {
    let house = House::new().await;
    let invite = house.invite(Role::SupportAgent, None).await;
    let other = house.invite(Role::SupportAgent, Some("bob@example.org")).await;
    let rows = house.identity.invites(house.operator_may::<ReadUsers>(&house.whole())).await.unwrap();
    let bobs = rows.iter().find(|row| row.view.email == Some(email("bob@example.org"))).unwrap().id;
    let may = || house.operator_may::<InviteUser>(&house.whole());
    house.identity.withdraw_invite(may(), bobs).await.unwrap();
    assert_eq!(refusal(house.identity.withdraw_invite(may(), bobs).await), Refused::Invite);
    assert_eq!(refusal(house.identity.look_at_invite(other.expose()).await), Refused::Invite);
    house.minutes(7 * 24 * 60 - 1);
    assert!(house.identity.look_at_invite(invite.expose()).await.is_ok());
    house.minutes(1);
    assert_eq!(refusal(house.identity.look_at_invite(invite.expose()).await), Refused::Invite);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_password_or_a_wrong_first_code_can_be_mended() {
    let house = House::new().await;
    let invite = house.invite(Role::SupportAgent, None).await;
    let ceremony = house.begin(&invite, "Ada Lovelace", "ada@example.org").await;
    let short = house.identity.enrol_password(&ceremony, secret("hunter2")).await;
    assert_eq!(refusal(short), Refused::Password(PasswordRefused::Short));
    let own = house.identity.enrol_password(&ceremony, secret("Ada Lovelace ada")).await;
    assert!(matches!(refusal(own), Refused::Password(PasswordRefused::Guessable { .. })));

    let setup = house.choose(&ceremony).await;
    assert!(setup.qr.expose().starts_with("<svg ") && setup.qr.expose().trim_end().ends_with("</svg>"));
    assert!(!setup.qr.expose().contains("style"));
    let right = house.code(setup.letters.expose());
    let wrong = if right == "000000" { "111111" } else { "000000" };
    assert_eq!(refusal(house.identity.enrol_code(&ceremony, wrong, &Via::default()).await), Refused::Code);
    house.identity.enrol_code(&ceremony, &right, &Via::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_enrols_alone_and_signs_in_without_a_name() {
    let house = House::new().await;
    let (mut key, first) = house.with_passkey(Role::Owner, "grace@example.org").await;
    assert_eq!(house.signed(&first).await.actor.assurance, 3, "a passkey cannot be phished");
    key.counter = 1;
    let second = house.passkey(&key).await.unwrap();
    assert_eq!(second.user, first.user);
    assert_ne!(second.session, first.session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_made_for_another_site_does_not_enrol() {
    let house = House::new().await;
    let invite = house.invite(Role::Owner, None).await;
    let ceremony = house.begin(&invite, "Ada Lovelace", "ada@example.org").await;
    let options = house.identity.enrol_passkey_options(&ceremony).await.unwrap();
    let user: UserId = house.events("AUTH-1005I").await[0]["user"].as_str().unwrap().parse().unwrap();
    use base64::Engine as _;
    let handle = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(user.to_bytes());
    assert_eq!(options["user"]["id"], handle);
    let sent = Authenticator::new().create(challenge(&options), "https://evil.example");
    let outcome = house.identity.enrol_passkey(&ceremony, &sent, name("key"), &from("192.0.2.1")).await;
    assert!(matches!(refusal(outcome), Refused::Passkey(_)));
    let sent = Authenticator::new().create(challenge(&options), ORIGIN);
    house.identity.enrol_passkey(&ceremony, &sent, name("key"), &from("192.0.2.1")).await.unwrap();
}
