//! OpenBao or HashiCorp Vault: a named key of the Transit engine wraps tenant keys, with the context as
//! `associated_data` (<https://openbao.org/api-docs/secret/transit/>).
//!
//! The key must be `aes256-gcm96`, not derived and not exportable. It is never made by us: Transit makes
//! a missing key on `encrypt`, and a root key that appears by accident has no owner and no backup. So
//! the key is looked at before each wrapping.
//!
//! The engine's own `rewrap` cannot carry associated data; a rotation there is followed by unwrapping and
//! wrapping anew ([`Keyring::rewrap_tenant_key`](crate::Keyring::rewrap_tenant_key)).

use std::fmt;

use kernel::Secret;
use outbound::{Answer, Client, Origin, Request, segment};
use serde::{Deserialize, Serialize};

use super::{Credential, Service, Wiped, base64, denied, json, key, marked, of_outbound, parse, rubbish};
use super::{trouble, unbase64, unexpected};
use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};

pub(super) const MARK: &[u8; 4] = b"bao1";

/// Which key of which server.
#[derive(Debug)]
pub struct OpenBaoSettings {
    /// The server.
    pub service: Service,
    /// Where the Transit engine is mounted, usually `transit`.
    pub mount: String,
    /// The key's name.
    pub key: String,
    /// The namespace, when the server has them.
    pub namespace: Option<String>,
    /// A token that may read, encrypt and decrypt with the key, and nothing else.
    pub token: Credential,
}

/// A root key in OpenBao's or Vault's Transit engine.
pub struct OpenBao {
    settings: Names,
    origin: Origin,
    token: Credential,
    client: Client,
}

struct Names {
    mount: String,
    key: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct KeyData {
    #[serde(rename = "type")]
    kind: String,
    derived: bool,
    exportable: bool,
    #[serde(default)]
    soft_deleted: bool,
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Wiped,
}

impl OpenBao {
    /// Finds the key.
    ///
    /// # Errors
    /// When the server cannot be reached, the token may not use the key, or the key is missing or not of
    /// the kind it must be; the error says how to mend it.
    pub fn open(settings: OpenBaoSettings) -> Result<Self, ProviderError> {
        let OpenBaoSettings { service, mount, key, namespace, token } = settings;
        for (what, name) in [("mount", &mount), ("key", &key)] {
            // A name with `..` or `/` in the wrong place would name another thing than it seems to.
            let parts = if what == "key" { vec![name.as_str()] } else { name.split('/').collect() };
            if !parts.into_iter().all(is_plain) {
                let why =
                    format!("the {what} `{name}` has characters other than letters, digits, `-`, `_`, `.`");
                return Err(ProviderError::Unsafe { why });
            }
        }
        let origin = service.target.origin.clone();
        let client = service.client(Vec::new())?;
        let bao = Self { settings: Names { mount, key, namespace }, origin, token, client };
        bao.health()?;
        Ok(bao)
    }

    /// Calls `verb` of the engine, for example `keys`, with the key's name.
    fn call(&self, verb: &str, body: Option<Vec<u8>>) -> Result<Answer, ProviderError> {
        let mount: Vec<String> = self.settings.mount.split('/').map(segment).collect();
        let path = format!("/v1/{}/{verb}/{}", mount.join("/"), segment(&self.settings.key));
        let request = match body {
            Some(body) => Request::post(&self.origin, &path).body("application/json", body),
            None => Request::get(&self.origin, &path),
        };
        let token = Secret::new(self.token.read()?.to_string());
        let mut request = request
            .secret("x-vault-token", &token)
            .and_then(|request| request.header("x-vault-request", "true"))
            .map_err(of_outbound)?;
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("x-vault-namespace", namespace).map_err(of_outbound)?;
        }
        let answer = self.client.send(request).map_err(of_outbound)?;
        match trouble(&answer) {
            Some(_) if answer.status() == 503 => Err(ProviderError::Unavailable {
                why: "the server is sealed, or in standby without forwarding".to_owned(),
            }),
            // A sealed or confused server answers 500 with words of its own kind.
            Some(trouble) => Err(trouble),
            None => Ok(answer),
        }
    }

