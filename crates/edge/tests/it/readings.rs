//! What a handler reads and what the firewall read of the same bytes: held against each other with the
//! handlers' own readers. The rules here know one word and refuse it wherever it stands; so whatever a handler
//! accepts does not hold it, however it was written, but for the text of a message.

use axum::Router;
use axum::routing::{get, post};
use doors::{Form, Json, Path, Query};
use edge::{Firewall, FirewallConfig};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use kernel::World;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::{HOST, House, within};
use crate::requests::{Sender, h2};

/// What no handler is to be told.
const WORD: &str = "forbidden";
const MESSAGES: &str = "/chat/v1/conversations/0198c0de-1234-7abc-8def-0123456789ab/messages";
const OPENING: &str = "/chat/v1/conversations";
const RULES: &str = r#"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|REQUEST_FILENAME "@rx forbidden" "id:1,phase:2,deny,status:403"
"#;

type Pairs = Vec<(String, String)>;

/// The handlers: each says what it was told. They take whatever there is, so that nothing is refused here
/// which a handler with other fields would have taken.
fn handlers() -> Router {
    let cookie = |headers: HeaderMap| async move {
        json!({ "cookie": doors::cookie::value(doors::cookie::PERSON, &headers) }).to_string()
    };
    Router::new()
        .route(
            "/chat/v1/conversations/{id}/messages",
            post(|Json(said): Json<Value>| async move { json!({ "message": said }).to_string() }),
        )
        .route(OPENING, post(|Json(said): Json<Value>| async move { json!({ "json": said }).to_string() }))
        .route("/form", post(|Form(said): Form<Pairs>| async move { json!({ "form": said }).to_string() }))
        .route("/query", get(|Query(said): Query<Pairs>| async move { json!({ "query": said }).to_string() }))
        .route(
            "/path/{name}",
            get(|Path(name): Path<String>| async move { json!({ "path": name }).to_string() }),
        )
        .route("/cookie", get(cookie))
}

/// A house with these rules and no others.
async fn house(rules: &str) -> House {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let config =
        FirewallConfig { rules: vec![file.path().to_str().unwrap().to_owned()], ..FirewallConfig::default() };
    let firewall = Firewall::new(&config, &World::real()).unwrap();
    House::open_serving(firewall, handlers()).await
}

/// A request as somebody wrote it.
#[derive(Debug, Clone)]
struct Written {
    method: Method,
    target: String,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Written {
    fn get(target: &str) -> Self {
        Self { method: Method::GET, target: target.to_owned(), fields: Vec::new(), body: Vec::new() }
    }

    fn post(target: &str, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let fields = vec![("content-type", kind.to_owned())];
        Self { method: Method::POST, target: target.to_owned(), fields, body: body.into() }
    }
}

/// What a handler was told; nothing when the request was refused before, or by it.
async fn told(sender: &mut Sender, written: &Written) -> (StatusCode, Option<Value>) {
    let mut request =
        Request::builder().method(written.method.clone()).uri(format!("https://{HOST}{}", written.target));
    for (name, value) in &written.fields {
        request = request.header(*name, value.as_str());
    }
    let Ok(request) = request.body(Full::from(written.body.clone())) else {
        return (StatusCode::BAD_REQUEST, None);
    };
    let answer = within(sender.send_request(request)).await.unwrap();
    let status = answer.status();
    let said = within(answer.into_body().collect()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&said).ok().filter(|_| status == StatusCode::OK))
}

/// Whether the word stands in what a handler was told where no message's text stands.
fn holds(told: &Value) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains(WORD),
            Value::Array(all) => all.iter().any(any),
            Value::Object(all) => all.iter().any(|(key, value)| key.contains(WORD) || any(value)),
            _ => false,
        }
    }
    let mut told = told.clone();
    if let Some(message) = told.get_mut("message").and_then(Value::as_object_mut)
        && message.get("text").is_some_and(Value::is_string)
    {
        message.remove("text");
    }
    any(&told)
}

