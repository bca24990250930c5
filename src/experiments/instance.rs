//! An instance to invert, with its true code.

use std::sync::Arc;

use nalgebra::DMatrix;

/// Relative error up to which the paper counts a run as a success.
pub use crate::batch::summary::SUCCESS_ERROR as SUCCESS;
use crate::batch::{InvertedBatch, Inverter, Options};
use crate::cpu::forward::forward;
use crate::error::Result;
use crate::network::{Activation, Network};
use crate::random::{Domain, Noise, normal_vector, random_network};

/// A network, a code drawn from N(0, I), and its observation.
pub struct Instance {
    /// The network.
    pub network: Arc<Network>,
    /// `z*`, `k` × 1.
    pub code: DMatrix<f64>,
    /// `G(z*) + e`, `n` × 1.
    pub observation: DMatrix<f64>,
    /// `‖e‖ / ‖G(z*)‖`.
    pub relative_noise: f64,
}

impl Instance {
    /// Creates an instance with its own random network, entries N(0, 1/n_i).
    ///
    /// # Errors
    /// Those of [`random_network`].
    pub fn random(sizes: &[usize], activation: Activation, noise: Noise, seed: u64) -> Result<Self> {
        Ok(Self::of(Arc::new(random_network(sizes, activation, seed)?), noise, seed))
    }

    /// Draws a random code of `network`.
    pub fn of(network: Arc<Network>, noise: Noise, seed: u64) -> Self {
        let k = network.code_length();
        let code = DMatrix::from_vec(k, 1, normal_vector(seed, Domain::Code, 0, k));
        let clean = forward(&network, 0..network.depth(), &code);
        let mut observation = clean.clone();
        noise.apply(seed, 0, observation.as_mut_slice());
        let relative_noise = (&observation - &clean).norm() / clean.norm();
        Instance { network, code, observation, relative_noise }
    }

    /// Inverts the observation.
    ///
    /// # Errors
    /// Those of [`Inverter`].
    pub fn invert(&self, options: Options) -> Result<InvertedBatch> {
        Inverter::new(Arc::clone(&self.network), options)?.invert(&self.observation)
    }

    /// `‖z − z*‖ / ‖z*‖` of an answer; infinite for a failure.
    pub fn error(&self, found: &InvertedBatch) -> f64 {
        let error = (&found.codes - &self.code).norm() / self.code.norm();
        if error.is_nan() { f64::INFINITY } else { error }
    }
}
