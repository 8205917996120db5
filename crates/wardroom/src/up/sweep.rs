//! Every route of both doors, tried by everybody: through the real routers, on a real store, with what is
//! there and with ids that are not. What is answered must be what the guard says of the route's action.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use conversations::{HoldOn, Holds, Opening};
use doors::cookie::SessionSecret;
use doors::{RouteTable, Way, csrf};
use guard::action::OpenConversation;
use guard::{Act, Actor, Circumstances, Grant, Permit, Resource, Role, Staff};
use http::{Method, Request, StatusCode};
use kernel::{BotName, ConversationId, DisplayName, Email, HoldId, Reason, ReleaseId, Timestamp, UserId};
use store::sessions::{self, Session};
use store::users::{self, GrantRow, NewUser};
use vault::Purpose;
use wire::release::{Confidence, Handoff, Manifest, People, Release};

use super::*;

const ORIGIN: &str = "https://localhost";

/// An id of the right shape that nothing has.
const FOREIGN: &str = "0198c0de-1234-7abc-8def-0123456789ab";

struct Doorway {
    base: Foundation,
    public: (Router, RouteTable),
    staff: (Router, RouteTable),
    programs: (Router, RouteTable),
    bot: BotName,
    release: ReleaseId,
    /// The author of the release that is tried.
    victim: UserId,
    conversation: ConversationId,
    /// A legal hold that the operator placed.
    hold: HoldId,
    /// The bearer token of that conversation, and of another one.
    tokens: [String; 2],
    _temp: tempfile::TempDir,
}

/// Somebody who tries.
struct Person {
    name: String,
    actor: Option<Staff>,
    /// How long ago they proved who they are, in seconds.
    ago: u64,
}

/// What was tried, and what came of it.
#[derive(Default)]
struct Figures {
    checks: usize,
    permitted: usize,
    refused: usize,
    foreign: usize,
    statuses: BTreeMap<u16, usize>,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

fn small_release() -> Release {
    Release {
        manifest: Manifest {
            name: BotName::new("front-desk").unwrap(),
            title: "Front desk".to_owned(),
            description: "Helps at the front desk.".to_owned(),
            language: "en".to_owned(),
            greeting: "Hello.".to_owned(),
            fallback: "I do not know.".to_owned(),
            suggestions: Vec::new(),
            handoff: Handoff { enabled: true, message: "A person will come.".to_owned() },
            confidence: Confidence { intent: 0.5, knowledge: 0.5 },
            allowed_origins: Vec::new(),
            retention_days: None,
            people: People::Anybody,
        },
        passages: Vec::new(),
        intents: Vec::new(),
        flows: Vec::new(),
        model: Vec::new(),
    }
}

impl Doorway {
    async fn open() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (dir, config) = (DataDir::hold(&temp.path().join("data")).unwrap(), Config::default());
        dir.folder("keys").unwrap();
        let base = Foundation::open(dir.path(), &config, true).await.unwrap();
        let house = House::on(base.clone()).await.unwrap();
        let operator = base.operator();
        for _ in 0..2 {
            house.shelf.push(&operator, small_release(), 1, &Via::default()).await.unwrap();
        }
        let certificates = Certificates::open(&dir, &config, &base).await.unwrap();
        let (_trigger, shutdown) = Shutdown::new();
        let identity = identity(&base, ORIGIN).await.unwrap();
        let public =
            api::doors(front(&house, &config, identity.clone(), ORIGIN.to_owned(), &shutdown)).unwrap();
        let programs = api::staff_doors(staff_api(&house, identity.clone())).unwrap();
        let signer = checkpoints::signer(&base).await.unwrap();
        let admission = Admission::off(&base.world);
        let origin = ORIGIN.to_owned();
        let desk = desk(&house, &config, (identity, origin), &signer, &certificates, admission, &shutdown);
        let staff = console::doors(desk).unwrap();

