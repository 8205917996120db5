//! What is open when somebody is signed out: event streams and sockets of people who chat, and the streams of
//! staff. All of it over real sockets through the edge, with others speaking in the same conversation without
//! pause: it must close within two seconds, and tell nothing that was said after the end was in the database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use conversations::Opening;
use conversations::token::Holder;
use doors::cookie::{PERSON, SessionSecret};
use doors::csrf;
use futures_util::StreamExt;
use guard::action::{ManageConnections, OpenConversation, PostMessage};
use guard::{Actor, Circumstances, Grant, Permit, Resource, Role, Visitor};
use kernel::{BotName, ConnectionId, DisplayName, Email, MessageText, SessionId, SubjectId, UserId};
use reqwest::{Client, RequestBuilder};
use store::connections::{Connection, ConnectionKind, ConnectionState};
use store::identities::Origin;
use store::person_sessions::{self, PersonSession};
use store::sessions::{self, Session};
use store::users::{self, GrantRow, NewUser};
use testkit::{Came, SocketClient};
use tokio::task::JoinHandle;
use vault::Purpose;

use super::*;

/// The longest that anything may stay open.
const BOUND: Duration = Duration::from_secs(2);

/// A house whose doors are open on loopback.
struct Open {
    base: Foundation,
    house: House,
    public: String,
    staff: String,
    root: Vec<u8>,
    client: Client,
    _trigger: edge::ShutdownTrigger,
    _temp: tempfile::TempDir,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// What a stream told, and when it ended.
type Heard = JoinHandle<(String, Instant)>;

impl Open {
    async fn doors() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (dir, config) = (DataDir::hold(&temp.path().join("data")).unwrap(), Config::default());
        dir.folder("keys").unwrap();
        let base = Foundation::open(dir.path(), &config, true).await.unwrap();
        let house = House::on(base.clone()).await.unwrap();
        make_default(&house, &config.bots.default).await.unwrap();
        let certificates = Certificates::open(&dir, &config, &base).await.unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let listeners =
            [listen("127.0.0.1:0".parse().unwrap()).await, listen("127.0.0.1:0".parse().unwrap()).await];
        let [public, staff] = listeners.map(Result::unwrap);
        let origin =
            |listener: &TcpListener| format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (public_origin, staff_origin) = (origin(&public), origin(&staff));
        let identity = identity(&base, &staff_origin).await.unwrap();
        let front = front(&house, &config, identity.clone(), public_origin.clone(), &shutdown);
        let (router, _) = api::doors(front).unwrap();
        let signer = checkpoints::signer(&base).await.unwrap();
        let admission = Admission::off(&base.world);
        let who = (identity, staff_origin.clone());
        let desk = desk(&house, &config, who, &signer, &certificates, admission.clone(), &shutdown);
        let (console, _) = console::doors(desk).unwrap();
        let firewall = Firewall::new(&config.waf, &base.world).unwrap();
        let edge = |door| {
            let edge =
                Edge::new(certificates.tls.clone(), Limits::default(), admission.clone(), door).unwrap();
            edge.behind(firewall.clone())
        };
        tokio::spawn(edge(Door::Public).serve(public, with_source(router), shutdown.clone()));
        tokio::spawn(edge(Door::Staff).serve(staff, with_source(console), shutdown.clone()));
        let root = std::fs::read(certificates.ca.clone().unwrap()).unwrap();
        let client = Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let (public, staff) = (public_origin, staff_origin);
        Self { base, house, public, staff, root, client, _trigger: trigger, _temp: temp }
    }

