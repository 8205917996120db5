//! Rehearsals: seconds of traffic, made up, and what is found in them.

use super::*;

const BUDGETS: Budgets = Budgets { address: 50.0, network: 250.0, connections: 20.0 };

struct Stage {
    detector: Detector,
    second: u64,
    found: Vec<(Dimension, String, Step)>,
    seed: u64,
}

/// One kind of visitor.
#[derive(Clone, Copy)]
struct Cast {
    /// Requests each second.
    rate: u64,
    /// Addresses they come from.
    sources: u64,
    first: u64,
    print: u64,
    known: bool,
    refused: bool,
    failed: bool,
}

impl Stage {
    fn new() -> Self {
        Self { detector: Detector::new(), second: 0, found: Vec::new(), seed: 1 }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below.max(1)
    }

    fn play(&mut self, seconds: u64, pressed: bool, casts: &[Cast]) {
        for _ in 0..seconds {
            for cast in casts {
                let some = cast.rate * 3 / 4 + self.draw(cast.rate / 2);
                for _ in 0..some {
                    let source = cast.first + self.draw(cast.sources);
                    let path = 1 + self.draw(4);
                    let print = if cast.print == 0 { 100 + self.draw(5) } else { cast.print };
                    let keys = [source, 1_000_000 + source / 8, print, print + 1000, path];
                    self.detector.count(&Sample {
                        keys,
                        label: &|dimension| format!("{}", keys[dimension.index()]),
                        class: usize::from(!cast.known) * 3,
                        known: cast.known,
                        refused: cast.refused.then_some(Because::Address),
                        route: Some(Route::Page),
                    });
                    if cast.failed {
                        self.detector.amend(keys, None);
                    }
                }
            }
            self.second += 1;
            let now = Timestamp::from_millis(self.second * 1000);
            let findings = self.detector.tick(pressed, BUDGETS, now);
            for change in findings.changes.iter().filter(|change| !change.ended) {
                self.found.push((change.dimension, change.measure.label.clone(), change.measure.step));
            }
        }
    }
}

/// People: three in four are in a conversation already.
const PEOPLE: [Cast; 2] = [
    Cast { rate: 40, sources: 400, first: 10_000, print: 0, known: true, refused: false, failed: false },
    Cast { rate: 14, sources: 400, first: 10_000, print: 0, known: false, refused: false, failed: false },
];

fn times(casts: [Cast; 2], factor: u64) -> Vec<Cast> {
    casts.map(|cast| Cast { rate: cast.rate * factor, sources: cast.sources * factor, ..cast }).to_vec()
}

#[test]
fn ordinary_days_raise_nothing() {
    let mut stage = Stage::new();
    for hour in 0..40u64 {
        // Up to three times as much by day as by night.
        let casts = PEOPLE.map(|cast| Cast { rate: cast.rate * (4 + hour % 9) / 4, ..cast });
        stage.play(60, false, &casts);
    }
    assert!(stage.found.is_empty(), "{:?}", stage.found);
    assert_eq!(stage.detector.state, State::Calm);
}

#[test]
fn one_address_that_floods_is_found_within_two_seconds_and_nobody_else() {
    let mut stage = Stage::new();
    stage.play(60, false, &PEOPLE);
    let flood =
        Cast { rate: 500, sources: 1, first: 77, print: 9, known: false, refused: true, failed: false };
    stage.play(2, false, &[PEOPLE[0], PEOPLE[1], flood]);
    assert!(
        stage.found.contains(&(Dimension::Address, "77".to_owned(), Step::Throttle)),
        "{:?}",
        stage.found
    );
    stage.play(10, false, &[PEOPLE[0], PEOPLE[1], flood]);
    assert!(stage.found.contains(&(Dimension::Address, "77".to_owned(), Step::Deny)));
    let others = stage.found.iter().filter(|(d, label, _)| match d {
        Dimension::Address => label != "77",
        Dimension::Network => true,
        _ => false,
    });
    assert_eq!(others.count(), 0, "its neighbours do not pay: {:?}", stage.found);
    stage.play(120, false, &PEOPLE);
    assert!(stage.detector.measures.all().count() == 0 && stage.detector.state == State::Calm);
}

#[test]
fn a_botnet_is_found_by_what_its_members_share() {
    let mut stage = Stage::new();
    stage.play(60, false, &PEOPLE);
    let bots = Cast {
        rate: 1000,
        sources: 5000,
        first: 100_000,
        print: 9,
        known: false,
        refused: false,
        failed: false,
    };
    stage.play(5, true, &[PEOPLE[0], PEOPLE[1], bots]);
    assert!(
        stage.found.iter().any(|(d, label, _)| *d == Dimension::Fingerprint && label == "9"),
        "{:?}",
        stage.found
    );
    assert!(
        stage.found.iter().all(|(d, label, _)| match d {
            Dimension::Fingerprint => label == "9",
            Dimension::Agent => label == "1009",
            _ => false,
        }),
        "{:?}",
        stage.found
    );
    assert_eq!(stage.detector.state, State::Attack);
    assert!(stage.detector.attack_began().is_some());
}

#[test]
fn an_honest_crowd_is_not_an_attack() {
    let mut stage = Stage::new();
    stage.play(60, false, &PEOPLE);
    stage.play(60, true, &times(PEOPLE, 10));
    assert!(stage.found.is_empty(), "{:?}", stage.found);
    assert_eq!(stage.detector.state, State::Elevated);
}

#[test]
fn a_company_behind_one_address_is_not_a_flood() {
    let mut stage = Stage::new();
    let office = Cast { sources: 1, first: 5, rate: 150, ..PEOPLE[0] };
    let turned = Cast { sources: 1, first: 5, rate: 60, known: false, refused: true, ..PEOPLE[0] };
    stage.play(60, false, &[PEOPLE[0], PEOPLE[1], office]);
    stage.play(30, false, &[PEOPLE[0], PEOPLE[1], office, turned]);
    assert!(stage.found.iter().all(|(d, _, _)| *d != Dimension::Address), "{:?}", stage.found);
}

#[test]
fn memory_does_not_grow_with_sources() {
    let mut stage = Stage::new();
    let flood = Cast {
        rate: 20_000,
        sources: u64::MAX / 4,
        first: 1,
        print: 0,
        known: false,
        refused: true,
        failed: true,
    };
    stage.play(5, true, &[flood]);
    for (sketch, usual) in stage.detector.recent.iter().zip(&stage.detector.usual) {
        assert!(sketch.counters().len() <= KEYS && usual.len() <= KEYS * 8);
    }
}