        let bot = BotName::new("front-desk").unwrap();
        let (tenant, name, now) = (base.tenant, bot.clone(), Circumstances::at(base.world.now()));
        let whole = base.guard.permit(&operator, &Resource::Tenant(tenant), &now).unwrap();
        let rows = base.db.read(move |tx| store::bots::releases(tx, &whole, Some(&name), 10)).await.unwrap();
        let release = rows.last().unwrap().id;
        let mut opened = Vec::new();
        for _ in 0..2 {
            let anybody = Actor::Anonymous { tenant };
            let thing = Resource::Bot { tenant, bot: bot.clone() };
            let permit: Permit<OpenConversation> = base.guard.permit(&anybody, &thing, &now).unwrap();
            let one = house.conversations.open(permit, Opening::default(), &Via::default()).await.unwrap();
            opened.push((one.visitor.conversation, one.token.expose().to_owned()));
        }
        let tokens = [opened[0].1.clone(), opened[1].1.clone()];
        let conversation = opened[0].0;
        let because = now.because(Reason::new("the sweep").unwrap());
        let place = base.guard.permit(&operator, &Resource::Tenant(tenant), &because).unwrap();
        let holds = Holds::new(base.db.clone(), base.keys.clone(), base.world.clone());
        let hold = holds.place(place, HoldOn::Conversation(conversation), &Via::default()).await.unwrap();
        let victim = base.world.id();
        let doorway = Self {
            base,
            public,
            staff,
            programs,
            bot,
            release,
            victim,
            conversation,
            hold,
            tokens,
            _temp: temp,
        };
        doorway.account(victim, "victim", &[]).await;
        doorway
    }

    async fn account(&self, user: UserId, name: &str, grants: &[Grant]) {
        let (tenant, now) = (self.base.tenant, self.base.world.now());
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
        let row = |grant: &Grant| GrantRow {
            user,
            grant: grant.clone(),
            source: "manual".to_owned(),
            granted_by: None,
            reason: None,
            granted: now,
            expires: None,
        };
        let rows: Vec<GrantRow> = grants.iter().map(row).collect();
        let made = self.base.db.write(move |tx| {
            users::create(tx, &new)?;
            rows.iter().try_for_each(|row| users::put_grant(tx, tenant, row))
        });
        made.await.unwrap();
    }

    /// Everybody who tries: each role alone, nobody's role, pairs that may not be, one factor, no
    /// passkey, a long time since the last proof, and nobody at all.
    async fn people(&self) -> Vec<Person> {
        let alone = Role::ALL.iter().map(|role| (role.name().to_owned(), vec![*role], 3, 0));
        let mut wanted: Vec<(String, Vec<Role>, u8, u64)> = alone.collect();
        wanted.push(("nobody's-role".to_owned(), vec![], 3, 0));
        for (a, b) in [
            (Role::BotDeveloper, Role::SupportManager),
            (Role::Auditor, Role::Owner),
            (Role::KeyCustodian, Role::SupportManager),
            (Role::SecurityAdmin, Role::SupportAgent),
        ] {
            wanted.push((format!("{a}-and-{b}"), vec![a, b], 3, 0));
        }
        wanted.push(("one-factor".to_owned(), vec![Role::Owner], 1, 0));
        wanted.push(("no-passkey".to_owned(), vec![Role::KeyCustodian], 2, 0));
        wanted.push(("long-ago".to_owned(), vec![Role::KeyCustodian], 3, 1_200));
        let mut people = vec![Person { name: "signed-out".to_owned(), actor: None, ago: 0 }];
        for (name, roles, assurance, ago) in wanted {
            let grants: Vec<Grant> = roles.into_iter().map(Grant::everywhere).collect();
            let user = self.base.world.id();
            self.account(user, &name.replace('_', "-"), &grants).await;
            let now = self.base.world.now();
            let staff = Staff {
                user,
                tenant: self.base.tenant,
                grants,
                assurance,
                authenticated_at: Timestamp::from_millis(now.as_millis() - ago * 1000),
                session: self.base.world.id(),
            };
            people.push(Person { name, actor: Some(staff), ago });
        }
        people
    }

