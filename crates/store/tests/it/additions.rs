//! What is only added shares its statements, and whoever comes too late is told.

use guard::action::VerifyAudit;
use kernel::{MessageId, MessageText};
use ledger::Frontier;
use ledger::catalogue::MessageAccepted;
use store::messages::{self, NewMessage, Next, Slot, Speaker};
use store::{Addition, Keychain, Scribe, StoreError, Via, audit, conversations, keys};

use crate::group_commit::hold;
use crate::house::{House, both};
use crate::people::{Chat, Tenancy};

both!(
    additions_that_wait_share_a_commit_and_each_is_whole,
    whoever_comes_too_late_is_told_and_costs_the_others_nothing,
    several_messages_of_one_conversation_fit_into_one_batch,
    a_message_sent_twice_is_refused_and_the_others_are_kept,
    nothing_is_added_to_a_closed_or_erased_conversation,
    the_log_is_one_whoever_appends_to_it,
);

async fn scribe(house: &House, tenancy: &Tenancy) -> Scribe {
    let keys = Keychain::new(house.db.clone(), tenancy.keyring.clone(), tenancy.world.clone());
    keys.scribe(tenancy.tenant).await.unwrap()
}

async fn slot(house: &House, tenancy: &Tenancy, chat: &Chat, id: MessageId) -> Slot {
    let (permit, now) = (tenancy.says(chat), tenancy.world.now());
    let found = house.db.read(move |tx| messages::next(tx, &permit, id, Speaker::Person, now)).await.unwrap();
    let Next::Fresh(slot) = found else { panic!("it is new") };
    slot
}

fn addition(scribe: &Scribe, chat: &Chat, id: MessageId, slot: Slot) -> Addition {
    let text = MessageText::new("Is the door open?").unwrap();
    let record = chat.key.seal(&slot.place(), &text).unwrap();
    let told = MessageAccepted { conversation: chat.id, message: id, seq: slot.seq(), sealed_bytes: 105 };
    let event = scribe.write(&told, &chat.actor, &Via::default()).unwrap();
    let new = NewMessage { record, citations: None, key_gen: chat.key.generation(), author: None };
    Addition::new().message(slot, new).event(event)
}

async fn ready(house: &House, tenancy: &Tenancy, scribe: &Scribe, chat: &Chat) -> Addition {
    let id = tenancy.world.id();
    addition(scribe, chat, id, slot(house, tenancy, chat, id).await)
}

/// Queues additions behind a held writer, so that they share one batch, and gives their answers.
async fn together(house: &House, additions: Vec<Addition>) -> Vec<Result<(), StoreError>> {
    let (release, held) = hold(&house.db).await;
    let mut waiting = Vec::new();
    for addition in additions {
        let db = house.db.clone();
        let mut answer = Box::pin(async move { db.add(addition).await });
        // The first poll puts it in the queue.
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        waiting.push(answer);
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await);
    }
    answers
}

/// The number of leaves; they and the edge are one tree.
async fn log(house: &House, tenancy: &Tenancy) -> u64 {
    let permit = tenancy.permit::<VerifyAudit>(&tenancy.operator(), &tenancy.whole());
    let tenant = tenancy.tenant;
    let (leaves, edge) = house
        .db
        .read(move |tx| Ok((audit::walk(tx, &permit, 0, 10_000)?, audit::frontier(tx, tenant)?)))
        .await
        .unwrap();
    let mut tree = Frontier::new();
    for (at, leaf) in leaves.iter().enumerate() {
        assert_eq!(leaf.index, at as u64);
        assert_eq!(ledger::leaf_hash(leaf.json.as_deref().unwrap()), leaf.leaf_hash);
        tree.append(leaf.leaf_hash);
    }
    assert_eq!(tree, edge);
    edge.size()
}

async fn chain(house: &House, tenancy: &Tenancy, chat: &Chat) -> u64 {
    let (tenant, id) = (tenancy.tenant, chat.id);
    house.db.read(move |tx| messages::verify_chain(tx, tenant, id)).await.unwrap()
}

async fn additions_that_wait_share_a_commit_and_each_is_whole(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let scribe = scribe(&house, &tenancy).await;
    let (mut chats, mut additions) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let chat = tenancy.chat(&house).await;
        additions.push(ready(&house, &tenancy, &scribe, &chat).await);
        chats.push(chat);
    }
    let before = house.db.counts();
    assert!(together(&house, additions).await.iter().all(Result::is_ok));
    let after = house.db.counts();
    assert_eq!((after.commits - before.commits, after.reruns), (2, 0), "the holder's and theirs");
    for chat in &chats {
        assert_eq!(chain(&house, &tenancy, chat).await, 1);
    }
    assert_eq!(log(&house, &tenancy).await, 60);
}

