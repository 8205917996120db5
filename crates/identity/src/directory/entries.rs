//! Making, changing and deleting what a directory describes. Each is one transaction; what it needs to be
//! sealed is sealed before, from what was read, and when somebody has written meanwhile it begins again.

use std::collections::BTreeSet;
use std::sync::Arc;

use federation::scim::{Kind, Patch, Resource, ScimError, ScimType, apply};
use guard::Permit;
use guard::action::ProvisionDirectory;
use kernel::{DirectoryEntryId, Timestamp, UserId};
use ledger::catalogue::{DirectoryGroup, DirectoryPerson, DirectoryRefused};
use store::directory::{self, Entry};
use store::{StoreError, Tx, Via, connections};

use super::accounts::{self, Account};
use super::roles::{external_blind, name_blind};
use super::{DirectoryError, Meaning, Provisioned, stored};
use crate::pen::Pen;
use crate::{Identity, IdentityError, Inner, Refused};

/// How often a change begins again because somebody else wrote in between. Directories send several
/// changes of one group at once.
const TRIES: usize = 8;

/// What a change makes of an entry.
#[derive(Debug)]
enum Change {
    /// It is to be as this, and was not there.
    Make(Resource),
    /// It is to be as this.
    Replace(DirectoryEntryId, Resource),
    /// It is to be as it was, patched.
    Patch(DirectoryEntryId, Patch),
    /// It is to be gone.
    Delete(DirectoryEntryId),
}

impl Change {
    const fn entry(&self) -> Option<DirectoryEntryId> {
        match self {
            Self::Make(_) => None,
            Self::Replace(id, _) | Self::Patch(id, _) | Self::Delete(id) => Some(*id),
        }
    }
}

impl Identity {
    /// Makes a person or a group.
    ///
    /// # Errors
    /// `409 uniqueness` when there is a person of this user name; as for [`Identity::directory_replace`].
    pub async fn directory_create(
        &self,
        permit: Permit<ProvisionDirectory>,
        resource: Resource,
        via: &Via,
    ) -> Result<Provisioned, DirectoryError> {
        let kind = resource.kind();
        let made = self.0.provision(permit, kind, &Change::Make(resource), None, via).await?;
        Ok(made.ok_or_else(ScimError::not_found)?)
    }

    /// Makes a person or a group be what this says, and nothing else. With `version`, only if it is at that
    /// version.
    ///
    /// # Errors
    /// `404` when there is none, `409 uniqueness` when another person has the user name, `412` at another
    /// version. [`Refused::LastOwner`] and [`Refused::NobodyLeft`] when a person cannot be taken out.
    pub async fn directory_replace(
        &self,
        permit: Permit<ProvisionDirectory>,
        entry: DirectoryEntryId,
        resource: Resource,
        version: Option<u64>,
        via: &Via,
    ) -> Result<Provisioned, DirectoryError> {
        let kind = resource.kind();
        let done = self.0.provision(permit, kind, &Change::Replace(entry, resource), version, via).await?;
        Ok(done.ok_or_else(ScimError::not_found)?)
    }

    /// Changes a person or a group, all of the patch or nothing.
    ///
    /// # Errors
    /// As for [`Identity::directory_replace`], and when the patch cannot be applied.
    pub async fn directory_patch(
        &self,
        permit: Permit<ProvisionDirectory>,
        (kind, entry): (Kind, DirectoryEntryId),
        patch: Patch,
        version: Option<u64>,
        via: &Via,
    ) -> Result<Provisioned, DirectoryError> {
        let done = self.0.provision(permit, kind, &Change::Patch(entry, patch), version, via).await?;
        Ok(done.ok_or_else(ScimError::not_found)?)
    }

    /// Deletes a person or a group. A person's account is disabled and keeps its history; the same person
    /// made again gets it back.
    ///
    /// # Errors
    /// As for [`Identity::directory_replace`].
    pub async fn directory_delete(
        &self,
        permit: Permit<ProvisionDirectory>,
        (kind, entry): (Kind, DirectoryEntryId),
        version: Option<u64>,
        via: &Via,
    ) -> Result<(), DirectoryError> {
        self.0.provision(permit, kind, &Change::Delete(entry), version, via).await.map(drop)
    }
}

impl Inner {
    /// Does a change, and gives what is there after it.
    async fn provision(
        &self,
        permit: Permit<ProvisionDirectory>,
        kind: Kind,
        change: &Change,
        version: Option<u64>,
        via: &Via,
    ) -> Result<Option<Provisioned>, DirectoryError> {
        let permit = Arc::new(permit);
        let mut tries = 0;
        loop {
            let planned = self.plan(&permit, kind, change, version, via).await?;
            let Some(plan) = planned else {
                // It is what it was asked to be: nothing is written.
                let id = change.entry().ok_or_else(ScimError::not_found)?;
                return Ok(Some(self.provisioned(&permit, kind, id).await?));
            };
            let id = plan.entry.as_ref().map(|entry| entry.id);
            let account = plan.account.user();
            let done = self.db.write(move |tx| plan.run(tx)).await;
            match done {
                Ok(()) => {
                    self.tell();
                    return match id {
                        Some(id) => Ok(Some(self.provisioned(&permit, kind, id).await?)),
                        None => Ok(None),
                    };
                }
                Err(StoreError::Conflict { .. } | StoreError::Missing { .. }) if tries < TRIES => tries += 1,
                Err(StoreError::Conflict { .. }) => return Err(StoreError::Contended.into()),
                Err(error) => return Err(self.refused_change(&permit, account, error, via).await?),
            }
        }
    }

