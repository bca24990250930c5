//! Runs the methods on the same measurements of one network's images.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use serde::Serialize;

use super::Options;
use super::case::Case;
/// An image, or a code, counts as recovered up to this relative error.
pub use crate::batch::summary::SUCCESS_ERROR as SUCCESS;
use crate::batch::{self, Method};
use crate::bench::subject::Subject;
use crate::cancel::CancelToken;
use crate::cpu::forward::forward;
use crate::descent::{DescentOptions, Optimizer};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::local_search::LocalSearch;
use crate::multistart::{BestOptions, Objective, PackedNetwork, RefineOptions, refine_batch};
use crate::named::unknown;
use crate::random::{Domain, normal_vector};
use crate::recover::operators::Operator;
use crate::recover::{self, ProjectedOptions, Recoverer, Strategy};
use crate::statistics::quantile;

/// Observations per step of a method; its time is checked between two steps.
pub const CHUNK: usize = 20;
/// Seeds of the codes and the noise.
const SEEDS: [u64; 2] = [3, 4];

/// The methods that take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
pub enum Contestant {
    /// The search from many starts on `½‖A G(z) − y‖²`.
    #[strum(serialize = "direct")]
    Search,
    /// Projected gradient descent, with `linf` and refinement as the projection.
    #[strum(serialize = "pgd-linf-refined")]
    ProjectedLinf,
    /// Projected gradient descent, with gradient descent as the projection: 100 steps each, from
    /// the last code.
    #[strum(serialize = "pgd-descent")]
    ProjectedDescent,
    /// Gradient descent on `½‖A G(z) − y‖²`: Adam, 1,000 steps from each of ten random codes.
    #[strum(serialize = "direct-descent")]
    Descent,
    /// Layer-wise linear programs without the hidden pixels, refined.
    #[strum(serialize = "layer-wise")]
    Layerwise,
}

impl Contestant {
    /// All methods.
    pub const ALL: [Contestant; 5] = [
        Contestant::Search,
        Contestant::ProjectedLinf,
        Contestant::ProjectedDescent,
        Contestant::Descent,
        Contestant::Layerwise,
    ];

    fn options(self, threads: Option<usize>) -> recover::RecoverOptions {
        let layerwise = Method::Layerwise(LayerwiseOptions::default());
        let descent = DescentOptions::default();
        let (strategy, method, refine) = match self {
            Contestant::Search => (Strategy::Search(BestOptions::default()), layerwise, None),
            Contestant::ProjectedLinf => {
                (Strategy::Projected(ProjectedOptions::default()), layerwise, Some(Objective::L2))
            }
            Contestant::ProjectedDescent => {
                let options = ProjectedOptions { iterations: 1000, ..ProjectedOptions::default() };
                (Strategy::Projected(options), Method::Descent(DescentOptions { iterations: 100, ..descent }), None)
            }
            Contestant::Descent => {
                let options = DescentOptions { optimizer: Optimizer::Adam, restarts: 9, ..descent };
                (Strategy::Direct, Method::Descent(options), None)
            }
            Contestant::Layerwise => (Strategy::Direct, layerwise, Some(Objective::L2)),
        };
        let inversion = batch::Options { method, refine, device: DeviceChoice::Cpu, threads, ..Default::default() };
        recover::RecoverOptions { strategy, inversion }
    }

    fn takes_part(self, case: Case) -> bool {
        self != Contestant::Layerwise || case.is_mask()
    }
}

/// The result of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The network.
    pub network: String,
    /// The case: what was measured.
    pub case: String,
    /// Noise, as a share of the root mean square of the measurements.
    pub noise: f64,
    /// The method, or `limit`.
    pub way: String,
    /// Observations that the method got.
    pub observations: usize,
    /// Median and 90th percentile of the relative error of the images; a failure counts as
    /// infinite.
    pub median: f64,
    /// See `median`.
    pub percentile_90: f64,
    /// Images with a relative error up to [`SUCCESS`].
    pub images_recovered: usize,
    /// Codes with a relative error up to [`SUCCESS`].
    pub codes_recovered: usize,
    /// Observations that determine their code locally: the Jacobian of the measurements has full
    /// rank at the truth.
    pub determined: usize,
    /// Images recovered among these.
    pub determined_recovered: usize,
    /// Median number of outer iterations, if the method has any.
    pub iterations: Option<f64>,
    /// Wall-clock seconds per image; `None` for the limit.
    pub seconds: Option<f64>,
}

/// One network's measurements, with the true codes and images.
pub struct Contest<'a> {
    subject: &'a Subject,
    case: Case,
    noise: f64,
    options: &'a Options,
    operator: Box<dyn Operator>,
    codes: DMatrix<f64>,
    images: DMatrix<f64>,
    measurements: DMatrix<f64>,
    determined: Vec<bool>,
}

