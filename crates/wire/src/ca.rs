//! The local certificate authority: what gives a fresh deployment its certificates before anybody has
//! bought or ordered one. ECDSA P-256 keys from AWS-LC; a root that lives a year, server certificates
//! that live thirty days and are made anew when half of that is over.
//!
//! The directory holds `ca.key` and `server.key` (mode 0600), `ca.crt` and `server.crt`. Each file
//! appears whole or not at all (written beside, then renamed), and every state that a crash between two
//! renames can leave behind is put right on the next start.
//!
//! Not promised: revocation (there is no CRL and no OCSP: lifetimes are short instead), and two
//! processes creating the same directory at the same time (the data directory has one owner).

mod files;

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Secret, Timestamp, World};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use files::{failed, parse_certificate, parse_key, read_private, read_public, write_atomic};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a root lives. An operator may take `ca.key` off the machine between uses.
const ROOT_LIFE: Duration = Duration::from_secs(365 * DAY.as_secs());
/// How long a server certificate lives: well below the 90 days that graders ask for.
const SERVER_LIFE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Certificates are valid from an hour ago, so that a client whose clock is slow accepts them.
const BACKDATE: Duration = Duration::from_secs(60 * 60);

const CA_KEY: &str = "ca.key";
const CA_CERT: &str = "ca.crt";
const CA_PREVIOUS: &str = "ca-previous.crt";
const SERVER_KEY: &str = "server.key";
const SERVER_CERT: &str = "server.crt";

/// Why the local certificate authority could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file or directory could not be read or written.
    #[error("cannot {act} `{}`", path.display())]
    File {
        /// What was tried, for example `read`.
        act: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A private key may be read by others, or the name is not that of a plain file.
    #[error("`{}` has mode {mode:04o}; a private key must be a plain file that only its owner can read: run `chmod 600` on it, and consider whether somebody read the key", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is not what it must be.
    #[error("`{}` is not {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be, for example `a PEM certificate`.
        expected: &'static str,
    },
    /// There is a root certificate without its key, or with the key of another.
    #[error("`{}` does not belong to the key in `ca.key`: restore the matching key, or rotate the authority", path.display())]
    KeyMismatch {
        /// The certificate.
        path: PathBuf,
    },
    /// The root certificate is past its time.
    #[error("the local certificate authority expired at {at}: rotate it, and give clients the new `ca.crt`")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// A certificate without a name is of no use.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoNames,
    /// Key generation or signing failed.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
}

