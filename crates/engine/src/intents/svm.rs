//! A linear support vector machine with squared hinge loss, one class against the rest, solved in the
//! dual by coordinate descent with shrinking (Hsieh et al., "A Dual Coordinate Descent Method for
//! Large-scale Linear SVM", ICML 2008, algorithm 3). The order of the coordinates comes from a fixed
//! generator, and every class is solved by itself, so the weights do not depend on the number of
//! threads.

use std::panic::resume_unwind;

/// Texts as rows of sparse numbers.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: Vec<u32>,
    values: Vec<f32>,
    /// Where each row begins; one more entry than rows.
    starts: Vec<usize>,
    /// Columns there are.
    width: usize,
}

impl Rows {
    /// No rows yet, of `width` columns.
    pub(super) fn new(width: usize) -> Self {
        Self { starts: vec![0], width, ..Self::default() }
    }

    /// Adds a row. Columns past the width are left out.
    pub(super) fn push(&mut self, row: impl Iterator<Item = (u32, f32)>) {
        for (column, value) in row {
            if usize::try_from(column).is_ok_and(|column| column < self.width) {
                self.columns.push(column);
                self.values.push(value);
            }
        }
        self.starts.push(self.columns.len());
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn row(&self, at: usize) -> (&[u32], &[f32]) {
        let (Some(&from), Some(&to)) = (self.starts.get(at), self.starts.get(at + 1)) else {
            return (&[], &[]);
        };
        (self.columns.get(from..to).unwrap_or_default(), self.values.get(from..to).unwrap_or_default())
    }
}

/// How hard to try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solver {
    /// The price of a violated margin (C in the literature).
    pub(super) cost: f32,
    /// Stop when no coordinate wants to move further than this.
    pub(super) tolerance: f32,
    /// Stop after this many passes anyway.
    pub(super) passes: usize,
    /// Where the order of coordinates comes from.
    pub(super) seed: u64,
}

/// One class against the rest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    /// A weight for each column.
    pub(super) weights: Vec<f32>,
    /// The score of a text that has none of the columns.
    pub(super) bias: f32,
}

/// SplitMix64: the order of coordinates needs evenness, not secrecy.
struct Order(u64);

impl Order {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from((u128::from(z) * u128::from(bound)) >> 64).unwrap_or(0)
    }
}

/// Finds the plane between the rows for which `positive` is true and the others.
pub(super) fn separate(rows: &Rows, positive: &[bool], solver: Solver) -> Plane {
    let count = rows.len().min(positive.len());
    let diagonal = 0.5 / solver.cost;
    // One column more, always 1, is the bias.
    let norms: Vec<f32> =
        (0..count).map(|at| diagonal + 1.0 + rows.row(at).1.iter().map(|v| v * v).sum::<f32>()).collect();
    let mut plane = Plane { weights: vec![0.0; rows.width], bias: 0.0 };
    let mut duals = vec![0.0f32; count];
    let mut active: Vec<usize> = (0..count).collect();
    let mut order = Order(solver.seed);
    // The largest projected gradient of the last pass: a coordinate at its bound that pulls further
    // out than this is set aside.
    let mut bound = f32::INFINITY;

    for _ in 0..solver.passes {
        for at in (1..active.len()).rev() {
            active.swap(at, order.below(at + 1));
        }
        let (mut highest, mut lowest) = (f32::NEG_INFINITY, f32::INFINITY);
        let limit = bound;
        active.retain(|&at| {
            let (Some(dual), Some(&norm)) = (duals.get_mut(at), norms.get(at)) else { return false };
            let sign = if positive.get(at).copied().unwrap_or(false) { 1.0 } else { -1.0 };
            let (columns, values) = rows.row(at);
            let gradient = sign * plane.score(columns, values) - 1.0 + diagonal * *dual;
            if *dual == 0.0 && gradient > limit {
                return false;
            }
            let pull = if *dual == 0.0 { gradient.min(0.0) } else { gradient };
            highest = highest.max(pull);
            lowest = lowest.min(pull);
            if pull.abs() > 1e-12 {
                let moved = (*dual - gradient / norm).max(0.0);
                let step = (moved - *dual) * sign;
                *dual = moved;
                plane.step(columns, values, step);
            }
            true
        });
        if highest - lowest <= solver.tolerance {
            if active.len() == count {
                break;
            }
            // The coordinates that were set aside get a last look.
            active = (0..count).collect();
            bound = f32::INFINITY;
            continue;
        }
        bound = if highest > 0.0 { highest } else { f32::INFINITY };
    }
    plane
}

