//! The hands of `cargo xtask conformance saml`: begins logins, verifies what real
//! providers answer, turns each answer into attacks, prints figures. Everything on loopback; keys are
//! made for the run and thrown away.
//!
//! Each command reads and writes files of one folder and prints one line of JSON.
#![expect(clippy::print_stdout, reason = "it reports")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a judge cannot do ends the run"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::{
    Claims, Departure, Ended, IdpMetadata, Leaving, Login, LogoutRequest, OwnKey, Pending, Recorded, Refusal,
    SamlConnection, SamlSettings, canonicalize, finish, sp_metadata, start,
};
use kernel::{Secret, World};
use serde_json::{Value, json};

#[path = "../tests/it/saml/attacks.rs"]
mod attacks;
#[path = "../tests/it/saml/idp.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod idp;
#[path = "../tests/it/saml/shapes.rs"]
mod shapes;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["keys", folder] => keys(Path::new(folder)),
        ["metadata", folder] => metadata(Path::new(folder)),
        ["import", file] => import(file),
        ["begin", folder] => begin(Path::new(folder)),
        ["judge", folder] => judge(Path::new(folder)),
        ["profiles"] => profiles(),
        ["logout", folder] => logout(Path::new(folder)),
        ["ended", folder, query] => ended(Path::new(folder), query),
        ["asked", folder, query] => asked(Path::new(folder), query),
        ["c14n", list] => c14n(Path::new(list)),
        _ => panic!(
            "keys|metadata|begin|judge|logout FOLDER, ended|asked FOLDER QUERY, import FILE, profiles, c14n LIST"
        ),
    };
    println!("{answer}");
}

fn own_key(folder: &Path, name: &str) -> OwnKey {
    let read = |end: &str| fs::read(folder.join(format!("{name}.{end}"))).unwrap();
    OwnKey::new(&Secret::new(read("p8")), &read("der")).unwrap()
}

/// Makes our two keys.
fn keys(folder: &Path) -> Value {
    for name in ["signing", "encryption"] {
        let (key, certificate) = OwnKey::generate("wardroom conformance", &World::real()).unwrap();
        fs::write(folder.join(format!("{name}.p8")), key.expose()).unwrap();
        fs::write(folder.join(format!("{name}.der")), &certificate).unwrap();
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", wrapped(&certificate));
        fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
    }
    json!({ "signing": own_key(folder, "signing").certificate().base64() })
}

fn wrapped(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    lines.join("\n")
}

fn connection(folder: &Path) -> SamlConnection {
    let settings: SamlSettings =
        serde_json::from_slice(&fs::read(folder.join("settings.json")).unwrap()).expect("settings");
    SamlConnection::new(settings).expect("a connection")
}

fn pending(folder: &Path) -> Pending {
    serde_json::from_slice(&fs::read(folder.join("pending.json")).unwrap()).unwrap()
}

/// Writes our metadata for the provider.
fn metadata(folder: &Path) -> Value {
    let (signing, encryption) = (own_key(folder, "signing"), own_key(folder, "encryption"));
    let text = sp_metadata(&connection(folder), Some(&signing), Some(&encryption));
    fs::write(folder.join("sp.xml"), text).unwrap();
    json!({ "metadata": "sp.xml" })
}

/// Reads a provider's metadata into the settings that follow from it.
fn import(file: &str) -> Value {
    let read = IdpMetadata::parse(&fs::read(file).unwrap(), None, World::real().now()).expect("metadata");
    json!({
        "idp_entity_id": read.entity_id,
        "idp_sign_on": read.sign_on,
        "idp_logout": read.logout.first(),
        "idp_certificates": read.certificates,
    })
}

fn told(departure: Departure) -> Value {
    match departure {
        Departure::Redirect { location } => json!({ "location": location }),
        Departure::Form { action, fields } => {
            let fields: BTreeMap<&str, String> = fields.into_iter().collect();
            json!({ "action": action, "fields": fields })
        }
    }
}

/// Begins a login.
fn begin(folder: &Path) -> Value {
    let (departure, pending) =
        start(&connection(folder), Some(&own_key(folder, "signing")), Login::default(), &World::real())
            .unwrap();
    fs::write(folder.join("pending.json"), serde_json::to_vec(&pending).unwrap()).unwrap();
    told(departure)
}

struct Bench {
    connection: SamlConnection,
    key: OwnKey,
    pending: Pending,
    relay_state: String,
}

impl Bench {
    fn open(folder: &Path) -> (Self, String) {
        let form: Value = serde_json::from_slice(&fs::read(folder.join("form.json")).unwrap()).unwrap();
        let bench = Self {
            connection: connection(folder),
            key: own_key(folder, "encryption"),
            pending: pending(folder),
            relay_state: form["RelayState"].as_str().unwrap().to_owned(),
        };
        (bench, form["SAMLResponse"].as_str().unwrap().to_owned())
    }

    fn present(&self, field: &str) -> Result<Claims, Refusal> {
        let now = World::real().now();
        finish(&self.connection, Some(&self.key), &self.pending, field, &self.relay_state, now)?
            .admit(|_| Ok::<_, Infallible>(Recorded::New))
            .unwrap()
    }
}