/// A server certificate with its chain and private key, ready for a TLS listener.
pub struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Secret<PrivateKeyDer<'static>>,
    names: Vec<ServerName<'static>>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl ServerIdentity {
    /// The certificates, the server's own first. The root is not among them: a client has it already.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// A copy of the private key (PKCS #8), for the TLS stack.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.expose().clone_key()
    }

    /// The DNS names and IP addresses it is for.
    pub fn names(&self) -> &[ServerName<'static>] {
        &self.names
    }

    /// The first moment at which it is not valid any more.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// When to ask for the next one: half its life.
    pub fn renew_at(&self) -> Timestamp {
        self.not_before.after(self.not_after.since(self.not_before) / 2)
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The local root. Holds its private key in memory.
pub struct LocalCa {
    dir: PathBuf,
    world: World,
    key: KeyPair,
    certificate: CertificateDer<'static>,
    facts: Facts,
}

impl LocalCa {
    /// Opens the authority that lives in `dir`, or makes it, directory (mode 0700) included.
    ///
    /// # Errors
    /// When a file cannot be read or written, a key file can be read by others, a file has been damaged,
    /// certificate and key do not belong together, or the root has expired.
    pub fn load_or_create(dir: &Path, world: &World) -> Result<Self, CaError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create", dir))?;
        let (key_path, cert_path) = (dir.join(CA_KEY), dir.join(CA_CERT));
        let key = match read_private(&key_path)? {
            Some(pem) => parse_key(&pem, &key_path)?,
            None if cert_path.exists() => return Err(CaError::KeyMismatch { path: cert_path }),
            None => {
                let key = KeyPair::generate().map_err(CaError::Make)?;
                write_atomic(dir, CA_KEY, &key.serialize_pem(), 0o600)?;
                key
            }
        };
        // A key without a certificate is what a crash between the two renames leaves. Nothing was ever
        // signed with it, so it can still become the root.
        let certificate = match read_public(&cert_path)? {
            Some(pem) => parse_certificate(&pem, &cert_path)?,
            None => {
                let made = make_root(&key, world)?;
                write_atomic(dir, CA_CERT, &made.pem(), 0o644)?;
                made.der().clone()
            }
        };
        let facts = Facts::of(&certificate)
            .filter(|facts| facts.is_ca)
            .ok_or(CaError::Content { path: cert_path.clone(), expected: "a certificate of an authority" })?;
        if facts.public_key != key.subject_public_key_info() {
            return Err(CaError::KeyMismatch { path: cert_path });
        }
        if facts.not_after <= world.now() {
            return Err(CaError::Expired { at: facts.not_after });
        }
        Ok(Self { dir: dir.to_owned(), world: world.clone(), key, certificate, facts })
    }

    /// Replaces the authority in `dir` by a new one with a new key. The old root certificate stays as
    /// `ca-previous.crt`, so that clients can be given both for a while; the old key's file is replaced
    /// (not promised: that its bytes are gone from the medium). Server certificates of the old root are
    /// made anew by the next [`LocalCa::load_or_issue_server`].
    ///
    /// # Errors
    /// As for [`LocalCa::load_or_create`].
    pub fn rotate(dir: &Path, world: &World) -> Result<Self, CaError> {
        let cert_path = dir.join(CA_CERT);
        let key = KeyPair::generate().map_err(CaError::Make)?;
        // The certificate leaves first: a crash from here on leaves a key alone, old or new, and either
        // is a state that `load_or_create` finishes.
        match fs::rename(&cert_path, dir.join(CA_PREVIOUS)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("rename", &cert_path)(e)),
            _ => {}
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create", dir))?;
        write_atomic(dir, CA_KEY, &key.serialize_pem(), 0o600)?;
        Self::load_or_create(dir, world)
    }

    /// The root certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The file that clients are told to trust.
    pub fn certificate_path(&self) -> PathBuf {
        self.dir.join(CA_CERT)
    }

    /// When the root expires.
    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }

    /// Issues a server certificate for `names` with a new key; nothing is written to the disk. It lives
    /// thirty days, or as long as the root when that is shorter.
    ///
    /// # Errors
    /// When `names` is empty or signing fails.
    pub fn issue_server(&self, names: &[ServerName<'static>]) -> Result<ServerIdentity, CaError> {
        let key = KeyPair::generate().map_err(CaError::Make)?;
        let chain = vec![self.sign_server(names, &key)?.der().clone()];
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        identity(chain, key)
            .ok_or(CaError::Content { path: self.dir.join(SERVER_CERT), expected: "a certificate" })
    }

    /// The server certificate kept in `server.crt` and `server.key`, when it is for exactly these names,
    /// by this root, and not past half its life; otherwise a new one, which is kept.
    ///
    /// # Errors
    /// When a file cannot be read or written, `server.key` can be read by others, or signing fails. A
    /// pair that is damaged or does not match is not an error: it is replaced.
    pub fn load_or_issue_server(&self, names: &[ServerName<'static>]) -> Result<ServerIdentity, CaError> {
        let (key_path, cert_path) = (self.dir.join(SERVER_KEY), self.dir.join(SERVER_CERT));
        if let (Some(key), Some(cert)) = (read_private(&key_path)?, read_public(&cert_path)?)
            && let Some(kept) = self.usable(key.expose(), &cert, names)
        {
            return Ok(kept);
        }
        let key = KeyPair::generate().map_err(CaError::Make)?;
        let made = self.sign_server(names, &key)?;
        write_atomic(&self.dir, SERVER_KEY, &key.serialize_pem(), 0o600)?;
        write_atomic(&self.dir, SERVER_CERT, &made.pem(), 0o644)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        identity(vec![made.der().clone()], key)
            .ok_or(CaError::Content { path: cert_path, expected: "a certificate" })
    }

    fn usable(&self, key: &str, cert: &str, names: &[ServerName<'static>]) -> Option<ServerIdentity> {
        let pair = KeyPair::from_pem(key).ok()?;
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).ok()?;
        let facts = Facts::of(&cert)?;
        let mut wanted: Vec<_> = names.iter().map(ServerName::to_str).collect();
        let mut found: Vec<_> = facts.names.iter().map(ServerName::to_str).collect();
        wanted.sort_unstable();
        found.sort_unstable();
        let ours = facts.public_key == pair.subject_public_key_info()
            && facts.authority_key_id == self.facts.subject_key_id
            && wanted == found;
        let kept = identity(vec![cert], PrivateKeyDer::Pkcs8(pair.serialize_der().into()))?;
        (ours && self.world.now() < kept.renew_at()).then_some(kept)
    }

    fn sign_server(
        &self,
        names: &[ServerName<'static>],
        key: &KeyPair,
    ) -> Result<rcgen::Certificate, CaError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().filter_map(subject_name).collect();
        if params.subject_alt_names.is_empty() {
            return Err(CaError::NoNames);
        }
        set_life(&mut params, self.world.now(), SERVER_LIFE, self.facts.not_after);
        params.serial_number = Some(serial(&self.world));
        // The names stand in the subject alternative names; a subject would only repeat one of them.
        params.distinguished_name = DistinguishedName::new();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let mut root = CertificateParams::default();
        root.distinguished_name = subject(&self.facts.common_name);
        root.key_identifier_method = KeyIdMethod::PreSpecified(self.facts.subject_key_id.clone());
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.signed_by(key, &Issuer::from_params(&root, &self.key)).map_err(CaError::Make)
    }
}

impl fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCa")
            .field("dir", &self.dir)
            .field("not_after", &self.facts.not_after)
            .finish_non_exhaustive()
    }
}

