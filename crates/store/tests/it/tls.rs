//! TLS to PostgreSQL: the server proves who it is, or nothing is sent to it.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use store::{Db, StoreError};
use testkit::Cluster;

use crate::house::world;

/// An authority, and its certificate in PEM.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn open(cluster: &Cluster, host: &str, root: &Path) -> Result<Db, StoreError> {
    let url = cluster.url(&cluster.database()).replace("127.0.0.1", host);
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", root.display());
    Db::open(&url.parse().unwrap(), &world())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_only_with_a_certificate_of_the_right_authority_and_name() {
    let (ours, root) = authority();
    let (_, other_root) = authority();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&key, &ours).unwrap();
    let cluster = Cluster::with_tls(&server.pem(), &key.serialize_pem());

    let room = tempfile::tempdir().unwrap();
    let (right, wrong) = (room.path().join("right.pem"), room.path().join("wrong.pem"));
    std::fs::write(&right, root).unwrap();
    std::fs::write(&wrong, other_root).unwrap();

    let db = open(&cluster, "127.0.0.1", &right).unwrap();
    let version: String = db
        .read(|tx| {
            let row = tx.row("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])?;
            Ok(row.ok_or(StoreError::Missing { what: "connection" })?.take("version")?)
        })
        .await
        .unwrap();
    assert_eq!(version, "TLSv1.3");

    let stranger = open(&cluster, "127.0.0.1", &wrong);
    assert!(matches!(stranger, Err(StoreError::Unavailable)), "{stranger:?}");
    let misnamed = open(&cluster, "localhost", &right);
    assert!(matches!(misnamed, Err(StoreError::Unavailable)), "{misnamed:?}");
    let unreadable = open(&cluster, "127.0.0.1", &room.path().join("nowhere.pem"));
    assert!(matches!(unreadable, Err(StoreError::Address { .. })), "{unreadable:?}");
}
