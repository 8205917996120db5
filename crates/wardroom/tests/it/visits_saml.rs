//! Signing in to chat through a provider that speaks SAML, through the whole binary: an owner sets the
//! connection up at the console, somebody comes through it at the public door, and a logout on either side
//! ends what is open. The provider is one in memory; `cargo xtask conformance saml` has real ones.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use kernel::World;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::enrol::{Browser, escaped, owner_with_passkey};
use crate::house::House;
use crate::saml_idp::{Person, SLO, SamlIdp, alice};
use crate::visits::{club, unmoved};

const CEREMONY: &str = "__Host-wardroom-person-ceremony";
const PERSON: &str = "__Host-wardroom-person";

/// Told to wait, a test that asks faster than any person waits.
async fn send(request: RequestBuilder) -> Response {
    for _ in 0..100 {
        let response = request.try_clone().unwrap().send().await.unwrap();
        if response.status() != StatusCode::TOO_MANY_REQUESTS {
            return response;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("told to wait a hundred times");
}

fn leads_to(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{response:?}");
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// The cookie of this name that a response sets, as a request carries it.
fn cookie(name: &str, response: &Response) -> String {
    let mut lines = response.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let line = lines.rfind(|line| line.starts_with(&format!("{name}="))).unwrap();
    assert!(line.ends_with("; Secure; HttpOnly; SameSite=Lax"), "{line}");
    line.split(';').next().unwrap().to_owned()
}

/// The house, what its owner set up, and the provider.
struct Fed {
    _temp: tempfile::TempDir,
    house: House,
    owner: Browser,
    idp: SamlIdp,
    client: Client,
    /// The path of the connection's page.
    connection: String,
}

impl Fed {
    async fn new() -> Self {
        let (temp, house) = club();
        let mut owner = owner_with_passkey(&house).await;
        let idp = SamlIdp::new(&World::real());
        let metadata = String::from_utf8(SamlIdp::metadata(&[&idp.signer])).unwrap();
        let csrf = owner.csrf("/connections").await;
        let form = [("name", "Members"), ("metadata", metadata.as_str()), ("csrf_token", &csrf)];
        let made = owner.post("/connections/saml", &form).await;
        let connection = made.split('?').next().unwrap().to_owned();
        let client = unmoved(&house.ready);
        let mut fed = Self { _temp: temp, house, owner, idp, client, connection };
        fed.serve("visitors").await;
        let switch = [("on", "yes"), ("csrf_token", csrf.as_str())];
        fed.owner.post(&format!("{}/switch", fed.connection), &switch).await;
        fed
    }

    async fn serve(&mut self, whom: &str) {
        let csrf = self.owner.csrf("/connections").await;
        let people = [
            ("name", "Members"),
            ("serves", whom),
            ("default", ""),
            ("email_claim", "email"),
            ("name_claim", "name"),
            ("groups_claim", ""),
            ("unsaid", "refuse"),
            ("mapping", ""),
            ("assurance", ""),
            ("csrf_token", csrf.as_str()),
        ];
        let to = self.owner.post(&self.connection.clone(), &people).await;
        assert!(to.contains("done="), "{to}");
    }

    /// An address of a door for this connection.
    fn at(&self, origin: &str, end: &str) -> String {
        format!("{origin}/sso/saml/{}/{end}", self.connection.rsplit('/').next().unwrap())
    }

    fn front(&self) -> &str {
        &self.house.ready.public
    }

    /// Begins a sign-in: where the provider is asked, and the cookie of the ceremony.
    async fn leave(&self) -> (String, String) {
        let away = send(self.client.get(format!("{}/sso/start?bot=club", self.front()))).await;
        (leads_to(&away), cookie(CEREMONY, &away))
    }

    /// The provider makes the browser post its answer: a form of another site, without a cookie of ours.
    async fn bring(&self, to: &str, response: &str, relay_state: &str) -> Response {
        let body = format!("SAMLResponse={}&RelayState={}", escaped(response), escaped(relay_state));
        let request = self
            .client
            .post(to)
            .header("origin", "https://idp.corp.example")
            .header("sec-fetch-site", "cross-site")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        send(request).await
    }

    /// The page after, in a browser with this cookie.
    async fn finish(&self, path: &str, ceremony: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.front())).header("cookie", ceremony);
        send(request.header("sec-fetch-site", "cross-site")).await
    }

    /// Somebody signs in; the cookie of their session.
    async fn sign_in(&self, name_id: &'static str) -> String {
        let (location, ceremony) = self.leave().await;
        let (response, state) = self.idp.answer(&location, &Person { name_id, ..alice() });
        let taken = self.bring(&self.at(self.front(), "acs"), &response, &state).await;
        assert!(!taken.headers().contains_key("set-cookie"), "a form of another site changes no cookie");
        let arrived = self.finish(&leads_to(&taken), &ceremony).await;
        assert_eq!(leads_to(&arrived), "/with/club");
        cookie(PERSON, &arrived)
    }

    async fn mine(&self, person: &str) -> Response {
        let request = self.client.get(format!("{}/mine/signed-in", self.front()));
        send(request.header("cookie", person)).await
    }

    async fn nobody(&self, outcome: Response, status: StatusCode) {
        assert_eq!(outcome.status(), status);
        assert!(
            outcome
                .headers()
                .get_all("set-cookie")
                .iter()
                .all(|line| { !line.to_str().unwrap().starts_with(&format!("{PERSON}=")) })
        );
        let page = outcome.text().await.unwrap();
        assert!(page.contains("You were not signed in") && !page.contains("saml."), "{page}");
    }
}

#[tokio::test]
async fn somebody_signs_in_over_saml_chats_and_a_logout_on_either_side_ends_it() {
    let mut fed = Fed::new().await;
    let front = fed.front().to_owned();
    // What the administrator is told to register, and what the provider is told of itself there.
    let page = fed.owner.get(&fed.connection.clone()).await;
    for end in ["acs", "logout", "metadata"] {
        assert!(page.contains(&fed.at(&front, end)), "no {end} in {page}");
    }
    let metadata = send(fed.client.get(fed.at(&front, "metadata"))).await.text().await.unwrap();
    assert!(metadata.contains(&format!("entityID=\"{}\"", fed.at(&front, "metadata"))), "{metadata}");
    let gate = send(fed.client.get(format!("{front}/with/club"))).await.text().await.unwrap();
    assert!(gate.contains("Sign in with Members"), "{gate}");

    let person = fed.sign_in("u-1").await;
    let mine: Value = fed.mine(&person).await.json().await.unwrap();
    assert_eq!(mine["provider"], "Members");
    let opened = fed
        .client
        .post(format!("{front}/chat/v1/conversations"))
        .header("cookie", &person)
        .header("origin", &front)
        .header("sec-fetch-site", "same-origin")
        .json(&json!({ "bot": "club" }));
    let opened = send(opened).await;
    assert_eq!(opened.status(), StatusCode::CREATED);
    let opened: Value = opened.json().await.unwrap();
    let (id, token) = (opened["conversation_id"].as_str().unwrap(), opened["token"].as_str().unwrap());
    let events = fed.client.get(format!("{front}/chat/v1/conversations/{id}/events")).bearer_auth(token);
    let events = send(events).await;
    assert_eq!(events.status(), StatusCode::OK);

    // The provider asks, for the staff's door first: nothing ends, for nothing is signed in there.
    let console = fed.house.ready.console.clone();
    let elsewhere = fed.idp.logout(&fed.at(&console, "logout"), "u-1", &[]);
    let answer = send(fed.client.get(format!("{}?{elsewhere}", fed.at(&console, "logout")))).await;
    assert!(leads_to(&answer).starts_with(SLO));
    assert_eq!(fed.mine(&person).await.status(), StatusCode::OK);
    let query = fed.idp.logout(&fed.at(&front, "logout"), "u-1", &["s-1"]);
    let answer = send(fed.client.get(format!("{}?{query}", fed.at(&front, "logout")))).await;
    assert!(leads_to(&answer).starts_with(&format!("{SLO}?SAMLResponse=")), "{answer:?}");
    assert_eq!(fed.mine(&person).await.status(), StatusCode::NO_CONTENT);
    let closes = async {
        let mut stream = events.bytes_stream();
        while let Some(Ok(_)) = stream.next().await {}
    };
    tokio::time::timeout(Duration::from_secs(20), closes).await.expect("the open stream is closed");
    let again = send(fed.client.get(format!("{}?{query}", fed.at(&front, "logout")))).await;
    fed.nobody(again, StatusCode::UNAUTHORIZED).await;

    // What the tab still keeps leads whoever is signed out to the bot's page, and somebody else who has
    // signed in since to a conversation of their own.
    let stranger = fed.sign_in("u-2").await;
    for (cookie, where_to) in [("theme=dark", json!("/with/club")), (stranger.as_str(), Value::Null)] {
        let renew = fed.client.post(format!("{front}/chat/v1/conversations/{id}/token")).bearer_auth(token);
        let renew = renew.header("cookie", cookie).header("origin", &front);
        let answer = send(renew.header("sec-fetch-site", "same-origin")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["sign_in"], where_to, "{problem}");
    }

    // And from their own page: the way leads over the provider, and its answer is taken.
    let person = fed.sign_in("u-1").await;
    let mine: Value = fed.mine(&person).await.json().await.unwrap();
    let out = fed
        .client
        .post(format!("{front}/mine/sign-out"))
        .header("cookie", &person)
        .header("origin", &front)
        .header("x-csrf-token", mine["csrf"].as_str().unwrap())
        .json(&json!({}));
    let out: Value = send(out).await.json().await.unwrap();
    assert_eq!(fed.mine(&person).await.status(), StatusCode::NO_CONTENT, "it has ended here by then");
    let there = out["there"].as_str().unwrap();
    assert!(there.starts_with(&format!("{SLO}?SAMLRequest=")), "{there}");
    let parted = fed.idp.parted(&fed.at(&front, "logout"), there);
    let parted = send(fed.client.get(format!("{}?{parted}", fed.at(&front, "logout")))).await;
    let page = parted.text().await.unwrap();
    assert!(page.contains("has ended here and at your identity provider"), "{page}");
}

#[tokio::test]
async fn what_the_provider_did_not_say_here_to_this_browser_signs_nobody_in() {
    let mut fed = Fed::new().await;
    let (front, console) = (fed.front().to_owned(), fed.house.ready.console.clone());
    let acs = fed.at(&front, "acs");
    // Changed on the way.
    let (location, ceremony) = fed.leave().await;
    let (response, state) = fed.idp.answer(&location, &alice());
    let changed = String::from_utf8(STANDARD.decode(&response).unwrap()).unwrap().replace(">u-1<", ">u-2<");
    let taken = fed.bring(&acs, &STANDARD.encode(changed), &state).await;
    fed.nobody(fed.finish(&leads_to(&taken), &ceremony).await, StatusCode::UNAUTHORIZED).await;
    // In another browser, and in none that began anything.
    for stranger in [fed.leave().await.1, "theme=dark".to_owned()] {
        let (location, _) = fed.leave().await;
        let (response, state) = fed.idp.answer(&location, &alice());
        let taken = fed.bring(&acs, &response, &state).await;
        fed.nobody(fed.finish(&leads_to(&taken), &stranger).await, StatusCode::CONFLICT).await;
    }
    // Twice, unasked for, and at the staff's door.
    let (location, _) = fed.leave().await;
    let (response, state) = fed.idp.answer(&location, &alice());
    assert_eq!(
        fed.bring(&fed.at(&console, "acs"), &response, &state).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    leads_to(&fed.bring(&acs, &response, &state).await);
    fed.nobody(fed.bring(&acs, &response, &state).await, StatusCode::CONFLICT).await;
    fed.nobody(fed.bring(&acs, &response, "invented").await, StatusCode::CONFLICT).await;
    // What staff were told, at the public door, though the connection serves both.
    fed.serve("both").await;
    let id = fed.connection.rsplit('/').next().unwrap().to_owned();
    let away = send(fed.client.get(format!("{console}/sso/saml/start?connection={id}"))).await;
    let (response, state) = fed.idp.answer(&leads_to(&away), &alice());
    fed.nobody(fed.bring(&acs, &response, &state).await, StatusCode::CONFLICT).await;
    let (location, ceremony) = fed.leave().await;
    let (_, own) = fed.idp.answer(&location, &alice());
    let taken = fed.bring(&acs, &response, &own).await;
    fed.nobody(fed.finish(&leads_to(&taken), &ceremony).await, StatusCode::UNAUTHORIZED).await;
    // For staff alone, the public door knows nothing of it.
    fed.serve("staff").await;
    assert_eq!(send(fed.client.get(fed.at(&front, "metadata"))).await.status(), StatusCode::NOT_FOUND);
    let begun = send(fed.client.get(format!("{front}/sso/start?bot=club"))).await;
    assert_eq!(leads_to(&begun), "/with/club");
}
