//! The desk while it is looked at, and what tickets say: opened for a reason, recorded, and no leave for ever.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use guard::Role;
use guard::action::PostMessage;
use guard::{Circumstances, Permit, Visitor};
use http::{Request, StatusCode};
use kernel::{ConversationId, MessageText, Note, TicketId, Title};
use serde_json::Value;
use store::tickets::{self, NewTicket};
use store::{Via, users};

use crate::house::{House, Staff};

/// What a stream tells.
struct Told(BodyDataStream, String);

impl Told {
    /// The next event of this kind; `None` when the stream ends before.
    async fn next(&mut self, kind: &str) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.1.clone().split_once("\n\n") {
                self.1 = rest.to_owned();
                let line =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
                if line("event: ").as_deref() == Some(kind) {
                    return serde_json::from_str(&line("data: ")?).ok();
                }
            }
            let piece = tokio::time::timeout(Duration::from_secs(30), self.0.next()).await.unwrap()?;
            self.1.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }
}

async fn open(house: &House, path: &str, who: &Staff, reason: Option<&str>) -> Result<Told, StatusCode> {
    let mut request = Request::get(path).header("host", "desk.example:9443").header("cookie", who.cookie());
    if let Some(reason) = reason {
        request = request.header("wardroom-reason", reason);
    }
    let response = house.stream(request.body(axum::body::Body::empty()).unwrap()).await;
    match response.status() {
        StatusCode::OK => Ok(Told(response.into_body().into_data_stream(), String::new())),
        status => Err(status),
    }
}

/// The person of the conversation says something more.
async fn says(house: &House, id: ConversationId, text: &str) {
    let tenant = house.tenant;
    let row = house.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await.unwrap().unwrap();
    let person = Visitor { tenant, subject: row.subject, conversation: id };
    let now = Circumstances::at(house.world.now());
    let may: Permit<PostMessage> = house.guard.permit(&person.into(), &row.resource(), &now).unwrap();
    let text = MessageText::new(text).unwrap();
    house.conversations.send(may, text, None, &Via::default()).await.unwrap();
}

#[tokio::test]
async fn an_open_transcript_grows_as_it_is_spoken_and_each_opening_is_recorded() {
    let house = House::open().await;
    let id = house.conversation("My card is <gone>.").await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let page = house.post(&format!("/conversations/{id}"), &manager, &[("reason", "ticket 4711")]).await;
    let path = page.between("data-events=\"", "\"").to_owned();
    assert_eq!(page.between("data-reason=\"", "\""), "ticket 4711");
    let last: u64 = page.between("data-after=\"", "\"").parse().unwrap();
    let before = house.codes().await.iter().filter(|code| *code == "CHAT-1008I").count();

    assert_eq!(open(&house, &path, &manager, None).await.err(), Some(StatusCode::FORBIDDEN), "no reason");
    let developer = house.staff("developer", &[Role::BotDeveloper]).await;
    assert_eq!(open(&house, &path, &developer, Some("curious")).await.err(), Some(StatusCode::NOT_FOUND));

    let mut told =
        open(&house, &format!("{path}?after={last}"), &manager, Some("ticket%204711")).await.unwrap();
    let after = house.codes().await.iter().filter(|code| *code == "CHAT-1008I").count();
    assert_eq!(after, before + 1, "the opening is recorded, and the refusals show nothing");
    let state = told.next("state").await.unwrap();
    assert_eq!(
        (&state["state"], &state["may_answer"], &state["mine"]),
        (&"open".into(), &true.into(), &false.into())
    );
    says(&house, id, "Are you <b>there</b>?").await;
    let line = told.next("message").await.unwrap();
    assert_eq!((&line["who"], &line["text"]), (&"Visitor".into(), &"Are you <b>there</b>?".into()), "{line}");
    // Their own answer comes back over the stream, and the form of a script gets no page.
    let form = [("reason", "ticket 4711"), ("text", "I am here.")];
    let answered = house.post_by_script(&format!("/conversations/{id}/reply"), &manager, &form).await;
    assert_eq!((answered.status, answered.text.as_str()), (StatusCode::NO_CONTENT, ""));
    loop {
        let line = told.next("message").await.unwrap();
        if line["role"] == "agent" {
            assert_eq!(line["text"], "I am here.");
            break;
        }
    }
    let state = told.next("state").await.unwrap();
    assert_eq!((&state["state"], &state["mine"]), (&"handoff".into(), &true.into()), "{state}");
}

#[tokio::test]
async fn a_stream_ends_before_it_tells_what_was_said_after_the_account_was_disabled() {
    let house = House::open().await;
    let id = house.conversation("Hello").await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let mut told =
        open(&house, &format!("/conversations/{id}/live"), &manager, Some("ticket")).await.unwrap();
    told.next("state").await.unwrap();
    let (tenant, user) = (house.tenant, manager.user);
    house.db.write(move |tx| users::bump_epoch(tx, tenant, user)).await.unwrap();
    says(&house, id, "This is for nobody.").await;
    assert_eq!(told.next("message").await, None, "it ended without a word");
    assert_eq!(open(&house, "/conversations/live", &manager, None).await.err(), Some(StatusCode::SEE_OTHER));
}

