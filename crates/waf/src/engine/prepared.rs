//! What every inspection under one policy begins with.

use super::tx::{Tx, TxValue};
use crate::{
    Policy,
    compile::{Field, Program, bits, whole_number},
};
use std::sync::Arc;

/// Targets that do not hold for some rules, one bit each.
pub(super) type Taken = (Arc<[u64]>, Field);

/// A policy as one program understands it.
pub(crate) struct Prepared {
    pub(crate) policy: Policy,
    /// The settings that rules read.
    pub(super) tx: Tx,
    /// Rules that do not hold, one bit each.
    pub(super) removed: Box<[u64]>,
    pub(super) taken: Vec<Taken>,
}

impl Prepared {
    pub(crate) fn new(program: &Program, policy: Policy) -> Self {
        let tx = settings(program, &policy);
        let mut removed: Box<[u64]> = vec![0; program.rules.len().div_ceil(64)].into();
        let mut taken = Vec::new();
        for exclusion in &policy.exclusions {
            let rules = bits(&program.picked(&exclusion.rules));
            match &exclusion.target {
                None => removed.iter_mut().zip(rules.iter()).for_each(|(all, more)| *all |= more),
                Some(target) => {
                    if let Ok(field) = Field::excluded(target.variable, &target.selector) {
                        taken.push((rules, field));
                    }
                }
            }
        }
        Self { policy, tx, removed, taken }
    }
}

fn settings(program: &Program, policy: &Policy) -> Tx {
    let mut tx = Tx::new(&program.names);
    let numbers = [
        ("blocking_paranoia_level", i64::from(policy.paranoia)),
        ("detection_paranoia_level", i64::from(policy.detection.max(policy.paranoia))),
        ("inbound_anomaly_score_threshold", i64::from(policy.inbound_threshold)),
        ("outbound_anomaly_score_threshold", i64::from(policy.outbound_threshold)),
    ];
    for (name, value) in numbers {
        tx.put_named(&program.names, name.as_bytes(), Some(TxValue::Number(value)));
    }
    for (name, value) in &policy.settings {
        let value = whole_number(value.as_bytes())
            .map_or_else(|| TxValue::Bytes(value.as_bytes().into()), TxValue::Number);
        tx.put_named(&program.names, name.to_ascii_lowercase().as_bytes(), Some(value));
    }
    tx
}