    /// What a change that was not done fails with. That somebody could not be taken out is written down:
    /// whoever left may still sign in.
    async fn refused_change(
        &self,
        permit: &Permit<ProvisionDirectory>,
        user: Option<UserId>,
        error: StoreError,
        via: &Via,
    ) -> Result<DirectoryError, DirectoryError> {
        let reason = match error.refusal::<Refused>() {
            Some(Refused::LastOwner) => Some("last-owner"),
            Some(Refused::NobodyLeft) => Some("nobody-left"),
            _ => None,
        };
        if let (Some(reason), Some(connection)) = (reason, permit.actor().directory()) {
            let pen = self.pen(permit.actor().clone(), via).await?;
            self.db.write(move |tx| pen.note(tx, &DirectoryRefused { connection, user, reason })).await?;
        }
        Ok(error.into())
    }

    /// What is to be written; `None` when nothing is.
    async fn plan(
        &self,
        permit: &Arc<Permit<ProvisionDirectory>>,
        kind: Kind,
        change: &Change,
        version: Option<u64>,
        via: &Via,
    ) -> Result<Option<Plan>, DirectoryError> {
        let connection = permit.actor().directory().ok_or_else(ScimError::not_found)?;
        let before = match change.entry() {
            None => None,
            Some(id) => Some(self.loaded(permit, kind, id).await?.ok_or_else(ScimError::not_found)?),
        };
        if let (Some(wanted), Some((entry, _))) = (version, &before)
            && entry.version != wanted
        {
            return Err(ScimError::stale().into());
        }
        let after = match (change, &before) {
            (Change::Delete(_), _) => None,
            (Change::Make(resource) | Change::Replace(_, resource), _) => {
                Some(resource.clone().said_in_full())
            }
            (Change::Patch(_, patch), Some((_, was))) => Some(apply(was, patch)?),
            (Change::Patch(..), None) => return Err(ScimError::not_found().into()),
        };
        if let (Some(after), Some((_, was))) = (&after, &before)
            && after == was
        {
            return Ok(None);
        }
        let now = self.world.now();
        let (was, resource) = before.unzip();
        let has = was.as_ref().and_then(|entry| entry.account);
        let (entry, account, members) = match after {
            None => (None, has.map_or(Account::None, |user| Account::There(user, None)), BTreeSet::new()),
            Some(mut after) => {
                let account = match kind {
                    Kind::User => self.account_of_person(connection, has, &after).await?,
                    Kind::Group => Account::None,
                };
                let members = ids(&after.take_members());
                let entry = self.sealed(&after, was.as_ref(), account.user(), now).await?;
                (Some(entry), account, members)
            }
        };
        let had = match (kind, resource) {
            (Kind::Group, Some(mut resource)) => ids(&resource.take_members()),
            _ => BTreeSet::new(),
        };
        let opened = self.opened(connection).await?;
        Ok(Some(Plan {
            permit: Arc::clone(permit),
            pen: self.pen(permit.actor().clone(), via).await?,
            meaning: self.meaning(&opened.row, &opened.settings, opened.row.changed_by).await?,
            connection: (connection, opened.row.version),
            kind,
            was,
            entry,
            account,
            had,
            members,
            now,
        }))
    }

    /// The row of a resource.
    async fn sealed(
        &self,
        resource: &Resource,
        was: Option<&Entry>,
        account: Option<UserId>,
        now: Timestamp,
    ) -> Result<Entry, IdentityError> {
        let (index, key, kind) = (self.index().await?, self.key().await?, resource.kind());
        let id = was.map_or_else(|| self.world.id(), |entry| entry.id);
        let name = resource.name().unwrap_or_default();
        let external = resource.external_id().filter(|id| !id.is_empty());
        let place = directory::record_place(self.tenant, id);
        Ok(Entry {
            id,
            kind: stored(kind),
            name_blind: name_blind(&index, kind, name)?,
            external_blind: external.map(|id| external_blind(&index, kind, id)).transpose()?,
            account,
            active: resource.active(),
            record: (key.seal(&place, &resource.to_stored())?, key.generation()),
            version: was.map_or(1, |entry| entry.version),
            created: was.map_or(now, |entry| entry.created),
            changed: now,
        })
    }
}