/// Verifies a genuine answer, and then everything that the generator makes of it.
fn judge(folder: &Path) -> Value {
    let (bench, field) = Bench::open(folder);
    let truth = match bench.present(&field) {
        Ok(claims) => claims,
        Err(refusal) => return json!({ "code": refusal.code() }),
    };
    fs::write(folder.join("claims.json"), serde_json::to_vec(&truth).unwrap()).unwrap();
    let xml = String::from_utf8(STANDARD.decode(&field).unwrap()).unwrap();
    fs::write(folder.join("genuine.xml"), &xml).unwrap();
    attacked(&xml, &truth, |octets| bench.present(&STANDARD.encode(octets)), Some(folder))
}

/// The shapes of the large providers, each with all that the generator makes of it.
fn profiles() -> Value {
    let judged = shapes::all().into_iter().map(|profile| {
        let connection = idp::connection(profile.settings);
        let xml = profile.login.xml();
        let verdict = match idp::present(&connection, xml.as_bytes()) {
            Ok(truth) => attacked(&xml, &truth, |octets| idp::present(&connection, octets), None),
            Err(refusal) => json!({
                "subject": null, "code": refusal.code(), "total": 0, "refused": 0, "unchanged": 0, "accepted": 0,
                "codes": {},
            }),
        };
        (profile.name.to_owned(), verdict)
    });
    Value::Object(judged.collect())
}

/// Presents everything that the generator makes of a genuine answer. What was believed is kept in `folder`.
fn attacked(
    xml: &str,
    truth: &Claims,
    present: impl Fn(&[u8]) -> Result<Claims, Refusal>,
    folder: Option<&Path>,
) -> Value {
    let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut forged, mut benign, mut total) = (0_u64, 0_u64, 0_u64);
    let keep = |name: String, octets: &[u8]| {
        if let Some(folder) = folder {
            fs::write(folder.join(name), octets).unwrap();
        }
    };
    if !truth.encrypted {
        for attack in attacks::all(xml) {
            total += 1;
            match present(&attack.xml) {
                Err(refusal) => *codes.entry(refusal.code()).or_default() += 1,
                Ok(claims) if claims == *truth => {
                    benign += 1;
                    keep(format!("unchanged-{benign}.xml"), &attack.xml);
                }
                Ok(_) => {
                    forged += 1;
                    let name = attack.family.replace([' ', ','], "-");
                    keep(format!("forged-{forged}-{name}.xml"), &attack.xml);
                }
            }
        }
    }
    // Any flip in the message is refused, or changes nothing that is said.
    for at in (0..xml.len()).step_by((xml.len() / 1500).max(1)) {
        let mut octets = xml.as_bytes().to_vec();
        octets[at] ^= 1;
        total += 1;
        match present(&octets) {
            Err(refusal) => *codes.entry(refusal.code()).or_default() += 1,
            Ok(claims) if claims == *truth => benign += 1,
            Ok(_) => forged += 1,
        }
    }
    json!({
        "subject": truth.subject, "encrypted": truth.encrypted, "attributes": truth.attributes,
        "authn_context": truth.authn_context, "session": truth.session_index,
        "total": total, "refused": total - forged - benign, "unchanged": benign, "accepted": forged, "codes": codes,
    })
}

/// Begins a single logout of the login that was judged.
fn logout(folder: &Path) -> Value {
    let claims: Claims = serde_json::from_slice(&fs::read(folder.join("claims.json")).unwrap()).unwrap();
    let key = own_key(folder, "signing");
    let leaving = Leaving::from(&claims);
    let (departure, id) =
        LogoutRequest::send(&connection(folder), &key, &leaving, "logout-state", &World::real()).unwrap();
    let mut answer = told(departure);
    answer["request_id"] = json!(id);
    answer
}

/// Reads the provider's answer to our logout.
fn ended(folder: &Path, query: &str) -> Value {
    match Ended::from_redirect(&connection(folder), query, World::real().now()) {
        Ok(ended) => json!({ "request_id": ended.request_id, "success": ended.success }),
        Err(refusal) => json!({ "refused": refusal.code() }),
    }
}

/// Reads a logout that the provider began, and answers.
fn asked(folder: &Path, query: &str) -> Value {
    let connection = connection(folder);
    let verified = match LogoutRequest::from_redirect(&connection, query, World::real().now()) {
        Ok(verified) => verified,
        Err(refusal) => return json!({ "refused": refusal.code() }),
    };
    let request = verified.admit(|_| Ok::<_, Infallible>(Recorded::New)).unwrap().unwrap();
    let answer = request.answer(&connection, &own_key(folder, "signing"), &World::real()).unwrap();
    let mut told = told(answer);
    told["subject"] = json!(request.name_id.value);
    told["sessions"] = json!(request.session_indexes);
    told
}

/// Canonicalizes every file of a list into `FILE.ours`, for another judge to compare.
fn c14n(list: &Path) -> Value {
    let (mut written, mut refused) = (0_u64, 0_u64);
    for line in fs::read_to_string(list).unwrap().lines() {
        let (prefixes, file) = line.split_once('\t').unwrap();
        let prefixes: Vec<&str> = prefixes.split_whitespace().collect();
        match canonicalize(&fs::read(file).unwrap(), &prefixes) {
            Ok(octets) => {
                fs::write(format!("{file}.ours"), octets).unwrap();
                written += 1;
            }
            Err(_) => refused += 1,
        }
    }
    json!({ "written": written, "refused": refused })
}
