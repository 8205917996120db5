//! One request through the program: phases in order, rules in order, each rule only where the prefilter
//! says that it may match.

mod act;
mod evaluate;
mod expand;
mod lane;
mod memo;
mod prepared;
mod texts;
mod tx;
mod values;

use crate::{
    Cause, Decision, Effort, Head, Match, Policy, Processor, Refusal, Request, Response, Signal, Variable,
    Verdict, body,
    compile::{Prefilter, Program, RuleIndex},
    explain::Explained,
    request,
    seclang::{Allow, EngineMode},
};
use evaluate::Held;
use lane::Lane;
pub(crate) use memo::Memo;
pub(crate) use prepared::Prepared;
use prepared::Taken;
use std::cell::OnceCell;
use texts::{TextIndex, Texts};
use tx::{Tx, TxValue};
use values::{Name, RequestSide, Values};

/// What a request leaves behind for its response: what rules wrote down, and what has been decided.
#[derive(Clone)]
pub struct Carried {
    tx: Tx,
    removed: Box<[u64]>,
    taken: Vec<Taken>,
    matches: Vec<Match>,
    signal: Signal,
    effort: Effort,
    over: bool,
    mode: EngineMode,
}

/// Why the rules stopped before their end.
enum Stop {
    Refused(Refusal),
    Allowed(Allow),
    Off,
}

/// One request or response on its way.
struct Run<'t> {
    program: &'t Program,
    prefilter: &'t Prefilter,
    policy: &'t Policy,
    texts: Texts<'t>,
    values: Values<'t>,
    tx: Tx,
    /// Rules that do not hold for this request, one bit each.
    removed: Box<[u64]>,
    /// Targets that do not hold for some rules.
    taken: Vec<Taken>,
    held: Vec<Held>,
    entries: Vec<evaluate::Entry<'t>>,
    clauses: Vec<u64>,
    matched: Vec<Matched<'t>>,
    lane: Lane,
    processor: Processor,
    /// `ctl:forceRequestBodyVariable`.
    whole_body: bool,
    mode: EngineMode,
    phase: u8,
    matches: Vec<Match>,
    signal: Signal,
    withheld: Option<Refusal>,
    reached: u32,
    ran: u32,
    steps_before: u64,
    explained: Option<Vec<Explained>>,
}

/// A value that matched.
#[derive(Clone, Copy, Debug)]
struct Matched<'t> {
    variable: Variable,
    name: Name<'t>,
    text: TextIndex,
    /// The value as it was before transformations.
    source: TextIndex,
}

/// Inspects a request: phases 1 and 2.
pub(crate) fn request(
    program: &Program,
    prepared: &Prepared,
    request: &Request<'_>,
    explain: bool,
) -> (Verdict, Carried, Vec<Explained>) {
    let head = request::head(request);
    let [used, _] = &program.used;
    let read = OnceCell::new();
    let policy = &prepared.policy;
    let mut run = Run::new(program, prepared, 0, explain);
    run.processor = Processor::of_content_type(request.header("content-type").unwrap_or_default());
    let side =
        RequestSide { request, head: &head, body: None, processor: run.processor, whole: false, policy };
    side.gather(used, &mut run.texts, &mut run.values);
    let mut stop = run.phase(1);
    if goes_on(&stop) {
        let processor = run.processor;
        let body = read.get_or_init(|| body::read(processor, request, &policy.body));
        let side = RequestSide { body: Some(body), processor, whole: run.whole_body, ..side };
        side.gather(used, &mut run.texts, &mut run.values);
        stop = run.phase(2);
        if policy.refuse_unread && goes_on(&stop) && body.error.is_some() {
            stop = Some(Stop::Refused(Refusal { status: 400, cause: Cause::Unread }));
        }
    }
    run.finish(stop)
}

fn goes_on(stop: &Option<Stop>) -> bool {
    matches!(stop, None | Some(Stop::Allowed(Allow::Phase)))
}

/// Inspects a response: phases 3 to 5.
pub(crate) fn response(
    program: &Program,
    prepared: &Prepared,
    carried: Carried,
    request: &Request<'_>,
    response: &Response<'_>,
    explain: bool,
) -> (Verdict, Carried, Vec<Explained>) {
    let head = if program.remembers_request() { request::head(request) } else { Head::default() };
    let [_, used] = &program.used;
    let policy = &prepared.policy;
    let mut run = Run::new(program, prepared, 1, explain);
    run.processor = Processor::of_content_type(request.header("content-type").unwrap_or_default());
    let over = carried.over;
    run.resume(carried);
    let side =
        RequestSide { request, head: &head, body: None, processor: run.processor, whole: false, policy };
    side.gather(used, &mut run.texts, &mut run.values);
    values::add_response(response, used, &mut run.texts, &mut run.values);
    let mut stop = None;
    if !over {
        stop = run.phase(3);
        if goes_on(&stop) {
            stop = run.phase(4);
        }
    }
    if !matches!(stop, Some(Stop::Off)) {
        let _ = run.phase(5);
    }
    run.finish(stop)
}

