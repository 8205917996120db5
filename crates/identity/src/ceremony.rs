//! Ceremonies: what must be remembered between two requests of somebody who is not signed in yet. The
//! state is sealed in the database; the browser holds a random id and nothing else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Secret, TenantId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx, sessions};
use vault::{DataKey, Sealed};
use zeroize::Zeroizing;

use crate::{IdentityError, Inner, Refused};

/// How long a person may take.
pub(crate) const LIFE: Duration = Duration::from_secs(10 * 60);

/// What the browser holds of a ceremony: 128 random bits.
#[derive(Debug)]
pub struct CeremonyId(Secret<[u8; 16]>);

impl CeremonyId {
    /// The name of the cookie for it.
    pub const COOKIE: &str = "__Host-wardroom-ceremony";
    /// How long the browser keeps it.
    pub const LIFE: Duration = LIFE;

    /// The id in a text that is not one is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(Secret::new(bytes.try_into().ok()?)))
    }

    pub(crate) fn of(bytes: [u8; 16]) -> Self {
        Self(Secret::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 16] {
        self.0.expose()
    }

    /// The id as text, for the cookie.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose())
    }
}

/// One kind of ceremony, by its state.
pub(crate) trait Step: Serialize + DeserializeOwned + Send {
    /// The kind's name in the database.
    const KIND: &'static str;
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State<T> {
    expires: Timestamp,
    step: T,
}

/// A ceremony that was looked at. Changing it demands that nobody else has meanwhile.
#[derive(Clone)]
pub(crate) struct Open<T> {
    pub(crate) step: T,
    id: [u8; 16],
    tenant: TenantId,
    expires: Timestamp,
    seen: Sealed<Vec<u8>>,
}

impl Inner {
    /// Begins a ceremony.
    pub(crate) async fn begin<T: Step>(&self, step: &T) -> Result<CeremonyId, IdentityError> {
        let id = self.world.bytes();
        self.begin_at(id, step).await?;
        Ok(CeremonyId(Secret::new(id)))
    }

    /// Begins a ceremony under an id that was made elsewhere, at random.
    pub(crate) async fn begin_at<T: Step>(&self, id: [u8; 16], step: &T) -> Result<(), IdentityError> {
        let (tenant, expires) = (self.tenant, self.world.now().after(LIFE));
        let key = self.key().await?;
        let (sealed, generation) = (seal(&key, tenant, id, expires, step)?, key.generation());
        self.db
            .write(move |tx| sessions::begin_ceremony(tx, tenant, id, T::KIND, &sealed, generation, expires))
            .await?;
        Ok(())
    }

    /// Ends a ceremony and gives what it remembered: for one whose next step is its last, whatever comes
    /// of it.
    pub(crate) async fn take<T: Step + Sync + 'static>(&self, id: &CeremonyId) -> Result<T, IdentityError> {
        let (tenant, bytes, now) = (self.tenant, *id.bytes(), self.world.now());
        let taken = self.db.write(move |tx| sessions::take_ceremony(tx, tenant, bytes, T::KIND, now)).await?;
        let (seen, generation) = taken.ok_or(Refused::CeremonyOver)?;
        let key = self.key_at(generation).await?;
        let opened = Zeroizing::new(key.open(&sessions::ceremony_place(tenant, bytes), &seen)?);
        let state: State<T> =
            serde_json::from_slice(&opened).map_err(|_| IdentityError::Document("ceremony"))?;
        if state.expires <= now { Err(Refused::CeremonyOver.into()) } else { Ok(state.step) }
    }

    /// Looks at a ceremony, which stays as it is.
    pub(crate) async fn look<T: Step>(&self, id: &CeremonyId) -> Result<Open<T>, IdentityError> {
        let (tenant, id, now) = (self.tenant, *id.0.expose(), self.world.now());
        // The memory only gives a ceremony away; it is put back in the same transaction. The sealed
        // state holds the true end, this one only lasts until the state is read.
        let (seen, generation) = self
            .db
            .write(move |tx| {
                let Some((sealed, generation)) = sessions::take_ceremony(tx, tenant, id, T::KIND, now)?
                else {
                    return Err(Refused::CeremonyOver.into());
                };
                let until = now.after(LIFE);
                sessions::begin_ceremony(tx, tenant, id, T::KIND, &sealed, generation, until)?;
                Ok((sealed, generation))
            })
            .await?;
        let key = self.key_at(generation).await?;
        let bytes = Zeroizing::new(key.open(&sessions::ceremony_place(tenant, id), &seen)?);
        let state: State<T> =
            serde_json::from_slice(&bytes).map_err(|_| IdentityError::Document("ceremony"))?;
        if state.expires <= now {
            return Err(Refused::CeremonyOver.into());
        }
        Ok(Open { step: state.step, id, tenant, expires: state.expires, seen })
    }

    /// Moves a ceremony on to its next state.
    pub(crate) async fn advance<T: Step + Sync + 'static>(&self, open: Open<T>) -> Result<(), IdentityError> {
        let (key, now) = (self.key().await?, self.world.now());
        self.db
            .write(move |tx| {
                open.take(tx, now)?;
                open.refile(tx, &key)
            })
            .await?;
        Ok(())
    }
}

impl<T: Step> Open<T> {
    /// Ends the ceremony, if it is still as it was seen.
    pub(crate) fn take(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let taken = sessions::take_ceremony(tx, self.tenant, self.id, T::KIND, now)?;
        match taken {
            Some((sealed, _)) if sealed == self.seen && self.expires > now => Ok(()),
            _ => Err(Refused::CeremonyOver.into()),
        }
    }

    /// Puts the ceremony back with its state as it is now, under the same id and with the same end.
    pub(crate) fn refile(&self, tx: &mut Tx<'_>, key: &DataKey) -> Result<(), StoreError> {
        let sealed =
            seal(key, self.tenant, self.id, self.expires, &self.step).map_err(|error| match error {
                IdentityError::Vault(error) => StoreError::refuse(error),
                _ => StoreError::Malformed { what: "ceremony" },
            })?;
        let generation = key.generation();
        sessions::begin_ceremony(tx, self.tenant, self.id, T::KIND, &sealed, generation, self.expires)
    }
}

fn seal<T: Step>(
    key: &DataKey,
    tenant: TenantId,
    id: [u8; 16],
    expires: Timestamp,
    step: &T,
) -> Result<Sealed<Vec<u8>>, IdentityError> {
    let state = State { expires, step };
    let bytes = serde_json::to_vec(&state).map_err(|_| IdentityError::Document("ceremony"))?;
    let bytes = Zeroizing::new(bytes);
    Ok(key.seal(&sessions::ceremony_place(tenant, id), &*bytes)?)
}
