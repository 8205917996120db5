//! Making a key, continuing it by another, ending it. The text of a key is in the answer, once.

use std::time::Duration;

use guard::action::{MakeApiKey, ReadApiKeys, RevokeApiKey};
use guard::{Act, Permit, Scope, check_assignment};
use ipnet::IpNet;
use kernel::{ApiKeyId, Secret, Timestamp, Title, UserId};
use ledger::Token;
use ledger::catalogue::{ApiKeyMade, ApiKeyRevoked};
use store::api_keys::{self as rows, ApiKey};
use store::users::{self, UserState};
use store::{Read, StoreError, Via};

use super::{KeyView, LONGEST_DAYS, Minted, mint};
use crate::pen::Pen;
use crate::session::account;
use crate::{Identity, IdentityError, Inner, Refused};

/// The most keys of one account that live at a time.
const AT_ONCE: u64 = 20;
/// The most blocks of addresses that a key names.
const BLOCKS: usize = 32;
/// The most keys of one line that live at a time: the old one and its successor.
const IN_LINE: u64 = 2;

/// A key as it is wished for.
#[derive(Debug, Clone)]
pub struct KeyWish {
    /// The account that it is to belong to: the permit's, or a service account that it answers for.
    pub owner: UserId,
    /// What it is for, in words.
    pub name: Title,
    /// What it may do: some of [`Act::FOR_KEYS`].
    pub acts: Vec<Act>,
    /// Where.
    pub scope: Scope,
    /// For how many days, 1 to [`LONGEST_DAYS`].
    pub days: u32,
    /// From which addresses; from any when none are named.
    pub sources: Vec<IpNet>,
}

impl KeyWish {
    fn looked_at(mut self) -> Result<Self, Refused> {
        self.acts.sort_unstable();
        self.acts.dedup();
        let allowed = |act: &Act| Act::FOR_KEYS.contains(act);
        if self.acts.is_empty() || !self.acts.iter().all(allowed) {
            return Err(Refused::Setting("list of actions"));
        }
        if !(1..=LONGEST_DAYS).contains(&self.days) {
            return Err(Refused::Setting("number of days"));
        }
        if self.sources.len() > BLOCKS {
            return Err(Refused::Setting("list of addresses"));
        }
        Ok(self)
    }
}

