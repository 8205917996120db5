//! What an enterprise's directory asks for: SCIM 2.0 (RFC 7644) at `/scim/v2`, with a token of one
//! connection. No cookie opens these routes, and no such token opens a page.
//!
//! Everything that is answered here is SCIM: resources, lists and errors, `application/scim+json`.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use doors::cookie::SessionSecret;
use doors::{Arrival, Authorized, Path};
use federation::scim::{
    Kind, ListAsked, MEDIA_TYPE, Patch, Resource, ScimError, ScimType, Shape, discovery, etag, version_of,
};
use guard::action::{ProvisionDirectory, ReadDirectory};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Uri, header};
use identity::IdentityError;
use identity::directory::{DirectoryError, Provisioned};
use kernel::{DirectoryEntryId, Problem, ProblemKind};
use serde_json::Value;

use crate::Desk;
use crate::via::ByDoor;

/// Where the service is.
const ROOT: &str = "/scim/v2";
/// The largest body that is read: a group of about 10,000 members.
pub(crate) const LARGEST: usize = 1024 * 1024;

/// Whether a path is of the service.
pub(crate) fn is_ours(path: &str) -> bool {
    path == "/scim" || path.starts_with("/scim/")
}

/// Who comes with this token.
pub(crate) async fn arrival(desk: &Desk, parts: &Parts) -> Result<Arrival, Problem> {
    let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| {
        // A browser's session is worth nothing here, whatever it comes with.
        scheme.eq_ignore_ascii_case("bearer") && SessionSecret::of_request(&parts.headers).is_none()
    });
    let Some((_, token)) = token else { return Ok(Arrival::unknown(desk.tenant)) };
    match desk.identity.directory_at_door(token.trim()).await {
        Ok(Some(actor)) => Ok(Arrival::by_token(actor)),
        Ok(None) => Err(Problem::new(
            ProblemKind::Unauthenticated,
            "The token opens nothing: it is unknown, was revoked or has ended, or its connection is switched off.",
            "Make another on the connection's page of the console, and enter it at the directory.",
        )),
        Err(error) => Err(Problem::from(&error)),
    }
}

/// A handler's answer.
type Answer = Result<Response, Trouble>;

/// What went wrong, on its way to the directory.
#[derive(Debug)]
pub(crate) struct Trouble(Box<ScimError>);

impl From<ScimError> for Trouble {
    fn from(error: ScimError) -> Self {
        Self(Box::new(error))
    }
}

impl From<DirectoryError> for Trouble {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Scim(error) => error.into(),
            DirectoryError::Identity(error) => {
                if !matches!(error, IdentityError::Refused(_)) {
                    tracing::error!(error = &error as &dyn std::error::Error, "a directory was not served");
                }
                of_problem(&Problem::from(&error)).into()
            }
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        say(status, &self.0.body())
    }
}

fn of_problem(problem: &Problem) -> ScimError {
    let detail = format!("{} {}", problem.detail(), problem.mend());
    ScimError { status: problem.status(), kind: None, detail }
}

fn say(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

/// A problem of the frame (no such route, no token, too large) in SCIM's words.
pub(crate) fn told(problem: &Problem, response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    let body = of_problem(problem).body().to_string();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(parts, body.into())
}

impl Desk {
    fn scim(&self) -> String {
        format!("{}{ROOT}", self.origin)
    }
}

/// The kinds that a path is about: both, when it names neither.
fn kinds_of(uri: &Uri) -> &'static [Kind] {
    let rest = uri.path().strip_prefix(ROOT).unwrap_or_default();
    match [Kind::User, Kind::Group].map(|kind| rest.starts_with(kind.endpoint())) {
        [true, _] => &[Kind::User],
        [_, true] => &[Kind::Group],
        _ => &[Kind::User, Kind::Group],
    }
}

/// The one kind that a path names.
fn kind_of(uri: &Uri) -> Kind {
    kinds_of(uri).first().copied().unwrap_or(Kind::User)
}

fn id_of(text: &str) -> Result<DirectoryEntryId, Trouble> {
    text.parse().map_err(|_| ScimError::not_found().into())
}

/// The version that a request is for, if it says one.
fn wanted_version(headers: &HeaderMap) -> Result<Option<u64>, Trouble> {
    let Some(tag) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let tag = tag.to_str().unwrap_or_default();
    if tag.trim() == "*" {
        return Ok(None);
    }
    // A tag that is none of ours is that of no version there is.
    version_of(tag).map(Some).ok_or_else(|| ScimError::stale().into())
}

fn json_of(headers: &HeaderMap, body: &[u8]) -> Result<Value, Trouble> {
    check_type(headers)?;
    serde_json::from_slice(body)
        .map_err(|_| ScimError::bad(ScimType::InvalidSyntax, "the body is no JSON").into())
}

/// Both media types are said; older directories say neither.
fn check_type(headers: &HeaderMap) -> Result<(), Trouble> {
    let Some(said) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = said.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if [MEDIA_TYPE, "application/json"].iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let detail = format!("send the body as `{MEDIA_TYPE}`");
    Err(ScimError { status: 415, kind: None, detail }.into())
}

/// A resource as an answer.
fn shown(desk: &Desk, status: StatusCode, one: &Provisioned, shape: &Shape) -> Response {
    let body = one.shown(&desk.scim());
    let location = body.pointer("/meta/location").and_then(Value::as_str);
    let location = location.and_then(|at| HeaderValue::from_str(at).ok());
    let mut response = say(status, &shape.apply(body));
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&etag(one.version())) {
        headers.insert(header::ETAG, tag);
    }
    let name = if status == StatusCode::CREATED { header::LOCATION } else { header::CONTENT_LOCATION };
    headers.extend(location.map(|at| (name, at)));
    response
}

