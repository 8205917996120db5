//! Conversation text is looked at in a lane of its own: what rules say there is written down as a
//! signal, and nothing they do there reaches the request's own scores.

use super::Run;
use crate::compile::{Rule, RuleIndex, has};

/// Which values are being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// All but conversation text.
    Full,
    /// Conversation text.
    Conversation,
}

/// The scores that rules add to, by paranoia level.
const SCORES: [&[u8]; 4] = [
    b"inbound_anomaly_score_pl1",
    b"inbound_anomaly_score_pl2",
    b"inbound_anomaly_score_pl3",
    b"inbound_anomaly_score_pl4",
];

/// The score of the built-in rules, which know no levels.
const OWN: &[u8] = b"wardroom_score";

impl<'t> Run<'t> {
    /// Whether a rule would look at conversation text and has not done so at full strength.
    pub(super) fn has_conversation(&mut self, rule: &'t Rule) -> bool {
        !self.policy.conversation_text.is_empty()
            && !rule.of_form
            && rule.group.is_some_and(|group| self.held(group).conversation)
    }

    /// Whether the prefilter leaves a rule some conversation text to look at. Most rules are done with
    /// here: what follows keeps a copy of all that rules have written down.
    fn may_hear(&mut self, rule: &Rule) -> bool {
        let Some(group) = rule.group else { return false };
        let entries = self.held(group).entries;
        let entries = self.entries.get(entries).unwrap_or_default();
        rule.needs.is_empty()
            || entries.iter().filter(|entry| entry.value.conversation).any(|entry| {
                let seen = self.texts.seen(entry.text, self.prefilter);
                rule.needs.iter().all(|clause| has(seen, *clause))
            })
    }

    /// Looks at conversation text and writes down what the rule says of it.
    pub(super) fn listen(&mut self, head: RuleIndex, rule: &'t Rule) {
        if !self.may_hear(rule) {
            return;
        }
        self.lane = Lane::Conversation;
        let before = self.tx.clone();
        if self.chain(head, rule) {
            let levels = usize::from(self.policy.paranoia).min(SCORES.len());
            let names = &self.program.names;
            let sum = |tx: &super::Tx| -> i64 {
                SCORES
                    .iter()
                    .take(levels)
                    .chain([&OWN])
                    .filter_map(|name| tx.get_named(names, name))
                    .map(super::TxValue::number)
                    .sum()
            };
            let score = sum(&self.tx).saturating_sub(sum(&before));
            self.signal.score = self.signal.score.saturating_add(score);
            if rule.log {
                self.signal.rules.push(rule.id);
            }
        }
        self.tx = before;
        self.lane = Lane::Full;
    }
}
