//! Roles for a while: somebody asks for one and says why, a second person agrees, and it ends by itself.
//! Duties are kept separate twice: when it is asked for and when it is agreed to. And the reviews of what
//! break-glass accounts were used for.

use std::time::Duration;

use guard::action::{DecideAccess, ReadAccess, RequestAccess, ReviewBreakGlass};
use guard::{Actor, Grant, Permit, ServiceName, check_assignment};
use kernel::{AccessRequestId, Reason, SessionId, Timestamp, UserId};
use ledger::Token;
use ledger::catalogue::{
    AccessApproved, AccessEnded, AccessRefused, AccessRequested, AccessWithdrawn, BreakGlassReviewed,
    RoleGranted,
};
use store::access_requests::{self as rows, AccessRequest, SOURCE};
use store::users::{self, GrantRow, UserState};
use store::{Read, StoreError, Via, api_keys};

use crate::notices::{NoticeKind, Particulars};
use crate::session::{account, end_all};
use crate::{Identity, IdentityError, Inner, Refused};

pub use store::access_requests::AccessState;

/// How long a request waits for a second person.
pub const OPEN: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time for which a role can be asked: a week, in hours.
pub const LONGEST_HOURS: u32 = 7 * 24;
/// Within this time somebody looks into the use of a break-glass account.
pub const REVIEW: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// The most requests for one account that wait at a time.
const WAITING: usize = 5;
/// What a list shows.
const SHOWN: u32 = 200;

/// A request, for a list.
#[derive(Debug, Clone)]
pub struct AccessView {
    /// Its id.
    pub id: AccessRequestId,
    /// Who is to hold the role.
    pub user: UserId,
    /// The role and where it is to hold.
    pub grant: Grant,
    /// For how many hours.
    pub hours: u32,
    /// Why.
    pub reason: Reason,
    /// How far it is.
    pub state: AccessState,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Who asked; nobody for the operator.
    pub asked_by: Option<UserId>,
    /// When it can no longer be approved.
    pub expires: Timestamp,
    /// Who decided; nobody when nobody has, or for the operator.
    pub decided_by: Option<UserId>,
    /// When the role ends, or ended.
    pub until: Option<Timestamp>,
}

/// A use of a break-glass account, for a list.
#[derive(Debug, Clone)]
pub struct GlassView {
    /// The session that began.
    pub session: SessionId,
    /// The account.
    pub user: UserId,
    /// When.
    pub used: Timestamp,
    /// By when somebody has to have looked into it.
    pub due: Timestamp,
    /// When somebody had, and what they found.
    pub reviewed: Option<(Timestamp, Option<UserId>, Reason)>,
}

