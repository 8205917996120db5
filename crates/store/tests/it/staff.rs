//! Accounts, credentials, grants, invitations, sessions, ceremonies, the throttle and settings.

use std::time::Duration;

use guard::action::{DisableUser, GrantRole, InviteUser, ReadUsers, ResetFactors, RevokeRole};
use guard::{Grant, Role};
use kernel::{DisplayName, Email, Id, Reason, Secret, SessionId, Timestamp, UserId};
use store::credentials::{self, Passkey, Password};
use store::sessions::{self, Session};
use store::users::{self, GrantRow, Invite, NewUser, UserState};
use store::{StoreError, settings};
use vault::Purpose;

use crate::house::{House, both};
use crate::people::Tenancy;

both!(
    an_account_is_found_by_its_blind_address_and_made_once,
    a_password_is_replaced,
    a_one_time_code_works_once,
    a_passkey_whose_counter_does_not_rise_is_refused,
    a_recovery_code_works_once,
    resetting_factors_removes_all_of_them,
    grants_end_by_themselves_and_are_revoked_whatever_their_source,
    an_invitation_is_used_once_and_in_time,
    a_session_is_found_by_its_secret_stepped_up_and_ended,
    a_ceremony_is_taken_once_and_in_time,
    failures_are_counted_until_a_success,
    a_setting_is_set_replaced_and_removed,
);

pub(crate) async fn user(house: &House, tenancy: &Tenancy, address: &str) -> UserId {
    try_user(house, tenancy, address).await.unwrap()
}

async fn try_user(house: &House, tenancy: &Tenancy, address: &str) -> Result<UserId, StoreError> {
    let key = tenancy.key(house, Purpose::Identity).await;
    let (tenant, id) = (tenancy.tenant, tenancy.world.id());
    let (email, name) = (Email::new(address).unwrap(), DisplayName::new("Ada").unwrap());
    let new = NewUser {
        tenant,
        id,
        email_blind: blind(address),
        key_gen: key.generation(),
        email: key.seal(&users::email_place(tenant, id), &email).unwrap(),
        name: key.seal(&users::name_place(tenant, id), &name).unwrap(),
        now: tenancy.world.now(),
    };
    house.db.write(move |tx| users::create(tx, &new)).await?;
    Ok(id)
}

/// Stands for `DataKey::blind_index`, whose key would be another in each test.
fn blind(address: &str) -> [u8; 16] {
    let mut token = [0; 16];
    token.iter_mut().zip(address.bytes()).for_each(|(to, from)| *to = from);
    token
}

fn later(tenancy: &Tenancy, seconds: u64) -> Timestamp {
    tenancy.world.now().after(Duration::from_secs(seconds))
}

async fn an_account_is_found_by_its_blind_address_and_made_once(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let elsewhere = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let twice = try_user(&house, &tenancy, "ada@example.org").await;
    assert!(matches!(twice, Err(StoreError::Conflict { what: "account" })));
    user(&house, &elsewhere, "ada@example.org").await;

    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    house.db.write(move |tx| users::signed_in(tx, tenant, id, now)).await.unwrap();
    let find = move |tx: &mut store::Read<'_>| users::find_by_email(tx, tenant, blind("ada@example.org"));
    let found = house.db.read(find).await.unwrap().unwrap();
    assert_eq!((found.id, found.state, found.epoch, found.last_login), (id, UserState::Active, 1, Some(now)));

    let permit = tenancy.permit::<DisableUser>(&tenancy.staff(Role::Owner), &tenancy.account(id));
    house.db.write(move |tx| users::disable(tx, &permit)).await.unwrap();
    let found = house.db.read(move |tx| users::find(tx, tenant, id)).await.unwrap().unwrap();
    assert_eq!((found.state, found.epoch), (UserState::Disabled, 2));
    let permit = tenancy.permit::<ReadUsers>(&tenancy.staff(Role::Owner), &tenancy.whole());
    assert_eq!(house.db.read(move |tx| users::list(tx, &permit)).await.unwrap(), [found]);
}

async fn a_password_is_replaced(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let key = tenancy.key(&house, Purpose::Identity).await;
    let tenant = tenancy.tenant;
    for (n, phc) in ["$argon2id$one", "$argon2id$two"].into_iter().enumerate() {
        let changed = later(&tenancy, n as u64);
        let place = credentials::password_place(tenant, id, changed);
        let phc = key.seal(&place, &Secret::new(phc.to_owned())).unwrap();
        let password = Password { phc, key_gen: key.generation(), changed };
        house.db.write(move |tx| credentials::set_password(tx, tenant, id, &password)).await.unwrap();
    }
    let kept = house.db.read(move |tx| credentials::password(tx, tenant, id)).await.unwrap().unwrap();
    let phc = key.open(&credentials::password_place(tenant, id, kept.changed), &kept.phc).unwrap();
    assert_eq!(phc.expose(), "$argon2id$two");

    let nobody: UserId = tenancy.world.id();
    let set = house.db.write(move |tx| credentials::set_password(tx, tenant, nobody, &kept)).await;
    assert!(matches!(set, Err(StoreError::Missing { what: "account" })), "{set:?}");
}

