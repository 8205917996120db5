//! What people are told about their own accounts: written with the change that it tells of ([`Pen::tell`]),
//! shown until it is acknowledged, and given out to whoever writes letters.
//!
//! The particulars are sealed under the key for names and addresses. A notice of a changed address knows the
//! former one, because the letter must reach whoever had the account before the change.

use std::collections::HashMap;
use std::time::Duration;

use guard::action::ManageOwnAccount;
use guard::{Action, Actor, Permit, ServiceName};
use kernel::{DisplayName, Email, Id, NoticeId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::notices::{self, Found, NewNotice, Notice};
use store::{RefusedRow, StoreError, ToValue, Tx, api_keys, users};
use vault::VaultError;

use crate::letters::Lost;
use crate::pen::Pen;
use crate::session::account;
use crate::{Identity, IdentityError, Inner};

pub use store::notices::{NoticeHand, NoticeKind};

/// How far back one's own account lists notices.
pub const LISTED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long one is kept that nobody acknowledged.
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// The most that a page shows.
const SHOWN: u32 = 200;

/// What is sealed with a notice.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Particulars {
    /// The client's address.
    from: Option<String>,
    /// The kind of browser.
    device: Option<String>,
    /// Which factor, in words of its holder's or of ours.
    what: Option<String>,
    /// The address before it was changed.
    formerly: Option<Email>,
}

impl Particulars {
    /// Of a factor.
    pub(crate) fn about(what: String) -> Self {
        Self { what: Some(what), ..Self::default() }
    }

    /// Of a change of name or address.
    pub(crate) fn formerly(address: Option<Email>) -> Self {
        Self { formerly: address, ..Self::default() }
    }
}

/// A notice, opened for whoever it is for. `Debug` shows what stands in the clear.
#[derive(Clone)]
pub struct Told {
    /// Its id.
    pub id: NoticeId,
    /// What happened.
    pub kind: NoticeKind,
    /// By whose hand.
    pub hand: NoticeHand,
    /// When.
    pub at: Timestamp,
    /// From which address of the network, where that is known.
    pub from: Option<String>,
    /// On what kind of browser, where that is known.
    pub device: Option<String>,
    /// Which factor.
    pub what: Option<String>,
    /// When it was acknowledged.
    pub seen: Option<Timestamp>,
}

/// What somebody is told, and how much of it cannot be read.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    /// The newest first.
    pub told: Vec<Told>,
    /// How many are not as they were written. The audit log names them.
    pub unreadable: usize,
}

/// A notice that is to be mailed. `Debug` shows what stands in the clear.
#[derive(Clone)]
pub struct Letter {
    /// What is told.
    pub told: Told,
    /// The account.
    pub user: UserId,
    /// Who is told, by name.
    pub name: DisplayName,
    /// To where: the account's address, and the former one after a change of it.
    pub to: Vec<Email>,
    /// How often it was tried in vain.
    pub tries: u32,
}

impl Told {
    /// What happened, as a sentence.
    pub fn sentence(&self) -> String {
        let what = self.what.as_deref().map(|what| format!(": {what}")).unwrap_or_default();
        match self.kind {
            NoticeKind::PasswordChanged => "Your password was changed.".to_owned(),
            NoticeKind::FactorAdded => format!("A way to sign in was added{what}."),
            NoticeKind::FactorRemoved => format!("A way to sign in was removed{what}."),
            NoticeKind::AppCodeReplaced => "Your app for codes was replaced by another.".to_owned(),
            NoticeKind::RecoveryCodesMade => {
                "New recovery codes were made; the old ones are void.".to_owned()
            }
            NoticeKind::RecoveryCodeUsed => "A recovery code was used to sign in.".to_owned(),
            NoticeKind::FactorsReset => {
                "All your ways to sign in were removed, so that you enrol anew.".to_owned()
            }
            NoticeKind::DetailsChanged => "Your name or address was changed.".to_owned(),
            NoticeKind::NewDevice => "Your account was signed in to on a device not seen before.".to_owned(),
            NoticeKind::Enabled => "Your account was enabled again.".to_owned(),
            NoticeKind::Disabled => "Your account was disabled.".to_owned(),
            NoticeKind::RolesChanged => "Your roles were changed.".to_owned(),
            NoticeKind::BreakGlassUsed => {
                "A break-glass account was signed in to; look into it on the page Access.".to_owned()
            }
            NoticeKind::AccessWaits => "A request for a role waits for a second person.".to_owned(),
            NoticeKind::KeysWait => "A request about keys waits for a second person.".to_owned(),
            NoticeKind::PolicyWaits => "A proposal of policies waits for a second person.".to_owned(),
            NoticeKind::ReviewWaits => "A use of a break-glass account waits for a review.".to_owned(),
        }
    }

