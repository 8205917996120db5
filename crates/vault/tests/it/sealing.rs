//! Records: they open in their place under their key, and nowhere else.

use std::collections::HashSet;

use kernel::{
    DisplayName, Email, Id, ManualClock, MessageText, Note, Reason, Secret, TenantId, Timestamp, Title, World,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use vault::{
    CachePolicy, Column, DataKey, FileRoot, Json, KeyChain, Keyring, Place, Purpose, Sealable, Sealed, Table,
    VaultError,
};

use crate::support::{BODY, House, MESSAGES};

fn text() -> MessageText {
    MessageText::new("Where is my card?").unwrap()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Slots {
    card: String,
    tries: u8,
}

#[test]
fn every_sealable_type_comes_back_as_it_was() {
    fn round<T: Sealable>(house: &House, value: &T) -> T {
        let sealed = house.key().seal(&house.place(), value).unwrap();
        let stored = Sealed::<T>::parse(sealed.as_bytes().to_vec()).unwrap();
        house.key().open(&house.place(), &stored).unwrap()
    }
    let house = House::new();
    assert_eq!(round(&house, &text()), text());
    let reason = Reason::new("a complaint").unwrap();
    assert_eq!(round(&house, &reason), reason);
    let name = DisplayName::new("Ada Lovelace").unwrap();
    assert_eq!(round(&house, &name), name);
    let title = Title::new("Lost card").unwrap();
    assert_eq!(round(&house, &title), title);
    let note = Note::new("called back\ntwice").unwrap();
    assert_eq!(round(&house, &note), note);
    let email = Email::new("ada@example.org").unwrap();
    assert_eq!(round(&house, &email), email);
    for bytes in [vec![], vec![0], vec![0x80, 0, 0], vec![7; 5000]] {
        assert_eq!(round(&house, &bytes), bytes);
    }
    assert_eq!(round(&house, &Secret::new([5u8; 32])).expose(), &[5; 32]);
    assert_eq!(round(&house, &Secret::new(vec![5u8; 9])).expose(), &[5; 9]);
    assert_eq!(round(&house, &Secret::new("token".to_owned())).expose(), "token");
    let slots = || Slots { card: "4111".to_owned(), tries: 2 };
    assert_eq!(round(&house, &Json(slots())).0, slots());
}

#[test]
fn what_opens_but_is_not_a_valid_value_is_refused() {
    let house = House::new();
    let as_bytes = house.key().seal(&house.place(), &b"two\0parts".to_vec()).unwrap();
    let as_text = Sealed::<MessageText>::parse(as_bytes.into_bytes()).unwrap();
    let opened = house.key().open(&house.place(), &as_text);
    assert!(matches!(opened, Err(VaultError::Content { what: "message" })));

    let more = br#"{"card":"","tries":1,"admin":true}"#.to_vec();
    let sealed = house.key().seal(&house.place(), &more).unwrap();
    let sealed = Sealed::<Json<Slots>>::parse(sealed.into_bytes()).unwrap();
    let opened = house.key().open(&house.place(), &sealed);
    assert!(matches!(opened, Err(VaultError::Content { what: "JSON document" })));
}

#[test]
fn a_record_opens_in_its_place_alone() {
    let house = House::new();
    let (key, place) = (house.key(), house.place());
    let sealed = key.seal(&place, &text()).unwrap();
    let tenant = house.tenant.tenant;
    let (row, second) = ([1; 16], [2; 16]);
    let at = Timestamp::from_millis(1_795_000_000_001);
    let moved = |table, row, column| {
        Place::new(tenant, table, row, column).seq(12).second(second).role(1).content_type(1).created(at)
    };
    assert_eq!(moved(MESSAGES, row, BODY), place);
    for other in [
        moved(Table::new(8), row, BODY),
        moved(MESSAGES, [9; 16], BODY),
        moved(MESSAGES, row, Column::new(4)),
        place.seq(13),
        place.second([3; 16]),
        place.role(2),
        place.content_type(2),
        place.created(Timestamp::from_millis(1_795_000_000_002)),
    ] {
        assert!(matches!(key.open(&other, &sealed), Err(VaultError::Refused)), "{other:?}");
    }
    assert_eq!(key.open(&place, &sealed).unwrap(), text());
}

#[test]
fn two_rows_that_change_places_do_not_open() {
    let house = House::new();
    let (key, place) = (house.key(), house.place());
    let other = MessageText::new("Please close my account.").unwrap();
    let (first, second) = (key.seal(&place, &text()).unwrap(), key.seal(&place.seq(13), &other).unwrap());
    assert!(matches!(key.open(&place, &second), Err(VaultError::Refused)));
    assert!(matches!(key.open(&place.seq(13), &first), Err(VaultError::Refused)));
}

#[test]
fn another_tenants_place_is_refused_before_any_cryptography() {
    let house = House::new();
    let theirs = Place::new(TenantId::from_bytes([9; 16]), MESSAGES, [1; 16], BODY);
    let sealed = house.key().seal(&house.place(), &text()).unwrap();
    assert!(matches!(house.key().open(&theirs, &sealed), Err(VaultError::WrongTenant { .. })));
    assert!(matches!(house.key().seal(&theirs, &text()), Err(VaultError::WrongTenant { .. })));
}

#[test]
fn another_generation_another_purpose_and_another_key_do_not_open() {
    let house = House::new();
    let sealed = house.key().seal(&house.place(), &text()).unwrap();
    let (tenant, subject) = (&house.tenant, Some(&house.subject));
    for (purpose, generation) in
        [(Purpose::Conversation, 2), (Purpose::Ticket, 1), (Purpose::Conversation, 1)]
    {
        let data = house.keyring.new_data_key(tenant, subject, purpose, generation).unwrap();
        let other = house.keyring.data_key(&KeyChain { tenant, subject, data: &data }).unwrap();
        assert!(matches!(other.open(&house.place(), &sealed), Err(VaultError::Refused)));
    }
}

#[test]
fn records_that_are_no_records_each_have_their_own_refusal() {
    let house = House::new();
    let good = house.key().seal(&house.place(), &text()).unwrap().into_bytes();
    assert_eq!(good.len(), 105, "41 bytes around one block of 64");
    let parse = Sealed::<MessageText>::parse;
    assert!(matches!(parse(vec![]), Err(VaultError::Truncated { found: 0, least: 105 })));
    assert!(matches!(parse(good[..104].to_vec()), Err(VaultError::Truncated { found: 104, least: 105 })));
    assert!(matches!(parse([good.as_slice(), &[0]].concat()), Err(VaultError::Length { found: 106 })));
    let mut future = good.clone();
    future[0] = 2;
    assert!(matches!(parse(future), Err(VaultError::UnknownVersion { found: 2 })));
    let mut huge = vec![1; 2 << 20];
    assert!(matches!(parse(huge.clone()), Err(VaultError::TooLarge { .. })));
    huge[0] = 0;
    assert!(matches!(parse(huge), Err(VaultError::UnknownVersion { found: 0 })));
}

#[test]
fn one_mebibyte_is_the_largest_value() {
    let house = House::new();
    let largest = vec![7u8; DataKey::MAX_PLAIN];
    let sealed = house.key().seal(&house.place(), &largest).unwrap();
    let stored = Sealed::<Vec<u8>>::parse(sealed.into_bytes()).unwrap();
    assert!(house.key().open(&house.place(), &stored).unwrap() == largest);
    let larger = vec![7u8; DataKey::MAX_PLAIN + 1];
    let refused = house.key().seal(&house.place(), &larger);
    assert!(matches!(refused, Err(VaultError::TooLarge { found, max }) if found == max + 1));
}

#[test]
fn yes_and_no_are_of_one_length() {
    let house = House::new();
    let len = |text: &str| {
        let text = MessageText::new(text).unwrap();
        house.key().seal(&house.place(), &text).unwrap().as_bytes().len()
    };
    assert_eq!(len("no"), len("yes"));
    assert_eq!(len("no"), len(&"n".repeat(63)));
    assert!(len("no") < len(&"n".repeat(64)));
}

#[test]
fn a_backup_restored_twice_never_draws_a_nonce_again() {
    // The same rows and the same clock in two processes: with a counter, both would go on from the
    // same nonce. Here the nonces come from the system, so they differ.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.key");
    FileRoot::create(&path, World::real()).unwrap();
    let open = || {
        let root = FileRoot::open(&path, World::real()).unwrap();
        Keyring::new(std::sync::Arc::new(root), World::real(), CachePolicy::default())
    };
    let (one, other) = (open(), open());
    let tenant = one.new_tenant_key(World::real().id(), 1).unwrap();
    let data = one.new_data_key(&tenant, None, Purpose::Conversation, 1).unwrap();
    let chain = KeyChain { tenant: &tenant, subject: None, data: &data };
    let place = Place::new(tenant.tenant, MESSAGES, [1; 16], BODY);
    let mut nonces = HashSet::new();
    for keyring in [&one, &other] {
        let key = keyring.data_key(&chain).unwrap();
        for _ in 0..500 {
            let sealed = key.seal(&place, &text()).unwrap();
            assert!(nonces.insert(sealed.as_bytes()[1..25].to_vec()));
        }
    }
}

#[test]
fn the_world_it_is_given_is_where_nonces_come_from() {
    let seal = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let clock = std::sync::Arc::new(ManualClock::at(Timestamp::from_millis(1)));
        let world = World::rehearsal(clock, seed);
        let root = FileRoot::create(dir.path().join("root.key"), world.clone()).unwrap();
        let keyring = Keyring::new(std::sync::Arc::new(root), world.clone(), CachePolicy::default());
        let tenant = keyring.new_tenant_key(world.id(), 1).unwrap();
        let data = keyring.new_data_key(&tenant, None, Purpose::Settings, 1).unwrap();
        let key = keyring.data_key(&KeyChain { tenant: &tenant, subject: None, data: &data }).unwrap();
        let place = Place::new(tenant.tenant, MESSAGES, [1; 16], BODY);
        key.seal(&place, &text()).unwrap().into_bytes()
    };
    assert_eq!(seal(1), seal(1));
    assert_ne!(seal(1), seal(2));
}

#[test]
fn nothing_that_holds_content_or_keys_prints_them() {
    let house = House::new();
    let key = house.key();
    let sealed = key.seal(&house.place(), &text()).unwrap();
    let shown = format!(
        "{key:?} {sealed:?} {:?} {:?} {:?} {:?} {:?}",
        house.tenant,
        house.subject,
        house.data,
        Json(Slots { card: "4111".to_owned(), tries: 2 }),
        b"4111".to_vec().plain().unwrap(),
    );
    assert!(!shown.contains("4111") && !shown.contains("card"), "{shown}");
    assert!(shown.contains("Sealed(105 bytes)"), "{shown}");
    let keyring = Keyring::new(
        std::sync::Arc::new(FileRoot::open(house.dir.path().join("root.key"), World::real()).unwrap()),
        World::real(),
        CachePolicy::default(),
    );
    let shown = format!("{keyring:?}");
    assert!(shown.starts_with("Keyring(file ") && shown.ends_with("), [0, 0, 0] keys kept)"), "{shown}");
}

#[test]
fn macs_and_blind_indexes_are_their_own_for_each_label_and_key() {
    let house = House::new();
    let key = house.key();
    let next = house.keyring.new_data_key(&house.tenant, Some(&house.subject), Purpose::Index, 2).unwrap();
    let next = house.keyring.data_key(&KeyChain { data: &next, ..house.chain() }).unwrap();
    let mail = b"ada@example.org";
    assert_eq!(key.mac("chain", mail).unwrap(), house.key().mac("chain", mail).unwrap());
    assert_eq!(key.blind_index("email", mail).unwrap(), house.key().blind_index("email", mail).unwrap());
    let all: HashSet<[u8; 16]> = [
        key.blind_index("email", mail).unwrap(),
        key.blind_index("phone", mail).unwrap(),
        key.blind_index("email", b"bob@example.org").unwrap(),
        next.blind_index("email", mail).unwrap(),
        key.mac("email", mail).unwrap()[..16].try_into().unwrap(),
        key.mac("phone", mail).unwrap()[..16].try_into().unwrap(),
    ]
    .into();
    assert_eq!(all.len(), 6);
}

proptest! {
    #[test]
    fn any_flipped_bit_is_noticed(plain in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let house = House::new();
        let mut bytes = house.key().seal(&house.place(), &plain).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        match Sealed::<Vec<u8>>::parse(bytes) {
            Err(VaultError::UnknownVersion { .. }) => prop_assert_eq!(at, 0),
            Err(error) => prop_assert!(false, "{error}"),
            Ok(sealed) => {
                let opened = house.key().open(&house.place(), &sealed);
                prop_assert!(matches!(opened, Err(VaultError::Refused)));
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let house = House::new();
        if let Ok(sealed) = Sealed::<Vec<u8>>::parse(bytes) {
            prop_assert!(house.key().open(&house.place(), &sealed).is_err());
        }
    }
}
