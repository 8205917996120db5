//! The staff door: a server-rendered console. Every page is a plain document with links and forms and
//! works without scripts; the one exception is passkeys, which browsers give to scripts only.
//!
//! A link that somebody may not use is not shown, and its handler refuses all the same. What is refused
//! is recorded (`AUTH-1010W`). Nobody is told more about a thing they may not see than that there is
//! nothing here.

mod access;
mod account;
mod answer;
mod assets;
mod audit;
mod bots;
mod connections;
mod conversations;
mod desk;
mod doorstep;
mod enrol;
mod factors;
mod holds;
mod keys;
mod layer;
mod live;
mod notices;
mod overview;
mod page;
mod policies;
mod programs;
mod provisioning;
mod refusal;
mod review;
mod saml;
mod scim;
mod sessions;
mod sign_in;
mod sign_ins;
mod sso;
mod step_up;
mod tickets;
mod traffic;
mod trouble;
mod users;
mod via;

use ::doors::{Doors, DoorsError, Flavour, RouteTable};
use http::Method;

pub use desk::{
    Activation, Desk, DeskParts, Finding, LinkLetter, Posture, Releases, Sending, SendsLinks, TlsPosture,
};
pub use traffic::{Heaviest, Measured, SharedNow, TrafficDesk, TrafficNow};

/// Hangs the staff doors.
///
/// # Errors
/// When two routes collide; that is a mistake of ours, and the process must not start.
pub fn doors(desk: Desk) -> Result<(axum::Router, RouteTable), DoorsError> {
    let doors = doorstep_doors()
        .and(provider_doors())
        .and(proof_doors())
        .and(work_doors())
        .and(key_doors())
        .and(hold_doors())
        .and(policy_doors())
        .and(people_doors())
        .and(own_doors())
        .and(program_doors())
        .and(access_doors())
        .and(review_doors())
        .and(connection_doors())
        .and(scim_doors());
    let (router, table) = doors.hang(desk, Flavour::Page)?;
    Ok((router.layer(axum::middleware::from_fn(layer::pages)), table))
}

/// What is reached before there is a session. What changes something asks for [`doorstep::OwnPage`].
fn doorstep_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    let key = "a passkey's answer is the proof itself";
    Doors::new()
        .public(get.clone(), "/assets/enrol.js", "a script without secrets", enrol::script)
        .public(get.clone(), "/assets/onward.js", "a script without secrets", sso::script)
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

/// Away to a provider and back again.
fn provider_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    let answer = "the ceremony's cookie and the provider's answer are the proof";
    let signed = "the provider's signature is the proof";
    Doors::new()
        .public(get.clone(), "/sso/oidc/start", "sends somebody to their provider", sso::start)
        .public(get.clone(), "/sso/oidc/callback", answer, sso::callback)
        .public(get.clone(), "/sso/oidc/callback/{connection}", answer, sso::own_callback)
        .public(post.clone(), "/sso/oidc/backchannel", signed, sso::back_channel)
        .public(get.clone(), "/sso/saml/start", "sends somebody to their provider", sso::start)
        .public(post.clone(), "/sso/saml/{connection}/acs", signed, sso::saml_form)
        .public(get.clone(), "/sso/saml/finish", answer, sso::saml_finish)
        .public(get.clone(), "/sso/saml/{connection}/logout", signed, sso::saml_logout)
        .public(post.clone(), "/sso/saml/{connection}/logout", signed, sso::saml_logout_form)
        .public(get, "/sso/saml/{connection}/metadata", "addresses and certificates", sso::saml_metadata)
        .public(post, "/sign-in/find", "says which provider vouches for a domain", sso::find)
}

/// Proving again who one is.
fn proof_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    let why = "the session's cookie is checked; it may be worth nothing yet";
    Doors::new()
        .public(get, "/step-up", why, step_up::page)
        .public(post.clone(), "/step-up/code", why, step_up::code)
        .public(post.clone(), "/step-up/passkey/start", why, step_up::passkey_start)
        .public(post, "/step-up/passkey/finish", why, step_up::passkey_finish)
}

