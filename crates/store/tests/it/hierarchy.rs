//! The rows of the key hierarchy: generations, rotation, destruction, erasure.

use guard::Role;
use guard::action::ReadKeys;
use kernel::{Id, SubjectId};
use store::keys::{self, KeyState};
use store::{StoreError, rewraps};
use vault::Purpose;

use crate::house::{House, both};
use crate::people::Tenancy;

both!(
    a_data_key_is_found_by_owner_and_generation,
    a_key_made_under_a_version_that_was_rotated_meanwhile_is_refused,
    an_erased_person_cannot_be_read_and_does_not_come_back,
    a_rewrapped_row_never_replaces_another_key,
    records_are_counted_per_key,
);

async fn a_data_key_is_found_by_owner_and_generation(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (tenant, owner) = (tenancy.tenant, keys::house_of(tenancy.tenant));
    let first = tenancy.key(&house, Purpose::Settings).await;
    let second = tenancy.key(&house, Purpose::Settings).await;
    let other = tenancy.key(&house, Purpose::Ticket).await;
    assert_eq!((first.generation(), second.generation(), other.generation()), (1, 2, 1));
    let (newest, old, none) = house
        .db
        .read(move |tx| {
            Ok((
                keys::newest(tx, tenant, Purpose::Settings, owner)?,
                keys::of_generation(tx, tenant, Purpose::Settings, owner, 1)?,
                keys::newest(tx, tenant, Purpose::Backup, owner)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(newest.unwrap().data.key_id, second.id());
    let old = old.unwrap();
    assert_eq!(old.data.key_id, first.id());
    assert_eq!(tenancy.keyring.data_key(&old.link()).unwrap().id(), first.id());
    assert!(none.is_none());

    let again = house.db.write(move |tx| keys::add_data_key(tx, &old.data, owner, kernel::Timestamp::MAX));
    assert!(matches!(again.await, Err(StoreError::Conflict { what: "data key" })));
}

async fn a_key_made_under_a_version_that_was_rotated_meanwhile_is_refused(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (tenant, keyring, now) = (tenancy.tenant, tenancy.keyring.clone(), tenancy.world.now());
    let seen = house.db.read(move |tx| keys::active_tenant_key(tx, tenant)).await.unwrap().unwrap();
    let late = keyring.new_data_key(&seen, None, Purpose::Settings, 1).unwrap();
    let person = keyring.new_subject_key(&seen, tenancy.world.id()).unwrap();
    let next = keyring.new_tenant_key(tenant, 2).unwrap();
    let (first, again) = (seen.clone(), next.clone());
    house.db.write(move |tx| keys::rotate(tx, &first, &next, "file", now)).await.unwrap();
    let twice = house.db.write(move |tx| keys::rotate(tx, &seen, &again, "file", now)).await;
    assert!(matches!(twice, Err(StoreError::Conflict { what: "tenant key" })));
    let owner = keys::house_of(tenant);
    let refused = house.db.write(move |tx| keys::add_data_key(tx, &late, owner, now)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "tenant key" })));
    let refused = house.db.write(move |tx| keys::add_subject_key(tx, &person, now)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "tenant key" })));
    let permit = tenancy.permit::<ReadKeys>(&tenancy.operator(), &tenancy.whole());
    let list = house.db.read(move |tx| keys::list(tx, &permit)).await.unwrap();
    let seen: Vec<_> = list.iter().map(|key| (key.version, key.state, key.wraps)).collect();
    assert_eq!(seen, [(2, KeyState::Active, 0), (1, KeyState::Retiring, 0)]);
}

async fn an_erased_person_cannot_be_read_and_does_not_come_back(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (tenant, now) = (tenancy.tenant, tenancy.world.now());
    let chat = tenancy.chat(&house).await;
    let bystander = tenancy.chat(&house).await;
    tenancy.say(&house, &chat, "forget me").await.unwrap();
    tenancy.say(&house, &bystander, "not me").await.unwrap();

    let subject: SubjectId = chat.subject;
    let gone = house.db.write(move |tx| keys::erase_subject(tx, tenant, subject, now)).await.unwrap();
    assert_eq!(gone, 1);
    let again = house.db.write(move |tx| keys::erase_subject(tx, tenant, subject, now)).await.unwrap();
    assert_eq!(again, 0);

    let (erased, other, chain, list) = house
        .db
        .read(move |tx| {
            Ok((
                keys::newest(tx, tenant, Purpose::Conversation, chat.id.to_bytes())?,
                keys::newest(tx, tenant, Purpose::Conversation, bystander.id.to_bytes())?,
                store::messages::verify_chain(tx, tenant, chat.id)?,
                keys::erasures(tx, tenant)?,
            ))
        })
        .await
        .unwrap();
    assert!(erased.is_none() && other.is_some());
    assert_eq!(chain, 1, "the rows are still there and still whole");
    assert_eq!(list, [(subject, now)]);

    let back = tenancy.try_chat(&house, subject).await;
    assert!(matches!(back, Err(StoreError::Conflict { what: "erased subject" })));
}

async fn a_rewrapped_row_never_replaces_another_key(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (tenant, owner) = (tenancy.tenant, keys::house_of(tenancy.tenant));
    tenancy.key(&house, Purpose::Settings).await;
    let chain = house.db.read(move |tx| keys::newest(tx, tenant, Purpose::Settings, owner)).await;
    let (mut forged, dialect) = (chain.unwrap().unwrap().data, house.db.dialect());
    forged.commitment = [0; 32];
    forged.blob = vec![0; 73];
    let replaced =
        house.db.write(move |tx| rewraps::replace_data(tx, dialect, tenant, &[forged.clone()], 1, 1)).await;
    assert_eq!(replaced.unwrap(), 0);
}

async fn records_are_counted_per_key(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let (tenant, key) = (tenancy.tenant, tenancy.key(&house, Purpose::Ticket).await.id());
    for (more, total) in [(1, 1), (41, 42)] {
        let count = house.db.write(move |tx| keys::count_records(tx, tenant, key, more)).await.unwrap();
        assert_eq!(count, total);
    }
    // Whoever may not see keys has no permit, and without one the list cannot be asked for.
    let agent = tenancy.staff(Role::SupportAgent);
    let now = guard::Circumstances::at(tenancy.world.now());
    assert!(crate::people::guard().permit::<ReadKeys>(&agent, &tenancy.whole(), &now).is_err());
}
