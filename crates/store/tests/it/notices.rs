//! Notices to members of staff: written once, shown until they are acknowledged, and mailed with pauses.

use std::time::Duration;

use guard::Role;
use guard::action::ManageOwnAccount;
use kernel::{Id, NoticeId, Timestamp, UserId};
use store::notices::{self, NewNotice, NoticeHand, NoticeKind};
use store::{Keychain, StoreError, params};
use vault::Purpose;

use crate::house::{House, both};
use crate::people::Tenancy;
use crate::staff::user;

both!(
    a_notice_is_shown_until_it_is_acknowledged,
    a_notice_is_due_until_it_is_mailed_with_longer_pauses_after_each_failure,
    a_notice_is_claimed_by_one_for_a_while,
    a_notice_that_was_given_up_is_never_due_again,
    a_notice_of_nobody_is_not_written,
    an_altered_notice_is_told_apart_and_does_not_hold_up_the_others,
    notices_are_swept_when_they_are_old_and_were_seen,
);

async fn tell(
    house: &House,
    tenancy: &Tenancy,
    user: UserId,
    kind: NoticeKind,
    at: Timestamp,
) -> Result<NoticeId, StoreError> {
    let key = tenancy.key(house, Purpose::Identity).await;
    let (tenant, id) = (tenancy.tenant, tenancy.world.id());
    let sealed = key.seal(&notices::particulars_place(tenant, id), &b"{}".to_vec()).unwrap();
    let particulars = (sealed, key.generation());
    let new = NewNotice { tenant, id, user, kind, hand: NoticeHand::Oneself, at, particulars };
    house.db.write(move |tx| notices::put(tx, &new)).await?;
    Ok(id)
}

fn later(tenancy: &Tenancy, seconds: u64) -> Timestamp {
    tenancy.world.now().after(Duration::from_secs(seconds))
}

async fn a_notice_is_shown_until_it_is_acknowledged(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (ada, bob) =
        (user(&house, &tenancy, "ada@example.org").await, user(&house, &tenancy, "bob@example.org").await);
    let (tenant, now, next) = (tenancy.tenant, tenancy.world.now(), later(&tenancy, 1));
    let first = tell(&house, &tenancy, ada, NoticeKind::PasswordChanged, now).await.unwrap();
    let second = tell(&house, &tenancy, ada, NoticeKind::FactorAdded, next).await.unwrap();
    let other = tell(&house, &tenancy, bob, NoticeKind::Disabled, now).await.unwrap();

    let unseen = |who: UserId| house.db.read(move |tx| notices::unseen(tx, tenant, who, 10));
    let ids = |found: notices::Found| found.whole.into_iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(unseen(ada).await.unwrap()), [second, first]);

    // What came after the page was made stays to be seen; somebody else's is not touched.
    let staff = tenancy.staff_of(Role::Owner, ada);
    let permit = tenancy.permit::<ManageOwnAccount>(&staff, &tenancy.account(ada));
    let done = house.db.write(move |tx| notices::acknowledge(tx, &permit, now, next)).await.unwrap();
    assert_eq!(done, 1);
    assert_eq!(ids(unseen(ada).await.unwrap()), [second]);
    assert_eq!(ids(unseen(bob).await.unwrap()), [other]);

    let begin = Timestamp::from_millis(0);
    let listed = house.db.read(move |tx| notices::since(tx, tenant, ada, begin, 10)).await.unwrap();
    assert_eq!(listed.whole.iter().map(|it| it.seen).collect::<Vec<_>>(), [None, Some(next)]);
    let listed = house.db.read(move |tx| notices::since(tx, tenant, ada, next, 10)).await.unwrap();
    assert_eq!(ids(listed), [second]);
}