/// Through which providers people sign in.
fn connection_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/connections", connections::list)
        .guarded(post.clone(), "/connections/oidc", connections::make_oidc)
        .guarded(post.clone(), "/connections/saml", saml::make)
        .guarded(get.clone(), "/connections/{connection}", connections::one)
        .guarded(post.clone(), "/connections/{connection}", connections::set)
        .guarded(post.clone(), "/connections/{connection}/secret", connections::secret)
        .guarded(post.clone(), "/connections/{connection}/saml", saml::set)
        .guarded(post.clone(), "/connections/{connection}/metadata", saml::metadata)
        .guarded(post.clone(), "/connections/{connection}/switch", connections::switch)
        .guarded(post.clone(), "/connections/{connection}/domains", connections::domains)
        .guarded(post.clone(), "/connections/{connection}/domains/prove", connections::prove)
        .guarded(get.clone(), "/connections/{connection}/try", connections::begin_trial)
        .guarded(get, "/connections/{connection}/trial", connections::trial)
        .guarded(post.clone(), "/connections/{connection}/tokens", provisioning::make_token)
        .guarded(post.clone(), "/connections/{connection}/tokens/{token}/revoke", provisioning::revoke_token)
        .guarded(post.clone(), "/sign-in-rule", connections::rule)
        .guarded(post.clone(), "/break-glass", connections::glass)
        .guarded(post, "/break-glass/arm", connections::arm)
}

/// What a directory provisions, with the token of a connection.
fn scim_doors() -> Doors<Desk> {
    let (get, post, put, patch) = (Method::GET, Method::POST, Method::PUT, Method::PATCH);
    let both = |doors: Doors<Desk>, all: &'static str, search: &'static str, one: &'static str| {
        doors
            .guarded(get.clone(), all, scim::list)
            .guarded(post.clone(), all, scim::create)
            .guarded(post.clone(), search, scim::search)
            .guarded(get.clone(), one, scim::one)
            .guarded(put.clone(), one, scim::replace)
            .guarded(patch.clone(), one, scim::patch)
            .guarded(Method::DELETE, one, scim::delete)
    };
    let doors = Doors::new()
        .reading_up_to(scim::LARGEST)
        .guarded(get.clone(), "/scim/v2/ServiceProviderConfig", scim::discover)
        .guarded(get.clone(), "/scim/v2/ResourceTypes", scim::discover)
        .guarded(get.clone(), "/scim/v2/ResourceTypes/{id}", scim::discover)
        .guarded(get.clone(), "/scim/v2/Schemas", scim::discover)
        .guarded(get.clone(), "/scim/v2/Schemas/{id}", scim::discover)
        .guarded(get.clone(), "/scim/v2/Me", scim::not_done)
        .guarded(post.clone(), "/scim/v2/Bulk", scim::not_done)
        .guarded(post.clone(), "/scim/v2/.search", scim::search);
    let doors = both(doors, "/scim/v2/Users", "/scim/v2/Users/.search", "/scim/v2/Users/{id}");
    both(doors, "/scim/v2/Groups", "/scim/v2/Groups/.search", "/scim/v2/Groups/{id}")
}

/// Conversations, bots and the audit log.
fn work_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/", overview::overview)
        .guarded(get.clone(), "/conversations", conversations::list)
        .guarded(get.clone(), "/conversations/live", live::list)
        .guarded(get.clone(), "/conversations/{id}", conversations::one)
        .guarded(get.clone(), "/conversations/{id}/live", live::transcript)
        .guarded(post.clone(), "/conversations/{id}", conversations::open)
        .guarded(post.clone(), "/conversations/{id}/reply", answer::reply)
        .guarded(post.clone(), "/conversations/{id}/give-back", answer::give_back)
        .guarded(post.clone(), "/conversations/{id}/close", answer::close)
        .guarded(get.clone(), "/tickets", tickets::list)
        .guarded(get.clone(), "/tickets/{ticket}", tickets::one)
        .guarded(post.clone(), "/tickets/{ticket}", tickets::open)
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

/// The keys.
fn key_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get, "/keys", keys::page)
        .guarded(post.clone(), "/keys/rotate", keys::rotate)
        .guarded(post.clone(), "/keys/policy", keys::policy)
        .guarded(post.clone(), "/keys/pause", keys::pause)
        .guarded(post.clone(), "/keys/resume", keys::resume)
        .guarded(post.clone(), "/keys/versions/{version}/disable", keys::disable)
        .guarded(post.clone(), "/keys/versions/{version}/enable", keys::enable)
        .guarded(post.clone(), "/keys/versions/{version}/destroy", keys::destroy)
        .guarded(post.clone(), "/keys/versions/{version}/keep", keys::keep)
        .guarded(post.clone(), "/keys/requests/{request}/approve", keys::approve)
        .guarded(post, "/keys/requests/{request}/cancel", keys::cancel)
}

