//! Running a bot's own tests: each conversation is held with a release, and each reply is compared
//! with what was expected of it.

use std::fmt;

use kernel::{Id, ReleaseId};
use serde::Serialize;
use wire::release::{Release, Response};
use wire::turn::{Act, Basis, EngineError, Reply, Said, TurnRequest};

use crate::cases::{ActExpected, Expectation, TestCase};

/// Runs one turn of the release that is tested. What it keeps, it keeps in the reply's state.
pub trait Runner {
    /// Answers the request. The request's release id is all zero: there is one release here.
    ///
    /// # Errors
    /// When the engine cannot answer.
    fn turn(&self, request: &TurnRequest) -> Result<Reply, EngineError>;
}

/// How the tests of one bot went.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// Each test, in the order of files and lines.
    pub tests: Vec<TestResult>,
}

/// How one conversation went.
#[derive(Debug, Clone, Serialize)]
pub struct TestResult {
    /// The file, relative to the bot folder.
    pub file: String,
    /// The line where it begins.
    pub line: usize,
    /// What it shows.
    pub name: String,
    /// Turns whose reply was not as expected.
    pub failures: Vec<Failure>,
}

/// A turn whose reply was not as expected.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The turn, from 1.
    pub turn: usize,
    /// What the person said.
    pub person: String,
    /// What the bot said, or nothing when the engine failed.
    pub said: Option<String>,
    /// How the reply came about.
    pub basis: String,
    /// What was expected and not met.
    pub unmet: Vec<String>,
}

impl TestReport {
    /// Tests that went as expected.
    pub fn passed(&self) -> usize {
        self.tests.iter().filter(|test| test.failures.is_empty()).count()
    }

    /// Tests that did not.
    pub fn failed(&self) -> usize {
        self.tests.len() - self.passed()
    }

    /// The report for machines: `{"passed", "failed", "tests": [{"file", "line", "name",
    /// "failures"}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "passed": self.passed(), "failed": self.failed(), "tests": self.tests })
    }
}

/// Holds every conversation of `tests` with the release that `runner` runs.
pub fn run_tests(release: &Release, tests: &[TestCase], runner: &dyn Runner) -> TestReport {
    TestReport { tests: tests.iter().map(|test| run_test(release, test, runner)).collect() }
}

fn run_test(release: &Release, test: &TestCase, runner: &dyn Runner) -> TestResult {
    let mut failures = Vec::new();
    let mut history = Vec::new();
    let mut state = None;
    for (at, turn) in test.turns.iter().enumerate() {
        let request = TurnRequest {
            release: ReleaseId::from_bytes([0; 16]),
            locale: None,
            history: history.clone(),
            text: turn.person.clone(),
            state: state.take(),
            now: test.now,
        };
        let person = turn.person.as_str().to_owned();
        match runner.turn(&request) {
            Ok(reply) => {
                let unmet: Vec<String> = turn
                    .expectations
                    .iter()
                    .filter_map(|expected| unmet(release, expected, &reply))
                    .collect();
                if !unmet.is_empty() {
                    let said = Some(reply.text.as_str().to_owned());
                    failures.push(Failure { turn: at + 1, person, said, basis: basis(&reply), unmet });
                }
                history.push(Said { by_person: true, text: turn.person.clone() });
                history.push(Said { by_person: false, text: reply.text.clone() });
                state = reply.state;
            }
            Err(cause) => {
                let unmet = vec![cause.to_string()];
                failures.push(Failure {
                    turn: at + 1,
                    person,
                    said: None,
                    basis: "no reply".to_owned(),
                    unmet,
                });
                break;
            }
        }
    }
    TestResult { file: test.file.clone(), line: test.line, name: test.name.clone(), failures }
}

