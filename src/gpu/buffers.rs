//! Buffers of the device, reading them back, and how large a batch they leave room for.

use std::ops::Range;
use std::sync::mpsc;

use bytemuck::{NoUninit, Pod};

use super::context::Context;
use crate::error::{Error, Result};

/// A storage buffer for `entries` numbers of four bytes; its contents are zero.
pub fn storage(context: &Context, entries: usize) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    buffer(context, 4 * entries as u64, usage)
}

/// A storage buffer that holds `data`.
pub fn upload<T: NoUninit>(context: &Context, data: &[T]) -> wgpu::Buffer {
    let buffer = storage(context, size_of_val(data) / 4);
    context.write(&buffer, data);
    buffer
}

/// A uniform buffer that holds `params`.
pub fn uniform<T: NoUninit>(context: &Context, params: T) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let buffer = buffer(context, size_of::<T>() as u64, usage);
    context.write(&buffer, &[params]);
    buffer
}

fn buffer(context: &Context, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    context.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
}

/// Waits for the device and returns the whole contents of a storage buffer.
///
/// # Errors
/// [`Error::DeviceLost`] when the copy does not arrive.
pub fn read<T: Pod>(context: &Context, source: &wgpu::Buffer) -> Result<Vec<T>> {
    let size = source.size();
    let staging = buffer(context, size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let submission = context.submit(|encoder| {
        encoder.copy_buffer_to_buffer(source, 0, &staging, 0, Some(size));
        0
    });
    let (sender, receiver) = mpsc::channel();
    staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
        // Nobody listens any more when waiting has failed already.
        let _ = sender.send(outcome);
    });
    context.wait(submission)?;
    // Not recv: a device that was lost may drop the callback, or keep it and never call.
    match receiver.try_recv() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Error::DeviceLost(error.to_string())),
        Err(_) => return Err(Error::DeviceLost("a buffer was never handed over".into())),
    }
    let view = staging.get_mapped_range(..).map_err(|error| Error::DeviceLost(error.to_string()))?;
    // Collected, not cast: a mapped range need not be aligned for T.
    Ok(bytemuck::pod_collect_to_vec(&view))
}

/// Bytes that an array of a batch takes at most, however much a binding can hold: gradient descent keeps two arrays a
/// layer, and batches beyond this run no faster.
const ENOUGH_BYTES: u64 = 256 << 20;

/// How many observations fit one batch of a device: each of their arrays into a binding, and one workgroup, or one
/// tile's share of one, for each into a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the largest binding, which is no larger than the largest buffer.
    pub binding_bytes: u64,
    /// Workgroups in one dimension.
    pub workgroups: u32,
}

impl Room {
    /// What the device's limits leave.
    pub fn of(limits: &wgpu::Limits) -> Self {
        Room {
            binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            workgroups: limits.max_compute_workgroups_per_dimension,
        }
    }

    /// Observations a batch, at least 1, when the longest array of an observation has `entries` of four bytes and
    /// `per_workgroup` observations share a workgroup.
    ///
    /// # Errors
    /// [`Error::NoDevice`] when not even one fits.
    pub fn observations(&self, entries: usize, per_workgroup: u32) -> Result<usize> {
        let bytes = 4 * entries.max(1) as u64;
        if bytes > self.binding_bytes || self.workgroups == 0 {
            return Err(Error::NoDevice(format!(
                "an observation needs {bytes} bytes in one binding and the adapter offers {}; use --device cpu",
                self.binding_bytes
            )));
        }
        let by_bytes = (self.binding_bytes.min(ENOUGH_BYTES) / bytes).max(1);
        let by_workgroups = u64::from(self.workgroups) * u64::from(per_workgroup);
        Ok(by_bytes.min(by_workgroups) as usize)
    }
}

/// `0 .. count` in consecutive ranges of at most `most`.
pub fn ranges(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(most).map(move |start| start..count.min(start + most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_the_tighter_of_bytes_and_workgroups() {
        let room = Room { binding_bytes: 4096, workgroups: 10 };
        assert_eq!(room.observations(100, 1).ok(), Some(10));
        assert_eq!(room.observations(200, 1).ok(), Some(5));
        assert_eq!(room.observations(1, 16).ok(), Some(160));
        assert!(room.observations(1025, 1).is_err());
        let huge = Room { binding_bytes: 1 << 40, workgroups: 65535 };
        assert_eq!(huge.observations(1 << 20, 16).ok(), Some(64));
        assert_eq!(huge.observations(1 << 30, 16).ok(), Some(1));
    }

    #[test]
    fn ranges_cover_everything_once() {
        assert_eq!(ranges(7, 3).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        assert_eq!(ranges(0, 3).count(), 0);
        assert_eq!(ranges(6, 3).collect::<Vec<_>>(), [0..3, 3..6]);
    }
}
