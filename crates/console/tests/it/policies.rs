//! The page of policies: why a decision falls as it does, and a change that takes two people.

use guard::Role;
use http::StatusCode;

use crate::house::House;

#[tokio::test]
async fn a_change_of_policies_is_tried_proposed_and_agreed_to_by_another_on_the_page() {
    let house = House::open().await;
    let first = house.staff("first", &[Role::SecurityAdmin]).await;
    let second = house.staff("second", &[Role::SecurityAdmin]).await;
    let page = house.get("/policies", &first).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("The policies that ship are in force."), "{}", page.text);

    let file = house.get("/policies/files/owner", &first).await;
    assert!(file.text.contains("owner.people"), "{}", file.text);
    let shipped = guard::PolicyFiles::shipped();
    let (_, text) = shipped.iter().find(|(name, _)| *name == "owner").unwrap();
    let wider = format!(
        "{text}\r\n@id(\"owner.tries\")\r\npermit (principal is User, action == Action::\"bot.test-sandbox\", \
         resource)\r\nwhen {{ resource in principal.grants.owner }};\r\n"
    );
    let tried = house.post("/policies/files/owner", &first, &[("text", &wider)]).await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.text);
    assert!(
        tried.text.contains("invariants hold") && tried.text.contains("bot.test-sandbox"),
        "{}",
        tried.text
    );

    let form = [("file", "owner"), ("text", wider.as_str()), ("reason", "owners try bots")];
    let proposed = house.post("/policies/propose", &first, &form).await;
    assert_eq!(proposed.location(), "/policies?done=policy-proposed", "{}", proposed.text);
    let own = house.post("/policies/1/approve", &first, &[]).await;
    assert_eq!(own.status, StatusCode::CONFLICT, "{}", own.text);
    let theirs = house.get("/policies", &second).await;
    assert!(theirs.text.contains("owners try bots") && theirs.text.contains("/policies/1/approve"));
    let agreed = house.post("/policies/1/approve", &second, &[]).await;
    assert_eq!(agreed.location(), "/policies?done=policy-approved", "{}", agreed.text);

    let owner = house.staff("owner", &[Role::Owner]).await;
    let explained = house.get("/policies?who=owner&action=bot.test-sandbox&on=bot/front-desk", &owner).await;
    assert!(explained.text.contains("owner.tries"), "{}", explained.text);
    let refused = house.get("/policies?who=owner&action=transcript.list", &owner).await;
    assert!(refused.text.contains("support manager"), "{}", refused.text);
    assert_eq!(house.get("/policies?who=nobody@x.example&action=bot.read", &owner).await.status, 422);

    let back = [("to", "0"), ("reason", "too wide")];
    assert_eq!(
        house.post("/policies/roll-back", &second, &back).await.location(),
        "/policies?done=policy-back"
    );
    let codes = house.codes().await;
    assert_eq!(codes.iter().filter(|code| code.starts_with("CONF-10")).count(), 3, "{codes:?}");
}

#[tokio::test]
async fn policies_are_seen_by_owners_and_changed_by_fresh_security_admins_only() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let page = house.get("/policies", &owner).await;
    assert!(page.status == StatusCode::OK && !page.text.contains("Put back"), "{}", page.text);
    let developer = house.staff("dev", &[Role::BotDeveloper]).await;
    assert_eq!(house.get("/policies", &developer).await.status, StatusCode::FORBIDDEN);
    let late = house.staff_signed_in("late", &[Role::SecurityAdmin], (400, 3)).await;
    let page = house.get("/policies", &late).await;
    assert!(page.text.contains("/step-up?next=/policies"), "{}", page.text);
    let breaks = "@id(\"x\") permit (principal is Service, action in Action::\"transcript\", resource);";
    let admin = house.staff("admin", &[Role::SecurityAdmin]).await;
    let tried = house.post("/policies/files/custom", &admin, &[("text", breaks)]).await;
    assert!(tried.text.contains("It breaks"), "{}", tried.text);
    let form = [("file", "custom"), ("text", breaks), ("reason", "quicker")];
    assert_eq!(house.post("/policies/propose", &admin, &form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Policies of one's own that were made before a release brought an action.
#[tokio::test]
async fn older_policies_tell_what_they_lack_and_take_it_over_by_two_people() {
    let house = House::open().await;
    let first = house.staff("first", &[Role::SecurityAdmin]).await;
    let second = house.staff("second", &[Role::SecurityAdmin]).await;
    assert!(!house.get("/policies", &first).await.text.contains("Nobody may do this."));
    let shipped = guard::PolicyFiles::shipped();
    let (_, text) = shipped.iter().find(|(name, _)| *name == "staff").unwrap();
    let both = r#"[Action::"self.manage", Action::"self.change-factors"]"#;
    let older = text.replace(both, r#"Action::"self.manage""#);
    assert_ne!(text, older);
    let form = [("file", "staff"), ("text", older.as_str()), ("reason", "as it was")];
    house.post("/policies/propose", &first, &form).await;
    house.post("/policies/1/approve", &second, &[]).await;
    assert_eq!(house.post("/account/recovery-codes", &first, &[]).await.status, StatusCode::FORBIDDEN);

    let page = house.get("/policies", &second).await;
    for words in ["Nobody may do this.", "<code>self.change-factors</code>", "adopted.staff.own_account"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    // Whoever only reads sees it and is offered nothing.
    let owner = house.staff("owner", &[Role::Owner]).await;
    let seen = house.get("/policies", &owner).await;
    assert!(seen.text.contains("Nobody may do this.") && !seen.text.contains("/policies/adopt"));
    assert_eq!(house.post("/policies/adopt", &owner, &[("reason", "x")]).await.status, StatusCode::FORBIDDEN);

    let adopted = house.post("/policies/adopt", &second, &[("reason", "the new release")]).await;
    assert_eq!(adopted.location(), "/policies?done=policy-proposed", "{}", adopted.text);
    assert!(
        house.get("/policies", &second).await.text.contains("Nobody may do this."),
        "nothing changed yet"
    );
    assert_eq!(house.post("/policies/2/approve", &second, &[]).await.status, StatusCode::CONFLICT);
    let agreed = house.post("/policies/2/approve", &first, &[]).await;
    assert_eq!(agreed.location(), "/policies?done=policy-approved", "{}", agreed.text);
    assert!(!house.get("/policies", &second).await.text.contains("Nobody may do this."));
    assert_ne!(house.post("/account/recovery-codes", &first, &[]).await.status, StatusCode::FORBIDDEN);
    let again = house.post("/policies/adopt", &second, &[("reason", "once more")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
}
