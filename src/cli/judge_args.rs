//! The arguments by which answers are judged. They change no code, but for a law of the noise,
//! which chooses the objective.

use clap::Args;

use crate::batch::{CodeLaw, NamedNoise};
use crate::multistart::Objective;

/// By what answers are judged.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// The noise in each entry: its size (a bound, a standard deviation or a mean absolute value),
    /// its law, or both, such as uniform:0.01. A code whose residual such noise can cause counts as
    /// reproducing its observation. A law also chooses what is minimised where no other option
    /// does: linf for uniform, l2 for gaussian, l1 for laplace, and for gross: a few entries wrong
    /// by any amount, the others by SIZE [default: --epsilon, if that is given]
    #[arg(long, value_name = "SIZE|uniform|gaussian|laplace|gross[:SIZE]", allow_negative_numbers = true)]
    pub noise: Option<NamedNoise>,

    /// Law of the codes that the generator was trained with: normal, uniform (on [-1, 1]),
    /// normal:SIZE or uniform:SIZE. Codes far outside it are counted [default: normal]
    #[arg(long, value_name = "LAW")]
    pub code_law: Option<CodeLaw>,
}

impl JudgeArgs {
    /// What is known about the noise.
    pub fn noise(&self) -> NamedNoise {
        self.noise.unwrap_or_default()
    }

    /// [`NamedNoise::objective`].
    pub fn objective(&self) -> Option<Objective> {
        self.noise().objective()
    }

    /// [`NamedNoise::tolerance`].
    pub fn epsilon(&self) -> Option<f64> {
        self.noise().tolerance()
    }
}
