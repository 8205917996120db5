//! Bots as folders. A bot is a folder of text files that can live in Git; this room reads it with every
//! mistake named, cuts its knowledge into passages, compiles it into a [`wire::release::Release`] that
//! the engine runs, and runs the folder's own tests.
//!
//! ```text
//! bot.toml        name, title, greeting, fallback, handoff, origins, retention, addresses of knowledge
//! knowledge/      Markdown, HTML and text
//! intents.toml    what people may want, in their own words, and what the bot does about it
//! flows/*.toml    forms: slots that are asked one by one, confirmed, and end in an action
//! tests/*.toml    conversations with expectations
//! ```
//!
//! No secrets live in a bot folder: what looks like one is refused; [`Shelf::set_secret`] is their place. This room runs no bot itself; what
//! trains ([`Trainer`]) and what answers ([`Runner`]) is handed in.

mod cases;
mod compile;
mod fields;
mod flows;
mod folder;
mod intents;
pub mod knowledge;
mod manifest;
mod report;
mod run;
mod scaffold;
mod secret;
mod secrets;
mod shelf;
mod source;

pub use cases::{ActExpected, Expectation, TestCase, TestTurn};
pub use compile::{Trainer, TrainingSet, compile};
pub use folder::Limits;
pub use intents::IntentSource;
pub use report::{Finding, Position, Report, Severity};
pub use run::{Failure, Runner, TestReport, TestResult, run_tests};
pub use scaffold::{NewFile, scaffold};
pub use secret::{MAX_SECRET, SecretName, SecretNameError};
pub use shelf::{Pushed, Shelf, ShelfError};
pub use source::BotSource;
