//! The page of one bot. For a bot that asks people to sign in, whoever has not finds the way to their
//! provider in the place of the chat.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::{Path, Refusal};
use http::{HeaderMap, header};
use kernel::{BotName, Problem, ProblemKind};

use super::page_of;
use crate::{Front, pages};

#[derive(Template)]
#[template(path = "bot.html")]
struct BotPage {
    bot: String,
    title: String,
    description: String,
    /// The ways to sign in, when nobody has; `None` when the chat is open.
    ways: Option<Vec<Way>>,
    /// Whether somebody has signed in.
    signed_in: bool,
}

/// A provider on the page.
struct Way {
    name: String,
    href: String,
}

/// `GET /with/{bot}`
pub(crate) async fn bot(
    State(front): State<Front>,
    Path(bot): Path<BotName>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    show(&front, &bot, &headers).await
}

/// `GET /`: the default bot.
pub(crate) async fn home(State(front): State<Front>, headers: HeaderMap) -> Result<Response, Refusal> {
    match front.demands_sign_in(&front.default_bot) {
        Some(_) => show(&front, &front.default_bot.clone(), &headers).await,
        None => pages::chat(&front),
    }
}

async fn show(front: &Front, bot: &BotName, headers: &HeaderMap) -> Result<Response, Refusal> {
    let release = front.shelf.current(bot).ok_or_else(pages::nothing)?;
    let (mut ways, mut signed_in) = (None, false);
    if let Some(connection) = front.demands_sign_in(bot) {
        let offers = front.identity.visit_offers(connection.as_deref()).await;
        let offers = offers.map_err(|error| Problem::from(&error))?;
        let person = front.person(headers).await?;
        signed_in =
            person.is_some_and(|person| offers.iter().any(|offer| offer.connection == person.connection));
        if !signed_in {
            let next = page_of(front, bot);
            let way = |offer: identity::connections::Offer| Way {
                href: format!("/sso/start?bot={bot}&connection={}&next={next}", offer.connection),
                name: offer.name,
            };
            ways = Some(offers.into_iter().map(way).collect());
        }
    }
    let page = BotPage {
        bot: bot.to_string(),
        title: release.manifest.title.clone(),
        description: release.manifest.description.clone(),
        ways,
        signed_in,
    };
    html(&page)
}

/// A page that nobody keeps.
pub(super) fn html(page: &impl Template) -> Result<Response, Refusal> {
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be shown");
        Problem::new(ProblemKind::Internal, "The page cannot be shown.", "Try again later.")
    })?;
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, html).into_response())
}
