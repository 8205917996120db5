//! OpenBao's Transit engine: the real server.

use std::sync::Arc;

use kernel::{Secret, World};
use outbound::Roots;
use testkit::{OpenBao as Server, Said};
use vault::{Credential, KeyBytes, KeyProvider, OpenBao, OpenBaoSettings, ProviderError, WrapContext};

use super::stage::{Mode, Onward, Wire};
use super::suite;

const POLICY: &str = r#"
path "transit/keys/wardroom"    { capabilities = ["read"] }
path "transit/encrypt/wardroom" { capabilities = ["update"] }
path "transit/decrypt/wardroom" { capabilities = ["update"] }
"#;

fn wire(server: &Server) -> Wire {
    let onward = Onward::to(&server.origin(), Roots::from_file(&server.ca()).unwrap());
    Wire::to(move |heard| onward.pass(heard))
}

fn settings(wire: &Wire, token: &str) -> OpenBaoSettings {
    OpenBaoSettings {
        service: wire.service(),
        mount: "transit".to_owned(),
        key: "wardroom".to_owned(),
        namespace: None,
        token: Credential::Given(Secret::new(token.to_owned())),
    }
}

fn context() -> WrapContext {
    WrapContext { tenant: World::real().id(), version: 1 }
}

#[test]
fn openbao_does_what_a_provider_must_do() {
    let server = Server::with_transit_key("wardroom");
    let (wire, token) = (wire(&server), server.token("wardroom", POLICY));
    // Straight, as in a real house, with the least rights there can be.
    let straight = vault::Service {
        target: outbound::Target::internal(server.origin().parse().unwrap()),
        roots: Roots::from_file(&server.ca()).unwrap(),
        limits: vault::Service::LIMITS,
    };
    let bao = OpenBao::open(OpenBaoSettings { service: straight, ..settings(&wire, &token) }).unwrap();
    let checks = suite::conforms(&bao);
    suite::carries_a_house(Arc::new(bao));
    // And over a wire that misbehaves.
    let bao = OpenBao::open(settings(&wire, &token)).unwrap();
    assert!(!format!("{bao:?} {:?}", settings(&wire, &token)).contains(&token));
    println!("openbao: {} checks", checks + suite::bears_faults(&bao, &wire));
    let forged = r#"{"data":{"plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}"#;
    suite::a_wrong_key_is_noticed(Arc::new(bao), &wire, |_| Mode::Instead(Said::json(200, forged)));
}

#[test]
fn a_token_a_key_and_an_engine_that_are_not_as_they_should_be_each_say_how_to_mend_it() {
    let server = Server::start();
    let wire = wire(&server);
    let open = |settings| OpenBao::open(settings).map(|_| ()).unwrap_err().to_string();
    let root = Server::ROOT;
    assert!(open(settings(&wire, root)).contains("bao secrets enable -path=transit transit"));
    server.run(&["secrets", "enable", "transit"]);
    let missing = open(settings(&wire, root));
    assert!(missing.contains("`bao write -f transit/keys/wardroom`"), "{missing}");
    // The key was not made by asking for it.
    assert!(open(settings(&wire, root)).contains("there is no key"));
    server.run(&["write", "-f", "transit/keys/wardroom"]);
    OpenBao::open(settings(&wire, root)).unwrap();
    assert!(open(settings(&wire, "not-a-token")).contains("not valid, or its policy lacks"));

    let other = |key: &str| OpenBaoSettings { key: key.to_owned(), ..settings(&wire, root) };
    server.run(&["write", "transit/keys/loose", "exportable=true"]);
    assert!(open(other("loose")).contains("can be exported"));
    server.run(&["write", "transit/keys/derived", "derived=true"]);
    assert!(open(other("derived")).contains("derived"));
    server.run(&["write", "transit/keys/rsa", "type=rsa-2048"]);
    assert!(open(other("rsa")).contains("aes256-gcm96"));
    for key in ["", "..", "../keys/wardroom", "a b", "ä"] {
        assert!(open(other(key)).contains("characters other than"), "{key}");
    }
    let mount = OpenBaoSettings { mount: "transit/../sys".to_owned(), ..settings(&wire, root) };
    assert!(open(mount).contains("characters other than"));
}

