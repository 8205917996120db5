//! What is a person's own: their conversations, a copy, the end of them; and people whom a site vouches for.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::house::{House, Ready, wardroom, wardroom_with};
use crate::visitor::{Visitor, client};

const KEY: &str = "a key of thirty-two bytes, no less";

#[tokio::test]
async fn a_person_sees_copies_and_erases_what_is_theirs() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    let other = Visitor::open(&house.ready).await;
    visitor.say("my secret is a heron").await;

    let get = |who: &Visitor, part: &str| {
        let request = who.client.get(who.url(part)).bearer_auth(&who.token);
        async move { request.send().await.unwrap() }
    };
    let mine: Value = get(&visitor, "person").await.json().await.unwrap();
    assert_eq!(mine["conversations"].as_array().unwrap().len(), 1, "nobody else's: {mine}");
    let copy = get(&visitor, "person/export").await;
    assert!(copy.headers()["content-disposition"].to_str().unwrap().contains("my-conversations.json"));
    let copy: Value = copy.json().await.unwrap();
    let lines = copy["conversations"][0]["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["text"] == "my secret is a heron"), "{copy}");
    // With the token of one conversation nobody reaches another's.
    let foreign =
        visitor.client.get(other.url("person/export")).bearer_auth(&visitor.token).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND);

    let erase = |body: Value| {
        let request =
            visitor.client.post(visitor.url("person/erase")).bearer_auth(&visitor.token).json(&body);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(erase(json!({})).await, StatusCode::BAD_REQUEST);
    assert_eq!(erase(json!({ "erase": "everything-of-mine" })).await, StatusCode::OK);
    let gone = get(&visitor, "person/export").await.text().await.unwrap();
    assert!(!gone.contains("heron") && gone.contains("\"unreadable\":\"erased\""), "{gone}");
    // The other one is as it was, and the list beside the backups names the one who was erased.
    assert!(get(&other, "person/export").await.text().await.unwrap().contains("\"role\":\"bot\""));
    assert!(std::fs::metadata(data.join("erasures")).unwrap().len() > 0);
    let page = client(&house.ready).get(format!("{}/mine", house.ready.public)).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("What is kept of you"));
    let log = wardroom(&["audit", "tail", "--lines", "50", "--data", data.to_str().unwrap()]).1;
    assert!(log.contains("person.exported") && log.contains("subject.erased"), "{log}");
}

/// A token as a site signs it.
#[expect(clippy::disallowed_methods, reason = "the site and the binary read the same clock")]
fn site_token(sub: &str, aud: &str, key: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = part(json!({ "sub": sub, "aud": aud, "iat": now, "exp": now + 300 }));
    let signed = format!("{header}.{claims}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

async fn open(client: &Client, ready: &Ready, token: Option<String>) -> (StatusCode, Value) {
    let mut body = json!({ "bot": "club" });
    if let Some(token) = token {
        body["site_token"] = token.into();
    }
    let response =
        client.post(format!("{}/chat/v1/conversations", ready.public)).json(&body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// How many conversations the person of this pass has.
async fn many(client: &Client, ready: &Ready, pass: &Value) -> usize {
    let url = format!(
        "{}/chat/v1/conversations/{}/person",
        ready.public,
        pass["conversation_id"].as_str().unwrap()
    );
    let found = client.get(url).bearer_auth(pass["token"].as_str().unwrap()).send().await.unwrap();
    found.json::<Value>().await.unwrap()["conversations"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_bot_for_members_asks_the_site_who_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let (data, bot) = (temp.path().join("data"), temp.path().join("club"));
    assert_eq!(House::start(&data).interrupt(), 0);
    let (at, folder) = (data.to_str().unwrap(), bot.to_str().unwrap());
    let done = |(status, out, err): (i32, String, String)| assert_eq!(status, 0, "{out}{err}");
    done(wardroom(&["bot", "new", "club", "--dir", folder]));
    let toml = std::fs::read_to_string(bot.join("bot.toml")).unwrap();
    let members = toml.replace("people = \"anybody\"", "people = \"site-token\"");
    assert_ne!(toml, members);
    std::fs::write(bot.join("bot.toml"), members).unwrap();
    done(wardroom(&["bot", "push", folder, "--data", at]));
    done(wardroom_with(&["bot", "secret", "set", "club", "SITE_TOKEN_KEY", "--data", at], KEY));

    let house = House::start(&data);
    let (client, ready) = (client(&house.ready), &house.ready);
    let stranger = open(&client, ready, None).await;
    assert_eq!(stranger.0, StatusCode::UNAUTHORIZED, "{}", stranger.1);
    for wrong in [
        site_token("ada", "front-desk", KEY),
        site_token("ada", "club", "another key of thirty-two bytes."),
        "x.y.z".into(),
    ] {
        let (status, problem) = open(&client, ready, Some(wrong)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
    }
    let ada = || Some(site_token("ada", "club", KEY));
    let (status, first) = open(&client, ready, ada()).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let (_, second) = open(&client, ready, ada()).await;
    let (_, bob) = open(&client, ready, Some(site_token("bob", "club", KEY))).await;
    assert_eq!(many(&client, ready, &first).await, 2, "one person, two conversations");
    assert_eq!(many(&client, ready, &second).await, 2);
    assert_eq!(many(&client, ready, &bob).await, 1);

    // Erased by one of their passes, in all of their conversations; whoever comes back is somebody new.
    let url = format!(
        "{}/chat/v1/conversations/{}/person/erase",
        ready.public,
        second["conversation_id"].as_str().unwrap()
    );
    let body = json!({ "erase": "everything-of-mine" });
    let erased =
        client.post(url).bearer_auth(second["token"].as_str().unwrap()).json(&body).send().await.unwrap();
    assert_eq!(erased.status(), StatusCode::OK);
    let (status, again) = open(&client, ready, ada()).await;
    assert_eq!(status, StatusCode::CREATED, "{again}");
    assert_eq!(many(&client, ready, &again).await, 1);
}
