//! A trial: an administrator signs in at the provider, and sees what came, every check that was passed,
//! and what would follow. Nothing follows: no account, no role, no session.

use guard::action::{ManageConnections, ReadConnections};
use guard::{Grant, Permit};
use kernel::{ConnectionId, UserId};
use ledger::catalogue::ProviderRefused;
use serde::{Deserialize, Serialize};
use store::Via;

use super::Opened;
use super::reason::{Failure, Objection};
use super::roles;
use super::told::{GroupsTold, Told};
use crate::ceremony::Step;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused};

/// What was seen on the way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    passed: Vec<String>,
    shown: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn pass(&mut self, check: &str) {
        self.passed.push(check.to_owned());
    }

    /// The steps of the SAML profile before the one that was refused.
    pub(crate) fn pass_up_to(&mut self, refusal: federation::saml::Refusal) {
        for step in 1..refusal.step() {
            self.pass(&format!("step {step} of the SAML profile"));
        }
    }

    pub(crate) fn show(&mut self, title: &str, text: String) {
        self.shown.push((title.to_owned(), text));
    }
}

/// The outcome of a trial.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The connection.
    pub connection: ConnectionId,
    /// The checks that were passed, in their order.
    pub passed: Vec<String>,
    /// The check that was not: its stable code, and its words.
    pub failed: Option<(String, String)>,
    /// What the provider sent, each part with a title.
    pub shown: Vec<(String, String)>,
    /// What would follow, when every check was passed.
    pub preview: Option<Preview>,
    user: UserId,
}

/// What would follow.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// The person's id at the provider.
    pub subject: String,
    /// The address.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The groups, when they were said.
    pub groups: Option<Vec<String>>,
    /// The assurance level.
    pub level: u8,
    /// The account that they would sign in to; none when one would be made.
    pub account: Option<UserId>,
    /// The roles that the connection would bring.
    pub roles: Vec<Grant>,
    /// Why they would not be signed in after all: the stable code, and its words.
    pub objection: Option<(String, String)>,
}

impl Step for Trial {
    const KIND: &'static str = "trial";
}

impl Identity {
    /// The outcome of the permit holder's trial of a connection, for ten minutes.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`].
    pub async fn trial(
        &self,
        permit: &Permit<ReadConnections>,
        ceremony: &CeremonyId,
    ) -> Result<Trial, IdentityError> {
        let trial = self.0.look::<Trial>(ceremony).await?.step;
        if permit.user() != Some(trial.user) {
            return Err(Refused::CeremonyOver.into());
        }
        Ok(trial)
    }

    /// What somebody in these groups would hold from a connection.
    ///
    /// # Errors
    /// [`Refused::NoConnection`].
    pub async fn preview(
        &self,
        _: &Permit<ManageConnections>,
        connection: ConnectionId,
        groups: Vec<String>,
    ) -> Result<Vec<Grant>, IdentityError> {
        Ok(self.0.opened(connection).await?.settings.people.grants_of(&groups))
    }
}

impl Inner {
    /// Keeps the outcome for the administrator's next page.
    pub(crate) async fn file_trial(
        &self,
        opened: &Opened,
        user: UserId,
        told: Result<Told, Failure>,
        seen: Seen,
        via: &Via,
    ) -> Result<CeremonyId, IdentityError> {
        let (failed, preview) = match told {
            Ok(told) => (None, Some(self.preview_of(opened, &told).await?)),
            Err(failure) => {
                let pen = self.pen(self.nobody(), via).await?;
                let reason = failure.code();
                let event = ProviderRefused { connection: opened.row.id, user: Some(user), reason };
                self.db.write(move |tx| pen.note(tx, &event)).await?;
                (Some(pair(failure)), None)
            }
        };
        let Seen { passed, shown } = seen;
        self.begin(&Trial { connection: opened.row.id, passed, failed, shown, preview, user }).await
    }

    /// The same for a form that was not believed, which was recorded when it came.
    pub(crate) async fn file_failed(
        &self,
        opened: &Opened,
        user: UserId,
        failed: (String, String),
        seen: Seen,
    ) -> Result<CeremonyId, IdentityError> {
        let Seen { passed, shown } = seen;
        let failed = Some(failed);
        self.begin(&Trial { connection: opened.row.id, passed, failed, shown, preview: None, user }).await
    }

    async fn preview_of(&self, opened: &Opened, told: &Told) -> Result<Preview, IdentityError> {
        let account = self.account_for(opened, told).await?;
        let brought = roles::brought(&opened.settings.people, &told.groups);
        let for_others = (!opened.settings.serves.staff()).then_some(Objection::NotForStaff);
        let objection = for_others.or(account.err()).or(brought.as_ref().err().copied());
        Ok(Preview {
            subject: told.id.clone(),
            email: told.email.as_ref().map(|email| email.as_str().to_owned()),
            name: told.name.as_ref().map(|name| name.as_str().to_owned()),
            groups: match &told.groups {
                GroupsTold::Said(groups) => Some(groups.clone()),
                _ => None,
            },
            level: told.level,
            account: account.ok().flatten(),
            roles: brought.unwrap_or_default(),
            objection: objection.map(|objection| pair(objection.into())),
        })
    }
}

fn pair(failure: Failure) -> (String, String) {
    (failure.code().to_owned(), failure.to_string())
}
