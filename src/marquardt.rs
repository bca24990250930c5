//! Rules of Levenberg–Marquardt that the kernel and its twin share. The loops are
//! `cpu/levenberg_marquardt.rs` and `gpu/levenberg_marquardt.rs`. The search has its own loop, in
//! f64 on packed weights: `multistart/local_search.rs`.

/// The share of the predicted decrease that a step must achieve.
pub const ARMIJO: f64 = 1e-4;
/// The damping after a rejected step with less damping, as a share of the mean diagonal of `JᵀJ`.
pub const FIRST_DAMPING: f64 = 1e-3;
/// The damping beyond which steps are smaller than rounding.
pub const MOST_DAMPING: f64 = 1e12;

/// The rules by which a run continues and ends. Dampings are shares of the mean diagonal of `JᵀJ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarquardtRules {
    /// Maximum number of steps, rejected ones included.
    pub steps: u32,
    /// The run ends after two consecutive steps whose relative decrease of the loss is at most
    /// this.
    pub slow: f64,
    /// The least damping, which remains in the null space of the matrix.
    pub least_damping: f64,
    /// A predicted decrease below this share of the loss is within the rounding of the loss.
    pub negligible_decrease: f64,
    /// A step below this share of the code is within the rounding of the code.
    pub negligible_step: f64,
    /// A residual up to this share of the observation is rounding.
    pub rounding: f64,
    /// `λ` of `½λ‖z‖²`, which is added to the loss; 0 without a prior.
    pub prior: f64,
}

impl MarquardtRules {
    /// The rules in f32. There, `JᵀJ` is accurate to about 1e-6 of its diagonal, so less damping
    /// would be noise. Runs have about 15 steps. The few with more than 50 would delay the whole
    /// batch, so f64 continues them.
    pub const IN_F32: MarquardtRules = MarquardtRules {
        steps: 50,
        slow: 1e-3,
        least_damping: 1e-5,
        negligible_decrease: 1e-6,
        negligible_step: 2.0 * f32::EPSILON as f64,
        rounding: 32.0 * f32::EPSILON as f64,
        prior: 0.0,
    };

    /// The loss up to which the residual of an observation is only rounding.
    pub fn rounding_loss(&self, observation: impl Iterator<Item = f64>) -> f64 {
        0.5 * observation.filter(|x| !x.is_nan()).map(|x| (self.rounding * x).powi(2)).sum::<f64>()
    }
}

/// The factor for the damping after an accepted step with this ratio of actual to predicted
/// decrease: Nielsen's rule (Madsen, Nielsen, Tingleff 2004, *Methods for non-linear least squares
/// problems*, 3.2).
pub fn relaxation(quality: f64) -> f64 {
    f64::max(0.1, 1.0 - (2.0 * quality - 1.0).powi(3))
}