async fn a_notice_is_due_until_it_is_mailed_with_longer_pauses_after_each_failure(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let ada = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let first = tell(&house, &tenancy, ada, NoticeKind::PasswordChanged, now).await.unwrap();
    let second = tell(&house, &tenancy, ada, NoticeKind::NewDevice, later(&tenancy, 1)).await.unwrap();
    let due = |at: Timestamp, limit: u32| {
        let found = house.db.read(move |tx| notices::due(tx, tenant, at, limit));
        async move { found.await.unwrap().whole.into_iter().map(|it| it.id).collect::<Vec<_>>() }
    };
    assert_eq!(due(now, 10).await, [first]);
    assert_eq!(due(later(&tenancy, 1), 10).await, [first, second]);
    assert_eq!(due(later(&tenancy, 1), 1).await, [first]);

    for pause in [60, 120, 240] {
        let next = house.db.write(move |tx| notices::failed(tx, tenant, first, now)).await.unwrap();
        assert_eq!(next, later(&tenancy, pause));
    }
    assert_eq!(due(later(&tenancy, 239), 10).await, [second]);
    assert_eq!(due(later(&tenancy, 240), 10).await, [first, second]);

    assert!(house.db.write(move |tx| notices::mailed(tx, tenant, first, now)).await.unwrap());
    assert!(!house.db.write(move |tx| notices::mailed(tx, tenant, first, now)).await.unwrap());
    assert_eq!(due(later(&tenancy, 240), 10).await, [second]);
    let failed = house.db.write(move |tx| notices::failed(tx, tenant, first, now)).await;
    assert!(matches!(failed, Err(StoreError::Missing { what: "notice" })));
    // After a week it is no news any more.
    let week = notices::MAILED_WITHIN.as_secs();
    assert_eq!(due(later(&tenancy, week), 10).await, [second]);
    assert_eq!(due(later(&tenancy, week + 2), 10).await, []);
}

async fn a_notice_is_claimed_by_one_for_a_while(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let ada = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let id = tell(&house, &tenancy, ada, NoticeKind::PasswordChanged, now).await.unwrap();
    let until = later(&tenancy, 600);
    let claims = (0..8).map(|_| {
        let db = house.db.clone();
        tokio::spawn(async move { db.write(move |tx| notices::claim(tx, tenant, id, now, until)).await })
    });
    let mut won = 0;
    for claim in claims.collect::<Vec<_>>() {
        won += usize::from(claim.await.unwrap().unwrap());
    }
    assert_eq!(won, 1);
    let due = |at| house.db.read(move |tx| notices::due(tx, tenant, at, 10));
    assert!(due(later(&tenancy, 599)).await.unwrap().whole.is_empty());
    // Whoever had it ended in the middle.
    assert_eq!(due(until).await.unwrap().whole.len(), 1);
    let again =
        house.db.write(move |tx| notices::claim(tx, tenant, id, until, Timestamp::MAX)).await.unwrap();
    assert!(again);
    assert!(house.db.write(move |tx| notices::mailed(tx, tenant, id, now)).await.unwrap());
    let mailed =
        house.db.write(move |tx| notices::claim(tx, tenant, id, Timestamp::MAX, Timestamp::MAX)).await;
    assert!(!mailed.unwrap());
}

async fn a_notice_that_was_given_up_is_never_due_again(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let ada = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let id = tell(&house, &tenancy, ada, NoticeKind::PasswordChanged, now).await.unwrap();
    assert!(house.db.write(move |tx| notices::give_up(tx, tenant, id)).await.unwrap());
    let soon = later(&tenancy, 3600);
    assert!(house.db.read(move |tx| notices::due(tx, tenant, soon, 10)).await.unwrap().whole.is_empty());
    let shown = house.db.read(move |tx| notices::unseen(tx, tenant, ada, 10)).await.unwrap();
    assert_eq!(
        (shown.whole[0].id, shown.whole[0].tries, shown.whole[0].mailed),
        (id, 1, None),
        "it is shown all the same"
    );
    assert!(house.db.write(move |tx| notices::mailed(tx, tenant, id, now)).await.unwrap());
    assert!(!house.db.write(move |tx| notices::give_up(tx, tenant, id)).await.unwrap());
}

async fn a_notice_of_nobody_is_not_written(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (nobody, now) = (UserId::from_bytes([7; 16]), tenancy.world.now());
    assert!(tell(&house, &tenancy, nobody, NoticeKind::Enabled, now).await.is_err());
}

