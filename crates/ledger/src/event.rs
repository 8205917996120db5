//! What an event is: a struct of the catalogue, a header that says who, when and where, and the entry
//! made of both, an OCSF 1.8.0 event as canonical JSON, which becomes a leaf of the tenant's tree.

use kernel::{ApiKeyId, EventId, RequestId, TenantId, Timestamp, UserId};

use crate::jcs::Json;
use crate::merkle::{Hash, leaf_hash};
use crate::words::{Pseudonym, Word};

/// The version of the Open Cybersecurity Schema Framework that entries are shaped by.
pub const OCSF_VERSION: &str = "1.8.0";

/// How grave an event is, with OCSF's `severity_id`. The last letter of the code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something happened as it should: `I`, OCSF 1.
    Info,
    /// Somebody should look: `W`, OCSF 3 (medium).
    Warning,
    /// Somebody must act: `E`, OCSF 4 (high).
    Error,
}

impl Severity {
    /// The last letter of the codes of this severity.
    pub const fn letter(self) -> char {
        match self {
            Self::Info => 'I',
            Self::Warning => 'W',
            Self::Error => 'E',
        }
    }

    const fn ocsf(self) -> u64 {
        match self {
            Self::Info => 1,
            Self::Warning => 3,
            Self::Error => 4,
        }
    }
}

/// Whether what the event tells of was done or refused (OCSF `status_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done: 1.
    Success,
    /// It was refused or failed: 2.
    Failure,
}

/// How long an event's text is kept unless the operator says otherwise. The hashes stay for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Everyday traffic: 90 days.
    Activity,
    /// What an investigation needs: 400 days.
    Security,
    /// What an auditor asks for: 7 years (2,557 days).
    Accountability,
}

impl Retention {
    /// The default number of days.
    pub const fn days(self) -> u32 {
        match self {
            Self::Activity => 90,
            Self::Security => 400,
            Self::Accountability => 2557,
        }
    }
}

/// The OCSF class of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 1008, something was done to the audit log itself.
    EventLog,
    /// 2003, a check of this deployment's posture.
    ComplianceFinding,
    /// 3001, an account or a factor was made, changed or disabled.
    AccountChange,
    /// 3002, somebody signed in or out, or failed to.
    Authentication,
    /// 3005, somebody was given or lost a role.
    UserAccess,
    /// 4002, the edge's verdict on a request.
    Http,
    /// 6002, a service or a bot release began or ended its life.
    ApplicationLifecycle,
    /// 6003, a call to the platform.
    Api,
    /// 6005, stored content was read, listed, searched or failed to open.
    Datastore,
}

impl Class {
    /// OCSF's `class_uid`.
    pub const fn uid(self) -> u64 {
        match self {
            Self::EventLog => 1008,
            Self::ComplianceFinding => 2003,
            Self::AccountChange => 3001,
            Self::Authentication => 3002,
            Self::UserAccess => 3005,
            Self::Http => 4002,
            Self::ApplicationLifecycle => 6002,
            Self::Api => 6003,
            Self::Datastore => 6005,
        }
    }

    /// OCSF's name of the class.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventLog => "Event Log Activity",
            Self::ComplianceFinding => "Compliance Finding",
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::UserAccess => "User Access Management",
            Self::Http => "HTTP Activity",
            Self::ApplicationLifecycle => "Application Lifecycle",
            Self::Api => "API Activity",
            Self::Datastore => "Datastore Activity",
        }
    }

    /// Whether the class has a place for the actor only under OCSF's profile `host`.
    const fn actor_by_profile(self) -> bool {
        matches!(self, Self::ComplianceFinding | Self::ApplicationLifecycle | Self::Http)
    }

    /// Whether the class has a place for the client's address.
    const fn has_source(self) -> bool {
        !matches!(self, Self::ComplianceFinding | Self::ApplicationLifecycle)
    }
}

/// One row of the catalogue: all that is fixed about an event.
#[derive(Debug, Clone, Copy)]
pub struct EventInfo {
    /// The stable code, `AREA-NNNNS`. It never changes meaning and is never used again.
    pub code: &'static str,
    /// The name, for example `login.failed`.
    pub name: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// The OCSF class.
    pub class: Class,
    /// OCSF's `activity_id` in that class; an event may refine it (the method of a request).
    pub activity: u64,
    /// Whether something was done or refused.
    pub outcome: Outcome,
    /// How long its text is kept.
    pub retention: Retention,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Its own fields.
    pub fields: &'static [FieldInfo],
}

/// One field of an event.
#[derive(Debug, Clone, Copy)]
pub struct FieldInfo {
    /// The name, as in the leaf under `unmapped`.
    pub name: &'static str,
    /// The kind of value.
    pub kind: &'static str,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// An event of the catalogue. Sealed: every event is a struct in [`crate::catalogue`].
pub trait Event: sealed::Sealed {
    /// Its row in the catalogue.
    const INFO: EventInfo;

