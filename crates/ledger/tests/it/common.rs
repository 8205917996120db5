//! A log to play with.

use std::convert::Infallible;

use kernel::{EventId, Id, Secret, TenantId, Timestamp};
use ledger::verify::{Expect, StoredLeaf, VerifyReport};
use ledger::{
    ActorRef, Entry, Frontier, Header, Pseudonym, SignedCheckpoint, Signer, VerifierKey, catalogue as events,
};

pub(crate) const ORIGIN: &str = "audit.example.org/one";

pub(crate) fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
}

pub(crate) fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &Secret::new([7; 32])).unwrap()
}

pub(crate) fn keys() -> Vec<VerifierKey> {
    vec![signer().verifier_key().clone()]
}

/// An entry of one of three kinds, one second after the one before.
pub(crate) fn entry(n: u64) -> Entry {
    let mut id = [0x10; 16];
    id[8..].copy_from_slice(&n.to_be_bytes());
    let at = Timestamp::from_millis(1_795_378_500_000 + n * 1000);
    let header = Header::new(tenant(), EventId::from_bytes(id), at, ActorRef::System);
    match n % 3 {
        0 => Entry::record(&events::ServiceStopped { role: "all", why: "signal" }, &header),
        1 => {
            let login = Pseudonym::from_mac([n as u8; 16]);
            let event = events::LoginFailed { user: None, login, reason: "password", attempt: n };
            Entry::record(&event, &header)
        }
        _ => Entry::record(
            &events::ConfigChanged { setting: "chat.masking".parse().unwrap(), config_sha256: [3; 32] },
            &header,
        ),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) leaves: Vec<StoredLeaf>,
    pub(crate) checkpoints: Vec<SignedCheckpoint>,
}

/// A log of that many leaves, signed at those sizes.
pub(crate) fn log(leaves: u64, signed_at: &[u64]) -> Log {
    log_of((0..leaves).map(entry), signed_at)
}

pub(crate) fn log_of(entries: impl IntoIterator<Item = Entry>, signed_at: &[u64]) -> Log {
    let mut frontier = Frontier::new();
    let mut log = Log { leaves: Vec::new(), checkpoints: Vec::new() };
    let sign = |frontier: &Frontier, log: &mut Log| {
        if signed_at.contains(&frontier.size()) {
            log.checkpoints.push(SignedCheckpoint::sign(frontier, &signer()));
        }
    };
    sign(&frontier, &mut log);
    for entry in entries {
        let hash = entry.leaf_hash();
        let index = frontier.append(hash);
        log.leaves.push(StoredLeaf { index, hash, json: Some(entry.into_json()) });
        sign(&frontier, &mut log);
    }
    log
}

impl Log {
    pub(crate) fn notes(&self) -> Vec<String> {
        self.checkpoints.iter().map(|checkpoint| checkpoint.as_str().to_owned()).collect()
    }

    pub(crate) fn verify(&self, expect: &Expect) -> VerifyReport {
        verify(&self.leaves, &self.notes(), expect)
    }
}

pub(crate) fn verify(leaves: &[StoredLeaf], notes: &[String], expect: &Expect) -> VerifyReport {
    let leaves = leaves.iter().cloned().map(Ok::<_, Infallible>);
    ledger::verify::stored(leaves, notes.iter().cloned().map(Ok), expect).unwrap()
}

pub(crate) fn expect() -> Expect {
    Expect { tenant: Some(tenant()), ..Expect::signed_by(keys()) }
}
