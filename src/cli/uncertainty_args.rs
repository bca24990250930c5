//! The arguments that ask for the uncertainty of the codes, and for other minima.

use clap::Args;

/// How certain the codes are.
#[derive(Debug, Args)]
pub struct UncertaintyArgs {
    /// Report a standard deviation and a 90 % interval of each entry of a code, for noise of the
    /// law and size that --noise names [default: the law whose norm is minimised (gaussian for l2),
    /// and a size estimated from the residual; --epsilon is no size here]. For --method best and
    /// --refine. An entry that the data do not determine has none. For laplace and uniform noise
    /// they come from a random walk; for uniform noise of a named size, the report also has the
    /// bounds of each entry. `best` then counts the other minima
    /// within reach of the noise, and may find a lower one
    #[arg(long)]
    pub uncertainty: bool,

    /// Write the N best distinct codes of each observation, the answer first, to
    /// CODES.alternatives.npy beside the codes: shape (count, N, k), NaN where there are fewer.
    /// They are minima within reach of the noise; the report has their number and losses. For
    /// --method best, and not for gross errors, which have no law. At most 64
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    alternatives: Option<u32>,
}

impl UncertaintyArgs {
    /// Number of codes to list; 0 for none.
    pub fn alternatives(&self) -> usize {
        self.alternatives.map_or(0, |count| count as usize)
    }
}
