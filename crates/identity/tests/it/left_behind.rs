//! What somebody leaves behind when they go, or what an address does when it is given to somebody else: none of
//! it opens anything.

use guard::action::{DisableUser, InviteUser, ResetFactors, RevokeRole};
use guard::{Actor, Grant, Role, Staff};
use identity::connections::Provider;
use identity::{IdentityError, Refused};
use serde_json::json;
use store::Via;

use crate::connections::Fed;
use crate::house::{House, email, name, refusal};

/// Somebody who is signed in, with a proof of this level.
async fn acting(house: &House, person: &crate::house::Person, assurance: u8) -> Actor {
    let signed_in = house.sign_in(person).await;
    let staff = house.signed(&signed_in).await.actor;
    Actor::Staff(Staff { assurance, authenticated_at: house.world.now(), ..staff })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_opens_nothing_once_whoever_made_it_is_out_or_may_not_invite_any_more() {
    let house = House::new().await;
    house.staff(Role::Owner, "first@example.org").await;
    let (identity, via) = (&house.identity, Via::default());
    for disabled in [true, false] {
        let address = if disabled { "gone@example.org" } else { "demoted@example.org" };
        let rogue = house.staff(Role::Owner, address).await;
        let actor = acting(&house, &rogue, 3).await;
        let invite = async |role: Role| {
            let permit = house.permit::<InviteUser>(&actor, &house.whole());
            identity.invite(permit, Grant::everywhere(role), None, &via).await.unwrap()
        };
        let (unused, begun) = (invite(Role::SecurityAdmin).await, invite(Role::SecurityAdmin).await);
        let ceremony = house.begin(&begun, "Mallory", &format!("back.{address}")).await;
        let setup = house.choose(&ceremony).await;
        if disabled {
            let permit = house.operator_may::<DisableUser>(&house.account(rogue.user));
            identity.disable(permit, &via).await.unwrap();
        } else {
            let permit = house.operator_may::<RevokeRole>(&house.account(rogue.user));
            identity.revoke(permit, Grant::everywhere(Role::Owner), &via).await.unwrap();
        }
        assert_eq!(refusal(identity.look_at_invite(unused.expose()).await), Refused::Invite);
        let late = identity.begin_enrolment(unused.expose(), name("Mallory"), email("m@example.org")).await;
        assert_eq!(refusal(late), Refused::Invite);
        // The enrolment that was under way ends at its last step.
        let code = house.code(setup.letters.expose());
        assert_eq!(refusal(identity.enrol_code(&ceremony, &code, &via).await), Refused::Invite);
    }
    // What the operator makes stands for itself.
    let own = house.invite(Role::SupportAgent, None).await;
    assert!(identity.look_at_invite(own.expose()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_make_no_owner_resets_no_owners_factors() {
    let house = House::new().await;
    let (ada, bob) = (
        house.staff(Role::Owner, "ada@example.org").await,
        house.staff(Role::Owner, "bob@example.org").await,
    );
    let agent = house.staff(Role::SupportAgent, "agent@example.org").await;
    // A code can be phished, and makes nobody an owner: so it does not open an owner's account either.
    let weak = acting(&house, &ada, 2).await;
    let reset = |actor: &Actor, whose| house.permit::<ResetFactors>(actor, &house.account(whose));
    let outcome = house.identity.reset_factors(reset(&weak, bob.user), &Via::default()).await;
    assert!(matches!(outcome, Err(IdentityError::Denied(_))), "{outcome:?}");
    house.sign_in(&bob).await;
    assert!(house.identity.reset_factors(reset(&weak, agent.user), &Via::default()).await.is_ok());
    let strong = acting(&house, &ada, 3).await;
    assert!(house.identity.reset_factors(reset(&strong, bob.user), &Via::default()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_admin_who_may_invite_nobody_resets_factors_and_the_link_enrols_anew() {
    let house = House::new().await;
    let guardian = house.staff(Role::SecurityAdmin, "guardian@example.org").await;
    let agent = house.staff(Role::SupportAgent, "agent@example.org").await;
    let actor = acting(&house, &guardian, 3).await;
    let permit = house.permit::<ResetFactors>(&actor, &house.account(agent.user));
    let link = house.identity.reset_factors(permit, &Via::default()).await.unwrap();
    let again = house.enrol(&link, "Ada Lovelace", "agent@example.org").await;
    assert_eq!(again.user, agent.user);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_given_to_another_person_does_not_open_the_account_of_the_one_before() {
    let fed = Fed::new().await;
    let person =
        |sub: &str| json!({"sub": sub, "email": "alice@corp.example", "groups": ["desk"], "amr": ["mfa"]});
    let alice = fed.sign_in(person("alice-1")).await;
    fed.refused(person("alice-2"), "sso.other-subject").await;
    // Nor does it prove anything in her session.
    assert_eq!(fed.sign_in(person("alice-1")).await.user, alice.user);
    // Whoever resets the account says that it is somebody else's from now on.
    let permit = fed.house.operator_may::<ResetFactors>(&fed.house.account(alice.user));
    fed.house.identity.reset_factors(permit, &Via::default()).await.unwrap();
    assert_eq!(fed.sign_in(person("alice-2")).await.user, alice.user);
    fed.refused(person("alice-1"), "sso.other-subject").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_under_another_client_finds_its_people_by_their_addresses_once_more() {
    let fed = Fed::new().await;
    let person =
        |sub: &str| json!({"sub": sub, "email": "alice@corp.example", "groups": ["desk"], "amr": ["mfa"]});
    let alice = fed.sign_in(person("pairwise-1")).await;
    let client = std::cell::RefCell::new(String::new());
    let rename = |to: String| {
        fed.set(move |settings| {
            if let Provider::Oidc(oidc) = &mut settings.provider {
                oidc.client = to;
            }
        })
    };
    fed.set(|settings| {
        if let Provider::Oidc(oidc) = &settings.provider {
            client.replace(oidc.client.clone());
        }
    })
    .await;
    rename("another-client".to_owned()).await;
    rename(client.into_inner()).await;
    assert_eq!(fed.sign_in(person("pairwise-2")).await.user, alice.user);
}
