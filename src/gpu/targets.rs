//! Observations as targets on the device. One parallel pass reads each observation once: it narrows
//! the observation into the transfer buffer, decides whether f32 can hold it, and sums the squares
//! that tell the lane's rounding. No observation is copied in f64.

use std::ops::Range;

use rayon::prelude::*;

use super::buffers::padded_length;
use super::context::Context;
use super::workspace::{Role, Workspace};
use crate::error::{Error, Result};
use crate::observation::Usability;

/// Observations that a thread narrows together. Each sum of squares is added up in the order of its
/// entries, where each addition waits for the previous one; several sums together hide that wait.
const TOGETHER: usize = 4;
/// Observations that one thread narrows into its own transfer buffer, at least.
const FEWEST_A_SHARE: usize = 256;
/// Shares per thread, because some threads may be busy with something else.
const SHARES_PER_THREAD: usize = 4;

/// What the pass has found out about an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub usability: Usability,
    /// The sum of the squares of the narrowed entries that are observed.
    pub squares: f64,
}

/// Writes one observation per lane to the buffer of the targets, in `1 / per_unit` and filled up to
/// whole quads with `NaN`. `observation`: that of a lane, `length` entries.
///
/// # Errors
/// [`Error::DeviceMemory`] if there is no memory for the transfer.
pub(super) fn upload_targets<'a>(
    context: &Context,
    space: &mut Workspace,
    (count, length): (usize, usize),
    per_unit: f64,
    observation: impl Fn(usize) -> &'a [f64] + Sync,
) -> Result<Vec<Target>> {
    let bytes_each = 4 * padded_length(length);
    let buffer = space.reserve(context, Role::Targets, padded_length(length) * count);
    let most_shares = SHARES_PER_THREAD * rayon::current_num_threads();
    let share = count.div_ceil(most_shares).max(FEWEST_A_SHARE).next_multiple_of(TOGETHER);
    let shares = (0..count).step_by(share).map(|first| {
        let lanes = first..count.min(first + share);
        let bytes = [first, lanes.len()].map(|lanes| (lanes * bytes_each) as u64);
        let view = context.writing(buffer, bytes[0], bytes[1]);
        view.map(|view| (lanes, view)).ok_or_else(|| Error::DeviceMemory("no memory for a transfer".into()))
    });
    let shares: Vec<(Range<usize>, wgpu::QueueWriteBufferView)> = shares.collect::<Result<_>>()?;
    let targets = shares.into_par_iter().with_max_len(1).map(|(lanes, mut view)| {
        let mut scratch = Scratch::new(length);
        let mut targets = Vec::with_capacity(lanes.len());
        for first in lanes.clone().step_by(TOGETHER) {
            let group = first..lanes.end.min(first + TOGETHER);
            let found = scratch.narrow(group.clone().map(&observation), per_unit);
            let bytes = [group.start, group.end].map(|lane| (lane - lanes.start) * bytes_each);
            // The transfer buffer may be slow to read, so it is only written.
            view.slice(bytes[0]..bytes[1]).copy_from_slice(bytemuck::cast_slice(scratch.narrowed(group.len())));
            targets.extend(found.into_iter().take(group.len()));
        }
        targets
    });
    Ok(targets.flatten_iter().collect())
}

/// The arrays of one thread.
struct Scratch {
    length: usize,
    /// The narrowed observations of a group, padded with `NaN`.
    narrowed: Vec<f32>,
    /// The squares of their entries, 0 where unobserved.
    squares: Vec<f64>,
}

impl Scratch {
    fn new(length: usize) -> Self {
        Scratch {
            length,
            narrowed: vec![f32::NAN; TOGETHER * padded_length(length)],
            squares: vec![0.0; TOGETHER * length],
        }
    }

    /// The first `count` observations of the group.
    fn narrowed(&self, count: usize) -> &[f32] {
        &self.narrowed[..count * padded_length(self.length)]
    }

