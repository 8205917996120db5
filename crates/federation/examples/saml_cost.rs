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

use federation::saml::{Claims, Encryption, Refusal, SamlConnection};

#[path = "../tests/it/saml/idp.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod idp;

use idp::{Encrypted, connection, login, present};

/// The cost in a quiet moment: a batch at the fastest twentieth, so that other work on the machine
/// counts little and one lucky batch does not count at all.
fn cost(connection: &SamlConnection, xml: &str, awaited: Result<(), Refusal>) -> f64 {
    const BATCH: u32 = 20;
    let says = |verdict: Result<Claims, Refusal>| verdict.map(|_| ());
    assert_eq!(says(present(connection, xml.as_bytes())), awaited);
    let mut batches: Vec<f64> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..BATCH {
                let _ = black_box(present(connection, black_box(xml.as_bytes())));
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
