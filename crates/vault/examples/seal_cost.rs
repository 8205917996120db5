//! What sealing and opening cost, as CPU time per value and as ratios to the bare cipher with a reused
//! key in the same run: `cargo run --release --package wardroom-vault --example seal_cost`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement, not the product"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use kernel::World;
use rustix::time::{ClockId, clock_gettime};
use vault::{
    CachePolicy, Column, DataKey, FileRoot, KeyChain, Keyring, Place, Plain, Purpose, Sealable, Sealed,
    Table, VaultError,
};

/// A value of any length.
struct Body(Vec<u8>);

impl Sealable for Body {
    const WHAT: &'static str = "body";

    fn plain(&self) -> Result<Plain<'_>, VaultError> {
        Ok(Plain::Borrowed(&self.0))
    }

    fn from_plain(plain: &[u8]) -> Option<Self> {
        Some(Self(plain.to_vec()))
    }
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// CPU nanoseconds of one call, the best of seven rounds.
fn cost(times: u32, mut work: impl FnMut()) -> f64 {
    let mut round = || {
        let began = cpu();
        for _ in 0..times {
            work();
        }
        (cpu() - began).as_secs_f64() * 1e9 / f64::from(times)
    };
    (0..7).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn data_key() -> Arc<DataKey> {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let root = FileRoot::create(dir.path().join("root.key"), world.clone()).unwrap();
    let keyring = Keyring::new(Arc::new(root), world.clone(), CachePolicy::default());
    let tenant = keyring.new_tenant_key(world.id(), 1).unwrap();
    let data = keyring.new_data_key(&tenant, None, Purpose::Conversation, 1).unwrap();
    keyring.data_key(&KeyChain { tenant: &tenant, subject: None, data: &data }).unwrap()
}

fn main() {
    let key = data_key();
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    println!(
        "{:>8} {:>12} {:>12} {:>8} {:>12} {:>12} {:>8}",
        "bytes", "bare seal", "seal", "ratio", "bare open", "open", "ratio"
    );
    let mut rows = Vec::new();
    for (bytes, times) in [(200, 20_000), (1024, 20_000), (16 * 1024, 4_000)] {
        let place = Place::new(key.tenant(), Table::new(1), [3; 16], Column::new(1)).seq(7);
        let body = Body(vec![b'x'; bytes]);
        let mut text = vec![b'x'; bytes];
        let nonce = || Nonce::assume_unique_for_key([1; 12]);
        // 128 bytes of context, as a record has.
        let aad = || Aad::from([5u8; 128]);
        let bare_seal = cost(times, || {
            let _ = black_box(bare.seal_in_place_separate_tag(nonce(), aad(), &mut text).unwrap());
        });
        let seal = cost(times, || {
            black_box(key.seal(&place, &body).unwrap());
        });
        let mut sealed = vec![b'x'; bytes];
        bare.seal_in_place_append_tag(nonce(), aad(), &mut sealed).unwrap();
        let bare_open = cost(times, || {
            let mut text = sealed.clone();
            black_box(bare.open_in_place(nonce(), aad(), &mut text).unwrap());
        });
        let record: Sealed<Body> = key.seal(&place, &body).unwrap();
        let open = cost(times, || {
            black_box(key.open(&place, &record).unwrap());
        });
        println!(
            "{bytes:>8} {bare_seal:>9.0} ns {seal:>9.0} ns {:>8.2} {bare_open:>9.0} ns {open:>9.0} ns {:>8.2}",
            seal / bare_seal,
            open / bare_open
        );
        rows.push((bytes, bare_seal, seal, bare_open, open));
    }
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let (_, plain_200, seal_200, bare_open_200, open_200) = rows[0];
    let (_, plain_16k, seal_16k, _, _) = rows[2];
    println!(
        "{{\"name\":\"seal\",\"figures\":{{\"seal_200_cpu_ns\":{},\"plain_200_cpu_ns\":{},\"seal_200_ratio\":{},\
         \"open_200_ratio\":{},\"seal_16k_of_bare\":{}}}}}",
        seal_200.round(),
        plain_200.round(),
        rounded(seal_200 / plain_200),
        rounded(open_200 / bare_open_200),
        rounded(plain_16k / seal_16k),
    );
}
