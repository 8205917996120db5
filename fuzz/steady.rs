//! A runner of fuzz targets for the stable toolchain: inputs are mutated from seeds in an order that a number
//! decides, without feedback from coverage. What it finds it can find again. The same targets run under
//! libFuzzer with coverage: `cargo +nightly fuzz run TARGET` in this folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One target: its name, what it does with an input, and inputs to begin with.
pub(crate) type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// Longest input.
const LONGEST: usize = 4096;
/// Inputs kept to be changed again.
const KEPT: usize = 512;

/// `[SECONDS [SEED [TARGET]]]`: runs all targets, or one, for so long each; as many at once as there are
/// processors.
pub(crate) fn main(targets: &[Target], pieces: &[&[u8]]) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| words.get(at).map_or(Ok(default), |word| word.parse::<u64>());
    let (Ok(seconds), Ok(seed)) = (number(0, 20), number(1, 1)) else {
        eprintln!("[SECONDS [SEED [TARGET]]]");
        return ExitCode::from(2);
    };
    let chosen: Vec<&Target> =
        targets.iter().filter(|(name, ..)| words.get(2).is_none_or(|wanted| wanted == name)).collect();
    let each = Duration::from_secs(seconds);
    let (next, broken) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(input) = run(target, pieces, seed, each) {
                        eprintln!("{}: this input broke it: {}", target.0, input.escape_ascii());
                        broken.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    if broken.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(target: &Target, pieces: &[&[u8]], seed: u64, time: Duration) -> Result<(), Vec<u8>> {
    let (name, work, seeds) = target;
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut kept: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    kept.push(Vec::new());
    // What is made ready once is no input's time.
    let _ = catch_unwind(AssertUnwindSafe(|| work(b"")));
    let begun = Instant::now();
    let (mut runs, mut slowest, mut longest) = (0_u64, Duration::ZERO, 0);
    let mut next: Vec<Vec<u8>> = kept.clone();
    while begun.elapsed() < time {
        let input = next.pop().unwrap_or_else(|| dice.change(seeds, &kept, pieces));
        let before = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| work(&input))).is_err() {
            return Err(input);
        }
        slowest = slowest.max(before.elapsed());
        longest = longest.max(input.len());
        runs += 1;
        if dice.one_in(16) {
            if kept.len() < KEPT {
                kept.push(input);
            } else if let Some(place) = kept.get_mut(dice.below(KEPT)) {
                *place = input;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("  {name:<18} {runs:>9} inputs in {seconds:>6.1} s, up to {longest} bytes, slowest {slowest:?}");
    Ok(())
}

/// A small generator: what it gives depends on its seed alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() >> 33).unwrap_or(0) % end.max(1)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    fn pick<'a, T: ?Sized>(&mut self, from: &'a [impl AsRef<T>]) -> Option<&'a T> {
        from.get(self.below(from.len())).map(AsRef::as_ref)
    }

    /// A known input, changed in a few places. Every other one is a seed: what was changed a thousand times
    /// is refused at its first byte.
    fn change(&mut self, seeds: &[&[u8]], kept: &[Vec<u8>], pieces: &[&[u8]]) -> Vec<u8> {
        let from_seed = self.one_in(2);
        let known = if from_seed { self.pick::<[u8]>(seeds) } else { self.pick::<[u8]>(kept) };
        let mut input = known.unwrap_or_default().to_vec();
        for _ in 0..=self.below(5) {
            let at = self.below(input.len() + 1);
            let end = at + self.below((input.len() - at).min(64) + 1);
            match self.below(7) {
                0 => {
                    let byte = self.roll().to_le_bytes()[0];
                    input.insert(at, byte);
                }
                1 => {
                    let bit = 1 << self.below(8);
                    if let Some(byte) = input.get_mut(at) {
                        *byte ^= bit;
                    }
                }
                2 => drop(input.drain(at..end)),
                3 => {
                    let part = input[at..end].to_vec();
                    let part = part.repeat(1 + self.below(12));
                    input.splice(at..at, part);
                }
                4 => {
                    let other = self.pick::<[u8]>(seeds).unwrap_or_default().to_vec();
                    let from = self.below(other.len() + 1);
                    input.splice(at..end, other[from..].iter().copied());
                }
                _ => {
                    let piece = self.pick::<[u8]>(pieces).unwrap_or_default().to_vec();
                    input.splice(at..at, piece);
                }
            }
            input.truncate(LONGEST);
        }
        input
    }
}
