//! Bodies that are not what the route reads.

use axum::body::Body;
use doors::{Doors, Form, Json, Path, Query, Refusal};
use http::Method;
use kernel::{ConversationId, MessageText};
use serde::Deserialize;

use super::house::{Answer, House, ask, hang, send};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    text: MessageText,
}

async fn post(Json(post): Json<Post>) -> String {
    post.text.as_str().to_owned()
}

async fn form(Form(post): Form<Post>) -> String {
    post.text.as_str().to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    page: Option<u32>,
}

async fn list(Query(query): Query<Page>) -> String {
    query.page.unwrap_or(1).to_string()
}

async fn one(Path(id): Path<ConversationId>) -> String {
    id.to_string()
}

async fn fails() -> Result<(), Refusal> {
    let problem = kernel::Problem::new(kernel::ProblemKind::Throttled, "Too fast.", "Wait.");
    Err(Refusal::from(problem).retry_after(7))
}

async fn go(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let why = "a test";
    let doors = Doors::new()
        .public(Method::GET, "/list", why, list)
        .public(Method::GET, "/one/{id}", why, one)
        .public(Method::GET, "/fails", why, fails)
        .reading_up_to(1024)
        .public(Method::POST, "/json", why, post)
        .public(Method::POST, "/form", why, form);
    send(&hang(doors, &House::new()), ask(method, path, headers, body)).await
}

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn json_is_read() {
    assert_eq!(go("POST", "/json", &[JSON], r#"{"text":"hello"}"#).await.body, "hello");
    let flavours = ["application/json; charset=utf-8", "application/merge-patch+json"];
    for kind in flavours {
        assert_eq!(go("POST", "/json", &[("content-type", kind)], r#"{"text":"hi"}"#).await.status, 200);
    }
}

#[tokio::test]
async fn each_wrong_body_has_its_status_and_its_words() {
    let answer = go("POST", "/json", &[], r#"{"text":"hi"}"#).await;
    assert_eq!(
        (answer.status.as_u16(), answer.told("mend").as_str()),
        (415, "Send the header `content-type: application/json`.")
    );
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
        assert_eq!(go("POST", "/json", &[("content-type", kind)], "{}").await.status, 415, "{kind}");
    }
    let answer = go("POST", "/json", &[JSON], b"{\"text\":\"\xff\"}".to_vec()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.told("detail").as_str()),
        (400, "The body is not UTF-8 from byte 9 on.")
    );
    let answer = go("POST", "/json", &[JSON], r#"{"txet":"hi"}"#).await;
    assert_eq!(
        (answer.status.as_u16(), answer.told("detail").as_str()),
        (400, "There is an unknown field at line 1, column 7: expected `text`.")
    );
    let answer = go("POST", "/json", &[JSON], r#"{"text":""}"#).await;
    assert_eq!((answer.status.as_u16(), answer.told("title").as_str()), (422, "A value is not acceptable"));
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(1024));
    assert_eq!(go("POST", "/json", &[JSON], large.clone()).await.status, 413);
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(large)]);
    assert_eq!(go("POST", "/json", &[JSON], Body::from_stream(stream)).await.status, 413, "without a length");
    let broken = futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    assert_eq!(go("POST", "/json", &[JSON], Body::from_stream(broken)).await.status, 400);
}

#[tokio::test]
async fn forms_are_read_and_refused_alike() {
    assert_eq!(go("POST", "/form", &[FORM], "text=h%C3%A4llo+you").await.body, "hällo you");
    assert_eq!(go("POST", "/form", &[JSON], "{}").await.status, 415);
    let answer = go("POST", "/form", &[FORM], "text=hi&4111-1111=x").await;
    assert_eq!(answer.status, 400);
    assert!(!answer.body.contains("4111"), "{}", answer.body);
    assert_eq!(go("POST", "/form", &[FORM], "text=hi&text=ho").await.status, 400);
    assert_eq!(go("POST", "/form", &[FORM], "text=+").await.status, 422);
    assert_eq!(go("POST", "/form", &[FORM], format!("text={}", "x".repeat(2000))).await.status, 413);
    assert_eq!(go("POST", "/form", &[FORM], format!("text={}", "x".repeat(70_000))).await.status, 413);
}

#[tokio::test]
async fn addresses_are_read_and_refused() {
    assert_eq!(go("GET", "/list?page=3", &[], "").await.body, "3");
    assert_eq!(go("GET", "/list?page=three", &[], "").await.status, 422);
    assert_eq!(go("GET", "/list?pgae=3", &[], "").await.status, 400);
    assert_eq!(go("GET", "/one/nothing", &[], "").await.status, 404);
    assert_eq!(go("GET", "/one/%FF", &[], "").await.status, 404);
    let id = "019c0de0-1234-7abc-8def-0123456789ab";
    assert_eq!(go("GET", &format!("/one/{id}"), &[], "").await.body, id);
}

#[tokio::test]
async fn a_refusal_can_say_when_to_come_back() {
    let answer = go("GET", "/fails", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "7"));
    assert_eq!(answer.told("type"), "urn:wardroom:problem:throttled");
}
