//! Rules and chains against values.

use super::{
    Matched, Run,
    lane::Lane,
    texts::TextIndex,
    values::{Name, Value},
};
use crate::{
    Variable,
    compile::{Choice, Comparison, Condition, Field, Group, Relation, Rule, RuleIndex, Simple, has, simple},
    operator,
};
use std::{borrow::Cow, ops::Range};

/// What a group of rules looks at during one phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    known: bool,
    pub(super) entries: Range<usize>,
    /// Where the union of its texts' clauses stands.
    clauses: usize,
    /// Whether conversation text is among it.
    pub(super) conversation: bool,
}

/// One value of a group after its transformations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'t> {
    pub(super) value: Value<'t>,
    pub(super) text: TextIndex,
}

/// What an operator found.
pub(super) enum Found {
    No,
    /// A match; the places of its groups if they are wanted.
    Yes(Vec<Option<Range<usize>>>),
    /// A match with a word of its own to capture.
    Word(Vec<u8>),
}

impl<'t> Run<'t> {
    /// Whether a rule and all links after it match. Their actions happen as they do.
    pub(super) fn chain(&mut self, head: RuleIndex, rule: &'t Rule) -> bool {
        self.matched.clear();
        let mut link = rule;
        let program = self.program;
        loop {
            if !self.link(head, link) {
                return false;
            }
            let Some(next) = link.next else { return true };
            match program.rules.get(next as usize) {
                Some(following) => link = following,
                None => return false,
            }
        }
    }

    /// One rule against all it looks at.
    fn link(&mut self, head: RuleIndex, rule: &'t Rule) -> bool {
        self.reached += 1;
        let mut any = false;
        for count in &rule.counts {
            let number = self.count(count);
            any |= self.ask_number(head, rule, count, number);
        }
        let Some(group) = rule.group else {
            if rule.counts.is_empty() {
                // An unconditional action.
                self.act(head, rule, None, &Found::Yes(Vec::new()));
                return true;
            }
            return any;
        };
        let Some(shape) = self.program.groups.get(group as usize) else { return any };
        if shape.live {
            return self.ask_live(head, rule, shape) || any;
        }
        let held = self.held(group);
        if !rule.needs.is_empty() {
            let seen = self.clauses.get(held.clauses..).unwrap_or(&[]);
            if !rule.needs.iter().all(|clause| has(seen, *clause)) {
                return any;
            }
        }
        let mut ran = false;
        for at in held.entries {
            let Some(entry) = self.entries.get(at).copied() else { continue };
            if self.lane == Lane::Full && entry.value.conversation && !rule.of_form {
                continue;
            }
            if self.lane == Lane::Conversation && rule.id != 0 && !entry.value.conversation {
                continue;
            }
            if !rule.needs.is_empty() {
                let seen = self.texts.seen(entry.text, self.prefilter);
                if !rule.needs.iter().all(|clause| has(seen, *clause)) {
                    continue;
                }
            }
            ran = true;
            any |= self.ask(head, rule, &entry);
        }
        self.ran += u32::from(ran);
        any
    }

    /// What a group looks at, gathered once per phase.
    pub(super) fn held(&mut self, group: u32) -> Held {
        match self.held.get(group as usize) {
            Some(held) if held.known => return held.clone(),
            _ => {}
        }
        let Some(shape) = self.program.groups.get(group as usize) else { return Held::default() };
        let start = self.entries.len();
        let mut conversation = false;
        for field in &shape.include {
            for number in 0..self.values.of(field.variable).len() {
                let Some(value) = self.values.of(field.variable).get(number).copied() else { continue };
                if self.is_of(field, &value) && !self.is_excluded(shape, &value) {
                    conversation |= value.conversation;
                    self.hold(shape, value);
                }
            }
        }
        let end = self.entries.len();
        let words = self.prefilter.words;
        let clauses = self.clauses.len();
        self.clauses.resize(clauses + words, 0);
        for at in start..end {
            let Some(entry) = self.entries.get(at) else { continue };
            let seen = self.texts.seen(entry.text, self.prefilter);
            if let Some(union) = self.clauses.get_mut(clauses..) {
                union.iter_mut().zip(seen).for_each(|(into, from)| *into |= from);
            }
        }
        let held = Held { known: true, entries: start..end, clauses, conversation };
        if let Some(place) = self.held.get_mut(group as usize) {
            *place = held.clone();
        }
        held
    }

