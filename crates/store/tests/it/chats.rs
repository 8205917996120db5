//! Conversations, messages and tickets.

use guard::action::{
    ListConversations, OpenConversation, PostMessage, ReadOwnData, ReadTranscript, ReplyToConversation,
};
use guard::{Actor, Resource, Role};
use kernel::{MessageText, Note, TicketId, Title};
use store::conversations::{ConversationState, Filter, Flow};
use store::messages::{ChainError, Next, Speaker};
use store::{StoreError, conversations, messages, tickets};
use vault::{Purpose, Sealed};

use crate::house::{House, both};
use crate::people::{Chat, Tenancy, bot, say};

both!(
    what_was_said_is_read_back_in_order,
    a_message_sent_again_is_stored_once,
    messages_sent_at_once_get_numbers_without_gaps,
    a_job_that_fails_after_its_message_leaves_no_gap,
    two_programs_append_to_one_conversation,
    a_closed_conversation_takes_no_message_and_stays_closed,
    changed_moved_and_missing_rows_break_the_chain,
    a_record_moved_to_another_row_does_not_open,
    conversations_are_listed_by_page_and_filter,
    a_person_reaches_all_of_their_conversations_and_nobody_elses,
    one_agent_takes_a_waiting_conversation,
    a_flow_state_is_kept_and_dropped,
    a_ticket_is_opened_listed_and_closed,
    no_byte_of_what_was_said_is_in_the_database,
);

fn text(text: &str) -> MessageText {
    MessageText::new(text).unwrap()
}

fn read(tenancy: &Tenancy, chat: &Chat) -> guard::Permit<ReadTranscript> {
    tenancy.permit(&tenancy.staff(Role::SupportManager), &chat.resource)
}

async fn transcript(house: &House, tenancy: &Tenancy, chat: &Chat) -> Vec<String> {
    let permit = read(tenancy, chat);
    let rows = house.db.read(move |tx| messages::list(tx, &permit, 0, 1000)).await.unwrap();
    rows.iter().map(|row| chat.key.open(&row.place(), &row.record).unwrap().as_str().to_owned()).collect()
}

async fn verify(house: &House, tenancy: &Tenancy, chat: &Chat) -> Result<u64, ChainError> {
    let (tenant, id) = (tenancy.tenant, chat.id);
    let answer = house.db.read(move |tx| messages::verify_chain(tx, tenant, id)).await;
    answer.map_err(|error| *error.refusal::<ChainError>().unwrap())
}

