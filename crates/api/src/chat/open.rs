//! `POST /chat/v1/conversations`: opens a conversation with a bot.

use axum::extract::State;
use conversations::Opening;
use conversations::token::TOKEN_LIFE;
use doors::{Entrance, Json, Refusal};
use guard::action::OpenConversation;
use guard::{Actor, Circumstances, Resource};
use http::{HeaderMap, StatusCode, header};
use kernel::{BotName, ConversationId, Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Front;
use crate::via::ByDoor;

/// What the page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// The bot.
    bot: BotName,
    /// The page's language, a BCP 47 tag.
    locale: Option<String>,
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
    let opening = Opening {
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

impl Front {
    /// Whether a page of this door itself asks: by its configured origin, or by the very address that the
    /// request was sent to (TLS has shown that this name is ours).
    fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.origin == origin || (host.is_some() && origin.strip_prefix("https://") == host)
    }
}
