//! `intents.toml`: what people may want, in their own words, and what the bot does about it.

use std::collections::BTreeMap;
use std::ops::Range;

use wire::release::Response;

use crate::fields::{Fields, Page, Shape, Text};
use crate::folder::Limits;

/// Fewer examples than this teach a classifier little.
const FEW: usize = 5;
/// Intents of one bot, at most.
const INTENTS: usize = 1000;

/// An intent with the examples that it is learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentSource {
    /// Its name.
    pub name: String,
    /// What people say who want it.
    pub examples: Vec<String>,
    /// What the bot does about it.
    pub response: Response,
}

/// What `intents.toml` says; with places, for checks against other files.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) intents: Vec<IntentSource>,
    pub(crate) out_of_scope: Vec<String>,
    /// Which flow an intent starts, and where that is written.
    pub(crate) starts: Vec<(String, Range<usize>)>,
    /// Where intents hand over.
    pub(crate) handoffs: Vec<Range<usize>>,
}

pub(crate) fn read(page: &Page<'_>, fields: Fields<'_, '_>, limits: &Limits) -> Read {
    let mut read = Read::default();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut examples = Examples { page, seen: BTreeMap::new(), count: 0 };
    let tables = fields.tables("intent");
    if tables.len() > INTENTS {
        let what = format!("{} intents; {INTENTS} are allowed", tables.len());
        page.error(fields.span.clone(), what, "merge intents that get the same answer");
    }
    for entry in tables {
        let name = entry.need("name", "\"opening_hours\"");
        let span = name.span.clone();
        let named = page.name("an intent", &name);
        if let Some(line) = names.insert(named.clone(), page.line(&span)) {
            let what = format!("there is already an intent `{named}`, in line {line}");
            page.error(span.clone(), what, "merge the two, or rename one");
        }
        let texts = entry.texts("examples").unwrap_or_default();
        let learnt = examples.take(&named, &texts);
        match learnt.len() {
            0 => {
                let what = format!("the intent `{named}` has no examples");
                page.error(span, what, "add `examples = [\"..\"]` with what people say");
            }
            n if n < FEW => {
                let plural = if n == 1 { "" } else { "s" };
                let what = format!("the intent `{named}` has {n} example{plural}");
                page.warn(
                    span,
                    what,
                    format!("add some, said in different ways: {FEW} at least, 12 are better"),
                );
            }
            _ => {}
        }
        let response = response(page, &entry, &named, &mut read);
        entry.finish();
        read.intents.push(IntentSource { name: named, examples: learnt, response });
    }
    if let Some(entry) = fields.table("out_of_scope") {
        let texts = entry.texts("examples").unwrap_or_default();
        read.out_of_scope = examples.take("out_of_scope", &texts);
        entry.finish();
    }
    if examples.count > limits.examples {
        let what = format!("{} examples; {} are allowed", examples.count, limits.examples);
        page.error(fields.span.clone(), what, "keep those that differ");
    }
    fields.finish();
    read
}

fn response(page: &Page<'_>, entry: &Fields<'_, '_>, name: &str, read: &mut Read) -> Response {
    const KEYS: [&str; 4] = ["answer", "flow", "handoff", "knowledge"];
    let said: Vec<&str> = KEYS.into_iter().filter(|key| entry.has(key)).collect();
    if said.len() != 1 {
        let what = match said.as_slice() {
            [] => format!("nothing says what to do about `{name}`"),
            many => format!("`{name}` has {}: which one counts?", many.join(" and ")),
        };
        let mend =
            "write exactly one of `answer = \"..\"`, `flow = \"..\"`, `handoff = true`, `knowledge = true`";
        page.error(entry.span.clone(), what, mend);
    }
    let answer = entry.shaped("answer", Shape::Message);
    let flow = entry.text("flow");
    for key in ["handoff", "knowledge"] {
        if entry.flag(key) == Some(false) {
            page.error(entry.span_of(key), format!("`{key} = false` says nothing"), "remove it");
        }
    }
    if let Some(Text { value: flow, span }) = flow {
        read.starts.push((flow.clone(), span));
        Response::Flow { flow }
    } else if entry.has("handoff") {
        read.handoffs.push(entry.span_of("handoff"));
        Response::Handoff
    } else if entry.has("knowledge") {
        Response::Knowledge
    } else {
        Response::Answer { text: answer.unwrap_or_default() }
    }
}

/// Examples seen so far: what is in two intents teaches neither.
struct Examples<'p, 't> {
    page: &'p Page<'t>,
    /// An example's words, with the intent and the line where it stands.
    seen: BTreeMap<String, (String, usize)>,
    count: usize,
}

impl Examples<'_, '_> {
    fn take(&mut self, intent: &str, texts: &[Text]) -> Vec<String> {
        let mut taken = Vec::with_capacity(texts.len());
        for text in texts {
            self.count += 1;
            let example = self.page.shaped("examples", text, Shape::Line(500));
            let words = words(&example);
            if words.is_empty() {
                if !example.is_empty() {
                    self.page.error(text.span.clone(), "an example without a word", "remove it");
                }
                continue;
            }
            let line = self.page.line(&text.span);
            match self.seen.get(&words) {
                Some((other, at)) if other == intent => {
                    let what = format!("`{example}` is already in line {at}");
                    self.page.warn(text.span.clone(), what, "remove one");
                    continue;
                }
                Some((other, at)) => {
                    let what = format!("`{example}` is also an example of `{other}`, in line {at}");
                    self.page.warn(text.span.clone(), what, "keep it where it belongs, or merge the intents");
                }
                None => {
                    self.seen.insert(words, (intent.to_owned(), line));
                }
            }
            taken.push(example);
        }
        taken
    }
}

/// The words of a text, for comparison: lower case, without signs.
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
