//! Wrapping anew: to the end, interrupted, paused, by two at once, past keys that do not open.

use custody::{KeyPolicy, Why};
use guard::action::{ReadKeys, RotateKeys};
use store::custody as rows;
use store::params;
use vault::Purpose;

use crate::house::{House, both, via};

both!(
    everything_is_wrapped_anew_and_still_opens,
    two_that_wrap_anew_at_once_do_each_key_once,
    a_key_that_does_not_open_is_passed_and_told_of,
    it_pauses_and_goes_on,
    a_rotation_in_the_middle_changes_the_aim,
    a_rate_is_kept,
);

async fn rotate(house: &House) {
    let permit = house.leave::<RotateKeys>(&house.operator());
    house.custody.rotate(permit, Why::Demand, via()).await.unwrap();
}

async fn wraps(house: &House, version: u32) -> u64 {
    let tenant = house.tenant;
    house.db.read(move |tx| rows::wraps(tx, tenant, version)).await.unwrap()
}

async fn everything_is_wrapped_anew_and_still_opens(house: House) {
    let people = house.people(20).await;
    house.data_keys(1203).await;
    let settings = house.keys.tenant_data_key(house.tenant, Purpose::Settings).await.unwrap();
    rotate(&house).await;
    assert_eq!(wraps(&house, 1).await, 20 + 1203 + 4);
    let done = house.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
    assert_eq!((done.done, done.refused, done.paused), (20 + 1203 + 4, 0, false));
    assert_eq!(wraps(&house, 1).await, 0);
    house.keys.keyring().forget_all();
    for (subject, conversation) in people {
        house.keys.conversation_key_at(house.tenant, subject, conversation, 1).await.unwrap();
    }
    let again = house.keys.tenant_data_key_at(house.tenant, Purpose::Settings, 1).await.unwrap();
    assert_eq!(again.id(), settings.id());
    assert_eq!(house.custody.rewrap(&house.tending(), |_| ()).await.unwrap().done, 0);
    let events = house.events("KEYS-1011I").await;
    assert_eq!(events.len(), 6, "one batch of people, five of data keys");
}

async fn two_that_wrap_anew_at_once_do_each_key_once(house: House) {
    house.people(10).await;
    house.data_keys(3000).await;
    rotate(&house).await;
    let other = house.another(house.file_root(), None);
    let (leave, same) = (house.tending(), house.tending());
    let (one, two) = tokio::join!(house.custody.rewrap(&leave, |_| ()), other.custody.rewrap(&same, |_| ()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.done + two.done, 3013, "{one:?} {two:?}");
    assert_eq!((one.refused, two.refused), (0, 0));
    assert_eq!(wraps(&house, 1).await, 0);
}

async fn a_key_that_does_not_open_is_passed_and_told_of(house: House) {
    house.data_keys(1200).await;
    let tenant = house.tenant;
    house
        .db
        .write(move |tx| {
            tx.execute(
                "UPDATE data_keys SET blob = $2
                 WHERE tenant = $1 AND key_id IN
                    (SELECT key_id FROM data_keys WHERE tenant = $1 ORDER BY key_id LIMIT 3)",
                params![tenant, vec![1u8; 73]],
            )
        })
        .await
        .unwrap();
    rotate(&house).await;
    let done = house.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
    assert_eq!((done.done, done.refused), (1200, 3));
    assert_eq!(wraps(&house, 1).await, 3);
    assert_eq!(house.events("KEYS-1003W").await.len(), 3);
    // Its version stays until somebody decides about them.
    assert!(house.custody.tend().await.unwrap().scheduled.is_empty());
    let status = house.custody.status(house.leave::<ReadKeys>(&house.operator())).await.unwrap();
    let old = status.keys.iter().find(|key| key.version == 1).unwrap();
    assert_eq!((old.wraps, old.rewrapped, old.refused), (3, 1200, 3));
    // And they are not told of every minute.
    house.custody.tend().await.unwrap();
    assert_eq!(house.events("KEYS-1003W").await.len(), 3);
}

async fn it_pauses_and_goes_on(house: House) {
    house.data_keys(600).await;
    rotate(&house).await;
    let permit = || house.leave::<RotateKeys>(&house.custodian());
    assert!(house.custody.pause(permit(), true, via()).await.unwrap());
    assert!(!house.custody.pause(permit(), true, via()).await.unwrap());
    let done = house.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
    assert!(done.paused && done.done == 0, "{done:?}");
    assert!(house.custody.pause(permit(), false, via()).await.unwrap());
    assert_eq!(house.custody.rewrap(&house.tending(), |_| ()).await.unwrap().done, 603);
    assert_eq!(house.events("KEYS-1015I").await.len(), 2);
}

async fn a_rotation_in_the_middle_changes_the_aim(house: House) {
    house.data_keys(2500).await;
    rotate(&house).await;
    let other = house.another(house.file_root(), None);
    let (leave, operator) = (house.tending(), house.operator());
    let rotating = async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        other.custody.rotate(house.leave(&operator), Why::Compromise, via()).await.unwrap();
    };
    let (first, ()) = tokio::join!(house.custody.rewrap(&leave, |_| ()), rotating);
    first.unwrap();
    house.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
    assert_eq!((wraps(&house, 1).await, wraps(&house, 2).await), (0, 0));
    assert_eq!(wraps(&house, 3).await, 2503);
}

#[expect(clippy::disallowed_methods, reason = "a rate is measured in real time")]
async fn a_rate_is_kept(house: House) {
    house.data_keys(1500).await;
    rotate(&house).await;
    let policy = KeyPolicy { rewrap_per_second: 2000, ..KeyPolicy::default() };
    let permit = house.leave_because(&house.custodian(), "fewer at once");
    house.custody.set_policy(permit, Some(policy), via()).await.unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(house.custody.rewrap(&house.tending(), |_| ()).await.unwrap().done, 1503);
    assert!(begun.elapsed().as_millis() >= 700, "{:?}", begun.elapsed());
}
