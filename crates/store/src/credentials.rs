//! What members of staff prove themselves with: passwords, one-time codes, passkeys, recovery codes.
//!
//! No permits in this file: authentication comes before authorization, and a permit names an actor
//! that does not exist before the proof. Only `identity` calls these functions; it asks for a permit
//! to manage one's own account before it changes a factor of somebody who is signed in.

use kernel::{DisplayName, Id, Secret, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::{Read, Row, StoreError, Tx, params};

/// The place of an account's password hash. The time of setting it tells one from the next.
pub fn password_place(tenant: TenantId, user: UserId, changed: Timestamp) -> Place {
    SealedColumn::Password.of(tenant, user).created(changed)
}

/// A password's hash, as stored.
#[derive(Debug, Clone)]
pub struct Password {
    /// The argon2id hash in PHC form, sealed at [`password_place`].
    pub phc: Sealed<Secret<String>>,
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// When it was set.
    pub changed: Timestamp,
}

/// The password of an account.
///
/// # Errors
/// Only what the database says.
pub fn password(tx: &mut Read<'_>, tenant: TenantId, user: UserId) -> Result<Option<Password>, StoreError> {
    let row = tx.row(
        "SELECT phc, key_gen, changed_ms FROM passwords WHERE tenant = $1 AND user_id = $2",
        params![tenant, user],
    )?;
    row.map(|mut row| {
        let (phc, key_gen) = (row.take("phc")?, row.take("key_gen")?);
        Ok(Password { phc, key_gen, changed: row.take("changed_ms")? })
    })
    .transpose()
}

/// Sets the password of an account in place of the one before.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn set_password(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    password: &Password,
) -> Result<(), StoreError> {
    tx.execute_one(
        "account",
        "INSERT INTO passwords (tenant, user_id, key_gen, phc, changed_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, user_id) DO UPDATE
         SET key_gen = excluded.key_gen, phc = excluded.phc, changed_ms = excluded.changed_ms",
        params![tenant, user, password.key_gen, password.phc, password.changed],
    )
}

/// Removes the password of an account, if it has one.
///
/// # Errors
/// Only what the database says.
pub fn remove_password(tx: &mut Tx<'_>, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM passwords WHERE tenant = $1 AND user_id = $2", params![tenant, user]).map(drop)
}

/// The place of an account's one-time-code seed.
pub fn totp_place(tenant: TenantId, user: UserId) -> Place {
    SealedColumn::TotpSeed.of(tenant, user)
}

/// A one-time-code seed, as stored.
#[derive(Debug, Clone)]
pub struct Totp {
    /// The seed, sealed at [`totp_place`].
    pub seed: Sealed<Secret<Vec<u8>>>,
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// The last time step whose code was used.
    pub last_step: u64,
    /// When the first code was given. Before that the factor does not count.
    pub confirmed: Option<Timestamp>,
}

/// The one-time-code seed of an account.
///
/// # Errors
/// Only what the database says.
pub fn totp(tx: &mut Read<'_>, tenant: TenantId, user: UserId) -> Result<Option<Totp>, StoreError> {
    let row = tx.row("SELECT * FROM totp WHERE tenant = $1 AND user_id = $2", params![tenant, user])?;
    bound::held_one(tx, Bound::Totp, row)?
        .map(|mut row| {
            Ok(Totp {
                seed: row.take("seed")?,
                key_gen: row.take("key_gen")?,
                last_step: row.take("last_step")?,
                confirmed: row.take("confirmed_ms")?,
            })
        })
        .transpose()
}

/// Files a new, unconfirmed seed in place of whatever seed there was.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn set_totp(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    seed: &Sealed<Secret<Vec<u8>>>,
    key_gen: u32,
) -> Result<(), StoreError> {
    bound::change(tx, Bound::Totp, params![tenant, user], |tx| {
        tx.execute_one(
            "account",
            "INSERT INTO totp (tenant, user_id, key_gen, seed, last_step) VALUES ($1, $2, $3, $4, 0)
         ON CONFLICT (tenant, user_id) DO UPDATE
         SET key_gen = excluded.key_gen, seed = excluded.seed, last_step = 0, confirmed_ms = NULL",
            params![tenant, user, key_gen, seed],
        )
    })
}

