//! The page of keys: every version's age, state and future, what is overdue, and, for key custodians with
//! a fresh proof of who they are, the acts.

use askama::Template;
use axum::extract::State;
use custody::{KeyLine, KeyPolicy, RequestLine, Status, Why};
use doors::{Authorized, Form, Path, Query};
use guard::action::{
    ApproveKeyRequest, CancelKeyDestruction, DisableKey, ReadKeys, RotateKeys, ScheduleKeyDestruction,
};
use guard::{Act, Actor, Role};
use kernel::KeyRequestId;
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::page::{Shell, html, may, see, shell};
use crate::trouble::Answer;
use crate::via::ByDoor;

/// What the page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    shell: Shell,
    status: Status,
    versions: Vec<Version>,
    requests: Vec<Request>,
    /// Whether the acts are shown.
    acts: bool,
    /// Whether a custodian has to confirm who they are first.
    confirm: bool,
}

struct Version {
    line: KeyLine,
    tone: &'static str,
    words: &'static str,
    future: String,
    disables: bool,
    enables: bool,
    destroys: bool,
    keeps: bool,
}

struct Request {
    line: RequestLine,
    about: String,
    requested: String,
    expires: String,
    open: bool,
    own: bool,
}

/// `GET /keys`
pub(crate) async fn page(
    leave: Authorized<ReadKeys>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Keys", "/keys").await?.after(wanted.done.as_deref());
    let actor = leave.permit().actor().clone();
    let acts = may(&desk, &actor, Act::RotateKeys);
    let custodian = actor.staff().is_some_and(|staff| staff.holds(Role::KeyCustodian));
    let status = desk.custody.status(leave.into_permit()).await?;
    let versions = status.keys.iter().cloned().map(Version::from).collect();
    let requests = status.requests.iter().cloned().map(|line| Request::of(line, &actor)).collect();
    html(&Keys { shell, status, versions, requests, acts, confirm: custodian && !acts })
}

impl From<KeyLine> for Version {
    fn from(line: KeyLine) -> Self {
        let (tone, words) = match (line.state, line.overdue) {
            (_, true) => ("bad", "Overdue"),
            ("active", _) => ("good", "Active"),
            ("retiring", _) => ("info", "Retiring"),
            ("disabled", _) => ("bad", "Disabled"),
            ("scheduled", _) => ("warn", "To be destroyed"),
            _ => ("", "Destroyed"),
        };
        let future = match (&line.next_rotation, &line.ends, line.state) {
            (Some(next), ..) => format!("next version on {}", day(next)),
            (None, Some(end), "destroyed") => format!("destroyed on {}", day(end)),
            (None, Some(end), _) => format!("ends on {}", day(end)),
            (None, None, _) if line.held => "its end was called off".to_owned(),
            (None, None, _) if line.wraps > 0 => "its keys are being wrapped anew".to_owned(),
            (None, None, _) => "its end is being scheduled".to_owned(),
        };
        Self {
            tone,
            words,
            future,
            disables: line.state == "retiring",
            enables: line.state == "disabled",
            destroys: line.state == "retiring" && line.wraps == 0,
            keeps: line.state == "scheduled",
            line,
        }
    }
}

impl Request {
    fn of(line: RequestLine, actor: &Actor) -> Self {
        let about = match (line.kind, line.version, line.days, &line.provider) {
            ("destroy", Some(version), Some(days), _) => {
                format!("destroy version {version}, {days} days after approval")
            }
            (_, _, _, Some(provider)) => format!("move all keys to {provider}"),
            (kind, ..) => kind.to_owned(),
        };
        let me = actor.staff().map(|staff| staff.user.to_string());
        Self {
            about,
            requested: minute(&line.requested),
            expires: minute(&line.expires),
            open: line.state == "asked",
            own: me.as_deref() == Some(line.requested_by.as_str()),
            line,
        }
    }
}