impl<'a> Contest<'a> {
    /// Draws codes and noise, each by its index, and computes the measurements.
    ///
    /// # Errors
    /// If the case is not possible for these images.
    pub fn new(subject: &'a Subject, case: Case, noise: f64, options: &'a Options) -> Result<Self> {
        let network = &subject.network;
        let (k, count) = (network.code_length(), options.count);
        let codes: Vec<f64> =
            (0..count as u64).flat_map(|index| normal_vector(SEEDS[0], Domain::Code, index, k)).collect();
        let codes = DMatrix::from_vec(k, count, codes);
        let images = forward(network, 0..network.depth(), &codes);
        let operator = case.operator(network.observation_length())?;
        let exact = hidden(case, operator.apply(&images));
        let mut measurements = exact.clone();
        for (index, mut y) in (0_u64..).zip(measurements.column_iter_mut()) {
            let measured: Vec<f64> = y.iter().copied().filter(|y| !y.is_nan()).collect();
            let size = (measured.iter().map(|y| y * y).sum::<f64>() / measured.len().max(1) as f64).sqrt();
            let drawn = normal_vector(SEEDS[1], Domain::Noise, index, y.len());
            y.iter_mut().zip(drawn).for_each(|(y, e)| *y += noise * size * e);
        }
        let mut contest =
            Contest { subject, case, noise, options, operator, codes, images, measurements, determined: Vec::new() };
        let packed = contest.packed();
        let mut search = LocalSearch::new(&packed);
        contest.determined = (exact.column_iter().zip(contest.codes.column_iter()))
            .map(|(y, code)| {
                search.go_to(y.as_slice(), code.as_slice());
                search.active_set(y.as_slice(), 1);
                search.is_determined(y.as_slice())
            })
            .collect();
        Ok(contest)
    }

    fn packed(&self) -> PackedNetwork {
        let network = Arc::clone(&self.subject.network);
        match self.operator.matrix() {
            Some(matrix) => PackedNetwork::measured_by(network, &matrix),
            None => PackedNetwork::new(network),
        }
    }

    /// Runs the limit and the methods.
    ///
    /// # Errors
    /// Those of the methods, and [`Error::Cancelled`].
    pub fn run(&self, cancel: &CancelToken) -> Result<Vec<Row>> {
        let mut limit = self.codes.clone();
        refine_batch(&self.packed(), &self.measurements, &mut limit, &RefineOptions::default());
        let mut rows = vec![self.row("limit", &limit, None, None)];
        for way in self.options.ways.iter().filter(|way| way.takes_part(self.case)) {
            let network = Arc::clone(&self.subject.network);
            let operator = self.case.operator(network.observation_length())?;
            let recoverer = Recoverer::new(network, operator, way.options(self.options.threads))?;
            let (mut codes, mut iterations): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
            let (mut seconds, mut done) = (0.0, 0);
            while done < self.options.count && (done == 0 || seconds < self.options.seconds) {
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let count = CHUNK.min(self.options.count - done);
                let chunk = self.measurements.columns(done, count).into_owned();
                let start = Instant::now();
                let found = recoverer.recover(&chunk)?;
                seconds += start.elapsed().as_secs_f64();
                codes.extend(found.codes.iter());
                iterations.extend(found.rows.iter().filter_map(|row| row.iterations.map(f64::from)));
                done += count;
            }
            let codes = DMatrix::from_vec(self.codes.nrows(), done, codes);
            let iterations = (!iterations.is_empty()).then(|| quantile(iterations, 0.5));
            rows.push(self.row(&way.to_string(), &codes, iterations, Some(seconds / done as f64)));
        }
        Ok(rows)
    }

    fn row(&self, way: &str, codes: &DMatrix<f64>, iterations: Option<f64>, seconds: Option<f64>) -> Row {
        let network = &self.subject.network;
        let images = forward(network, 0..network.depth(), codes);
        let errors = errors(&images, &self.images);
        let recovered = |column: &usize| errors[*column] <= SUCCESS;
        let determined = || (0..errors.len()).filter(|column| self.determined[*column]);
        Row {
            network: self.subject.name.clone(),
            case: self.case.to_string(),
            noise: self.noise,
            way: way.to_owned(),
            observations: errors.len(),
            median: quantile(errors.clone(), 0.5),
            percentile_90: quantile(errors.clone(), 0.9),
            images_recovered: (0..errors.len()).filter(recovered).count(),
            codes_recovered: self::errors(codes, &self.codes).into_iter().filter(|error| *error <= SUCCESS).count(),
            determined: determined().count(),
            determined_recovered: determined().filter(recovered).count(),
            iterations,
            seconds,
        }
    }
}

fn hidden(case: Case, mut measurements: DMatrix<f64>) -> DMatrix<f64> {
    case.hide(&mut measurements);
    measurements
}

/// Relative errors of the columns of `found`, which may be fewer than those of `truth`; infinite
/// for a column with `NaN`.
fn errors(found: &DMatrix<f64>, truth: &DMatrix<f64>) -> Vec<f64> {
    let pairs = found.column_iter().zip(truth.column_iter());
    let error = |(found, truth): (nalgebra::DVectorView<f64>, nalgebra::DVectorView<f64>)| {
        let error = (found - truth).norm() / truth.norm();
        if error.is_nan() { f64::INFINITY } else { error }
    };
    pairs.map(error).collect()
}
