//! The inversion of batches: observations in, codes and report rows out, in the same order.
//!
//! [`Inverter`] holds what all batches share: the network, the device, the prepared layers and the
//! thread pool. [`Inverter::invert`] inverts one batch, [`stream`] one batch after another,
//! [`pipeline`] several at the same time. [`summary`] adds up the results.

mod best;
mod calibration;
pub(crate) mod clocks;
mod code_law;
mod columns;
pub mod engine;
mod fit;
mod group;
pub(crate) mod identity;
pub(crate) mod memory_run;
mod miss_rate;
mod noise_law;
mod noise_test;
mod options;
mod output_range;
mod overlap;
pub mod pipeline;
mod rows;
pub(crate) mod search;
pub mod stream;
pub mod summary;
mod uncertainty;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::cpu;
use crate::descent::DescentOptions;
use crate::device::Device;
use crate::error::Result;
use crate::formats::npy::ElementType;
use crate::lp::bases::Bases;
use crate::lp::layer::{HiddenSign, LayerwiseOptions, StageTimes};
use crate::lp::solver::Solver;
use crate::lp::solver::clarabel_reference::ClarabelReference;
use crate::lp::solver::engine::LpEngine;
use crate::lp::{LayerChain, LayerSystems};
use crate::multistart::layerwise::LayerwiseLeastSquares;
use crate::multistart::{MeasuredRule, Objective, PackedNetwork, RefineOptions, refine_batch};
use crate::network::{Layer, Network};
use crate::observation::{View, largest_entry};
use crate::outcome::{Failure, ObservationRow, Status};
use crate::runtime::Runtime;
pub use code_law::CodeLaw;
pub(crate) use fit::{Judge, is_determined_by_method};
pub use miss_rate::MissRate;
pub use noise_law::{NamedNoise, NoiseLaw};
pub use noise_test::NoiseTest;
use options::not_layerwise;
pub use options::{BestMethod, Method, Options, SolverChoice};
pub(crate) use rows::{best_row, empty_row, residual};
use rows::{layerwise_row, refinement_row};
use search::note_search_on_cpu;
use stream::Stream;
pub(crate) use uncertainty::{add_uncertainty, round_alternatives};

/// Errors of this share of an observation's largest entry may be rounding.
const ROUNDED: f64 = 1e-9;

/// The results of one batch: one column or row per observation.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct InvertedBatch {
    /// The index of the first observation in the whole run.
    pub first_index: u64,
    /// The latent codes, `k` × count; `NaN` where an observation failed.
    pub codes: DMatrix<f64>,
    /// The report rows, one per observation.
    pub rows: Vec<ObservationRow>,
    /// The time per stage.
    pub times: BatchTimes,
}

/// The wall-clock time of a batch per stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct BatchTimes {
    /// The layer-wise inversion: classification, linear programs and forward passes.
    pub layers: StageTimes,
    /// Gradient descent on the device.
    pub descent: Duration,
    /// The search from many starts.
    pub search: Duration,
    /// Refinement, and the uncertainty of the codes.
    pub refine: Duration,
    /// The computation of the residuals, in f64.
    pub residuals: Duration,
}

/// A network prepared for the inversion of batches.
///
/// An inverter is made once and can be used from any number of threads.
///
/// ```
/// use unrelu::{Activation, DeviceChoice, Inverter, Network, Options};
///
/// # fn main() -> unrelu::Result<()> {
/// let network = Network::random(&[5, 20, 60], Activation::Relu, 1)?;
/// let codes = network.random_codes(3, 1);
/// let mut observations = network.forward(&codes)?;
/// observations[(0, 0)] = f64::NAN; // not observed
/// observations[(0, 1)] = f64::INFINITY; // broken: this observation alone fails
/// let inverter = Inverter::new(network, Options::default().device(DeviceChoice::Cpu))?;
/// let inverted = inverter.invert(&observations)?;
/// assert!(inverted.rows[0].status.is_good() && inverted.rows[2].status.is_good());
/// assert!(inverted.rows[1].status.failure().is_some());
/// assert!((inverted.codes.column(2) - codes.column(2)).amax() < 1e-9);
/// # Ok(())
/// # }
/// ```
pub struct Inverter {
    network: Arc<Network>,
    /// Made on first use: the layer-wise methods do not need it.
    packed: OnceLock<PackedNetwork>,
    /// The starting point of `best` on a network whose layers are all bijections.
    least_squares: Option<LayerwiseLeastSquares>,
    /// The layers for linear programs, where the method uses these.
    systems: Option<LayerSystems>,
    solver: Box<dyn Solver>,
    runtime: Runtime,
    options: Options,
    /// The stop rule of the search for a miss rate, if one keeps it; measured on first use.
    rule: OnceLock<Option<MeasuredRule>>,
    judge: Judge,
}

