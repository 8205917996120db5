//! AWS KMS: moto, which speaks its dialogue, and for what moto does not enforce (the state of a key,
//! signatures) answers in the documented form.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use kernel::{Secret, World};
use outbound::{Origin, Request, Roots, Settings, Target};
use testkit::{Authority, Moto, Said};
use vault::{
    AwsCredentials, AwsKms, AwsKmsSettings, Credential, KeyBytes, KeyProvider, ProviderError, Service,
    WrapContext,
};

use super::stage::{Mode, Onward, Wire};
use super::suite;

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn keys() -> AwsCredentials {
    AwsCredentials::Keys {
        access_key_id: ID.to_owned(),
        secret_access_key: Credential::Given(Secret::new(SECRET.to_owned())),
        session_token: None,
    }
}

pub(super) struct Stage {
    pub(super) moto: Moto,
    pub(super) roots: Roots,
    pub(super) key: String,
    pub(super) wire: Wire,
}

impl Stage {
    pub(super) fn new() -> Self {
        let authority = Authority::new();
        let moto = Moto::start(&authority);
        let roots = Roots::from_pem(authority.root().as_bytes()).unwrap();
        let onward = Onward::to(&moto.origin(), roots.clone());
        let wire = Wire::to(move |heard| onward.pass(heard));
        let mut stage = Self { moto, roots, key: String::new(), wire };
        let made = stage.ask("CreateKey", r#"{"KeyUsage":"ENCRYPT_DECRYPT"}"#);
        stage.key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        stage
    }

    /// An administrator's call. moto takes any signature.
    fn ask(&self, operation: &str, body: &str) -> serde_json::Value {
        let origin: Origin = self.moto.origin().parse().unwrap();
        let settings = Settings::to(vec![Target::internal(origin.clone())]);
        let client = outbound::Client::new(Settings { roots: self.roots.clone(), ..settings }).unwrap();
        let scope = "Credential=A/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=0";
        let request = Request::post(&origin, "/")
            .body("application/x-amz-json-1.1", body.as_bytes().to_vec())
            .header("x-amz-target", &format!("TrentService.{operation}"))
            .unwrap()
            .header("authorization", &format!("AWS4-HMAC-SHA256 {scope}"))
            .unwrap();
        let answer = client.send(request).unwrap();
        assert!(answer.is_success(), "{operation}: {}", String::from_utf8_lossy(answer.body()));
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    pub(super) fn settings(&self) -> AwsKmsSettings {
        AwsKmsSettings {
            service: self.wire.service(),
            region: "eu-west-1".to_owned(),
            key: self.key.clone(),
            credentials: keys(),
        }
    }

    fn open(&self) -> AwsKms {
        AwsKms::open(self.settings(), World::real()).unwrap()
    }
}

pub(super) fn context() -> WrapContext {
    WrapContext { tenant: World::real().id(), version: 1 }
}

#[test]
fn aws_kms_does_what_a_provider_must_do() {
    let stage = Stage::new();
    let straight = Service {
        target: Target::internal(stage.moto.origin().parse().unwrap()),
        roots: stage.roots.clone(),
        limits: Service::LIMITS,
    };
    let kms = AwsKms::open(AwsKmsSettings { service: straight, ..stage.settings() }, World::real()).unwrap();
    let checks = suite::conforms(&kms);
    suite::carries_a_house(Arc::new(kms));
    let kms = stage.open();
    assert!(!format!("{kms:?} {:?}", stage.settings()).contains(SECRET));
    println!("aws-kms: {} checks", checks + suite::bears_faults(&kms, &stage.wire));
    let forged = r#"{"Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
    suite::a_wrong_key_is_noticed(Arc::new(kms), &stage.wire, |_| Mode::Instead(Said::json(200, forged)));
}

#[test]
fn keys_by_alias_rotated_keys_and_other_keys_behave() {
    let stage = Stage::new();
    let (key, context) = (KeyBytes::generate(&World::real()), context());
    let kms = stage.open();
    let blob = kms.wrap(&key, &context).unwrap();
    stage.ask("RotateKeyOnDemand", &format!(r#"{{"KeyId":"{}"}}"#, stage.key));
    assert_eq!(kms.unwrap(&blob, &context).unwrap().expose(), key.expose());

    let alias = format!(r#"{{"AliasName":"alias/wardroom","TargetKeyId":"{}"}}"#, stage.key);
    stage.ask("CreateAlias", &alias);
    let by_alias = AwsKmsSettings { key: "alias/wardroom".to_owned(), ..stage.settings() };
    let by_alias = AwsKms::open(by_alias, World::real()).unwrap();
    assert_eq!(by_alias.unwrap(&blob, &context).unwrap().expose(), key.expose());

    let unknown = AwsKmsSettings { key: "no-such-key".to_owned(), ..stage.settings() };
    let refused = AwsKms::open(unknown, World::real()).unwrap_err().to_string();
    assert!(refused.contains("there is no key `no-such-key`"), "{refused}");
    let rsa = stage.ask("CreateKey", r#"{"KeyUsage":"SIGN_VERIFY","KeySpec":"RSA_2048"}"#);
    let rsa =
        AwsKmsSettings { key: rsa["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned(), ..stage.settings() };
    let refused = AwsKms::open(rsa, World::real()).unwrap_err().to_string();
    assert!(refused.contains("not a symmetric"), "{refused}");
}

#[test]
fn a_key_disabled_there_is_seen_by_its_health() {
    let stage = Stage::new();
    let kms = stage.open();
    stage.ask("DisableKey", &format!(r#"{{"KeyId":"{}"}}"#, stage.key));
    let refused = kms.health().unwrap_err();
    assert!(matches!(&refused, ProviderError::Denied { why } if why.contains("Disabled")), "{refused:?}");
    stage.ask("EnableKey", &format!(r#"{{"KeyId":"{}"}}"#, stage.key));
    kms.health().unwrap();
    stage.ask("ScheduleKeyDeletion", &format!(r#"{{"KeyId":"{}","PendingWindowInDays":7}}"#, stage.key));
    let refused = kms.health().unwrap_err();
    assert!(matches!(&refused, ProviderError::Denied { why } if why.contains("Pending")), "{refused:?}");
}

/// moto decrypts with disabled keys and looks at no permission, so these are answers in the documented
/// form (KMS API Reference, errors common to Encrypt and Decrypt).
#[test]
fn refusals_that_moto_does_not_make_are_understood_in_their_documented_form() {
    let stage = Stage::new();
    let kms = stage.open();
    let context = context();
    let blob = kms.wrap(&KeyBytes::generate(&World::real()), &context).unwrap();
    let refusal = |status, kind: &str| {
        let body = format!(r#"{{"__type":"{kind}","message":"arn:aws:kms:secret-words"}}"#);
        stage.wire.set(Mode::Instead(Said::json(status, body)));
        let refused = kms.unwrap(&blob, &context).map(|_| ()).unwrap_err();
        stage.wire.set(Mode::Good);
        assert!(!format!("{refused} {refused:?}").contains("secret-words"));
        refused
    };
    for (kind, says) in [
        ("DisabledException", "disabled"),
        ("com.amazonaws.kms#DisabledException", "disabled"),
        ("KMSInvalidStateException", "state"),
        ("AccessDeniedException", "kms:Decrypt"),
        ("NotFoundException", "there is no key"),
        ("UnrecognizedClientException", "credentials"),
        ("InvalidSignatureException", "clock"),
        ("ExpiredTokenException", "renew"),
    ] {
        let refused = refusal(400, kind);
        assert!(matches!(refused, ProviderError::Denied { .. }), "{kind}: {refused:?}");
        assert!(refused.to_string().contains(says), "{kind}: {refused}");
    }
    for (status, kind) in [
        (400, "ThrottlingException"),
        (500, "KMSInternalException"),
        (503, "DependencyTimeoutException"),
        (500, "KeyUnavailableException"),
        (400, "SomethingNewException"),
    ] {
        let refused = refusal(status, kind);
        assert!(refused.is_outage(), "{kind}: {refused:?}");
    }
    assert!(matches!(refusal(400, "InvalidCiphertextException"), ProviderError::Refused));
    assert!(matches!(refusal(400, "IncorrectKeyException"), ProviderError::WrongRoot { .. }));
}

/// moto looks at no signature, so this looks at what goes over the wire, with the code that the published
/// vectors hold (`sigv4.rs`) written a second time.
#[test]
fn what_goes_over_the_wire_is_signed_whole() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-session-token\n").unwrap();
    let credentials = AwsCredentials::Keys {
        access_key_id: ID.to_owned(),
        secret_access_key: Credential::Given(Secret::new(SECRET.to_owned())),
        session_token: Some(Credential::File(token)),
    };
    let settings = AwsKmsSettings { credentials, ..stage.settings() };
    let kms = AwsKms::open(settings, World::real()).unwrap();
    stage.wire.heard();
    let context = context();
    let blob = kms.wrap(&KeyBytes::generate(&World::real()), &context).unwrap();
    kms.unwrap(&blob, &context).unwrap();
    let heard = stage.wire.heard();
    assert_eq!(heard.len(), 2);
    for request in heard {
        let names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
        let headers: String =
            names.split(';').map(|name| format!("{name}:{}\n", request.header(name).unwrap())).collect();
        let sha = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
        let mac = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", sha(&request.body));
        let date = request.header("x-amz-date").unwrap();
        let scope = format!("{}/eu-west-1/kms/aws4_request", &date[..8]);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha(canonical.as_bytes()));
        let key = mac(format!("AWS4{SECRET}").as_bytes(), &date[..8]);
        let key = mac(&mac(&mac(&key, "eu-west-1"), "kms"), "aws4_request");
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders={names}, Signature={}",
            hex::encode(mac(&key, &text))
        );
        assert_eq!(request.header("authorization").unwrap(), expected);
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["EncryptionContext"]["wardroom:tenant"], context.tenant.to_string());
        assert_eq!(body["KeyId"], stage.key.as_str());
    }
}
