//! Bodies: JSON and forms, read whole within the route's limit, and refused with words that say where
//! and what, without repeating what was sent.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use kernel::{Problem, ProblemKind};
use serde::de::DeserializeOwned;

use crate::csrf;
use crate::refusal::Refusal;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A JSON body, read and parsed; and JSON as an answer.
///
/// Give the type `#[serde(deny_unknown_fields)]`, so that a misspelt field is an error and not silence.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match media_type(request.headers()).as_deref() {
            Some(JSON) => {}
            Some(other) if other.starts_with("application/") && other.ends_with("+json") => {}
            _ => return Err(unsupported(JSON).into()),
        }
        let bytes = read(request, state).await?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let at = error.valid_up_to();
            malformed(format!("The body is not UTF-8 from byte {at} on."), "Encode the body as UTF-8.")
        })?;
        Ok(Self(parse_json(text)?))
    }
}

/// A form, read and parsed. Its CSRF token has been checked and taken out before.
#[derive(Debug, Clone, Copy)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if media_type(request.headers()).as_deref() != Some(FORM) {
            return Err(unsupported(FORM).into());
        }
        let bytes = read(request, state).await?;
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(&bytes).filter(|(name, _)| name != csrf::FIELD) {
            rest.append_pair(&name, &value);
        }
        Ok(Self(parse_pairs(&rest.finish(), "form")?))
    }
}

/// The media type of a request without its parameters; none for a charset that is not UTF-8.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';');
    let essence = parts.next()?.trim().to_ascii_lowercase();
    let foreign = parts.filter_map(|part| part.trim().split_once('=')).any(|(name, value)| {
        name.eq_ignore_ascii_case("charset") && !value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    (!foreign).then_some(essence)
}

fn unsupported(wanted: &'static str) -> Problem {
    Problem::new(
        ProblemKind::UnsupportedMedia,
        format!("This address reads `{wanted}` in UTF-8."),
        format!("Send the header `content-type: {wanted}`."),
    )
}

fn malformed(detail: String, mend: &'static str) -> Problem {
    Problem::new(ProblemKind::Malformed, detail, mend)
}

/// Reads the body, up to the limit that the route set.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = "The body is larger than this address reads.";
            Problem::new(ProblemKind::TooLarge, detail, "Send less, or in parts.")
        } else {
            malformed("The body broke off.".to_owned(), "Send it again.")
        }
    })
}

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.trim().is_empty() {
        return Err(malformed("The body is empty.".to_owned(), "Send a JSON object."));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = place(error.path());
        let cause = error.into_inner();
        let at = format!("line {}, column {}", cause.line(), cause.column());
        if cause.is_data() { fault(&cause.to_string(), &path, &at) } else { not_json(&cause) }
    })?;
    reader.end().map_err(|cause| not_json(&cause))?;
    Ok(found)
}

fn not_json(cause: &serde_json::Error) -> Problem {
    let what = if cause.is_eof() { "ends too early" } else { "is not JSON" };
    let detail = format!("The body {what} at line {}, column {}.", cause.line(), cause.column());
    malformed(detail, "Send one well-formed JSON value (RFC 8259).")
}

/// Parses pairs of a form or a query.
pub(crate) fn parse_pairs<T: DeserializeOwned>(pairs: &str, what: &'static str) -> Result<T, Problem> {
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(pairs.as_bytes()));
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let path = place(error.path());
        fault(&error.into_inner().to_string(), &path, &format!("the {what}"))
    })
}

/// The way to a value, for example `context.cart[3].price`. Keys that do not look like ours are what
/// somebody sent, and are not repeated.
fn place(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let ours = |key: &str| {
        key.len() <= 40 && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(if ours(key) { key } else { ".." });
            }
            Segment::Unknown => {}
        }
    }
    text
}

