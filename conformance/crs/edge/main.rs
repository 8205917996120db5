//! Runs the regression tests of the Core Rule Set through the real edge: each request goes byte for byte
//! over TLS to a listener, behind which stands the tests' upstream, and a witness hears what the rules said.
//! Or sends attack strings and ordinary text, and holds what is refused against the library's verdicts.
//! Usage: `judge-edge crs FOLDER EXCEPTIONS`, `judge-edge attacks FOLDER LISTS DATA`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the workshop speaks to a person")]
#![expect(clippy::indexing_slicing, reason = "a tool of the workshop may stop at a bug")]

mod attacks;
#[path = "../../../crates/waf/examples/judge/corpora.rs"]
mod corpora;
#[path = "../../../crates/waf/examples/judge/expect.rs"]
mod expect;
#[path = "../../../crates/waf/examples/judge/ftw.rs"]
mod ftw;
mod house;
#[path = "../../../crates/waf/examples/judge/reflect.rs"]
mod reflect;
#[path = "../../../crates/waf/examples/judge/wire.rs"]
mod wire;

use std::path::Path;
use std::process::ExitCode;

use expect::{Exceptions, Groups};
use ftw::{Named, Output, Stage};
use house::{House, Reply};

/// Why a test does not pass.
enum Short {
    /// The edge answered before its rules were asked, in these words.
    Refused(String),
    /// What the test is about is not left when the request has been read as HTTP, for this reason.
    Rewritten(&'static str),
    /// The rules said something else than the test expects.
    Failed(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&Path> = words.iter().map(Path::new).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match words.as_slice() {
            [word, folder, exceptions] if *word == Path::new("crs") => run(folder, exceptions).await,
            [word, folder, lists, data] if *word == Path::new("attacks") => {
                attacks::run(folder, lists, data).await
            }
            _ => Err("judge-edge crs FOLDER EXCEPTIONS | attacks FOLDER LISTS DATA".to_owned()),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all tests of a folder. Fails if one does not pass that is neither listed nor refused beforehand.
async fn run(folder: &Path, exceptions: &Path) -> Result<(), String> {
    let listed = Exceptions::read(exceptions)?;
    let house = House::watching(folder).await?;
    let mut groups = Groups::new();
    let (mut refused, mut rewritten, mut unlisted) = (0, 0, 0);
    for Named { group, name, test } in ftw::read(&folder.join("tests"))? {
        let (passed, total) = groups.entry(group).or_default();
        *total += 1;
        let mut short = None;
        for stage in &test.stages {
            if short.is_none() {
                short = judge(&house, stage).await?.err();
            }
        }
        match (short, listed.reason(&name)) {
            (None, _) => {
                *passed += 1;
                if listed.names(&name) {
                    println!("{name}: passes, and is listed as if it did not");
                }
            }
            (Some(Short::Refused(words)), _) => {
                refused += 1;
                println!("{name}: refused before the rules: {words}");
            }
            (Some(Short::Rewritten(reason)), _) => {
                rewritten += 1;
                println!("{name}: {reason}");
            }
            (Some(Short::Failed(why)), Some(reason)) => println!("{name}: {why} (known: {reason})"),
            (Some(Short::Failed(why)), None) => {
                unlisted += 1;
                println!("{name}: {why}");
            }
        }
    }
    let (passed, total) = expect::summary(&groups);
    let known = total - passed - refused - rewritten - unlisted;
    println!(
        "through the edge: {passed} pass, {refused} are refused before the rules, {known} known, {unlisted} fail"
    );
    let figures = serde_json::json!({
        "pass_rate": expect::share(passed, total),
        "pass_rate_of_reached": expect::share(passed, total - refused - rewritten),
        "passed": passed,
        "refused_before_rules": refused,
        "taken_off_by_http": rewritten,
        "total": total,
    });
    println!("{}", serde_json::json!({ "name": "crs-edge", "figures": figures }));
    if unlisted > 0 {
        Err(format!("{unlisted} tests fail that are not listed in {}", exceptions.display()))
    } else {
        Ok(())
    }
}

/// Sends one stage and compares.
async fn judge(house: &House, stage: &Stage) -> Result<Result<(), Short>, String> {
    let raw = wire::raw(&stage.input)?;
    let Output { status, expect_error, log } = &stage.output;
    let wants_log = log.match_regex.is_some() || log.no_match_regex.is_some();
    let reply = house.send(&raw, wants_log).await?;
    if !reply.heard {
        let expected = *expect_error == Some(true)
            || status.is_some_and(|status| Some(status) == reply.status)
            || (log.expect_ids.is_empty() && log.match_regex.is_none() && status.is_none());
        return Ok(if expected { Ok(()) } else { Err(before(&stage.input, &reply)?) });
    }
    if let Some(status) = status
        && reply.status != Some(*status)
    {
        return Ok(Err(match rewritten(&stage.input) {
            Some(reason) => Short::Rewritten(reason),
            None => Short::Failed(format!("answered {:?} instead of {status}", reply.status)),
        }));
    }
    // Names of fields come in small letters, as HTTP/2 has them all.
    let held = expect::hold(log, &reply.rules, &reply.log, false);
    Ok(held.map_err(|why| match rewritten(&stage.input) {
        Some(reason) => Short::Rewritten(reason),
        None => Short::Failed(why),
    }))
}

/// A request that no rule saw: refused with reason, or lost.
fn before(input: &ftw::Input, reply: &Reply) -> Result<Short, String> {
    let status = reply.status.map_or_else(|| "closed".to_owned(), |status| status.to_string());
    if !reply.detail.is_empty() {
        return Ok(Short::Refused(format!("{status} {}", reply.detail)));
    }
    // The HTTP parser says no more than a status; then the request must really be against the grammar.
    let wire = wire::build(input)?;
    if wire.target.iter().any(|byte| !belongs_in_targets(*byte)) {
        return Ok(Short::Refused(format!(
            "{status}, its target holds bytes that belong encoded (RFC 3986)"
        )));
    }
    Ok(match wire::refused_by_grammar(&wire) {
        Some(_) => Short::Refused(format!("{status}, it is not HTTP (RFC 9112)")),
        None if reply.status == Some(431) => Short::Refused(format!("{status}, its head is too large")),
        None => Short::Failed(format!("{status} before the rules, without a word")),
    })
}

/// Whether a byte may stand in a target as it is (RFC 3986, section 2).
fn belongs_in_targets(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
}

/// What the HTTP parser takes off a request, so that neither rules nor rooms can see it.
fn rewritten(input: &ftw::Input) -> Option<&'static str> {
    let wire = wire::build(input).ok()?;
    let host = wire.target.strip_prefix(b"http://").or(wire.target.strip_prefix(b"https://"));
    if wire.target.contains(&b'#') {
        Some("a fragment is taken off the target: nothing behind the edge sees it")
    } else if host.is_some_and(|host| !host.is_empty() && !host.contains(&b'/')) {
        Some("a target without a path has the path `/` once it is read (RFC 9112, section 3.2.2)")
    } else {
        None
    }
}
