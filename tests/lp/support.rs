//! What the LP tests share: a device without kernels, layers and targets that are random or
//! degenerate on purpose.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nalgebra::{DMatrix, DVector};
use unrelu::internals::configuration::Configurations;
use unrelu::internals::descent::DescentAnswer;
use unrelu::internals::device::Device;
use unrelu::internals::lp::formulation::target::Targets;
use unrelu::internals::lp::layer::{LayerAnswer, LayerContext, StageTimes};
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solver::Solver;
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::lp::{Inversion, LayerChain, LayerSystems};
use unrelu::internals::observation::View;
use unrelu::internals::random::{Domain, normal_vector, random_network};
use unrelu::{
    Activation, DescentOptions, Error, LayerwiseMethod, LayerwiseOptions, Network, Precision, Result, RowRule,
};

/// A device that implements the trait in plain f64, and can flip one bit of a classification.
pub struct HostDevice {
    pub network: Arc<Network>,
    /// `(observation, row)` to flip in the first classification.
    pub flip: Option<(usize, usize)>,
    pub dispatches: AtomicU64,
}

impl HostDevice {
    pub fn new(network: &Arc<Network>) -> Self {
        HostDevice { network: Arc::clone(network), flip: None, dispatches: AtomicU64::new(0) }
    }
}

impl Device for HostDevice {
    fn description(&self) -> String {
        "test host".to_owned()
    }

    fn forward(&self, layers: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        Ok(forward(&self.network, layers, inputs))
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        let first = self.dispatches.fetch_add(1, Ordering::Relaxed) == 0;
        let rows = targets.nrows();
        let mut words = vec![0; thresholds.len() * rows.div_ceil(32)];
        let mut counts = vec![0; thresholds.len()];
        for (observation, threshold) in thresholds.iter().enumerate() {
            for row in (0..rows).filter(|&row| targets[(row, observation)] > *threshold) {
                words[observation * rows.div_ceil(32) + row / 32] |= 1 << (row % 32);
                counts[observation] += 1;
            }
        }
        let mut configurations = Configurations::from_words(rows, words, counts);
        if let (true, Some((observation, row))) = (first, self.flip) {
            configurations.flip(observation, row);
        }
        Ok(configurations)
    }

    fn descend(&self, _: View<'_>, _: u64, _: &DescentOptions, _: f64) -> Result<DescentAnswer> {
        Err(Error::NoDevice("the LP tests do not descend".to_owned()))
    }

    fn levenberg_marquardt(
        &self,
        _: &DMatrix<f64>,
        _: &[usize],
        _: &DMatrix<f64>,
        _: f64,
    ) -> Result<Option<DMatrix<f64>>> {
        Ok(None)
    }

    fn dispatches(&self) -> u64 {
        self.dispatches.load(Ordering::Relaxed)
    }

    fn kernel_seconds(&self) -> Option<f64> {
        None
    }

    fn is_asynchronous(&self) -> bool {
        false
    }

    fn observations_at_once(&self, _: &DescentOptions) -> usize {
        1
    }

    fn warning(&self) -> Option<String> {
        None
    }
}

pub fn forward(network: &Network, layers: Range<usize>, inputs: &DMatrix<f64>) -> DMatrix<f64> {
    network.layers()[layers].iter().fold(inputs.clone(), |a, layer| {
        let mut a = layer.weight() * a;
        for mut column in a.column_iter_mut() {
            column += &layer.bias;
        }
        a.map(|a| layer.activation.apply(a))
    })
}

/// `count` codes N(0, I), one per column.
pub fn codes(length: usize, count: usize, seed: u64) -> DMatrix<f64> {
    let columns: Vec<f64> =
        (0..count as u64).flat_map(|index| normal_vector(seed, Domain::Code, index, length)).collect();
    DMatrix::from_vec(length, count, columns)
}

/// Every test of the linear programs must hold for each of these.
pub const SOLVERS: [&dyn Solver; 2] = [&LpEngine, &ClarabelReference];

pub fn invert(
    network: &Arc<Network>,
    solver: &dyn Solver,
    options: &LayerwiseOptions,
    observations: &DMatrix<f64>,
) -> Vec<Inversion> {
    let (systems, device) = (LayerSystems::new(network, options.hidden_sign), HostDevice::new(network));
    let chain = LayerChain { network, systems: &systems, device: &device, solver, options };
    chain.invert(observations, Precision::F64).unwrap().0
}

