//! The recovery of codes from linear measurements `y = A G(z) + e`, a batch at a time.
//!
//! There are three ways ([`Strategy`]). The *search* minimises `½‖A G(z) − y‖²` from many starts
//! ([`crate::multistart`]), with `A` as one more layer of the network. The *direct* way applies a
//! method of inversion to `A G`. With `descent`, this is the method of Bora, Jalal, Price and
//! Dimakis (*Compressed sensing using generative models*, ICML 2017). If the measurements are
//! pixels, it can also be a layer-wise method, without the rows of the unmeasured pixels.
//! *Projected gradient descent* alternates between a gradient step on the measurements and a
//! projection by a [`Projector`]. docs/RECOVERY.md says when to use which.

mod measured;
pub mod operators;
mod options;
mod products;
mod projected;
mod search;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::batch::engine::Engine;
use crate::batch::identity::{options_that_matter, runs_on};
use crate::batch::search::search_on;
use crate::batch::{
    self, BatchTimes, InvertedBatch, Inverter, Judge, Method, MissRate, add_uncertainty, empty_row, round_alternatives,
};
use crate::cpu::CpuDevice;
use crate::cpu::blocked::forward::forward;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::npy::ElementType;
use crate::formats::report::Columns;
use crate::multistart::{BestOptions, Objective, PackedNetwork, Stored};
use crate::network::Network;
use crate::observation::View;
use crate::outcome::ObservationRow;
use crate::precision::{default_epsilon, size_of_observation};
use crate::projector::Projector;
use crate::runtime::Runtime;
use measured::{check_method, measured_by_products, measured_for};
use operators::Operator;
pub use options::{ProjectedOptions, RecoverOptions, Strategy};
use products::OperatorMap;
pub use projected::Iteration;

/// A network and an operator, prepared for the recovery of codes from batches of measurements.
///
/// ```
/// use unrelu::{Activation, Dense, Network, Operator, RecoverOptions, Recoverer};
///
/// # fn main() -> unrelu::Result<()> {
/// let network = Network::random(&[4, 20, 60], Activation::Relu, 1)?;
/// let codes = network.random_codes(3, 1);
/// let operator = Dense::gaussian(30, 60, 1)?; // 30 measurements of 60 pixels
/// let measurements = operator.apply(&network.forward(&codes)?);
/// let recoverer = Recoverer::new(network, Box::new(operator), RecoverOptions::default())?;
/// let recovered = recoverer.recover(&measurements)?;
/// assert!((recovered.codes - codes).amax() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub struct Recoverer {
    network: Arc<Network>,
    /// The network in the layout for products.
    cpu: CpuDevice,
    operator: Arc<dyn Operator>,
    /// Whether the measurements are pixels of the image.
    is_pixels: bool,
    prepared: Prepared,
    watch: Box<dyn Fn(Iteration) + Send + Sync>,
    judge: Judge,
}

enum Prepared {
    /// The search on network and operator as one network.
    Search {
        runtime: Box<Runtime>,
        packed: Box<PackedNetwork>,
        /// The operator of a search by products.
        map: Option<Arc<OperatorMap>>,
        search: BestOptions,
        options: Box<batch::Options>,
    },
    /// An inverter of the network, or of network and operator as one network.
    Direct(Box<Inverter>),
    Projected {
        projector: Box<Projector>,
        options: ProjectedOptions,
    },
}

impl fmt::Debug for Recoverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recoverer")
            .field("operator", &self.operator)
            .field("runtime", self.runtime())
            .finish_non_exhaustive()
    }
}

