//! The normal matrix in single precision, for early iterations: the direction need not be exact as long as the residuals
//! are, and those are always formed in double precision. Twice as many entries a register, summed over a few rows only
//! before they are added to the double-precision matrix.

use super::lanes::{LANE, Lane, vectorised};
use super::packed::PackedWeights;

/// Rows gathered at a time.
const GATHERED: usize = 32;
/// Single-precision entries a register.
const WIDE: usize = 2 * LANE;

/// Eight `f32`, aligned like two [`Lane`]s' halves.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(32))]
pub struct WideLane([f32; WIDE]);

vectorised! {
    /// As [`super::gram::add_gram`], to single precision. Entries left of the diagonal block may be filled too.
    pub fn add_gram_single(
        weights: &PackedWeights,
        units: &[u32],
        roots: &[f64],
        buffer: &mut Vec<WideLane>,
        matrix: &mut [Lane],
        stride: usize,
    ) {
        let lanes = weights.lanes;
        let wide = lanes.div_ceil(2);
        buffer.clear();
        buffer.resize(GATHERED * wide, WideLane::default());
        for (units, roots) in units.chunks(GATHERED).zip(roots.chunks(GATHERED)) {
            for ((&unit, &root), row) in units.iter().zip(roots).zip(buffer.chunks_exact_mut(wide)) {
                for (entry, pair) in row.iter_mut().zip(weights.unit(unit).chunks(2)) {
                    for (half, w) in entry.0.chunks_exact_mut(LANE).zip(pair) {
                        for (entry, w) in half.iter_mut().zip(w.0) {
                            *entry = (w * root) as f32;
                        }
                    }
                }
            }
            let gathered = &buffer[..units.len() * wide];
            for block in 0..lanes {
                let target = &mut matrix[block * LANE * stride..(block + 1) * LANE * stride];
                let mut at = block / 2;
                while at + 3 <= wide {
                    add_tile::<FUSED, 3>(gathered, wide, block, at, target, stride);
                    at += 3;
                }
                match wide - at {
                    2 => add_tile::<FUSED, 2>(gathered, wide, block, at, target, stride),
                    1 => add_tile::<FUSED, 1>(gathered, wide, block, at, target, stride),
                    _ => {}
                }
            }
        }
    }
}

/// Adds the products of columns `4·block ..` with the `N` wide lanes from `at`.
#[inline(always)]
fn add_tile<const FUSED: bool, const N: usize>(
    gathered: &[WideLane],
    wide: usize,
    block: usize,
    at: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let mut sums = [[WideLane([0.0; WIDE]); N]; LANE];
    let (left_lane, left_half) = (block / 2, block % 2 * LANE);
    for row in gathered.chunks_exact(wide) {
        let left = &row[left_lane].0;
        let right: &[WideLane; N] = match row[at..at + N].try_into() {
            Ok(right) => right,
            Err(_) => return,
        };
        for (i, sums) in sums.iter_mut().enumerate() {
            let left = left[left_half + i];
            for (sum, right) in sums.iter_mut().zip(right) {
                for (sum, &right) in sum.0.iter_mut().zip(&right.0) {
                    *sum = if FUSED { left.mul_add(right, *sum) } else { left * right + *sum };
                }
            }
        }
    }
    for (row, sums) in target.chunks_exact_mut(stride).zip(sums) {
        // The last wide lane may reach into the lane of right-hand sides, with zeros.
        for (pair, sum) in row[2 * at..].chunks_exact_mut(2).zip(sums) {
            for (lane, half) in pair.iter_mut().zip(sum.0.chunks_exact(LANE)) {
                for (entry, sum) in lane.0.iter_mut().zip(half) {
                    *entry += f64::from(*sum);
                }
            }
        }
    }
}
