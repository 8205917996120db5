//! Google Cloud KMS: no server of it can be installed, so a fake of its documented REST interface stands
//! in. It checks tokens, checksums and authenticated data as the real one is documented to do; that the
//! real one does, only the real one can show.

use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel::{Secret, World};
use serde_json::{Value, json};
use testkit::{Heard, Said};
use vault::{Credential, GoogleKms, GoogleKmsSettings, KeyBytes, KeyProvider, ProviderError, WrapContext};

use super::stage::{Mode, Wire};
use super::suite;

const KEY: &str = "projects/bank/locations/europe-west3/keyRings/chat/cryptoKeys/root";
const EMAIL: &str = "wardroom@bank.iam.gserviceaccount.com";

/// The service account's key as Google gives it.
struct Account {
    json: String,
    public: Vec<u8>,
}

fn account() -> Account {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let lines: Vec<String> = STANDARD
        .encode(der.as_ref())
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into())
        .collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let text = json!({
        "type": "service_account", "project_id": "bank", "private_key_id": "key-1", "private_key": pem,
        "client_email": EMAIL, "token_uri": "https://oauth2.googleapis.com/token",
    });
    Account { json: text.to_string(), public: pair.public_key().as_ref().to_vec() }
}

/// The fake: one key that can be disabled.
struct Fake {
    key: RandomizedNonceKey,
    public: Vec<u8>,
    state: Mutex<Option<(u16, &'static str)>>,
}

impl Fake {
    fn answer(&self, heard: &Heard) -> Said {
        let refuse = |status: u16, name: &str| {
            Said::json(
                status,
                json!({"error": {"code": status, "status": name, "message": "secret-words"}}).to_string(),
            )
        };
        if !self.token_is_good(heard.header("authorization").unwrap_or_default()) {
            return refuse(401, "UNAUTHENTICATED");
        }
        if let Some((status, name)) = *self.state.lock().unwrap() {
            return refuse(status, name);
        }
        let Some(verb) = heard.path.strip_prefix(&format!("/v1/{KEY}:")) else {
            return refuse(404, "NOT_FOUND");
        };
        let body: Value = serde_json::from_slice(&heard.body).unwrap();
        let field = |name: &str| STANDARD.decode(body[name].as_str().unwrap()).unwrap();
        let sum_fits =
            |name: &str| body[format!("{name}Crc32c")].as_str().unwrap() == crc32c(&field(name)).to_string();
        let aad = field("additionalAuthenticatedData");
        let summed = if verb == "encrypt" { "plaintext" } else { "ciphertext" };
        if !sum_fits(summed) || !sum_fits("additionalAuthenticatedData") {
            return refuse(400, "INVALID_ARGUMENT");
        }
        match verb {
            "encrypt" => {
                let mut text = field("plaintext");
                let nonce = self.key.seal_in_place_append_tag(Aad::from(&aad), &mut text).unwrap();
                let blob = [nonce.as_ref().as_slice(), &text].concat();
                Said::json(
                    200,
                    json!({
                        "name": format!("{KEY}/cryptoKeyVersions/1"),
                        "ciphertext": STANDARD.encode(&blob),
                        "ciphertextCrc32c": crc32c(&blob).to_string(),
                        "verifiedPlaintextCrc32c": true,
                        "verifiedAdditionalAuthenticatedDataCrc32c": true,
                        "protectionLevel": "HSM",
                    })
                    .to_string(),
                )
            }
            _ => {
                let blob = field("ciphertext");
                let Some((nonce, text)) = blob.split_first_chunk::<12>() else {
                    return refuse(400, "INVALID_ARGUMENT");
                };
                let (nonce, mut text) = (Nonce::from(nonce), text.to_vec());
                match self.key.open_in_place(nonce, Aad::from(&aad), &mut text) {
                    Ok(plain) => {
                        let (plaintext, sum) = (STANDARD.encode(&*plain), crc32c(plain).to_string());
                        Said::json(200, json!({"plaintext": plaintext, "plaintextCrc32c": sum}).to_string())
                    }
                    Err(_) => refuse(400, "INVALID_ARGUMENT"),
                }
            }
        }
    }

    fn token_is_good(&self, authorization: &str) -> bool {
        let Some(token) = authorization.strip_prefix("Bearer ") else { return false };
        let Some((text, signature)) = token.rsplit_once('.') else { return false };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        if key.verify(text.as_bytes(), &signature).is_err() {
            return false;
        }
        let parts: Vec<Value> = text
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        let now = World::real().now().as_millis() / 1000;
        let (from, to) = (parts[1]["iat"].as_u64().unwrap(), parts[1]["exp"].as_u64().unwrap());
        parts[0] == json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
            && parts[1]["iss"] == EMAIL
            && parts[1]["sub"] == EMAIL
            && parts[1]["aud"] == "https://cloudkms.googleapis.com/"
            && from <= now + 5
            && to > now
            && to - from <= 3600
    }
}

/// The same sum, by long division: another way to write it than the one under test.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = sum & 1 == 1;
            sum >>= 1;
            if odd {
                sum ^= 0x82F6_3B78;
            }
        }
    }
    !sum
}

