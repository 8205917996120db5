//! `wardroom policy` and roles made of actions, from the command line of a deployment.

use crate::house::{House, wardroom};

#[test]
fn a_change_of_policies_is_rehearsed_proposed_and_not_agreed_to_by_the_same_hand() {
    let temp = tempfile::tempdir().unwrap();
    let (data, folder) = (temp.path().join("data"), temp.path().join("policies"));
    assert_eq!(House::start(&data).interrupt(), 0);
    let (data, dir) = (data.to_str().unwrap(), folder.to_str().unwrap());
    let policy = |words: &[&str]| wardroom(&[&["policy"], words, &["--data", data]].concat());

    assert_eq!(policy(&["show", dir]).0, 0);
    assert_eq!(policy(&["diff", dir]).1.trim(), "no difference");
    let owner = folder.join("owner.cedar");
    let text = std::fs::read_to_string(&owner).unwrap();
    let wider = format!(
        "{text}\n@id(\"owner.tries\")\npermit (principal is User, action == Action::\"bot.test-sandbox\", \
         resource)\nwhen {{ resource in principal.grants.owner }};\n"
    );
    std::fs::write(&owner, &wider).unwrap();
    let (status, out, err) = policy(&["check", dir, "--json"]);
    assert_eq!(status, 0, "{out}{err}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["holds"], &told["added"]), (&true.into(), &serde_json::json!(["owner.tries"])));
    let changes = told["changes"].as_array().unwrap();
    assert!(changes.iter().any(|it| it["who"] == "owner" && it["action"] == "bot.test-sandbox"), "{out}");
    assert!(policy(&["diff", dir]).1.contains("+ @id(\"owner.tries\")"));

    let (status, out, err) = policy(&["propose", dir, "--reason", "owners try bots"]);
    assert!(status == 0 && out.contains("version 1 is proposed"), "{out}{err}");
    let (status, _, err) = policy(&["approve", "1"]);
    assert!(status == 1 && err.contains("a second person must"), "{err}");
    let (_, out, _) = policy(&["history", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (told[0]["state"].as_str(), told[0]["reason"].as_str()),
        (Some("proposed"), Some("owners try bots"))
    );
    assert!(wardroom(&["audit", "tail", "--data", data]).1.contains("policy.proposed"));

    // Nothing is lacking while what ships is in force, and then there is nothing to take over.
    let (status, out, _) = policy(&["status", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &told["in_force"], &told["lacks"]), (0, &0.into(), &serde_json::json!([])));
    let (status, _, err) = policy(&["adopt", "--reason", "new"]);
    assert!(status == 1 && err.contains("in force already"), "{err}");

    // A guard that is gone is not proposed, and says what would break.
    std::fs::write(&owner, &text).unwrap();
    let purpose = folder.join("purpose.cedar");
    std::fs::write(&purpose, "// nothing\n").unwrap();
    let (status, out, _) = policy(&["check", dir]);
    assert!(status == 1 && out.contains("BROKEN purpose"), "{out}");
    let (status, _, err) = policy(&["propose", dir, "--reason", "quicker"]);
    assert!(status == 1 && err.contains("break"), "{err}");
    let (status, out, err) = policy(&["rollback", "--to", "0", "--reason", "as it was"]);
    assert!(status == 0 && out.contains("in force again"), "{out}{err}");
}

#[test]
fn a_role_is_made_of_actions_and_ended_from_the_command_line() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    assert_eq!(House::start(&data).interrupt(), 0);
    let data = data.to_str().unwrap();
    let role = |words: &[&str]| wardroom(&[&["role"], words, &["--data", data]].concat());

    let (status, out, err) = role(&["define", "night-desk", "transcript.list", "transcript.read"]);
    assert!(status == 0 && out.contains("transcript.read"), "{out}{err}");
    let (_, out, _) = role(&["made", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told[0]["name"], "custom:night-desk");
    let explain = |action: &str| role(&["explain", "--as", "custom:night-desk", "--action", action]);
    assert_eq!(explain("transcript.list").1.trim(), "allowed by the rule `custom.given`");
    assert!(explain("bot.read").1.contains("refused by the rule `default`"));
    for torn in [["bot.update", "transcript.read"], ["key.rotate", "transcript.list"]] {
        let (status, _, err) = role(&["define", "both", torn[0], torn[1]]);
        assert!(status == 1 && err.contains("cannot be in one role"), "{err}");
    }
    let (status, _, err) = role(&["define", "boss", "iam.grant-role"]);
    assert!(status == 1 && err.contains("cannot be in a custom role"), "{err}");
    assert_eq!(role(&["retire", "night-desk"]).0, 0);
    assert!(role(&["made"]).1.contains("no role was made here"));
    assert!(wardroom(&["audit", "tail", "--data", data]).1.contains("role.retired"));
}
