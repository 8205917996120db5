//! Forms: a flow asks its slots in order, checks each answer, reads everything back, and ends in an
//! action. A person may give up at any time, leave out what is optional, change an answer at the
//! end, and ask something else in the middle (which `turn` answers before the open question is asked
//! again).

mod dates;
mod state;
mod template;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use kernel::{Email, Note, Title};
use wire::release::{Choice, Flow, Outcome, Slot, SlotKind};
use wire::turn::Act;

pub(crate) use state::{Memory, Open};

use crate::phrases::Phrases;
use crate::text::key;
use state::Step;
use values::{Around, Wrong};

/// After so many answers that do not fit, the person is told how to get out.
const MISSES: u8 = 2;

/// What surrounds a turn of a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) today: Date,
    pub(crate) phrases: &'c Phrases,
    /// Whether the bot may hand over to a person.
    pub(crate) handoff: bool,
    /// What the bot says when it may not.
    pub(crate) fallback: &'c str,
}

/// What a flow says.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// What is open now; `None` when the flow has ended.
    pub(crate) open: Option<Open>,
    /// What is to be done.
    pub(crate) act: Option<Act>,
}

impl Said {
    /// The slot that is asked for now.
    pub(crate) fn slot(&self) -> Option<String> {
        match self.open.as_ref().map(|open| &open.step) {
            Some(Step::Slot(name)) => Some(name.clone()),
            _ => None,
        }
    }
}

/// How an answer was taken.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It fits.
    Step(Said),
    /// It fits, but so would anything: it may have been a question of the person's own.
    Perhaps {
        /// What to say if it was the answer.
        step: Said,
        /// The open question, if it was not.
        again: Said,
    },
    /// It does not fit.
    Miss {
        /// What to say if it was meant for an answer.
        retry: Said,
        /// The open question, if it was not.
        again: Said,
    },
}

/// Starts a flow.
pub(crate) fn start(flow: &Flow, context: Context<'_>) -> Said {
    let open = Open { flow: flow.name.clone(), values: BTreeMap::new(), step: Step::Confirm, misses: 0 };
    let mut said = proceed(flow, open, context);
    if let Some(intro) = &flow.intro {
        said.text = format!("{intro}\n\n{}", said.text);
    }
    said
}

/// Takes an answer to what is open.
pub(crate) fn hear(flow: &Flow, open: Open, answer: &str, context: Context<'_>) -> Heard {
    let said = key(answer);
    if context.phrases.cancel.contains(&said.as_str()) {
        return Heard::Step(Said {
            text: fill(flow, &open, &flow.cancelled, Shown::Labels),
            open: None,
            act: None,
        });
    }
    match open.step.clone() {
        Step::Slot(name) => match flow.slots.iter().find(|slot| slot.name == name) {
            Some(slot) => hear_slot(flow, slot, open, answer, context),
            None => Heard::Step(proceed(flow, open, context)),
        },
        Step::Confirm => hear_confirmation(flow, open, &said, answer, context),
        Step::Change => hear_change(flow, open, answer, context),
    }
}

fn hear_slot(flow: &Flow, slot: &Slot, mut open: Open, answer: &str, context: Context<'_>) -> Heard {
    let around = Around { today: context.today, phrases: context.phrases };
    let skips = slot.optional && context.phrases.skip.contains(&key(answer).as_str());
    let read = values::read(&slot.kind, answer, around);
    // `none` may be the name of an option, and is then meant as that.
    if skips && !(matches!(slot.kind, SlotKind::Choice { .. }) && read.is_ok()) {
        open.values.insert(slot.name.clone(), None);
        open.misses = 0;
        return Heard::Step(proceed(flow, open, context));
    }
    let again = ask(flow, slot, open.clone());
    match read {
        Ok(value) => {
            open.values.insert(slot.name.clone(), Some(value));
            open.misses = 0;
            let step = proceed(flow, open, context);
            if matches!(slot.kind, SlotKind::Text { .. }) {
                Heard::Perhaps { step, again }
            } else {
                Heard::Step(step)
            }
        }
        Err(wrong) => {
            // The bot's own words where it has them; but they cannot know which two dates were meant.
            let (said, meant) = match wrong {
                Wrong::Ambiguous(which) => return Heard::Step(ask_back(open, &which, context)),
                Wrong::Bounds(said) => (said, true),
                Wrong::Kind(said) => (said, false),
            };
            let said = slot.retry.as_ref().map_or(said, |retry| fill(flow, &open, retry, Shown::Labels));
            match miss(open, &said, again, context) {
                Heard::Miss { retry, .. } if meant => Heard::Step(retry),
                heard => heard,
            }
        }
    }
}