struct Stage {
    account: Account,
    fake: Arc<Fake>,
    wire: Wire,
}

impl Stage {
    fn new() -> Self {
        let account = account();
        let key = RandomizedNonceKey::new(&AES_256_GCM, &[9; 32]).unwrap();
        let fake = Arc::new(Fake { key, public: account.public.clone(), state: Mutex::new(None) });
        let service = Arc::clone(&fake);
        Self { account, fake, wire: Wire::to(move |heard| service.answer(heard)) }
    }

    fn settings(&self) -> GoogleKmsSettings {
        GoogleKmsSettings {
            service: self.wire.service(),
            key: KEY.to_owned(),
            service_account: Credential::Given(Secret::new(self.account.json.clone())),
        }
    }

    fn open(&self) -> GoogleKms {
        GoogleKms::open(self.settings(), World::real()).unwrap()
    }
}

fn context() -> WrapContext {
    WrapContext { tenant: World::real().id(), version: 1 }
}

#[test]
fn google_cloud_kms_does_what_a_provider_must_do() {
    let stage = Stage::new();
    let kms = stage.open();
    assert!(!format!("{kms:?} {:?}", stage.settings()).contains("PRIVATE"));
    let checks = suite::conforms(&kms);
    println!("gcp-kms: {} checks", checks + suite::bears_faults(&kms, &stage.wire));
    let kms = Arc::new(kms);
    suite::carries_a_house(Arc::clone(&kms) as Arc<dyn KeyProvider>);
    let zeros = STANDARD.encode([0; 32]);
    let forged = json!({"plaintext": zeros, "plaintextCrc32c": crc32c(&[0; 32]).to_string()}).to_string();
    suite::a_wrong_key_is_noticed(kms, &stage.wire, |_| Mode::Instead(Said::json(200, forged.clone())));
}

#[test]
fn a_checksum_that_does_not_fit_is_damage_and_not_a_key() {
    let stage = Stage::new();
    let (kms, context) = (stage.open(), context());
    let key = KeyBytes::generate(&World::real());
    let blob = kms.wrap(&key, &context).unwrap();
    let exchange = |from: &str, to: &str| stage.wire.set(Mode::Exchange(from.to_owned(), to.to_owned()));
    exchange("\"plaintextCrc32c\":\"", "\"plaintextCrc32c\":\"1");
    let refused = kms.unwrap(&blob, &context).map(|_| ()).unwrap_err();
    assert!(refused.is_outage() && refused.to_string().contains("checksum"), "{refused}");
    for (from, to) in [
        ("\"ciphertextCrc32c\":\"", "\"ciphertextCrc32c\":\"1"),
        ("\"verifiedPlaintextCrc32c\":true", "\"verifiedPlaintextCrc32c\":false"),
        ("\"verifiedAdditionalAuthenticatedDataCrc32c\":true", "\"x\":true"),
    ] {
        exchange(from, to);
        let refused = kms.wrap(&key, &context).unwrap_err();
        assert!(refused.is_outage() && refused.to_string().contains("checksum"), "{from}: {refused}");
    }
}

#[test]
fn a_disabled_key_a_missing_role_and_a_wrong_account_each_say_so() {
    let stage = Stage::new();
    let (kms, context) = (stage.open(), context());
    let blob = kms.wrap(&KeyBytes::generate(&World::real()), &context).unwrap();
    for (state, says) in [
        ((400, "FAILED_PRECONDITION"), "disabled or destroyed"),
        ((403, "PERMISSION_DENIED"), "CryptoKey Encrypter/Decrypter"),
        ((404, "NOT_FOUND"), "there is no key"),
    ] {
        *stage.fake.state.lock().unwrap() = Some(state);
        suite::denies(&kms, &blob, &context, says);
    }
    for state in [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")] {
        *stage.fake.state.lock().unwrap() = Some(state);
        assert!(kms.health().unwrap_err().is_outage(), "{state:?}");
    }
    *stage.fake.state.lock().unwrap() = None;
    kms.health().unwrap();

    let with = |text: String| {
        let settings =
            GoogleKmsSettings { service_account: Credential::Given(Secret::new(text)), ..stage.settings() };
        GoogleKms::open(settings, World::real()).unwrap_err()
    };
    assert!(matches!(with(account().json), ProviderError::Denied { .. }), "the key of another account");
    for text in ["", "{}", "{\"client_email\":\"a\",\"private_key_id\":\"b\",\"private_key\":\"c\"}"] {
        assert!(matches!(with(text.to_owned()), ProviderError::Unsafe { .. }), "{text}");
    }
    for key in
        ["", "root", "projects//locations/l/keyRings/r/cryptoKeys/k", "projects/p/locations/l/keyRings/r"]
    {
        let refused =
            GoogleKms::open(GoogleKmsSettings { key: key.to_owned(), ..stage.settings() }, World::real());
        assert!(matches!(refused, Err(ProviderError::Unsafe { .. })), "{key}");
    }
}
