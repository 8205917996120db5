//! How fast data keys are wrapped anew from the embedded keystore, in wall time and in CPU time, and what
//! senders notice meanwhile. `cargo xtask bench rewrap [KEYS]`; the last line is JSON.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "time is what is measured")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use custody::{Custody, CustodyParts, Why};
use guard::action::{RotateKeys, TendKeys};
use guard::{Actor, Circumstances, Guard, Permit, Resource, ServiceName};
use kernel::{ConversationId, Id, TenantId, World};
use store::{Db, DbUrl, Keychain, Via, keys, tenants};
use vault::{CachePolicy, FileRoot, Keyring, Purpose};

const SENDERS: usize = 8;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let count: usize = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    let room = tempfile::tempdir().unwrap();
    let world = World::real();
    let db = Db::open(&DbUrl::sqlite(room.path().join("house.db")), &world).unwrap();
    let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
    let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
    let chain = Keychain::new(db.clone(), Arc::clone(&keyring), world.clone());
    let (tenant, now): (TenantId, _) = (world.id(), world.now());
    db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
    chain.prepare(tenant).await.unwrap();
    let guard = Guard::embedded().unwrap();
    let custody = Custody::new(CustodyParts {
        tenant,
        db: db.clone(),
        keys: chain.clone(),
        guard: guard.clone(),
        world: world.clone(),
        present: Arc::clone(&keyring),
        next: None,
    });

    println!("filing {count} data keys");
    let top = db.read(move |tx| keys::active_tenant_key(tx, tenant)).await.unwrap().unwrap();
    let mut left = count;
    while left > 0 {
        let rows: Vec<_> = (0..left.min(5000))
            .map(|_| {
                let owner: ConversationId = world.id();
                (keyring.new_data_key(&top, None, Purpose::Conversation, 1).unwrap(), owner.to_bytes())
            })
            .collect();
        left -= rows.len();
        let file = move |tx: &mut store::Tx<'_>| {
            rows.iter().try_for_each(|(key, owner)| keys::add_data_key(tx, key, *owner, now))
        };
        db.write(file).await.unwrap();
    }

    let calm = senders(&db, &chain, tenant, &world, async {
        tokio::time::sleep(Duration::from_secs(4)).await;
    })
    .await;
    println!("calm: {} writes, p50 {:.2} ms, p99 {:.2} ms", calm.len(), at(&calm, 50), at(&calm, 99));

    let operator = Actor::Service { name: ServiceName::Operator, tenant };
    let circumstances = Circumstances::at(world.now());
    let rotate: Permit<RotateKeys> =
        guard.permit(&operator, &Resource::Tenant(tenant), &circumstances).unwrap();
    custody.rotate(rotate, Why::Demand, &Via::default()).await.unwrap();
    let tend: Arc<Permit<TendKeys>> =
        Arc::new(guard.permit(&operator, &Resource::Tenant(tenant), &circumstances).unwrap());

    // Half alone, half with senders.
    let half = Arc::new(AtomicBool::new(false));
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let aim = count as u64 / 2;
    let (first, leave, at_half) = (custody.clone(), Arc::clone(&tend), Arc::clone(&half));
    let alone = tokio::spawn(async move {
        first
            .rewrap(&leave, move |progress| {
                if progress.done >= aim {
                    at_half.store(true, Ordering::Relaxed);
                }
            })
            .await
    });
    while !half.load(Ordering::Relaxed) && !alone.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let alone_rate = aim as f64 / wall;
    println!("alone: {alone_rate:.0} keys/s, {:.1} us of CPU per key", cpu * 1e6 / aim as f64);
    let busy_from = Instant::now();
    let busy = senders(&db, &chain, tenant, &world, async {
        alone.await.unwrap().unwrap();
    })
    .await;
    let busy_rate = (count as u64 - aim) as f64 / busy_from.elapsed().as_secs_f64();
    println!(
        "with {SENDERS} senders: {busy_rate:.0} keys/s; their p50 {:.2} ms, p99 {:.2} ms",
        at(&busy, 50),
        at(&busy, 99)
    );
    let left = db.read(move |tx| store::custody::wraps(tx, tenant, 1)).await.unwrap();
    assert_eq!(left, 0, "everything is under the new version");
    println!(
        "{{\"name\":\"rewrap\",\"figures\":{{\"keys\":{count},\"rewrap_per_s\":{alone_rate:.0},\
         \"rewrap_per_cpu_s\":{:.0},\"rewrap_per_s_with_senders\":{busy_rate:.0},\"calm_p99_ms\":{:.2},\
         \"busy_p99_ms\":{:.2},\"p99_ratio\":{:.2}}}}}",
        aim as f64 / cpu,
        at(&calm, 99),
        at(&busy, 99),
        at(&busy, 99) / at(&calm, 99)
    );
}

/// Senders who each file the keys of one new conversation after the other (two rows, one durable
/// transaction), until `during` is over. Gives the sorted times in milliseconds.
async fn senders(
    _db: &Db,
    chain: &Keychain,
    tenant: TenantId,
    world: &World,
    during: impl Future<Output = ()>,
) -> Vec<f64> {
    let ended = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (chain, world, ended) = (chain.clone(), world.clone(), Arc::clone(&ended));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    chain.conversation_key(tenant, world.id(), world.id()).await.unwrap();
                    times.push(begun.elapsed().as_secs_f64() * 1e3);
                    // A person thinks before the next word.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                times
            })
        })
        .collect();
    during.await;
    ended.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_by(f64::total_cmp);
    all
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// CPU time of this process so far: user and system, from `/proc/self/stat`.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).unwrap().parse::<f64>().unwrap();
    // Linux counts in hundredths of a second, whatever its own clock's rate.
    (ticks(11) + ticks(12)) / 100.0
}
