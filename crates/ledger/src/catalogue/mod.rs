//! The catalogue: every event there is, one file per area. A code never changes meaning and is never
//! used again; `docs/events.md` is made from this and checked by a test.

mod access;
mod audit;
mod auth;
mod backup;
mod bots;
mod chat;
mod config;
mod edge;
mod keys;
mod mail;
mod policy;
mod samples;
mod system;

pub use access::{
    AccessApproved, AccessEnded, AccessRefused, AccessRequested, AccessReviewExported, AccessWithdrawn,
    ApiKeyMade, ApiKeyRefused, ApiKeyRevoked, BreakGlassReviewed, PersonExported, PersonSessionEnded,
    PersonSignedIn, ServiceAccountMade,
};
pub use audit::{AuditExported, AuditVerified, AuditVerifyFailed, CheckpointSigned};
pub use auth::{
    AccessDenied, BreakGlassArmed, BreakGlassNamed, BreakGlassUsed, ConnectionChanged, DirectoryGroup,
    DirectoryPerson, DirectoryRefused, FactorEnrolled, FactorRemoved, FactorsReset, IdentityLinked,
    LoginFailed, LoginSucceeded, PasskeyNamed, PasswordChanged, ProviderRefused, RecoveryCodeUsed,
    RoleGranted, RoleRevoked, SessionEnded, UserDisabled, UserEnabled, UserEnrolled, UserInvited,
};
pub use backup::{
    BackupCreated, BackupRestored, BackupStarted, BackupVerified, HoldLifted, HoldPlaced, SubjectErased,
};
pub use bots::{BotSecretChanged, ReleaseActivated, ReleaseMade, ReleaseRefused};
pub use chat::{
    ConversationClosed, ConversationExpired, ConversationOpened, HandoffChanged, HandoffRequested,
    MessageAccepted, RecordRefused, ReplySent, TicketOpened, TranscriptRead, TranscriptSearched,
};
pub use config::ConfigChanged;
pub use edge::{
    ChallengeAnswered, Method, RequestBlocked, RequestRefused, ResponseWithheld, SuspiciousText,
    TrafficDecided, TrafficLimited, TrafficState, TrafficUnlimited,
};
pub use keys::{
    KeyApproved, KeyCancelled, KeyCreated, KeyDestroyed, KeyDestructionScheduled, KeyMoved, KeyOverdue,
    KeyPolicyChanged, KeyRefused, KeyRequested, KeyRewrapPaused, KeyRewrapped, KeyRotated, KeyStateChanged,
    RootFailed, RootUsed,
};
pub use mail::{InvitationSent, LetterGivenUp, LetterSent, MailFailing, MailRestored};
pub use policy::{PolicyApproved, PolicyProposed, PolicyRefused, PolicyRolledBack, RoleDefined, RoleRetired};
pub use samples::samples;
pub use system::{PostureWeak, ServiceStarted, ServiceStopped};

use crate::event::EventInfo;

/// Every event, by code.
pub fn catalogue() -> Vec<EventInfo> {
    let mut all: Vec<EventInfo> = [
        chat::EVENTS,
        auth::EVENTS,
        access::EVENTS,
        backup::EVENTS,
        bots::EVENTS,
        audit::EVENTS,
        keys::EVENTS,
        edge::EVENTS,
        system::EVENTS,
        config::EVENTS,
        policy::EVENTS,
        mail::EVENTS,
    ]
    .concat();
    all.sort_by_key(|info| info.code);
    all
}

/// The event of that code.
pub fn find(code: &str) -> Option<EventInfo> {
    [
        chat::EVENTS,
        auth::EVENTS,
        access::EVENTS,
        backup::EVENTS,
        bots::EVENTS,
        audit::EVENTS,
        keys::EVENTS,
        edge::EVENTS,
        system::EVENTS,
        config::EVENTS,
        policy::EVENTS,
        mail::EVENTS,
    ]
    .into_iter()
    .flatten()
    .find(|info| info.code == code)
    .copied()
}

/// Makes the structs of one area. After an event's fields, `shape |e| { .. }` names the objects that
/// its OCSF class asks for, and `activity |e| ..` refines the activity.
macro_rules! events {
    ($(
        $(#[doc = $meaning:literal])+
        $code:literal $name:literal $struct:ident:
        $class:ident $activity:literal, $severity:ident, $outcome:ident, $retention:ident
        {
            $( $(#[doc = $field_meaning:literal])+ $field:ident: $type:ty, )*
        }
        $( shape |$it:ident| { $($key:literal: $value:expr),* $(,)? } )?
        $( activity |$it2:ident| $refined:expr )?;
    )*) => {
        $(
            $(#[doc = $meaning])+
            #[doc = ""]
            #[doc = concat!("`", $code, " ", $name, "`")]
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $struct {
                $( $(#[doc = $field_meaning])+ pub $field: $type, )*
            }

            impl crate::event::sealed::Sealed for $struct {}

            impl crate::event::Event for $struct {
                const INFO: crate::event::EventInfo = crate::event::EventInfo {
                    code: $code,
                    name: $name,
                    severity: crate::event::Severity::$severity,
                    class: crate::event::Class::$class,
                    activity: $activity,
                    outcome: crate::event::Outcome::$outcome,
                    retention: crate::event::Retention::$retention,
                    meaning: concat!($($meaning),+),
                    fields: &[$(
                        crate::event::FieldInfo {
                            name: stringify!($field),
                            kind: <$type as crate::words::Word>::KIND,
                            optional: <$type as crate::words::Word>::OPTIONAL,
                            meaning: concat!($($field_meaning),+),
                        },
                    )*],
                };

                fn fields(&self) -> Vec<(&'static str, crate::jcs::Json)> {
                    [$( (stringify!($field), crate::words::Word::to_json(&self.$field)) ),*]
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value?)))
                        .collect()
                }

                fn shape(&self) -> Vec<(&'static str, crate::jcs::Json)> {
                    crate::catalogue::class_shape(&Self::INFO)
                        .into_iter()
                        $( .chain({
                            let $it = self;
                            [$( ($key, $value) ),*]
                        }) )?
                        .collect()
                }

                $(
                    fn activity(&self) -> u64 {
                        let $it2 = self;
                        $refined
                    }
                )?
            }
        )*

        pub(crate) const EVENTS: &[crate::event::EventInfo] =
            &[$( <$struct as crate::event::Event>::INFO ),*];
    };
}
pub(crate) use events;

use crate::event::Class;
use crate::jcs::Json;

/// What every event of a class says, whatever its fields.
fn class_shape(info: &EventInfo) -> Vec<(&'static str, Json)> {
    let service = || Json::object([("name", Json::text("wardroom"))]);
    match info.class {
        Class::Api => {
            let api = Json::object([("operation", Json::text(info.name)), ("service", service())]);
            vec![("api", api)]
        }
        Class::Authentication => vec![("service", service())],
        Class::EventLog => vec![("log_name", Json::text("audit")), ("log_type_id", Json::whole(2))],
        Class::ApplicationLifecycle
        | Class::ComplianceFinding
        | Class::AccountChange
        | Class::UserAccess
        | Class::Http
        | Class::Datastore => vec![],
    }
}

/// An OCSF object that is named by an id and nothing else.
fn by_uid(uid: impl std::fmt::Display) -> Json {
    Json::object([("uid", Json::text(uid.to_string()))])
}

/// An OCSF object that is named by a name and nothing else.
fn by_name(name: impl std::fmt::Display) -> Json {
    Json::object([("name", Json::text(name.to_string()))])
}
