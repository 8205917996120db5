//! Bots and their releases. A release's artifact is sealed in parts, because one seal holds at most
//! 1 MiB.

use guard::action::{ActivateRelease, PushRelease, ReadBots, UpdateBot};
use guard::{Permit, Resource};
use kernel::{BotName, ReleaseId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::access;
use crate::dump::Dumps;
use crate::places::SealedColumn;
use crate::words::states;
use crate::{Read, Row, StoreError, Tx, params};

/// The most bytes of an artifact in one part.
pub const PART_BYTES: usize = 512 * 1024;

states! {
    /// The state of a release.
    ReleaseState {
        /// Waiting for somebody else's approval.
        Submitted = "submitted",
        /// Approved: it is, was, or may again be the one that answers.
        Approved = "approved",
        /// Given up.
        Withdrawn = "withdrawn",
    }
}

/// A bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its name.
    pub name: BotName,
    /// The release that answers now.
    pub active: Option<ReleaseId>,
    /// When it was made.
    pub created: Timestamp,
    /// When its active release last changed.
    pub updated: Timestamp,
}

/// A release that is submitted for the permit's bot.
#[derive(Debug)]
pub struct NewRelease {
    /// Its id.
    pub id: ReleaseId,
    /// SHA-256 of the artifact.
    pub sha256: [u8; 32],
    /// The size of the artifact in bytes.
    pub size: u64,
    /// The artifact in parts of at most [`PART_BYTES`], each sealed at its [`part_place`].
    pub parts: Vec<Sealed<Vec<u8>>>,
    /// The generation of the key that seals them.
    pub key_gen: u32,
    /// When it is submitted.
    pub now: Timestamp,
}

/// A release without its artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: ReleaseId,
    /// The bot.
    pub bot: BotName,
    /// Its number, counted per bot from 1.
    pub version: u32,
    /// Its state.
    pub state: ReleaseState,
    /// SHA-256 of the artifact.
    pub sha256: [u8; 32],
    /// The size of the artifact in bytes.
    pub size: u64,
    /// The generation of the key that seals the parts.
    pub key_gen: u32,
    /// When it was submitted.
    pub created: Timestamp,
    /// Who submitted it.
    pub author: Option<UserId>,
    /// When it was approved.
    pub approved: Option<Timestamp>,
    /// Who approved it.
    pub approver: Option<UserId>,
}

impl Release {
    /// The same as the guard wants to see it.
    pub fn resource(&self) -> Resource {
        Resource::Release {
            tenant: self.tenant,
            bot: self.bot.clone(),
            release: self.id,
            author: self.author,
        }
    }
}

/// The place of one part of a release's artifact.
pub fn part_place(tenant: TenantId, release: ReleaseId, part: u64) -> Place {
    SealedColumn::ReleasePart.of(tenant, release).seq(part)
}

/// The generation of the key that seals a release's parts.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such release.
pub fn generation_of<A: Dumps>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    release: ReleaseId,
) -> Result<u32, StoreError> {
    let row = tx.row(
        "SELECT key_gen FROM releases WHERE tenant = $1 AND id = $2",
        params![permit.tenant(), release],
    )?;
    Ok(row.ok_or(StoreError::Missing { what: "release" })?.take("key_gen")?)
}

/// Makes the permit's bot, without a release. Making it again changes nothing.
///
/// # Errors
/// Only what the database says.
pub fn create(tx: &mut Tx<'_>, permit: &Permit<UpdateBot>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO bots (tenant, name, created_ms, updated_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        params![permit.tenant(), access::bot(permit)?, now, now],
    )?;
    Ok(())
}

/// All bots, or the permit's one.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadBots>) -> Result<Vec<Bot>, StoreError> {
    let only = permit.resource().bot().map_or("", BotName::as_str);
    let rows = tx.rows(
        "SELECT name, active_release, created_ms, updated_ms FROM bots
         WHERE tenant = $1 AND ($2 = '' OR name = $2) ORDER BY name",
        params![permit.tenant(), only],
    )?;
    rows.into_iter().map(bot_of).collect()
}

/// A bot by its name. No permit: bots answer at the door before anybody is known, and the guard is
/// asked about what is found here.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, tenant: TenantId, name: &BotName) -> Result<Option<Bot>, StoreError> {
    tx.row(
        "SELECT name, active_release, created_ms, updated_ms FROM bots WHERE tenant = $1 AND name = $2",
        params![tenant, name],
    )?
    .map(bot_of)
    .transpose()
}

/// Files a release of the permit's bot for approval, and makes the bot if it is new. Gives the
/// release's version.
///
/// # Errors
/// [`StoreError::Conflict`] when there is a release of this id.
pub fn push(tx: &mut Tx<'_>, permit: &Permit<PushRelease>, new: &NewRelease) -> Result<u32, StoreError> {
    let (tenant, bot) = (permit.tenant(), access::bot(permit)?);
    tx.execute(
        "INSERT INTO bots (tenant, name, created_ms, updated_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        params![tenant, bot, new.now, new.now],
    )?;
    let row = tx.row(
        "SELECT COALESCE(MAX(version), 0) + 1 AS next FROM releases WHERE tenant = $1 AND bot = $2",
        params![tenant, bot],
    )?;
    let version: u32 = row.map(|mut row| row.take("next")).transpose()?.unwrap_or(1);
    tx.insert(
        "release",
        "INSERT INTO releases (tenant, id, bot, version, state, sha256, size, parts, key_gen, created_ms,
                               created_by)
         VALUES ($1, $2, $3, $4, 'submitted', $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        params![
            tenant,
            new.id,
            bot,
            version,
            new.sha256,
            new.size,
            new.parts.len(),
            new.key_gen,
            new.now,
            permit.user()
        ],
    )?;
    for (part, record) in new.parts.iter().enumerate() {
        tx.execute(
            "INSERT INTO release_parts (tenant, release, part, record) VALUES ($1, $2, $3, $4)",
            params![tenant, new.id, part, record],
        )?;
    }
    Ok(version)
}

