//! People: each opens a conversation and says something now and then. Some leave and new ones come. And
//! staff, who sign in, read, and sign in again.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::net::{At, Client, Target};
use crate::{Failure, part};

/// People who chat, and how often each of them says something.
pub(crate) const PEOPLE: usize = 120;
const PAUSE: Duration = Duration::from_millis(1500);
/// When the house counts a conversation as established (`established_after`), and a little.
const ESTABLISHED: Duration = Duration::from_millis(20_500);
/// Staff at work.
const STAFF: u8 = 4;

/// What a browser sends, in its order.
const BROWSER: [(&str, &str); 4] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"),
    ("accept", "*/*"),
    ("accept-language", "en"),
    ("accept-encoding", "gzip"),
];

/// What people met.
#[derive(Debug, Clone, Default)]
struct Met {
    /// Messages: how long the accepted ones took, of conversations that are established and of new ones,
    /// and how many were not accepted.
    accepted: Vec<Duration>,
    young: Vec<Duration>,
    failed: usize,
    /// New conversations: opened, and not.
    opened: usize,
    turned: usize,
    /// What staff did and could not do.
    worked: usize,
    hindered: usize,
}

/// The same in figures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) goodput: f64,
    pub(crate) newcomers: f64,
    pub(crate) staff: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) young_p99_ms: f64,
    pub(crate) all_p99_ms: f64,
}

impl Tally {
    /// As the part of the people told it.
    pub(crate) fn told(told: &Value) -> Self {
        let of = |name: &str| told[name].as_f64().unwrap_or_default();
        Self {
            goodput: of("goodput"),
            newcomers: of("newcomers"),
            staff: of("staff"),
            p50_ms: of("p50_ms"),
            p99_ms: of("p99_ms"),
            young_p99_ms: of("young_p99_ms"),
            all_p99_ms: of("all_p99_ms"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn share(good: usize, bad: usize) -> f64 {
    if good + bad == 0 { 1.0 } else { good as f64 / (good + bad) as f64 }
}

impl Met {
    fn json(mut self) -> Value {
        self.accepted.sort();
        self.young.sort();
        let at = |sorted: &[Duration], hundredths: usize| {
            let found = sorted.get(sorted.len() * hundredths / 100).or(sorted.last());
            found.copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        let mut all = [self.accepted.as_slice(), &self.young].concat();
        all.sort();
        let messages = all.len();
        json!({
            "goodput": share(messages, self.failed), "newcomers": share(self.opened, self.turned),
            "staff": share(self.worked, self.hindered), "p50_ms": at(&self.accepted, 50),
            "p99_ms": at(&self.accepted, 99), "young_p99_ms": at(&self.young, 99), "all_p99_ms": at(&all, 99), "messages": messages,
        })
    }
}

/// All of them.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Met>>);

impl Notes {
    fn note(&self, change: impl FnOnce(&mut Met)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What they met since the last time.
    fn take(&self) -> Met {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs the part: people and staff, until nobody asks any more.
pub(crate) fn run(target: &[&str]) -> Result<(), Failure> {
    let target = Target::named(target)?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let notes = Notes::default();
    for i in 0..PEOPLE {
        runtime.spawn(person(target.clone(), i, PEOPLE, notes.clone()));
    }
    for i in 0..STAFF {
        runtime.spawn(clerk(target.clone(), i, notes.clone()));
    }
    part::serve(&json!({}), |_| notes.take().json())?;
    runtime.shutdown_background();
    Ok(())
}

/// A crowd of so many more, of whom nobody takes notes.
pub(crate) async fn crowd(target: Target, count: usize) {
    let mut tasks = JoinSet::new();
    for i in 0..count {
        tasks.spawn(person(target.clone(), PEOPLE + i, PEOPLE + count, Notes::default()));
    }
    while tasks.join_next().await.is_some() {}
}

/// One of them. One in ten stays for five messages only; then somebody new takes the place.
async fn person(target: Target, number: usize, of: usize, notes: Notes) {
    let spread = PAUSE * u32::try_from(number).unwrap_or(1) / u32::try_from(of).unwrap_or(1);
    sleep(spread).await;
    let mut visit = 0u8;
    loop {
        let [_, _, high, low] = u32::try_from(number + 1).unwrap_or(1).to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, 10 + visit % 40 + high, low, 1 + visit));
        visit = visit.wrapping_add(1) % 200;
        let Ok(mut client) = target.client(At::Public, address).await else {
            notes.note(|met| met.turned += 1);
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let _ = client.send("GET", "/widget.js", &BROWSER, "").await;
        let opened = client.send("POST", "/chat/v1/conversations", &BROWSER, r#"{"bot":"front-desk"}"#).await;
        let token = match opened {
            Ok((201, token)) => String::from_utf8_lossy(&token).into_owned(),
            _ => {
                notes.note(|met| met.turned += 1);
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        notes.note(|met| met.opened += 1);
        let messages = if number.is_multiple_of(10) { 5 } else { usize::MAX };
        if talk(&target, &mut client, address, &token, messages, &notes).await.is_none() {
            sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn talk(
    target: &Target,
    client: &mut Client,
    address: IpAddr,
    token: &str,
    messages: usize,
    notes: &Notes,
) -> Option<()> {
    let bearer = format!("Bearer {token}");
    let mut fields = BROWSER.to_vec();
    fields.push(("authorization", &bearer));
    let opened = Instant::now();
    for _ in 0..messages {
        sleep(PAUSE).await;
        let start = Instant::now();
        let young = start.duration_since(opened) < ESTABLISHED;
        let path = "/chat/v1/conversations/0198f5a0/messages";
        match client.send("POST", path, &fields, r#"{"text":"Where is my parcel, please?"}"#).await {
            Ok((202, _)) => notes.note(|met| match young {
                true => met.young.push(start.elapsed()),
                false => met.accepted.push(start.elapsed()),
            }),
            Ok(_) => notes.note(|met| met.failed += 1),
            Err(_) => {
                notes.note(|met| met.failed += 1);
                *client = target.client(At::Public, address).await.ok()?;
            }
        }
    }
    Some(())
}

/// One of the staff: signs in at the console's door, reads for a while, and signs in again.
async fn clerk(target: Target, number: u8, notes: Notes) {
    let address = IpAddr::V4(Ipv4Addr::new(127, 9, number, 1));
    sleep(Duration::from_millis(250) * u32::from(number)).await;
    loop {
        let hindered = || notes.note(|met| met.hindered += 1);
        let Ok(mut client) = target.client(At::Staff, address).await else {
            hindered();
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let session = match client.send("POST", "/sign-in", &BROWSER, "user=kim&password=right").await {
            Ok((200, session)) => String::from_utf8_lossy(&session).into_owned(),
            // A front without a door for staff.
            Ok((404, _)) => return,
            _ => {
                hindered();
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        notes.note(|met| met.worked += 1);
        let cookie = format!("__Host-wardroom={session}");
        let mut fields = BROWSER.to_vec();
        fields.push(("cookie", &cookie));
        for _ in 0..8 {
            sleep(Duration::from_millis(500)).await;
            match client.send("GET", "/conversations", &fields, "").await {
                Ok((200, _)) => notes.note(|met| met.worked += 1),
                _ => hindered(),
            }
        }
    }
}
