//! Rotation under load: people go on talking while keys are rotated by the calendar and on demand, and
//! nothing that they ask for fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use custody::Why;
use guard::action::{OpenConversation, PostMessage, RotateKeys};
use guard::{Actor, Circumstances, Permit, Resource, Visitor};
use kernel::{BotName, ConversationId, MessageText, SubjectId};
use store::messages::{self, NewMessage, Next, Speaker};
use store::{StoreError, Via, conversations};

use crate::house::{DAY, House, Process, both, guard};

const SENDERS: usize = 24;

both!(nobody_notices_a_rotation, nobody_notices_a_rotation_by_another_process);

/// Somebody who talks, and what they said.
struct Talker {
    subject: SubjectId,
    conversation: ConversationId,
    said: u64,
}

impl Talker {
    async fn open(house: &House) -> Self {
        let (subject, conversation) = (house.world.id(), house.world.id());
        let bot = BotName::new("front-desk").unwrap();
        let (tenant, now) = (house.tenant, house.world.now());
        house.keys.conversation_key(tenant, subject, conversation).await.unwrap();
        let door = Resource::Bot { tenant, bot };
        let permit: Permit<OpenConversation> =
            guard().permit(&Actor::Anonymous { tenant }, &door, &Circumstances::at(now)).unwrap();
        let locale = "en".to_owned();
        let new = conversations::NewConversation {
            id: conversation,
            subject,
            now,
            locale,
            release: None,
            context: None,
        };
        house.db.write(move |tx| conversations::open(tx, &permit, &new)).await.unwrap();
        Self { subject, conversation, said: 0 }
    }

    fn permit(&self, house: &House) -> Permit<PostMessage> {
        let (tenant, subject, conversation) = (house.tenant, self.subject, self.conversation);
        let bot = BotName::new("front-desk").unwrap();
        let talk =
            Resource::Conversation { tenant, bot, conversation, subject, assignee: None, waiting: false };
        let visitor = Actor::Visitor(Visitor { tenant, subject, conversation });
        guard().permit(&visitor, &talk, &Circumstances::at(house.world.now())).unwrap()
    }

    /// Says one thing, as the room of conversations does: key, seal, row and event in one transaction.
    async fn say(&mut self, house: &House, process: &Process) -> Result<(), StoreError> {
        let key = process.keys.conversation_key(house.tenant, self.subject, self.conversation).await?;
        let scribe = process.keys.scribe(house.tenant).await?;
        let (permit, id, now) = (self.permit(house), house.world.id(), house.world.now());
        let text = MessageText::new(&format!("word {}", self.said)).unwrap();
        let (conversation, actor) = (self.conversation, permit.actor().clone());
        let job = move |tx: &mut store::Tx<'_>| {
            let Next::Fresh(slot) = messages::next(tx, &permit, id, Speaker::Person, now)? else {
                return Ok(());
            };
            let record = key.seal(&slot.place(), &text).map_err(StoreError::refuse)?;
            let sealed_bytes = record.as_bytes().len() as u64;
            let event = ledger::catalogue::MessageAccepted {
                conversation,
                message: id,
                seq: slot.seq(),
                sealed_bytes,
            };
            let new = NewMessage { record, citations: None, key_gen: key.generation(), author: None };
            messages::append(tx, slot, new)?;
            scribe.write(&event, &actor, &Via::default()).map_err(StoreError::refuse)?.append(tx)
        };
        process.db.write(job).await?;
        self.said += 1;
        Ok(())
    }

    /// Everything that was said, opened. Gives the number of generations it was sealed by.
    async fn read(&self, house: &House, process: &Process) -> Result<usize, StoreError> {
        let permit = self.permit(house);
        let rows = process.db.read(move |tx| messages::list(tx, &permit, 0, 10_000)).await?;
        assert_eq!(rows.len() as u64, self.said);
        let mut generations = std::collections::BTreeSet::new();
        for (number, row) in rows.iter().enumerate() {
            generations.insert(row.key_gen);
            let key = process
                .keys
                .conversation_key_at(house.tenant, self.subject, self.conversation, row.key_gen)
                .await?;
            let text: MessageText = key.open(&row.place(), &row.record).map_err(StoreError::refuse)?;
            assert_eq!(text.as_str(), format!("word {number}"));
        }
        Ok(generations.len())
    }
}

async fn nobody_notices_a_rotation(house: House) {
    let house = Arc::new(house);
    let process = house.first.clone();
    under_load(&house, process.clone(), process).await;
}

async fn nobody_notices_a_rotation_by_another_process(house: House) {
    let other = house.another(house.file_root(), None);
    let house = Arc::new(house);
    let process = house.first.clone();
    under_load(&house, process, other).await;
}

#[expect(clippy::print_stdout, reason = "the count is what the test shows")]
async fn under_load(house: &Arc<House>, serving: Process, tending: Process) {
    house.data_keys(2000).await;
    let (ended, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        let mut talker = Talker::open(house).await;
        let (house, serving) = (Arc::clone(house), serving.clone());
        let (ended, sent) = (Arc::clone(&ended), Arc::clone(&sent));
        senders.push(tokio::spawn(async move {
            let mut failed = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                match talker.say(&house, &serving).await {
                    Ok(()) => sent.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        failed.push(error);
                        break;
                    }
                };
            }
            (talker, failed)
        }));
    }
    let some_more = |more: u64| {
        let sent = Arc::clone(&sent);
        async move {
            let aim = sent.load(Ordering::Relaxed) + more;
            for _ in 0..3000 {
                if sent.load(Ordering::Relaxed) >= aim {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            panic!("the senders stand still");
        }
    };
    some_more(100).await;
    for _ in 0..3 {
        house.clock.advance(DAY * 90);
        let tended = tending.custody.tend().await.unwrap();
        assert!(tended.rotated.is_some_and(|rotated| rotated.made), "{tended:?}");
        some_more(100).await;
    }
    for _ in 0..3 {
        let permit = house.leave::<RotateKeys>(&house.operator());
        tending.custody.rotate(permit, Why::Demand, &Via::default()).await.unwrap();
        tending.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
        some_more(50).await;
    }
    ended.store(true, Ordering::Relaxed);
    let mut generations = 0;
    for sender in senders {
        let (talker, failed) = sender.await.unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        generations = generations.max(talker.read(house, &serving).await.unwrap());
    }
    assert!(generations >= 4, "{generations}");
    println!(
        "{} messages by {SENDERS} people over 3 rotations by the calendar and 3 on demand: 0 failed",
        sent.load(Ordering::Relaxed)
    );
    let tenant = house.tenant;
    tending.custody.rewrap(&house.tending(), |_| ()).await.unwrap();
    let left = serving
        .db
        .read(move |tx| (1..=6).try_fold(0, |sum, v| Ok(sum + store::custody::wraps(tx, tenant, v)?)))
        .await;
    assert_eq!(left.unwrap(), 0, "nothing is left under an old version");
}
