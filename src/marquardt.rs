//! Levenberg–Marquardt as the kernel and its twin run it: the rules that both share. The loops are
//! `cpu/levenberg_marquardt.rs` and `gpu/levenberg_marquardt.rs`; the search's own, in f64 on
//! packed weights, is `multistart/local_search.rs`.

/// The share of the predicted decrease that a step must keep.
pub const ARMIJO: f64 = 1e-4;
/// The damping after a step that was no good with less, as a share of the mean diagonal of `JᵀJ`.
pub const FIRST_DAMPING: f64 = 1e-3;
/// Damping beyond which steps are smaller than rounding.
pub const MOST_DAMPING: f64 = 1e12;

/// What decides how a run goes and where it ends. Dampings are shares of the mean diagonal of
/// `JᵀJ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarquardtRules {
    /// Most steps, those that were not taken included.
    pub steps: u32,
    /// Two steps in a row that lower the loss by no more than this share of it end the run.
    pub slow: f64,
    /// The least damping: what the matrix is left with where it does not see a direction.
    pub least_damping: f64,
    /// A predicted decrease below this share of the loss is lost in its rounding.
    pub negligible_decrease: f64,
    /// So is a step this small against the code.
    pub negligible_step: f64,
    /// A residual of this share of the observation is rounding.
    pub rounding: f64,
}

impl MarquardtRules {
    /// As far as f32 goes. `JᵀJ` is known there to some 1e-6 of its diagonal, and less damping
    /// would be noise. Runs have some 15 steps, and the few that have more than 50 would keep all
    /// others of a batch waiting: f64 goes on with them.
    pub const IN_F32: MarquardtRules = MarquardtRules {
        steps: 50,
        slow: 1e-3,
        least_damping: 1e-5,
        negligible_decrease: 1e-6,
        negligible_step: 2.0 * f32::EPSILON as f64,
        rounding: 32.0 * f32::EPSILON as f64,
    };

    /// The loss of an observation up to which there is nothing left but rounding.
    pub fn rounding_loss(&self, observation: impl Iterator<Item = f64>) -> f64 {
        0.5 * observation.filter(|x| !x.is_nan()).map(|x| (self.rounding * x).powi(2)).sum::<f64>()
    }
}

/// Nielsen's rule (Madsen, Nielsen, Tingleff 2004, *Methods for non-linear least squares problems*,
/// 3.2): what the damping is multiplied by after a step that kept this share of its promise.
pub fn relaxation(quality: f64) -> f64 {
    f64::max(0.1, 1.0 - (2.0 * quality - 1.0).powi(3))
}
