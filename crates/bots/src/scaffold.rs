//! `wardroom bot new`: a tiny bot that works, with comments where an author begins to write.

use kernel::BotName;

/// One file of a new bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The path inside the bot folder, with `/` between names.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

/// The files of a new bot, in the order of their paths. The caller writes them; it must not overwrite.
pub fn scaffold(name: &BotName) -> Vec<NewFile> {
    let title = title(name);
    [
        ("bot.toml", include_str!("scaffold/bot.toml")),
        ("flows/call-me-back.toml", include_str!("scaffold/call-me-back.toml")),
        ("intents.toml", include_str!("scaffold/intents.toml")),
        ("knowledge/about.md", include_str!("scaffold/about.md")),
        ("tests/first.toml", include_str!("scaffold/first.toml")),
    ]
    .into_iter()
    .map(|(path, text)| NewFile { path, text: text.replace("NAME", name.as_str()).replace("TITLE", &title) })
    .collect()
}

/// `front-desk` is shown as `Front desk`.
fn title(name: &BotName) -> String {
    let words = name.as_str().replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
