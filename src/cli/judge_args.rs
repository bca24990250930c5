//! The arguments by which answers are judged; they change no code.

use clap::Args;

use crate::batch::CodeLaw;

/// By what answers are judged.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// Size of the noise in each entry: its bound or its standard deviation. It changes no code; a
    /// code whose residual such noise can cause counts as reproducing its observation [default:
    /// --epsilon, if that is given]
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    pub noise: Option<f64>,

    /// Law of the codes that the generator was trained with: normal, uniform (on [-1, 1]),
    /// normal:SIZE or uniform:SIZE. Codes far outside it are counted [default: normal]
    #[arg(long, value_name = "LAW")]
    pub code_law: Option<CodeLaw>,
}