/// Puts the permit's release live: approves it if it was only submitted, and makes it the one that
/// answers. Rolling back is this with an earlier release.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such release or it was withdrawn.
pub fn activate(tx: &mut Tx<'_>, permit: &Permit<ActivateRelease>, now: Timestamp) -> Result<(), StoreError> {
    let (tenant, bot, release) = (permit.tenant(), access::bot(permit)?, access::release(permit)?);
    tx.execute(
        "UPDATE releases SET state = 'approved', approved_ms = $4, approved_by = $5
         WHERE tenant = $1 AND bot = $2 AND id = $3 AND state = 'submitted'",
        params![tenant, bot, release, now, permit.user()],
    )?;
    tx.execute_one(
        "release",
        "UPDATE bots SET active_release = $3, updated_ms = $4 WHERE tenant = $1 AND name = $2
           AND EXISTS (SELECT 1 FROM releases r
                       WHERE r.tenant = $1 AND r.bot = $2 AND r.id = $3 AND r.state = 'approved')",
        params![tenant, bot, release, now],
    )
}

/// Gives up a release of the permit's bot that was not approved yet.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such release.
pub fn withdraw(tx: &mut Tx<'_>, permit: &Permit<PushRelease>, release: ReleaseId) -> Result<(), StoreError> {
    tx.execute_one(
        "release",
        "UPDATE releases SET state = 'withdrawn'
         WHERE tenant = $1 AND bot = $2 AND id = $3 AND state = 'submitted'",
        params![permit.tenant(), access::bot(permit)?, release],
    )
}

/// The releases of a bot (or of all bots, by the permit), the newest first.
///
/// # Errors
/// Only what the database says.
pub fn releases(
    tx: &mut Read<'_>,
    permit: &Permit<ReadBots>,
    bot: Option<&BotName>,
    limit: u32,
) -> Result<Vec<Release>, StoreError> {
    let only = match (permit.resource().bot(), bot) {
        (Some(ours), Some(wanted)) if ours != wanted => return Ok(Vec::new()),
        (Some(bot), _) | (None, Some(bot)) => bot.as_str(),
        (None, None) => "",
    };
    let rows = tx.rows(
        "SELECT tenant, id, bot, version, state, sha256, size, key_gen, created_ms, created_by,
                approved_ms, approved_by
         FROM releases WHERE tenant = $1 AND ($2 = '' OR bot = $2)
         ORDER BY created_ms DESC, version DESC LIMIT $3",
        params![permit.tenant(), only, limit],
    )?;
    rows.into_iter().map(release_of).collect()
}

/// The facts about a release. No permit: the guard is asked with what is found here.
///
/// # Errors
/// Only what the database says.
pub fn release(tx: &mut Read<'_>, tenant: TenantId, id: ReleaseId) -> Result<Option<Release>, StoreError> {
    tx.row(
        "SELECT tenant, id, bot, version, state, sha256, size, key_gen, created_ms, created_by,
                approved_ms, approved_by
         FROM releases WHERE tenant = $1 AND id = $2",
        params![tenant, id],
    )?
    .map(release_of)
    .transpose()
}

/// The sealed parts of a release's artifact, in order. No permit: a bot's engine loads what is live
/// without anybody asking, and the parts are sealed.
///
/// # Errors
/// [`StoreError::Malformed`] when a part is missing.
pub fn parts(tx: &mut Read<'_>, tenant: TenantId, id: ReleaseId) -> Result<Vec<Sealed<Vec<u8>>>, StoreError> {
    let rows = tx.rows(
        "SELECT p.record, r.parts FROM release_parts p
         JOIN releases r ON r.tenant = p.tenant AND r.id = p.release
         WHERE p.tenant = $1 AND p.release = $2 ORDER BY p.part",
        params![tenant, id],
    )?;
    let found = rows.len();
    rows.into_iter()
        .map(|mut row| {
            if row.take::<usize>("parts")? != found {
                return Err(StoreError::Malformed { what: "release" });
            }
            Ok(row.take("record")?)
        })
        .collect()
}

fn bot_of(mut row: Row) -> Result<Bot, StoreError> {
    Ok(Bot {
        name: row.take("name")?,
        active: row.take("active_release")?,
        created: row.take("created_ms")?,
        updated: row.take("updated_ms")?,
    })
}

fn release_of(mut row: Row) -> Result<Release, StoreError> {
    Ok(Release {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        bot: row.take("bot")?,
        version: row.take("version")?,
        state: row.take("state")?,
        sha256: row.take("sha256")?,
        size: row.take("size")?,
        key_gen: row.take("key_gen")?,
        created: row.take("created_ms")?,
        author: row.take("created_by")?,
        approved: row.take("approved_ms")?,
        approver: row.take("approved_by")?,
    })
}
