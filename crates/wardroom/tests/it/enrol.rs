//! The first owner enrols through the console of the real binary, with a password and an authenticator app,
//! as a browser without scripts does it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::house::House;

const PASSWORD: &str = "herring tidal copper lantern";

/// A browser at the console.
pub(crate) struct Browser {
    client: Client,
    origin: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn at(house: &House) -> Self {
        let ca = std::fs::read(&house.ready.ca).unwrap();
        let builder = Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .redirect(redirect::Policy::none());
        Self {
            client: builder.build().unwrap(),
            origin: house.ready.console.clone(),
            cookies: BTreeMap::new(),
        }
    }

    fn jar(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, response: &Response) {
        for line in response.headers().get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.origin)).header("cookie", self.jar());
        let response = request.send().await.unwrap();
        self.keep(&response);
        response.text().await.unwrap()
    }

    /// Posts a form of our own page; where it leads to.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let request = self
            .client
            .post(format!("{}{path}", self.origin))
            .header("cookie", self.jar())
            .header("origin", &self.origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        let response = request.send().await.unwrap();
        self.keep(&response);
        let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        to.unwrap_or_else(|| panic!("{path} leads nowhere: {text}"))
    }

    /// Posts what a script of our own page does, and gives the answer.
    async fn tell(&mut self, path: &str, csrf: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.origin)).header("cookie", self.jar());
        let request = request.header("origin", &self.origin).header("x-csrf-token", csrf).json(body);
        let response = request.send().await.unwrap();
        self.keep(&response);
        response.json().await.unwrap()
    }

    /// The token that the forms of a page carry.
    pub(crate) async fn csrf(&mut self, path: &str) -> String {
        between(&self.get(path).await, r#"name="csrf_token" value=""#, "\"").to_owned()
    }
}

pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let from = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    let rest = &text[from..];
    &rest[..rest.find(after).unwrap()]
}

/// The code of an authenticator app for a seed in letters (RFC 6238).
#[expect(clippy::disallowed_methods, reason = "the app and the binary read the same clock")]
fn code(letters: &str) -> String {
    let bits: String = letters
        .chars()
        .filter_map(|letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter))
        .map(|digit| format!("{digit:05b}"))
        .collect();
    let seed: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let step = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &seed), &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

const ADDRESS: &str = "ines@desk.example";

/// The secret of the first owner's invitation.
fn first_link(house: &House) -> &str {
    house.ready.enrolment.as_deref().unwrap().split('#').nth(1).unwrap()
}

/// Somebody opens an invitation, up to the choice of factors; the token of the forms.
async fn invited(house: &House, secret: &str, address: &str) -> (Browser, String) {
    let mut browser = Browser::at(house);
    let csrf = browser.csrf("/enrol").await;
    let who = [("name", "Ines Aalto"), ("email", address), ("code", secret), ("csrf_token", csrf.as_str())];
    assert_eq!(browser.post("/enrol", &who).await, "/enrol/factor");
    (browser, csrf)
}

/// Enrols the first owner with a passkey; their browser, signed in.
pub(crate) async fn owner_with_passkey(house: &House) -> Browser {
    let (mut browser, csrf) = invited(house, first_link(house), ADDRESS).await;
    let options = browser.tell("/enrol/passkey/start", &csrf, &json!({ "label": "Key" })).await;
    let key = Authenticator { rp_id: "localhost", ..Authenticator::new() };
    let made = key.create(options["challenge"].as_str().unwrap(), &house.ready.console);
    let credential = json!({
        "id": made.id, "client_data": made.client_data, "attestation_object": made.attestation_object,
    });
    let finish = json!({ "credential": credential, "label": "Key" });
    let done = browser.tell("/enrol/passkey/finish", &csrf, &finish).await;
    assert_eq!(done["next"], "/enrol/codes", "{done}");
    browser
}

/// Enrols the first owner; their address.
pub(crate) async fn first_owner(house: &House) -> String {
    with_link(house, first_link(house), ADDRESS).await;
    ADDRESS.to_owned()
}

/// Enrols somebody with the secret of an invitation, a password and codes.
pub(crate) async fn with_link(house: &House, secret: &str, address: &str) {
    let (mut browser, csrf) = invited(house, secret, address).await;
    let password = [("password", PASSWORD), ("again", PASSWORD), ("csrf_token", csrf.as_str())];
    assert_eq!(browser.post("/enrol/password", &password).await, "/enrol/factor");
    let setup = browser.get("/enrol/factor").await;
    let code = code(between(&setup, r#"<code id="letters">"#, "</code>"));
    let done = browser.post("/enrol/code", &[("code", &code), ("csrf_token", &csrf)]).await;
    assert_eq!(done, "/enrol/codes");
}
