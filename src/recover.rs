//! Codes from linear measurements: `y = A G(z) + e`, a batch at a time.
//!
//! Three ways lead there ([`Way`]). The *search* minimises `½‖A G(z) − y‖²` itself, `A` as one more layer of the network, by
//! [`crate::multistart`] from many starts. The *direct* way hands `A G` to a method of inversion: `descent` (Bora, Jalal, Price and
//! Dimakis, *Compressed sensing using generative models*, ICML 2017), or, for measured pixels, linear programs layer by layer with
//! the rows of the other pixels left out. *Projected gradient descent* goes back and forth between measurements and images, with
//! a [`Projector`]. docs/RECOVERY.md says when to use which.

pub mod operators;
mod options;
mod projected;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use crate::batch::engine::Engine;
use crate::batch::{BatchTimes, InvertedBatch, Inverter, Method, NoiseTest, best_row, empty_row, residual};
use crate::cpu::CpuDevice;
use crate::cpu::blocked::forward::forward;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::npy::ElementType;
use crate::formats::report::{Columns, ObservationRow};
use crate::multistart::{BestAnswer, BestOptions, PackedNetwork, best_batch};
use crate::network::{Activation, Layer, Network};
use crate::projector::Projector;
use operators::Operator;
pub use options::{Options, ProjectedOptions, Way};
pub use projected::Iteration;

/// A network and an operator made ready for batches of measurements.
pub struct Recoverer {
    network: Arc<Network>,
    /// The network as products read it.
    cpu: CpuDevice,
    operator: Box<dyn Operator>,
    working: Working,
    watch: Box<dyn Fn(Iteration) + Send + Sync>,
}

enum Working {
    Search {
        inverter: Inverter,
        packed: PackedNetwork,
        options: BestOptions,
    },
    /// An inverter of the network, or of network and operator as one.
    Direct(Inverter),
    Projected {
        projector: Projector,
        options: ProjectedOptions,
    },
}

impl fmt::Debug for Recoverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recoverer")
            .field("operator", &self.operator)
            .field("inverter", self.inverter())
            .finish_non_exhaustive()
    }
}

impl Recoverer {
    /// Prepares what all batches share.
    ///
    /// # Errors
    /// [`Error::Input`] for an operator of images of another size; [`Error::BadOption`] for options out of range, a layer-wise
    /// method straight on an operator that does not measure pixels, or `descent` through one from a sigmoid or tanh;
    /// those of [`Inverter::new`].
    pub fn new(network: impl Into<Arc<Network>>, operator: Box<dyn Operator>, options: Options) -> Result<Self> {
        let network = network.into();
        if operator.pixels() != network.observation_length() {
            return Err(Error::input(
                "the operator",
                format!("{} pixels an image", operator.pixels()),
                format!("{}, as the network has outputs", network.observation_length()),
                "check that operator and network belong together",
            ));
        }
        let Options { way, inversion } = options;
        let working = match way {
            Way::Search(options) => {
                options.validate(&network)?;
                let packed = match operator.matrix() {
                    Some(matrix) => PackedNetwork::measured_by(Arc::clone(&network), &matrix),
                    None => PackedNetwork::new(Arc::clone(&network)),
                };
                Working::Search { inverter: Inverter::new(Arc::clone(&network), inversion)?, packed, options }
            }
            Way::Direct => {
                let measured = match operator.matrix() {
                    None => Arc::clone(&network),
                    Some(matrix) => Arc::new(measured(&network, matrix, &inversion.method)?),
                };
                Working::Direct(Inverter::new(measured, inversion)?)
            }
            Way::Projected(options) => {
                options.validate()?;
                Working::Projected { projector: Projector::new(Arc::clone(&network), inversion)?, options }
            }
        };
        Ok(Recoverer { cpu: CpuDevice::new(Arc::clone(&network)), network, operator, working, watch: Box::new(|_| {}) })
    }

    /// Tells `watch` of every outer iteration of projected gradient descent.
    pub fn on_iteration(mut self, watch: impl Fn(Iteration) + Send + Sync + 'static) -> Self {
        self.watch = Box::new(watch);
        self
    }

    /// The operator.
    pub fn operator(&self) -> &dyn Operator {
        &*self.operator
    }

    /// Recovers one batch. `measurements`: `m` × count, one a column, `NaN` where not measured.
    ///
    /// # Errors
    /// [`Error::Input`] for another number of rows than `m`; what the device reports. What becomes of single observations is in
    /// the rows.
    pub fn recover(&self, measurements: &DMatrix<f64>) -> Result<InvertedBatch> {
        self.inverter().enter(|| {
            let mut batch = self.solve(self.inverter().device(), measurements, 0)?;
            self.complete(measurements, &mut batch);
            Ok(batch)
        })
    }

    fn search(&self, packed: &PackedNetwork, y: &DMatrix<f64>, first_index: u64, options: &BestOptions) -> Codes {
        let answers = best_batch(packed, y, first_index, &[], options);
        let row = |(place, answer): (usize, &BestAnswer)| {
            best_row(first_index + place as u64, y.column(place).as_slice(), 0, answer)
        };
        let rows = answers.iter().enumerate().map(row).collect();
        let codes = answers.iter().flat_map(|answer| answer.code.iter().copied());
        (DMatrix::from_iterator(packed.code_length(), answers.len(), codes), rows)
    }

