//! Lists of attack strings and of ordinary text, what Coraza makes of them, and requests that carry one of
//! them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use serde_json::{Value, json};
use waf::{Inspector, Policy, Request, Rules, Verdict};

/// What Coraza refuses of a sample of each list, as a JSON field, at levels 1 and 2, in percent.
const CORAZA: [(&str, f64, f64); 6] = [
    ("libinjection_sqli", 100.0, 100.0),
    ("libinjection_xss", 100.0, 100.0),
    ("patt_sqli", 82.0, 97.1),
    ("patt_cmd", 74.4, 89.7),
    ("payloadbox_xss", 99.4, 100.0),
    ("benign_libinjection", 9.5, 35.9),
];

/// Where a string stands in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Query,
    Form,
    Json,
    /// The text of a message that somebody writes in a conversation.
    Conversation,
}

impl Place {
    /// Where every text is tried.
    pub(crate) const FIELDS: [Self; 3] = [Self::Query, Self::Form, Self::Json];

    /// Whoever inspects requests with a text there.
    pub(crate) fn inspector(self, rules: &Rules, level: u8) -> Inspector {
        let conversation_text =
            if self == Self::Conversation { vec!["json.text".to_owned()] } else { Vec::new() };
        rules.under(Policy { conversation_text, ..Policy::block(level) })
    }
}

/// A list and its name.
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) texts: Vec<String>,
    pub(crate) benign: bool,
}

impl List {
    /// At most so many of its texts, evenly spaced.
    pub(crate) fn sample(&self, most: usize) -> Vec<&str> {
        let step = self.texts.len().div_ceil(most).max(1);
        self.texts.iter().step_by(step).map(String::as_str).collect()
    }

    /// What Coraza refuses of it at levels 1 and 2.
    pub(crate) fn coraza(&self) -> Option<(f64, f64)> {
        CORAZA.iter().find(|(name, ..)| *name == self.name).map(|(_, one, two)| (*one, *two))
    }
}

/// A request that carries a text.
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn with(place: Place, text: &str) -> Self {
        let (method, target, kind, body) = match place {
            Place::Query => ("GET", format!("/search?q={}", form(text)), "", String::new()),
            Place::Form => (
                "POST",
                "/search".to_owned(),
                "application/x-www-form-urlencoded",
                format!("q={}", form(text)),
            ),
            Place::Json => {
                ("POST", "/messages".to_owned(), "application/json", json!({ "message": text }).to_string())
            }
            Place::Conversation => (
                "POST",
                "/chat/v1/conversations/0198c0de-1234-7abc-8def-0123456789ab/messages".to_owned(),
                "application/json",
                json!({ "text": text }).to_string(),
            ),
        };
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
        let mut headers = vec![
            ("Host", "chat.bank.example".to_owned()),
            ("User-Agent", agent.to_owned()),
            ("Accept", "application/json, text/plain, */*".to_owned()),
        ];
        if !kind.is_empty() {
            headers.push(("Content-Type", kind.to_owned()));
            headers.push(("Content-Length", body.len().to_string()));
        }
        Self { method, target, headers, body }
    }

    /// What the library says of it.
    pub(crate) fn judge(&self, inspector: &Inspector) -> Verdict {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = Request {
            remote: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            method: self.method.as_bytes(),
            target: self.target.as_bytes(),
            protocol: b"HTTP/1.1",
            headers: &headers,
            body: self.body.as_bytes(),
        };
        inspector.inspect(&request)
    }
}

fn form(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

pub(crate) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

pub(crate) fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

/// The attack lists, then the benign ones.
pub(crate) fn lists(attacks: &Path, data: &Path) -> Result<Vec<List>, String> {
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