/// A question about the answer, in the place of the open one.
fn ask_back(mut open: Open, which: &str, context: Context<'_>) -> Said {
    let text = format!("{which}{}", hint(&mut open, context));
    Said { text, open: Some(open), act: None }
}

/// A miss: what is wrong, then the open question again.
fn miss(mut open: Open, wrong: &str, again: Said, context: Context<'_>) -> Heard {
    let text = format!("{wrong}{}\n\n{}", hint(&mut open, context), again.text);
    Heard::Miss { retry: Said { text, open: Some(open), act: None }, again }
}

/// Counts a miss; after a few, says how to get out.
fn hint(open: &mut Open, context: Context<'_>) -> String {
    open.misses = open.misses.saturating_add(1);
    if open.misses >= MISSES { format!(" {}", context.phrases.cancel_hint) } else { String::new() }
}

fn hear_confirmation(flow: &Flow, mut open: Open, said: &str, answer: &str, context: Context<'_>) -> Heard {
    if context.phrases.yes.contains(&said) {
        return Heard::Step(finish(flow, open, context));
    }
    let named = named_slot(flow, answer, context.phrases);
    if let Some(slot) = named.filter(|_| said.split(' ').count() <= 6) {
        return Heard::Step(ask_anew(flow, slot, open));
    }
    if context.phrases.no.contains(&said) {
        if let [only] = flow.slots.as_slice() {
            return Heard::Step(ask_anew(flow, only, open));
        }
        open.step = Step::Change;
        open.misses = 0;
        return Heard::Step(ask_which(flow, open, context));
    }
    let again = proceed(flow, open.clone(), context);
    miss(open, context.phrases.yes_or_no, again, context)
}

fn hear_change(flow: &Flow, open: Open, answer: &str, context: Context<'_>) -> Heard {
    match named_slot(flow, answer, context.phrases) {
        Some(slot) => Heard::Step(ask_anew(flow, slot, open)),
        None => {
            let again = ask_which(flow, open.clone(), context);
            miss(open, context.phrases.not_choice, again, context)
        }
    }
}

/// The slot that an answer names, by name or by number.
fn named_slot<'f>(flow: &'f Flow, answer: &str, phrases: &Phrases) -> Option<&'f Slot> {
    let options = flow.slots.iter().map(|slot| Choice {
        value: slot.name.clone(),
        label: readable(&slot.name),
        synonyms: vec![],
    });
    let name = values::choice(&options.collect::<Vec<_>>(), answer, phrases)?;
    flow.slots.iter().find(|slot| slot.name == name)
}

/// Asks for one slot again; what was answered for it is forgotten.
fn ask_anew(flow: &Flow, slot: &Slot, mut open: Open) -> Said {
    open.values.remove(&slot.name);
    open.misses = 0;
    ask(flow, slot, open)
}

fn ask_which(flow: &Flow, open: Open, context: Context<'_>) -> Said {
    let mut text = context.phrases.which_change.to_owned();
    for (number, slot) in (1..).zip(&flow.slots) {
        let value = shown(slot, &open, Shown::Labels).unwrap_or(Cow::Borrowed(context.phrases.skipped));
        text.push_str(&format!("\n{number}. {}: {value}", readable(&slot.name)));
    }
    Said { text, open: Some(open), act: None }
}

