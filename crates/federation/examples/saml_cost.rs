//! What the verification of a SAML login costs: genuine, wrapped, and a bomb, in milliseconds of one
//! core. Run with `cargo run --release -p wardroom-federation --example saml_cost`.
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::print_stdout, reason = "it reports")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the provider of the tests cannot do ends the run"
)]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use federation::saml::{Claims, Encryption, OwnKey, Refusal, SamlConnection};
use kernel::World;

#[path = "../tests/it/saml/idp.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod idp;

use idp::{Encrypted, connection, login, present};

fn cost(connection: &SamlConnection, xml: &str, awaited: Result<(), Refusal>) -> f64 {
    let says = |verdict: Result<Claims, Refusal>| verdict.map(|_| ());
    assert_eq!(says(present(connection, xml.as_bytes())), awaited);
    quiet(|| {
        let _ = black_box(present(connection, black_box(xml.as_bytes())));
    })
}

/// The one operation with a private key of ours (3072 bits) that an encrypted assertion takes.
fn private_operation() -> f64 {
    let (key, _) = OwnKey::generate("ours", &World::real()).unwrap();
    let private = PrivateDecryptingKey::from_pkcs8(key.expose()).unwrap();
    let public = OaepPublicEncryptingKey::new(private.public_key()).unwrap();
    let mut room = vec![0; public.ciphertext_size()];
    let sealed = public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut room, None).unwrap().to_vec();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let mut room = vec![0; private.min_output_size()];
    quiet(|| {
        private.decrypt(&OAEP_SHA256_MGF1SHA256, black_box(&sealed), &mut room, None).unwrap();
    })
}

/// The cost in a quiet moment: a batch at the fastest twentieth, so that other work on the machine
/// counts little and one lucky batch does not count at all.
fn quiet(mut act: impl FnMut()) -> f64 {
    const BATCH: u32 = 20;
    let mut batches: Vec<f64> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..BATCH {
                act();
            }
            begun.elapsed().as_secs_f64() * 1e3 / f64::from(BATCH)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    batches[batches.len() / 20]
}

fn main() {
    let usual = connection(|_| {});
    let sealed = connection(|settings| settings.encryption = Encryption::Required);
    let both = login().signed(true, true).xml();
    let wrapped = both.replacen("<samlp:Status>", "<x:Assertion xmlns:x=\"urn:x\"/><samlp:Status>", 1);
    let groups =
        "<saml:AttributeValue>0c7f2b34-1111-2222-3333-444455556666</saml:AttributeValue>".repeat(400);
    let large = login()
        .assertion("<saml:AttributeValue>developers", &format!("{groups}<saml:AttributeValue>developers"))
        .xml();
    let bomb = format!("<a>{}</a>", "<b/>".repeat(50_000));
    let rows = [
        ("assertion_ms", cost(&usual, &login().xml(), Ok(()))),
        ("both_signed_ms", cost(&usual, &both, Ok(()))),
        ("groups_400_ms", cost(&usual, &large, Ok(()))),
        ("encrypted_ms", cost(&sealed, &login().encrypted(Encrypted::GCM).xml(), Ok(()))),
        ("rsa_3072_oaep_ms", private_operation()),
        ("wrapped_ms", cost(&usual, &wrapped, Err(Refusal::AssertionCount))),
        ("bomb_ms", cost(&usual, &bomb, Err(Refusal::Nodes))),
    ];
    for (name, value) in rows {
        println!("{name:<16}{value:8.3}");
    }
    let figures: serde_json::Map<String, serde_json::Value> =
        rows.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    println!("{}", serde_json::json!({ "name": "saml", "figures": figures }));
}