impl Recoverer {
    /// Prepares everything that all batches share.
    ///
    /// # Errors
    /// - [`Error::Input`] if the operator is for images of another size, or its matrix has another
    ///   shape than it says or an entry that is not finite.
    /// - [`Error::BadOption`] for options out of range.
    /// - [`Error::BadOption`] for [`Strategy::Direct`] if the operator does not measure pixels and
    ///   the method is not `descent`, or the output is sigmoid or tanh.
    /// - The errors of [`Inverter::new`].
    pub fn new(network: impl Into<Arc<Network>>, operator: Box<dyn Operator>, options: RecoverOptions) -> Result<Self> {
        let network = network.into();
        if operator.pixels() != network.observation_length() {
            return Err(Error::input(
                "the operator",
                format!("{} pixels per image", operator.pixels()),
                format!("{}, one per output of the network", network.observation_length()),
                "use an operator that was made for the outputs of this network",
            ));
        }
        let RecoverOptions { strategy, mut inversion } = options;
        // Of a projection or of measurements only by name: neither is an output with such noise.
        if let Method::Best(best) = &mut inversion.method
            && best.miss_rate == MissRate::WherePossible
        {
            best.miss_rate = MissRate::None;
        }
        let is_projected = matches!(strategy, Strategy::Projected(_));
        let products = match operator.is_matrix_free() && !is_projected {
            true => measured_by_products(&network, &*operator)?,
            false => None,
        };
        let operator = Arc::<dyn Operator>::from(operator);
        let is_direct = matches!(strategy, Strategy::Direct);
        let needs_matrix = !operator.is_matrix_free() || is_direct && products.is_none();
        let matrix = if needs_matrix { operator.matrix() } else { None };
        let is_pixels = needs_matrix && matrix.is_none();
        if let Some(matrix) = &matrix {
            check_matrix(matrix, &*operator)?;
        }
        let objective = match &strategy {
            Strategy::Search(search) => search.objective,
            _ => Objective::L2,
        };
        let judge = Judge::of_objective(objective, &inversion);
        // Measured pixels are outputs; sums of them have another range.
        let judge = if is_pixels { judge.with_range(&network) } else { judge };
        let prepared = match strategy {
            Strategy::Search(search) => {
                let search = BestOptions { reach: inversion.reach(), ..search };
                inversion.check_suits("objective", search.objective, &network)?;
                search.validate(&network)?;
                if !is_pixels {
                    check_measured(&network, search.objective, &inversion)?;
                }
                // The search is the method.
                inversion.validate_besides_method()?;
                inversion.check_objective("objective", search.objective)?;
                inversion.check_uncertainty(Some(search.objective), "objective")?;
                inversion.check_alternatives(true)?;
                let with_map = |(packed, runtime)| (packed, runtime, None);
                let (packed, runtime, map) = match products {
                    Some(products) => with_map(search::prepare(&Arc::new(products), None, objective, &inversion)?),
                    None if operator.is_matrix_free() => {
                        let prepared = search::prepare_by_products(&network, &operator, &search, &inversion)?;
                        (prepared.0, prepared.1, Some(prepared.2))
                    }
                    None => with_map(search::prepare(&network, matrix, objective, &inversion)?),
                };
                Prepared::Search {
                    runtime: Box::new(runtime),
                    packed: Box::new(packed.with_prior(inversion.prior)),
                    map,
                    search,
                    options: Box::new(inversion),
                }
            }
            Strategy::Direct => {
                let measured = match (products, matrix) {
                    (None, None) => Arc::clone(&network),
                    (None, Some(matrix)) => Arc::new(measured_for(&network, matrix, &inversion.method)?),
                    (Some(products), _) => {
                        check_method(&inversion.method)?;
                        Arc::new(products)
                    }
                };
                Prepared::Direct(Box::new(Inverter::new(measured, inversion)?))
            }
            Strategy::Projected(options) => {
                options.validate()?;
                check_projected(&inversion)?;
                Prepared::Projected { projector: Box::new(Projector::new(Arc::clone(&network), inversion)?), options }
            }
        };
        Ok(Recoverer {
            judge,
            cpu: CpuDevice::new(Arc::clone(&network)),
            network,
            operator,
            is_pixels,
            prepared,
            watch: Box::new(|_| {}),
        })
    }

    /// Calls `watch` after every outer iteration of projected gradient descent.
    #[must_use]
    pub fn on_iteration(mut self, watch: impl Fn(Iteration) + Send + Sync + 'static) -> Self {
        self.watch = Box::new(watch);
        self
    }

    /// The device and the threads of the recoverer.
    pub fn runtime(&self) -> &Runtime {
        Engine::runtime(self)
    }

    /// The operator.
    pub fn operator(&self) -> &dyn Operator {
        &*self.operator
    }

    /// Recovers one batch. `measurements`: `m` × count, one observation per column, `NaN` where not
    /// measured.
    ///
    /// A failed observation is reported in its row and does not stop the others.
    ///
    /// # Errors
    /// [`Error::Input`] if `measurements` does not have `m` rows; errors of the device.
    pub fn recover(&self, measurements: &DMatrix<f64>) -> Result<InvertedBatch> {
        self.runtime().enter(|| {
            let mut batch = self.solve(self.runtime().device(), measurements.into(), 0)?;
            self.complete(measurements, &mut batch);
            Ok(batch)
        })
    }

