//! The adapter and what is negotiated with it: which one, which limits, and how its failures come
//! back.
//!
//! Whatever goes wrong on the device — lost, out of memory, a call it refuses, a buffer that cannot
//! be mapped — becomes [`Error::DeviceLost`], so that a caller can go on with the CPU; nothing here
//! panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::adapter::AdapterDescription;
use crate::error::{Error, Result};

/// Which adapter to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// Real hardware only, a discrete GPU before an integrated one.
    Hardware,
    /// Hardware if there is some, else a software rasterizer.
    Any,
    /// The first whose name contains this, in upper or lower case; software too.
    Named(&'a str),
}

/// What a person without an adapter can do about it.
const INSTALL: &str = "install the graphics card's Vulkan driver, or `mesa-vulkan-drivers` for a software one, or use option `device: cpu`";

/// What is used where an adapter has it: sums by subgroup operations, and the device's own clock.
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
    /// In units of [`wgpu::Queue::get_timestamp_period`].
    kernel_ticks: AtomicU64,
    lose_after: AtomicU64,
}

/// The first thing that went wrong outside any call, as the driver reports it.
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
    /// Opens the adapter that `selection` names with the limits it offers, but none above `ceiling`
    /// where that is given: tests make devices small to see batches split.
    ///
    /// # Errors
    /// Those of [`Self::open_with`].
    pub fn open(selection: Selection<'_>, ceiling: Option<&wgpu::Limits>) -> Result<Self> {
        Self::open_with(selection, ceiling, USEFUL_FEATURES)
    }

    /// [`Self::open`] with those of `features` that the adapter has; nothing here needs any of
    /// them.
    ///
    /// # Errors
    /// [`Error::NoDevice`] when there is no such adapter, naming those there are; when it offers
    /// less than the kernels need, naming what is missing; when the driver refuses to open it.
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
        // Without a handler wgpu panics on what no error scope caught, such as an error on another
        // thread.
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

    /// The limits that the device was opened with.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    /// Kernels run so far.
    pub fn dispatches(&self) -> u64 {
        self.dispatches.load(Ordering::Relaxed)
    }

    /// Buffers made so far.
    pub fn buffers_made(&self) -> u64 {
        self.buffers_made.load(Ordering::Relaxed)
    }

    /// Results waited for so far.
    pub fn read_backs(&self) -> u64 {
        self.read_backs.load(Ordering::Relaxed)
    }

    /// Seconds that kernels have run so far by the device's clock; `None` where it has none.
    pub fn kernel_seconds(&self) -> Option<f64> {
        let nanoseconds =
            || self.kernel_ticks.load(Ordering::Relaxed) as f64 * f64::from(self.queue.get_timestamp_period());
        self.has_timestamps().then(|| 1e-9 * nanoseconds())
    }

    /// Whether kernels may use subgroup operations.
    pub fn has_subgroups(&self) -> bool {
        self.features.contains(wgpu::Features::SUBGROUP)
    }

    /// Whether the device tells the time.
    pub fn has_timestamps(&self) -> bool {
        self.features.contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    pub(super) fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.buffers_made.fetch_add(1, Ordering::Relaxed);
        self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }

    /// An error once the device is lost.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.check()
    }

    pub(super) fn count_read_back(&self) {
        self.read_backs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_ticks(&self, ticks: u64) {
        self.kernel_ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Destroys the device once `dispatches` more kernels have run; at once for 0. A test's way to
    /// lose it.
    pub fn lose_after(&self, dispatches: u64) {
        self.lose_after.store(self.dispatches().saturating_add(dispatches), Ordering::Relaxed);
        if dispatches == 0 {
            self.device.destroy();
        }
    }

    /// Runs `work` with every error of the device caught.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::DeviceLost`] with the device's own words, which come first:
    /// they are the cause.
    pub fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.failure.check()?;
        let filters = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal];
        let mut scopes: Vec<_> = filters.map(|filter| self.device.push_error_scope(filter)).into();
        let answer = work();
        let mut captured = None;
        // The last one pushed is popped first.
        while let Some(scope) = scopes.pop() {
            captured = pollster::block_on(scope.pop()).or(captured);
        }
        self.failure.check()?;
        match captured {
            Some(error) => Err(Error::DeviceLost(error.to_string())),
            None => answer,
        }
    }

    /// Records commands with `record` and submits them. `record` returns how many kernels it
    /// dispatches.
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

    /// Copies `data` into the beginning of `buffer`, before whatever is submitted next.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, data: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data));
    }

    /// Waits until `submission` has run.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        // wgpu panics when the driver reports the loss while it waits: there is no other way to
        // hear of it.
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll))) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Error::DeviceLost(error.to_string())),
            Err(_) => Err(Error::DeviceLost("the driver gave up while work was waited for".into())),
        }
    }
}

/// Every adapter of this machine, as `unrelu devices` lists them.
pub fn list_adapters() -> Vec<AdapterDescription> {
    adapters().iter().map(describe).collect()
}

/// One instance for the process: making one loads every driver, which is slow, and slower from many
/// threads at once.
fn instance() -> Option<&'static wgpu::Instance> {
    static INSTANCE: OnceLock<Option<wgpu::Instance>> = OnceLock::new();
    INSTANCE
        .get_or_init(|| {
            // Instance::new panics on a platform that wgpu was built without a backend for.
            (!wgpu::Instance::enabled_backend_features().is_empty()).then(|| {
                let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
                // Not the validation layers that a debug build asks for: wgpu's own validation is
                // always on.
                descriptor.flags = wgpu::InstanceFlags::empty();
                wgpu::Instance::new(descriptor)
            })
        })
        .as_ref()
}

/// Asked for once as well: some drivers print a line of their own each time.
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
    // The sort is stable: equals stay in the driver's order.
    adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    adapters.into_iter().next().ok_or_else(|| {
        Error::NoDevice(match selection {
            Selection::Named(part) if !found.is_empty() => {
                format!("no adapter's name contains `{part}`; found {}", found.join(", "))
            }
            Selection::Hardware if !found.is_empty() => {
                format!(
                    "no hardware adapter, only {}; ask for it by option `device: gpu`, or {INSTALL}",
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

/// What the kernels cannot do without, below every desktop driver of the last ten years.
const REQUIRED_INVOCATIONS: u32 = 64;
const REQUIRED_STORAGE_BUFFERS: u32 = 5;
const REQUIRED_WORKGROUP_BYTES: u32 = 16 << 10;

/// The limits that matter here, each with its offer and what the kernels require.
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

/// The defaults of WebGPU, raised to the offer in what a larger batch profits from and lowered to
/// it elsewhere.
fn wanted_limits(offered: &wgpu::Limits) -> wgpu::Limits {
    let wanted = wgpu::Limits {
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_buffer_size: offered.max_buffer_size,
        max_compute_workgroups_per_dimension: offered.max_compute_workgroups_per_dimension,
        ..wgpu::Limits::default()
    };
    lower(&wanted, offered)
}

/// The smaller of both in the limits that kernels touch, `limits` in the others.
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
