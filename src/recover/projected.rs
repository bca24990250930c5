//! Projected gradient descent for a batch: `x ← P(v − η Aᵀ(A v − y))`, with the inversion of the
//! generator as `P` (Shah and Hegde, *Solving linear inverse problems using GAN priors*, ICASSP
//! 2018).
//!
//! A step is accepted if `½‖A x − y‖²` decreases; otherwise the step size is halved. So the loss
//! never increases. Each observation has its own step size, and leaves the batch when it ends. It
//! ends if it reproduces its measurements, if a full step no longer changes it, if no step lowers
//! its loss, or after the maximum number of iterations. Every projection starts at the code of the
//! last one.

use nalgebra::DMatrix;

use super::operators::Operator;
use super::options::ProjectedOptions;
use crate::descent::start_index;
use crate::device::Device;
use crate::error::Result;
use crate::lp::bases::Bases;
use crate::observation::{squared_distances, unusable};
use crate::outcome::{Failure, Status};
use crate::projector::{Projection, Projector, WarmStart};
use crate::random::{Domain, normal_vector};

/// A run ends if the relative residual `‖A x − y‖/‖y‖` is at most this.
const REPRODUCED: f64 = 1e-9;
/// No further run starts if the relative residual is at most this.
const GOOD: f64 = 1e-6;
/// Maximum number of halvings of one step. Then the run ends.
const MOST_HALVINGS: u32 = 12;
/// Number of pairs of images that estimate `‖A d‖² / ‖d‖²` for their difference `d`.
const PAIRS: usize = 32;

/// The progress of a batch in projected gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Iteration {
    /// The index of the first observation in the whole run.
    pub first_index: u64,
    /// Number of observations in the batch.
    pub count: usize,
    /// Number of outer iterations done so far.
    pub number: usize,
    /// Number of observations that need further iterations.
    pub unfinished: usize,
}

/// The result of one observation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recovered {
    pub status: Status,
    /// Number of outer iterations, over all runs.
    pub iterations: u32,
}

/// Recovers every column of `measurements` (`m` × count, `NaN` where not measured). Returns the
/// codes, `k` × count, and the result of each column.
pub(super) fn recover(
    projector: &Projector,
    operator: &dyn Operator,
    device: &dyn Device,
    measurements: &DMatrix<f64>,
    first_index: u64,
    options: &ProjectedOptions,
    watch: &(dyn Fn(Iteration) + Sync),
) -> Result<(DMatrix<f64>, Vec<Recovered>)> {
    let mut batch = Batch::new(projector, operator, measurements, options);
    let mut number = 0;
    while !batch.active.is_empty() {
        let active = batch.active.clone();
        let targets = batch.gradient_step(&active);
        let indices: Vec<u64> = active.iter().map(|column| first_index.wrapping_add(*column as u64)).collect();
        let warm = batch.codes.select_columns(&active);
        let starts = batch.bases.select(&active);
        let warm = WarmStart::from(&warm).bases(&starts);
        let projection = projector.project_on(device, &targets, &indices, warm)?;
        let losses = losses(&operator.apply(&projection.images), &measurements.select_columns(&active));
        for (place, &column) in active.iter().enumerate() {
            batch.bases.replace(column, &projection.bases, place);
            let index = indices[place];
            if batch.take(column, place, &projection, losses[place], index) {
                batch.end(column, index);
            }
        }
        let lanes = &batch.lanes;
        batch.active.retain(|column| !lanes[*column].ended);
        number += 1;
        watch(Iteration { first_index, count: measurements.ncols(), number, unfinished: batch.active.len() });
    }
    Ok((batch.best, batch.lanes.into_iter().map(Lane::recovered).collect()))
}

/// The state of one observation.
#[derive(Debug, Clone)]
struct Lane {
    /// The current step size `η`, and the initial one.
    step: f64,
    first_step: f64,
    halvings: u32,
    /// `½‖y‖²` over the measured entries.
    energy: f64,
    /// The loss of the current image; infinite before the first.
    loss: f64,
    /// Whether the current image belongs to a code; before that, it is zero.
    begun: bool,
    converged: bool,
    /// Number of iterations in this run, and in all runs.
    iterations: usize,
    all_iterations: u32,
    /// Number of runs from random codes so far.
    restarts: usize,
    /// The loss of the best run.
    best_loss: f64,
    best_converged: bool,
    /// Why there is no code; `None` if there is one.
    failure: Option<Failure>,
    ended: bool,
}

struct Batch<'a> {
    projector: &'a Projector,
    operator: &'a dyn Operator,
    measurements: &'a DMatrix<f64>,
    options: &'a ProjectedOptions,
    lanes: Vec<Lane>,
    /// Columns that need further iterations.
    active: Vec<usize>,
    /// `x` and the previous image, `n` × count.
    images: DMatrix<f64>,
    before: DMatrix<f64>,
    /// The codes of `x`, `k` × count.
    codes: DMatrix<f64>,
    /// The bases at which the programs of the last projections ended.
    bases: Bases,
    /// The codes of the best runs.
    best: DMatrix<f64>,
}

