//! A door that asks clients for a certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use edge::{ClientAuthorities, EdgeError, Limits, Tls, TlsSource};
use kernel::World;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, version};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use wire::ca::LocalCa;

use crate::harness::{Client, HOST, House, get, rest};

/// An authority for clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A client with a certificate of this serial number, good until the end of this year.
    fn client(&self, house: &House, serial: u64, until: i32) -> Client {
        let mut params = CertificateParams::new(vec!["a.member.of.staff".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 12, 31));
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut roots = RootCertStore::empty();
        roots.add(house.root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        Client { addr: house.addr, config }
    }

    /// A list with these serial numbers.
    fn revokes(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn files(&self, folder: &Path, revoked: Option<&[u64]>) -> Result<ClientAuthorities, EdgeError> {
        let (pem, list) = (folder.join("clients.pem"), folder.join("revoked.pem"));
        std::fs::write(&pem, &self.pem).unwrap();
        let revoked = revoked.map(|serials| std::fs::write(&list, self.revokes(serials)).map(|()| list));
        ClientAuthorities::from_files(&pem, revoked.transpose().unwrap().as_ref())
    }
}

/// A house for clients of this authority.
async fn open(authority: &Authority, revoked: Option<&[u64]>) -> House {
    let home: TempDir = tempfile::tempdir().unwrap();
    let ca = LocalCa::load_or_create(&home.path().join("ca"), &World::real()).unwrap();
    let root = ca.certificate().clone();
    let names = vec![ServerName::try_from(HOST).unwrap()];
    let tls = Tls::open(TlsSource::Local { ca, names }, &World::real()).await.unwrap();
    let closed = tls.for_clients_of(&authority.files(home.path(), revoked).unwrap()).unwrap();
    House::open_with(Limits::default(), closed, root, home).await
}

/// Asks for a page, reading to the end: that a certificate was refused is told after the client's side of
/// the handshake is done.
async fn visit(client: &Client) -> Option<(String, HandshakeKind, u32)> {
    let mut stream = client.connect().await.ok()?;
    stream.write_all(get("/").as_bytes()).await.ok()?;
    let page = tokio::time::timeout(Duration::from_secs(20), rest(&mut stream)).await.ok()?;
    let (kind, tickets) = {
        let connection = &stream.get_ref().1;
        (connection.handshake_kind().unwrap(), connection.tls13_tickets_received())
    };
    page.ends_with("hello").then_some((page, kind, tickets))
}

#[tokio::test]
async fn nobody_without_a_certificate_of_the_authority_comes_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let house = open(&authority, Some(&[7])).await;
    assert!(visit(&authority.client(&house, 1, 2090)).await.is_some());
    assert!(visit(&house.client()).await.is_none(), "no certificate");
    assert!(visit(&other.client(&house, 1, 2090)).await.is_none(), "another authority's");
    assert!(visit(&authority.client(&house, 2, 2021)).await.is_none(), "expired");
    assert!(visit(&authority.client(&house, 7, 2090)).await.is_none(), "revoked");
}

#[tokio::test]
async fn tls_1_3_resumption_never_skips_a_client_certificate_check() {
    let authority = Authority::new();
    let house = open(&authority, None).await;
    // No ticket is given, so the same client shows its certificate each time.
    let client = authority.client(&house, 1, 2090);
    for _ in 0..3 {
        let (_, kind, tickets) = visit(&client).await.unwrap();
        assert_eq!((kind, tickets), (HandshakeKind::Full, 0));
    }
    assert_eq!(house.close().await.resumed, 0);

    // Nor is one taken: a client that has a good ticket, of a door with the same certificate that asks
    // nobody for one, does not get in by it.
    let home = tempfile::tempdir().unwrap();
    let ca = LocalCa::load_or_create(&home.path().join("ca"), &World::real()).unwrap();
    let root = ca.certificate().clone();
    let names = vec![ServerName::try_from(HOST).unwrap()];
    let open_door = Tls::open(TlsSource::Local { ca, names }, &World::real()).await.unwrap();
    let closed_door = open_door.for_clients_of(&authority.files(home.path(), None).unwrap()).unwrap();
    let public = House::open_with(Limits::default(), open_door, root.clone(), home).await;
    let staff = House::open_with(Limits::default(), closed_door, root, tempfile::tempdir().unwrap()).await;
    let mut visitor = public.client();
    assert!(visit(&visitor).await.is_some_and(|(_, _, tickets)| tickets > 0), "it has tickets");
    assert_eq!(
        visit(&visitor).await.unwrap().1,
        HandshakeKind::Resumed,
        "which are good where they are from"
    );
    visitor.addr = staff.addr;
    assert!(visit(&visitor).await.is_none());
    assert_eq!(staff.close().await.resumed, 0);
}
