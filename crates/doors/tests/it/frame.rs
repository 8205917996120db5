//! What surrounds every answer.

use doors::{Doors, Flavour, PAGE_CSP, problem_of};
use http::{Method, header};
use tower::ServiceExt;

use super::house::{Answer, House, ask, hang, send};

async fn fine() -> &'static str {
    "fine"
}

#[expect(clippy::panic, reason = "it is what the test is about")]
async fn panics() -> &'static str {
    panic!("with the customer's secret")
}

async fn script() -> impl axum::response::IntoResponse {
    let chosen = [
        ("cache-control", "public, max-age=300"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("content-security-policy", "default-src *"),
    ];
    (chosen, "export {}")
}

fn doors() -> Doors<House> {
    Doors::new()
        .public(Method::GET, "/fine", "a test", fine)
        .public(Method::GET, "/panics", "a test", panics)
        .public(Method::GET, "/widget.js", "a test", script)
}

async fn get(path: &str) -> Answer {
    send(&hang(doors(), &House::new()), ask("GET", path, &[("x-request-id", "mine")], "")).await
}

#[tokio::test]
async fn a_request_id_is_ours_and_never_the_callers() {
    let answer = get("/fine").await;
    assert!(answer.header("x-request-id").parse::<kernel::RequestId>().is_ok());
    let missing = get("/nothing").await;
    let id = missing.header("x-request-id").to_owned();
    assert_eq!(missing.told("instance"), format!("urn:wardroom:request:{id}"));
    assert_eq!(missing.header("content-length"), missing.body.len().to_string());
}

#[tokio::test]
async fn no_route_and_no_method_are_problems() {
    assert_eq!(get("/nothing").await.told("type"), "urn:wardroom:problem:not-found");
    let answer = send(&hang(doors(), &House::new()), ask("DELETE", "/fine", &[], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD"));
    assert_eq!(answer.told("type"), "urn:wardroom:problem:method-not-allowed");
}

#[tokio::test]
async fn a_panic_is_a_problem_without_its_message() {
    let answer = get("/panics").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.told("title"), "Something failed here");
    assert!(!answer.body.contains("secret"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    for path in ["/fine", "/nothing", "/panics"] {
        let answer = get(path).await;
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
            ),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            (
                "permissions-policy",
                "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
            ),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn a_handler_can_open_caching_and_loading_but_not_the_policy() {
    let answer = get("/widget.js").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
}

#[tokio::test]
async fn pages_run_only_what_we_serve() {
    let (router, _) = doors().hang(House::new(), Flavour::Page).unwrap();
    let answer = send(&router, ask("GET", "/fine", &[], "")).await;
    assert_eq!(answer.header("content-security-policy"), PAGE_CSP);
    assert_eq!(
        PAGE_CSP,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
         trusted-types wardroom-proof"
    );
}

#[tokio::test]
async fn a_layer_outside_can_tell_the_problem_in_another_shape() {
    let router = hang(doors(), &House::new());
    let response = router.oneshot(ask("GET", "/nothing", &[], "")).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers().get_all(header::CONTENT_TYPE).iter().count(), 1);
    let problem = problem_of(&response).unwrap();
    assert_eq!(problem.status(), 404);
    assert!(serde_json::to_string(problem).unwrap().contains(&id));
}
