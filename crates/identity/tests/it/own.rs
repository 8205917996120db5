//! One's own account: factors, password, and what one is told.

use std::io::Write as _;
use std::time::Duration;

use doors::cookie::SessionSecret;
use guard::action::{ChangeOwnFactors, DisableUser, EnableUser, GrantRole, ManageOwnAccount, ResetFactors};
use guard::{Actor, Circumstances, Grant, Permit, Role};
use identity::breached::Breached;
use identity::notices::{NoticeHand, NoticeKind, Told};
use identity::passkey::RelyingParty;
use identity::password::{PasswordRefused, Passwords};
use identity::{DeviceToken, Identity, Refused, Renewed, Signed, SignedIn, Why};
use store::{Device, Via};

use crate::authenticator::{Authenticator, ORIGIN};
use crate::house::{House, PASSWORD, challenge, from, guard, name, refusal, secret};

const OTHER: &str = "saffron ballast quarry thimble";

async fn signed(identity: &Identity, secret: &SessionSecret) -> Signed {
    identity.session(secret).await.unwrap().unwrap()
}

fn may(house: &House, signed: &Signed) -> Permit<ChangeOwnFactors> {
    house.permit(&Actor::Staff(signed.actor.clone()), &house.account(signed.actor.user))
}

fn looks(house: &House, signed: &Signed) -> Permit<ManageOwnAccount> {
    house.permit(&Actor::Staff(signed.actor.clone()), &house.account(signed.actor.user))
}

fn way() -> Via {
    let device = Device { kind: Some("Firefox on Linux".to_owned()), token: None };
    Via { request: None, source: Some("192.0.2.7".to_owned()), device: Some(device) }
}

/// Adds a passkey with whatever was proved last.
async fn add(house: &House, signed: &Signed, label: &str) -> Result<(Authenticator, Renewed), Refused> {
    let leave = may(house, signed);
    let begun = house.identity.add_passkey_options(&leave).await;
    let (ceremony, options) = begun.map_err(|error| refusal::<()>(Err(error)))?;
    let key = Authenticator::new();
    let sent = key.create(challenge(&options), ORIGIN);
    let done = house.identity.add_passkey(&leave, &ceremony, &sent, name(label), &way()).await;
    Ok((key, done.map_err(|error| refusal::<()>(Err(error)))?))
}

/// Confirms with a passkey in the session that there is.
async fn confirm(house: &House, secret: &SessionSecret, key: &Authenticator) -> SessionSecret {
    let signed = signed(&house.identity, secret).await;
    let (ceremony, options) = house.identity.step_up_begin(&signed).await.unwrap();
    let sent = key.get(challenge(&options), ORIGIN);
    house.identity.step_up_passkey(&signed, &ceremony, &sent, &way()).await.unwrap()
}

async fn told(house: &House, signed: &Signed) -> Vec<Told> {
    house.identity.unseen_notices(&looks(house, signed)).await.unwrap().told
}

