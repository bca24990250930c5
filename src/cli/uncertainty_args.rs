//! The argument that asks for the uncertainty of the codes.

use clap::Args;

/// How certain the codes are.
#[derive(Debug, Args)]
pub struct UncertaintyArgs {
    /// Report a standard deviation and a 90 % interval of each entry of a code, for noise of the
    /// law and size that --noise names [default: the law whose norm is minimised (gaussian for l2),
    /// and the size that the residual tells]. For --method best and --refine. An entry that the
    /// data do not determine has none
    #[arg(long)]
    pub uncertainty: bool,
}
