//! How long unwrapped keys are kept, and what happens when the provider is out of reach or says no.

use std::sync::Arc;
use std::time::Duration;

use vault::{CachePolicy, KeyChain, ProviderError, Purpose, VaultError};

use crate::support::{DENIED, House, UNREACHABLE, UP};

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
