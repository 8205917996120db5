//! Azure Key Vault: no server of it can be installed, so a fake of its documented REST interface stands
//! in, with a real RSA key. It checks tokens and versions as the real one is documented to do; that the
//! real one does, only the real one can show.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Secret, World};
use serde_json::{Value, json};
use testkit::{Heard, Said};
use vault::{
    AzureKeyVault, AzureKeyVaultSettings, AzureWrapping, Credential, KeyBytes, KeyProvider, ProviderError,
    WrapContext,
};

use super::stage::{Mode, Wire};
use super::suite;

const SECRET: &str = "a secret~with&signs=";

/// The fake: the login service and the vault in one.
struct Fake {
    key: PrivateDecryptingKey,
    version: Mutex<&'static str>,
    refusal: Mutex<Option<(u16, &'static str, &'static str)>>,
    tokens: AtomicUsize,
}

impl Fake {
    fn answer(&self, heard: &Heard) -> Said {
        if heard.path == "/directory-1/oauth2/v2.0/token" {
            return self.token(heard);
        }
        let refuse = |status: u16, code: &str, inner: &str| {
            let body =
                json!({"error": {"code": code, "message": "secret-words", "innererror": {"code": inner}}});
            Said::json(status, body.to_string())
        };
        let token = format!("Bearer token-{}", self.tokens.load(Ordering::SeqCst));
        if heard.header("authorization") != Some(token.as_str()) {
            return refuse(401, "Unauthorized", "");
        }
        if let Some((status, code, inner)) = *self.refusal.lock().unwrap() {
            return refuse(status, code, inner);
        }
        let Some(path) = heard.path.strip_suffix("?api-version=7.4") else {
            return refuse(400, "BadParameter", "");
        };
        let body: Value = serde_json::from_slice(&heard.body).unwrap();
        let value = URL_SAFE_NO_PAD.decode(body["value"].as_str().unwrap()).unwrap();
        let current = *self.version.lock().unwrap();
        let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (version, done) = match (words.as_slice(), body["alg"].as_str().unwrap()) {
            (["keys", "root", "wrapkey"], "RSA-OAEP-256") => (current, self.encrypt(&value)),
            (["keys", "root", version @ ("v1" | "v2"), "unwrapkey"], "RSA-OAEP-256") => {
                (*version, self.decrypt(&value))
            }
            (["keys", "root", "wrapkey"], "A256KW") => {
                let mut out = vec![0; value.len() + 8];
                (current, kek().wrap(&value, &mut out).ok().map(|out| out.to_vec()))
            }
            (["keys", "root", version @ ("v1" | "v2"), "unwrapkey"], "A256KW") => {
                let mut out = vec![0; value.len()];
                (*version, kek().unwrap(&value, &mut out).ok().map(|out| out.to_vec()))
            }
            _ => return refuse(404, "KeyNotFound", ""),
        };
        match done {
            Some(value) => {
                let kid = format!("https://bank.vault.azure.net/keys/root/{version}");
                Said::json(200, json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(value)}).to_string())
            }
            None => refuse(400, "BadParameter", ""),
        }
    }

    fn token(&self, heard: &Heard) -> Said {
        let expected = "grant_type=client_credentials&client_id=app-1&client_secret=a%20secret~with%26signs%3D\
                        &scope=https%3A%2F%2Fvault.azure.net%2F.default";
        if heard.body != expected.as_bytes() {
            return Said::json(401, r#"{"error":"invalid_client","error_description":"secret-words"}"#);
        }
        let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        let token = format!("token-{number}");
        let body = json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"});
        Said::json(200, body.to_string())
    }

    fn encrypt(&self, value: &[u8]) -> Option<Vec<u8>> {
        let key = OaepPublicEncryptingKey::new(self.key.public_key()).ok()?;
        let mut out = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, value, &mut out, None).ok().map(|out| out.to_vec())
    }

    fn decrypt(&self, value: &[u8]) -> Option<Vec<u8>> {
        let key = OaepPrivateDecryptingKey::new(self.key.clone()).ok()?;
        let mut out = vec![0; key.min_output_size()];
        key.decrypt(&OAEP_SHA256_MGF1SHA256, value, &mut out, None).ok().map(|out| out.to_vec())
    }
}

fn kek() -> AesKek {
    AesKek::new(&AES_256, &[7; 32]).unwrap()
}

struct Stage {
    fake: Arc<Fake>,
    wire: Wire,
}

impl Stage {
    fn new() -> Self {
        let fake = Arc::new(Fake {
            key: PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap(),
            version: Mutex::new("v1"),
            refusal: Mutex::new(None),
            tokens: AtomicUsize::new(0),
        });
        let service = Arc::clone(&fake);
        Self { fake, wire: Wire::to(move |heard| service.answer(heard)) }
    }

