//! Every route of both doors, tried by everybody: through the real routers, on a real store, with what is
//! there and with ids that are not. What is answered must be what the guard says of the route's action.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use conversations::Opening;
use doors::cookie::SessionSecret;
use doors::{RouteTable, Way, csrf};
use guard::action::OpenConversation;
use guard::{Act, Actor, Circumstances, Grant, Permit, Resource, Role, Staff};
use http::{Method, Request, StatusCode};
use kernel::{BotName, ConversationId, DisplayName, Email, Reason, ReleaseId, Timestamp, UserId};
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
        let desk = desk(&house, &config, identity, ORIGIN.to_owned(), &signer, &certificates, admission);
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
        let victim = base.world.id();
        let doorway =
            Self { base, public, staff, programs, bot, release, victim, conversation, tokens, _temp: temp };
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

    /// Everybody who tries: each role alone, nobody's role, pairs that may not be, one factor, a long
    /// time since the last proof, and nobody at all.
    async fn people(&self) -> Vec<Person> {
        let alone = Role::ALL.iter().map(|role| (role.name().to_owned(), vec![*role], 2, 0));
        let mut wanted: Vec<(String, Vec<Role>, u8, u64)> = alone.collect();
        wanted.push(("nobody's-role".to_owned(), vec![], 2, 0));
        for (a, b) in [
            (Role::BotDeveloper, Role::SupportManager),
            (Role::Auditor, Role::Owner),
            (Role::KeyCustodian, Role::SupportManager),
            (Role::SecurityAdmin, Role::SupportAgent),
        ] {
            wanted.push((format!("{a}-and-{b}"), vec![a, b], 2, 0));
        }
        wanted.push(("one-factor".to_owned(), vec![Role::Owner], 1, 0));
        wanted.push(("long-ago".to_owned(), vec![Role::KeyCustodian], 2, 1_200));
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
        let bot = if foreign { "no-such-bot" } else { self.bot.as_str() };
        address = address.replace("{name}", bot).replace("{id}", &ours);
        for hole in ["{session}", "{invite}", "{request}", "{connection}", "{key}", "{account}", "{token}"] {
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
            .header("sec-fetch-site", "same-origin");
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

#[tokio::test]
async fn every_public_route_answers_everybody_as_the_matrix_says() {
    let doorway = Doorway::open().await;
    let (router, table) = &doorway.public;
    let owner = doorway.people().await.into_iter().find(|person| person.name == "owner").unwrap();
    let secret = doorway.session(&owner.actor.unwrap(), 0).await;
    let cookie = secret.set_cookie(Duration::from_secs(60)).unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let [own, other] = &doorway.tokens;
    let bearers = [
        ("nobody", None),
        ("their own token", Some(own.as_str())),
        ("another conversation's token", Some(other.as_str())),
        ("a token that never was", Some("wardroom_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ];
    let (mut figures, mut faults) = (Figures::default(), Vec::new());
    let routes: Vec<_> = table.routes().collect();
    for (method, path, way) in &routes {
        for (who, bearer) in bearers {
            for staff in [false, true] {
                for foreign in [false, true] {
                    let (address, strange) = doorway.address(path, foreign);
                    let mut request = Request::builder().method((*method).clone()).uri(&address);
                    request = request.header("content-type", "application/json").header("host", "localhost");
                    if let Some(bearer) = bearer {
                        request = request.header("authorization", format!("Bearer {bearer}"));
                    }
                    if staff {
                        request = request.header("cookie", &cookie);
                    }
                    let body = Body::from(if *method == Method::POST { r#"{"text":"Hello."}"# } else { "" });
                    let answer = send(router, request.body(body).unwrap()).await;
                    let what = format!("{method} {path} by {who} (staff: {staff}, foreign: {foreign})");
                    figures.count(&answer, &what);
                    let Way::Guarded(_) = way else { continue };
                    let permitted = bearer == Some(own.as_str()) && !strange;
                    figures.permitted += usize::from(permitted);
                    figures.refused += usize::from(!permitted);
                    let busy = answer.status == StatusCode::TOO_MANY_REQUESTS;
                    // Whoever may erase themselves must say so in words that this body does not have.
                    let asked = path.ends_with("/person/erase") && answer.status == StatusCode::BAD_REQUEST;
                    let fine = if permitted {
                        answer.status.is_success() || busy || asked
                    } else {
                        answer.turns_away()
                    };
                    if !fine {
                        faults.push(format!("{what}: {}", answer.status));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!(
        r#"{{"name":"authz-public-routes","figures":{{"routes":{},"checks":{},"permitted":{},"refused":{}}}}}"#,
        routes.len(),
        figures.checks,
        figures.permitted,
        figures.refused
    );
}

/// What programs do with keys of theirs is tried where keys are made; here nobody has one.
#[tokio::test]
async fn every_route_for_programs_turns_away_whoever_has_no_key() {
    let doorway = Doorway::open().await;
    let (router, table) = &doorway.programs;
    let owner = doorway.people().await.into_iter().find(|person| person.name == "owner").unwrap();
    let secret = doorway.session(&owner.actor.unwrap(), 0).await;
    let cookie = secret.set_cookie(Duration::from_secs(60)).unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let never = format!("wrk_{}", "A".repeat(60));
    let bearers = [None, Some(doorway.tokens[0].as_str()), Some(never.as_str()), Some("x")];
    let (mut figures, mut faults) = (Figures::default(), Vec::new());
    let routes: Vec<_> = table.routes().collect();
    for (method, path, way) in &routes {
        for bearer in bearers {
            for staff in [false, true] {
                for foreign in [false, true] {
                    let (address, _) = doorway.address(path, foreign);
                    let mut request = Request::builder().method((*method).clone()).uri(&address);
                    request = request.header("content-type", "application/json").header("host", "localhost");
                    if let Some(bearer) = bearer {
                        request = request.header("authorization", format!("Bearer {bearer}"));
                    }
                    if staff {
                        request = request.header("cookie", &cookie);
                    }
                    let answer = send(router, request.body(Body::from("{}")).unwrap()).await;
                    let what = format!("{method} {path} by {bearer:?} (staff: {staff}, foreign: {foreign})");
                    figures.count(&answer, &what);
                    let Way::Guarded(_) = way else { continue };
                    figures.refused += 1;
                    if !answer.turns_away() {
                        faults.push(format!("{what}: {}", answer.status));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!(
        r#"{{"name":"authz-program-routes","figures":{{"routes":{},"checks":{},"refused":{}}}}}"#,
        routes.len(),
        figures.checks,
        figures.refused
    );
}