    fn add_residuals(&self, measurements: &DMatrix<f64>, batch: &mut InvertedBatch) {
        let images = forward(self.cpu.double(), 0..self.network.depth(), &batch.codes);
        let applied = self.operator.apply(&images);
        let InvertedBatch { codes, rows, .. } = batch;
        rows.par_iter_mut().enumerate().for_each(|(place, row)| {
            let (measured, output) = (measurements.column(place), applied.column(place));
            row.epsilon = self.epsilon_of(measured.as_slice());
            self.judge.judge(measured.as_slice(), output.as_slice(), codes.column(place).as_slice(), row);
        });
    }
}

impl Recoverer {
    /// The `ε₀` of an observation. Sums of sigmoid or tanh outputs can have any size.
    fn epsilon_of(&self, measurements: &[f64]) -> f64 {
        let options = self.options();
        if self.is_pixels {
            return options.epsilon_of(&self.network, measurements);
        }
        options.reproduces_within.unwrap_or_else(|| {
            let rounding = options.precision.of(measurements).largest_rounding(measurements);
            default_epsilon(size_of_observation(&self.network, measurements), rounding)
        })
    }
}

type Codes = (DMatrix<f64>, Vec<ObservationRow>);

impl Engine for Recoverer {
    fn runtime(&self) -> &Runtime {
        match &self.prepared {
            Prepared::Search { runtime, .. } => runtime,
            Prepared::Direct(inverter) => inverter.runtime(),
            Prepared::Projected { projector, .. } => projector.inverter().runtime(),
        }
    }

    fn options(&self) -> &batch::Options {
        match &self.prepared {
            Prepared::Search { options, .. } => options,
            Prepared::Direct(inverter) => inverter.options(),
            Prepared::Projected { projector, .. } => projector.inverter().options(),
        }
    }

    fn generator(&self) -> &Network {
        &self.network
    }

    fn observation_length(&self) -> usize {
        self.operator.measurements()
    }

    fn length_comes_from(&self) -> &'static str {
        "one per measurement of the operator"
    }

    fn data_warning(&self) -> Option<&str> {
        match &self.prepared {
            Prepared::Direct(inverter) => inverter.data_warning(),
            _ => self.judge.data_warning(),
        }
    }

    fn report_columns(&self, truth: bool) -> Columns {
        let prior = self.options().prior > 0.0;
        let minimised = match &self.prepared {
            Prepared::Search { search, .. } => Some(search.objective),
            _ => None,
        };
        let uncertainty = self.options().uncertainty_columns(minimised, self.network.code_length());
        let columns = match &self.prepared {
            Prepared::Direct(inverter) => inverter.report_columns(truth),
            Prepared::Search { .. } => {
                let alternatives = self.options().listed();
                Columns { code_error: truth, search: true, prior, alternatives, uncertainty, ..Columns::default() }
            }
            Prepared::Projected { .. } => Columns { code_error: truth, iterations: true, prior, ..Columns::default() },
        };
        Columns { image_error: truth, ..columns }
    }

    fn options_that_matter(&self) -> Vec<(String, String)> {
        let mut options = vec![self.operator.identity()];
        let mut add = |name: &str, value: String| options.push((name.to_owned(), value));
        match &self.prepared {
            Prepared::Search { search: BestOptions { starts, seed, objective, reach: _, end: _ }, runtime, .. } => {
                add("objective", objective.to_string());
                add("Strategy::Search", "given".to_owned());
                add("starts", starts.to_string());
                add("seed", seed.to_string());
                add("device", runs_on(runtime));
            }
            Prepared::Direct(_) => add("Strategy::Direct", "given".to_owned()),
            Prepared::Projected { options, .. } => {
                let ProjectedOptions { step, momentum, iterations, tolerance, restarts, seed } = options;
                add("Strategy::Projected", "given".to_owned());
                add("step", step.to_string());
                add("momentum", momentum.to_string());
                add("iterations", iterations.to_string());
                add("tolerance", tolerance.to_string());
                add("restarts", restarts.to_string());
                add("seed", seed.to_string());
            }
        }
        let of_method = options_that_matter(self.options(), None, self.runtime());
        options.extend(of_method.into_iter().map(|(name, value)| (format!("inversion.{name}"), value)));
        options
    }

    fn observations_at_once(&self) -> usize {
        match &self.prepared {
            Prepared::Direct(inverter) => inverter.as_ref().observations_at_once(),
            Prepared::Search { .. } | Prepared::Projected { .. } => 1,
        }
    }

    fn takes_single(&self) -> bool {
        false
    }

    fn solve(&self, device: &dyn Device, measurements: View<'_>, first_index: u64) -> Result<InvertedBatch> {
        if measurements.nrows() != self.operator.measurements() {
            return Err(Error::input(
                "the measurements given",
                format!("{} entries per column", measurements.nrows()),
                format!("{}, one per measurement of the operator", self.operator.measurements()),
                "pass one column per observation",
            ));
        }
        let measurements = &*measurements.double();
        self.judge.note_data(measurements, first_index);
        let times = BatchTimes::default();
        let (codes, rows) = match &self.prepared {
            Prepared::Direct(inverter) => return inverter.solve(device, measurements.into(), first_index),
            Prepared::Search { runtime, packed, map, search, options } => {
                let stored = Stored { observations: measurements, stored_as: options.precision };
                let answers = runtime.run(|| search_on(device, packed, stored, first_index, &[], search))?;
                map.as_ref().map_or(Ok(()), |map| map.check())?;
                search::rows(answers, measurements, packed.code_length(), first_index, options.listed())
            }
            Prepared::Projected { projector, options } => projector.inverter().runtime().run(|| -> Result<Codes> {
                let operator = Recoverer::operator(self);
                let (codes, recovered) =
                    projected::recover(projector, operator, device, measurements, first_index, options, &*self.watch)?;
                let rows = (first_index..).zip(recovered).map(|(index, recovered)| ObservationRow {
                    iterations: Some(recovered.iterations),
                    ..empty_row(index, recovered.status)
                });
                Ok((codes, rows.collect()))
            })?,
        };
        Ok(InvertedBatch { first_index, codes, rows, times })
    }

    fn complete(&self, measurements: &DMatrix<f64>, batch: &mut InvertedBatch) {
        if let Prepared::Direct(inverter) = &self.prepared {
            return inverter.complete(measurements, batch);
        }
        let start = Instant::now();
        let assessed = match &self.prepared {
            Prepared::Search { packed, search, options, runtime, .. } => runtime.run(|| {
                let minimised = (search.objective, search.seed);
                options.assess(minimised, packed, measurements, &batch.codes, batch.first_index)
            }),
            _ => None,
        };
        batch.times.refine = start.elapsed();
        if self.options().codes_as == ElementType::F32 {
            batch.codes.apply(|z| *z = f64::from(*z as f32));
            round_alternatives(&mut batch.rows);
        }
        let start = Instant::now();
        self.runtime().run(|| self.add_residuals(measurements, batch));
        add_uncertainty(&mut batch.rows, assessed, self.options());
        batch.times.residuals = start.elapsed();
    }
}

