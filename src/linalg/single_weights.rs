//! A layer's weights in single precision, for products that only rank: half of the numbers to read,
//! and of those only the columns that move. Sixty-four units stand side by side, so that a product
//! needs no sum across a register.

use super::lanes::{LANE, Lane, SingleLane, numbers, vectorised};
use super::packed_weights::PackedWeights;

/// Entries of a [`SingleLane`].
const SINGLE_LANE: usize = 2 * LANE;
/// Lanes of a block of units.
pub const LANES: usize = 8;
/// Units of a block.
pub const UNITS: usize = LANES * SINGLE_LANE;

/// The numbers of [`PackedWeights`], rounded: block by block, column by column.
#[derive(Debug, Clone)]
pub struct SingleWeights {
    blocks: Vec<[SingleLane; LANES]>,
    columns: usize,
}

/// Workspace of a product.
#[derive(Debug, Default)]
pub struct SingleProducts {
    moved: Vec<(u32, f32)>,
    sums: Vec<[SingleLane; LANES]>,
}

impl SingleWeights {
    /// Rounds them.
    pub fn of(weights: &PackedWeights) -> Self {
        let (columns, units) = (weights.columns, weights.rows.len().checked_div(weights.lanes).unwrap_or(0));
        let mut blocks = vec![[SingleLane::ZERO; LANES]; columns * units.div_ceil(UNITS)];
        for unit in 0..units {
            let (block, place) = (unit / UNITS, unit % UNITS);
            for (column, w) in numbers(weights.unit(unit as u32))[..columns].iter().enumerate() {
                blocks[block * columns + column][place / SINGLE_LANE].0[place % SINGLE_LANE] = *w as f32;
            }
        }
        SingleWeights { blocks, columns }
    }

    /// The numbers: [`UNITS`] units side by side, column by column.
    pub fn blocks(&self) -> &[[SingleLane; LANES]] {
        &self.blocks
    }

    /// `out[i] ≈ w_{units[i]} · d`, to 1e-6 of the largest terms. Costs `2·columns` flops for each
    /// unit of the layer, where the columns are those whose entry of `d` is not 0.
    pub fn products(&self, units: &[u32], d: &[Lane], workspace: &mut SingleProducts, out: &mut [f64]) {
        let SingleProducts { moved, sums } = workspace;
        // Within the range of single precision, whatever the size of `d` is.
        let d = &numbers(d)[..self.columns];
        let largest = d.iter().fold(0.0f64, |most, x| if x.abs() > most { x.abs() } else { most });
        let scale = if largest > 0.0 { largest } else { 1.0 };
        moved.clear();
        moved.extend(d.iter().enumerate().filter(|(_, d)| **d != 0.0).map(|(i, d)| (i as u32, (d / scale) as f32)));
        sums.clear();
        sums.resize(self.blocks.len().checked_div(self.columns).unwrap_or(0), [SingleLane::ZERO; LANES]);
        sums_of_blocks(&self.blocks, self.columns, moved, sums);
        let of_all: &[f32] = bytemuck::cast_slice(sums);
        out.iter_mut().zip(units).for_each(|(out, &unit)| *out = scale * f64::from(of_all[unit as usize]));
    }
}

vectorised! {
    fn sums_of_blocks(
        blocks: &[[SingleLane; LANES]],
        columns: usize,
        moved: &[(u32, f32)],
        out: &mut [[SingleLane; LANES]],
    ) {
        for (block, out) in blocks.chunks_exact(columns.max(1)).zip(out) {
            let mut sums = [SingleLane::ZERO; LANES];
            for &(column, factor) in moved {
                let factor = SingleLane([factor; SINGLE_LANE]);
                let weights = &block[column as usize];
                for (sum, w) in sums.iter_mut().zip(weights) {
                    *sum = sum.plus_product::<FUSED>(*w, factor);
                }
            }
            *out = sums;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::lanes::numbers_mut;
    use crate::random::{Domain, normal_vector};

    #[test]
    fn products_are_right_to_single_precision_at_any_size() {
        for (units, columns) in [(1, 1), (21, 13), (64, 5), (130, 40)] {
            let weights = PackedWeights::new(&normal_vector(3, Domain::Network, 0, columns * units), columns);
            let single = SingleWeights::of(&weights);
            let chosen: Vec<u32> = (0..units as u32).rev().collect();
            for size in [1e-300, 1.0, 1e200] {
                let mut d = vec![Lane::ZERO; weights.lanes];
                let entries = normal_vector(4, Domain::Network, 0, columns);
                let all_but_some = numbers_mut(&mut d).iter_mut().zip(&entries).enumerate().filter(|(i, _)| i % 3 != 1);
                all_but_some.for_each(|(_, (d, x))| *d = size * x);
                let mut found = vec![f64::NAN; units];
                single.products(&chosen, &d, &mut SingleProducts::default(), &mut found);
                for (&unit, found) in chosen.iter().zip(found) {
                    let terms = numbers(weights.unit(unit)).iter().zip(numbers(&d)).map(|(w, d)| w * d);
                    let (product, length): (f64, f64) =
                        terms.fold((0.0, 0.0), |(sum, length), term| (sum + term, length + term.abs()));
                    assert!((found - product).abs() <= 1e-6 * length, "{units} × {columns}, size {size:e}");
                }
            }
        }
    }
}
