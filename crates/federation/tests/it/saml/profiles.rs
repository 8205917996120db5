//! What the large providers write is accepted and read as it is meant, and a sample of every family of
//! attacks on it is not.

use federation::saml::Claims;

use super::attacks;
use super::idp::*;
use super::shapes;

fn accepted(name: &str) -> Claims {
    let profile = shapes::all().into_iter().find(|profile| profile.name == name).unwrap();
    let connection = connection(profile.settings);
    let xml = profile.login.xml();
    let claims = present(&connection, xml.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal:?}: {xml}"));
    for attack in attacks::all(&xml).into_iter().step_by(7) {
        let verdict = present(&connection, &attack.xml);
        assert!(verdict.is_err(), "{}: {}", attack.family, String::from_utf8_lossy(&attack.xml));
    }
    claims
}

#[test]
fn entra() {
    let claims = accepted("Entra");
    assert_eq!(claims.subject, "6f1d-alice");
    assert_eq!(claims.name_id.value, "alice@corp.example");
    let groups = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups";
    assert_eq!(claims.attributes[groups], ["g-1", "g-2"]);
}

#[test]
fn okta() {
    let claims = accepted("Okta");
    assert_eq!(claims.attributes["groups"], ["Everyone", "Wardroom & friends"]);
    assert_eq!(claims.attributes["email"], ["alice@corp.example"]);
}

#[test]
fn google() {
    assert_eq!(accepted("Google").attributes["department"], ["Ships"]);
}

#[test]
fn keycloak() {
    let claims = accepted("Keycloak");
    assert_eq!(claims.subject, "G-9f1c");
    assert_eq!(claims.name_id.sp_name_qualifier.as_deref(), Some(SP));
    assert_eq!(claims.attributes["Role"], ["offline_access", "wardroom-owners"]);
    assert_eq!(claims.session_index.as_deref(), Some("af31::0c2d"));
}
