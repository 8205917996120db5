//! A SCIM error (RFC 7644, section 3.12).

use serde_json::{Value, json};

/// Why a request could not be done, in SCIM's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The kind of a 400 or 409.
    pub kind: Option<ScimType>,
    /// What is wrong and how to mend it. No value of the request stands in it.
    pub detail: String,
}

/// The `scimType` of an error (RFC 7644, table 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// The filter cannot be read, or asks for what cannot be compared.
    InvalidFilter,
    /// The resource would say something impossible.
    InvalidValue,
    /// The body is not of the shape that it should have.
    InvalidSyntax,
    /// A path cannot be read.
    InvalidPath,
    /// A path leads to nothing that could be changed.
    NoTarget,
    /// Another resource has this value, which may stand only once.
    Uniqueness,
    /// What was asked for changes what nobody may change.
    Mutability,
    /// More would be found than is given.
    TooMany,
}

impl ScimType {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidValue => "invalidValue",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::TooMany => "tooMany",
        }
    }
}

impl ScimError {
    /// A mistake in the request.
    pub fn bad(kind: ScimType, detail: impl Into<String>) -> Self {
        let status = if kind == ScimType::Uniqueness { 409 } else { 400 };
        Self { status, kind: Some(kind), detail: detail.into() }
    }

    /// There is no such resource, or none that this connection may see.
    pub fn not_found() -> Self {
        Self { status: 404, kind: None, detail: "there is no such resource".to_owned() }
    }

    /// The resource is at another version than the request is for.
    pub fn stale() -> Self {
        Self { status: 412, kind: None, detail: "the resource has changed since it was read".to_owned() }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(body)) = (self.kind, body.as_object_mut()) {
            body.insert("scimType".to_owned(), kind.word().into());
        }
        body
    }
}
