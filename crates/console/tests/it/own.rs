//! One's own account, as a browser without scripts sees it: changes with a fresh proof, and what one is told.

use std::time::Duration;

use guard::Role;
use http::StatusCode;
use store::notices::{self, NewNotice, NoticeHand, NoticeKind};
use store::{DbUrl, params};
use vault::Purpose;

use crate::doorstep::{PASSWORD, code, first_owner, get, token};
use crate::house::{House, jar};

const OTHER: &str = "saffron ballast quarry thimble";

#[tokio::test]
async fn somebody_changes_how_they_sign_in_and_is_told_until_they_have_read_it() {
    let house = House::open().await;
    let (cookies, letters) = first_owner(&house).await;
    let account = get(&house, "/account", &cookies).await;
    assert!(account.text.contains(r#"href="/account/factors""#) && !account.text.contains("about-you"));
    let factors = get(&house, "/account/factors", &cookies).await;
    assert!(
        factors.text.contains("Add a passkey") && factors.text.contains("10 are left"),
        "{}",
        factors.text
    );

    // New recovery codes: shown once, and the session goes on under a new secret.
    let csrf = token(&factors);
    let made = house.post_with("/account/recovery-codes", &cookies, &[("csrf_token", &csrf)]).await;
    assert_eq!(made.location(), "/enrol/codes", "{}", made.text);
    assert_eq!(get(&house, "/", &cookies).await.location(), "/sign-in", "the old secret is void");
    let cookies = jar(&[&made]);
    let codes = get(&house, "/enrol/codes", &cookies).await;
    assert_eq!(codes.text.matches("<li>").count(), 10);

    // It stands on every page until it is read.
    for page in ["/", "/users", "/account"] {
        let page = get(&house, page, &cookies).await;
        assert!(page.text.contains(r#"aria-label="About your account""#), "{}", page.text);
        assert!(
            page.text.contains("New recovery codes were made") && page.text.contains("with your own proofs")
        );
    }
    let people = get(&house, "/users", &cookies).await;
    let (until, next) =
        (people.between(r#"name="until" value=""#, "\""), people.between(r#"name="next" value=""#, "\""));
    let fields = [("csrf_token", token(&people)), ("until", until.to_owned()), ("next", next.to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let read = house.post_with("/account/notices/seen", &cookies, &fields).await;
    assert_eq!(read.location(), "/users");
    assert!(!get(&house, "/users", &cookies).await.text.contains("about-you"));
    let account = get(&house, "/account", &cookies).await;
    assert!(account.text.contains("New recovery codes were made"), "it stays listed");

    // The password: the old one is asked for.
    let page = get(&house, "/account/password", &cookies).await;
    let csrf = token(&page);
    let fields = |present: &'static str, new: &'static str, again: &'static str| {
        [("present", present), ("password", new), ("again", again)]
    };
    for (wrong, why) in [
        (fields("something else", OTHER, OTHER), "not your present password"),
        (fields(PASSWORD, OTHER, "another"), "differ"),
        (fields(PASSWORD, PASSWORD, PASSWORD), "is the present one"),
        (fields(PASSWORD, "short", "short"), "at least 15 characters"),
    ] {
        let all = [&wrong[..], &[("csrf_token", csrf.as_str())]].concat();
        let refused = house.post_with("/account/password", &cookies, &all).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains(why) && !refused.text.contains(OTHER), "{why}: {}", refused.text);
    }
    let all = [&fields(PASSWORD, OTHER, OTHER)[..], &[("csrf_token", csrf.as_str())]].concat();
    let changed = house.post_with("/account/password", &cookies, &all).await;
    assert_eq!(changed.location(), "/account?done=password-changed", "{}", changed.text);
    let cookies = jar(&[&changed]);
    assert!(get(&house, "/", &cookies).await.text.contains("Your password was changed."));

    // Another app: nothing changes before its first code.
    let csrf = token(&get(&house, "/account/factors", &cookies).await);
    let begun = house.post_with("/account/app/start", &cookies, &[("csrf_token", &csrf)]).await;
    assert_eq!(begun.location(), "/account/app", "{}", begun.text);
    let cookies = jar(&[&changed, &begun]);
    let page = get(&house, "/account/app", &cookies).await;
    let new = page.between(r#"<code id="letters">"#, "</code>").to_owned();
    assert!(page.text.contains("<svg") && new != letters);
    let csrf = token(&page);
    let right = code(&new, &house, 0);
    let wrong = if right == "000000" { "111111" } else { "000000" };
    let refused = house.post_with("/account/app", &cookies, &[("code", wrong), ("csrf_token", &csrf)]).await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text.contains("not right"));
    let done = house.post_with("/account/app", &cookies, &[("code", &right), ("csrf_token", &csrf)]).await;
    assert_eq!(done.location(), "/account/factors?done=factor-added", "{}", done.text);
    let cookies = jar(&[&changed, &done]);
    let csrf = token(&get(&house, "/account/factors", &cookies).await);
    let last = house.post_with("/account/app/remove", &cookies, &[("csrf_token", &csrf)]).await;
    assert_eq!(last.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(last.text.contains("no second factor"), "{}", last.text);
}

#[tokio::test]
async fn a_change_asks_for_a_fresh_proof_and_looking_does_not() {
    let house = House::open().await;
    let bob = house.staff_signed_in("bob", &[Role::Owner], (301, 3)).await;
    let page = house.get("/account/factors", &bob).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("/step-up?next=/account/factors") && !page.text.contains("wr-passkey"));
    let words = [("name", "x")];
    let empty: [(&str, &str); 0] = [];
    for (path, fields) in [
        ("/account/recovery-codes", &empty[..]),
        ("/account/app/start", &empty),
        ("/account/app/remove", &empty),
        ("/account/passkeys/00/remove", &empty),
        ("/account/passkeys/00/name", &words),
        ("/account/password", &empty),
    ] {
        let refused = house.post(path, &bob, fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text.contains("guard.step_up") && refused.text.contains("/step-up?next="), "{path}");
    }
    // With a fresh proof a passkey that is none is not there.
    let ada = house.staff("ada", &[Role::SupportAgent]).await;
    for path in ["/account/passkeys/00/remove", &format!("/account/passkeys/{}/remove", "0".repeat(64))] {
        assert_eq!(house.post(path, &ada, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // A form of another site changes nothing.
    let foreign = house.post_with("/account/recovery-codes", &ada.cookie(), &[("csrf_token", "none")]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_password_that_is_too_old_leads_to_its_page_and_nowhere_else() {
    let room = tempfile::tempdir().unwrap();
    let url = DbUrl::sqlite(room.path().join("house.db"));
    let house = House::with(url, room, |passwords| passwords.lasting(Duration::ZERO)).await;
    let (cookies, _) = first_owner(&house).await;
    for path in ["/", "/users", "/account", "/account/factors"] {
        assert_eq!(get(&house, path, &cookies).await.location(), "/account/password", "{path}");
    }
    let page = get(&house, "/account/password", &cookies).await;
    assert!(page.status == StatusCode::OK && page.text.contains("It is time for a new one"), "{}", page.text);
    let csrf = token(&page);
    let closed = house.post_with("/account/recovery-codes", &cookies, &[("csrf_token", &csrf)]).await;
    assert_eq!(closed.status, StatusCode::FORBIDDEN);
    assert!(closed.text.contains("account.password_due"));
    let fields =
        [("present", PASSWORD), ("password", OTHER), ("again", OTHER), ("csrf_token", csrf.as_str())];
    let changed = house.post_with("/account/password", &cookies, &fields).await;
    assert_eq!(changed.location(), "/account?done=password-changed", "{}", changed.text);
    let cookies = jar(&[&changed]);
    let csrf = token(&get(&house, "/account/password", &cookies).await);
    let out = house.post_with("/sign-out", &cookies, &[("csrf_token", &csrf)]).await;
    assert_eq!(out.location(), "/sign-in", "who wants to leave may");
}

/// Somebody flips a bit of a notice and of an account, past the program.
#[tokio::test]
async fn an_altered_row_costs_a_page_that_row_alone() {
    let house = House::open().await;
    let (ada, pat) =
        (house.staff("ada", &[Role::Owner]).await, house.staff("pat", &[Role::SupportAgent]).await);
    let (tenant, user) = (house.tenant, ada.user);
    let key = house.keys.tenant_data_key(tenant, Purpose::Identity).await.unwrap();
    for kind in [NoticeKind::PasswordChanged, NoticeKind::RolesChanged] {
        let (id, hand, at) = (house.world.id(), NoticeHand::Administrator, house.world.now());
        let sealed = key.seal(&notices::particulars_place(tenant, id), &b"{}".to_vec()).unwrap();
        let new = NewNotice { tenant, id, user, kind, hand, at, particulars: (sealed, key.generation()) };
        house.db.write(move |tx| notices::put(tx, &new)).await.unwrap();
    }
    let people = get(&house, "/users", &ada.cookie()).await.text;
    assert!(people.contains("pat@desk.example") && people.contains("Your password was changed."));
    assert!(!people.contains("cannot be read") && !people.contains("may lack something"));

    let flip = move |tx: &mut store::Tx<'_>| {
        let row = tx.row("SELECT particulars FROM notices WHERE kind = 'roles_changed'", &[])?;
        let mut sealed: Vec<u8> = row.unwrap().take("particulars")?;
        sealed[27] ^= 64;
        tx.execute("UPDATE notices SET particulars = $1 WHERE kind = 'roles_changed'", params![sealed])?;
        tx.execute("UPDATE users SET epoch = epoch + 1 WHERE id = $1", params![pat.user])
    };
    house.db.write(flip).await.unwrap();
    for page in ["/", "/users", "/account", "/users"] {
        let page = get(&house, page, &ada.cookie()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.text.contains("Your password was changed.") && !page.text.contains("roles were changed")
        );
        assert!(page.text.contains("A notice about your account cannot be read."), "{}", page.text);
    }
    let people = get(&house, "/users", &ada.cookie()).await.text;
    assert!(people.contains("ada@desk.example") && !people.contains("pat@desk.example"));
    assert!(people.contains("Lists may lack something.") && people.contains("users (1)"), "{people}");
    // What decides about somebody stays closed: neither their page nor their session opens.
    let theirs = get(&house, &format!("/users/{}", pat.user), &ada.cookie()).await;
    assert!(!theirs.status.is_success());
    assert!(!get(&house, "/", &pat.cookie()).await.status.is_success());
    // Each row is told once, however many pages met it.
    let mut told: Vec<_> = house.db.refused().await.into_iter().map(|row| row.table).collect();
    told.sort_unstable();
    assert_eq!(told, ["notices", "users"]);
    let more = tokio::time::timeout(Duration::from_millis(50), house.db.refused()).await;
    assert!(more.is_err());
}
