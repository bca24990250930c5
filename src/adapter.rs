//! Description of a graphics adapter, as `unrelu devices` prints it: plain data, also in a build
//! without GPU support.

/// A graphics adapter as its driver describes it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct AdapterDescription {
    /// The adapter's name; the option `adapter` accepts any part of it and ignores case.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `unknown`.
    pub kind: String,
    /// The driver's name and version.
    pub driver: String,
    /// Whether it is real hardware, which `DeviceChoice::Auto` requires.
    pub hardware: bool,
    /// Maximum number of bytes of one storage binding.
    pub max_binding_bytes: u64,
    /// Maximum number of bytes of one buffer.
    pub max_buffer_bytes: u64,
    /// Maximum number of workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Maximum number of invocations in a workgroup.
    pub max_invocations: u32,
    /// Bytes of shared memory per workgroup.
    pub workgroup_bytes: u32,
    /// Whether shaders can use f64.
    pub f64: bool,
    /// Whether shaders can use subgroup operations.
    pub subgroups: bool,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
}
