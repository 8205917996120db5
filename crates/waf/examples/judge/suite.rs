//! Runs the regression tests of the Core Rule Set through the library: all rules at paranoia level 4,
//! nothing refused, as the tests ask; then says what passed, by file of rules.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use waf::{Policy, Processor, Request, Response, Rules};

use crate::expect::{self, Exceptions, Groups};
use crate::ftw::{self, Named, Output, Stage};
use crate::reflect::{self, Answer};
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

/// Runs all tests of a folder. Fails if one does not pass that is not listed.
pub(crate) fn run(rules: &Rules, tests: &Path, exceptions: &Path) -> Result<(), String> {
    let listed = Exceptions::read(exceptions)?;
    let policy = policy();
    let mut groups = Groups::new();
    let mut unlisted = 0;
    for Named { group, name, test } in ftw::read(tests)? {
        let failure = test.stages.iter().find_map(|stage| judge(rules, &policy, stage).err());
        let (passed, total) = groups.entry(group).or_default();
        *total += 1;
        let Some(why) = failure else {
            *passed += 1;
            if listed.names(&name) {
                println!("{name}: passes, and is listed as if it did not");
            }
            continue;
        };
        match listed.reason(&name) {
            Some(reason) => println!("{name}: {why} (known: {reason})"),
            None => {
                unlisted += 1;
                println!("{name}: {why}");
            }
        }
    }
    let (passed, total) = expect::summary(&groups);
    let figures =
        serde_json::json!({ "pass_rate": expect::share(passed, total), "passed": passed, "total": total });
    println!("{}", serde_json::json!({ "name": "crs", "figures": figures }));
    if unlisted > 0 {
        Err(format!("{unlisted} tests fail that are not listed in {}", exceptions.display()))
    } else {
        Ok(())
    }
}

/// Sends one stage and compares.
fn judge(rules: &Rules, policy: &Policy, stage: &Stage) -> Result<(), String> {
    let wire = wire::build(&stage.input)?;
    let refused = wire::refused_by_grammar(&wire);
    let Output { status, expect_error, log } = &stage.output;
    if *expect_error == Some(true) && refused.is_some() {
        return Ok(());
    }
    let answer = reflect::answer(&wire.target, &wire.body);
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
    expect::hold(log, &said.rules, &said.log, true)
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
    let fields: Vec<_> =
        wire.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
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
    let log = expect::lines(&told);
    let processor = Processor::of_content_type(request.header("content-type").unwrap_or_default());
    let broken = waf::body::read(processor, &request, &policy.body).error.is_some();
    Said { rules: verdict.matches.iter().map(|found| found.rule).collect(), log, broken }
}
