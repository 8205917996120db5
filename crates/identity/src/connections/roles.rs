//! The roles that a provider's groups bring. A sync replaces the rows of its own connection and touches
//! no others: what an owner granted by hand stays, and what a group brought goes with the group.

use guard::{Grant, check_assignment};
use kernel::{TenantId, Timestamp, UserId};
use ledger::Token;
use ledger::catalogue::{RoleGranted, RoleRevoked};
use store::users::{self, GrantRow};
use store::{StoreError, Tx, identities};

use super::reason::Objection;
use super::settings::{People, Unsaid};
use super::told::GroupsTold;
use crate::notices::{NoticeHand, NoticeKind, Particulars};
use crate::pen::Pen;

/// What groups bring, or why it cannot be said.
pub(crate) fn brought(people: &People, groups: &GroupsTold) -> Result<Vec<Grant>, Objection> {
    if people.groups.is_none() {
        return Ok(people.grants_of(&[]));
    }
    match groups {
        GroupsTold::Said(names) => Ok(people.grants_of(names)),
        GroupsTold::Unsaid if people.unsaid == Unsaid::NoGroup => Ok(people.grants_of(&[])),
        GroupsTold::Unsaid => Err(Objection::GroupsUnsaid),
        GroupsTold::TooMany => Err(Objection::GroupsTooMany),
        GroupsTold::Unreadable => Err(Objection::GroupsUnreadable),
    }
}

/// What a sync came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// Nothing had to be changed.
    Same,
    /// Something was; sessions that began before it are void.
    Changed,
    /// What is to be taken away was, and what was to be added may not go with what the person holds.
    Conflict,
}

/// Makes the rows of one source be these. Somebody who set the connection up gains nothing by it
/// (`gains`): nobody grants a role to themselves.
pub(crate) fn sync(
    tx: &mut Tx<'_>,
    pen: &Pen,
    (tenant, user): (TenantId, UserId),
    source: &str,
    wanted: &[Grant],
    gains: bool,
    now: Timestamp,
) -> Result<Synced, StoreError> {
    let had = identities::grants_from(tx, tenant, user, source)?;
    let mut outcome = Synced::Same;
    for grant in had.iter().filter(|grant| !wanted.contains(grant)) {
        identities::drop_grant(tx, tenant, user, grant, source)?;
        let (role, scope) = words(grant);
        pen.note_why(tx, &RoleRevoked { user, role, scope }, source)?;
        outcome = Synced::Changed;
    }
    for grant in wanted.iter().filter(|grant| gains && !had.contains(grant)) {
        let held = users::grants_of(tx, tenant, user, now)?;
        if check_assignment(&held, grant).is_err() {
            outcome = Synced::Conflict;
            break;
        }
        let row = GrantRow {
            user,
            grant: grant.clone(),
            source: source.to_owned(),
            granted_by: None,
            reason: None,
            granted: now,
            expires: None,
        };
        users::put_grant(tx, tenant, &row)?;
        let (role, scope) = words(grant);
        pen.note_why(tx, &RoleGranted { user, role, scope }, source)?;
        outcome = Synced::Changed;
    }
    if outcome != Synced::Same {
        users::bump_epoch(tx, tenant, user)?;
        // What a new account begins with is no change.
        if users::find(tx, tenant, user)?.is_some_and(|row| row.last_login.is_some()) {
            pen.tell_by(
                tx,
                user,
                NoticeKind::RolesChanged,
                NoticeHand::Provisioning,
                Particulars::default(),
            )?;
        }
    }
    Ok(outcome)
}

fn words(grant: &Grant) -> (Token, Token) {
    (Token::lossy(grant.role.name()), Token::lossy(&grant.scope.to_string()))
}