    /// Puts a value's transformed texts among the entries.
    fn hold(&mut self, shape: &Group, value: Value<'t>) {
        let Some(chain) = self.program.chains.get(shape.chain as usize) else { return };
        if !shape.multi {
            let text = self.texts.transformed(value.text, chain);
            self.entries.push(Entry { value, text });
            return;
        }
        let mut text = value.text;
        self.entries.push(Entry { value, text });
        for step in &chain.steps {
            let next = self.texts.stepped(text, step);
            if next != text {
                text = next;
                self.entries.push(Entry { value, text });
            }
        }
    }

    fn is_of(&self, field: &Field, value: &Value<'t>) -> bool {
        match &field.choice {
            Choice::All => true,
            _ => field.takes(self.name(value.name)),
        }
    }

    fn is_excluded(&self, shape: &Group, value: &Value<'t>) -> bool {
        shape.exclude.iter().any(|field| field.variable == value.variable && self.is_of(field, value))
    }

    /// A member's name as bytes.
    pub(super) fn name(&self, name: Name<'t>) -> &[u8] {
        match name {
            Name::None => &[],
            Name::Of(name) => name,
            Name::Kept(text) => self.texts.bytes(text),
        }
    }

    /// A rule whose values other rules may have changed a moment ago.
    fn ask_live(&mut self, head: RuleIndex, rule: &'t Rule, shape: &'t Group) -> bool {
        // Most of these are the paranoia gates: one number against another.
        if let (
            [Field { variable: Variable::Tx, choice: Choice::Slot(slot) }],
            Condition::Number(relation, limit),
            false,
        ) = (&*shape.include, &rule.condition, rule.capture)
            && shape.exclude.is_empty()
            && let Some(limit) = simple(limit)
        {
            let Some(value) = self.tx.get(*slot) else { return false };
            let number = value.number();
            if holds(*relation, number, self.simple(limit)) == rule.negated {
                return false;
            }
            if shape.chain_is_empty && self.taken.is_empty() {
                let text = self.texts.keep_number(number);
                let name =
                    self.program.names.all().get(*slot as usize).map_or(Name::None, |name| Name::Of(name));
                let value = Value { variable: Variable::Tx, name, text, conversation: false };
                self.act(head, rule, Some(&Entry { value, text }), &Found::Yes(Vec::new()));
                return true;
            }
        }
        let mut values = Vec::new();
        for field in &shape.include {
            self.live_values(field, &mut values);
        }
        let start = self.entries.len();
        for value in values {
            if !self.is_excluded(shape, &value) {
                self.hold(shape, value);
            }
        }
        let end = self.entries.len();
        let mut any = false;
        for at in start..end {
            let Some(entry) = self.entries.get(at).copied() else { continue };
            if self.lane == Lane::Full && entry.value.conversation && !rule.of_form {
                continue;
            }
            any |= self.ask(head, rule, &entry);
        }
        self.ran += u32::from(end > start);
        self.entries.truncate(start);
        any
    }

    pub(super) fn simple(&self, value: Simple) -> i64 {
        match value {
            Simple::Number(number) => number,
            Simple::Slot(slot) => self.tx.number(slot),
        }
    }

