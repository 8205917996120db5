//! Sessions under load: what is ended is ended for everybody at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guard::Role;
use http::StatusCode;
use store::DbUrl;

use crate::house::House;

/// A hundred browsers with one cookie ask without pause, while an owner disables the account: whoever
/// asks after the owner was answered is led to the sign-in page.
async fn none_succeeds_after_the_commit(house: House) {
    let owner = house.staff("owner", &[Role::Owner]).await;
    house.staff("second", &[Role::Owner]).await;
    let ada = Arc::new(house.staff("ada", &[Role::SupportAgent]).await);
    let (house, committed) = (Arc::new(house), Arc::new(AtomicBool::new(false)));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut browsers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (house, ada) = (Arc::clone(&house), Arc::clone(&ada));
        let (committed, answered) = (Arc::clone(&committed), Arc::clone(&answered));
        browsers.spawn(async move {
            loop {
                let after = committed.load(Ordering::SeqCst);
                let page = house.get("/account", &ada).await;
                if after {
                    return page.status;
                }
                if page.status == StatusCode::OK {
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    while answered.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    let path = format!("/users/{}/disable", ada.user);
    let done = house.post(&path, &owner, &[]).await;
    committed.store(true, Ordering::SeqCst);
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let statuses = browsers.join_all().await;
    assert_eq!(statuses, vec![StatusCode::SEE_OTHER; 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_requests_at_once_none_succeeds_after_a_disable_on_sqlite() {
    none_succeeds_after_the_commit(House::open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_requests_at_once_none_succeeds_after_a_disable_on_postgresql() {
    let cluster = testkit::Cluster::shared();
    let url: DbUrl = cluster.url(&cluster.database()).parse().unwrap();
    none_succeeds_after_the_commit(House::on(url, tempfile::tempdir().unwrap()).await).await;
}
