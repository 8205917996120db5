//! AWS KMS: a symmetric KMS key wraps tenant keys, with the context as encryption context
//! (<https://docs.aws.amazon.com/kms/latest/APIReference/>). Rotation of the key inside KMS keeps its
//! older material, so nothing is lost when it is turned on; wrap anew to move to the newest.

use std::collections::BTreeMap;
use std::fmt;

use kernel::{Secret, World};
use outbound::{Answer, Client, Origin, Request};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::aws_credentials::{AwsCredentials, Credentials};
use super::sigv4::{Signer, amz_date};
use super::{Service, Wiped, base64, denied, json, key, marked, of_outbound, parse, rubbish};
use super::{trouble, unbase64, unexpected};
use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};

pub(super) const MARK: &[u8; 4] = b"aws1";

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Which KMS key, and who asks.
#[derive(Debug)]
pub struct AwsKmsSettings {
    /// The endpoint, for example `https://kms.eu-west-1.amazonaws.com`.
    pub service: Service,
    /// The region, for example `eu-west-1`.
    pub region: String,
    /// The key's id, ARN, or alias (`alias/wardroom`).
    pub key: String,
    /// Who asks.
    pub credentials: AwsCredentials,
}

/// A root key in AWS KMS.
pub struct AwsKms {
    region: String,
    key: String,
    credentials: Credentials,
    origin: Origin,
    client: Client,
    world: World,
}

type Context = BTreeMap<&'static str, String>;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    encryption_context: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt<'a> {
    key_id: &'a str,
    ciphertext_blob: &'a str,
    encryption_context: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Wiped,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeKey<'a> {
    key_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    key_metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    key_state: String,
    key_usage: String,
    key_spec: String,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "__type")]
    kind: String,
}

impl Fault {
    /// Sometimes with a name space in front: `com.amazonaws.kms#DisabledException`.
    fn name(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or_default()
    }
}

/// What AWS says to credentials that were good once.
const STALE: [&str; 4] =
    ["ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId"];

impl AwsKms {
    /// Finds the key.
    ///
    /// # Errors
    /// When KMS cannot be reached, the credentials may not use the key, or it is missing, not enabled or
    /// not a symmetric encryption key.
    pub fn open(settings: AwsKmsSettings, world: World) -> Result<Self, ProviderError> {
        let AwsKmsSettings { service, region, key, credentials } = settings;
        let origin = service.target.origin.clone();
        let client = service.client(Vec::new())?;
        let credentials = Credentials::new(credentials, world.clone());
        let kms = Self { region, key, credentials, origin, client, world };
        kms.health()?;
        Ok(kms)
    }

    fn call(&self, operation: &str, body: Vec<u8>) -> Result<Answer, ProviderError> {
        let body = Zeroizing::new(body);
        let answer = self.send(operation, &body)?;
        if answer.is_success() {
            return Ok(answer);
        }
        // Credentials that AWS gave this machine may end early: then there are new ones.
        let stale = parse::<Fault>(&answer).is_ok_and(|fault| STALE.contains(&fault.name()));
        let answer = if stale && self.credentials.forget() { self.send(operation, &body)? } else { answer };
        if answer.is_success() { Ok(answer) } else { Err(self.refusal(&answer)) }
    }

    fn send(&self, operation: &str, body: &[u8]) -> Result<Answer, ProviderError> {
        let (date, host) = (amz_date(self.world.now()), self.origin.authority());
        let target = format!("TrentService.{operation}");
        let signing = self.credentials.now()?;
        let token = signing.token.as_ref();
        let mut headers =
            vec![("content-type", CONTENT_TYPE), ("host", host.as_str()), ("x-amz-date", date.as_str())];
        if let Some(token) = token {
            headers.push(("x-amz-security-token", token.as_str()));
        }
        headers.push(("x-amz-target", target.as_str()));
        let signer = Signer {
            access_key_id: &signing.access_key_id,
            secret_access_key: &signing.secret,
            region: &self.region,
            service: "kms",
        };
        let authorization = Secret::new(signer.authorization("POST", "/", &headers, &date, body));
        let mut request = Request::post(&self.origin, "/")
            .body(CONTENT_TYPE, body.to_vec())
            .secret("authorization", &authorization)
            .and_then(|request| request.header("x-amz-date", &date))
            .and_then(|request| request.header("x-amz-target", &target))
            .map_err(of_outbound)?;
        if let Some(token) = token {
            let token = Secret::new(token.to_string());
            request = request.secret("x-amz-security-token", &token).map_err(of_outbound)?;
        }
        self.client.send(request).map_err(of_outbound)
    }