impl Identity {
    /// Asks for a role on the permit's account, for the reason that the permit carries.
    ///
    /// # Errors
    /// [`Refused::ReasonNeeded`]; [`Refused::Setting`] for a time out of bounds; [`Refused::Separation`]
    /// when the person holds a role that may not go with it; [`Refused::Asked`] when it is held or asked for
    /// already; [`Refused::Service`] for an account that nobody signs in to.
    pub async fn request_access(
        &self,
        permit: Permit<RequestAccess>,
        grant: Grant,
        hours: u32,
        via: &Via,
    ) -> Result<AccessRequestId, IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let reason = permit.reason().cloned().ok_or(Refused::ReasonNeeded)?;
        if !(1..=LONGEST_HOURS).contains(&hours) {
            return Err(Refused::Setting("number of hours").into());
        }
        let (id, key) = (inner.world.id(), inner.key().await?);
        let request = AccessRequest {
            id,
            user,
            grant,
            hours,
            reason: (key.seal(&rows::reason_place(tenant, id), &reason)?, key.generation()),
            state: AccessState::Asked,
            asked: now,
            asked_by: permit.user(),
            expires: now.after(OPEN),
            decided: None,
            decided_by: None,
            until: None,
        };
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let own = inner.reads_access(user)?;
        let job = inner.db.write(move |tx| {
            fit_to_hold(tx, tenant, user, &request.grant, now)?;
            let waiting: Vec<AccessRequest> = rows::list(tx, &own, SHOWN)?
                .into_iter()
                .filter(|other| other.state == AccessState::Asked && now < other.expires)
                .collect();
            if waiting.len() >= WAITING || waiting.iter().any(|other| other.grant == request.grant) {
                return Err(StoreError::from(Refused::Asked));
            }
            rows::ask(tx, &permit, &request)?;
            let (role, scope) = words(&request.grant);
            let event = AccessRequested { request: id, user, role, scope, hours };
            pen.note_why(tx, &event, reason.as_str())
        });
        job.await?;
        Ok(id)
    }

    /// Agrees to a request for the permit's account: the role is held from now on, for the hours that were
    /// asked for. The person signs in anew.
    ///
    /// # Errors
    /// [`Refused::NoRequest`] when there is none that waits; [`Refused::OwnRequest`] when whoever decides is
    /// who asked; [`Refused::Separation`] when the roles have come to exclude each other;
    /// [`IdentityError::Denied`] when the role is owner and there is no leave for that.
    pub async fn approve_access(
        &self,
        permit: Permit<DecideAccess>,
        id: AccessRequestId,
        via: &Via,
    ) -> Result<Timestamp, IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let asked = inner.waiting(id, user, permit.user()).await?;
        inner.may_appoint(permit.actor(), permit.resource(), &asked.grant)?;
        let until = now.after(Duration::from_secs(u64::from(asked.hours) * 60 * 60));
        let reason = inner.reason_of(&asked).await?;
        let key = inner.key().await?;
        let row = GrantRow {
            user,
            grant: asked.grant.clone(),
            source: SOURCE.to_owned(),
            granted_by: permit.user(),
            reason: Some((key.seal(&users::reason_place(tenant, user, now), &reason)?, key.generation())),
            granted: now,
            expires: Some(until),
        };
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            fit_to_hold(tx, tenant, user, &row.grant, now)?;
            if !rows::decide(tx, &permit, id, Some(until), now)? {
                return Err(StoreError::from(Refused::NoRequest));
            }
            users::put_grant(tx, tenant, &row)?;
            users::bump_epoch(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), None, now)?;
            let (role, scope) = words(&row.grant);
            let granted = RoleGranted { user, role: role.clone(), scope: scope.clone() };
            pen.note_why(tx, &granted, reason.as_str())?;
            pen.tell(tx, user, NoticeKind::RolesChanged, Particulars::default())?;
            pen.note(tx, &AccessApproved { request: id, user, role, scope, until })
        });
        job.await?;
        inner.tell();
        Ok(until)
    }

    /// Does not agree to a request for the permit's account, for the reason that the permit carries.
    ///
    /// # Errors
    /// [`Refused::ReasonNeeded`]; otherwise as [`Identity::approve_access`].
    pub async fn refuse_access(
        &self,
        permit: Permit<DecideAccess>,
        id: AccessRequestId,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (user, now) = (account(permit.resource())?, inner.world.now());
        let reason = permit.reason().cloned().ok_or(Refused::ReasonNeeded)?;
        inner.waiting(id, user, permit.user()).await?;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            if !rows::decide(tx, &permit, id, None, now)? {
                return Err(StoreError::from(Refused::NoRequest));
            }
            pen.note_why(tx, &AccessRefused { request: id, user }, reason.as_str())
        });
        Ok(job.await?)
    }

    /// Takes a request for the permit's account back, or gives the role back before its time.
    ///
    /// # Errors
    /// [`Refused::NoRequest`] when there is nothing to take back.
    pub async fn withdraw_access(
        &self,
        permit: Permit<RequestAccess>,
        id: AccessRequestId,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            let was = rows::withdraw(tx, &permit, id, now)?.ok_or(Refused::NoRequest)?;
            if was.state == AccessState::Asked {
                return pen.note(tx, &AccessWithdrawn { request: id, user });
            }
            users::bump_epoch(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), None, now)?;
            let (role, scope) = words(&was.grant);
            pen.tell(tx, user, NoticeKind::RolesChanged, Particulars::default())?;
            pen.note(tx, &AccessEnded { request: id, user, role, scope, why: "returned" })
        });
        job.await?;
        inner.tell();
        Ok(())
    }

    /// Requests, the newest first: all of the house, or those for the permit's account.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn access_requests(
        &self,
        permit: Permit<ReadAccess>,
    ) -> Result<Vec<AccessView>, IdentityError> {
        let mut shown = Vec::new();
        for row in self.0.db.read(move |tx| rows::list(tx, &permit, SHOWN)).await? {
            let reason = self.0.reason_of(&row).await?;
            let AccessRequest {
                id,
                user,
                grant,
                hours,
                state,
                asked,
                asked_by,
                expires,
                decided_by,
                until,
                ..
            } = row;
            shown.push(AccessView {
                id,
                user,
                grant,
                hours,
                reason,
                state,
                asked,
                asked_by,
                expires,
                decided_by,
                until,
            });
        }
        Ok(shown)
    }

    /// For whom a request is, for whoever has to ask for leave to decide about it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn subject_of_request(&self, id: AccessRequestId) -> Result<Option<UserId>, IdentityError> {
        let tenant = self.0.tenant;
        let found = self.0.db.read(move |tx| rows::find(tx, tenant, id)).await?;
        Ok(found.map(|found| found.user))
    }

    /// Records what time alone has ended: requests that nobody decided about, and roles whose time is over.
    /// A role gives no power from the moment of its end, whether this has run or not. For a clock of the
    /// process to call every minute.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn run_out(&self) -> Result<u64, IdentityError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let core = Actor::Service { name: ServiceName::Core, tenant };
        let pen = inner.pen(core, &Via::default()).await?;
        let over = inner.db.write(move |tx| {
            let over = rows::run_out(tx, tenant, now)?;
            for request in &over {
                let (role, scope) = words(&request.grant);
                let (id, user) = (request.id, request.user);
                let why = if request.state == AccessState::Asked { "undecided" } else { "expired" };
                pen.note(tx, &AccessEnded { request: id, user, role, scope, why })?;
            }
            Ok(over.len() as u64)
        });
        Ok(over.await?)
    }

    /// Uses of break-glass accounts, those that nobody has looked into first.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn glass_uses(&self, permit: Permit<ReadAccess>) -> Result<Vec<GlassView>, IdentityError> {
        let mut shown = Vec::new();
        for row in self.0.db.read(move |tx| rows::glass_uses(tx, &permit, SHOWN)).await? {
            let reviewed = match (row.reviewed, &row.finding) {
                (Some(at), Some((sealed, generation))) => {
                    let key = self.0.key_at(*generation).await?;
                    let finding = key.open(&rows::finding_place(self.0.tenant, row.session), sealed)?;
                    Some((at, row.reviewed_by, finding))
                }
                _ => None,
            };
            let (session, user, used, due) = (row.session, row.user, row.used, row.due);
            shown.push(GlassView { session, user, used, due, reviewed });
        }
        Ok(shown)
    }

    /// How many uses of break-glass accounts nobody has looked into, and how many of them are overdue.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn glass_open(&self) -> Result<(u64, u64), IdentityError> {
        let (tenant, now) = (self.0.tenant, self.0.world.now());
        Ok(self.0.db.read(move |tx| rows::glass_open(tx, tenant, now)).await?)
    }

    /// Whose use it was, for whoever has to ask for leave to review it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn subject_of_glass(&self, session: SessionId) -> Result<Option<UserId>, IdentityError> {
        let tenant = self.0.tenant;
        let found = self.0.db.read(move |tx| rows::glass_use(tx, tenant, session)).await?;
        Ok(found.map(|found| found.user))
    }

    /// Somebody has looked into a use of the permit's account; what they found is the permit's reason.
    ///
    /// # Errors
    /// [`Refused::ReasonNeeded`]; [`Refused::NoRequest`] when there is none that waits for it.
    pub async fn review_glass(
        &self,
        permit: Permit<ReviewBreakGlass>,
        session: SessionId,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let found = permit.reason().cloned().ok_or(Refused::ReasonNeeded)?;
        let key = inner.key().await?;
        let finding = (key.seal(&rows::finding_place(tenant, session), &found)?, key.generation());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            if !rows::glass_reviewed(tx, &permit, session, &finding, now)? {
                return Err(StoreError::from(Refused::NoRequest));
            }
            pen.note_why(tx, &BreakGlassReviewed { user, session }, found.as_str())
        });
        Ok(job.await?)
    }
}

