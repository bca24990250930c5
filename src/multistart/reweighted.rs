//! Comes near a minimum of the sum of errors `‖G(z) − x‖₁` or of the largest error `‖G(z) − x‖_∞`
//! by squares, before linear programs find the minimum itself: a step costs what one of least
//! squares costs, a hundredth of a program.
//!
//! **The sum** is smoothed: an error `r` counts as `|r|`, but below `μ` as `r²/2μ + μ/2` (Huber).
//! At the errors `r` of a code, `½ Σ w r² + const` with `w = 1/max(|r|, μ)` touches the smoothed
//! sum from above, so that a step that lowers the one lowers the other (iteratively reweighted
//! least squares; Green, *Iteratively reweighted least squares for maximum likelihood estimation*,
//! 1984). `μ` falls in stages, each from where the one before became slow. The sum lies between the
//! smoothed one and `½ n μ` below it.
//!
//! **The largest error** is at most `(Σ |r|^p)^(1/p)`, and at least that divided by `n^(1/p)`. The
//! sum of powers is `Σ s²` with `s = |r|^(p/2)`, least squares that are not linear; `p` doubles
//! from stage to stage. Errors are shares of the largest, so that no power overflows.

use super::local_search::LocalSearch;
use super::objective::Objective;
use crate::marquardt::{ARMIJO, FIRST_DAMPING, MOST_DAMPING, relaxation};

/// `μ` of the stages, as shares of the mean error. After the last the sum is within 5e-4 of the
/// smoothed one.
const WIDTHS: [f64; 4] = [1.0, 0.1, 1e-2, 1e-3];
/// `μ` of the stage for codes that are compared with known minima.
const LAST_WIDTH: f64 = 1e-5;
/// `p` of the stages. With 64 a thousand entries leave 11 % between the two bounds, which only
/// equal errors attain.
const POWERS: [i32; 6] = [2, 4, 8, 16, 32, 64];
/// `p` of the stage for codes that are compared with known minima.
const LAST_POWER: i32 = 256;
/// A stage ends with a step that lowers its measure by at most this share.
const SLOW: f64 = 1e-3;
/// Maximum number of steps of a stage, rejected ones included.
const STEPS: usize = 40;

/// What one stage lowers.
#[derive(Debug, Clone, Copy)]
enum Measure {
    /// The smoothed sum of errors times the size, with `μ` and the size. The size makes the weights
    /// numbers without a unit, whose roots are the same in every unit.
    Sum(f64, f64),
    /// `½ Σ |r/size|^p`, with an even `p` and the size.
    Power(i32, f64),
}

impl Measure {
    /// The part of one error.
    fn of(self, error: f64) -> f64 {
        match self {
            Measure::Sum(width, size) if error.abs() < width => 0.5 * size * (error * error / width + width),
            Measure::Sum(_, size) => size * error.abs(),
            Measure::Power(power, size) => 0.5 * (error / size).powi(power),
        }
    }

    /// The squares that stand for it at this error: the factor of the row of `J`, and the residual.
    fn row(self, error: f64) -> (f64, f64) {
        match self {
            Measure::Sum(width, size) => {
                let root = (size / error.abs().max(width)).sqrt();
                (root, root * error)
            }
            Measure::Power(power, size) => {
                let (share, half) = (error.abs() / size, power / 2);
                (f64::from(half) * share.powi(half - 1) / size, share.powi(half) * error.signum())
            }
        }
    }
}

