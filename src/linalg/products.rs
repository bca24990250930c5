//! Products of chosen units' weights with vectors: `w_u · z` and `Σ f_u w_u`. Each reads the chosen
//! weights once, from the cache that all observations share; four units at a time, so that loads,
//! not latencies, limit the speed.

use super::lanes::{Lane, vectorised};
use super::packed_weights::PackedWeights;

vectorised! {
    /// `out[i] = w_{units[i]} · z`. Costs `2·units·columns` flops.
    pub fn products(weights: &PackedWeights, units: &[u32], z: &[Lane], out: &mut [f64]) {
        let z = &z[..weights.lanes];
        let (eights, rest) = units.as_chunks::<8>();
        let (sums, left) = out[..units.len()].split_at_mut(8 * eights.len());
        for (units, out) in eights.iter().zip(sums.chunks_exact_mut(8)) {
            products_of::<FUSED, 8>(weights, *units, z, out);
        }
        let (fours, rest) = rest.as_chunks::<4>();
        let (sums, left) = left.split_at_mut(4 * fours.len());
        for (units, out) in fours.iter().zip(sums.chunks_exact_mut(4)) {
            products_of::<FUSED, 4>(weights, *units, z, out);
        }
        for (unit, out) in rest.iter().zip(left.chunks_exact_mut(1)) {
            products_of::<FUSED, 1>(weights, [*unit], z, out);
        }
    }

    /// `out_j = Σ_i factors_j[i] w_{units[i]}` for one vector of factors.
    pub fn combine(weights: &PackedWeights, units: &[u32], factors: &[f64], out: &mut [Lane]) {
        combine_many::<FUSED, 1>(weights, units, [factors], [out]);
    }

    /// As [`combine`] for three vectors of factors in one pass over the weights.
    pub fn combine_three(weights: &PackedWeights, units: &[u32], factors: [&[f64]; 3], out: [&mut [Lane]; 3]) {
        combine_many::<FUSED, 3>(weights, units, factors, out);
    }
}

/// The products of `N` units in one pass over `z`.
#[inline(always)]
fn products_of<const FUSED: bool, const N: usize>(
    weights: &PackedWeights,
    units: [u32; N],
    z: &[Lane],
    out: &mut [f64],
) {
    // A loop, here and below: the compiler does not always inline `map` and `from_fn`.
    let mut rows = [z; N];
    for (row, unit) in rows.iter_mut().zip(units) {
        *row = weights.unit(unit);
    }
    let mut sums = [Lane::ZERO; N];
    for (l, &z) in z.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = sum.plus_product::<FUSED>(row[l], z);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = sum.sum();
    }
}

#[inline(always)]
fn combine_many<const FUSED: bool, const N: usize>(
    weights: &PackedWeights,
    units: &[u32],
    factors: [&[f64]; N],
    out: [&mut [Lane]; N],
) {
    let lanes = weights.lanes;
    let mut out = out.map(|out| &mut out[..lanes]);
    out.iter_mut().for_each(|out| out.fill(Lane::ZERO));
    let factors = factors.map(|factors| &factors[..units.len()]);
    let whole = units.len() / 4 * 4;
    for start in (0..whole).step_by(4) {
        let mut rows: [&[Lane]; 4] = [&[]; 4];
        let mut scale = [[Lane::ZERO; 4]; N];
        for i in 0..4 {
            rows[i] = weights.unit(units[start + i]);
            for j in 0..N {
                scale[j][i] = Lane::splat(factors[j][start + i]);
            }
        }
        for l in 0..lanes {
            let rows = [rows[0][l], rows[1][l], rows[2][l], rows[3][l]];
            for j in 0..N {
                let mut sum = out[j][l];
                for i in 0..4 {
                    sum = sum.plus_product::<FUSED>(rows[i], scale[j][i]);
                }
                out[j][l] = sum;
            }
        }
    }
    for place in whole..units.len() {
        let row = weights.unit(units[place]);
        for j in 0..N {
            let scale = Lane::splat(factors[j][place]);
            for (sum, &w) in out[j].iter_mut().zip(row) {
                *sum = sum.plus_product::<FUSED>(w, scale);
            }
        }
    }
}
