//! Rotation: by the calendar, on demand, by two at once, with the clock set back.

use std::sync::Arc;

use custody::{CustodyError, KeyPolicy, KeyRefusal, PolicyInForce, Why};
use guard::action::{DisableKey, ReadKeys, RotateKeys};
use kernel::{Id, ManualClock, World};
use store::StoreError;
use store::keys::{self, KeyState};
use vault::{Column, DataKey, Place, Purpose, Table};

use crate::house::{DAY, House, both, via};

both!(
    the_first_version_is_recorded_with_its_event,
    new_keys_use_the_newest_version_at_once,
    ninety_days_by_the_calendar_rotate_and_renew_without_anybody_asking,
    two_that_rotate_at_once_make_one_version,
    a_process_that_did_not_rotate_notices_within_two_seconds,
    a_clock_set_back_neither_rotates_nor_renews_again_and_again,
    the_blind_index_key_is_never_renewed,
    an_overdue_key_is_told_of,
    every_use_of_the_root_key_is_recorded,
    a_tenants_own_policy_holds_until_it_is_taken_away,
    a_policy_out_of_bounds_or_without_a_reason_changes_nothing,
    a_key_that_has_sealed_its_records_is_followed_by_the_next_one,
);

async fn a_key_that_has_sealed_its_records_is_followed_by_the_next_one(house: House) {
    let (tenant, purpose) = (house.tenant, Purpose::Settings);
    let key = house.keys.tenant_data_key(tenant, purpose).await.unwrap();
    let (id, nearly) = (key.id(), DataKey::RECORDS_PER_GENERATION - 300);
    house.db.write(move |tx| keys::count_records(tx, tenant, id, nearly)).await.unwrap();
    let place = Place::new(tenant, Table::new(1), tenant.to_bytes(), Column::new(1));
    let early = key.seal(&place, &b"early".to_vec()).unwrap();
    // Sealed as rooms do it, with a key that was asked for each time.
    let mut generations = Vec::new();
    for _ in 0..600 {
        let key = house.keys.tenant_data_key(tenant, purpose).await.unwrap();
        key.seal(&place, &b"a setting".to_vec()).unwrap();
        generations.push(key.generation());
    }
    let first = generations.iter().filter(|generation| **generation == 1).count();
    assert!((300..=511).contains(&first), "{first} sealed by the first");
    assert!(generations.is_sorted() && generations.last() == Some(&2));
    // What the first sealed opens, and status tells of the second.
    let old = house.keys.tenant_data_key_at(tenant, purpose, 1).await.unwrap();
    assert_eq!(old.open(&place, &early).unwrap(), b"early");
    let status = house.custody.status(house.leave(&house.operator())).await.unwrap();
    let settings = status.generations.iter().find(|line| line.purpose == "settings").unwrap();
    assert_eq!(settings.generation, 2);
    // A conversation's key too, and in another process, which had kept it.
    let (subject, conversation) = house.people(1).await[0];
    let other = house.another(house.file_root(), None);
    let mine = house.keys.conversation_key(tenant, subject, conversation).await.unwrap();
    let theirs = other.keys.conversation_key(tenant, subject, conversation).await.unwrap();
    assert_eq!(mine.id(), theirs.id());
    let (id, all) = (mine.id(), DataKey::RECORDS_PER_GENERATION);
    house.db.write(move |tx| keys::count_records(tx, tenant, id, all)).await.unwrap();
    for process in [&house.first, &other] {
        for _ in 0..256 {
            let key = process.keys.conversation_key(tenant, subject, conversation).await.unwrap();
            key.seal(&place, &b"a word".to_vec()).unwrap();
        }
        let next = process.keys.conversation_key(tenant, subject, conversation).await.unwrap();
        assert_eq!(next.generation(), 2);
    }
}

async fn in_force(house: &House) -> PolicyInForce {
    house.custody.policy(house.leave(&house.custodian())).await.unwrap()
}

async fn a_tenants_own_policy_holds_until_it_is_taken_away(house: House) {
    let default = KeyPolicy::default();
    assert_eq!(in_force(&house).await, PolicyInForce { policy: default, own: false });
    let thirty = KeyPolicy { rotate_after_days: 30, ..default };
    let permit = house.leave_because(&house.custodian(), "our auditors ask for a month");
    let set = house.custody.set_policy(permit, Some(thirty), via()).await.unwrap();
    assert_eq!(set, PolicyInForce { policy: thirty, own: true });
    assert_eq!(in_force(&house).await, set);
    let events = house.events("KEYS-1016I").await;
    assert!(events[0].contains("\"rotate_days_before\":90") && events[0].contains("\"rotate_days\":30"));
    assert!(!events[0].contains("auditors"), "the reason is sealed: {}", events[0]);

    house.clock.advance(DAY * 29);
    assert_eq!(house.custody.tend().await.unwrap().rotated, None);
    house.clock.advance(DAY);
    assert_eq!(house.custody.tend().await.unwrap().rotated.unwrap().version, 2);
    let status = house.custody.status(house.leave(&house.custodian())).await.unwrap();
    assert!(status.own_policy && status.rotate_after_days == 30);

    let permit = house.leave_because(&house.operator(), "back to what everybody has");
    house.custody.set_policy(permit, None, via()).await.unwrap();
    assert_eq!(in_force(&house).await, PolicyInForce { policy: default, own: false });
    house.clock.advance(DAY * 31);
    assert_eq!(house.custody.tend().await.unwrap().rotated, None);
}