impl LocalSearch<'_> {
    /// Descends from the current code to the neighbourhood of a local minimum of `objective`: the
    /// sum or the largest of the errors.
    pub(super) fn approach(&mut self, objective: Objective, observation: &[f64]) {
        let stages = match objective {
            Objective::L1 => WIDTHS.len(),
            _ => POWERS.len(),
        };
        for stage in 0..stages {
            let of_stage = match objective {
                Objective::L1 => WIDTHS[stage],
                _ => f64::from(POWERS[stage]),
            };
            if !self.lower(objective, of_stage, observation) {
                return;
            }
        }
    }

    /// A stage more, for a code that [`Self::approach`] has reached: nearer to the minimum, so that
    /// it usually lies in a region that has the minimum on its border.
    pub(super) fn approach_further(&mut self, objective: Objective, observation: &[f64]) {
        let last = if objective == Objective::L1 { LAST_WIDTH } else { f64::from(LAST_POWER) };
        self.lower(objective, last, observation);
    }

    /// One stage, with `μ` as a share of the mean error, or with `p`. False where nothing is left
    /// to lower.
    fn lower(&mut self, objective: Objective, of_stage: f64, observation: &[f64]) -> bool {
        let misfit = self.misfit(objective, observation);
        if !(misfit > 0.0 && misfit.is_finite()) {
            return false;
        }
        let measure = if objective == Objective::L1 {
            let observed = observation.iter().filter(|x| !x.is_nan()).count();
            let mean = misfit / observed as f64;
            Measure::Sum(of_stage * mean, mean)
        } else {
            Measure::Power(of_stage as i32, misfit)
        };
        self.lower_measure(measure, observation);
        true
    }

    fn lower_measure(&mut self, measure: Measure, observation: &[f64]) {
        let mut sum = self.measured(measure, observation, false);
        let (mut damping, mut growth, mut tried) = (None, 2.0, 0);
        while tried < STEPS {
            self.region.take(self.network, &self.current);
            let row = |error: f64| measure.row(error);
            if !self.linear.form_weighted(self.network, &self.current, &self.region, observation, row) {
                return;
            }
            let scale = self.linear.scale();
            let mut lambda: f64 = damping.unwrap_or(FIRST_DAMPING * scale);
            loop {
                tried += 1;
                let predicted = self.linear.step(lambda.max(self.linear.least_damping()), &mut self.step);
                // Also where it is not a number.
                let falls = predicted > SLOW * SLOW * sum;
                if !falls || self.step_is_negligible() {
                    return;
                }
                self.try_step(observation, 1.0);
                let after = self.measured(measure, observation, true);
                let quality = (sum - after) / predicted;
                // False where the trial's sum is not a number.
                if quality > ARMIJO {
                    let is_slow = sum - after <= SLOW * sum;
                    std::mem::swap(&mut self.current, &mut self.trial);
                    sum = after;
                    if is_slow {
                        return;
                    }
                    lambda *= relaxation(quality);
                    growth = 2.0;
                    break;
                }
                lambda = if lambda < FIRST_DAMPING * scale { FIRST_DAMPING * scale } else { lambda * growth };
                growth *= 2.0;
                if tried >= STEPS || lambda > MOST_DAMPING * scale {
                    return;
                }
            }
            damping = Some(lambda);
        }
    }

    /// The measure at the current code, or at the trial.
    fn measured(&self, measure: Measure, observation: &[f64], trial: bool) -> f64 {
        let last = self.network.layers().len() - 1;
        let point = if trial { &self.trial } else { &self.current };
        let activation = self.network.layers()[last].activation;
        let observed = point.received(last).iter().zip(observation).filter(|(_, x)| !x.is_nan());
        observed.map(|(a, x)| measure.of(activation.apply(*a) - x)).sum()
    }

    /// The misfit of the current code.
    pub(super) fn misfit(&self, objective: Objective, observation: &[f64]) -> f64 {
        let last = self.network.layers().len() - 1;
        objective.misfit(self.network.layers()[last].activation, self.current.received(last), observation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The squares of a measure have its slope: that of `½ s²` is `s ds`, by differences.
    #[test]
    fn squares_have_the_slope_of_their_measure() {
        for measure in [Measure::Sum(0.5, 2.0), Measure::Power(2, 1.5), Measure::Power(8, 1.5), Measure::Power(64, 1.5)]
        {
            for error in [-1.4, -0.6, -0.2, 0.1, 0.7, 1.3] {
                let step = 1e-6;
                let slope = (measure.of(error + step) - measure.of(error - step)) / (2.0 * step);
                let (factor, residual) = measure.row(error);
                assert!((factor * residual - slope).abs() < 1e-6 * slope.abs().max(1e-3), "{measure:?} at {error}");
            }
        }
    }
}
