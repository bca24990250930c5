//! The adapter and the negotiation with it: which adapter, which limits, and how its failures are
//! reported.
//!
//! Every failure of the device becomes [`Error::DeviceLost`], so that a caller can continue on the
//! CPU: a lost device, no memory, a rejected call, a buffer that cannot be mapped. Nothing here
//! panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::adapter::AdapterDescription;
use crate::error::{Error, Result};

/// Which adapter to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// Hardware only; a discrete GPU is preferred to an integrated one.
    Hardware,
    /// Hardware if available, otherwise a software rasterizer.
    Any,
    /// The first adapter whose name contains this text, ignoring case; software rasterizers too.
    Named(&'a str),
}

/// Advice for a user without an adapter.
const INSTALL: &str = "install the graphics card's Vulkan driver, or `mesa-vulkan-drivers` for a software one, or use option `device: cpu`";

/// Optional features: sums by subgroup operations, and the device's own clock.
const USEFUL_FEATURES: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::TIMESTAMP_QUERY);

/// An opened device and its queue.
#[derive(Debug)]
pub struct Context {
    pub(super) device: wgpu::Device,
    queue: wgpu::Queue,
    adapter: AdapterDescription,
    limits: wgpu::Limits,
    features: wgpu::Features,
    failure: Arc<Failure>,
    dispatches: AtomicU64,
    buffers_made: AtomicU64,
    read_backs: AtomicU64,
    /// Total in units of [`wgpu::Queue::get_timestamp_period`].
    kernel_ticks: AtomicU64,
    lose_after: AtomicU64,
}

/// The first error that the driver reports outside any call.
#[derive(Debug, Default)]
struct Failure(Mutex<Option<String>>);

impl Failure {
    fn set(&self, reason: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    fn check(&self) -> Result<()> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(reason) => Err(Error::DeviceLost(reason.clone())),
        }
    }
}

impl Context {
    /// Opens the adapter that `selection` names, with the limits that it offers. `ceiling`, if
    /// given, caps the limits: tests use small devices to check that batches are split.
    ///
    /// # Errors
    /// Those of [`Self::open_with`].
    pub fn open(selection: Selection<'_>, ceiling: Option<&wgpu::Limits>) -> Result<Self> {
        Self::open_with(selection, ceiling, USEFUL_FEATURES)
    }

    /// [`Self::open`] with those of `features` that the adapter has; all of them are optional.
    ///
    /// # Errors
    /// [`Error::NoDevice`] in three cases. No adapter matches: the message lists the available
    /// ones. The adapter offers less than the kernels require: the message names what is missing.
    /// The driver refuses to open the adapter.
    pub fn open_with(
        selection: Selection<'_>,
        ceiling: Option<&wgpu::Limits>,
        features: wgpu::Features,
    ) -> Result<Self> {
        let adapter = select(selection)?;
        let features = features & adapter.features();
        let offered = match ceiling {
            Some(ceiling) => lower(&adapter.limits(), ceiling),
            None => adapter.limits(),
        };
        let description = describe(&adapter);
        let missing = missing_limits(&offered);
        if !missing.is_empty() {
            return Err(Error::NoDevice(format!(
                "{} offers {}; use option `device: cpu`",
                description.name,
                missing.join(", ")
            )));
        }
        let wanted = wanted_limits(&offered);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("unrelu"),
            required_features: features,
            required_limits: wanted.clone(),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::NoDevice(format!("{} could not be opened: {error}", description.name)))?;

        let failure = Arc::new(Failure::default());
        let lost = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| lost.set(format!("{message} ({reason:?})")));
        // Without a handler, wgpu panics on errors that no error scope caught, such as an error on
        // another thread.
        let uncaptured = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured.set(error.to_string())));
        Ok(Context {
            device,
            queue,
            adapter: description,
            limits: wanted,
            features,
            failure,
            dispatches: AtomicU64::new(0),
            buffers_made: AtomicU64::new(0),
            read_backs: AtomicU64::new(0),
            kernel_ticks: AtomicU64::new(0),
            lose_after: AtomicU64::new(u64::MAX),
        })
    }

    /// The adapter.
    pub fn adapter(&self) -> &AdapterDescription {
        &self.adapter
    }

    /// The limits with which the device was opened.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    /// Number of kernels run so far.
    pub fn dispatches(&self) -> u64 {
        self.dispatches.load(Ordering::Relaxed)
    }

    /// Number of buffers created so far.
    pub fn buffers_made(&self) -> u64 {
        self.buffers_made.load(Ordering::Relaxed)
    }

    /// Number of results read back so far.
    pub fn read_backs(&self) -> u64 {
        self.read_backs.load(Ordering::Relaxed)
    }

    /// Kernel time so far in seconds, by the device's clock; `None` if it has none.
    pub fn kernel_seconds(&self) -> Option<f64> {
        let nanoseconds =
            || self.kernel_ticks.load(Ordering::Relaxed) as f64 * f64::from(self.queue.get_timestamp_period());
        self.has_timestamps().then(|| 1e-9 * nanoseconds())
    }

    /// Whether kernels may use subgroup operations.
    pub fn has_subgroups(&self) -> bool {
        self.features.contains(wgpu::Features::SUBGROUP)
    }

    /// Whether the device has a clock.
    pub fn has_timestamps(&self) -> bool {
        self.features.contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    pub(super) fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.buffers_made.fetch_add(1, Ordering::Relaxed);
        self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }

    /// Returns an error if the device is lost.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.check()
    }

    pub(super) fn count_read_back(&self) {
        self.read_backs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_ticks(&self, ticks: u64) {
        self.kernel_ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Destroys the device after `dispatches` more kernels; immediately for 0. Tests use it to lose
    /// the device.
    pub fn lose_after(&self, dispatches: u64) {
        self.lose_after.store(self.dispatches().saturating_add(dispatches), Ordering::Relaxed);
        if dispatches == 0 {
            self.device.destroy();
        }
    }

    /// Runs `work` and catches every error of the device.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::DeviceLost`] with the device's own message. The device's
    /// errors take precedence, because they are the cause.
    pub fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.failure.check()?;
        let filters = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal];
        let mut scopes: Vec<_> = filters.map(|filter| self.device.push_error_scope(filter)).into();
        let answer = work();
        let mut captured = None;
        // Scopes are popped in reverse order.
        while let Some(scope) = scopes.pop() {
            captured = pollster::block_on(scope.pop()).or(captured);
        }
        self.failure.check()?;
        match captured {
            Some(error) => Err(Error::DeviceLost(error.to_string())),
            None => answer,
        }
    }

    /// Records commands with `record` and submits them. `record` returns the number of dispatched
    /// kernels.
    pub fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder) -> u64) -> wgpu::SubmissionIndex {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let kernels = record(&mut encoder);
        let submission = self.queue.submit([encoder.finish()]);
        let dispatches = self.dispatches.fetch_add(kernels, Ordering::Relaxed) + kernels;
        if dispatches >= self.lose_after.load(Ordering::Relaxed) {
            self.device.destroy();
        }
        submission
    }

    /// Copies `data` to the beginning of `buffer`, before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, data: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data));
    }

    /// Waits until `submission` has run.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        // wgpu panics if the driver reports the loss during the wait; there is no other way to
        // detect it.
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll))) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Error::DeviceLost(error.to_string())),
            Err(_) => Err(Error::DeviceLost("the driver failed while waiting for submitted work".into())),
        }
    }
}

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