    /// What a refusal means. The server's own words are looked at, and not passed on.
    fn refusal(&self, answer: &Answer) -> ProviderError {
        let Names { mount, key, .. } = &self.settings;
        let said = String::from_utf8_lossy(answer.body());
        match answer.status() {
            403 => denied(format!(
                "the token is not valid, or its policy lacks `read` on `{mount}/keys/{key}` or `update` on \
                 `{mount}/encrypt/{key}` and `{mount}/decrypt/{key}`"
            )),
            404 => self.missing(),
            400 if said.contains("encryption key not found") => self.missing(),
            400 if said.contains("disallowed by policy") => {
                denied("it was wrapped by a version of the key that is retired there")
            }
            400 if said.contains("message authentication failed") || said.contains("invalid ciphertext") => {
                ProviderError::Refused
            }
            400 if said.contains("unable to decrypt") || said.contains("base64-decode") => {
                ProviderError::Refused
            }
            _ => unexpected(answer),
        }
    }

    fn missing(&self) -> ProviderError {
        let Names { mount, key, namespace } = &self.settings;
        let namespace =
            namespace.as_ref().map(|namespace| format!("-namespace={namespace} ")).unwrap_or_default();
        denied(format!(
            "there is no key `{key}` in the Transit engine at `{mount}`; make the engine with \
             `bao secrets enable {namespace}-path={mount} transit` if it is not there, and the key with \
             `bao write {namespace}-f {mount}/keys/{key}`"
        ))
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.chars().all(|c| c == '.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl KeyProvider for OpenBao {
    fn describe(&self) -> ProviderInfo {
        let Names { mount, key, namespace } = &self.settings;
        let namespace = namespace.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
        ProviderInfo { kind: "openbao", key: format!("{mount}/keys/{key}{namespace} at {}", self.origin) }
    }

    fn wrap(&self, tenant_key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.health()?;
        let (plaintext, aad) = (base64(tenant_key.expose()), base64(&context.aad()));
        let body = json(&Encrypt { plaintext: &plaintext, associated_data: &aad })?;
        let answer = self.call("encrypt", Some(body))?;
        if !answer.is_success() {
            return Err(self.refusal(&answer));
        }
        let Envelope { data: Encrypted { ciphertext } } = parse(&answer)?;
        if !ciphertext.starts_with("vault:v") {
            return Err(rubbish("holds no ciphertext of the Transit engine"));
        }
        Ok([MARK.as_slice(), ciphertext.as_bytes()].concat())
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let ciphertext = std::str::from_utf8(marked(blob, MARK)?).ok();
        let ciphertext = ciphertext.filter(|text| text.starts_with("vault:v"));
        let ciphertext = ciphertext
            .ok_or(ProviderError::Malformed { why: "it is no ciphertext of the Transit engine" })?;
        let aad = base64(&context.aad());
        let answer = self.call("decrypt", Some(json(&Decrypt { ciphertext, associated_data: &aad })?))?;
        if !answer.is_success() {
            return Err(self.refusal(&answer));
        }
        let Envelope { data: Decrypted { plaintext } } = parse(&answer)?;
        key(&unbase64(&plaintext.0)?)
    }

    /// Looks at the key: that it is there, of the right kind, and cannot leave the server.
    fn health(&self) -> Result<(), ProviderError> {
        let answer = self.call("keys", None)?;
        if !answer.is_success() {
            return Err(self.refusal(&answer));
        }
        let Envelope { data } = parse::<Envelope<KeyData>>(&answer)?;
        let name = &self.settings.key;
        let refuse =
            |what: &str| Err(ProviderError::Unsafe { why: format!("the Transit key `{name}` {what}") });
        match data {
            KeyData { soft_deleted: true, .. } => Err(denied(format!("the Transit key `{name}` is deleted"))),
            KeyData { kind, .. } if kind != "aes256-gcm96" => {
                refuse("is not of type `aes256-gcm96`; make another with `type=aes256-gcm96`")
            }
            KeyData { derived: true, .. } => refuse("is a derived one; make another without `derived`"),
            KeyData { exportable: true, .. } => {
                refuse("can be exported, so it may be anywhere; make another without `exportable`")
            }
            KeyData { .. } => Ok(()),
        }
    }
}

impl fmt::Debug for OpenBao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenBao({})", self.describe())
    }
}
