//! The answers to an ACME server's challenges while an order is under way.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::World;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, version};
use rustls_pki_types::PrivateKeyDer;

use crate::EdgeError;

/// The application protocol of tls-alpn-01 (RFC 8737 section 4).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// The challenges that are being answered. Cloning shares them.
#[derive(Clone)]
pub struct Challenges {
    open: Arc<Mutex<Open>>,
    provider: Arc<CryptoProvider>,
}

#[derive(Default)]
struct Open {
    http: HashMap<String, String>,
    tls: HashMap<String, Arc<ServerConfig>>,
}

/// One answer; dropped, it is taken back.
pub(crate) struct Answer {
    open: Arc<Mutex<Open>>,
    key: String,
}

impl Challenges {
    pub(crate) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { open: Arc::default(), provider }
    }

    /// The answer to the http-01 challenge `token`, if there is such a challenge (RFC 8555 section 8.3).
    pub fn http(&self, token: &str) -> Option<String> {
        lock(&self.open).http.get(token).cloned()
    }

    pub(crate) fn answer_http(&self, token: &str, proof: &str) -> Answer {
        lock(&self.open).http.insert(token.to_owned(), proof.to_owned());
        Answer { open: Arc::clone(&self.open), key: token.to_owned() }
    }

    /// Makes the certificate that proves control of `name`: for that name, with the digest inside, self
    /// signed (RFC 8737 section 3).
    pub(crate) fn answer_tls(&self, name: &str, digest: &[u8], world: &World) -> Result<Answer, EdgeError> {
        let unmade =
            |_: rcgen::Error| EdgeError::Acme { step: "no challenge certificate can be made", source: None };
        let mut params = CertificateParams::new([name.to_owned()]).map_err(unmade)?;
        let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(world.now().as_millis() / 1000);
        params.not_before = now - Duration::from_secs(3600);
        params.not_after = now + Duration::from_secs(24 * 3600);
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate().map_err(unmade)?;
        let cert = params.self_signed(&key).map_err(unmade)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let key = self.provider.key_provider.load_private_key(key).map_err(EdgeError::Tls)?;
        // Put in without the usual look at it: the critical extension that makes this certificate the
        // answer is unknown to certificate parsers, and meant to be.
        let certified = CertifiedKey::new(vec![cert.der().clone()], key);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(EdgeError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        config.send_tls13_tickets = 0;
        let key = server_name_of(name);
        lock(&self.open).tls.insert(key.clone(), Arc::new(config));
        Ok(Answer { open: Arc::clone(&self.open), key })
    }

    /// The configuration for a client that asks for the challenge protocol alone.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        let (Some(ACME_TLS), None) = (protocols.next(), protocols.next()) else { return None };
        lock(&self.open).tls.get(&hello.server_name()?.to_ascii_lowercase()).cloned()
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = lock(&self.open);
        write!(f, "Challenges({} over HTTP, {} over TLS)", open.http.len(), open.tls.len())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        // A token and a host name never look alike where both are in use: one order has one kind.
        open.http.remove(&self.key);
        open.tls.remove(&self.key);
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server name by which the challenge is asked for: an address comes in its reverse DNS form (RFC
/// 8738 section 6), because TLS has no server names that are addresses.
fn server_name_of(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(ip)) => {
            let nibbles: Vec<String> =
                ip.octets().iter().rev().map(|byte| format!("{:x}.{:x}", byte & 15, byte >> 4)).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_in_reverse() {
        assert_eq!(server_name_of("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            server_name_of("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
        assert_eq!(server_name_of("Chat.Example.org"), "chat.example.org");
    }

    #[test]
    fn an_answer_is_taken_back_when_dropped() {
        let challenges = Challenges::new(Arc::new(crate::tls::provider()));
        let answer = challenges.answer_http("token", "token.proof");
        assert_eq!(challenges.http("token").as_deref(), Some("token.proof"));
        drop(answer);
        assert_eq!(challenges.http("token"), None);
    }
}