/// What of an expectation a reply does not meet, in words; `None` when it meets it.
fn unmet(release: &Release, expected: &Expectation, reply: &Reply) -> Option<String> {
    let said = spoken(reply.text.as_str());
    let cited = || {
        let urls: Vec<&str> = reply.citations.iter().map(|citation| citation.url.as_str()).collect();
        if urls.is_empty() { "nothing".to_owned() } else { urls.join(", ") }
    };
    let (met, wanted, found) = match expected {
        Expectation::Contains(part) => (said.contains(&spoken(part)), format!("says \"{part}\""), None),
        Expectation::Lacks(part) => (!said.contains(&spoken(part)), format!("does not say \"{part}\""), None),
        Expectation::Equals(text) => {
            (reply.text.as_str() == text.trim(), format!("says exactly \"{}\"", text.trim()), None)
        }
        Expectation::Matches(regex) => {
            (regex.is_match(reply.text.as_str()), format!("matches /{regex}/"), None)
        }
        Expectation::Cites(url) => {
            let page = |cited: &str| cited.split_once('#').map_or(cited == url, |(page, _)| page == url);
            let met = reply.citations.iter().any(|citation| citation.url == *url || page(&citation.url));
            (met, format!("cites {url}"), Some(cited()))
        }
        Expectation::CitesNothing => (reply.citations.is_empty(), "cites nothing".to_owned(), Some(cited())),
        Expectation::Intent(name) => {
            (comes_from(release, reply, name), format!("comes from the intent `{name}`"), Some(basis(reply)))
        }
        Expectation::Flow(flow) => {
            let met = matches!(&reply.basis, Basis::Flow { flow: found, .. } if found == flow);
            (met, format!("comes from the flow `{flow}`"), Some(basis(reply)))
        }
        Expectation::Slot(slot) => {
            let met = matches!(&reply.basis, Basis::Flow { slot: found, .. } if found == slot);
            let wanted =
                slot.as_ref().map_or("asks for no slot".to_owned(), |slot| format!("asks for `{slot}`"));
            (met, wanted, Some(basis(reply)))
        }
        Expectation::Knowledge => (
            matches!(reply.basis, Basis::Knowledge { .. }),
            "quotes knowledge".to_owned(),
            Some(basis(reply)),
        ),
        Expectation::Fallback => {
            (matches!(reply.basis, Basis::Fallback), "does not know".to_owned(), Some(basis(reply)))
        }
        Expectation::Act(act) => {
            let found = match &reply.act {
                None => ActExpected::None,
                Some(Act::Handoff) => ActExpected::Handoff,
                Some(Act::Ticket { .. }) => ActExpected::Ticket,
            };
            (found == *act, format!("acts: {}", act_name(*act)), Some(act_name(found).to_owned()))
        }
    };
    (!met).then(|| match found {
        Some(found) => format!("expected that it {wanted}; found {found}"),
        None => format!("expected that it {wanted}"),
    })
}

/// A reply comes from an intent when it was recognised, or when the flow that it starts has begun.
fn comes_from(release: &Release, reply: &Reply, name: &str) -> bool {
    match &reply.basis {
        Basis::Intent { name: found, .. } => found == name,
        Basis::Flow { flow: found, .. } => release.intents.iter().any(|intent| {
            intent.name == name && matches!(&intent.response, Response::Flow { flow } if flow == found)
        }),
        Basis::Knowledge { .. } | Basis::Fallback => false,
    }
}

fn act_name(act: ActExpected) -> &'static str {
    match act {
        ActExpected::None => "none",
        ActExpected::Handoff => "handoff",
        ActExpected::Ticket => "ticket",
    }
}

fn basis(reply: &Reply) -> String {
    match &reply.basis {
        Basis::Intent { name, probability } => format!("the intent `{name}` ({probability:.2})"),
        Basis::Knowledge { url, coverage } => format!("knowledge, {url} ({coverage:.2})"),
        Basis::Flow { flow, slot: Some(slot) } => format!("the flow `{flow}`, asking for `{slot}`"),
        Basis::Flow { flow, slot: None } => format!("the flow `{flow}`, asking for no slot"),
        Basis::Fallback => "the fallback".to_owned(),
    }
}

/// A text as people compare it: lower case, any white space as one space, quotes straight.
fn spoken(text: &str) -> String {
    let lower = text.to_lowercase().replace(['’', '‘'], "'").replace(['“', '”'], "\"");
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in &self.tests {
            if test.failures.is_empty() {
                writeln!(f, "ok    {}", test.name)?;
                continue;
            }
            writeln!(f, "FAIL  {} ({}:{})", test.name, test.file, test.line)?;
            for failure in &test.failures {
                writeln!(f, "      turn {}, person: {}", failure.turn, failure.person)?;
                match &failure.said {
                    Some(said) => writeln!(f, "      bot: {}", said.replace('\n', "\n           "))?,
                    None => writeln!(f, "      bot: (no reply)")?,
                }
                writeln!(f, "      by: {}", failure.basis)?;
                for unmet in &failure.unmet {
                    writeln!(f, "      - {unmet}")?;
                }
            }
        }
        write!(f, "{} conversations: {} passed, {} failed", self.tests.len(), self.passed(), self.failed())?;
        if self.failed() > 0 {
            write!(
                f,
                "\nmend: change what the bot knows or says, or the conversation that expects otherwise"
            )?;
        }
        Ok(())
    }
}
