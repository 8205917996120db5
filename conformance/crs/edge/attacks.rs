//! The lists of attacks and of ordinary text through the real edge, which refuses at levels 1 and 2. What is
//! refused must be what the library refuses; so the rates of the whole lists hold here too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::json;
use waf::{Rules, Source};

use crate::corpora::{Asked, List, Place, lists, percent, round};
use crate::house::House;

/// At most so many strings of a list, evenly spaced, are sent in each place.
const SAMPLE: usize = 40;

/// What became of a sample in one place, at one level.
#[derive(Default)]
struct Tally {
    sent: usize,
    refused: usize,
    /// The edge and the library say different things.
    differing: usize,
}

/// Runs both levels. Fails if the edge refuses something else than the library, or ordinary text in a
/// conversation.
pub(crate) async fn run(folder: &Path, attacks: &Path, data: &Path) -> Result<(), String> {
    let rules = Rules::load(&[Source::Folder(folder.to_owned())]).map_err(|error| error.to_string())?;
    let lists = lists(attacks, data)?;
    let mut figures = BTreeMap::new();
    let (mut sent, mut differing, mut conversations) = (0, 0, 0);
    for level in [1, 2] {
        println!("through the edge, level {level}; refused, percent");
        println!(
            "{:<24} {:>6}  {:>7} {:>7} {:>7} {:>13}  {:>6}",
            "list", "of", "query", "form", "json", "conversation", "Coraza"
        );
        let house = House::refusing(folder, level).await?;
        for list in &lists {
            let mut line = String::new();
            for place in Place::FIELDS.into_iter().chain([Place::Conversation]) {
                let tally = send(&house, &rules, list, place, level).await?;
                let rate = percent(tally.refused, tally.sent);
                let width = if place == Place::Conversation { 13 } else { 7 };
                let _ = write!(line, " {rate:>width$.1}");
                sent += tally.sent;
                differing += tally.differing;
                match place {
                    Place::Json => {
                        figures.insert(format!("{}_pl{level}", list.name), json!(round(rate)));
                    }
                    Place::Conversation if list.benign => conversations += tally.refused,
                    _ => {}
                }
            }
            let coraza = list.coraza().map(|(one, two)| if level == 1 { one } else { two });
            let coraza = coraza.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
            println!("{:<24} {:>6} {line}  {coraza:>6}", list.name, list.sample(SAMPLE).len());
        }
    }
    figures.insert("sent".to_owned(), json!(sent));
    figures.insert("differing".to_owned(), json!(differing));
    figures.insert("benign_conversation_refused".to_owned(), json!(conversations));
    println!("{}", json!({ "name": "attacks-edge", "figures": figures }));
    match (differing, conversations) {
        (0, 0) => Ok(()),
        (0, refused) => Err(format!("{refused} texts were refused as conversation text")),
        (differing, _) => Err(format!("the edge and the library differ on {differing} requests")),
    }
}

async fn send(house: &House, rules: &Rules, list: &List, place: Place, level: u8) -> Result<Tally, String> {
    let inspector = place.inspector(rules, level);
    let mut tally = Tally::default();
    for text in list.sample(SAMPLE) {
        let asked = Asked::with(place, text);
        let expected = asked.judge(&inspector).refuses();
        let reply = house.send(&raw(&asked), false).await?;
        let refused = matches!(reply.status, Some(400 | 403));
        tally.sent += 1;
        tally.refused += usize::from(refused);
        if refused != expected || !reply.heard {
            tally.differing += 1;
            println!(
                "{}: {text:?} at level {level}: {:?} by the edge, {} by the library",
                list.name,
                reply.status,
                if expected { "refused" } else { "let in" }
            );
        }
    }
    Ok(tally)
}

/// The request as it is sent.
fn raw(asked: &Asked) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\n", asked.method, asked.target);
    for (name, value) in &asked.headers {
        let _ = write!(raw, "{name}: {value}\r\n");
    }
    raw.push_str("Connection: close\r\n\r\n");
    raw.push_str(&asked.body);
    raw.into_bytes()
}
