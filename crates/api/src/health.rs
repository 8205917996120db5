//! Whether the process runs, and whether it can serve.

use axum::extract::State;
use doors::Refusal;
use kernel::{Problem, ProblemKind};

use crate::Front;

/// `GET /healthz`
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database answers, and the process is not ending.
pub(crate) async fn ready(State(front): State<Front>) -> Result<&'static str, Refusal> {
    let reachable = front.db.read(|tx| store::tenants::list(tx).map(drop)).await.is_ok();
    if reachable && !*front.ending.borrow() {
        return Ok("ready\n");
    }
    let (detail, mend) = ("Requests cannot be served right now.", "Try again in a few seconds.");
    Err(Problem::new(ProblemKind::Unavailable, detail, mend).into())
}
