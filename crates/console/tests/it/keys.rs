//! The page of keys: who sees it, who acts on it, and that two people are two.

use guard::Role;
use http::StatusCode;

use crate::house::House;

#[tokio::test]
async fn a_custodian_rotates_and_two_of_them_end_a_version() {
    let house = House::open().await;
    let (one, two) =
        (house.staff("one", &[Role::KeyCustodian]).await, house.staff("two", &[Role::KeyCustodian]).await);
    let page = house.get("/keys", &one).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Rotate now") && page.text.contains("next version on"), "{}", page.text);
    let rotated = house.post("/keys/rotate", &one, &[]).await;
    assert_eq!((rotated.status, rotated.location()), (StatusCode::SEE_OTHER, "/keys?done=rotated"));
    let page = house.get("/keys?done=rotated", &one).await;
    assert!(page.text.contains("New writes use the new version"));
    assert!(page.text.contains("Disable version 1") && !page.text.contains("Disable version 2"));

    // It still wraps keys, so nobody can end it yet.
    let early = house.post("/keys/versions/1/destroy", &one, &[("days", "7")]).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert!(early.text.contains("still wraps"), "{}", early.text);
    let permit = std::sync::Arc::new(house.custody.core_leave().unwrap());
    house.custody.rewrap(&permit, |_| ()).await.unwrap();
    let asked = house.post("/keys/versions/1/destroy", &one, &[("days", "7")]).await;
    assert_eq!(asked.location(), "/keys?done=asked", "{}", asked.text);

    // Whoever asked is not offered to approve, and is refused when they try.
    let own = house.get("/keys", &one).await;
    assert!(!own.text.contains("/approve") && own.text.contains("Call off"));
    let other = house.get("/keys", &two).await;
    let request = other.between("/keys/requests/", "/approve").to_owned();
    let refused = house.post(&format!("/keys/requests/{request}/approve"), &one, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("a second person must"), "{}", refused.text);
    let approved = house.post(&format!("/keys/requests/{request}/approve"), &two, &[]).await;
    assert_eq!(approved.location(), "/keys?done=approved");
    assert!(house.get("/keys", &two).await.text.contains("To be destroyed"));
    let kept = house.post("/keys/versions/1/keep", &two, &[]).await;
    assert_eq!(kept.location(), "/keys?done=kept");
    let codes = house.codes().await;
    for code in ["KEYS-1001I", "KEYS-1006I", "KEYS-1007I", "KEYS-1009I", "KEYS-1008I"] {
        assert!(codes.contains(&code.to_owned()), "{code}: {codes:?}");
    }
}

#[tokio::test]
async fn a_custodian_decides_when_keys_are_renewed_and_says_why() {
    let house = House::open().await;
    let custodian = house.staff("one", &[Role::KeyCustodian]).await;
    assert!(house.get("/keys", &custodian).await.text.contains("the configuration"));
    let form = |days: &'static str, reason: &'static str, decides: &'static str| {
        [
            ("days", days),
            ("end_after", "30"),
            ("rewrap_per_second", "0"),
            ("reason", reason),
            ("decides", decides),
        ]
    };
    let refused = house.post("/keys/policy", &custodian, &form("0", "a slip", "tenant")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("1 to 3650 days"), "{}", refused.text);
    let silent = house.post("/keys/policy", &custodian, &form("30", "", "tenant")).await;
    assert!(silent.status.is_client_error(), "{}", silent.status);
    let set = house.post("/keys/policy", &custodian, &form("30", "the auditors ask", "tenant")).await;
    assert_eq!(set.location(), "/keys?done=key-policy", "{}", set.text);
    let page = house.get("/keys", &custodian).await.text;
    assert!(page.contains("after 30 days, and on demand") && page.contains("a key custodian, or"), "{page}");
    let back = house.post("/keys/policy", &custodian, &form("30", "enough", "configuration")).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(house.get("/keys", &custodian).await.text.contains("after 90 days, and on demand"));
    assert_eq!(house.codes().await.iter().filter(|code| *code == "KEYS-1016I").count(), 2);
    let auditor = house.staff("auditor", &[Role::Auditor]).await;
    assert!(!house.get("/keys", &auditor).await.text.contains("Decide when keys"));
    let forbidden = house.post("/keys/policy", &auditor, &form("30", "no", "tenant")).await;
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_old_sign_in_sees_the_keys_and_must_confirm_before_acting() {
    let house = House::open().await;
    let custodian = house.staff_signed_in("late", &[Role::KeyCustodian], (301, 3)).await;
    let page = house.get("/keys", &custodian).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("Rotate now"));
    assert!(page.text.contains(r#"href="/step-up?next=/keys""#), "{}", page.text);
    let refused = house.post("/keys/rotate", &custodian, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("guard.step_up"), "{}", refused.text);
    let prove = house.get("/step-up?next=/keys", &custodian).await;
    assert_eq!(prove.status, StatusCode::OK);
    assert!(prove.text.contains("Prove again who you are") && prove.text.contains(r#"href="/keys""#));
}

#[tokio::test]
async fn whoever_reads_data_or_appoints_people_does_not_touch_the_keys() {
    let house = House::open().await;
    for role in [Role::Owner, Role::SupportManager, Role::SupportAgent, Role::BotDeveloper] {
        let staff = house.staff(role.name(), &[role]).await;
        let page = house.get("/keys", &staff).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{role}");
        let rotate = house.post("/keys/rotate", &staff, &[]).await;
        assert_eq!(rotate.status, StatusCode::FORBIDDEN, "{role}");
        assert!(!house.get("/", &staff).await.text.contains(r#"href="/keys""#), "{role}");
    }
    let auditor = house.staff("auditor", &[Role::Auditor]).await;
    let page = house.get("/keys", &auditor).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("Rotate now") && !page.text.contains("Confirm that it is you"));
    assert_eq!(house.post("/keys/rotate", &auditor, &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_custodian_who_came_with_a_code_sees_the_keys_and_is_asked_for_a_passkey() {
    let house = House::open().await;
    let custodian = house.staff_signed_in("code", &[Role::KeyCustodian], (0, 2)).await;
    let page = house.get("/keys", &custodian).await;
    assert!(page.status == StatusCode::OK && !page.text.contains("Rotate now"));
    assert!(page.text.contains(r#"href="/step-up?next=/keys""#), "{}", page.text);
    let refused = house.post("/keys/rotate", &custodian, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("guard.phishing_resistant") && refused.text.contains("passkey"));
    assert!(refused.text.contains("Prove again who you are"), "{}", refused.text);

    // An owner who came with a code grants what weighs less, and makes no owner, by whichever way.
    let owner = house.staff_signed_in("owner", &[Role::Owner], (0, 2)).await;
    let ada = house.staff("ada", &[Role::SupportAgent]).await;
    let grant = |role| [("role", role), ("bot", ""), ("reason", "she stands in")];
    let path = format!("/users/{}/grant", ada.user);
    for (role, location) in [("privacy_officer", true), ("owner", false)] {
        let answer = house.post(&path, &owner, &grant(role)).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, location, "{role}: {}", answer.text);
        assert_eq!(answer.text.contains("guard.phishing_resistant"), !location, "{role}");
    }
    let invite = house.post("/invites", &owner, &[("email", ""), ("role", "owner"), ("bot", "")]).await;
    assert!(invite.text.contains("guard.phishing_resistant"), "{}", invite.text);
    let strong = house.staff("strong", &[Role::Owner]).await;
    let made = house.post(&path, &strong, &grant("owner")).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
}
