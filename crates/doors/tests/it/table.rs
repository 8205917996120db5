//! The table of routes.

use doors::{Authorized, Doors, DoorsError, Flavour, Way};
use guard::Act;
use guard::action::*;
use http::Method;

use super::house::House;

async fn read(_: Authorized<ReadTranscript>) {}

async fn reply(_: Authorized<ReplyToConversation>, _: axum::extract::State<House>, _: String) {}

async fn health() -> &'static str {
    "ok"
}

#[test]
fn the_table_names_every_route_with_its_leave() {
    let staff = Doors::<House>::new()
        .guarded(Method::GET, "/conversations/{id}", read)
        .reading_up_to(20_000)
        .guarded(Method::POST, "/conversations/{id}", reply);
    let open = Doors::new().public(Method::GET, "/healthz", "load balancers know nobody's password", health);
    let (_, table) = staff.and(open).hang(House::new(), Flavour::Api).unwrap();
    assert_eq!(
        table.to_string(),
        "GET   /conversations/{id}   no body  transcript.read\n\
         POST  /conversations/{id}   20000 B  transcript.reply\n\
         GET   /healthz              no body  public: load balancers know nobody's password\n"
    );
    let ways: Vec<Way> = table.routes().map(|(_, _, way)| way).collect();
    assert_eq!(ways[0], Way::Guarded(Act::ReadTranscript));
}

#[test]
fn a_route_is_mounted_once_and_public_ones_for_a_reason() {
    let once = || Doors::<House>::new().guarded(Method::GET, "/c/{id}", read);
    let twice = DoorsError::Twice { method: Method::GET, path: "/c/{id}" };
    let again = once().guarded(Method::GET, "/c/{id}", read);
    assert_eq!(again.hang(House::new(), Flavour::Api).unwrap_err(), twice);
    assert_eq!(once().and(once()).hang(House::new(), Flavour::Api).unwrap_err(), twice);
    let unexplained = once().public(Method::GET, "/healthz", " ", health);
    let error = unexplained.hang(House::new(), Flavour::Api).unwrap_err();
    assert_eq!(error.to_string(), "`GET /healthz` is public for no stated reason");
}
