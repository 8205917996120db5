//! Who asks AWS: an access key that was configured, or credentials for a while that the machine or the
//! container is given by AWS itself (EC2's instance metadata service in its second version, and the
//! endpoint of ECS and EKS). Those are renewed before they expire, and held in memory alone.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>,
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{Secret, Timestamp, World};
use outbound::{Answer, Metadata};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Credential, Wiped, denied, of_outbound, parse, rubbish, trouble, unexpected};
use crate::provider::ProviderError;

/// Credentials are renewed when they expire within this time: AWS gives new ones at least five minutes
/// before the old ones end.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How long after an attempt that failed the next one is made, while the old ones still serve.
const AGAIN: Duration = Duration::from_secs(30);
/// How long the token of the instance metadata service is asked for: it is used at once.
const TOKEN_SECONDS: &str = "60";

/// Where the credentials come from.
#[derive(Debug)]
pub enum AwsCredentials {
    /// An access key, or temporary credentials that somebody else renews in files.
    Keys {
        /// The id of the access key. Not a secret.
        access_key_id: String,
        /// The secret access key.
        secret_access_key: Credential,
        /// The session token, for temporary credentials.
        session_token: Option<Credential>,
    },
    /// The role of this EC2 instance, by IMDSv2. The first version, which anybody who can have a URL
    /// fetched can ask, is not used.
    Instance(Metadata),
    /// The role of this ECS task or EKS pod.
    Container {
        /// The endpoint.
        service: Metadata,
        /// The path there.
        path: String,
        /// What to show it: read anew for each use, as EKS renews it.
        authorization: Option<Credential>,
    },
}

/// One set of credentials, to sign one request with.
pub(super) struct Signing {
    pub(super) access_key_id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({})", self.access_key_id)
    }
}

/// The credentials, held while they are good.
pub(super) struct Credentials {
    from: AwsCredentials,
    world: World,
    held: Mutex<Option<Held>>,
}

struct Held {
    given: Arc<Signing>,
    expires: Timestamp,
    /// When the last attempt to renew them failed.
    failed: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    /// `Success`, where it is said at all.
    code: Option<String>,
    access_key_id: String,
    secret_access_key: Wiped,
    token: Wiped,
    expiration: String,
}

impl Credentials {
    pub(super) fn new(from: AwsCredentials, world: World) -> Self {
        Self { from, world, held: Mutex::default() }
    }

    /// Credentials that are good now. Whoever comes while they are renewed waits: a second request to the
    /// service would give the same.
    pub(super) fn now(&self) -> Result<Arc<Signing>, ProviderError> {
        if let AwsCredentials::Keys { access_key_id, secret_access_key, session_token } = &self.from {
            return Ok(Arc::new(Signing {
                access_key_id: access_key_id.clone(),
                secret: secret_access_key.read()?,
                token: session_token.as_ref().map(Credential::read).transpose()?,
            }));
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.world.now();
        if let Some(held) = held.as_ref().filter(|held| held.rests(now)) {
            return Ok(Arc::clone(&held.given));
        }
        match (self.fetch(), held.as_mut()) {
            (Ok(new), _) => Ok(Arc::clone(&held.insert(new).given)),
            // The old ones serve to their end.
            (Err(_), Some(held)) if now < held.expires => {
                held.failed = Some(now);
                Ok(Arc::clone(&held.given))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Lets go of what is held, because AWS says that it is no longer good. Gives whether there was
    /// anything.
    pub(super) fn forget(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    fn fetch(&self) -> Result<Held, ProviderError> {
        let answer = match &self.from {
            AwsCredentials::Keys { .. } => return Err(rubbish("was not asked for")),
            AwsCredentials::Instance(service) => of_instance(service)?,
            AwsCredentials::Container { service, path, authorization } => {
                let shown = authorization.as_ref().map(Credential::read).transpose()?;
                let shown = shown.map(|shown| Secret::new(shown.to_string()));
                let headers: Vec<_> = shown.iter().map(|shown| ("authorization", shown)).collect();
                good(service.get(path, &headers).map_err(of_outbound)?)?
            }
        };
        let Given { code, access_key_id, secret_access_key, token, expiration } = parse(&answer)?;
        if code.is_some_and(|code| code != "Success") {
            return Err(denied("the metadata service has no credentials for this machine's role"));
        }
        let expires =
            Timestamp::from_rfc3339(&expiration).ok_or_else(|| rubbish("names no time of expiry"))?;
        if access_key_id.is_empty() || secret_access_key.0.is_empty() || expires <= self.world.now() {
            return Err(rubbish("holds credentials that are not good"));
        }
        let given = Signing { access_key_id, secret: secret_access_key.0, token: Some(token.0) };
        Ok(Held { given: Arc::new(given), expires, failed: None })
    }
}

impl Held {
    /// Whether there is nothing to do about them now.
    fn rests(&self, now: Timestamp) -> bool {
        let tried = self.failed.is_some_and(|failed| failed <= now && now.since(failed) < AGAIN);
        now.after(EARLY) < self.expires || (tried && now < self.expires)
    }
}

/// IMDSv2: a token, the name of the role, its credentials.
fn of_instance(service: &Metadata) -> Result<Answer, ProviderError> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let seconds = Secret::new(TOKEN_SECONDS.to_owned());
    let ask = [("x-aws-ec2-metadata-token-ttl-seconds", &seconds)];
    let token = good(service.put("/latest/api/token", &ask).map_err(of_outbound)?)?;
    let token = std::str::from_utf8(token.body()).map_err(|_| rubbish("holds no token"))?;
    let token = Secret::new(token.trim().to_owned());
    let shown = [("x-aws-ec2-metadata-token", &token)];
    let roles = good(service.get(ROLES, &shown).map_err(of_outbound)?)?;
    let role =
        std::str::from_utf8(roles.body()).ok().and_then(|roles| roles.lines().next()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if role.is_empty() || role.len() > 64 || !role.bytes().all(plain) {
        return Err(rubbish("names no role"));
    }
    good(service.get(&format!("{ROLES}{role}"), &shown).map_err(of_outbound)?)
}

/// An answer, if it is a good one. What a refusal says beside its status is not passed on.
fn good(answer: Answer) -> Result<Answer, ProviderError> {
    match answer.status() {
        200 => Ok(answer),
        401 | 403 => Err(denied("the metadata service refuses this process")),
        404 => Err(denied("this machine has no role that gives it credentials")),
        _ => Err(trouble(&answer).unwrap_or_else(|| unexpected(&answer))),
    }
}
