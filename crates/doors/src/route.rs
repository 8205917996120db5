//! Mounting handlers, and the table of all that is mounted.

use std::fmt;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, on};
use guard::{Act, Action};
use http::Method;

use crate::csrf;
use crate::entrance::Entrance;
use crate::frame::{self, Frame};
use crate::headers::Flavour;

/// The largest body that a route reads when it does not say otherwise: 64 KiB.
pub const BODY_LIMIT: usize = 64 * 1024;

mod sealed {
    use guard::Action;

    use crate::authorized::Authorized;

    /// An argument that proves leave. One type does.
    pub trait Leave {
        type Action: Action;
    }

    impl<A: Action> Leave for Authorized<A> {
        type Action = A;
    }

    pub trait Proven {}
}

/// The arguments of a handler of which the first is [`Authorized<A>`](crate::Authorized), seven at most.
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "this handler does not begin by asking for leave",
    label = "the first argument of a guarded handler must be `Authorized<A>`",
    note = "write `async fn handler(leave: Authorized<ReadTranscript>, ..)` with the action that it does",
    note = "a route that needs no leave is mounted by `Doors::public`, with the reason why"
)]
pub trait Proven: sealed::Proven {
    /// The action.
    type Action: Action;
}

macro_rules! proven {
    ($($rest:ident),*) => {
        impl<M, First: sealed::Leave, $($rest),*> sealed::Proven for (M, First, $($rest,)*) {}

        #[diagnostic::do_not_recommend]
        impl<M, First: sealed::Leave, $($rest),*> Proven for (M, First, $($rest,)*) {
            type Action = First::Action;
        }
    };
}

proven!();
proven!(T1);
proven!(T1, T2);
proven!(T1, T2, T3);
proven!(T1, T2, T3, T4);
proven!(T1, T2, T3, T4, T5);
proven!(T1, T2, T3, T4, T5, T6);

/// How one gets through a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With leave for this action.
    Guarded(Act),
    /// Without leave, for this reason.
    Public(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    path: &'static str,
    method: Method,
    way: Way,
    body_limit: usize,
}

/// Every route with the leave that it needs. Its text is compared with a committed copy, so that a new
/// way in is seen by whoever reviews the change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable {
    rows: Vec<Row>,
}

impl RouteTable {
    /// Method, path and way of each route, sorted by path.
    pub fn routes(&self) -> impl Iterator<Item = (&Method, &'static str, Way)> {
        self.rows.iter().map(|row| (&row.method, row.path, row.way))
    }
}

impl fmt::Display for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.rows.iter().map(|row| row.method.as_str().len()).max().unwrap_or_default();
        let path = self.rows.iter().map(|row| row.path.len()).max().unwrap_or_default();
        for row in &self.rows {
            let body = match row.body_limit {
                0 => "no body".to_owned(),
                bytes if bytes.is_multiple_of(1024) => format!("{} KiB", bytes / 1024),
                bytes => format!("{bytes} B"),
            };
            let way = match row.way {
                Way::Guarded(act) => act.name().to_owned(),
                Way::Public(why) => format!("public: {why}"),
            };
            writeln!(f, "{:method$}  {:path$}  {body:>8}  {way}", row.method.as_str(), row.path)?;
        }
        Ok(())
    }
}

/// Why doors cannot be hung.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorsError {
    /// Two handlers for one method and path.
    #[error("`{method} {path}` is mounted twice")]
    Twice {
        /// The method.
        method: Method,
        /// The path.
        path: &'static str,
    },
    /// A public route without a reason.
    #[error("`{method} {path}` is public for no stated reason")]
    NoReason {
        /// The method.
        method: Method,
        /// The path.
        path: &'static str,
    },
    /// A method that cannot be mounted.
    #[error("`{method}` is not a method that a route can have")]
    Method {
        /// The method.
        method: Method,
    },
}

/// A set of doors that is being hung. `S` is the state behind them.
#[derive(Debug)]
pub struct Doors<S> {
    router: Router<S>,
    table: RouteTable,
    body_limit: usize,
    failure: Option<DoorsError>,
}

impl<S: Entrance> Default for Doors<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Entrance> Doors<S> {
    /// No doors yet.
    pub fn new() -> Self {
        Self { router: Router::new(), table: RouteTable::default(), body_limit: BODY_LIMIT, failure: None }
    }

    /// The largest body, in bytes, of the routes that are mounted after this call. Methods that carry no
    /// body read none.
    #[must_use]
    pub fn reading_up_to(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Mounts a handler whose first argument is [`Authorized<A>`](crate::Authorized). `GET` serves `HEAD` as well.
    ///
    /// # Panics
    /// When `path` is not a path of axum's (`/conversations/{id}`), at start, before any port is bound.
    #[must_use]
    pub fn guarded<H, T>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: Proven + 'static,
    {
        self.mount(method, path, Way::Guarded(T::Action::ACT), handler)
    }

    /// Mounts a handler that anybody may reach, and says why.
    ///
    /// # Panics
    /// As [`Doors::guarded`].
    #[must_use]
    pub fn public<H, T>(self, method: Method, path: &'static str, why: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.mount(method, path, Way::Public(why), handler)
    }

    /// Adds the doors that another part of the house hung.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let twice = other.table.rows.iter().find(|row| self.has(&row.method, row.path));
        self.failure = self.failure.or(other.failure);
        if let Some(Row { method, path, .. }) = twice {
            self.failure.get_or_insert(DoorsError::Twice { method: method.clone(), path });
            return self;
        }
        self.router = self.router.merge(other.router);
        self.table.rows.extend(other.table.rows);
        self
    }

    /// Hangs the doors: the router with everything around it, and the table of routes.
    ///
    /// # Errors
    /// The first mistake made in mounting.
    pub fn hang(mut self, house: S, flavour: Flavour) -> Result<(Router, RouteTable), DoorsError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.table.rows.sort_by(|a, b| (a.path, a.method.as_str()).cmp(&(b.path, b.method.as_str())));
        let around = Frame { world: house.world().clone(), flavour };
        let router = self
            .router
            .fallback(frame::no_route)
            .method_not_allowed_fallback(frame::no_method)
            .layer(from_fn_with_state(around, frame::frame))
            .with_state(house);
        Ok((router, self.table))
    }

    fn has(&self, method: &Method, path: &str) -> bool {
        self.table.rows.iter().any(|row| row.method == *method && row.path == path)
    }

    fn mount<H, T>(mut self, method: Method, path: &'static str, way: Way, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        if self.has(&method, path) {
            self.failure.get_or_insert(DoorsError::Twice { method, path });
            return self;
        }
        if matches!(way, Way::Public(why) if why.trim().is_empty()) {
            self.failure.get_or_insert(DoorsError::NoReason { method, path });
            return self;
        }
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            self.failure.get_or_insert(DoorsError::Method { method });
            return self;
        };
        let carries_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let body_limit = if carries_body { self.body_limit } else { 0 };
        let mut route = on(filter, handler).layer(DefaultBodyLimit::max(body_limit));
        if carries_body {
            route = route.layer(from_fn(csrf::read_form));
        }
        self.router = self.router.route(path, route);
        self.table.rows.push(Row { path, method, way, body_limit });
        self
    }
}
