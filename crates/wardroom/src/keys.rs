//! `wardroom keys ...`: the operator looks after the keys. Whoever runs these commands acts as the
//! operator; what needs two people needs a key custodian at the console beside the operator.

use std::process::ExitCode;
use std::sync::Arc;

use custody::{Custody, KeyPolicy, KeyRequest, PolicyInForce, RequestState, Status, Why};
use guard::action::TendKeys;
use guard::{Action, Permit};
use kernel::KeyRequestId;
use serde_json::{Value, json};
use store::Via;

use crate::Failure;
use crate::cli::{KeysCommand, KeysPlace};
use crate::wiring::Foundation;

/// A deployment whose keys are looked after.
struct Desk {
    base: Foundation,
    json: bool,
}

/// What of the policy is to be another.
struct Change {
    days: Option<u32>,
    end_after: Option<u32>,
    rewrap_per_second: Option<u32>,
    default: bool,
}

impl Change {
    fn is_none(&self) -> bool {
        !self.default && self.days.or(self.end_after).or(self.rewrap_per_second).is_none()
    }

    /// The policy after it: what it does not name stays as it is.
    fn of(&self, now: KeyPolicy) -> Option<KeyPolicy> {
        (!self.default).then(|| KeyPolicy {
            rotate_after_days: self.days.unwrap_or(now.rotate_after_days),
            destroy_after_days: self.end_after.unwrap_or(now.destroy_after_days),
            rewrap_per_second: self.rewrap_per_second.unwrap_or(now.rewrap_per_second),
        })
    }
}

/// Runs one of them.
pub(crate) async fn run(command: KeysCommand) -> Result<ExitCode, Failure> {
    match command {
        KeysCommand::Status { at, check } => Desk::open(&at).await?.status(check).await,
        KeysCommand::Rotate { at, root: true, .. } => Desk::open(&at).await?.rewrap_root().await,
        KeysCommand::Rotate { at, compromised, .. } => Desk::open(&at).await?.rotate(compromised).await,
        KeysCommand::Rewrap { at } => Desk::open(&at).await?.rewrap().await,
        KeysCommand::Pause { at } => Desk::open(&at).await?.pause(true).await,
        KeysCommand::Resume { at } => Desk::open(&at).await?.pause(false).await,
        KeysCommand::Policy { at, days, end_after, rewrap_per_second, default, reason } => {
            let change = Change { days, end_after, rewrap_per_second, default };
            Desk::open(&at).await?.policy(change, reason.as_deref()).await
        }
        KeysCommand::Disable { at, version, stop_everything } => {
            Desk::open(&at).await?.disable(version, stop_everything).await
        }
        KeysCommand::Enable { at, version } => Desk::open(&at).await?.enable(version).await,
        KeysCommand::Destroy { at, version, days } => Desk::open(&at).await?.destroy(version, days).await,
        KeysCommand::Approve { at, request } => Desk::open(&at).await?.approve(request).await,
        KeysCommand::Cancel { at, request, version } => Desk::open(&at).await?.cancel(request, version).await,
        KeysCommand::Move { at, to } => Desk::open(&at).await?.move_to(&to).await,
        KeysCommand::Tend { at } => Desk::open(&at).await?.tend().await,
    }
}

impl Desk {
    async fn open(at: &KeysPlace) -> Result<Self, Failure> {
        let config = crate::read(&at.place)?;
        let base = Foundation::open_for_custody(&at.place.data, &config, false).await?;
        Ok(Self { base, json: at.json })
    }

    fn custody(&self) -> &Custody {
        &self.base.custody
    }

    fn leave<A: Action>(&self) -> Result<Permit<A>, guard::Denied> {
        self.base.leave()
    }

