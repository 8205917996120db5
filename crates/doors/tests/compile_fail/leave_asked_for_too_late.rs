//! A handler that asks for leave after it has read the body.
use doors::{Authorized, Doors, Entrance, Query};
use guard::action::ReadTranscript;

async fn handler(_: Query<()>, _: Authorized<ReadTranscript>) {}

fn mount<S: Entrance>() -> Doors<S> {
    Doors::new().guarded(http::Method::GET, "/messages", handler)
}

fn main() {}
