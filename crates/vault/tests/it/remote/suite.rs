//! What every provider must do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::World;
use testkit::Said;
use vault::{
    CachePolicy, KeyBytes, KeyChain, KeyProvider, Keyring, ProviderError, Purpose, VaultError, WrapContext,
};

use super::stage::{Mode, Wire};

fn context(world: &World) -> WrapContext {
    WrapContext { tenant: world.id(), version: 3 }
}

/// Wraps, unwraps, and refuses what it must refuse. Returns how many checks were made.
pub(crate) fn conforms(provider: &dyn KeyProvider) -> usize {
    let world = World::real();
    let (key, context) = (KeyBytes::generate(&world), context(&world));
    provider.health().unwrap();
    let blob = provider.wrap(&key, &context).unwrap();
    assert_eq!(provider.unwrap(&blob, &context).unwrap().expose(), key.expose());
    assert_ne!(provider.wrap(&key, &context).unwrap(), blob, "never the same twice");
    assert!(!blob.windows(32).any(|window| window == key.expose()));
    let mut checks = 3;

    for wrong in [WrapContext { version: 4, ..context }, WrapContext { tenant: world.id(), ..context }] {
        let refused = provider.unwrap(&blob, &wrong).unwrap_err();
        assert!(matches!(refused, ProviderError::Refused), "{refused:?}");
        checks += 1;
    }
    // A bit of every fifth byte, and of the first and last ones. Nothing changed opens, and nothing of it
    // looks like an outage, which would give a forged key grace.
    let places = (0..blob.len()).filter(|at| at % 5 == 0 || *at < 6 || blob.len() - at < 6);
    for at in places {
        let mut changed = blob.clone();
        changed[at] ^= 0x01;
        let refused = provider.unwrap(&changed, &context).unwrap_err();
        assert!(!refused.is_outage(), "byte {at}: {refused:?}");
        checks += 1;
    }
    for length in [0, 1, 3, 4, 5, blob.len() / 2, blob.len() - 1] {
        let refused = provider.unwrap(&blob[..length], &context).unwrap_err();
        assert!(!refused.is_outage(), "{length} bytes: {refused:?}");
        checks += 1;
    }
    // What another kind of provider wrapped.
    for mark in
        [b"bao1", b"aws1", b"gcp1", b"akv1", b"\x01\0\0\0"].iter().filter(|mark| !blob.starts_with(**mark))
    {
        let foreign = [mark.as_slice(), &[7; 77]].concat();
        let refused = provider.unwrap(&foreign, &context).unwrap_err();
        assert!(matches!(refused, ProviderError::Malformed { .. }), "{refused:?}");
        checks += 1;
    }
    checks
}

/// A whole house stands on it.
pub(crate) fn carries_a_house(provider: Arc<dyn KeyProvider>) {
    let world = World::real();
    let keyring = Keyring::new(provider, world.clone(), CachePolicy::default());
    let tenant = keyring.new_tenant_key(world.id(), 1).unwrap();
    let subject = keyring.new_subject_key(&tenant, world.id()).unwrap();
    let data = keyring.new_data_key(&tenant, Some(&subject), Purpose::Conversation, 1).unwrap();
    keyring.forget_all();
    let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
    keyring.data_key(&chain).unwrap();
    // After a rotation there, the keys are wrapped anew; all below them stays.
    let again = keyring.rewrap_tenant_key(&tenant, &keyring).unwrap();
    assert_ne!(again.blob, tenant.blob);
    keyring.forget_all();
    keyring.data_key(&KeyChain { tenant: &again, ..chain }).unwrap();
    let record = keyring.provider_record();
    assert!(record.failures == 0 && record.last_success.is_some() && record.latency.is_some(), "{record:?}");
}

