//! Who gets in, what the others are told, and what is written down.

use std::sync::atomic::Ordering;

use doors::{Authorized, Doors, Form};
use guard::action::*;
use http::Method;

use super::house::{Answer, House, ask, hang, send};

async fn post(leave: Authorized<PostMessage>) -> String {
    leave.permit().conversation().unwrap().to_string()
}

async fn open(leave: Authorized<ReadTranscript>) -> String {
    leave.into_permit().reason().unwrap().as_str().to_owned()
}

async fn list(leave: Authorized<ListConversations>) -> String {
    leave.permit().bot().map(ToString::to_string).unwrap_or_default()
}

async fn begin(_: Authorized<OpenConversation>) {}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Invite {
    name: String,
}

async fn invite(_: Authorized<InviteUser>, Form(invite): Form<Invite>) -> String {
    invite.name
}

async fn form_page(leave: Authorized<InviteUser>) -> String {
    leave.csrf().map(|token| token.expose().to_owned()).unwrap_or_default()
}

fn doors() -> Doors<House> {
    Doors::new()
        .guarded(Method::POST, "/chat/{id}/messages", post)
        .guarded(Method::GET, "/conversations/{id}", open)
        .guarded(Method::POST, "/conversations/{id}/open", open)
        .guarded(Method::GET, "/conversations", list)
        .guarded(Method::POST, "/chat", begin)
        .guarded(Method::POST, "/users", invite)
        .guarded(Method::GET, "/users/invite", form_page)
}

async fn go(house: &House, method: &str, path: &str, who: &str) -> Answer {
    let bearer = format!("Bearer {who}");
    let headers: &[(&str, &str)] = if who.is_empty() { &[] } else { &[("authorization", bearer.as_str())] };
    send(&hang(doors(), house), ask(method, path, headers, "")).await
}

#[tokio::test]
async fn a_visitor_posts_into_their_own_conversation() {
    let house = House::new();
    let answer = go(&house, "POST", &format!("/chat/{}/messages", house.chat), "visitor").await;
    assert_eq!((answer.status.as_u16(), answer.body), (200, house.chat.to_string()));
    assert_eq!(*house.record.lock().unwrap(), ["chat.send yes, end_user.send"]);
}

#[tokio::test]
async fn a_stranger_is_asked_to_sign_in_whether_the_thing_exists_or_not() {
    let house = House::new();
    let other = kernel::World::real().id::<kernel::ConversationId>();
    for id in [house.chat.to_string(), other.to_string(), "x".to_owned()] {
        let answer = go(&house, "POST", &format!("/chat/{id}/messages"), "").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="wardroom""#);
        assert!(answer.told("mend").contains("authorization"));
    }
    assert_eq!(go(&house, "POST", "/chat", "").await.status, 200);
    assert_eq!(go(&house, "POST", "/chat", "expired").await.told("detail"), "The token is not valid.");
}

#[tokio::test]
async fn what_one_may_not_see_reads_exactly_like_what_is_not_there() {
    let house = House::new();
    let mut answers = Vec::new();
    let other = kernel::World::real().id::<kernel::ConversationId>().to_string();
    for id in [house.chat.to_string(), other, "x".to_owned(), "x%20y".to_owned()] {
        let answer = go(&house, "GET", &format!("/conversations/{id}"), "developer").await;
        assert_eq!(answer.status, 404);
        let strip = |text: String| text.split(r#","instance""#).next().unwrap().to_owned();
        answers.push((strip(answer.body), answer.headers.len()));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(*house.record.lock().unwrap(), ["transcript.read no, separation.developer_transcripts"]);
}

#[tokio::test]
async fn what_one_may_see_but_not_do_is_403_with_the_mend() {
    let house = House::new();
    let answer = go(&house, "GET", &format!("/conversations/{}", house.chat), "manager").await;
    assert_eq!(answer.status, 403);
    let detail = "Refused by the rule `guard.purpose`: a transcript is opened for a stated reason.";
    assert_eq!(answer.told("detail"), detail);
    assert!(answer.told("mend").starts_with("State why"));
    let answer = go(&house, "GET", "/conversations", "developer").await;
    assert_eq!(answer.status, 403, "that there is a list of conversations is no secret");
}

#[tokio::test]
async fn a_reason_is_stated_in_a_header_or_a_form_and_reaches_the_permit() {
    let house = House::new();
    let router = hang(doors(), &house);
    let path = format!("/conversations/{}", house.chat);
    let who = ("authorization", "Bearer manager");
    let reason = ("wardroom-reason", "a%20complaint%20of%20%C3%84nne");
    let answer = send(&router, ask("GET", &path, &[who, reason], "")).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "a complaint of Änne"));

    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = "reason=a+complaint";
    let answer = send(&router, ask("POST", &format!("{path}/open"), &[who, form], body)).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "a complaint"));

    for bad in ["%FF", "%20", "%00x", &"x".repeat(501)] {
        let answer = send(&router, ask("GET", &path, &[who, ("wardroom-reason", bad)], "")).await;
        assert_eq!(answer.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let house = House::new();
    house.record_fails.store(true, Ordering::SeqCst);
    let answer = go(&house, "POST", &format!("/chat/{}/messages", house.chat), "visitor").await;
    assert_eq!(
        (answer.status.as_u16(), answer.told("detail").as_str()),
        (503, "The ledger does not answer.")
    );
}

#[tokio::test]
async fn a_list_can_be_asked_for_one_bot() {
    let house = House::new();
    assert_eq!(go(&house, "GET", "/conversations?bot=front-desk", "manager").await.body, "front-desk");
    assert_eq!(go(&house, "GET", "/conversations", "manager").await.body, "");
    for bad in ["?bot=a&bot=b", "?bot=../x", "?bot="] {
        let answer = go(&house, "GET", &format!("/conversations{bad}"), "manager").await;
        assert_eq!(answer.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn a_cookie_changes_things_only_from_our_own_pages() {
    let house = House::new();
    let router = hang(doors(), &house);
    let cookie = house.cookie_line();
    let cookie = ("cookie", cookie.as_str());
    let form = ("content-type", "application/x-www-form-urlencoded");
    let ours = ("origin", "https://desk.example");

    let page = send(&router, ask("GET", "/users/invite", &[cookie], "")).await;
    assert_eq!(page.status, 200);
    let token = page.body;
    let body = format!("name=Ada&csrf_token={token}");
    let answer = send(&router, ask("POST", "/users", &[cookie, form, ours], body.clone())).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, "Ada"),
        "the token is not part of the form"
    );
    let shown = ("x-csrf-token", token.as_str());
    let answer = send(&router, ask("POST", "/users", &[cookie, form, ours, shown], "name=Ada")).await;
    assert_eq!(answer.status, 200);

    let foreign = ("origin", "https://evil.example");
    let cross = ("sec-fetch-site", "cross-site");
    for (headers, body) in [
        (vec![cookie, form, ours], "name=Ada".to_owned()),
        (vec![cookie, form, ours], format!("name=Ada&csrf_token={}", "A".repeat(43))),
        (vec![cookie, form, foreign], body.clone()),
        (vec![cookie, form], body.clone()),
        (vec![cookie, form, ours, cross], body.clone()),
        (vec![cookie, ("content-type", "text/plain"), ours], body),
    ] {
        let answer = send(&router, ask("POST", "/users", &headers, body)).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert_eq!(answer.told("mend"), "Reload the page and do it again from there.");
    }
    // No browser sends a bearer token by itself.
    let bearer = ("authorization", "Bearer owner");
    assert_eq!(send(&router, ask("POST", "/users", &[bearer, form], "name=Ada")).await.status, 200);
}
