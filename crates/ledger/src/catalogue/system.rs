//! The life of the processes, and what this deployment finds weak about itself.

use super::{by_name, events};
use crate::jcs::Json;
use crate::words::Token;

events! {
    /// A process took up its work.
    "SYST-1001I" "service.started" ServiceStarted: ApplicationLifecycle 3, Info, Success, Security {
        /// The role: `all`, `edge`, `core` or `engine`.
        role: &'static str,
        /// The version of Wardroom.
        version: Token,
        /// SHA-256 of the configuration in force, secrets left out.
        config_sha256: [u8; 32],
    }
    shape |e| { "app": app(e.role, Some(&e.version)) };

    /// A process ended its work in good order. A start without a stop before it means that the process
    /// was killed.
    "SYST-1002I" "service.stopped" ServiceStopped: ApplicationLifecycle 4, Info, Success, Security {
        /// The role.
        role: &'static str,
        /// Why: `signal`, `command`, `failure`.
        why: &'static str,
    }
    shape |e| { "app": app(e.role, None) };

    /// A check of this deployment found something weaker than it should be.
    "SYST-1003W" "posture.weak" PostureWeak: ComplianceFinding 1, Warning, Failure, Accountability {
        /// The check.
        check: Token,
        /// How many things it found.
        findings: u64,
    }
    shape |e| {
        "finding_info": Json::object([
            ("uid", Json::text(e.check.to_string())),
            ("title", Json::text(e.check.to_string())),
        ]),
        "compliance": Json::object([("control", Json::text(e.check.to_string())), ("status_id", Json::whole(3))]),
        // In findings, OCSF's status is that of the finding's own life: 1, new.
        "status_id": Json::whole(1),
    };
}

fn app(role: &'static str, version: Option<&Token>) -> Json {
    match (by_name(format_args!("wardroom-{role}")), version) {
        (Json::Object(mut members), Some(version)) => {
            members.push(("version".into(), Json::text(version.to_string())));
            Json::Object(members)
        }
        (app, _) => app,
    }
}