    /// A session of its own for each request, because some routes end it.
    async fn session(&self, staff: &Staff, ago: u64) -> SessionSecret {
        let (tenant, now) = (self.base.tenant, self.base.world.now());
        let secret = SessionSecret::generate(&self.base.world);
        let user = staff.user;
        let found = self.base.db.read(move |tx| users::find(tx, tenant, user)).await.unwrap().unwrap();
        let session = Session {
            tenant,
            id: self.base.world.id(),
            csrf_hash: sha256(csrf::token(&secret).expose().as_bytes()),
            user,
            assurance: staff.assurance,
            epoch: found.epoch,
            created: now,
            authenticated: Timestamp::from_millis(now.as_millis() - ago * 1000),
            last_seen: now,
            absolute: now.after(Duration::from_secs(3600)),
            ended: None,
        };
        let hash = sha256(secret.expose());
        self.base.db.write(move |tx| sessions::begin(tx, &session, hash)).await.unwrap();
        secret
    }

    /// The address of a route, with what is there in its holes or with what is not; and whether anything
    /// of it is not there.
    fn address(&self, path: &str, foreign: bool) -> (String, bool) {
        let file = if path.starts_with("/policies/") && !foreign { "guards" } else { "nothing.css" };
        let mut address = path.replace("{*page}", "nothing").replace("{file}", file);
        let mut strange = foreign && path.contains('{');
        let ours = match path {
            _ if foreign => FOREIGN.to_owned(),
            _ if path.starts_with("/users/") => self.victim.to_string(),
            _ if path.starts_with("/bots/") => self.release.to_string(),
            _ if path.contains("/conversations/{id}") => self.conversation.to_string(),
            _ => FOREIGN.to_owned(),
        };
        let hold = if foreign { FOREIGN.to_owned() } else { self.hold.to_string() };
        address = address.replace("{hold}", &hold);
        let bot = if foreign { "no-such-bot" } else { self.bot.as_str() };
        address = address.replace("{name}", bot).replace("{id}", &ours);
        for hole in [
            "{session}",
            "{invite}",
            "{request}",
            "{connection}",
            "{key}",
            "{account}",
            "{token}",
            "{ticket}",
        ] {
            strange |= address.contains(hole);
            address = address.replace(hole, FOREIGN);
        }
        strange |= address.contains('{');
        while let Some((before, rest)) = address.clone().split_once('{') {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            address = format!("{before}99{after}");
        }
        (address, strange)
    }

    /// The thing that a guarded route is about, as the console finds it.
    async fn thing(&self, act: Act, path: &str, staff: &Staff) -> Resource {
        let (tenant, bot) = (self.base.tenant, self.bot.clone());
        match act {
            Act::ManageOwnAccount => Resource::Account { tenant, user: staff.user },
            // Everybody's, for whoever may see that; else one's own.
            Act::ReadApiKeys | Act::ReadAccess => {
                let (all, now) = (Resource::Tenant(tenant), Circumstances::at(self.base.world.now()));
                let sees = self.base.guard.decide(act, &staff.clone().into(), &all, &now).is_ok();
                if sees { all } else { Resource::Account { tenant, user: staff.user } }
            }
            _ if path.contains("/conversations/{id}") => {
                let id = self.conversation;
                let row = self.base.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await;
                row.unwrap().unwrap().resource()
            }
            Act::ActivateRelease => {
                let id = self.release;
                let row = self.base.db.read(move |tx| store::bots::release(tx, tenant, id)).await;
                row.unwrap().unwrap().resource()
            }
            Act::LiftHold => Resource::Hold { tenant, hold: self.hold, author: None },
            _ if path.starts_with("/bots/{name}") => Resource::Bot { tenant, bot },
            _ if path.starts_with("/users/{id}") => Resource::Account { tenant, user: self.victim },
            _ => match act.resources() {
                // One's own things, where the path names no account.
                [guard::ResourceKind::Account] => Resource::Account { tenant, user: staff.user },
                _ => Resource::Tenant(tenant),
            },
        }
    }

