//! What the core tells the edge about whoever it answered. The edge holds no keys and can check no
//! credential; it serves those first whom the core has accepted before, and so it has to be told. Both
//! fields are taken off at the edge, on the way in and on the way out (`crates/edge/src/admission`).

use std::sync::{Arc, OnceLock};

use guard::Actor;
use http::{HeaderMap, HeaderName, HeaderValue};
use kernel::BotName;

/// Who an answer was for: `staff` or `conversation`, and `; tenant=ID`, `; bot=NAME`.
pub const STANDING: HeaderName = HeaderName::from_static("x-wardroom-standing");

/// A credential that an answer gives out.
pub const ISSUED: HeaderName = HeaderName::from_static("x-wardroom-issued");

/// Where [`crate::Authorized`] leaves word for the frame around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Word(Arc<OnceLock<HeaderValue>>);

impl Word {
    pub(crate) fn leave(&self, actor: &Actor, bot: Option<&BotName>) {
        if let Some(sentence) = sentence(actor, bot) {
            let _ = self.0.set(sentence);
        }
    }

    pub(crate) fn take(self, headers: &mut HeaderMap) {
        if let Some(sentence) = self.0.get() {
            headers.insert(STANDING, sentence.clone());
        }
    }
}

/// The fields for an answer that gives `actor` the credential `secret`.
pub fn issued(actor: &Actor, bot: Option<&BotName>, secret: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let (Some(sentence), Ok(mut secret)) = (sentence(actor, bot), HeaderValue::from_str(secret)) {
        secret.set_sensitive(true);
        headers.insert(STANDING, sentence);
        headers.insert(ISSUED, secret);
    }
    headers
}

fn sentence(actor: &Actor, bot: Option<&BotName>) -> Option<HeaderValue> {
    let word = match actor {
        Actor::Staff(_) => "staff",
        // A program waits behind people.
        Actor::Visitor(_) | Actor::ApiKey(_) => "conversation",
        // A directory that could not take somebody out during an attack would make it worse.
        Actor::Directory { .. } => "staff",
        // One of our own processes does not come by the edge.
        Actor::Anonymous { .. } | Actor::Service { .. } => return None,
    };
    let bot = bot.map(|bot| format!("; bot={}", bot.as_str())).unwrap_or_default();
    HeaderValue::from_str(&format!("{word}; tenant={}{bot}", actor.tenant())).ok()
}
