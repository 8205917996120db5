//! Checking a database, record by record: every key unwraps, every sealed record opens in its place,
//! every bound row is as this program left it, every conversation's chain holds, the audit log is the one
//! that was signed, and every message that the log speaks of is there.
//!
//! It goes on after a fault, so that a report names all that is broken and not the first only. Memory
//! is bounded: pages of rows, and the keyring's own bound of keys.
//!
//! The database may be in use meanwhile. Each conversation, and the log, are looked at in one state each;
//! what is seen of other rows may be a moment apart from the keys that open them, so whoever checks a
//! database at work and finds something looks twice ([`Report::both`]).

use std::collections::HashSet;
use std::sync::Arc;

use guard::Permit;
use kernel::{ConversationId, SubjectId, TenantId};
use ledger::VerifierKey;
use ledger::verify::VerifyReport;
use store::audit::Walks;
use store::dump::{self, Dumps, Table};
use store::messages::{self, Message};
use store::{Db, Keychain, StoreError, Value, bots, bound, conversations, keys};
use vault::{DataKey, Purpose, Sealed, VaultError};

use crate::records::{CHAINED, KeyOf, View, home};
use crate::{BackupError, Progress};

/// Rows that are read at once.
pub(crate) const PAGE: u32 = 200;
/// Faults that a report names one by one.
const NAMED: usize = 100;

/// A row that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The table.
    pub table: String,
    /// The row, by its key.
    pub row: String,
    /// What is wrong with it. No content.
    pub what: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.table, self.row, self.what)
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Rows of every table.
    pub rows: u64,
    /// Sealed records that opened.
    pub records: u64,
    /// Sealed records of people who were erased: nobody can open them any more, as it should be.
    pub erased: u64,
    /// Keys that unwrapped.
    pub keys: u64,
    /// Conversations whose chain was walked.
    pub conversations: u64,
    /// Messages in them.
    pub messages: u64,
    /// The audit log of each tenant.
    pub logs: Vec<(TenantId, VerifyReport)>,
    /// What does not hold, the first hundred.
    pub faults: Vec<Fault>,
    /// How many faults there are in all.
    pub count: u64,
}

impl Report {
    /// Whether everything holds.
    pub fn is_sound(&self) -> bool {
        self.count == 0
    }

    /// The report, unless something does not hold.
    ///
    /// # Errors
    /// [`BackupError::Unsound`] with the first fault.
    pub fn sound(self) -> Result<Self, BackupError> {
        match self.faults.first() {
            None => Ok(self),
            Some(first) => Err(BackupError::Unsound { count: self.count, first: first.to_string() }),
        }
    }

    /// What this report and a second one of the same database both found: not what was under way while
    /// one of them was made.
    #[must_use]
    pub fn both(mut self, second: &Self) -> Self {
        self.faults.retain(|fault| second.faults.contains(fault));
        let unnamed = self.count.min(second.count).saturating_sub(NAMED as u64);
        self.count = self.faults.len() as u64 + unnamed;
        self
    }

    pub(crate) fn fault(&mut self, table: &str, row: impl Into<String>, what: impl Into<String>) {
        self.count += 1;
        if self.faults.len() < NAMED {
            self.faults.push(Fault { table: table.to_owned(), row: row.into(), what: what.into() });
        }
    }
}

/// Checks every row of a database. `known` are the log keys that the log must be signed with; the log's
/// own, from the sealed seed, is always asked for.
///
/// # Errors
/// When the database or the key provider cannot be reached. What does not hold is in the report.
pub async fn check<A: Dumps + Walks>(
    db: &Db,
    keychain: &Keychain,
    permits: &Arc<Vec<Permit<A>>>,
    known: &[VerifierKey],
    progress: &Progress,
) -> Result<Report, BackupError> {
    let inside = Arc::clone(permits);
    db.read(move |tx| dump::covers(tx, &inside)).await?;
    let (report, erased, binding) = (Report::default(), HashSet::new(), HashSet::new());
    let mut checker = Checker { db, keychain, permits, progress, report, erased, binding };
    for at in 0..permits.len() {
        checker.tenant(at, known).await?;
    }
    Ok(checker.report)
}