    /// By whose hand it happened, in words.
    pub fn by(&self) -> &'static str {
        match self.hand {
            NoticeHand::Oneself => "with your own proofs",
            NoticeHand::Administrator => "by an administrator",
            NoticeHand::Provisioning => "by your directory or identity provider",
        }
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("told", &self.told).field("tries", &self.tries).finish_non_exhaustive()
    }
}

impl Identity {
    /// What the permit's actor has not acknowledged; nothing for anybody but staff.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn unseen_notices<A: Action>(&self, permit: &Permit<A>) -> Result<Notices, IdentityError> {
        let (tenant, Actor::Staff(staff)) = (self.0.tenant, permit.actor()) else {
            return Ok(Notices::default());
        };
        let user = staff.user;
        let found = self.0.db.read(move |tx| notices::unseen(tx, tenant, user, SHOWN)).await?;
        self.0.told(found).await
    }

    /// The notices of the permit's account of the last ninety days.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn notices(&self, permit: &Permit<ManageOwnAccount>) -> Result<Notices, IdentityError> {
        let (tenant, user) = (self.0.tenant, account(permit.resource())?);
        let from = before(self.0.world.now(), LISTED);
        let found = self.0.db.read(move |tx| notices::since(tx, tenant, user, from, SHOWN)).await?;
        self.0.told(found).await
    }

    /// Acknowledges the notices of the permit's account up to a moment, and gives their number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acknowledge_notices(
        &self,
        permit: Permit<ManageOwnAccount>,
        until: Timestamp,
    ) -> Result<u64, IdentityError> {
        let now = self.0.world.now();
        Ok(self.0.db.write(move |tx| notices::acknowledge(tx, &permit, until, now)).await?)
    }

    /// Notices that are to be mailed now, the oldest first, at most `limit`. Take each one with
    /// [`Identity::claim_letter`], and say [`Identity::letter_sent`], [`Identity::letter_failed`] or
    /// [`Identity::letter_given_up`] after it: two processes that ask at the same moment are given the same ones.
    ///
    /// The letter of a notice that is not as it was written, or about whose account that is so, is given up
    /// here: it does not hold up the letters of others.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn letters_due(&self, limit: u32) -> Result<Vec<Letter>, IdentityError> {
        let (inner, tenant, now) = (&self.0, self.0.tenant, self.0.world.now());
        let found = inner.db.read(move |tx| {
            let Found { whole, altered } = notices::due(tx, tenant, now, limit)?;
            let mut found = Vec::with_capacity(whole.len());
            for notice in whole {
                match users::find(tx, tenant, notice.user) {
                    Ok(Some(user)) => found.push((notice, Some(user))),
                    Ok(None) => {}
                    Err(StoreError::Tampered { .. }) => found.push((notice, None)),
                    Err(error) => return Err(error),
                }
            }
            Ok((found, altered))
        });
        let (found, altered) = found.await?;
        for altered in altered {
            self.altered_given_up(altered).await?;
        }
        let waits = found.iter().any(|(notice, _)| waits(notice.kind));
        let calls = if waits { inner.calls().await? } else { HashMap::default() };
        let mut letters = Vec::new();
        for (notice, user) in found {
            if self::waits(notice.kind) && !calls.contains_key(&notice.id) {
                inner.call_off(notice.id).await?;
                continue;
            }
            let lost = Lost { notice: notice.id, user: notice.user, kind: notice.kind, tries: notice.tries };
            let Some(user) = user else {
                self.give_up(lost, None).await?;
                continue;
            };
            let tries = notice.tries;
            match inner.opened_notice(notice).await? {
                Ok((told, formerly)) => {
                    let who = inner.who(&user).await?;
                    let to = std::iter::once(who.email).chain(formerly).collect();
                    letters.push(Letter { told, user: user.id, name: who.name, to, tries });
                }
                Err(Spoiled) => self.give_up(lost, None).await?,
            }
        }
        Ok(letters)
    }

    /// Remembers that a letter could not be sent, and gives the moment of its next try.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn letter_failed(&self, notice: NoticeId) -> Result<Timestamp, IdentityError> {
        let (tenant, now) = (self.0.tenant, self.0.world.now());
        Ok(self.0.db.write(move |tx| notices::failed(tx, tenant, notice, now)).await?)
    }
}

/// A notice's row holds, and its particulars do not open.
struct Spoiled;