    /// Somebody of staff, signed in; their cookie and the token of their forms.
    async fn staff(&self, name: &str, role: Role) -> (UserId, String, String) {
        let (tenant, now, user): (_, _, UserId) =
            (self.base.tenant, self.base.world.now(), self.base.world.id());
        let key = self.base.keys.tenant_data_key(tenant, Purpose::Identity).await.unwrap();
        let index = self.base.keys.tenant_data_key(tenant, Purpose::Index).await.unwrap();
        let email = Email::new(&format!("{name}@desk.example")).unwrap();
        let new = NewUser {
            tenant,
            id: user,
            email_blind: index.blind_index("user.email", email.as_str().as_bytes()).unwrap(),
            key_gen: key.generation(),
            email: key.seal(&users::email_place(tenant, user), &email).unwrap(),
            name: key.seal(&users::name_place(tenant, user), &DisplayName::new(name).unwrap()).unwrap(),
            now,
        };
        let grant = GrantRow {
            user,
            grant: Grant::everywhere(role),
            source: "manual".to_owned(),
            granted_by: None,
            reason: None,
            granted: now,
            expires: None,
        };
        let secret = SessionSecret::generate(&self.base.world);
        let session = Session {
            tenant,
            id: self.base.world.id(),
            csrf_hash: sha256(csrf::token(&secret).expose().as_bytes()),
            user,
            assurance: 3,
            epoch: 1,
            created: now,
            authenticated: now,
            last_seen: now,
            absolute: now.after(Duration::from_secs(3600)),
            ended: None,
        };
        let hash = sha256(secret.expose());
        let made = self.base.db.write(move |tx| {
            users::create(tx, &new)?;
            users::put_grant(tx, tenant, &grant)?;
            sessions::begin(tx, &session, hash)
        });
        made.await.unwrap();
        let line = secret.set_cookie(Duration::from_secs(60)).unwrap();
        let cookie = line.to_str().unwrap().split(';').next().unwrap().to_owned();
        (user, cookie, csrf::token(&secret).expose().to_owned())
    }

    /// A person who came through a provider; their cookie and the token of their page.
    async fn person(&self) -> (SubjectId, SessionId, String, String) {
        let (base, now) = (&self.base, self.base.world.now());
        let (tenant, connection): (_, ConnectionId) = (base.tenant, base.world.id());
        let (subject, session): (SubjectId, SessionId) = (base.world.id(), base.world.id());
        let key = base.keys.tenant_data_key(tenant, Purpose::Identity).await.unwrap();
        let settings = key.seal(&store::connections::settings_place(tenant, connection), &b"{}".to_vec());
        let row = Connection {
            tenant,
            id: connection,
            kind: ConnectionKind::Oidc,
            name: "Members".to_owned(),
            state: ConnectionState::Disabled,
            settings: (settings.unwrap(), key.generation()),
            secret: None,
            version: 1,
            created: now,
            changed: now,
            changed_by: None,
        };
        let may: Permit<ManageConnections> = base.leave().unwrap();
        let secret = SessionSecret::generate(&base.world);
        let hash = sha256(secret.expose());
        let absolute = now.after(Duration::from_secs(3600));
        let sitting = PersonSession {
            tenant,
            id: session,
            subject,
            connection,
            created: now,
            last_seen: now,
            absolute,
            ended: None,
        };
        let origin = Origin { connection, subject_blind: [7; 16], sid_blind: None, hint: None };
        let made = base.db.write(move |tx| {
            store::connections::create(tx, &may, &row)?;
            person_sessions::begin(tx, &sitting, &origin, hash)
        });
        made.await.unwrap();
        let line = secret.set_named(PERSON, Duration::from_secs(60)).unwrap();
        let cookie = line.to_str().unwrap().split(';').next().unwrap().to_owned();
        (subject, session, cookie, csrf::token(&secret).expose().to_owned())
    }

    /// A conversation, of somebody who is signed in or of a stranger; and its token.
    async fn conversation(&self, who: Option<(SubjectId, SessionId)>) -> (Visitor, String) {
        let (tenant, now) = (self.base.tenant, Circumstances::at(self.base.world.now()));
        let bot = Resource::Bot { tenant, bot: BotName::new("front-desk").unwrap() };
        let permit: Permit<OpenConversation> =
            self.base.guard.permit(&Actor::Anonymous { tenant }, &bot, &now).unwrap();
        let opening = Opening {
            subject: who.map(|(subject, _)| subject),
            session: who.map(|(_, id)| id),
            ..Opening::default()
        };
        let opened = self.house.conversations.open(permit, opening, &Via::default()).await.unwrap();
        (opened.visitor, opened.token.expose().to_owned())
    }

    /// Listens until the stream ends.
    #[expect(clippy::disallowed_methods, reason = "real sockets at real times")]
    async fn listen(&self, request: RequestBuilder) -> Heard {
        let response = request.send().await.unwrap();
        let status = response.status();
        assert_eq!(status, 200, "{}", response.text().await.unwrap());
        let mut stream = response.bytes_stream();
        // It is open, and has told what there was.
        let mut text = String::new();
        while !text.contains("event: state") && !text.contains("event: upsert") {
            text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
        }
        tokio::spawn(async move {
            while let Some(Ok(piece)) = stream.next().await {
                text.push_str(&String::from_utf8_lossy(&piece));
            }
            (text, Instant::now())
        })
    }