pub(crate) struct Checker<'a, A: Dumps + Walks> {
    pub(crate) db: &'a Db,
    pub(crate) keychain: &'a Keychain,
    pub(crate) permits: &'a Arc<Vec<Permit<A>>>,
    progress: &'a Progress,
    pub(crate) report: Report,
    erased: HashSet<(TenantId, SubjectId)>,
    /// The tenants that have a key which binds their rows; one whose database was made before there was
    /// such a key has none until the program has opened it.
    binding: HashSet<TenantId>,
}

/// What came of asking for a key.
enum Found {
    Key(Arc<DataKey>),
    Erased,
    Not(String),
}

impl<A: Dumps + Walks> Checker<'_, A> {
    async fn tenant(&mut self, at: usize, known: &[VerifierKey]) -> Result<(), BackupError> {
        let tenant = self.permit(at)?.tenant();
        let erased = self.db.read(move |tx| keys::erasures(tx, tenant)).await?;
        self.erased.extend(erased.into_iter().map(|(subject, _)| (tenant, subject)));
        let house = keys::house_of(tenant);
        let rows = self.db.read(move |tx| keys::next_generation(tx, tenant, Purpose::Rows, house)).await?;
        if rows > 1 {
            self.binding.insert(tenant);
        }
        if at == 0 {
            self.left_out().await?;
            // Tables are walked once, whosever rows they are.
            for table in dump::tables(dump::schema()) {
                self.table(table).await?;
            }
        }
        self.log(at, known).await
    }

    pub(crate) fn permit(&self, at: usize) -> Result<&Permit<A>, BackupError> {
        Ok(self.permits.get(at).ok_or(StoreError::Missing { what: "leave for every tenant" })?)
    }

    fn permit_of(&self, tenant: TenantId) -> Option<usize> {
        self.permits.iter().position(|permit| permit.tenant() == tenant)
    }

    /// Walks one table.
    async fn table(&mut self, table: &'static Table) -> Result<(), BackupError> {
        let mut after: Option<Vec<Value<'static>>> = None;
        loop {
            let (inside, from) = (Arc::clone(self.permits), after.clone());
            let page = self.db.read(move |tx| table.page(tx, &inside, from.as_deref(), PAGE)).await;
            let page = match page {
                Ok(page) => page,
                // A column of another kind than it should be, or a page that is damaged.
                Err(error @ (StoreError::Column(_) | StoreError::Malformed { .. } | StoreError::Corrupt)) => {
                    self.report.fault(table.name(), "a row", error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            let count = page.len();
            for row in page {
                let values = row.into_values();
                self.row(View { table, values: &values }).await?;
                after = Some(values);
            }
            self.report.rows += count as u64;
            self.progress.add(count as u64);
            if count < PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn row(&mut self, view: View<'_>) -> Result<(), BackupError> {
        match view.table.name() {
            CHAINED => return Ok(()),
            "tenant_keys" | "subject_keys" | "data_keys" => return self.key(view).await,
            "conversations" => self.conversation(view).await?,
            "ledger_leaves" => self.leaf(view),
            _ => {}
        }
        if bound::is_bound(view.table.name()) && view.raw("bound").is_some() {
            self.bound(view).await?;
        }
        for column in view.table.columns().iter().filter(|column| column.class == "sealed") {
            match view.raw(&column.name) {
                None | Some(Value::Null) => continue,
                Some(Value::Blob(bytes)) => {
                    let place = format!("{}.{}", view.table.name(), column.name);
                    match home(&view, &column.name) {
                        None => self.report.fault(&place, view.name(), "no rule says how it is opened"),
                        Some(Err(error)) => self.report.fault(&place, view.name(), error.to_string()),
                        Some(Ok((at, key))) => self.record(view, &place, at, key, bytes).await?,
                    }
                }
                Some(_) => {
                    self.report.fault(view.table.name(), view.name(), "a sealed column holds no bytes")
                }
            }
        }
        Ok(())
    }

    /// One bound row: its MAC is true.
    async fn bound(&mut self, view: View<'_>) -> Result<(), BackupError> {
        let Some(tenant) = view.get::<TenantId>("tenant") else {
            self.report.fault(view.table.name(), view.name(), "it is nobody's");
            return Ok(());
        };
        if !self.binding.contains(&tenant) && matches!(view.raw("bound"), Some(Value::Null)) {
            return Ok(());
        }
        let (table, values) = (view.table, view.values.to_vec());
        let checked = self.db.read(move |tx| {
            let columns = table.columns().iter().map(|column| column.name.as_str()).zip(&values);
            bound::check(tx, table.name(), tenant, columns)
        });
        if let Err(error) = checked.await {
            let what = said(error)?;
            self.report.fault(view.table.name(), view.name(), what);
        }
        Ok(())
    }

    /// Bound rows that no dump carries: sessions and the like.
    async fn left_out(&mut self) -> Result<(), BackupError> {
        let inside = Arc::clone(self.permits);
        let broken = self.db.read(move |tx| bound::check_left_out(tx, &inside));
        for error in broken.await? {
            let (table, row) = match &error {
                StoreError::Tampered { table, row } => (*table, row.clone()),
                _ => ("sessions", "a row".to_owned()),
            };
            let what = said(error)?;
            self.report.fault(table, row, what);
        }
        Ok(())
    }

    /// One key: it unwraps, and is the one committed to.
    async fn key(&mut self, view: View<'_>) -> Result<(), BackupError> {
        let Some(tenant) = view.get::<TenantId>("tenant") else {
            self.report.fault(view.table.name(), view.name(), "it is nobody's");
            return Ok(());
        };
        let keyring = self.keychain.keyring_shared();
        let (version, subject) = (view.get::<u32>("version"), view.get::<SubjectId>("subject"));
        let (purpose, owner) = (view.get::<u16>("purpose"), view.get::<[u8; 16]>("owner"));
        let generation = view.get::<u32>("generation");
        // A key that was destroyed is gone, and one that was disabled opens for nobody, as it should be.
        let state = view.get::<String>("state");
        if view.table.name() == "tenant_keys" && matches!(state.as_deref(), Some("destroyed" | "disabled")) {
            return Ok(());
        }
        let table = view.table.name();
        let missing = || StoreError::Missing { what: "key" };
        let checked = self.db.read(move |tx| match table {
            "tenant_keys" => {
                let row = keys::tenant_key(tx, tenant, version.ok_or_else(missing)?)?.ok_or_else(missing)?;
                keyring.check_tenant_key(&row).map_err(StoreError::refuse)
            }
            "subject_keys" => {
                let row = keys::subject_key(tx, tenant, subject.ok_or_else(missing)?)?.ok_or_else(missing)?;
                let above = keys::tenant_key(tx, tenant, row.wrapped_by)?.ok_or_else(missing)?;
                keyring.check_subject_key(&above, &row).map_err(StoreError::refuse)
            }
            _ => {
                let purpose = Purpose::from_code(purpose.ok_or_else(missing)?).ok_or_else(missing)?;
                let (owner, generation) = (owner.ok_or_else(missing)?, generation.ok_or_else(missing)?);
                let chain = keys::of_generation(tx, tenant, purpose, owner, generation)?;
                keyring.data_key(&chain.ok_or_else(missing)?.link()).map(drop).map_err(StoreError::refuse)
            }
        });
        match checked.await {
            Ok(()) => self.report.keys += 1,
            Err(error) => self.report.fault(table, view.name(), said(error)?),
        }
        Ok(())
    }

    /// One conversation: its key is its person's, its chain holds to its head, its messages open.
    async fn conversation(&mut self, view: View<'_>) -> Result<(), BackupError> {
        let ids = (|| Some((view.get::<TenantId>("tenant")?, view.get::<ConversationId>("id")?)))();
        let (Some((tenant, id)), Some(subject)) = (ids, view.get::<SubjectId>("subject")) else {
            self.report.fault("conversations", view.name(), "it names no tenant, itself or person");
            return Ok(());
        };
        let Some(at) = self.permit_of(tenant) else {
            self.report.fault("conversations", view.name(), "its tenant is not one of these");
            return Ok(());
        };
        let owner = kernel::Id::to_bytes(id);
        let key = self.db.read(move |tx| keys::newest(tx, tenant, Purpose::Conversation, owner)).await;
        match key {
            Ok(Some(chain)) if chain.data.wrapped_by.subject() != Some(subject) => {
                self.report.fault("conversations", view.name(), "its key is another person's");
            }
            Ok(_) | Err(StoreError::Missing { .. }) => {}
            Err(error) => {
                let what = said(error)?;
                self.report.fault("conversations", view.name(), what);
            }
        }
        self.report.conversations += 1;
        let (mut seq, mut head) = (0, conversations::first_head(tenant, id));
        let end = loop {
            let inside = Arc::clone(self.permits);
            // The end is read with the last page, in one state of the database.
            let page = self.db.read(move |tx| {
                let permit = inside.get(at).ok_or(StoreError::Missing { what: "leave" })?;
                let end = conversations::facts(tx, tenant, id)?.map(|row| (row.last_seq, row.head));
                Ok((messages::walk(tx, permit, id, seq, PAGE)?, end))
            });
            let (page, end) = match page.await {
                Ok(found) => found,
                Err(error) => {
                    let what = said(error)?;
                    self.report.fault(CHAINED, format!("{id}/after {seq}"), what);
                    return Ok(());
                }
            };
            let count = page.len();
            for message in page {
                self.message(subject, &message, seq, &head).await?;
                (seq, head) = (message.seq, message.row_hash);
            }
            if count < PAGE as usize {
                break end;
            }
        };
        if end != Some((seq, head)) {
            self.report.fault("conversations", view.name(), "its messages do not end where it says");
        }
        Ok(())
    }

    async fn message(
        &mut self,
        subject: SubjectId,
        message: &Message,
        last: u64,
        head: &[u8; 32],
    ) -> Result<(), BackupError> {
        self.report.messages += 1;
        let name = format!("{}/{}", message.conversation, message.seq);
        if message.seq != last + 1 {
            let what =
                format!("messages {} to {} before it are missing", last + 1, message.seq.saturating_sub(1));
            self.report.fault(CHAINED, &name, what);
        } else if !message.follows(head) {
            self.report.fault(CHAINED, &name, "it was changed, or does not follow the one before it");
        }
        let key = KeyOf::Conversation(message.conversation, message.key_gen);
        match self.find(message.tenant, key, Some(subject)).await? {
            Found::Key(key) => {
                self.opened(
                    &format!("{CHAINED}.record"),
                    &name,
                    key.open(&message.place(), &message.record),
                )?;
                if let Some(citations) = &message.citations {
                    let opened = key.open(&message.citations_place(), citations);
                    self.opened(&format!("{CHAINED}.citations"), &name, opened)?;
                }
            }
            Found::Erased => self.report.erased += 1,
            Found::Not(what) => self.report.fault(CHAINED, &name, what),
        }
        Ok(())
    }

    /// One sealed record of any other table.
    async fn record(
        &mut self,
        view: View<'_>,
        table: &str,
        place: vault::Place,
        key: KeyOf,
        bytes: &[u8],
    ) -> Result<(), BackupError> {
        let sealed = match Sealed::<Vec<u8>>::parse(bytes.to_vec()) {
            Ok(sealed) => sealed,
            Err(error) => {
                self.report.fault(table, view.name(), error.to_string());
                return Ok(());
            }
        };
        // Of several purposes one is right; the last refusal is told when none is.
        let mut last = None;
        for key in alternatives(key) {
            match self.find(place.tenant(), key, None).await? {
                Found::Key(key) => match key.open(&place, &sealed) {
                    Ok(_) => {
                        self.report.records += 1;
                        return Ok(());
                    }
                    Err(error) => last = Some(error.to_string()),
                },
                Found::Erased => {
                    self.report.erased += 1;
                    return Ok(());
                }
                Found::Not(what) => last = last.or(Some(what)),
            }
        }
        self.report.fault(table, view.name(), last.unwrap_or_default());
        Ok(())
    }

    fn opened<T>(
        &mut self,
        table: &str,
        row: &str,
        opened: Result<T, VaultError>,
    ) -> Result<(), BackupError> {
        match opened {
            Ok(_) => self.report.records += 1,
            Err(error) => self.report.fault(table, row, error.to_string()),
        }
        Ok(())
    }

    async fn find(
        &mut self,
        tenant: TenantId,
        key: KeyOf,
        subject: Option<SubjectId>,
    ) -> Result<Found, BackupError> {
        let found = match key {
            KeyOf::Conversation(conversation, generation) => {
                let subject = match subject {
                    Some(subject) => subject,
                    None => {
                        let row =
                            self.db.read(move |tx| conversations::facts(tx, tenant, conversation)).await;
                        match row {
                            Ok(Some(row)) => row.subject,
                            Ok(None) => return Ok(Found::Not("its conversation is missing".to_owned())),
                            Err(error) => return Ok(Found::Not(said(error)?)),
                        }
                    }
                };
                if self.erased.contains(&(tenant, subject)) {
                    return Ok(Found::Erased);
                }
                self.keychain.conversation_key_at(tenant, subject, conversation, generation).await
            }
            KeyOf::Tenant(purposes, generation) => {
                let purpose = purposes.first().copied().unwrap_or(Purpose::Settings);
                self.keychain.tenant_data_key_at(tenant, purpose, generation).await
            }
            KeyOf::Release(release) => {
                let (inside, at) = (Arc::clone(self.permits), self.permit_of(tenant));
                let generation = self.db.read(move |tx| {
                    let permit = at.and_then(|at| inside.get(at));
                    bots::generation_of(tx, permit.ok_or(StoreError::Missing { what: "leave" })?, release)
                });
                match generation.await {
                    Ok(generation) => {
                        self.keychain.tenant_data_key_at(tenant, Purpose::Bots, generation).await
                    }
                    Err(error) => Err(error),
                }
            }
        };
        match found {
            Ok(key) => Ok(Found::Key(key)),
            Err(error) => Ok(Found::Not(said(error)?)),
        }
    }
}

/// One key after the other, of those that may have sealed a record.
fn alternatives(key: KeyOf) -> Vec<KeyOf> {
    match key {
        KeyOf::Tenant(purposes, generation) => {
            purposes.chunks(1).map(|purpose| KeyOf::Tenant(purpose, generation)).collect()
        }
        other => vec![other],
    }
}

/// What a fault of the data says; an error of the moment is passed on.
pub(crate) fn said(error: StoreError) -> Result<String, BackupError> {
    if let Some(refused) = error.refusal::<VaultError>() {
        return match refused {
            VaultError::Provider(vault::ProviderError::Unavailable { .. }) => Err(error.into()),
            refused => Ok(refused.to_string()),
        };
    }
    match error {
        StoreError::Column(column) => Ok(column.to_string()),
        StoreError::Missing { .. }
        | StoreError::Malformed { .. }
        | StoreError::Corrupt
        | StoreError::KeyClosed { .. }
        | StoreError::Tampered { .. } => Ok(error.to_string()),
        other => Err(other.into()),
    }
}
