//! Deletes, by the calendar, what is over: conversations, for which bots say in `retention_days` how long they
//! are kept, and sessions and sign-ins that ended a week ago.

use std::time::Duration;

use bots::Shelf;
use conversations::Conversations;
use identity::Identity;
use kernel::TenantId;

/// How often what is over is looked for.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Deletes what is over, now and every hour, until the task is dropped. Several processes may do it at once.
pub(crate) async fn keep_expiring(
    tenant: TenantId,
    shelf: Shelf,
    conversations: Conversations,
    identity: Identity,
) {
    let mut clock = tokio::time::interval(EVERY);
    loop {
        clock.tick().await;
        if let Err(error) = identity.sweep().await {
            tracing::error!(%error, "sessions that are over could not be deleted; the next try is in an hour");
        }
        for (_, release) in shelf.bots() {
            let (bot, days) = (&release.manifest.name, release.manifest.retention_days);
            let Some(days) = days else { continue };
            match conversations.expire(tenant, bot, days).await {
                Ok(0) => {}
                Ok(deleted) => {
                    tracing::info!(%bot, days, deleted, "conversations that were over are deleted")
                }
                Err(error) => {
                    tracing::error!(%bot, %error, "conversations that are over could not be deleted; the next try is in an hour");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use backup::{Progress, Report};
    use conversations::{ConversationError, HoldOn, Holds, Opened, Opening};
    use guard::action::{OpenConversation, PostMessage, ReadOwnConversation, VerifyAudit};
    use guard::{Action, Actor, Circumstances, Grant, Permit, Resource, Role, Staff};
    use kernel::{BotName, ConversationId, Id, ManualClock, MessageText, Reason, Timestamp, World};
    use store::{StoreError, Value, Via};

    use super::*;
    use crate::bot::make_default;
    use crate::checkpoints;
    use crate::config::Config;
    use crate::datadir::DataDir;
    use crate::wiring::{Foundation, House};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    struct Stage {
        house: House,
        clock: Arc<ManualClock>,
        bot: BotName,
        _room: tempfile::TempDir,
    }

    impl Stage {
        async fn open() -> Self {
            let room = tempfile::tempdir().unwrap();
            let dir = DataDir::hold(&room.path().join("data")).unwrap();
            dir.folder("keys").unwrap();
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_000_000_000)));
            let world = World::rehearsal(Arc::clone(&clock), 7);
            let house = House::on(Foundation::rehearse(world, dir.path()).await.unwrap()).await.unwrap();
            let bot = Config::default().bots.default;
            make_default(&house, &bot).await.unwrap();
            Self { house, clock, bot, _room: room }
        }

        fn leave<A: Action>(&self, actor: &Actor, on: &Resource) -> Permit<A> {
            let base = &self.house.base;
            base.guard.permit(actor, on, &Circumstances::at(base.world.now())).unwrap()
        }

        /// Somebody opens a conversation and asks something.
        async fn chat(&self) -> Opened {
            let tenant = self.house.base.tenant;
            let door = Resource::Bot { tenant, bot: self.bot.clone() };
            let permit = self.leave::<OpenConversation>(&Actor::Anonymous { tenant }, &door);
            let rooms = &self.house.conversations;
            let opened = rooms.open(permit, Opening::default(), &Via::default()).await.unwrap();
            let says = self.of::<PostMessage>(&opened);
            rooms
                .send(says, MessageText::new("What is Wardroom?").unwrap(), None, &Via::default())
                .await
                .unwrap();
            rooms.settle().await;
            opened
        }

        fn of<A: Action>(&self, chat: &Opened) -> Permit<A> {
            let visitor = chat.visitor;
            let on = Resource::Conversation {
                tenant: visitor.tenant,
                bot: self.bot.clone(),
                conversation: visitor.conversation,
                subject: visitor.subject,
                assignee: None,
                waiting: false,
            };
            self.leave(&Actor::Visitor(visitor), &on)
        }

        async fn lines(&self, chat: &Opened) -> Result<usize, ConversationError> {
            let permit = Arc::new(self.of::<ReadOwnConversation>(chat));
            self.house.conversations.read(&permit, 0).await.map(|(lines, _)| lines.len())
        }

        async fn expire(&self) -> u64 {
            self.house.conversations.expire(self.house.base.tenant, &self.bot, 90).await.unwrap()
        }

        /// What the database keeps under the id of a conversation or of its person.
        async fn rows(&self, chat: &Opened) -> u64 {
            let (id, person) = (chat.visitor.conversation.to_bytes(), chat.visitor.subject.to_bytes());
            let count = "SELECT (SELECT COUNT(*) FROM conversations WHERE id = $1)
                              + (SELECT COUNT(*) FROM messages WHERE conversation = $1)
                              + (SELECT COUNT(*) FROM data_keys WHERE owner = $1)
                              + (SELECT COUNT(*) FROM subject_keys WHERE subject = $2) AS n";
            let read = move |tx: &mut store::Read<'_>| {
                tx.row(count, &[Value::Blob(id.as_slice().into()), Value::Blob(person.as_slice().into())])
            };
            self.house.base.db.read(read).await.unwrap().unwrap().take("n").unwrap()
        }

        async fn verify(&self) -> Report {
            let base = &self.house.base;
            let signer = checkpoints::signer(base).await.unwrap();
            checkpoints::sign(base, &signer).await.unwrap();
            let permits = Arc::new(vec![base.leave::<VerifyAudit>().unwrap()]);
            backup::check(&base.db, &base.keys, &permits, &[], &Progress::default()).await.unwrap()
        }
    }

    #[tokio::test]
    async fn what_is_over_is_deleted_with_its_keys_and_the_log_still_verifies() {
        let stage = Stage::open().await;
        let old = stage.chat().await;
        stage.clock.advance(60 * DAY);
        let young = stage.chat().await;
        assert_eq!((stage.expire().await, stage.rows(&old).await), (0, 6), "sixty days are not ninety");
        stage.clock.advance(31 * DAY);
        assert_eq!(stage.expire().await, 1);
        assert_eq!(stage.rows(&old).await, 0, "conversation, messages and keys");
        let gone = stage.lines(&old).await.unwrap_err();
        assert!(matches!(gone, ConversationError::Store(StoreError::Missing { .. })), "{gone:?}");
        assert_eq!(stage.lines(&young).await.unwrap(), 3);
        let report = stage.verify().await;
        assert!(report.is_sound(), "{:?}", report.faults);
        assert_eq!(stage.expire().await, 0);
    }

    #[tokio::test]
    async fn what_a_legal_hold_keeps_outlives_its_time_until_the_hold_is_lifted() {
        let stage = Stage::open().await;
        let (kept, other) = (stage.chat().await, stage.chat().await);
        let base = &stage.house.base;
        let holds = Holds::new(base.db.clone(), base.keys.clone(), base.world.clone());
        let because = Circumstances::at(base.world.now()).because(Reason::new("matter 7").unwrap());
        let whole = Resource::Tenant(base.tenant);
        let permit = base.guard.permit(&base.operator(), &whole, &because).unwrap();
        let on = HoldOn::Conversation(kept.visitor.conversation);
        let hold = holds.place(permit, on, &Via::default()).await.unwrap();
        stage.clock.advance(91 * DAY);
        assert_eq!(stage.expire().await, 1);
        assert_eq!((stage.rows(&kept).await, stage.rows(&other).await), (6, 0));
        assert_eq!(stage.lines(&kept).await.unwrap(), 3);

        let officer = Staff {
            user: base.world.id(),
            tenant: base.tenant,
            grants: vec![Grant::everywhere(Role::PrivacyOfficer)],
            assurance: 2,
            authenticated_at: base.world.now(),
            session: base.world.id(),
        };
        let thing = holds.resource(base.tenant, hold).await.unwrap().unwrap();
        let because = Circumstances::at(base.world.now()).because(Reason::new("it is over").unwrap());
        let permit = base.guard.permit(&officer.into(), &thing, &because).unwrap();
        holds.lift(permit, &Via::default()).await.unwrap();
        assert_eq!((stage.expire().await, stage.rows(&kept).await), (1, 0));
        assert!(stage.verify().await.is_sound());
    }

    #[tokio::test]
    async fn a_clock_in_the_row_that_was_put_back_makes_the_core_delete_and_the_log_tells() {
        let stage = Stage::open().await;
        let chat = stage.chat().await;
        let id: ConversationId = chat.visitor.conversation;
        let forge = move |tx: &mut store::Tx<'_>| {
            let id = id.to_bytes();
            tx.execute(
                "UPDATE conversations SET last_ms = 5 WHERE id = $1",
                &[Value::Blob(id.as_slice().into())],
            )
        };
        stage.house.base.db.write(forge).await.unwrap();
        assert_eq!(stage.expire().await, 1);
        let report = stage.verify().await;
        let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|fault| fault.contains(&id.to_string())), "{told:?}");
    }
}
