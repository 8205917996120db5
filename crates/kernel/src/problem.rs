//! The words of an error as a person outside will read it: RFC 9457 problem details, with one member
//! more, `mend`, that says how to put it right, and where signing in does, `sign_in`: where. Rooms have their own error types; the door turns them
//! into a [`Problem`] in one place.

use std::borrow::Cow;

use serde::Serialize;

/// Every kind of problem a door can answer with. The kind decides type, title and status, so that
/// the same mistake reads the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request cannot be understood: bad JSON, wrong type, unknown field, bad header.
    Malformed,
    /// The request is understood, but a value in it is not acceptable.
    Invalid,
    /// Nobody is signed in, or the token is missing, expired or false.
    Unauthenticated,
    /// The actor may not do this (and may know that the thing exists).
    Forbidden,
    /// It does not exist, or the actor may not know that it does.
    NotFound,
    /// The method is not served here.
    MethodNotAllowed,
    /// The state of the thing does not allow it now.
    Conflict,
    /// The body is larger than this route reads.
    TooLarge,
    /// The body's media type is not read here.
    UnsupportedMedia,
    /// Too many requests; `retry-after` says when to come back.
    Throttled,
    /// The client took too long.
    TooSlow,
    /// Something here failed. The cause is in our log, under the request's id.
    Internal,
    /// A part that is needed cannot be reached now; trying again later can help.
    Unavailable,
    /// There is no room left to store what was sent.
    StorageFull,
}

impl ProblemKind {
    /// The HTTP status code (RFC 9110).
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::Invalid => 422,
            Self::Throttled => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::StorageFull => 507,
        }
    }

    /// The short name that ends the `type` URN.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::UnsupportedMedia => "unsupported-media-type",
            Self::Throttled => "throttled",
            Self::TooSlow => "too-slow",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage-full",
        }
    }

    /// The title: the same words for every problem of this kind.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request cannot be read",
            Self::Invalid => "A value is not acceptable",
            Self::Unauthenticated => "Sign-in needed",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Not possible now",
            Self::TooLarge => "Too large",
            Self::UnsupportedMedia => "Media type not supported",
            Self::Throttled => "Too many requests",
            Self::TooSlow => "Request took too long",
            Self::Internal => "Something failed here",
            Self::Unavailable => "Not available right now",
            Self::StorageFull => "No space left",
        }
    }
}

/// One problem, for the eyes of whoever asked. It carries nothing that they may not know; the cause
/// stays with the error that was logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    type_urn: Box<str>,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    mend: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<Box<str>>,
    #[serde(skip)]
    kind: ProblemKind,
}

impl Problem {
    /// A problem: what is wrong (`detail`) and how to put it right (`mend`).
    pub fn new(
        kind: ProblemKind,
        detail: impl Into<Cow<'static, str>>,
        mend: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            type_urn: format!("urn:wardroom:problem:{}", kind.slug()).into(),
            title: kind.title(),
            status: kind.status(),
            detail: detail.into(),
            mend: mend.into(),
            instance: None,
            sign_in: None,
            kind,
        }
    }

    /// Names the page of ours on which whoever asked can sign in: a path.
    #[must_use]
    pub fn sign_in_at(mut self, path: String) -> Self {
        self.sign_in = Some(path.into());
        self
    }

    /// Names the one occurrence, for example by request id (`urn:wardroom:request:ID`).
    #[must_use]
    pub fn at(mut self, instance: String) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// The kind of problem.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The HTTP status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What is wrong, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// How to put it right, in words.
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_rfc_9457_with_a_mend() {
        let problem = Problem::new(ProblemKind::NotFound, "No such conversation.", "Open a new one.")
            .at("urn:wardroom:request:x".to_owned());
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            serde_json::json!({
                "type": "urn:wardroom:problem:not-found", "title": "Not found", "status": 404,
                "detail": "No such conversation.", "mend": "Open a new one.", "instance": "urn:wardroom:request:x",
            })
        );
    }
}
