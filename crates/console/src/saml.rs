//! What is set of a connection that speaks SAML and of no other: its metadata, its certificates, and how
//! its messages are.

use axum::extract::State;
use doors::{Authorized, Form, Path};
use federation::saml::{Binding, Encryption, PinnedCertificate, SamlSettings};
use guard::action::ManageConnections;
use identity::connections::{Draft, DraftProvider, Metadata, Provider};
use kernel::{ConnectionId, Timestamp};
use serde::Deserialize;

use crate::Desk;
use crate::page::{When, see};
use crate::trouble::{Answer, Trouble, invalid, nothing};
use crate::via::ByDoor;

/// What may be done with encrypted assertions: as forms say it, and in words.
const ENCRYPTIONS: &[(&str, &str)] = &[
    ("off", "refused; no key is published"),
    ("offered", "accepted, and plain ones too"),
    ("required", "demanded; plain ones are refused"),
];

/// From how many days before its end on a certificate is pointed out.
const WARN_DAYS: u64 = 30;

/// A SAML connection, as its page shows it.
pub(crate) struct SamlWords {
    pub(crate) entity_id: String,
    pub(crate) encryption: &'static str,
    pub(crate) encryptions: &'static [(&'static str, &'static str)],
    pub(crate) accept_oaep_sha1: bool,
    pub(crate) response_suffices: bool,
    pub(crate) sign_requests: bool,
    /// How our requests go, when the provider leaves no choice.
    pub(crate) only: Option<&'static str>,
    pub(crate) send_by_form: bool,
    pub(crate) subject_attribute: String,
    pub(crate) certificates: Vec<CertificateWords>,
}

/// A pinned certificate.
pub(crate) struct CertificateWords {
    pub(crate) subject: String,
    pub(crate) fingerprint: String,
    pub(crate) until: When,
    pub(crate) warning: Option<String>,
}

impl SamlWords {
    pub(crate) fn new(settings: &SamlSettings, now: Timestamp) -> Self {
        Self {
            entity_id: settings.entity_id.clone(),
            encryption: match settings.encryption {
                Encryption::Off => "off",
                Encryption::Offered => "offered",
                Encryption::Required => "required",
            },
            encryptions: ENCRYPTIONS,
            accept_oaep_sha1: settings.accept_oaep_sha1,
            response_suffices: settings.response_signature_suffices,
            sign_requests: settings.sign_requests,
            only: match (&settings.idp_sign_on_form, settings.idp_sign_on.binding) {
                (Some(_), _) => None,
                (None, Binding::Redirect) => Some("by redirect: the provider takes no forms"),
                (None, Binding::Post) => Some("by a form: the provider takes no redirects"),
            },
            send_by_form: settings.send_by_form,
            subject_attribute: settings.subject_attribute.clone().unwrap_or_default(),
            certificates: settings
                .idp_certificates
                .iter()
                .map(|one| CertificateWords::new(one, now))
                .collect(),
        }
    }
}

impl CertificateWords {
    fn new(certificate: &PinnedCertificate, now: Timestamp) -> Self {
        let until = certificate.not_after();
        let days = until.since(now).as_secs() / 86_400;
        let warning = match days {
            _ if until <= now => Some("has run out".to_owned()),
            0 => Some("runs out today".to_owned()),
            1 => Some("runs out tomorrow".to_owned()),
            days if days <= WARN_DAYS => Some(format!("runs out in {days} days")),
            _ => None,
        };
        let fingerprint = certificate.fingerprint().to_string();
        Self { subject: certificate.subject().to_owned(), fingerprint, until: When(until), warning }
    }
}

/// A provider that speaks SAML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeForm {
    name: String,
    metadata: String,
    address: Option<String>,
}

/// `POST /connections/saml`
pub(crate) async fn make(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(MakeForm { name, metadata, address }): Form<MakeForm>,
) -> Answer {
    let provider = DraftProvider::Saml { metadata: one_of(metadata, address)? };
    let id = desk.identity.make_connection(leave.into_permit(), Draft { name, provider }, &via).await?;
    see(&format!("/connections/{id}?done=made"))
}

/// Metadata is pasted or has an address.
fn one_of(text: String, address: Option<String>) -> Result<Metadata, Trouble> {
    let address = address.filter(|address| !address.trim().is_empty());
    match (text.trim().is_empty(), address) {
        (false, None) => Ok(Metadata::File(text.into_bytes())),
        (true, Some(address)) => Ok(Metadata::Address(address)),
        _ => {
            let mend = "Go back, and fill in one of the two fields.";
            Err(invalid("The metadata is either pasted or fetched from its address.", mend).into())
        }
    }
}

/// How the messages of a connection are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessagesForm {
    encryption: Encryption,
    accept_oaep_sha1: Option<String>,
    response_suffices: Option<String>,
    sign_requests: Option<String>,
    send_by_form: Option<String>,
    subject_attribute: String,
}

/// `POST /connections/{connection}/saml`
pub(crate) async fn set(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(form): Form<MessagesForm>,
) -> Answer {
    let (name, mut settings) = desk.identity.settings_of(leave.permit(), connection).await?;
    let Provider::Saml(saml) = &mut settings.provider else {
        return Err(nothing().into());
    };
    let subject = form.subject_attribute.trim();
    saml.encryption = form.encryption;
    saml.accept_oaep_sha1 = form.accept_oaep_sha1.is_some();
    saml.response_signature_suffices = form.response_suffices.is_some();
    saml.sign_requests = form.sign_requests.is_some();
    saml.send_by_form = form.send_by_form.is_some();
    saml.subject_attribute = (!subject.is_empty()).then(|| subject.to_owned());
    desk.identity.set_connection(leave.into_permit(), connection, &name, settings, &via).await?;
    see(&format!("/connections/{connection}?done=saved"))
}

/// Metadata once more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetadataForm {
    metadata: String,
    address: Option<String>,
    keep: Option<String>,
}

/// `POST /connections/{connection}/metadata`
pub(crate) async fn metadata(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(MetadataForm { metadata, address, keep }): Form<MetadataForm>,
) -> Answer {
    let (metadata, keep) = (one_of(metadata, address)?, keep.is_some());
    desk.identity.renew_metadata(leave.into_permit(), connection, metadata, keep, &via).await?;
    see(&format!("/connections/{connection}?done=saved"))
}
