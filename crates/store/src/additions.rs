//! The short way in for what is only ever added: a message at the end of its conversation, entries at
//! the end of the log. Everything that can be made beforehand is made by whoever adds (numbers, seals,
//! hashes, JSON); the writer compares, swaps and inserts, and shares its statements among all that wait.
//!
//! A batch of additions costs one statement for each kind of row on PostgreSQL, and one read and one
//! update of the log's edge on either engine, however many there are. No savepoints are needed: what
//! does not fit is found before it is written. Whatever the engine itself refuses makes the batch run
//! again, one by one.

use std::collections::HashMap;
use std::sync::LazyLock;

use kernel::{ConversationId, TenantId};
use ledger::Frontier;

use crate::engine::{Dialect, Engine};
use crate::messages::{Message, NewMessage, Slot, Tip};
use crate::{StoreError, ToValue, Value, Written, audit};

/// What is to be added in one transaction.
#[derive(Debug, Default)]
pub struct Addition {
    message: Option<(Message, [u8; 32])>,
    entries: Vec<(Written, ledger::Hash)>,
}

impl Addition {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A message, sealed for its slot. The slot may have been taken meanwhile; then nothing is added
    /// ([`StoreError::Moved`]).
    #[must_use]
    pub fn message(self, slot: Slot, new: NewMessage) -> Self {
        Self { message: Some(slot.filled(new)), ..self }
    }

    /// The end that the message's conversation will have.
    pub fn tip(&self) -> Option<Tip> {
        self.message.as_ref().map(|(message, _)| Tip::of(message))
    }

    /// An event that belongs to it.
    #[must_use]
    pub fn event(mut self, written: Written) -> Self {
        let hash = written.entry().leaf_hash();
        self.entries.push((written, hash));
        self
    }
}

/// The edges of the logs as this writer last left them. Each is compared with the database's when it is
/// moved, so a stale one costs a second run and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Edges(HashMap<TenantId, Frontier>);

impl Edges {
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Where a conversation goes in this batch.
struct Move<'a> {
    was: (u64, [u8; 32]),
    last: &'a Message,
}

/// Adds a batch and gives the outcome of each addition.
///
/// # Errors
/// What the engine says; then none of them was added, and the transaction must be undone.
pub(crate) fn add(
    engine: &mut dyn Engine,
    dialect: Dialect,
    edges: &mut Edges,
    additions: &[&Addition],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let mut moves: HashMap<(TenantId, ConversationId), Move<'_>> = HashMap::new();
    let mut fits = vec![true; additions.len()];
    for (addition, fits) in additions.iter().zip(&mut fits) {
        let Some((message, previous)) = &addition.message else { continue };
        let place = (message.tenant, message.conversation);
        let was = (message.seq.saturating_sub(1), *previous);
        match moves.get_mut(&place) {
            None => {
                moves.insert(place, Move { was, last: message });
            }
            Some(known) if (known.last.seq, known.last.row_hash) == was => known.last = message,
            Some(_) => *fits = false,
        }
    }
    if !moves.is_empty() {
        let moved = shift(engine, dialect, moves.values().collect())?;
        for (addition, fits) in additions.iter().zip(&mut fits) {
            if let Some((message, _)) = &addition.message {
                *fits &= moved.contains(&message.conversation);
            }
        }
    }
    let fitting = || additions.iter().zip(&fits).filter(|(_, fits)| **fits).map(|(addition, _)| *addition);
    let messages: Vec<&Message> =
        fitting().filter_map(|addition| addition.message.as_ref().map(|(message, _)| message)).collect();
    insert(engine, dialect, &MESSAGES, messages.iter().map(|message| message.values()))
        .map_err(|error| error.named("message"))?;
    let entries: Vec<_> = fitting().flat_map(|addition| &addition.entries).collect();
    append(engine, dialect, edges, &entries)?;
    Ok(fits.into_iter().map(|fits| if fits { Ok(()) } else { Err(StoreError::Moved) }).collect())
}

/// Moves the heads of conversations that still stand where they were seen, are open, and whose person
/// was not erased. Gives those that moved.
fn shift(
    engine: &mut dyn Engine,
    dialect: Dialect,
    moves: Vec<&Move<'_>>,
) -> Result<Vec<ConversationId>, StoreError> {
    let values = |one: &Move<'_>| {
        let Move { was: (seq, head), last } = one;
        [
            last.tenant.to_value().into_owned(),
            last.conversation.to_value().into_owned(),
            last.seq.to_value().into_owned(),
            last.created.to_value().into_owned(),
            last.row_hash.to_value().into_owned(),
            seq.to_value().into_owned(),
            head.to_value().into_owned(),
        ]
    };
    let mut moved = Vec::with_capacity(moves.len());
    if dialect == Dialect::Sqlite {
        for one in moves {
            if engine.execute(SHIFT, &values(one))? == 1 {
                moved.push(one.last.conversation);
            }
        }
        return Ok(moved);
    }
    let mut rest = moves.as_slice();
    while !rest.is_empty() {
        let (sql, count) = SHIFTS.fitting(rest.len());
        let (now, later) = rest.split_at(count);
        let params: Vec<Value<'_>> = now.iter().flat_map(|one| values(one)).collect();
        for mut row in engine.query(sql, &params)? {
            moved.push(row.take("id")?);
        }
        rest = later;
    }
    Ok(moved)
}

