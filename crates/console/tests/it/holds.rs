//! Legal holds on the console: placed by one, lifted by another; and accounts that come back.

use guard::Role;
use http::StatusCode;

use crate::house::House;

#[tokio::test]
async fn a_hold_is_placed_by_one_for_a_reason_and_lifted_by_another() {
    let house = House::open().await;
    let id = house.conversation("I was never there.").await.to_string();
    let officer = house.staff("officer", &[Role::PrivacyOfficer]).await;
    let empty = house.get("/holds", &officer).await;
    assert!(empty.text.contains("Nothing is under a hold") && empty.text.contains("Place the hold"));

    let silent = house.post("/holds", &officer, &[("kind", "conversation"), ("id", &id)]).await;
    assert_eq!(silent.status, StatusCode::BAD_REQUEST);
    for (kind, id) in [("person", "x"), ("everybody", id.as_str()), ("planet", "")] {
        let wrong = house.post("/holds", &officer, &[("kind", kind), ("id", id), ("reason", "x")]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{kind}");
    }
    let nobody = house.world.id::<kernel::SubjectId>().to_string();
    let gone = house.post("/holds", &officer, &[("kind", "person"), ("id", &nobody), ("reason", "x")]).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let why = "matter <7> of the court";
    let placed =
        house.post("/holds", &officer, &[("kind", "conversation"), ("id", &id), ("reason", why)]).await;
    assert_eq!(placed.location(), "/holds?done=hold-placed", "{}", placed.text);
    let page = house.get("/holds", &officer).await;
    assert!(page.text.contains("matter &#60;7&#62; of the court") && page.text.contains("by you"));
    assert!(!page.text.contains("/lift"), "who placed it is offered to lift it");

    // The auditor sees it and lifts nothing; an agent does not see it.
    let auditor = house.staff("auditor", &[Role::Auditor]).await;
    let seen = house.get("/holds", &auditor).await;
    assert!(seen.text.contains("matter") && !seen.text.contains("/lift"));
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    assert_eq!(house.get("/holds", &agent).await.status, StatusCode::FORBIDDEN);

    let owner = house.staff("owner", &[Role::Owner]).await;
    let page = house.get("/holds", &owner).await;
    assert!(!page.text.contains("Place the hold"));
    let path = format!("/holds/{}/lift", page.between("/holds/", "/lift"));
    let own = house.post(&path, &officer, &[("reason", "it is over")]).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert!(own.text.contains("separation.own_hold"), "{}", own.text);
    let late = house.staff_signed_in("late", &[Role::Owner], (301, 3)).await;
    assert!(house.get("/holds", &late).await.text.contains("/step-up?next=/holds"));
    let stale = house.post(&path, &late, &[("reason", "it is over")]).await;
    assert!(stale.text.contains("guard.step_up"), "{}", stale.text);
    assert_eq!(house.post(&path, &agent, &[("reason", "x")]).await.status, StatusCode::NOT_FOUND);

    let lifted = house.post(&path, &owner, &[("reason", "the court is done")]).await;
    assert_eq!(lifted.location(), "/holds?done=hold-lifted", "{}", lifted.text);
    let again = house.post(&path, &owner, &[("reason", "the court is done")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let page = house.get("/holds", &auditor).await;
    assert!(page.text.contains("Lifted") && page.text.contains("the court is done"));
    for code in ["PRIV-1002I", "PRIV-1003W", "AUTH-1010W"] {
        assert!(house.codes().await.contains(&code.to_owned()), "{code}");
    }
}

#[tokio::test]
async fn a_disabled_account_comes_back_by_a_second_look_and_its_old_session_does_not() {
    let house = House::open().await;
    let owner = house.staff("owner", &[Role::Owner]).await;
    let ada = house.staff("ada", &[Role::SupportAgent]).await;
    let (page, enable) = (format!("/users/{}", ada.user), format!("/users/{}/enable", ada.user));
    let early = house.post(&enable, &owner, &[("reason", "she is back")]).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.text);
    let out = house.post(&format!("{page}/disable"), &owner, &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(house.get(&page, &owner).await.text.contains("Why they may come back"));

    // A security admin takes people out and lets nobody in; an old proof is not enough.
    let admin = house.staff("admin", &[Role::SecurityAdmin]).await;
    assert!(!house.get(&page, &admin).await.text.contains("Why they may come back"));
    assert_eq!(house.post(&enable, &admin, &[("reason", "x")]).await.status, StatusCode::FORBIDDEN);
    let late = house.staff_signed_in("late", &[Role::Owner], (301, 3)).await;
    assert!(house.get(&page, &late).await.text.contains("Confirm that it is you to enable it"));
    assert!(house.post(&enable, &late, &[("reason", "x")]).await.text.contains("guard.step_up"));

    let back = house.post(&enable, &owner, &[("reason", "she is back")]).await;
    assert_eq!(back.location(), format!("/users/{}?done=enabled", ada.user), "{}", back.text);
    assert_eq!(house.get("/account", &ada).await.location(), "/sign-in?next=/account");
    assert!(house.get(&page, &owner).await.text.contains(">Active<"));
    assert!(house.codes().await.contains(&"AUTH-1030I".to_owned()));
}
