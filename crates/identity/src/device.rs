//! Known devices: a token in a cookie that says "somebody signed in to this account on this browser".
//! It opens nothing; it only keeps its holder out of the crowd before the throttle.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Id, Secret, TenantId, Timestamp, UserId};
use subtle::ConstantTimeEq;
use vault::{DataKey, VaultError};

const LABEL: &str = "wardroom/1/known-device";
/// Account 16, device 16, when it was made 8.
const CLAIMS: usize = 40;

/// The token of a known device, for a cookie.
#[derive(Debug)]
pub struct DeviceToken(Secret<String>);

impl DeviceToken {
    /// The name of the cookie for it.
    pub const COOKIE: &str = "__Host-wardroom-device";
    /// How long it counts. Each sign-in makes a new one.
    pub const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

    /// The token as text, for the cookie.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    pub(crate) fn mint(
        key: &DataKey,
        tenant: TenantId,
        user: UserId,
        device: [u8; 16],
        now: Timestamp,
    ) -> Result<Self, VaultError> {
        let mut bytes = Vec::with_capacity(CLAIMS + 32);
        bytes.extend_from_slice(&user.to_bytes());
        bytes.extend_from_slice(&device);
        bytes.extend_from_slice(&now.as_millis().to_be_bytes());
        let mac = mac(key, tenant, &bytes)?;
        bytes.extend_from_slice(&mac);
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The device of a token that was made for this account and still counts.
    pub(crate) fn check(
        key: &DataKey,
        tenant: TenantId,
        user: UserId,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<[u8; 16]>, VaultError> {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return Ok(None) };
        let Some((claims, sent)) = bytes.split_first_chunk::<CLAIMS>() else { return Ok(None) };
        if !bool::from(mac(key, tenant, claims)?.as_slice().ct_eq(sent)) {
            return Ok(None);
        }
        let (whose, rest) = claims.split_at(16);
        let (Some(device), Some(made)) = (rest.first_chunk::<16>(), rest.last_chunk::<8>()) else {
            return Ok(None);
        };
        let made = Timestamp::from_millis(u64::from_be_bytes(*made));
        let counts = whose == user.to_bytes() && made.after(Self::LIFE) > now;
        Ok(counts.then_some(*device))
    }
}

fn mac(key: &DataKey, tenant: TenantId, claims: &[u8]) -> Result<[u8; 32], VaultError> {
    key.mac(LABEL, &[&tenant.to_bytes(), claims].concat())
}
