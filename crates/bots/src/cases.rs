//! `tests/*.toml`: conversations with what the bot is expected to do at each turn.

use kernel::{MessageText, Timestamp};
use regex::Regex;

use crate::fields::{Fields, Page, Text};
use crate::report::meant;

/// The moment at which tests take place, unless a file says another: 2026-01-15T09:00:00Z. Tests that
/// depend on the day they run would fail one day.
const NOW: Timestamp = Timestamp::from_millis(1_768_467_600_000);
/// Characters of a compiled expression, at most.
const REGEX_BYTES: usize = 1 << 20;

/// One conversation.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// The file, relative to the bot folder.
    pub file: String,
    /// The line where it begins.
    pub line: usize,
    /// What it shows.
    pub name: String,
    /// When it takes place.
    pub now: Timestamp,
    /// Its turns, in order.
    pub turns: Vec<TestTurn>,
}

/// One thing said to the bot, with what is expected of its reply.
#[derive(Debug, Clone)]
pub struct TestTurn {
    /// What the person says.
    pub person: MessageText,
    /// What the reply must be like: all of it.
    pub expectations: Vec<Expectation>,
}

/// Something that a reply must be.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// Its text contains this, whatever the case and the white space.
    Contains(String),
    /// Its text does not contain this.
    Lacks(String),
    /// Its text is this.
    Equals(String),
    /// Its text matches this expression somewhere.
    Matches(Regex),
    /// It cites this page, or this place in a page.
    Cites(String),
    /// It cites nothing.
    CitesNothing,
    /// It came from this intent, or from the flow that the intent starts.
    Intent(String),
    /// It came from this flow.
    Flow(String),
    /// It asks for this slot of the flow; `None`: for none, at the confirmation and at the end.
    Slot(Option<String>),
    /// It was quoted from knowledge.
    Knowledge,
    /// The bot said that it does not know.
    Fallback,
    /// It makes the platform do this.
    Act(ActExpected),
}

/// What a reply makes the platform do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActExpected {
    /// Nothing.
    None,
    /// Hand the conversation to a person.
    Handoff,
    /// Open a ticket.
    Ticket,
}

/// The names that expectations may refer to.
pub(crate) struct Names<'n> {
    pub(crate) intents: Vec<&'n str>,
    /// Flows with their slots.
    pub(crate) flows: Vec<(&'n str, Vec<&'n str>)>,
}

pub(crate) fn read(page: &Page<'_>, fields: Fields<'_, '_>, names: &Names<'_>) -> Vec<TestCase> {
    let now = fields.moment("now").map_or(NOW, |moment| {
        Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap_or_default())
    });
    let mut cases = Vec::new();
    for entry in fields.tables("test") {
        let name = entry.need("name", "\"A lost card becomes a ticket\"");
        let mut turns = Vec::new();
        for turn in entry.tables("turn") {
            let expectations = expectations(page, &turn, names);
            let person = turn.need("person", "\"I lost my card\"");
            match MessageText::new(&person.value) {
                Ok(person) => turns.push(TestTurn { person, expectations }),
                Err(cause) if turn.has("person") => {
                    page.error(
                        person.span,
                        format!("nobody can say this: {cause}"),
                        "write what a person says",
                    );
                }
                Err(_) => {}
            }
            turn.finish();
        }
        if turns.iter().all(|turn| turn.expectations.is_empty()) {
            let what = format!("the test `{}` expects nothing", name.value);
            let mend = "add [[test.turn]] with `person` and for example `says`";
            page.error(entry.span.clone(), what, mend);
        }
        let (file, line) = (page.file().to_owned(), page.line(&entry.span));
        cases.push(TestCase { file, line, name: name.value, now, turns });
        entry.finish();
    }
    fields.finish();
    cases
}

fn expectations(page: &Page<'_>, turn: &Fields<'_, '_>, names: &Names<'_>) -> Vec<Expectation> {
    let mut out = Vec::new();
    says(page, turn, &mut out);
    match turn.texts("cites") {
        Some(urls) if urls.is_empty() => out.push(Expectation::CitesNothing),
        Some(urls) => out.extend(urls.into_iter().map(|url| Expectation::Cites(url.value))),
        None => {}
    }
    if let Some(intent) = turn.text("intent") {
        known(page, "intent", &intent, &names.intents);
        out.push(Expectation::Intent(intent.value));
    }
    let flow = turn.text("flow");
    if let Some(flow) = &flow {
        let flows: Vec<&str> = names.flows.iter().map(|(name, _)| *name).collect();
        known(page, "flow", flow, &flows);
        out.push(Expectation::Flow(flow.value.clone()));
    }
    if let Some(slot) = turn.text("slot") {
        let of_flow = |name: &str| flow.as_ref().is_none_or(|flow| flow.value == name);
        let mut slots: Vec<&str> = names
            .flows
            .iter()
            .filter(|(name, _)| of_flow(name))
            .flat_map(|(_, slots)| slots.clone())
            .collect();
        slots.push("none");
        known(page, "slot", &slot, &slots);
        out.push(Expectation::Slot(Some(slot.value).filter(|slot| slot != "none")));
    }
    for (key, expectation) in [("knowledge", Expectation::Knowledge), ("fallback", Expectation::Fallback)] {
        match turn.flag(key) {
            Some(true) => out.push(expectation),
            Some(false) => {
                page.error(turn.span_of(key), format!("`{key} = false` says nothing"), "remove it")
            }
            None => {}
        }
    }
    if let Some(act) = turn.text("act") {
        let acts =
            [("none", ActExpected::None), ("handoff", ActExpected::Handoff), ("ticket", ActExpected::Ticket)];
        match acts.iter().find(|(name, _)| *name == act.value) {
            Some((_, act)) => out.push(Expectation::Act(*act)),
            None => known(page, "act", &act, &acts.map(|(name, _)| name)),
        }
    }
    out
}

fn says(page: &Page<'_>, turn: &Fields<'_, '_>, out: &mut Vec<Expectation>) {
    let parts = |texts: Option<Vec<Text>>| {
        let texts = texts.unwrap_or_default();
        for text in texts.iter().filter(|text| text.value.trim().is_empty()) {
            page.error(text.span.clone(), "every reply contains an empty text", "write something");
        }
        texts.into_iter().map(|text| text.value)
    };
    if !turn.is_table("says") {
        out.extend(parts(turn.texts("says")).map(Expectation::Contains));
        return;
    }
    let Some(says) = turn.table("says") else { return };
    out.extend(parts(says.texts("contains")).map(Expectation::Contains));
    out.extend(parts(says.texts("lacks")).map(Expectation::Lacks));
    out.extend(says.text("equals").map(|text| Expectation::Equals(text.value)));
    if let Some(text) = says.text("regex") {
        match regex::RegexBuilder::new(&text.value).size_limit(REGEX_BYTES).build() {
            Ok(regex) => out.push(Expectation::Matches(regex)),
            Err(_) => {
                let mend = "see https://docs.rs/regex for what can be written";
                page.error(text.span, "not a regular expression", mend);
            }
        }
    }
    says.finish();
}

fn known(page: &Page<'_>, noun: &str, text: &Text, known: &[&str]) {
    if !known.contains(&text.value.as_str()) {
        let what = format!("there is no {noun} `{}`", text.value);
        page.error(text.span.clone(), what, meant(&text.value, known));
    }
}
