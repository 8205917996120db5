//! From files to force: try, propose, approve, refuse, put back; and giving the guard what is in force.

use std::sync::PoisonError;
use std::time::Duration;

use guard::action::{ApprovePolicy, ProposePolicy, ReadPolicy, RollBackPolicy};
use guard::{Guard, Permit, PolicyFiles, Shape};
use kernel::{Reason, TenantId};
use ledger::catalogue::{PolicyApproved, PolicyProposed, PolicyRefused, PolicyRolledBack};
use store::policies::{self, Met, NewVersion, PolicyRefusal, Version, files_place, reason_place};
use store::{StoreError, Via};
use vault::{DataKey, Purpose};

use crate::record::sha256;
use crate::view::only_in;
use crate::{Inner, Line, Replay, Rulebook, RulebookError, Trial, VersionLine};

/// How often a process looks whether another put other policies in force.
const LOOK: Duration = Duration::from_secs(2);

/// How many versions history shows.
const HISTORY: u32 = 200;

/// How many changed decisions a replay shows.
const SHOWN: usize = 200;

impl Rulebook {
    /// Gives the guard what is in force, and tells its number.
    ///
    /// # Errors
    /// [`RulebookError::InForce`] when this program cannot use it: then nothing may be served, until the
    /// operator puts another version back.
    pub async fn install(&self) -> Result<Option<u64>, RulebookError> {
        let inner = &self.0;
        let tenant = inner.tenant;
        let found = inner.db.read(move |tx| policies::in_force(tx, tenant)).await?;
        let number = found.as_ref().map(|version| version.version);
        if *inner.given.lock().unwrap_or_else(PoisonError::into_inner) == number {
            return Ok(number);
        }
        let guard = match &found {
            None => Guard::embedded()?,
            Some(version) => {
                let files = inner.files_of(version).await?;
                let number = version.version;
                aside(move || {
                    Guard::of(&files).map_err(|cause| RulebookError::InForce { version: number, cause })
                })
                .await?
            }
        };
        inner.guard.install(&guard);
        *inner.given.lock().unwrap_or_else(PoisonError::into_inner) = number;
        Ok(number)
    }

