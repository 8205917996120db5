//! The compiler's passes: defaults and chains, removals and updates, then the program.

use super::{
    Chain, Condition, Control, Effect, Field, Group, Names, Program, Rule, RuleIndex, SetName, SetVar, Step,
    Template, condition,
    prefilter::{Gathering, bits},
    trigger,
};
use crate::{
    LoadError, Transformation,
    seclang::{
        Action, Change, ControlText, Directive, DirectiveKind, Pick, Place, RuleText, SetVarText, Target,
        TargetKind,
    },
};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

/// A chain as the directives left it.
struct Draft {
    id: u32,
    phase: u8,
    links: Vec<DraftLink>,
}

struct DraftLink {
    place: Place,
    folder: Option<Arc<Path>>,
    text: RuleText,
}

impl DraftLink {
    fn has(&self, action: &Action) -> bool {
        self.text.actions.contains(action)
    }
}

/// What a phase's list holds before places are known.
enum Entry {
    Rule(usize),
    Marker(String),
}

/// Compiles all directives, in order.
pub(crate) fn compile(directives: Vec<Directive>) -> Result<Program, LoadError> {
    let (mut drafts, entries) = drafts(&directives)?;
    let removed = amend(&directives, &mut drafts)?;
    let mut builder = Builder::new();
    let mut heads: Vec<Option<RuleIndex>> = Vec::new();
    for (number, draft) in drafts.iter().enumerate() {
        heads.push(if removed.contains(&number) { None } else { Some(builder.chain(draft)?) });
    }
    builder.controls(&drafts, &heads)?;
    let mut phases: [Vec<RuleIndex>; 5] = Default::default();
    let mut ahead: Vec<(usize, &str, usize)> = Vec::new();
    for entry in &entries {
        match entry {
            Entry::Marker(name) => ahead.retain(|(rule, wanted, phase)| {
                if wanted != name {
                    return true;
                }
                builder.go_to(*rule, phases.get(*phase).map_or(0, Vec::len));
                false
            }),
            Entry::Rule(number) => {
                let (Some(draft), Some(Some(head))) = (drafts.get(*number), heads.get(*number)) else {
                    continue;
                };
                let phase = usize::from(draft.phase.saturating_sub(1));
                let Some(list) = phases.get_mut(phase) else { continue };
                list.push(*head);
                for action in draft.links.iter().flat_map(|link| &link.text.actions) {
                    match action {
                        Action::SkipAfter(marker) => ahead.push((*head as usize, marker, phase)),
                        Action::Skip(count) => builder.go_to(*head as usize, list.len() + *count as usize),
                        _ => {}
                    }
                }
            }
        }
    }
    for (rule, marker, _) in ahead {
        let place = builder.rules.get(rule).map(|rule| rule.place.clone());
        if let Some(place) = place {
            return Err(LoadError::at(
                &place,
                format!("the marker `{marker}` does not follow"),
                "add `SecMarker` after it",
            ));
        }
    }
    builder.finish(phases)
}

/// Chains gathered, phase and default actions given to each.
fn drafts(directives: &[Directive]) -> Result<(Vec<Draft>, Vec<Entry>), LoadError> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut entries = Vec::new();
    let mut defaults: HashMap<u8, Vec<Action>> = HashMap::new();
    let mut ids = BTreeSet::new();
    let mut open = false;
    for directive in directives {
        let place = &directive.place;
        match &directive.kind {
            DirectiveKind::Rule(text) => {
                let mut text = text.clone();
                let chained = text.actions.contains(&Action::Chain);
                if open {
                    if text.actions.iter().any(|action| matches!(action, Action::Id(_) | Action::Phase(_))) {
                        return Err(LoadError::at(
                            place,
                            "a chained rule has an id or a phase of its own",
                            "the first of the chain has them",
                        ));
                    }
                } else {
                    let id = text.actions.iter().find_map(|action| match action {
                        Action::Id(id) if *id > 0 => Some(*id),
                        _ => None,
                    });
                    let id = id.ok_or_else(|| {
                        LoadError::at(place, "the rule has no id", "give it `id:` and a number no other has")
                    })?;
                    if !ids.insert(id) {
                        return Err(LoadError::at(
                            place,
                            format!("the id {id} is taken"),
                            "give it a number no other has",
                        ));
                    }
                    let phase = text.actions.iter().rev().find_map(|action| match action {
                        Action::Phase(phase) => Some(*phase),
                        _ => None,
                    });
                    let phase = phase.unwrap_or(2);
                    if let Some(default) = defaults.get(&phase) {
                        text.actions.splice(0..0, default.iter().cloned());
                    }
                    drafts.push(Draft { id, phase, links: Vec::new() });
                    entries.push(Entry::Rule(drafts.len() - 1));
                }
                let link = DraftLink { place: place.clone(), folder: directive.folder.clone(), text };
                if let Some(draft) = drafts.last_mut() {
                    draft.links.push(link);
                }
                open = chained;
            }
            _ if open => {
                return Err(LoadError::at(
                    place,
                    "a chain ends without its last rule",
                    "add the rule or remove `chain` above",
                ));
            }
            DirectiveKind::Marker(name) => entries.push(Entry::Marker(name.clone())),
            DirectiveKind::DefaultAction(actions) => {
                let phase = actions.iter().find_map(|action| match action {
                    Action::Phase(phase) => Some(*phase),
                    _ => None,
                });
                let phase = phase
                    .ok_or_else(|| LoadError::at(place, "the default names no phase", "add `phase:`"))?;
                defaults.insert(
                    phase,
                    actions.iter().filter(|action| !matches!(action, Action::Phase(_))).cloned().collect(),
                );
            }
            DirectiveKind::Signature
            | DirectiveKind::Remove(_)
            | DirectiveKind::UpdateTarget(..)
            | DirectiveKind::UpdateAction(..) => {}
        }
    }
    match (open, drafts.last().and_then(|draft| draft.links.last())) {
        (true, Some(link)) => Err(LoadError::at(
            &link.place,
            "a chain ends without its last rule",
            "add the rule or remove `chain`",
        )),
        _ => Ok((drafts, entries)),
    }
}