/// `GET /scim/v2/{ServiceProviderConfig,ResourceTypes,Schemas}`
pub(crate) async fn discover(
    _leave: Authorized<ReadDirectory>,
    State(desk): State<Desk>,
    OriginalUri(uri): OriginalUri,
) -> Answer {
    let what = uri.path().strip_prefix(ROOT).unwrap_or_default();
    // RFC 7644, section 4: these are not to be filtered.
    if uri.query().is_some_and(|query| query.contains("filter=")) {
        let detail = "what the service can do is told whole; ask without a filter";
        return Err(ScimError { status: 403, kind: None, detail: detail.to_owned() }.into());
    }
    let told = discovery(what, &desk.scim()).ok_or_else(ScimError::not_found)?;
    Ok(say(StatusCode::OK, &told))
}

/// `GET /scim/v2/{Users,Groups}`
pub(crate) async fn list(
    leave: Authorized<ReadDirectory>,
    State(desk): State<Desk>,
    OriginalUri(uri): OriginalUri,
) -> Answer {
    let asked = ListAsked::of_query(uri.query().unwrap_or_default())?;
    let list =
        desk.identity.directory_list(leave.into_permit(), kinds_of(&uri), &asked, &desk.scim()).await?;
    Ok(say(StatusCode::OK, &list))
}

/// `POST /scim/v2/.search`, `POST /scim/v2/{Users,Groups}/.search`
pub(crate) async fn search(
    leave: Authorized<ReadDirectory>,
    State(desk): State<Desk>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_type(&headers)?;
    let asked = ListAsked::of_body(&body)?;
    let list =
        desk.identity.directory_list(leave.into_permit(), kinds_of(&uri), &asked, &desk.scim()).await?;
    Ok(say(StatusCode::OK, &list))
}

/// `POST /scim/v2/Bulk`, `GET /scim/v2/Me`: what this service does not do.
pub(crate) async fn not_done(_leave: Authorized<ReadDirectory>) -> Answer {
    let detail = "this is not done here: ask for people or groups, one request each".to_owned();
    Err(ScimError { status: 501, kind: None, detail }.into())
}

/// `GET /scim/v2/{Users,Groups}/{id}`
pub(crate) async fn one(
    leave: Authorized<ReadDirectory>,
    State(desk): State<Desk>,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer {
    let shape = Shape::of_query(uri.query().unwrap_or_default())?;
    let entry = (kind_of(&uri), id_of(&id)?);
    let found = desk.identity.directory_entry(leave.into_permit(), entry).await?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| version_of(tag.to_str().ok()?));
    if known == Some(found.version()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(shown(&desk, StatusCode::OK, &found, &shape))
}

/// `POST /scim/v2/{Users,Groups}`
pub(crate) async fn create(
    leave: Authorized<ProvisionDirectory>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let shape = Shape::of_query(uri.query().unwrap_or_default())?;
    let resource = Resource::of_body(kind_of(&uri), &json_of(&headers, &body)?)?;
    let made = desk.identity.directory_create(leave.into_permit(), resource, &via).await?;
    Ok(shown(&desk, StatusCode::CREATED, &made, &shape))
}

/// What a request that changes something brings, beside its leave.
pub(crate) struct Asked {
    id: DirectoryEntryId,
    kind: Kind,
    shape: Shape,
    version: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, house: &S) -> Result<Self, Trouble> {
        let id: Result<Path<String>, _> = Path::from_request_parts(parts, house).await;
        let Path(id) = id.map_err(|_| ScimError::not_found())?;
        let OriginalUri(uri) =
            OriginalUri::from_request_parts(parts, house).await.unwrap_or_else(|e| match e {});
        Ok(Self {
            id: id_of(&id)?,
            kind: kind_of(&uri),
            shape: Shape::of_query(uri.query().unwrap_or_default())?,
            version: wanted_version(&parts.headers)?,
        })
    }
}

/// `PUT /scim/v2/{Users,Groups}/{id}`
pub(crate) async fn replace(
    leave: Authorized<ProvisionDirectory>,
    State(desk): State<Desk>,
    asked: Asked,
    ByDoor(via): ByDoor,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let resource = Resource::of_body(asked.kind, &json_of(&headers, &body)?)?;
    let permit = leave.into_permit();
    let done = desk.identity.directory_replace(permit, asked.id, resource, asked.version, &via).await?;
    Ok(shown(&desk, StatusCode::OK, &done, &asked.shape))
}

/// `PATCH /scim/v2/{Users,Groups}/{id}`: answered with the whole resource, which every directory takes.
pub(crate) async fn patch(
    leave: Authorized<ProvisionDirectory>,
    State(desk): State<Desk>,
    asked: Asked,
    ByDoor(via): ByDoor,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_type(&headers)?;
    let (entry, patch) = ((asked.kind, asked.id), Patch::of_body(&body)?);
    let permit = leave.into_permit();
    let done = desk.identity.directory_patch(permit, entry, patch, asked.version, &via).await?;
    Ok(shown(&desk, StatusCode::OK, &done, &asked.shape))
}

/// `DELETE /scim/v2/{Users,Groups}/{id}`
pub(crate) async fn delete(
    leave: Authorized<ProvisionDirectory>,
    State(desk): State<Desk>,
    asked: Asked,
    ByDoor(via): ByDoor,
) -> Answer {
    let entry = (asked.kind, asked.id);
    desk.identity.directory_delete(leave.into_permit(), entry, asked.version, &via).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
