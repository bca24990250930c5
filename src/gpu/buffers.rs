//! Kinds of buffers, the layout of numbers in them, and the size of the largest batch.

use std::ops::Range;

use bytemuck::NoUninit;
use rayon::prelude::*;

use super::context::Context;
use crate::error::{Error, Result};

/// A storage buffer for `entries` numbers of four bytes; its contents are zero.
pub fn storage(context: &Context, entries: usize) -> wgpu::Buffer {
    storage_of(context, 4 * entries as u64)
}

/// A storage buffer that holds `data`.
pub fn upload<T: NoUninit>(context: &Context, data: &[T]) -> wgpu::Buffer {
    let buffer = storage(context, size_of_val(data) / 4);
    context.write(&buffer, data);
    buffer
}

pub(super) fn storage_of(context: &Context, bytes: u64) -> wgpu::Buffer {
    context.buffer(bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC)
}

pub(super) fn uniform_of(context: &Context, bytes: u64) -> wgpu::Buffer {
    context.buffer(bytes, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)
}

pub(super) fn staging_of(context: &Context, bytes: u64) -> wgpu::Buffer {
    context.buffer(bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)
}

pub(super) fn transfer_of(context: &Context, bytes: u64) -> wgpu::Buffer {
    context.buffer(bytes, wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC)
}

pub(super) fn resolved_of(context: &Context, bytes: u64) -> wgpu::Buffer {
    context.buffer(bytes, wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC)
}

/// Number of entries of an observation of `entries` on the device: whole quads.
pub fn padded_length(entries: usize) -> usize {
    entries.next_multiple_of(4)
}

/// Array length from which several threads narrow or widen the numbers.
const MANY: usize = 1 << 17;

/// Converts columns of `length` numbers to f32, each filled up to whole quads with `padding`.
pub fn narrowed_columns(columns: &[f64], length: usize, padding: f32) -> Vec<f32> {
    let padded = padded_length(length);
    let mut narrowed = vec![padding; columns.len() / length * padded];
    let narrow = |(to, from): (&mut [f32], &[f64])| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from as f32;
        }
    };
    if columns.len() < MANY {
        narrowed.chunks_exact_mut(padded).zip(columns.chunks_exact(length)).for_each(narrow);
    } else {
        narrowed.par_chunks_exact_mut(padded).zip(columns.par_chunks_exact(length)).for_each(narrow);
    }
    narrowed
}

/// Converts numbers to f32, without padding.
pub fn narrowed(numbers: &[f64]) -> Vec<f32> {
    let narrow = |number: &f64| *number as f32;
    if numbers.len() < MANY { numbers.iter().map(narrow).collect() } else { numbers.par_iter().map(narrow).collect() }
}

/// Converts the output of [`narrowed_columns`], as bytes that may be unaligned, back into columns
/// of `length`.
pub fn widen_columns(padded: &[u8], length: usize, columns: &mut [f64]) {
    let widen = |(to, from): (&mut [f64], &[u8])| {
        for (to, from) in to.iter_mut().zip(from.chunks_exact(4)) {
            *to = f64::from(f32::from_ne_bytes([from[0], from[1], from[2], from[3]]));
        }
    };
    let bytes = 4 * padded_length(length);
    if columns.len() < MANY {
        columns.chunks_exact_mut(length).zip(padded.chunks_exact(bytes)).for_each(widen);
    } else {
        columns.par_chunks_exact_mut(length).zip(padded.par_chunks_exact(bytes)).for_each(widen);
    }
}

/// Maximum number of bytes of an array of a batch, even if a binding can hold more: gradient
/// descent keeps two arrays per layer, and larger batches are not faster.
const ENOUGH_BYTES: u64 = 256 << 20;
/// The same maximum for work that is sent in overlapping parts: one part is transferred while
/// another is computed.
const OVERLAPPED_BYTES: u64 = 32 << 20;

/// Maximum number of floating-point operations of a submission, if it has more than one
/// observation. Drivers stop work that runs for about two seconds. An integrated GPU, with a few
/// hundred GFLOP/s, takes a quarter of that, and a large card some milliseconds.
pub const MOST_OPERATIONS: f64 = 1e11;

/// Observations per submission, at least 1, if each needs this number of operations.
pub fn by_operations(operations: f64) -> usize {
    (MOST_OPERATIONS / operations.max(1.0)).max(1.0) as usize
}

/// The limits on the number of observations in a batch: each of their arrays must fit a binding. A
/// dispatch must have enough workgroups for one per observation, or for one per tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the largest binding, which is at most the largest buffer.
    pub binding_bytes: u64,
    /// Maximum number of workgroups in one dimension.
    pub workgroups: u32,
}

impl Room {
    /// The limits of a device.
    pub fn of(limits: &wgpu::Limits) -> Self {
        Room {
            binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            workgroups: limits.max_compute_workgroups_per_dimension,
        }
    }

