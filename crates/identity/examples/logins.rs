//! How many people one core signs in, for each kind of sign-in, and what a session takes. What providers
//! and authenticators do is left out; the database is SQLite in a temporary folder.
//! Run with `cargo run --release -p wardroom-identity --example logins`.
#![expect(clippy::print_stdout, reason = "it reports")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what the house of the tests cannot do ends the run"
)]

use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use federation::saml::{self, IdpMetadata, OwnKey, SamlConnection};
use guard::Role;
use guard::action::{ManageConnections, ReadConnections};
use identity::Identity;
use identity::connections::{Domain, Draft, DraftProvider, Finished, Metadata, Provider, Wish};
use identity::passkey::RelyingParty;
use kernel::{ConnectionId, Secret, World};
use store::Via;
use store::sessions;

#[path = "../tests/it/authenticator.rs"]
mod authenticator;
#[path = "../tests/it/documents.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod documents;
#[path = "../tests/it/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/provider.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod provider;
#[path = "../tests/it/saml_idp.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod saml_idp;

use authenticator::ORIGIN;
use house::{House, challenge, from, secret};

/// CPU seconds that this process has used, all threads together.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Fields 14 and 15 (proc(5)), in hundredths of a second; the second may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Bytes of this process in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

fn stored(house: &House) -> f64 {
    let files = std::fs::read_dir(house.folder()).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len() as f64).sum()
}

async fn password(count: u32) -> f64 {
    let mut house = House::new().await;
    // The same door with passwords at the cost that they have in earnest: a hash is verified at the cost at
    // which it was made.
    let (db, keys, world) = (house.db.clone(), house.keys.clone(), house.world.clone());
    let party = RelyingParty::of_origin(ORIGIN).unwrap();
    house.identity = Identity::new(db, keys, house::guard().clone(), world, house.tenant, party).unwrap();
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let identity = house.identity.clone();
    let begun = cpu();
    for _ in 0..count {
        let ceremony = identity
            .password_step(&ada.email, secret(house::PASSWORD), None, &from("192.0.2.9"))
            .await
            .unwrap();
        identity.totp_step(&ceremony, &house.code(&ada.letters), &from("192.0.2.9")).await.unwrap();
        // A code is good once.
        house.minutes(1);
    }
    (cpu() - begun) / f64::from(count)
}

async fn passkey(count: u32) -> f64 {
    let house = House::new().await;
    let (key, _) = house.with_passkey(Role::SupportAgent, "grace@example.org").await;
    let (mut used, identity) = (0.0, &house.identity);
    for _ in 0..count / 100 {
        let mut asked = Vec::new();
        let begun = cpu();
        for _ in 0..100 {
            asked.push(identity.passkey_begin().await.unwrap());
        }
        used += cpu() - begun;
        let sent: Vec<_> = asked.iter().map(|(_, options)| key.get(challenge(options), ORIGIN)).collect();
        let begun = cpu();
        for ((ceremony, _), sent) in asked.iter().zip(&sent) {
            identity.passkey_finish(ceremony, sent, None, &from("192.0.2.9")).await.unwrap();
        }
        used += cpu() - begun;
    }
    used / f64::from(count)
}

/// Lets the people of a connection in, by default as support agents.
async fn switch_on(house: &House, connection: ConnectionId) {
    let (identity, via) = (&house.identity, Via::default());
    let read = house.operator_may::<ReadConnections>(&house.whole());
    let mut settings = identity.connection(&read, connection).await.unwrap().settings;
    settings.people.create = true;
    settings.people.default = Some(guard::Grant::everywhere(Role::SupportAgent));
    let may = || house.operator_may::<ManageConnections>(&house.whole());
    identity.set_connection(may(), connection, "Corp", settings, &via).await.unwrap();
    let domains = [Domain::parse("corp.example").unwrap()];
    identity.set_domains(may(), connection, &domains, &via).await.unwrap();
    identity.switch_connection(may(), connection, true, &via).await.unwrap();
}

async fn make(house: &House, provider: DraftProvider) -> ConnectionId {
    let permit = house.operator_may::<ManageConnections>(&house.whole());
    let draft = Draft { name: "Corp".to_owned(), provider };
    let connection = house.identity.make_connection(permit, draft, &Via::default()).await.unwrap();
    switch_on(house, connection).await;
    connection
}

