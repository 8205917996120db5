//! `flows/NAME.toml`: forms that the bot leads a person through. The file's name is the flow's name.

use std::collections::BTreeSet;

use wire::release::{Choice, Flow, Outcome, Slot, SlotKind};

use crate::fields::{Fields, Page, Shape, Text};
use crate::report::{meant, nearest};

/// Questions of one flow, at most: longer forms belong on a page.
const SLOTS: usize = 30;
/// Options of one question, at most.
const OPTIONS: usize = 100;
/// Characters of a text answer, unless the slot says otherwise.
const TEXT: u32 = 500;

/// A flow that was read, and whether its end hands the conversation over.
pub(crate) fn read(page: &Page<'_>, name: String, fields: Fields<'_, '_>) -> Flow {
    let mut slots: Vec<Slot> = Vec::new();
    for entry in fields.tables("slot") {
        let slot = slot(page, &entry);
        if slots.iter().any(|other| other.name == slot.name) {
            let what = format!("there are two slots `{}`", slot.name);
            page.error(entry.span_of("name"), what, "rename one");
        }
        slots.push(slot);
        entry.finish();
    }
    if slots.len() > SLOTS {
        let what = format!("{} slots; {SLOTS} are allowed", slots.len());
        page.error(fields.span.clone(), what, "ask less: longer forms belong on a page");
    }
    let text = |fields: &Fields<'_, '_>, key: &'static str, shape: Shape| {
        let text = fields.text(key)?;
        placeholders(page, &text, &slots);
        Some(page.shaped(key, &text, shape))
    };
    let need = |fields: &Fields<'_, '_>, key: &'static str, shape: Shape, example: &str| {
        if !fields.has(key) {
            fields.missing(key, example);
        }
        text(fields, key, shape).unwrap_or_default()
    };
    let intro = fields.shaped("intro", Shape::Message);
    let confirm = text(&fields, "confirm", Shape::Message);
    let outcome = match fields.table("outcome") {
        Some(table) => {
            let outcome = outcome(page, &table, &slots, &need);
            table.finish();
            outcome
        }
        None => {
            if !fields.has("outcome") {
                let mend =
                    "add [outcome] with `kind = \"answer\"`, `\"ticket\"` or `\"handoff\"`, and `text`";
                page.error(fields.span.clone(), "nothing says how the flow ends: [outcome] is missing", mend);
            }
            Outcome::Answer { text: String::new() }
        }
    };
    if slots.is_empty() && confirm.is_none() && matches!(outcome, Outcome::Answer { .. }) {
        let mend = "add a [[slot]], or give the intent an `answer` instead";
        page.warn(fields.span.clone(), "the flow asks nothing", mend);
    }
    let flow = Flow {
        name,
        title: fields.need_shaped("title", Shape::Line(120), "\"report a lost card\""),
        intro,
        confirm,
        cancelled: fields
            .shaped("cancelled", Shape::Message)
            .unwrap_or_else(|| "All right, I have stopped. Nothing was sent.".to_owned()),
        outcome,
        slots,
    };
    fields.finish();
    flow
}

fn slot(page: &Page<'_>, entry: &Fields<'_, '_>) -> Slot {
    let name = entry.need("name", "\"phone\"");
    if entry.has("name") {
        // A slot's name stands in braces, and `none` is what tests say when no slot is asked.
        page.name("a slot", &name);
        if name.value == "none" {
            page.error(name.span.clone(), "a slot cannot be called `none`", "rename it");
        }
    }
    Slot {
        name: name.value,
        ask: entry.need_shaped("ask", Shape::Message, "\"At which number can we call you?\""),
        retry: entry.shaped("retry", Shape::Message),
        kind: slot_kind(page, entry),
        optional: entry.flag("optional").unwrap_or(false),
    }
}

