//! Azure Key Vault: an RSA key wraps, or on a Managed HSM a symmetric one
//! (<https://learn.microsoft.com/rest/api/keyvault/keys/wrap-key/wrap-key>).
//!
//! Wrapping there binds no context. So the service wraps a fresh carrier key, and that one seals the
//! tenant key with the context as AAD, as for an HSM without AES-GCM.
//!
//! With RSA, wrapping needs the public key only: whoever may write key rows *and* read the public key
//! could plant a tenant key of their own, under which new data would be sealed. A Managed HSM with
//! `A256KW` does not have that weakness.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kernel::{Secret, Timestamp, World};
use outbound::{Answer, Client, Origin, Request, Target, segment};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::google::round_trip;
use super::{Credential, Service, Wiped, base64_url, denied, json, marked, of_outbound, parse, rubbish};
use super::{trouble, unbase64_url, unexpected};
use crate::KeyBytes;
use crate::key::WRAP;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};
use crate::xaes::{NONCE, TAG, Xaes};

pub(super) const MARK: &[u8; 4] = b"akv1";

const API: &str = "api-version=7.4";
/// A token is renewed this long before its end.
const EARLY: Duration = Duration::from_secs(120);

/// How the vault wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AzureWrapping {
    /// RSA-OAEP with SHA-256: what every vault can.
    RsaOaep256,
    /// AES key wrap with 256 bits: Managed HSM only.
    A256Kw,
}

impl AzureWrapping {
    fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::A256Kw => "A256KW",
        }
    }
}

/// Which key, and who asks.
#[derive(Debug)]
pub struct AzureKeyVaultSettings {
    /// The vault, for example `https://bank.vault.azure.net`.
    pub service: Service,
    /// Where tokens are given: `https://login.microsoftonline.com`.
    pub login: Target,
    /// What the token is for: `https://vault.azure.net/.default`, or for a Managed HSM
    /// `https://managedhsm.azure.net/.default`.
    pub scope: String,
    /// The directory (tenant) id at the login service.
    pub directory: String,
    /// The application's (client) id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: Credential,
    /// The key's name.
    pub key: String,
    /// How it wraps.
    pub wrapping: AzureWrapping,
}

/// A root key in Azure Key Vault or a Managed HSM.
pub struct AzureKeyVault {
    origin: Origin,
    login: Origin,
    scope: String,
    directory: String,
    client_id: String,
    client_secret: Credential,
    key: String,
    wrapping: AzureWrapping,
    client: Client,
    world: World,
    token: Mutex<Option<Token>>,
}

struct Token {
    bearer: Zeroizing<String>,
    until: Timestamp,
}

#[derive(Deserialize)]
struct Given {
    access_token: Wiped,
    expires_in: u64,
}

#[derive(Serialize)]
struct Operation<'a> {
    alg: &'a str,
    value: &'a str,
}

#[derive(Deserialize)]
struct Done {
    kid: String,
    value: Wiped,
}

#[derive(Deserialize)]
struct Fault {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: String,
    innererror: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    code: String,
}

impl AzureKeyVault {
    /// Finds the key, by wrapping and unwrapping a key that is thrown away.
    ///
    /// # Errors
    /// When a service cannot be reached, the application may not use the key, or it is missing.
    pub fn open(settings: AzureKeyVaultSettings, world: World) -> Result<Self, ProviderError> {
        let vault = Self {
            origin: settings.service.target.origin.clone(),
            login: settings.login.origin.clone(),
            scope: settings.scope,
            directory: settings.directory,
            client_id: settings.client_id,
            client_secret: settings.client_secret,
            key: settings.key,
            wrapping: settings.wrapping,
            client: settings.service.client(vec![settings.login])?,
            world,
            token: Mutex::new(None),
        };
        vault.health()?;
        Ok(vault)
    }

    /// The bearer token: the kept one, or a new one by the client credentials grant (RFC 6749 section
    /// 4.4).
    fn bearer(&self) -> Result<Secret<String>, ProviderError> {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.world.now();
        if let Some(token) = kept.as_ref().filter(|token| now < token.until) {
            return Ok(Secret::new(token.bearer.to_string()));
        }
        let secret = self.client_secret.read()?;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            segment(&self.client_id),
            Zeroizing::new(segment(&secret)).as_str(),
            segment(&self.scope)
        );
        let path = format!("/{}/oauth2/v2.0/token", segment(&self.directory));
        let request =
            Request::post(&self.login, &path).body("application/x-www-form-urlencoded", form.into_bytes());
        let answer = self.client.send(request).map_err(of_outbound)?;
        match answer.status() {
            200 => {}
            400 | 401 => {
                return Err(denied(format!(
                    "`{}` gives no token: directory, client id, client secret or scope is not valid",
                    self.login.host()
                )));
            }
            _ => return Err(trouble(&answer).unwrap_or_else(|| unexpected(&answer))),
        }
        let Given { access_token, expires_in } = parse(&answer)?;
        let bearer = Zeroizing::new(format!("Bearer {}", access_token.0.as_str()));
        let lasts = Duration::from_secs(expires_in.min(24 * 3600)).saturating_sub(EARLY);
        let given = Secret::new(bearer.to_string());
        *kept = Some(Token { bearer, until: now.after(lasts) });
        Ok(given)
    }

    fn call(&self, version: &str, verb: &str, value: &[u8]) -> Result<Done, ProviderError> {
        let value = base64_url(value);
        let body = json(&Operation { alg: self.wrapping.name(), value: &value })?;
        let version = if version.is_empty() { String::new() } else { format!("/{}", segment(version)) };
        let path = format!("/keys/{}{version}/{verb}?{API}", segment(&self.key));
        let request = Request::post(&self.origin, &path)
            .body("application/json", body)
            .secret("authorization", &self.bearer()?)
            .map_err(of_outbound)?;
        let answer = self.client.send(request).map_err(of_outbound)?;
        if answer.is_success() { parse(&answer) } else { Err(self.refusal(&answer)) }
    }

    fn refusal(&self, answer: &Answer) -> ProviderError {
        let key = &self.key;
        if answer.status() == 401 {
            // The token was withdrawn before its time: the next call fetches another.
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return denied("the token is not valid for this vault");
        }
        let Ok(Fault { error: Code { code, innererror } }) = parse::<Fault>(answer) else {
            return trouble(answer).unwrap_or_else(|| unexpected(answer));
        };
        let inner = innererror.map(|inner| inner.code).unwrap_or_default();
        match (answer.status(), inner.as_str()) {
            (403, "KeyDisabled") => denied(format!("the key `{key}` is disabled there")),
            (403, "KeyExpired" | "KeyNotYetValid") => {
                denied(format!("the key `{key}` may not be used at this time ({inner})"))
            }
            (403, _) => denied(format!(
                "the application lacks wrapKey and unwrapKey on `{key}` (role Key Vault Crypto Service \
                 Encryption User), or the vault's firewall keeps this machine out"
            )),
            (404, _) => denied(format!("there is no key `{key}`, or not the version that wrapped")),
            (400, _) if code == "BadParameter" => ProviderError::Refused,
            _ => trouble(answer).unwrap_or_else(|| unexpected(answer)),
        }
    }

    fn aad(version: &str, context: &WrapContext) -> Vec<u8> {
        let mut aad = b"wardroom/1/azure-root\0".to_vec();
        aad.extend_from_slice(version.as_bytes());
        aad.push(0);
        aad.extend_from_slice(&context.aad());
        aad
    }
}

