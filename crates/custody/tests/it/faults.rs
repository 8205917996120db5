//! What can break in the middle: the disk fills up, the root key's provider goes away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use custody::{CustodyError, Why};
use guard::action::RotateKeys;
use store::{Options, StoreError, keys, params};
use vault::{KeyBytes, KeyProvider, ProviderError, ProviderInfo, WrapContext};

use crate::house::{House, both, via};

both!(a_provider_out_of_reach_changes_nothing_and_is_recorded);

/// A process whose database is full but for `pages` pages.
async fn nearly_full(house: &House, pages: usize) -> crate::house::Process {
    let pages_now = |tx: &mut store::Read<'_>| {
        let row = tx.row("SELECT page_count AS n FROM pragma_page_count()", &[])?;
        Ok(row.unwrap().take::<u64>("n")?)
    };
    let size = house.db.read(pages_now).await.unwrap() * 4096;
    let options = Options { max_bytes: Some(size + 64 * 4096), ..Options::default() };
    let tight = house.another_with(house.file_root(), None, &options);
    tight.db.write(|tx| tx.execute("CREATE TABLE ballast (junk BLOB)", &[])).await.unwrap();
    let page = || vec![7u8; 4000];
    loop {
        let more = page();
        match tight.db.write(move |tx| tx.execute("INSERT INTO ballast VALUES ($1)", params![more])).await {
            Ok(_) => {}
            Err(StoreError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let free = move |tx: &mut store::Tx<'_>| {
        tx.execute(
            "DELETE FROM ballast WHERE rowid IN (SELECT rowid FROM ballast ORDER BY rowid DESC LIMIT $1)",
            params![pages],
        )
    };
    tight.db.write(free).await.unwrap();
    tight
}

fn is_full(error: &CustodyError) -> bool {
    matches!(error, CustodyError::Store(StoreError::Full))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_in_the_middle_of_a_rotation_leaves_it_done_or_not_done() {
    let mut full = [0, 0];
    for room in 0..16 {
        let house = House::sqlite().await;
        let people = house.people(3).await;
        house.data_keys(700).await;
        let tight = nearly_full(&house, room).await;
        let tenant = house.tenant;
        let rotated = tight.custody.rotate(house.leave::<RotateKeys>(&house.operator()), Why::Demand, via());
        let rotated = match rotated.await {
            Ok(_) => true,
            Err(error) => {
                assert!(is_full(&error), "{error:?}");
                false
            }
        };
        let rewrapped = tight.custody.rewrap(&house.tending(), |_| ()).await;
        assert!(rewrapped.as_ref().map_or_else(is_full, |_| true), "{rewrapped:?}");
        full[0] += usize::from(!rotated);
        full[1] += usize::from(rewrapped.is_err());
        // Space was made: whoever comes goes on from there.
        tight.db.write(|tx| tx.execute("DROP TABLE ballast", &[])).await.unwrap();
        drop(tight);
        let versions = house.db.read(move |tx| keys::versions(tx, tenant)).await.unwrap();
        assert_eq!(versions.len(), 1 + usize::from(rotated));
        let fresh = house.another(house.file_root(), None);
        if !rotated {
            let permit = house.leave::<RotateKeys>(&house.operator());
            fresh.custody.rotate(permit, Why::Demand, via()).await.unwrap();
        }
        fresh.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
        let left = fresh.db.read(move |tx| store::custody::wraps(tx, tenant, 1)).await.unwrap();
        assert_eq!(left, 0);
        for (subject, conversation) in people {
            fresh.keys.conversation_key_at(tenant, subject, conversation, 1).await.unwrap();
        }
    }
    assert!(full[0] + full[1] >= 4, "the disk was full often enough: {full:?}");
}

/// A provider that can be made unreachable.
struct Flaky {
    inner: Arc<dyn KeyProvider>,
    away: Arc<AtomicBool>,
}

impl fmt::Debug for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

impl Flaky {
    fn here(&self) -> Result<(), ProviderError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(ProviderError::Unavailable { why: "the line is dead".to_owned() }),
            false => Ok(()),
        }
    }
}

impl KeyProvider for Flaky {
    fn describe(&self) -> ProviderInfo {
        self.inner.describe()
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.here()?;
        self.inner.wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        self.here()?;
        self.inner.unwrap(blob, context)
    }

    fn health(&self) -> Result<(), ProviderError> {
        self.here()
    }
}

async fn a_provider_out_of_reach_changes_nothing_and_is_recorded(house: House) {
    let people = house.people(2).await;
    let away = Arc::new(AtomicBool::new(false));
    let process = house.another(Arc::new(Flaky { inner: house.file_root(), away: Arc::clone(&away) }), None);
    let (subject, conversation) = people[0];
    process.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    process.keys.scribe(house.tenant).await.unwrap();
    away.store(true, Ordering::SeqCst);
    let permit = || house.leave::<RotateKeys>(&house.operator());
    let refused = process.custody.rotate(permit(), Why::Demand, via()).await.unwrap_err();
    assert!(matches!(refused, CustodyError::NoRoot { version: 1, .. }) && refused.passes(), "{refused:?}");
    // Kept keys go on serving, and the failure is in the audit log.
    process.keys.conversation_key(house.tenant, subject, conversation).await.unwrap();
    process.custody.record_uses().await.unwrap();
    let failed = house.events("KEYS-1014W").await;
    assert!(failed[0].contains("\"reason\":\"unavailable\""), "{failed:?}");
    away.store(false, Ordering::SeqCst);
    house.clock.advance(std::time::Duration::from_secs(3));
    let rotated = process.custody.rotate(permit(), Why::Demand, via()).await.unwrap();
    assert_eq!(rotated.version, 2);
}
