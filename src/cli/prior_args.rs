//! The argument of a prior of the codes.

use clap::Args;

/// The prior of the codes.
#[derive(Debug, Args)]
pub struct PriorArgs {
    /// Add ½λ‖z‖² to the loss ½‖G(z) − x‖²: a normal prior of the codes. λ = σ²/τ², for noise of
    /// standard deviation σ and codes of standard deviation τ. For best, descent and --refine
    /// [default: 0]
    #[arg(
        long,
        value_name = "LAMBDA",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    pub prior: f64,
}
