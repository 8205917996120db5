//! The lanes of a door, and which of them a request goes by.

use std::sync::Arc;

use super::Visit;
use super::gradient::Gradient;
use super::lane::{Class, Lane, Shed, Turn};
use super::route::Route;
use super::settings::AdmissionConfig;

/// The lanes of a door.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Everything comes by here: what the urgent need, the others do not have.
    all: Arc<Lane>,
    /// Whoever came lately comes by here first. What is behind the lanes has a queue of its own, and who is
    /// in that is ahead of everybody, however urgent: a crowd at the door is to fill this lane and no more
    /// of the other than its own answers show that it may.
    newcomers: Arc<Lane>,
    logins: Arc<Lane>,
    costly: Arc<Lane>,
}

/// The turns of one request.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Turn,
    own: Option<Turn>,
}

impl Lanes {
    pub(super) fn new(config: &AdmissionConfig) -> Self {
        let lane = |first: usize, least: usize, most: usize| Lane::new(Gradient::new(first, least, most));
        Self {
            all: lane(config.concurrency, config.concurrency.min(4), config.concurrency_most),
            newcomers: lane(config.concurrency.min(4), config.concurrency.min(4), config.concurrency_most),
            logins: lane(config.logins_at_once.min(4), config.logins_at_once.min(4), config.logins_at_once),
            costly: lane(config.costly_at_once.min(4), config.costly_at_once.min(4), config.costly_at_once),
        }
    }

    pub(super) async fn turn(&self, visit: &Visit) -> Result<Turns, Shed> {
        let Visit { class, key, route, .. } = *visit;
        let own = match route {
            Route::Login => Some(self.logins.enter(class, key, route).await?),
            Route::Costly => Some(self.costly.enter(class, key, route).await?),
            _ if class > Class::Established => Some(self.newcomers.enter(class, key, route).await?),
            _ => None,
        };
        Ok(Turns { all: self.all.enter(class, key, route).await?, own })
    }

    /// The lanes with their names.
    pub(super) fn named(&self) -> [(&'static str, &Arc<Lane>); 4] {
        [
            ("all", &self.all),
            ("newcomers", &self.newcomers),
            ("login", &self.logins),
            ("costly", &self.costly),
        ]
    }
}

impl Turns {
    /// The answer waited for something else than our own work: its time says nothing.
    pub(crate) fn say_nothing(&mut self) {
        self.all.says_nothing();
        if let Some(own) = &mut self.own {
            own.says_nothing();
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::World;

    use super::*;
    use crate::admission::{AccessConfig, Admission, Door};

    #[tokio::test(start_paused = true)]
    async fn a_crowd_at_the_door_leaves_room_for_those_who_were_here() {
        let world = World::real();
        let admission = Admission::new(AdmissionConfig::default(), &AccessConfig::default(), &world).unwrap();
        let visit = |class, key| {
            let request = http::Request::get("/").body(()).unwrap();
            let address = std::net::Ipv4Addr::new(192, 0, 2, key).into();
            let visit = admission.request(Door::Public, &request, address, 0).unwrap();
            Visit { class, key: key.into(), ..visit }
        };
        let lanes = Lanes::new(&AdmissionConfig::default());
        let mut crowd = Vec::new();
        for key in 0..4 {
            crowd.push(lanes.turn(&visit(Class::Anonymous, key)).await.unwrap());
        }
        assert_eq!(lanes.turn(&visit(Class::Anonymous, 9)).await.unwrap_err(), Shed);
        for key in 10..20 {
            crowd.push(lanes.turn(&visit(Class::Established, key)).await.unwrap());
        }
        let loads = lanes.named().map(|(_, lane)| lane.load().running);
        assert_eq!(loads, [14, 4, 0, 0]);
        drop(crowd);
        assert!(lanes.named().iter().all(|(_, lane)| lane.load().running == 0));
    }
}
