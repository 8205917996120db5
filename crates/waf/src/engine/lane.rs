//! Conversation text is looked at in a lane of its own: what rules say there is written down as a
//! signal, and nothing they do there reaches the request's own scores.

use super::Run;
use crate::compile::{Rule, RuleIndex};

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

    /// Looks at conversation text and writes down what the rule says of it.
    pub(super) fn listen(&mut self, head: RuleIndex, rule: &'t Rule) {
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