/// The ids among these texts. What is none names nobody here.
fn ids(texts: &[String]) -> BTreeSet<DirectoryEntryId> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// What is done in the transaction.
struct Plan {
    permit: Arc<Permit<ProvisionDirectory>>,
    pen: Pen,
    meaning: Meaning,
    /// The connection at the version that the meaning was made from.
    connection: (kernel::ConnectionId, u64),
    kind: Kind,
    was: Option<Entry>,
    /// The entry as it will be; `None` when it will be gone.
    entry: Option<Entry>,
    account: Account,
    /// A group's members as they were, and as they will be.
    had: BTreeSet<DirectoryEntryId>,
    members: BTreeSet<DirectoryEntryId>,
    now: Timestamp,
}

impl Plan {
    fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (connection, version) = self.connection;
        let row = connections::find(tx, self.permit.tenant(), connection)?;
        if row.is_none_or(|row| row.version != version) {
            return Err(StoreError::Conflict { what: "connection" });
        }
        match (self.kind, &self.entry, &self.was) {
            (Kind::User, Some(entry), _) => self.person(tx, entry),
            (Kind::User, None, Some(was)) => self.person_gone(tx, was),
            (Kind::Group, Some(entry), _) => self.group(tx, entry),
            (Kind::Group, None, Some(was)) => self.group_gone(tx, was),
            (_, None, None) => Ok(()),
        }
    }

    fn person(&self, tx: &mut Tx<'_>, entry: &Entry) -> Result<(), StoreError> {
        let same_name = directory::named(tx, &self.permit, entry.kind, entry.name_blind)?;
        if same_name.iter().any(|other| other.id != entry.id) {
            let detail = "there is a person of this `userName`";
            return Err(StoreError::refuse(ScimError::bad(ScimType::Uniqueness, detail)));
        }
        accounts::make(tx, &self.pen, &self.account)?;
        self.write(tx, entry)?;
        self.note_person(tx, entry.id, self.account.user(), self.what())?;
        let pair = (entry, &self.account);
        accounts::follow(tx, &self.pen, &self.permit, &self.meaning, pair, self.now)
    }

    fn person_gone(&self, tx: &mut Tx<'_>, was: &Entry) -> Result<(), StoreError> {
        if let Some(user) = was.account {
            accounts::disable(tx, &self.pen, &self.permit, user, self.now)?;
            self.meaning.withdraw(tx, &self.pen, user, self.now)?;
        }
        directory::remove(tx, &self.permit, was.id, was.version)?;
        self.note_person(tx, was.id, was.account, "deleted")
    }

    fn note_person(
        &self,
        tx: &mut Tx<'_>,
        entry: DirectoryEntryId,
        user: Option<UserId>,
        what: &'static str,
    ) -> Result<(), StoreError> {
        self.pen.note(tx, &DirectoryPerson { connection: self.connection.0, entry, user, what })
    }

    fn group(&self, tx: &mut Tx<'_>, entry: &Entry) -> Result<(), StoreError> {
        self.write(tx, entry)?;
        let (mut added, mut removed) = (0, 0);
        let mut touched = Vec::new();
        for member in self.members.difference(&self.had) {
            if directory::put_member(tx, &self.permit, entry.id, *member)? {
                added += 1;
                touched.push(*member);
            }
        }
        for member in self.had.difference(&self.members) {
            if directory::drop_member(tx, &self.permit, entry.id, *member)? {
                removed += 1;
                touched.push(*member);
            }
        }
        // Under another name it may bring other roles, to everybody in it.
        let named = |entry: &Entry| (entry.name_blind, entry.external_blind);
        if self.was.as_ref().is_some_and(|was| named(was) != named(entry)) {
            touched.extend(self.members.intersection(&self.had));
        }
        let what = self.what();
        let connection = self.connection.0;
        self.pen.note(tx, &DirectoryGroup { connection, entry: entry.id, what, added, removed })?;
        self.apply(tx, touched)
    }

    fn group_gone(&self, tx: &mut Tx<'_>, was: &Entry) -> Result<(), StoreError> {
        directory::remove(tx, &self.permit, was.id, was.version)?;
        let (connection, removed) = (self.connection.0, self.had.len() as u64);
        let event = DirectoryGroup { connection, entry: was.id, what: "deleted", added: 0, removed };
        self.pen.note(tx, &event)?;
        self.apply(tx, self.had.iter().copied())
    }

    /// Makes the roles of these people be what their groups bring now.
    fn apply(
        &self,
        tx: &mut Tx<'_>,
        people: impl IntoIterator<Item = DirectoryEntryId>,
    ) -> Result<(), StoreError> {
        for person in people {
            let row = directory::find(tx, &self.permit, stored(Kind::User), person)?;
            if let Some(user) = row.and_then(|row| row.account) {
                self.meaning.apply(tx, &self.pen, (person, user), self.now)?;
            }
        }
        Ok(())
    }

    fn write(&self, tx: &mut Tx<'_>, entry: &Entry) -> Result<(), StoreError> {
        match self.was {
            None => directory::create(tx, &self.permit, entry),
            Some(_) => directory::update(tx, &self.permit, entry),
        }
    }

    const fn what(&self) -> &'static str {
        if self.was.is_none() { "made" } else { "changed" }
    }
}