#[tokio::test]
async fn a_body_is_read_by_the_firewall_whatever_name_of_its_type_the_handler_takes() {
    let house = house(RULES).await;
    let mut sender = h2(&house.client()).await;
    let json = format!(r#"{{"note": "{}"}}"#, r"\u0066orbidden");
    for kind in [
        "application/json",
        "APPLICATION/JSON; charset=utf-8",
        " application/json",
        "\tapplication/json ;x",
        "application/vnd.x+json",
        "application/a_b+json",
        "application/a+b+json",
        "application/+json",
        "application/ +json",
        "application/x~y+json ; charset=\"utf-8\"",
    ] {
        let (status, told) = told(&mut sender, &Written::post(OPENING, kind, json.clone())).await;
        assert_eq!((status, told), (StatusCode::FORBIDDEN, None), "{kind:?}");
    }
    for kind in ["application/x-www-form-urlencoded", " application/x-www-form-urlencoded;charset=UTF-8"] {
        let (status, _) = told(&mut sender, &Written::post("/form", kind, "a=%66orbidden")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{kind:?}");
    }
}

#[tokio::test]
async fn the_name_of_what_is_empty_is_a_name() {
    let house = house(RULES).await;
    let mut sender = h2(&house.client()).await;
    for body in [
        r#"{"context": {"forbidden": {}}}"#,
        r#"{"context": {"forbidden": []}}"#,
        r#"{"context": {"a": [{"forbidden": {}}]}}"#,
        r#"{"forbidden": {"a": []}}"#,
        r#"{"context": {"forbidden": [[], {}]}}"#,
        r#"{"context": {"\u0066orbidden": [null]}}"#,
    ] {
        let (status, _) = told(&mut sender, &Written::post(OPENING, "application/json", body)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    }
    let fine = r#"{"context": {"a": {}, "b": []}, "c": [[], {}]}"#;
    let (status, _) = told(&mut sender, &Written::post(OPENING, "application/json", fine)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_firewall_could_not_read_to_its_end_no_handler_reads_whatever_the_rules_say() {
    let house = house(RULES).await;
    let mut sender = h2(&house.client()).await;
    let many = format!(r#"{{"a": [{}"forbidden"]}}"#, "1,".repeat(1000));
    let deep = format!("{}\"forbidden\"{}", "[".repeat(80), "]".repeat(80));
    for body in [many, deep] {
        let (status, told) = told(&mut sender, &Written::post(OPENING, "application/json", body)).await;
        assert_eq!((status, told), (StatusCode::BAD_REQUEST, None));
    }
    let form = format!("{}b=forbidden", "a=1&".repeat(1000));
    let kind = "application/x-www-form-urlencoded";
    let (status, _) = told(&mut sender, &Written::post("/form", kind, form)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// The word, or in one request of four another one, of which so many signs are written in another way.
fn spelled(sign: impl Fn(char, u8) -> String) -> impl Strategy<Value = String> {
    let word = prop_oneof![3 => Just(WORD), 1 => Just("permitted")];
    (word, prop::collection::vec(0u8..6, WORD.len()))
        .prop_map(move |(word, ways)| word.chars().zip(ways).map(|(it, way)| sign(it, way)).collect())
}

/// As somebody writes it who does not want it to be found, in JSON.
fn in_json() -> impl Strategy<Value = String> {
    let word = spelled(|sign, way| match way {
        0 => format!("\\u{:04x}", u32::from(sign)),
        1 => format!("\\u{:04X}", u32::from(sign)),
        _ => sign.to_string(),
    });
    (word, prop::sample::select(vec!["", "x", " ", "\\n", "\\u0000", "\\ud83d\\ude00", "ü", "\\/"]))
        .prop_map(|(word, around)| format!("{around}{word}{around}"))
}

/// The same in what is percent-encoded.
fn in_percent() -> impl Strategy<Value = String> {
    let word = spelled(|sign, way| match way {
        0 => format!("%{:02x}", u32::from(sign)),
        1 => format!("%{:02X}", u32::from(sign)),
        _ => sign.to_string(),
    });
    let around = vec!["", "+", "%00", "%zz", "%", "%C3%BC", "%c0%af", ";", "=", "%26", "%3d", "x", "%ff"];
    (word, prop::sample::select(around.clone()), prop::sample::select(around))
        .prop_map(|(word, before, behind)| format!("{before}{word}{behind}"))
}

/// JSON in which the word stands in some place, beside what may hide it.
fn bodies() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "text",
        "Text",
        "TEXT",
        "json.text",
        "te\\u0078t",
        "",
        "text.",
        ".text",
        "note",
        "array_0",
        "a.b",
    ]);
    let place = prop::sample::select(vec![
        r#"{"KEY": "WORD"}"#,
        r#"{"KEY": "fine", "KEY": "WORD"}"#,
        r#"{"KEY": "WORD", "KEY": "fine"}"#,
        r#"{"text": "fine", "KEY": "WORD"}"#,
        r#"{"KEY": {"text": "WORD"}}"#,
        r#"{"KEY": {"text": {"text": "WORD"}}}"#,
        r#"{"KEY": ["WORD"]}"#,
        r#"{"KEY": [["fine", "WORD"]]}"#,
        r#"{"KEY": {"WORD": 1}}"#,
        r#"{"KEY": {"WORD": {}}}"#,
        r#"{"WORD": []}"#,
        r#"{"text": {"KEY": "WORD"}}"#,
        r#"[{"KEY": "WORD"}]"#,
        r#"["KEY", "WORD"]"#,
        r#""WORD""#,
        r#"{"a": {}, "KEY": "WORD", "b": [{}, [], "x"]}"#,
        r#"  {"a": -1.5e-7, "KEY" : "WORD"}  "#,
        "\u{feff}{\"KEY\": \"WORD\"}",
        r#"{"KEY": "WORD"}{"KEY": "fine"}"#,
        r#"{"KEY": "fine"} "WORD""#,
        r#"{"KEY": "WORD",}"#,
        r#"{/**/"KEY": "WORD"}"#,
        r#"{'KEY': 'WORD'}"#,
    ]);
    (place, key, in_json()).prop_map(|(place, key, word)| place.replace("KEY", key).replace("WORD", &word))
}

fn kinds(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    let lead = prop::sample::select(vec!["", "", "", " ", "\t"]);
    let tail = prop::sample::select(vec![
        "",
        "",
        "",
        ";",
        " ;x",
        "; charset=utf-8",
        ";charset=\"UTF-8\"",
        "; charset=utf-16",
        ";boundary=x",
    ]);
    (lead, prop::sample::select(of), tail).prop_map(|(lead, kind, tail)| format!("{lead}{kind}{tail}"))
}

const OF_JSON: &[&str] = &[
    "application/json",
    "Application/Json",
    "application/scim+json",
    "application/a_b+json",
    "application/a+json+json",
    "application/+json",
    "application/xml+json",
    "text/json",
    "application/jsonx",
    "text/xml",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "application/json, text/plain",
    "",
];
const OF_FORMS: &[&str] = &[
    "application/x-www-form-urlencoded",
    "APPLICATION/x-www-form-urlencoded",
    "application/x-www-form-urlencodedx",
    "multipart/form-data; boundary=x",
    "application/json",
    "text/plain",
    "",
];

fn messages() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        MESSAGES.to_owned(),
        OPENING.to_owned(),
        format!("{MESSAGES}/"),
        format!("/{MESSAGES}"),
        MESSAGES.replace("messages", "messag%65s"),
        MESSAGES.replace("messages", "Messages"),
        MESSAGES.replace("/messages", "//messages"),
        MESSAGES.replace("/messages", "/./messages"),
        MESSAGES.replace("/messages", "%2fmessages"),
        "/chat/v1/conversations/x%2fy/messages".to_owned(),
        "/chat/v1/conversations//messages".to_owned(),
        "/chat/v1/conversations/../conversations/messages".to_owned(),
        format!("{MESSAGES}?text=1"),
        format!("{MESSAGES};text"),
        format!("{OPENING}/"),
    ])
}

fn requests() -> impl Strategy<Value = Written> {
    let posted =
        (messages(), kinds(OF_JSON), bodies()).prop_map(|(to, kind, body)| Written::post(&to, &kind, body));
    let name = || prop::sample::select(vec!["a", "text", "json.text", "", "a%5b%5d", "+", "%"]);
    let pair = prop::sample::select(vec![
        "N=W",
        "W=N",
        "N=fine&N=W",
        "N=W&N=fine",
        "N;W",
        "N=1;b=W",
        "&&N=W&",
        "W",
        "=W",
        "N=W=W",
    ]);
    let pairs = move || {
        (pair.clone(), name(), in_percent())
            .prop_map(|(pair, name, word)| pair.replace('N', name).replace('W', &word))
    };
    let form = (kinds(OF_FORMS), pairs()).prop_map(|(kind, body)| Written::post("/form", &kind, body));
    let query = pairs().prop_map(|pairs| Written::get(&format!("/query?{pairs}")));
    let path = in_percent().prop_map(|word| Written::get(&format!("/path/{word}")));
    let cookies = prop::sample::select(vec![
        "PERSON=WORD",
        "a=b; PERSON=WORD",
        "PERSON=WORD; a=b",
        " PERSON=WORD ",
        "\tPERSON=WORD",
        "PERSON=a;;PERSON=WORD",
        "PERSON==WORD",
        "a;PERSON=WORD",
    ]);
    let cookie = prop::collection::vec(cookies, 1..3).prop_map(|lines| {
        let line = |line: &str| line.replace("PERSON", doors::cookie::PERSON).replace("WORD", WORD);
        Written {
            fields: lines.into_iter().map(|it| ("cookie", line(it))).collect(),
            ..Written::get("/cookie")
        }
    });
    prop_oneof![5 => posted, 2 => form, 2 => query, 1 => path, 1 => cookie]
}

#[tokio::test]
async fn nothing_reaches_a_handler_that_the_firewall_has_not_read_in_its_place() {
    let house = house(RULES).await;
    let mut sender = h2(&house.client()).await;
    let mut runner = TestRunner::new(Config::default());
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..600 {
        let written = requests().new_tree(&mut runner).unwrap().current();
        let (status, told) = told(&mut sender, &written).await;
        if let Some(told) = told {
            accepted += 1;
            assert!(!holds(&told), "{told} was told by {written:?}");
        }
        refused += usize::from(status == StatusCode::FORBIDDEN);
    }
    // Otherwise nothing was held against anything.
    assert!(accepted > 20 && refused > 120, "{accepted} accepted and {refused} refused by the rules");
}
