//! The move to another root key: from a file to a passphrase, online, by two people, interrupted.

use custody::{CustodyError, KeyRefusal, Why};
use guard::action::{ApproveKeyRequest, MoveRoot, RotateKeys};
use store::keys;
use vault::{ProviderError, VaultError};

use crate::house::{House, Process, both, via};

both!(
    a_move_needs_two_people_and_the_right_root_key,
    all_versions_move_while_service_goes_on,
    a_process_without_the_new_root_key_cannot_rotate_after_the_move,
    a_move_that_was_interrupted_goes_on,
);

async fn approved(house: &House, process: &Process) {
    let asked = process.custody.request_move(house.leave(&house.operator()), "passphrase", via());
    let id = asked.await.unwrap().id;
    let permit = house.leave::<ApproveKeyRequest>(&house.custodian());
    process.custody.approve(permit, id, via()).await.unwrap();
}

async fn a_move_needs_two_people_and_the_right_root_key(house: House) {
    let none = house.custody.request_move(house.leave(&house.operator()), "passphrase", via());
    assert!(matches!(none.await, Err(CustodyError::NoNext)));
    let both = house.another(house.file_root(), Some(house.passphrase_root()));
    let wrong = both.custody.request_move(house.leave(&house.operator()), "pkcs11", via()).await;
    assert!(matches!(wrong, Err(CustodyError::OtherNext { .. })));
    let permit = house.leave::<MoveRoot>(&house.operator());
    let id = both.custody.request_move(permit, "passphrase", via()).await.unwrap().id;
    assert_eq!(both.custody.carry_out_move(&house.tending()).await.unwrap(), None, "nobody has agreed yet");
    let own = both.custody.approve(house.leave(&house.operator()), id, via()).await;
    assert!(matches!(own, Err(CustodyError::Refused(KeyRefusal::OwnRequest))));
    both.custody.approve(house.leave(&house.custodian()), id, via()).await.unwrap();
    let moved = both.custody.carry_out_move(&house.tending()).await.unwrap().unwrap();
    assert!(moved.done && moved.versions == 1, "{moved:?}");
    assert_eq!(house.events("KEYS-1012I").await.len(), 1);
    assert_eq!(both.custody.carry_out_move(&house.tending()).await.unwrap(), None, "it is done");
    let again = both.custody.request_move(house.leave(&house.operator()), "passphrase", via()).await;
    assert!(matches!(again, Err(CustodyError::AlreadyThere(_))), "{again:?}");
}

async fn all_versions_move_while_service_goes_on(house: House) {
    let people = house.people(6).await;
    for _ in 0..3 {
        let permit = house.leave::<RotateKeys>(&house.operator());
        house.custody.rotate(permit, Why::Demand, via()).await.unwrap();
    }
    let both = house.another(house.file_root(), Some(house.passphrase_root()));
    approved(&house, &both).await;
    let talking = both.clone();
    let (tenant, world, known) = (house.tenant, house.world.clone(), people.clone());
    let senders = tokio::spawn(async move {
        for round in 0..200 {
            let (subject, conversation) = known[round % known.len()];
            talking.keys.conversation_key(tenant, subject, conversation).await.unwrap();
            talking.keys.conversation_key(tenant, world.id(), world.id()).await.unwrap();
            talking.keys.keyring().forget_all();
        }
    });
    let moved = both.custody.carry_out_move(&house.tending()).await.unwrap().unwrap();
    assert!(moved.done && moved.versions == 4, "{moved:?}");
    senders.await.unwrap();

    // From now on the new root key alone is enough, and the old one opens nothing.
    let after = house.another(house.passphrase_root(), None);
    for (subject, conversation) in &people {
        after.keys.conversation_key(tenant, *subject, *conversation).await.unwrap();
    }
    let before = house.another(house.file_root(), None);
    let refused = before.keys.conversation_key(tenant, people[0].0, people[0].1).await.err().unwrap();
    let refused: &VaultError = refused.refusal().unwrap();
    assert!(matches!(refused, VaultError::Provider(ProviderError::WrongRoot { .. })), "{refused}");
}

async fn a_process_without_the_new_root_key_cannot_rotate_after_the_move(house: House) {
    house.people(1).await;
    let both = house.another(house.file_root(), Some(house.passphrase_root()));
    approved(&house, &both).await;
    both.custody.carry_out_move(&house.tending()).await.unwrap();
    // It still has the tenant's key in its memory; a version made now would be lost with the old root.
    let refused = house.custody.rotate(house.leave(&house.operator()), Why::Demand, via()).await;
    assert!(matches!(refused, Err(CustodyError::NoRoot { version: 1, .. })), "{refused:?}");
    let rotated = both.custody.rotate(house.leave(&house.operator()), Why::Demand, via()).await;
    assert_eq!(rotated.unwrap().version, 2);
    let tenant = house.tenant;
    let versions = house.db.read(move |tx| keys::versions(tx, tenant)).await.unwrap();
    assert!(versions.iter().all(|version| version.provider.starts_with("passphrase ")), "{versions:?}");
}

async fn a_move_that_was_interrupted_goes_on(house: House) {
    let people = house.people(3).await;
    for _ in 0..5 {
        let permit = house.leave::<RotateKeys>(&house.operator());
        house.custody.rotate(permit, Why::Demand, via()).await.unwrap();
    }
    let both = house.another(house.file_root(), Some(house.passphrase_root()));
    approved(&house, &both).await;
    // As if the process had ended after some of the versions.
    let mut rounds = 0;
    loop {
        let leave = house.tending();
        let step = tokio::time::timeout(
            std::time::Duration::from_millis(3 + 3 * rounds),
            both.custody.carry_out_move(&leave),
        );
        rounds += 1;
        match step.await {
            Err(_) => {
                // A process that begins anew in the middle opens everything.
                let fresh = house.another(house.file_root(), Some(house.passphrase_root()));
                for (subject, conversation) in &people {
                    fresh.keys.conversation_key(house.tenant, *subject, *conversation).await.unwrap();
                }
            }
            Ok(done) => match done.unwrap() {
                Some(moved) if !moved.done => {}
                _ => break,
            },
        }
        assert!(rounds < 200, "it never ends");
    }
    // With the keys swapped in the configuration, and the old one kept beside for a while.
    let swapped = house.another(house.passphrase_root(), Some(house.file_root()));
    for (subject, conversation) in &people {
        swapped.keys.conversation_key(house.tenant, *subject, *conversation).await.unwrap();
    }
}
