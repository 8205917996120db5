//! A handler that asks for no leave.
use doors::{Doors, Entrance, Json};

async fn handler(Json(_): Json<String>) {}

fn mount<S: Entrance>() -> Doors<S> {
    Doors::new().guarded(http::Method::POST, "/messages", handler)
}

fn main() {}