/// Refuses a prior of projected gradient descent: the weight of a prior in a projection would have
/// to follow the step size, which differs between observations and iterations. Also uncertainty:
/// the iteration ends near a minimum, not at one.
fn check_projected(inversion: &batch::Options) -> Result<()> {
    inversion.check_alternatives(false)?;
    if inversion.uncertainty {
        let expected = "option `Strategy::Search`; or leave option `uncertainty` out";
        return Err(Error::option("uncertainty", "given with option `Strategy::Projected`", expected));
    }
    if inversion.prior == 0.0 {
        return Ok(());
    }
    let found = format!("{} with option `Strategy::Projected`", inversion.prior);
    let expected = "option `Strategy::Search`, or descent with option `Strategy::Direct`; or leave the prior out";
    Err(Error::option("prior", found, expected))
}

/// Refuses `l1` and `linf` for sums of curved outputs: what such measurements receive is not affine
/// within a region.
fn check_measured(network: &Network, objective: Objective, inversion: &batch::Options) -> Result<()> {
    let output = network.layers()[network.depth() - 1].activation;
    if objective == Objective::L2 || output.is_piecewise_linear() {
        return Ok(());
    }
    let (option, value) = inversion.chosen_by("objective", objective);
    let found = format!("{value} for linear measurements of {output} outputs");
    let expected = "option `objective: l2`; or pixels that are measured themselves (a mask)";
    Err(Error::option(option, found, expected))
}

/// Checks a matrix that an operator of the caller's own may have made.
fn check_matrix(matrix: &DMatrix<f64>, operator: &dyn Operator) -> Result<()> {
    let expected = (operator.measurements(), operator.pixels());
    let refused = |found: String, expected: String| {
        Err(Error::input("the operator's matrix", found, expected, "correct its method `matrix`"))
    };
    if matrix.shape() != expected {
        let shape = |(rows, columns): (usize, usize)| format!("{rows} × {columns} entries");
        return refused(shape(matrix.shape()), format!("{}, measurements × pixels", shape(expected)));
    }
    match matrix.iter().find(|entry| !entry.is_finite()) {
        Some(entry) => refused(format!("the entry {entry}"), "finite entries".to_owned()),
        None => Ok(()),
    }
}
