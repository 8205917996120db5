//! The authorization. Every act on a tenant's data needs a [`Permit`], and the one maker of permits is
//! [`Guard::permit`], which asks the policies in `policies/roles/` (Cedar, one file per role). A permit
//! names the action in its type, so a function that takes `&Permit<ReadTranscript>` cannot be called
//! with leave to do something else, nor without leave.
//!
//! ```
//! use guard::{Circumstances, Guard, Permit, action::OpenConversation};
//!
//! fn open(permit: &Permit<OpenConversation>) { /* what needs leave */ }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let world = kernel::World::real();
//! # let tenant = world.id();
//! let guard = Guard::embedded()?;
//! let visitor = guard::Actor::Anonymous { tenant };
//! let bot = guard::Resource::Bot { tenant, bot: kernel::BotName::new("front-desk")? };
//! open(&guard.permit(&visitor, &bot, &Circumstances::at(world.now()))?);
//! # Ok(())
//! # }
//! ```
//!
//! What this crate does not promise: that the facts it is given are true. Who an [`Actor`] is, is
//! `identity`'s to prove; what a [`Resource`] is, is read from the store by whoever asks.

pub mod action;
mod actor;
mod adopt;
mod custom;
mod facts;
mod grants;
mod matrix;
mod permit;
mod policy;
mod resource;
mod role;
mod shape;
mod specimen;
mod survey;

pub use action::{Act, Action};
pub use actor::{Actor, Program, ServiceName, Staff, Visitor};
pub use custom::{CustomError, CustomRole};
pub use grants::{Conflict, Grant, Scope, check_assignment};
pub use permit::{Denied, Guard, Permit};
pub use policy::{GuardError, PolicyFiles, Rule};
pub use resource::{Circumstances, Resource, ResourceKind};
pub use role::{NameError, Role};
pub use shape::Shape;
pub use survey::{Broken, Change, INVARIANTS, Rehearsal, Survey};
