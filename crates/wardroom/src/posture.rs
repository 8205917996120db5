//! What protects this deployment, and what is not yet as it should be, each with its mend.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::Failure;
use crate::config::Config;
use crate::wiring::Foundation;

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

/// What the configuration tells.
pub(crate) fn of_config(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.keys.passphrase.is_none() {
        findings.push(Finding::new(
            "The root key is a file beside the data.",
            "Set `[keys] passphrase = { file = \"...\" }`, or keep `keys/root.key` on another disk with `root_file`.",
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

/// `wardroom doctor`
pub(crate) async fn doctor(data: &Path, config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let mut findings = of_config(config);
    match Foundation::open(data, config, false).await {
        Ok(base) => {
            if let Err(error) = base.keys.keyring().health() {
                findings.push(Finding {
                    what: format!("The key provider: {error}."),
                    mend: "Mend what it says.".into(),
                });
            }
        }
        Err(error) => findings.push(Finding {
            what: format!("The deployment does not open: {error}."),
            mend: "Mend what it says, then run `wardroom doctor` again.".into(),
        }),
    }
    if json {
        println!("{}", serde_json::json!({ "findings": findings }));
    } else if findings.is_empty() {
        println!("nothing to mend");
    } else {
        for finding in &findings {
            println!("- {}\n  {}", finding.what, finding.mend);
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
