//! The graphics adapter that the options ask for: opened to hold a network, or looked at for its
//! name and its peak.

use super::Options;
use crate::bench::subject::Subject;
use crate::device::Device;
use crate::error::Result;

/// A graphics adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpu {
    /// Name and backend.
    pub adapter: String,
    /// GFLOP/s in f32, measured.
    pub peak: f64,
    /// Whether it can tell how long its kernels run.
    pub timestamps: bool,
}

/// Opens it to hold a network.
///
/// # Errors
/// [`crate::Error::NoDevice`] where the adapter is not there or the network does not fit it.
pub(super) fn open(subject: &Subject, options: &Options) -> Result<Box<dyn Device>> {
    backend::open(subject, options)
}

/// Its name, and its peak, measured.
///
/// # Errors
/// [`crate::Error::NoDevice`] where it is not there, [`crate::Error::DeviceLost`] where it fails.
pub(super) fn look(options: &Options) -> Result<Gpu> {
    backend::look(options)
}

#[cfg(feature = "gpu")]
mod backend {
    use std::sync::Arc;

    use super::super::peak;
    use super::*;
    use crate::device::DeviceChoice;
    use crate::error::Error;
    use crate::gpu::GpuDevice;
    use crate::gpu::context::{Context, Selection};

    fn context(options: &Options) -> Result<Context> {
        let selection = match (options.device, options.adapter.as_deref()) {
            (DeviceChoice::Cpu, Some(name)) => {
                return Err(Error::option(
                    "adapter",
                    name,
                    "no adapter together with option `device: cpu`, or option `device: gpu`",
                ));
            }
            (_, Some(name)) => Selection::Named(name),
            (DeviceChoice::Gpu, None) => Selection::Any,
            (DeviceChoice::Auto | DeviceChoice::Cpu, None) => Selection::Hardware,
        };
        Context::open(selection, None)
    }

    pub fn open(subject: &Subject, options: &Options) -> Result<Box<dyn Device>> {
        Ok(Box::new(GpuDevice::new(context(options)?, Arc::clone(&subject.network))?))
    }

    pub fn look(options: &Options) -> Result<Gpu> {
        let context = context(options)?;
        let adapter = context.adapter();
        Ok(Gpu {
            adapter: format!("{} ({})", adapter.name, adapter.backend),
            timestamps: adapter.timestamps,
            peak: peak::of_gpu(&context)?,
        })
    }
}

#[cfg(not(feature = "gpu"))]
mod backend {
    use super::*;
    use crate::error::Error;

    pub fn open(_: &Subject, _: &Options) -> Result<Box<dyn Device>> {
        Err(none())
    }

    pub fn look(_: &Options) -> Result<Gpu> {
        Err(none())
    }

    fn none() -> Error {
        Error::NoDevice(
            "this build has no GPU support; build with the feature `gpu`, or use option `device: cpu`".into(),
        )
    }
}
