//! Opening what was said: for a reason, and never unseen.

use guard::Role;
use http::StatusCode;

use crate::house::House;

#[tokio::test]
async fn a_transcript_is_opened_for_a_reason_and_the_log_has_it() {
    let house = House::open().await;
    let id = house.conversation("My card is <gone>.").await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let list = house.get("/conversations?state=open&bot=front-desk&from=2020-01-01&to=", &manager).await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.text);
    let path = format!("/conversations/{id}");
    assert!(list.text.contains(&path) && !list.text.contains("gone"));
    assert_eq!(house.codes().await[0], "CHAT-1009I");

    let one = house.get(&path, &manager).await;
    assert!(one.text.contains(r#"name="reason""#) && !one.text.contains("gone"));

    let without = house.post(&path, &manager, &[]).await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    assert!(without.text.contains("for a stated reason"), "{}", without.text);
    let empty = house.post(&path, &manager, &[("reason", "  ")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!house.codes().await.contains(&"CHAT-1008I".to_owned()));

    let opened = house.post(&path, &manager, &[("reason", "ticket 4711")]).await;
    assert_eq!(opened.status, StatusCode::OK);
    assert!(opened.text.contains("My card is &#60;gone&#62;.") && opened.text.contains("ticket 4711"));
    assert_eq!(house.codes().await[0], "CHAT-1008I");
}

#[tokio::test]
async fn an_agent_opens_only_what_waits_or_is_theirs() {
    let house = House::open().await;
    let path = format!("/conversations/{}", house.conversation("Hello").await);
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    let one = house.get(&path, &agent).await;
    assert_eq!(one.status, StatusCode::OK);
    assert!(one.text.contains("You may not open this transcript") && !one.text.contains(r#"name="reason""#));
    assert_eq!(house.post(&path, &agent, &[("reason", "ticket 1")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.codes().await[0], "AUTH-1010W");
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_told_so() {
    let house = House::open().await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    for query in ["state=lost", "from=yesterday", "after=1", "bot=No+Bot"] {
        let page = house.get(&format!("/conversations?{query}"), &manager).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
    assert_eq!(house.get("/conversations?color=red", &manager).await.status, StatusCode::BAD_REQUEST);
    let tickets = house.get("/tickets?state=open", &manager).await;
    assert_eq!(tickets.status, StatusCode::OK);
    assert!(tickets.text.contains("No tickets"));
}
