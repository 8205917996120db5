//! What waits for a second person, told by mail to those who could decide: requests for roles and about keys,
//! proposals of policies, and uses of break-glass accounts that nobody has looked into.
//!
//! - Who could decide is asked of the guard, by the roles that they hold at the moment, once when the letter is
//!   written down and once more when it is about to leave. Whoever asked is not told.
//! - A letter's id follows from what waits and from who is told. So there is one for both, however many
//!   processes look, and however often.
//! - Nothing stands on the pages of the console: what waits is listed there anyway. Owners are told of a
//!   break-glass account in the moment of its use ([`NoticeKind::BreakGlassUsed`]), and not once more.

use std::collections::HashMap;

use aws_lc_rs::digest;
use guard::action::{ApproveKeyRequest, ApprovePolicy, DecideAccess, ReviewBreakGlass};
use guard::{Actor, Circumstances, Resource, Role, Staff};
use kernel::{Id, NoticeId, Timestamp, UserId};
use store::notices::{self, NewNotice, NoticeHand, NoticeKind};
use store::{Read, StoreError, access_requests, key_requests, policies, users};

use crate::notices::Particulars;
use crate::{Identity, IdentityError, Inner};

/// Something that waits for a second person.
struct Waiting {
    kind: NoticeKind,
    /// The id of what waits.
    id: [u8; 16],
    since: Timestamp,
    /// Who asked; nobody stands for the operator.
    by: Option<UserId>,
    /// What a decision would be about.
    on: Resource,
}

/// A letter that there should be.
pub(crate) struct Call {
    user: UserId,
    kind: NoticeKind,
    since: Timestamp,
}

impl Identity {
    /// Writes down a letter for everybody who could decide about something that waits, unless there is one.
    /// Gives how many are new.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn tell_waiting(&self) -> Result<u64, IdentityError> {
        let inner = &self.0;
        let calls = inner.calls().await?;
        if calls.is_empty() {
            return Ok(0);
        }
        let (tenant, key) = (inner.tenant, inner.key().await?);
        let known: Vec<NoticeId> = calls.keys().copied().collect();
        let known = inner.db.read(move |tx| notices::known(tx, tenant, &known)).await?;
        let sealed = serde_json::to_vec(&Particulars::default());
        let sealed = sealed.map_err(|_| IdentityError::Document("notice"))?;
        let mut fresh = Vec::new();
        for (id, Call { user, kind, since }) in calls.into_iter().filter(|(id, _)| !known.contains(id)) {
            let particulars = (key.seal(&notices::particulars_place(tenant, id), &sealed)?, key.generation());
            let hand = NoticeHand::Administrator;
            fresh.push(NewNotice { tenant, id, user, kind, hand, at: since, particulars });
        }
        if fresh.is_empty() {
            return Ok(0);
        }
        let job = inner.db.write(move |tx| {
            let mut told = 0;
            for new in &fresh {
                told += u64::from(notices::put_for_mail(tx, new)?);
            }
            Ok(told)
        });
        Ok(job.await?)
    }
}

impl Inner {
    /// The letters that there should be now, by id.
    pub(crate) async fn calls(&self) -> Result<HashMap<NoticeId, Call>, IdentityError> {
        let (tenant, now) = (self.tenant, self.world.now());
        let found = self.db.read(move |tx| {
            let waiting = waiting(tx, tenant, now)?;
            // Nothing waits most of the time, and then nobody's roles are read.
            let able = if waiting.is_empty() { Vec::new() } else { users::able(tx, tenant, now)? };
            Ok((waiting, able))
        });
        let (waiting, able) = found.await?;
        let mut calls = HashMap::new();
        for (user, grants) in able {
            let owns = grants.iter().any(|grant| grant.role == Role::Owner);
            let session = self.world.id();
            // As they would be with a fresh proof of the strongest kind: what they would still have to prove
            // they are asked for at the desk.
            let actor = Staff { user, tenant, grants, assurance: 3, authenticated_at: now, session };
            let actor = Actor::Staff(actor);
            for one in waiting.iter().filter(|one| one.by != Some(user)) {
                let told_already = one.kind == NoticeKind::ReviewWaits && owns;
                if !told_already && self.could(&actor, one, now) {
                    let call = Call { user, kind: one.kind, since: one.since };
                    calls.insert(id_of(one, user), call);
                }
            }
        }
        Ok(calls)
    }

