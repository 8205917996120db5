//! `bot.toml`: who the bot is and what it may do.

use kernel::BotName;
use wire::release::{Confidence, Handoff, Manifest, People};

use crate::fields::{Fields, Page, Shape, Text};
use crate::knowledge::{FolderUrl, UrlRules, check_url};
use crate::report::meant;

/// Thresholds of a bot that does not say its own. They suit the embedded engine.
const CONFIDENCE: Confidence = Confidence { intent: 0.5, knowledge: 0.5 };
/// Questions that a person is offered to start with, at most.
const SUGGESTIONS: usize = 8;

/// What `bot.toml` says.
pub(crate) struct Read {
    pub(crate) manifest: Manifest,
    pub(crate) rules: UrlRules,
}

/// Reads `bot.toml`. `None` only when its name is missing or wrong.
pub(crate) fn read(page: &Page<'_>, fields: Fields<'_, '_>) -> Option<Read> {
    let name = fields.need("name", "\"front-desk\"");
    let name = match BotName::new(&name.value) {
        Ok(name) => Some(name),
        Err(cause) => {
            if fields.has("name") {
                page.error(
                    name.span,
                    cause.to_string(),
                    "choose such a name; the folder may be called as it likes",
                );
            }
            None
        }
    };
    engine(page, &fields);
    let rules = fields.table("knowledge").map(|table| rules(page, table)).unwrap_or_default();
    let manifest = Manifest {
        title: fields.need_shaped("title", Shape::Line(80), "\"Front desk\""),
        description: fields.need_shaped(
            "description",
            Shape::Line(300),
            "\"What it helps with, in one sentence.\"",
        ),
        language: language(page, &fields),
        greeting: fields.need_shaped("greeting", Shape::Message, "\"Hello. How can I help?\""),
        fallback: fields.need_shaped("fallback", Shape::Message, "\"I do not know that yet.\""),
        suggestions: suggestions(page, &fields),
        handoff: fields.table("handoff").map_or(Handoff { enabled: false, message: String::new() }, handoff),
        confidence: fields.table("confidence").map_or(CONFIDENCE, |table| confidence(page, table)),
        allowed_origins: origins(page, &fields),
        people: people(page, &fields),
        retention_days: fields.whole("retention_days", 1, 36_500),
        name: name.clone().or_else(|| BotName::new("unnamed").ok())?,
    };
    fields.finish();
    name?;
    Some(Read { manifest, rules })
}

fn engine(page: &Page<'_>, fields: &Fields<'_, '_>) {
    if let Some(engine) = fields.text("engine").filter(|engine| engine.value != "embedded") {
        let what = format!("the engine `{}` does not exist", engine.value);
        page.error(engine.span, what, meant(&engine.value, &["embedded"]));
    }
}

fn language(page: &Page<'_>, fields: &Fields<'_, '_>) -> String {
    let Some(language) = fields.text("language") else { return "en".to_owned() };
    let mut parts = language.value.split('-');
    let first = parts.next().unwrap_or_default();
    // The shape of BCP 47 (RFC 5646 section 2.1), not its registry.
    let good = (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !good {
        let what = format!("`{}` is not a language tag", language.value);
        page.error(language.span, what, "write a BCP 47 tag such as `en`, `de` or `pt-BR`");
    }
    language.value
}

fn suggestions(page: &Page<'_>, fields: &Fields<'_, '_>) -> Vec<String> {
    let suggestions = fields.texts("suggestions").unwrap_or_default();
    if suggestions.len() > SUGGESTIONS {
        let what = format!("{} suggestions; {SUGGESTIONS} are allowed", suggestions.len());
        page.error(fields.span_of("suggestions"), what, "keep the questions that most people ask");
    }
    suggestions.iter().map(|text| page.shaped("suggestions", text, Shape::Line(120))).collect()
}

fn handoff(fields: Fields<'_, '_>) -> Handoff {
    let enabled = fields.flag("enabled").unwrap_or(true);
    let message = match fields.shaped("message", Shape::Message) {
        Some(message) => message,
        None => {
            if enabled && !fields.has("message") {
                fields.missing("message", "\"A person will join you here.\"");
            }
            String::new()
        }
    };
    fields.finish();
    Handoff { enabled, message }
}

fn confidence(page: &Page<'_>, fields: Fields<'_, '_>) -> Confidence {
    let share = |key: &'static str, default: f32| match fields.number(key) {
        Some((number, _)) if number > 0.0 && number < 1.0 => number as f32,
        Some((_, span)) => {
            page.error(
                span,
                format!("`{key}` is not between 0 and 1"),
                format!("write for example `{key} = {default}`"),
            );
            default
        }
        None => default,
    };
    let confidence = Confidence {
        intent: share("intent", CONFIDENCE.intent),
        knowledge: share("knowledge", CONFIDENCE.knowledge),
    };
    fields.finish();
    confidence
}

