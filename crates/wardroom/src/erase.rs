//! `wardroom erase`: a person's keys are destroyed, everywhere at once.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use backup::ErasureList;
use conversations::ConversationError;
use guard::action::EraseSubject;
use guard::{Circumstances, Permit, Resource};
use kernel::{ConversationId, Reason, SubjectId};
use store::{StoreError, Via};

use crate::Failure;
use crate::config::Config;
use crate::wiring::Foundation;

/// Whom to erase.
pub(crate) struct Whom {
    pub(crate) subject: Option<SubjectId>,
    pub(crate) conversation: Option<ConversationId>,
}

/// The list of erasures of a deployment.
pub(crate) fn list(data: &Path) -> ErasureList {
    ErasureList::new(data.join("erasures"))
}

/// `erase`
pub(crate) async fn erase(
    data: &Path,
    config: &Config,
    whom: Whom,
    reason: Option<Reason>,
    yes: bool,
) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let mut now = Circumstances::at(base.world.now());
    if let Some(reason) = reason {
        now = now.because(reason);
    }
    let permit: Permit<EraseSubject> =
        base.guard.permit(&base.operator(), &Resource::Tenant(base.tenant), &now)?;
    let subject = match (whom.subject, whom.conversation) {
        (Some(subject), _) => subject,
        (None, Some(conversation)) => {
            conversations::person_of(&base.db, &permit, conversation).await.map_err(nobody)?
        }
        (None, None) => return Err("name a person, or a conversation of theirs".into()),
    };
    if !yes && !confirmed(subject)? {
        println!("nothing was done");
        return Ok(ExitCode::FAILURE);
    }
    let erased = conversations::erase(
        &base.db,
        &base.keys,
        &base.guard,
        permit,
        subject,
        base.world.now(),
        &Via::default(),
    )
    .await
    .map_err(nobody)?;
    let people = list(data).keep(&base.db, &base.keys, base.tenant).await?;
    println!("{subject} is erased: {} data keys and their own were destroyed", erased.keys);
    println!("proof in the audit log: {}", hex::encode(erased.proof));
    println!(
        "`{}` lists {people} people; keep a copy of it with the backups. A backup from before today and the \
         root key together still give what was said: `wardroom backup restore` erases again what is on the list",
        data.join("erasures").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Who is not there is no failure of the store.
fn nobody(error: ConversationError) -> Failure {
    match error {
        ConversationError::Store(StoreError::Missing { what }) => {
            format!("there is no such {what} here; nothing was done").into()
        }
        error => error.into(),
    }
}

/// Asks the person at the terminal; without one the answer is no.
fn confirmed(subject: SubjectId) -> std::io::Result<bool> {
    let mut stdin = std::io::stdin().lock();
    if !stdin.is_terminal() {
        eprintln!("wardroom: this asks at a terminal, and there is none; with --yes it does not ask");
        return Ok(false);
    }
    print!("Erase {subject}? What they said can never be read again. Type `erase`: ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(answer.trim() == "erase")
}
