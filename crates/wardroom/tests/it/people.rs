//! Staff and their roles from the command line, and why a decision falls as it does.

use crate::house::{House, wardroom};
use crate::visitor::Visitor;

#[tokio::test]
async fn a_decision_is_explained_with_rule_reason_and_remedy() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    let on = format!("conversation/{}", visitor.conversation);
    let data = data.to_str().unwrap();
    let explain = |who: &str, action: &str, more: &[&str]| {
        let words = ["role", "explain", "--as", who, "--action", action, "--on", &on, "--data", data];
        wardroom(&[&words, more].concat())
    };
    let (status, out, err) = explain("bot_developer", "transcript.read", &[]);
    assert_eq!(status, 1, "{err}");
    assert!(out.contains("refused by the rule") && out.contains("the door answers 404"), "{out}");
    let (status, out, _) = explain("support_manager", "transcript.read", &[]);
    assert!(status == 1 && out.contains("guard.purpose") && out.contains("remedy: State why"), "{out}");
    let (status, out, _) = explain("support_manager", "transcript.read", &["--reason", "ticket 1"]);
    assert_eq!((status, out.trim()), (0, "allowed by the rule `support_manager.transcripts`"));
    let (_, out, _) = explain("owner", "transcript.read", &["--reason", "ticket 1", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (told["decision"].as_str(), &told["roles"]),
        (Some("refused"), &serde_json::json!(["support_manager"]))
    );
    let (status, _, err) = explain("nobody@desk.example", "transcript.read", &[]);
    assert!(status == 1 && err.contains("wardroom user list"), "{err}");
    assert_eq!(explain("owner", "transcript.burn", &[]).0, 2);
}

#[test]
fn an_invitation_from_the_command_line_is_in_the_log() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    assert_eq!(House::start(&data).interrupt(), 0);
    let data = data.to_str().unwrap();
    let (status, out, err) = wardroom(&["user", "invite", "--role", "support_agent", "--data", data]);
    assert!(status == 0 && out.contains("/enrol#wri1_"), "{out}{err}");
    let (status, _, err) =
        wardroom(&["user", "invite", "--role", "support_agent", "--email", "nobody", "--data", data]);
    assert!(status == 1 && err.contains("address"), "{err}");
    assert!(wardroom(&["audit", "tail", "--data", data]).1.contains("user.invited"));
    assert_eq!(wardroom(&["user", "list", "--json", "--data", data]).1.trim(), "[]");
    let (status, _, err) = wardroom(&["user", "disable", "who@desk.example", "--data", data]);
    assert!(status == 1 && err.contains("wardroom user list"), "{err}");
}

#[test]
fn tokens_of_directories_are_for_connections_that_there_are() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    assert_eq!(House::start(&data).interrupt(), 0);
    let data = data.to_str().unwrap();
    let (status, out, err) = wardroom(&["scim", "list", "--data", data]);
    assert!(status == 0 && out.contains("there is no connection"), "{out}{err}");
    let nobody = "01a20686-e9ac-7144-bbde-d8b5dd878d25";
    let (status, out, err) = wardroom(&["scim", "token", nobody, "--data", data]);
    assert!(status == 1 && out.is_empty() && err.contains("no such connection"), "{out}{err}");
    assert_eq!(wardroom(&["scim", "token", "nonsense", "--data", data]).0, 2);
}