/// Who may chat: anybody, whom the embedding site vouches for, or who signs in.
fn people(page: &Page<'_>, fields: &Fields<'_, '_>) -> People {
    let connection = fields.text("sign_in_through");
    let Some(people) = fields.text("people") else {
        return without_sign_in(page, connection, People::Anybody);
    };
    match people.value.as_str() {
        "anybody" => without_sign_in(page, connection, People::Anybody),
        "site-token" => without_sign_in(page, connection, People::SiteToken),
        "sso" => People::Sso {
            connection: connection.map(|text| page.shaped("sign_in_through", &text, Shape::Line(64))),
        },
        other => {
            let what = format!("`{other}` does not say who may chat");
            page.error(people.span, what, meant(other, &["anybody", "site-token", "sso"]));
            People::Anybody
        }
    }
}

/// A connection is named only where people sign in.
fn without_sign_in(page: &Page<'_>, connection: Option<Text>, people: People) -> People {
    if let Some(connection) = connection {
        let what = "`sign_in_through` names a connection, and nobody signs in";
        page.error(connection.span, what.to_owned(), "write `people = \"sso\"`, or leave the line out");
    }
    people
}

fn origins(page: &Page<'_>, fields: &Fields<'_, '_>) -> Vec<String> {
    let mut origins: Vec<String> = Vec::new();
    for Text { value, span } in fields.texts("allowed_origins").unwrap_or_default() {
        if let Err(mend) = origin(&value) {
            page.error(span, format!("`{value}` is not a web origin"), mend);
        } else if origins.contains(&value) {
            page.warn(span, format!("the origin `{value}` is listed twice"), "remove one");
        } else {
            origins.push(value);
        }
    }
    origins
}

/// An origin as browsers send it in `Origin` (RFC 6454 section 6.2). `Err` is the mend.
fn origin(text: &str) -> Result<(), String> {
    let example = "write it as `https://www.bank.example`: scheme, host and perhaps a port, nothing behind";
    let (scheme, rest) = text.split_once("://").ok_or(example)?;
    if let Some((host, _)) = rest.split_once(['/', '?', '#']) {
        return Err(format!("write only `{scheme}://{host}`: an origin has no path"));
    }
    let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let local = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if host.contains('*') {
        return Err("list each origin: a `*` would let strangers embed the bot".to_owned());
    }
    if !(local || host.split('.').all(label)) {
        return Err(format!("{example}; the host in lower case, an international name in its `xn--` form"));
    }
    let default_port = if scheme == "https" { "443" } else { "80" };
    match port {
        Some(port) if port == default_port => return Err(format!("leave out `:{port}`: browsers do")),
        Some(port) if port.parse::<u16>().is_err() || port.starts_with('0') => return Err(example.to_owned()),
        _ => {}
    }
    match scheme {
        "https" => Ok(()),
        "http" if local => Ok(()),
        "http" => Err("use `https`: a page sent without TLS can be changed on its way".to_owned()),
        _ => Err(example.to_owned()),
    }
}

fn rules(page: &Page<'_>, fields: Fields<'_, '_>) -> UrlRules {
    let url = |text: Text| {
        if let Err(mend) = check_url(&text.value) {
            page.error(text.span, format!("`{}` is not an address that can be cited", text.value), mend);
        }
        text.value
    };
    let mut folders = Vec::new();
    for entry in fields.tables("folder") {
        let folder = entry.need("folder", "\"cards\"").value.trim_matches('/').to_owned();
        folders.push(FolderUrl { folder, base_url: url(entry.need("base_url", "\"/help/cards/\"")) });
        entry.finish();
    }
    let rules = UrlRules {
        base_url: fields.text("base_url").map(url),
        drop_extension: fields.flag("drop_extension").unwrap_or(false),
        folders,
    };
    fields.finish();
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in [
            "https://bank.example",
            "https://bank.example:8443",
            "http://localhost:3000",
            "http://[::1]:80800",
        ] {
            assert_eq!(origin(good).is_ok(), !good.ends_with("80800"), "{good}");
        }
        for bad in [
            "bank.example",
            "https://bank.example/",
            "https://*.bank.example",
            "https://Bank.example",
            "https://bank.example:443",
            "http://bank.example",
            "ftp://bank.example",
            "null",
            "*",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert_eq!(
            origin("https://bank.example/help").unwrap_err(),
            "write only `https://bank.example`: an origin has no path"
        );
    }
}
