//! Measurements, each as a ratio to a peer or a physical limit in the same run. Each shows progress,
//! prints a table, and ends with one line of JSON.

use crate::steps::call;
use crate::{Outcome, needs};

/// What shows that a peer is installed.
const NGINX: &str = "/usr/sbin/nginx";
const MODSECURITY: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";

/// What floods are compared with and made by: the word that asks for it, the file that shows that it is
/// installed, and its package.
const RIVALS: [(&str, &str, &str); 3] = [
    ("haproxy", "/usr/sbin/haproxy", "haproxy"),
    ("tools", "/usr/bin/slowhttptest", "slowhttptest"),
    ("tools", "/usr/bin/h2load", "nghttp2-client"),
];

/// The measurements: name, what it measures.
const BENCHES: &[(&str, &str)] = &[
    ("intents", "accuracy and speed of the intent classifier on real questions: bench intents DATA_FOLDER"),
    ("knowledge", "whether the right page of the PostgreSQL manual is found for 40 questions and more"),
    ("seal", "sealing and opening a value against the bare cipher, in CPU time"),
    (
        "storage",
        "sealing, appending, opening against their plain limits, both databases: bench storage [MESSAGES]; what a message costs while the database grows: bench storage curve [MESSAGES]",
    ),
    ("rewrap", "how fast data keys are wrapped anew, and what senders notice: bench rewrap [KEYS]"),
    ("decision", "what one decision of the guard costs"),
    ("saml", "what the verification of a SAML login costs, genuine and hostile"),
    ("logins", "sign-ins per second and core for each kind, and what a session takes"),
    ("flood", "who is served while the edge is attacked: bench flood [A1..A9] [on] [off] [haproxy] [tools]"),
    (
        "waf",
        "what inspecting a chat message costs, beside ModSecurity: bench waf [CRS_FOLDER]; ../shared/crs if left out",
    ),
    (
        "edge",
        "requests and handshakes per CPU second, beside nginx and rustls alone: bench edge [HANDSHAKES]",
    ),
    ("house", "start, size, send over TLS, idle streams"),
];

/// Runs one measurement, or lists them.
pub(crate) fn run(words: &[&str]) -> Outcome {
    let example = |package: &str, example: &str, args: &[&str]| {
        let mut all = vec!["run", "--quiet", "--release", "--package", package, "--example", example, "--"];
        all.extend(args);
        call("cargo", &all)
    };
    match words {
        ["intents", data] => example("wardroom-engine", "bench_intents", &[data]),
        ["knowledge"] => {
            let manual = "/usr/share/doc/postgresql-doc-15/html";
            if !std::path::Path::new(manual).is_dir() {
                return Err(format!("`{manual}` is missing: apt-get install postgresql-doc-15"));
            }
            example("wardroom-engine", "bench_knowledge", &[manual, "bench/knowledge/postgresql.toml"])
        }
        ["seal"] => example("wardroom-vault", "seal_cost", &[]),
        ["storage", rest @ ..] => example("wardroom-store", "storage", rest),
        ["rewrap"] => example("wardroom-custody", "rewrap_rate", &[]),
        ["rewrap", keys] => example("wardroom-custody", "rewrap_rate", &[keys]),
        ["decision"] => example("wardroom-guard", "decision_cost", &[]),
        ["saml"] => example("wardroom-federation", "saml_cost", &[]),
        ["logins"] => example("wardroom-identity", "logins", &[]),
        ["flood", rest @ ..] => {
            let rivals = RIVALS.iter().filter(|(word, ..)| rest.contains(word));
            needs::peer(&rivals.map(|(_, file, package)| (*file, *package)).collect::<Vec<_>>());
            example("wardroom-edge", "flood", rest)
        }
        ["waf", rest @ ..] => {
            needs::peer(&[(NGINX, "nginx"), (MODSECURITY, "libnginx-mod-http-modsecurity")]);
            example("wardroom-waf", "cost", &[rest.first().copied().unwrap_or("../shared/crs")])
        }
        ["edge", rest @ ..] => {
            needs::peer(&[(NGINX, "nginx")]);
            example("wardroom-edge", "bench-edge", rest)
        }
        ["house"] => call("cargo", &["bench", "--quiet", "--package", "wardroom", "--bench", "house"]),
        [] => {
            for (name, what) in BENCHES {
                println!("  {name:<10} {what}");
            }
            Ok(())
        }
        _ => Err("no such measurement; `cargo xtask bench` lists them".to_owned()),
    }
}