#[tokio::test]
async fn the_list_shows_new_and_changed_conversations_and_says_to_the_log_whom_it_showed() {
    let house = House::open().await;
    let first = house.conversation("Hello").await;
    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let page = house.get("/conversations?state=open", &manager).await;
    let path = page.between("data-events=\"", "\"").replace("&#38;", "&").replace("&amp;", "&");
    let mut told = open(&house, &path, &manager, None).await.unwrap();
    let row = told.next("upsert").await.unwrap();
    assert_eq!(row["id"], first.to_string());
    assert!(page.text.contains(&format!(r#"data-version="{}""#, row["version"].as_str().unwrap())), "{row}");
    let listed = || async { house.codes().await.iter().filter(|code| *code == "CHAT-1009I").count() };
    let before = listed().await;
    let second = house.conversation("A second one").await;
    loop {
        let row = told.next("upsert").await.unwrap();
        assert!(!row.to_string().contains("second one"), "the list shows no words");
        if row["id"] == second.to_string() {
            break;
        }
    }
    assert_eq!(listed().await, before + 1, "one entry for the one who is new");
    says(&house, first, "Once more").await;
    while told.next("upsert").await.unwrap()["id"] != first.to_string() {}
    assert_eq!(listed().await, before + 1, "who was shown before is shown again");
    // Taken by a person, it is no longer among the open ones.
    let form = [("reason", "ticket"), ("text", "I am here.")];
    house.post_by_script(&format!("/conversations/{first}/reply"), &manager, &form).await;
    assert_eq!(told.next("remove").await.unwrap()["id"], first.to_string());
}

#[tokio::test]
async fn a_ticket_is_opened_by_who_may_read_its_conversation_for_a_reason_and_the_log_has_it() {
    let house = House::open().await;
    let id = house.conversation("I have a problem.").await;
    let (tenant, ticket): (_, TicketId) = (house.tenant, house.world.id());
    let row = house.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await.unwrap().unwrap();
    let key = house.keys.conversation_key(tenant, row.subject, id).await.unwrap();
    let person = Visitor { tenant, subject: row.subject, conversation: id };
    let now = Circumstances::at(house.world.now());
    let may: Permit<PostMessage> = house.guard.permit(&person.into(), &row.resource(), &now).unwrap();
    let new = NewTicket {
        id: ticket,
        now: house.world.now(),
        key_gen: key.generation(),
        title: key
            .seal(&tickets::title_place(tenant, ticket), &Title::new("A lost <card>").unwrap())
            .unwrap(),
        body: key.seal(&tickets::body_place(tenant, ticket), &Note::new("It was blue.").unwrap()).unwrap(),
        contact: Some(
            key.seal(&tickets::contact_place(tenant, ticket), &Note::new("ada@example.org").unwrap())
                .unwrap(),
        ),
    };
    house.db.write(move |tx| tickets::open(tx, &may, &new)).await.unwrap();

    let manager = house.staff("manager", &[Role::SupportManager]).await;
    let path = format!("/tickets/{ticket}");
    let list = house.get("/tickets", &manager).await;
    assert!(list.text.contains(&path) && !list.text.contains("blue") && !list.text.contains("ada@"));
    let one = house.get(&path, &manager).await;
    assert!(one.text.contains(r#"name="reason""#) && !one.text.contains("blue"), "{}", one.text);
    assert_eq!(house.post(&path, &manager, &[]).await.status, StatusCode::FORBIDDEN, "no reason");
    assert!(!house.codes().await.contains(&"CHAT-1008I".to_owned()));
    let opened = house.post(&path, &manager, &[("reason", "ticket 4711")]).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
    for shown in ["A lost &#60;card&#62;", "It was blue.", "ada@example.org", "Opened for: ticket 4711"] {
        assert!(opened.text.contains(shown), "{shown}: {}", opened.text);
    }
    assert_eq!(house.codes().await[0], "CHAT-1008I");
    // An agent to whom the conversation is not assigned sees that there is one, and not what it says.
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    assert!(house.get(&path, &agent).await.text.contains("You may not open this ticket"));
    assert_eq!(house.post(&path, &agent, &[("reason", "ticket 1")]).await.status, StatusCode::FORBIDDEN);
    let developer = house.staff("developer", &[Role::BotDeveloper]).await;
    assert_eq!(house.get(&path, &developer).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.post(&path, &developer, &[("reason", "curious")]).await.status, StatusCode::NOT_FOUND);
    let nothing = format!("/tickets/{}", house.world.id::<TicketId>());
    assert_eq!(house.get(&nothing, &manager).await.status, StatusCode::NOT_FOUND);
}
