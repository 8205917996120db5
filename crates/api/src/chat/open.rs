//! `POST /chat/v1/conversations`: opens a conversation with a bot.

use axum::extract::State;
use conversations::Opening;
use conversations::token::TOKEN_LIFE;
use doors::{Entrance, Json, Refusal};
use guard::action::OpenConversation;
use guard::{Actor, Circumstances, Resource};
use http::{HeaderMap, StatusCode, header};
use identity::person::PersonSession;
use identity::site_token;
use kernel::{BotName, ConversationId, Problem, ProblemKind, Secret, SubjectId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::release::People;

use crate::via::ByDoor;
use crate::{Front, visit};

/// What the page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// The bot.
    bot: BotName,
    /// The page's language, a BCP 47 tag.
    locale: Option<String>,
    /// Who the person is, in the words of the site that embeds the bot.
    site_token: Option<String>,
    /// What the page knows about the person; shown to staff.
    context: Option<Map<String, Value>>,
}

/// What opens the conversation from now on.
#[derive(Serialize)]
pub(crate) struct Pass {
    conversation_id: ConversationId,
    token: String,
    expires_in: u64,
}

impl Pass {
    pub(super) fn new(conversation_id: ConversationId, token: &kernel::Secret<String>) -> Self {
        Self { conversation_id, token: token.expose().clone(), expires_in: TOKEN_LIFE.as_secs() }
    }
}

/// Opens it.
pub(crate) async fn open(
    State(front): State<Front>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, HeaderMap, Json<Pass>), Refusal> {
    if let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok())
        && !front.shelf.allows(&wish.bot, origin)
        && !front.is_own(origin, &headers)
    {
        return Err(Problem::new(
            ProblemKind::Forbidden,
            "This bot may not be used from this web page.",
            "Add the page's origin to `allowed_origins` in the bot's `bot.toml`, and push the bot.",
        )
        .into());
    }
    let token = wish.site_token.map(Secret::new);
    let vouched = front.vouched(&wish.bot, token.as_ref()).await?;
    let signed_in = front.signed_in(&wish.bot, &headers).await?;
    let opening = Opening {
        subject: signed_in.as_ref().map(|person| person.subject).or(vouched),
        session: signed_in.map(|person| person.id),
        locale: wish.locale.map(locale).transpose()?,
        context: wish.context.map(context).transpose()?,
    };
    let stranger = Actor::Anonymous { tenant: front.tenant };
    let name = wish.bot.clone();
    let bot = Resource::Bot { tenant: front.tenant, bot: wish.bot };
    let permit = front
        .guard()
        .permit::<OpenConversation>(&stranger, &bot, &Circumstances::at(front.world().now()))
        .map_err(|_| {
            Problem::new(ProblemKind::NotFound, "There is no such bot here.", "Check the bot's name.")
        })?;
    let opened =
        front.conversations.open(permit, opening, &via).await.map_err(|error| Problem::from(&error))?;
    let issued = doors::issued(&Actor::Visitor(opened.visitor), Some(&name), opened.token.expose());
    Ok((StatusCode::CREATED, issued, Json(Pass::new(opened.visitor.conversation, &opened.token))))
}

/// Nobody vouches for whoever asks. Which part of a token was wrong stands in the log, not in the answer.
fn unvouched(detail: &'static str) -> Problem {
    let mend = "Open the chat from the site's own page while you are signed in there. The site signs `site_token` as \
                docs/operations/people-who-chat.md says.";
    Problem::new(ProblemKind::Unauthenticated, detail, mend)
}

fn locale(text: String) -> Result<String, Problem> {
    let tag = (2..=35).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let refused = || {
        Problem::new(
            ProblemKind::Invalid,
            "`locale` is not a language tag.",
            "Send a tag such as `en` or `pt-BR`.",
        )
    };
    if tag { Ok(text) } else { Err(refused()) }
}

