//! Keys, requests, sessions, the access review and sign-in attempts, as staff see them.

use guard::Role;
use http::StatusCode;
use identity::api_keys::KeyRefused;
use store::Via;

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_by_a_form_shown_once_continued_and_ended() {
    let house = House::open().await;
    let ada = house.staff("ada", &[Role::SupportManager]).await;
    let empty = house.get("/api-keys", &ada).await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.text.contains("No key yet") && empty.text.contains("Make a key"));
    let owner = ada.user.to_string();
    let fields = |days| {
        [
            ("owner", owner.as_str()),
            ("name", "night report"),
            ("list", "yes"),
            ("bot", "front-desk"),
            ("days", days),
            ("sources", "192.0.2.0/24, 2001:db8::1"),
        ]
    };
    let long = house.post("/api-keys", &ada, &fields("91")).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made = house.post("/api-keys", &ada, &fields("30")).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let key = made.between("id=\"api-key\">", "<").to_owned();
    let shown = |address: &str| {
        let (key, identity) = (key.clone(), house.identity.clone());
        let via = Via { request: None, source: Some(address.to_owned()), device: None };
        async move { identity.program(&key, &via).await.unwrap().map(drop) }
    };
    assert_eq!(shown("192.0.2.9").await, Ok(()));
    assert_eq!(shown("198.51.100.9").await, Err(KeyRefused::Source));

    let list = house.get("/api-keys", &ada).await;
    assert!(!list.text.contains(&key) && list.text.contains("night report"));
    let id = list.between("/api-keys/", "/").to_owned();
    let next = house.post(&format!("/api-keys/{id}/rotate"), &ada, &[]).await;
    assert!(next.text.contains("Successor made"), "{}", next.text);
    // A colleague neither sees nor ends it; an owner does both.
    let bob = house.staff("bob", &[Role::SupportAgent]).await;
    assert!(!house.get("/api-keys", &bob).await.text.contains("night report"));
    assert_eq!(house.post(&format!("/api-keys/{id}/revoke"), &bob, &[]).await.status, StatusCode::NOT_FOUND);
    let boss = house.staff("boss", &[Role::Owner]).await;
    assert!(house.get("/api-keys", &boss).await.text.contains("night report"));
    let ended = house.post(&format!("/api-keys/{id}/revoke"), &boss, &[]).await;
    assert_eq!(ended.location(), "/api-keys?done=key-ended");
    assert_eq!(shown("192.0.2.9").await, Err(KeyRefused::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn making_a_key_needs_a_fresh_proof() {
    let house = House::open().await;
    let ada = house.staff_signed_in("ada", &[Role::SupportManager], (301, 3)).await;
    let page = house.get("/api-keys", &ada).await;
    assert!(page.text.contains("/step-up?next=/api-keys") && !page.text.contains("Make the key"));
    let owner = ada.user.to_string();
    let fields = [
        ("owner", owner.as_str()),
        ("name", "x"),
        ("list", "yes"),
        ("bot", ""),
        ("days", "1"),
        ("sources", ""),
    ];
    let refused = house.post("/api-keys", &ada, &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("guard.step_up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_asked_for_on_one_page_and_agreed_to_on_another() {
    let house = House::open().await;
    let ada = house.staff("ada", &[Role::SupportAgent]).await;
    let boss = house.staff("boss", &[Role::Owner]).await;
    let ask = [("role", "support_manager"), ("bot", ""), ("hours", "4"), ("reason", "the manager is ill")];
    let asked = house.post("/access", &ada, &ask).await;
    assert_eq!(asked.location(), "/access?done=access-asked", "{}", asked.text);
    let own = house.get("/access", &ada).await;
    assert!(own.text.contains("the manager is ill") && !own.text.contains("What waits for your decision"));
    let page = house.get("/access", &boss).await;
    assert!(page.text.contains("What waits for your decision") && page.text.contains("the manager is ill"));
    let id = page.between("/access/", "/").to_owned();
    // By hand, without the page: it is not theirs to decide.
    let alone = house.post(&format!("/access/{id}/approve"), &ada, &[]).await;
    assert!(alone.status == StatusCode::FORBIDDEN || alone.status == StatusCode::NOT_FOUND);
    let agreed = house.post(&format!("/access/{id}/approve"), &boss, &[]).await;
    assert_eq!(agreed.location(), "/access?done=access-approved", "{}", agreed.text);
    let person = house.get(&format!("/users/{}", ada.user), &boss).await;
    assert!(person.text.contains("asked for; agreed by boss"), "{}", person.text);
    for code in ["AUTH-1050I", "AUTH-1051I", "AUTH-1008I"] {
        assert!(house.codes().await.iter().any(|found| found == code), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_others_are_seen_and_ended() {
    let house = House::open().await;
    let ada = house.staff("ada", &[Role::SupportAgent]).await;
    let boss = house.staff("boss", &[Role::Owner]).await;
    assert_eq!(house.get("/sessions", &ada).await.status, StatusCode::FORBIDDEN);
    let page = house.get("/sessions", &boss).await;
    assert!(page.text.contains("This one") && page.text.contains(">ada</a>"));
    let from = page.text.find(&format!("/users/{}/sessions/", ada.user)).unwrap();
    let path = page.text[from..].split('"').next().unwrap();
    let ended = house.post(path, &boss, &[]).await;
    assert_eq!(ended.location(), "/sessions?done=ended");
    assert_eq!(house.get("/account", &ada).await.location(), "/sign-in?next=/account");
    // An auditor looks and ends nothing.
    let auditor = house.staff("audit", &[Role::Auditor]).await;
    assert!(!house.get("/sessions", &auditor).await.text.contains("/end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_review_says_who_holds_what_from_where_and_taking_it_away_is_recorded() {
    let house = House::open().await;
    house.staff("ada", &[Role::SupportAgent, Role::PrivacyOfficer]).await;
    let auditor = house.staff("audit", &[Role::Auditor]).await;
    let page = house.get("/access-review", &auditor).await;
    assert!(page.text.contains("privacy officer") && page.text.contains("granted by"));
    let csv = house.post("/access-review/export", &auditor, &[("format", "csv")]).await;
    assert!(csv.headers["content-disposition"].to_str().unwrap().contains("access-review.csv"));
    let lines: Vec<&str> = csv.text.trim_end().split("\r\n").collect();
    assert!(lines[0].starts_with("\"account\",\"name\",\"email\""));
    assert_eq!(lines.len(), 4, "{lines:?}");
    let json = house.post("/access-review/export", &auditor, &[("format", "json")]).await;
    let rows: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 3);
    assert_eq!(rows["rows"][0]["dormant"], "no");
    assert_eq!(house.codes().await.iter().filter(|code| *code == "AUTH-1056I").count(), 2);
    // With one day's patience nobody is dormant yet; the page says so.
    assert!(house.get("/access-review?days=1", &auditor).await.text.contains("<p>None.</p>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_to_sign_in_are_shown_with_their_reasons() {
    let house = House::open().await;
    let admin = house.staff("admin", &[Role::SecurityAdmin]).await;
    let via = Via { request: None, source: Some("192.0.2.9".to_owned()), device: None };
    let secret = kernel::Secret::new("wrong horse battery".to_owned());
    let _ = house.identity.password_step("nobody@desk.example", secret, None, &via).await;
    let page = house.get("/sign-ins", &admin).await;
    assert!(page.text.contains("no such account") && page.text.contains("AUTH-1002W"), "{}", page.text);
    assert!(!page.text.contains("nobody@desk.example"));
    let refused = house.get("/sign-ins?show=refused", &admin).await;
    assert!(refused.text.contains("AUTH-1002W"));
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    assert_eq!(house.get("/sign-ins", &agent).await.status, StatusCode::FORBIDDEN);
    assert!(house.get("/groups", &admin).await.text.contains("No group means anything yet"));
}
