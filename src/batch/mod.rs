//! The pipeline: observations in, batches through the device and the LP pool, results out in order.
//!
//! [`Inverter`] holds what every batch shares: the network, the device, the prepared layers, the thread pool. A batch goes
//! through it as a whole ([`Inverter::invert`]); [`stream`] feeds it batch after batch, [`files`] from a file to a file, and
//! [`summary`] adds up what came of them.

pub mod files;
pub mod stream;
pub mod summary;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::best::refine::{RefineOptions, refine_batch};
use crate::cpu;
use crate::descent::DescentOptions;
use crate::device::{self, Device, DeviceChoice};
use crate::error::{Error, Result};
use crate::formats::npy::ElementType;
use crate::formats::report::{Columns, LayerRow, ObservationRow, Residual, Status};
use crate::lp::formulation::Tolerances;
use crate::lp::formulation::target::Precision;
use crate::lp::layer::{LayerOptions, StageTimes};
use crate::lp::solver::Solver;
use crate::lp::solver::clarabel_reference::ClarabelReference;
use crate::lp::solver::interior_point::InteriorPoint;
use crate::lp::{Inversion, LayerSystems, invert_batch, unusable};
use crate::network::Network;
use stream::Stream;

/// How observations are inverted.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Layer by layer, by linear programs.
    Layerwise(LayerOptions),
    /// All layers at once, by gradient descent.
    Descent(DescentOptions),
}

/// What solves the linear programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SolverChoice {
    /// The engine made for these problems.
    #[default]
    InteriorPoint,
    /// Clarabel, a general interior point: the reference, some hundred times slower.
    Clarabel,
}

impl fmt::Display for SolverChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SolverChoice::InteriorPoint => "interior-point",
            SolverChoice::Clarabel => "clarabel",
        })
    }
}

impl FromStr for SolverChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "interior-point" => Ok(SolverChoice::InteriorPoint),
            "clarabel" => Ok(SolverChoice::Clarabel),
            other => Err(Error::option("--solver", other, "interior-point or clarabel")),
        }
    }
}

/// How an [`Inverter`] works. The default is `linf` on whatever device there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The method. Default `linf`.
    pub method: Method,
    /// Whether Gauss–Newton on the linear region follows; kept only where the squared loss falls. Default no.
    pub refine: bool,
    /// An observation counts as reproduced when its residual is at most this in the maximum norm. Default 1e-6.
    pub reproduces_within: f64,
    /// What solves the LPs.
    pub solver: SolverChoice,
    /// Where batched work runs.
    pub device: DeviceChoice,
    /// A part of the name of the adapter to use.
    pub adapter: Option<String>,
    /// Threads of the LP pool; `None` takes the processors that the process may use.
    pub threads: Option<usize>,
    /// How exact the observations are.
    pub precision: Precision,
    /// What the codes will be stored as: residuals are those of the codes as written. Default f64.
    pub codes_as: ElementType,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            method: Method::Layerwise(LayerOptions::default()),
            refine: false,
            reproduces_within: Tolerances::default().epsilon,
            solver: SolverChoice::default(),
            device: DeviceChoice::default(),
            adapter: None,
            threads: None,
            precision: Precision::default(),
            codes_as: ElementType::F64,
        }
    }
}

impl Options {
    fn validate(&self) -> Result<()> {
        if self.threads == Some(0) {
            return Err(Error::option("--threads", "0", "at least 1"));
        }
        match &self.method {
            Method::Layerwise(options) => options.tolerances.validate(),
            Method::Descent(options) => options.validate(),
        }
    }
}

/// What came of a batch: one column, or row, an observation.
#[derive(Debug, Clone)]
pub struct InvertedBatch {
    /// Index of the first observation in the whole run.
    pub first_index: u64,
    /// Latent codes, `k` × count; `NaN` where an observation failed.
    pub codes: DMatrix<f64>,
    /// The report's rows.
    pub rows: Vec<ObservationRow>,
    /// Where the time went.
    pub times: BatchTimes,
}

