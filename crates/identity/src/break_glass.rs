//! Who signs in with factors of their own where everybody else signs in through a provider: break-glass accounts,
//! which keep the house open when the provider fails.
//!
//! One opens something only while it is armed, for hours and not for days, and only to a passkey: a code can be
//! asked for by a page that only looks like ours. Where it is not armed, it is refused in the words of a wrong
//! password. Each use is told to the owners at once, and waits for somebody else to look into it
//! ([`Identity::review_glass`]).
//!
//! Arming is for whoever manages connections, and for the operator of the machine: when the provider has failed,
//! nobody may be signed in who could do it on the console.

use std::time::Duration;

use guard::Permit;
use guard::action::{ManageConnections, ReadConnections};
use kernel::{TenantId, Timestamp, UserId};
use ledger::catalogue::{BreakGlassArmed, BreakGlassNamed, ConnectionChanged};
use store::connections::{self, ConnectionState};
use store::users::{self, UserState};
use store::{Read, StoreError, Via, credentials};

use crate::{Identity, IdentityError, Refused};

/// The longest that an account is armed for, in hours.
pub const ARMED_HOURS: u32 = 24;

/// Who signs in here with factors of their own.
#[derive(Debug, Clone)]
pub struct SignInRule {
    /// Only break-glass accounts.
    pub only: bool,
    /// Those, each with when it is armed until, if it is armed now.
    pub glass: Vec<(UserId, Option<Timestamp>)>,
}

impl Identity {
    /// Who signs in with factors of their own.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_in_rule(&self, permit: &Permit<ReadConnections>) -> Result<SignInRule, IdentityError> {
        let (tenant, now) = (permit.tenant(), self.0.world.now());
        let rule = self.0.db.read(move |tx| {
            let mut glass = connections::break_glass(tx, tenant)?;
            for (_, armed) in &mut glass {
                *armed = armed.filter(|until| now < *until);
            }
            Ok(SignInRule { only: connections::only_connections(tx, tenant)?, glass })
        });
        Ok(rule.await?)
    }

    /// Says that only break-glass accounts sign in with factors of their own, or that everybody may.
    ///
    /// # Errors
    /// [`Refused::NobodyLeft`] unless a connection is enabled and a break-glass account can sign in.
    pub async fn set_only_connections(
        &self,
        permit: Permit<ManageConnections>,
        only: bool,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let offered: Vec<_> = self.offers().await?.into_iter().map(|offer| offer.connection).collect();
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            if only {
                let enabled = connections::all(tx, tenant)?;
                let enabled = enabled
                    .iter()
                    .any(|row| row.state == ConnectionState::Enabled && offered.contains(&row.id));
                if !enabled || !somebody_left(tx, tenant, None)? {
                    return Err(Refused::NobodyLeft.into());
                }
            }
            connections::set_only_connections(tx, &permit, only, now)?;
            let what = if only { "only-connections" } else { "any-way" };
            pen.note(tx, &ConnectionChanged { connection: None, what })
        });
        Ok(job.await?)
    }

    /// Names a break-glass account, or no longer.
    ///
    /// # Errors
    /// [`Refused::NobodyLeft`] when it is the last one and others may not sign in; [`Refused::NoAccount`];
    /// [`Refused::GlassKey`] when it has no passkey.
    pub async fn name_break_glass(
        &self,
        permit: Permit<ManageConnections>,
        user: UserId,
        named: bool,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            if users::find(tx, tenant, user)?.is_none() {
                return Err(Refused::NoAccount.into());
            }
            if named && credentials::passkeys(tx, tenant, user)?.is_empty() {
                return Err(Refused::GlassKey.into());
            }
            let only = connections::only_connections(tx, tenant)?;
            if !named && only && !somebody_left(tx, tenant, Some(user))? {
                return Err(Refused::NobodyLeft.into());
            }
            if connections::set_break_glass(tx, &permit, user, named, now)? {
                pen.note(tx, &BreakGlassNamed { user, named })?;
            }
            Ok(())
        });
        Ok(job.await?)
    }

    /// Arms a break-glass account for so many hours from now, or disarms it; until when it is armed. A session
    /// that began while it was armed goes on.
    ///
    /// # Errors
    /// [`Refused::Setting`] when the hours are none or more than [`ARMED_HOURS`]; [`Refused::NoGlass`].
    pub async fn arm_break_glass(
        &self,
        permit: Permit<ManageConnections>,
        user: UserId,
        hours: Option<u32>,
        via: &Via,
    ) -> Result<Option<Timestamp>, IdentityError> {
        let inner = &self.0;
        if hours.is_some_and(|hours| hours == 0 || hours > ARMED_HOURS) {
            return Err(Refused::Setting("hours").into());
        }
        let now = inner.world.now();
        let until = hours.map(|hours| now.after(Duration::from_secs(u64::from(hours) * 60 * 60)));
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            if !connections::arm(tx, &permit, user, until)? {
                return Err(Refused::NoGlass.into());
            }
            pen.note(tx, &BreakGlassArmed { user, hours: hours.unwrap_or_default() })
        });
        job.await?;
        Ok(until)
    }
}

/// Whether an account may not sign in here with what it proved: all others sign in elsewhere, and it is no
/// break-glass account that is armed, or it showed no passkey.
pub(crate) fn barred(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
    by_passkey: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !connections::only_connections(tx, tenant)? {
        return Ok(false);
    }
    let glass = connections::break_glass(tx, tenant)?;
    let armed = glass.iter().any(|(one, until)| *one == user && until.is_some_and(|until| now < until));
    Ok(!(armed && by_passkey))
}

/// Whether a break-glass account other than `but` may sign in, once it is armed, and has a passkey to do so with.
pub(crate) fn somebody_left(
    tx: &mut Read<'_>,
    tenant: TenantId,
    but: Option<UserId>,
) -> Result<bool, StoreError> {
    for (user, _) in connections::break_glass(tx, tenant)? {
        let active = users::find(tx, tenant, user)?.is_some_and(|account| account.state == UserState::Active);
        if Some(user) != but && active && !credentials::passkeys(tx, tenant, user)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