async fn a_one_time_code_works_once(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let key = tenancy.key(&house, Purpose::Identity).await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let seed = key.seal(&credentials::totp_place(tenant, id), &Secret::new(vec![7u8; 20])).unwrap();
    house.db.write(move |tx| credentials::set_totp(tx, tenant, id, &seed, 1)).await.unwrap();
    let mut used = Vec::new();
    for step in [100, 100, 99, 101] {
        used.push(
            house.db.write(move |tx| credentials::use_totp_step(tx, tenant, id, step, now)).await.unwrap(),
        );
    }
    assert_eq!(used, [true, false, false, true]);
    let kept = house.db.read(move |tx| credentials::totp(tx, tenant, id)).await.unwrap().unwrap();
    assert_eq!((kept.last_step, kept.confirmed), (101, Some(now)));
}

async fn passkey(house: &House, tenancy: &Tenancy, user: UserId, counter: u64) -> [u8; 32] {
    let key = tenancy.key(house, Purpose::Identity).await;
    let (tenant, credential) = (tenancy.tenant, tenancy.world.bytes());
    let place = credentials::passkey_place(tenant, user, credential);
    let name_place = credentials::passkey_name_place(tenant, user, credential);
    let passkey = Passkey {
        user,
        credential,
        key_gen: key.generation(),
        public: key.seal(&place, &b"a public key".to_vec()).unwrap(),
        name: key.seal(&name_place, &DisplayName::new("blue key").unwrap()).unwrap(),
        counter,
        created: tenancy.world.now(),
        used: None,
    };
    house.db.write(move |tx| credentials::add_passkey(tx, tenant, &passkey)).await.unwrap();
    credential
}

async fn a_passkey_whose_counter_does_not_rise_is_refused(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    for (registered, uses) in
        [(5, [(6, true), (6, false), (3, false)]), (0, [(0, true), (0, true), (1, true)])]
    {
        let credential = passkey(&house, &tenancy, id, registered).await;
        for (counter, fine) in uses {
            let used = house
                .db
                .write(move |tx| credentials::used_passkey(tx, tenant, credential, counter, now))
                .await
                .unwrap();
            assert_eq!(used, fine, "{registered}, then {counter}");
        }
        let found = house.db.read(move |tx| credentials::find_passkey(tx, tenant, credential)).await;
        assert_eq!(found.unwrap().unwrap().user, id);
        house.db.write(move |tx| credentials::remove_passkey(tx, tenant, id, credential)).await.unwrap();
    }
    let left = house.db.read(move |tx| credentials::passkeys(tx, tenant, id)).await.unwrap();
    assert!(left.is_empty());
}

async fn a_recovery_code_works_once(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    for hashes in [[[1u8; 32], [2; 32]], [[3; 32], [4; 32]]] {
        house
            .db
            .write(move |tx| credentials::set_recovery_codes(tx, tenant, id, &hashes, now))
            .await
            .unwrap();
    }
    let mut used = Vec::new();
    for hash in [[1u8; 32], [3; 32], [3; 32]] {
        used.push(
            house
                .db
                .write(move |tx| credentials::use_recovery_code(tx, tenant, id, hash, now))
                .await
                .unwrap(),
        );
    }
    assert_eq!(used, [false, true, false]);
    assert_eq!(house.db.read(move |tx| credentials::recovery_codes_left(tx, tenant, id)).await.unwrap(), 1);
}

async fn resetting_factors_removes_all_of_them(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    passkey(&house, &tenancy, id, 0).await;
    house.db.write(move |tx| credentials::set_recovery_codes(tx, tenant, id, &[[1; 32]], now)).await.unwrap();
    let permit = tenancy.permit::<ResetFactors>(&tenancy.staff(Role::Owner), &tenancy.account(id));
    house.db.write(move |tx| users::reset_factors(tx, &permit)).await.unwrap();
    let (passkeys, codes, user) = house
        .db
        .read(move |tx| {
            let passkeys = credentials::passkeys(tx, tenant, id)?;
            Ok((passkeys, credentials::recovery_codes_left(tx, tenant, id)?, users::find(tx, tenant, id)?))
        })
        .await
        .unwrap();
    assert!(passkeys.is_empty());
    assert_eq!((codes, user.unwrap().epoch), (0, 2));
}

