//! Chooses the device of a run: the requested one, or the best available.

use std::sync::Arc;

use super::Device;
use crate::adapter::{AdapterDescription, Backend, Kinds, Selection, about_subgroups};
use crate::cpu::CpuDevice;
use crate::error::{Error, Result};
use crate::named::unknown;
use crate::network::Network;

/// The requested device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// A GPU if available and if the work stays on the device for long, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU or a software rasterizer; an error if there is none.
    Gpu,
}

/// A device, and a remark about the choice.
pub struct Opened {
    /// The device; a GPU is wrapped so that the CPU takes over if it is lost.
    pub device: Box<dyn Device>,
    /// What the user should know about the choice, in one line: why `auto` chose the CPU, or that
    /// the adapter lacks something.
    pub notice: Option<String>,
}

/// What is asked of [`open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request<'a> {
    /// The device.
    pub choice: DeviceChoice,
    /// A part of an adapter's name. A name or a graphics API requests a GPU, so `Auto` with one of
    /// them means `Gpu`.
    pub adapter: Option<&'a str>,
    /// The graphics API.
    pub backend: Option<Backend>,
    /// Whether the work stays on the device for long, as descents and searches do. `Auto` takes a
    /// GPU only for such work. A layer-wise method asks for one classification after another, and
    /// the CPU makes each in about the time in which the host hands its inputs to a GPU
    /// (docs/PERFORMANCE.md).
    pub stays_on_device: bool,
}

impl<'a> Request<'a> {
    /// The candidate adapters; `None` for the CPU.
    ///
    /// # Errors
    /// [`Error::BadOption`] for a name or a backend with `Cpu`.
    pub(crate) fn selection(&self) -> Result<Option<Selection<'a>>> {
        let kinds = match self.choice {
            DeviceChoice::Cpu => {
                let unused =
                    [("adapter", self.adapter.map(str::to_owned)), ("backend", self.backend.map(|b| b.to_string()))];
                let unused = unused.into_iter().find_map(|(option, given)| given.map(|given| (option, given)));
                let expected =
                    |option| format!("no {option} together with option `device: cpu`, or option `device: gpu`");
                return unused.map_or(Ok(None), |(option, given)| Err(Error::option(option, given, expected(option))));
            }
            _ if self.insists() => Kinds::Any,
            _ if self.stays_on_device => Kinds::Hardware,
            _ => return Ok(None),
        };
        Ok(Some(Selection { kinds, name: self.adapter, backend: self.backend }))
    }

    /// Whether a missing GPU is an error.
    fn insists(&self) -> bool {
        self.choice == DeviceChoice::Gpu || self.adapter.is_some() || self.backend.is_some()
    }
}

/// Opens a device for `network`.
///
/// # Errors
/// [`Error::NoDevice`] for `Gpu`, a name or a graphics API if no such adapter can run this network,
/// or the kernels do not support it; the message says what to install or to do.
/// [`Error::DeviceLost`] if the device fails immediately. [`Error::BadOption`] for a name or a
/// backend with `Cpu`. `Auto` without one of them never fails.
pub fn open(network: &Arc<Network>, request: &Request<'_>) -> Result<Opened> {
    let cpu = || Box::new(CpuDevice::new(Arc::clone(network)));
    let Some(selection) = request.selection()? else { return Ok(Opened { device: cpu(), notice: None }) };
    if let Some(obstacle) = network.gpu_obstacle() {
        if request.insists() {
            let message = format!("the GPU's kernels do not support {obstacle}; use option `device: cpu`");
            return Err(Error::NoDevice(message));
        }
        let notice = (!list_adapters().is_empty())
            .then(|| format!("running on the CPU: the GPU's kernels do not support {obstacle}"));
        return Ok(Opened { device: cpu(), notice });
    }
    match backend::open(network, selection) {
        Ok((device, adapter)) => Ok(Opened { device, notice: about_subgroups(&adapter, &list_adapters()) }),
        Err(error) if request.insists() => Err(error),
        Err(error) => Ok(Opened { device: cpu(), notice: Some(why_cpu(selection, &error, &list_adapters())) }),
    }
}

/// Why `Auto` takes the CPU, in one line. `error`: what opening the adapter of `selection` gave.
fn why_cpu(selection: Selection<'_>, error: &Error, adapters: &[AdapterDescription]) -> String {
    match selection.choose(adapters) {
        Some(place) => format!("running on the CPU: cannot use {}: {error}", adapters[place].name),
        None => "running on the CPU: no usable hardware GPU (see `list_adapters`)".into(),
    }
}

/// The adapters of this machine; empty in a build without GPU support.
pub fn list_adapters() -> Vec<AdapterDescription> {
    backend::list()
}

#[cfg(feature = "gpu")]
mod backend {
    use super::*;
    use crate::device::fallback::FallbackDevice;
    use crate::gpu::GpuDevice;
    use crate::gpu::context::Context;

    pub fn open(network: &Arc<Network>, selection: Selection<'_>) -> Result<(Box<dyn Device>, AdapterDescription)> {
        let context = Context::open(selection, None)?;
        let adapter = context.adapter().clone();
        let gpu = GpuDevice::new(context, Arc::clone(network))?;
        Ok((Box::new(FallbackDevice::new(gpu, Arc::clone(network))), adapter))
    }

    pub fn list() -> Vec<AdapterDescription> {
        crate::gpu::adapters::list_adapters()
    }
}

#[cfg(not(feature = "gpu"))]
mod backend {
    use super::*;

    pub fn open(_: &Arc<Network>, _: Selection<'_>) -> Result<(Box<dyn Device>, AdapterDescription)> {
        Err(Error::NoDevice(
            "this build has no GPU support; build with the feature `gpu`, or use option `device: cpu`".into(),
        ))
    }

    pub fn list() -> Vec<AdapterDescription> {
        Vec::new()
    }
}
