//! What happens when a rule matches.

use super::{
    Matched, Run, Stop,
    evaluate::{Entry, Found},
    lane::Lane,
    tx::{TxValue, changed},
};
use crate::{
    Cause, Match, Mode, Refusal,
    compile::{Control, Effect, Rule, RuleIndex, SetName, Template, whole_number},
    explain::Explained,
    seclang::EngineMode,
};
use std::ops::Range;

impl<'t> Run<'t> {
    /// The actions of one match: captures, `setvar`, `ctl`. They happen at once, whether or not the rest
    /// of the chain will match, and once for each value that does.
    pub(super) fn act(&mut self, head: RuleIndex, rule: &'t Rule, entry: Option<&Entry<'t>>, found: &Found) {
        if let Some(entry) = entry {
            self.matched.push(Matched {
                variable: entry.value.variable,
                name: entry.value.name,
                text: entry.text,
                source: entry.value.text,
            });
            if rule.capture {
                self.capture(entry, found);
            }
        }
        for set in &rule.sets {
            let value = match &set.value {
                Template::Fixed { number: Some(number), .. } => TxValue::Number(*number),
                Template::Fixed { bytes, .. } => TxValue::Bytes(bytes.clone()),
                template => {
                    let bytes = self.expanded(template);
                    whole_number(&bytes)
                        .map_or_else(|| TxValue::Bytes(bytes.as_ref().into()), TxValue::Number)
                }
            };
            match &set.name {
                SetName::Slot(slot) => {
                    let value = changed(self.tx.get(*slot), set.change, value);
                    self.tx.put(*slot, value);
                }
                SetName::Template(template) => {
                    let name = self.expanded(template).to_ascii_lowercase();
                    let names = &self.program.names;
                    let value = changed(self.tx.get_named(names, &name), set.change, value);
                    self.tx.put_named(names, &name, value);
                }
            }
        }
        if self.lane == Lane::Full {
            for control in &rule.controls {
                match control {
                    Control::Remove(rules) => self.remove(rules),
                    Control::RemoveTarget(rules, field) => self.taken.push((rules.clone(), field.clone())),
                    Control::Processor(processor) => self.processor = *processor,
                    Control::WholeBody => self.whole_body = true,
                    Control::Engine(mode) => self.mode = *mode,
                }
            }
        }
        if self.explained.is_some() {
            self.explain(head, rule, entry, found);
        }
    }

    /// `TX:0` to `TX:9`.
    fn capture(&mut self, entry: &Entry<'t>, found: &Found) {
        for slot in 0..10_u32 {
            let bytes = match found {
                Found::Word(word) if slot == 0 => Some(word.as_slice()),
                Found::Yes(groups) => groups
                    .get(slot as usize)
                    .and_then(Option::as_ref)
                    .and_then(|place| self.texts.bytes(entry.text).get(place.clone())),
                Found::No | Found::Word(_) => None,
            };
            let value = bytes.map(|bytes| TxValue::Bytes(bytes.into()));
            self.tx.put(slot, value);
        }
    }

    fn explain(&mut self, head: RuleIndex, rule: &Rule, entry: Option<&Entry<'t>>, found: &Found) {
        let program = self.program;
        let first = program.rules.get(head as usize);
        let texts = |index| self.texts.bytes(index).to_vec();
        let matched = self.matched.last().filter(|_| entry.is_some());
        let part: Option<Range<usize>> = match found {
            Found::Yes(groups) => groups.first().cloned().flatten(),
            Found::No | Found::Word(_) => None,
        };
        let said = Explained {
            rule: first.map_or(0, |first| first.id),
            place: rule.place.to_string(),
            phase: self.phase,
            variable: matched.map(|matched| matched.variable),
            name: matched.map(|matched| self.full_name(matched)).unwrap_or_default(),
            original: matched.map(|matched| texts(matched.source)).unwrap_or_default(),
            transformations: rule.group.map(|group| self.path(group, entry)).unwrap_or_default(),
            seen: matched.map(|matched| texts(matched.text)).unwrap_or_default(),
            part,
            message: first.map(|first| self.expanded(&first.message).into_owned()).unwrap_or_default(),
            log_data: first.map(|first| self.expanded(&first.log_data).into_owned()).unwrap_or_default(),
            logged: first.is_some_and(|first| first.log),
            complete: rule.next.is_none(),
            signal: self.lane == Lane::Conversation,
        };
        if let Some(explained) = &mut self.explained {
            explained.push(said);
        }
    }

    /// The transformations that changed a value on its way.
    fn path(&self, group: u32, entry: Option<&Entry<'t>>) -> Vec<&'static str> {
        let (Some(entry), Some(shape)) = (entry, self.program.groups.get(group as usize)) else {
            return Vec::new();
        };
        let Some(chain) = self.program.chains.get(shape.chain as usize) else { return Vec::new() };
        let mut found = Vec::new();
        let mut at = entry.value.text;
        for step in &chain.steps {
            if at == entry.text && shape.multi {
                break;
            }
            if let Some(next) = self.texts.known_after(at, step)
                && next != at
            {
                found.push(step.kind.name());
                at = next;
            }
        }
        found
    }

    /// After the whole chain matched: the log, and what becomes of the request.
    pub(super) fn conclude(&mut self, rule: &Rule) -> Option<Stop> {
        if rule.log {
            self.matches.push(Match {
                rule: rule.id,
                phase: self.phase,
                message: rule.title.clone(),
                severity: rule.severity,
                tags: rule.tags.clone(),
                variable: self.matched.first().map(|matched| matched.variable),
            });
        }
        match rule.effect {
            Effect::Pass => None,
            Effect::Allow(kind) => Some(Stop::Allowed(kind)),
            Effect::Deny => {
                let refusal = Refusal { status: rule.status.unwrap_or(403), cause: Cause::Rule(rule.id) };
                if self.policy.mode == Mode::Block && self.mode == EngineMode::On {
                    return Some(Stop::Refused(refusal));
                }
                self.withheld.get_or_insert(refusal);
                None
            }
        }
    }
}