/// The version at the end of a key's identifier, `https://VAULT/keys/NAME/VERSION`.
fn version_of(kid: &str) -> Option<&str> {
    let (_, version) = kid.rsplit_once('/')?;
    let fine =
        !version.is_empty() && version.len() < 128 && version.bytes().all(|b| b.is_ascii_alphanumeric());
    fine.then_some(version)
}

impl KeyProvider for AzureKeyVault {
    fn describe(&self) -> ProviderInfo {
        let key = format!("{} at {} by {}", self.key, self.origin, self.wrapping.name());
        ProviderInfo { kind: "azure-key-vault", key }
    }

    /// `akv1 | length 1 | key version | length 2 | wrapped carrier | nonce 24 | key 32 | tag 16`.
    fn wrap(&self, tenant_key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let library = |_| ProviderError::Failed { why: "the cryptographic library failed".to_owned() };
        let carrier = KeyBytes::generate(&self.world);
        let done = self.call("", "wrapkey", carrier.expose())?;
        let version = version_of(&done.kid).ok_or_else(|| rubbish("does not name the key's version"))?;
        let wrapped = unbase64_url(&done.value.0)?;
        // The shortest is by AES key wrap. A service that hands the key back as it came is noticed, too.
        if wrapped.len() < 40 || wrapped.windows(32).any(|window| window == carrier.expose()) {
            return Err(rubbish("holds no wrapped key"));
        }
        let (Ok(version_len), Ok(wrapped_len)) = (u8::try_from(version.len()), u16::try_from(wrapped.len()))
        else {
            return Err(rubbish("is longer than a wrapped key"));
        };
        let nonce: [u8; NONCE] = self.world.bytes();
        let mut text = Zeroizing::new(*tenant_key.expose());
        let seal = carrier.derive(WRAP, "").and_then(|key| Xaes::new(&key)).map_err(library)?;
        let aad = Self::aad(version, context);
        let tag = seal.seal(&nonce, &aad, text.as_mut_slice()).map_err(library)?;
        let head = [MARK.as_slice(), &[version_len], version.as_bytes(), &wrapped_len.to_be_bytes()].concat();
        Ok([head.as_slice(), &wrapped, &nonce, text.as_slice(), &tag].concat())
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let library = |_| ProviderError::Failed { why: "the cryptographic library failed".to_owned() };
        let parts = Parts::read(marked(blob, MARK)?)
            .ok_or(ProviderError::Malformed { why: "its parts do not have the lengths they should have" })?;
        let carrier = unbase64_url(&self.call(parts.version, "unwrapkey", parts.wrapped)?.value.0)?;
        let carrier = super::key(&carrier)?;
        let seal = carrier.derive(WRAP, "").and_then(|key| Xaes::new(&key)).map_err(library)?;
        let mut text = Zeroizing::new(parts.sealed.to_vec());
        let aad = Self::aad(parts.version, context);
        let opened = seal.open(parts.nonce, &aad, &mut text).map_err(library)?;
        KeyBytes::from_slice(opened.ok_or(ProviderError::Refused)?).ok_or(ProviderError::Refused)
    }

    /// Wraps and unwraps a key that is thrown away: looking at the key would need a right of its own.
    fn health(&self) -> Result<(), ProviderError> {
        round_trip(self, &self.world)
    }
}

struct Parts<'a> {
    version: &'a str,
    wrapped: &'a [u8],
    nonce: &'a [u8; NONCE],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(blob: &'a [u8]) -> Option<Self> {
        let (length, rest) = blob.split_first()?;
        let (version, rest) = rest.split_at_checked(usize::from(*length))?;
        let version = std::str::from_utf8(version).ok().filter(|version| {
            !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (wrapped, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        (sealed.len() == 32 + TAG).then_some(Self { version, wrapped, nonce, sealed })
    }
}

impl fmt::Debug for AzureKeyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureKeyVault({})", self.describe())
    }
}