/// Uses up the code of one time step, and with it every step before: a code works once (RFC 6238
/// section 5.2). The first code confirms the seed. Gives false when the step was used already.
///
/// # Errors
/// Only what the database says.
pub fn use_totp_step(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    step: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let used = bound::change(tx, Bound::Totp, params![tenant, user], |tx| {
        tx.execute(
            "UPDATE totp SET last_step = $3, confirmed_ms = COALESCE(confirmed_ms, $4)
         WHERE tenant = $1 AND user_id = $2 AND last_step < $3",
            params![tenant, user, step, now],
        )
    })?;
    Ok(used == 1)
}

/// The place of a passkey's public data. `credential` is the SHA-256 of its credential id; a place
/// holds its first half, and the account beside it.
pub fn passkey_place(tenant: TenantId, user: UserId, credential: [u8; 32]) -> Place {
    SealedColumn::PasskeyPublic.at(tenant, half(credential)).second(user.to_bytes())
}

/// The place of what its holder calls a passkey.
pub fn passkey_name_place(tenant: TenantId, user: UserId, credential: [u8; 32]) -> Place {
    SealedColumn::PasskeyName.at(tenant, half(credential)).second(user.to_bytes())
}

fn half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    half
}

/// A passkey, as stored.
#[derive(Debug, Clone)]
pub struct Passkey {
    /// Whose.
    pub user: UserId,
    /// SHA-256 of its credential id.
    pub credential: [u8; 32],
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// The credential id, the public key, and what else checks a signature; sealed at
    /// [`passkey_place`].
    pub public: Sealed<Vec<u8>>,
    /// What its holder calls it; sealed at [`passkey_name_place`].
    pub name: Sealed<DisplayName>,
    /// The authenticator's signature counter; 0 when it keeps none.
    pub counter: u64,
    /// When it was registered.
    pub created: Timestamp,
    /// When it was last used.
    pub used: Option<Timestamp>,
}

/// Files a passkey.
///
/// # Errors
/// [`StoreError::Conflict`] when this credential is registered, [`StoreError::Missing`] when there is
/// no such account.
pub fn add_passkey(tx: &mut Tx<'_>, tenant: TenantId, passkey: &Passkey) -> Result<(), StoreError> {
    tx.insert(
        "passkey",
        "INSERT INTO passkeys (tenant, credential, user_id, key_gen, public, name, counter, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        params![
            tenant,
            passkey.credential,
            passkey.user,
            passkey.key_gen,
            passkey.public,
            passkey.name,
            passkey.counter,
            passkey.created
        ],
    )?;
    bound::bind(tx, Bound::Passkeys, params![tenant, passkey.credential])
}

/// The passkeys of an account, the oldest first.
///
/// # Errors
/// Only what the database says.
pub fn passkeys(tx: &mut Read<'_>, tenant: TenantId, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM passkeys WHERE tenant = $1 AND user_id = $2 ORDER BY created_ms, credential",
        params![tenant, user],
    )?;
    bound::held(tx, Bound::Passkeys, rows)?.into_iter().map(passkey_of).collect()
}

/// A passkey by its credential: how signing in without a name begins.
///
/// # Errors
/// Only what the database says.
pub fn find_passkey(
    tx: &mut Read<'_>,
    tenant: TenantId,
    credential: [u8; 32],
) -> Result<Option<Passkey>, StoreError> {
    let row =
        tx.row("SELECT * FROM passkeys WHERE tenant = $1 AND credential = $2", params![tenant, credential])?;
    bound::held_one(tx, Bound::Passkeys, row)?.map(passkey_of).transpose()
}