impl<'t> Run<'t> {
    fn new(program: &'t Program, prepared: &'t Prepared, side: usize, explain: bool) -> Self {
        let [of_request, of_response] = &program.prefilters;
        let prefilter = if side == 0 { of_request } else { of_response };
        Self {
            program,
            prefilter,
            policy: &prepared.policy,
            texts: Texts::new(program.memo.seed()),
            values: Values::new(),
            tx: prepared.tx.clone(),
            removed: prepared.removed.clone(),
            taken: prepared.taken.clone(),
            held: vec![Held::default(); program.groups.len()],
            entries: Vec::with_capacity(512),
            clauses: Vec::with_capacity(prefilter.words * 64),
            matched: Vec::new(),
            lane: Lane::Full,
            processor: Processor::None,
            whole_body: false,
            mode: EngineMode::On,
            phase: 0,
            matches: Vec::new(),
            signal: Signal::default(),
            withheld: None,
            reached: 0,
            ran: 0,
            steps_before: 0,
            explained: explain.then(Vec::new),
        }
    }

    fn resume(&mut self, carried: Carried) {
        self.tx = carried.tx;
        self.removed = carried.removed;
        self.taken = carried.taken;
        self.matches = carried.matches;
        self.signal = carried.signal;
        self.mode = carried.mode;
        self.reached = carried.effort.reached;
        self.ran = carried.effort.ran;
        self.steps_before = carried.effort.steps;
    }

    fn remove(&mut self, rules: &[u64]) {
        self.removed.iter_mut().zip(rules).for_each(|(all, more)| *all |= more);
    }

    fn is_removed(&self, rule: RuleIndex) -> bool {
        crate::compile::has(&self.removed, rule)
    }

    /// All rules of a phase, in order.
    fn phase(&mut self, phase: u8) -> Option<Stop> {
        self.phase = phase;
        self.entries.clear();
        self.clauses.clear();
        self.held.fill(Held::default());
        let list = self.program.phases.get(usize::from(phase) - 1)?;
        let mut at = 0;
        while let Some(head) = list.get(at).copied() {
            at += 1;
            if self.is_removed(head) {
                continue;
            }
            let Some(rule) = self.program.rules.get(head as usize) else { continue };
            self.lane = Lane::Full;
            if self.chain(head, rule) {
                if let Some(stop) = self.conclude(rule) {
                    return Some(stop);
                }
                if let Some(place) = rule.go_to {
                    at = at.max(place);
                }
            } else if self.has_conversation(rule) {
                self.listen(head, rule);
            }
            if self.texts.steps > self.policy.steps {
                return Some(Stop::Refused(Refusal { status: 403, cause: Cause::TooMuchWork }));
            }
            if self.mode == EngineMode::Off {
                return Some(Stop::Off);
            }
        }
        None
    }

    fn finish(self, stop: Option<Stop>) -> (Verdict, Carried, Vec<Explained>) {
        let mut verdict = Verdict { withheld: self.withheld, ..Verdict::default() };
        let mut over = matches!(stop, Some(Stop::Off | Stop::Allowed(Allow::Transaction)));
        if let Some(Stop::Refused(refusal)) = stop {
            over = true;
            if self.policy.mode == crate::Mode::Block {
                verdict.decision = Decision::Refuse(refusal);
            } else {
                verdict.withheld.get_or_insert(refusal);
            }
        }
        let score = |name: &[u8]| self.tx.get_named(&self.program.names, name).map_or(0, TxValue::number);
        verdict.inbound_score = score(b"blocking_inbound_anomaly_score").max(score(b"wardroom_score"));
        verdict.outbound_score =
            score(b"blocking_outbound_anomaly_score").max(score(b"wardroom_outbound_score"));
        verdict.effort =
            Effort { reached: self.reached, ran: self.ran, steps: self.steps_before + self.texts.steps };
        verdict.matches.clone_from(&self.matches);
        verdict.signal.clone_from(&self.signal);
        let carried = Carried {
            tx: self.tx,
            removed: self.removed,
            taken: self.taken,
            matches: self.matches,
            signal: self.signal,
            effort: verdict.effort,
            over,
            mode: self.mode,
        };
        (verdict, carried, self.explained.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
