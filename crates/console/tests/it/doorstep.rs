//! From an invitation to a session and out again, as a browser without scripts does it.

use aws_lc_rs::hmac;
use axum::body::Body;
use guard::Role;
use http::{Request, StatusCode};

use crate::house::{House, Page, jar};

pub(crate) const PASSWORD: &str = "herring tidal copper lantern";

/// The code of an authenticator app for a seed in letters (RFC 6238), `later` steps from now.
pub(crate) fn code(letters: &str, house: &House, later: u64) -> String {
    let mut bits = String::new();
    for letter in letters.chars().filter(|c| !c.is_whitespace()) {
        let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
        bits.push_str(&format!("{digit:05b}"));
    }
    let seed: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let step = house.world.now().as_millis() / 30_000 + later;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &seed), &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

pub(crate) async fn get(house: &House, path: &str, cookies: &str) -> Page {
    house.send(Request::get(path).header("cookie", cookies).body(Body::empty()).unwrap()).await
}

pub(crate) fn token(page: &Page) -> String {
    page.between(r#"name="csrf_token" value=""#, "\"").to_owned()
}

/// The first owner, enrolled with a password and an app: their cookies, and the app's letters.
pub(crate) async fn first_owner(house: &House) -> (String, String) {
    let secret = house.identity.first_owner_invite().await.unwrap().unwrap();
    let first = get(house, "/enrol", "").await;
    let (cookies, csrf) = (jar(&[&first]), token(&first));
    let who = [
        ("name", "Ines Aalto"),
        ("email", "ines@desk.example"),
        ("csrf_token", csrf.as_str()),
        ("code", secret.expose().as_str()),
    ];
    let begun = house.post_with("/enrol", &cookies, &who).await;
    let cookies = jar(&[&first, &begun]);
    let strong = [("password", PASSWORD), ("again", PASSWORD), ("csrf_token", csrf.as_str())];
    assert_eq!(house.post_with("/enrol/password", &cookies, &strong).await.location(), "/enrol/factor");
    let setup = get(house, "/enrol/factor", &cookies).await;
    let letters = setup.between(r#"<code id="letters">"#, "</code>").to_owned();
    let now = code(&letters, house, 0);
    let done = house.post_with("/enrol/code", &cookies, &[("code", &now), ("csrf_token", &csrf)]).await;
    assert_eq!(done.location(), "/enrol/codes", "{}", done.text);
    (jar(&[&first, &begun, &done]), letters)
}

#[tokio::test]
async fn the_first_owner_enrols_signs_out_and_signs_in_again() {
    let house = House::open().await;
    let secret = house.identity.first_owner_invite().await.unwrap().unwrap();
    let first = get(&house, "/enrol", "").await;
    assert_eq!(first.status, StatusCode::OK);
    let (cookies, csrf) = (jar(&[&first]), token(&first));
    let who = [("name", "Ines Aalto"), ("email", "ines@desk.example"), ("csrf_token", &csrf)];

    let wrong = [&who[..], &[("code", "wrong")]].concat();
    let refused = house.post_with("/enrol", &cookies, &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("cannot be used") && refused.text.contains("Ines Aalto"));

    let right = [&who[..], &[("code", secret.expose().as_str())]].concat();
    let begun = house.post_with("/enrol", &cookies, &right).await;
    assert_eq!(begun.location(), "/enrol/factor", "{}", begun.text);
    let cookies = jar(&[&first, &begun]);
    let choice = get(&house, "/enrol/factor", &cookies).await;
    assert!(choice.text.contains("wr-passkey") && choice.text.contains("as owner"));

    let weak = [("password", "short"), ("again", "short"), ("csrf_token", csrf.as_str())];
    assert!(
        house.post_with("/enrol/password", &cookies, &weak).await.text.contains("at least 15 characters")
    );
    let strong = [("password", PASSWORD), ("again", PASSWORD), ("csrf_token", csrf.as_str())];
    assert_eq!(house.post_with("/enrol/password", &cookies, &strong).await.location(), "/enrol/factor");
    let setup = get(&house, "/enrol/factor", &cookies).await;
    assert!(setup.text.contains("<svg") && !setup.text.contains(PASSWORD));
    let letters = setup.between(r#"<code id="letters">"#, "</code>").to_owned();

    let now = code(&letters, &house, 0);
    let done = house.post_with("/enrol/code", &cookies, &[("code", &now), ("csrf_token", &csrf)]).await;
    assert_eq!(done.location(), "/enrol/codes", "{}", done.text);
    let cookies = jar(&[&first, &begun, &done]);
    let codes = get(&house, "/enrol/codes", &cookies).await;
    assert_eq!(codes.text.matches("<li>").count(), 10, "{}", codes.text);
    let recovery = codes.between("<li>", "</li>").to_owned();
    assert_eq!(get(&house, "/enrol/codes", &cookies).await.location(), "/", "they are shown once");
    let home = get(&house, "/", &cookies).await;
    assert_eq!(home.status, StatusCode::OK);

    let out = house.post_with("/sign-out", &cookies, &[("csrf_token", &token(&home))]).await;
    assert_eq!(out.location(), "/sign-in");
    assert_eq!(get(&house, "/", &cookies).await.location(), "/sign-in");

    // In again: with a password and the app's next code, then with a recovery code.
    let next = code(&letters, &house, 1);
    for (kind, code) in [("app", next.as_str()), ("recovery", recovery.as_str())] {
        let door = get(&house, "/sign-in?next=/users", "").await;
        let (cookies, csrf) = (jar(&[&door]), token(&door));
        let fields = [
            ("login", "ines@desk.example"),
            ("password", PASSWORD),
            ("next", "/users"),
            ("csrf_token", &csrf),
        ];
        let half = house.post_with("/sign-in", &cookies, &fields).await;
        assert_eq!(half.location(), "/sign-in/code?next=/users", "{}", half.text);
        let cookies = jar(&[&door, &half]);
        assert_eq!(
            get(&house, "/users", &cookies).await.location(),
            "/sign-in?next=/users",
            "half way is not in"
        );
        let fields = [("code", code), ("kind", kind), ("next", "/users"), ("csrf_token", &csrf)];
        let inside = house.post_with("/sign-in/code", &cookies, &fields).await;
        assert_eq!(inside.location(), "/users", "{kind}: {}", inside.text);
        let cookies = jar(&[&door, &half, &inside]);
        assert!(get(&house, "/users", &cookies).await.text.contains("Ines Aalto"));
    }
}

#[tokio::test]
async fn whoever_signs_in_again_in_the_same_browser_leaves_no_session_behind() {
    let house = House::open().await;
    let (cookies, letters) = first_owner(&house).await;
    // The session's cookie is the first of them.
    let before = cookies.split("; ").next().unwrap().to_owned();
    assert_eq!(get(&house, "/", &before).await.status, StatusCode::OK);
    let csrf = token(&get(&house, "/enrol", &before).await);
    let fields =
        [("login", "ines@desk.example"), ("password", PASSWORD), ("next", "/"), ("csrf_token", &csrf)];
    let half = house.post_with("/sign-in", &before, &fields).await;
    assert_eq!(half.location(), "/sign-in/code?next=/", "{}", half.text);
    let cookies = format!("{before}; {}", jar(&[&half]));
    let next = code(&letters, &house, 1);
    let fields = [("code", next.as_str()), ("kind", "app"), ("next", "/"), ("csrf_token", &csrf)];
    let inside = house.post_with("/sign-in/code", &cookies, &fields).await;
    assert_eq!(inside.location(), "/", "{}", inside.text);
    assert_eq!(get(&house, "/", &jar(&[&inside])).await.status, StatusCode::OK);
    assert_eq!(get(&house, "/", &before).await.location(), "/sign-in", "the old secret opens nothing");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_read_the_same() {
    let house = House::open().await;
    house.staff("owner", &[Role::Owner]).await;
    let door = get(&house, "/sign-in", "").await;
    let (cookies, csrf) = (jar(&[&door]), token(&door));
    let mut answers = Vec::new();
    for login in ["owner@desk.example", "nobody@desk.example"] {
        let fields = [("login", login), ("password", PASSWORD), ("next", "/"), ("csrf_token", &csrf)];
        let page = house.post_with("/sign-in", &cookies, &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        answers.push(page.between(r#"role="alert" id="error">"#, "</div>").to_owned());
    }
    assert_eq!(answers[0], answers[1]);
    let codes = house.codes().await;
    assert_eq!(codes[..2], ["AUTH-1002W", "AUTH-1002W"]);
}

#[tokio::test]
async fn an_owner_invites_and_the_link_is_shown_once() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let fields = [("email", "lee@desk.example"), ("role", "support_manager"), ("bot", "")];
    let made = house.post("/invites", &owner, &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let link = made.between(r#"<code id="link">"#, "</code>").to_owned();
    assert!(link.starts_with("https://desk.example:9443/enrol#"), "{link}");
    let people = house.get("/users", &owner).await;
    assert!(
        people.text.contains("lee@desk.example") && !people.text.contains(link.rsplit('#').next().unwrap())
    );
    let invite = people.between("/invites/", "/withdraw").to_owned();
    let gone = house.post(&format!("/invites/{invite}/withdraw"), &owner, &[]).await;
    assert_eq!(gone.location(), "/users?done=withdrawn");
}

#[tokio::test]
async fn an_owner_whose_proof_is_old_sees_the_forms_and_is_led_to_a_new_one_by_them() {
    let house = House::open().await;
    let owner = house.staff_signed_in("owner", &[Role::Owner], (301, 3)).await;
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    assert!(house.get("/users", &owner).await.text.contains(r#"action="/invites""#));
    let person = format!("/users/{}", agent.user);
    assert!(house.get(&person, &owner).await.text.contains(&format!(r#"action="{person}/reset""#)));
    let fields = [("email", "lee@desk.example"), ("role", "support_manager"), ("bot", "")];
    for (path, fields) in [("/invites".to_owned(), &fields[..]), (format!("{person}/reset"), &[])] {
        let refused = house.post(&path, &owner, fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text.contains("guard.step_up") && refused.text.contains("/step-up?next="), "{path}");
    }
    // Taking somebody out waits for no proof.
    let out = house.post(&format!("{person}/disable"), &owner, &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{}", out.text);
}

#[tokio::test]
async fn a_link_that_goes_by_mail_is_shown_to_nobody_unless_the_letter_does_not_leave() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let invite = |email: &'static str| {
        let fields = [("email", email), ("role", "support_agent"), ("bot", ""), ("send", "yes")];
        let (house, owner) = (&house, &owner);
        async move { house.post("/invites", owner, &fields).await }
    };
    assert!(house.get("/users", &owner).await.text.contains(r#"name="send""#));
    let sent = invite("lee@desk.example").await;
    let letters = house.letters.lock().unwrap().clone();
    let (to, link) = &letters[0];
    assert_eq!((letters.len(), to.as_str()), (1, "lee@desk.example"));
    assert!(link.starts_with("https://desk.example:9443/enrol#wri1_"), "{link}");
    assert!(sent.text.contains(r#"id="sent""#) && !sent.text.contains("wri1_"), "{}", sent.text);
    let unsent = invite("nobody@desk.example").await;
    assert!(unsent.text.contains("the relay said no"), "{}", unsent.text);
    assert!(unsent.between(r#"<code id="link">"#, "</code>").contains("/enrol#wri1_"));
    let nowhere = invite("").await;
    assert!(
        nowhere.status.is_client_error() && nowhere.text.contains("needs an address"),
        "{}",
        nowhere.text
    );
    assert_eq!(house.letters.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_passkey_ceremony_begins_with_a_challenge_and_a_false_answer_is_refused() {
    let house = House::open().await;
    let door = get(&house, "/sign-in", "").await;
    let csrf = door.between(r#"data-csrf=""#, "\"").to_owned();
    let ask = |path: &str, cookies: String, body: &'static str| {
        let request = Request::post(path.to_owned())
            .header("host", "desk.example:9443")
            .header("origin", crate::house::ORIGIN)
            .header("cookie", cookies)
            .header("accept", "application/json")
            .header("x-csrf-token", &csrf)
            .header("content-type", "application/json");
        request.body(Body::from(body)).unwrap()
    };
    let start = house.send(ask("/sign-in/passkey/start", jar(&[&door]), "{}")).await;
    assert_eq!(start.status, StatusCode::OK, "{}", start.text);
    assert!(start.text.contains("challenge") && start.text.contains("desk.example"));
    let answer = r#"{"credential":{"id":"AAAA","client_data":"e30","authenticator_data":"AAAA","signature":"AAAA","user_handle":null}}"#;
    let finish = house.send(ask("/sign-in/passkey/finish", jar(&[&door, &start]), answer)).await;
    assert_eq!(finish.status, StatusCode::UNAUTHORIZED);
    assert_eq!(finish.headers["content-type"], "application/problem+json");
}
