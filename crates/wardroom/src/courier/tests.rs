//! The courier with a real relay, a database, and a clock that a test moves.

use std::sync::Arc;

use guard::action::{DisableUser, EnableUser, ReadAudit};
use guard::{Action, Circumstances, Permit, Resource};
use identity::notices::{NoticeKind, Told};
use kernel::{DisplayName, ManualClock, Reason, Secret, UserId, World};
use mail::{Credentials, Limits, Security, Sender, Settings};
use outbound::Roots;
use store::audit::{self, Filter};
use store::users::{self, NewUser};
use testkit::{Authority, Offers, Relay};
use vault::Purpose;

use super::*;
use crate::datadir::DataDir;
use crate::up;

const ORIGIN: &str = "https://desk.example:9443";

struct Stage {
    base: Foundation,
    clock: Arc<ManualClock>,
    authority: Authority,
    relay: Relay,
    trigger: edge::ShutdownTrigger,
    shutdown: Shutdown,
    _room: tempfile::TempDir,
}

impl Stage {
    async fn open() -> Self {
        let room = tempfile::tempdir().unwrap();
        let dir = DataDir::hold(&room.path().join("data")).unwrap();
        dir.folder("keys").unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_430_000_000)));
        let base = Foundation::rehearse(World::rehearsal(Arc::clone(&clock), 7), dir.path()).await.unwrap();
        let authority = Authority::new();
        let relay = Relay::start(&authority, Offers::StartTls);
        let (trigger, shutdown) = Shutdown::new();
        Self { base, clock, authority, relay, trigger, shutdown, _room: room }
    }

    fn mailer(&self, password: &str) -> Mailer {
        let settings = Settings {
            server: "localhost".to_owned(),
            port: self.relay.port(),
            security: Security::StartTls,
            credentials: Some(Credentials::new(Relay::USER, Secret::new(password.to_owned())).unwrap()),
            from: Sender::parse("Wardroom <wardroom@house.test>").unwrap(),
            roots: Roots::from_pem(self.authority.root().as_bytes()).unwrap(),
            limits: Limits::default(),
        };
        Mailer::new(settings).unwrap()
    }

    async fn courier(&self) -> Courier {
        self.courier_with(Relay::PASSWORD).await
    }

    async fn courier_with(&self, password: &str) -> Courier {
        let identity = up::identity(&self.base, ORIGIN).await.unwrap();
        Courier::new(self.base.clone(), identity, self.mailer(password), ORIGIN.to_owned())
    }

    /// Somebody who works here.
    async fn person(&self, address: &str) -> UserId {
        let base = &self.base;
        let (tenant, user, now): (_, UserId, _) = (base.tenant, base.world.id(), base.world.now());
        let key = base.keys.tenant_data_key(tenant, Purpose::Identity).await.unwrap();
        let index = base.keys.tenant_data_key(tenant, Purpose::Index).await.unwrap();
        let (email, name) = (Email::new(address).unwrap(), DisplayName::new("Ada Lovelace").unwrap());
        let new = NewUser {
            tenant,
            id: user,
            email_blind: index.blind_index("user.email", email.as_str().as_bytes()).unwrap(),
            key_gen: key.generation(),
            email: key.seal(&users::email_place(tenant, user), &email).unwrap(),
            name: key.seal(&users::name_place(tenant, user), &name).unwrap(),
            now,
        };
        base.db.write(move |tx| users::create(tx, &new)).await.unwrap();
        user
    }

    fn leave<A: Action>(&self, user: UserId) -> Permit<A> {
        let now = Circumstances::at(self.base.world.now()).because(Reason::new("they left").unwrap());
        let account = Resource::Account { tenant: self.base.tenant, user };
        self.base.guard.permit(&self.base.operator(), &account, &now).unwrap()
    }

    /// Something happens to their account.
    async fn disable(&self, courier: &Courier, user: UserId) {
        courier.identity.disable(self.leave::<DisableUser>(user), &Via::default()).await.unwrap();
    }

    async fn round(&self, courier: &mut Courier) {
        courier.round(&self.shutdown).await.unwrap();
    }

    /// How often an event is in the log.
    async fn events(&self, code: &'static str) -> usize {
        let permit: Permit<ReadAudit> = self.base.leave().unwrap();
        let filter = Filter { limit: 1000, ..Filter::default() };
        let leaves = self.base.db.read(move |tx| audit::list(tx, &permit, &filter)).await.unwrap();
        leaves.iter().filter(|leaf| leaf.code == code).count()
    }

    async fn minutes(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(minutes * 60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_on_an_account_is_told_by_mail_once() {
    let stage = Stage::open().await;
    let (mut courier, mut other) = (stage.courier().await, stage.courier().await);
    let ada = stage.person("ada@example.org").await;
    stage.disable(&courier, ada).await;
    let again = stage.leave::<EnableUser>(ada);
    courier.identity.enable(again, &Via::default()).await.unwrap();
    // Two processes look at the same moment.
    tokio::join!(stage.round(&mut courier), stage.round(&mut other));
    let letters = stage.relay.wait_for(2).concat();
    for words in [
        "Subject: Your account was disabled",
        "Subject: Your account may be used again",
        "To: ada@example.org",
        "Hello Ada Lovelace,",
        "By      an administrator",
        "When    2026-11-23 10:33 UTC",
        "The console is at https://desk.example:9443",
    ] {
        assert!(letters.contains(words), "{words}:\n{letters}");
    }
    stage.minutes(60 * 24).await;
    stage.round(&mut courier).await;
    stage.round(&mut other).await;
    assert_eq!((stage.relay.letters().len(), stage.events("MAIL-1001I").await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_relay_is_away_letters_wait_and_the_log_says_so() {
    let mut stage = Stage::open().await;
    let mut courier = stage.courier().await;
    let ada = stage.person("ada@example.org").await;
    stage.disable(&courier, ada).await;
    stage.relay.go_away();
    stage.round(&mut courier).await;
    let first = courier.trouble.unwrap();
    assert_eq!((first.pause, first.said, stage.events("MAIL-1003W").await), (LOOK, false, 0));
    for _ in 0..6 {
        stage.minutes(10).await;
        stage.round(&mut courier).await;
    }
    let later = courier.trouble.unwrap();
    assert!(later.said && later.pause > first.pause && later.pause <= LONGEST_PAUSE);
    assert_eq!(stage.events("MAIL-1003W").await, 1, "it is said once");
    stage.relay.come_back();
    stage.minutes(60).await;
    stage.round(&mut courier).await;
    stage.relay.wait_for(1);
    assert!(courier.trouble.is_none());
    assert_eq!((stage.events("MAIL-1004I").await, stage.events("MAIL-1001I").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_know_us_keeps_the_letters_waiting() {
    let stage = Stage::open().await;
    let mut wrong = stage.courier_with("guess").await;
    let ada = stage.person("ada@example.org").await;
    stage.disable(&wrong, ada).await;
    stage.round(&mut wrong).await;
    assert!(wrong.trouble.is_some() && stage.events("MAIL-1002W").await == 0);
    // Meanwhile the password was put right.
    stage.minutes(2).await;
    let mut right = stage.courier().await;
    stage.round(&mut right).await;
    stage.relay.wait_for(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_refused_is_given_up_in_the_end_and_stops_no_other() {
    let stage = Stage::open().await;
    let mut courier = stage.courier().await;
    for address in ["nobody@example.org", "busy@example.org", "ä@example.org", "ada@example.org"] {
        let user = stage.person(address).await;
        stage.disable(&courier, user).await;
    }
    stage.round(&mut courier).await;
    stage.relay.wait_for(1);
    assert_eq!(stage.events("MAIL-1002W").await, 1, "an address that mail cannot carry");
    for round in 2..=14 {
        stage.minutes(6 * 60).await;
        stage.round(&mut courier).await;
        let given_up = if round < 4 {
            1
        } else if round < 12 {
            2
        } else {
            3
        };
        assert_eq!(stage.events("MAIL-1002W").await, given_up, "round {round}");
    }
    assert_eq!((stage.relay.letters().len(), courier.trouble.is_none()), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_addresses_the_one_that_took_the_letter_gets_no_second() {
    let stage = Stage::open().await;
    let mut courier = stage.courier().await;
    let letter = |to: [&str; 2]| Letter {
        told: Told {
            id: stage.base.world.id(),
            kind: NoticeKind::DetailsChanged,
            hand: identity::notices::NoticeHand::Administrator,
            at: stage.base.world.now(),
            from: None,
            device: None,
            what: None,
            seen: None,
        },
        user: stage.base.world.id(),
        name: DisplayName::new("Ada").unwrap(),
        to: to.map(|to| Email::new(to).unwrap()).to_vec(),
        tries: 0,
    };
    let mut session = None;
    let busy = letter(["ada@example.org", "busy@example.org"]);
    for _ in 0..3 {
        let fate = courier.deliver(&busy, &mut session).await;
        assert!(matches!(fate, Fate::Refused(error) if error.code() == Some(451)));
    }
    let gone = letter(["nobody@example.org", "new@example.org"]);
    assert!(matches!(courier.deliver(&gone, &mut session).await, Fate::Taken));
    session.unwrap().end().await;
    assert_eq!(stage.relay.wait_for(2).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_the_courier_stops() {
    let stage = Stage::open().await;
    let courier = stage.courier().await;
    let ada = stage.person("ada@example.org").await;
    stage.disable(&courier, ada).await;
    let delivering = tokio::spawn(courier.keep_delivering(stage.shutdown.clone()));
    stage.relay.wait_for(1);
    stage.trigger.stop();
    tokio::time::timeout(Duration::from_secs(20), delivering).await.unwrap().unwrap();
    assert_eq!(stage.events("MAIL-1001I").await, 1, "what the relay took is written down");
}