pub fn method(method: LayerwiseMethod) -> LayerwiseOptions {
    LayerwiseOptions::default().method(method)
}

/// `‖a − b‖ / ‖b‖`.
pub fn relative_error(found: &[f64], truth: &[f64]) -> f64 {
    let difference: f64 = found.iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / truth.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

pub fn network(sizes: &[usize], activation: Activation, seed: u64) -> Arc<Network> {
    Arc::new(random_network(sizes, activation, seed).unwrap())
}

/// One layer with one target, as in the definitions.
#[derive(Clone, Debug)]
pub struct Instance {
    pub name: String,
    pub weight: DMatrix<f64>,
    pub bias: DVector<f64>,
    pub nonnegative: bool,
    pub activation: Activation,
    pub target: Vec<f64>,
    pub epsilon: f64,
}

impl Instance {
    pub fn system(&self) -> LayerSystem {
        LayerSystem::new(self.weight.clone(), self.bias.clone(), self.nonnegative)
    }

    /// The library's LP for this instance, its rows taken from a device's masks.
    pub fn problem(&self, system: &LayerSystem, method: LayerwiseMethod, rows: RowRule) -> Problem {
        let mut options = LayerwiseOptions::default().method(method).rows(rows);
        options.tolerances.epsilon = Some(self.epsilon);
        let layer =
            unrelu::DenseLayer { weight: self.weight.clone(), bias: self.bias.clone(), activation: self.activation };
        let device = HostDevice::new(&Arc::new(Network::new(vec![layer], "test").unwrap()));
        let context = LayerContext {
            index: 0,
            system,
            activation: self.activation,
            device: Some(&device),
            solver: &ClarabelReference,
            options: &options,
        };
        let targets = Targets::from_hidden(DMatrix::from_column_slice(self.target.len(), 1, &self.target));
        let masks = context.classify(&targets, &[(0, 0)]).unwrap();
        context.problem(targets.column(0), &masks, 0, 0)
    }

    /// The largest number among targets, biases and ε.
    pub fn scale(&self) -> f64 {
        let numbers = self.target.iter().chain(&self.bias).filter(|t| !t.is_nan());
        numbers.fold(self.epsilon, |most, t| most.max(t.abs()))
    }

    pub fn slope(&self) -> f64 {
        match self.activation {
            Activation::LeakyRelu(slope) => slope,
            Activation::Relu => 0.0,
            _ => 1.0,
        }
    }
}

/// Uniform in `(−1, 1)`, seeded.
pub fn uniform(seed: u64, length: usize) -> Vec<f64> {
    unrelu::internals::random::uniform_vector(seed, Domain::Noise, 0, length)
        .into_iter()
        .map(|u| 2.0 * u - 1.0)
        .collect()
}

/// A random layer with a noisy target that comes from a code.
pub fn random_instance(
    units: usize,
    columns: usize,
    activation: Activation,
    nonnegative: bool,
    noise: f64,
    seed: u64,
) -> Instance {
    let weight = DMatrix::from_vec(units, columns, normal_vector(seed, Domain::Network, 0, units * columns));
    let bias = DVector::from_vec(uniform(seed, units)) * 0.1;
    let z = DVector::from_vec(normal_vector(seed, Domain::Code, 0, columns));
    let z = if nonnegative { z.map(|z| z.max(0.0)) } else { z };
    let clean = (&weight * z + &bias).map(|a| activation.apply(a));
    let noise: Vec<f64> = uniform(seed + 1, units).into_iter().map(|u| u * noise).collect();
    let target = clean.iter().zip(&noise).map(|(x, e)| x + e).collect();
    let name = format!("random {units}×{columns}, {activation}, z ≥ 0: {nonnegative}, seed {seed}");
    Instance { name, weight, bias, nonnegative, activation, target, epsilon: 1e-2 }
}

/// Instances that are difficult on purpose; each for ReLU and LeakyReLU, `z` free and `z ≥ 0`.
pub fn degenerate_instances() -> Vec<Instance> {
    let mut instances = Vec::new();
    for activation in [Activation::Relu, Activation::LeakyRelu(0.3)] {
        for nonnegative in [false, true] {
            let base = |name: &str, seed: u64| {
                let mut instance = random_instance(7, 3, activation, nonnegative, 0.05, seed);
                instance.name = format!("{name}, {activation}, z ≥ 0: {nonnegative}");
                instance
            };
            let mut add = |name: &str, change: &dyn Fn(&mut Instance)| {
                for seed in 0..3 {
                    let mut instance = base(name, 100 + seed);
                    change(&mut instance);
                    instances.push(instance);
                }
            };
            add("plain", &|_| {});
            add("no active row", &|i| i.target.iter_mut().for_each(|t| *t = -t.abs()));
            add("all active", &|i| i.target.iter_mut().for_each(|t| *t = t.abs() + 0.5));
            add("ties with epsilon", &|i| i.target.iter_mut().step_by(2).for_each(|t| *t = i.epsilon));
            add("equal targets", &|i| i.target.fill(0.25));
            add("a duplicated row", &|i| {
                let row = i.weight.row(0).into_owned();
                i.weight.set_row(1, &row);
                i.bias[1] = i.bias[0];
                i.target[1] = i.target[0];
            });
            add("a duplicated row with another target", &|i| {
                let row = i.weight.row(0).into_owned();
                i.weight.set_row(1, &row);
                i.target[0] = 0.3;
                i.target[1] = 0.5;
            });
            add("a zero column", &|i| i.weight.column_mut(1).fill(0.0));
            add("a zero row", &|i| i.weight.row_mut(2).fill(0.0));
            add("everything zero", &|i| i.weight.fill(0.0));
            add("all rows unobserved", &|i| i.target.fill(f64::NAN));
            add("some rows unobserved", &|i| i.target.iter_mut().step_by(3).for_each(|t| *t = f64::NAN));
            add("target zero", &|i| i.target.fill(0.0));
            add("target and bias zero", &|i| {
                i.target.fill(0.0);
                i.bias.fill(0.0);
            });
            for scale in [1e-6, 1e6] {
                add(&format!("targets of {scale:e}"), &move |i| {
                    i.target.iter_mut().for_each(|t| *t *= scale);
                    i.bias *= scale;
                    i.epsilon *= scale;
                });
            }
            add("integers", &|i| {
                i.weight.iter_mut().for_each(|w| *w = w.round());
                i.target.iter_mut().for_each(|t| *t = t.round());
                i.bias.fill(0.0);
            });
            add("one row", &|i| {
                i.weight = i.weight.rows(0, 1).into_owned();
                i.bias = i.bias.rows(0, 1).into_owned();
                i.target.truncate(1);
            });
            add("1×1", &|i| {
                i.weight = i.weight.view((0, 0), (1, 1)).into_owned();
                i.bias = i.bias.rows(0, 1).into_owned();
                i.target.truncate(1);
            });
            add("1×1, target one half below epsilon", &|i| {
                i.weight = DMatrix::from_element(1, 1, 1.0);
                i.bias = DVector::zeros(1);
                i.target = vec![0.5];
                i.epsilon = 0.6;
            });
        }
    }
    instances
}

/// Runs one layer of a method to its end.
pub fn layer_answer(instance: &Instance, solver: &dyn Solver, options: &LayerwiseOptions) -> LayerAnswer {
    with_layer(instance, solver, options, |context, targets| {
        context.invert(targets, &mut StageTimes::default()).unwrap().remove(0)
    })
}

/// The instance as a layer of a network and a target.
pub fn with_layer<T>(
    instance: &Instance,
    solver: &dyn Solver,
    options: &LayerwiseOptions,
    work: impl FnOnce(&LayerContext<'_>, &Targets) -> T,
) -> T {
    let layer = unrelu::DenseLayer {
        weight: instance.weight.clone(),
        bias: instance.bias.clone(),
        activation: instance.activation,
    };
    let device = HostDevice::new(&Arc::new(Network::new(vec![layer], "test").unwrap()));
    let system = instance.system();
    let context = LayerContext {
        index: 0,
        system: &system,
        activation: instance.activation,
        device: Some(&device),
        solver,
        options,
    };
    work(&context, &Targets::from_hidden(DMatrix::from_column_slice(instance.target.len(), 1, &instance.target)))
}