impl<'a> Batch<'a> {
    fn new(
        projector: &'a Projector,
        operator: &'a dyn Operator,
        measurements: &'a DMatrix<f64>,
        options: &'a ProjectedOptions,
    ) -> Self {
        let network = projector.inverter().network();
        let (n, k, count) = (network.observation_length(), network.code_length(), measurements.ncols());
        let gains = gains(projector, operator);
        let lane = |column: usize| {
            let y = measurements.column(column);
            let measured = y.iter().zip(&gains).filter(|(y, _)| !y.is_nan());
            let (energy, gain) = measured.fold((0.0, 0.0), |(energy, gain), (y, g)| (energy + 0.5 * y * y, gain + g));
            let first_step = if gain > 0.0 { options.step / gain } else { options.step };
            let failure = unusable(y.as_slice());
            Lane {
                step: first_step,
                first_step,
                halvings: 0,
                energy,
                loss: f64::INFINITY,
                begun: false,
                converged: false,
                iterations: 0,
                all_iterations: 0,
                restarts: 0,
                best_loss: f64::INFINITY,
                best_converged: false,
                ended: failure.is_some(),
                failure,
            }
        };
        let lanes: Vec<Lane> = (0..count).map(lane).collect();
        let active = (0..count).filter(|column| !lanes[*column].ended).collect();
        Batch {
            projector,
            operator,
            measurements,
            options,
            lanes,
            active,
            images: DMatrix::zeros(n, count),
            before: DMatrix::zeros(n, count),
            codes: DMatrix::from_element(k, count, f64::NAN),
            bases: Bases::none(count),
            best: DMatrix::from_element(k, count, f64::NAN),
        }
    }

    /// `v − η Aᵀ(A v − y)` for the columns `active`.
    fn gradient_step(&self, active: &[usize]) -> DMatrix<f64> {
        let mut v = self.images.select_columns(active);
        if self.options.momentum > 0.0 {
            v += (&v - self.before.select_columns(active)) * self.options.momentum;
        }
        let mut residuals = self.operator.apply(&v) - self.measurements.select_columns(active);
        // Entries that were not measured contribute nothing to the gradient.
        residuals.apply(|r| *r = if r.is_nan() { 0.0 } else { *r });
        let gradients = self.operator.adjoint(&residuals);
        for (place, &column) in active.iter().enumerate() {
            v.column_mut(place).axpy(-self.lanes[column].step, &gradients.column(place), 1.0);
        }
        v
    }

    /// Accepts the projection if the loss decreases. Returns whether the run has ended.
    fn take(&mut self, column: usize, place: usize, projection: &Projection, loss: f64, index: u64) -> bool {
        let lane = &mut self.lanes[column];
        lane.iterations += 1;
        lane.all_iterations += 1;
        if let Status::Failed(why) = &projection.status[place]
            && lane.best_loss.is_infinite()
            && lane.loss.is_infinite()
        {
            lane.failure = Some(Failure::NoProjection(Box::new(why.clone())));
        }
        if !lane.begun && (loss.is_nan() || loss > 0.0 && loss >= lane.energy) {
            // The image is no better than zeros, where no step lowers the loss. So the run
            // continues at a random code. This code is kept as a fallback.
            if loss < lane.best_loss {
                lane.best_loss = loss;
                self.best.set_column(column, &projection.codes.column(place));
            }
            self.begin(column, index, 0);
            return self.lanes[column].iterations >= self.options.iterations;
        }
        lane.begun = true;
        let image = projection.images.column(place);
        let change = (image - self.images.column(column)).norm();
        // An image that stays at zeros has not converged.
        let is_small =
            image.norm() > 0.0 && change <= self.options.tolerance * lane.step / lane.first_step * image.norm();
        if loss < lane.loss {
            lane.loss = loss;
            if lane.halvings == 0 {
                lane.step = lane.first_step.min(2.0 * lane.step);
            }
            lane.halvings = 0;
            self.before.set_column(column, &self.images.column(column));
            self.images.set_column(column, &image);
            self.codes.set_column(column, &projection.codes.column(place));
        } else {
            lane.step *= 0.5;
            lane.halvings += 1;
            // The momentum may have been too large, so it is reset.
            self.before.set_column(column, &self.images.column(column));
        }
        let reproduced = lane.loss.is_finite() && lane.loss <= REPRODUCED * REPRODUCED * lane.energy;
        lane.converged = reproduced || is_small;
        lane.converged || lane.halvings > MOST_HALVINGS || lane.iterations >= self.options.iterations
    }

    /// Keeps the run if it is the best, and starts the next run, if one is due.
    fn end(&mut self, column: usize, index: u64) {
        let lane = &mut self.lanes[column];
        if lane.loss < lane.best_loss {
            lane.best_loss = lane.loss;
            lane.best_converged = lane.converged;
            lane.failure = None;
            self.best.set_column(column, &self.codes.column(column));
        }
        if lane.best_loss <= GOOD * GOOD * lane.energy || lane.restarts >= self.options.restarts {
            lane.ended = true;
            return;
        }
        lane.restarts += 1;
        lane.iterations = 0;
        let run = lane.restarts;
        self.begin(column, index, run);
    }