impl Identity {
    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Refused::Setting`]; [`Refused::NoAccount`] when the owner is neither the permit's account nor one
    /// that it answers for; [`Refused::Separation`] when whoever answers for the service account could not
    /// hold its roles; [`Refused::Keys`] when there are too many.
    pub async fn make_key(
        &self,
        permit: Permit<MakeApiKey>,
        wish: KeyWish,
        via: &Via,
    ) -> Result<(ApiKeyId, Secret<String>), IdentityError> {
        let wish = wish.looked_at()?;
        let id = self.0.world.id();
        let text = self.0.file_key(permit, id, id, wish, None, via).await?;
        Ok((id, text))
    }

    /// Makes a key that continues another: the same name, actions, place and addresses, a new text and a new
    /// end. The old one lives on until it is ended or ends by itself, so that whoever uses it has time to
    /// change.
    ///
    /// # Errors
    /// [`Refused::NoKey`] when there is no such key of the permit's account that lives; [`Refused::Keys`]
    /// when the key was continued already; and as for [`Identity::make_key`].
    pub async fn rotate_key(
        &self,
        permit: Permit<MakeApiKey>,
        key: ApiKeyId,
        days: u32,
        via: &Via,
    ) -> Result<(ApiKeyId, Secret<String>), IdentityError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let found = inner.db.read(move |tx| rows::by_id(tx, tenant, key)).await?;
        let old = found.filter(|old| old.lives(now)).ok_or(Refused::NoKey)?;
        let KeyView { owner, name, acts, scope, sources, line, .. } = inner.view_key(&old).await?;
        let wish = KeyWish { owner, name, acts, scope, days, sources }.looked_at()?;
        let id = inner.world.id();
        let text = inner.file_key(permit, id, line, wish, Some(key), via).await?;
        Ok((id, text))
    }

    /// Ends a key of the permit's account, or of a service account that it answers for: from the next
    /// request on it opens nothing.
    ///
    /// # Errors
    /// [`Refused::NoKey`] when there is none that lives.
    pub async fn revoke_key(
        &self,
        permit: Permit<RevokeApiKey>,
        key: ApiKeyId,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let now = inner.world.now();
        let job = inner.db.write(move |tx| {
            let ended = rows::revoke(tx, &permit, key, now)?.ok_or(Refused::NoKey)?;
            pen.note(tx, &ApiKeyRevoked { key, owner: ended.owner })
        });
        Ok(job.await?)
    }

    /// Every key of the house, ended ones too; or those of the permit's account and of the service accounts
    /// that it answers for. The newest first.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn keys(&self, permit: Permit<ReadApiKeys>) -> Result<Vec<KeyView>, IdentityError> {
        let mut shown = Vec::new();
        for row in self.0.db.read(move |tx| rows::list(tx, &permit)).await? {
            shown.push(self.0.view_key(&row).await?);
        }
        Ok(shown)
    }

    /// Whose key this is, for whoever has to ask for leave to end it. It says nothing else about the key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owner_of_key(&self, key: ApiKeyId) -> Result<Option<UserId>, IdentityError> {
        let tenant = self.0.tenant;
        let found = self.0.db.read(move |tx| rows::by_id(tx, tenant, key)).await?;
        Ok(found.map(|found| found.owner))
    }
}

impl Inner {
    async fn file_key(
        &self,
        permit: Permit<MakeApiKey>,
        id: ApiKeyId,
        line: ApiKeyId,
        wish: KeyWish,
        replaces: Option<ApiKeyId>,
        via: &Via,
    ) -> Result<Secret<String>, IdentityError> {
        let (tenant, now) = (self.tenant, self.world.now());
        let (pen, maker) = (self.pen(permit.actor().clone(), via).await?, account(permit.resource())?);
        let Minted { tag, text, hash } = mint(&self.world);
        let KeyWish { owner, name, acts, scope, days, sources } = wish;
        let key = self.key().await?;
        let sources = if sources.is_empty() {
            None
        } else {
            let json = serde_json::to_vec(&sources).map_err(|_| IdentityError::Document("addresses"))?;
            Some(key.seal(&rows::sources_place(tenant, id), &json)?)
        };
        let row = ApiKey {
            tenant,
            id,
            owner,
            tag,
            line,
            acts,
            scope,
            key_gen: key.generation(),
            name: key.seal(&rows::name_place(tenant, id), &name)?,
            sources,
            made: now,
            made_by: permit.user(),
            expires: now.after(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
            used: None,
            revoked: None,
        };
        let job = self.db.write(move |tx| {
            if replaces.is_some() && rows::living(tx, tenant, line, now)? >= IN_LINE {
                return Err(
                    Refused::Keys("Two keys of this line live: the old one and its successor.").into()
                );
            }
            if rows::living_of(tx, tenant, owner, now)? >= AT_ONCE {
                return Err(Refused::Keys("The account has twenty keys that live.").into());
            }
            fit_to_own(tx, tenant, owner, maker, now)?;
            rows::make(tx, &permit, &row, hash).map_err(no_account)?;
            note(&pen, tx, &row, replaces)
        });
        job.await?;
        Ok(text)
    }

    async fn view_key(&self, row: &ApiKey) -> Result<KeyView, IdentityError> {
        let key = self.key_at(row.key_gen).await?;
        let name = key.open(&rows::name_place(row.tenant, row.id), &row.name)?;
        let sources = self.sources_of(row).await?;
        let ApiKey { id, owner, tag, line, acts, scope, made, made_by, expires, used, revoked, .. } =
            row.clone();
        Ok(KeyView {
            id,
            owner,
            tag,
            line,
            name,
            acts,
            scope,
            sources,
            made,
            made_by,
            expires,
            used,
            revoked,
        })
    }

    /// The addresses that a key may be shown from.
    pub(super) async fn sources_of(&self, row: &ApiKey) -> Result<Vec<IpNet>, IdentityError> {
        let Some(sealed) = &row.sources else { return Ok(Vec::new()) };
        let key = self.key_at(row.key_gen).await?;
        let json = key.open(&rows::sources_place(row.tenant, row.id), sealed)?;
        serde_json::from_slice(&json).map_err(|_| IdentityError::Document("addresses"))
    }
}

/// Whether a key may be made for this account now: it is active, and when nobody signs in to it, whoever
/// answers for it could hold its roles beside their own. Otherwise a key would be a way around the
/// separation of duties.
fn fit_to_own(
    tx: &mut Read<'_>,
    tenant: kernel::TenantId,
    owner: UserId,
    maker: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let user = users::find(tx, tenant, owner)?.ok_or(Refused::NoAccount)?;
    if user.state != UserState::Active {
        return Err(Refused::Unusable.into());
    }
    if let Some(service) = rows::service(tx, tenant, owner)? {
        // The operator makes keys on the account itself.
        if maker != owner && maker != service.answers {
            return Err(Refused::NoAccount.into());
        }
        let own = users::grants_of(tx, tenant, service.answers, now)?;
        for grant in users::grants_of(tx, tenant, owner, now)? {
            check_assignment(&own, &grant).map_err(Refused::from)?;
        }
    }
    Ok(())
}

fn no_account(error: StoreError) -> StoreError {
    match error {
        StoreError::Missing { .. } => Refused::NoAccount.into(),
        other => other,
    }
}

fn note(
    pen: &Pen,
    tx: &mut store::Tx<'_>,
    row: &ApiKey,
    replaces: Option<ApiKeyId>,
) -> Result<(), StoreError> {
    let (acts, scope) = (row.acts.len() as u64, Token::lossy(&row.scope.to_string()));
    pen.note(tx, &ApiKeyMade { key: row.id, owner: row.owner, acts, scope, expires: row.expires, replaces })
}