    fn events(&self, visitor: &Visitor, token: &str) -> RequestBuilder {
        let at = format!("{}/chat/v1/conversations/{}/events", self.public, visitor.conversation);
        self.client.get(at).bearer_auth(token)
    }

    fn page(&self, path: &str, cookie: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.staff)).header("cookie", cookie)
    }

    /// The same over a socket.
    #[expect(clippy::disallowed_methods, reason = "real sockets at real times")]
    async fn listen_at_socket(&self, visitor: &Visitor, token: &str) -> Heard {
        let path = format!("/chat/v1/conversations/{}/socket", visitor.conversation);
        let offered = format!("wardroom.chat.v1, wardroom.token.{token}");
        let fields = [("sec-websocket-protocol", offered.as_str()), ("origin", self.public.as_str())];
        let mut socket = SocketClient::open(&self.public, &self.root, &path, &fields).await.unwrap();
        let mut text = String::new();
        while !text.contains("\"state\"") {
            let Came::Text(frame) = socket.next().await else { panic!("it ended") };
            text.push_str(&frame);
        }
        tokio::spawn(async move {
            loop {
                match socket.next().await {
                    Came::Text(frame) => text.push_str(&frame),
                    end => {
                        text.push_str(&format!("{end:?}"));
                        return (text, Instant::now());
                    }
                }
            }
        })
    }

    /// Somebody who speaks in a conversation without pause, past all doors: `early` until the end is in the
    /// database, and `late` from then on.
    fn speaks(&self, visitor: Visitor, crowd: &Arc<Crowd>) -> JoinHandle<()> {
        let (base, conversations) = (self.base.clone(), self.house.conversations.clone());
        let crowd = Arc::clone(crowd);
        tokio::spawn(async move {
            while !crowd.stop.load(Ordering::Acquire) {
                let (tenant, id) = (visitor.tenant, visitor.conversation);
                let row = base.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await.unwrap();
                let now = Circumstances::at(base.world.now());
                let may: Permit<PostMessage> =
                    base.guard.permit(&visitor.into(), &row.unwrap().resource(), &now).unwrap();
                let late = crowd.ended.load(Ordering::Acquire);
                let word = if late { "zebra" } else { "early" };
                let text = MessageText::new(&format!("{word} {}", base.world.now().as_millis())).unwrap();
                // Told that the bot has not caught up, they try again.
                match conversations.send(may, text, None, &Via::default()).await {
                    Ok(_) if late => {
                        crowd.late.fetch_add(1, Ordering::AcqRel);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        })
    }
}

#[derive(Default)]
struct Crowd {
    ended: AtomicBool,
    stop: AtomicBool,
    late: AtomicU64,
}

impl Crowd {
    /// Waits until enough was said after the end, then until all have stopped.
    async fn disperse(&self, speakers: Vec<JoinHandle<()>>) {
        self.ended.store(true, Ordering::Release);
        while self.late.load(Ordering::Acquire) < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stop.store(true, Ordering::Release);
        for speaker in speakers {
            speaker.await.unwrap();
        }
    }
}

/// Each stream has ended within the bound, and told nothing that was said after the end; the longest of them.
async fn silent(streams: Vec<Heard>, begun: Instant) -> u128 {
    let mut longest = 0;
    for stream in streams {
        let (text, at) = tokio::time::timeout(Duration::from_secs(20), stream).await.unwrap().unwrap();
        assert!(text.contains("early"), "it heard nobody: {text}");
        assert!(!text.contains("zebra"), "it told what was said after the end");
        let took = at.duration_since(begun);
        assert!(took < BOUND, "it stayed open for {took:?}");
        longest = longest.max(took.as_millis());
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "real sockets at real times")]
async fn a_person_who_signs_out_elsewhere_hears_nothing_more_over_stream_and_socket() {
    let open = Open::doors().await;
    let (subject, session, cookie, page) = open.person().await;
    let (visitor, token) = open.conversation(Some((subject, session))).await;
    // Somebody whose token is of no session: their stream goes on, so that it is known what was said.
    let stranger = open.house.conversations.token(&Holder::from(visitor)).await.unwrap();
    let witness = open.listen(open.events(&visitor, stranger.expose())).await;
    let (mut streams, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        streams.push(open.listen(open.events(&visitor, &token)).await);
        sockets.push(open.listen_at_socket(&visitor, &token).await);
    }
    let crowd = Arc::new(Crowd::default());
    let speakers: Vec<_> = (0..3).map(|_| open.speaks(visitor, &crowd)).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    let ended = open
        .client
        .post(format!("{}/mine/sessions/end", open.public))
        .header("cookie", &cookie)
        .header("origin", &open.public)
        .header("x-csrf-token", &page)
        .json(&serde_json::json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(ended.status(), 200, "{}", ended.text().await.unwrap());
    crowd.disperse(speakers).await;
    let (sse_ms, socket_ms) = (silent(streams, begun).await, silent(sockets, begun).await);
    for part in ["events", "socket"] {
        let at = format!("{}/chat/v1/conversations/{}/{part}", open.public, visitor.conversation);
        assert_eq!(open.client.get(at).bearer_auth(&token).send().await.unwrap().status(), 401, "{part}");
    }
    drop(open);
    let (text, _) = tokio::time::timeout(Duration::from_secs(20), witness).await.unwrap().unwrap();
    assert!(text.contains("zebra"), "what was said after the end was said");
    println!(r#"{{"name":"person-ended","figures":{{"sse_ms":{sse_ms},"socket_ms":{socket_ms}}}}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "real sockets at real times")]
async fn whoever_is_disabled_sees_nothing_more_on_the_desk() {
    let open = Open::doors().await;
    let (manager, cookie, _) = open.staff("manager", Role::SupportManager).await;
    let (_, admin, form) = open.staff("admin", Role::SecurityAdmin).await;
    let (visitor, token) = open.conversation(None).await;
    let live = format!("/conversations/{}/live", visitor.conversation);
    let refused = open.page(&live, &cookie).send().await.unwrap();
    assert_eq!(refused.status(), 403, "without a reason");
    let witness = open.listen(open.events(&visitor, &token)).await;
    let mut transcripts = Vec::new();
    for _ in 0..4 {
        transcripts
            .push(open.listen(open.page(&live, &cookie).header("wardroom-reason", "ticket%204711")).await);
    }
    let list = open.listen(open.page("/conversations/live?state=open", &cookie)).await;
    let crowd = Arc::new(Crowd::default());
    let speakers: Vec<_> = (0..3).map(|_| open.speaks(visitor, &crowd)).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    let disabled = open
        .client
        .post(format!("{}/users/{manager}/disable", open.staff))
        .header("cookie", &admin)
        .header("origin", &open.staff)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("csrf_token={form}"))
        .send()
        .await
        .unwrap();
    assert_eq!(disabled.status(), 303, "{}", disabled.text().await.unwrap());
    crowd.disperse(speakers).await;
    let desk_ms = silent(transcripts, begun).await;
    let (told, at) = tokio::time::timeout(Duration::from_secs(20), list).await.unwrap().unwrap();
    assert!(at.duration_since(begun) < BOUND && !told.contains("early"), "the list shows no words: {told}");
    let again = open.page(&live, &cookie).header("wardroom-reason", "ticket%204711");
    assert_eq!(again.header("accept", "application/json").send().await.unwrap().status(), 401);
    drop(open);
    let (text, _) = tokio::time::timeout(Duration::from_secs(20), witness).await.unwrap().unwrap();
    assert!(text.contains("zebra"), "what was said after the end was said");
    println!(r#"{{"name":"staff-ended","figures":{{"desk_ms":{desk_ms}}}}}"#);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "real sockets at real times")]
async fn an_end_that_another_process_wrote_counts_before_the_next_event() {
    let open = Open::doors().await;
    let (subject, session, _, _) = open.person().await;
    let (visitor, token) = open.conversation(Some((subject, session))).await;
    let crowd = Arc::new(Crowd::default());
    let streams =
        vec![open.listen(open.events(&visitor, &token)).await, open.listen_at_socket(&visitor, &token).await];
    let speaker = open.speaks(visitor, &crowd);
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Nobody in this process is told of it: the streams look by themselves.
    let (tenant, now, begun) = (open.base.tenant, open.base.world.now(), Instant::now());
    let end = open.base.db.write(move |tx| person_sessions::end(tx, (tenant, subject), session, now));
    assert!(end.await.unwrap());
    crowd.disperse(vec![speaker]).await;
    silent(streams, begun).await;
}