/// What we read back from a certificate.
struct Facts {
    public_key: Vec<u8>,
    common_name: String,
    subject_key_id: Vec<u8>,
    authority_key_id: Vec<u8>,
    names: Vec<ServerName<'static>>,
    is_ca: bool,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Facts {
    fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, cert) = X509Certificate::from_der(der).ok()?;
        let moment =
            |t: x509_parser::time::ASN1Time| u64::try_from(t.timestamp()).unwrap_or(0).saturating_mul(1000);
        let (mut subject_key_id, mut authority_key_id) = (Vec::new(), Vec::new());
        for extension in cert.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key_id = id.0.to_vec(),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    authority_key_id = id.key_identifier.as_ref().map(|k| k.0.to_vec()).unwrap_or_default();
                }
                _ => {}
            }
        }
        let names = match cert.subject_alternative_name() {
            Ok(Some(found)) => found.value.general_names.iter().filter_map(name_of).collect(),
            _ => Vec::new(),
        };
        let common_name = cert.subject().iter_common_name().next().and_then(|cn| cn.as_str().ok());
        Some(Self {
            public_key: cert.public_key().raw.to_vec(),
            common_name: common_name.unwrap_or_default().to_owned(),
            subject_key_id,
            authority_key_id,
            names,
            is_ca: cert.is_ca(),
            not_before: Timestamp::from_millis(moment(cert.validity().not_before)),
            not_after: Timestamp::from_millis(moment(cert.validity().not_after)),
        })
    }
}

