//! States, and what needs two people.

use custody::{CustodyError, KeyRefusal, Why};
use guard::action::{
    ApproveKeyRequest, CancelKeyDestruction, DisableKey, ReadKeys, RotateKeys, ScheduleKeyDestruction,
};
use guard::{Actor, Role};
use kernel::KeyRequestId;
use store::StoreError;
use store::keys::KeyState;

use crate::house::{DAY, House, both, via};

both!(
    a_disabled_version_opens_nothing_and_says_which_it_is,
    another_process_stops_opening_within_two_seconds,
    a_disabled_version_is_not_wrapped_anew_and_is_when_enabled,
    a_version_in_use_cannot_be_destroyed_whoever_agrees,
    destruction_needs_a_second_person_and_days,
    a_scheduled_destruction_is_called_off_and_stays_off,
    a_request_expires_after_a_day,
    of_two_who_approve_one_does,
);

async fn rotate(house: &House) {
    let permit = house.leave::<RotateKeys>(&house.operator());
    house.custody.rotate(permit, Why::Demand, via()).await.unwrap();
}

async fn rewrap(house: &House) -> u64 {
    house.custody.rewrap(&house.tending(), |_| ()).await.unwrap().done
}

async fn disable(house: &House, version: u32) {
    let permit = house.leave::<DisableKey>(&house.custodian());
    house.custody.disable(permit, version, via()).await.unwrap();
}

async fn enable(house: &House, version: u32) -> KeyState {
    let permit = house.leave::<DisableKey>(&house.custodian());
    house.custody.enable(permit, version, via()).await.unwrap()
}

async fn ask(house: &House, actor: &Actor, version: u32, days: u32) -> Result<KeyRequestId, CustodyError> {
    let permit = house.leave::<ScheduleKeyDestruction>(actor);
    let asked = house.custody.request_destruction(permit, version, days, via()).await;
    asked.map(|request| request.id)
}

async fn approve(house: &House, actor: &Actor, id: KeyRequestId) -> Result<(), CustodyError> {
    let permit = house.leave::<ApproveKeyRequest>(actor);
    house.custody.approve(permit, id, via()).await.map(drop)
}

async fn a_disabled_version_opens_nothing_and_says_which_it_is(house: House) {
    let (subject, conversation) = house.people(1).await[0];
    let tenant = house.tenant;
    disable(&house, 1).await;
    let refused = house.keys.conversation_key(tenant, subject, conversation).await.err().unwrap();
    assert!(matches!(refused, StoreError::KeyClosed { version: 1, state: "disabled" }), "{refused}");
    let new = house.keys.conversation_key(tenant, house.world.id(), house.world.id()).await.err().unwrap();
    assert!(matches!(new, StoreError::KeyClosed { version: 1, .. }), "{new}");
    let events = house.events("KEYS-1005I").await;
    assert!(events[0].contains("\"to\":\"disabled\""), "recorded although its own keys are closed");
    assert_eq!(enable(&house, 1).await, KeyState::Active);
    house.keys.conversation_key(tenant, subject, conversation).await.unwrap();
    assert_eq!(house.events("KEYS-1005I").await.len(), 2);
    let twice = house.custody.enable(house.leave(&house.custodian()), 1, via()).await;
    assert!(matches!(twice, Err(CustodyError::Refused(KeyRefusal::State { version: 1, .. }))));
}

async fn another_process_stops_opening_within_two_seconds(house: House) {
    let (subject, conversation) = house.people(1).await[0];
    let other = house.another(house.file_root(), None);
    other.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    disable(&house, 1).await;
    house.clock.advance(std::time::Duration::from_secs(2));
    let refused = other.keys.conversation_key(house.tenant, subject, conversation).await;
    assert!(matches!(refused, Err(StoreError::KeyClosed { version: 1, .. })));
    let read = other.keys.conversation_key_at(house.tenant, subject, conversation, 1).await;
    assert!(matches!(read, Err(StoreError::KeyClosed { version: 1, .. })));
}

async fn a_disabled_version_is_not_wrapped_anew_and_is_when_enabled(house: House) {
    house.people(3).await;
    rotate(&house).await;
    disable(&house, 1).await;
    assert_eq!(rewrap(&house).await, 0);
    assert_eq!(enable(&house, 1).await, KeyState::Retiring);
    assert_eq!(
        rewrap(&house).await,
        6,
        "three people, the blind index, the row bindings and the audit details"
    );
}

