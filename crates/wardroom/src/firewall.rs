//! `wardroom waf`: rules checked before they are used, and a request told about rule by rule.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;

use edge::{Door, Firewall};
use kernel::World;
use waf::{Cause, Decision, Explained, Refusal, Rules, Source, Verdict};

use crate::Failure;
use crate::config::Config;

/// Bytes of a value that are shown at most.
const SHOWN: usize = 200;

/// `wardroom waf check`
pub(crate) fn check(rules: &str) -> Result<ExitCode, Failure> {
    let path = Path::new(rules);
    let source = match rules {
        "builtin" => Source::BuiltIn,
        _ if path.is_file() => Source::File(path.to_owned()),
        _ => Source::Folder(path.to_owned()),
    };
    let counts = Rules::load(&[source])?.counts();
    println!("{} rules, {} with the links of chains", counts.rules, counts.links);
    println!("{} run only where the shared prefilter found a word of theirs", counts.guarded);
    println!("{} different chains of transformations", counts.chains);
    Ok(ExitCode::SUCCESS)
}

/// `wardroom waf explain`: the exit status is the verdict.
pub(crate) fn explain(
    file: &Path,
    staff: bool,
    bot: Option<&str>,
    config: &Config,
) -> Result<ExitCode, Failure> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))?;
    let parts = Parts::of(&bytes).ok_or_else(|| {
        format!(
            "`{}` is no request: write `POST /path HTTP/1.1`, the fields, an empty line and the body",
            file.display()
        )
    })?;
    let request = waf::Request {
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: parts.method,
        target: parts.target,
        protocol: parts.protocol,
        headers: &parts.headers,
        body: parts.body,
    };
    let path = String::from_utf8_lossy(parts.target);
    let path = path.split('?').next().unwrap_or_default();
    let door = if staff { Door::Staff } else { Door::Public };
    let firewall = Firewall::new(&config.waf, &World::real())?;
    let Some((verdict, told)) = firewall.explain(door, path, bot, &request) else {
        println!("the firewall is off");
        return Ok(ExitCode::SUCCESS);
    };
    for one in told.iter().filter(|one| one.logged || one.signal) {
        print!("{}", story(one));
    }
    println!("{}", outcome(&verdict));
    Ok(if verdict.refuses() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn outcome(verdict: &Verdict) -> String {
    let cause = |refusal: &Refusal| match refusal.cause {
        Cause::Rule(rule) => format!("rule {rule}, status {}", refusal.status),
        Cause::Unread => "its body could not be read to its end".to_owned(),
        Cause::TooMuchWork => "it would take too much work to inspect".to_owned(),
    };
    let end = match (&verdict.decision, &verdict.withheld) {
        (Decision::Refuse(refusal), _) => format!("refused: {}", cause(refusal)),
        (Decision::Pass, Some(refusal)) => format!("passes, because it is only observed: {}", cause(refusal)),
        (Decision::Pass, None) => "passes".to_owned(),
    };
    let (score, signal, effort) = (verdict.inbound_score, verdict.signal.score, verdict.effort);
    format!(
        "{end}; score {score}, of conversation text {signal}; {} of {} rules ran, {} bytes of work",
        effort.ran, effort.reached, effort.steps
    )
}

/// What one rule has to say.
fn story(one: &Explained) -> String {
    let kind = if one.signal { " (conversation text: a signal only)" } else { "" };
    let mut text = format!("rule {} ({}), phase {}{kind}\n", one.rule, one.place, one.phase);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<9} {value}");
        }
    };
    line("says", plain(&one.message));
    line("looked at", plain(&one.name));
    line("as sent", plain(&one.original));
    if !one.transformations.is_empty() {
        line("changed", format!("{} by {}", plain(&one.seen), one.transformations.join(", ")));
    }
    let part = one.part.clone();
    if let Some((part, found)) = part.and_then(|part| Some((part.clone(), one.seen.get(part)?))) {
        line("matched", format!("bytes {} to {}: {}", part.start, part.end, plain(found)));
    }
    text
}

/// Bytes for a terminal: what could steer it is spelled out.
fn plain(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let dots = if shown.len() < bytes.len() { ".." } else { "" };
    format!("{}{dots}", shown.escape_ascii())
}

/// A request's parts.
struct Parts<'a> {
    method: &'a [u8],
    target: &'a [u8],
    protocol: &'a [u8],
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads a request; lines may end as in text files.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (first, mut rest) = line(bytes);
        let mut words = first.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (method, target, protocol) = (words.next()?, words.next()?, words.next()?);
        let mut headers = Vec::new();
        loop {
            let (field, after) = line(rest);
            rest = after;
            if field.is_empty() {
                break;
            }
            let colon = field.iter().position(|byte| *byte == b':')?;
            let (name, value) = field.split_at(colon);
            headers.push((name, value.get(1..)?.trim_ascii()));
        }
        let protocol_is_http = protocol.starts_with(b"HTTP/");
        protocol_is_http.then_some(Self { method, target, protocol, headers, body: rest })
    }
}

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_with_either_line_end() {
        for text in ["POST /a?b HTTP/1.1\r\nHost: x\r\n\r\nbo\ndy", "POST /a?b HTTP/1.1\nHost:x\n\nbo\ndy"] {
            let parts = Parts::of(text.as_bytes()).unwrap();
            assert_eq!((parts.method, parts.target), (&b"POST"[..], &b"/a?b"[..]));
            assert_eq!(parts.headers, [(&b"Host"[..], &b"x"[..])]);
            assert_eq!(parts.body, b"bo\ndy");
        }
        assert!(Parts::of(b"hello").is_none());
        assert!(Parts::of(b"GET / FTP/1.1\n\n").is_none());
    }

    #[test]
    fn nothing_that_is_shown_steers_a_terminal() {
        assert_eq!(plain(b"\x1b[2J\xff'"), "\\x1b[2J\\xff\\'");
    }
}
