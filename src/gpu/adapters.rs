//! The adapters of this machine, and the choice of one.

use std::sync::OnceLock;

use crate::adapter::{AdapterDescription, INTEGRATED, Kinds, Selection};
use crate::error::{Error, Result};

/// Advice for a user without an adapter.
const INSTALL: &str = "install the graphics card's Vulkan driver, or `mesa-vulkan-drivers` for a software one, or use option `device: cpu`";

/// Every adapter of this machine, as `unrelu devices` lists them.
pub fn list_adapters() -> Vec<AdapterDescription> {
    adapters().iter().map(describe).collect()
}

/// The one instance of the process. Creating an instance loads every driver, which is slow, and
/// slower from many threads at once.
fn instance() -> Option<&'static wgpu::Instance> {
    static INSTANCE: OnceLock<Option<wgpu::Instance>> = OnceLock::new();
    INSTANCE
        .get_or_init(|| {
            // Instance::new panics if wgpu was built without a backend for this platform.
            (!wgpu::Instance::enabled_backend_features().is_empty()).then(|| {
                let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
                // Not the validation layers that a debug build requests: wgpu's own validation is
                // always on.
                descriptor.flags = wgpu::InstanceFlags::empty();
                wgpu::Instance::new(descriptor)
            })
        })
        .as_ref()
}

/// The adapters, queried only once: some drivers print a line for each query.
fn adapters() -> &'static [wgpu::Adapter] {
    static ADAPTERS: OnceLock<Vec<wgpu::Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(|| match instance() {
        Some(instance) => pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all())),
        None => Vec::new(),
    })
}

pub(super) fn select(selection: Selection<'_>) -> Result<wgpu::Adapter> {
    let adapters = adapters();
    let descriptions: Vec<AdapterDescription> = adapters.iter().map(describe).collect();
    let place = selection.choose(&descriptions);
    place.map(|place| adapters[place].clone()).ok_or_else(|| Error::NoDevice(what_is_missing(selection, &descriptions)))
}

/// Why no adapter matches.
fn what_is_missing(selection: Selection<'_>, adapters: &[AdapterDescription]) -> String {
    if adapters.is_empty() {
        return format!("no graphics adapter found; {INSTALL}");
    }
    let found: Vec<String> =
        adapters.iter().map(|adapter| format!("{} ({}, {})", adapter.name, adapter.backend, adapter.kind)).collect();
    let found = found.join(", ");
    match (selection.name, selection.backend, selection.kinds) {
        (Some(part), None, _) => format!("no adapter's name contains `{part}`; found {found}"),
        (Some(part), Some(backend), _) => {
            format!("no adapter of {backend} has a name that contains `{part}`; found {found}")
        }
        (None, Some(backend), Kinds::Any) => format!("no adapter of {backend}; found {found}"),
        _ => format!("no hardware adapter that suits, only {found}; select it with option `device: gpu`, or {INSTALL}"),
    }
}

fn is_hardware(kind: wgpu::DeviceType) -> bool {
    use wgpu::DeviceType::{DiscreteGpu, IntegratedGpu, VirtualGpu};
    matches!(kind, DiscreteGpu | IntegratedGpu | VirtualGpu)
}

pub(super) fn describe(adapter: &wgpu::Adapter) -> AdapterDescription {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => INTEGRATED,
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "unknown",
    };
    AdapterDescription {
        hardware: is_hardware(info.device_type),
        name: info.name,
        backend: info.backend.to_string(),
        kind: kind.into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_workgroups: limits.max_compute_workgroups_per_dimension,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        f64: features.contains(wgpu::Features::SHADER_F64),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
    }
}
