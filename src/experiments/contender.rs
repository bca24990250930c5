//! The methods that the experiments compare, with the paper's settings.

use serde::{Deserialize, Serialize};

use crate::batch::{BestMethod, Method, Options};
use crate::descent::DescentOptions;
use crate::device::DeviceChoice;
use crate::lp::formulation::{LayerwiseMethod, Tolerances};
use crate::lp::layer::{LayerwiseOptions, RelaxedWeights, RowTolerances};
use crate::multistart::{BestOptions, Objective};

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
    /// The search from many starts for the lowest sum of squares.
    Best,
    /// The same for the lowest maximum.
    #[serde(rename = "best, linf")]
    #[strum(to_string = "best, linf")]
    BestLinf,
    /// [`Contender::Linf`], refined to a minimum of the largest error of the whole network.
    #[serde(rename = "linf, refined in linf")]
    #[strum(to_string = "linf, refined in linf")]
    LinfRefinedInLinf,
    /// [`Contender::Linf`], refined to a minimum of the squares of the whole network.
    #[serde(rename = "linf, refined in l2")]
    #[strum(to_string = "linf, refined in l2")]
    LinfRefinedInL2,
    /// [`Contender::Linf`] with up to four passes and rows in proportion to their spread.
    #[serde(rename = "linf, passes")]
    #[strum(to_string = "linf, passes")]
    LinfPasses,
    /// [`Contender::Relaxed`] without weights up to 2ε, as in the authors' program.
    #[serde(rename = "relaxed, clear weights")]
    #[strum(to_string = "relaxed, clear weights")]
    RelaxedClear,
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
        let layers = |method| LayerwiseOptions::default().method(method).tolerances(tolerances);
        let search = |objective| {
            let search = BestOptions { objective, ..BestOptions::default() };
            Method::Best(BestMethod { tolerances, search, ..BestMethod::default() })
        };
        let method = match self {
            Contender::Linf | Contender::LinfRefinedInLinf | Contender::LinfRefinedInL2 => {
                Method::Layerwise(layers(LayerwiseMethod::Linf))
            }
            Contender::LinfPasses => {
                Method::Layerwise(layers(LayerwiseMethod::Linf).passes(4).row_tolerances(RowTolerances::Proportional))
            }
            Contender::L1 => Method::Layerwise(layers(LayerwiseMethod::L1)),
            Contender::Relaxed => Method::Layerwise(layers(LayerwiseMethod::Relaxed)),
            Contender::RelaxedClear => {
                Method::Layerwise(layers(LayerwiseMethod::Relaxed).relaxed_weights(RelaxedWeights::Clear))
            }
            Contender::Exact => Method::Layerwise(layers(LayerwiseMethod::Exact)),
            Contender::Descent => Method::Descent(descent),
            Contender::Best => search(Objective::L2),
            Contender::BestLinf => search(Objective::Linf),
        };
        let refine = match self {
            Contender::LinfRefinedInLinf => Some(Objective::Linf),
            Contender::LinfRefinedInL2 => Some(Objective::L2),
            _ => None,
        };
        let (device, threads) = (DeviceChoice::Cpu, Some(threads));
        Options { method, refine, device, threads, reproduces_within: Some(epsilon), ..Options::default() }
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
            Contender::BestLinf | Contender::RelaxedClear => 4,
            Contender::LinfRefinedInLinf | Contender::LinfRefinedInL2 | Contender::LinfPasses => 6,
        }
    }
}
