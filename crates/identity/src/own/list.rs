//! What one signs in with, as one's own page shows it.

use std::fmt;
use std::str::FromStr;

use guard::action::{ChangeOwnFactors, ManageOwnAccount};
use guard::{Action, Permit};
use kernel::{DisplayName, Timestamp};
use store::credentials;

use crate::{Identity, IdentityError, Refused};

/// What somebody signs in with, for their own eyes.
#[derive(Debug)]
pub struct OwnFactors {
    /// The passkeys, the oldest first.
    pub passkeys: Vec<OwnPasskey>,
    /// Since when there is an app for codes.
    pub app: Option<Timestamp>,
    /// When the password was set, if there is one.
    pub password: Option<Timestamp>,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
    /// Whether the person's roles ask for a passkey, so that the last one cannot be removed.
    pub needs_a_passkey: bool,
}

/// A passkey, for its holder's eyes.
#[derive(Debug)]
pub struct OwnPasskey {
    /// Which.
    pub id: PasskeyId,
    /// What its holder calls it.
    pub name: DisplayName,
    /// When it was made.
    pub made: Timestamp,
    /// When it was last used.
    pub used: Option<Timestamp>,
}

/// A passkey in an address: the SHA-256 of its credential id, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasskeyId(pub(super) [u8; 32]);

impl fmt::Display for PasskeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for PasskeyId {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| Refused::NoFactor)?;
        Ok(Self(bytes.try_into().map_err(|_| Refused::NoFactor)?))
    }
}

/// Leave to look at one's own factors: that to see one's account, and that to change it.
pub trait OwnAct: Action {}
impl OwnAct for ManageOwnAccount {}
impl OwnAct for ChangeOwnFactors {}

impl Identity {
    /// What the permit's holder signs in with.
    ///
    /// # Errors
    /// [`Refused::NoAccount`] for anybody but staff; when the store or the keys fail.
    pub async fn own_factors<A: OwnAct>(&self, permit: &Permit<A>) -> Result<OwnFactors, IdentityError> {
        let inner = &self.0;
        let staff = permit.actor().staff().ok_or(Refused::NoAccount)?;
        let (tenant, user) = (inner.tenant, staff.user);
        let found = inner.db.read(move |tx| {
            Ok((
                credentials::passkeys(tx, tenant, user)?,
                credentials::totp(tx, tenant, user)?,
                credentials::password(tx, tenant, user)?,
                credentials::recovery_codes_left(tx, tenant, user)?,
            ))
        });
        let (rows, app, password, recovery_codes) = found.await?;
        let mut passkeys = Vec::with_capacity(rows.len());
        for row in rows {
            let place = credentials::passkey_name_place(tenant, user, row.credential);
            let name = inner.key_at(row.key_gen).await?.open(&place, &row.name)?;
            let id = PasskeyId(row.credential);
            passkeys.push(OwnPasskey { id, name, made: row.created, used: row.used });
        }
        Ok(OwnFactors {
            passkeys,
            app: app.and_then(|app| app.confirmed),
            password: password.map(|password| password.changed),
            recovery_codes,
            needs_a_passkey: inner.needs_a_passkey(staff),
        })
    }
}