/// Applies removals and updates; answers with the drafts removed.
fn amend(directives: &[Directive], drafts: &mut [Draft]) -> Result<BTreeSet<usize>, LoadError> {
    let mut removed = BTreeSet::new();
    for directive in directives {
        match &directive.kind {
            DirectiveKind::Remove(pick) => removed.extend(picked(drafts, pick)),
            DirectiveKind::UpdateTarget(pick, targets) => {
                for number in picked(drafts, pick) {
                    let Some(link) = drafts.get_mut(number).and_then(|draft| draft.links.first_mut()) else {
                        continue;
                    };
                    for target in targets {
                        if !link.text.targets.contains(target) {
                            link.text.targets.push(target.clone());
                        }
                    }
                }
            }
            DirectiveKind::UpdateAction(id, actions) => {
                let Some(link) =
                    drafts.iter_mut().find(|draft| draft.id == *id).and_then(|draft| draft.links.first_mut())
                else {
                    return Err(LoadError::at(
                        &directive.place,
                        format!("there is no rule {id}"),
                        "remove the line or mend the id",
                    ));
                };
                link.text.actions.extend(actions.iter().cloned());
            }
            _ => {}
        }
    }
    Ok(removed)
}

fn picked(drafts: &[Draft], pick: &Pick) -> Vec<usize> {
    let chosen = |draft: &Draft| {
        let head = draft.links.first();
        let says =
            |wanted: &dyn Fn(&Action) -> bool| head.is_some_and(|link| link.text.actions.iter().any(wanted));
        match pick {
            Pick::Ids(ranges) => ranges.iter().any(|range| range.contains(&draft.id)),
            Pick::Tag(tag) => says(&|action| matches!(action, Action::Tag(own) if own == tag)),
            Pick::Message(message) => {
                says(&|action| matches!(action, Action::Message(own) if own == message))
            }
        }
    };
    drafts.iter().enumerate().filter(|(_, draft)| chosen(draft)).map(|(number, _)| number).collect()
}

/// Shared parts while rules are built.
struct Builder {
    names: Names,
    gatherings: [Gathering; 2],
    rules: Vec<Rule>,
    groups: Vec<Group>,
    group_of: HashMap<(Vec<Target>, u32, bool), u32>,
    chains: Vec<Chain>,
    chain_of: HashMap<Vec<Transformation>, u32>,
    nodes: HashMap<Vec<Transformation>, u16>,
    tag_names: BTreeSet<Arc<str>>,
}

impl Builder {
    fn new() -> Self {
        Self {
            names: Names::new(),
            gatherings: Default::default(),
            rules: Vec::new(),
            groups: Vec::new(),
            group_of: HashMap::new(),
            chains: Vec::new(),
            chain_of: HashMap::new(),
            nodes: HashMap::new(),
            tag_names: BTreeSet::new(),
        }
    }

    /// Builds a chain's rules; its head's place.
    fn chain(&mut self, draft: &Draft) -> Result<RuleIndex, LoadError> {
        let first = self.rules.len();
        for (number, link) in draft.links.iter().enumerate() {
            let mut rule = self.rule(link, draft.phase)?;
            if number == 0 {
                rule.id = draft.id;
            }
            if number + 1 < draft.links.len() {
                rule.next = RuleIndex::try_from(self.rules.len() + 1).ok();
            }
            self.rules.push(rule);
        }
        Ok(RuleIndex::try_from(first).unwrap_or(RuleIndex::MAX))
    }