/// Asks for the first slot without an answer; with all answered, for a yes; without that, ends.
fn proceed(flow: &Flow, mut open: Open, context: Context<'_>) -> Said {
    if let Some(slot) = flow.slots.iter().find(|slot| !open.values.contains_key(&slot.name)) {
        return ask(flow, slot, open);
    }
    match &flow.confirm {
        Some(confirm) => {
            open.step = Step::Confirm;
            let text = fill(flow, &open, confirm, Shown::Labels);
            Said { text, open: Some(open), act: None }
        }
        None => finish(flow, open, context),
    }
}

fn ask(flow: &Flow, slot: &Slot, mut open: Open) -> Said {
    open.step = Step::Slot(slot.name.clone());
    let mut text = fill(flow, &open, &slot.ask, Shown::Labels);
    if let SlotKind::Choice { options } = &slot.kind {
        for (number, option) in (1..).zip(options) {
            text.push_str(&format!("\n{number}. {}", option.label));
        }
    }
    Said { text, open: Some(open), act: None }
}

fn finish(flow: &Flow, open: Open, context: Context<'_>) -> Said {
    // A state may say that all is answered when it is not.
    if let Some(slot) = flow.slots.iter().find(|slot| !open.values.contains_key(&slot.name)) {
        return ask(flow, slot, open);
    }
    let say = |text: &str| fill(flow, &open, text, Shown::Labels);
    match &flow.outcome {
        Outcome::Answer { text } => Said { text: say(text), open: None, act: None },
        Outcome::Handoff { .. } if !context.handoff => {
            Said { text: context.fallback.to_owned(), open: None, act: None }
        }
        Outcome::Handoff { text } => Said { text: say(text), open: None, act: Some(Act::Handoff) },
        Outcome::Ticket { title, body, contact, text } => {
            let address = contact.as_ref().and_then(|slot| open.values.get(slot)?.as_deref());
            let act = ticket(
                &fill(flow, &open, title, Shown::Values),
                &fill(flow, &open, body, Shown::Values),
                &flow.title,
            )
            .map(|(title, body)| {
                let contact = address.and_then(|address| Email::new(address).ok());
                Act::Ticket { title, body, contact }
            });
            Said { text: say(text), open: None, act }
        }
    }
}

/// The texts of a ticket, brought into the bounds that they have. What a person typed may be longer.
fn ticket(title: &str, body: &str, otherwise: &str) -> Option<(Title, Note)> {
    let one_line: String = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title = [one_line.as_str(), otherwise, "-"]
        .iter()
        .find_map(|text| Title::new(&crate::turn::printable(text, Title::MAX)).ok())?;
    let body = [body, otherwise, "-"]
        .iter()
        .find_map(|text| Note::new(&crate::turn::printable(text, Note::MAX)).ok())?;
    Some((title, body))
}

/// Who reads a filled text.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shown {
    /// The person, who knows options by their labels.
    Labels,
    /// Staff and their systems, who know them by their values.
    Values,
}

fn fill(flow: &Flow, open: &Open, template: &str, shown_as: Shown) -> String {
    template::fill(template, |name| {
        let slot = flow.slots.iter().find(|slot| slot.name == name)?;
        Some(shown(slot, open, shown_as).unwrap_or_default())
    })
}

/// A slot's value as it is read; `None` when there is none.
fn shown<'s>(slot: &'s Slot, open: &'s Open, shown_as: Shown) -> Option<Cow<'s, str>> {
    let value = open.values.get(&slot.name)?.as_deref()?;
    let label = match &slot.kind {
        SlotKind::Choice { options } if shown_as == Shown::Labels => {
            options.iter().find(|option| option.value == value).map(|option| option.label.as_str())
        }
        _ => None,
    };
    Some(Cow::Borrowed(label.unwrap_or(value)))
}

/// A slot's name as words: `lost_on` is `lost on`.
fn readable(name: &str) -> String {
    name.replace(['_', '-'], " ")
}
