//! Chooses the device of a run: the requested one, or the best available.

use std::sync::Arc;

use super::Device;
use crate::adapter::AdapterDescription;
use crate::cpu::CpuDevice;
use crate::error::{Error, Result};
use crate::named::unknown;
use crate::network::Network;

/// The requested device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// A hardware GPU if available, otherwise the CPU.
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
    /// Why `auto` chose the CPU, in one line; `None` if the device is a GPU or was requested.
    pub notice: Option<String>,
}

/// Opens a device for `network`. `adapter` is a part of an adapter's name. A name requests a GPU,
/// so `Auto` with a name means `Gpu`.
///
/// # Errors
/// [`Error::NoDevice`] for `Gpu` or a name if no such adapter can run this network; the message
/// says what to install. [`Error::DeviceLost`] if the device fails immediately.
/// [`Error::BadOption`] for a name with `Cpu`. `Auto` without a name never fails.
pub fn open(network: &Arc<Network>, choice: DeviceChoice, adapter: Option<&str>) -> Result<Opened> {
    let cpu = || Box::new(CpuDevice::new(Arc::clone(network)));
    match (choice, adapter) {
        (DeviceChoice::Cpu, None) => Ok(Opened { device: cpu(), notice: None }),
        (DeviceChoice::Cpu, Some(name)) => Err(Error::option(
            "adapter",
            name,
            "no adapter together with option `device: cpu`, or option `device: gpu`",
        )),
        (DeviceChoice::Gpu, None) => Ok(Opened { device: backend::any(network)?, notice: None }),
        (DeviceChoice::Gpu | DeviceChoice::Auto, Some(name)) => {
            Ok(Opened { device: backend::named(network, name)?, notice: None })
        }
        (DeviceChoice::Auto, None) => Ok(match backend::hardware(network) {
            Ok(device) => Opened { device, notice: None },
            Err(_) => Opened {
                device: cpu(),
                notice: Some("running on the CPU: no usable hardware GPU (see `list_adapters`)".into()),
            },
        }),
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
    use crate::gpu::context::{Context, Selection};

    pub fn any(network: &Arc<Network>) -> Result<Box<dyn Device>> {
        open(network, Selection::Any)
    }

    pub fn named(network: &Arc<Network>, name: &str) -> Result<Box<dyn Device>> {
        open(network, Selection::Named(name))
    }

    pub fn hardware(network: &Arc<Network>) -> Result<Box<dyn Device>> {
        open(network, Selection::Hardware)
    }

    pub fn list() -> Vec<AdapterDescription> {
        crate::gpu::adapters::list_adapters()
    }

    fn open(network: &Arc<Network>, selection: Selection<'_>) -> Result<Box<dyn Device>> {
        let gpu = GpuDevice::new(Context::open(selection, None)?, Arc::clone(network))?;
        Ok(Box::new(FallbackDevice::new(gpu, Arc::clone(network))))
    }
}

#[cfg(not(feature = "gpu"))]
mod backend {
    use super::*;

    pub fn any(_: &Arc<Network>) -> Result<Box<dyn Device>> {
        Err(Error::NoDevice(
            "this build has no GPU support; build with the feature `gpu`, or use option `device: cpu`".into(),
        ))
    }

    pub fn named(network: &Arc<Network>, _: &str) -> Result<Box<dyn Device>> {
        any(network)
    }

    pub fn hardware(network: &Arc<Network>) -> Result<Box<dyn Device>> {
        any(network)
    }

    pub fn list() -> Vec<AdapterDescription> {
        Vec::new()
    }
}