/// Remembers that a passkey was used with this counter. Gives false, and changes nothing, when the
/// counter did not go up: the credential may have been copied (WebAuthn section 6.1.1). An
/// authenticator that keeps no counter always says 0.
///
/// # Errors
/// Only what the database says.
pub fn used_passkey(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    credential: [u8; 32],
    counter: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let used = bound::change(tx, Bound::Passkeys, params![tenant, credential], |tx| {
        tx.execute(
            "UPDATE passkeys SET counter = $3, used_ms = $4
         WHERE tenant = $1 AND credential = $2 AND (counter < $3 OR (counter = 0 AND $3 = 0))",
            params![tenant, credential, counter, now],
        )
    })?;
    Ok(used == 1)
}

/// Removes the one-time-code seed of an account.
///
/// # Errors
/// [`StoreError::Missing`] when the account has none.
pub fn remove_totp(tx: &mut Tx<'_>, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
    tx.execute_one("app", "DELETE FROM totp WHERE tenant = $1 AND user_id = $2", params![tenant, user])
}

/// Gives a passkey of an account another name, sealed at [`passkey_name_place`] under the key of the passkey's
/// own generation.
///
/// # Errors
/// [`StoreError::Missing`] when the account has none such.
pub fn name_passkey(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    credential: [u8; 32],
    name: &Sealed<DisplayName>,
) -> Result<(), StoreError> {
    bound::change(tx, Bound::Passkeys, params![tenant, credential], |tx| {
        tx.execute_one(
            "passkey",
            "UPDATE passkeys SET name = $4 WHERE tenant = $1 AND user_id = $2 AND credential = $3",
            params![tenant, user, credential, name],
        )
    })
}

/// Removes a passkey of an account.
///
/// # Errors
/// [`StoreError::Missing`] when the account has none such.
pub fn remove_passkey(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    credential: [u8; 32],
) -> Result<(), StoreError> {
    tx.execute_one(
        "passkey",
        "DELETE FROM passkeys WHERE tenant = $1 AND user_id = $2 AND credential = $3",
        params![tenant, user, credential],
    )
}

fn passkey_of(mut row: Row) -> Result<Passkey, StoreError> {
    Ok(Passkey {
        user: row.take("user_id")?,
        credential: row.take("credential")?,
        key_gen: row.take("key_gen")?,
        public: row.take("public")?,
        name: row.take("name")?,
        counter: row.take("counter")?,
        created: row.take("created_ms")?,
        used: row.take("used_ms")?,
    })
}

/// Gives an account new recovery codes, by their keyed hashes, in place of all the old ones.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn set_recovery_codes(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    hashes: &[[u8; 32]],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2", params![tenant, user])?;
    for hash in hashes {
        tx.execute_one(
            "account",
            "INSERT INTO recovery_codes (tenant, user_id, code_hash, created_ms) VALUES ($1, $2, $3, $4)",
            params![tenant, user, hash, now],
        )?;
        bound::bind(tx, Bound::RecoveryCodes, params![tenant, user, hash])?;
    }
    Ok(())
}

/// Uses a recovery code up. Gives false when the account has none such left.
///
/// # Errors
/// Only what the database says.
pub fn use_recovery_code(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    hash: [u8; 32],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let used = bound::change(tx, Bound::RecoveryCodes, params![tenant, user, hash], |tx| {
        tx.execute(
            "UPDATE recovery_codes SET used_ms = $4
         WHERE tenant = $1 AND user_id = $2 AND code_hash = $3 AND used_ms IS NULL",
            params![tenant, user, hash, now],
        )
    })?;
    Ok(used == 1)
}

/// How many recovery codes an account has left.
///
/// # Errors
/// Only what the database says.
pub fn recovery_codes_left(tx: &mut Read<'_>, tenant: TenantId, user: UserId) -> Result<u64, StoreError> {
    let row = tx.row(
        "SELECT COUNT(*) AS n FROM recovery_codes WHERE tenant = $1 AND user_id = $2 AND used_ms IS NULL",
        params![tenant, user],
    )?;
    Ok(row.map(|mut row| row.take("n")).transpose()?.unwrap_or(0))
}
