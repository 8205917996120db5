//! Who may do what, and what they are told who may not.

use axum::body::Body;
use doors::Way;
use guard::Role;
use http::{Method, Request, StatusCode};

use crate::house::House;

/// An address of a route, with something that has the right shape in every hole.
fn address(path: &str) -> String {
    let id = "0198c0de-1234-7abc-8def-0123456789ab";
    let path = path.replace("{name}", "front-desk").replace("{version}", "1");
    ["{id}", "{session}", "{invite}", "{request}"].iter().fold(path, |path, hole| path.replace(hole, id))
}

/// Where programs of directories come with a token of their own, and no browser with a cookie.
const DIRECTORIES: &str = "/scim/v2/";

#[tokio::test]
async fn whoever_is_signed_out_is_led_to_the_sign_in_page_from_every_guarded_address() {
    let house = House::open().await;
    let guarded: Vec<_> = house.table.routes().filter(|(.., way)| matches!(way, Way::Guarded(_))).collect();
    assert!(guarded.len() > 20);
    for (method, path, _) in guarded {
        let request =
            Request::builder().method(method.clone()).uri(address(path)).body(Body::empty()).unwrap();
        let page = house.send(request).await;
        if path.starts_with(DIRECTORIES) {
            assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            continue;
        }
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{method} {path}");
        let there = match (method, path) {
            (_, "/") | (&Method::POST, _) => "/sign-in".to_owned(),
            _ => format!("/sign-in?next={}", address(path)),
        };
        assert_eq!(page.location(), there, "{method} {path}");
        assert_eq!(page.text, "");
    }
}

#[tokio::test]
async fn a_form_without_the_sessions_token_is_refused_everywhere() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    // What a provider or a browser on its way from one sends comes from elsewhere and has no token of
    // ours; its signature is the proof, and these have none.
    const SIGNED: [&str; 3] =
        ["/sso/oidc/backchannel", "/sso/saml/{connection}/acs", "/sso/saml/{connection}/logout"];
    let posts = house.table.routes().filter(|(method, ..)| **method == Method::POST);
    for (_, path, way) in posts.filter(|(_, path, _)| !path.starts_with(DIRECTORIES)) {
        if SIGNED.contains(&path) {
            let unsigned = house.post_with(&address(path), &owner.cookie(), &[("csrf_token", "AAAA")]).await;
            assert!(unsigned.status.is_client_error(), "{path}: {}", unsigned.status);
            continue;
        }
        let other = house.post_with(&address(path), &owner.cookie(), &[("csrf_token", "AAAA")]).await;
        assert_eq!(other.status, StatusCode::FORBIDDEN, "{path} {way:?}");
        assert!(other.text.contains("token is missing or of another session"), "{path}");
        let request = Request::post(address(path))
            .header("host", "desk.example:9443")
            .header("origin", "https://evil.example")
            .header("cookie", owner.cookie())
            .header("x-csrf-token", owner.csrf());
        let foreign = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_developer_sees_bots_and_no_conversations() {
    let house = House::open().await;
    let conversation = house.conversation("My card is gone.").await;
    let developer = house.staff("dev", &[Role::BotDeveloper]).await;
    let list = house.get("/conversations", &developer).await;
    assert_eq!(list.status, StatusCode::FORBIDDEN);
    assert!(list.text.contains("reads no transcripts"), "{}", list.text);
    // That it exists is not told either: the same answer as for one that never was.
    let path = format!("/conversations/{conversation}");
    let one = house.get(&path, &developer).await;
    let opened = house.post(&path, &developer, &[("reason", "curious")]).await;
    let never = house.get("/conversations/0198c0de-1234-7abc-8def-0123456789ab", &developer).await;
    assert_eq!([one.status, opened.status, never.status], [StatusCode::NOT_FOUND; 3]);
    assert_eq!(one.between("<h1>", "<code>"), never.between("<h1>", "<code>"));
    assert!(house.codes().await.contains(&"AUTH-1010W".to_owned()));

    let overview = house.get("/", &developer).await;
    assert_eq!(overview.status, StatusCode::OK);
    assert!(overview.text.contains(r#"href="/bots""#));
    for hidden in [r#"href="/conversations""#, r#"href="/users""#, r#"href="/audit""#] {
        assert!(!overview.text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn a_developer_tries_a_bot_and_nothing_of_it_is_stored() {
    let house = House::open().await;
    let developer = house.staff("dev", &[Role::BotDeveloper]).await;
    let bot = house.get("/bots/front-desk", &developer).await;
    assert_eq!(bot.status, StatusCode::OK);
    assert!(
        bot.text.contains("Good day.") && bot.text.contains("Version") && !bot.text.contains("Put version")
    );
    let before = house.codes().await.len();
    let first =
        house.post("/bots/front-desk/trial", &developer, &[("text", "<b>one</b>"), ("remembered", "")]).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert!(first.text.contains("&#60;b&#62;one&#60;/b&#62; after 0 lines"), "{}", first.text);
    let remembered = first.between(r#"name="remembered" value=""#, "\"").to_owned();
    let second = house
        .post("/bots/front-desk/trial", &developer, &[("text", "two"), ("remembered", &remembered)])
        .await;
    assert!(second.text.contains("two after 2 lines"));
    assert_eq!(house.codes().await.len(), before);
}

#[tokio::test]
async fn a_manager_touches_no_bot() {
    let house = House::open().await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    assert_eq!(house.get("/bots", &manager).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.get("/bots/front-desk", &manager).await.status, StatusCode::NOT_FOUND);
    let trial = [("text", "hello"), ("remembered", "")];
    assert_eq!(house.post("/bots/front-desk/trial", &manager, &trial).await.status, StatusCode::NOT_FOUND);
    let (live, _) = house.shelf.live(&kernel::BotName::new("front-desk").unwrap()).unwrap();
    let path = format!("/bots/front-desk/releases/{live}/activate");
    assert_eq!(house.post(&path, &manager, &[]).await.status, StatusCode::NOT_FOUND);
    for path in ["/users", "/audit"] {
        assert_eq!(house.get(path, &manager).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn an_owner_puts_an_earlier_release_live() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let page = house.get("/bots/front-desk", &owner).await;
    assert!(page.text.contains("Put version 1 live"), "{}", page.text);
    let id = page.between("/releases/", "/activate").to_owned();
    let done = house.post(&format!("/bots/front-desk/releases/{id}/activate"), &owner, &[]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/bots/front-desk?done=activated"));
    assert!(house.get("/bots/front-desk", &owner).await.text.contains("Put version 2 live"));
    assert_eq!(house.codes().await[0], "BOTS-1002I");
}
