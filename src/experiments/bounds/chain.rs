//! Inverts one layer at a time, with a separate tolerance per layer, and computes the guarantees of
//! the theorems.
//!
//! The calls are those of [`crate::lp::LayerChain`], including the sign of the hidden layers;
//! only the tolerances differ.

use std::collections::HashMap;

use nalgebra::DMatrix;
use rayon::ThreadPool;

use super::super::conditioning::Conditioning;
use super::super::contender::Contender;
use super::super::determined::has_full_rank;
use super::super::instance::Instance;
use crate::cpu::CpuDevice;
use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::lp::formulation::target::Targets;
use crate::lp::formulation::{LayerwiseMethod, Tolerances};
use crate::lp::layer::{LayerAnswer, LayerContext, LayerwiseOptions, StageTimes};
use crate::lp::problem::LayerSystem;
use crate::lp::solver::engine::LpEngine;
use crate::network::Network;

/// With this growth, the ladder of `l1` has only the step `ε₀`: the next one is above all targets.
const ONE_STEP: f64 = 1e200;
/// Rounding tolerance of the test whether the truth satisfies a row.
const ROUNDING: f64 = 1e-9;

/// The code that one rule gave.
pub(super) struct Found {
    pub code: Vec<f64>,
    /// Whether in every layer the truth satisfies the rows at the answer's `ε` (`linf`), or the
    /// rows counted as active are truly active (`l1`).
    pub truth_fits: bool,
    /// Whether every layer's answer is at its first tolerance.
    pub at_first: bool,
}

/// The truly active rows of the last layer, with their `c`: `c_∞`, or for `l1` the lower bound of
/// `c_1` and the value that some vector attains. 0 if they do not have full rank.
pub(super) struct LastLayer {
    pub active: usize,
    pub constant: f64,
    pub attained: f64,
}

/// The guarantee of the proof of Theorem 4 for `z − z*`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guarantee {
    pub largest: f64,
    pub sum: f64,
    /// The same in the method's norm, with the objective that was reached instead of its upper
    /// bound.
    pub afterwards: f64,
}

/// One method on one instance's network.
pub(super) struct Chain<'a> {
    network: &'a Network,
    method: Contender,
    systems: Vec<LayerSystem>,
    device: CpuDevice,
    pool: ThreadPool,
    /// `z*`, then the true output of every layer.
    truth: Vec<Vec<f64>>,
    /// The constants by layer and rows; `None` if the rows do not have full column rank (or a
    /// program was not certified).
    known: HashMap<(usize, Vec<usize>), Option<Conditioning>>,
}