fn select(selection: Selection<'_>) -> Result<wgpu::Adapter> {
    let mut adapters = adapters().to_vec();
    let found: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    adapters.retain(|adapter| match selection {
        Selection::Hardware => is_hardware(adapter.get_info().device_type),
        Selection::Any => true,
        Selection::Named(part) => adapter.get_info().name.to_lowercase().contains(&part.to_lowercase()),
    });
    // The sort is stable: equal adapters keep the driver's order.
    adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    adapters.into_iter().next().ok_or_else(|| {
        Error::NoDevice(match selection {
            Selection::Named(part) if !found.is_empty() => {
                format!("no adapter's name contains `{part}`; found {}", found.join(", "))
            }
            Selection::Hardware if !found.is_empty() => {
                format!(
                    "no hardware adapter, only {}; select it with option `device: gpu`, or {INSTALL}",
                    found.join(", ")
                )
            }
            _ => format!("no graphics adapter found; {INSTALL}"),
        })
    })
}

fn is_hardware(kind: wgpu::DeviceType) -> bool {
    use wgpu::DeviceType::{DiscreteGpu, IntegratedGpu, VirtualGpu};
    matches!(kind, DiscreteGpu | IntegratedGpu | VirtualGpu)
}

fn rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn describe(adapter: &wgpu::Adapter) -> AdapterDescription {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
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

/// The minimum that the kernels need: below every desktop driver of the last ten years.
const REQUIRED_INVOCATIONS: u32 = 64;
const REQUIRED_STORAGE_BUFFERS: u32 = 5;
const REQUIRED_WORKGROUP_BYTES: u32 = 16 << 10;

/// The limits that are too low, each with the offered and the required value.
fn missing_limits(offered: &wgpu::Limits) -> Vec<String> {
    [
        ("invocations in a workgroup", offered.max_compute_invocations_per_workgroup, REQUIRED_INVOCATIONS),
        ("storage buffers in a stage", offered.max_storage_buffers_per_shader_stage, REQUIRED_STORAGE_BUFFERS),
        ("bytes of workgroup memory", offered.max_compute_workgroup_storage_size, REQUIRED_WORKGROUP_BYTES),
    ]
    .into_iter()
    .filter(|(_, offer, required)| offer < required)
    .map(|(what, offer, required)| format!("{offer} {what} where {required} are required"))
    .collect()
}

/// WebGPU's default limits. Limits that allow larger batches are raised to the offer; others are
/// lowered to it where necessary.
fn wanted_limits(offered: &wgpu::Limits) -> wgpu::Limits {
    let wanted = wgpu::Limits {
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_buffer_size: offered.max_buffer_size,
        max_compute_workgroups_per_dimension: offered.max_compute_workgroups_per_dimension,
        ..wgpu::Limits::default()
    };
    lower(&wanted, offered)
}

/// The limits that the kernels use: the smaller of both values. The other limits are those of
/// `limits`.
fn lower(limits: &wgpu::Limits, ceiling: &wgpu::Limits) -> wgpu::Limits {
    macro_rules! lowered {
        ($($name:ident),*) => { wgpu::Limits { $($name: limits.$name.min(ceiling.$name),)* ..limits.clone() } };
    }
    lowered!(
        max_storage_buffer_binding_size,
        max_buffer_size,
        max_uniform_buffer_binding_size,
        max_compute_workgroups_per_dimension,
        max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x,
        max_compute_workgroup_size_y,
        max_storage_buffers_per_shader_stage,
        max_bindings_per_bind_group
    )
}
