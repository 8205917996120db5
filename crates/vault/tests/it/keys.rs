//! The hierarchy: who wraps whom, wrapping anew, and rows that were tampered with.

use std::sync::Arc;

use kernel::{KeyId, MessageText};
use proptest::prelude::*;
use vault::{CachePolicy, FileRoot, KeyChain, Keyring, ProviderError, Purpose, VaultError, WrappedBy};

use crate::support::House;

fn text() -> MessageText {
    MessageText::new("Where is my card?").unwrap()
}

#[test]
fn wrapped_keys_have_the_documented_sizes() {
    let house = House::new();
    assert_eq!(house.tenant.blob.len(), 81);
    assert_eq!(house.subject.blob.len(), 73);
    assert_eq!(house.data.blob.len(), 73);
    assert_eq!(house.data.wrapped_by, WrappedBy::Subject(house.subject.subject));
}

#[test]
fn a_data_key_can_live_right_under_the_tenants_key() {
    let house = House::new();
    let data = house.keyring.new_data_key(&house.tenant, None, Purpose::Settings, 1).unwrap();
    let chain = KeyChain { tenant: &house.tenant, subject: None, data: &data };
    let key = house.keyring.data_key(&chain).unwrap();
    let sealed = key.seal(&house.place(), &text()).unwrap();
    house.keyring.forget_all();
    assert_eq!(house.keyring.data_key(&chain).unwrap().open(&house.place(), &sealed).unwrap(), text());
}

#[test]
fn wrapping_anew_moves_keys_to_the_next_version_and_changes_no_record() {
    let house = House::new();
    let keyring = &house.keyring;
    let settings = keyring.new_data_key(&house.tenant, None, Purpose::Settings, 1).unwrap();
    let settings_chain = KeyChain { tenant: &house.tenant, subject: None, data: &settings };
    let message = house.key().seal(&house.place(), &text()).unwrap();
    let setting = keyring.data_key(&settings_chain).unwrap().seal(&house.place(), &text()).unwrap();

    let next = keyring.new_tenant_key(house.tenant.tenant, 2).unwrap();
    let subject = keyring.rewrap_subject_key(&house.tenant, &house.subject, &next).unwrap();
    let moved = keyring.rewrap_data_key(&settings_chain, &next).unwrap();
    assert_eq!((subject.wrapped_by, moved.wrapped_by), (2, WrappedBy::Tenant(2)));
    assert_eq!((subject.commitment, moved.commitment), (house.subject.commitment, settings.commitment));
    assert_ne!(subject.blob, house.subject.blob);
    assert_ne!(moved.blob, settings.blob);

    // Only the new version is needed from here on.
    keyring.forget_all();
    let chain = KeyChain { tenant: &next, subject: Some(&subject), data: &house.data };
    assert_eq!(keyring.data_key(&chain).unwrap().open(&house.place(), &message).unwrap(), text());
    let chain = KeyChain { tenant: &next, subject: None, data: &moved };
    assert_eq!(keyring.data_key(&chain).unwrap().open(&house.place(), &setting).unwrap(), text());
}

#[test]
fn a_tenant_key_moves_to_another_provider_and_nothing_below_it_changes() {
    let house = House::new();
    let sealed = house.key().seal(&house.place(), &text()).unwrap();
    let other = FileRoot::create(house.dir.path().join("other.key"), house.world.clone()).unwrap();
    let other = Keyring::new(Arc::new(other), house.world.clone(), CachePolicy::default());
    let moved = house.keyring.rewrap_tenant_key(&house.tenant, &other).unwrap();
    assert_eq!(moved.commitment, house.tenant.commitment);
    let chain = KeyChain { tenant: &moved, ..house.chain() };
    assert_eq!(other.data_key(&chain).unwrap().open(&house.place(), &sealed).unwrap(), text());
    house.keyring.forget_all();
    let refused = house.keyring.data_key(&chain);
    assert!(matches!(refused, Err(VaultError::Provider(ProviderError::WrongRoot { .. }))));
}

#[test]
fn a_data_key_under_a_subject_is_not_wrapped_anew_by_itself() {
    let house = House::new();
    let next = house.keyring.new_tenant_key(house.tenant.tenant, 2).unwrap();
    let refused = house.keyring.rewrap_data_key(&house.chain(), &next);
    assert!(matches!(refused, Err(VaultError::BrokenChain { .. })));
}

#[test]
fn without_the_subjects_key_its_data_key_is_worth_nothing() {
    let house = House::new();
    house.keyring.forget_subject(house.tenant.tenant, house.subject.subject);
    // A new key for the same subject: the old one was destroyed.
    let again = house.keyring.new_subject_key(&house.tenant, house.subject.subject).unwrap();
    let chain = KeyChain { subject: Some(&again), ..house.chain() };
    let refused = house.keyring.data_key(&chain);
    assert!(matches!(refused, Err(VaultError::DataKeyRefused { key }) if key == house.data.key_id));
    let chain = KeyChain { subject: None, ..house.chain() };
    assert!(matches!(house.keyring.data_key(&chain), Err(VaultError::BrokenChain { .. })));
}

