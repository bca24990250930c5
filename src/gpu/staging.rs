//! Read-back from the device. Results are copied into a staging buffer after the kernels, and the
//! buffer is mapped while other work continues. The device's own time of these kernels comes with
//! them.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::buffers;
use super::context::Context;
use crate::error::{Error, Result};

/// A staging buffer, for one submission at a time.
#[derive(Debug, Default)]
pub struct Staging {
    buffer: Option<wgpu::Buffer>,
    stamps: Option<Stamps>,
    pending: Option<Pending>,
}

/// Buffers for the device's timestamps.
#[derive(Debug)]
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

#[derive(Debug)]
struct Pending {
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
    bytes: u64,
    is_timed: bool,
}

/// Milliseconds that another thread may take to call back about a mapped buffer.
const CALLBACK_PATIENCE: u32 = 10_000;

/// Bytes of two timestamps.
const STAMPS_BYTES: u64 = 16;

/// The timer of one submission's passes; it may be absent.
#[derive(Clone, Copy)]
pub struct Timer<'a>(Option<&'a wgpu::QuerySet>);

impl<'a> Timer<'a> {
    /// Begins a pass that is the first of its submission, the last, or both.
    pub fn pass<'e>(self, encoder: &'e mut wgpu::CommandEncoder, first: bool, last: bool) -> wgpu::ComputePass<'e> {
        let timestamp_writes = self.0.filter(|_| first || last).map(|query_set| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: first.then_some(0),
            end_of_pass_write_index: last.then_some(1),
        });
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes })
    }
}

impl Staging {
    /// Submits what `record` records, followed by copies of the beginnings of `sources` (buffer,
    /// bytes, a multiple of four). `record` begins its passes through the timer, marks the first
    /// and the last pass, and returns the number of dispatched kernels.
    pub fn submit(
        &mut self,
        context: &Context,
        sources: &[(&wgpu::Buffer, u64)],
        record: impl FnOnce(&mut wgpu::CommandEncoder, Timer<'_>) -> u64,
    ) {
        if self.stamps.is_none() && context.has_timestamps() {
            self.stamps = Some(Stamps::new(context));
        }
        self.submit_timed(context, sources, true, record);
    }

    /// Submits only the copies.
    pub fn copy_back(&mut self, context: &Context, sources: &[(&wgpu::Buffer, u64)]) {
        self.submit_timed(context, sources, false, |_, _| 0);
    }

    fn submit_timed(
        &mut self,
        context: &Context,
        sources: &[(&wgpu::Buffer, u64)],
        has_kernels: bool,
        record: impl FnOnce(&mut wgpu::CommandEncoder, Timer<'_>) -> u64,
    ) {
        let bytes: u64 = sources.iter().map(|(_, bytes)| bytes).sum();
        let stamps = self.stamps.as_ref().filter(|_| has_kernels);
        let capacity = bytes.next_multiple_of(8) + STAMPS_BYTES;
        let staging = match self.buffer.take() {
            Some(buffer) if buffer.size() >= capacity => buffer,
            _ => buffers::staging_of(context, capacity),
        };
        let submission = context.submit(|encoder| {
            let kernels = record(encoder, Timer(stamps.map(|stamps| &stamps.queries)));
            let mut offset = 0;
            for (source, bytes) in sources {
                encoder.copy_buffer_to_buffer(source, 0, &staging, offset, Some(*bytes));
                offset += bytes;
            }
            if let Some(Stamps { queries, resolved }) = stamps {
                encoder.resolve_query_set(queries, 0..2, resolved, 0);
                let behind = bytes.next_multiple_of(8);
                encoder.copy_buffer_to_buffer(resolved, 0, &staging, behind, Some(STAMPS_BYTES));
            }
            kernels
        });
        let (sender, mapped) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, ..capacity, move |outcome| {
            // If waiting has failed already, the receiver is gone.
            let _ = sender.send(outcome);
        });
        let is_timed = stamps.is_some();
        self.buffer = Some(staging);
        self.pending = Some(Pending { submission, mapped, bytes, is_timed });
    }

    /// Waits for the submission and passes the copies, one behind the other, to `read`. They may be
    /// unaligned.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if they do not arrive.
    pub fn collect<T>(&mut self, context: &Context, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let (Some(Pending { submission, mapped, bytes, is_timed }), Some(buffer)) = (self.pending.take(), &self.buffer)
        else {
            return Err(Error::DeviceLost("nothing was submitted".into()));
        };
        context.wait(submission)?;
        wait_until_mapped(context, &mapped)?;
        context.count_read_back();
        let behind = bytes.next_multiple_of(8);
        let view =
            buffer.get_mapped_range(..behind + STAMPS_BYTES).map_err(|error| Error::DeviceLost(error.to_string()))?;
        if is_timed {
            let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&view[behind as usize..]);
            context.count_ticks(stamps[1].saturating_sub(stamps[0]));
        }
        let answer = read(&view[..bytes as usize]);
        drop(view);
        buffer.unmap();
        Ok(answer)
    }
}

/// Waits for the callback of a submission that has run. Another thread's poll may have found the
/// submission done and be about to call back. A lost device may drop the callback, or keep it and
/// never call it.
pub(super) fn wait_until_mapped(
    context: &Context,
    mapped: &Receiver<Result<(), wgpu::BufferAsyncError>>,
) -> Result<()> {
    for _ in 0..CALLBACK_PATIENCE {
        match mapped.recv_timeout(Duration::from_millis(1)) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => return Err(Error::DeviceLost(error.to_string())),
            Err(RecvTimeoutError::Timeout) => context.check()?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Err(Error::DeviceLost("the driver never handed over a result buffer".into()))
}

impl Stamps {
    fn new(context: &Context) -> Self {
        let queries = context.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        Stamps { queries, resolved: buffers::resolved_of(context, STAMPS_BYTES) }
    }
}