    /// Follows what other processes put in force, and writes down the decisions that were counted, until
    /// it is stopped. When what is in force cannot be used, the policies of before stay.
    pub async fn keep_current(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.install().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the policies in force were not taken"
                );
            }
            if let Err(error) = self.write_down().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "decisions were not counted");
            }
        }
    }

    /// The files in force.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn in_force(&self, permit: &Permit<ReadPolicy>) -> Result<PolicyFiles, RulebookError> {
        let tenant = permit.tenant();
        let found = self.0.db.read(move |tx| policies::in_force(tx, tenant)).await?;
        match found {
            None => Ok(PolicyFiles::shipped()),
            Some(version) => self.0.files_of(&version).await,
        }
    }

    /// The files of a version; of 0, those that ship.
    ///
    /// # Errors
    /// [`PolicyRefusal::NoProposal`] when there is no such version.
    pub async fn files(
        &self,
        permit: &Permit<ReadPolicy>,
        version: u64,
    ) -> Result<PolicyFiles, RulebookError> {
        if version == 0 {
            return Ok(PolicyFiles::shipped());
        }
        self.0.files_of(&self.0.version(permit.tenant(), version).await?).await
    }

    /// Tries policies: parses and checks them, asks every question of the survey beside what is in force,
    /// and replays the decisions that were made.
    ///
    /// # Errors
    /// [`RulebookError::Policies`] when they cannot be used at all.
    pub async fn try_out(
        &self,
        permit: &Permit<ReadPolicy>,
        files: PolicyFiles,
    ) -> Result<Trial, RulebookError> {
        self.install().await?;
        let met = self.0.db.read({
            let permit = self.0.again(permit)?;
            move |tx| policies::shapes(tx, &permit)
        });
        let met = met.await?;
        self.0.trial(files, met).await
    }

    /// Proposes policies, for the reason that the permit carries, and gives the number.
    ///
    /// # Errors
    /// [`RulebookError::Policies`], [`RulebookError::Broken`], [`RulebookError::Same`],
    /// [`RulebookError::NoReason`].
    pub async fn propose(
        &self,
        permit: Permit<ProposePolicy>,
        files: PolicyFiles,
        via: &Via,
    ) -> Result<u64, RulebookError> {
        let inner = &self.0;
        let reason = permit.reason().cloned().ok_or(RulebookError::NoReason)?;
        self.install().await?;
        let trial = inner.trial(files.clone(), Vec::new()).await?;
        if !trial.holds() {
            return Err(RulebookError::Broken(trial.rehearsal.broken));
        }
        let digest = trial.digest;
        if inner.digest_in_force().await? == digest {
            return Err(RulebookError::Same);
        }
        let new = inner.seal(&files, &reason).await?;
        let (scribe, actor, via) =
            (inner.keys.scribe(inner.tenant).await?, permit.actor().clone(), via.clone());
        let (now, changes) = (inner.world.now(), trial.rehearsal.changed as u64);
        let job = inner.db.write(move |tx| {
            let version = policies::propose(tx, &permit, &new, now)?;
            let event = PolicyProposed { version, policies_sha256: digest, changes };
            let detail = reason.as_str().as_bytes().to_vec();
            scribe.write_with(&event, &actor, &via, detail).map_err(StoreError::refuse)?.append(tx)?;
            Ok(version)
        });
        Ok(job.await?)
    }

    /// A second person agrees; the policies are rehearsed once more, and are in force in this process when
    /// this returns, in others within seconds.
    ///
    /// # Errors
    /// A [`PolicyRefusal`]; [`RulebookError::Broken`] when invariants came in since.
    pub async fn approve(
        &self,
        permit: Permit<ApprovePolicy>,
        version: u64,
        via: &Via,
    ) -> Result<(), RulebookError> {
        let inner = &self.0;
        self.install().await?;
        let proposal = inner.version(inner.tenant, version).await?;
        let files = inner.files_of(&proposal).await?;
        let trial = inner.trial(files, Vec::new()).await?;
        if !trial.holds() {
            return Err(RulebookError::Broken(trial.rehearsal.broken));
        }
        let event = PolicyApproved { version, policies_sha256: trial.digest };
        let entry = inner.keys.scribe(inner.tenant).await?.write(&event, permit.actor(), via)?;
        let (now, over) = (inner.world.now(), trial.over);
        let job = inner.db.write(move |tx| {
            policies::approve(tx, &permit, version, over, now)?;
            entry.append(tx)
        });
        job.await?;
        self.install().await.map(drop)
    }

    /// Somebody says no to a proposal, or its proposer takes it back.
    ///
    /// # Errors
    /// A [`PolicyRefusal`].
    pub async fn refuse(
        &self,
        permit: Permit<ApprovePolicy>,
        version: u64,
        via: &Via,
    ) -> Result<(), RulebookError> {
        let inner = &self.0;
        let event = PolicyRefused { version };
        let entry = inner.keys.scribe(inner.tenant).await?.write(&event, permit.actor(), via)?;
        let now = inner.world.now();
        let job = inner.db.write(move |tx| {
            policies::refuse(tx, &permit, version, now)?;
            entry.append(tx)
        });
        Ok(job.await?)
    }

    /// Puts an earlier version in force again, for the reason that the permit carries: the one before, when
    /// none is named; 0 are the policies that ship. Gives the new number.
    ///
    /// # Errors
    /// A [`PolicyRefusal`]; [`RulebookError::Policies`] and [`RulebookError::Broken`] when that version
    /// does not fit this program any more.
    pub async fn roll_back(
        &self,
        permit: Permit<RollBackPolicy>,
        to: Option<u64>,
        via: &Via,
    ) -> Result<u64, RulebookError> {
        let inner = &self.0;
        let reason = permit.reason().cloned().ok_or(RulebookError::NoReason)?;
        let to = match to {
            Some(to) => to,
            None => inner.before().await?,
        };
        let files = match to {
            0 => PolicyFiles::shipped(),
            to => inner.files_of(&inner.version(inner.tenant, to).await?).await?,
        };
        let trial = inner.trial(files.clone(), Vec::new()).await?;
        if !trial.holds() {
            return Err(RulebookError::Broken(trial.rehearsal.broken));
        }
        let digest = trial.digest;
        let new = inner.seal(&files, &reason).await?;
        let (scribe, actor, via) =
            (inner.keys.scribe(inner.tenant).await?, permit.actor().clone(), via.clone());
        let now = inner.world.now();
        let job = inner.db.write(move |tx| {
            let version = policies::roll_back(tx, &permit, to, &new, now)?;
            let event = PolicyRolledBack { version, restores: to, policies_sha256: digest };
            let detail = reason.as_str().as_bytes().to_vec();
            scribe.write_with(&event, &actor, &via, detail).map_err(StoreError::refuse)?.append(tx)?;
            Ok(version)
        });
        let version = job.await?;
        self.install().await?;
        Ok(version)
    }

    /// The versions, the newest first.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn history(&self, permit: Permit<ReadPolicy>) -> Result<Vec<VersionLine>, RulebookError> {
        let inner = &self.0;
        let tenant = permit.tenant();
        let found = inner.db.read(move |tx| policies::list(tx, &permit, HISTORY)).await?;
        let mut lines = Vec::new();
        for version in found {
            let key = inner.key(version.key_gen).await?;
            lines.push(VersionLine {
                version: version.version,
                state: version.state,
                digest: version.digest,
                reason: key.open(&reason_place(tenant, version.id), &version.reason)?,
                restores: version.restores,
                proposed_by: version.proposed_by,
                proposed: version.proposed,
                decided_by: version.decided_by,
                decided: version.decided,
            });
        }
        Ok(lines)
    }
}