    async fn ask(
        &self,
        router: &Router,
        method: &Method,
        address: &str,
        who: Option<&SessionSecret>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(address)
            .header("host", "localhost")
            .header("origin", ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header("wardroom-reason", "sweep");
        let mut form = "reason=sweep".to_owned();
        if let Some(secret) = who {
            let line = secret.set_cookie(Duration::from_secs(60)).unwrap();
            let cookie = line.to_str().unwrap().split(';').next().unwrap().to_owned();
            request = request.header("cookie", cookie);
            form = format!("{form}&csrf_token={}", csrf::token(secret).expose());
        }
        let body = if *method == Method::POST {
            request = request.header("content-type", "application/x-www-form-urlencoded");
            Body::from(form)
        } else {
            Body::empty()
        };
        send(router, request.body(body).unwrap()).await
    }
}

struct Answer {
    status: StatusCode,
    location: String,
}

impl Answer {
    /// Whether they were turned away: refused, told that nothing is there, or led to prove who they are.
    fn turns_away(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
            || (self.status == StatusCode::SEE_OTHER
                && ["/sign-in", "/step-up"].iter().any(|page| self.location.starts_with(page)))
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let location = response.headers().get("location").map_or("", |to| to.to_str().unwrap());
    Answer { status: response.status(), location: location.to_owned() }
}

impl Figures {
    fn count(&mut self, answer: &Answer, what: &str) {
        self.checks += 1;
        *self.statuses.entry(answer.status.as_u16()).or_default() += 1;
        assert!(!answer.status.is_server_error(), "{what}: {}", answer.status);
    }
}

#[tokio::test]
async fn every_staff_route_answers_everybody_as_the_matrix_says() {
    let doorway = Doorway::open().await;
    let people = doorway.people().await;
    let (router, table) = &doorway.staff;
    let mut figures = Figures::default();
    let mut faults: Vec<String> = Vec::new();
    // Disabling the account that is tried comes last, so that the others find it as it was.
    let mut routes: Vec<_> = table.routes().collect();
    routes.sort_by_key(|(_, path, _)| (path.ends_with("/disable"), *path));
    for (method, path, way) in &routes {
        for person in &people {
            for foreign in [false, true] {
                let (address, strange) = doorway.address(path, foreign);
                if foreign && !strange {
                    continue;
                }
                let secret = match &person.actor {
                    Some(staff) => Some(doorway.session(staff, person.ago).await),
                    None => None,
                };
                let answer = doorway.ask(router, method, &address, secret.as_ref()).await;
                let what = format!("{method} {path} by {} (foreign: {foreign})", person.name);
                figures.count(&answer, &what);
                let Way::Guarded(act) = way else { continue };
                let fine = match &person.actor {
                    None => answer.turns_away(),
                    Some(staff) => {
                        let thing = doorway.thing(*act, path, staff).await;
                        let now = Circumstances::at(doorway.base.world.now())
                            .because(Reason::new("sweep").unwrap());
                        let decided = doorway.base.guard.decide(*act, &staff.clone().into(), &thing, &now);
                        match (decided.is_ok(), strange) {
                            (false, _) => {
                                figures.refused += 1;
                                answer.turns_away()
                            }
                            // What is not there is done to nobody.
                            (true, true) => {
                                figures.foreign += 1;
                                !answer.status.is_success()
                            }
                            (true, false) => {
                                figures.permitted += 1;
                                !answer.turns_away()
                            }
                        }
                    }
                };
                if !fine {
                    faults.push(format!("{what}: {} {}", answer.status, answer.location));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(figures.permitted > 100 && figures.refused > 500, "{} {}", figures.permitted, figures.refused);
    println!(
        r#"{{"name":"authz-staff-routes","figures":{{"routes":{},"people":{},"checks":{},"permitted":{},"refused":{},"foreign":{}}}}}"#,
        routes.len(),
        people.len(),
        figures.checks,
        figures.permitted,
        figures.refused,
        figures.foreign
    );
}

/// What a provider gives out for its own services: a JWT, `at+jwt`, for somebody who is an owner here.
const PROVIDERS_TOKEN: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lkcC5jb3JwLmV4YW1wbGUiLCJhdWQiOiJ3YXJkcm9vbSIsInN1YiI6Im93bmVyQGRlc2suZXhhbXBsZSIsInNjb3BlIjoidHJhbnNjcmlwdC5yZWFkIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXI";

/// A proof that a request carries in its header, and in words.
type Bearer<'a> = (&'a str, Option<&'a str>);

impl Doorway {
    /// Every route of a door for programs, tried with every bearer, with and without an owner's cookie, on what
    /// is there and on what is not. `fine` judges the answers of guarded routes.
    async fn try_bearers(
        &self,
        (router, table): &(Router, RouteTable),
        bearers: &[Bearer<'_>],
        body: &'static str,
        mut fine: impl FnMut(&mut Figures, &str, Option<&str>, bool, &Answer) -> bool,
    ) -> Figures {
        let owner = self.people().await.into_iter().find(|person| person.name == "owner").unwrap();
        let secret = self.session(&owner.actor.unwrap(), 0).await;
        let cookie = secret.set_cookie(Duration::from_secs(60)).unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let (mut figures, mut faults) = (Figures::default(), Vec::new());
        for (method, path, way) in table.routes() {
            for (who, bearer) in bearers {
                for (staff, foreign) in [(false, false), (false, true), (true, false), (true, true)] {
                    let (address, strange) = self.address(path, foreign);
                    let mut request = Request::builder().method(method.clone()).uri(&address);
                    request = request.header("content-type", "application/json").header("host", "localhost");
                    if let Some(bearer) = bearer {
                        request = request.header("authorization", format!("Bearer {bearer}"));
                    }
                    if staff {
                        request = request.header("cookie", &cookie);
                    }
                    let body = if *method == Method::POST { body } else { "" };
                    let answer = send(router, request.body(Body::from(body)).unwrap()).await;
                    let what = format!("{method} {path} by {who} (staff: {staff}, foreign: {foreign})");
                    figures.count(&answer, &what);
                    let guarded = matches!(way, Way::Guarded(_));
                    if guarded && !fine(&mut figures, path, *bearer, strange, &answer) {
                        faults.push(format!("{what}: {}", answer.status));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        figures
    }
}

#[tokio::test]
async fn every_public_route_answers_everybody_as_the_matrix_says() {
    let doorway = Doorway::open().await;
    let [own, other] = doorway.tokens.each_ref().map(String::as_str);
    let bearers = [
        ("nobody", None),
        ("their own token", Some(own)),
        ("another conversation's token", Some(other)),
        ("a token that never was", Some("wardroom_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ];
    let text = r#"{"text":"Hello."}"#;
    let judge = |figures: &mut Figures, path: &str, bearer: Option<&str>, strange: bool, answer: &Answer| {
        let permitted = bearer == Some(own) && !strange;
        figures.permitted += usize::from(permitted);
        figures.refused += usize::from(!permitted);
        let busy = answer.status == StatusCode::TOO_MANY_REQUESTS;
        // Whoever may erase themselves must say so in words that this body does not have.
        let asked = path.ends_with("/person/erase") && answer.status == StatusCode::BAD_REQUEST;
        // And whoever may open a socket must ask for one.
        let asked = asked || (path.ends_with("/socket") && answer.status == StatusCode::BAD_REQUEST);
        if permitted { answer.status.is_success() || busy || asked } else { answer.turns_away() }
    };
    let figures = doorway.try_bearers(&doorway.public, &bearers, text, judge).await;
    println!(
        r#"{{"name":"authz-public-routes","figures":{{"routes":{},"checks":{},"permitted":{},"refused":{}}}}}"#,
        doorway.public.1.routes().count(),
        figures.checks,
        figures.permitted,
        figures.refused
    );
}

/// What programs do with keys of theirs is tried where keys are made; here nobody has one.
#[tokio::test]
async fn every_route_for_programs_turns_away_whoever_has_no_key() {
    let doorway = Doorway::open().await;
    let never = format!("wrk_{}", "A".repeat(60));
    let bearers = [
        ("nobody", None),
        ("a person who chats", Some(doorway.tokens[0].as_str())),
        ("a key that never was", Some(never.as_str())),
        ("an access token of a provider", Some(PROVIDERS_TOKEN)),
        ("nonsense", Some("x")),
    ];
    let judge = |figures: &mut Figures, _: &str, _: Option<&str>, _: bool, answer: &Answer| {
        figures.refused += 1;
        answer.turns_away()
    };
    let figures = doorway.try_bearers(&doorway.programs, &bearers, "{}", judge).await;
    println!(
        r#"{{"name":"authz-program-routes","figures":{{"routes":{},"checks":{},"refused":{}}}}}"#,
        doorway.programs.1.routes().count(),
        figures.checks,
        figures.refused
    );
}