/// Wall-clock time of a batch by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BatchTimes {
    /// Classification on the device, LPs and their forward passes.
    pub layers: StageTimes,
    /// Gradient descent on the device.
    pub descent: Duration,
    /// Refinement.
    pub refine: Duration,
    /// The residuals, in f64.
    pub residuals: Duration,
}

/// A network made ready for inverting batches. Made once, used from any number of threads.
pub struct Inverter {
    network: Arc<Network>,
    systems: LayerSystems,
    device: Box<dyn Device>,
    device_notice: Option<String>,
    solver: Box<dyn Solver>,
    pool: rayon::ThreadPool,
    options: Options,
}

impl fmt::Debug for Inverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inverter")
            .field("options", &self.options)
            .field("device", &self.device.description())
            .finish_non_exhaustive()
    }
}

impl Inverter {
    /// Opens the device, prepares the layers and starts the thread pool.
    ///
    /// # Errors
    /// [`Error::BadOption`] for options out of range; [`Error::NoDevice`] where the device asked for is not there.
    pub fn new(network: impl Into<Arc<Network>>, options: Options) -> Result<Self> {
        options.validate()?;
        let network = network.into();
        let opened = device::open(&network, options.device, options.adapter.as_deref())?;
        Self::with_device(network, options, opened.device, opened.notice)
    }

