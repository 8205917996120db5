//! A small house behind the doors: one tenant, a few people known by token or cookie, one conversation.

use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use doors::cookie::SessionSecret;
use doors::{Arrival, Decision, Doors, Entrance, Flavour, ResourceNeed};
use guard::{Act, Actor, Grant, Guard, Resource, Role, Staff, Visitor};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kernel::{
    BotName, ConversationId, ManualClock, Problem, ProblemKind, TenantId, Timestamp, UserId, World,
};
use tower::ServiceExt;

static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::embedded().unwrap());

pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

#[derive(Clone)]
pub(crate) struct House(Arc<Inner>);

pub(crate) struct Inner {
    world: World,
    pub(crate) tenant: TenantId,
    pub(crate) chat: ConversationId,
    pub(crate) subject: kernel::SubjectId,
    pub(crate) user: UserId,
    pub(crate) cookie: SessionSecret,
    pub(crate) record: Mutex<Vec<String>>,
    pub(crate) record_fails: std::sync::atomic::AtomicBool,
}

impl std::ops::Deref for House {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let world = World::rehearsal(Arc::new(ManualClock::at(NOON)), 11);
        Self(Arc::new(Inner {
            tenant: world.id(),
            chat: world.id(),
            subject: world.id(),
            user: world.id(),
            cookie: SessionSecret::generate(&world),
            record: Mutex::default(),
            record_fails: false.into(),
            world,
        }))
    }

    fn staff(&self, role: Role) -> Actor {
        Actor::Staff(Staff {
            user: self.user,
            tenant: self.tenant,
            grants: vec![Grant::everywhere(role)],
            assurance: 2,
            authenticated_at: NOON,
            session: self.world.id(),
        })
    }

    /// The `cookie` header of the owner's session.
    pub(crate) fn cookie_line(&self) -> String {
        let set = self.cookie.set_cookie(std::time::Duration::from_secs(60)).unwrap();
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }
}

impl Entrance for House {
    fn guard(&self) -> &Guard {
        &GUARD
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn arrival(&self, parts: &Parts) -> Result<Arrival, Problem> {
        if let Some(session) = SessionSecret::of_request(&parts.headers) {
            assert_eq!(session.expose(), self.cookie.expose());
            return Ok(Arrival::by_cookie(self.staff(Role::Owner), &self.cookie));
        }
        let token = parts.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
        Ok(match token {
            None => Arrival::unknown(self.tenant),
            Some("Bearer visitor") => Arrival::by_token(
                Visitor { tenant: self.tenant, subject: self.subject, conversation: self.chat }.into(),
            ),
            Some("Bearer owner") => Arrival::by_token(self.staff(Role::Owner)),
            Some("Bearer manager") => Arrival::by_token(self.staff(Role::SupportManager)),
            Some("Bearer developer") => Arrival::by_token(self.staff(Role::BotDeveloper)),
            Some(_) => {
                let mend = "Sign in again.";
                return Err(Problem::new(ProblemKind::Unauthenticated, "The token is not valid.", mend));
            }
        })
    }

    async fn resource(&self, need: &ResourceNeed, _: &Actor) -> Result<Resource, Problem> {
        let tenant = self.tenant;
        Ok(match need.act() {
            Act::PostMessage | Act::ReadTranscript | Act::ReadOwnConversation => {
                if need.parse::<ConversationId>("id")? != self.chat {
                    return Err(Problem::new(ProblemKind::NotFound, "The room's own words.", "None."));
                }
                Resource::Conversation {
                    tenant,
                    bot: BotName::new("front-desk").unwrap(),
                    conversation: self.chat,
                    subject: self.subject,
                    assignee: None,
                    waiting: false,
                }
            }
            Act::OpenConversation => Resource::Bot { tenant, bot: BotName::new("front-desk").unwrap() },
            Act::ListConversations => match need.bot_of_query()? {
                Some(bot) => Resource::Bot { tenant, bot },
                None => Resource::Tenant(tenant),
            },
            _ => Resource::Tenant(tenant),
        })
    }

    async fn record(&self, decision: &Decision<'_>) -> Result<(), Problem> {
        let outcome = decision
            .outcome
            .map_or_else(|denied| format!("no, {}", denied.rule()), |rule| format!("yes, {rule}"));
        self.record.lock().unwrap().push(format!("{} {outcome}", decision.act));
        if self.record_fails.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Problem::new(ProblemKind::Unavailable, "The ledger does not answer.", "Try later."));
        }
        Ok(())
    }
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A member of the problem that the answer tells of.
    pub(crate) fn told(&self, member: &str) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        problem.get(member).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    }
}

pub(crate) fn hang(doors: Doors<House>, house: &House) -> Router {
    doors.hang(house.clone(), Flavour::Api).unwrap().0
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A request with headers and a body.
pub(crate) fn ask(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri).header("host", "desk.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}
