//! The methods that the experiments compare, with the paper's settings.

use serde::{Deserialize, Serialize};

use crate::batch::{BestMethod, Method, Options};
use crate::descent::DescentOptions;
use crate::device::DeviceChoice;
use crate::lp::formulation::{self, Tolerances};
use crate::lp::layer::LayerwiseOptions;

/// A method of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Contender {
    /// The paper's Algorithm 1.
    Linf,
    /// The paper's Algorithm 2, over the whole ladder of tolerances.
    L1,
    /// The paper's Algorithm 3, over the whole ladder of tolerances.
    Relaxed,
    /// Equations on the active rows: for observations without noise.
    Exact,
    /// Gradient descent, the paper's baseline.
    Descent,
    /// The search from many starts.
    Best,
}

/// The paper's gradient descent on random networks: step 1 on `½‖G(z) − x‖²`, up to 1,000
/// iterations, one random start.
pub fn descent_on_random(seed: u64) -> DescentOptions {
    DescentOptions { step: Some(1.0), iterations: 1000, restarts: 0, seed, ..DescentOptions::default() }
}

/// The paper's gradient descent on its trained generators: step 1e-3, up to 10,000 iterations, one
/// random start.
pub fn descent_on_trained(seed: u64) -> DescentOptions {
    DescentOptions { step: Some(1e-3), iterations: 10_000, restarts: 0, seed, ..DescentOptions::default() }
}

impl Contender {
    /// Options of an inverter on the CPU. ε₀ is `epsilon`, and a residual of at most `epsilon`
    /// counts as reproduced.
    pub fn options(self, epsilon: f64, descent: DescentOptions, threads: usize) -> Options {
        let tolerances = Tolerances::default().epsilon(epsilon);
        let layerwise =
            |method| Method::Layerwise(LayerwiseOptions { method, tolerances, ..LayerwiseOptions::default() });
        let method = match self {
            Contender::Linf => layerwise(formulation::LayerwiseMethod::Linf),
            Contender::L1 => layerwise(formulation::LayerwiseMethod::L1),
            Contender::Relaxed => layerwise(formulation::LayerwiseMethod::Relaxed),
            Contender::Exact => layerwise(formulation::LayerwiseMethod::Exact),
            Contender::Descent => Method::Descent(descent),
            Contender::Best => Method::Best(BestMethod { tolerances, ..BestMethod::default() }),
        };
        let threads = Some(threads);
        Options { method, device: DeviceChoice::Cpu, threads, reproduces_within: Some(epsilon), ..Options::default() }
    }

    /// The number of its curves' colour.
    pub fn colour(self) -> usize {
        match self {
            Contender::Linf => 0,
            Contender::L1 => 3,
            Contender::Relaxed => 5,
            Contender::Exact => 6,
            Contender::Descent => 1,
            Contender::Best => 2,
        }
    }
}