    /// Its own fields as they stand in the leaf.
    fn fields(&self) -> Vec<(&'static str, Json)>;

    /// The objects that its OCSF class asks for.
    fn shape(&self) -> Vec<(&'static str, Json)>;

    /// OCSF's `activity_id` of this one event.
    fn activity(&self) -> u64 {
        Self::INFO.activity
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorRef {
    /// A member of staff.
    Staff(UserId),
    /// A person who chats.
    Visitor(Pseudonym),
    /// A program with an API key, on the account that the key belongs to.
    ApiKey {
        /// The key.
        key: ApiKeyId,
        /// The account.
        owner: UserId,
    },
    /// A machine with an identity of its own: an edge, an engine.
    Service(&'static str),
    /// Whoever runs the command line on the machine.
    Operator,
    /// Wardroom itself, by a schedule or as a consequence.
    System,
}

impl ActorRef {
    fn to_json(&self) -> Json {
        let user = |members: Vec<(&'static str, Json)>| Json::object([("user", Json::object(members))]);
        match self {
            Self::Staff(id) => user(vec![
                ("uid", Json::text(id.to_string())),
                ("type_id", Json::whole(1)),
                ("type", Json::text("User")),
            ]),
            Self::ApiKey { key, owner } => user(vec![
                ("uid", Json::text(owner.to_string())),
                ("credential_uid", Json::text(key.to_string())),
                ("type_id", Json::whole(4)),
                ("type", Json::text("Service")),
            ]),
            Self::Visitor(pseudonym) => user(vec![
                ("uid", Json::text(pseudonym.to_string())),
                ("type_id", Json::whole(99)),
                ("type", Json::text("Visitor")),
            ]),
            Self::Service(name) => user(vec![
                ("name", Json::text(*name)),
                ("type_id", Json::whole(4)),
                ("type", Json::text("Service")),
            ]),
            Self::Operator => user(vec![
                ("name", Json::text("operator")),
                ("type_id", Json::whole(2)),
                ("type", Json::text("Admin")),
            ]),
            Self::System => user(vec![
                ("name", Json::text("wardroom")),
                ("type_id", Json::whole(3)),
                ("type", Json::text("System")),
            ]),
        }
    }
}

/// What every event says beside its own fields.
#[derive(Debug, Clone)]
pub struct Header {
    /// Whose tree it goes to.
    pub tenant: TenantId,
    /// The event's own id.
    pub event: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: ActorRef,
    /// The request at a door that led to it.
    pub request: Option<RequestId>,
    /// The client's address.
    pub source: Option<Pseudonym>,
    /// SHA-256 of a blob, sealed and stored elsewhere, that holds what is personal about the event
    /// (a reason in words, an address). Destroying that blob's key leaves every proof intact.
    pub detail: Option<[u8; 32]>,
}

impl Header {
    /// A header with no request, source or detail.
    pub fn new(tenant: TenantId, event: EventId, at: Timestamp, actor: ActorRef) -> Self {
        Self { tenant, event, at, actor, request: None, source: None, detail: None }
    }
}

/// An event ready to be appended: what becomes a leaf, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    code: &'static str,
    name: &'static str,
    severity: Severity,
    event: EventId,
    tenant: TenantId,
    at: Timestamp,
    json: Vec<u8>,
}

impl Entry {
    /// Writes an event down. It cannot fail: every value that may stand in an event has a canonical
    /// form, and the longest possible event is shorter than 65,535 bytes.
    pub fn record<E: Event>(event: &E, header: &Header) -> Self {
        Self {
            code: E::INFO.code,
            name: E::INFO.name,
            severity: E::INFO.severity,
            event: header.event,
            tenant: header.tenant,
            at: header.at,
            json: ocsf(event, header).to_canonical(),
        }
    }

    /// The code, for example `AUTH-1002W`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The name, for example `login.failed`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How grave it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The event's id.
    pub fn event(&self) -> EventId {
        self.event
    }

    /// Whose tree it goes to.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The leaf: canonical JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The leaf, given away.
    pub fn into_json(self) -> Vec<u8> {
        self.json
    }

    /// The hash that goes into the tree.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.json)
    }
}

fn ocsf<E: Event>(event: &E, header: &Header) -> Json {
    let info = E::INFO;
    let class = info.class.uid();
    let activity = event.activity();
    let shape = event.shape();
    let mut profiles = Vec::new();
    if info.class.actor_by_profile() {
        profiles.push(Json::text("host"));
    }
    if shape.iter().any(|(name, _)| *name == "action_id") {
        profiles.push(Json::text("security_control"));
    }
    let mut members = vec![
        ("activity_id", Json::whole(activity)),
        ("actor", header.actor.to_json()),
        ("category_uid", Json::whole(class / 1000)),
        ("class_uid", Json::whole(class)),
        ("message", Json::text(info.name)),
        ("metadata", metadata(&info, header, profiles)),
        ("severity_id", Json::whole(info.severity.ocsf())),
        ("status_id", Json::whole(if info.outcome == Outcome::Success { 1 } else { 2 })),
        ("time", Json::whole(header.at.as_millis())),
        ("type_uid", Json::whole(class * 100 + activity)),
    ];
    if activity == 99 {
        // OCSF: "Other" is explained by the source's own word.
        members.push(("activity_name", Json::text(info.name)));
    }
    if info.class.has_source() {
        let source = match header.source {
            Some(pseudonym) => Json::object([("uid", Json::text(pseudonym.to_string()))]),
            None => Json::object([("svc_name", Json::text("wardroom"))]),
        };
        members.push(("src_endpoint", source));
    }
    members.extend(shape);
    let mut own = event.fields();
    own.extend(header.detail.as_ref().and_then(Word::to_json).map(|digest| ("detail_sha256", digest)));
    if !own.is_empty() {
        members.push(("unmapped", Json::object(own)));
    }
    Json::object(members)
}

fn metadata(info: &EventInfo, header: &Header, profiles: Vec<Json>) -> Json {
    let product = Json::object([("name", Json::text("Wardroom")), ("vendor_name", Json::text("Wardroom"))]);
    let mut members = vec![
        ("event_code", Json::text(info.code)),
        ("log_name", Json::text("audit")),
        ("product", product),
        ("tenant_uid", Json::text(header.tenant.to_string())),
        ("uid", Json::text(header.event.to_string())),
        ("version", Json::text(OCSF_VERSION)),
    ];
    if !profiles.is_empty() {
        members.push(("profiles", Json::List(profiles)));
    }
    members.extend(header.request.map(|id| ("correlation_uid", Json::text(id.to_string()))));
    Json::object(members)
}
