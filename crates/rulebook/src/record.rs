//! Counting the shapes of decisions. It is done beside the decision and written down now and then, so that
//! it costs a request no wait; what was counted in the last seconds before a crash is lost.

use std::sync::{Arc, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use guard::{Act, Actor, Denied, Resource, Shape};
use kernel::Timestamp;
use store::policies::{self, Met};

use crate::{Count, Rulebook, RulebookError};

/// How many shapes wait to be written down at most; more are not counted.
const WAITING: usize = 4_096;

impl Rulebook {
    /// Counts a decision about staff or a program, without whose it was.
    pub fn note(
        &self,
        act: Act,
        actor: &Actor,
        resource: &Resource,
        (now, purpose): (Timestamp, bool),
        outcome: Result<&str, &Denied>,
    ) {
        let Some(shape) = Shape::of(act, actor, resource, now, purpose) else { return };
        let rule: Arc<str> = outcome.map_or_else(|denied| denied.rule().into(), Into::into);
        let mut met = self.0.met.lock().unwrap_or_else(PoisonError::into_inner);
        if met.len() >= WAITING && !met.contains_key(&shape) {
            return;
        }
        let count = Count { allowed: outcome.is_ok(), rule, times: 0, last: now };
        let known = met.entry(shape).or_insert_with(|| count.clone());
        *known = Count { times: known.times + 1, ..count };
    }

    /// Writes down what was counted.
    ///
    /// # Errors
    /// When the store fails; what was counted is lost then.
    pub async fn write_down(&self) -> Result<usize, RulebookError> {
        let counted = std::mem::take(&mut *self.0.met.lock().unwrap_or_else(PoisonError::into_inner));
        if counted.is_empty() {
            return Ok(0);
        }
        let met: Vec<Met> = counted.iter().filter_map(|(shape, count)| met(shape, count)).collect();
        let (tenant, number) = (self.0.tenant, met.len());
        self.0.db.write(move |tx| policies::meet(tx, tenant, &met)).await?;
        Ok(number)
    }
}

fn met(shape: &Shape, count: &Count) -> Option<Met> {
    let shape = serde_json::to_string(shape).ok()?;
    Some(Met {
        digest: sha256(shape.as_bytes()),
        shape,
        allowed: count.allowed,
        rule: count.rule.to_string(),
        times: count.times,
        last: count.last,
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}