fn slot_kind(page: &Page<'_>, entry: &Fields<'_, '_>) -> SlotKind {
    let kind = entry.need("type", "\"text\"");
    match kind.value.as_str() {
        "email" => SlotKind::Email,
        "phone" => SlotKind::Phone,
        "date" => {
            let (past, future) = (entry.flag("past").unwrap_or(true), entry.flag("future").unwrap_or(true));
            if !past && !future {
                let mend = "remove `past = false` or `future = false`";
                page.error(entry.span_of("past"), "no date but today fits", mend);
            }
            SlotKind::Date { past, future }
        }
        "number" => {
            let (min, max) = (entry.number("min"), entry.number("max"));
            if let (Some((min, span)), Some((max, _))) = (&min, &max)
                && min > max
            {
                page.error(span.clone(), "`min` is larger than `max`: no number fits", "swap them");
            }
            let integer = entry.flag("integer").unwrap_or(false);
            SlotKind::Number { min: min.map(|(n, _)| n), max: max.map(|(n, _)| n), integer }
        }
        "choice" => SlotKind::Choice { options: options(page, entry) },
        other => {
            if other != "text" && entry.has("type") {
                let known = ["text", "email", "phone", "date", "number", "choice"];
                page.error(kind.span, format!("there is no slot type `{other}`"), meant(other, &known));
            }
            SlotKind::Text { max: entry.whole("max", 1, 4000).unwrap_or(TEXT) }
        }
    }
}

fn options(page: &Page<'_>, entry: &Fields<'_, '_>) -> Vec<Choice> {
    let mut options = Vec::new();
    let mut words = BTreeSet::new();
    for option in entry.tables("option") {
        let label = option.need_shaped("label", Shape::Line(120), "\"Debit card\"");
        let value = option.shaped("value", Shape::Line(120)).unwrap_or_else(|| label.clone());
        let synonyms = option.texts("synonyms").unwrap_or_default();
        let synonyms: Vec<String> =
            synonyms.iter().map(|text| page.shaped("synonyms", text, Shape::Line(120))).collect();
        let own: BTreeSet<String> = synonyms.iter().chain([&label]).map(|word| word.to_lowercase()).collect();
        for word in own {
            if !words.insert(word.clone()) {
                let what = format!("`{word}` stands for two options");
                page.error(option.span.clone(), what, "keep it with one of them");
            }
        }
        option.finish();
        options.push(Choice { value, label, synonyms });
    }
    if options.len() < 2 || options.len() > OPTIONS {
        let what = format!("a choice among {} options", options.len());
        let mend = format!("add [[slot.option]] with `label`, from 2 to {OPTIONS} times");
        page.error(entry.span.clone(), what, mend);
    }
    options
}

fn outcome(
    page: &Page<'_>,
    table: &Fields<'_, '_>,
    slots: &[Slot],
    need: &dyn Fn(&Fields<'_, '_>, &'static str, Shape, &str) -> String,
) -> Outcome {
    let kind = table.need("kind", "\"ticket\"");
    let text = need(table, "text", Shape::Message, "\"Thank you. We will call you today.\"");
    match kind.value.as_str() {
        "ticket" => Outcome::Ticket {
            title: need(table, "title", Shape::Line(200), "\"Lost card\""),
            body: need(table, "body", Shape::Message, "\"Card: {card}\""),
            contact: table.text("contact").map(|contact| contact_slot(page, contact, slots)),
            text,
        },
        "handoff" => Outcome::Handoff { text },
        other => {
            if other != "answer" && table.has("kind") {
                let what = format!("a flow cannot end in `{other}`");
                page.error(kind.span, what, meant(other, &["answer", "ticket", "handoff"]));
            }
            Outcome::Answer { text }
        }
    }
}

fn contact_slot(page: &Page<'_>, contact: Text, slots: &[Slot]) -> String {
    let names: Vec<&str> =
        slots.iter().filter(|slot| slot.kind == SlotKind::Email).map(|slot| slot.name.as_str()).collect();
    if !names.contains(&contact.value.as_str()) {
        let what = format!("`{}` is not a slot of type `email`", contact.value);
        page.error(contact.span, what, meant(&contact.value, &names));
    }
    contact.value
}

/// Checks that every `{name}` in a text is a slot.
fn placeholders(page: &Page<'_>, text: &Text, slots: &[Slot]) {
    let mut rest = text.value.as_str();
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { return };
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if is_name && !slots.iter().any(|slot| slot.name == name) {
            let what = format!("`{{{name}}}` is not a slot of this flow");
            let mend = match nearest(name, slots.iter().map(|slot| slot.name.as_str())) {
                Some(slot) => format!("did you mean `{{{slot}}}`?"),
                None => format!("add a [[slot]] with `name = \"{name}\"`, or write something else"),
            };
            page.error(text.span.clone(), what, mend);
        }
        rest = behind;
    }
}
