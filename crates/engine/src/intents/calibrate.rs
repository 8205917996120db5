//! From scores to a probability that can be believed. Scores of texts that the classifier was *not*
//! trained on are held against whether it was right; a logistic curve through them (Platt, 1999, on
//! two numbers instead of one) says how often it is right at such a score. With few such texts the
//! curve stays near a prior that was read off two public collections of thousands of questions.

use super::codec::{ModelError, Reader, Writer};

/// The scores that tell how sure the classifier is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Margins {
    /// The highest score of any label.
    pub(super) best: f32,
    /// How far the second-best label is behind; 0 when there is none.
    pub(super) lead: f32,
}

/// A logistic curve over [`Margins`], and the best score below which a text is out of scope. The floor
/// is on the score alone: a lead tells one label from another, not a stranger from a friend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calibration {
    best: f32,
    lead: f32,
    offset: f32,
    floor: f32,
}

/// A held-out text: its scores, and whether the label was right.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldOut {
    pub(super) margins: Margins,
    pub(super) right: bool,
    /// Whether the text has a label at all.
    pub(super) in_scope: bool,
}

/// Where the curve stands before it has seen anything: about what Banking77 and CLINC150 teach (0.5,
/// 3.8, -0.2), but with more weight on the score, because neither of them holds out strangers.
const PRIOR: [f64; 3] = [1.5, 3.5, 0.3];

/// How many texts' worth of trust the prior has.
const TRUST: f64 = 4.0;

impl Calibration {
    /// The curve of the prior, which rejects nothing.
    pub(super) const PRIOR: Calibration =
        Calibration { best: PRIOR[0] as f32, lead: PRIOR[1] as f32, offset: PRIOR[2] as f32, floor: -2.0 };

    /// Fits the curve by Newton's method, then sets the floor so that it rejects the share `reject`
    /// of the texts that are in scope.
    pub(super) fn fit(texts: &[HeldOut], reject: f32) -> Self {
        if texts.is_empty() {
            return Self::PRIOR;
        }
        let mut curve = PRIOR;
        for _ in 0..30 {
            let step = newton_step(texts, curve);
            for (value, step) in curve.iter_mut().zip(step) {
                *value -= step.clamp(-2.0, 2.0);
            }
            if step.iter().all(|step| step.abs() < 1e-6) {
                break;
            }
        }
        let [best, lead, offset] = curve;
        // A higher score never makes an answer less likely to be right.
        let mut fitted = Self {
            best: best.max(0.1) as f32,
            lead: lead.max(0.0) as f32,
            offset: offset as f32,
            floor: -2.0,
        };
        let mut scores: Vec<f32> =
            texts.iter().filter(|text| text.in_scope).map(|text| text.margins.best).collect();
        scores.sort_by(f32::total_cmp);
        let rejected = (scores.len() as f32 * reject.clamp(0.0, 1.0)).floor() as usize;
        fitted.floor = scores.get(rejected).copied().unwrap_or(fitted.floor);
        fitted
    }

    /// How likely the best label is right.
    pub(super) fn probability(&self, margins: Margins) -> f32 {
        let logit = self.best * margins.best + self.lead * margins.lead + self.offset;
        1.0 / (1.0 + (-logit).exp())
    }

    /// How much of what is left goes to a label that is `behind` the best one: less the further it
    /// is behind.
    pub(super) fn share(&self, behind: f32) -> f32 {
        (-(self.best + self.lead) * behind.max(0.0)).exp()
    }