impl<'a> Chain<'a> {
    /// Prepares the method for the instance.
    ///
    /// # Errors
    /// [`Error::BadOption`] if the system provides no thread.
    pub fn new(instance: &'a Instance, method: Contender) -> Result<Self> {
        let network = &*instance.network;
        let system = |(index, layer): (usize, &crate::network::Layer)| {
            LayerSystem::new(layer.weight().clone(), layer.bias.clone(), network.input_is_nonnegative(index))
        };
        let systems = network.layers().iter().enumerate().map(system).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| Error::option("threads", error.to_string(), "fewer of them"))?;
        let outputs = (1..=network.depth()).map(|end| forward(network, 0..end, &instance.code).as_slice().to_vec());
        let truth = std::iter::once(instance.code.as_slice().to_vec()).chain(outputs).collect();
        let device = CpuDevice::new(instance.network.clone());
        Ok(Chain { network, method, systems, device, pool, truth, known: HashMap::new() })
    }

    /// Inverts with a ladder that starts at `ε₀ = epsilon` at every layer, as the library does.
    ///
    /// # Errors
    /// Those of the device.
    pub fn ladder(&self, observation: &[f64], epsilon: f64) -> Result<Option<Found>> {
        let tolerances = Tolerances::default().epsilon(epsilon);
        let mut target = observation.to_vec();
        let (mut truth_fits, mut at_first) = (true, true);
        for index in (0..self.network.depth()).rev() {
            let answer = self.invert(index, &target, tolerances)?;
            if answer.failure.is_some() {
                return Ok(None);
            }
            truth_fits &= self.truth_fits(index, &target, answer.epsilon);
            at_first &= answer.epsilon == epsilon;
            if index == 0 {
                return Ok(Some(Found { code: answer.z, truth_fits, at_first }));
            }
            let determined = answer.z.iter().zip(&answer.determined);
            target = determined.map(|(z, determined)| if *determined { *z } else { f64::NAN }).collect();
        }
        Ok(None)
    }

    /// Inverts with the tolerances of the proof of Theorem 4, for noise of at most `epsilon` per
    /// entry and `sum` in total. `None` if a layer is left with too few active rows: then nothing
    /// is guaranteed.
    ///
    /// # Errors
    /// Those of the device and of [`Conditioning::new`].
    pub fn with_proofs_tolerances(
        &mut self,
        observation: &[f64],
        epsilon: f64,
        sum: f64,
    ) -> Result<Option<(Found, Guarantee)>> {
        let (mut target, mut error) = (observation.to_vec(), [epsilon, sum]);
        let (mut truth_fits, mut at_first) = (true, true);
        for index in (0..self.network.depth()).rev() {
            let rows: Vec<usize> = (0..target.len()).filter(|row| target[*row] > error[0]).collect();
            if rows.len() < self.truth[index].len() {
                return Ok(None);
            }
            let growth = if self.method == Contender::L1 { ONE_STEP } else { Tolerances::default().growth };
            let answer = self.invert(index, &target, Tolerances::default().epsilon(error[0]).growth(growth))?;
            if answer.failure.is_some() {
                return Ok(None);
            }
            truth_fits &= self.truth_fits(index, &target, answer.epsilon);
            at_first &= answer.epsilon == error[0];
            if !self.may_go_on(index, error, &answer.z)? {
                return Ok(None);
            }
            let Some(conditioning) = self.conditioning(index, rows)? else { return Ok(None) };
            let before = error[usize::from(self.method == Contender::L1)];
            error = self.guaranteed(error, conditioning);
            if index == 0 {
                let share = (before + answer.objective) / (2.0 * before);
                let afterwards = share * error[usize::from(self.method == Contender::L1)];
                let guarantee = Guarantee { largest: error[0], sum: error[1], afterwards };
                let found = Found { code: answer.z, truth_fits, at_first };
                return Ok(Some((found, guarantee)));
            }
            target = answer.z;
        }
        Ok(None)
    }

    /// The theorem's form of the bound, `2^d · error / ∏ c`, with the constants of the truly active
    /// rows, in the method's norm.
    ///
    /// # Errors
    /// Those of [`Conditioning::new`].
    pub fn formula(&mut self, epsilon: f64, sum: f64) -> Result<f64> {
        let mut error = [epsilon, sum];
        for index in (0..self.network.depth()).rev() {
            match self.true_conditioning(index)? {
                Some(conditioning) => error = self.guaranteed(error, conditioning),
                None => return Ok(f64::INFINITY),
            }
        }
        Ok(error[usize::from(self.method == Contender::L1)])
    }

    /// The truly active rows of the last layer.
    ///
    /// # Errors
    /// Those of [`Conditioning::new`].
    pub fn last_layer(&mut self) -> Result<LastLayer> {
        let last = self.network.depth() - 1;
        let active = self.truth[last + 1].iter().filter(|t| **t > 0.0).count();
        let Some(conditioning) = self.true_conditioning(last)? else {
            return Ok(LastLayer { active, constant: 0.0, attained: 0.0 });
        };
        let attained = conditioning.attained();
        let constant = match self.method {
            Contender::L1 => conditioning.sum_of_entries(),
            _ => conditioning.largest_entry(),
        };
        Ok(LastLayer { active, constant, attained })
    }

    /// For one layer, computes the guarantee for its input from the guarantee for its target:
    /// largest entry and sum of the error.
    fn guaranteed(&self, error: [f64; 2], conditioning: Conditioning) -> [f64; 2] {
        let image = 2.0 * error[usize::from(self.method == Contender::L1)];
        [image / conditioning.largest_entry(), image / conditioning.sum_of_entries()]
    }

    /// Whether the layer below `index`, with target `z`, can have enough rows above its tolerance.
    /// Rows that count as active are truly active. The constants of all truly active rows are known
    /// already, and are at least as large, so they give a lower bound of the tolerance. If too few
    /// entries are above even this, the constants of fewer rows are not needed.
    fn may_go_on(&mut self, index: usize, error: [f64; 2], z: &[f64]) -> Result<bool> {
        let Some(conditioning) = self.true_conditioning(index)? else { return Ok(false) };
        let least = self.guaranteed(error, conditioning)[0];
        Ok(index == 0 || z.iter().filter(|z| **z > least).count() >= self.truth[index - 1].len())
    }

    fn true_conditioning(&mut self, index: usize) -> Result<Option<Conditioning>> {
        let target = &self.truth[index + 1];
        self.conditioning(index, (0..target.len()).filter(|row| target[*row] > 0.0).collect())
    }

    fn conditioning(&mut self, index: usize, rows: Vec<usize>) -> Result<Option<Conditioning>> {
        if let Some(known) = self.known.get(&(index, rows.clone())) {
            return Ok(known.clone());
        }
        let matrix = self.network.layers()[index].weight().select_rows(&rows);
        let made = has_full_rank(&matrix).then(|| Conditioning::new(&matrix, self.method, 1)).transpose()?;
        // Without a certificate a constant is 0 and gives no bound.
        let made = made.filter(|made| made.largest_entry() > 0.0);
        self.known.insert((index, rows), made.clone());
        Ok(made)
    }

    fn invert(&self, index: usize, target: &[f64], tolerances: Tolerances) -> Result<LayerAnswer> {
        let method = if self.method == Contender::L1 { LayerwiseMethod::L1 } else { LayerwiseMethod::Linf };
        let options = LayerwiseOptions { method, tolerances, ..LayerwiseOptions::default() };
        let context = LayerContext {
            index,
            system: &self.systems[index],
            activation: self.network.layers()[index].activation,
            device: Some(&self.device),
            solver: &LpEngine,
            options: &options,
        };
        let targets = Targets::from_hidden(DMatrix::from_column_slice(target.len(), 1, target));
        let mut answers = self.pool.install(|| context.invert(&targets, &mut StageTimes::default()))?;
        Ok(answers.remove(0))
    }

    fn truth_fits(&self, index: usize, target: &[f64], epsilon: f64) -> bool {
        let system = &self.systems[index];
        target.iter().enumerate().filter(|(_, t)| !t.is_nan()).all(|(row, t)| {
            let (product, size) = system.product_with_size(row, &self.truth[index]);
            let most = epsilon + ROUNDING * (size + t.abs());
            match self.method {
                Contender::L1 => *t <= epsilon || product > 0.0,
                _ if *t > epsilon => (product - t).abs() <= most,
                _ => product - t <= most,
            }
        })
    }
}
