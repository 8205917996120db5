//! The frame around every handler. A route is mounted in one of two ways: [`Doors::guarded`], which
//! demands that the handler begins with [`Authorized<A>`], or [`Doors::public`], which demands a written
//! reason. Both fill the [`RouteTable`]; there is no third way.
//!
//! What happens to a request, outermost first, and why there:
//!
//! 1. a request id is drawn, so that whatever follows can be found again;
//! 2. panics are caught, so that the answer to one is a problem like any other;
//! 3. security headers are set on whatever comes back, errors and panics included;
//! 4. the route is found, and its body limit applies;
//! 5. a form's token and reason are picked out of the body ([`csrf`]), because they are needed before
//!    the handler reads the form;
//! 6. [`Authorized<A>`] finds out who asks, checks that a cookie was not sent by another site, loads the
//!    facts, asks the guard, has the decision recorded, and leaves word for the edge who it was
//!    ([`STANDING`]);
//! 7. the body is parsed ([`Json`], [`Form`]), and the handler runs.
//!
//! An error anywhere is a [`kernel::Problem`], and becomes a response in one place ([`Refusal`]).

mod authorized;
mod body;
pub mod cookie;
pub mod csrf;
mod entrance;
mod frame;
mod headers;
mod params;
mod refusal;
mod route;
pub mod socket;
mod standing;

pub use authorized::Authorized;
pub use body::{Form, Json};
pub use entrance::{Arrival, Decision, Entrance, REASON_HEADER, ResourceNeed};
pub use headers::{Flavour, FormsTo, PAGE_CSP};
pub use params::{Path, Query};
pub use refusal::{Refusal, problem_of};
pub use route::{BODY_LIMIT, Doors, DoorsError, Proven, RouteTable, Way};
pub use standing::{ISSUED, STANDING, issued};
