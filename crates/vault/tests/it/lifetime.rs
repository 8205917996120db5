//! How long unwrapped keys are kept, and what happens when the provider is out of reach or says no.

use std::sync::Arc;
use std::time::Duration;

use vault::{CachePolicy, KeyChain, ProviderError, Purpose, VaultError};

use crate::support::{DENIED, House, RUBBISH, UNREACHABLE, UP};

const POLICY: CachePolicy = CachePolicy {
    lifetime: Duration::from_secs(900),
    grace: Duration::from_secs(300),
    pause: Duration::from_secs(2),
    most_keys: 64,
};

#[test]
fn a_kept_key_does_not_ask_the_provider() {
    let house = House::with(POLICY);
    house.key();
    let before = house.root.unwraps();
    for _ in 0..100 {
        house.key();
    }
    house.clock.advance(Duration::from_secs(899));
    house.key();
    assert_eq!(house.root.unwraps(), before);
}

#[test]
fn past_its_lifetime_a_key_is_unwrapped_through_the_provider_again() {
    let house = House::with(POLICY);
    let old = house.key();
    let before = house.root.unwraps();
    house.clock.advance(Duration::from_secs(900));
    let new = house.key();
    assert_eq!(house.root.unwraps(), before + 1);
    assert!(!Arc::ptr_eq(&old, &new));
    // And is fresh from now on.
    house.clock.advance(Duration::from_secs(899));
    assert!(Arc::ptr_eq(&new, &house.key()));
}

#[test]
fn a_data_key_does_not_outlive_the_tenant_key_it_came_through() {
    let house = House::with(POLICY);
    house.keyring.forget_all();
    house.key();
    house.clock.advance(Duration::from_secs(600));
    // Another data key now, through the tenant key that was unwrapped 600 seconds ago.
    let data = house.keyring.new_data_key(&house.tenant, None, Purpose::Ticket, 1).unwrap();
    let chain = KeyChain { tenant: &house.tenant, subject: None, data: &data };
    house.keyring.data_key(&chain).unwrap();
    house.root.set(DENIED);
    house.clock.advance(Duration::from_secs(300));
    let refused = house.keyring.data_key(&chain);
    assert!(matches!(refused, Err(VaultError::Provider(ProviderError::Denied { .. }))));
}

#[test]
fn an_unreachable_provider_gets_grace_and_then_the_tenant_is_refused() {
    let house = House::with(POLICY);
    house.key();
    house.root.set(UNREACHABLE);
    house.clock.advance(Duration::from_secs(900));
    house.key();
    house.clock.advance(Duration::from_secs(299));
    house.key();
    house.clock.advance(Duration::from_secs(1));
    let refused = house.keyring.data_key(&house.chain()).map(|_| ()).unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert_eq!(house.keyring.kept(), [0, 0, 0], "nothing of the tenant's is kept any more");
    // Back again.
    house.root.set(UP);
    house.clock.advance(Duration::from_secs(2));
    house.key();
}

#[test]
fn rubbish_is_an_outage_and_the_refusal_at_its_end_says_what_ran_out() {
    let house = House::with(POLICY);
    house.key();
    let until = house.keyring.serves_until().unwrap();
    assert_eq!(until.since(house.world.now()), POLICY.lifetime + POLICY.grace);
    house.root.set(RUBBISH);
    house.clock.advance(POLICY.lifetime + POLICY.grace - Duration::from_millis(1));
    house.key();
    house.clock.advance(POLICY.pause);
    let refused = house.keyring.data_key(&house.chain()).map(|_| ()).unwrap_err();
    let said = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(
        said,
        "the key provider cannot be reached: its answer makes no sense; the grace of 300 seconds for keys already \
         unwrapped is over"
    );
    assert_eq!(house.keyring.serves_until(), None);
    house.root.set(UP);
    house.clock.advance(POLICY.pause);
    house.key();
}