async fn oidc(count: u32) -> f64 {
    let (house, net) = (House::new().await, provider::Net::default());
    net.open(&house, &["corp.example"]);
    let issuer = "https://idp.corp.example";
    let idp = net.idp(&house, issuer, true);
    let draft = DraftProvider::Oidc {
        issuer: issuer.to_owned(),
        client: "wardroom".to_owned(),
        secret: Secret::new(provider::CLIENT_SECRET.to_owned()),
    };
    let connection = make(&house, draft).await;
    let person =
        serde_json::json!({"sub": "u-1", "email": "alice@corp.example", "name": "Alice", "amr": ["mfa"]});
    let (mut used, identity) = (0.0, &house.identity);
    for _ in 0..count / 100 {
        let mut left = Vec::new();
        let begun = cpu();
        for _ in 0..100 {
            left.push(identity.depart(connection, Wish::sign_in("/".to_owned()), None).await.unwrap());
        }
        used += cpu() - begun;
        let answers: Vec<_> =
            left.iter().map(|there| idp.authorize(there.to.expose(), person.clone())).collect();
        let begun = cpu();
        for (there, answer) in left.iter().zip(&answers) {
            // The provider signs its token in here; ECDSA on P-256 is a fortieth of a millisecond.
            let outcome = identity.oidc_answer(&there.ceremony, answer, None, &from("192.0.2.7")).await;
            assert!(matches!(outcome.unwrap(), Finished::SignedIn { .. }));
        }
        used += cpu() - begun;
    }
    used / f64::from(count)
}

async fn over_saml(count: u32, encrypted: bool) -> f64 {
    let house = House::new().await;
    documents::Documents::default().open(&house);
    let mut idp = saml_idp::SamlIdp::new(&house.world);
    let metadata = Metadata::File(saml_idp::SamlIdp::metadata(&[&idp.signer]));
    let connection = make(&house, DraftProvider::Saml { metadata }).await;
    if encrypted {
        let read = house.operator_may::<ReadConnections>(&house.whole());
        let mut settings = house.identity.connection(&read, connection).await.unwrap().settings;
        if let Provider::Saml(saml) = &mut settings.provider {
            saml.encryption = federation::saml::Encryption::Required;
        }
        let permit = house.operator_may::<ManageConnections>(&house.whole());
        house.identity.set_connection(permit, connection, "Corp", settings, &Via::default()).await.unwrap();
        let ours = house.identity.saml_metadata(connection).await.unwrap();
        let after = ours.split_once("use=\"encryption\"").unwrap().1;
        let after = after.split_once("<ds:X509Certificate>").unwrap().1;
        idp.encrypt_for = Some(after.split_once('<').unwrap().0.to_owned());
    }
    let (mut used, identity) = (0.0, &house.identity);
    for _ in 0..count / 100 {
        let mut left = Vec::new();
        let begun = cpu();
        for _ in 0..100 {
            left.push(identity.depart(connection, Wish::sign_in("/".to_owned()), None).await.unwrap());
        }
        used += cpu() - begun;
        let answers: Vec<_> =
            left.iter().map(|there| idp.answer(there.to.expose(), &saml_idp::alice())).collect();
        let begun = cpu();
        for (there, (response, state)) in left.iter().zip(&answers) {
            let via = from("192.0.2.7");
            let handle = identity.saml_form(connection, response, state, &via).await.unwrap();
            let outcome = identity.saml_answer(&there.ceremony, handle.0.expose(), &via).await.unwrap();
            assert!(matches!(outcome, Finished::SignedIn { .. }));
        }
        used += cpu() - begun;
    }
    used / f64::from(count)
}

/// CPU seconds of one call.
fn each(count: u32, mut act: impl FnMut()) -> f64 {
    let begun = cpu();
    (0..count).for_each(|_| act());
    (cpu() - begun) / f64::from(count)
}

