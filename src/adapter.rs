//! What `unrelu devices` prints about an adapter: plain data, also in a build without the GPU.

/// A graphics adapter as its driver describes it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AdapterDescription {
    /// The adapter's name; the option `adapter` takes any part of it, in upper or lower case.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `unknown`.
    pub kind: String,
    /// The driver's name and version.
    pub driver: String,
    /// Whether it is real hardware, which is what `DeviceChoice::Auto` takes.
    pub hardware: bool,
    /// Bytes that one storage binding can hold at most.
    pub max_binding_bytes: u64,
    /// Bytes that one buffer can hold at most.
    pub max_buffer_bytes: u64,
    /// Workgroups in one dimension of a dispatch at most.
    pub max_workgroups: u32,
    /// Invocations in a workgroup at most.
    pub max_invocations: u32,
    /// Bytes of a workgroup's shared memory.
    pub workgroup_bytes: u32,
    /// Whether shaders can use f64.
    pub f64: bool,
    /// Whether shaders can use subgroup operations.
    pub subgroups: bool,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
}
