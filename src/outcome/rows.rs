//! The report's row of one observation, and the parts of it that only some methods have.

use serde::Serialize;

use super::residual::Residual;
use super::status::Status;

/// What a layer-wise method did at one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerRow {
    /// The layer, counted from 1 at the code.
    pub layer: usize,
    /// `ε` of the answer.
    pub epsilon: f64,
    /// `δ`, `Σe` or the relaxed maximum, before any refinement.
    pub objective: f64,
    /// Entries of the target above ε.
    pub active_rows: usize,
    /// Whether the linear program has a unique optimum.
    pub determined: bool,
    /// Entries of the layer's input that the linear program does not determine.
    pub undetermined_entries: usize,
    /// Linear programs solved.
    pub solves: usize,
    /// Of these, the ones warm-started at the optimum of a neighbouring ε.
    pub from_neighbour: usize,
    /// Interior-point iterations in all of them.
    pub iterations: u64,
    /// Simplex pivots in all of them.
    pub pivots: u64,
    /// Linear programs whose first answer did not pass the certificate: they took a slower path.
    pub retries: usize,
    /// Whether all of them passed the certificate.
    pub certified: bool,
}

/// How a search from many starts found its code.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SearchRow {
    /// The kind of start of the run that found the code first.
    pub start: &'static str,
    /// The number of that run, counted from 1.
    pub first_found: usize,
    /// Runs that ended at this code, each from another start.
    pub found: usize,
    /// Runs made.
    pub runs: usize,
    /// Whether the data determine the code locally: every direction away from it raises the loss.
    pub determined: bool,
    /// Whether the code is certainly a local minimum to first order, on both sides of every kink.
    pub stationary: bool,
}

/// What became of one observation: one row of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ObservationRow {
    /// The observation, counted from 0 over the whole run.
    pub index: u64,
    /// How it ended.
    pub status: Status,
    /// Whether the final residual is at most ε₀ in the maximum norm: the code is a pre-image.
    pub reproduces: bool,
    /// Whether noise of size ε₀ explains the residual, in the norm that the method makes
    /// small (docs/INVERSION.md).
    /// Not in the report.
    #[serde(skip)]
    pub explained: bool,
    /// The final residual.
    pub residual: Residual,
    /// Saturated entries, which became one-sided rows. The column is called `clamped`.
    #[serde(rename = "clamped")]
    pub saturated: usize,
    /// Whether refinement improved the code.
    pub refined: bool,
    /// Iterations of `descent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// How `best` found the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchRow>,
    /// `‖z − z*‖₂ / ‖z*‖₂` to the true code, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_error: Option<f64>,
    /// `‖G(z) − G(z*)‖₂ / ‖G(z*)‖₂` to the true image, where a recovery knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_error: Option<f64>,
    /// The layer-wise methods' layers, the last first.
    pub layers: Vec<LayerRow>,
}