impl Inner {
    /// A request for `user` that waits, when whoever decides is not who asked. Nobody stands for the
    /// operator, who decides about nothing that the operator asked for.
    async fn waiting(
        &self,
        id: AccessRequestId,
        user: UserId,
        decides: Option<UserId>,
    ) -> Result<AccessRequest, IdentityError> {
        let (tenant, now) = (self.tenant, self.world.now());
        let found = self.db.read(move |tx| rows::find(tx, tenant, id)).await?;
        let asked = found
            .filter(|found| found.user == user && found.state == AccessState::Asked && now < found.expires)
            .ok_or(Refused::NoRequest)?;
        if asked.asked_by == decides || decides == Some(user) {
            return Err(Refused::OwnRequest.into());
        }
        Ok(asked)
    }

    async fn reason_of(&self, request: &AccessRequest) -> Result<Reason, IdentityError> {
        let (sealed, generation) = &request.reason;
        let key = self.key_at(*generation).await?;
        Ok(key.open(&rows::reason_place(self.tenant, request.id), sealed)?)
    }

    /// Leave to count what waits for an account. The house itself counts.
    fn reads_access(&self, user: UserId) -> Result<Permit<ReadAccess>, IdentityError> {
        let operator = Actor::Service { name: ServiceName::Operator, tenant: self.tenant };
        let at = guard::Circumstances::at(self.world.now());
        Ok(self.guard.permit(&operator, &guard::Resource::Account { tenant: self.tenant, user }, &at)?)
    }
}

/// Whether somebody could hold a role now: a person, who may sign in, does not hold it, and holds nothing
/// that may not go with it.
fn fit_to_hold(
    tx: &mut Read<'_>,
    tenant: kernel::TenantId,
    user: UserId,
    grant: &Grant,
    now: Timestamp,
) -> Result<(), StoreError> {
    let person = users::find(tx, tenant, user)?.ok_or(Refused::NoAccount)?;
    if person.state != UserState::Active {
        return Err(Refused::Unusable.into());
    }
    if api_keys::service(tx, tenant, user)?.is_some() {
        return Err(Refused::Service.into());
    }
    let held = users::grants_of(tx, tenant, user, now)?;
    if held.contains(grant) {
        return Err(Refused::Asked.into());
    }
    check_assignment(&held, grant).map_err(Refused::from)?;
    Ok(())
}

fn words(grant: &Grant) -> (Token, Token) {
    (Token::lossy(grant.role.name()), Token::lossy(&grant.scope.to_string()))
}
