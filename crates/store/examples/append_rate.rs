//! What sealing, chaining and the ledger cost: a message through the store (sealed, chained, with its
//! audit entry, one transaction) against a plain insert of the same text, in the same database with
//! the same durability. Rounds alternate, so that a slow disk slows both.
//!
//! `cargo run --release -p wardroom-store --example append_rate`
//!
//! PostgreSQL is a private cluster on this machine that waits for the disk at each commit.

#![expect(clippy::print_stdout, reason = "an example shows its figures")]
#![expect(clippy::disallowed_methods, reason = "an example that measures time reads the clock")]

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use guard::action::{OpenConversation, PostMessage};
use guard::{Actor, Circumstances, Guard, Permit, Resource, Visitor};
use kernel::{BotName, ConversationId, Id, MessageId, MessageText, SubjectId, TenantId, World};
use ledger::catalogue::MessageAccepted;
use ledger::{ActorRef, Entry, Header, Pseudonym};
use store::messages::{NewMessage, Next, Speaker};
use store::{Db, DbUrl, StoreError, Tx, audit, conversations, keys, messages, params, tenants};
use vault::{CachePolicy, DataKey, FileRoot, Keyring, Purpose};

type Failed = Box<dyn Error + Send + Sync>;

/// A message of 180 characters: longer than most that people type to a bot.
const TEXT: &str = "Good morning. My parcel 4711 was to come on Tuesday and it is not here yet. Could you \
                    tell me where it is, and whether somebody has to be at home to take it in? Thank you.";
const ROUNDS: usize = 5;
/// (jobs under way at once, messages per round)
const LOADS: [(usize, usize); 3] = [(1, 300), (8, 1_500), (64, 6_000)];

fn main() -> Result<(), Failed> {
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let cluster = testkit::Cluster::durable();
    let urls = [
        ("SQLite", DbUrl::sqlite(folder.path().join("rate.db"))),
        ("PostgreSQL", cluster.url(&cluster.database()).parse()?),
    ];
    println!("{:<11} {:>8} {:>14} {:>14} {:>8}", "engine", "at once", "plain /s", "sealed /s", "ratio");
    let mut figures = Vec::new();
    for (engine, url) in &urls {
        let bench = runtime.block_on(Bench::new(url, folder.path().join(engine)))?;
        for (at_once, count) in LOADS {
            let (mut plain, mut sealed) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                plain.push(runtime.block_on(rate(at_once, count, || bench.plain()))?);
                sealed.push(runtime.block_on(rate(at_once, count, || bench.sealed()))?);
            }
            let (plain, sealed) = (median(plain), median(sealed));
            let ratio = sealed / plain;
            println!("{engine:<11} {at_once:>8} {plain:>14.0} {sealed:>14.0} {ratio:>8.2}");
            figures.push(format!(
                r#"{{"engine":"{engine}","at_once":{at_once},"plain_per_s":{plain:.0},"sealed_per_s":{sealed:.0},"ratio":{ratio:.3}}}"#
            ));
        }
    }
    println!(r#"{{"name":"append_rate","figures":{{"rows":[{}]}}}}"#, figures.join(","));
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// Jobs per second with `at_once` of them under way.
async fn rate<F>(at_once: usize, count: usize, job: impl Fn() -> F) -> Result<f64, Failed>
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let begin = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for n in 0..count {
        if n >= at_once
            && let Some(done) = lanes.join_next().await
        {
            done??;
        }
        lanes.spawn(job());
    }
    while let Some(done) = lanes.join_next().await {
        done??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// A house with one conversation.
struct Bench {
    db: Db,
    world: World,
    tenant: TenantId,
    conversation: ConversationId,
    key: Arc<DataKey>,
    permit: Arc<Permit<PostMessage>>,
}

impl Bench {
    async fn new(url: &DbUrl, root: std::path::PathBuf) -> Result<Self, Failed> {
        let world = World::real();
        let db = Db::open(url, &world)?;
        let root = FileRoot::create(root, world.clone())?;
        let keyring = Keyring::new(Arc::new(root), world.clone(), CachePolicy::default());
        let (tenant, subject): (TenantId, SubjectId) = (world.id(), world.id());
        let conversation: ConversationId = world.id();
        let guard = Guard::embedded()?;
        let now = world.now();
        let bot = BotName::new("front-desk")?;

        let top = keyring.new_tenant_key(tenant, 1)?;
        let above = keyring.new_subject_key(&top, subject)?;
        let data = keyring.new_data_key(&top, Some(&above), Purpose::Conversation, 1)?;
        let key = keyring.data_key(&vault::KeyChain { tenant: &top, subject: Some(&above), data: &data })?;

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
        db.write(move |tx| {
            tenants::create(tx, tenant, now)?;
            keys::add_tenant_key(tx, &top, "file", now)?;
            keys::add_subject_key(tx, &above, now)?;
            keys::add_data_key(tx, &data, conversation.to_bytes(), now)?;
            conversations::open(tx, &open, &new)?;
            tx.execute(
                "CREATE TABLE plain (seq BIGINT NOT NULL, at_ms BIGINT NOT NULL, what TEXT NOT NULL)",
                &[],
            )?;
            Ok(())
        })
        .await?;

        let visitor = Actor::Visitor(Visitor { tenant, subject, conversation });
        let talk =
            Resource::Conversation { tenant, bot, conversation, subject, assignee: None, waiting: false };
        let permit = Arc::new(guard.permit(&visitor, &talk, &Circumstances::at(now))?);
        Ok(Self { db, world, tenant, conversation, key, permit })
    }

    fn plain(&self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (db, now) = (self.db.clone(), self.world.now());
        let put = move |tx: &mut Tx<'_>| {
            tx.execute("INSERT INTO plain (seq, at_ms, what) VALUES ($1, $2, $3)", params![1i64, now, TEXT])?;
            Ok(())
        };
        async move { db.write(put).await }
    }

    fn sealed(&self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let (db, permit, key) = (self.db.clone(), self.permit.clone(), self.key.clone());
        let (tenant, conversation) = (self.tenant, self.conversation);
        let (world, id): (World, MessageId) = (self.world.clone(), self.world.id());
        async move {
            let text = MessageText::new(TEXT).map_err(StoreError::refuse)?;
            let now = world.now();
            let event = world.id();
            db.write(move |tx| {
                let Next::Fresh(slot) = messages::next(tx, &permit, id, Speaker::Person, now)? else {
                    return Ok(());
                };
                let record = key.seal(&slot.place(), &text).map_err(StoreError::refuse)?;
                let sealed_bytes = u64::try_from(record.as_bytes().len()).unwrap_or(u64::MAX);
                let new = NewMessage { record, citations: None, key_gen: key.generation(), author: None };
                let seq = messages::append(tx, slot, new)?;
                let told = MessageAccepted { conversation, message: id, seq, sealed_bytes };
                let who = ActorRef::Visitor(Pseudonym::from_mac([1; 16]));
                audit::append(tx, &Entry::record(&told, &Header::new(tenant, event, now, who)), None, None)?;
                Ok(())
            })
            .await
        }
    }
}
