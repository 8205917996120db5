//! The public door: the chat API, the widget that speaks it, and the pages that citations lead to. And the
//! staff API, for programs at the staff door ([`staff_doors`]).

mod chat;
mod cors;
mod front;
mod health;
mod pages;
mod person;
mod staff;
mod via;
mod visit;

use doors::{Doors, DoorsError, Flavour, RouteTable};
use http::Method;

pub use front::{Erased, Front, FrontParts};
pub use staff::{StaffApi, StaffParts, is_staff_api, staff_doors};

/// Hangs the public doors.
///
/// # Errors
/// When two routes collide; that is a mistake of ours, and the process must not start.
pub fn doors(front: Front) -> Result<(axum::Router, RouteTable), DoorsError> {
    let (get, post) = (Method::GET, Method::POST);
    let doors = Doors::<Front>::new()
        .public(get.clone(), "/", "the chat page is for everybody", visit::home)
        .public(get.clone(), "/widget.js", "a script that any page may embed", pages::widget)
        .public(get.clone(), "/proof.js", "what the widget fetches to answer a challenge", pages::proof)
        .public(get.clone(), "/assets/{file}", "the chat page's style and mark", pages::asset)
        .public(get.clone(), "/docs/{*page}", "what the bot cites must be readable", pages::document)
        .public(get.clone(), "/healthz", "says only that the process runs", health::alive)
        .public(get.clone(), "/readyz", "says only whether requests can be served", health::ready)
        .reading_up_to(128 * 1024)
        .public(
            post.clone(),
            "/chat/v1/conversations",
            "the bot is named in the body; the handler asks the guard for `chat.open`",
            chat::open::open,
        )
        .public(
            post.clone(),
            "/chat/v1/conversations/{id}/token",
            "an expired token of ours may be exchanged for a while; the handler asks the guard for `chat.read-own`",
            chat::renew::renew,
        )
        .guarded(post.clone(), "/chat/v1/conversations/{id}/messages", chat::post::post)
        .guarded(get.clone(), "/chat/v1/conversations/{id}/events", chat::events::events)
        .guarded(get.clone(), "/chat/v1/conversations/{id}/socket", chat::socket::socket)
        .guarded(get.clone(), "/chat/v1/conversations/{id}/person", person::conversations)
        .guarded(get.clone(), "/chat/v1/conversations/{id}/person/export", person::export)
        .guarded(post, "/chat/v1/conversations/{id}/person/erase", person::erase)
        .public(get, "/mine", "a page without data; its script shows the token that the browser keeps", pages::mine)
        .and(visit::doors());
    let (router, table) = doors.hang(front.clone(), Flavour::Page)?;
    let router = router.layer(axum::middleware::from_fn_with_state(front, cors::cors));
    Ok((router, table))
}
