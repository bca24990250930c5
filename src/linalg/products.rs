//! Products of chosen units' weights with vectors: `w_u · z` and `Σ f_u w_u`. Each reads the chosen
//! weights once, from the cache that all observations share; four units at a time, so that loads,
//! not latencies, limit the speed.

use super::lanes::{Lane, vectorised};
use super::packed_weights::PackedWeights;

vectorised! {
    /// `out[i] = w_{units[i]} · z`. Costs `2·units·columns` flops.
    pub fn products(weights: &PackedWeights, units: &[u32], z: &[Lane], out: &mut [f64]) {
        let z = &z[..weights.lanes];
        for (units, out) in units.chunks(4).zip(out.chunks_mut(4)) {
            if let &[a, b, c, d] = units {
                let rows = [weights.unit(a), weights.unit(b), weights.unit(c), weights.unit(d)];
                let mut sums = [Lane::ZERO; 4];
                for (l, &z) in z.iter().enumerate() {
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = sum.plus_product::<FUSED>(row[l], z);
                    }
                }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = sum.sum();
                }
            } else {
                for (out, &unit) in out.iter_mut().zip(units) {
                    let mut sum = Lane::ZERO;
                    for (&w, &z) in weights.unit(unit).iter().zip(z) {
                        sum = sum.plus_product::<FUSED>(w, z);
                    }
                    *out = sum.sum();
                }
            }
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
        let rows: [&[Lane]; 4] = std::array::from_fn(|i| weights.unit(units[start + i]));
        let scale: [[Lane; 4]; N] =
            std::array::from_fn(|j| std::array::from_fn(|i| Lane::splat(factors[j][start + i])));
        for l in 0..lanes {
            let rows: [Lane; 4] = std::array::from_fn(|i| rows[i][l]);
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
