//! The arguments that say where work runs, shared by all commands that invert.

use clap::Args;

use crate::device::DeviceChoice;

/// Device and threads.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Where batched work runs: auto takes a hardware GPU if there is one, else the CPU, and says which
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto")]
    pub device: DeviceChoice,

    /// A part of the name of the adapter to use (see `unrelu devices`); software rasterizers only by name or --device gpu
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,

    /// Threads of the LP pool [default: the processors this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}
