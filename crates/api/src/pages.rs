//! The chat page, the widget, and the documents that answers cite.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::{Path, Refusal};
use http::{HeaderValue, header};
use kernel::{Problem, ProblemKind};
use wire::release::Passage;

use crate::Front;

/// The chat page of a bot that speaks with anybody.
pub(crate) fn chat(front: &Front) -> Result<Response, Refusal> {
    file(front, "chat.html", "no-store")
}

/// `GET /mine`: a person's own page.
pub(crate) async fn mine(State(front): State<Front>) -> Result<Response, Refusal> {
    file(&front, "mine.html", "no-store")
}

/// `GET /widget.js`: may be loaded by any page; what it can do there is decided by `allowed_origins`.
pub(crate) async fn widget(State(front): State<Front>) -> Result<Response, Refusal> {
    let mut response = file(&front, "widget.js", "public, max-age=300")?;
    response.headers_mut().insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    Ok(response)
}

/// `GET /proof.js`: a module that the widget loads when it is challenged, on whatever page it stands;
/// modules are fetched as by any script (CORS), without credentials, so every origin may read it.
pub(crate) async fn proof(State(front): State<Front>) -> Result<Response, Refusal> {
    let mut response = file(&front, "proof.js", "public, max-age=300")?;
    let headers = response.headers_mut();
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}

/// `GET /assets/{file}`
pub(crate) async fn asset(State(front): State<Front>, Path(name): Path<String>) -> Result<Response, Refusal> {
    if name.starts_with("console") {
        return Err(nothing());
    }
    file(&front, &name, "public, max-age=300")
}

fn file(front: &Front, name: &str, caching: &'static str) -> Result<Response, Refusal> {
    let bytes = (front.assets)(name).ok_or_else(nothing)?;
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => return Err(nothing()),
    };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching)], bytes).into_response())
}

pub(crate) fn nothing() -> Refusal {
    Problem::new(ProblemKind::NotFound, "There is nothing here.", "Check the address.").into()
}

/// A page of the bot's knowledge.
#[derive(Template)]
#[template(path = "document.html")]
struct Document<'a> {
    title: &'a str,
    sections: Vec<Section<'a>>,
}

struct Section<'a> {
    anchor: &'a str,
    heading: Option<&'a str>,
    paragraphs: Vec<&'a str>,
}

/// `GET /docs/{*page}`: a document that the default bot knows, put together from its passages, so that
/// a citation leads to the very text that the bot read.
pub(crate) async fn document(
    State(front): State<Front>,
    Path(page): Path<String>,
) -> Result<Response, Refusal> {
    let release = front.shelf.current(&front.default_bot).ok_or_else(nothing)?;
    let address = format!("/docs/{page}");
    let of_page = |passage: &&Passage| passage.url.split('#').next() == Some(address.as_str());
    let passages: Vec<&Passage> = release.passages.iter().filter(of_page).collect();
    let Some(first) = passages.first() else { return Err(nothing()) };
    let mut sections: Vec<Section<'_>> = Vec::new();
    for passage in &passages {
        let anchor = passage.url.split_once('#').map_or("", |(_, anchor)| anchor);
        let heading = passage.headings.last().map(String::as_str);
        let paragraphs = passage.text.split("\n\n").filter(|text| !text.trim().is_empty());
        match sections.last_mut() {
            // A long section is cut into several passages.
            Some(last) if last.anchor == anchor && last.heading == heading => {
                last.paragraphs.extend(paragraphs)
            }
            _ => sections.push(Section { anchor, heading, paragraphs: paragraphs.collect() }),
        }
    }
    let page = Document { title: &first.title, sections };
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "a document cannot be shown");
        Problem::new(ProblemKind::Internal, "The page cannot be shown.", "Try again later.")
    })?;
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}