    /// An inverter on a device of the caller's; `notice` is what there is to say about its choice.
    pub fn with_device(
        network: Arc<Network>,
        options: Options,
        device: Box<dyn Device>,
        notice: Option<String>,
    ) -> Result<Self> {
        options.validate()?;
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(options.threads.unwrap_or(0)).build().map_err(|error| {
                Error::option("--threads", error.to_string(), "a number of threads that the system allows")
            })?;
        let solver: Box<dyn Solver> = match options.solver {
            SolverChoice::InteriorPoint => Box::new(InteriorPoint),
            SolverChoice::Clarabel => Box::new(ClarabelReference),
        };
        let systems = LayerSystems::new(&network);
        Ok(Inverter { network, systems, device, device_notice: notice, solver, pool, options })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The options it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The device.
    pub fn device(&self) -> &dyn Device {
        &*self.device
    }

    /// Why `auto` took the CPU, if it did.
    pub fn device_notice(&self) -> Option<&str> {
        self.device_notice.as_deref()
    }

    /// Threads of the pool.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Which columns a `.csv` report of this inverter's rows has.
    pub fn report_columns(&self, code_error: bool) -> Columns {
        match &self.options.method {
            Method::Layerwise(_) => {
                Columns { layers: (1..=self.network.depth()).rev().collect(), code_error, iterations: false }
            }
            Method::Descent(_) => Columns { layers: Vec::new(), code_error, iterations: true },
        }
    }

    /// Inverts one batch. `observations`: `n` × count, one a column, `NaN` where an entry was not observed.
    ///
    /// # Errors
    /// [`Error::Input`] for another number of rows than `n`; what the device reports. What happens to single observations
    /// is in the rows: a bad one never stops the others.
    pub fn invert(&self, observations: &DMatrix<f64>) -> Result<InvertedBatch> {
        self.invert_from(observations, 0)
    }

    /// Inverts observation after observation of a source of batches; see [`Stream`].
    pub fn stream<S>(&self, source: S) -> Stream<'_, S::IntoIter>
    where
        S: IntoIterator<Item = Result<DMatrix<f64>>>,
    {
        Stream::new(self, source.into_iter())
    }

    /// [`Self::invert`] for a batch whose first observation has this index in the whole run.
    pub fn invert_from(&self, observations: &DMatrix<f64>, first_index: u64) -> Result<InvertedBatch> {
        self.network.check_observations(observations)?;
        self.pool.install(|| {
            let mut times = BatchTimes::default();
            let (mut codes, mut rows) = match &self.options.method {
                Method::Layerwise(options) => self.layerwise(options, observations, first_index, &mut times)?,
                Method::Descent(options) => self.descent(options, observations, first_index, &mut times)?,
            };
            if self.options.refine {
                let start = Instant::now();
                let refinements = refine_batch(&self.network, observations, &mut codes, &RefineOptions::default());
                for (row, refinement) in rows.iter_mut().zip(refinements) {
                    row.refined = refinement.refined;
                }
                times.refine = start.elapsed();
            }
            if self.options.codes_as == ElementType::F32 {
                codes.apply(|z| *z = f64::from(*z as f32));
            }
            let start = Instant::now();
            self.add_residuals(observations, &codes, &mut rows);
            times.residuals = start.elapsed();
            Ok(InvertedBatch { first_index, codes, rows, times })
        })
    }

    fn layerwise(
        &self,
        options: &LayerOptions,
        observations: &DMatrix<f64>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(DMatrix<f64>, Vec<ObservationRow>)> {
        let (inversions, layer_times) = invert_batch(
            &self.network,
            &self.systems,
            self.device(),
            &*self.solver,
            options,
            observations,
            self.options.precision,
        )?;
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
        Ok((codes, rows))
    }

    fn descent(
        &self,
        options: &DescentOptions,
        observations: &DMatrix<f64>,
        first_index: u64,
        times: &mut BatchTimes,
    ) -> Result<(DMatrix<f64>, Vec<ObservationRow>)> {
        let start = Instant::now();
        let answer = self.device.descend(observations, first_index, options)?;
        times.descent = start.elapsed();
        let row = |place: usize| {
            let diverged = answer.codes.column(place).iter().any(|z| z.is_nan());
            let status = match unusable(observations.column(place).iter()) {
                Some(why) => Status::Failed(why),
                None if diverged => Status::Failed("descent left the numbers; try a smaller --step".to_owned()),
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
            row.residual = residual(observations.column(place).as_slice(), outputs.column(place).as_slice());
            row.reproduces = row.residual.linf <= self.options.reproduces_within;
        });
    }
}

fn empty_row(index: u64, status: Status) -> ObservationRow {
    ObservationRow {
        index,
        status,
        reproduces: false,
        residual: Residual { linf: f64::NAN, l1: f64::NAN, l2_relative: f64::NAN },
        clamped: 0,
        refined: false,
        iterations: None,
        code_error: None,
        layers: Vec::new(),
    }
}

fn layerwise_row(index: u64, inversion: Inversion) -> ObservationRow {
    let certified = inversion.is_certified();
    let status = match inversion.failure {
        Some(why) => Status::Failed(why),
        None if certified => Status::Solved,
        None => Status::NotCertified,
    };
    let layer = |layer: crate::lp::LayerSummary| LayerRow {
        layer: layer.layer,
        epsilon: layer.epsilon,
        objective: layer.objective,
        active_rows: layer.active_rows,
        determined: layer.determined,
        undetermined_entries: layer.undetermined_entries,
        solves: layer.solves,
        iterations: layer.iterations,
        certified: layer.certified,
    };
    ObservationRow {
        clamped: inversion.clamped,
        layers: inversion.layers.into_iter().map(layer).collect(),
        ..empty_row(index, status)
    }
}

/// `G(z) − x` over the observed entries; `NaN` where `G(z)` is, or nothing was observed.
fn residual(observation: &[f64], output: &[f64]) -> Residual {
    let (mut linf, mut l1, mut squares, mut norm, mut observed) = (0.0f64, 0.0, 0.0, 0.0, 0usize);
    for (x, g) in observation.iter().zip(output).filter(|(x, _)| !x.is_nan()) {
        let difference = (g - x).abs();
        linf = linf.max(difference);
        l1 += difference;
        squares += difference * difference;
        norm += x * x;
        observed += 1;
    }
    // One NaN makes the sum NaN; the maximum passes over it.
    if observed == 0 || f64::is_nan(l1) {
        return Residual { linf: f64::NAN, l1: f64::NAN, l2_relative: f64::NAN };
    }
    Residual { linf, l1, l2_relative: if squares == 0.0 { 0.0 } else { (squares / norm).sqrt() } }
}
