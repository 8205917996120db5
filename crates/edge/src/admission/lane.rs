//! A lane: so many requests run at once, the others wait in order of urgency and, among equals, each key in
//! its turn. Waiting is short; who would wait too long is told to come back.
//!
//! Fairness is by key (credential, or else address): five hundred bots that ask twice a second wait with
//! each other, while a person who is known here goes first. When a queue has not been empty for a while,
//! patience shrinks (CoDel, RFC 8289, as a deadline per class) and the newest key is served first, since the
//! oldest has most likely gone away.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::gradient::Gradient;
use super::route::Route;

/// How urgent a request is, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Signed-in staff.
    Staff,
    /// A conversation, or somebody signed in, that has been here for a while.
    Established,
    /// The same, new.
    Fresh,
    /// Nobody knows who.
    Anonymous,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Staff, Self::Established, Self::Fresh, Self::Anonymous];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The name, as it stands in events and on pages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Established => "established",
            Self::Fresh => "fresh",
            Self::Anonymous => "anonymous",
        }
    }

    /// How long it may wait for its turn; less when the lane is overloaded.
    const fn patience(self, overloaded: bool) -> Duration {
        Duration::from_millis(match (self, overloaded) {
            (Self::Staff, _) => 5000,
            (Self::Established, false) => 3000,
            (Self::Established, true) => 1500,
            (Self::Fresh, false) => 1500,
            (Self::Fresh, true) => 250,
            (Self::Anonymous, false) => 500,
            (Self::Anonymous, true) => 50,
        })
    }
}

/// A queue that has not been empty for so long is an overload, not a burst.
const INTERVAL: Duration = Duration::from_millis(500);
/// One turn in so many goes to the least urgent that wait: last does not mean never.
const CHARITY: u64 = 16;
/// Requests of one key that may wait at once.
const PER_KEY: usize = 16;

/// One lane.
#[derive(Debug)]
pub(crate) struct Lane(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    gradient: Gradient,
    running: usize,
    queues: [Queue; 4],
    waiting: usize,
    /// When nobody waited last.
    empty: Instant,
    turns: u64,
    shed: u64,
}

/// Those of one class who wait.
#[derive(Debug, Default)]
struct Queue {
    /// The keys in the order of their turns; each stands here once.
    order: VecDeque<u64>,
    keys: HashMap<u64, VecDeque<oneshot::Sender<()>>>,
}

/// Why there is no turn: too many wait, or it took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shed;

/// A turn: dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Turn {
    lane: Arc<Lane>,
    route: Route,
    began: Instant,
    /// Whether the answer's time says something about load.
    counts: bool,
}

/// How full a lane is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) limit: usize,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    /// Turned away since the start.
    pub(crate) shed: u64,
    pub(crate) overloaded: bool,
}

