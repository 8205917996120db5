//! Runs the regression tests of the Core Rule Set through the library: all rules at paranoia level 4,
//! nothing refused, as the tests ask; then says what passed, by file of rules.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use base64::Engine;
use regex::bytes::Regex;
use serde::Deserialize;
use waf::{Policy, Processor, Request, Response, Rules};

use crate::ftw::{self, Named, Output, Stage};
use crate::wire::{self, Wire};

/// What the CRS project sets for its own runs of the tests.
const SETTINGS: [(&str, &str); 7] = [
    ("crs_validate_utf8_encoding", "1"),
    ("arg_name_length", "100"),
    ("arg_length", "400"),
    ("total_arg_length", "64000"),
    ("max_num_args", "255"),
    ("max_file_size", "64100"),
    ("combined_file_sizes", "65535"),
];

/// The policy of the tests.
pub(crate) fn policy() -> Policy {
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Policy { settings, ..Policy::observe(4) }
}

/// The tests that are known not to pass, each with its reason.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    test: String,
    reason: String,
}

/// Runs all tests of a folder. Fails if one does not pass that is not listed.
pub(crate) fn run(rules: &Rules, tests: &Path, exceptions: &Path) -> Result<(), String> {
    let text =
        std::fs::read_to_string(exceptions).map_err(|error| format!("{}: {error}", exceptions.display()))?;
    let listed: Exceptions = toml::from_str(&text).map_err(|error| error.to_string())?;
    let policy = policy();
    let mut groups: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut unlisted = 0;
    for Named { group, name, test } in ftw::read(tests)? {
        let failure = test.stages.iter().find_map(|stage| judge(rules, &policy, stage).err());
        let (passed, total) = groups.entry(group).or_default();
        *total += 1;
        let Some(why) = failure else {
            *passed += 1;
            if listed.exception.iter().any(|exception| exception.test == name) {
                println!("{name}: passes, and is listed as if it did not");
            }
            continue;
        };
        match listed.exception.iter().find(|exception| exception.test == name) {
            Some(exception) => println!("{name}: {why} (known: {})", exception.reason),
            None => {
                unlisted += 1;
                println!("{name}: {why}");
            }
        }
    }
    summary(&groups);
    if unlisted > 0 {
        Err(format!("{unlisted} tests fail that are not listed in {}", exceptions.display()))
    } else {
        Ok(())
    }
}

fn summary(groups: &BTreeMap<String, (u32, u32)>) {
    for (group, (passed, total)) in groups {
        println!("  {group:<45} {passed:>5} of {total:>5}");
    }
    let (passed, total) =
        groups.values().fold((0, 0), |(passed, total), group| (passed + group.0, total + group.1));
    let rate = if total == 0 { 0.0 } else { f64::from(passed) / f64::from(total) };
    let figures = serde_json::json!({ "pass_rate": rate, "passed": passed, "total": total });
    println!("{}", serde_json::json!({ "name": "crs", "figures": figures }));
}

/// Sends one stage and compares.
fn judge(rules: &Rules, policy: &Policy, stage: &Stage) -> Result<(), String> {
    let wire = wire::build(&stage.input)?;
    let refused = wire::refused_by_grammar(&wire);
    let Output { status, expect_error, log } = &stage.output;
    if *expect_error == Some(true) && refused.is_some() {
        return Ok(());
    }
    let answer = answer(&wire);
    if let Some(status) = status {
        let got = refused.unwrap_or(answer.status);
        if got != *status {
            return Err(format!("answered {got} instead of {status}"));
        }
        if refused.is_some() && log.expect_ids.is_empty() {
            // A request that the server refuses reaches no rule.
            return Ok(());
        }
    }
    let said = inspect(rules, policy, &wire, &answer);
    let missing: Vec<_> = log.expect_ids.iter().filter(|id| !said.rules.contains(id)).collect();
    let extra: Vec<_> = log.no_expect_ids.iter().filter(|id| said.rules.contains(id)).collect();
    if !missing.is_empty() || !extra.is_empty() {
        return Err(format!("missing {missing:?}, unexpected {extra:?}"));
    }
    let matches = |pattern: &Option<String>| match pattern {
        None => Ok(None),
        Some(pattern) => Regex::new(pattern)
            .map(|regex| Some(regex.is_match(&said.log)))
            .map_err(|error| error.to_string()),
    };
    match (matches(&log.match_regex)?, matches(&log.no_match_regex)?) {
        (Some(false), _) => Err("the log does not say what it should".to_owned()),
        (_, Some(true)) => Err("the log says what it should not".to_owned()),
        _ => Ok(()),
    }
}

/// What the inspection of one request and its response said.
pub(crate) struct Said {
    /// Ids of the rules that were logged.
    pub(crate) rules: Vec<u32>,
    /// The log, one line for each of them.
    log: Vec<u8>,
    /// The request's body could not be read.
    pub(crate) broken: bool,
}

/// Inspects a request and its response.
pub(crate) fn inspect(rules: &Rules, policy: &Policy, wire: &Wire, answer: &Answer) -> Said {
    let fields = wire.fields();
    let request = Request {
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: &wire.method,
        target: &wire.target,
        protocol: &wire.protocol,
        headers: &fields,
        body: &wire.body,
    };
    let headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let response =
        Response { status: answer.status, protocol: b"HTTP/1.1", headers: &headers, body: &answer.body };
    let (verdict, told) = rules.explain(&request, Some(&response), policy);
    let mut log = Vec::new();
    for told in told.iter().filter(|told| told.logged && told.complete) {
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "[id \"{}\"] [msg \"{}\"] [data \"{}\"]",
            told.rule,
            String::from_utf8_lossy(&told.message),
            String::from_utf8_lossy(&told.log_data)
        );
        log.extend_from_slice(line.replace(['\n', '\r'], " ").as_bytes());
        log.push(b'\n');
    }
    let processor = Processor::of_content_type(request.header("content-type").unwrap_or_default());
    let broken = waf::body::read(processor, &request, &policy.body).error.is_some();
    Said { rules: verdict.matches.iter().map(|found| found.rule).collect(), log, broken }
}

/// What the upstream of the tests answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The upstream: `/reflect` answers what the request's JSON tells it to, anything else an empty page.
pub(crate) fn answer(wire: &Wire) -> Answer {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Reflect {
        status: Option<u16>,
        headers: BTreeMap<String, String>,
        body: String,
        encoded_body: String,
    }
    let plain = Answer { status: 200, headers: Vec::new(), body: Vec::new() };
    if !wire.target.starts_with(b"/reflect") {
        return plain;
    }
    let Ok(reflect) = serde_json::from_slice::<Reflect>(&wire.body) else { return plain };
    let decoded = base64::engine::general_purpose::STANDARD.decode(&reflect.encoded_body).unwrap_or_default();
    let mut headers: Vec<_> = reflect.headers.into_iter().collect();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned()));
    }
    let body = if reflect.body.is_empty() { decoded } else { reflect.body.into_bytes() };
    Answer { status: reflect.status.unwrap_or(200), headers, body }
}
