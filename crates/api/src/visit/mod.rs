//! People who sign in: the page of a bot that asks for it, the way to their provider and back, and what
//! they see of themselves.

mod mine;
mod page;
mod saml;
mod sso;

use doors::Doors;
use http::Method;
use kernel::BotName;

use crate::Front;

/// Why the person's own routes need no conversation token.
const COOKIE: &str =
    "the cookie of the person's session is the proof; what is theirs, the handler asks the guard for";

pub(crate) use page::home;

/// The doors for them.
pub(crate) fn doors() -> Doors<Front> {
    let (get, post) = (Method::GET, Method::POST);
    let signed = "the provider's signature is the proof";
    Doors::<Front>::new()
        .public(
            get.clone(),
            "/with/{bot}",
            "the page of a bot; whoever must sign in is shown where",
            page::bot,
        )
        .public(get.clone(), "/sso/start", "one signs in here, to chat", sso::start)
        .public(get.clone(), "/sso/oidc/callback", "the ceremony's cookie is the proof", sso::callback)
        .public(get.clone(), "/sso/oidc/callback/{connection}", "the same", sso::own_callback)
        .public(get.clone(), "/sso/saml/finish", "the ceremony's cookie is the proof", saml::finish)
        .public(get.clone(), "/sso/saml/{connection}/logout", signed, saml::logout)
        .public(get.clone(), "/sso/saml/{connection}/metadata", "addresses and certificates", saml::metadata)
        .public(get.clone(), "/assets/onward.js", "sends a form of ours to a provider", saml::script)
        .public(get.clone(), "/mine/signed-in", COOKIE, mine::signed_in)
        .public(get, "/mine/export", COOKIE, mine::export)
        .reading_up_to(64 * 1024)
        .public(post.clone(), "/sso/oidc/backchannel", signed, sso::back_channel)
        .public(post.clone(), "/sso/saml/{connection}/acs", signed, saml::form)
        .public(post.clone(), "/sso/saml/{connection}/logout", signed, saml::logout_form)
        .public(post.clone(), "/mine/sign-out", COOKIE, mine::sign_out)
        .public(post.clone(), "/mine/sessions/end", COOKIE, mine::end_all)
        .public(post.clone(), "/mine/sessions/{session}/end", COOKIE, mine::end)
        .public(post, "/mine/erase", COOKIE, mine::erase)
}

/// The page on which one chats with a bot, and signs in where that is asked for.
pub(crate) fn page_of(front: &Front, bot: &BotName) -> String {
    if *bot == front.default_bot { "/".to_owned() } else { format!("/with/{bot}") }
}