    /// Starts a run at a random code.
    fn begin(&mut self, column: usize, index: u64, run: usize) {
        let lane = &mut self.lanes[column];
        lane.begun = true;
        (lane.loss, lane.step, lane.halvings) = (f64::INFINITY, lane.first_step, 0);
        let k = self.codes.nrows();
        let run = start_index(index, run);
        let code = DMatrix::from_vec(k, 1, normal_vector(self.options.seed, Domain::Start, run, k));
        let image = self.projector.images_inside(&code);
        self.codes.set_column(column, &code.column(0));
        self.images.set_column(column, &image.column(0));
        self.before.set_column(column, &image.column(0));
    }
}

impl Lane {
    fn recovered(self) -> Recovered {
        let status = match self.failure {
            Some(why) => Status::Failed(why),
            None if self.best_loss.is_infinite() => Status::Failed(Failure::NoFiniteResidual),
            None if self.best_converged => Status::Converged,
            None => Status::NotConverged,
        };
        Recovered { status, iterations: self.all_iterations }
    }
}

/// `½‖a − y‖²` of each column over the measured entries; `NaN` if `a` has a `NaN`.
fn losses(applied: &DMatrix<f64>, measurements: &DMatrix<f64>) -> Vec<f64> {
    squared_distances(applied, measurements).into_iter().map(|distance| 0.5 * distance).collect()
}

/// The average contribution of each measurement to `‖A d‖²/‖d‖²`, where `d` is the difference of
/// two random images.
fn gains(projector: &Projector, operator: &dyn Operator) -> Vec<f64> {
    let k = projector.inverter().network().code_length();
    let codes = |from: usize| {
        let numbers =
            (from..from + PAIRS).flat_map(|index| normal_vector(0, Domain::Operator, u64::MAX - index as u64, k));
        DMatrix::from_iterator(k, PAIRS, numbers)
    };
    let images = |from: usize| projector.images_inside(&codes(from));
    let differences = images(0) - images(PAIRS);
    let applied = operator.apply(&differences);
    let mut gains = vec![0.0; operator.measurements()];
    let mut pairs = 0.0;
    for (difference, applied) in differences.column_iter().zip(applied.column_iter()) {
        let length = difference.norm_squared();
        if length > 0.0 {
            gains.iter_mut().zip(applied.iter()).for_each(|(gain, a)| *gain += a * a / length);
            pairs += 1.0;
        }
    }
    gains.iter_mut().for_each(|gain| *gain /= f64::max(pairs, 1.0));
    gains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceChoice;
    use crate::network::Activation;
    use crate::random::random_network;
    use crate::recover::operators::{BlockAverage, Dense, Pixels};

    fn projector(sizes: &[usize]) -> Projector {
        let options = crate::batch::Options { device: DeviceChoice::Cpu, ..Default::default() };
        Projector::new(random_network(sizes, Activation::Relu, 1).unwrap(), options).unwrap()
    }

    #[test]
    fn a_step_is_in_units_of_what_the_operator_keeps() {
        let projector = projector(&[4, 30, 64]);
        let sum = |operator: &dyn Operator| gains(&projector, operator).iter().sum::<f64>();
        assert!((sum(&Pixels(64)) - 1.0).abs() < 1e-12);
        let gaussian = Dense::gaussian(400, 64, 3).unwrap();
        assert!((sum(&gaussian) - 1.0).abs() < 0.1, "{}", sum(&gaussian));
        // An average of four by four pixels keeps at most a sixteenth.
        let average = sum(&BlockAverage::new(8, 8, 4).unwrap());
        assert!(average > 0.0 && average <= 1.0 / 16.0, "{average}");
    }

    /// Compares with the formula, entry by entry.
    #[test]
    fn a_gradient_step_is_the_one_of_the_formula() {
        let projector = projector(&[2, 6, 8]);
        let operator = Dense::gaussian(3, 8, 5).unwrap();
        let a = operator.matrix().unwrap();
        let measurements = DMatrix::from_row_slice(3, 2, &[1.0, 2.0, f64::NAN, 0.5, -1.0, f64::NAN]);
        let options = ProjectedOptions { momentum: 0.25, ..ProjectedOptions::default() };
        let mut batch = Batch::new(&projector, &operator, &measurements, &options);
        batch.images = DMatrix::from_fn(8, 2, |i, j| (i * 2 + j) as f64 * 0.1);
        batch.before = DMatrix::from_fn(8, 2, |i, j| (i + j) as f64 * 0.05);
        let stepped = batch.gradient_step(&[1]);
        let v = |i: usize| batch.images[(i, 1)] + 0.25 * (batch.images[(i, 1)] - batch.before[(i, 1)]);
        for pixel in 0..8 {
            let mut expected = v(pixel);
            for (row, y) in [(0, 2.0), (1, 0.5)] {
                let residual = (0..8).map(|i| a[(row, i)] * v(i)).sum::<f64>() - y;
                expected -= batch.lanes[1].step * a[(row, pixel)] * residual;
            }
            assert!((stepped[(pixel, 0)] - expected).abs() < 1e-12, "{pixel}");
        }
    }
}