async fn grants_end_by_themselves_and_are_revoked_whatever_their_source(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let key = tenancy.key(&house, Purpose::Identity).await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let owner = tenancy.staff(Role::Owner);
    let row = |source: &str, expires| {
        let place = users::reason_place(tenant, id, now);
        let reason = key.seal(&place, &Reason::new("covers the night shift").unwrap()).unwrap();
        GrantRow {
            user: id,
            grant: Grant::everywhere(Role::SupportAgent),
            source: source.to_owned(),
            granted_by: owner.staff().map(|staff| staff.user),
            reason: Some((reason, key.generation())),
            granted: now,
            expires,
        }
    };
    let (manual, directory) = (row("manual", Some(later(&tenancy, 60))), row("scim:main", None));
    let permit = tenancy.permit::<GrantRole>(&owner, &tenancy.account(id));
    let kept = manual.clone();
    house.db.write(move |tx| users::grant(tx, &permit, &kept)).await.unwrap();
    let held =
        async |at: Timestamp| house.db.read(move |tx| users::grants_of(tx, tenant, id, at)).await.unwrap();
    assert_eq!(held(now).await, std::slice::from_ref(&manual.grant));
    assert_eq!(held(later(&tenancy, 60)).await, []);

    let kept = directory.clone();
    house.db.write(move |tx| users::put_grant(tx, tenant, &kept)).await.unwrap();
    assert_eq!(held(later(&tenancy, 60)).await, std::slice::from_ref(&directory.grant));
    let permit = tenancy.permit::<ReadUsers>(&owner, &tenancy.account(id));
    let all = house.db.read(move |tx| users::grants(tx, &permit)).await.unwrap();
    assert_eq!(all, [manual.clone(), directory]);

    let permit = tenancy.permit::<RevokeRole>(&owner, &tenancy.account(id));
    let revoked = house.db.write(move |tx| users::revoke(tx, &permit, &manual.grant)).await.unwrap();
    assert!(revoked);
    assert_eq!(held(now).await, []);

    // A permit for one account does not grant to another.
    let other = user(&house, &tenancy, "eve@example.org").await;
    let permit = tenancy.permit::<GrantRole>(&owner, &tenancy.account(id));
    let mut wrong = row("manual", None);
    wrong.user = other;
    let refused = house.db.write(move |tx| users::grant(tx, &permit, &wrong)).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })));
}

async fn an_invitation_is_used_once_and_in_time(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let operator = tenancy.operator();
    let new = Invite {
        tenant,
        id: tenancy.world.id(),
        grant: Grant::everywhere(Role::Owner),
        email: None,
        invited_by: None,
        created: now,
        expires: later(&tenancy, 600),
        used: None,
    };
    let permit = tenancy.permit::<InviteUser>(&operator, &tenancy.whole());
    let kept = new.clone();
    house.db.write(move |tx| users::invite(tx, &permit, &kept, [7; 32])).await.unwrap();
    let find = async |hash, at| house.db.read(move |tx| users::find_invite(tx, hash, at)).await.unwrap();
    assert_eq!(find([7; 32], now).await, Some(new.clone()));
    assert_eq!(find([8; 32], now).await, None);
    assert_eq!(find([7; 32], new.expires).await, None);

    let invite = new.id;
    for fine in [true, false] {
        let used = house.db.write(move |tx| users::use_invite(tx, tenant, invite, id, now)).await;
        assert_eq!(used.is_ok(), fine);
    }
    assert_eq!(find([7; 32], now).await, None);
    let permit = tenancy.permit::<InviteUser>(&operator, &tenancy.whole());
    let withdrawn = house.db.write(move |tx| users::withdraw_invite(tx, &permit, invite)).await;
    assert!(matches!(withdrawn, Err(StoreError::Missing { .. })), "a used one stays on record");
    let permit = tenancy.permit::<ReadUsers>(&operator, &tenancy.whole());
    let all = house.db.read(move |tx| users::invites(tx, &permit)).await.unwrap();
    assert_eq!(all.iter().map(|invite| invite.used).collect::<Vec<_>>(), [Some(now)]);
}