    /// What a refusal means: its type only. The text beside it is not passed on.
    fn refusal(&self, answer: &Answer) -> ProviderError {
        let Ok(fault) = parse::<Fault>(answer) else {
            return trouble(answer).unwrap_or_else(|| unexpected(answer));
        };
        let key = &self.key;
        match fault.name() {
            "InvalidCiphertextException" => ProviderError::Refused,
            "IncorrectKeyException" => {
                ProviderError::WrongRoot { ours: key.clone(), theirs: "another key of AWS KMS".to_owned() }
            }
            "DisabledException" => denied(format!("the key `{key}` is disabled there")),
            "KMSInvalidStateException" => {
                denied(format!("the key `{key}` is in a state there in which it may not be used"))
            }
            "NotFoundException" => denied(format!("there is no key `{key}` in the region `{}`", self.region)),
            "AccessDeniedException" => denied(format!(
                "the credentials lack kms:Encrypt, kms:Decrypt or kms:DescribeKey on `{key}`, or its policy \
                 asks for another encryption context"
            )),
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "SignatureDoesNotMatch" => {
                denied("the credentials are not valid, or this machine's clock is more than 5 minutes off")
            }
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
                denied("the session token is too old; renew it")
            }
            "ThrottlingException"
            | "KMSInternalException"
            | "KMSInternal"
            | "DependencyTimeoutException"
            | "DependencyTimeout"
            | "KeyUnavailableException"
            | "KeyUnavailable"
            | "InternalFailure"
            | "ServiceUnavailable" => {
                ProviderError::Unavailable { why: "it is busy, or in trouble of its own".to_owned() }
            }
            "InvalidKeyUsageException" => {
                ProviderError::Unsafe { why: format!("the key `{key}` is not a symmetric encryption key") }
            }
            _ => trouble(answer).unwrap_or_else(|| unexpected(answer)),
        }
    }
}

fn named(context: &WrapContext) -> Context {
    context.pairs().into_iter().collect()
}

impl KeyProvider for AwsKms {
    fn describe(&self) -> ProviderInfo {
        ProviderInfo { kind: "aws-kms", key: format!("{} in {}", self.key, self.region) }
    }

    fn wrap(&self, tenant_key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let plaintext = base64(tenant_key.expose());
        let encryption_context = named(context);
        let body = json(&Encrypt { key_id: &self.key, plaintext: &plaintext, encryption_context })?;
        let Encrypted { ciphertext_blob } = parse(&self.call("Encrypt", body)?)?;
        let blob = unbase64(&ciphertext_blob)?;
        if blob.is_empty() {
            return Err(rubbish("holds no ciphertext"));
        }
        Ok([MARK.as_slice(), &blob].concat())
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let ciphertext_blob = base64(marked(blob, MARK)?);
        let encryption_context = named(context);
        let body =
            json(&Decrypt { key_id: &self.key, ciphertext_blob: &ciphertext_blob, encryption_context })?;
        let Decrypted { plaintext } = parse(&self.call("Decrypt", body)?)?;
        key(&unbase64(&plaintext.0)?)
    }

    /// Looks at the key: that it is there, enabled, and a symmetric encryption key.
    fn health(&self) -> Result<(), ProviderError> {
        let answer = self.call("DescribeKey", json(&DescribeKey { key_id: &self.key })?)?;
        let Described { key_metadata: Metadata { key_state, key_usage, key_spec } } = parse(&answer)?;
        if key_usage != "ENCRYPT_DECRYPT" || key_spec != "SYMMETRIC_DEFAULT" {
            let why = format!("the key `{}` is not a symmetric encryption key", self.key);
            return Err(ProviderError::Unsafe { why });
        }
        match key_state.as_str() {
            "Enabled" => Ok(()),
            "Disabled" | "PendingDeletion" | "PendingImport" | "PendingReplicaDeletion" => {
                Err(denied(format!("the key `{}` is not enabled there ({key_state})", self.key)))
            }
            "Creating" | "Updating" | "Unavailable" => {
                Err(ProviderError::Unavailable { why: format!("the key is in the state {key_state}") })
            }
            _ => Err(rubbish("names a state of the key that is not known")),
        }
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsKms({})", self.describe())
    }
}
