//! Observations as targets on the device. One parallel pass reads each observation once: it narrows
//! the observation into the transfer buffer, decides whether f32 can hold it, and sums the squares
//! that tell the lane's rounding. No observation is copied in f64.

use rayon::prelude::*;

use super::context::Context;
use super::layout::Layout;
use super::workspace::{Role, Workspace};
use crate::error::Result;
use crate::kernel_params::{LANE_DIVERGED, LANE_RUNNING, Lane};
use crate::observation::Usability;

/// A number of an observation: f64 or f32.
pub(super) trait Entry: Copy + Sync + Into<f64> + 'static {}
impl Entry for f64 {}
impl Entry for f32 {}

/// Partial sums and maxima of an observation, which do not wait for each other. They are combined
/// in a fixed order, so an observation has the same sum everywhere.
const PARTS: usize = 8;
/// Observations that one thread narrows into its own transfer buffer, at least.
const FEWEST_A_SHARE: usize = 256;
/// Shares per thread, because some threads may be busy with something else.
const SHARES_PER_THREAD: usize = 16;

/// What the pass has found out about an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub usability: Usability,
    /// The sum of the squares of the narrowed entries that are observed.
    pub squares: f64,
}

impl Target {
    /// The state of a run before its first step, with the loss at which f32 stops: that of a
    /// residual of `rounding`, as a share of the observation. A run that is not made has a lane,
    /// but does not start.
    pub fn lane_at_start(&self, place: usize, rounding: f64, is_made: bool) -> Lane {
        let status = if is_made { LANE_RUNNING } else { LANE_DIVERGED };
        let rounding = 0.5 * (rounding * rounding * self.squares);
        Lane { rounding: rounding as f32, origin: place as u32, status, ..Lane::START }
    }

    /// Whether f32 holds the observation.
    pub fn is_in_range(&self) -> bool {
        self.usability == Usability::InF32
    }

    /// Whether nothing is observed.
    pub fn is_empty(&self) -> bool {
        // An observation with an infinite entry has infinite squares.
        self.usability == Usability::Unusable && self.squares == 0.0
    }
}

/// Writes one observation per lane to the buffer of the targets, in `1 / per_unit`, in `layout` and
/// filled up with `NaN`. `observation`: that of a lane.
///
/// # Errors
/// [`crate::Error::DeviceLost`] if the memory of the transfer does not become writable.
pub(super) fn upload_targets<'a, T: Entry>(
    context: &Context,
    space: &mut Workspace,
    (count, layout): (usize, &Layout),
    per_unit: f64,
    observation: impl Fn(usize) -> &'a [T] + Sync,
) -> Result<Vec<Target>> {
    let bytes_each = 4 * layout.words();
    let mut transfer = std::mem::take(&mut space.transfer);
    let buffer = space.reserve(context, Role::Targets, layout.words() * count);
    let most_shares = SHARES_PER_THREAD * rayon::current_num_threads();
    let share = count.div_ceil(most_shares).max(FEWEST_A_SHARE);
    let sizes = ((bytes_each * count) as u64, (bytes_each * share) as u64);
    let targets = transfer.send(context, buffer, sizes, |views| {
        let targets = views.into_par_iter().with_max_len(1).map(|(bytes, mut view)| {
            // The memory of the transfer may be slow to read, so it is only written.
            let mut narrowed = vec![f32::NAN; layout.words()];
            let mut placed = vec![f32::NAN; if layout.is_plain() { 0 } else { layout.words() }];
            let lanes = bytes.start as usize / bytes_each..bytes.end as usize / bytes_each;
            let write = |(place, lane): (usize, usize)| {
                let target = narrow(observation(lane), per_unit, &mut narrowed);
                let bytes = place * bytes_each..(place + 1) * bytes_each;
                let laid_out = if layout.is_plain() {
                    &narrowed
                } else {
                    let length = observation(lane).len();
                    (0..length).for_each(|entry| placed[layout.place(entry)] = narrowed[entry]);
                    &placed
                };
                view.slice(bytes).copy_from_slice(bytemuck::cast_slice(laid_out));
                target
            };
            lanes.enumerate().map(write).collect::<Vec<Target>>()
        });
        targets.flatten_iter().collect()
    })?;
    space.transfer = transfer;
    Ok(targets)
}

/// Narrows an observation to the beginning of `narrowed`.
fn narrow<T: Entry>(observation: &[T], per_unit: f64, narrowed: &mut [f32]) -> Target {
    /// Twice as many numbers per instruction. Nothing is fused, so the results are the same.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn wide<T: Entry>(observation: &[T], per_unit: f64, narrowed: &mut [f32]) -> Target {
        narrow_by_parts(observation, per_unit, narrowed)
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "calling a function compiled for features just found on this processor")]
        return unsafe { wide(observation, per_unit, narrowed) };
    }
    narrow_by_parts(observation, per_unit, narrowed)
}

