//! Each dialect with the directory that speaks it.

use serde_json::{Value, json};

use super::*;

fn patched(kind: Kind, before: Value, operations: Value) -> Result<Value, ScimError> {
    let before = Resource::of_body(kind, &before).unwrap();
    let patch = Patch::of_body(json!({ "Operations": operations }).to_string().as_bytes())?;
    apply(&before, &patch).map(|after| Value::Object(after.members().clone()))
}

fn user(operations: Value) -> Value {
    let before = json!({
        "userName": "alice", "active": true, "name": { "givenName": "Alice", "familyName": "A" },
        "emails": [{ "value": "a@work.example", "type": "work", "primary": true }],
    });
    patched(Kind::User, before, operations).unwrap()
}

fn group(operations: Value) -> Vec<String> {
    let before = json!({ "displayName": "Agents", "members": [{ "value": "1" }, { "value": "2" }] });
    let after = Resource::of_body(Kind::Group, &patched(Kind::Group, before, operations).unwrap()).unwrap();
    after.member_ids().map(str::to_owned).collect()
}

#[test]
fn entra_writes_operations_with_a_capital_and_truth_as_text() {
    assert_eq!(user(json!([{ "op": "Replace", "path": "active", "value": "False" }]))["active"], false);
    assert_eq!(user(json!([{ "op": "Add", "path": "displayName", "value": "Al" }]))["displayName"], "Al");
}

#[test]
fn okta_deactivates_without_a_path() {
    assert_eq!(user(json!([{ "op": "replace", "value": { "active": false } }]))["active"], false);
}

#[test]
fn entra_puts_dotted_names_and_urns_into_a_value() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let after = user(json!([{ "op": "add", "value": {
        "name.givenName": "Bo", "schemas": ["x"], format!("{urn}:department"): "Cards",
        "emails[type eq \"work\"].value": "b@work.example", "addresses[type eq \"work\"].locality": "Oslo",
    } }]));
    assert_eq!(after["name"], json!({ "givenName": "Bo", "familyName": "A" }));
    assert_eq!(after[urn]["department"], "Cards");
    assert_eq!(after["emails"], json!([{ "value": "b@work.example", "type": "work", "primary": true }]));
}

#[test]
fn entra_names_the_manager_by_urn_and_a_bare_id() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let path = format!("{urn}:manager");
    let after = user(json!([{ "op": "Add", "path": path, "value": "42" }]));
    assert_eq!(after[urn]["manager"], json!({ "value": "42" }));
    let after = user(
        json!([{ "op": "Add", "path": urn, "value": { "employeeNumber": "7" } }, { "op": "Remove", "path": urn }]),
    );
    assert!(after.get(urn).is_none());
}

#[test]
fn entra_replaces_the_value_of_an_address_that_is_not_there_yet() {
    let after = user(
        json!([{ "op": "Replace", "path": "emails[type eq \"home\"].value", "value": "h@home.example" }]),
    );
    assert_eq!(after["emails"][1], json!({ "type": "home", "value": "h@home.example" }));
}

#[test]
fn members_are_added_once_and_removed_by_filter_or_by_value() {
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "value": "2" }, { "value": "3" }] }]);
    assert_eq!(group(add), ["1", "2", "3"]);
    assert_eq!(group(json!([{ "op": "remove", "path": "members[value eq \"1\"]" }])), ["2"]);
    assert_eq!(group(json!([{ "op": "Remove", "path": "members", "value": [{ "value": "2" }] }])), ["1"]);
    assert_eq!(group(json!([{ "op": "replace", "path": "members", "value": [{ "value": "9" }] }])), ["9"]);
    assert!(group(json!([{ "op": "remove", "path": "members" }])).is_empty());
    assert!(group(json!([{ "op": "replace", "path": "members", "value": [] }])).is_empty());
    assert_eq!(group(json!([{ "op": "add", "value": { "members": [{ "value": "3" }] } }])), ["1", "2", "3"]);
}

#[test]
fn a_group_of_thousands_takes_thousands_more_and_lets_them_go() {
    let ids = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|n| json!({ "value": format!("{n:06}") })).collect()
    };
    let before = json!({ "displayName": "All", "members": ids(0, 9000) });
    let operations = json!([
        { "op": "add", "path": "members", "value": ids(5000, 15_000) },
        { "op": "remove", "path": "members", "value": ids(1, 14_999) },
    ]);
    let after = patched(Kind::Group, before, operations).unwrap();
    assert_eq!(after["members"], json!([{ "value": "000000" }, { "value": "014999" }]));
}

#[test]
fn one_address_is_the_primary_one() {
    let new =
        json!([{ "op": "add", "path": "emails", "value": [{ "value": "n@x.example", "primary": true }] }]);
    let after = user(new);
    assert_eq!(
        (&after["emails"][0]["primary"], &after["emails"][1]["primary"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn parts_come_and_go() {
    let after = user(
        json!([{ "op": "remove", "path": "name.givenName" }, { "op": "replace", "path": "name", "value": { "formatted": "A" } }]),
    );
    assert_eq!(after["name"], json!({ "familyName": "A", "formatted": "A" }));
    assert!(user(json!([{ "op": "remove", "path": "name" }])).get("name").is_none());
    assert!(user(json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }])).get("emails").is_none());
}

#[test]
fn what_we_do_not_keep_is_passed_over_and_the_rest_is_done() {
    let after = user(json!([
        { "op": "add", "path": "phoneNumbers[type eq \"work\"].value", "value": "1" },
        { "op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:noSuch", "value": "x" },
        { "op": "replace", "value": { "id": "other", "active": "false" } },
    ]));
    assert_eq!(after["active"], false);
}

#[test]
fn a_path_with_a_filter_without_end_is_refused_and_never_weighed() {
    // A body may have a million bytes; a chain of comparisons is a tree as deep as it is long.
    let chain = "value eq \"x\" and ".repeat(60_000);
    for path in [
        format!("members[{chain}value pr]"),
        format!("members[{}]", "type pr or ".repeat(90_000) + "type pr"),
    ] {
        let before = json!({ "displayName": "All", "members": [{ "value": "x" }] });
        let operations = json!([{ "op": "remove", "path": path }]);
        let refused = patched(Kind::Group, before, operations).unwrap_err();
        assert_eq!(refused.kind, Some(ScimType::InvalidPath));
    }
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    for (operations, kind) in [
        (json!([{ "op": "remove" }]), ScimType::NoTarget),
        (json!([{ "op": "explode", "path": "active" }]), ScimType::InvalidSyntax),
        (json!([{ "op": "replace", "path": "id", "value": "x" }]), ScimType::Mutability),
        (json!([{ "op": "add", "path": "groups", "value": [{ "value": "1" }] }]), ScimType::Mutability),
        (json!([{ "op": "remove", "path": "userName" }]), ScimType::InvalidValue),
        (json!([{ "op": "replace", "path": "active", "value": "perhaps" }]), ScimType::InvalidValue),
        (json!([{ "op": "replace", "value": "x" }]), ScimType::InvalidValue),
        (json!([{ "op": "add", "path": "emails[", "value": "x" }]), ScimType::InvalidPath),
        (json!([]), ScimType::InvalidSyntax),
    ] {
        let error = patched(Kind::User, json!({ "userName": "alice" }), operations.clone()).unwrap_err();
        assert_eq!(error.kind, Some(kind), "{operations}");
    }
    assert_eq!(Patch::of_body(b"{}").unwrap_err().kind, Some(ScimType::InvalidSyntax));
}
