//! Rows that are not as this program left them, written down: an event for each, once in the life of a
//! process, whoever came upon it. The reader goes on without the row, or is refused; see `store::bound`.

use std::time::Duration;

use guard::{Actor, ServiceName};
use ledger::Token;
use ledger::catalogue::RecordRefused;
use store::{RefusedRow, Via};

use crate::Failure;
use crate::wiring::Foundation;

/// How soon it is tried again when it cannot be written down.
const AGAIN: Duration = Duration::from_secs(30);

/// Writes down what is refused, until the task is dropped.
pub(crate) async fn keep_telling(base: Foundation) {
    loop {
        let refused = base.db.refused().await;
        for RefusedRow { table, row, reason } in &refused {
            tracing::error!(table, row, reason, "a stored row is not as it was written, and is refused");
        }
        while let Err(error) = write(&base, &refused).await {
            tracing::error!(%error, "that rows were refused could not be written down; the next try is in half a minute");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn write(base: &Foundation, refused: &[RefusedRow]) -> Result<(), Failure> {
    let scribe = base.keys.scribe(base.tenant).await?;
    let core = Actor::Service { name: ServiceName::Core, tenant: base.tenant };
    let mut entries = Vec::with_capacity(refused.len());
    for RefusedRow { table, row, reason } in refused {
        let event = RecordRefused { table: Token::lossy(table), row: Token::lossy(row), reason };
        entries.push(scribe.write(&event, &core, &Via::default())?);
    }
    Ok(base.db.write(move |tx| entries.iter().try_for_each(|entry| entry.append(tx).map(|_| ()))).await?)
}
