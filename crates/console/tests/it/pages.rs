//! What stands on the pages, and in what frame.

use axum::body::Body;
use guard::Role;
use http::{Request, StatusCode};

use crate::house::House;

#[tokio::test]
async fn a_service_account_is_nobody_who_must_enrol_and_no_role_is_chosen_beforehand() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let answers = owner.user.to_string();
    let fields = [("name", "night robot"), ("answers", answers.as_str())];
    let made = house.post("/service-accounts", &owner, &fields).await;
    assert!(made.status.is_redirection(), "{}", made.text);
    let page = house.get("/", &owner).await;
    // The owner of this test has no factor; the robot needs none.
    assert!(page.text.contains("One must enrol") && page.text.contains("Service accounts"), "{}", page.text);
    assert!(house.get("/users", &owner).await.text.contains(r#"<option value="">Choose a role</option>"#));
    let unchosen = house.post("/invites", &owner, &[("email", ""), ("role", ""), ("bot", "")]).await;
    assert_eq!(unchosen.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unchosen.text);
}

#[tokio::test]
async fn the_overview_tells_what_protects_this_deployment() {
    let house = House::open().await;
    house.sign().await;
    house.conversation("Hello").await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let page = house.get("/", &owner).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for told in [
        "TLS 1.3",
        "X25519MLKEM768",
        "XAES-256-GCM",
        "version 1, 0 days old",
        "The root key is a file.",
        "Use an HSM.",
        "One must enrol",
    ] {
        assert!(page.text.contains(told), "{told}");
    }
    assert!(page.text.contains(r#"<a href="/" aria-current="page">"#));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
    assert_eq!(page.headers["cache-control"], "no-store");
    // With `no-referrer` browsers would send forms without their origin, and every form would be refused.
    assert_eq!(page.headers["referrer-policy"], "same-origin");
    for inline in [" style=", "<style", "onclick", "javascript:"] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    assert_eq!(page.text.matches("<script").count(), page.text.matches("<script src=").count());
}

#[tokio::test]
async fn a_problem_is_a_page_for_people_and_json_for_scripts() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let page = house.get("/nowhere", &owner).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let request = page.headers["x-request-id"].to_str().unwrap();
    assert!(page.text.contains("<h1>Not found</h1>") && page.text.contains(request));
    let asking = Request::get("/nowhere").header("accept", "application/json").body(Body::empty()).unwrap();
    let problem = house.send(asking).await;
    assert_eq!(problem.headers["content-type"], "application/problem+json");
    let signed_out = Request::get("/users").header("accept", "application/json").body(Body::empty()).unwrap();
    assert_eq!(house.send(signed_out).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_auditor_reads_proves_and_takes_away_the_log() {
    let house = House::open().await;
    house.conversation("Hello").await;
    house.sign().await;
    let auditor = house.staff("auditor", &[Role::Auditor]).await;
    let list = house.get("/audit?code=chat", &auditor).await;
    assert_eq!(list.status, StatusCode::OK);
    assert!(list.text.contains("CHAT-1001I") && !list.text.contains("BOTS-1002I"));

    let verified = house.post("/audit/verify", &auditor, &[]).await;
    assert_eq!(verified.status, StatusCode::OK);
    assert!(verified.text.contains("The log is whole"), "{}", verified.text);
    assert_eq!(house.codes().await[0], "AUDT-1003I");

    let export = house.post("/audit/export", &auditor, &[]).await;
    assert_eq!(export.headers["content-disposition"], "attachment; filename=\"audit.ndjson\"");
    let lines: Vec<serde_json::Value> =
        export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["index"], 0);
    assert!(lines[0]["entry"].as_str().unwrap().contains("event_code"));
    assert!(lines.last().unwrap()["checkpoint"].as_str().unwrap().starts_with("wardroom/"));
    assert_eq!(house.codes().await[0], "AUDT-1002I");
    // An auditor changes nothing and reads no transcripts.
    assert_eq!(house.get("/conversations", &auditor).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.post("/invites", &auditor, &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_owner_grants_and_takes_away_with_a_reason() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let dev = house.staff("dev", &[Role::BotDeveloper]).await;
    let path = format!("/users/{}", dev.user);
    let page = house.get(&path, &owner).await;
    assert!(page.text.contains("dev@desk.example") && page.text.contains("Take away bot developer"));
    let fields = [("role", "support_manager"), ("bot", ""), ("reason", "holiday cover")];
    let refused = house.post(&format!("{path}/grant"), &owner, &fields).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let taken = [("role", "bot_developer"), ("bot", ""), ("reason", "changes jobs")];
    let done = house.post(&format!("{path}/revoke"), &owner, &taken).await;
    assert_eq!(done.location(), format!("{path}?done=revoked"));
    assert_eq!(house.post(&format!("{path}/grant"), &owner, &fields).await.status, StatusCode::SEE_OTHER);
    // Whoever's powers change signs in anew.
    assert_eq!(house.get("/", &dev).await.status, StatusCode::SEE_OTHER);
    // Nobody grants a role to themselves, and the last owner stays.
    let own = format!("/users/{}", owner.user);
    assert_eq!(house.post(&format!("{own}/grant"), &owner, &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.post(&format!("{own}/disable"), &owner, &[]).await.status, StatusCode::CONFLICT);
    assert_eq!(house.post(&format!("{path}/disable"), &owner, &[]).await.status, StatusCode::SEE_OTHER);
    assert!(house.get("/users?done=disabled", &owner).await.text.contains("Disabled"));
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let page = house.get("/account", &owner).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("This one") && page.text.contains("owner@desk.example"));
    let out = house.post("/account/sessions/end", &owner, &[]).await;
    assert_eq!(out.location(), "/sign-in");
    assert_eq!(out.cookie(doors::cookie::NAME), Some(String::new()));
    assert_eq!(house.get("/", &owner).await.status, StatusCode::SEE_OTHER);
    assert_eq!(house.codes().await[0], "AUTH-1003I");
}

#[tokio::test]
async fn only_the_consoles_own_files_are_served() {
    let house = House::open().await;
    for (name, status) in [
        ("console.css", 200),
        ("console.js", 200),
        ("mark.svg", 200),
        ("enrol.js", 200),
        ("chat.html", 404),
        ("..%2Fkeys", 404),
    ] {
        let page = house.send(Request::get(format!("/assets/{name}")).body(Body::empty()).unwrap()).await;
        assert_eq!(page.status.as_u16(), status, "{name}");
    }
}
