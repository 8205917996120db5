//! `wardroom config check`: the configuration as `wardroom up` would use it. Every file that it names is
//! read and every secret fetched, and all that would stop the start is told at once.

use std::process::ExitCode;

use edge::{Admission, ClientAuthorities, Firewall, TlsSource};
use kernel::World;
use rustls_pki_types::ServerName;
use toml::Value;

use crate::cli::Place;
use crate::config::{Config, Reference, words};
use crate::{Failure, passwords, providers, wiring};

/// `config check`
pub(crate) async fn check(place: &Place) -> Result<ExitCode, Failure> {
    let path = crate::path_of(place);
    let config = crate::read(place)?;
    let mistakes = mistakes(&config, place).await?;
    for mistake in &mistakes {
        eprintln!("wardroom: {mistake}");
    }
    if !mistakes.is_empty() {
        let count = mistakes.len();
        eprintln!("`{}`: {count} {}", path.display(), if count == 1 { "mistake" } else { "mistakes" });
        return Ok(ExitCode::FAILURE);
    }
    match path.exists() {
        true => println!("`{}` is good", path.display()),
        false => println!("there is no `{}`: everything is as it ships, and good", path.display()),
    }
    Ok(ExitCode::SUCCESS)
}

/// All that would keep `wardroom up` from starting, in the order of the sections.
async fn mistakes(config: &Config, place: &Place) -> Result<Vec<String>, Failure> {
    let world = World::real();
    let mut found = Vec::new();
    secrets("", &Value::try_from(config)?, &mut found);
    let unresolved = found.len();
    let mut note = |key: &str, outcome: Result<(), Failure>| {
        if let Err(error) = outcome {
            let said = words(error.as_ref());
            // Some errors name their key themselves.
            found.push(if said.starts_with('`') && said.contains("`:") {
                said
            } else {
                format!("`{key}`: {said}")
            });
        }
    };
    if let (Some(cert), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        let source = TlsSource::Files { cert: cert.clone(), key: key.clone() };
        note("tls", edge::Tls::open(source, &world).await.map(|_| ()).map_err(Into::into));
    }
    for name in config.tls.names.iter().chain(config.tls.acme.iter().flat_map(|acme| &acme.domains)) {
        let read = ServerName::try_from(name.as_str()).map(|_| ());
        note("tls", read.map_err(|_| format!("`{name}` is no name of a host").into()));
    }
    if let Some(authority) = config.tls.acme.as_ref().and_then(|acme| acme.directory_ca.as_ref()) {
        note("tls.acme.directory_ca", outbound::Roots::from_file(authority).map(|_| ()).map_err(Into::into));
    }
    if let Some(authorities) = &config.console.client_ca {
        let read = ClientAuthorities::from_files(authorities, config.console.client_crl.as_ref());
        note("console.client_ca", read.map(|_| ()).map_err(Into::into));
    }
    if unresolved == 0 {
        note("database.url", wiring::database(&place.data, config).map(|_| ()));
        note("mail", config.mail.mailer().map(|_| ()).map_err(Into::into));
        note("shared", config.shared.fetched().map(|_| ()).map_err(Into::into));
    }
    let admission = Admission::new(config.admission.clone(), &config.edge, &world);
    note("edge", admission.map(|_| ()).map_err(Into::into));
    note("waf", Firewall::new(&config.waf, &world).map(|_| ()).map_err(Into::into));
    let origin = || "https://localhost".to_owned();
    note("sign_in", providers::access(&config.sign_in, origin(), origin()).map(|_| ()));
    note("sign_in.breached_passwords", passwords::breached(&config.sign_in).map(|_| ()));
    Ok(found)
}

/// Fetches every secret that stands by reference, and lets it go again.
fn secrets(key: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            if let Ok(reference) = value.clone().try_into::<Reference>() {
                if let Err(error) = reference.resolve() {
                    found.push(format!("`{key}`: {error}"));
                }
                return;
            }
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                secrets(&key, value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| secrets(key, value, found)),
        _ => {}
    }
}