fn context(context: Map<String, Value>) -> Result<Vec<u8>, Problem> {
    let json = serde_json::to_vec(&context).unwrap_or_default();
    let refused = || {
        Problem::new(
            ProblemKind::Invalid,
            "`context` is larger than 4096 bytes.",
            "Send less about the person.",
        )
    };
    if json.len() <= 4096 { Ok(json) } else { Err(refused()) }
}

/// The secret of a bot with which its site signs.
const SITE_KEY: &str = "SITE_TOKEN_KEY";

impl Front {
    /// Who it is, when the bot's site vouches for its people. A token that is shown where none is asked for
    /// is looked at all the same: a site that signs wants to know when its signature is wrong.
    async fn vouched(
        &self,
        bot: &BotName,
        token: Option<&Secret<String>>,
    ) -> Result<Option<SubjectId>, Problem> {
        let demanded =
            self.shelf.current(bot).is_some_and(|release| release.manifest.people == People::SiteToken);
        let Some(token) = token else {
            return if demanded {
                Err(unvouched("This bot speaks with people whom its site vouches for."))
            } else {
                Ok(None)
            };
        };
        let failed = |error: &dyn std::error::Error| {
            tracing::error!(error = %error, "a site token could not be looked at");
            Problem::new(
                ProblemKind::Unavailable,
                "Site tokens cannot be checked right now.",
                "Try again in a few seconds.",
            )
        };
        let name: bots::SecretName =
            SITE_KEY.parse().map_err(|error: bots::SecretNameError| failed(&error))?;
        let key = self.shelf.secret(bot, &name).await.map_err(|error| failed(&error))?;
        let Some(key) = key else {
            return Err(unvouched("This house has no key of the bot's site."));
        };
        let person = site_token::check(&key, token.expose(), bot, self.world().now()).map_err(|why| {
            tracing::warn!(%bot, %why, "a site token was refused");
            unvouched("The site token was not accepted.")
        })?;
        let subject = self.identity.site_person(bot, &person).await.map_err(|error| failed(&error))?;
        Ok(Some(subject))
    }

    /// Who has signed in, when the bot demands it, through a connection that this bot accepts. The cookie
    /// counts for our own pages only.
    async fn signed_in(&self, bot: &BotName, headers: &HeaderMap) -> Result<Option<PersonSession>, Problem> {
        let Some(connection) = self.demands_sign_in(bot) else { return Ok(None) };
        let refused = || {
            let page = visit::page_of(self, bot);
            Problem::new(
                ProblemKind::Unauthenticated,
                "This bot speaks with people who have signed in.",
                format!("Sign in at `{page}`, then open the conversation from there."),
            )
            .sign_in_at(page)
        };
        if !self.asked_by_own_page(headers) {
            return Err(refused());
        }
        let person = self.person(headers).await?.ok_or_else(refused)?;
        let offers = self.identity.visit_offers(connection.as_deref()).await;
        let offers = offers.map_err(|error| Problem::from(&error))?;
        match offers.iter().any(|offer| offer.connection == person.connection) {
            true => Ok(Some(person)),
            false => Err(refused()),
        }
    }

    /// Whether a bot demands that people sign in, and through which connection if it names one.
    pub(crate) fn demands_sign_in(&self, bot: &BotName) -> Option<Option<String>> {
        match &self.shelf.current(bot)?.manifest.people {
            People::Sso { connection } => Some(connection.clone()),
            People::Anybody | People::SiteToken => None,
        }
    }

    /// Whether a script of our own pages asks: browsers state the origin of whatever they post.
    pub(crate) fn asked_by_own_page(&self, headers: &HeaderMap) -> bool {
        let site = headers.get("sec-fetch-site");
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        site.is_none_or(|site| site.as_bytes() == b"same-origin")
            && origin.is_some_and(|origin| self.is_own(origin, headers))
    }

    /// Whether a page of this door itself asks: by its configured origin, or by the very address that the
    /// request was sent to (TLS has shown that this name is ours).
    pub(crate) fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.origin == origin || (host.is_some() && origin.strip_prefix("https://") == host)
    }
}
