//! People: each opens a conversation and says something now and then. Some leave and new ones come.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::stage::{Client, Stage};

/// What a browser sends, in its order.
const BROWSER: [(&str, &str); 4] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"),
    ("accept", "*/*"),
    ("accept-language", "en"),
    ("accept-encoding", "gzip"),
];

/// What people met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Messages: how long the accepted ones took, and how many were not accepted.
    accepted: Vec<Duration>,
    failed: usize,
    /// New conversations: opened, and not.
    opened: usize,
    turned: usize,
}

impl Tally {
    pub(crate) fn goodput(&self) -> f64 {
        share(self.accepted.len(), self.failed)
    }

    pub(crate) fn newcomers(&self) -> f64 {
        share(self.opened, self.turned)
    }

    pub(crate) fn p99(&self) -> Duration {
        let mut sorted = self.accepted.clone();
        sorted.sort();
        sorted.get(sorted.len() * 99 / 100).or(sorted.last()).copied().unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn share(good: usize, bad: usize) -> f64 {
    if good + bad == 0 { 1.0 } else { good as f64 / (good + bad) as f64 }
}

/// All of them.
pub(crate) struct People {
    tally: Arc<Mutex<Tally>>,
    tasks: JoinSet<()>,
}

impl People {
    /// They come, one after the other.
    pub(crate) fn come(stage: &Stage, count: usize) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let mut tasks = JoinSet::new();
        for i in 0..count {
            tasks.spawn(person(stage.clone(), i, count, Arc::clone(&tally)));
        }
        Self { tally, tasks }
    }

    /// What they met since the last time.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn leave(mut self) {
        self.tasks.abort_all();
    }
}

/// One of them. One in ten stays for five messages only; then somebody new takes the place.
async fn person(stage: Stage, number: usize, of: usize, tally: Arc<Mutex<Tally>>) {
    let note =
        |change: &dyn Fn(&mut Tally)| change(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    let spread = crate::PAUSE * u32::try_from(number).unwrap_or(1) / u32::try_from(of).unwrap_or(1);
    sleep(spread).await;
    let mut visit = 0u8;
    loop {
        let [_, _, high, low] = u32::try_from(number + 1).unwrap_or(1).to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, 10 + visit % 40 + high, low, 1 + visit));
        visit = visit.wrapping_add(1) % 200;
        let Ok(mut client) = stage.client(address).await else {
            note(&|t| t.turned += 1);
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let _ = client.send("GET", "/widget.js", &BROWSER, "").await;
        let opened = client.send("POST", "/chat/v1/conversations", &BROWSER, r#"{"bot":"front-desk"}"#).await;
        let token = match opened {
            Ok((201, token)) => String::from_utf8_lossy(&token).into_owned(),
            _ => {
                note(&|t| t.turned += 1);
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        note(&|t| t.opened += 1);
        let messages = if number.is_multiple_of(10) { 5 } else { usize::MAX };
        if talk(&stage, &mut client, address, &token, messages, &note).await.is_none() {
            sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn talk(
    stage: &Stage,
    client: &mut Client,
    address: IpAddr,
    token: &str,
    messages: usize,
    note: &(impl Fn(&dyn Fn(&mut Tally)) + Sync),
) -> Option<()> {
    let bearer = format!("Bearer {token}");
    let mut fields = BROWSER.to_vec();
    fields.push(("authorization", &bearer));
    for _ in 0..messages {
        sleep(crate::PAUSE).await;
        let start = Instant::now();
        let path = "/chat/v1/conversations/0198f5a0/messages";
        match client.send("POST", path, &fields, r#"{"text":"Where is my parcel, please?"}"#).await {
            Ok((202, _)) => note(&|t| t.accepted.push(start.elapsed())),
            Ok(_) => note(&|t| t.failed += 1),
            Err(_) => {
                note(&|t| t.failed += 1);
                *client = stage.client(address).await.ok()?;
            }
        }
    }
    Some(())
}