    /// Narrows at most [`TOGETHER`] observations.
    fn narrow<'a>(&mut self, observations: impl Iterator<Item = &'a [f64]>, per_unit: f64) -> [Target; TOGETHER] {
        let mut targets = [Target { usability: Usability::Unusable, squares: 0.0 }; TOGETHER];
        let narrowed = self.narrowed.chunks_exact_mut(padded_length(self.length));
        let places = narrowed.zip(self.squares.chunks_exact_mut(self.length));
        for ((observation, (narrowed, squares)), target) in observations.zip(places).zip(&mut targets) {
            target.usability = Usability::of_largest(narrow_one(observation, per_unit, narrowed, squares));
        }
        let mut sums = [0.0; TOGETHER];
        for entry in 0..self.length {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += self.squares[lane * self.length + entry];
            }
        }
        for (target, sum) in targets.iter_mut().zip(sums) {
            target.squares = sum;
        }
        targets
    }
}

/// Narrows an observation; returns its largest absolute entry, −1 if nothing is observed.
fn narrow_one(observation: &[f64], per_unit: f64, narrowed: &mut [f32], squares: &mut [f64]) -> f64 {
    // Four maxima, because one would be a chain of dependent comparisons.
    let mut largest = [-1.0_f64; 4];
    let mut narrow = |entry: usize, x: f64| {
        let in_unit = (x * per_unit) as f32;
        narrowed[entry] = in_unit;
        let wide = f64::from(in_unit);
        squares[entry] = if wide.is_nan() { 0.0 } else { wide * wide };
        let (size, largest) = (x.abs(), &mut largest[entry % 4]);
        // False for `NaN`.
        if size > *largest {
            *largest = size;
        }
    };
    let quads = observation.chunks_exact(4);
    for (lane, x) in quads.remainder().iter().enumerate() {
        narrow(observation.len() / 4 * 4 + lane, *x);
    }
    for (quad, entries) in quads.enumerate() {
        for (lane, x) in entries.iter().enumerate() {
            narrow(4 * quad + lane, *x);
        }
    }
    largest.into_iter().fold(-1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entry by entry, in the order of the entries.
    fn one_at_a_time(observation: &[f64], unit: f64) -> (Vec<f32>, Target) {
        let mut narrowed: Vec<f32> = observation.iter().map(|x| (x / unit) as f32).collect();
        let square = |x: &f32| (32.0 * f64::from(f32::EPSILON) * f64::from(*x)).powi(2);
        let squares = narrowed.iter().filter(|x| !x.is_nan()).map(square).sum::<f64>() + 0.0;
        narrowed.resize(padded_length(observation.len()), f32::NAN);
        let target = Target { usability: Usability::of(observation), squares: squares * 2.0_f64.powi(36) };
        (narrowed, target)
    }

    #[test]
    fn the_pass_gives_the_bits_of_separate_passes() {
        for length in [1, 3, 4, 7, 784] {
            let mut scratch = Scratch::new(length);
            let observations: Vec<Vec<f64>> = (0..TOGETHER * 6)
                .map(|column| {
                    let mut entries: Vec<f64> = (0..length)
                        .map(|row| ((row * 31 + column * 17) as f64).sin() * 10.0_f64.powi((row % 9) as i32 - 4))
                        .collect();
                    let at = (5 * column) % length;
                    entries[at] = match column {
                        0 => f64::NAN,
                        1 => f64::INFINITY,
                        2 => f64::NEG_INFINITY,
                        3 => 1e39,
                        4 => -1e300,
                        5 => 1e-320,
                        6 => -0.0,
                        7 => f64::from(f32::MAX),
                        _ => entries[at],
                    };
                    if column == 8 { vec![f64::NAN; length] } else { entries }
                })
                .collect();
            for unit in [1.0, 0.25, 2.0_f64.powi(100), 2.0_f64.powi(-100)] {
                for group in observations.chunks(TOGETHER - 1).chain(observations.chunks(TOGETHER)) {
                    let found = scratch.narrow(group.iter().map(Vec::as_slice), 1.0 / unit);
                    let narrowed = scratch.narrowed(group.len()).chunks_exact(padded_length(length));
                    for ((observation, narrowed), found) in group.iter().zip(narrowed).zip(found) {
                        let (expected, target) = one_at_a_time(observation, unit);
                        let bits = |numbers: &[f32]| {
                            numbers.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect::<Vec<_>>()
                        };
                        assert_eq!(bits(narrowed), bits(&expected));
                        assert_eq!(found.usability, target.usability);
                        assert_eq!(found.squares.to_bits(), target.squares.to_bits(), "{length} {unit}");
                    }
                }
            }
        }
    }
}
