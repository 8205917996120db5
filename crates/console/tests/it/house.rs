//! A console over a database of its own, with a live bot and staff who are signed in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use bots::{Shelf, ShelfError};
use console::{Activation, Desk, DeskParts, Finding, Posture, Releases, TlsPosture};
use conversations::{BotFuture, Bots, Conversations, Opening};
use doors::RouteTable;
use doors::cookie::{self, SessionSecret};
use doors::csrf;
use guard::action::{ActivateRelease, OpenConversation};
use guard::{Actor, Circumstances, Grant, Guard, Permit, Resource, Role, ServiceName};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use identity::Identity;
use identity::passkey::RelyingParty;
use identity::password::Passwords;
use kernel::{BotName, ConversationId, DisplayName, Email, MessageText, ReleaseId, TenantId, UserId, World};
use ledger::catalogue::ReleaseActivated;
use ledger::{SignedCheckpoint, Signer};
use store::sessions::Session;
use store::users::{self, GrantRow, NewUser};
use store::{Db, DbUrl, Keychain, Via, audit, sessions, tenants};
use tempfile::TempDir;
use tower::ServiceExt;
use vault::{CachePolicy, FileRoot, Keyring, Purpose};
use wire::release::{Confidence, Handoff, Manifest, Release};
use wire::turn::{Basis, EngineFuture, EngineService, Loaded, Reply, TurnEvent, TurnRequest, TurnStream};

pub(crate) const ORIGIN: &str = "https://desk.example:9443";

pub(crate) struct House {
    router: Router,
    pub(crate) table: RouteTable,
    pub(crate) custody: custody::Custody,
    pub(crate) tenant: TenantId,
    pub(crate) world: World,
    pub(crate) db: Db,
    pub(crate) keys: Keychain,
    pub(crate) guard: Guard,
    pub(crate) identity: Identity,
    pub(crate) shelf: Shelf,
    pub(crate) conversations: Conversations,
    signer: Signer,
    _stop: tokio::sync::watch::Sender<bool>,
    /// To where links went by mail, and the links.
    pub(crate) letters: Letters,
    _room: TempDir,
}

pub(crate) type Letters = Arc<Mutex<Vec<(String, String)>>>;

/// Takes every letter but those to `nobody@..`.
fn postman(letters: &Letters) -> console::SendsLinks {
    let letters = Arc::clone(letters);
    Arc::new(move |letter| {
        let to = letter.to.as_str().to_owned();
        let taken = !to.starts_with("nobody@");
        if taken {
            letters.lock().unwrap().push((to, letter.link.expose().clone()));
        }
        Box::pin(async move { if taken { Ok(()) } else { Err("the relay said no".to_owned()) } })
    })
}

/// Somebody who is signed in.
pub(crate) struct Staff {
    pub(crate) user: UserId,
    pub(crate) secret: SessionSecret,
}

impl Staff {
    pub(crate) fn cookie(&self) -> String {
        let line = self.secret.set_cookie(Duration::from_secs(60)).unwrap();
        line.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    pub(crate) fn csrf(&self) -> String {
        csrf::token(&self.secret).expose().to_owned()
    }
}

/// An answer, read to its end.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    /// The value of a cookie that this answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let found = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        found.filter(|(is, _)| *is == name).map(|(_, value)| value.to_owned()).next_back()
    }

    /// What stands between two texts of the page.
    pub(crate) fn between(&self, before: &str, after: &str) -> &str {
        let from = self.text.find(before).unwrap_or_else(|| unreachable!("no {before} in {}", self.text))
            + before.len();
        let rest = &self.text[from..];
        &rest[..rest.find(after).unwrap()]
    }
}

/// An engine that repeats what it is told, so that a trial's way through the console can be seen.
struct Echo;

