//! Looking at what a directory has provisioned. What directories ask all day, one person by user name or
//! by their own id, an index answers; the rest is read through, page by page.

use federation::scim::{Filter, Kind, ListAsked, MAX_PAGE, Resource, ScimError};
use guard::Permit;
use guard::action::ReadDirectory;
use kernel::{DirectoryEntryId, Id};
use serde_json::Value;
use store::directory::{self, Directories, Entry};
use store::{RefusedRow, ToValue};

use super::roles::{external_blind, name_blind};
use super::{DirectoryError, Provisioned, stored};
use crate::{Identity, IdentityError, Inner};

/// Entries that are opened at once.
const AT_ONCE: u64 = 500;

/// What a row is shown with: a group's members, or the groups that a person is in.
#[derive(Debug)]
enum Beside {
    Members(Vec<DirectoryEntryId>),
    Groups(Vec<Entry>),
    Nothing,
}

impl Identity {
    /// One person or group.
    ///
    /// # Errors
    /// `404` when this directory has none such.
    pub async fn directory_entry(
        &self,
        permit: Permit<ReadDirectory>,
        (kind, entry): (Kind, DirectoryEntryId),
    ) -> Result<Provisioned, DirectoryError> {
        self.0.provisioned(&permit.into(), kind, entry).await
    }

    /// The people or groups (or both) that are asked for, as a list response; `base` is the address of the
    /// service.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn directory_list(
        &self,
        permit: Permit<ReadDirectory>,
        kinds: &[Kind],
        asked: &ListAsked,
        base: &str,
    ) -> Result<Value, DirectoryError> {
        let (inner, permit) = (&self.0, &Leave::new(permit));
        if let ([kind], None, None) = (kinds, &asked.filter, &asked.order) {
            let total = inner.count(permit, *kind).await?;
            let part = ((asked.start - 1) as u64, asked.count as u64);
            let (_, page) = inner.page(permit, *kind, part, beside(*kind, asked)).await?;
            return Ok(asked.list(page.iter().map(|one| one.shown(base)).collect(), total));
        }
        let mut found = Vec::new();
        for kind in kinds {
            inner.gather(permit, *kind, asked, base, &mut found).await?;
        }
        Ok(asked.page(found))
    }
}

/// Whether rows are read with what they are shown with.
fn beside(kind: Kind, asked: &ListAsked) -> bool {
    kind == Kind::User || asked.filter.is_some() || asked.shape.shows_members()
}

/// What becomes of a record that does not open: whoever asks for it is told so, a list goes on without it.
#[derive(Clone, Copy)]
enum Altered {
    Refused,
    PassedOver,
}

type Leave<A> = std::sync::Arc<Permit<A>>;

impl Inner {
    /// Gathers everything of a kind that matches.
    async fn gather(
        &self,
        permit: &Leave<ReadDirectory>,
        kind: Kind,
        asked: &ListAsked,
        base: &str,
        found: &mut Vec<Value>,
    ) -> Result<(), DirectoryError> {
        let beside = beside(kind, asked);
        let fits = |one: &Provisioned| asked.filter.as_ref().is_none_or(|filter| one.matches(filter, base));
        let mut take = |page: Vec<Provisioned>| {
            found.extend(page.iter().filter(|one| fits(one)).map(|one| one.shown(base)));
        };
        if let Some(filter) = &asked.filter
            && let Some(rows) = self.narrowed(permit, kind, filter).await?
        {
            take(self.opened_rows(permit, kind, rows, (beside, Altered::Refused)).await?);
            return Ok(());
        }
        let mut read = 0;
        while let Some((rows, page)) = self.next(permit, kind, read, beside).await? {
            read += rows;
            take(page);
        }
        Ok(())
    }

    /// An entry with what it says, members and all.
    pub(super) async fn loaded<A: Directories>(
        &self,
        permit: &Leave<A>,
        kind: Kind,
        id: DirectoryEntryId,
    ) -> Result<Option<(Entry, Resource)>, DirectoryError> {
        let leave = Leave::clone(permit);
        let row = self.db.read(move |tx| directory::find(tx, &leave, stored(kind), id)).await?;
        let Some(row) = row else { return Ok(None) };
        let found = self.opened_rows(permit, kind, vec![row.clone()], (true, Altered::Refused)).await?;
        Ok(found.into_iter().next().map(|one| (row, one.resource)))
    }

    /// The same as it is shown.
    pub(super) async fn provisioned<A: Directories>(
        &self,
        permit: &Leave<A>,
        kind: Kind,
        id: DirectoryEntryId,
    ) -> Result<Provisioned, DirectoryError> {
        let leave = Leave::clone(permit);
        let row = self.db.read(move |tx| directory::find(tx, &leave, stored(kind), id)).await?;
        let row = row.ok_or_else(ScimError::not_found)?;
        let found = self.opened_rows(permit, kind, vec![row], (true, Altered::Refused)).await?;
        Ok(found.into_iter().next().ok_or_else(ScimError::not_found)?)
    }

