//! Which budgets a request takes from: those of whoever asks, and of what is asked for.

use kernel::Timestamp;

use super::lane::Class;
use super::rate::{Buckets, Rate};
use super::standing::Standing;
use super::turned::{Because, Turned};
use super::{Admission, Route, Settings, Visit};

/// What a request takes from one budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) because: Because,
    pub(super) key: u64,
    pub(super) rate: Rate,
    pub(super) units: f64,
}

impl Charge {
    fn signs_in(&self) -> bool {
        matches!(self.because, Because::Login | Because::Logins)
    }
}

impl Admission {
    /// Takes from the budgets of whoever asks, and of what is asked for.
    pub(super) fn budgets(&self, settings: &Settings, visit: &Visit, now: Timestamp) -> Result<(), Turned> {
        self.charges(settings, visit, now)
            .filter(|charge| !charge.signs_in())
            .try_for_each(|c| self.take(c, now))
    }

    /// And from those of signing in: of the subscriber, and of all strangers or all friends together.
    pub(super) fn sign_ins(&self, settings: &Settings, visit: &Visit, now: Timestamp) -> Result<(), Turned> {
        if visit.route != Route::Login {
            return Ok(());
        }
        self.charges(settings, visit, now).filter(Charge::signs_in).try_for_each(|c| self.take(c, now))
    }

    fn take(&self, Charge { because, key, rate, units }: Charge, now: Timestamp) -> Result<(), Turned> {
        let took = self.bucket(because).take(key, rate, units, now);
        took.map_err(|wait| Turned::back_in(because, wait))
    }

    /// Where a budget is remembered: what many have together apart from what each has.
    pub(super) fn bucket(&self, because: Because) -> &Buckets {
        match because {
            Because::Bot | Because::Tenant | Because::Logins | Because::Place | Because::Measure => {
                &self.0.purses
            }
            _ => &self.0.requests,
        }
    }

    /// The budgets that a request takes from.
    pub(super) fn charges(
        &self,
        settings: &Settings,
        visit: &Visit,
        now: Timestamp,
    ) -> impl Iterator<Item = Charge> + use<> {
        let config = &settings.config;
        let Visit { door, route, class, key, known, address, keys: [party, site, ..], .. } = *visit;
        let price = route.price();
        let charge = |because, key, rate, units| Some(Charge { because, key, rate, units });
        let (mut all, mut places) = ([None; 5], Vec::new());
        if self.decided(address, now) == Some(true) {
            return all.into_iter().flatten().chain(places);
        }
        let [first, second, third, login, logins] = &mut all;
        match known {
            None => {
                *first = charge(Because::Address, party, config.address, price);
                *second = charge(Because::Network, site, config.network, price);
                let limits = settings.access.limits(door, route, address).into_iter();
                places.extend(limits.map(|(place, rate)| Charge {
                    because: Because::Place,
                    key: self.key(("place", place)),
                    rate,
                    units: price,
                }));
            }
            Some(known) => {
                *first = charge(Because::Credential, key, config.credential, price);
                if known.standing != Standing::Staff && known.bot != 0 {
                    *second = charge(Because::Bot, self.key(("bot", known.bot)), config.bot, price);
                }
                if known.standing != Standing::Staff && known.tenant != 0 {
                    let tenant = self.key(("tenant", known.tenant));
                    *third = charge(Because::Tenant, tenant, config.tenant, price);
                }
            }
        }
        if route == Route::Login && class > Class::Established {
            *login = charge(Because::Login, self.key(("login", party)), config.login, 1.0);
            let purse = self.key(("logins", self.is_friend(address)));
            *logins = charge(Because::Logins, purse, config.logins, 1.0);
        }
        all.into_iter().flatten().chain(places)
    }
}