    /// The best score below which a text is out of scope.
    pub(super) fn floor(&self) -> f32 {
        self.floor
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        for real in [self.best, self.lead, self.offset, self.floor] {
            writer.real(real);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        let curve = Self {
            best: reader.real()?,
            lead: reader.real()?,
            offset: reader.real()?,
            floor: reader.real()?,
        };
        let sane = curve.best >= 0.0 && curve.lead >= 0.0;
        if sane { Ok(curve) } else { Err(ModelError::Damaged) }
    }
}

/// One step of Newton's method on the log loss plus the prior's pull.
fn newton_step(texts: &[HeldOut], curve: [f64; 3]) -> [f64; 3] {
    let mut gradient = [0.0f64; 3];
    let mut hessian = [[0.0f64; 3]; 3];
    for text in texts {
        let x = [f64::from(text.margins.best), f64::from(text.margins.lead), 1.0];
        let logit: f64 = x.iter().zip(curve).map(|(x, c)| x * c).sum();
        let p = 1.0 / (1.0 + (-logit).exp());
        let error = p - if text.right { 1.0 } else { 0.0 };
        let weight = p * (1.0 - p);
        for ((g, row), xi) in gradient.iter_mut().zip(&mut hessian).zip(x) {
            *g += error * xi;
            for (h, xj) in row.iter_mut().zip(x) {
                *h += weight * xi * xj;
            }
        }
    }
    for (at, ((g, row), (value, prior))) in
        gradient.iter_mut().zip(&mut hessian).zip(curve.into_iter().zip(PRIOR)).enumerate()
    {
        // Variances of 1 about the prior, as if a quarter of TRUST texts had been seen at p = 0.5.
        *g += TRUST * 0.25 * (value - prior);
        if let Some(h) = row.get_mut(at) {
            *h += TRUST * 0.25;
        }
    }
    solve(hessian, gradient)
}

/// Solves a symmetric positive definite system of three equations by Cramer's rule.
fn solve(m: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    let det = |m: [[f64; 3]; 3]| {
        let [[a, b, c], [d, e, f], [g, h, i]] = m;
        a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    };
    let whole = det(m);
    if whole.abs() < 1e-12 {
        return [0.0; 3];
    }
    let [v0, v1, v2] = v;
    let [[a, b, c], [d, e, f], [g, h, i]] = m;
    [
        det([[v0, b, c], [v1, e, f], [v2, h, i]]) / whole,
        det([[a, v0, c], [d, v1, f], [g, v2, i]]) / whole,
        det([[a, b, v0], [d, e, v1], [g, h, v2]]) / whole,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(best: f32, lead: f32, right: bool) -> HeldOut {
        HeldOut { margins: Margins { best, lead }, right, in_scope: true }
    }

    #[test]
    fn the_curve_says_how_often_the_classifier_is_right() {
        let texts: Vec<HeldOut> = (0..1000)
            .map(|at| {
                if at % 2 == 0 { held_out(0.5, 0.9, at % 20 != 0) } else { held_out(-0.5, 0.1, at % 10 == 1) }
            })
            .collect();
        let curve = Calibration::fit(&texts, 0.05);
        assert!((curve.probability(Margins { best: 0.5, lead: 0.9 }) - 0.9).abs() < 0.02);
        assert!((curve.probability(Margins { best: -0.5, lead: 0.1 }) - 0.2).abs() < 0.02);
    }

    #[test]
    fn a_handful_of_lucky_texts_does_not_make_certainty() {
        let texts = [held_out(0.1, 0.3, true), held_out(-0.2, 0.2, true), held_out(0.0, 0.4, true)];
        let curve = Calibration::fit(&texts, 0.05);
        assert!(curve.probability(Margins { best: -0.9, lead: 0.0 }) < 0.5);
        assert!(curve.probability(Margins { best: 0.3, lead: 0.5 }) < 0.99);
    }

    #[test]
    fn the_floor_rejects_the_share_asked_for() {
        let texts: Vec<HeldOut> =
            (0..200).map(|at| held_out(at as f32 / 100.0 - 1.0, 0.1, at > 20)).collect();
        let curve = Calibration::fit(&texts, 0.05);
        let rejected = texts.iter().filter(|text| text.margins.best < curve.floor()).count();
        assert_eq!(rejected, 10);
    }
}
