//! Root keys that stay with a service in the network. What its clients share: one way to call, one way
//! to read credentials and answers, and what each failure means.
//!
//! Each provider marks what it wraps with four bytes of its own, so that a key wrapped by another one
//! says so instead of "cannot decrypt".

mod aws;
mod aws_credentials;
mod azure;
mod google;
mod openbao;
mod sigv4;

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel::Secret;
use outbound::{Answer, Client, Limits, OutboundError, Roots, Settings, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::KeyBytes;
use crate::provider::ProviderError;

pub use aws::{AwsKms, AwsKmsSettings};
pub use aws_credentials::AwsCredentials;
pub use azure::{AzureKeyVault, AzureKeyVaultSettings, AzureWrapping};
pub use google::{GoogleKms, GoogleKmsSettings};
pub use openbao::{OpenBao, OpenBaoSettings};

/// Where a key service is, who vouches for it, and what one call to it may cost.
#[derive(Debug, Clone)]
pub struct Service {
    /// The service's origin, and whether it stands in the operator's own network.
    pub target: Target,
    /// Who may vouch for it.
    pub roots: Roots,
    /// What one call may cost.
    pub limits: Limits,
}

impl Service {
    /// What one call to a key service may cost by default: 2 seconds to connect, 5 in all, 64 KiB.
    pub const LIMITS: Limits =
        Limits { connect: Duration::from_secs(2), total: Duration::from_secs(5), most_bytes: 64 * 1024 };

    /// A service that the web's authorities vouch for, under the default limits.
    pub fn at(target: Target) -> Self {
        Self { target, roots: Roots::Web, limits: Self::LIMITS }
    }

    fn client(self, others: Vec<Target>) -> Result<Client, ProviderError> {
        let Self { target, roots, limits } = self;
        let targets = std::iter::once(target).chain(others).collect();
        Client::new(Settings { targets, roots, identity: None, limits }).map_err(of_outbound)
    }
}

/// A secret that opens the service: given once, or in a file that somebody else may renew.
#[derive(Debug)]
pub enum Credential {
    /// The secret itself.
    Given(Secret<String>),
    /// A file with the secret and perhaps a line end; read anew for each use.
    File(PathBuf),
}

impl Credential {
    /// The largest file that can be a credential.
    const MOST: u64 = 64 * 1024;

    fn read(&self) -> Result<Zeroizing<String>, ProviderError> {
        let path = match self {
            Self::Given(secret) => return Ok(Zeroizing::new(secret.expose().clone())),
            Self::File(path) => path,
        };
        let unread = |error: std::io::Error| ProviderError::Unavailable {
            why: format!("the credential file `{}` cannot be read: {error}", path.display()),
        };
        let mut text = Zeroizing::new(String::with_capacity(4096));
        let file = std::fs::File::open(path).map_err(unread)?;
        file.take(Self::MOST).read_to_string(&mut text).map_err(unread)?;
        let end = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(end);
        Ok(text)
    }
}

/// A text from an answer that is overwritten when dropped.
struct Wiped(Zeroizing<String>);

impl<'de> Deserialize<'de> for Wiped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a failure on the way means. A server that answers with something else than the service would is
/// no better than one that does not answer: both are outages, and neither is a refusal of the key.
fn of_outbound(error: OutboundError) -> ProviderError {
    match error {
        OutboundError::Settings { .. } | OutboundError::Forbidden { .. } | OutboundError::Address { .. } => {
            ProviderError::Unsafe { why: error.to_string() }
        }
        OutboundError::Unwritable { .. }
        | OutboundError::Redirected { .. }
        | OutboundError::TooLarge { .. }
        | OutboundError::Protocol { .. } => ProviderError::Failed { why: error.to_string() },
        OutboundError::Unresolved { .. }
        | OutboundError::Unreachable { .. }
        | OutboundError::Tls { .. }
        | OutboundError::Timeout { .. } => ProviderError::Unavailable { why: error.to_string() },
    }
}

/// Statuses that mean the same everywhere: too many requests, or the service's own trouble.
fn trouble(answer: &Answer) -> Option<ProviderError> {
    match answer.status() {
        status @ (408 | 429 | 500..=599) => {
            Some(ProviderError::Unavailable { why: format!("it answered with status {status}") })
        }
        _ => None,
    }
}

fn denied(why: impl Into<String>) -> ProviderError {
    ProviderError::Denied { why: why.into() }
}

fn rubbish(what: &str) -> ProviderError {
    ProviderError::Failed { why: format!("its answer {what}") }
}

/// An answer that is nobody's: neither what was asked for nor a refusal that we know.
fn unexpected(answer: &Answer) -> ProviderError {
    rubbish(&format!("has status {}, which it should not have", answer.status()))
}

/// Reads an answer's body. What it holds instead is not told: it may hold anything.
fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    serde_json::from_slice(answer.body()).map_err(|_| rubbish("is not the JSON it should be"))
}

/// Writes a request's body into room that is large enough from the start, so that it leaves no copies.
fn json(value: &impl Serialize) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::with_capacity(8 * 1024);
    serde_json::to_writer(&mut body, value)
        .map_err(|_| ProviderError::Failed { why: "a request cannot be written".to_owned() })?;
    Ok(body)
}

fn base64(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

fn base64_url(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes))
}

fn unbase64(text: &str) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    STANDARD.decode(text).map(Zeroizing::new).map_err(|_| rubbish("holds no base64"))
}

fn unbase64_url(text: &str) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map(Zeroizing::new)
        .map_err(|_| rubbish("holds no base64"))
}

fn key(bytes: &[u8]) -> Result<KeyBytes, ProviderError> {
    KeyBytes::from_slice(bytes).ok_or_else(|| rubbish("holds no key of 32 bytes"))
}

/// The first bytes of what each provider wraps.
const MARKS: [(&[u8; 4], &str); 4] = [
    (openbao::MARK, "it was wrapped by OpenBao or Vault"),
    (aws::MARK, "it was wrapped by AWS KMS"),
    (google::MARK, "it was wrapped by Google Cloud KMS"),
    (azure::MARK, "it was wrapped by Azure Key Vault"),
];

/// What stands behind a provider's mark.
fn marked<'a>(blob: &'a [u8], mark: &[u8; 4]) -> Result<&'a [u8], ProviderError> {
    match blob.split_first_chunk::<4>() {
        Some((found, rest)) if found == mark => Ok(rest),
        Some((found, _)) => {
            let other = MARKS.into_iter().find(|(mark, _)| *mark == found);
            let why = other.map_or("it was wrapped by another kind of provider", |(_, why)| why);
            Err(ProviderError::Malformed { why })
        }
        None => Err(ProviderError::Malformed { why: "it is too short" }),
    }
}