    /// [`Self::observations`] for a part of a batch that is sent in overlapping parts.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if not even one observation fits.
    pub fn overlapped(&self, entries: usize, per_workgroup: u32) -> Result<usize> {
        let enough = (OVERLAPPED_BYTES / (4 * entries.max(1) as u64)).max(1) as usize;
        Ok(self.observations(entries, per_workgroup)?.min(enough))
    }

    /// Observations per batch, at least 1. `entries`: the longest array of an observation, in
    /// numbers of four bytes. `per_workgroup`: observations that share a workgroup.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if not even one observation fits.
    pub fn observations(&self, entries: usize, per_workgroup: u32) -> Result<usize> {
        let bytes = 4 * entries.max(1) as u64;
        if bytes > self.binding_bytes || self.workgroups == 0 {
            return Err(Error::NoDevice(format!(
                "an observation needs {bytes} bytes in one binding and the adapter offers {}; use option `device: cpu`",
                self.binding_bytes
            )));
        }
        let by_bytes = (self.binding_bytes.min(ENOUGH_BYTES) / bytes).max(1);
        let by_workgroups = u64::from(self.workgroups) * u64::from(per_workgroup);
        Ok(by_bytes.min(by_workgroups) as usize)
    }
}

/// A size of parts of `count` observations, such that there are as few parts of at most `most` as
/// possible, and none is much smaller than the others. Where the last part stays large enough,
/// whole tiles fill the others.
pub fn even_size(count: usize, most: usize) -> usize {
    let parts = count.div_ceil(most).max(1);
    let even = count.div_ceil(parts).max(1);
    let whole = even.next_multiple_of(WIDEST_TILE).min(most).min(count.max(1));
    let last = count.saturating_sub((parts - 1) * whole);
    if 2 * last >= whole { whole } else { even }
}

/// Observations of the widest tile of a product.
const WIDEST_TILE: usize = 128;

/// Splits `0 .. count` into consecutive ranges of at most `most`, as even as [`even_size`] says.
pub fn ranges(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let size = even_size(count, most);
    (0..count).step_by(size).map(move |start| start..count.min(start + size))
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
    fn a_submission_is_bounded_by_its_operations() {
        // Three layers of 4096², forward: 16,384 observations would be 1.6 TFLOP.
        let each = 3.0 * 2.0 * 4096.0 * 4096.0;
        assert!((1..16_384).contains(&by_operations(each)));
        assert!(by_operations(each) as f64 * each <= MOST_OPERATIONS);
        assert_eq!((by_operations(1e15), by_operations(0.0)), (1, MOST_OPERATIONS as usize));
    }

    #[test]
    fn columns_are_filled_up_and_come_back() {
        for count in [1, 3, 40_000] {
            let columns: Vec<f64> = (0..5 * count).map(f64::from).collect();
            let narrowed = narrowed_columns(&columns, 5, -1.0);
            assert_eq!(narrowed.len(), 8 * count as usize);
            assert_eq!(narrowed[..8], [0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -1.0, -1.0]);
            let mut back = vec![0.0; columns.len()];
            widen_columns(bytemuck::cast_slice(&narrowed), 5, &mut back);
            assert_eq!(back, columns);
        }
    }

    #[test]
    fn ranges_cover_everything_once() {
        assert_eq!(ranges(7, 3).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        assert_eq!(ranges(0, 3).count(), 0);
        assert_eq!(ranges(6, 3).collect::<Vec<_>>(), [0..3, 3..6]);
    }

    #[test]
    fn ranges_are_even_and_as_few_as_possible() {
        assert_eq!(ranges(65_536, 65_535).collect::<Vec<_>>(), [0..32_768, 32_768..65_536]);
        assert_eq!(ranges(1001, 1000).collect::<Vec<_>>(), [0..512, 512..1001]);
        assert_eq!(ranges(130, 129).collect::<Vec<_>>(), [0..65, 65..130]);
        for most in [1, 63, 64, 65, 1000, 4096] {
            for count in [1, 64, 65, 999, 1001, 2001, 20_000] {
                let parts: Vec<Range<usize>> = ranges(count, most).collect();
                assert_eq!(parts.len(), count.div_ceil(most), "{count} by {most}");
                let covered: Vec<usize> = parts.iter().cloned().flatten().collect();
                assert!(covered.into_iter().eq(0..count), "{count} by {most}");
                let size = even_size(count, most);
                assert!(size <= most.min(count) && parts.iter().all(|part| part.len() <= size), "{count} by {most}");
                let is_even = size == count.div_ceil(parts.len());
                assert!(is_even || 2 * parts[parts.len() - 1].len() >= size, "{count} by {most}: {parts:?}");
            }
        }
    }
}