impl Lane {
    pub(crate) fn new(gradient: Gradient) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner {
            gradient,
            running: 0,
            queues: Default::default(),
            waiting: 0,
            empty: Instant::now(),
            turns: 0,
            shed: 0,
        })))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When there is none within the patience of the class.
    pub(crate) async fn enter(self: &Arc<Self>, class: Class, key: u64, route: Route) -> Result<Turn, Shed> {
        let (place, patience) = {
            let mut inner = self.lock();
            let now = Instant::now();
            if inner.waiting == 0 {
                inner.empty = now;
                if inner.running < inner.gradient.limit() {
                    inner.running += 1;
                    return Ok(self.turn(route));
                }
            }
            let overloaded = inner.overloaded(now);
            match inner.join(class, key) {
                Some(place) => {
                    let lane = Arc::clone(self);
                    (Waiting { lane, class, key, place }, class.patience(overloaded))
                }
                None => {
                    inner.shed += 1;
                    return Err(Shed);
                }
            }
        };
        let mut place = place;
        match timeout(patience, &mut place.place).await {
            Ok(Ok(())) => {
                // The turn is ours: `place` is dropped with nothing left to give back.
                Ok(self.turn(route))
            }
            Ok(Err(_)) | Err(_) => {
                self.lock().shed += 1;
                Err(Shed)
            }
        }
    }

    pub(crate) fn load(&self) -> Load {
        let inner = self.lock();
        Load {
            limit: inner.gradient.limit(),
            running: inner.running,
            waiting: inner.waiting,
            shed: inner.shed,
            overloaded: inner.overloaded(Instant::now()),
        }
    }

    fn turn(self: &Arc<Self>, route: Route) -> Turn {
        Turn { lane: Arc::clone(self), route, began: Instant::now(), counts: true }
    }

    fn leave(&self, latency: Option<(Route, Duration)>) {
        let mut inner = self.lock();
        let (running, calm) = (inner.running, inner.waiting == 0);
        if let Some((route, latency)) = latency {
            inner.gradient.sample(route, latency, running, calm);
        }
        inner.running = running.saturating_sub(1);
        inner.hand_out();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn overloaded(&self, now: Instant) -> bool {
        self.waiting > 0 && now.saturating_duration_since(self.empty) > INTERVAL
    }

    /// A place in the queue; none when there are too many, all of them at least as urgent.
    fn join(&mut self, class: Class, key: u64) -> Option<oneshot::Receiver<()>> {
        if self.waiting >= (self.gradient.limit() * 8).clamp(64, 2048) && !self.make_room(class) {
            return None;
        }
        let queue = self.queues.get_mut(class.index())?;
        let own = queue.keys.entry(key).or_default();
        if own.len() >= PER_KEY {
            return None;
        }
        if own.is_empty() {
            queue.order.push_back(key);
        }
        let (wake, place) = oneshot::channel();
        own.push_back(wake);
        self.waiting += 1;
        Some(place)
    }

    /// Sends away one who is less urgent.
    fn make_room(&mut self, class: Class) -> bool {
        let less_urgent = self.queues.iter_mut().skip(class.index() + 1).rev();
        for queue in less_urgent {
            if let Some(waiter) = queue.next(true) {
                // Dropped, it tells its receiver that there will be no turn.
                drop(waiter);
                self.waiting = self.waiting.saturating_sub(1);
                return true;
            }
        }
        false
    }

    /// Strikes out those of a key who have left.
    fn strike(&mut self, class: Class, key: u64) {
        let Some(queue) = self.queues.get_mut(class.index()) else { return };
        let Some(own) = queue.keys.get_mut(&key) else { return };
        let before = own.len();
        own.retain(|waiter| !waiter.is_closed());
        self.waiting = self.waiting.saturating_sub(before - own.len());
        if own.is_empty() {
            queue.keys.remove(&key);
            queue.order.retain(|other| *other != key);
        }
    }

    /// Gives free turns to those who wait.
    fn hand_out(&mut self) {
        let now = Instant::now();
        while self.running < self.gradient.limit() && self.waiting > 0 {
            self.turns += 1;
            let overloaded = self.overloaded(now);
            let waiter = if self.turns.is_multiple_of(CHARITY) {
                self.queues.iter_mut().rev().find_map(|queue| queue.next(overloaded))
            } else {
                let newest_first = |at: usize| overloaded && at == Class::Anonymous.index();
                self.queues.iter_mut().enumerate().find_map(|(at, queue)| queue.next(newest_first(at)))
            };
            let Some(waiter) = waiter else {
                self.waiting = 0;
                break;
            };
            self.waiting = self.waiting.saturating_sub(1);
            if waiter.send(()).is_ok() {
                self.running += 1;
            }
        }
        if self.waiting == 0 {
            self.empty = now;
        }
    }
}

impl Queue {
    /// The next who waits: of the key whose turn it is, or of the key that came last.
    fn next(&mut self, newest: bool) -> Option<oneshot::Sender<()>> {
        loop {
            let key = if newest { self.order.pop_back() } else { self.order.pop_front() }?;
            let Some(own) = self.keys.get_mut(&key) else { continue };
            let waiter = own.pop_front();
            match own.is_empty() {
                true => drop(self.keys.remove(&key)),
                false if newest => self.order.push_front(key),
                false => self.order.push_back(key),
            }
            if waiter.is_some() {
                return waiter;
            }
        }
    }
}

/// A place in a queue. Left early, with a turn already given, it gives the turn back.
struct Waiting {
    lane: Arc<Lane>,
    class: Class,
    key: u64,
    place: oneshot::Receiver<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.place.close();
        match self.place.try_recv() {
            Ok(()) => self.lane.leave(None),
            Err(_) => self.lane.lock().strike(self.class, self.key),
        }
    }
}