/// What a service or something between it and us could say that makes no sense.
fn rubbish() -> Vec<(&'static str, Said)> {
    let json = |text: &str| Said::json(200, text);
    vec![
        ("nothing", json("")),
        ("an empty object", json("{}")),
        ("null", json("null")),
        ("a list", json("[]")),
        ("an empty envelope", json(r#"{"data":{}}"#)),
        ("a page", Said::Answer(200, Vec::new(), b"<html>Please log in".to_vec())),
        ("no base64", json(r#"{"data":{"plaintext":"!","ciphertext":"!"},"Plaintext":"!","plaintext":"!"}"#)),
        ("numbers", json(r#"{"data":{"plaintext":1,"ciphertext":2},"Plaintext":3,"CiphertextBlob":4}"#)),
        (
            "a short key",
            json(r#"{"data":{"plaintext":"AAAA"},"Plaintext":"AAAA","value":"AAAA","kid":"k/1"}"#),
        ),
        ("no text", Said::json(200, vec![0xff; 64])),
        ("a deep nest", Said::json(200, vec![b'['; 50_000])),
        ("a flood", Said::json(200, vec![b' '; 80_000])),
        ("an unknown refusal", json(r#"{"error":{"status":"NEW","code":"New"},"__type":"New"}"#)),
        ("a teapot", Said::json(418, "{}")),
        (
            "an elsewhere",
            Said::Answer(302, vec![("location", "https://evil.example/".to_owned())], Vec::new()),
        ),
        ("no HTTP", Said::Raw(b"SSH-2.0-x\r\n\r\n".to_vec())),
    ]
}

fn troubles() -> Vec<(&'static str, Said)> {
    vec![
        ("a closed connection", Said::Raw(Vec::new())),
        ("half an answer", Said::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec())),
        ("silence", Said::Silence(Duration::from_secs(8))),
        ("a trickle", Said::Trickle(Duration::from_millis(300), vec![b' '; 64])),
        ("500", Said::json(500, "{}")),
        ("502", Said::Answer(502, Vec::new(), b"<html>Bad Gateway".to_vec())),
        ("503", Said::json(503, "{}")),
        ("429", Said::json(429, "{}")),
    ]
}

/// A service that is down, slow or talks rubbish is an outage, ends in time, gives no wrong key, and is
/// over when it is over: with the same provider, with no restart.
#[expect(clippy::disallowed_methods, reason = "that a call ends in time is what is tested")]
pub(crate) fn bears_faults(provider: &dyn KeyProvider, wire: &Wire) -> usize {
    let world = World::real();
    let (key, context) = (KeyBytes::generate(&world), context(&world));
    let blob = provider.wrap(&key, &context).unwrap();
    let mut checks = 0;
    for (name, said) in rubbish().into_iter().chain(troubles()) {
        wire.set(Mode::Instead(said));
        let began = Instant::now();
        for refused in [
            provider.unwrap(&blob, &context).map(|_| Vec::new()),
            provider.wrap(&key, &context),
            provider.health().map(|()| Vec::new()),
        ] {
            let refused = refused.expect_err(name);
            assert!(refused.is_outage(), "{name}: {refused:?}");
            let said = format!("{refused} {refused:?}");
            assert!(said.len() < 600 && !said.contains("evil"), "{name}: {said}");
            checks += 1;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
        wire.set(Mode::Good);
        assert_eq!(provider.unwrap(&blob, &context).unwrap().expose(), key.expose(), "after {name}");
    }
    checks
}

/// A service that hands out another key than was wrapped: the commitment tells.
pub(crate) fn a_wrong_key_is_noticed(
    provider: Arc<dyn KeyProvider>,
    wire: &Wire,
    forge: impl Fn(&[u8]) -> Mode,
) {
    let world = World::real();
    let keyring = Keyring::new(provider, world.clone(), CachePolicy::default());
    let tenant = keyring.new_tenant_key(world.id(), 1).unwrap();
    wire.set(forge(&tenant.blob));
    let refused = keyring.new_subject_key(&tenant, world.id()).unwrap_err();
    wire.set(Mode::Good);
    assert!(matches!(refused, VaultError::CommitmentMismatch), "{refused:?}");
    keyring.new_subject_key(&tenant, world.id()).unwrap();
}

/// The provider denies: no grace, and the words say what to mend.
pub(crate) fn denies(provider: &dyn KeyProvider, blob: &[u8], context: &WrapContext, says: &str) {
    for refused in [provider.unwrap(blob, context).map(|_| ()), provider.health()] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ProviderError::Denied { .. }), "{refused:?}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
}