async fn notices_are_swept_when_they_are_old_and_were_seen(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let ada = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let seen = tell(&house, &tenancy, ada, NoticeKind::RolesChanged, now).await.unwrap();
    let unseen = tell(&house, &tenancy, ada, NoticeKind::RolesChanged, now).await.unwrap();
    house
        .db
        .write(move |tx| {
            tx.execute(
                "UPDATE notices SET seen_ms = $3 WHERE tenant = $1 AND id = $2",
                params![tenant, seen, now],
            )
        })
        .await
        .unwrap();
    let (soon, begin) = (later(&tenancy, 1), Timestamp::from_millis(0));
    assert_eq!(house.db.write(move |tx| notices::sweep(tx, now, begin)).await.unwrap(), 0);
    assert_eq!(house.db.write(move |tx| notices::sweep(tx, soon, begin)).await.unwrap(), 1);
    let left = house.db.read(move |tx| notices::unseen(tx, tenant, ada, 10)).await.unwrap();
    assert_eq!(left.whole.iter().map(|it| it.id).collect::<Vec<_>>(), [unseen]);
    assert_eq!(house.db.write(move |tx| notices::sweep(tx, soon, soon)).await.unwrap(), 1);
}

async fn an_altered_notice_is_told_apart_and_does_not_hold_up_the_others(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let keys = Keychain::new(house.db.clone(), tenancy.keyring.clone(), tenancy.world.clone());
    keys.prepare(tenancy.tenant).await.unwrap();
    let ada = user(&house, &tenancy, "ada@example.org").await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let bad = tell(&house, &tenancy, ada, NoticeKind::PasswordChanged, now).await.unwrap();
    let good = tell(&house, &tenancy, ada, NoticeKind::NewDevice, now).await.unwrap();
    let flip = move |tx: &mut store::Tx<'_>| {
        let row =
            tx.row("SELECT particulars FROM notices WHERE tenant = $1 AND id = $2", params![tenant, bad])?;
        let mut sealed: Vec<u8> = row.unwrap().take("particulars")?;
        *sealed.last_mut().unwrap() ^= 1;
        tx.execute(
            "UPDATE notices SET particulars = $3 WHERE tenant = $1 AND id = $2",
            params![tenant, bad, sealed],
        )
    };
    assert_eq!(house.db.write(flip).await.unwrap(), 1);

    let due = || house.db.read(move |tx| notices::due(tx, tenant, now, 10));
    let found = due().await.unwrap();
    assert_eq!(found.whole.iter().map(|it| it.id).collect::<Vec<_>>(), [good]);
    let altered = found.altered[0].clone();
    assert_eq!(altered.says, Some((bad, ada, NoticeKind::PasswordChanged)));
    let told = house.db.refused().await;
    assert_eq!(told.iter().map(|row| (row.table, row.reason)).collect::<Vec<_>>(), [("notices", "bound")]);
    assert_eq!(house.db.refused_lately(), [("notices", 1)]);

    // It is due no more, and stays what it is.
    for first in [true, false] {
        let altered = altered.clone();
        let done = house.db.write(move |tx| notices::set_aside(tx, &altered)).await.unwrap();
        assert_eq!(done, first);
    }
    assert_eq!(due().await.unwrap().altered, []);
    let seen = house.db.read(move |tx| notices::unseen(tx, tenant, ada, 10)).await.unwrap();
    assert_eq!((seen.whole.len(), seen.altered.len()), (1, 1));
    assert!(house.db.write(move |tx| notices::mailed(tx, tenant, bad, now)).await.is_err());

    // Whoever acknowledges what they read does not make it true.
    let permit =
        tenancy.permit::<ManageOwnAccount>(&tenancy.staff_of(Role::Owner, ada), &tenancy.account(ada));
    let done = house.db.write(move |tx| notices::acknowledge(tx, &permit, now, now)).await.unwrap();
    let seen = house.db.read(move |tx| notices::unseen(tx, tenant, ada, 10)).await.unwrap();
    assert_eq!((done, seen.whole.len(), seen.altered.len()), (1, 0, 1));
}