impl Turn {
    /// The answer waited for something else than our own work: its time says nothing.
    pub(crate) fn says_nothing(&mut self) {
        self.counts = false;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lane.leave(self.counts.then(|| (self.route, self.began.elapsed())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(limit: usize) -> Arc<Lane> {
        Lane::new(Gradient::new(limit, limit, limit))
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_known_goes_before_who_is_not() {
        let lane = lane(1);
        let turn = lane.enter(Class::Anonymous, 1, Route::Send).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (class, key) in [
            (Class::Anonymous, 2),
            (Class::Anonymous, 3),
            (Class::Fresh, 4),
            (Class::Established, 5),
            (Class::Staff, 6),
        ] {
            let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let turn = lane.enter(class, key, Route::Send).await.unwrap();
                order.lock().unwrap().push(key);
                drop(turn);
            }));
            tokio::task::yield_now().await;
        }
        drop(turn);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [6, 5, 4, 2, 3]);
        assert_eq!(lane.load().running, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_greedy_key_waits_in_its_own_line() {
        let lane = lane(1);
        let turn = lane.enter(Class::Fresh, 9, Route::Send).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for key in [1, 1, 1, 1, 1, 1, 2, 3] {
            let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let turn = lane.enter(Class::Fresh, key, Route::Send).await.unwrap();
                order.lock().unwrap().push(key);
                drop(turn);
            }));
            tokio::task::yield_now().await;
        }
        drop(turn);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 1, 1, 1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_shrinks_in_an_overload() {
        let lane = lane(1);
        let turn = lane.enter(Class::Anonymous, 1, Route::Send).await.unwrap();
        let start = Instant::now();
        assert_eq!(lane.enter(Class::Anonymous, 2, Route::Send).await.unwrap_err(), Shed);
        assert_eq!(start.elapsed(), Duration::from_millis(500));
        // Somebody of the house keeps waiting: the queue has not been empty for a while.
        let waiting = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.enter(Class::Staff, 3, Route::Send).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_millis(600)).await;
        let start = Instant::now();
        assert!(lane.load().overloaded);
        assert_eq!(lane.enter(Class::Anonymous, 2, Route::Send).await.unwrap_err(), Shed);
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        drop(turn);
        waiting.await.unwrap().unwrap();
        assert_eq!((lane.load().running, lane.load().shed), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_makes_room_for_the_urgent_only() {
        let lane = lane(1);
        let _turn = lane.enter(Class::Anonymous, 0, Route::Send).await.unwrap();
        let mut crowd = Vec::new();
        for key in 1..=64 {
            let lane = Arc::clone(&lane);
            crowd.push(tokio::spawn(
                async move { lane.enter(Class::Anonymous, key, Route::Send).await.is_ok() },
            ));
        }
        while lane.load().waiting < 64 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            lane.enter(Class::Anonymous, 99, Route::Send).await.unwrap_err(),
            Shed,
            "no room for one more like them"
        );
        let urgent = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.enter(Class::Established, 7, Route::Send).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(lane.load().waiting, 64);
        drop(_turn);
        assert!(urgent.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_left_early_loses_no_turn() {
        let lane = lane(1);
        for _ in 0..50 {
            let turn = lane.enter(Class::Fresh, 1, Route::Send).await.unwrap();
            let waiting = tokio::spawn({
                let lane = Arc::clone(&lane);
                async move { lane.enter(Class::Fresh, 2, Route::Send).await.map(drop) }
            });
            tokio::task::yield_now().await;
            drop(turn);
            waiting.abort();
            let _ = waiting.await;
            assert_eq!(lane.load().running, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_are_not_never() {
        let lane = lane(1);
        let served = Arc::new(Mutex::new(0));
        let turn = lane.enter(Class::Staff, 0, Route::Send).await.unwrap();
        let nobody = tokio::spawn({
            let (lane, served) = (Arc::clone(&lane), Arc::clone(&served));
            async move {
                let turn = lane.enter(Class::Anonymous, 1, Route::Send).await;
                *served.lock().unwrap() += usize::from(turn.is_ok());
            }
        });
        tokio::task::yield_now().await;
        let crowd: Vec<_> = (0..40u64)
            .map(|key| {
                let lane = Arc::clone(&lane);
                tokio::spawn(async move {
                    let _turn = lane.enter(Class::Established, key, Route::Send).await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(turn);
        for task in crowd {
            task.await.unwrap();
        }
        nobody.await.unwrap();
        assert_eq!(*served.lock().unwrap(), 1);
    }
}