/// What is wrong with a value, from serde's words. These quote what was sent; what they expected is
/// ours to tell, what they found is not.
fn fault(words: &str, path: &str, at: &str) -> Problem {
    let words = words.rsplit_once(" at line ").map_or(words, |(before, _)| before);
    let expected =
        words.rfind(", expected ").and_then(|i| words.get(i + 2..)).unwrap_or("expected another one");
    let place = if path.is_empty() { at.to_owned() } else { format!("`{path}` ({at})") };
    let shape = |detail: String, mend| Problem::new(ProblemKind::Malformed, detail, mend);
    if words.starts_with("unknown field") {
        let detail = format!("There is an unknown field at {at}: {expected}.");
        shape(detail, "Take the field out, or correct its name.")
    } else if words.starts_with("unknown variant") {
        shape(format!("The value of {place} is none of those known: {expected}."), "Use a value named above.")
    } else if words.starts_with("missing field") || words.starts_with("duplicate field") {
        shape(format!("There is a {words} ({at})."), "Give each field once.")
    } else if words.starts_with("invalid type") || words.starts_with("invalid value") {
        shape(format!("The value of {place} has the wrong type: {expected}."), "Correct the value's type.")
    } else if words.starts_with("invalid length") {
        shape(format!("The value of {place} has the wrong length: {expected}."), "Correct its length.")
    } else {
        // Our own types' words: they tell what is wrong and never what was sent.
        let detail = format!("The value of {place} is not acceptable: {words}.");
        Problem::new(ProblemKind::Invalid, detail, "Correct the value.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::MessageText;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Post {
        text: MessageText,
        seq: Option<u32>,
        kind: Option<Kind>,
        parts: Option<Vec<Part>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Note,
        Reply,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Part {
        size: u32,
    }

    fn refusal(body: &str) -> (u16, String) {
        let problem = parse_json::<Post>(body).unwrap_err();
        (problem.status(), problem.detail().to_owned())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("", 400, "The body is empty."),
            ("{", 400, "The body ends too early at line 1, column 1."),
            ("{\n  'text'", 400, "The body is not JSON at line 2, column 3."),
            (r#"{"text":"hi"} x"#, 400, "The body is not JSON at line 1, column 15."),
            (r#"{"seq":1}"#, 400, "There is a missing field `text` (line 1, column 9)."),
            (r#"{"text":"a","text":"b"}"#, 400, "There is a duplicate field `text` (line 1, column 18)."),
            (
                r#"{"text":"a","seq":"7"}"#,
                400,
                "The value of `seq` (line 1, column 21) has the wrong type: expected u32.",
            ),
            (
                r#"{"text":"a","seq":-7}"#,
                400,
                "The value of `seq` (line 1, column 20) has the wrong type: expected u32.",
            ),
            (
                r#"{"text":"a","parts":[{"size":1},{"size":true}]}"#,
                400,
                "The value of `parts[1].size` (line 1, column 44) has the wrong type: expected u32.",
            ),
            (
                r#"{"text":"a","kind":"shout"}"#,
                400,
                "The value of `kind` (line 1, column 26) is none of those known: expected `note` or `reply`.",
            ),
            (
                r#"{"text":"a","txet":1}"#,
                400,
                "There is an unknown field at line 1, column 18: \
                 expected one of `text`, `seq`, `kind`, `parts`.",
            ),
            (
                r#"{"text":" "}"#,
                422,
                "The value of `text` (line 1, column 12) is not acceptable: the message is empty.",
            ),
        ];
        for (body, status, detail) in cases {
            assert_eq!(refusal(body), (status, detail.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        let canary = "4111-1111";
        for body in [
            r#"{"text":"a","4111-1111":1}"#,
            r#"{"text":"a","seq":"4111-1111"}"#,
            r#"{"text":"a","seq":"4111-1111, expected 4111-1111"}"#,
            r#"{"text":"a","kind":"4111-1111"}"#,
            r#"{"text":"a","kind":{"4111-1111":1}}"#,
            r#"{"text":"a","parts":[{"4111-1111":1}]}"#,
            r#"{"text":["4111-1111"]}"#,
            r#"{"text":"4111-1111\u0000"}"#,
            r#""4111-1111""#,
            r#"{"text":"a","kind":"note" 4111-1111"#,
        ] {
            let (_, detail) = refusal(body);
            assert!(!detail.contains(canary), "{detail}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let (status, detail) = refusal(&format!(r#"{{"text":{}"#, "[".repeat(100_000)));
        assert_eq!(status, 400, "{detail}");
    }

    #[test]
    fn a_media_type_is_read_without_its_parameters_but_only_in_utf_8() {
        let of = |text: &'static str| {
            media_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, http::HeaderValue::from_static(text))]))
        };
        assert_eq!(of("application/json").as_deref(), Some("application/json"));
        assert_eq!(of("Application/JSON; Charset=\"UTF-8\"").as_deref(), Some("application/json"));
        assert_eq!(of("application/json; charset=utf-16"), None);
        assert_eq!(media_type(&HeaderMap::new()), None);
    }
}
