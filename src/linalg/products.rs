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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::lanes::{lanes_for, numbers, numbers_mut};
    use crate::random::{Domain, normal_vector};

    #[test]
    fn any_number_of_units_gives_the_sums_of_the_definition() {
        let (columns, count) = (13, 40);
        let transposed = normal_vector(3, Domain::Network, 0, columns * count);
        let weights = PackedWeights::new(&transposed, columns);
        let entry = |unit: u32, i: usize| transposed[unit as usize * columns + i] / weights.scale;
        let factors = normal_vector(4, Domain::Network, 0, count);
        let mut z = vec![Lane::ZERO; lanes_for(columns)];
        numbers_mut(&mut z)[..columns].copy_from_slice(&factors[..columns]);
        for chosen in 0..30 {
            let units: Vec<u32> = (0..chosen).map(|i| (7 * i + 1) % count as u32).collect();
            let mut found = vec![f64::NAN; units.len()];
            products(&weights, &units, &z, &mut found);
            for (unit, found) in units.iter().zip(found) {
                let product: f64 = (0..columns).map(|i| entry(*unit, i) * factors[i]).sum();
                assert!((found - product).abs() < 1e-13, "{chosen} units");
            }
            let mut sums = [z.clone(), z.clone(), z.clone(), z.clone()];
            let [alone, together @ ..] = &mut sums;
            let factors = &factors[..units.len()];
            let reversed: Vec<f64> = factors.iter().rev().copied().collect();
            combine(&weights, &units, factors, alone);
            combine_three(&weights, &units, [factors, &reversed, factors], together.each_mut().map(Vec::as_mut_slice));
            assert!(sums[0] == sums[1] && sums[0] == sums[3], "{chosen} units");
            for (sum, factors) in sums[1..3].iter().zip([factors, &reversed]) {
                for i in 0..columns {
                    let expected: f64 = units.iter().zip(factors).map(|(unit, factor)| factor * entry(*unit, i)).sum();
                    assert!((numbers(sum)[i] - expected).abs() < 1e-13, "{chosen} units");
                }
            }
        }
    }
}