    fn rule(&mut self, link: &DraftLink, phase: u8) -> Result<Rule, LoadError> {
        let place = &link.place;
        let wrong = |(what, mend): (String, String)| LoadError::at(place, what, mend);
        let actions = &link.text.actions;
        self.names.begin(phase > 2);
        let chain = self.transformations(actions);
        let (group, counts) =
            self.targets(place, &link.text.targets, chain, link.has(&Action::MultiMatch))?;
        let built = match &link.text.operator {
            Some(text) => Some((
                condition::build(text, link.folder.as_deref(), &mut self.names).map_err(wrong)?,
                text.negated,
            )),
            None => None,
        };
        let (condition, needs, of_form, negated) = match built {
            Some((built, negated)) => (built.condition, built.needs, built.of_form, negated),
            None => (Condition::Always, Vec::new(), true, false),
        };
        let [request, response] = &mut self.gatherings;
        let gathering = if phase <= 2 { request } else { response };
        let mut rule = Rule {
            number: RuleIndex::try_from(self.rules.len()).unwrap_or(RuleIndex::MAX),
            id: 0,
            place: place.clone(),
            next: None,
            group,
            needs: if counts.is_empty() {
                needs.into_iter().map(|literals| gathering.clause(literals)).collect()
            } else {
                Box::default()
            },
            counts,
            condition,
            negated,
            capture: link.has(&Action::Capture),
            of_form,
            sets: Box::default(),
            controls: Box::default(),
            effect: Effect::Pass,
            status: None,
            log: true,
            go_to: None,
            message: Template::parse("", &mut self.names).map_err(wrong)?,
            title: "".into(),
            log_data: Template::parse("", &mut self.names).map_err(wrong)?,
            severity: None,
            tags: Arc::default(),
        };
        let mut sets = Vec::new();
        let mut tags: Vec<Arc<str>> = Vec::new();
        // `block` is whatever the phase's default action says, which stands before the rule's own.
        let mut default = Effect::Pass;
        for action in actions {
            match action {
                Action::Pass => (rule.effect, default) = (Effect::Pass, Effect::Pass),
                Action::Deny => (rule.effect, default) = (Effect::Deny, Effect::Deny),
                Action::Block => rule.effect = default,
                Action::Allow(kind) => rule.effect = Effect::Allow(*kind),
                Action::Status(code) => rule.status = Some(*code),
                Action::Log => rule.log = true,
                Action::NoLog => rule.log = false,
                Action::Message(text) => {
                    rule.message = Template::parse(text, &mut self.names).map_err(wrong)?;
                    rule.title = text.as_str().into();
                }
                Action::LogData(text) => {
                    rule.log_data = Template::parse(text, &mut self.names).map_err(wrong)?
                }
                Action::Severity(level) => rule.severity = Some(*level),
                Action::Tag(tag) => tags.push(self.tag(tag)),
                Action::SetVar(text) => sets.push(self.set(text).map_err(wrong)?),
                _ => {}
            }
        }
        rule.sets = sets.into();
        rule.tags = tags.into();
        Ok(rule)
    }

    fn tag(&mut self, tag: &str) -> Arc<str> {
        if let Some(known) = self.tag_names.get(tag) {
            return known.clone();
        }
        let tag: Arc<str> = tag.into();
        self.tag_names.insert(tag.clone());
        tag
    }

    fn set(&mut self, text: &SetVarText) -> Result<SetVar, (String, String)> {
        let name = match Template::parse(&text.name, &mut self.names)? {
            Template::Fixed { .. } => SetName::Slot(self.names.slot(&text.name)),
            template => SetName::Template(template),
        };
        let value = Template::parse(&text.value, &mut self.names)?;
        if text.change != Change::Set
            && matches!(&value, Template::Fixed { number: None, bytes } if !bytes.is_empty())
        {
            return Err((
                format!("`{}` is not a number to count with", text.value),
                "write digits or a macro".to_owned(),
            ));
        }
        Ok(SetVar { name, change: text.change, value })
    }

