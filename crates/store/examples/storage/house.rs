//! A database with one conversation for each sender, and beside its tables two of the same shape for
//! what is plain.

use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use guard::action::{OpenConversation, PostMessage};
use guard::{Actor, Circumstances, Guard, Permit, Resource, Visitor};
use kernel::{BotName, ConversationId, Id, MessageId, MessageText, SubjectId, TenantId, World};
use ledger::catalogue::MessageAccepted;
use store::messages::{self, NewMessage, Next, Speaker, Tip};
use store::{
    Addition, Db, DbUrl, Keychain, Scribe, StoreError, Tx, Via, conversations, params, tenants, translate,
};
use vault::{CachePolicy, DataKey, FileRoot, Keyring};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// A message of 180 characters: longer than most that people type to a bot.
const TEXT: &str = "Good morning. My parcel 4711 was to come on Tuesday and it is not here yet. Could you \
                    tell me where it is, and whether somebody has to be at home to take it in? Thank you.";

/// The same columns, keys and indexes as `messages` and `ledger_leaves`.
const TWINS: &str = "CREATE TABLE plain_messages (
    tenant BLOB NOT NULL,
    conversation BLOB NOT NULL,
    seq BIGINT NOT NULL,
    id BLOB NOT NULL,
    role BIGINT NOT NULL,
    author BLOB,
    content_type BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    key_gen BIGINT NOT NULL,
    record BLOB NOT NULL,
    citations BLOB,
    row_hash BLOB NOT NULL,
    PRIMARY KEY (tenant, conversation, seq),
    UNIQUE (tenant, conversation, id),
    FOREIGN KEY (tenant, conversation) REFERENCES conversations (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE plain_leaves (
    tenant BLOB NOT NULL REFERENCES ledger_trees (tenant),
    idx BIGINT NOT NULL,
    event BLOB NOT NULL,
    code TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    actor BLOB,
    json BLOB,
    leaf_hash BLOB NOT NULL,
    detail BLOB,
    detail_gen BIGINT,
    PRIMARY KEY (tenant, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX plain_leaves_by_code ON plain_leaves (tenant, code, idx);
CREATE INDEX plain_leaves_by_actor ON plain_leaves (tenant, actor, idx) WHERE actor IS NOT NULL;";

/// One sender's conversation.
struct Lane {
    tip: Arc<Mutex<Option<Tip>>>,
    conversation: ConversationId,
    key: Arc<DataKey>,
    permit: Arc<Permit<PostMessage>>,
    actor: Actor,
}

pub(crate) struct House {
    db: Db,
    world: World,
    tenant: TenantId,
    scribe: Scribe,
    lanes: Vec<Lane>,
    /// The bytes of one audit entry, for the plain rows.
    json: Arc<Vec<u8>>,
    next: Arc<AtomicI64>,
}

impl House {
    pub(crate) async fn new(url: &DbUrl, root: std::path::PathBuf, senders: usize) -> Result<Self, Failed> {
        let world = World::real();
        let db = Db::open(url, &world)?;
        let root = FileRoot::create(root, world.clone())?;
        let keyring = Keyring::new(Arc::new(root), world.clone(), CachePolicy::default());
        let keys = Keychain::new(db.clone(), Arc::new(keyring), world.clone());
        let (tenant, now, guard): (TenantId, _, _) = (world.id(), world.now(), Guard::embedded()?);
        let twins = translate(TWINS, db.dialect());
        db.write(move |tx| {
            tenants::create(tx, tenant, now)?;
            for statement in twins.split(';').filter(|statement| !statement.trim().is_empty()) {
                // A statement is a constant; a measurement's tables are made once and may leak theirs.
                tx.execute(String::leak(statement.to_owned()), &[])?;
            }
            Ok(())
        })
        .await?;
        keys.prepare(tenant).await?;
        let scribe = keys.scribe(tenant).await?;
        let mut lanes = Vec::new();
        for _ in 0..senders {
            lanes.push(lane(&db, &keys, &guard, &world, tenant).await?);
        }
        let first = lanes.first().ok_or("no sender")?;
        let told = MessageAccepted {
            conversation: first.conversation,
            message: world.id(),
            seq: 1,
            sealed_bytes: 297,
        };
        let _ = scribe.write(&told, &first.actor, &Via::default())?;
        let who = ledger::ActorRef::Visitor(ledger::Pseudonym::from_mac([1; 16]));
        let header = ledger::Header::new(tenant, world.id(), now, who);
        let json = Arc::new(ledger::Entry::record(&told, &header).json().to_vec());
        Ok(Self { db, world, tenant, scribe, lanes, json, next: Arc::default() })
    }

    /// The plain rows that one message makes: the message, and with `entry` its event.
    fn plain(
        &self,
        lane: usize,
        entry: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let (db, tenant, now, json) = (self.db.clone(), self.tenant, self.world.now(), self.json.clone());
        let conversation =
            self.lanes.get(lane).map_or(ConversationId::from_bytes([0; 16]), |lane| lane.conversation);
        let (seq, id, event): (_, MessageId, kernel::EventId) =
            (self.next.fetch_add(1, Ordering::Relaxed), self.world.id(), self.world.id());
        // With the entry, the same rows byte for byte in size; alone, what was typed and nothing else.
        let record = if entry { vec![7u8; 297] } else { TEXT.as_bytes().to_vec() };
        let put = move |tx: &mut Tx<'_>| {
            tx.execute(
                "INSERT INTO plain_messages (tenant, conversation, seq, id, role, author, content_type, created_ms,
                                             key_gen, record, citations, row_hash)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                params![
                    tenant, conversation, seq, id, 1i64, None::<MessageId>, 1i64, now, 1i64, record,
                    None::<Vec<u8>>, [9u8; 32]
                ],
            )?;
            if entry {
                tx.execute(
                    "INSERT INTO plain_leaves (tenant, idx, event, code, at_ms, actor, json, leaf_hash, detail, detail_gen)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    params![
                        tenant, seq, event, "CHAT-1001I", now, None::<MessageId>, *json, [9u8; 32],
                        None::<Vec<u8>>, None::<i64>
                    ],
                )?;
            }
            Ok(())
        };
        async move { db.write(put).await }
    }

    pub(crate) fn message_alone(
        &self,
        lane: usize,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.plain(lane, false)
    }

    pub(crate) fn two_rows(
        &self,
        lane: usize,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.plain(lane, true)
    }

    /// The whole way of a message, as the room of conversations goes it.
    pub(crate) fn sealed(
        &self,
        lane: usize,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let (db, world, scribe) = (self.db.clone(), self.world.clone(), self.scribe.clone());
        let lane = self.lanes.get(lane).map(|lane| {
            let (key, permit, tip) = (lane.key.clone(), lane.permit.clone(), lane.tip.clone());
            (lane.conversation, key, permit, lane.actor.clone(), tip)
        });
        async move {
            let (conversation, key, permit, actor, tip) =
                lane.ok_or(StoreError::Missing { what: "sender" })?;
            let text = MessageText::new(TEXT).map_err(StoreError::refuse)?;
            let (id, now): (MessageId, _) = (world.id(), world.now());
            let known = tip.lock().map_or(None, |mut tip| tip.take());
            let slot = match known {
                Some(known) => known.next(permit.as_ref(), id, Speaker::Person, now)?,
                None => {
                    let found = db.read(move |tx| messages::next(tx, &permit, id, Speaker::Person, now));
                    let Next::Fresh(slot) = found.await? else { return Ok(()) };
                    slot
                }
            };
            let record = key.seal(&slot.place(), &text).map_err(StoreError::refuse)?;
            let sealed_bytes = u64::try_from(record.as_bytes().len()).unwrap_or(u64::MAX);
            let told = MessageAccepted { conversation, message: id, seq: slot.seq(), sealed_bytes };
            let event = scribe.write(&told, &actor, &Via::default()).map_err(StoreError::refuse)?;
            let new = NewMessage { record, citations: None, key_gen: key.generation(), author: None };
            let addition = Addition::new().message(slot, new).event(event);
            let next = addition.tip();
            db.add(addition).await?;
            if let Ok(mut tip) = tip.lock() {
                *tip = next;
            }
            Ok(())
        }
    }

    /// Reads the last 20 rows of plain messages, so many times.
    pub(crate) async fn read_plain(&self, times: usize) -> Result<(), StoreError> {
        let (tenant, conversation) = (self.tenant, self.lanes.first().map(|lane| lane.conversation));
        for _ in 0..times {
            let rows = self.db.read(move |tx| {
                let rows = tx.rows(
                    "SELECT tenant, conversation, seq, id, role, author, content_type, created_ms, key_gen, record,
                            citations, row_hash
                     FROM plain_messages WHERE tenant = $1 AND conversation = $2 ORDER BY seq DESC LIMIT $3",
                    params![tenant, conversation, 20i64],
                )?;
                rows.into_iter().map(|mut row| Ok(row.take::<Vec<u8>>("record")?)).collect::<Result<Vec<_>, _>>()
            });
            std::hint::black_box(rows.await?);
        }
        Ok(())
    }

    /// Reads and opens the last 20 messages, so many times.
    pub(crate) async fn read_opened(&self, times: usize) -> Result<(), StoreError> {
        let Some(lane) = self.lanes.first() else { return Ok(()) };
        for _ in 0..times {
            let permit = Arc::clone(&lane.permit);
            let found = self.db.read(move |tx| messages::last(tx, &permit, 20)).await?;
            for message in found {
                let text: MessageText =
                    lane.key.open(&message.place(), &message.record).map_err(StoreError::refuse)?;
                std::hint::black_box(text);
            }
        }
        Ok(())
    }
}

/// Opens a conversation for one sender.
async fn lane(
    db: &Db,
    keys: &Keychain,
    guard: &Guard,
    world: &World,
    tenant: TenantId,
) -> Result<Lane, Failed> {
    let (subject, conversation): (SubjectId, ConversationId) = (world.id(), world.id());
    let (now, bot) = (world.now(), BotName::new("front-desk")?);
    let key = keys.conversation_key(tenant, subject, conversation).await?;
    let door = Resource::Bot { tenant, bot: bot.clone() };
    let open: Permit<OpenConversation> =
        guard.permit(&Actor::Anonymous { tenant }, &door, &Circumstances::at(now))?;
    let new = conversations::NewConversation {
        id: conversation,
        subject,
        now,
        locale: "en".to_owned(),
        release: None,
        context: None,
    };
    db.write(move |tx| conversations::open(tx, &open, &new)).await?;
    let actor = Actor::Visitor(Visitor { tenant, subject, conversation });
    let talk = Resource::Conversation { tenant, bot, conversation, subject, assignee: None, waiting: false };
    let permit = Arc::new(guard.permit(&actor, &talk, &Circumstances::at(now))?);
    Ok(Lane { conversation, key, permit, actor, tip: Arc::default() })
}