impl fmt::Debug for Inverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inverter")
            .field("options", &self.options)
            .field("runtime", &self.runtime)
            .finish_non_exhaustive()
    }
}

impl Inverter {
    /// Opens the device, prepares the layers and starts the thread pool.
    ///
    /// # Errors
    /// [`Error::BadOption`](crate::Error::BadOption) for options out of range;
    /// [`Error::NoDevice`](crate::Error::NoDevice) if the requested device is not available.
    pub fn new(network: impl Into<Arc<Network>>, options: Options) -> Result<Self> {
        let network = network.into();
        options.validate(&network)?;
        let runtime = Runtime::open(&network, &options.device_request(), options.threads)?;
        Ok(Self::on(network, options, runtime))
    }

    #[doc(hidden)]
    /// Makes an inverter on the given device. `notice` explains the choice of the device, if
    /// needed; [`Runtime::notice`] returns it.
    ///
    /// # Errors
    /// [`Error::BadOption`](crate::Error::BadOption) for options out of range.
    pub fn with_device(
        network: Arc<Network>,
        options: Options,
        device: Box<dyn Device>,
        notice: Option<String>,
    ) -> Result<Self> {
        options.validate(&network)?;
        let runtime = Runtime::with_device(device, notice, options.threads)?;
        Ok(Self::on(network, options, runtime))
    }

