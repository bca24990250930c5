//! The normal matrix `Σ_u D_u w_u w_uᵀ` of chosen units, upper triangle.
//!
//! A few dozen rows `√D_u w_u` are gathered into a buffer that stays in the first-level cache, then every tile of the
//! triangle takes them up: 4 × 12 entries stay in registers, a row costs them 7 loads and 12 multiply–adds.

use super::lanes::{LANE, Lane, vectorised};
use super::packed::PackedWeights;

/// Rows gathered at a time.
const GATHERED: usize = 24;

vectorised! {
    /// Adds `Σ_i roots[i]² w_{units[i]} w_{units[i]}ᵀ` to the upper triangle of `matrix`, whose rows are `stride` lanes apart.
    /// Entries below the diagonal of a 4 × 4 block are filled too, others not. Costs `units·columns²` flops.
    pub fn add_gram(
        weights: &PackedWeights,
        units: &[u32],
        roots: &[f64],
        buffer: &mut Vec<Lane>,
        matrix: &mut [Lane],
        stride: usize,
    ) {
        let lanes = weights.lanes;
        buffer.clear();
        buffer.resize(GATHERED * lanes, Lane::ZERO);
        for (units, roots) in units.chunks(GATHERED).zip(roots.chunks(GATHERED)) {
            for ((&unit, &root), row) in units.iter().zip(roots).zip(buffer.chunks_exact_mut(lanes)) {
                for (entry, w) in row.iter_mut().zip(weights.unit(unit)) {
                    *entry = Lane(w.0.map(|w| w * root));
                }
            }
            let gathered = &buffer[..units.len() * lanes];
            for block in 0..lanes {
                let target = &mut matrix[block * LANE * stride..(block + 1) * LANE * stride];
                let mut at = block;
                while at + 3 <= lanes {
                    add_tile::<FUSED, 3>(gathered, lanes, block, at, target, stride);
                    at += 3;
                }
                match lanes - at {
                    2 => add_tile::<FUSED, 2>(gathered, lanes, block, at, target, stride),
                    1 => add_tile::<FUSED, 1>(gathered, lanes, block, at, target, stride),
                    _ => {}
                }
            }
        }
    }
}

/// Adds the products of columns `4·block ..` with the `N` lanes from `at`.
#[inline(always)]
fn add_tile<const FUSED: bool, const N: usize>(
    gathered: &[Lane],
    lanes: usize,
    block: usize,
    at: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let mut sums = [[Lane::ZERO; N]; LANE];
    for row in gathered.chunks_exact(lanes) {
        let left = row[block];
        let right: &[Lane; N] = match row[at..at + N].try_into() {
            Ok(right) => right,
            Err(_) => return,
        };
        for (i, sums) in sums.iter_mut().enumerate() {
            let left = Lane::splat(left.0[i]);
            for (sum, &right) in sums.iter_mut().zip(right) {
                *sum = sum.plus_product::<FUSED>(left, right);
            }
        }
    }
    for (row, sums) in target.chunks_exact_mut(stride).zip(sums) {
        for (entry, sum) in row[at..at + N].iter_mut().zip(sums) {
            for (entry, sum) in entry.0.iter_mut().zip(sum.0) {
                *entry += sum;
            }
        }
    }
}
