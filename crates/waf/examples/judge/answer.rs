//! Questions and answers, line by line, so that another program can hold this firewall against another
//! engine.

use std::io::{BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use waf::{Rules, Transformation};

use crate::ftw;
use crate::reflect;
use crate::suite;
use crate::wire::{self, Wire};

/// A request as JSON, every part of it in hexadecimal.
#[derive(Serialize, Deserialize)]
struct Written {
    method: String,
    target: String,
    protocol: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Writes the requests of all tests of a folder, one a line.
pub(crate) fn requests(tests: &Path) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    for named in ftw::read(tests)? {
        for stage in &named.test.stages {
            let wire = wire::build(&stage.input)?;
            let hex = |bytes: &[u8]| encode(bytes);
            let written = Written {
                method: hex(&wire.method),
                target: hex(&wire.target),
                protocol: hex(&wire.protocol),
                headers: wire.headers.iter().map(|(name, value)| (hex(name), hex(value))).collect(),
                body: hex(&wire.body),
            };
            let line = serde_json::to_string(&written).map_err(|error| error.to_string())?;
            writeln!(out, "{line}").map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Reads requests, one a line, and answers each with the ids of the rules that matched it, and
/// whether its body could not be read.
pub(crate) fn rules(rules: &Rules) -> Result<(), String> {
    let policy = suite::policy();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let written: Written = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let bytes = |text: &str| decode(text);
        let mut headers = Vec::new();
        for (name, value) in &written.headers {
            headers.push((bytes(name)?, bytes(value)?));
        }
        let wire = Wire {
            method: bytes(&written.method)?,
            target: bytes(&written.target)?,
            protocol: bytes(&written.protocol)?,
            headers,
            body: bytes(&written.body)?,
        };
        let said = suite::inspect(rules, &policy, &wire, &reflect::answer(&wire.target, &wire.body));
        let answer = serde_json::json!({ "rules": said.rules, "broken": said.broken });
        let line = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
        writeln!(out, "{line}").map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Reads a transformation's name and a value in hexadecimal, and answers what it becomes.
pub(crate) fn transformations() -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let (name, value) = line.split_once(' ').unwrap_or((&line, ""));
        let kind = Transformation::named(name).ok_or_else(|| format!("no transformation `{name}`"))?;
        let became = encode(&waf::transform::apply(kind, &decode(value)?));
        writeln!(out, "{became}").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(|at| pair(at).ok_or_else(|| "not hexadecimal".to_owned())).collect()
}