#[test]
fn a_namespace_a_nested_mount_and_a_renewed_token_file_are_honoured() {
    let server = Server::start();
    let wire = wire(&server);
    server.run(&["namespace", "create", "bank"]);
    server.run(&["secrets", "enable", "-namespace=bank", "-path=keys/root", "transit"]);
    server.run(&["write", "-namespace=bank", "-f", "keys/root/keys/wardroom"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{}\n", Server::ROOT)).unwrap();
    let bao = OpenBao::open(OpenBaoSettings {
        mount: "keys/root".to_owned(),
        namespace: Some("bank".to_owned()),
        token: Credential::File(file.clone()),
        ..settings(&wire, "")
    })
    .unwrap();
    let (key, context) = (KeyBytes::generate(&World::real()), context());
    let blob = bao.wrap(&key, &context).unwrap();
    // The file is read for each use: what renews it need not tell us.
    std::fs::write(&file, "not-a-token").unwrap();
    suite::denies(&bao, &blob, &context, "not valid");
    std::fs::remove_file(&file).unwrap();
    assert!(bao.health().unwrap_err().is_outage());
    std::fs::write(&file, Server::ROOT).unwrap();
    assert_eq!(bao.unwrap(&blob, &context).unwrap().expose(), key.expose());
    assert!(bao.describe().to_string().starts_with("openbao keys/root/keys/wardroom in bank at https://"));
}

#[test]
fn a_key_taken_away_under_us_denies_and_is_not_made_anew() {
    let server = Server::with_transit_key("wardroom");
    let wire = wire(&server);
    // With the token that may do everything, which could make the key by accident.
    let bao = OpenBao::open(settings(&wire, Server::ROOT)).unwrap();
    let (key, context) = (KeyBytes::generate(&World::real()), context());
    let first = bao.wrap(&key, &context).unwrap();

    // A rotation: the old version opens until it is retired.
    server.run(&["write", "-f", "transit/keys/wardroom/rotate"]);
    let second = bao.wrap(&key, &context).unwrap();
    assert!(second.starts_with(b"bao1vault:v2:"));
    bao.unwrap(&first, &context).unwrap();
    server.run(&["write", "transit/keys/wardroom/config", "min_decryption_version=2"]);
    let retired = bao.unwrap(&first, &context).unwrap_err();
    assert!(matches!(&retired, ProviderError::Denied { why } if why.contains("retired")), "{retired:?}");
    bao.unwrap(&second, &context).unwrap();

    // A token that is withdrawn.
    let token = server.token("least", POLICY);
    let least = OpenBao::open(settings(&wire, &token)).unwrap();
    server.run(&["token", "revoke", &token]);
    suite::denies(&least, &second, &context, "not valid");

    // The key itself.
    server.run(&["write", "transit/keys/wardroom/config", "deletion_allowed=true"]);
    server.run(&["delete", "transit/keys/wardroom"]);
    suite::denies(&bao, &second, &context, "there is no key `wardroom`");
    assert!(matches!(bao.wrap(&key, &context), Err(ProviderError::Denied { .. })));
    assert!(matches!(bao.health(), Err(ProviderError::Denied { .. })), "wrapping did not make it");
}

#[test]
fn a_sealed_server_and_a_stopped_one_are_outages() {
    let mut server = Server::with_transit_key("wardroom");
    let wire = wire(&server);
    let bao = OpenBao::open(settings(&wire, Server::ROOT)).unwrap();
    let (key, context) = (KeyBytes::generate(&World::real()), context());
    let blob = bao.wrap(&key, &context).unwrap();
    server.run(&["operator", "seal"]);
    let sealed = bao.unwrap(&blob, &context).map(|_| ()).unwrap_err();
    assert!(sealed.is_outage() && sealed.to_string().contains("sealed"), "{sealed}");
    server.stop();
    assert!(bao.unwrap(&blob, &context).map(|_| ()).unwrap_err().is_outage());
}
