//! Reading a leaf back: for the auditor's list, the console and the verifier.

use kernel::{EventId, TenantId, Timestamp};

use crate::catalogue;
use crate::event::EventInfo;
use crate::jcs::{JcsError, Json};

/// A leaf that was read: canonical, of a known code, with the members that every entry has.
#[derive(Debug, Clone)]
pub struct Record {
    info: EventInfo,
    event: EventId,
    tenant: TenantId,
    at: Timestamp,
    json: Json,
}

/// Why a leaf cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is not canonical JSON.
    #[error("the entry is not canonical JSON")]
    Json(#[from] JcsError),
    /// Its code is not in the catalogue.
    #[error("the event's code is not known")]
    Code,
    /// A member that every entry has is missing or false.
    #[error("the member `{0}` is missing or false")]
    Member(&'static str),
}

impl Record {
    /// Reads a leaf.
    ///
    /// # Errors
    /// When it is not canonical JSON, its code is not in the catalogue, or it contradicts the catalogue.
    pub fn parse(leaf: &[u8]) -> Result<Self, RecordError> {
        let json = Json::parse_canonical(leaf)?;
        let metadata = json.get("metadata").ok_or(RecordError::Member("metadata"))?;
        let text =
            |name: &'static str| metadata.get(name).and_then(Json::as_text).ok_or(RecordError::Member(name));
        let info = catalogue::find(text("event_code")?).ok_or(RecordError::Code)?;
        let event = text("uid")?.parse().map_err(|_| RecordError::Member("uid"))?;
        let tenant = text("tenant_uid")?.parse().map_err(|_| RecordError::Member("tenant_uid"))?;
        let number =
            |name: &'static str| json.get(name).and_then(Json::as_whole).ok_or(RecordError::Member(name));
        let at = Timestamp::from_millis(number("time")?);
        if number("class_uid")? != info.class.uid() {
            return Err(RecordError::Member("class_uid"));
        }
        if number("type_uid")? != info.class.uid() * 100 + number("activity_id")? {
            return Err(RecordError::Member("type_uid"));
        }
        Ok(Self { info, event, tenant, at, json })
    }

    /// Its row in the catalogue.
    pub fn info(&self) -> &EventInfo {
        &self.info
    }

    /// The event's id.
    pub fn event(&self) -> EventId {
        self.event
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Who did it, as a word: a user id, a pseudonym, or the name of a service.
    pub fn actor(&self) -> Option<&str> {
        let user = self.json.get("actor")?.get("user")?;
        user.get("uid").or_else(|| user.get("name"))?.as_text()
    }

    /// One of the event's own fields.
    pub fn field(&self, name: &str) -> Option<&Json> {
        self.json.get("unmapped")?.get(name)
    }

    /// The whole event.
    pub fn json(&self) -> &Json {
        &self.json
    }
}

/// The code in a leaf that may be damaged: what can be read, not what can be trusted.
pub(crate) fn code_at_a_glance(leaf: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(leaf);
    let (_, rest) = text.split_once("\"event_code\":\"")?;
    let (code, _) = rest.split_once('"')?;
    catalogue::find(code).map(|info| info.code.to_owned())
}
