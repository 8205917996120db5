//! The decision suite: what is refused, not merely noticed. Attack strings and ordinary text as a query,
//! a form field and a JSON field, at paranoia levels 1 and 2; and as conversation text, where no text may
//! be refused for its meaning.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use serde_json::{Value, json};
use waf::{Policy, Request, Rules, Verdict};

/// At most so many strings of a list, evenly spaced, are tried in each place. Conversation text is tried
/// with all benign ones.
const SAMPLE: usize = 1_100;

/// What Coraza refuses of a sample of each list, as a JSON field, at levels 1 and 2, in percent.
const CORAZA: [(&str, f64, f64); 6] = [
    ("libinjection_sqli", 100.0, 100.0),
    ("libinjection_xss", 100.0, 100.0),
    ("patt_sqli", 82.0, 97.1),
    ("patt_cmd", 74.4, 89.7),
    ("payloadbox_xss", 99.4, 100.0),
    ("benign_libinjection", 9.5, 35.9),
];

/// Points by which a rate may stay behind Coraza's: the samples are not the same.
const TOLERANCE: f64 = 2.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Query,
    Form,
    Json,
    Conversation,
}

struct List {
    name: String,
    texts: Vec<String>,
    benign: bool,
}

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
        let sample: Vec<&str> = spaced(&list.texts);
        let rates = [1, 2].map(|level| {
            [Place::Query, Place::Form, Place::Json].map(|place| refused(rules, place, level, &sample))
        });
        let peer = CORAZA.iter().find(|(name, ..)| *name == list.name);
        let shown = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        let [[q1, f1, j1], [q2, f2, j2]] = rates;
        println!(
            "{:<24} {:>6}  {q1:>7.1} {f1:>7.1} {j1:>7.1}  {q2:>7.1} {f2:>7.1} {j2:>7.1}  {:>6} {:>6}",
            list.name,
            sample.len(),
            shown(peer.map(|peer| peer.1)),
            shown(peer.map(|peer| peer.2))
        );
        for (level, rate) in [(1, j1), (2, j2)] {
            figures.insert(format!("{}_pl{level}", list.name), json!(round(rate)));
        }
        if let Some((name, one, two)) = peer.filter(|_| !list.benign)
            && (j1 + TOLERANCE < *one || j2 + TOLERANCE < *two)
        {
            worse.push((*name).to_owned());
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
    for list in lists {
        let texts: Vec<&str> =
            if list.benign { list.texts.iter().map(String::as_str).collect() } else { spaced(&list.texts) };
        let verdicts = texts.iter().map(|text| ask(rules, Place::Conversation, 2, text));
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
    percent(texts.iter().filter(|text| ask(rules, place, level, text).refuses()).count(), texts.len())
}

fn ask(rules: &Rules, place: Place, level: u8, text: &str) -> Verdict {
    let escaped = || form(text);
    let (method, target, kind, body): (&[u8], _, &[u8], _) = match place {
        Place::Query => (b"GET", format!("/search?q={}", escaped()), b"", String::new()),
        Place::Form => {
            (b"POST", "/search".to_owned(), b"application/x-www-form-urlencoded", format!("q={}", escaped()))
        }
        Place::Json | Place::Conversation => {
            (b"POST", "/messages".to_owned(), b"application/json", json!({ "message": text }).to_string())
        }
    };
    let length = body.len().to_string();
    let mut headers: Vec<(&[u8], &[u8])> = vec![
        (b"Host", b"chat.bank.example"),
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
        (b"Accept", b"application/json, text/plain, */*"),
    ];
    if !kind.is_empty() {
        headers.push((b"Content-Type", kind));
        headers.push((b"Content-Length", length.as_bytes()));
    }
    let remote = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let target = target.as_bytes();
    let request =
        Request { remote, method, target, protocol: b"HTTP/1.1", headers: &headers, body: body.as_bytes() };
    let conversation_text =
        if place == Place::Conversation { vec!["json.message".to_owned()] } else { Vec::new() };
    rules.inspect(&request, &Policy { conversation_text, ..Policy::block(level) })
}

fn form(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn spaced(texts: &[String]) -> Vec<&str> {
    let step = texts.len().div_ceil(SAMPLE).max(1);
    texts.iter().step_by(step).map(String::as_str).collect()
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

/// The attack lists, then the benign ones.
fn lists(attacks: &Path, data: &Path) -> Result<Vec<List>, String> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut lists = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(attacks)
        .map_err(|error| format!("{}: {error}", attacks.display()))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
    paths.sort();
    for path in paths {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let texts = read(&path)?.lines().map(serde_json::from_str).collect::<Result<Vec<String>, _>>();
        let texts = texts.map_err(|error| format!("{}: {error}", path.display()))?;
        let benign = stem.starts_with("benign");
        lists.push(List { name: stem.trim_start_matches("atk_").to_owned(), texts, benign });
    }
    let mut banking = Vec::new();
    for part in ["train.csv", "test.csv"] {
        banking.extend(first_column(&read(&data.join("banking77").join(part))?).into_iter().skip(1));
    }
    lists.push(List { name: "banking77".to_owned(), texts: banking, benign: true });
    let clinc: Value = serde_json::from_str(&read(&data.join("clinc150/data_full.json"))?)
        .map_err(|error| error.to_string())?;
    let rows =
        clinc.as_object().into_iter().flat_map(|parts| parts.values()).filter_map(Value::as_array).flatten();
    let texts = rows.filter_map(|row| row.get(0)?.as_str()).map(str::to_owned).collect();
    lists.push(List { name: "clinc150".to_owned(), texts, benign: true });
    Ok(lists)
}

/// The first column of a CSV (RFC 4180).
fn first_column(csv: &str) -> Vec<String> {
    let (mut column, mut field, mut at, mut quoted) = (Vec::new(), String::new(), 0, false);
    for character in csv.chars() {
        match character {
            '"' => {
                // The second of two quotes inside of quotes stands for one.
                if !quoted && at == 0 && !field.is_empty() {
                    field.push('"');
                }
                quoted = !quoted;
            }
            ',' if !quoted => at += 1,
            '\n' if !quoted => {
                column.push(std::mem::take(&mut field));
                at = 0;
            }
            _ if at == 0 => field.push(character),
            _ => {}
        }
    }
    column
}
