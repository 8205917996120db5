//! What protects this deployment, and what is not yet as it should be, each with its mend.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use vault::ProviderRecord;

use crate::config::Config;
use crate::config::roots::Provider;
use crate::wiring::Foundation;
use crate::{Failure, memory, policies};

/// Something that is weaker than it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What.
    pub(crate) what: String,
    /// How to mend it.
    pub(crate) mend: String,
}

impl Finding {
    fn new(what: &str, mend: &str) -> Self {
        Self { what: what.to_owned(), mend: mend.to_owned() }
    }
}

/// What the configuration and the process itself tell.
pub(crate) fn of_config(config: &Config) -> Vec<Finding> {
    let mut findings = memory::findings();
    if config.keys.kind() == Provider::File && config.keys.root_file.is_none() {
        findings.push(Finding::new(
            "The root key is a file beside the data.",
            "Choose a provider in `[keys]` (docs/operations/root-keys), or keep the file on another disk with `root_file`.",
        ));
    }
    if config.tls.certificate.is_none() && config.tls.acme.is_none() {
        findings.push(Finding::new(
            "The certificate is from this deployment's own authority.",
            "Set `[tls] certificate` and `key`, or `[tls.acme]`.",
        ));
    }
    if config.database.url.is_none() {
        findings.push(Finding::new(
            "The database is a file on this machine.",
            "Set `[database] url = { env = \"DATABASE_URL\" }` to a PostgreSQL server for more than one machine.",
        ));
    }
    findings
}

/// What policies of one's own lack since a newer release.
pub(crate) async fn of_policies(base: &Foundation) -> Result<Option<Finding>, Failure> {
    let found = policies::lacking(base).await?.map(|(what, mend)| Finding { what, mend });
    if let Some(Finding { what, mend }) = &found {
        tracing::warn!("{what} {mend}");
    }
    Ok(found)
}

/// What a provider's record says, for a machine.
fn told(record: &ProviderRecord) -> serde_json::Value {
    serde_json::json!({
        "kind": record.info.kind,
        "key": record.info.key,
        "calls": record.calls,
        "failures": record.failures,
        "last_success": record.last_success.map(|at| at.rfc3339()),
        "last_failure": record.last_failure.as_ref().map(|failure| {
            serde_json::json!({ "at": failure.at.rfc3339(), "why": failure.why })
        }),
        "latency_ms": record.latency.map(|latency| {
            serde_json::json!({
                "p50": latency.p50.as_millis(), "p95": latency.p95.as_millis(), "p99": latency.p99.as_millis(),
            })
        }),
    })
}

/// Reaches the store that edges share, if there is one, and tells what is not as it should be.
async fn shared(config: &Config, findings: &mut Vec<Finding>) -> Result<serde_json::Value, Failure> {
    let Some(settings) = config.shared.fetched()? else { return Ok(serde_json::Value::Null) };
    let shared = edge::Shared::new(&settings, &kernel::World::real())?;
    findings.extend(shared.advice().into_iter().map(|(what, mend)| Finding::new(what, mend)));
    let reached = shared.probe().await;
    if let Err(error) = &reached {
        findings.push(Finding {
            what: format!("Every edge limits alone: {error}."),
            mend: "See to the store that `[shared] url` names (docs/operations/shared-limits.md).".into(),
        });
    }
    Ok(serde_json::json!({ "place": shared.status().place, "reached": reached.is_ok() }))
}

/// Visits the mail relay, if one is named, without a letter.
async fn relay(config: &Config, findings: &mut Vec<Finding>) -> Result<serde_json::Value, Failure> {
    let Some(mailer) = config.mail.mailer()? else { return Ok(serde_json::Value::Null) };
    let visited = mailer.open().await;
    let well = visited.is_ok();
    match visited {
        Ok(session) => session.end().await,
        Err(error) => findings.push(Finding {
            what: format!("No letters leave: {error}."),
            mend: "`wardroom mail test ADDRESS` shows each step (docs/operations/mail.md).".into(),
        }),
    }
    Ok(serde_json::json!({ "relay": mailer.server(), "well": well }))
}

/// A FIPS build whose module is not in FIPS mode.
#[derive(Debug, thiserror::Error)]
#[error("this build is for FIPS, but its {0} not as FIPS approves; nothing is served by it")]
struct NotApproved(&'static str);

/// In a FIPS build, makes sure that it is one. Any other build has nothing to show.
pub(crate) fn approved(tls: &edge::Tls) -> Result<(), Failure> {
    if !cfg!(feature = "fips") {
        return Ok(());
    }
    if vault::fips_status().is_err() {
        return Err(NotApproved("cryptographic module works").into());
    }
    if !tls.is_fips() {
        return Err(NotApproved("doors agree on keys").into());
    }
    Ok(())
}

/// `wardroom doctor`
pub(crate) async fn doctor(data: &Path, config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let mut findings = of_config(config);
    let mut provider = serde_json::Value::Null;
    match Foundation::open(data, config, false).await {
        Ok(base) => {
            let keyring = base.keys.keyring();
            if let Err(error) = keyring.health() {
                findings.push(Finding {
                    what: format!("The key provider: {error}."),
                    mend: "Mend what it says.".into(),
                });
            }
            provider = told(&keyring.provider_record());
            findings.extend(of_policies(&base).await?);
        }
        Err(error) => findings.push(Finding {
            what: format!("The deployment does not open: {error}."),
            mend: "Mend what it says, then run `wardroom doctor` again.".into(),
        }),
    }
    let shared = shared(config, &mut findings).await?;
    let mail = relay(config, &mut findings).await?;
    if json {
        println!(
            "{}",
            serde_json::json!({
                "findings": findings, "key_provider": provider, "shared": shared, "mail": mail, "memory": memory::look(), "fips": vault::fips_status().is_ok(),
            })
        );
    } else if findings.is_empty() {
        println!("nothing to mend");
    } else {
        for finding in &findings {
            println!("- {}\n  {}", finding.what, finding.mend);
        }
    }
    if !json && vault::fips_status().is_ok() {
        println!("cryptography: the FIPS module of AWS-LC, its self-tests passed (docs/operations/fips.md)");
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
