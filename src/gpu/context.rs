//! An opened adapter: the negotiation of its limits, its queue, and how its failures are reported.
//!
//! Too little memory for a buffer becomes [`Error::DeviceMemory`], so that a caller can try again
//! with a smaller batch. Every other failure becomes [`Error::DeviceLost`], so that a caller can
//! continue on the CPU: a lost device, a rejected call, a buffer that cannot be mapped, a wait
//! without an end. Nothing here panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::adapters::{describe, select};
use super::faults::Faults;
use crate::adapter::{AdapterDescription, Selection};
use crate::error::{Error, Result};

/// Optional features: sums by subgroup operations, and the device's own clock.
const USEFUL_FEATURES: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::TIMESTAMP_QUERY);

/// Milliseconds after which submitted work counts as never answered. A submission takes a fraction
/// of a second (`buffers::MOST_OPERATIONS`), and a few may be queued before it.
const PATIENCE: u64 = 60_000;
/// The same for a software rasterizer: at less than a GFLOP/s, a submission may take minutes.
const PATIENCE_WITH_SOFTWARE: u64 = 3_600_000;

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
    checks_kernels: bool,
    /// Milliseconds after which a wait is given up.
    patience: AtomicU64,
    faults: Faults,
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

        let patience = if description.hardware { PATIENCE } else { PATIENCE_WITH_SOFTWARE };
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
            checks_kernels: false,
            patience: AtomicU64::new(patience),
            faults: Faults::default(),
        })
    }

    /// The same device, whose kernels check each index and count the rounds of each loop. For tests
    /// of what is proven without these checks.
    pub fn with_checked_kernels(self) -> Self {
        Context { checks_kernels: true, ..self }
    }

    pub(super) fn checks_kernels(&self) -> bool {
        self.checks_kernels
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
        let is_refused = self.faults.refuses(size);
        let buffer =
            self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        if is_refused {
            // As unusable as the buffer that wgpu returns where there is no memory.
            buffer.destroy();
        }
        buffer
    }

    /// The failures that tests cause.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Sets the time after which a wait is given up. For tests.
    pub fn set_patience(&self, patience: Duration) {
        self.patience.store(patience.as_millis() as u64, Ordering::Relaxed);
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
    /// What `work` returns, or the device's own error, which takes precedence, because it is the
    /// cause. [`Error::DeviceMemory`] takes precedence over [`Error::DeviceLost`]: a buffer for
    /// which there is no memory also makes the calls that use it fail.
    pub fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.failure.check()?;
        Faults::forget_refusal();
        let filters = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal];
        let mut scopes: Vec<_> = filters.map(|filter| self.device.push_error_scope(filter)).into();
        let answer = work();
        let (mut captured, mut no_memory) = (None, Faults::refusal());
        // Scopes are popped in reverse order.
        while let Some(scope) = scopes.pop() {
            match pollster::block_on(scope.pop()) {
                Some(wgpu::Error::OutOfMemory { source }) => no_memory = Some(source.to_string()),
                other => captured = other.or(captured),
            }
        }
        self.failure.check()?;
        match (no_memory, captured) {
            (Some(reason), _) => Err(Error::DeviceMemory(reason)),
            (None, Some(error)) => Err(Error::DeviceLost(error.to_string())),
            (None, None) => answer,
        }
    }

    /// Records commands with `record` and submits them. `record` returns the number of dispatched
    /// kernels.
    pub fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder) -> u64) -> wgpu::SubmissionIndex {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let kernels = record(&mut encoder);
        let submission = self.queue.submit([encoder.finish()]);
        let dispatches = self.dispatches.fetch_add(kernels, Ordering::Relaxed) + kernels;
        if self.faults.loses() || dispatches >= self.lose_after.load(Ordering::Relaxed) {
            self.device.destroy();
        }
        submission
    }

    /// Copies `data` to the beginning of `buffer`, before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, data: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data));
    }

    /// Waits until `submission` has run.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the device is lost, or does not answer in time.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let patience = Duration::from_millis(self.patience.load(Ordering::Relaxed));
        if self.faults.silences() {
            std::thread::sleep(patience);
            return Err(self.hangs(patience));
        }
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(patience) };
        // wgpu panics if the driver reports the loss during the wait; there is no other way to
        // detect it.
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll))) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => Err(self.hangs(patience)),
            Ok(Err(error)) => Err(Error::DeviceLost(error.to_string())),
            Err(_) => Err(Error::DeviceLost("the driver failed while waiting for submitted work".into())),
        }
    }

    /// Gives the device up, because it does not answer.
    fn hangs(&self, patience: Duration) -> Error {
        let reason = format!("the GPU hangs: no answer to submitted work within {} s", patience.as_secs_f64());
        self.failure.set(reason.clone());
        // When the last of these is dropped, wgpu waits for the queue, without a limit.
        std::mem::forget((self.device.clone(), self.queue.clone()));
        Error::DeviceLost(reason)
    }
}

/// The minimum that the kernels need: below every desktop driver of the last ten years.
const REQUIRED_INVOCATIONS: u32 = 64;
const REQUIRED_STORAGE_BUFFERS: u32 = 6;
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