    /// The values of a field at this moment.
    fn live_values(&mut self, field: &Field, out: &mut Vec<Value<'t>>) {
        let plain = |variable, name, text| Value { variable, name, text, conversation: false };
        match field.variable {
            Variable::Tx => {
                let mut found: Vec<(Name<'t>, Vec<u8>)> = Vec::new();
                match &field.choice {
                    Choice::Slot(slot) => {
                        if let (Some(value), Some(name)) =
                            (self.tx.get(*slot), self.program.names.all().get(*slot as usize))
                        {
                            found.push((Name::Of(name), value.as_bytes().into_owned()));
                        }
                    }
                    _ => {
                        let names = &self.program.names;
                        let chosen: Vec<(Vec<u8>, Vec<u8>)> = self
                            .tx
                            .all(names)
                            .filter(|(name, _)| field.takes(name))
                            .map(|(name, value)| (name.to_vec(), value.as_bytes().into_owned()))
                            .collect();
                        for (name, value) in chosen {
                            found.push((Name::Kept(self.texts.keep(name.into())), value));
                        }
                    }
                }
                for (name, value) in found {
                    let text = self.texts.keep(value.into());
                    out.push(plain(Variable::Tx, name, text));
                }
            }
            Variable::MatchedVar | Variable::MatchedVarName => {
                if let Some(last) = self.matched.last().copied() {
                    let text = if field.variable == Variable::MatchedVar {
                        last.text
                    } else {
                        let name = self.full_name(&last);
                        self.texts.keep(name.into())
                    };
                    out.push(plain(field.variable, Name::None, text));
                }
            }
            Variable::MatchedVars | Variable::MatchedVarsNames => {
                for at in 0..self.matched.len() {
                    let Some(matched) = self.matched.get(at).copied() else { continue };
                    let name = self.full_name(&matched);
                    let name = self.texts.keep(name.into());
                    let text = if field.variable == Variable::MatchedVars { matched.text } else { name };
                    if field.takes(self.texts.bytes(name)) {
                        out.push(plain(field.variable, Name::Kept(name), text));
                    }
                }
            }
            _ => {
                let all = self.values.of(field.variable).to_vec();
                out.extend(all.into_iter().filter(|value| self.is_of(field, value)));
            }
        }
    }

    /// `ARGS:name`, as rules see it in `MATCHED_VAR_NAME`.
    pub(super) fn full_name(&self, matched: &Matched<'t>) -> Vec<u8> {
        let mut full = matched.variable.name().as_bytes().to_vec();
        if !matches!(matched.name, Name::None) {
            full.push(b':');
            full.extend_from_slice(self.name(matched.name));
        }
        full
    }

    /// How many values a field has.
    fn count(&mut self, field: &Field) -> i64 {
        let count = match (&field.variable, &field.choice) {
            (Variable::Tx, Choice::Slot(slot)) => usize::from(self.tx.get(*slot).is_some()),
            (variable, _) if variable.is_live() => {
                let mut values = Vec::new();
                self.live_values(field, &mut values);
                values.len()
            }
            (variable, _) => {
                self.values.of(*variable).iter().filter(|value| self.is_of(field, value)).count()
            }
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    fn ask_number(&mut self, head: RuleIndex, rule: &'t Rule, field: &Field, number: i64) -> bool {
        let text = self.texts.keep_number(number);
        let value = Value { variable: field.variable, name: Name::None, text, conversation: false };
        let entry = Entry { value, text };
        if let Condition::Number(relation, limit) = &rule.condition
            && let Some(limit) = simple(limit)
        {
            let matches = holds(*relation, number, self.simple(limit)) != rule.negated;
            if matches {
                self.act(head, rule, Some(&entry), &Found::Yes(Vec::new()));
            }
            return matches;
        }
        self.ask(head, rule, &entry)
    }

    /// One value against a rule's operator; on a match its actions happen.
    fn ask(&mut self, head: RuleIndex, rule: &'t Rule, entry: &Entry<'t>) -> bool {
        if !self.taken.is_empty() && self.is_taken(head, &entry.value) {
            return false;
        }
        let found = self.remembered(rule, entry.text);
        let found = match (found, rule.negated) {
            (Found::No, true) => Found::Yes(Vec::new()),
            (Found::No, false) | (_, true) => return false,
            (found, false) => found,
        };
        self.act(head, rule, Some(entry), &found);
        true
    }

    fn is_taken(&self, head: RuleIndex, value: &Value<'t>) -> bool {
        self.taken.iter().any(|(rules, field)| {
            field.variable == value.variable && has(rules, head) && self.is_of(field, value)
        })
    }

    /// The operator's answer, or the memory that it had nothing to say of this text.
    fn remembered(&mut self, rule: &'t Rule, text: TextIndex) -> Found {
        let program = self.program;
        let print = if rule.condition.is_pure() { self.texts.print(text, &program.memo) } else { None };
        let Some(print) = print else { return self.test(rule, text) };
        if program.memo.is_clean(print, rule.number) {
            return Found::No;
        }
        let found = self.test(rule, text);
        if matches!(found, Found::No) {
            program.memo.is_clean_now(print, rule.number);
        }
        found
    }

    /// Whether the operator finds what it looks for.
    fn test(&mut self, rule: &'t Rule, text: TextIndex) -> Found {
        let wanted = rule.capture || self.explained.is_some();
        let argument: Cow<'_, [u8]> = match &rule.condition {
            Condition::Number(_, template) | Condition::Text(_, template) => self.expanded(template),
            _ => Cow::Borrowed(&[][..]),
        };
        let bytes = self.texts.bytes(text);
        let length = bytes.len();
        let yes = |place: Option<Range<usize>>| match place {
            Some(place) if wanted => Found::Yes(vec![Some(place)]),
            Some(_) => Found::Yes(Vec::new()),
            None => Found::No,
        };
        let plain = |holds: bool| if holds { Found::Yes(Vec::new()) } else { Found::No };
        let found = match &rule.condition {
            Condition::Always => Found::Yes(Vec::new()),
            Condition::Never => Found::No,
            Condition::Pattern(pattern) => {
                if !pattern.is_match(bytes) {
                    Found::No
                } else if wanted && !rule.negated {
                    pattern.captures(bytes).map_or(Found::No, |groups| {
                        Found::Yes(
                            groups.iter().take(10).map(|group| group.map(|group| group.range())).collect(),
                        )
                    })
                } else {
                    Found::Yes(Vec::new())
                }
            }
            Condition::Phrases(phrases) => yes(phrases.find(bytes)),
            Condition::Number(relation, _) => {
                plain(holds(*relation, operator::number(bytes), operator::number(&argument)))
            }
            Condition::Text(comparison, _) => yes(match comparison {
                Comparison::Equal => operator::streq(bytes, &argument),
                Comparison::Contains => operator::contains(bytes, &argument),
                Comparison::Begins => operator::begins_with(bytes, &argument),
                Comparison::Ends => operator::ends_with(bytes, &argument),
                Comparison::Within => operator::within(bytes, &argument),
            }),
            Condition::Bytes(set) => yes(set.first_outside(bytes).map(|at| at..at + 1)),
            Condition::Addresses(set) => plain(set.contains_text(bytes)),
            Condition::UrlEncoding => plain(operator::url_encoding_is_broken(bytes)),
            Condition::Utf8 => plain(operator::utf8_is_broken(bytes)),
            Condition::SqlInjection => operator::detect_sqli(bytes).map_or(Found::No, Found::Word),
            Condition::Script => plain(operator::detect_xss(bytes)),
        };
        self.texts.steps += length as u64 + 16;
        found
    }
}

fn holds(relation: Relation, value: i64, limit: i64) -> bool {
    match relation {
        Relation::Equal => value == limit,
        Relation::AtLeast => value >= limit,
        Relation::Above => value > limit,
        Relation::AtMost => value <= limit,
        Relation::Below => value < limit,
    }
}
