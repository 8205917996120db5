//! What a job holds: an open transaction. Statements are `&'static str`, so no text that a person
//! sent can ever become a part of one.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use kernel::TenantId;
use vault::DataKey;

use crate::engine::Engine;
use crate::refusals::{Checks, RefusedRow};
use crate::value::{Row, Value};
use crate::{StoreError, bound};

/// A transaction that reads one unchanging state of the database.
pub struct Read<'e> {
    engine: &'e mut dyn Engine,
    /// The first error of the engine in this job. PostgreSQL refuses every further statement after
    /// one, SQLite does not; here both do, so that a job behaves the same on either.
    failed: Option<StoreError>,
    /// What rows are checked with.
    checks: Checks,
    /// The key that binds rows, once it was asked for.
    row_key: Option<Arc<DataKey>>,
}

impl<'e> Read<'e> {
    pub(crate) fn new(engine: &'e mut dyn Engine, checks: Checks) -> Self {
        Self { engine, failed: None, checks, row_key: None }
    }

    /// The key that binds the rows of a tenant; none where no keychain was made for the database, as in
    /// tools that only carry rows.
    pub(crate) fn row_key(&mut self, tenant: TenantId) -> Result<Option<Arc<DataKey>>, StoreError> {
        if let Some(key) = &self.row_key
            && key.tenant() == tenant
        {
            return Ok(Some(Arc::clone(key)));
        }
        let Some(keyring) = self.checks.keyring.clone() else { return Ok(None) };
        self.row_key = Some(bound::key_of(self, &keyring, tenant)?);
        Ok(self.row_key.clone())
    }

    /// Notes a row that is refused.
    pub(crate) fn note(&self, refused: RefusedRow) {
        self.checks.refusals.note(refused);
    }

    pub(crate) fn failed(&mut self) -> Option<StoreError> {
        self.failed.take()
    }

    fn guarded<T>(
        &mut self,
        run: impl FnOnce(&mut dyn Engine) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        run(self.engine).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// All rows of an answer. Ask for bounded answers: they are held in memory whole.
    ///
    /// # Errors
    /// What the engine says, and the same again for every later statement of this job.
    pub fn rows(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.guarded(|engine| engine.query(sql, params))
    }

    /// The first row of an answer, if there is one.
    ///
    /// # Errors
    /// As for [`Read::rows`].
    pub fn row(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, params)?.into_iter().next())
    }
}

/// A transaction that reads and writes. It is one of up to [`crate::BATCH`] that are committed
/// together; its own changes are undone alone when the job fails.
pub struct Tx<'e>(Read<'e>);

impl<'e> Tx<'e> {
    pub(crate) fn new(engine: &'e mut dyn Engine, checks: Checks) -> Self {
        Self(Read::new(engine, checks))
    }

    /// Runs one statement and gives the number of rows it changed.
    ///
    /// # Errors
    /// As for [`Read::rows`].
    pub fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        self.0.guarded(|engine| engine.execute(sql, params))
    }

    /// Runs one statement that must change exactly one row.
    ///
    /// # Errors
    /// [`StoreError::Missing`] with `what` when it changed none, else as for [`Read::rows`].
    pub(crate) fn execute_one(
        &mut self,
        what: &'static str,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<(), StoreError> {
        match self.execute(sql, params).map_err(|error| error.named(what))? {
            0 => Err(StoreError::Missing { what }),
            _ => Ok(()),
        }
    }

    /// Inserts one row with a statement that ends in `ON CONFLICT DO NOTHING`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with `what` when there is such a row, else as for [`Read::rows`].
    pub(crate) fn insert(
        &mut self,
        what: &'static str,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<(), StoreError> {
        match self.execute(sql, params).map_err(|error| error.named(what))? {
            0 => Err(StoreError::Conflict { what }),
            _ => Ok(()),
        }
    }
}

/// Whatever can be read can be read in a writing transaction too.
impl<'e> Deref for Tx<'e> {
    type Target = Read<'e>;

    fn deref(&self) -> &Read<'e> {
        &self.0
    }
}

impl<'e> DerefMut for Tx<'e> {
    fn deref_mut(&mut self) -> &mut Read<'e> {
        &mut self.0
    }
}