/// What the law wants kept.
fn hold_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new().guarded(get, "/holds", holds::page).guarded(post.clone(), "/holds", holds::place).guarded(
        post,
        "/holds/{hold}/lift",
        holds::lift,
    )
}

/// Who may do what, and how that changes.
fn policy_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/policies", policies::page)
        .guarded(get, "/policies/files/{file}", policies::file)
        .guarded(post.clone(), "/policies/files/{file}", policies::try_out)
        .guarded(post.clone(), "/policies/propose", policies::propose)
        .guarded(post.clone(), "/policies/adopt", policies::adopt)
        .guarded(post.clone(), "/policies/roll-back", policies::roll_back)
        .guarded(post.clone(), "/policies/{version}/approve", policies::approve)
        .guarded(post, "/policies/{version}/refuse", policies::refuse)
}

/// Programs: their keys, and the accounts that nobody signs in to.
fn program_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get, "/api-keys", programs::list)
        .guarded(post.clone(), "/api-keys", programs::make)
        .guarded(post.clone(), "/api-keys/{key}/rotate", programs::rotate)
        .guarded(post.clone(), "/api-keys/{key}/revoke", programs::revoke)
        .guarded(post, "/service-accounts", programs::make_service)
}

/// Roles for a while, and the reviews of break-glass accounts.
fn access_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get, "/access", access::page)
        .guarded(post.clone(), "/access", access::ask)
        .guarded(post.clone(), "/access/{request}/approve", access::approve)
        .guarded(post.clone(), "/access/{request}/refuse", access::refuse)
        .guarded(post.clone(), "/access/{request}/withdraw", access::withdraw)
        .guarded(post, "/break-glass/{session}/review", access::review)
}

/// Looking over what people hold, where they are signed in, and how they tried to.
fn review_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/access-review", review::page)
        .guarded(post.clone(), "/access-review/export", review::export)
        .guarded(get.clone(), "/groups", review::groups)
        .guarded(get.clone(), "/sessions", sessions::list)
        .guarded(post, "/users/{id}/sessions/{session}/end", sessions::end)
        .guarded(get, "/sign-ins", sign_ins::list)
}

/// What one signs in with oneself, and what one is told about it.
fn own_doors() -> Doors<Desk> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::new()
        .guarded(get.clone(), "/account/factors", factors::page)
        .guarded(post.clone(), "/account/passkeys/start", factors::passkey_start)
        .guarded(post.clone(), "/account/passkeys/finish", factors::passkey_finish)
        .guarded(post.clone(), "/account/passkeys/{passkey}/name", factors::name)
        .guarded(post.clone(), "/account/passkeys/{passkey}/remove", factors::remove)
        .guarded(post.clone(), "/account/app/start", factors::app_start)
        .guarded(get.clone(), "/account/app", factors::app_page)
        .guarded(post.clone(), "/account/app", factors::app_finish)
        .guarded(post.clone(), "/account/app/remove", factors::app_remove)
        .guarded(post.clone(), "/account/recovery-codes", factors::codes)
        .guarded(get, "/account/password", factors::password_page)
        .guarded(post.clone(), "/account/password", factors::password)
        .guarded(post, "/account/notices/seen", notices::seen)
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
        .guarded(post.clone(), "/users/{id}/enable", users::enable)
        .guarded(post.clone(), "/users/{id}/reset", users::reset)
        .guarded(post.clone(), "/invites", users::invite)
        .guarded(post.clone(), "/invites/{invite}/withdraw", users::withdraw)
        .guarded(get.clone(), "/enrol/codes", enrol::codes)
        .guarded(get, "/account", account::page)
        .guarded(post.clone(), "/account/sessions/{session}/end", account::end_one)
        .guarded(post.clone(), "/account/sessions/end", account::end_all)
        .guarded(post, "/sign-out", sign_in::sign_out)
}