#[inline(always)]
fn narrow_by_parts<T: Entry>(observation: &[T], per_unit: f64, narrowed: &mut [f32]) -> Target {
    let mut parts = Parts { largest: [-1.0; PARTS], squares: [0.0; PARTS] };
    let (wholes, rest) = observation.as_chunks::<PARTS>();
    let (narrowed_wholes, narrowed_rest) = narrowed[..observation.len()].as_chunks_mut::<PARTS>();
    for (to, from) in narrowed_wholes.iter_mut().zip(wholes) {
        parts.narrow(from, per_unit, to);
    }
    parts.narrow(rest, per_unit, narrowed_rest);
    let largest = parts.largest.into_iter().fold(-1.0, f64::max);
    Target { usability: Usability::of_largest(largest), squares: parts.squares.into_iter().sum() }
}

struct Parts {
    largest: [f64; PARTS],
    squares: [f64; PARTS],
}

impl Parts {
    /// At most [`PARTS`] entries.
    #[inline(always)]
    fn narrow<T: Entry>(&mut self, from: &[T], per_unit: f64, to: &mut [f32]) {
        let parts = self.largest.iter_mut().zip(&mut self.squares);
        for ((x, to), (largest, squares)) in from.iter().zip(to).zip(parts) {
            let x: f64 = (*x).into();
            *to = (x * per_unit) as f32;
            let wide = f64::from(*to);
            *squares += if wide.is_nan() { 0.0 } else { wide * wide };
            // False for `NaN`.
            *largest = if x.abs() > *largest { x.abs() } else { *largest };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANTED: usize = 7;

    /// f32 data, and the same numbers in f64, give the same bits.
    #[test]
    fn numbers_of_f32_are_narrowed_as_they_are_in_f64() {
        for length in [1, 7, 8, 9, 784] {
            let mut single: Vec<f32> = (0..length).map(|row| (row as f32 * 0.7).sin() * 1e3).collect();
            let planted: [f32; PLANTED] = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-42, -0.0, 0.0];
            for (at, planted) in planted.into_iter().enumerate() {
                single[at * length / PLANTED] = planted;
                let double: Vec<f64> = single.iter().map(|x| f64::from(*x)).collect();
                for unit in [1.0, 0.25, 2.0_f64.powi(100), 2.0_f64.powi(-100)] {
                    let mut narrowed = [vec![0.0; length], vec![0.0; length]];
                    let found = narrow(&single, 1.0 / unit, &mut narrowed[0]);
                    let expected = narrow(&double, 1.0 / unit, &mut narrowed[1]);
                    let scalar = narrow_by_parts(&double, 1.0 / unit, &mut narrowed[1].clone());
                    assert_eq!(
                        (found.usability, found.squares.to_bits()),
                        (expected.usability, expected.squares.to_bits())
                    );
                    assert_eq!(scalar.squares.to_bits(), expected.squares.to_bits());
                    let [found, expected] = narrowed.map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
                    assert_eq!(found, expected);
                }
            }
        }
    }

    /// Entry by entry, the squares as the host of Levenberg–Marquardt has them.
    fn one_at_a_time(observation: &[f64], unit: f64) -> (Vec<f32>, Target) {
        let narrowed: Vec<f32> = observation.iter().map(|x| (x / unit) as f32).collect();
        let squares = narrowed.iter().filter(|x| !x.is_nan()).map(|x| f64::from(*x).powi(2)).sum::<f64>() + 0.0;
        (narrowed, Target { usability: Usability::of(observation), squares })
    }

    #[test]
    fn the_pass_gives_the_results_of_separate_passes() {
        for length in [1, 3, 7, 8, 9, 784] {
            let observations: Vec<Vec<f64>> = (0..24)
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
                for observation in &observations {
                    let mut narrowed = vec![-7.0; length + 3];
                    let found = narrow(observation, 1.0 / unit, &mut narrowed);
                    let (expected, target) = one_at_a_time(observation, unit);
                    let bits = |numbers: &[f32]| {
                        numbers.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect::<Vec<_>>()
                    };
                    assert_eq!(bits(&narrowed[..length]), bits(&expected));
                    assert_eq!(narrowed[length..], [-7.0; 3]);
                    assert_eq!(found.usability, target.usability);
                    // Sums of up to 784 terms in two orders.
                    let close = (found.squares - target.squares).abs() <= 1e-12 * target.squares;
                    assert!(close || found.squares == target.squares, "{length} {unit}: {found:?}, not {target:?}");
                }
            }
        }
    }

    /// A sum in f64 of squares that f32 cannot hold.
    #[test]
    fn squares_neither_overflow_nor_vanish() {
        for size in [1e38_f32, 1e-30] {
            let found = narrow(&[f64::from(size), f64::NAN], 1.0, &mut [0.0; 4]);
            assert_eq!(found.squares, f64::from(size).powi(2));
        }
    }
}
