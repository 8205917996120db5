//! What one seal costs, in CPU time of one thread, against bare AES-256-GCM with the key at hand.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use kernel::{Id, TenantId, World};
use vault::{CachePolicy, Column, DataKey, FileRoot, KeyChain, Keyring, Place, Purpose, Table};

use crate::house::Failed;

/// The figures, with a table of them.
pub(crate) fn measure() -> Result<Vec<String>, Failed> {
    let world = World::real();
    let folder = tempfile::tempdir()?;
    let root = FileRoot::create(folder.path().join("root.key"), world.clone())?;
    let keyring = Keyring::new(Arc::new(root), world.clone(), CachePolicy::default());
    let tenant: TenantId = world.id();
    let top = keyring.new_tenant_key(tenant, 1)?;
    let data = keyring.new_data_key(&top, None, Purpose::Settings, 1)?;
    let key = keyring.data_key(&KeyChain { tenant: &top, subject: None, data: &data })?;
    let place = Place::new(tenant, Table::new(1), tenant.to_bytes(), Column::new(1));
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &world.bytes::<32>())?);
    println!("{:>9} {:>14} {:>14} {:>7}", "bytes", "sealed ns", "bare ns", "ratio");
    let mut figures = Vec::new();
    for (bytes, times) in [(200, 300_000), (16 * 1024, 30_000)] {
        let sealed = best(|| seal(&key, &place, bytes, times))?;
        let plain = best(|| plain(&bare, bytes, times))?;
        println!("{bytes:>9} {sealed:>14.0} {plain:>14.0} {:>7.2}", sealed / plain);
        figures.push(format!(r#""seal_{bytes}_cpu_ns":{sealed:.0},"plain_{bytes}_cpu_ns":{plain:.0}"#));
    }
    Ok(figures)
}

/// The best of seven: whatever else the machine does only makes it slower.
fn best(run: impl Fn() -> Result<f64, Failed>) -> Result<f64, Failed> {
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        best = best.min(run()?);
    }
    Ok(best)
}

fn seal(key: &DataKey, place: &Place, bytes: usize, times: u32) -> Result<f64, Failed> {
    let text = vec![7u8; bytes];
    let begin = thread_cpu()?;
    for seq in 0..times {
        std::hint::black_box(key.seal(&place.seq(seq.into()), &text)?);
    }
    Ok((thread_cpu()? - begin) / f64::from(times))
}

fn plain(key: &LessSafeKey, bytes: usize, times: u32) -> Result<f64, Failed> {
    let mut text = vec![7u8; bytes];
    let begin = thread_cpu()?;
    for seq in 0..times {
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(seq.to_be_bytes()).for_each(|(to, from)| *to = from);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from([0u8; 119]), &mut text)?;
        let _ = std::hint::black_box(tag);
    }
    Ok((thread_cpu()? - begin) / f64::from(times))
}

/// Nanoseconds of CPU time that this thread has used; the kernel counts in steps of a few milliseconds.
fn thread_cpu() -> Result<f64, Failed> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}
