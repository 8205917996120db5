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

#[tokio::test]
async fn a_manager_answers_gives_back_and_closes_and_every_step_is_in_the_log() {
    let house = House::open().await;
    let id = house.conversation("I want a person.").await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let path = format!("/conversations/{id}");
    let form = [("reason", "ticket 4711"), ("text", "Good day, <b>I</b> am here.")];
    let answered = house.post(&format!("{path}/reply"), &manager, &form).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text);
    assert!(answered.text.contains("Good day, &#60;b&#62;I&#60;/b&#62; am here."), "{}", answered.text);
    assert!(answered.text.contains(r#"data-role="agent""#) && answered.text.contains("Give back to the bot"));
    assert_eq!(house.codes().await[..3], ["CHAT-1008I", "CHAT-1002I", "CHAT-1010I"]);

    let second = house.staff("second", &[Role::SupportManager]).await;
    let other = house.post(&format!("{path}/reply"), &second, &form).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.text.contains("Another member of staff"), "{}", other.text);

    let back = house.post(&format!("{path}/give-back"), &manager, &[]).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, &*format!("{path}?done=given-back")));
    assert!(house.get(back.location(), &manager).await.text.contains("The bot answers again."));
    assert_eq!(house.codes().await[0], "CHAT-1010I");

    let closed = house.post(&format!("{path}/close"), &manager, &[]).await;
    assert_eq!(closed.status, StatusCode::SEE_OTHER);
    assert_eq!(house.codes().await[0], "CHAT-1004I");
    let late = house.post(&format!("{path}/reply"), &manager, &form).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text.contains("This conversation is closed."));
    let read = house.post(&path, &manager, &[("reason", "ticket 4711")]).await;
    assert!(read.status == StatusCode::OK && !read.text.contains("Your message"));
}

#[tokio::test]
async fn an_answer_needs_a_reason_for_the_transcript_it_stands_in_and_a_role() {
    let house = House::open().await;
    let path = format!("/conversations/{}/reply", house.conversation("Hello").await);
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    let form = [("reason", "ticket 1"), ("text", "Hello")];
    assert_eq!(house.post(&path, &agent, &form).await.status, StatusCode::FORBIDDEN);
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let empty = house.post(&path, &manager, &[("reason", "ticket 1"), ("text", " ")]).await;
    assert!(empty.status.is_client_error(), "{}", empty.status);
    let developer = house.staff("developer", &[Role::BotDeveloper]).await;
    assert!(house.post(&path, &developer, &form).await.status.is_client_error());
    assert!(!house.codes().await.contains(&"CHAT-1010I".to_owned()), "nobody took it");
}