async fn kinds(house: &House, signed: &Signed) -> Vec<NoticeKind> {
    told(house, signed).await.into_iter().map(|told| told.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_an_app_adds_a_passkey_alone_and_other_sessions_end() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let (elsewhere, here) = (house.sign_in(&ada).await, house.sign_in(&ada).await);
    let session = signed(&house.identity, &here.secret).await;
    assert_eq!(session.actor.assurance, 2);

    let (key, renewed) = add(&house, &session, "blue key").await.unwrap();
    // The old secret opens nothing, the new one opens the same session in the account's new epoch.
    assert!(house.identity.session(&here.secret).await.unwrap().is_err());
    assert_eq!(house.identity.session(&elsewhere.secret).await.unwrap().unwrap_err(), Why::Ended);
    let now = signed(&house.identity, &renewed.secret).await;
    assert_eq!((now.session.id, now.actor.assurance), (session.session.id, 2));
    assert!(now.session.epoch > session.session.epoch);
    assert!(renewed.left <= session.session.absolute.since(session.session.created));

    let factors = house.identity.own_factors(&looks(&house, &now)).await.unwrap();
    assert_eq!(factors.passkeys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["blue key"]);
    assert!(factors.app.is_some() && factors.password.is_some() && factors.needs_a_passkey);
    assert_eq!(factors.recovery_codes, 10);

    // And it signs in, with the level that keeping keys and policies ask for.
    let by_key = house.passkey(&key).await.unwrap();
    assert_eq!(house.signed(&by_key).await.actor.assurance, 3);
    let enrolled = house.events("AUTH-1004I").await;
    assert_eq!(enrolled.last().unwrap()["factor"], "passkey");

    let told = told(&house, &now).await;
    let added = told.iter().find(|told| told.kind == NoticeKind::FactorAdded).unwrap();
    assert_eq!(added.hand, NoticeHand::Oneself);
    assert_eq!(added.what.as_deref(), Some("passkey “blue key”"));
    assert_eq!(added.from.as_deref(), Some("192.0.2.7"));
    assert_eq!(added.device.as_deref(), Some("Firefox on Linux"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_factors_takes_a_fresh_proof_and_ends_other_sessions() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let other = house.sign_in(&ada).await;
    let here = house.sign_in(&ada).await;
    house.minutes(5);
    let stale = signed(&house.identity, &here.secret).await;
    let at = Circumstances::at(house.world.now());
    let (actor, account) = (Actor::Staff(stale.actor.clone()), house.account(ada.user));
    let denied = guard().permit::<ChangeOwnFactors>(&actor, &account, &at).unwrap_err();
    assert_eq!(denied.rule(), "guard.step_up");
    // Looking is not changing.
    house.identity.own_factors(&looks(&house, &stale)).await.unwrap();

    let code = house.code(&ada.letters);
    let secret = house.identity.step_up_totp(&stale, &code, &way()).await.unwrap();
    let fresh = signed(&house.identity, &secret).await;
    let (codes, renewed) = house.identity.new_recovery_codes(&may(&house, &fresh), &way()).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert!(house.identity.session(&other.secret).await.unwrap().is_err());
    assert!(house.identity.session(&secret).await.unwrap().is_err(), "the secret before the change");
    assert!(house.identity.session(&renewed.secret).await.unwrap().is_ok());

    // Nobody changes the factors of somebody else.
    let bob = house.staff(Role::Owner, "bob@example.org").await;
    let bobs = house.signed(&bob.signed_in).await;
    let at = Circumstances::at(house.world.now());
    let actor = Actor::Staff(bobs.actor.clone());
    assert!(guard().permit::<ChangeOwnFactors>(&actor, &account, &at).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_passkey_confirms_a_change_of_factors_with_it() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let session = house.signed(&ada.signed_in).await;
    let (key, renewed) = add(&house, &session, "first").await.unwrap();
    let with_code = signed(&house.identity, &renewed.secret).await;
    assert_eq!(add(&house, &with_code, "second").await.err(), Some(Refused::Stronger));
    let leave = may(&house, &with_code);
    assert_eq!(refusal(house.identity.new_app(&leave, None).await), Refused::Stronger);
    assert_eq!(refusal(house.identity.new_recovery_codes(&leave, &way()).await), Refused::Stronger);
    let first = house.identity.own_factors(&looks(&house, &with_code)).await.unwrap().passkeys[0].id;
    assert_eq!(refusal(house.identity.remove_passkey(&leave, first, &way()).await), Refused::Stronger);

    let secret = confirm(&house, &renewed.secret, &key).await;
    let with_key = signed(&house.identity, &secret).await;
    house.advance(1);
    let (_, renewed) = add(&house, &with_key, "second").await.unwrap();
    let now = signed(&house.identity, &renewed.secret).await;
    assert_eq!(house.identity.own_factors(&looks(&house, &now)).await.unwrap().passkeys.len(), 2);

    // A name is given without ending anything; the key of somebody else has none to give.
    let leave = may(&house, &now);
    house.identity.name_passkey(&leave, first, name("in the safe"), &way()).await.unwrap();
    let factors = house.identity.own_factors(&looks(&house, &now)).await.unwrap();
    assert_eq!(factors.passkeys[0].name.as_str(), "in the safe");
    assert!(house.identity.session(&renewed.secret).await.unwrap().is_ok());
    assert_eq!(house.events("AUTH-1019I").await.len(), 1);
    let (_, grace) = house.with_passkey(Role::Owner, "grace@example.org").await;
    let grace = house.signed(&grace).await;
    let foreign = house.identity.name_passkey(&may(&house, &grace), first, name("mine"), &way()).await;
    assert_eq!(refusal(foreign), Refused::NoFactor);
    let foreign = house.identity.remove_passkey(&may(&house, &grace), first, &way()).await;
    assert_eq!(refusal(foreign), Refused::NoFactor);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_leaves_an_account_below_what_its_roles_ask_for() {
    let house = House::new().await;
    // An owner's last passkey stays, with an app or without one.
    let (_, grace) = house.with_passkey(Role::Owner, "grace@example.org").await;
    let session = house.signed(&grace).await;
    let leave = may(&house, &session);
    let factors = house.identity.own_factors(&looks(&house, &session)).await.unwrap();
    let only = factors.passkeys[0].id;
    assert!(factors.needs_a_passkey && factors.app.is_none());
    assert_eq!(refusal(house.identity.remove_passkey(&leave, only, &way()).await), Refused::PasskeyNeeded);
    assert_eq!(refusal(house.identity.remove_app(&leave, &way()).await), Refused::NoFactor);

    // A support agent's may go once there is an app, and the app may not go then.
    let (_, bob) = house.with_passkey(Role::SupportAgent, "bob@example.org").await;
    let session = house.signed(&bob).await;
    let factors = house.identity.own_factors(&looks(&house, &session)).await.unwrap();
    let only = factors.passkeys[0].id;
    assert!(!factors.needs_a_passkey);
    let leave = may(&house, &session);
    assert_eq!(refusal(house.identity.remove_passkey(&leave, only, &way()).await), Refused::LastFactor);
    assert_eq!(refusal(house.identity.new_app(&leave, None).await), Refused::PasswordNeeded);
    let ceremony = house.identity.new_app(&leave, Some(secret(OTHER))).await.unwrap();
    let letters = house.identity.new_app_setup(&ceremony).await.unwrap().letters.expose().clone();
    let code = house.code(&letters);
    let renewed = house.identity.confirm_app(&leave, &ceremony, &code, &way()).await.unwrap();
    let session = signed(&house.identity, &renewed.secret).await;
    let leave = may(&house, &session);
    let renewed = house.identity.remove_passkey(&leave, only, &way()).await.unwrap();
    assert_eq!(house.events("AUTH-1018I").await.last().unwrap()["factor"], "passkey");
    let session = signed(&house.identity, &renewed.secret).await;
    assert_eq!(refusal(house.identity.remove_app(&may(&house, &session), &way()).await), Refused::LastFactor);

    // They sign in with what is left.
    house.advance(60);
    let ceremony = house.password("bob@example.org", OTHER).await.unwrap();
    let code = house.code(&letters);
    house.identity.totp_step(&ceremony, &code, &way()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_replaced_by_another_and_removed_with_its_password() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let session = house.signed(&ada.signed_in).await;
    let leave = may(&house, &session);
    let ceremony = house.identity.new_app(&leave, None).await.unwrap();
    let letters = house.identity.new_app_setup(&ceremony).await.unwrap().letters.expose().clone();
    assert_ne!(letters, ada.letters);
    let old = house.code(&ada.letters);
    assert_eq!(refusal(house.identity.confirm_app(&leave, &ceremony, &old, &way()).await), Refused::Code);
    // Until the first code of the new app the old one is in force.
    let again = house.sign_in(&ada).await;
    let code = house.code(&letters);
    // Another session of the same person does not end what this one began.
    let other = house.signed(&again).await;
    let stolen = house.identity.confirm_app(&may(&house, &other), &ceremony, &code, &way()).await;
    assert_eq!(refusal(stolen), Refused::CeremonyOver);
    let renewed = house.identity.confirm_app(&leave, &ceremony, &code, &way()).await.unwrap();
    assert!(house.identity.session(&again.secret).await.unwrap().is_err());

    house.advance(60);
    let half = house.password("ada@example.org", PASSWORD).await.unwrap();
    let old = house.code(&ada.letters);
    assert_eq!(refusal(house.identity.totp_step(&half, &old, &way()).await), Refused::Code);
    let new = house.code(&letters);
    house.identity.totp_step(&half, &new, &way()).await.unwrap();

    let session = signed(&house.identity, &renewed.secret).await;
    assert!(kinds(&house, &session).await.contains(&NoticeKind::AppCodeReplaced));
    let (key, renewed) = add(&house, &session, "key").await.unwrap();
    let secret = confirm(&house, &renewed.secret, &key).await;
    let session = signed(&house.identity, &secret).await;
    let renewed = house.identity.remove_app(&may(&house, &session), &way()).await.unwrap();
    let session = signed(&house.identity, &renewed.secret).await;
    let left = house.identity.own_factors(&looks(&house, &session)).await.unwrap();
    assert!(left.app.is_none() && left.password.is_none());
    assert_eq!(refusal(house.password("ada@example.org", PASSWORD).await), Refused::SignIn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_with_the_old_one_and_a_fresh_proof() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let other = house.sign_in(&ada).await;
    let here = house.sign_in(&ada).await;
    let session = house.signed(&here).await;
    let change = async |old: &str, new: &str| {
        house.identity.change_password(&may(&house, &session), secret(old), secret(new), &way()).await
    };
    assert_eq!(refusal(change("not the old password", OTHER).await), Refused::OldPassword);
    assert_eq!(refusal(change(PASSWORD, PASSWORD).await), Refused::SamePassword);
    assert_eq!(refusal(change(PASSWORD, "short").await), Refused::Password(PasswordRefused::Short));
    let about = change(PASSWORD, "Ada Lovelace ada").await;
    assert!(matches!(refusal(about), Refused::Password(PasswordRefused::Guessable { .. })));
    assert!(house.identity.session(&other.secret).await.unwrap().is_ok(), "nothing was changed yet");

    let renewed = change(PASSWORD, OTHER).await.unwrap();
    assert!(house.identity.session(&other.secret).await.unwrap().is_err());
    assert!(house.identity.session(&here.secret).await.unwrap().is_err());
    let session = signed(&house.identity, &renewed.secret).await;
    assert_eq!(house.events("AUTH-1020I").await.len(), 1);
    assert!(kinds(&house, &session).await.contains(&NoticeKind::PasswordChanged));
    assert_eq!(refusal(house.password("ada@example.org", PASSWORD).await), Refused::SignIn);
    assert!(house.password("ada@example.org", OTHER).await.is_ok());

    // Who has none has none to change.
    let (_, grace) = house.with_passkey(Role::Owner, "grace@example.org").await;
    let grace = house.signed(&grace).await;
    let outcome =
        house.identity.change_password(&may(&house, &grace), secret(PASSWORD), secret(OTHER), &way()).await;
    assert_eq!(refusal(outcome), Refused::NoPassword);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_the_old_password_is_slowed_and_recorded() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let session = house.signed(&ada.signed_in).await;
    let mut throttled = 0;
    for _ in 0..8 {
        let leave = may(&house, &session);
        let guess = house.identity.change_password(&leave, secret("a guess"), secret(OTHER), &way()).await;
        match refusal(guess) {
            Refused::OldPassword => {}
            Refused::Throttled { .. } => throttled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(throttled, 2, "five are free, the sixth sets the first pause");
    assert_eq!(house.events("AUTH-1002W").await.len(), 8);
    // The right one waits as well, and signing in elsewhere does not.
    let leave = may(&house, &session);
    let right = house.identity.change_password(&leave, secret(PASSWORD), secret(OTHER), &way()).await;
    assert!(matches!(refusal(right), Refused::Throttled { .. }));
    house.sign_in(&ada).await;
    let leave = may(&house, &house.signed(&ada.signed_in).await);
    house.identity.change_password(&leave, secret(PASSWORD), secret(OTHER), &way()).await.unwrap();
}

/// The same house with other rules for passwords.
fn with(house: &House, passwords: Passwords) -> Identity {
    let party = RelyingParty::of_origin(ORIGIN).unwrap();
    let (db, keys, world) = (house.db.clone(), house.keys.clone(), house.world.clone());
    Identity::with_hasher(db, keys, guard().clone(), world, house.tenant, party, passwords)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breached_password_is_refused_when_one_enrols_and_when_one_changes() {
    let house = House::new().await;
    // What no estimate finds guessable, and what was stolen elsewhere.
    let mut lines: Vec<String> = [OTHER, "mantle orchid lantern copper"]
        .map(|password| {
            let sha1 =
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
            format!("{}:12\r\n", data_encoding::HEXUPPER.encode(sha1.as_ref()))
        })
        .to_vec();
    lines.sort_unstable();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
    let cheap = Passwords::with_cost(&house.world, (64, 1, 1)).unwrap();
    let strict = with(&house, cheap.refusing(Breached::open(file.path()).unwrap()));

    let invite = house.invite(Role::SupportAgent, None).await;
    let ceremony = house.begin(&invite, "Ada Lovelace", "ada@example.org").await;
    let breached = Refused::Password(PasswordRefused::Breached);
    assert_eq!(refusal(strict.enrol_password(&ceremony, secret(OTHER)).await), breached);
    strict.enrol_password(&ceremony, secret(PASSWORD)).await.unwrap();

    let bob = house.staff(Role::Owner, "bob@example.org").await;
    let session = house.signed(&bob.signed_in).await;
    let to = async |new: &str| {
        strict.change_password(&may(&house, &session), secret(PASSWORD), secret(new), &way()).await
    };
    assert_eq!(refusal(to(OTHER).await), breached);
    to("quarry thimble herring saffron").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_too_old_is_due_until_it_is_changed() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let cheap = Passwords::with_cost(&house.world, (64, 1, 1)).unwrap();
    let ageing = with(&house, cheap.lasting(Duration::from_secs(90 * 86_400)));
    assert!(!signed(&ageing, &ada.signed_in.secret).await.password_due);
    house.minutes(90 * 24 * 60);
    let here = house.sign_in(&ada).await;
    assert!(!house.signed(&here).await.password_due, "without the rule there is no end");
    let session = signed(&ageing, &here.secret).await;
    assert!(session.password_due);
    let leave = may(&house, &session);
    let renewed = ageing.change_password(&leave, secret(PASSWORD), secret(OTHER), &way()).await.unwrap();
    assert!(!signed(&ageing, &renewed.secret).await.password_due);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_of_every_change_by_whatever_hand() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let session = house.signed(&ada.signed_in).await;
    assert_eq!(kinds(&house, &session).await, [], "an account that begins has nothing to be told");

    // A device that was not seen before, and then one that was.
    let device = ada.signed_in.device.expose().to_owned();
    let here = house.sign_in(&ada).await;
    let session = house.signed(&here).await;
    let first = told(&house, &session).await;
    assert_eq!(first.iter().map(|told| told.kind).collect::<Vec<_>>(), [NoticeKind::NewDevice]);
    assert_eq!((first[0].hand, first[0].from.as_deref()), (NoticeHand::Oneself, Some("192.0.2.9")));
    let half = house.identity.password_step(&ada.email, secret(PASSWORD), Some(&device), &way()).await;
    let code = house.code(&ada.letters);
    house.identity.totp_step(&half.unwrap(), &code, &way()).await.unwrap();
    assert_eq!(kinds(&house, &session).await.len(), 1, "the device of the enrolment is known");
    house.advance(60);

    // A recovery code.
    let half = house.password(&ada.email, PASSWORD).await.unwrap();
    house.identity.recovery_step(&half, &ada.codes[0], &way()).await.unwrap();
    let all = kinds(&house, &session).await;
    assert!(all.len() == 3 && all[..2].contains(&NoticeKind::RecoveryCodeUsed), "{all:?}");

    // What is acknowledged is not shown again; what came afterwards is.
    let until = told(&house, &session).await[0].at;
    assert_eq!(house.identity.acknowledge_notices(looks(&house, &session), until).await.unwrap(), 3);
    assert_eq!(kinds(&house, &session).await, []);
    assert_eq!(house.identity.notices(&looks(&house, &session)).await.unwrap().told.len(), 3);

    // What others did, without where they sat.
    house.advance(1);
    let account = house.account(ada.user);
    let grant = Grant::everywhere(Role::SupportManager);
    let leave = house.operator_may::<GrantRole>(&account);
    house.identity.grant(leave, grant, None, &from("192.0.2.1")).await.unwrap();
    house.identity.disable(house.operator_may::<DisableUser>(&account), &way()).await.unwrap();
    house.identity.enable(house.operator_may::<EnableUser>(&account), &way()).await.unwrap();
    house.identity.reset_factors(house.operator_may::<ResetFactors>(&account), &way()).await.unwrap();
    let others = told(&house, &session).await;
    let all: Vec<NoticeKind> = others.iter().rev().map(|told| told.kind).collect();
    for kind in
        [NoticeKind::RolesChanged, NoticeKind::Disabled, NoticeKind::Enabled, NoticeKind::FactorsReset]
    {
        assert!(all.contains(&kind), "{kind}");
    }
    assert!(others.iter().all(|told| told.hand == NoticeHand::Administrator && told.from.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_given_out_as_letters_and_listed_for_ninety_days() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let account = house.account(ada.user);
    house.identity.disable(house.operator_may::<DisableUser>(&account), &way()).await.unwrap();
    house.advance(1);
    house.identity.enable(house.operator_may::<EnableUser>(&account), &way()).await.unwrap();

    let letters = house.identity.letters_due(10).await.unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.told.kind).collect::<Vec<_>>(),
        [NoticeKind::Disabled, NoticeKind::Enabled]
    );
    assert_eq!(letters[0].to.iter().map(|to| to.as_str()).collect::<Vec<_>>(), ["ada@example.org"]);
    assert_eq!((letters[0].name.as_str(), letters[0].user), ("Ada Lovelace", ada.user));
    assert!(!format!("{letters:?}").contains("example.org"));
    house.identity.letter_sent(&letters[0]).await.unwrap();
    let again = house.identity.letter_failed(letters[1].told.id).await.unwrap();
    assert_eq!(again.since(house.world.now()), Duration::from_secs(60));
    assert!(house.identity.letters_due(10).await.unwrap().is_empty());
    house.advance(60);
    let due = house.identity.letters_due(10).await.unwrap();
    assert_eq!(
        due.iter().map(|letter| (letter.told.id, letter.tries)).collect::<Vec<_>>(),
        [(letters[1].told.id, 1)]
    );

    // Ninety days later they are no longer listed, but what was not acknowledged is still shown.
    let here = house.sign_in(&ada).await;
    let session = house.signed(&here).await;
    let until = house.world.now();
    assert_eq!(house.identity.acknowledge_notices(looks(&house, &session), until).await.unwrap(), 3);
    house.identity.disable(house.operator_may::<DisableUser>(&account), &way()).await.unwrap();
    house.identity.enable(house.operator_may::<EnableUser>(&account), &way()).await.unwrap();
    house.minutes(91 * 24 * 60);
    house.identity.sweep().await.unwrap();
    let here = house.sign_in(&ada).await;
    let session = house.signed(&here).await;
    assert_eq!(kinds(&house, &session).await.len(), 3, "two changes and the device");
    assert_eq!(house.identity.notices(&looks(&house, &session)).await.unwrap().told.len(), 1);
}

/// The device of a sign-in is known to the account that signed in, and to no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_on_a_known_device_is_no_news() {
    let house = House::new().await;
    let (mut key, first) = house.with_passkey(Role::SupportAgent, "grace@example.org").await;
    let sign_in = async |key: &Authenticator, device: Option<&str>| -> SignedIn {
        let (ceremony, options) = house.identity.passkey_begin().await.unwrap();
        let sent = key.get(challenge(&options), ORIGIN);
        house.identity.passkey_finish(&ceremony, &sent, device, &way()).await.unwrap()
    };
    key.counter = 1;
    let known = sign_in(&key, Some(first.device.expose())).await;
    assert_eq!(kinds(&house, &house.signed(&known).await).await, []);
    key.counter = 2;
    let bob = house.staff(Role::SupportAgent, "bob@example.org").await;
    let foreign: &DeviceToken = &bob.signed_in.device;
    let unknown = sign_in(&key, Some(foreign.expose())).await;
    assert_eq!(kinds(&house, &house.signed(&unknown).await).await, [NoticeKind::NewDevice]);
}