    fn add_residuals(&self, measurements: &DMatrix<f64>, batch: &mut InvertedBatch) {
        let within = self.inverter().options().reproduces_within;
        let images = forward(self.cpu.double(), 0..self.network.depth(), &batch.codes);
        let applied = self.operator.apply(&images);
        batch.rows.par_iter_mut().enumerate().for_each(|(place, row)| {
            row.residual = residual(measurements.column(place).as_slice(), applied.column(place).as_slice());
            row.reproduces = row.residual.linf <= within;
            // Both the search and projected gradient descent make the squared error of the measurements small.
            row.explained = NoiseTest::Squares.is_passed(&row.residual, within);
        });
    }
}

type Codes = (DMatrix<f64>, Vec<ObservationRow>);

impl Engine for Recoverer {
    fn inverter(&self) -> &Inverter {
        match &self.working {
            Working::Search { inverter, .. } | Working::Direct(inverter) => inverter,
            Working::Projected { projector, .. } => projector.inverter(),
        }
    }

    fn generator(&self) -> &Network {
        &self.network
    }

    fn observation_length(&self) -> usize {
        self.operator.measurements()
    }

    fn length_comes_from(&self) -> &'static str {
        "as the operator makes measurements"
    }

    fn report_columns(&self, truth: bool) -> Columns {
        let columns = match &self.working {
            Working::Direct(inverter) => inverter.report_columns(truth),
            Working::Search { .. } => {
                Columns { layers: Vec::new(), code_error: truth, image_error: truth, iterations: false, search: true }
            }
            Working::Projected { .. } => {
                Columns { layers: Vec::new(), code_error: truth, image_error: truth, iterations: true, search: false }
            }
        };
        Columns { image_error: truth, ..columns }
    }

    fn options_that_matter(&self) -> Vec<(String, String)> {
        let mut options = vec![self.operator.identity()];
        let mut add = |name: &str, value: String| options.push((name.to_owned(), value));
        match &self.working {
            Working::Search { options: BestOptions { starts, seed, objective }, .. } => {
                add("objective", objective.to_string());
                add("Way::Search", "given".to_owned());
                add("starts", starts.to_string());
                add("seed", seed.to_string());
            }
            Working::Direct(_) => add("Way::Direct", "given".to_owned()),
            Working::Projected { options, .. } => {
                let ProjectedOptions { step, momentum, iterations, tolerance, restarts, seed } = options;
                add("Way::Projected", "given".to_owned());
                add("step", step.to_string());
                add("momentum", momentum.to_string());
                add("iterations", iterations.to_string());
                add("tolerance", tolerance.to_string());
                add("restarts", restarts.to_string());
                add("seed", seed.to_string());
            }
        }
        let of_method = self.inverter().options_that_matter();
        options.extend(of_method.into_iter().map(|(name, value)| (format!("inversion.{name}"), value)));
        options
    }

    fn solve(&self, device: &dyn Device, measurements: &DMatrix<f64>, first_index: u64) -> Result<InvertedBatch> {
        if measurements.nrows() != self.operator.measurements() {
            return Err(Error::input(
                "the measurements given",
                format!("{} entries a column", measurements.nrows()),
                format!("{}, as the operator makes measurements", self.operator.measurements()),
                "hand in one column an observation",
            ));
        }
        let times = BatchTimes::default();
        let (codes, rows) = match &self.working {
            Working::Direct(inverter) => return inverter.solve(device, measurements, first_index),
            Working::Search { inverter, packed, options } => {
                inverter.in_pool(|| self.search(packed, measurements, first_index, options))
            }
            Working::Projected { projector, options } => projector.inverter().in_pool(|| -> Result<Codes> {
                let operator = self.operator();
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
        let inverter = self.inverter();
        if let Working::Direct(_) = &self.working {
            return inverter.complete(measurements, batch);
        }
        if inverter.options().codes_as == ElementType::F32 {
            batch.codes.apply(|z| *z = f64::from(*z as f32));
        }
        let start = Instant::now();
        inverter.in_pool(|| self.add_residuals(measurements, batch));
        batch.times.residuals = start.elapsed();
    }
}

/// `A G` as a network, for `descent`.
fn measured(network: &Network, matrix: DMatrix<f64>, method: &Method) -> Result<Network> {
    if !matches!(method, Method::Descent(_)) {
        return Err(Error::option(
            "Way::Direct",
            "a method that begins layer by layer, for measurements that are not pixels: they do not determine a hidden layer",
            "best or descent, or the method with option `Way::Projected`",
        ));
    }
    let mut layers = network.layers().to_vec();
    let last = layers.len() - 1;
    let activation = layers[last].activation;
    if activation == Activation::Identity {
        layers[last].bias = &matrix * &layers[last].bias;
        layers[last].weight = &matrix * &layers[last].weight;
    } else if activation.allowed_in_hidden_layers() {
        let bias = DVector::zeros(matrix.nrows());
        layers.push(Layer { weight: matrix, bias, activation: Activation::Identity });
    } else {
        return Err(Error::option(
            "Way::Direct",
            format!("descent through a linear map of {activation} outputs"),
            "best, or descent with option `Way::Projected`",
        ));
    }
    Network::new(layers, "the network and the operator")
}