fn name_of(name: &GeneralName<'_>) -> Option<ServerName<'static>> {
    match name {
        GeneralName::DNSName(dns) => ServerName::try_from((*dns).to_owned()).ok(),
        GeneralName::IPAddress(bytes) => {
            let ip = <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            ip.ok().map(|ip| ServerName::IpAddress(ip.into()))
        }
        _ => None,
    }
}

fn identity(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Option<ServerIdentity> {
    let facts = Facts::of(chain.first()?)?;
    let (not_before, not_after) = (facts.not_before, facts.not_after);
    Some(ServerIdentity { chain, key: Secret::new(key), names: facts.names, not_before, not_after })
}

fn make_root(key: &KeyPair, world: &World) -> Result<rcgen::Certificate, CaError> {
    let mut params = CertificateParams::default();
    set_life(&mut params, world.now(), ROOT_LIFE, Timestamp::MAX);
    params.serial_number = Some(serial(world));
    // Two authorities must not share a name: a client that trusts both could not tell them apart.
    let mark: [u8; 4] = world.bytes();
    params.distinguished_name = subject(&format!("Wardroom local CA {:08x}", u32::from_be_bytes(mark)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.self_signed(key).map_err(CaError::Make)
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Wardroom");
    name.push(DnType::CommonName, common_name);
    name
}

fn subject_name(name: &ServerName<'static>) -> Option<SanType> {
    match name {
        ServerName::DnsName(dns) => {
            dns.as_ref().to_ascii_lowercase().as_str().try_into().ok().map(SanType::DnsName)
        }
        ServerName::IpAddress(ip) => Some(SanType::IpAddress((*ip).into())),
        _ => None,
    }
}

/// Positive, not zero, at most 20 octets (RFC 5280 section 4.1.2.2), with 126 random bits.
fn serial(world: &World) -> SerialNumber {
    let mut bytes: [u8; 16] = world.bytes();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7F) | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}

/// Says from when to when a certificate is valid: rcgen's own defaults are the years 1975 and 4096.
fn set_life(params: &mut CertificateParams, now: Timestamp, life: Duration, no_later_than: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |t: Timestamp| Duration::from_secs(t.as_millis() / 1000);
    let start = Duration::from_millis(now.as_millis()).saturating_sub(BACKDATE);
    params.not_before = epoch + Duration::from_secs(start.as_secs());
    params.not_after = epoch + seconds(now.after(life).min(no_later_than));
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ManualClock;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::sync::Arc;

    const NOW: u64 = 1_795_378_500_125;

    fn world() -> (Arc<ManualClock>, World) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW)));
        (clock.clone(), World::rehearsal(clock, 7))
    }

    fn names(texts: &[&str]) -> Vec<ServerName<'static>> {
        texts.iter().map(|t| ServerName::try_from((*t).to_owned()).unwrap()).collect()
    }

    #[test]
    fn an_authority_opens_again_as_the_same_one() {
        let (home, (_, world)) = (tempfile::tempdir().unwrap(), world());
        let dir = home.path().join("ca");
        let made = LocalCa::load_or_create(&dir, &world).unwrap().certificate().clone();
        assert_eq!(LocalCa::load_or_create(&dir, &world).unwrap().certificate(), &made);
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(mode(CA_KEY), 0o600);
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, 0o700);
        LocalCa::load_or_create(&dir, &world).unwrap().load_or_issue_server(&names(&["a.test"])).unwrap();
        assert_eq!(mode(SERVER_KEY), 0o600);
    }

    #[test]
    fn a_server_certificate_names_its_issuer_and_lives_thirty_days() {
        let (home, (_, world)) = (tempfile::tempdir().unwrap(), world());
        let ca = LocalCa::load_or_create(home.path(), &world).unwrap();
        let leaf = ca.issue_server(&names(&["Wardroom.test", "127.0.0.1", "::1"])).unwrap();
        let facts = Facts::of(&leaf.chain()[0]).unwrap();
        assert!(!facts.is_ca);
        assert!(!facts.authority_key_id.is_empty());
        assert_eq!(facts.authority_key_id, ca.facts.subject_key_id);
        assert_eq!(leaf.names(), names(&["wardroom.test", "127.0.0.1", "::1"]));
        let second = NOW / 1000 * 1000;
        assert_eq!(facts.not_before.as_millis(), second - 3_600_000);
        assert_eq!(leaf.not_after().as_millis(), second + 30 * 86_400_000);
        let (_, root) = X509Certificate::from_der(ca.certificate()).unwrap();
        let (_, cert) = X509Certificate::from_der(&leaf.chain()[0]).unwrap();
        assert_eq!(cert.issuer().as_raw(), root.subject().as_raw(), "the chain links by name");
        assert!(root.is_ca() && root.name_constraints().unwrap().is_none());
        assert!(matches!(ca.issue_server(&[]), Err(CaError::NoNames)));
    }

    #[test]
    fn a_kept_certificate_is_made_anew_at_half_its_life_and_for_other_names() {
        let (home, (clock, world)) = (tempfile::tempdir().unwrap(), world());
        let ca = LocalCa::load_or_create(home.path(), &world).unwrap();
        let first = ca.load_or_issue_server(&names(&["a.test"])).unwrap();
        let serve = |texts: &[&str]| ca.load_or_issue_server(&names(texts)).unwrap().chain()[0].clone();
        assert_eq!(serve(&["a.test"]), first.chain()[0]);
        clock.advance(DAY * 14);
        assert_eq!(serve(&["a.test"]), first.chain()[0]);
        clock.advance(DAY);
        let second = serve(&["a.test"]);
        assert_ne!(second, first.chain()[0]);
        assert_ne!(serve(&["b.test"]), second);
    }

    #[test]
    fn a_leaf_never_outlives_its_root_and_an_expired_root_says_so() {
        let (home, (clock, world)) = (tempfile::tempdir().unwrap(), world());
        let ca = LocalCa::load_or_create(home.path(), &world).unwrap();
        clock.advance(DAY * 350);
        assert_eq!(ca.issue_server(&names(&["a.test"])).unwrap().not_after(), ca.not_after());
        clock.advance(DAY * 16);
        assert!(matches!(LocalCa::load_or_create(home.path(), &world), Err(CaError::Expired { .. })));
        let next = LocalCa::rotate(home.path(), &world).unwrap();
        assert!(next.not_after() > world.now());
        assert!(home.path().join(CA_PREVIOUS).exists());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_by_name() {
        let (home, (_, world)) = (tempfile::tempdir().unwrap(), world());
        LocalCa::load_or_create(home.path(), &world).unwrap();
        let key = home.path().join(CA_KEY);
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let error = LocalCa::load_or_create(home.path(), &world).unwrap_err();
            assert!(error.to_string().contains(&format!("mode {mode:04o}")), "{error}");
            assert!(error.to_string().contains("ca.key"), "{error}");
        }
        fs::remove_file(&key).unwrap();
        std::os::unix::fs::symlink(home.path().join(CA_CERT), &key).unwrap();
        assert!(matches!(LocalCa::load_or_create(home.path(), &world), Err(CaError::Mode { .. })));
    }

    #[test]
    fn every_state_that_a_crash_leaves_is_put_right() {
        let (home, (_, world)) = (tempfile::tempdir().unwrap(), world());
        let at = |name: &str| home.path().join(name);
        // Before the first rename: half a key beside.
        fs::write(at(".ca.key.new"), "-----BEGIN PRIV").unwrap();
        LocalCa::load_or_create(home.path(), &world).unwrap();
        assert!(!at(".ca.key.new").exists());
        // Between the two renames: a key alone. It is kept.
        let key = fs::read(at(CA_KEY)).unwrap();
        fs::remove_file(at(CA_CERT)).unwrap();
        let ca = LocalCa::load_or_create(home.path(), &world).unwrap();
        assert_eq!(fs::read(at(CA_KEY)).unwrap(), key);
        // The same for the server's pair: a new key beside the old certificate, and torn text.
        ca.load_or_issue_server(&names(&["a.test"])).unwrap();
        fs::write(at(SERVER_KEY), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let next = ca.load_or_issue_server(&names(&["a.test"])).unwrap();
        assert_eq!(ca.load_or_issue_server(&names(&["a.test"])).unwrap().chain(), next.chain());
        fs::write(at(SERVER_CERT), "-----BEGIN CERTI").unwrap();
        assert_ne!(ca.load_or_issue_server(&names(&["a.test"])).unwrap().chain(), next.chain());
    }

    #[test]
    fn a_certificate_without_its_key_and_damaged_files_are_refused() {
        let (home, (_, world)) = (tempfile::tempdir().unwrap(), world());
        let at = |name: &str| home.path().join(name);
        LocalCa::load_or_create(home.path(), &world).unwrap();
        let (key, cert) = (fs::read(at(CA_KEY)).unwrap(), fs::read(at(CA_CERT)).unwrap());
        fs::remove_file(at(CA_KEY)).unwrap();
        assert!(matches!(LocalCa::load_or_create(home.path(), &world), Err(CaError::KeyMismatch { .. })));
        write_atomic(home.path(), CA_KEY, &KeyPair::generate().unwrap().serialize_pem(), 0o600).unwrap();
        assert!(matches!(LocalCa::load_or_create(home.path(), &world), Err(CaError::KeyMismatch { .. })));
        write_atomic(home.path(), CA_KEY, "no key", 0o600).unwrap();
        assert!(matches!(LocalCa::load_or_create(home.path(), &world), Err(CaError::Content { .. })));
        fs::write(at(CA_KEY), key).unwrap();
        fs::write(at(CA_CERT), [0xFF, 0xFE]).unwrap();
        assert!(matches!(LocalCa::load_or_create(home.path(), &world), Err(CaError::Content { .. })));
        fs::write(at(CA_CERT), cert).unwrap();
        assert!(LocalCa::load_or_create(home.path(), &world).is_ok());
    }

    #[test]
    fn debug_shows_no_key() {
        let (home, (_, world)) = (tempfile::tempdir().unwrap(), world());
        let ca = LocalCa::load_or_create(home.path(), &world).unwrap();
        let shown = format!("{ca:?} {:?}", ca.issue_server(&names(&["a.test"])).unwrap());
        assert!(!shown.to_lowercase().contains("key"), "{shown}");
    }
}