    fn settings(&self) -> AzureKeyVaultSettings {
        AzureKeyVaultSettings {
            service: self.wire.service(),
            login: self.wire.target(),
            scope: "https://vault.azure.net/.default".to_owned(),
            directory: "directory-1".to_owned(),
            client_id: "app-1".to_owned(),
            client_secret: Credential::Given(Secret::new(SECRET.to_owned())),
            key: "root".to_owned(),
            wrapping: AzureWrapping::RsaOaep256,
        }
    }

    fn open(&self, wrapping: AzureWrapping) -> AzureKeyVault {
        AzureKeyVault::open(AzureKeyVaultSettings { wrapping, ..self.settings() }, World::real()).unwrap()
    }
}

fn context() -> WrapContext {
    WrapContext { tenant: World::real().id(), version: 1 }
}

#[test]
fn azure_key_vault_does_what_a_provider_must_do() {
    let stage = Stage::new();
    for wrapping in [AzureWrapping::RsaOaep256, AzureWrapping::A256Kw] {
        let vault = stage.open(wrapping);
        assert!(!format!("{vault:?} {:?}", stage.settings()).contains(SECRET));
        println!("azure-key-vault: {} checks", suite::conforms(&vault));
        suite::carries_a_house(Arc::new(vault));
    }
    let vault = stage.open(AzureWrapping::RsaOaep256);
    println!("azure-key-vault: {} checks", suite::bears_faults(&vault, &stage.wire));
    // One token served all of it.
    assert_eq!(stage.fake.tokens.load(Ordering::SeqCst), 3, "one for each provider opened");
}

/// A vault that hands out another carrier gives no key at all: the seal under it does not open.
#[test]
fn another_carrier_opens_nothing() {
    let stage = Stage::new();
    let (vault, context) = (stage.open(AzureWrapping::RsaOaep256), context());
    let blob = vault.wrap(&KeyBytes::generate(&World::real()), &context).unwrap();
    let forged =
        json!({"kid": "https://v/keys/root/v1", "value": URL_SAFE_NO_PAD.encode([0; 32])}).to_string();
    stage.wire.set(Mode::Instead(Said::json(200, forged)));
    assert!(matches!(vault.unwrap(&blob, &context), Err(ProviderError::Refused)));
}

#[test]
fn a_rotated_key_still_opens_what_its_older_version_wrapped() {
    let stage = Stage::new();
    let (vault, context) = (stage.open(AzureWrapping::RsaOaep256), context());
    let key = KeyBytes::generate(&World::real());
    let first = vault.wrap(&key, &context).unwrap();
    *stage.fake.version.lock().unwrap() = "v2";
    let second = vault.wrap(&key, &context).unwrap();
    stage.wire.heard();
    for blob in [&first, &second] {
        assert_eq!(vault.unwrap(blob, &context).unwrap().expose(), key.expose());
    }
    let paths: Vec<String> = stage.wire.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(paths, ["/keys/root/v1/unwrapkey?api-version=7.4", "/keys/root/v2/unwrapkey?api-version=7.4"]);
}

#[test]
fn a_disabled_key_a_missing_right_and_a_wrong_secret_each_say_so() {
    let stage = Stage::new();
    let (vault, context) = (stage.open(AzureWrapping::RsaOaep256), context());
    let blob = vault.wrap(&KeyBytes::generate(&World::real()), &context).unwrap();
    for (refusal, says) in [
        ((403, "Forbidden", "KeyDisabled"), "disabled"),
        ((403, "Forbidden", "KeyExpired"), "KeyExpired"),
        ((403, "Forbidden", "ForbiddenByRbac"), "wrapKey and unwrapKey"),
        ((403, "Forbidden", "ForbiddenByFirewall"), "firewall"),
        ((404, "KeyNotFound", ""), "there is no key"),
    ] {
        *stage.fake.refusal.lock().unwrap() = Some(refusal);
        suite::denies(&vault, &blob, &context, says);
    }
    for refusal in [(429, "Throttled", ""), (500, "InternalServerError", "")] {
        *stage.fake.refusal.lock().unwrap() = Some(refusal);
        assert!(vault.health().unwrap_err().is_outage(), "{refusal:?}");
    }
    *stage.fake.refusal.lock().unwrap() = None;
    vault.health().unwrap();

    // A token that is withdrawn early is fetched anew by the next call.
    stage.fake.tokens.fetch_add(1, Ordering::SeqCst);
    assert!(matches!(vault.health(), Err(ProviderError::Denied { .. })));
    vault.health().unwrap();

    let wrong = AzureKeyVaultSettings {
        client_secret: Credential::Given(Secret::new("wrong".to_owned())),
        ..stage.settings()
    };
    let refused = AzureKeyVault::open(wrong, World::real()).unwrap_err();
    assert!(
        matches!(&refused, ProviderError::Denied { why } if why.contains("gives no token")),
        "{refused:?}"
    );
}