    /// The chain of `t:` actions after the last `t:none`.
    fn transformations(&mut self, actions: &[Action]) -> u32 {
        let mut kinds: Vec<Transformation> = Vec::new();
        for action in actions {
            match action {
                Action::NoTransformation => kinds.clear(),
                Action::Transform(kind) => kinds.push(*kind),
                _ => {}
            }
        }
        if let Some(known) = self.chain_of.get(&kinds) {
            return *known;
        }
        let mut steps = Vec::new();
        let mut row = Vec::new();
        for kind in &kinds {
            row.push(*kind);
            let next = u16::try_from(self.nodes.len()).unwrap_or(u16::MAX);
            let node = *self.nodes.entry(row.clone()).or_insert(next);
            steps.push(Step { node, kind: *kind, trigger: trigger::of(*kind) });
        }
        let trigger = steps.iter().fold(0, |all, step| all | step.trigger);
        let number = u32::try_from(self.chains.len()).unwrap_or(u32::MAX);
        self.chains.push(Chain { steps: steps.into(), trigger });
        self.chain_of.insert(kinds, number);
        number
    }

    fn targets(
        &mut self,
        place: &Place,
        targets: &[Target],
        chain: u32,
        multi: bool,
    ) -> Result<(Option<u32>, Box<[Field]>), LoadError> {
        let wrong = |what: String| LoadError::at(place, what, "mend the target");
        let mut counts = Vec::new();
        for target in targets.iter().filter(|target| target.kind == TargetKind::Count) {
            counts.push(Field::of(target, &mut self.names).map_err(wrong)?);
        }
        let plain: Vec<Target> =
            targets.iter().filter(|target| target.kind != TargetKind::Count).cloned().collect();
        if !plain.iter().any(|target| target.kind == TargetKind::Include) {
            return Ok((None, counts.into()));
        }
        let chain_is_empty = self.chains.get(chain as usize).is_none_or(|chain| chain.steps.is_empty());
        let key = (plain, chain, multi);
        if let Some(known) = self.group_of.get(&key) {
            return Ok((Some(*known), counts.into()));
        }
        let mut group = Group {
            include: Box::default(),
            exclude: Box::default(),
            chain,
            chain_is_empty,
            multi,
            live: false,
        };
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        for target in &key.0 {
            if target.kind == TargetKind::Exclude {
                exclude.push(Field::excluded(target.variable, &target.selector).map_err(wrong)?);
            } else {
                let field = Field::of(target, &mut self.names).map_err(wrong)?;
                group.live |= field.variable.is_live();
                include.push(field);
            }
        }
        group.include = include.into();
        group.exclude = exclude.into();
        let number = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups.push(group);
        self.group_of.insert(key, number);
        Ok((Some(number), counts.into()))
    }

    /// `ctl` actions, once every rule's place is known.
    fn controls(&mut self, drafts: &[Draft], heads: &[Option<RuleIndex>]) -> Result<(), LoadError> {
        for (number, draft) in drafts.iter().enumerate() {
            let Some(Some(head)) = heads.get(number) else { continue };
            for (offset, link) in draft.links.iter().enumerate() {
                let mut controls = Vec::new();
                for action in &link.text.actions {
                    let Action::Control(text) = action else { continue };
                    let places = |pick: &Pick| {
                        let heads = picked(drafts, pick)
                            .into_iter()
                            .filter_map(|number| heads.get(number).copied().flatten());
                        bits(&heads.collect::<Vec<_>>())
                    };
                    controls.push(match text {
                        ControlText::Remove(pick) => Control::Remove(places(pick)),
                        ControlText::RemoveTarget(pick, target) => {
                            let field = Field::excluded(target.variable, &target.selector)
                                .map_err(|what| LoadError::at(&link.place, what, "mend the target"))?;
                            Control::RemoveTarget(places(pick), field)
                        }
                        ControlText::RequestBodyProcessor(processor) => Control::Processor(*processor),
                        ControlText::Engine(mode) => Control::Engine(*mode),
                        ControlText::ForceRequestBody => Control::WholeBody,
                        ControlText::Audit => continue,
                    });
                }
                if let Some(rule) = self.rules.get_mut(*head as usize + offset) {
                    rule.controls = controls.into();
                }
            }
        }
        Ok(())
    }

    fn go_to(&mut self, rule: usize, place: usize) {
        if let Some(rule) = self.rules.get_mut(rule) {
            rule.go_to = Some(place);
        }
    }

    fn finish(self, phases: [Vec<RuleIndex>; 5]) -> Result<Program, LoadError> {
        let mut tags: HashMap<Arc<str>, Vec<RuleIndex>> = HashMap::new();
        for (index, rule) in (0..).zip(&self.rules).filter(|(_, rule)| rule.id != 0) {
            for tag in rule.tags.iter() {
                tags.entry(tag.clone()).or_default().push(index);
            }
        }
        let [request, response] = self.gatherings;
        Ok(Program {
            rules: self.rules.into(),
            phases: phases.map(Into::into),
            groups: self.groups.into(),
            chains: self.chains.into(),
            prefilters: [request.build()?, response.build()?],
            memo: crate::engine::Memo::new(),
            used: self.names.used(),
            names: self.names,
            tags,
        })
    }
}