    fn could(&self, actor: &Actor, waiting: &Waiting, now: Timestamp) -> bool {
        let (guard, on, now) = (&self.guard, &waiting.on, Circumstances::at(now));
        match waiting.kind {
            NoticeKind::KeysWait => guard.permit::<ApproveKeyRequest>(actor, on, &now).is_ok(),
            NoticeKind::PolicyWaits => guard.permit::<ApprovePolicy>(actor, on, &now).is_ok(),
            NoticeKind::AccessWaits => guard.permit::<DecideAccess>(actor, on, &now).is_ok(),
            NoticeKind::ReviewWaits => guard.permit::<ReviewBreakGlass>(actor, on, &now).is_ok(),
            _ => false,
        }
    }

    /// Gives up a letter about something that was decided meanwhile, or whose reader may no longer decide.
    pub(crate) async fn call_off(&self, notice: NoticeId) -> Result<(), IdentityError> {
        let tenant = self.tenant;
        self.db.write(move |tx| notices::give_up(tx, tenant, notice).map(drop)).await?;
        Ok(())
    }
}

/// What waits.
fn waiting(tx: &mut Read<'_>, tenant: kernel::TenantId, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
    let whole = Resource::Tenant(tenant);
    let mut all = Vec::new();
    for request in key_requests::waiting(tx, tenant, now)? {
        let (kind, id) = (NoticeKind::KeysWait, request.id.to_bytes());
        let (since, by) = (request.requested, request.requested_by);
        all.push(Waiting { kind, id, since, by, on: whole.clone() });
    }
    for version in policies::waiting(tx, tenant, now)? {
        let (kind, id) = (NoticeKind::PolicyWaits, version.id.to_bytes());
        let (since, by) = (version.proposed, version.proposed_by);
        all.push(Waiting { kind, id, since, by, on: whole.clone() });
    }
    for request in access_requests::waiting(tx, tenant, now)? {
        let (kind, id) = (NoticeKind::AccessWaits, request.id.to_bytes());
        let on = Resource::Account { tenant, user: request.user };
        // Neither who asked nor who would hold the role decides.
        all.push(Waiting { kind, id, since: request.asked, by: request.asked_by, on });
    }
    for used in access_requests::glass_waiting(tx, tenant)? {
        let (kind, id) = (NoticeKind::ReviewWaits, used.session.to_bytes());
        let on = Resource::Account { tenant, user: used.user };
        all.push(Waiting { kind, id, since: used.used, by: Some(used.user), on });
    }
    Ok(all)
}

/// The id of a letter: its time is that of what waits, and the rest follows from both (RFC 9562, section 5.7,
/// with a digest in the place of chance).
fn id_of(waiting: &Waiting, user: UserId) -> NoticeId {
    let mut text = b"wardroom/waiting\0".to_vec();
    text.extend_from_slice(waiting.kind.as_str().as_bytes());
    text.extend_from_slice(&waiting.id);
    text.extend_from_slice(&user.to_bytes());
    let mut id = [0; 16];
    let digest = digest::digest(&digest::SHA256, &text);
    id.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    let [.., a, b, c, d, e, f] = waiting.since.as_millis().to_be_bytes();
    let [_, _, _, _, _, _, version, rest, variant, tail @ ..] = id;
    let (version, variant) = (version & 0x0f | 0x70, variant & 0x3f | 0x80);
    let [g, h, i, j, k, l, m] = tail;
    NoticeId::from_bytes([a, b, c, d, e, f, version, rest, variant, g, h, i, j, k, l, m])
}
