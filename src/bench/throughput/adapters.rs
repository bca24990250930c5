//! The requested graphics adapter: opened for a network, or inspected for its name and its peak.

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
    /// Whether it can measure the time of its kernels.
    pub timestamps: bool,
}

/// Opens the adapter for a network.
///
/// # Errors
/// [`crate::Error::NoDevice`] if the adapter is missing or the network does not fit it.
pub(super) fn open(subject: &Subject, options: &Options) -> Result<Box<dyn Device>> {
    backend::open(subject, options)
}

/// Reads the adapter's name and measures its peak.
///
/// # Errors
/// [`crate::Error::NoDevice`] if it is missing, [`crate::Error::DeviceLost`] if it fails.
pub(super) fn look(options: &Options) -> Result<Gpu> {
    backend::look(options)
}

#[cfg(feature = "gpu")]
mod backend {
    use std::sync::Arc;

    use super::super::peak;
    use super::*;
    use crate::adapter::{Kinds, Selection};
    use crate::device::Request;
    use crate::gpu::GpuDevice;
    use crate::gpu::context::Context;

    fn context(options: &Options) -> Result<Context> {
        let request = Request {
            choice: options.device,
            adapter: options.adapter.as_deref(),
            backend: options.backend,
            stays_on_device: true,
        };
        let selection = request.selection()?.unwrap_or(Selection { kinds: Kinds::Hardware, ..Selection::default() });
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
