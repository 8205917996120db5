//! Changes of settings.

use super::{by_uid, events};
use crate::jcs::Json;
use crate::words::Token;

events! {
    /// A setting was changed. Its values, old and new, are the sealed detail.
    "CONF-1001I" "config.changed" ConfigChanged: Api 3, Info, Success, Accountability {
        /// Which setting.
        setting: Token,
        /// SHA-256 of the whole configuration after the change, secrets left out.
        config_sha256: [u8; 32],
    }
    shape |e| { "resources": Json::List(vec![by_uid(&e.setting)]) };
}