/// Appends entries to their tenants' logs.
fn append(
    engine: &mut dyn Engine,
    dialect: Dialect,
    edges: &mut Edges,
    entries: &[&(Written, ledger::Hash)],
) -> Result<(), StoreError> {
    let mut sizes: HashMap<TenantId, u64> = HashMap::new();
    let mut rows = Vec::with_capacity(entries.len());
    for (written, hash) in entries {
        let tenant = written.entry().tenant();
        let edge = match edges.0.entry(tenant) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(audit::edge(engine, tenant)?),
        };
        sizes.entry(tenant).or_insert_with(|| edge.size());
        let index = edge.append(*hash);
        rows.push((written, index, hash));
    }
    insert(engine, dialect, &LEAVES, rows.iter().map(|(written, index, hash)| written.values(*index, hash)))?;
    for (tenant, was) in sizes {
        let Some(edge) = edges.0.get(&tenant) else { continue };
        audit::move_edge(engine, tenant, was, edge)?;
    }
    Ok(())
}

/// Inserts rows: one by one where a statement is a function call, together where it is a journey.
fn insert<'v, const N: usize>(
    engine: &mut dyn Engine,
    dialect: Dialect,
    sql: &'static Grouped,
    rows: impl ExactSizeIterator<Item = [Value<'v>; N]>,
) -> Result<(), StoreError> {
    let mut left = rows.len();
    let mut rows = rows;
    while left > 0 {
        let (text, count) = match dialect {
            Dialect::Sqlite => (sql.one(), 1),
            Dialect::Postgres => sql.fitting(left),
        };
        if count == 1 {
            if let Some(row) = rows.next() {
                engine.execute(text, &row)?;
            }
        } else {
            let params: Vec<Value<'_>> = rows.by_ref().take(count).flatten().collect();
            engine.execute(text, &params)?;
        }
        left -= count;
    }
    Ok(())
}

const SHIFT: &str = "UPDATE conversations SET last_seq = $3, last_ms = $4, head = $5
    WHERE tenant = $1 AND id = $2 AND last_seq = $6 AND head = $7 AND state <> 'closed'
      AND NOT EXISTS (SELECT 1 FROM erasures e
                      WHERE e.tenant = conversations.tenant AND e.subject = conversations.subject)";

/// One statement for so many rows at once, the largest first. Made once, out of constants.
struct Grouped(LazyLock<Vec<(usize, String)>>);

impl Grouped {
    fn fitting(&'static self, rows: usize) -> (&'static str, usize) {
        let fitting = self.0.iter().find(|(count, _)| *count <= rows);
        fitting.map_or(("", 1), |(count, sql)| (sql.as_str(), *count))
    }

    fn one(&'static self) -> &'static str {
        self.fitting(1).0
    }
}

/// `($1, $2), ($3, $4)`: so many rows of parameters, with a type behind each where one is given.
fn tuples<'t>(rows: usize, types: impl Iterator<Item = &'t str> + Clone) -> String {
    let (mut text, mut number) = (String::new(), 0);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { "), (" });
        for (at, kind) in types.clone().enumerate() {
            number += 1;
            let comma = if at == 0 { "" } else { ", " };
            text.push_str(&format!("{comma}${number}{kind}"));
        }
    }
    text.push(')');
    text
}

/// The sizes of groups: any number of rows is a few of them.
fn groups(sql: impl Fn(usize) -> String) -> Vec<(usize, String)> {
    [64, 16, 4, 1].into_iter().map(|count| (count, sql(count))).collect()
}

static MESSAGES: Grouped = Grouped(LazyLock::new(|| {
    groups(|count| {
        format!(
            "INSERT INTO messages (tenant, conversation, seq, id, role, author, content_type, created_ms, \
             key_gen, record, citations, row_hash) VALUES {}",
            tuples(count, std::iter::repeat_n("", 12))
        )
    })
}));

static LEAVES: Grouped = Grouped(LazyLock::new(|| {
    groups(|count| {
        format!(
            "INSERT INTO ledger_leaves (tenant, idx, event, code, at_ms, actor, json, leaf_hash, detail, \
             detail_gen) VALUES {}",
            tuples(count, std::iter::repeat_n("", 10))
        )
    })
}));

/// PostgreSQL's only: types behind the parameters, because a list of values has none of its own.
static SHIFTS: Grouped = Grouped(LazyLock::new(|| {
    let types = ["::bytea", "::bytea", "::bigint", "::bigint", "::bytea", "::bigint", "::bytea"];
    groups(|count| {
        format!(
            "UPDATE conversations SET last_seq = v.seq, last_ms = v.ms, head = v.head \
             FROM (VALUES {}) AS v (tenant, id, seq, ms, head, was_seq, was_head) \
             WHERE conversations.tenant = v.tenant AND conversations.id = v.id \
               AND conversations.last_seq = v.was_seq AND conversations.head = v.was_head \
               AND conversations.state <> 'closed' \
               AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.tenant = conversations.tenant \
                               AND e.subject = conversations.subject) \
             RETURNING conversations.id AS id",
            tuples(count, types.into_iter())
        )
    })
}));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_made_of_groups() {
        for (rows, count) in [(1, 1), (3, 1), (4, 4), (63, 16), (64, 64), (200, 64)] {
            assert_eq!(LEAVES.fitting(rows).1, count, "{rows}");
        }
        assert_eq!(tuples(2, ["", "::bytea"].into_iter()), "($1, $2::bytea), ($3, $4::bytea)");
    }
}