    /// Says what was done, records how the root key was used for it, and ends well.
    async fn done(&self, words: &str, value: Value) -> Result<ExitCode, Failure> {
        self.custody().record_uses().await?;
        match self.json {
            true => println!("{value}"),
            false => println!("{words}"),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn status(&self, check: bool) -> Result<ExitCode, Failure> {
        let status = self.custody().status(self.leave()?).await?;
        self.custody().record_uses().await?;
        match self.json {
            true => println!("{}", serde_json::to_string(&status)?),
            false => print!("{}", page(&status)),
        }
        let bad = check && (!status.overdue.is_empty() || status.provider_fault.is_some());
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn rotate(&self, compromised: bool) -> Result<ExitCode, Failure> {
        let why = if compromised { Why::Compromise } else { Why::Demand };
        let rotated = self.custody().rotate(self.leave()?, why, &Via::default()).await?;
        let words = match rotated.made {
            true => format!("version {} is the active one; new writes use it from now on", rotated.version),
            false => format!("version {} was made by somebody else at the same moment", rotated.version),
        };
        self.done(&words, json!({ "version": rotated.version, "made": rotated.made })).await
    }

    async fn rewrap_root(&self) -> Result<ExitCode, Failure> {
        let count = self.custody().rewrap_root(&self.tending()?).await?;
        let words = format!("{count} versions are wrapped anew by {}", self.base.keys.keyring().provider());
        self.done(&words, json!({ "versions": count })).await
    }

    async fn rewrap(&self) -> Result<ExitCode, Failure> {
        let (show, mut shown) = (!self.json, 0);
        let watch = move |progress: custody::Progress| {
            if show && progress.done >= shown + 50_000 {
                shown = progress.done;
                println!("  {} keys of version {} are wrapped anew", progress.done, progress.version);
            }
        };
        let done = self.custody().rewrap(&self.tending()?, watch).await?;
        let mut words = format!("{} keys are wrapped anew", done.done);
        if done.refused > 0 {
            words += &format!("; {} would not open and stay as they are", done.refused);
        }
        if done.paused {
            words += "; it is paused (`wardroom keys resume` lets it go on)";
        }
        let value = json!({ "done": done.done, "refused": done.refused, "paused": done.paused });
        self.done(&words, value).await
    }

    async fn pause(&self, paused: bool) -> Result<ExitCode, Failure> {
        let changed = self.custody().pause(self.leave()?, paused, &Via::default()).await?;
        let words = match (paused, changed) {
            (true, true) => "the wrapping anew is paused",
            (true, false) => "the wrapping anew was paused already",
            (false, true) => "the wrapping anew goes on",
            (false, false) => "the wrapping anew was not paused",
        };
        self.done(words, json!({ "paused": paused, "changed": changed })).await
    }

    /// Shows the policy, or changes it.
    async fn policy(&self, change: Change, reason: Option<&str>) -> Result<ExitCode, Failure> {
        let mut now = self.custody().policy(self.leave()?).await?;
        match reason {
            None => {}
            Some(_) if change.is_none() => return Err("say what is to change, for example --days 30".into()),
            Some(reason) => {
                let permit = self.base.leave_because(reason)?;
                now = self.custody().set_policy(permit, change.of(now.policy), &Via::default()).await?;
            }
        }
        let PolicyInForce { policy, own } = now;
        let bound = match policy.rewrap_per_second {
            0 => "as fast as they can be".to_owned(),
            keys => format!("at most {keys} in a second"),
        };
        let words = format!(
            "a new version after {} days; what wraps nothing ends {} days later; keys are wrapped anew {bound}; \
             decided by {}",
            policy.rotate_after_days,
            policy.destroy_after_days,
            if own { "`wardroom keys policy` or a key custodian" } else { "the configuration" },
        );
        let value = json!({
            "rotate_after_days": policy.rotate_after_days,
            "destroy_after_days": policy.destroy_after_days,
            "rewrap_per_second": policy.rewrap_per_second,
            "own": own,
        });
        self.done(&words, value).await
    }

    async fn disable(&self, version: u32, stop_everything: bool) -> Result<ExitCode, Failure> {
        let status = self.custody().status(self.leave()?).await?;
        let active = status.keys.iter().any(|key| key.version == version && key.state == "active");
        if active && !stop_everything {
            let words = "that is the active version: without it nobody can chat or sign in; if that is what you \
                         want, add --stop-everything";
            return Err(words.into());
        }
        self.custody().disable(self.leave()?, version, &Via::default()).await?;
        let words = format!("version {version} is disabled; nothing that it wraps opens until it is enabled");
        self.done(&words, json!({ "version": version, "state": "disabled" })).await
    }

    async fn enable(&self, version: u32) -> Result<ExitCode, Failure> {
        let state = self.custody().enable(self.leave()?, version, &Via::default()).await?;
        let words = format!("version {version} is {state}");
        self.done(&words, json!({ "version": version, "state": state.as_str() })).await
    }

    async fn destroy(&self, version: u32, days: u32) -> Result<ExitCode, Failure> {
        let asked = self.custody().request_destruction(self.leave()?, version, days, &Via::default()).await?;
        self.asked(&asked).await
    }

    async fn asked(&self, request: &KeyRequest) -> Result<ExitCode, Failure> {
        let words = format!(
            "request {} waits until {} for a key custodian to agree on the console's page of keys",
            request.id, request.expires
        );
        let value = json!({ "request": request.id.to_string(), "expires": request.expires.rfc3339() });
        self.done(&words, value).await
    }

    async fn approve(&self, id: KeyRequestId) -> Result<ExitCode, Failure> {
        let approved = self.custody().approve(self.leave()?, id, &Via::default()).await?;
        let words = format!("request {id} ({}) is approved", approved.kind);
        self.done(&words, json!({ "request": id.to_string(), "state": approved.state.as_str() })).await
    }

    async fn cancel(&self, id: Option<KeyRequestId>, version: Option<u32>) -> Result<ExitCode, Failure> {
        let (custody, via) = (self.custody(), Via::default());
        match (id, version) {
            (Some(id), _) => {
                custody.cancel_request(self.leave()?, id, &via).await?;
                let value = json!({ "request": id.to_string(), "state": "cancelled" });
                self.done(&format!("request {id} is called off"), value).await
            }
            (None, Some(version)) => {
                let state = custody.cancel_destruction(self.leave()?, version, &via).await?;
                let value = json!({ "version": version, "state": state.as_str() });
                self.done(&format!("version {version} is {state} again"), value).await
            }
            (None, None) => Err("name a request or --version".into()),
        }
    }

    /// Asks for the move; once it is approved, carries it out.
    async fn move_to(&self, kind: &str) -> Result<ExitCode, Failure> {
        if let Some(moved) = self.custody().carry_out_move(&self.tending()?).await? {
            let words = match moved.done {
                true => format!(
                    "all versions are wrapped by {}; make it the root key in `[keys]`, remove `[keys.next]`, and \
                     start again",
                    moved.provider
                ),
                false => "the move goes on; run this again".to_owned(),
            };
            let value = json!({ "provider": moved.provider, "versions": moved.versions, "done": moved.done });
            return self.done(&words, value).await;
        }
        let status = self.custody().status(self.leave()?).await?;
        let waiting = status
            .requests
            .iter()
            .find(|request| request.kind == "move" && request.state == RequestState::Asked.as_str())
            .filter(|request| request.provider == status.next_provider);
        if let Some(waiting) = waiting {
            let words = format!("request {} waits for a key custodian to agree", waiting.id);
            return self.done(&words, json!({ "request": waiting.id })).await;
        }
        let asked = self.custody().request_move(self.leave()?, kind, &Via::default()).await?;
        self.asked(&asked).await
    }

    async fn tend(&self) -> Result<ExitCode, Failure> {
        let tended = self.custody().tend().await?;
        let value = json!({
            "rotated": tended.rotated.map(|rotated| rotated.version),
            "rewrapped": tended.rewrapped.done,
            "scheduled": tended.scheduled,
            "destroyed": tended.destroyed,
        });
        let words = format!(
            "{} keys wrapped anew, {} versions scheduled for their end, {} destroyed",
            tended.rewrapped.done,
            tended.scheduled.len(),
            tended.destroyed.len()
        );
        self.done(&words, value).await
    }

    fn tending(&self) -> Result<Arc<Permit<TendKeys>>, guard::Denied> {
        Ok(Arc::new(self.leave()?))
    }
}

/// The keys as a page of text.
fn page(status: &Status) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let _ = writeln!(out, "root key    {}", status.provider);
    if let Some(fault) = &status.provider_fault {
        let _ = writeln!(out, "            OUT OF ORDER: {fault}");
    }
    if let Some(next) = &status.next_provider {
        let _ = writeln!(out, "next        {next}");
    }
    let _ = writeln!(
        out,
        "policy      a new version after {} days; what wraps nothing ends after {} days; by {}",
        status.rotate_after_days,
        status.destroy_after_days,
        if status.own_policy { "the tenant's decision" } else { "the configuration" }
    );
    let _ = writeln!(out, "\nversion  state      age (days)  wraps      next rotation, or end");
    for key in &status.keys {
        let ends = key.ends.as_ref().map(|ends| format!("ends {ends}"));
        let future = key.next_rotation.clone().or(ends).unwrap_or_default();
        let _ = writeln!(
            out,
            "{:<8} {:<10} {:<11} {:<10} {future}",
            key.version, key.state, key.age_days, key.wraps
        );
        if key.refused > 0 {
            let _ = writeln!(out, "         {} keys would not open and stay under it", key.refused);
        }
    }
    let _ = writeln!(
        out,
        "\nunder old versions: {} keys{}",
        status.under_old_versions,
        match status.paused {
            true => " (the wrapping anew is paused)",
            false => "",
        }
    );
    for request in status.requests.iter().filter(|request| request.state == "asked") {
        let about = request.version.map_or_else(
            || request.provider.clone().unwrap_or_default(),
            |version| format!("version {version}"),
        );
        let _ = writeln!(out, "request {}: {} {about}, until {}", request.id, request.kind, request.expires);
    }
    if let Some(moving) = &status.moving {
        let _ = writeln!(out, "moving to {}: {} versions left", moving.to, moving.left);
    }
    for sentence in &status.overdue {
        let _ = writeln!(out, "OVERDUE: {sentence}");
    }
    out
}
