//! The audit. Every act that matters is an event of one catalogue ([`catalogue`]); an event becomes
//! an [`Entry`], canonical JSON in the shape of OCSF; an entry becomes a leaf of the tenant's Merkle
//! log ([`Frontier`]), in the same transaction as the act; a signed [`Checkpoint`] fixes the log's
//! size and root; and anyone with the log's public key can check it all offline ([`verify`]), with
//! our code or with another's, because the formats are the published ones (C2SP tlog-tiles,
//! tlog-checkpoint, signed-note; RFC 6962; RFC 8785).
//!
//! What it does not promise: a log shows that nothing *in it* was changed, not that everything was
//! written to it. And the holder of the signing key can sign two histories; a witness or a SIEM that
//! keeps earlier checkpoints is what finds that out ([`verify::Expect::earlier`]).

mod checkpoint;
mod event;
mod export;
mod jcs;
mod merkle;
mod note;
mod record;
mod tile;
mod words;

pub mod catalogue;
pub mod proof;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use event::{
    ActorRef, Class, Entry, Event, EventInfo, FieldInfo, Header, OCSF_VERSION, Outcome, Retention, Severity,
};
pub use export::{ExportError, ExportReport, export};
pub use jcs::{JcsError, Json, MAX_SAFE, Whole};
pub use merkle::{EMPTY_ROOT, Frontier, FrontierError, Hash, leaf_hash, node_hash};
pub use note::{NoteError, Signer, VerifierKey};
pub use record::{Record, RecordError};
pub use tile::{BundleError, MAX_ENTRY, TILE_WIDTH, decode_bundle, encode_bundle, entries_path, tile_path};
pub use words::{Listed, Pseudonym, Token, Word, WordError};