impl Inner {
    async fn told(&self, found: Found) -> Result<Notices, IdentityError> {
        let Found { whole, altered } = found;
        let mut notices = Notices { told: Vec::with_capacity(whole.len()), unreadable: altered.len() };
        for notice in whole {
            match self.opened_notice(notice).await? {
                Ok((told, _)) => notices.told.push(told),
                Err(Spoiled) => notices.unreadable += 1,
            }
        }
        Ok(notices)
    }

    /// Opens a notice. What is wrong with it alone is noted; a store or keys that fail are an error.
    async fn opened_notice(
        &self,
        notice: Notice,
    ) -> Result<Result<(Told, Option<Email>), Spoiled>, IdentityError> {
        let Notice { tenant, id, kind, hand, at, seen, particulars: (sealed, generation), .. } = notice;
        let opened = match self.key_at(generation).await {
            Ok(key) => {
                key.open(&notices::particulars_place(tenant, id), &sealed).map_err(|error| word(&error))
            }
            Err(error) => match error.refusal::<VaultError>() {
                Some(VaultError::Provider(_)) | None => return Err(error.into()),
                Some(refused) => Err(word(refused)),
            },
        };
        let read = opened.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|_| "tag"));
        Ok(match read {
            Ok(Particulars { from, device, what, formerly }) => {
                Ok((Told { id, kind, hand, at, from, device, what, seen }, formerly))
            }
            Err(reason) => {
                self.db.note_refused(RefusedRow { table: "notices", row: told_id(id), reason });
                Err(Spoiled)
            }
        })
    }
}

/// Whether a notice is about something that waits for its reader.
fn waits(kind: NoticeKind) -> bool {
    use NoticeKind as K;
    matches!(kind, K::AccessWaits | K::KeysWait | K::PolicyWaits | K::ReviewWaits)
}

/// An id as the store names rows.
fn told_id(id: NoticeId) -> String {
    id.to_bytes().as_slice().to_value().told()
}

/// The word of the event for what does not open.
fn word(error: &VaultError) -> &'static str {
    match error {
        VaultError::UnknownVersion { .. } => "version",
        VaultError::Truncated { .. } | VaultError::Length { .. } | VaultError::TooLarge { .. } => "length",
        VaultError::Refused | VaultError::Content { .. } => "tag",
        _ => "key",
    }
}

impl Pen {
    /// Writes a notice in the transaction of its change. Nobody signs in to a service account, so nobody is
    /// told about one.
    pub(crate) fn tell(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        kind: NoticeKind,
        about: Particulars,
    ) -> Result<(), StoreError> {
        self.tell_by(tx, user, kind, hand_of(&self.actor, user), about)
    }

    /// The same where the pen does not tell by whose hand it was.
    pub(crate) fn tell_by(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        kind: NoticeKind,
        hand: NoticeHand,
        about: Particulars,
    ) -> Result<(), StoreError> {
        let (world, key, tenant) = (&self.world, &self.key, self.tenant);
        if api_keys::service(tx, tenant, user)?.is_some() {
            return Ok(());
        }
        let id = world.id();
        // Whose address of the network it is, is for the person alone who did it: what an administrator did
        // is told without where they sat.
        let (from, device) = match hand {
            NoticeHand::Oneself => {
                (self.via.source.clone(), self.via.device.as_ref().and_then(|device| device.kind.clone()))
            }
            NoticeHand::Administrator | NoticeHand::Provisioning => (None, None),
        };
        let sealed = serde_json::to_vec(&Particulars { from, device, ..about })
            .map_err(|_| StoreError::Malformed { what: "notice" })?;
        let sealed =
            key.seal(&notices::particulars_place(tenant, id), &sealed).map_err(StoreError::refuse)?;
        let particulars = (sealed, key.generation());
        notices::put(tx, &NewNotice { tenant, id, user, kind, hand, at: world.now(), particulars })
    }
}

/// By whose hand something happened to `user`'s account.
fn hand_of(actor: &Actor, user: UserId) -> NoticeHand {
    match actor {
        Actor::Staff(staff) if staff.user == user => NoticeHand::Oneself,
        // Whoever is not signed in yet acts with the account's own proofs.
        Actor::Anonymous { .. } | Actor::Visitor(_) => NoticeHand::Oneself,
        Actor::Staff(_) | Actor::ApiKey(_) | Actor::Service { name: ServiceName::Operator, .. } => {
            NoticeHand::Administrator
        }
        Actor::Directory { .. } | Actor::Service { .. } => NoticeHand::Provisioning,
    }
}

/// Deletes what was acknowledged and is no longer listed, and what nobody acknowledged in more than a year.
pub(crate) fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    notices::sweep(tx, before(now, LISTED), before(now, KEPT))
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(by))
}
