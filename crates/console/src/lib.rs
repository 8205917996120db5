//! The staff door: a server-rendered console. Every page is a plain document with links and forms and
//! works without scripts; the one exception is passkeys, which browsers give to scripts only.
//!
//! A link that somebody may not use is not shown, and its handler refuses all the same. What is refused
//! is recorded (`AUTH-1010W`). Nobody is told more about a thing they may not see than that there is
//! nothing here.

mod account;
mod answer;
mod assets;
mod audit;
mod bots;
mod conversations;
mod desk;
mod doorstep;
mod enrol;
mod layer;
mod overview;
mod page;
mod sign_in;
mod tickets;
mod traffic;
mod trouble;
mod users;
mod via;

use ::doors::{Doors, DoorsError, Flavour, RouteTable};
use http::Method;

pub use desk::{Activation, Desk, DeskParts, Finding, Posture, Releases, TlsPosture};
pub use traffic::{Heaviest, Measured, TrafficDesk, TrafficNow};

/// Hangs the staff doors.
///
/// # Errors
/// When two routes collide; that is a mistake of ours, and the process must not start.
pub fn doors(desk: Desk) -> Result<(axum::Router, RouteTable), DoorsError> {
    let doors = doorstep_doors().and(work_doors()).and(people_doors());
    let (router, table) = doors.hang(desk, Flavour::Page)?;
    Ok((router.layer(axum::middleware::from_fn(layer::pages)), table))
}

/// What is reached before there is a session. What changes something asks for [`doorstep::OwnPage`].
fn doorstep_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    let key = "a passkey's answer is the proof itself";
    Doors::new()
        .public(get.clone(), "/assets/enrol.js", "a script without secrets", enrol::script)
        .public(get.clone(), "/assets/{file}", "style, script and mark without secrets", assets::asset)
        .public(get.clone(), "/sign-in", "one signs in here", sign_in::page)
        .public(post.clone(), "/sign-in", "the password is the first proof", sign_in::password)
        .public(get.clone(), "/sign-in/code", "asks for the second proof", sign_in::code_page)
        .public(post.clone(), "/sign-in/code", "the code is the second proof", sign_in::code)
        .public(post.clone(), "/sign-in/passkey/start", "gives out a challenge", sign_in::passkey_start)
        .public(post.clone(), "/sign-in/passkey/finish", key, sign_in::passkey_finish)
        .public(get.clone(), "/enrol", "asks for an invitation", enrol::page)
        .public(post.clone(), "/enrol", "the invitation's secret is the proof", enrol::begin)
        .public(get, "/enrol/factor", "the ceremony's cookie is the proof", enrol::factor)
        .public(post.clone(), "/enrol/password", "the ceremony's cookie is the proof", enrol::password)
        .public(post.clone(), "/enrol/code", "the ceremony's cookie is the proof", enrol::code)
        .public(
            post.clone(),
            "/enrol/passkey/start",
            "the ceremony's cookie is the proof",
            enrol::passkey_start,
        )
        .public(post, "/enrol/passkey/finish", "the ceremony's cookie is the proof", enrol::passkey_finish)
}

/// Conversations, bots and the audit log.
fn work_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/", overview::overview)
        .guarded(get.clone(), "/conversations", conversations::list)
        .guarded(get.clone(), "/conversations/{id}", conversations::one)
        .guarded(post.clone(), "/conversations/{id}", conversations::open)
        .guarded(post.clone(), "/conversations/{id}/reply", answer::reply)
        .guarded(post.clone(), "/conversations/{id}/give-back", answer::give_back)
        .guarded(post.clone(), "/conversations/{id}/close", answer::close)
        .guarded(get.clone(), "/tickets", tickets::list)
        .guarded(get.clone(), "/bots", bots::list)
        .guarded(get.clone(), "/bots/{name}", bots::one)
        .guarded(post.clone(), "/bots/{name}/trial", bots::trial)
        .guarded(post.clone(), "/bots/{name}/releases/{id}/activate", bots::activate)
        .guarded(get.clone(), "/traffic", traffic::page)
        .guarded(post.clone(), "/traffic/decide", traffic::decide)
        .guarded(post.clone(), "/traffic/lift", traffic::lift)
        .guarded(get, "/audit", audit::list)
        .guarded(post.clone(), "/audit/verify", audit::verify)
        .guarded(post, "/audit/export", audit::export)
}

/// People, and one's own account.
fn people_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/users", users::list)
        .guarded(get.clone(), "/users/{id}", users::one)
        .guarded(post.clone(), "/users/{id}/grant", users::grant)
        .guarded(post.clone(), "/users/{id}/revoke", users::revoke)
        .guarded(post.clone(), "/users/{id}/disable", users::disable)
        .guarded(post.clone(), "/users/{id}/reset", users::reset)
        .guarded(post.clone(), "/invites", users::invite)
        .guarded(post.clone(), "/invites/{invite}/withdraw", users::withdraw)
        .guarded(get.clone(), "/enrol/codes", enrol::codes)
        .guarded(get, "/account", account::page)
        .guarded(post.clone(), "/account/sessions/{session}/end", account::end_one)
        .guarded(post.clone(), "/account/sessions/end", account::end_all)
        .guarded(post, "/sign-out", sign_in::sign_out)
}