async fn a_policy_out_of_bounds_or_without_a_reason_changes_nothing(house: House) {
    let default = KeyPolicy::default();
    for (policy, refusal) in [
        (KeyPolicy { rotate_after_days: 0, ..default }, KeyRefusal::Rotation),
        (KeyPolicy { rotate_after_days: 3651, ..default }, KeyRefusal::Rotation),
        (KeyPolicy { destroy_after_days: 6, ..default }, KeyRefusal::Wait),
        (KeyPolicy { destroy_after_days: 31, ..default }, KeyRefusal::Wait),
    ] {
        let permit = house.leave_because(&house.custodian(), "a slip of the finger");
        let refused = house.custody.set_policy(permit, Some(policy), via()).await.unwrap_err();
        assert!(matches!(&refused, CustodyError::Refused(found) if *found == refusal), "{refused}");
    }
    let silent = house.custody.set_policy(house.leave(&house.custodian()), None, via()).await;
    assert!(matches!(silent, Err(CustodyError::ReasonNeeded)));
    assert!(!in_force(&house).await.own);
    assert!(house.events("KEYS-1016I").await.is_empty());
}

async fn the_first_version_is_recorded_with_its_event(house: House) {
    let created = house.events("KEYS-1002I").await;
    assert_eq!(created.len(), 1);
    assert!(created[0].contains("\"kind\":\"tenant\""), "{}", created[0]);
    // Preparing again does nothing.
    house.keys.prepare(house.tenant).await.unwrap();
    assert_eq!(house.events("KEYS-1002I").await.len(), 1);
}

async fn new_keys_use_the_newest_version_at_once(house: House) {
    let people = house.people(3).await;
    let before = house.keys.conversation_key(house.tenant, people[0].0, people[0].1).await.unwrap();
    assert_eq!(before.generation(), 1);
    house.clock.advance(DAY);
    let rotated = house.custody.rotate(house.leave(&house.custodian()), Why::Demand, via()).await;
    let rotated = rotated.unwrap();
    assert_eq!((rotated.version, rotated.made), (2, true));

    // The next word of an old conversation is sealed by a new generation, whose person's key is under
    // the new version; the earlier generation still opens.
    let (subject, conversation) = people[0];
    let after = house.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    assert_eq!(after.generation(), 2);
    let tenant = house.tenant;
    let person = house.db.read(move |tx| keys::subject_key(tx, tenant, subject)).await.unwrap().unwrap();
    assert_eq!(person.wrapped_by, 2);
    let old = house.keys.conversation_key_at(tenant, subject, conversation, 1).await.unwrap();
    assert_eq!(old.id(), before.id());
    let settings = house.keys.tenant_data_key(tenant, Purpose::Settings).await.unwrap();
    assert_eq!(settings.generation(), 1, "made after the rotation");
    assert_eq!(house.events("KEYS-1001I").await.len(), 1);
}

async fn ninety_days_by_the_calendar_rotate_and_renew_without_anybody_asking(house: House) {
    let people = house.people(4).await;
    house.clock.advance(DAY * 89);
    assert_eq!(house.custody.tend().await.unwrap().rotated, None);
    house.clock.advance(DAY);
    let tended = house.custody.tend().await.unwrap();
    assert_eq!(tended.rotated.unwrap().version, 2);
    assert!(tended.rewrapped.done >= 4, "{tended:?}");
    assert_eq!(tended.scheduled, [1], "it wraps nothing any more");
    // Thirty days later the first version is gone, and nothing else.
    house.clock.advance(DAY * 29);
    assert_eq!(house.custody.tend().await.unwrap().destroyed, [0; 0]);
    house.clock.advance(DAY);
    assert_eq!(house.custody.tend().await.unwrap().destroyed, [1]);
    let tenant = house.tenant;
    for (subject, conversation) in people {
        house.keys.conversation_key_at(tenant, subject, conversation, 1).await.unwrap();
    }
    let status = house.custody.status(house.leave(&house.custodian())).await.unwrap();
    let states: Vec<_> = status.keys.iter().map(|key| (key.version, key.state)).collect();
    assert_eq!(states, [(2, "active"), (1, "destroyed")]);
    assert_eq!((status.under_old_versions, status.overdue.len()), (0, 0));
    for code in ["KEYS-1001I", "KEYS-1009I", "KEYS-1010I"] {
        assert_eq!(house.events(code).await.len(), 1, "{code}");
    }
}

