//! What edges tell one another: who was let in or shut out by staff, what detection does about whom, and who
//! is known. A message is sealed under
//! the secret that the edges share (AES-256-GCM), so the store in between reads no address, and nobody
//! who can write to it can shut anybody out.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use ipnet::IpNet;
use kernel::{Secret, Timestamp, World};
use serde::{Deserialize, Serialize};

/// The first byte of a sealed message: how it is built.
const FORM: u8 = 1;

/// One piece of news between edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Rumour {
    /// Staff let a block in, or shut it out.
    Decided { block: IpNet, allowed: bool, until: u64 },
    /// Staff took that back. It is remembered as long as what it takes back.
    Undecided { block: IpNet, until: u64 },
    /// Detection throttles one value of one dimension, challenges it or shuts it out.
    Measured { dimension: String, key: u64, label: String, step: String, until: u64 },
    /// The core said who the bearer of a credential is. Credential and address are hashes.
    Known {
        credential: String,
        address: Option<String>,
        standing: String,
        tenant: u64,
        bot: u64,
        since: u64,
        /// Whose budget it takes from.
        line: u64,
        until: u64,
    },
    /// Staff ended a measure before its time.
    Lifted { dimension: String, key: u64, until: u64 },
}

/// A rumour and who tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    pub(crate) from: u64,
    /// When, in milliseconds. Of two about the same place the later one holds.
    pub(crate) at: u64,
    pub(crate) rumour: Rumour,
}

impl Rumour {
    /// Until when it matters.
    pub(crate) fn until(&self) -> Timestamp {
        let (Self::Decided { until, .. }
        | Self::Undecided { until, .. }
        | Self::Measured { until, .. }
        | Self::Known { until, .. }
        | Self::Lifted { until, .. }) = self;
        Timestamp::from_millis(*until)
    }

    /// What it is about: a later one about the same takes its place.
    fn place(&self) -> String {
        match self {
            Self::Decided { block, .. } | Self::Undecided { block, .. } => format!("block {block}"),
            Self::Measured { dimension, key, .. } | Self::Lifted { dimension, key, .. } => {
                format!("{dimension} {key}")
            }
            Self::Known { credential, .. } => format!("known {credential}"),
        }
    }
}

/// The keys that all edges of a deployment derive from their secret.
#[derive(Debug)]
pub(crate) struct Keys {
    secret: hmac::Key,
    names: hmac::Key,
    messages: LessSafeKey,
    name: String,
}

impl Keys {
    /// The keys under `secret`, for the deployment `name`.
    pub(crate) fn new(secret: &Secret<String>, name: &str) -> Option<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let messages = UnboundKey::new(&AES_256_GCM, derived(&secret, "messages", name).expose()).ok()?;
        Some(Self {
            names: hmac::Key::new(hmac::HMAC_SHA256, derived(&secret, "names", name).expose()),
            messages: LessSafeKey::new(messages),
            name: name.to_owned(),
            secret,
        })
    }

    /// Bytes for `purpose` that are the same on every edge.
    pub(crate) fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        derived(&self.secret, purpose, &self.name)
    }

    /// What a rumour is about, as a name in the store.
    pub(crate) fn place(&self, rumour: &Rumour) -> String {
        let tag = hmac::sign(&self.names, rumour.place().as_bytes());
        tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A rumour for the road.
    pub(crate) fn seal(&self, told: &Told, world: &World) -> Option<Vec<u8>> {
        let mut text = serde_json::to_vec(told).ok()?;
        let nonce = world.bytes::<NONCE_LEN>();
        let aad = Aad::from(self.name.as_bytes());
        self.messages.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?;
        Some([&[FORM][..], &nonce, &text].concat())
    }

    /// What was sealed by an edge that knows the secret; nothing otherwise.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Told> {
        let (form, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok().filter(|_| *form == FORM)?;
        let mut text = text.to_vec();
        let text = self.messages.open_in_place(nonce, Aad::from(self.name.as_bytes()), &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }
}

fn derived(secret: &hmac::Key, purpose: &str, name: &str) -> Secret<[u8; 32]> {
    let tag = hmac::sign(secret, format!("wardroom edge 1\0{purpose}\0{name}").as_bytes());
    let mut key = [0; 32];
    key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    Secret::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &str, name: &str) -> Keys {
        Keys::new(&Secret::new(secret.to_owned()), name).unwrap()
    }

    fn told() -> Told {
        let rumour = Rumour::Decided { block: "192.0.2.0/24".parse().unwrap(), allowed: false, until: 9 };
        Told { from: 7, at: 1, rumour }
    }

    #[test]
    fn a_rumour_is_read_by_those_who_know_the_secret_and_by_nobody_else() {
        let (keys_here, world) = (keys("a secret of edges", "w"), World::real());
        let sealed = keys_here.seal(&told(), &world).unwrap();
        assert_eq!(keys("a secret of edges", "w").open(&sealed), Some(told()));
        assert_eq!(keys("another secret...", "w").open(&sealed), None);
        assert_eq!(keys("a secret of edges", "v").open(&sealed), None, "another deployment");
        assert!(!sealed.windows(5).any(|window| window == b"192.0"));
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(keys_here.open(&bent), None, "byte {at}");
        }
        assert_eq!(keys_here.open(b""), None);
    }

    #[test]
    fn what_takes_something_back_stands_in_its_place() {
        let keys = keys("a secret of edges", "w");
        let undone = Rumour::Undecided { block: "192.0.2.0/24".parse().unwrap(), until: 9 };
        assert_eq!(keys.place(&told().rumour), keys.place(&undone));
        let other = Rumour::Lifted { dimension: "address".into(), key: 3, until: 9 };
        assert_ne!(keys.place(&other), keys.place(&undone));
        assert_eq!(undone.until(), Timestamp::from_millis(9));
    }
}