impl EngineService for Echo {
    fn load(&self, _: ReleaseId, release: Arc<Release>) -> EngineFuture<'_, Loaded> {
        Box::pin(async move { Ok(Loaded { passages: release.passages.len(), index_bytes: 0 }) })
    }

    fn turn(&self, request: TurnRequest) -> EngineFuture<'_, TurnStream> {
        Box::pin(async move {
            let text = format!("{} after {} lines", request.text.as_str(), request.history.len());
            let (sender, stream) = TurnStream::channel();
            let text = MessageText::new(&text).unwrap();
            let reply = Reply { text, citations: Vec::new(), state: None, act: None, basis: Basis::Fallback };
            sender.send(TurnEvent::Reply(reply)).await.unwrap();
            Ok(stream)
        })
    }
}

struct ShelfBots(Shelf);

impl Bots for ShelfBots {
    fn live(&self, _: TenantId, bot: BotName) -> BotFuture<'_> {
        Box::pin(async move { Ok(self.0.live(&bot)) })
    }

    fn release(&self, _: TenantId, id: ReleaseId) -> BotFuture<'_> {
        Box::pin(async move { Ok(self.0.release(id).await.unwrap().map(|release| (id, release))) })
    }
}

/// Puts releases live in the database, with their event.
struct InDatabase {
    db: Db,
    keys: Keychain,
    world: World,
}

impl Releases for InDatabase {
    fn activate(&self, permit: Permit<ActivateRelease>, via: Via) -> Activation<'_> {
        Box::pin(async move {
            let now = self.world.now();
            let (bot, release) = (permit.bot().unwrap().clone(), permit.resource().release().unwrap());
            let event = ReleaseActivated { bot, release, previous: None };
            let entry = self.keys.scribe(permit.tenant()).await?.write(&event, permit.actor(), &via)?;
            let done = self.db.write(move |tx| {
                store::bots::activate(tx, &permit, now)?;
                entry.append(tx)
            });
            done.await.map_err(ShelfError::from)
        })
    }
}

fn asset(name: &str) -> Option<&'static [u8]> {
    matches!(name, "console.css" | "console.js" | "mark.svg" | "chat.html").then_some(b"asset".as_slice())
}