/// The day of a moment in RFC 3339.
fn day(moment: &str) -> &str {
    moment.get(..10).unwrap_or(moment)
}

/// A moment in RFC 3339 as people read it.
fn minute(moment: &str) -> String {
    let (date, time) = (moment.get(..10).unwrap_or_default(), moment.get(11..16).unwrap_or_default());
    format!("{date} {time} UTC")
}

/// `POST /keys/rotate`
pub(crate) async fn rotate(
    leave: Authorized<RotateKeys>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.rotate(leave.into_permit(), Why::Demand, &via).await?;
    see("/keys?done=rotated")
}

/// The policy that is to hold. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decided {
    days: u32,
    end_after: u32,
    rewrap_per_second: u32,
    decides: Decides,
    #[serde(rename = "reason")]
    _reason: String,
}

/// Which of the two buttons.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Decides {
    /// The numbers of the form hold.
    Tenant,
    /// The configuration's hold.
    Configuration,
}

/// `POST /keys/policy`
pub(crate) async fn policy(
    leave: Authorized<RotateKeys>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<Decided>,
) -> Answer {
    let Decided { days, end_after, rewrap_per_second, decides, .. } = form;
    let numbers = KeyPolicy { rotate_after_days: days, destroy_after_days: end_after, rewrap_per_second };
    let policy = (decides == Decides::Tenant).then_some(numbers);
    desk.custody.set_policy(leave.into_permit(), policy, &via).await?;
    see("/keys?done=key-policy")
}

/// `POST /keys/pause`
pub(crate) async fn pause(
    leave: Authorized<RotateKeys>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.pause(leave.into_permit(), true, &via).await?;
    see("/keys?done=paused")
}

/// `POST /keys/resume`
pub(crate) async fn resume(
    leave: Authorized<RotateKeys>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.pause(leave.into_permit(), false, &via).await?;
    see("/keys?done=resumed")
}

/// `POST /keys/versions/{version}/disable`
pub(crate) async fn disable(
    leave: Authorized<DisableKey>,
    State(desk): State<Desk>,
    Path(version): Path<u32>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.disable(leave.into_permit(), version, &via).await?;
    see("/keys?done=key-disabled")
}

/// `POST /keys/versions/{version}/enable`
pub(crate) async fn enable(
    leave: Authorized<DisableKey>,
    State(desk): State<Desk>,
    Path(version): Path<u32>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.enable(leave.into_permit(), version, &via).await?;
    see("/keys?done=key-enabled")
}

/// How long to wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    days: u32,
}

/// `POST /keys/versions/{version}/destroy`
pub(crate) async fn destroy(
    leave: Authorized<ScheduleKeyDestruction>,
    State(desk): State<Desk>,
    Path(version): Path<u32>,
    ByDoor(via): ByDoor,
    Form(Wait { days }): Form<Wait>,
) -> Answer {
    desk.custody.request_destruction(leave.into_permit(), version, days, &via).await?;
    see("/keys?done=asked")
}

/// `POST /keys/versions/{version}/keep`
pub(crate) async fn keep(
    leave: Authorized<CancelKeyDestruction>,
    State(desk): State<Desk>,
    Path(version): Path<u32>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.cancel_destruction(leave.into_permit(), version, &via).await?;
    see("/keys?done=kept")
}

/// `POST /keys/requests/{request}/approve`
pub(crate) async fn approve(
    leave: Authorized<ApproveKeyRequest>,
    State(desk): State<Desk>,
    Path(request): Path<KeyRequestId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.approve(leave.into_permit(), request, &via).await?;
    see("/keys?done=approved")
}

/// `POST /keys/requests/{request}/cancel`
pub(crate) async fn cancel(
    leave: Authorized<CancelKeyDestruction>,
    State(desk): State<Desk>,
    Path(request): Path<KeyRequestId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.custody.cancel_request(leave.into_permit(), request, &via).await?;
    see("/keys?done=called-off")
}
