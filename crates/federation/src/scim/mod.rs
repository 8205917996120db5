//! SCIM 2.0 as pure functions (RFC 7643, RFC 7644): what a resource may hold, how a filter is read and
//! weighed, what a PATCH does to a resource, and what a list and an error look like.
//!
//! A directory that provisions accounts retries what fails until somebody looks, and meanwhile people
//! who left keep their accounts. So this side is strict about what it *stores* (known attributes of the
//! right type, nothing else) and lenient about how it is *said*: capital operations, booleans as
//! strings, dotted names inside a value, attributes that we do not keep. Each leniency is a test that
//! names the directory that needs it.

mod error;
mod filter;
mod list;
mod patch;
mod path;
mod resource;
mod schema;
mod shape;

pub use error::{ScimError, ScimType};
pub use filter::Filter;
pub use list::{ListAsked, MAX_PAGE, list_response};
pub use patch::{Patch, apply};
pub use resource::{Known, Resource, etag, version_of};
pub use schema::{Kind, discovery};
pub use shape::Shape;

/// The media type of everything SCIM says (RFC 7644, section 3.1).
pub const MEDIA_TYPE: &str = "application/scim+json";