pub(crate) fn release(greeting: &str) -> Release {
    Release {
        manifest: Manifest {
            name: BotName::new("front-desk").unwrap(),
            title: "Front desk".to_owned(),
            description: "Helps at the front desk.".to_owned(),
            language: "en".to_owned(),
            greeting: greeting.to_owned(),
            fallback: "I do not know.".to_owned(),
            suggestions: Vec::new(),
            handoff: Handoff { enabled: true, message: "A person will come.".to_owned() },
            confidence: Confidence { intent: 0.5, knowledge: 0.5 },
            allowed_origins: Vec::new(),
            people: Default::default(),
            retention_days: None,
        },
        passages: Vec::new(),
        intents: Vec::new(),
        flows: Vec::new(),
        model: Vec::new(),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

impl House {
    pub(crate) async fn open() -> Self {
        let room = tempfile::tempdir().unwrap();
        let url = DbUrl::sqlite(room.path().join("house.db"));
        Self::on(url, room).await
    }

    /// The same on another database.
    pub(crate) async fn on(url: DbUrl, room: TempDir) -> Self {
        Self::with(url, room, |passwords| passwords).await
    }

    /// The same with other rules for passwords.
    pub(crate) async fn with(url: DbUrl, room: TempDir, rules: impl FnOnce(Passwords) -> Passwords) -> Self {
        let world = World::real();
        let passwords = rules(Passwords::new(&world).unwrap());
        let opening = world.clone();
        let db = tokio::task::spawn_blocking(move || Db::open(&url, &opening).unwrap()).await.unwrap();
        let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
        let keys = Keychain::new(db.clone(), Arc::clone(&keyring), world.clone());
        let (tenant, now): (TenantId, _) = (world.id(), world.now());
        db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
        keys.prepare(tenant).await.unwrap();
        let guard = Guard::embedded().unwrap();
        let shelf =
            Shelf::open(tenant, db.clone(), keys.clone(), guard.clone(), world.clone()).await.unwrap();
        let operator = Actor::Service { name: ServiceName::Operator, tenant };
        for greeting in ["Hello.", "Good day."] {
            shelf.push(&operator, release(greeting), 1, &Via::default()).await.unwrap();
        }
        let bots = Arc::new(ShelfBots(shelf.clone()));
        let conversations =
            Conversations::new(db.clone(), keys.clone(), guard.clone(), world.clone(), Arc::new(Echo), bots);
        let party = RelyingParty::of_origin(ORIGIN).unwrap();
        let (rooms, its_world) = ((db.clone(), keys.clone(), guard.clone()), world.clone());
        let identity = Identity::with_hasher(rooms.0, rooms.1, rooms.2, its_world, tenant, party, passwords);
        let letters = Letters::default();
        let signer = Signer::from_seed(&format!("wardroom/{tenant}"), &kernel::Secret::new([7; 32])).unwrap();
        let ends = world.now().after(Duration::from_secs(90 * 86_400));
        let custody = custody::Custody::new(custody::CustodyParts {
            tenant,
            db: db.clone(),
            keys: keys.clone(),
            guard: guard.clone(),
            world: world.clone(),
            present: keyring,
            next: None,
        });
        let (stop, ending) = tokio::sync::watch::channel(false);
        let desk = Desk::new(DeskParts {
            tenant,
            custody: custody.clone(),
            rulebook: rulebook::Rulebook::new(rulebook::RulebookParts {
                tenant,
                db: db.clone(),
                keys: keys.clone(),
                guard: guard.clone(),
                world: world.clone(),
            }),
            guard: guard.clone(),
            world: world.clone(),
            db: db.clone(),
            keys: keys.clone(),
            identity: identity.clone(),
            conversations: conversations.clone(),
            shelf: shelf.clone(),
            releases: Arc::new(InDatabase { db: db.clone(), keys: keys.clone(), world: world.clone() }),
            engine: Arc::new(Echo),
            log_keys: vec![signer.verifier_key().clone()],
            origin: ORIGIN.to_owned(),
            ending: ending.clone(),
            assets: asset,
            traffic: Arc::new(crate::traffic::Street::default()),
            links: Some(postman(&letters)),
            posture: Arc::new(move || Posture {
                tls: TlsPosture {
                    versions: "TLS 1.3".to_owned(),
                    groups: "X25519MLKEM768".to_owned(),
                    issuer: "local authority".to_owned(),
                    ends: Some(ends),
                },
                findings: vec![Finding {
                    what: "The root key is a file.".to_owned(),
                    mend: "Use an HSM.".to_owned(),
                }],
            }),
        });
        let (router, table) = console::doors(desk).unwrap();
        Self {
            router,
            table,
            custody,
            tenant,
            world,
            db,
            keys,
            guard,
            identity,
            shelf,
            conversations,
            signer,
            _stop: stop,
            letters,
            _room: room,
        }
    }

    /// Somebody with these roles, signed in, without the ceremonies of enrolment.
    pub(crate) async fn staff(&self, name: &str, roles: &[Role]) -> Staff {
        self.staff_signed_in(name, roles, (0, 3)).await
    }

    /// The same, who last proved who they are so many seconds ago, at this level.
    pub(crate) async fn staff_signed_in(&self, name: &str, roles: &[Role], (ago, level): (u64, u8)) -> Staff {
        let (tenant, user, now): (_, UserId, _) = (self.tenant, self.world.id(), self.world.now());
        let proved = kernel::Timestamp::from_millis(now.as_millis() - ago * 1000);
        let key = self.keys.tenant_data_key(tenant, Purpose::Identity).await.unwrap();
        let index = self.keys.tenant_data_key(tenant, Purpose::Index).await.unwrap();
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
        let grants: Vec<GrantRow> = roles
            .iter()
            .map(|role| GrantRow {
                user,
                grant: Grant::everywhere(*role),
                source: "manual".to_owned(),
                granted_by: None,
                reason: None,
                granted: now,
                expires: None,
            })
            .collect();
        let secret = SessionSecret::generate(&self.world);
        let session = Session {
            tenant,
            id: self.world.id(),
            csrf_hash: sha256(csrf::token(&secret).expose().as_bytes()),
            user,
            assurance: level,
            epoch: 1,
            created: now,
            authenticated: proved,
            last_seen: now,
            absolute: now.after(Duration::from_secs(3600)),
            ended: None,
        };
        let hash = sha256(secret.expose());
        let made = self.db.write(move |tx| {
            users::create(tx, &new)?;
            grants.iter().try_for_each(|row| users::put_grant(tx, tenant, row))?;
            sessions::begin(tx, &session, hash)
        });
        made.await.unwrap();
        Staff { user, secret }
    }

    /// A conversation of somebody who said something.
    pub(crate) async fn conversation(&self, said: &str) -> ConversationId {
        let bot = Resource::Bot { tenant: self.tenant, bot: BotName::new("front-desk").unwrap() };
        let anybody = Actor::Anonymous { tenant: self.tenant };
        let now = Circumstances::at(self.world.now());
        let permit: Permit<OpenConversation> = self.guard.permit(&anybody, &bot, &now).unwrap();
        let opened = self.conversations.open(permit, Opening::default(), &Via::default()).await.unwrap();
        let (tenant, id) = (self.tenant, opened.visitor.conversation);
        let row = self.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await.unwrap().unwrap();
        let permit = self.guard.permit(&opened.visitor.into(), &row.resource(), &now).unwrap();
        self.conversations
            .send(permit, MessageText::new(said).unwrap(), None, &Via::default())
            .await
            .unwrap();
        self.conversations.settle().await;
        id
    }

    /// The codes of the audit log, the newest first.
    pub(crate) async fn codes(&self) -> Vec<String> {
        let operator = Actor::Service { name: ServiceName::Operator, tenant: self.tenant };
        let now = Circumstances::at(self.world.now());
        let permit = self.guard.permit(&operator, &Resource::Tenant(self.tenant), &now).unwrap();
        let leaves =
            self.db.read(move |tx| audit::list(tx, &permit, &audit::Filter::default())).await.unwrap();
        leaves.into_iter().map(|leaf| leaf.code).collect()
    }

    /// Signs the audit log as it stands.
    pub(crate) async fn sign(&self) {
        let (tenant, now) = (self.tenant, self.world.now());
        let frontier = self.db.read(move |tx| audit::frontier(tx, tenant)).await.unwrap();
        let signed = SignedCheckpoint::sign(&frontier, &self.signer);
        let (size, note) = (frontier.size(), signed.as_str().to_owned());
        self.db.write(move |tx| audit::save_checkpoint(tx, tenant, size, &note, now)).await.unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The answer as it comes, for what does not end by itself.
    pub(crate) async fn stream(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, who: &Staff) -> Page {
        let request = Request::get(path).header("host", "desk.example:9443").header("cookie", who.cookie());
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts a form as a page of ours would.
    pub(crate) async fn post(&self, path: &str, who: &Staff, fields: &[(&str, &str)]) -> Page {
        let token = who.csrf();
        let mut all = vec![("csrf_token", token.as_str())];
        all.extend(fields);
        self.post_with(path, &who.cookie(), &all).await
    }

    /// Posts a form as a script of our pages would.
    pub(crate) async fn post_by_script(&self, path: &str, who: &Staff, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf_token".to_owned(), who.csrf())];
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = Request::post(path)
            .header("host", "desk.example:9443")
            .header("origin", ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header("cookie", who.cookie())
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(encoded(&all))).unwrap()).await
    }

    pub(crate) async fn post_with(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Page {
        let request = Request::post(path)
            .header("host", "desk.example:9443")
            .header("origin", ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(encoded(fields))).unwrap()).await
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", name.replace(' ', "+"), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// The cookies that a browser would send after these answers.
pub(crate) fn jar(pages: &[&Page]) -> String {
    let names = [cookie::NAME, identity::CeremonyId::COOKIE, identity::DeviceToken::COOKIE];
    let newest = |name: &str| pages.iter().rev().find_map(|page| page.cookie(name));
    let pairs = names.iter().filter_map(|name| newest(name).map(|value| format!("{name}={value}")));
    pairs.collect::<Vec<_>>().join("; ")
}
