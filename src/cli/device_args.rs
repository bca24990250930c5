//! The arguments that choose the device and the threads, shared by all commands that invert.

use clap::Args;

use crate::adapter::Backend;
use crate::device::DeviceChoice;

/// Device and threads.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Where batched work runs. auto uses a GPU for best and descent if there is one, otherwise the
    /// CPU, and says which
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto")]
    pub device: DeviceChoice,

    /// Part of the name of the adapter to use (see `unrelu devices`). A software rasterizer is used
    /// only by name or with --device gpu
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,

    /// Graphics API, where there are several; requests a GPU. By default one with subgroup
    /// operations
    #[arg(long, value_name = "vulkan|dx12|metal")]
    pub backend: Option<Backend>,

    /// Number of threads that solve linear programs [default: the processors this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}