    /// Makes an inverter on this runtime. The options must be valid.
    fn on(network: Arc<Network>, mut options: Options, mut runtime: Runtime) -> Self {
        let reach = options.reach();
        if let Method::Best(best) = &mut options.method {
            best.search.reach = reach;
        }
        let solver: Box<dyn Solver> = match options.solver {
            SolverChoice::InteriorPoint => Box::new(LpEngine),
            SolverChoice::Clarabel => Box::new(ClarabelReference),
        };
        let packed = OnceLock::new();
        let least_squares = match &options.method {
            Method::Best(_) => LayerwiseLeastSquares::new(&network),
            _ => None,
        };
        let by_programs = match &options.method {
            Method::Layerwise(_) => true,
            // The first start of a search.
            Method::Best(_) => least_squares.is_none() && !network.goes_by_agreement(),
            Method::Descent(_) => false,
        };
        let hidden_sign = match &options.method {
            Method::Layerwise(layerwise) => layerwise.hidden_sign,
            Method::Best(_) | Method::Descent(_) => HiddenSign::default(),
        };
        let systems =
            (by_programs && network.layerwise_obstacle().is_none()).then(|| LayerSystems::new(&network, hidden_sign));
        if let Method::Best(best) = &options.method {
            let units: Vec<usize> = network.layers().iter().map(Layer::units).collect();
            note_search_on_cpu(&mut runtime, &network, best.search.objective, &units);
        }
        let judge = Judge::of(&options, &network);
        let rule = OnceLock::new();
        Inverter { network, packed, least_squares, systems, solver, runtime, options, rule, judge }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The options that the inverter was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The device and the threads of the inverter.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// For [`BestMethod::miss_rate`]: the stop rule that the first batch has measured, in words.
    pub fn search_rule(&self) -> Option<String> {
        let rule = self.rule.get()?;
        Some(calibration::words(rule.as_ref(), self.options.measured_rate(&self.network)?))
    }

    /// A warning about the first observation so far that has entries outside the range of the
    /// network's output, such as pixels from 0 to 255 for a sigmoid, or that is not larger than the
    /// named noise; `None` if there is none.
    pub fn data_warning(&self) -> Option<&str> {
        self.judge.data_warning()
    }

    /// Inverts one batch. `observations`: `n` × count, one per column, `NaN` where not observed.
    ///
    /// A failed observation is reported in its row and does not stop the others.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) if `observations` does not have `n` rows; errors of
    /// the device.
    pub fn invert(&self, observations: &DMatrix<f64>) -> Result<InvertedBatch> {
        self.invert_from(observations, 0)
    }

    /// Inverts the batches of `source` one after another; see [`Stream`].
    pub fn stream<S>(&self, source: S) -> Stream<'_, S::IntoIter>
    where
        S: IntoIterator<Item = Result<DMatrix<f64>>>,
    {
        Stream::new(self, source.into_iter())
    }

    /// [`Self::invert`] for a batch whose first observation has index `first_index` in the run.
    pub fn invert_from(&self, observations: &DMatrix<f64>, first_index: u64) -> Result<InvertedBatch> {
        self.runtime.enter(|| {
            let mut batch = self.solve(self.runtime.device(), observations.into(), first_index)?;
            self.complete(observations, &mut batch);
            Ok(batch)
        })
    }

    /// The network in the layout of the searches on its linear regions.
    pub(crate) fn packed(&self) -> &PackedNetwork {
        self.packed.get_or_init(|| PackedNetwork::new(Arc::clone(&self.network)).with_prior(self.options.prior))
    }

    /// The network, shared.
    pub(crate) fn shared_network(&self) -> Arc<Network> {
        Arc::clone(&self.network)
    }

    /// The first half of a batch: runs the method, on `device` and the pool.
    pub(crate) fn solve(&self, device: &dyn Device, observations: View<'_>, first_index: u64) -> Result<InvertedBatch> {
        self.solve_from(device, observations, first_index, None).map(|(batch, _)| batch)
    }

    /// [`Self::solve`], where the linear programs of the method start from the bases of similar
    /// observations, one set per observation. Also returns the bases at which they ended; none
    /// without `starts`.
    pub(crate) fn solve_from(
        &self,
        device: &dyn Device,
        observations: View<'_>,
        first_index: u64,
        starts: Option<&Bases>,
    ) -> Result<(InvertedBatch, Bases)> {
        self.network.check_observation_length(observations.nrows())?;
        // For callers that have not prepared. It uses the whole pool, so it comes before it.
        self.rule();
        self.runtime.run(|| {
            let mut times = BatchTimes::default();
            let mut bases = Bases::none(observations.ncols());
            let (codes, rows) = match &self.options.method {
                Method::Layerwise(options) => {
                    let (codes, rows, ended) =
                        self.layerwise(options, device, &observations.double(), first_index, starts, &mut times)?;
                    bases = ended;
                    (codes, rows)
                }
                Method::Descent(options) => self.descent(options, device, observations, first_index, &mut times)?,
                Method::Best(options) => self.best(options, device, &observations.double(), first_index, &mut times)?,
            };
            Ok((InvertedBatch { first_index, codes, rows, times }, bases))
        })
    }

    /// The second half: refinement, and the residuals of the codes in their stored precision.
    pub(crate) fn complete(&self, observations: &DMatrix<f64>, batch: &mut InvertedBatch) {
        // Here and not in the first half, where the device would wait for it.
        self.judge.note_data(observations, batch.first_index);
        let InvertedBatch { first_index, codes, rows, times } = batch;
        self.runtime.run(|| {
            if let Some(objective) = self.options.refine {
                let start = Instant::now();
                let refinements = refine_batch(self.packed(), observations, codes, &RefineOptions::of(objective));
                for (row, refinement) in rows.iter_mut().zip(refinements) {
                    row.refined = refinement.refined;
                    row.refinement = (objective != Objective::L2).then(|| refinement_row(objective, &refinement));
                }
                times.refine = start.elapsed();
            }
            let start = Instant::now();
            let minimised = self.options.minimised();
            let seed = self.options.seed();
            let assess =
                |objective| self.options.assess((objective, seed), self.packed(), observations, codes, *first_index);
            let assessed = minimised.and_then(assess);
            times.refine += start.elapsed();
            if self.options.codes_as == ElementType::F32 {
                codes.apply(|z| *z = f64::from(*z as f32));
                round_alternatives(rows);
            }
            let start = Instant::now();
            self.add_residuals(observations, codes, rows);
            add_uncertainty(rows, assessed, &self.options);
            times.residuals = start.elapsed();
        });
    }

    fn layerwise(
        &self,
        options: &LayerwiseOptions,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        first_index: u64,
        starts: Option<&Bases>,
        times: &mut BatchTimes,
    ) -> Result<(DMatrix<f64>, Vec<ObservationRow>, Bases)> {
        let Some(chain) = self.chain(options, device) else {
            return Err(not_layerwise(&self.network));
        };
        let (inversions, bases, layer_times) = match self.options.method {
            Method::Layerwise(_) => chain.invert_from(observations, self.options.precision, starts)?,
            // A search goes on from the codes.
            _ => {
                let (inversions, times) = chain.invert_in_one_way(observations, self.options.precision)?;
                (inversions, Bases::none(observations.ncols()), times)
            }
        };
        times.layers = layer_times;
        let codes = DMatrix::from_iterator(
            self.network.code_length(),
            inversions.len(),
            inversions.iter().flat_map(|inversion| {
                let failed = inversion.failure.is_some();
                inversion.code.iter().map(move |&z| if failed { f64::NAN } else { z })
            }),
        );
        let rows = (first_index..).zip(inversions).map(|(index, inversion)| layerwise_row(index, inversion)).collect();
        Ok((codes, rows, bases))
    }

    /// The layers, if the method solves linear programs on them.
    fn chain<'a>(&'a self, options: &'a LayerwiseOptions, device: &'a dyn Device) -> Option<LayerChain<'a>> {
        let systems = self.systems.as_ref()?;
        Some(LayerChain { network: &self.network, systems, device, solver: &*self.solver, options })
    }

    /// For which of the usable `columns` of `observations` the bases of similar observations, one
    /// set per column of `observations`, prove that no code has an image within
    /// [`Options::epsilon_of`] of it, in every entry.
    pub(crate) fn out_of_reach(
        &self,
        device: &dyn Device,
        (observations, columns): (&DMatrix<f64>, &[usize]),
        bases: &Bases,
    ) -> Vec<bool> {
        let Method::Layerwise(options) = &self.options.method else { return vec![false; columns.len()] };
        let Some(chain) = self.chain(options, device) else { return vec![false; columns.len()] };
        let within = |&column: &usize| {
            let observation = observations.column(column);
            let rounding = ROUNDED * largest_entry(observation.as_slice());
            self.options.epsilon_of(&self.network, observation.as_slice()).max(rounding)
        };
        let within: Vec<f64> = columns.iter().map(within).collect();
        chain.out_of_reach((observations, columns), self.options.precision, bases, &within)
    }

    fn descent(
        &self,
        options: &DescentOptions,
        device: &dyn Device,
        observations: View<'_>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(DMatrix<f64>, Vec<ObservationRow>)> {
        let start = Instant::now();
        let answer = device.descend(observations, first_index, options, self.options.prior)?;
        times.descent = start.elapsed();
        let row = |place: usize| {
            let diverged = answer.codes.column(place).iter().any(|z| z.is_nan());
            let status = match observations.unusable(place) {
                Some(why) => Status::Failed(why),
                None if diverged => Status::Failed(Failure::Diverged),
                None if answer.converged[place] => Status::Converged,
                None => Status::NotConverged,
            };
            ObservationRow {
                iterations: Some(answer.iterations[place]),
                ..empty_row(first_index + place as u64, status)
            }
        };
        let rows = (0..observations.ncols()).map(row).collect();
        Ok((answer.codes, rows))
    }

    fn add_residuals(&self, observations: &DMatrix<f64>, codes: &DMatrix<f64>, rows: &mut [ObservationRow]) {
        let outputs = cpu::forward::forward(&self.network, 0..self.network.depth(), codes);
        rows.par_iter_mut().enumerate().for_each(|(place, row)| {
            let (observation, output) = (observations.column(place), outputs.column(place));
            row.epsilon = self.options.epsilon_of(&self.network, observation.as_slice());
            self.judge.judge(observation.as_slice(), output.as_slice(), codes.column(place).as_slice(), row);
        });
    }
}
