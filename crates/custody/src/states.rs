//! Acts on the state of a version, and the requests that need a second person.

use guard::Permit;
use guard::action::{
    ApproveKeyRequest, CancelKeyDestruction, DisableKey, MoveRoot, RotateKeys, ScheduleKeyDestruction,
};
use kernel::KeyRequestId;
use ledger::Token;
use ledger::catalogue::{
    KeyApproved, KeyCancelled, KeyDestructionScheduled, KeyRequested, KeyRewrapPaused, KeyStateChanged,
};
use store::custody;
use store::key_requests::{self, KeyRequest, RequestKind};
use store::keys::{self, KeyState};
use store::{StoreError, Via};

use crate::{Custody, CustodyError};

impl Custody {
    /// Disables a version: nothing that it wraps opens from now on, in other processes within two
    /// seconds. Disabling the active version stops the whole tenant.
    ///
    /// # Errors
    /// When it is neither active nor retiring, or the store fails.
    pub async fn disable(
        &self,
        permit: Permit<DisableKey>,
        version: u32,
        via: &Via,
    ) -> Result<(), CustodyError> {
        let inner = &self.0;
        // The event is written with keys that this act may close.
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let via = via.clone();
        let job = move |tx: &mut store::Tx<'_>| {
            let from = custody::disable(tx, &permit, version)?.as_str();
            let event = KeyStateChanged { version, from, to: KeyState::Disabled.as_str() };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)
        };
        inner.db.write(job).await?;
        inner.keys.keyring().forget_tenant(inner.tenant);
        inner.keys.look_again(inner.tenant);
        Ok(())
    }

    /// Enables a version that was disabled. Gives the state that it is in then.
    ///
    /// # Errors
    /// When it is not disabled, or the store fails.
    pub async fn enable(
        &self,
        permit: Permit<DisableKey>,
        version: u32,
        via: &Via,
    ) -> Result<KeyState, CustodyError> {
        let inner = &self.0;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let via = via.clone();
        let job = move |tx: &mut store::Tx<'_>| {
            let is = custody::enable(tx, &permit, version)?;
            let event = KeyStateChanged { version, from: KeyState::Disabled.as_str(), to: is.as_str() };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok(is)
        };
        let is = inner.db.write(job).await?;
        inner.keys.look_again(inner.tenant);
        Ok(is)
    }

    /// Asks for the destruction of a version that wraps nothing any more, `days` after a second person
    /// agreed.
    ///
    /// # Errors
    /// When it is in use, still wraps keys, the wait is not 7 to 30 days, or the store fails.
    pub async fn request_destruction(
        &self,
        permit: Permit<ScheduleKeyDestruction>,
        version: u32,
        days: u32,
        via: &Via,
    ) -> Result<KeyRequest, CustodyError> {
        let inner = &self.0;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (id, now, via) = (inner.world.id(), inner.world.now(), via.clone());
        let job = move |tx: &mut store::Tx<'_>| {
            let request = key_requests::ask_destruction(tx, &permit, id, version, days, now)?;
            let event = KeyRequested { request: id, kind: "destroy", version: Some(version), provider: None };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok(request)
        };
        Ok(inner.db.write(job).await?)
    }

    /// Asks for the move of all keys to the root key that is configured as the next one; `kind` says
    /// which kind of provider is meant, so that nobody moves to what somebody else configured.
    ///
    /// # Errors
    /// When no other root key is configured, it is of another kind, it does not work, it wraps everything
    /// already, a move is asked for already, or the store fails.
    pub async fn request_move(
        &self,
        permit: Permit<MoveRoot>,
        kind: &str,
        via: &Via,
    ) -> Result<KeyRequest, CustodyError> {
        let inner = &self.0;
        let next = inner.next.clone().ok_or(CustodyError::NoNext)?;
        let provider = next.provider();
        if provider.kind != kind {
            let (configured, meant) = (provider.kind.to_owned(), kind.to_owned());
            return Err(CustodyError::OtherNext { configured, meant });
        }
        let (tenant, root) = (inner.tenant, provider.to_string());
        let versions = inner.db.read(move |tx| keys::versions(tx, tenant)).await?;
        if versions.iter().all(|version| version.provider == root) {
            return Err(CustodyError::AlreadyThere(root));
        }
        crate::Inner::aside(move || Ok(next.health().map_err(vault::VaultError::from)?)).await?;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (id, now, via, root) = (inner.world.id(), inner.world.now(), via.clone(), provider.to_string());
        let job = move |tx: &mut store::Tx<'_>| {
            let request = key_requests::ask_move(tx, &permit, id, &root, now)?;
            let provider = Some(Token::lossy(&root));
            let event = KeyRequested { request: id, kind: "move", version: None, provider };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok(request)
        };
        Ok(inner.db.write(job).await?)
    }

    /// Agrees to what somebody else has asked for.
    ///
    /// # Errors
    /// When it is not open, was asked for by the same person, has expired, or what it asks for is no
    /// longer possible.
    pub async fn approve(
        &self,
        permit: Permit<ApproveKeyRequest>,
        id: KeyRequestId,
        via: &Via,
    ) -> Result<KeyRequest, CustodyError> {
        let inner = &self.0;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (now, via) = (inner.world.now(), via.clone());
        let job = move |tx: &mut store::Tx<'_>| {
            let request = key_requests::approve(tx, &permit, id, now)?;
            let (kind, version) = (request.kind.as_str(), request.version);
            let event = KeyApproved { request: id, kind, version };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            if let (RequestKind::Destroy, Some(version)) = (request.kind, version) {
                let due = custody::destructions(tx, permit.tenant())?;
                let due = due.iter().find(|found| found.version == version).map_or(now, |found| found.due);
                let event = KeyDestructionScheduled { version, due, why: "request" };
                scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            }
            Ok(request)
        };
        let approved = inner.db.write(job).await?;
        inner.keys.look_again(inner.tenant);
        Ok(approved)
    }

    /// Calls off a request that nobody has agreed to yet.
    ///
    /// # Errors
    /// When there is none that is open, or the store fails.
    pub async fn cancel_request(
        &self,
        permit: Permit<CancelKeyDestruction>,
        id: KeyRequestId,
        via: &Via,
    ) -> Result<KeyRequest, CustodyError> {
        let inner = &self.0;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (now, via) = (inner.world.now(), via.clone());
        let job = move |tx: &mut store::Tx<'_>| {
            let request = key_requests::cancel_request(tx, &permit, id, now)?;
            let event = KeyCancelled { request: Some(id), version: request.version };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok(request)
        };
        Ok(inner.db.write(job).await?)
    }

    /// Calls off a scheduled destruction. The version is as it was before, and the policy does not
    /// schedule it again. Gives its state.
    ///
    /// # Errors
    /// When it is not scheduled, or the store fails.
    pub async fn cancel_destruction(
        &self,
        permit: Permit<CancelKeyDestruction>,
        version: u32,
        via: &Via,
    ) -> Result<KeyState, CustodyError> {
        let inner = &self.0;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (now, via) = (inner.world.now(), via.clone());
        let job = move |tx: &mut store::Tx<'_>| {
            let state = custody::cancel_destruction(tx, &permit, version, now)?;
            let event = KeyCancelled { request: None, version: Some(version) };
            scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok(state)
        };
        let state = inner.db.write(job).await?;
        inner.keys.look_again(inner.tenant);
        Ok(state)
    }

    /// Pauses the wrapping anew, or lets it go on. Gives false when it was so already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pause(
        &self,
        permit: Permit<RotateKeys>,
        paused: bool,
        via: &Via,
    ) -> Result<bool, CustodyError> {
        let inner = &self.0;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (since, via) = (paused.then(|| inner.world.now()), via.clone());
        let job = move |tx: &mut store::Tx<'_>| {
            let changed = custody::pause(tx, &permit, since)?;
            if changed {
                let event = KeyRewrapPaused { paused };
                scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
            }
            Ok(changed)
        };
        Ok(inner.db.write(job).await?)
    }
}
