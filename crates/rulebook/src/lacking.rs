//! What a set of policies of one's own lacks since a newer program brought new actions, and the change that is
//! ready to be proposed. It goes the ordinary way: checked, rehearsed, agreed to by a second person.

use guard::action::{ProposePolicy, ReadPolicy};
use guard::{Act, Permit, PolicyFiles};
use store::{Via, policies};

use crate::change::aside;
use crate::{Rulebook, RulebookError, difference};

/// What is lacking, and the mend.
#[derive(Debug, Clone)]
pub struct Lacking {
    /// The version in force.
    pub version: u64,
    /// What nobody may do, because the policies in force say nothing of it.
    pub acts: Vec<Act>,
    /// The policies in force with what ships about these actions.
    pub files: PolicyFiles,
    /// By which lines they differ from what is in force.
    pub lines: Vec<String>,
}

impl Lacking {
    /// The actions by name.
    pub fn names(&self) -> String {
        self.acts.iter().map(|act| act.name()).collect::<Vec<_>>().join(", ")
    }
}

impl Rulebook {
    /// What the policies in force lack beside those that ship; nothing while those that ship are in force.
    ///
    /// # Errors
    /// When the store or the keys fail, or a file cannot be read.
    pub async fn lacking(&self, permit: &Permit<ReadPolicy>) -> Result<Option<Lacking>, RulebookError> {
        let tenant = permit.tenant();
        let found = self.0.db.read(move |tx| policies::in_force(tx, tenant)).await?;
        let Some(version) = found else { return Ok(None) };
        let (files, version) = (self.0.files_of(&version).await?, version.version);
        aside(move || {
            let Some(adopted) = files.adopting()? else { return Ok(None) };
            let (acts, lines) = (files.lacks()?, difference(&files, &adopted));
            Ok(Some(Lacking { version, acts, files: adopted, lines }))
        })
        .await
    }

    /// Proposes the mend of what is lacking, for the reason that the permit carries, and gives the number.
    ///
    /// # Errors
    /// [`RulebookError::Same`] when nothing is lacking; else as for [`Rulebook::propose`].
    pub async fn adopt(
        &self,
        reads: &Permit<ReadPolicy>,
        permit: Permit<ProposePolicy>,
        via: &Via,
    ) -> Result<u64, RulebookError> {
        let lacking = self.lacking(reads).await?.ok_or(RulebookError::Same)?;
        self.propose(permit, lacking.files, via).await
    }
}