async fn a_version_in_use_cannot_be_destroyed_whoever_agrees(house: House) {
    house.people(2).await;
    let custodian = house.custodian();
    let refused = ask(&house, &custodian, 1, 7).await;
    assert!(matches!(refused, Err(CustodyError::Refused(KeyRefusal::State { version: 1, .. }))));
    rotate(&house).await;
    let refused = ask(&house, &custodian, 1, 7).await;
    assert!(matches!(refused, Err(CustodyError::Refused(KeyRefusal::StillWraps { version: 1, keys: 5 }))));
    for days in [0, 6, 31] {
        let refused = ask(&house, &custodian, 1, days).await;
        assert!(matches!(refused, Err(CustodyError::Refused(KeyRefusal::Wait))), "{days}");
    }
    let refused = ask(&house, &custodian, 9, 7).await;
    assert!(matches!(refused, Err(CustodyError::Refused(KeyRefusal::State { state: None, .. }))));
}

async fn destruction_needs_a_second_person_and_days(house: House) {
    house.people(2).await;
    rotate(&house).await;
    rewrap(&house).await;
    let (one, two) = (house.custodian(), house.custodian());
    let id = ask(&house, &one, 1, 7).await.unwrap();
    let own = approve(&house, &one, id).await;
    assert!(matches!(own, Err(CustodyError::Refused(KeyRefusal::OwnRequest))));
    let again = ask(&house, &two, 1, 7).await;
    assert!(matches!(again, Err(CustodyError::Refused(KeyRefusal::Already(already))) if already == id));
    approve(&house, &two, id).await.unwrap();
    let twice = approve(&house, &two, id).await;
    assert!(matches!(twice, Err(CustodyError::Refused(KeyRefusal::NoRequest))));

    house.clock.advance(DAY * 6);
    assert!(house.custody.tend().await.unwrap().destroyed.is_empty());
    house.clock.advance(DAY);
    assert_eq!(house.custody.tend().await.unwrap().destroyed, [1]);
    let status = house.custody.status(house.leave::<ReadKeys>(&house.operator())).await.unwrap();
    assert_eq!(status.requests[0].state, "done");
    for code in ["KEYS-1006I", "KEYS-1007I", "KEYS-1009I", "KEYS-1010I"] {
        assert_eq!(house.events(code).await.len(), 1, "{code}");
    }

    // The operator's own request is not the operator's to approve either; a custodian's is.
    rotate(&house).await;
    rewrap(&house).await;
    let id = ask(&house, &house.operator(), 2, 30).await.unwrap();
    let own = approve(&house, &house.operator(), id).await;
    assert!(matches!(own, Err(CustodyError::Refused(KeyRefusal::OwnRequest))));
    approve(&house, &house.custodian(), id).await.unwrap();
}

async fn a_scheduled_destruction_is_called_off_and_stays_off(house: House) {
    rotate(&house).await;
    rewrap(&house).await;
    assert_eq!(house.custody.tend().await.unwrap().scheduled, [1]);
    let permit = house.leave::<CancelKeyDestruction>(&house.custodian());
    let state = house.custody.cancel_destruction(permit, 1, via()).await.unwrap();
    assert_eq!(state, KeyState::Retiring);
    house.clock.advance(DAY * 40);
    let tended = house.custody.tend().await.unwrap();
    assert!(tended.scheduled.is_empty() && tended.destroyed.is_empty(), "{tended:?}");
    let status = house.custody.status(house.leave::<ReadKeys>(&house.operator())).await.unwrap();
    assert!(status.keys.iter().any(|key| key.version == 1 && key.held));
    // Two people can still decide otherwise.
    let id = ask(&house, &house.custodian(), 1, 7).await.unwrap();
    approve(&house, &house.custodian(), id).await.unwrap();
    house.clock.advance(DAY * 7);
    assert_eq!(house.custody.tend().await.unwrap().destroyed, [1]);
}

async fn a_request_expires_after_a_day(house: House) {
    rotate(&house).await;
    rewrap(&house).await;
    let id = ask(&house, &house.custodian(), 1, 7).await.unwrap();
    house.clock.advance(DAY);
    let late = approve(&house, &house.custodian(), id).await;
    assert!(matches!(late, Err(CustodyError::Refused(KeyRefusal::Expired))));
    let again = ask(&house, &house.custodian(), 1, 7).await.unwrap();
    assert_ne!(id, again);
    let permit = house.leave::<CancelKeyDestruction>(&house.custodian());
    house.custody.cancel_request(permit, again, via()).await.unwrap();
    let called_off = approve(&house, &house.custodian(), again).await;
    assert!(matches!(called_off, Err(CustodyError::Refused(KeyRefusal::NoRequest))));
}

async fn of_two_who_approve_one_does(house: House) {
    rotate(&house).await;
    rewrap(&house).await;
    let asker = house.staff(Role::KeyCustodian, house.world.id());
    let id = ask(&house, &asker, 1, 7).await.unwrap();
    let (one, two) = (house.custodian(), house.custodian());
    let (one, two) = tokio::join!(approve(&house, &one, id), approve(&house, &two, id));
    assert_eq!(u32::from(one.is_ok()) + u32::from(two.is_ok()), 1, "{one:?} {two:?}");
    assert_eq!(house.events("KEYS-1007I").await.len(), 1);
}