async fn a_session_is_found_by_its_secret_stepped_up_and_ended(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let id = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let mut session = Session {
        tenant,
        id: tenancy.world.id(),
        csrf_hash: [1; 32],
        user: id,
        assurance: 1,
        epoch: 1,
        created: now,
        authenticated: now,
        last_seen: now,
        absolute: later(&tenancy, 3600),
        ended: None,
    };
    let kept = session.clone();
    house.db.write(move |tx| sessions::begin(tx, &kept, [9; 32])).await.unwrap();
    let find = async |hash| house.db.read(move |tx| sessions::find(tx, hash)).await.unwrap();
    assert_eq!(find([9; 32]).await, Some(session.clone()));

    session.assurance = 2;
    session.csrf_hash = [2; 32];
    let kept = session.clone();
    house.db.write(move |tx| sessions::step_up(tx, &kept, [10; 32])).await.unwrap();
    assert_eq!(find([9; 32]).await, None, "the old secret is void");
    assert_eq!(find([10; 32]).await, Some(session.clone()));

    let (own, seen) = (session.id, later(&tenancy, 60));
    house.db.write(move |tx| sessions::seen(tx, tenant, own, seen)).await.unwrap();
    assert_eq!(find([10; 32]).await.unwrap().last_seen, seen);
    let of_user = async || house.db.read(move |tx| sessions::of_user(tx, tenant, id, now)).await.unwrap();
    assert_eq!(of_user().await.len(), 1);

    let kept = Some(own);
    let ended = house.db.write(move |tx| sessions::end_all(tx, tenant, id, kept, now)).await.unwrap();
    assert_eq!(ended, 0);
    let stranger: UserId = tenancy.world.id();
    for (whose, fine) in [(stranger, false), (id, true), (id, false)] {
        let ended = house.db.write(move |tx| sessions::end(tx, tenant, whose, own, now)).await.unwrap();
        assert_eq!(ended, fine);
    }
    assert!(of_user().await.is_empty());
    assert_eq!(find([10; 32]).await.unwrap().ended, Some(now));
    let swept = house.db.write(move |tx| sessions::sweep(tx, seen)).await.unwrap();
    assert_eq!((swept, find([10; 32]).await), (1, None));
    let _: SessionId = own;
}

async fn a_ceremony_is_taken_once_and_in_time(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let key = tenancy.key(&house, Purpose::Identity).await;
    let (tenant, now, expires) = (tenancy.tenant, tenancy.world.now(), later(&tenancy, 300));
    let (id, late) = ([5u8; 16], [6u8; 16]);
    for ceremony in [id, late] {
        let place = sessions::ceremony_place(tenant, ceremony);
        let state = key.seal(&place, &b"a challenge".to_vec()).unwrap();
        house
            .db
            .write(move |tx| {
                sessions::begin_ceremony(tx, tenant, ceremony, "passkey.sign-in", &state, 1, expires)
            })
            .await
            .unwrap();
    }
    let take = async |ceremony, kind, at| {
        house.db.write(move |tx| sessions::take_ceremony(tx, tenant, ceremony, kind, at)).await.unwrap()
    };
    assert!(take(id, "passkey.enrol", now).await.is_none(), "another kind");
    let (state, _) = take(id, "passkey.sign-in", now).await.unwrap();
    let place = sessions::ceremony_place(tenant, id);
    assert_eq!(key.open(&place, &state).unwrap(), b"a challenge");
    assert!(take(id, "passkey.sign-in", now).await.is_none(), "a second time");
    assert!(take(late, "passkey.sign-in", expires).await.is_none(), "too late");
}

async fn failures_are_counted_until_a_success(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (tenant, now, until) = (tenancy.tenant, tenancy.world.now(), later(&tenancy, 30));
    let bucket = tenancy.tenant.to_bytes();
    for n in 1..=3 {
        let count = house.db.write(move |tx| sessions::failed(tx, tenant, bucket, now)).await.unwrap();
        assert_eq!(count, n);
    }
    house
        .db
        .write(move |tx| {
            sessions::set_pause(tx, tenant, bucket, until)?;
            sessions::set_pause(tx, tenant, bucket, now)
        })
        .await
        .unwrap();
    let stand = house.db.read(move |tx| sessions::failures(tx, tenant, bucket)).await.unwrap().unwrap();
    assert_eq!((stand.count, stand.until), (3, until));
    house.db.write(move |tx| sessions::forget_failures(tx, tenant, bucket)).await.unwrap();
    assert_eq!(house.db.read(move |tx| sessions::failures(tx, tenant, bucket)).await.unwrap(), None);
}

async fn a_setting_is_set_replaced_and_removed(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let key = tenancy.key(&house, Purpose::Settings).await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let place = settings::value_place(tenant, "branding");
    for value in [b"blue".to_vec(), b"green".to_vec()] {
        let sealed = key.seal(&place, &value).unwrap();
        house.db.write(move |tx| settings::set(tx, tenant, "branding", &sealed, 1, now)).await.unwrap();
    }
    let (sealed, _) = house.db.read(move |tx| settings::get(tx, tenant, "branding")).await.unwrap().unwrap();
    assert_eq!(key.open(&place, &sealed).unwrap(), b"green");
    assert_eq!(house.db.read(move |tx| settings::names(tx, tenant)).await.unwrap(), ["branding"]);
    house.db.write(move |tx| settings::remove(tx, tenant, "branding")).await.unwrap();
    assert!(house.db.read(move |tx| settings::get(tx, tenant, "branding")).await.unwrap().is_none());
}