#[test]
fn rows_that_do_not_belong_together_are_refused_even_when_cached() {
    let house = House::new();
    let keyring = &house.keyring;
    house.key();
    let stranger = keyring.new_tenant_key(house.world.id(), 1).unwrap();
    let next = keyring.new_tenant_key(house.tenant.tenant, 2).unwrap();
    let friend = keyring.new_subject_key(&house.tenant, house.world.id()).unwrap();
    for chain in [
        KeyChain { tenant: &stranger, ..house.chain() },
        KeyChain { tenant: &next, ..house.chain() },
        KeyChain { subject: Some(&friend), ..house.chain() },
    ] {
        assert!(matches!(keyring.data_key(&chain), Err(VaultError::BrokenChain { .. })), "{chain:?}");
    }
    // A row that names another tenant, but keeps the wrapped bytes.
    let (mut tenant, mut subject, mut data) = (stranger, house.subject.clone(), house.data.clone());
    (subject.tenant, data.tenant) = (tenant.tenant, tenant.tenant);
    let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
    assert!(matches!(keyring.data_key(&chain), Err(VaultError::SubjectKeyRefused { .. })));
    // And one whose tenant key's bytes are taken from us as well.
    tenant.blob = house.tenant.blob.clone();
    let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
    keyring.forget_all();
    let refused = keyring.data_key(&chain);
    assert!(matches!(refused, Err(VaultError::Provider(ProviderError::Refused))), "{refused:?}");
}

#[test]
fn a_changed_claim_in_a_row_is_noticed_even_when_cached() {
    let house = House::new();
    house.key();
    let changes: [fn(&mut vault::WrappedDataKey); 4] = [
        |row| row.purpose = Purpose::Ticket,
        |row| row.generation = 2,
        |row| row.commitment[31] ^= 1,
        |row| row.blob[30] ^= 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut data = house.data.clone();
        change(&mut data);
        house.keyring.forget_all();
        let refused = house.keyring.data_key(&KeyChain { data: &data, ..house.chain() });
        match number {
            2 => assert!(matches!(refused, Err(VaultError::CommitmentMismatch))),
            _ => assert!(matches!(refused, Err(VaultError::DataKeyRefused { .. })), "{number}"),
        }
    }
}

#[test]
fn a_cached_key_answers_only_for_the_row_it_came_from() {
    let house = House::new();
    house.key();
    // Another key under the first one's id, as somebody could write it into the database.
    let other = house.keyring.new_data_key(&house.tenant, Some(&house.subject), Purpose::Ticket, 9).unwrap();
    let forged = vault::WrappedDataKey { key_id: house.data.key_id, ..other };
    let refused = house.keyring.data_key(&KeyChain { data: &forged, ..house.chain() });
    assert!(matches!(refused, Err(VaultError::DataKeyRefused { .. })));
}

#[test]
fn wrapped_keys_that_are_none_each_have_their_own_refusal() {
    let house = House::new();
    let open = |blob: Vec<u8>| {
        let data = vault::WrappedDataKey { blob, ..house.data.clone() };
        house.keyring.forget_all();
        house.keyring.data_key(&KeyChain { data: &data, ..house.chain() }).map(|_| ())
    };
    let good = house.data.blob.clone();
    assert!(matches!(open(vec![]), Err(VaultError::Truncated { found: 0, least: 73 })));
    assert!(matches!(open(good[..72].to_vec()), Err(VaultError::Truncated { found: 72, least: 73 })));
    assert!(matches!(open(good[..10].to_vec()), Err(VaultError::Truncated { found: 10, least: 73 })));
    assert!(matches!(open([good.as_slice(), &[0]].concat()), Err(VaultError::Length { found: 74 })));
    let mut future = good;
    future[0] = 9;
    assert!(matches!(open(future), Err(VaultError::UnknownVersion { found: 9 })));
}

proptest! {
    #[test]
    fn any_flipped_bit_of_any_wrapped_key_is_noticed(level in 0..3, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let house = House::new();
        let (mut tenant, mut subject, mut data) =
            (house.tenant.clone(), house.subject.clone(), house.data.clone());
        let blob = match level {
            0 => &mut tenant.blob,
            1 => &mut subject.blob,
            _ => &mut data.blob,
        };
        let at = at.index(blob.len());
        blob[at] ^= 1 << bit;
        house.keyring.forget_all();
        let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
        prop_assert!(house.keyring.data_key(&chain).is_err());
    }

    #[test]
    fn any_flipped_bit_of_any_commitment_is_noticed(level in 0..3, at in 0usize..32, bit in 0u8..8) {
        let house = House::new();
        let (mut tenant, mut subject, mut data) =
            (house.tenant.clone(), house.subject.clone(), house.data.clone());
        let commitment = match level {
            0 => &mut tenant.commitment,
            1 => &mut subject.commitment,
            _ => &mut data.commitment,
        };
        commitment[at] ^= 1 << bit;
        // Cached or not: the key is kept under its own commitment.
        let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
        if level == 2 {
            prop_assert!(matches!(house.keyring.data_key(&chain), Err(VaultError::CommitmentMismatch)));
        }
        house.keyring.forget_all();
        prop_assert!(matches!(house.keyring.data_key(&chain), Err(VaultError::CommitmentMismatch)));
    }
}

#[test]
fn key_ids_are_new_each_time() {
    let house = House::new();
    let new = || house.keyring.new_data_key(&house.tenant, None, Purpose::Ticket, 1).unwrap();
    let (one, other): (KeyId, KeyId) = (new().key_id, new().key_id);
    assert_ne!(one, other);
}
