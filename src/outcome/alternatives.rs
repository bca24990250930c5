//! Other minima that a search has found.

use serde::Serialize;

/// The minima within reach of the noise that `best` has found for one observation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AlternativesRow {
    /// Number of minima other than the answer, at most 64. The column's name is `alternatives`.
    #[serde(rename = "alternatives")]
    pub others: usize,
    /// The losses of the best distinct codes, the lowest first, that of the answer among them: as
    /// many as were asked for, `NaN` where there are fewer. By the objective: `½‖G(z) − x‖²` (and
    /// `½λ‖z‖²` with a prior), `‖G(z) − x‖₁` or `‖G(z) − x‖_∞`. The column's name is
    /// `alternative_losses`.
    #[serde(rename = "alternative_losses", skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<f64>,
    /// These codes, one after another, `NaN` where there are fewer. Not in the report.
    #[serde(skip)]
    pub codes: Vec<f64>,
}

impl AlternativesRow {
    /// Of these codes, each with its loss, the answer first; `wanted` codes are listed.
    pub(crate) fn of<'a>(found: impl ExactSizeIterator<Item = (&'a [f64], f64)>, wanted: usize) -> Self {
        let others = found.len().saturating_sub(1);
        let (mut losses, mut codes, mut length) = (vec![f64::NAN; wanted], Vec::new(), 0);
        for (place, (code, loss)) in found.enumerate() {
            length = code.len();
            if place < wanted {
                losses[place] = loss;
                codes.extend_from_slice(code);
            }
        }
        codes.resize(wanted * length, f64::NAN);
        AlternativesRow { others, losses, codes }
    }
}