impl Plane {
    fn score(&self, columns: &[u32], values: &[f32]) -> f32 {
        columns.iter().zip(values).fold(self.bias, |sum, (&column, value)| {
            sum + self.weights.get(column as usize).copied().unwrap_or(0.0) * value
        })
    }

    fn step(&mut self, columns: &[u32], values: &[f32], by: f32) {
        for (&column, value) in columns.iter().zip(values) {
            if let Some(weight) = self.weights.get_mut(column as usize) {
                *weight += by * value;
            }
        }
        self.bias += by;
    }
}

/// One plane per class: `of` says which class each row is of; `None` is of no class. Classes are
/// shared out over the machine's processors.
pub(super) fn separate_all(rows: &Rows, of: &[Option<u32>], classes: usize, solver: Solver) -> Vec<Plane> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(classes.max(1));
    let solve = |class: usize| {
        let class = u32::try_from(class).ok();
        let positive: Vec<bool> = of.iter().map(|of| of.is_some() && *of == class).collect();
        let seed = solver.seed.wrapping_add(u64::from(class.unwrap_or(0)));
        separate(rows, &positive, Solver { seed, ..solver })
    };
    let mut planes: Vec<(usize, Plane)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || {
                    (first..classes).step_by(threads).map(|class| (class, solve(class))).collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|e| resume_unwind(e)));
        joined.flatten().collect()
    });
    planes.sort_by_key(|(class, _)| *class);
    planes.into_iter().map(|(_, plane)| plane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLVER: Solver = Solver { cost: 1.0, tolerance: 0.001, passes: 1000, seed: 1 };

    fn score(plane: &Plane, row: &[(u32, f32)]) -> f32 {
        let (columns, values): (Vec<u32>, Vec<f32>) = row.iter().copied().unzip();
        plane.score(&columns, &values)
    }

    #[test]
    fn a_plane_lies_between_what_can_be_separated() {
        let mut rows = Rows::new(3);
        let texts = [[(0, 1.0), (2, 0.1)], [(0, 0.9), (1, 0.1)], [(1, 1.0), (2, 0.2)], [(1, 0.8), (2, 0.4)]];
        for text in &texts {
            rows.push(text.iter().copied());
        }
        let plane = separate(&rows, &[true, true, false, false], SOLVER);
        let signs: Vec<bool> = texts.iter().map(|text| score(&plane, text) > 0.0).collect();
        assert_eq!(signs, [true, true, false, false]);
    }

    #[test]
    fn the_plane_is_where_the_primal_is_flat() {
        // In the optimum of the squared hinge, w = 2C * sum(max(0, 1 - y f(x)) y x).
        let mut rows = Rows::new(2);
        let texts = [[(0, 1.0), (1, 0.2)], [(0, 0.3), (1, 0.9)], [(0, 0.6), (1, 0.5)]];
        for text in &texts {
            rows.push(text.iter().copied());
        }
        let labels = [true, false, true];
        let plane = separate(&rows, &labels, Solver { tolerance: 1e-6, ..SOLVER });
        let mut expected = [0.0f32; 2];
        for (text, label) in texts.iter().zip(labels) {
            let sign = if label { 1.0 } else { -1.0 };
            let slack = (1.0 - sign * score(&plane, text)).max(0.0);
            for (column, value) in text {
                expected[*column as usize] += 2.0 * slack * sign * value;
            }
        }
        for (found, expected) in plane.weights.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
    }

    #[test]
    fn the_same_rows_make_the_same_planes() {
        let mut rows = Rows::new(8);
        for at in 0..40u32 {
            rows.push([(at % 8, 1.0), ((at * 3) % 7, 0.5)].into_iter());
        }
        let of: Vec<Option<u32>> = (0..40).map(|at| Some(at % 4)).collect();
        assert_eq!(separate_all(&rows, &of, 4, SOLVER), separate_all(&rows, &of, 4, SOLVER));
    }
}
