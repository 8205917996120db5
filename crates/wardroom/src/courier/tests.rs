//! The courier with a real relay, a database, and a clock that a test moves.

use std::sync::Arc;

use guard::action::{
    ApprovePolicy, DisableUser, EnableUser, ProposePolicy, ReadAudit, RequestAccess, ScheduleKeyDestruction,
    TendKeys,
};
use guard::{Action, Circumstances, Grant, Permit, PolicyFiles, Resource, Role};
use identity::notices::{NoticeKind, Told};
use kernel::{DisplayName, ManualClock, Reason, Secret, UserId, World};
use mail::{Credentials, Limits, Security, Sender, Settings};
use outbound::Roots;
use store::audit::{self, Filter};
use store::users::{self, GrantRow, NewUser};
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

    /// Somebody who holds a role.
    async fn staff(&self, address: &str, role: Role) -> UserId {
        let (user, tenant, granted) = (self.person(address).await, self.base.tenant, self.base.world.now());
        let (grant, source) = (Grant::everywhere(role), "manual".to_owned());
        let row = GrantRow { user, grant, source, granted_by: None, reason: None, granted, expires: None };
        self.base.db.write(move |tx| users::put_grant(tx, tenant, &row)).await.unwrap();
        user
    }

    /// The operator proposes policies, of which nothing may stand in a letter.
    async fn propose(&self) -> u64 {
        let mut files = Vec::from(PolicyFiles::shipped());
        let number = self.base.world.now().as_millis();
        files.push(("ours".to_owned(), format!("// zanzibar {number}\n")));
        let permit: Permit<ProposePolicy> = self.base.leave_because("marmalade").unwrap();
        let files = PolicyFiles::new(files).unwrap();
        self.base.rulebook.propose(permit, files, &Via::default()).await.unwrap()
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

/// Somebody flips a bit of a notice, and one of another person's account, past the program.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_notice_is_given_up_and_the_letters_of_others_go() {
    let stage = Stage::open().await;
    let mut courier = stage.courier().await;
    let telling = tokio::spawn(crate::refused::keep_telling(stage.base.clone()));
    let people = ["ada@example.org", "bob@example.org", "eve@example.org"];
    let mut users = Vec::new();
    for address in people {
        let user = stage.person(address).await;
        stage.disable(&courier, user).await;
        users.push(user);
    }
    let (ada, bob) = (users[0], users[1]);
    let flip = move |tx: &mut store::Tx<'_>| {
        let row = tx.row("SELECT particulars FROM notices WHERE user_id = $1", store::params![ada])?;
        let mut sealed: Vec<u8> = row.unwrap().take("particulars")?;
        sealed[30] ^= 4;
        tx.execute("UPDATE notices SET particulars = $2 WHERE user_id = $1", store::params![ada, sealed])?;
        tx.execute("UPDATE users SET epoch = epoch + 1 WHERE id = $1", store::params![bob])
    };
    assert_eq!(stage.base.db.write(flip).await.unwrap(), 1);

    stage.round(&mut courier).await;
    let letters = stage.relay.wait_for(1).concat();
    assert!(letters.contains("To: eve@example.org"), "{letters}");
    stage.minutes(60).await;
    stage.round(&mut courier).await;
    assert_eq!((stage.relay.letters().len(), stage.events("MAIL-1001I").await), (1, 1));
    assert_eq!(stage.events("MAIL-1002W").await, 2, "each is given up once");
    let told = async || {
        while stage.events("CHAT-1005W").await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told()).await.unwrap();
    stage.round(&mut courier).await;
    assert_eq!(stage.events("CHAT-1005W").await, 2, "each row is told once");
    telling.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_second_person_is_told_to_those_who_could_decide_once() {
    let stage = Stage::open().await;
    let (mut courier, mut other) = (stage.courier().await, stage.courier().await);
    for (address, role) in [
        ("ada@example.org", Role::Owner),
        ("sec@example.org", Role::SecurityAdmin),
        ("tom@example.org", Role::SecurityAdmin),
        ("key@example.org", Role::KeyCustodian),
    ] {
        stage.staff(address, role).await;
    }
    let lee = stage.staff("lee@example.org", Role::SupportAgent).await;
    stage.propose().await;
    tokio::join!(stage.round(&mut courier), stage.round(&mut other));
    let letters = stage.relay.wait_for(2).concat();
    for words in [
        "To: sec@example.org",
        "To: tom@example.org",
        "Subject: A change of policies waits for you",
        "The console is at https://desk.example:9443/policies",
    ] {
        assert!(letters.contains(words), "{words}:\n{letters}");
    }
    assert!(!letters.contains("zanzibar") && !letters.contains("marmalade"), "{letters}");

    // A request for a role goes to the owner, not to whoever asks; one about a key to the key custodian.
    let grant = Grant::everywhere(Role::SupportManager);
    let asks = stage.leave::<RequestAccess>(lee);
    courier.identity.request_access(asks, grant, 8, &Via::default()).await.unwrap();
    let base = &stage.base;
    base.custody.rotate(base.leave().unwrap(), custody::Why::Demand, &Via::default()).await.unwrap();
    let tending: Arc<Permit<TendKeys>> = Arc::new(base.leave().unwrap());
    base.custody.rewrap(&tending, |_| ()).await.unwrap();
    let permit: Permit<ScheduleKeyDestruction> = base.leave_because("old").unwrap();
    base.custody.request_destruction(permit, 1, 7, &Via::default()).await.unwrap();
    stage.minutes(1).await;
    tokio::join!(stage.round(&mut courier), stage.round(&mut other));
    stage.round(&mut courier).await;
    let letters = stage.relay.wait_for(4);
    let about = |subject: &str| -> Vec<&str> {
        let found = letters.iter().filter(|letter| letter.contains(&format!("Subject: {subject}")));
        found.flat_map(|letter| letter.lines().filter_map(|line| line.strip_prefix("To: "))).collect()
    };
    assert_eq!(about("A request for a role waits for you"), ["ada@example.org"]);
    assert_eq!(about("A request about keys waits for you"), ["key@example.org"]);
    assert_eq!((letters.len(), stage.events("MAIL-1001I").await), (4, 4), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_about_what_waits_does_not_leave_when_it_was_decided_or_its_reader_may_no_longer() {
    let stage = Stage::open().await;
    let mut courier = stage.courier().await;
    let sec = stage.staff("sec@example.org", Role::SecurityAdmin).await;
    stage.staff("tom@example.org", Role::SecurityAdmin).await;
    stage.propose().await;
    assert_eq!(courier.identity.tell_waiting().await.unwrap(), 2);
    assert_eq!(courier.identity.tell_waiting().await.unwrap(), 0);
    let tenant = stage.base.tenant;
    let gone = stage.base.world.now();
    let row = GrantRow {
        user: sec,
        grant: Grant::everywhere(Role::SecurityAdmin),
        source: "manual".to_owned(),
        granted_by: None,
        reason: None,
        granted: gone,
        expires: Some(gone),
    };
    stage.base.db.write(move |tx| users::put_grant(tx, tenant, &row)).await.unwrap();
    stage.round(&mut courier).await;
    let letters = stage.relay.wait_for(1);
    assert!(letters.len() == 1 && letters[0].contains("To: tom@example.org"), "{letters:?}");

    stage.minutes(1).await;
    let second = stage.propose().await;
    assert_eq!(courier.identity.tell_waiting().await.unwrap(), 1);
    let refuses: Permit<ApprovePolicy> = stage.base.leave().unwrap();
    stage.base.rulebook.refuse(refuses, second, &Via::default()).await.unwrap();
    stage.round(&mut courier).await;
    assert_eq!((stage.relay.letters().len(), stage.events("MAIL-1002W").await), (1, 0));
}