impl Inner {
    async fn version(&self, tenant: TenantId, version: u64) -> Result<Version, RulebookError> {
        let found = self.db.read(move |tx| policies::find(tx, tenant, version)).await?;
        Ok(found.ok_or(PolicyRefusal::NoProposal)?)
    }

    /// The version that was in force before the one that is; 0 for what ships.
    async fn before(&self) -> Result<u64, RulebookError> {
        let tenant = self.tenant;
        let now = self.db.read(move |tx| policies::in_force(tx, tenant)).await?;
        let now = now.ok_or(PolicyRefusal::NeverInForce)?.version;
        let found = self.db.read(move |tx| {
            for version in (1..now).rev() {
                let found = policies::find(tx, tenant, version)?;
                if found.is_some_and(|version| version.state == policies::VersionState::Replaced) {
                    return Ok(version);
                }
            }
            Ok(0)
        });
        Ok(found.await?)
    }

    async fn key(&self, generation: u32) -> Result<std::sync::Arc<DataKey>, RulebookError> {
        Ok(self.keys.tenant_data_key_at(self.tenant, Purpose::Settings, generation).await?)
    }

    pub(crate) async fn files_of(&self, version: &Version) -> Result<PolicyFiles, RulebookError> {
        let key = self.key(version.key_gen).await?;
        let text = key.open(&files_place(self.tenant, version.id), &version.files)?;
        if sha256(&text) != version.digest {
            return Err(RulebookError::Damaged(version.version));
        }
        serde_json::from_slice(&text).map_err(|_| RulebookError::Damaged(version.version))
    }

    async fn seal(&self, files: &PolicyFiles, reason: &Reason) -> Result<NewVersion, RulebookError> {
        let key = self.keys.tenant_data_key(self.tenant, Purpose::Settings).await?;
        let (id, text) = (self.world.id(), text_of(files)?);
        Ok(NewVersion {
            id,
            digest: sha256(&text),
            key_gen: key.generation(),
            files: key.seal(&files_place(self.tenant, id), &text)?,
            reason: key.seal(&reason_place(self.tenant, id), reason)?,
        })
    }

    async fn digest_in_force(&self) -> Result<[u8; 32], RulebookError> {
        let tenant = self.tenant;
        let found = self.db.read(move |tx| policies::in_force(tx, tenant)).await?;
        Ok(match found {
            Some(version) => version.digest,
            None => sha256(&text_of(&PolicyFiles::shipped())?),
        })
    }

    /// Leave to read for a job, from leave to read.
    fn again(&self, permit: &Permit<ReadPolicy>) -> Result<Permit<ReadPolicy>, RulebookError> {
        let now = guard::Circumstances::at(permit.decided_at());
        let again = self.guard.permit(permit.actor(), permit.resource(), &now);
        again.map_err(|denied| RulebookError::Store(StoreError::refuse(denied)))
    }

    async fn trial(&self, files: PolicyFiles, met: Vec<Met>) -> Result<Trial, RulebookError> {
        let tenant = self.tenant;
        let over = self.db.read(move |tx| policies::in_force(tx, tenant)).await?;
        let over = over.map(|version| version.version);
        let digest = sha256(&text_of(&files)?);
        let now = self.guard.clone();
        aside(move || {
            let then = Guard::of(&files)?;
            let (rules, rules_now) = (then.rules(), now.rules());
            Ok(Trial {
                digest,
                over,
                added: only_in(&rules, &rules_now),
                removed: only_in(&rules_now, &rules),
                rules: rules.len(),
                rehearsal: now.rehearse(&then),
                replay: replay(&then, &met),
            })
        })
        .await
    }
}

fn replay(then: &Guard, met: &[Met]) -> Replay {
    let mut replay = Replay::default();
    for one in met {
        let Ok(shape) = serde_json::from_str::<Shape>(&one.shape) else { continue };
        let Some(answer) = shape.ask(then) else { continue };
        replay.shapes += 1;
        replay.decisions += one.times;
        if answer.is_ok() != one.allowed && replay.changed.len() < SHOWN {
            replay.changed.push(Line {
                sentence: shape.sentence(),
                times: one.times,
                before: one.allowed,
                after: answer.is_ok(),
                rule: answer.map_or_else(|denied| denied.rule().to_owned(), |rule| rule.to_string()),
            });
        }
    }
    replay
}

fn text_of(files: &PolicyFiles) -> Result<Vec<u8>, RulebookError> {
    serde_json::to_vec(files).map_err(|_| RulebookError::Worker)
}

/// Thousands of decisions, beside the asynchronous work.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RulebookError> + Send + 'static,
) -> Result<T, RulebookError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RulebookError::Worker)?
}
