//! What the tests need of the machine. As root on Debian or Ubuntu it is installed; otherwise the
//! person is told what to install, once and completely.

use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// A file that shows that a package is installed, and the Debian package that brings it.
const NEEDS: &[(&str, &str)] = &[
    ("/usr/bin/chromium", "chromium"),
    ("/usr/bin/certutil", "libnss3-tools"),
    ("/usr/bin/cvc5", "cvc5"),
    ("/usr/bin/pebble", "pebble"),
    ("/usr/bin/softhsm2-util", "softhsm2"),
    ("/usr/bin/pkcs11-tool", "opensc"),
    ("/usr/bin/testssl", "testssl.sh"),
    ("/usr/bin/python3", "python3-venv"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/share/simplesamlphp/www", "simplesamlphp"),
    ("/usr/sbin/exim4", "exim4-daemon-light"),
    ("/usr/bin/php", "php-cli"),
    ("/usr/share/doc/php-xml", "php-xml"),
    ("/usr/share/doc/php-mbstring", "php-mbstring"),
    ("/usr/share/doc/php-sqlite3", "php-sqlite3"),
    ("/usr/share/doc/php-curl", "php-curl"),
    ("/usr/bin/xmlsec1", "xmlsec1"),
    ("/usr/share/doc/postgresql-doc-15/html", "postgresql-doc-15"),
];

/// Either of these is the store that edges share. Debian 12 has the older of the two only.
const STORES: [&str; 2] = ["/usr/bin/valkey-server", "/usr/bin/redis-server"];

fn missing() -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        NEEDS.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package).collect();
    if !has_postgres() {
        packages.push("postgresql");
    }
    if !STORES.iter().any(|file| Path::new(file).exists()) {
        packages.push("redis-server");
    }
    packages
}

fn has_postgres() -> bool {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return false };
    versions.flatten().any(|version| version.path().join("bin/initdb").exists())
}

/// Makes sure that everything is there.
pub(crate) fn ensure() -> Outcome {
    packages()?;
    crate::conformance::kms::install()
}

fn packages() -> Outcome {
    for tool in ["node", "npm"] {
        if Command::new(tool).arg("--version").output().is_err() {
            return Err(format!("`{tool}` is missing: install Node.js 20 or newer with npm"));
        }
    }
    let packages = missing();
    if packages.is_empty() {
        println!("everything is installed");
        return Ok(());
    }
    let root = crate::steps::ask("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    if !root || !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!(
            "please install: {}  (apt-get install {})",
            packages.join(", "),
            packages.join(" ")
        ));
    }
    install(&packages)?;
    match missing() {
        none if none.is_empty() => Ok(()),
        still => Err(format!("still missing after the installation: {}", still.join(", "))),
    }
}

/// Tries to install what a measurement compares with: a file that shows that it is there, and its package.
/// Without it the measurement says that the peer is left out.
pub(crate) fn peer(wanted: &[(&str, &str)]) {
    let missing: Vec<&str> =
        wanted.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return;
    }
    if let Err(why) = install(&missing) {
        println!("the peer is missing: {why}");
    }
}

fn install(packages: &[&str]) -> Outcome {
    println!("installing {}", packages.join(", "));
    let apt = |args: &[&str]| {
        let status = Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("apt-get {} failed", args.join(" "))),
        }
    };
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(packages);
    apt(&install)
}