async fn what_was_said_is_read_back_in_order(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    for (n, words) in ["Good morning.", "Is the door open?", "Thank you."].iter().enumerate() {
        assert_eq!(tenancy.say(&house, &chat, words).await.unwrap(), n as u64 + 1);
    }
    assert_eq!(
        transcript(&house, &tenancy, &chat).await,
        ["Good morning.", "Is the door open?", "Thank you."]
    );
    assert_eq!(verify(&house, &tenancy, &chat).await, Ok(3));

    let permit = read(&tenancy, &chat);
    let (later, last, whole) = house
        .db
        .read(move |tx| {
            Ok((
                messages::list(tx, &permit, 1, 1)?,
                messages::last(tx, &permit, 2)?,
                conversations::get(tx, &permit)?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(later.iter().map(|m| m.seq).collect::<Vec<_>>(), [2]);
    assert_eq!(last.iter().map(|m| m.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((whole.last_seq, whole.state), (3, ConversationState::Open));
    assert_eq!(whole.resource(), chat.resource);
}

async fn a_message_sent_again_is_stored_once(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let (id, now) = (tenancy.world.id(), tenancy.world.now());
    for _ in 0..3 {
        let (permit, key) = (tenancy.says(&chat), chat.key.clone());
        let put = move |tx: &mut store::Tx<'_>| say(tx, &permit, &key, id, &text("once"), now);
        assert_eq!(house.db.write(put).await.unwrap(), 1);
    }
    assert_eq!(transcript(&house, &tenancy, &chat).await, ["once"]);
}

async fn messages_sent_at_once_get_numbers_without_gaps(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let mut waiting = Vec::new();
    for n in 0..100 {
        let (db, permit, key) = (house.db.clone(), tenancy.says(&chat), chat.key.clone());
        let (id, now, text) = (tenancy.world.id(), tenancy.world.now(), text(&format!("message {n}")));
        waiting.push(tokio::spawn(async move {
            db.write(move |tx| say(tx, &permit, &key, id, &text, now)).await
        }));
    }
    let mut numbers = Vec::new();
    for job in waiting {
        numbers.push(job.await.unwrap().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(verify(&house, &tenancy, &chat).await, Ok(100));
}

async fn a_job_that_fails_after_its_message_leaves_no_gap(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    tenancy.say(&house, &chat, "first").await.unwrap();
    let (permit, key) = (tenancy.says(&chat), chat.key.clone());
    let (id, now) = (tenancy.world.id(), tenancy.world.now());
    let failed = house
        .db
        .write(move |tx| {
            say(tx, &permit, &key, id, &text("never"), now)?;
            Err::<(), _>(StoreError::Missing { what: "anything" })
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(tenancy.say(&house, &chat, "second").await.unwrap(), 2);
    assert_eq!(transcript(&house, &tenancy, &chat).await, ["first", "second"]);
}

async fn two_programs_append_to_one_conversation(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let other = store::Db::open(&house.kind.url(), &house.world).unwrap();
    let mut waiting = Vec::new();
    for n in 0..60 {
        let db = if n % 2 == 0 { house.db.clone() } else { other.clone() };
        let (permit, key) = (tenancy.says(&chat), chat.key.clone());
        let (id, now, text) = (tenancy.world.id(), tenancy.world.now(), text(&format!("message {n}")));
        waiting.push(tokio::spawn(async move {
            db.write(move |tx| say(tx, &permit, &key, id, &text, now)).await
        }));
    }
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    assert_eq!(verify(&house, &tenancy, &chat).await, Ok(60));
}

async fn a_closed_conversation_takes_no_message_and_stays_closed(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    for (state, fine) in [(ConversationState::Closed, true), (ConversationState::Open, false)] {
        let (permit, now) = (tenancy.says(&chat), tenancy.world.now());
        let set = house.db.write(move |tx| conversations::set_state(tx, &permit, state, now)).await;
        assert_eq!(set.is_ok(), fine);
    }
    let late = tenancy.say(&house, &chat, "too late").await;
    assert!(matches!(late, Err(StoreError::Conflict { what: "closed conversation" })), "{late:?}");
}

async fn changed_moved_and_missing_rows_break_the_chain(house: House) {
    for (sql, found) in [
        ("UPDATE messages SET created_ms = created_ms + 1 WHERE seq = 2", ChainError::Changed { seq: 2 }),
        ("UPDATE messages SET role = 2 WHERE seq = 3", ChainError::Changed { seq: 3 }),
        ("UPDATE messages SET citations = record WHERE seq = 1", ChainError::Changed { seq: 1 }),
        ("DELETE FROM messages WHERE seq = 2", ChainError::Gap { seq: 2 }),
        ("DELETE FROM messages WHERE seq = 4", ChainError::End),
        ("UPDATE conversations SET last_seq = 3", ChainError::End),
    ] {
        let tenancy = Tenancy::new(&house).await;
        let chat = tenancy.chat(&house).await;
        for n in 0..4 {
            tenancy.say(&house, &chat, &format!("message {n}")).await.unwrap();
        }
        assert_eq!(verify(&house, &tenancy, &chat).await, Ok(4));
        house.db.write(move |tx| tx.execute(sql, &[])).await.unwrap();
        assert_eq!(verify(&house, &tenancy, &chat).await, Err(found), "{sql}");
    }
}

async fn a_record_moved_to_another_row_does_not_open(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    tenancy.say(&house, &chat, "pay 10").await.unwrap();
    tenancy.say(&house, &chat, "pay 99").await.unwrap();
    house
        .db
        .write(|tx| {
            tx.execute(
                "UPDATE messages SET record = (SELECT m.record FROM messages m WHERE m.seq = 2) WHERE seq = 1",
                &[],
            )
        })
        .await
        .unwrap();
    let permit = read(&tenancy, &chat);
    let rows = house.db.read(move |tx| messages::list(tx, &permit, 0, 10)).await.unwrap();
    assert!(chat.key.open(&rows[0].place(), &rows[0].record).is_err());
    assert!(chat.key.open(&rows[1].place(), &rows[1].record).is_ok());
}

async fn conversations_are_listed_by_page_and_filter(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let elsewhere = Tenancy::new(&house).await;
    elsewhere.chat(&house).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(tenancy.chat(&house).await);
    }
    let (permit, now) = (tenancy.says(&ids[1]), tenancy.world.now());
    house
        .db
        .write(move |tx| conversations::set_state(tx, &permit, ConversationState::Handoff, now))
        .await
        .unwrap();

    let manager = tenancy.staff(Role::SupportManager);
    let list = async |filter: Filter, resource: &Resource| {
        let permit = tenancy.permit::<ListConversations>(&manager, resource);
        let page = house.db.read(move |tx| conversations::list(tx, &permit, &filter)).await.unwrap();
        page.into_iter().map(|c| (c.last, c.id)).collect::<Vec<_>>()
    };
    let whole = tenancy.whole();
    let all = list(Filter::default(), &whole).await;
    assert_eq!(all.len(), 5, "another tenant's are not among them");

    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = list(Filter { after, limit: 2, ..Filter::default() }, &whole).await;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        paged.extend(page);
    }
    assert_eq!(paged, all);

    let waiting = list(Filter { state: Some(ConversationState::Handoff), ..Filter::default() }, &whole).await;
    assert_eq!(waiting.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [ids[1].id]);
    let other_bot = kernel::BotName::new("back-office").unwrap();
    let none = list(Filter { bot: Some(other_bot.clone()), ..Filter::default() }, &whole).await;
    assert!(none.is_empty());
    let tenant = tenancy.tenant;
    assert!(list(Filter::default(), &Resource::Bot { tenant, bot: other_bot }).await.is_empty());
    assert_eq!(list(Filter::default(), &Resource::Bot { tenant, bot: bot() }).await.len(), 5);
    assert_eq!(list(Filter::default(), &ids[0].resource).await.len(), 1);
    assert!(list(Filter { to: tenancy.world.now(), ..Filter::default() }, &whole).await.is_empty());

    let permit = tenancy.permit::<ListConversations>(&manager, &whole);
    let counted = house.db.read(move |tx| conversations::count(tx, &permit)).await.unwrap();
    assert_eq!(counted, [(ConversationState::Handoff, 1), (ConversationState::Open, 4)]);
}

async fn a_person_reaches_all_of_their_conversations_and_nobody_elses(house: House) {
    let tenancy = Tenancy::new(&house).await;
    tenancy.chat(&house).await;
    let mut mine = vec![tenancy.chat(&house).await];
    let person = mine[0].subject;
    for _ in 0..6 {
        mine.push(tenancy.try_chat(&house, person).await.unwrap());
    }
    tenancy.say(&house, &mine[2], "one").await.unwrap();
    tenancy.say(&house, &mine[2], "two").await.unwrap();

    let permit = || tenancy.permit::<ReadOwnData>(&mine[0].actor, &mine[0].resource);
    let inside = permit();
    let sum = house.db.read(move |tx| conversations::sum_of_person(tx, &inside)).await.unwrap();
    assert_eq!(sum, (7, 2));
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let (inside, last) = (permit(), before.take());
        let read = move |tx: &mut store::Read<'_>| conversations::of_person(tx, &inside, last.as_ref(), 3);
        let page = house.db.read(read).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.clone());
        found.extend(page.into_iter().map(|row| row.id));
    }
    mine.sort_by_key(|chat| std::cmp::Reverse(kernel::Id::to_bytes(chat.id)));
    assert_eq!(found, mine.iter().map(|chat| chat.id).collect::<Vec<_>>());
}

async fn one_agent_takes_a_waiting_conversation(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let (permit, now) = (tenancy.says(&chat), tenancy.world.now());
    house
        .db
        .write(move |tx| conversations::set_state(tx, &permit, ConversationState::Handoff, now))
        .await
        .unwrap();
    let (tenant, id) = (tenancy.tenant, chat.id);
    let waiting = house.db.read(move |tx| conversations::facts(tx, tenant, id)).await.unwrap().unwrap();
    let (first, second) = (tenancy.staff(Role::SupportAgent), tenancy.staff(Role::SupportAgent));
    let take = async |agent: &Actor| {
        let permit = tenancy.permit::<ReplyToConversation>(agent, &waiting.resource());
        house.db.write(move |tx| conversations::take(tx, &permit, now)).await
    };
    take(&first).await.unwrap();
    take(&first).await.unwrap();
    assert!(matches!(take(&second).await, Err(StoreError::Conflict { .. })));
    let taken = house.db.read(move |tx| conversations::facts(tx, tenant, id)).await.unwrap().unwrap();
    assert_eq!(taken.assignee, first.staff().map(|staff| staff.user));
}

async fn a_flow_state_is_kept_and_dropped(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let place = conversations::flow_place(tenancy.tenant, chat.id, 1);
    let sealed = chat.key.seal(&place, &b"asked for the order number".to_vec()).unwrap();
    for flow in [Some(Flow { sealed, key_gen: 1, seq: 1 }), None] {
        let (permit, kept) = (tenancy.says(&chat), flow.clone());
        house.db.write(move |tx| conversations::set_flow(tx, &permit, kept.as_ref())).await.unwrap();
        let permit = tenancy.permit::<PostMessage>(&chat.actor, &chat.resource);
        let found = house.db.read(move |tx| conversations::flow(tx, &permit)).await.unwrap();
        assert_eq!(found.map(|f| (f.sealed, f.key_gen, f.seq)), flow.map(|f| (f.sealed, f.key_gen, f.seq)));
    }
}

async fn a_ticket_is_opened_listed_and_closed(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let key = tenancy.key(&house, Purpose::Ticket).await;
    let id: TicketId = tenancy.world.id();
    let tenant = tenancy.tenant;
    let new = tickets::NewTicket {
        id,
        now: tenancy.world.now(),
        key_gen: key.generation(),
        title: key.seal(&tickets::title_place(tenant, id), &Title::new("A lost parcel").unwrap()).unwrap(),
        body: key.seal(&tickets::body_place(tenant, id), &Note::new("It never came.").unwrap()).unwrap(),
        contact: None,
    };
    let permit = tenancy.says(&chat);
    house.db.write(move |tx| tickets::open(tx, &permit, &new)).await.unwrap();

    let manager = tenancy.staff(Role::SupportManager);
    let permit = tenancy.permit::<ListConversations>(&manager, &tenancy.whole());
    let page = house.db.read(move |tx| tickets::list(tx, &permit, None, None, 10)).await.unwrap();
    assert_eq!(page.len(), 1);
    let title: Title = key.open(&tickets::title_place(tenant, id), &page[0].title).unwrap();
    assert_eq!(title.as_str(), "A lost parcel");

    let permit = tenancy.permit::<ReplyToConversation>(&manager, &chat.resource);
    let now = tenancy.world.now();
    let close =
        move |tx: &mut store::Tx<'_>| tickets::set_state(tx, &permit, id, tickets::TicketState::Closed, now);
    house.db.write(close).await.unwrap();
    let found = house.db.read(move |tx| tickets::find(tx, tenant, id)).await.unwrap().unwrap();
    assert_eq!(found.state, tickets::TicketState::Closed);
    assert_eq!(found.conversation, chat.id);
}

async fn no_byte_of_what_was_said_is_in_the_database(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    tenancy.say(&house, &chat, "canary-7f3a9 sings").await.unwrap();
    let needle = b"canary-7f3a9";
    let found = match house.file() {
        Some(file) => ["db", "db-wal", "db-shm"].iter().any(|ending| {
            let bytes = std::fs::read(file.with_extension(ending)).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        }),
        None => {
            let permit = read(&tenancy, &chat);
            let rows = house.db.read(move |tx| messages::list(tx, &permit, 0, 10)).await.unwrap();
            let record: &Sealed<MessageText> = &rows[0].record;
            record.as_bytes().windows(needle.len()).any(|window| window == needle)
        }
    };
    assert!(!found);
    assert_eq!(transcript(&house, &tenancy, &chat).await, ["canary-7f3a9 sings"]);
}

#[tokio::test]
async fn a_permit_for_one_conversation_does_not_reach_another() {
    let house = House::sqlite();
    let tenancy = Tenancy::new(&house).await;
    let (mine, theirs) = (tenancy.chat(&house).await, tenancy.chat(&house).await);
    tenancy.say(&house, &theirs, "not for you").await.unwrap();
    // The conversation comes out of the permit: there is no parameter with which to ask for another.
    let permit = tenancy.says(&mine);
    let rows = house.db.read(move |tx| messages::list(tx, &permit, 0, 10)).await.unwrap();
    assert!(rows.is_empty());
    let refused = crate::people::guard().permit::<OpenConversation>(
        &mine.actor,
        &theirs.resource,
        &guard::Circumstances::at(tenancy.world.now()),
    );
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_slot_names_what_the_seal_must_name() {
    let house = House::sqlite();
    let tenancy = Tenancy::new(&house).await;
    let chat = tenancy.chat(&house).await;
    let (permit, id, now) = (tenancy.says(&chat), tenancy.world.id(), tenancy.world.now());
    let (one, two) = house
        .db
        .write(move |tx| {
            let Next::Fresh(one) = messages::next(tx, &permit, id, Speaker::Person, now)? else { panic!() };
            let Next::Fresh(two) = messages::next(tx, &permit, id, Speaker::Bot, now)? else { panic!() };
            Ok((one.place(), two.place()))
        })
        .await
        .unwrap();
    assert_ne!(one, two, "the same place for another speaker would let roles be swapped");
}
