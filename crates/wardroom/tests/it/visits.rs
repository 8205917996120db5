//! A bot that demands sign-in, through the whole binary, before anybody has signed in: what strangers are
//! told, and what forged proofs open. The sign-in itself is driven with a browser and a certified provider by
//! `cargo xtask conformance oidc`.

use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::{Value, json};

use crate::house::{House, Ready, wardroom};
use crate::visitor::{Visitor, client};

const COOKIE: &str = "__Host-wardroom-person=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A house whose bot `club` demands sign-in.
pub(crate) fn club() -> (tempfile::TempDir, House) {
    let temp = tempfile::tempdir().unwrap();
    let (data, bot) = (temp.path().join("data"), temp.path().join("club"));
    assert_eq!(House::start(&data).interrupt(), 0);
    let (at, folder) = (data.to_str().unwrap(), bot.to_str().unwrap());
    let done = |(status, out, err): (i32, String, String)| assert_eq!(status, 0, "{out}{err}");
    done(wardroom(&["bot", "new", "club", "--dir", folder]));
    let toml = std::fs::read_to_string(bot.join("bot.toml")).unwrap();
    let demands = toml.replace("people = \"anybody\"", "people = \"sso\"\nsign_in_through = \"Members\"");
    assert_ne!(toml, demands);
    std::fs::write(bot.join("bot.toml"), demands).unwrap();
    done(wardroom(&["bot", "push", folder, "--data", at]));
    let house = House::start(&data);
    (temp, house)
}

/// A client that keeps to where it was sent.
pub(crate) fn unmoved(ready: &Ready) -> Client {
    let ca = std::fs::read(&ready.ca).unwrap();
    Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
        .redirect(redirect::Policy::none())
        .build()
        .unwrap()
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn whoever_has_not_signed_in_is_told_where_and_opens_nothing() {
    let (_temp, house) = club();
    let (front, client) = (house.ready.public.clone(), client(&house.ready));
    let open = || client.post(format!("{front}/chat/v1/conversations")).json(&json!({ "bot": "club" }));
    for request in [
        open(),
        open().header("origin", &front),
        open().header("origin", &front).header("cookie", COOKIE),
        open().header("cookie", COOKIE),
        open().header("origin", &front).header("cookie", COOKIE).header("sec-fetch-site", "cross-site"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/problem+json"));
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["sign_in"], "/with/club", "{problem}");
    }
    // The page of the bot says that nobody can, for there is no such connection; others are as ever.
    let page = client.get(format!("{front}/with/club")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Nobody can sign in right now") && !page.contains("<wardroom-chat"), "{page}");
    let page = client.get(format!("{front}/with/front-desk")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<wardroom-chat"), "{page}");
    assert_eq!(status(client.get(format!("{front}/with/nobody"))).await, StatusCode::NOT_FOUND);
    let home = client.get(format!("{front}/")).send().await.unwrap().text().await.unwrap();
    assert!(home.contains("<wardroom-chat"), "{home}");
}

#[tokio::test]
async fn a_cookie_that_no_session_has_is_nobody_at_every_door_of_theirs() {
    let (_temp, house) = club();
    let (front, client) = (house.ready.public.clone(), unmoved(&house.ready));
    let get = |path: &str| client.get(format!("{front}{path}")).header("cookie", COOKIE);
    let post = |path: &str| {
        client
            .post(format!("{front}{path}"))
            .header("cookie", COOKIE)
            .header("origin", &front)
            .json(&json!({}))
    };
    assert_eq!(status(get("/mine/signed-in")).await, StatusCode::NO_CONTENT);
    assert_eq!(status(client.get(format!("{front}/mine/signed-in"))).await, StatusCode::NO_CONTENT);
    assert_eq!(status(get("/mine/export")).await, StatusCode::UNAUTHORIZED);
    let session = "0198c0de-1234-7abc-8def-0123456789ab";
    for path in
        ["/mine/sign-out", "/mine/sessions/end", "/mine/erase", &format!("/mine/sessions/{session}/end")]
    {
        // Without our page's token nothing is changed, whoever asks; without a cookie nobody asks.
        assert_eq!(status(post(path)).await, StatusCode::FORBIDDEN, "{path}");
        let bare = client.post(format!("{front}{path}")).json(&json!({}));
        assert_eq!(status(bare).await, StatusCode::UNAUTHORIZED, "{path}");
    }
    // A sign-in that never began does not end, and one that cannot begin leads back to the bot's page.
    let back = get("/sso/oidc/callback?code=x&state=y").send().await.unwrap();
    assert!(!back.headers().contains_key("location"), "{back:?}");
    assert!(back.text().await.unwrap().contains("You were not signed in"));
    let away = get("/sso/start?bot=club").send().await.unwrap();
    assert_eq!(
        (away.status(), away.headers()["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/with/club")
    );
    assert_eq!(status(get("/sso/start?bot=front-desk")).await, StatusCode::NOT_FOUND);
    let said = client
        .post(format!("{front}/sso/oidc/backchannel"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("logout_token=x.y.z");
    assert_eq!(status(said).await, StatusCode::BAD_REQUEST);
    // Nor does it open a conversation that is somebody's.
    let visitor = Visitor::open(&house.ready).await;
    assert_eq!(
        status(post(&format!("/chat/v1/conversations/{}/token", visitor.conversation))).await,
        StatusCode::UNAUTHORIZED
    );
}