    async fn count<A: Directories>(&self, permit: &Leave<A>, kind: Kind) -> Result<usize, DirectoryError> {
        let leave = Leave::clone(permit);
        let count = self.db.read(move |tx| directory::count(tx, &leave, stored(kind))).await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A page, and how many rows it was made of: one that does not open is passed over.
    async fn page<A: Directories>(
        &self,
        permit: &Leave<A>,
        kind: Kind,
        (skip, limit): (u64, u64),
        beside: bool,
    ) -> Result<(u64, Vec<Provisioned>), DirectoryError> {
        let leave = Leave::clone(permit);
        let rows = self.db.read(move |tx| directory::page(tx, &leave, stored(kind), skip, limit)).await?;
        let read = rows.len() as u64;
        Ok((read, self.opened_rows(permit, kind, rows, (beside, Altered::PassedOver)).await?))
    }

    /// The next page after so many; `None` when there is none.
    async fn next<A: Directories>(
        &self,
        permit: &Leave<A>,
        kind: Kind,
        skip: u64,
        beside: bool,
    ) -> Result<Option<(u64, Vec<Provisioned>)>, DirectoryError> {
        let (read, page) = self.page(permit, kind, (skip, AT_ONCE), beside).await?;
        Ok((read > 0).then_some((read, page)))
    }

    /// The rows among which everything is that a filter can match, when an index tells; they may be more.
    async fn narrowed<A: Directories>(
        &self,
        permit: &Leave<A>,
        kind: Kind,
        filter: &Filter,
    ) -> Result<Option<Vec<Entry>>, DirectoryError> {
        let name = match kind {
            Kind::User => "userName",
            Kind::Group => "displayName",
        };
        let (index, leave, what) = (self.index().await?, Leave::clone(permit), stored(kind));
        for (attribute, text) in filter.equalities() {
            let rows = if attribute.eq_ignore_ascii_case("id") {
                let Ok(id) = text.parse::<DirectoryEntryId>() else { return Ok(Some(Vec::new())) };
                self.db.read(move |tx| Ok(directory::find(tx, &leave, what, id)?.into_iter().collect())).await
            } else if attribute.eq_ignore_ascii_case(name) {
                let blind = name_blind(&index, kind, text)?;
                self.db.read(move |tx| directory::named(tx, &leave, what, blind)).await
            } else if attribute.eq_ignore_ascii_case("externalId") {
                let blind = external_blind(&index, kind, text)?;
                self.db.read(move |tx| directory::external(tx, &leave, what, blind)).await
            } else {
                continue;
            };
            return Ok(Some(rows?));
        }
        Ok(None)
    }

    /// Opens rows, with what they are shown with.
    async fn opened_rows<A: Directories>(
        &self,
        permit: &Leave<A>,
        kind: Kind,
        rows: Vec<Entry>,
        (beside, altered): (bool, Altered),
    ) -> Result<Vec<Provisioned>, DirectoryError> {
        let leave = Leave::clone(permit);
        let ids: Vec<DirectoryEntryId> = rows.iter().map(|row| row.id).collect();
        let read = self.db.read(move |tx| {
            let mut all = Vec::with_capacity(ids.len());
            for id in &ids {
                all.push(match kind {
                    _ if !beside => Beside::Nothing,
                    Kind::Group => Beside::Members(directory::members(tx, &leave, *id)?),
                    Kind::User => Beside::Groups(directory::groups_of(tx, &leave, *id)?),
                });
            }
            Ok(all)
        });
        let mut found = Vec::with_capacity(rows.len());
        for (row, beside) in rows.into_iter().zip(read.await?) {
            let mut resource = match (self.opened_record(kind, &row).await, altered) {
                (Ok(resource), _) => resource,
                (Err(error), Altered::PassedOver) if self.is_altered(&row, &error) => continue,
                (Err(error), _) => return Err(error),
            };
            let mut groups = Vec::new();
            match beside {
                Beside::Members(ids) => {
                    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                    resource.put_members(ids.iter().map(String::as_str));
                }
                Beside::Groups(rows) => {
                    for row in rows {
                        // The name of a group is told beside; it must not keep anybody from being disabled.
                        let name = match self.opened_record(Kind::Group, &row).await {
                            Ok(group) => group.display_name().unwrap_or_default(),
                            Err(error) if self.is_altered(&row, &error) => Default::default(),
                            Err(error) => return Err(error),
                        };
                        groups.push((row.id.to_string(), name));
                    }
                }
                Beside::Nothing => {}
            }
            let Entry { id, version, created, changed, .. } = row;
            found.push(Provisioned { id, version, created, changed, resource, groups });
        }
        Ok(found)
    }

    /// Whether a record alone is not as it was written, which is noted; else the keys or the store fail.
    fn is_altered(&self, row: &Entry, error: &DirectoryError) -> bool {
        use vault::VaultError as V;
        let reason = match error {
            DirectoryError::Identity(IdentityError::Vault(V::Refused | V::Content { .. })) => "tag",
            DirectoryError::Identity(IdentityError::Vault(V::Truncated { .. } | V::Length { .. })) => {
                "length"
            }
            _ => return false,
        };
        let row = row.id.to_bytes().as_slice().to_value().told();
        self.db.note_refused(RefusedRow { table: "directory_entries", row, reason });
        true
    }

    async fn opened_record(&self, kind: Kind, row: &Entry) -> Result<Resource, DirectoryError> {
        let (sealed, generation) = &row.record;
        let key = self.key_at(*generation).await?;
        let bytes = key.open(&directory::record_place(self.tenant, row.id), sealed)?;
        let read = Resource::of_stored(kind, &bytes);
        Ok(read.map_err(|_| IdentityError::Document("directory's record"))?)
    }
}

const _: () = assert!(MAX_PAGE as u64 <= AT_ONCE);