async fn two_that_rotate_at_once_make_one_version(house: House) {
    house.people(5).await;
    let other = house.another(house.file_root(), None);
    for round in 1..=10u32 {
        let one = house.custody.rotate(house.leave(&house.operator()), Why::Demand, via());
        let two = other.custody.rotate(house.leave(&house.custodian()), Why::Demand, via());
        let (one, two) = tokio::join!(one, two);
        let (one, two) = (one.unwrap(), two.unwrap());
        let made = u32::from(one.made) + u32::from(two.made);
        // Both may have had their turn, one after the other; never the same version twice.
        assert!(made == 2 || one.version == two.version, "{one:?} {two:?}");
        assert!(made >= 1, "round {round}");
    }
    let tenant = house.tenant;
    let versions = house.db.read(move |tx| keys::versions(tx, tenant)).await.unwrap();
    let active = versions.iter().filter(|version| version.state == KeyState::Active).count();
    assert_eq!(active, 1);
    assert_eq!(house.events("KEYS-1001I").await.len() + 1, versions.len());
    let numbers: Vec<u32> = versions.iter().rev().map(|version| version.key.version).collect();
    assert_eq!(numbers, (1..=u32::try_from(versions.len()).unwrap()).collect::<Vec<_>>());
}

async fn a_process_that_did_not_rotate_notices_within_two_seconds(house: House) {
    let people = house.people(1).await;
    let (subject, conversation) = people[0];
    let other = house.another(house.file_root(), None);
    other.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    house.clock.advance(DAY);
    house.custody.rotate(house.leave(&house.operator()), Why::Demand, via()).await.unwrap();
    house.clock.advance(std::time::Duration::from_secs(2));
    let key = other.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    assert_eq!(key.generation(), 2);
}

async fn a_clock_set_back_neither_rotates_nor_renews_again_and_again(house: House) {
    let people = house.people(1).await;
    let (subject, conversation) = people[0];
    house.clock.advance(DAY * 100);
    house.custody.tend().await.unwrap();
    // Another process, whose clock stands a hundred days behind.
    let behind = Arc::new(ManualClock::at(kernel::Timestamp::from_millis(
        house.world.now().as_millis() - 100 * 86_400_000,
    )));
    let world = World::rehearsal(behind, 11);
    let late = house.process_in(&world);
    let first = late.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    let again = late.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    assert_eq!((first.generation(), again.generation()), (2, 2));
    assert_eq!(late.custody.tend().await.unwrap().rotated, None);
    // A rotation under the late clock is not dated before the version it follows.
    let rotated = late.custody.rotate(house.leave(&house.operator()), Why::Demand, via()).await;
    assert_eq!(rotated.unwrap().version, 3);
    let tenant = house.tenant;
    let versions = house.db.read(move |tx| keys::versions(tx, tenant)).await.unwrap();
    assert!(versions.is_sorted_by(|newer, older| newer.created >= older.created));
}

async fn the_blind_index_key_is_never_renewed(house: House) {
    let before = house.keys.tenant_data_key(house.tenant, Purpose::Index).await.unwrap();
    house.clock.advance(DAY * 200);
    house.custody.tend().await.unwrap();
    house.clock.advance(DAY * 40);
    house.custody.tend().await.unwrap();
    let after = house.keys.tenant_data_key(house.tenant, Purpose::Index).await.unwrap();
    assert_eq!(before.id(), after.id());
    let ledger = house.keys.tenant_data_key(house.tenant, Purpose::Ledger).await.unwrap();
    assert!(ledger.generation() > 1);
}

async fn an_overdue_key_is_told_of(house: House) {
    house.people(1).await;
    // Disabled, so that the calendar cannot rotate it.
    let custodian = house.custodian();
    house.custody.disable(house.leave::<DisableKey>(&custodian), 1, via()).await.unwrap();
    let rotated = house.custody.rotate(house.leave::<RotateKeys>(&custodian), Why::Demand, via()).await;
    assert!(matches!(rotated, Err(CustodyError::Refused(KeyRefusal::State { version: 1, .. }))));
    house.clock.advance(DAY * 92);
    house.custody.tend().await.unwrap();
    assert_eq!(house.custody.tell_overdue().await.unwrap(), 1);
    let status = house.custody.status(house.leave::<ReadKeys>(&house.operator())).await.unwrap();
    assert!(status.overdue[0].contains("92 days old"), "{:?}", status.overdue);
    assert_eq!(house.events("KEYS-1004W").await.len(), 1);
    let refused = house.keys.scribe(house.tenant).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, StoreError::KeyClosed { version: 1, state: "disabled" }));
    assert!(refused.to_string().contains("version 1 of the tenant's key is disabled"));
}

async fn every_use_of_the_root_key_is_recorded(house: House) {
    house.custody.record_uses().await.unwrap();
    house.custody.rotate(house.leave(&house.operator()), Why::Demand, via()).await.unwrap();
    house.custody.record_uses().await.unwrap();
    let used = house.events("KEYS-1013I").await;
    for (operation, version) in [("wrap", 1), ("wrap", 2)] {
        let found = used.iter().any(|event| {
            event.contains(&format!("\"operation\":\"{operation}\""))
                && event.contains(&format!("\"version\":{version}"))
        });
        assert!(found, "{operation} of version {version}: {used:#?}");
    }
    assert_eq!(house.custody.record_uses().await.unwrap(), 0, "nothing since");
}