async fn whoever_comes_too_late_is_told_and_costs_the_others_nothing(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let scribe = scribe(&house, &tenancy).await;
    let (quick, calm) = (tenancy.chat(&house).await, tenancy.chat(&house).await);
    let late = ready(&house, &tenancy, &scribe, &quick).await;
    tenancy.say(&house, &quick, "first").await.unwrap();
    // One that was overtaken before the batch, two that want one slot within it.
    let (one, two) =
        (ready(&house, &tenancy, &scribe, &calm).await, ready(&house, &tenancy, &scribe, &calm).await);
    let answers = together(&house, vec![late, one, two]).await;
    assert!(matches!(answers[..], [Err(StoreError::Moved), Ok(()), Err(StoreError::Moved)]), "{answers:?}");
    assert_eq!(house.db.counts().reruns, 0);
    assert_eq!((chain(&house, &tenancy, &quick).await, chain(&house, &tenancy, &calm).await), (1, 1));
    assert_eq!(log(&house, &tenancy).await, 1, "no event without its act");
}

async fn several_messages_of_one_conversation_fit_into_one_batch(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let scribe = scribe(&house, &tenancy).await;
    let chat = tenancy.chat(&house).await;
    let first = ready(&house, &tenancy, &scribe, &chat).await;
    let (permit, id, now) = (tenancy.says(&chat), tenancy.world.id(), tenancy.world.now());
    let next = first.tip().unwrap().next(&permit, id, Speaker::Person, now).unwrap();
    let second = addition(&scribe, &chat, id, next);
    let answers = together(&house, vec![first, second]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(chain(&house, &tenancy, &chat).await, 2);
    let other = tenancy.says(&tenancy.chat(&house).await);
    let tip = ready(&house, &tenancy, &scribe, &chat).await.tip().unwrap();
    assert!(tip.next(&other, id, Speaker::Person, now).is_err(), "a tip is its own conversation's");
}

async fn a_message_sent_twice_is_refused_and_the_others_are_kept(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let scribe = scribe(&house, &tenancy).await;
    let (chat, other) = (tenancy.chat(&house).await, tenancy.chat(&house).await);
    let id: MessageId = tenancy.world.id();
    let first = addition(&scribe, &chat, id, slot(&house, &tenancy, &chat, id).await);
    let (permit, now) = (tenancy.says(&chat), tenancy.world.now());
    let next = first.tip().unwrap().next(&permit, id, Speaker::Person, now).unwrap();
    let again = addition(&scribe, &chat, id, next);
    let calm = ready(&house, &tenancy, &scribe, &other).await;
    let answers = together(&house, vec![first, again, calm]).await;
    assert!(
        matches!(answers[..], [Ok(()), Err(StoreError::Conflict { what: "message" }), Ok(())]),
        "{answers:?}"
    );
    assert_eq!((chain(&house, &tenancy, &chat).await, chain(&house, &tenancy, &other).await), (1, 1));
    assert_eq!(log(&house, &tenancy).await, 2);
}

async fn nothing_is_added_to_a_closed_or_erased_conversation(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let scribe = scribe(&house, &tenancy).await;
    let (closed, erased) = (tenancy.chat(&house).await, tenancy.chat(&house).await);
    let both = vec![
        ready(&house, &tenancy, &scribe, &closed).await,
        ready(&house, &tenancy, &scribe, &erased).await,
    ];
    let (permit, now) = (tenancy.says(&closed), tenancy.world.now());
    let (tenant, subject) = (tenancy.tenant, erased.subject);
    house
        .db
        .write(move |tx| {
            conversations::set_state(tx, &permit, conversations::ConversationState::Closed, now)?;
            keys::erase_subject(tx, tenant, subject, now)
        })
        .await
        .unwrap();
    let answers = together(&house, both).await;
    assert!(matches!(answers[..], [Err(StoreError::Moved), Err(StoreError::Moved)]), "{answers:?}");
    let (permit, id) = (tenancy.says(&erased), tenancy.world.id());
    let refused = house.db.read(move |tx| messages::next(tx, &permit, id, Speaker::Person, now)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "erased person" })), "{refused:?}");
    assert_eq!(log(&house, &tenancy).await, 0);
}

async fn the_log_is_one_whoever_appends_to_it(house: House) {
    let tenancy = Tenancy::new(&house).await;
    let scribe = scribe(&house, &tenancy).await;
    let other = store::Db::open(&house.kind.url(), &tenancy.world).unwrap();
    let chat = tenancy.chat(&house).await;
    for round in 0..12 {
        // By the short way, by a job, and by another program, in turn.
        let addition = ready(&house, &tenancy, &scribe, &chat).await;
        match round % 3 {
            0 => house.db.add(addition).await.unwrap(),
            1 => other.add(addition).await.unwrap(),
            _ => {
                let told = MessageAccepted {
                    conversation: chat.id,
                    message: tenancy.world.id(),
                    seq: 1,
                    sealed_bytes: 1,
                };
                let event = scribe.write(&told, &chat.actor, &Via::default()).unwrap();
                house.db.write(move |tx| event.append(tx)).await.unwrap();
            }
        }
    }
    assert_eq!(log(&house, &tenancy).await, 12);
    assert_eq!(chain(&house, &tenancy, &chat).await, 8);
}