/// What the verification of a SAML answer takes by itself, signed alone and encrypted, and what of the second
/// is the one operation with our private key: the same key, unwrapping the same number of bytes.
fn verification(count: u32) -> [(&'static str, f64); 3] {
    let world = World::real();
    let ((signing, signing_is), (opening, opening_is)) =
        (OwnKey::generate("ours", &world).unwrap(), OwnKey::generate("ours", &world).unwrap());
    let own = OwnKey::new(&signing, &signing_is).unwrap();
    let opens = OwnKey::new(&opening, &opening_is).unwrap();
    let mut idp = saml_idp::SamlIdp::new(&world);
    let read = IdpMetadata::parse(&saml_idp::SamlIdp::metadata(&[&idp.signer]), None, world.now()).unwrap();
    let mut verify = |encryption: &str| {
        let settings = serde_json::json!({
            "entity_id": "https://desk.example/saml", "acs": "https://desk.example/acs",
            "idp_entity_id": read.entity_id, "idp_sign_on": read.sign_on[0],
            "idp_certificates": read.certificates, "encryption": encryption,
        });
        let connection = SamlConnection::new(serde_json::from_value(settings).unwrap()).unwrap();
        let begun = saml::start(&connection, Some(&own), saml::Login::default(), &world).unwrap();
        let (saml::Departure::Redirect { location }, pending) = begun else { panic!("it goes by redirect") };
        idp.encrypt_for = (encryption == "required").then(|| opens.certificate().base64());
        let (response, state) = idp.answer(&location, &saml_idp::alice());
        each(count, || {
            let now = world.now();
            saml::finish(&connection, Some(&opens), &pending, &response, &state, now).unwrap();
        })
    };
    let (signed, encrypted) = (verify("off"), verify("required"));
    let private = PrivateDecryptingKey::from_pkcs8(opening.expose()).unwrap();
    let public = OaepPublicEncryptingKey::new(private.public_key()).unwrap();
    let mut room = vec![0; public.ciphertext_size()];
    let sealed = public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut room, None).unwrap().to_vec();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let mut room = vec![0; private.min_output_size()];
    let bare = each(count, || {
        private.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut room, None).unwrap();
    });
    [("verify_signed", signed), ("verify_encrypted", encrypted), ("rsa_3072_oaep", bare)]
}

/// Bytes that a live session takes in memory and on disk.
async fn session(count: u32) -> (f64, f64) {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let model = house.signed(&ada.signed_in).await.session;
    let secrets: Vec<_> = (0..count).map(|_| doors::cookie::SessionSecret::generate(&house.world)).collect();
    let rows: Vec<_> = secrets
        .iter()
        .map(|secret| {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose());
            let hash: [u8; 32] = hash.as_ref().try_into().unwrap();
            (sessions::Session { id: house.world.id(), csrf_hash: hash, ..model.clone() }, hash)
        })
        .collect();
    // The first few are asked before, so that what is kept once is kept already.
    house.signed(&ada.signed_in).await;
    let (memory, disk) = (resident(), stored(&house));
    let job =
        house.db.write(move |tx| rows.iter().try_for_each(|(row, hash)| sessions::begin(tx, row, *hash)));
    job.await.unwrap();
    for secret in &secrets {
        house.identity.session(secret).await.unwrap().unwrap();
    }
    let per = |now: f64, before: f64| ((now - before) / f64::from(count)).max(0.0);
    (per(resident(), memory), per(stored(&house), disk))
}

#[tokio::main]
async fn main() {
    let rows = [
        ("password_totp", password(12).await),
        ("passkey", passkey(1_000).await),
        ("oidc", oidc(1_000).await),
        ("saml", over_saml(500, false).await),
        ("saml_encrypted", over_saml(500, true).await),
    ];
    let mut figures = serde_json::Map::new();
    println!("{:<16}{:>14}{:>16}", "sign-in", "CPU ms", "per core and s");
    for (name, seconds) in rows {
        println!("{name:<16}{:>14.3}{:>16.0}", seconds * 1e3, 1.0 / seconds);
        figures.insert(format!("{name}_per_second"), (1.0 / seconds).round().into());
        figures.insert(format!("{name}_cpu_ms"), (seconds * 1e3).into());
    }
    println!("of these, the verification alone (nothing is stored), and one operation with our private key:");
    for (name, seconds) in verification(4_000) {
        println!("{name:<16}{:>14.3}", seconds * 1e3);
        figures.insert(format!("{name}_cpu_ms"), (seconds * 1e3).into());
    }
    let (memory, disk) = session(10_000).await;
    println!("a session takes {memory:.0} bytes of memory and {disk:.0} on disk");
    figures.insert("session_memory_bytes".to_owned(), memory.round().into());
    figures.insert("session_disk_bytes".to_owned(), disk.round().into());
    println!("{}", serde_json::json!({ "name": "logins", "figures": figures }));
}
