//! The row of the report for one observation, and its method-specific parts.

use serde::Serialize;

use super::alternatives::AlternativesRow;
use super::fit::Fit;
use super::residual::Residual;
use super::status::Status;
use super::uncertainty::UncertaintyRow;

/// The result of a layer-wise method at one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerRow {
    /// The number of the layer, counted from 1 at the code.
    pub layer: usize,
    /// The tolerance `ε` of the answer.
    pub epsilon: f64,
    /// The objective of the linear program before refinement: `δ`, `Σe` or the relaxed maximum.
    pub objective: f64,
    /// Number of target entries above ε.
    pub active_rows: usize,
    /// Whether the linear program has a unique optimum, also where layers above left entries open:
    /// a chosen point of their optimal face does not count.
    pub determined: bool,
    /// Number of entries of the layer's input that the linear program does not determine.
    pub undetermined_entries: usize,
    /// Number of linear programs solved.
    pub solves: usize,
    /// Number of linear programs that were warm-started from the optimum of a neighbouring ε. The
    /// column's name is `from_neighbour`.
    #[serde(rename = "from_neighbour")]
    pub warm_started: usize,
    /// Number of interior-point iterations in all of them.
    pub iterations: u64,
    /// Number of simplex pivots in all of them.
    pub pivots: u64,
    /// Number of linear programs whose first solution failed the certificate and that took a slower
    /// path.
    pub retries: usize,
    /// Whether all that were solved for themselves passed the certificate, the answer's among them.
    /// Steps of a ladder (`l1`, `relaxed`) that were only seen ahead are proven by the simplex
    /// alone.
    pub certified: bool,
}

/// The two parts of a loss with a prior, at the code in its stored precision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// `½‖G(z) − x‖²` over the observed entries.
    pub data: f64,
    /// `½λ‖z‖²`.
    pub prior: f64,
}

/// How a search from many starts found its code.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SearchRow {
    /// The kind of start of the run that first found the code.
    pub start: &'static str,
    /// The number of that run, counted from 1.
    pub first_found: usize,
    /// Number of runs that ended at this code, each from another start. With the objective `l1`,
    /// only runs that made a descent of their own count.
    pub found: usize,
    /// Total number of runs.
    pub runs: usize,
    /// Whether the data determine the code locally: the loss increases in every direction. With a
    /// prior, whether it does without it: the Jacobian at the code has full rank.
    pub determined: bool,
    /// Whether the code is proven to be a local minimum, in every direction, kinks included (with a
    /// sigmoid or tanh output: to first order).
    pub stationary: bool,
}

/// How refinement in the norm `l1` or `linf` ended. Losses are `‖G(z) − x‖` over the observed
/// entries, in that norm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RefinementRow {
    /// The norm: `l1` or `linf`.
    pub objective: String,
    /// The loss of the method's code.
    pub before: f64,
    /// The loss of the refined code in f64, at most `before`.
    pub after: f64,
    /// Whether the code is proven to be a local minimum, on both sides of every kink (with a curved
    /// output: to first order).
    pub proven: bool,
    /// Whether the last linear program has no other optimum: within its linear region the code is
    /// the only minimum.
    pub determined: bool,
    /// A digest of the linear region: which units are on, off or on their kinks. Codes of one
    /// network with the same digest lie in the same region. Empty if there is no code.
    pub region: String,
}

/// The result of one observation: one row of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ObservationRow {
    /// The index of the observation, counted from 0 over the whole run.
    pub index: u64,
    /// The status of the observation.
    pub status: Status,
    /// How well the code explains the observation; `None` if there is no code.
    pub fit: Option<Fit>,
    /// The tolerance ε₀ of this observation, in its units: the number given in the options, or the
    /// default. Not in the report.
    #[serde(skip)]
    pub epsilon: f64,
    /// Whether the code is a pre-image: the final residual is at most ε₀ in the maximum norm.
    pub reproduces: bool,
    /// Whether the data determine the code, as far as the method can tell: the program of every
    /// layer has a unique optimum; with `best`, the loss increases in every direction. Only where
    /// the observation is reproduced and has no entries out of range.
    pub determined: bool,
    /// The final residual.
    pub residual: Residual,
    /// The tolerance that the residual was compared with: per entry, in the norm of the method
    /// (largest entry, mean absolute value or root mean square).
    pub tolerance: f64,
    /// The residual in that norm, divided by the tolerance. Not in the report.
    #[serde(skip)]
    pub tolerances_missed: f64,
    /// Number of observed entries outside the range of the output activation, by more than the
    /// noise. If there is one, nothing is called determined.
    pub out_of_range: usize,
    /// Whether the code is far outside the law that the generator was trained with.
    pub far_code: bool,
    /// Number of saturated entries, which became one-sided rows. The column's name is `clamped`.
    #[serde(rename = "clamped")]
    pub saturated: usize,
    /// Whether refinement improved the code.
    pub refined: bool,
    /// How refinement by linear programs ended, for the objectives `l1` and `linf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refinement: Option<RefinementRow>,
    /// Number of iterations of `descent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// How `best` found the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchRow>,
    /// The two parts of the loss, if there is a prior and a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Other minima within reach of the noise, if these were asked for. Its fields are columns of
    /// their own.
    #[serde(flatten)]
    pub alternatives: Option<AlternativesRow>,
    /// How uncertain the code is, if that was asked for and the code explains the observation. Its
    /// fields are columns of their own.
    #[serde(flatten)]
    pub uncertainty: Option<UncertaintyRow>,
    /// The relative code error `‖z − z*‖₂ / ‖z*‖₂`, if the true code is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_error: Option<f64>,
    /// The relative image error `‖G(z) − G(z*)‖₂ / ‖G(z*)‖₂`, if a recovery knows the true image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_error: Option<f64>,
    /// The layers of a layer-wise method, from the last to the first.
    pub layers: Vec<LayerRow>,
}