#[test]
fn the_record_tells_of_success_failure_and_since_when() {
    let house = House::with(POLICY);
    house.key();
    let well = house.keyring.provider_record();
    assert!(well.calls > 0 && well.failures == 0 && well.failing_since.is_none(), "{well:?}");
    assert_eq!(well.last_success, Some(house.world.now()));
    assert_eq!(well.latency.map(|latency| latency.p99), Some(Duration::ZERO), "the clock stood still");
    house.clock.advance(POLICY.lifetime);
    let began = house.world.now();
    for state in [UNREACHABLE, DENIED, RUBBISH] {
        house.root.set(state);
        assert!(house.keyring.health().is_err());
        house.clock.advance(Duration::from_secs(60));
    }
    let ill = house.keyring.provider_record();
    assert_eq!((ill.failures, ill.failing_since), (3, Some(began)));
    let last = ill.last_failure.unwrap();
    assert_eq!(last.why, "the key provider failed: its answer makes no sense");
    assert_eq!(last.at.since(began), Duration::from_secs(120));
    house.root.set(UP);
    house.keyring.health().unwrap();
    let again = house.keyring.provider_record();
    assert!(again.failing_since.is_none() && again.last_failure.is_some(), "{again:?}");
    // To refuse what does not open is no failure.
    let mut forged = house.tenant.clone();
    *forged.blob.last_mut().unwrap() ^= 1;
    assert!(house.keyring.rewrap_tenant_key(&forged, &house.keyring).is_err());
    assert_eq!(house.keyring.provider_record().failures, 3);
}

#[test]
fn without_grace_an_unreachable_provider_refuses_at_once() {
    let house = House::with(CachePolicy { grace: Duration::ZERO, ..POLICY });
    house.key();
    house.root.set(UNREACHABLE);
    house.clock.advance(Duration::from_secs(900));
    assert!(house.keyring.data_key(&house.chain()).map(|_| ()).unwrap_err().is_transient());
}

#[test]
fn a_provider_that_denies_gets_no_grace() {
    let house = House::with(POLICY);
    house.key();
    house.root.set(DENIED);
    house.clock.advance(Duration::from_secs(900));
    let refused = house.keyring.data_key(&house.chain()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, VaultError::Provider(ProviderError::Denied { .. })), "{refused:?}");
    assert!(!refused.is_transient());
    assert_eq!(house.keyring.kept(), [0, 0, 0]);
}

#[test]
fn a_provider_out_of_reach_is_left_alone_for_a_while() {
    let house = House::with(POLICY);
    house.keyring.forget_all();
    house.root.set(UNREACHABLE);
    let before = house.root.unwraps();
    for _ in 0..50 {
        assert!(house.keyring.data_key(&house.chain()).is_err());
    }
    assert_eq!(house.root.unwraps(), before + 1);
    house.clock.advance(Duration::from_secs(2));
    assert!(house.keyring.data_key(&house.chain()).is_err());
    assert_eq!(house.root.unwraps(), before + 2);
}

#[test]
fn many_threads_ask_for_one_tenant_key_once() {
    let house = House::with(POLICY);
    house.keyring.forget_all();
    let before = house.root.unwraps();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| house.key());
        }
    });
    assert_eq!(house.root.unwraps(), before + 1);
}

#[test]
fn no_more_keys_are_kept_than_the_policy_says() {
    let house = House::with(CachePolicy { most_keys: 16, ..POLICY });
    for _ in 0..100 {
        let data = house.keyring.new_data_key(&house.tenant, None, Purpose::Ticket, 1).unwrap();
        house.keyring.data_key(&KeyChain { tenant: &house.tenant, subject: None, data: &data }).unwrap();
        assert!(house.keyring.kept().iter().all(|kept| *kept <= 16));
    }
}

#[test]
fn forgetting_lets_go_of_the_tenant_asked_for() {
    let house = House::with(POLICY);
    house.key();
    let other = house.keyring.new_tenant_key(house.world.id(), 1).unwrap();
    let data = house.keyring.new_data_key(&other, None, Purpose::Ticket, 1).unwrap();
    house.keyring.data_key(&KeyChain { tenant: &other, subject: None, data: &data }).unwrap();
    assert_eq!(house.keyring.kept(), [2, 1, 2]);
    house.keyring.forget_subject(house.tenant.tenant, house.subject.subject);
    assert_eq!(house.keyring.kept(), [2, 0, 1]);
    house.keyring.forget_tenant(house.tenant.tenant);
    assert_eq!(house.keyring.kept(), [1, 0, 1]);
}
