//! The life of bot releases.

use kernel::{BotName, ReleaseId};

use super::{by_uid, events};
use crate::jcs::Json;
use crate::words::Token;

events! {
    /// A bot's folder was compiled into a release that passed every check. It does not answer yet.
    "BOTS-1001I" "release.made" ReleaseMade: ApplicationLifecycle 1, Info, Success, Accountability {
        /// The bot.
        bot: BotName,
        /// The release.
        release: ReleaseId,
        /// SHA-256 of the release as stored.
        sha256: [u8; 32],
        /// How many of its test conversations passed; all of them, or there is no release.
        tests_passed: u64,
    }
    shape |e| { "app": app(&e.bot, Some(e.release)) };

    /// A release became the one that answers. Going back to an earlier release is this event too.
    "BOTS-1002I" "release.activated" ReleaseActivated: ApplicationLifecycle 6, Info, Success, Accountability {
        /// The bot.
        bot: BotName,
        /// The release.
        release: ReleaseId,
        /// The release it took over from.
        previous: Option<ReleaseId>,
    }
    shape |e| { "app": app(&e.bot, Some(e.release)) };

    /// A bot's folder was refused at the release gate.
    "BOTS-1003W" "release.refused" ReleaseRefused: ApplicationLifecycle 1, Warning, Failure, Security {
        /// The bot.
        bot: BotName,
        /// At which step: `check`, `test`, `scan`, `approve`.
        step: &'static str,
        /// How many findings there were.
        findings: u64,
    }
    shape |e| { "app": app(&e.bot, None), "status_detail": Json::text(e.step) };

    /// A secret of a bot was set, or taken away. Its value is nowhere in the log.
    "BOTS-1004I" "secret.changed" BotSecretChanged: Api 3, Info, Success, Accountability {
        /// The bot.
        bot: BotName,
        /// The secret's name.
        secret: Token,
        /// What was done: `set` or `removed`.
        change: &'static str,
    }
    shape |e| { "resources": Json::List(vec![by_uid(&e.secret)]) };
}

fn app(bot: &BotName, release: Option<ReleaseId>) -> Json {
    let mut members = vec![("name", Json::text(bot.as_str().to_owned()))];
    members.extend(release.map(|release| ("version", Json::text(release.to_string()))));
    Json::object(members)
}
