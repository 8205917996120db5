//! The decision suite: what is refused, not merely noticed. Attack strings and ordinary text as a query,
//! a form field and a JSON field, at paranoia levels 1 and 2; and as conversation text, where no text may
//! be refused for its meaning.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use waf::Rules;

use crate::corpora::{Asked, List, Place, lists, percent, round};

/// At most so many strings of a list, evenly spaced, are tried in each place. Conversation text is tried
/// with all benign ones.
const SAMPLE: usize = 1_100;

/// Points by which a rate may stay behind Coraza's: the samples are not the same.
const TOLERANCE: f64 = 2.0;

/// Runs the suite. Fails if benign conversation text is refused, or if an attack list is refused less
/// often than Coraza refuses it.
pub(crate) fn run(rules: &Rules, attacks: &Path, data: &Path) -> Result<(), String> {
    let lists = lists(attacks, data)?;
    let mut figures = BTreeMap::new();
    let mut worse = Vec::new();
    println!(
        "{:<24} {:>6}  {:^23}  {:^23}  {:^13}",
        "refused, percent", "", "level 1", "level 2", "Coraza, JSON"
    );
    println!(
        "{:<24} {:>6}  {:>7} {:>7} {:>7}  {:>7} {:>7} {:>7}  {:>6} {:>6}",
        "list", "of", "query", "form", "json", "query", "form", "json", "l. 1", "l. 2"
    );
    for list in &lists {
        let sample = list.sample(SAMPLE);
        let rates = [1, 2].map(|level| Place::FIELDS.map(|place| refused(rules, place, level, &sample)));
        let peer = list.coraza();
        let shown = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        let [[q1, f1, j1], [q2, f2, j2]] = rates;
        println!(
            "{:<24} {:>6}  {q1:>7.1} {f1:>7.1} {j1:>7.1}  {q2:>7.1} {f2:>7.1} {j2:>7.1}  {:>6} {:>6}",
            list.name,
            sample.len(),
            shown(peer.map(|peer| peer.0)),
            shown(peer.map(|peer| peer.1))
        );
        for (level, rate) in [(1, j1), (2, j2)] {
            figures.insert(format!("{}_pl{level}", list.name), json!(round(rate)));
        }
        if let Some((one, two)) = peer.filter(|_| !list.benign)
            && (j1 + TOLERANCE < one || j2 + TOLERANCE < two)
        {
            worse.push(list.name.clone());
        }
    }
    let (total, blocked) = conversation(rules, &lists);
    figures.insert("benign_conversation_total".to_owned(), json!(total));
    figures.insert("benign_conversation_refused".to_owned(), json!(blocked));
    println!("{}", json!({ "name": "attacks", "figures": figures }));
    if blocked > 0 {
        return Err(format!("{blocked} benign texts were refused as conversation text"));
    }
    if worse.is_empty() {
        Ok(())
    } else {
        Err(format!("refused less often than by Coraza: {}", worse.join(", ")))
    }
}

/// All texts as conversation text at level 2: how many benign ones there are and how many of them are
/// refused. Attacks are not refused there either; they are a signal.
fn conversation(rules: &Rules, lists: &[List]) -> (usize, usize) {
    println!("{:<24} {:>6}  {:>7} {:>11}", "as conversation text", "of", "refused", "signal >= 5");
    let (mut total, mut blocked) = (0, 0);
    let inspector = Place::Conversation.inspector(rules, 2);
    for list in lists {
        let texts: Vec<&str> =
            if list.benign { list.texts.iter().map(String::as_str).collect() } else { list.sample(SAMPLE) };
        let verdicts = texts.iter().map(|text| Asked::with(Place::Conversation, text).judge(&inspector));
        let (mut refused, mut signalled) = (0, 0);
        for verdict in verdicts {
            refused += usize::from(verdict.refuses());
            signalled += usize::from(verdict.signal.score >= 5);
        }
        println!(
            "{:<24} {:>6}  {refused:>7} {:>10.1}%",
            list.name,
            texts.len(),
            percent(signalled, texts.len())
        );
        if list.benign {
            total += texts.len();
            blocked += refused;
        }
    }
    (total, blocked)
}

fn refused(rules: &Rules, place: Place, level: u8, texts: &[&str]) -> f64 {
    let inspector = place.inspector(rules, level);
    let refused = |text: &&&str| Asked::with(place, text).judge(&inspector).refuses();
    percent(texts.iter().filter(refused).count(), texts.len())
}
