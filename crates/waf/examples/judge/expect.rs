//! What the tests expect, and which of them are known not to pass.

use std::collections::BTreeMap;
use std::path::Path;

use regex::bytes::RegexBuilder;
use serde::Deserialize;

use crate::ftw::Log;

/// The tests that are known not to pass, each with its reason.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// One test, or all tests of one rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    test: Option<String>,
    rule: Option<u32>,
    reason: String,
}

impl Exceptions {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    /// Why a test is known not to pass.
    pub(crate) fn reason(&self, name: &str) -> Option<&str> {
        let of = |exception: &&Exception| {
            let rule = exception.rule.map(|rule| format!("{rule}-"));
            exception.test.as_deref() == Some(name) || rule.is_some_and(|rule| name.starts_with(&rule))
        };
        self.exception.iter().find(of).map(|exception| exception.reason.as_str())
    }

    /// Whether it is named by itself, so that its passing would be news.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.exception.iter().any(|exception| exception.test.as_deref() == Some(name))
    }
}

/// How a group of tests fared: passed, and of how many.
pub(crate) type Groups = BTreeMap<String, (u32, u32)>;

/// Prints the groups; passed and all of the whole.
pub(crate) fn summary(groups: &Groups) -> (u32, u32) {
    for (group, (passed, total)) in groups {
        println!("  {group:<45} {passed:>5} of {total:>5}");
    }
    groups.values().fold((0, 0), |(passed, total), group| (passed + group.0, total + group.1))
}

/// A share, one of nothing being nothing.
pub(crate) fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

/// Holds the rules that were logged, and the log, against what is expected. In the log it may not matter
/// whether letters are large.
pub(crate) fn hold(log: &Log, rules: &[u32], text: &[u8], letters_count: bool) -> Result<(), String> {
    let missing: Vec<_> = log.expect_ids.iter().filter(|id| !rules.contains(id)).collect();
    let extra: Vec<_> = log.no_expect_ids.iter().filter(|id| rules.contains(id)).collect();
    if !missing.is_empty() || !extra.is_empty() {
        return Err(format!("missing {missing:?}, unexpected {extra:?}"));
    }
    let matches = |pattern: &Option<String>| match pattern {
        None => Ok(None),
        Some(pattern) => {
            let built = RegexBuilder::new(pattern).case_insensitive(!letters_count).build();
            built.map(|regex| Some(regex.is_match(text))).map_err(|error| error.to_string())
        }
    };
    match (matches(&log.match_regex)?, matches(&log.no_match_regex)?) {
        (Some(false), _) => Err("the log does not say what it should".to_owned()),
        (_, Some(true)) => Err("the log says what it should not".to_owned()),
        _ => Ok(()),
    }
}

/// The log as the tests read it: one line for each rule that is logged.
pub(crate) fn lines(told: &[waf::Explained]) -> Vec<u8> {
    let mut log = Vec::new();
    for told in told.iter().filter(|told| told.logged && told.complete) {
        let line = format!(
            "[id \"{}\"] [msg \"{}\"] [data \"{}\"]",
            told.rule,
            String::from_utf8_lossy(&told.message),
            String::from_utf8_lossy(&told.log_data)
        );
        log.extend_from_slice(line.replace(['\n', '\r'], " ").as_bytes());
        log.push(b'\n');
    }
    log
}
