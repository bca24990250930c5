//! The inverse of a vertex's matrix, held explicitly. The direction of every edge, every multiplier
//! and the coordinates of an entering row are then plain products, and one exchange of rows is one
//! pass over the inverse.
//!
//! A vertex has as many constraints as unknowns, `B x = β`. Most are dense rows of `W`; bounds are
//! rows of `−I` and are eliminated before the dense part is inverted.

use super::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut, vectorised};
use super::packed_weights::PackedWeights;
use super::products::{combine, combine_three, products};

/// A pivot below this share of the largest entry of its column counts as 0.
const SINGULAR: f64 = 1e-9;

/// Bounds whose directions are formed in one pass.
const TOGETHER: usize = 3;

/// `B⁻¹`, its columns contiguous: vector `j` is `B⁻¹ e_j`, along which constraint `j` grows by 1
/// and the others stay.
#[derive(Debug)]
pub struct Inverse {
    vectors: PackedWeights,
    all: Vec<u32>,
    square: Vec<Lane>,
    order: Vec<u32>,
}

impl Default for Inverse {
    fn default() -> Self {
        let vectors = PackedWeights { rows: Vec::new(), lanes: 0, columns: 0, scale: 1.0 };
        Inverse { vectors, all: Vec::new(), square: Vec::new(), order: Vec::new() }
    }
}

impl Inverse {
    /// Inverts the matrix of `dimension` constraints: `bounds[i]` says which constraint, if any, is
    /// `−x_i ≤ 0`; the others are `dense`, with their rows in `rows` (one after the other,
    /// `lanes_for(dimension)` lanes each). `false` where it is singular to rounding. Costs `2 m³`
    /// flops for `m` dense rows, and `m²` for each bound.
    pub fn build(&mut self, dimension: usize, dense: &[u32], rows: &[Lane], bounds: &[Option<u32>]) -> bool {
        let lanes = lanes_for(dimension);
        let free: Vec<usize> = (0..dimension).filter(|&i| bounds[i].is_none()).collect();
        let size = dense.len();
        if free.len() != size {
            return false;
        }
        self.vectors.lanes = lanes;
        self.vectors.columns = dimension;
        self.vectors.rows.clear();
        self.vectors.rows.resize(dimension * lanes, Lane::ZERO);
        self.all.clear();
        self.all.extend(0..dimension as u32);
        // The transpose is inverted, because the result is then stored by rows, which are the
        // columns of the inverse.
        let stride = lanes_for(size);
        self.square.clear();
        self.square.resize(stride * LANE * stride, Lane::ZERO);
        for padding in size..stride * LANE {
            numbers_mut(&mut self.square)[padding * (stride * LANE + 1)] = 1.0;
        }
        // Four rows at a time, whose entries of one column stand beside each other.
        for (j, rows) in rows.chunks(LANE * lanes.max(1)).enumerate() {
            for (i, &column) in free.iter().enumerate() {
                let row = rows.chunks_exact(lanes.max(1)).map(|row| numbers(row)[column]);
                self.square[i * stride + j].0.iter_mut().zip(row).for_each(|(entry, x)| *entry = x);
            }
        }
        if !invert(&mut self.square, stride, &mut self.order) {
            return false;
        }
        for (&constraint, inverted) in dense.iter().zip(self.square.chunks_exact(stride.max(1))) {
            let start = constraint as usize * lanes;
            let vector = numbers_mut(&mut self.vectors.rows[start..start + lanes]);
            scatter(numbers(inverted), &free, &self.order, vector);
        }
        self.add_bounds(&free, rows, bounds);
        true
    }

    /// Writes the directions of the bounds, `B⁻¹ e_j = Σ_k rows_k[i] B⁻¹ e_k − e_i` over the dense
    /// constraints `k`. Only the free entries of the sum differ from 0, so it is formed over those,
    /// for three bounds in one pass over the inverse.
    fn add_bounds(&mut self, free: &[usize], rows: &[Lane], bounds: &[Option<u32>]) {
        let (lanes, size) = (self.vectors.lanes, free.len());
        let rows_of_square = std::mem::take(&mut self.square);
        let inverted = PackedWeights { rows: rows_of_square, lanes: lanes_for(size), columns: size, scale: 1.0 };
        let held: Vec<(usize, u32)> = bounds
            .iter()
            .enumerate()
            .filter_map(|(i, constraint)| constraint.map(|constraint| (i, constraint)))
            .collect();
        let mut factors = [const { Vec::new() }; TOGETHER];
        let mut sums = [const { Vec::new() }; TOGETHER];
        factors.iter_mut().for_each(|factors| factors.resize(size, 0.0));
        sums.iter_mut().for_each(|sum| sum.resize(inverted.lanes, Lane::ZERO));
        for held in held.chunks(TOGETHER) {
            for (&(i, _), factors) in held.iter().zip(&mut factors) {
                for (factor, row) in factors.iter_mut().zip(rows.chunks_exact(lanes.max(1))) {
                    *factor = numbers(row)[i];
                }
            }
            let all = &self.all[..size];
            if held.len() == TOGETHER {
                combine_three(
                    &inverted,
                    all,
                    factors.each_ref().map(Vec::as_slice),
                    sums.each_mut().map(Vec::as_mut_slice),
                );
            } else {
                let of_bounds = factors.iter().zip(&mut sums).take(held.len());
                of_bounds.for_each(|(factors, sum)| combine(&inverted, all, factors, sum));
            }
            for (&(i, constraint), sum) in held.iter().zip(&sums) {
                let start = constraint as usize * lanes;
                let vector = numbers_mut(&mut self.vectors.rows[start..start + lanes]);
                scatter(numbers(sum), free, &self.order, vector);
                vector[i] = -1.0;
            }
        }
        self.square = inverted.rows;
    }

    /// `B⁻¹ e_j`, padded to whole lanes.
    pub fn vector(&self, constraint: usize) -> &[Lane] {
        self.vectors.unit(constraint as u32)
    }

    /// `out_j = row · B⁻¹ e_j`: the row as a combination of the constraints.
    pub fn coordinates(&self, row: &[Lane], out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.all.len(), 0.0);
        products(&self.vectors, &self.all, row, out);
    }

    /// `Σ_j values[j] B⁻¹ e_j`: the point at which the constraints have these values.
    pub fn point(&self, values: &[f64], out: &mut [Lane]) {
        combine(&self.vectors, &self.all, values, out);
    }

    /// Puts a row whose [`Self::coordinates`] are given in the place of `constraint`.
    pub fn replace(&mut self, constraint: usize, coordinates: &[f64]) {
        let lanes = self.vectors.lanes;
        let inverse = 1.0 / coordinates[constraint];
        let mut pivot = std::mem::take(&mut self.square);
        pivot.clear();
        pivot.extend(self.vector(constraint).iter().map(|lane| Lane(lane.0.map(|x| x * inverse))));
        subtract_multiples(&mut self.vectors.rows, lanes, &pivot, coordinates);
        self.vectors.rows[constraint * lanes..(constraint + 1) * lanes].copy_from_slice(&pivot);
        self.square = pivot;
    }

    /// [`Self::replace`], and in the same pass the new [`Self::squared_lengths`] and the
    /// [`Self::coordinates`] of another row, `priced`.
    pub fn replace_and_price(
        &mut self,
        constraint: usize,
        coordinates: &[f64],
        priced: &[Lane],
        lengths: &mut [f64],
        prices: &mut [f64],
    ) {
        let lanes = self.vectors.lanes;
        let inverse = 1.0 / coordinates[constraint];
        let mut pivot = std::mem::take(&mut self.square);
        pivot.clear();
        pivot.extend(self.vector(constraint).iter().map(|lane| Lane(lane.0.map(|x| x * inverse))));
        subtract_and_price(&mut self.vectors.rows, lanes, &pivot, coordinates, constraint, priced, lengths, prices);
        self.square = pivot;
    }

    /// `Σ_i (B⁻¹ e_j)_i²`: the squared lengths of the edges' directions.
    pub fn squared_lengths(&self, out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.all.len(), 0.0);
        squared_lengths(&self.vectors.rows, self.vectors.lanes, out);
    }
}

/// Puts the entries of a row of the inverted square at their columns.
fn scatter(inverted: &[f64], free: &[usize], order: &[u32], vector: &mut [f64]) {
    for (&column, &place) in free.iter().zip(order) {
        vector[column] = inverted[place as usize];
    }
}

vectorised! {
    fn squared_lengths(vectors: &[Lane], lanes: usize, out: &mut [f64]) {
        for (vector, out) in vectors.chunks_exact(lanes).zip(out) {
            let mut sums = [Lane::ZERO; 4];
            for part in vector.chunks(4) {
                for (sum, &lane) in sums.iter_mut().zip(part) {
                    *sum = sum.plus_product::<FUSED>(lane, lane);
                }
            }
            *out = sums.into_iter().map(Lane::sum).sum();
        }
    }

    /// `vectors_j −= factors[j] · pivot`.
    fn subtract_multiples(vectors: &mut [Lane], lanes: usize, pivot: &[Lane], factors: &[f64]) {
        for (vector, &factor) in vectors.chunks_exact_mut(lanes).zip(factors) {
            if factor != 0.0 {
                let factor = Lane::splat(-factor);
                for (entry, &pivot) in vector.iter_mut().zip(pivot) {
                    *entry = entry.plus_product::<FUSED>(factor, pivot);
                }
            }
        }
    }

    /// `vectors_j −= factors[j] · pivot`, but `pivot` itself for `replaced`; then `|vectors_j|²`
    /// and `vectors_j · priced`.
    fn subtract_and_price(
        vectors: &mut [Lane],
        lanes: usize,
        pivot: &[Lane],
        factors: &[f64],
        replaced: usize,
        priced: &[Lane],
        lengths: &mut [f64],
        prices: &mut [f64],
    ) {
        let (pivot, priced) = (&pivot[..lanes], &priced[..lanes]);
        let of_constraints = factors.iter().zip(lengths).zip(prices).enumerate();
        for (vector, (j, ((&factor, length), price))) in vectors.chunks_exact_mut(lanes.max(1)).zip(of_constraints) {
            if j == replaced {
                vector.copy_from_slice(pivot);
            }
            let factor = Lane::splat(if j == replaced { 0.0 } else { -factor });
            let (mut squares, mut products) = ([Lane::ZERO; 2], [Lane::ZERO; 2]);
            let (pairs, last) = vector.as_chunks_mut::<2>();
            let (pivot_pairs, pivot_last) = pivot.as_chunks::<2>();
            let (priced_pairs, priced_last) = priced.as_chunks::<2>();
            for ((pair, pivot), priced) in pairs.iter_mut().zip(pivot_pairs).zip(priced_pairs) {
                for i in 0..2 {
                    let entry = pair[i].plus_product::<FUSED>(factor, pivot[i]);
                    pair[i] = entry;
                    squares[i] = squares[i].plus_product::<FUSED>(entry, entry);
                    products[i] = products[i].plus_product::<FUSED>(entry, priced[i]);
                }
            }
            for ((last, pivot), priced) in last.iter_mut().zip(pivot_last).zip(priced_last) {
                let entry = last.plus_product::<FUSED>(factor, *pivot);
                *last = entry;
                squares[0] = squares[0].plus_product::<FUSED>(entry, entry);
                products[0] = products[0].plus_product::<FUSED>(entry, *priced);
            }
            *length = squares.into_iter().map(Lane::sum).sum();
            *price = products.into_iter().map(Lane::sum).sum();
        }
    }

    /// Gauss–Jordan in place, four columns at a time: within a panel of four the pivot rows are
    /// found by elimination with row pivoting, then the four are applied to every row in one pass.
    /// `size` is padded to whole lanes with ones on the diagonal. `false` where a pivot vanishes.
    /// `order`: entry `i` of a row of the inverse stands at `order[i]`.
    fn invert(square: &mut [Lane], stride: usize, order: &mut Vec<u32>) -> bool {
        let size = stride * LANE;
        let mut swaps: Vec<u32> = Vec::with_capacity(size);
        let mut panel = vec![Lane::ZERO; size];
        let mut pivots = vec![Lane::ZERO; LANE * stride];
        for block in 0..stride {
            let first = block * LANE;
            panel.iter_mut().zip(square.chunks_exact(stride)).for_each(|(lane, row)| *lane = row[block]);
            for p in 0..LANE {
                let entry = |lane: &Lane| lane.0[p].abs();
                let largest = panel.iter().map(entry).fold(0.0f64, |most, x| if x > most { x } else { most });
                let (mut best, mut most) = (first + p, 0);
                for (row, lane) in panel.iter().enumerate().skip(first + p) {
                    // The bits are ordered as the sizes are, and a NaN is above all of them.
                    let bits = entry(lane).to_bits();
                    (best, most) = if bits >= most { (row, bits) } else { (best, most) };
                }
                let most = f64::from_bits(most);
                // A NaN cannot be a pivot either.
                if most.is_nan() || most <= SINGULAR * largest || most <= f64::MIN_POSITIVE {
                    return false;
                }
                swaps.push(best as u32);
                if best != first + p {
                    panel.swap(first + p, best);
                    let (upper, lower) = square.split_at_mut(best * stride);
                    upper[(first + p) * stride..(first + p + 1) * stride].swap_with_slice(&mut lower[..stride]);
                }
                let pivot = panel[first + p].0;
                let inverse = 1.0 / pivot[p];
                for lane in &mut panel[first + p + 1..] {
                    let factor = lane.0[p] * inverse;
                    // All four: those of the columns that are done are not read again.
                    *lane = Lane(std::array::from_fn(|q| lane.0[q] - factor * pivot[q]));
                }
            }
            let mut corner: [Lane; LANE] = std::array::from_fn(|p| square[(first + p) * stride + block]);
            if !invert_corner(&mut corner) {
                return false;
            }
            // The panel is replaced by the unit vectors with which the inverse begins.
            for (index, (row, lane)) in square.chunks_exact_mut(stride).zip(&mut panel).enumerate() {
                *lane = row[block];
                row[block] = Lane::ZERO;
                if index / LANE == block {
                    row[block].0[index % LANE] = 1.0;
                }
            }
            pivots.fill(Lane::ZERO);
            for (p, pivot) in pivots.chunks_exact_mut(stride).enumerate() {
                for q in 0..LANE {
                    let factor = Lane::splat(corner[p].0[q]);
                    let row = &square[(first + q) * stride..(first + q + 1) * stride];
                    for (entry, &value) in pivot.iter_mut().zip(row) {
                        *entry = entry.plus_product::<FUSED>(factor, value);
                    }
                }
            }
            square[first * stride..(first + LANE) * stride].copy_from_slice(&pivots);
            subtract_pivot_rows::<FUSED>(square, stride, &panel, &pivots, block);
        }
        order.clear();
        order.extend(0..size as u32);
        for (p, &other) in swaps.iter().enumerate().rev() {
            order.swap(p, other as usize);
        }
        true
    }
}

/// `row_i −= Σ_p coefficients_i[p] · pivots_p` for all rows but the four pivot rows.
#[inline(always)]
fn subtract_pivot_rows<const FUSED: bool>(
    square: &mut [Lane],
    stride: usize,
    coefficients: &[Lane],
    pivots: &[Lane],
    block: usize,
) {
    let pivots: [&[Lane]; LANE] = std::array::from_fn(|p| &pivots[p * stride..(p + 1) * stride]);
    let (above, below) = square.split_at_mut(block * LANE * stride);
    let (coefficients_above, coefficients_below) = coefficients.split_at(block * LANE);
    let below = (&mut below[LANE * stride..], &coefficients_below[LANE..]);
    for (rows, coefficients) in [(above, coefficients_above), below] {
        // Two rows at a time, for which the pivot rows are loaded once. There are whole lanes of
        // rows, so none is left over.
        for (rows, coefficients) in rows.chunks_exact_mut(2 * stride).zip(coefficients.as_chunks::<2>().0) {
            let (one, other) = rows.split_at_mut(stride);
            let other = &mut other[..stride];
            let factors = coefficients[0].0.map(|x| Lane::splat(-x));
            let other_factors = coefficients[1].0.map(|x| Lane::splat(-x));
            for l in 0..stride {
                let (mut sum, mut other_sum) = (one[l], other[l]);
                for p in 0..LANE {
                    let pivot = pivots[p][l];
                    sum = sum.plus_product::<FUSED>(factors[p], pivot);
                    other_sum = other_sum.plus_product::<FUSED>(other_factors[p], pivot);
                }
                (one[l], other[l]) = (sum, other_sum);
            }
        }
    }
}

/// The inverse of a 4 × 4 matrix whose leading minors are known not to vanish.
fn invert_corner(corner: &mut [Lane; LANE]) -> bool {
    for p in 0..LANE {
        let inverse = 1.0 / corner[p].0[p];
        if !inverse.is_finite() {
            return false;
        }
        corner[p].0[p] = 1.0;
        corner[p] = Lane(corner[p].0.map(|x| x * inverse));
        let pivot = corner[p].0;
        for (_, row) in corner.iter_mut().enumerate().filter(|(index, _)| *index != p) {
            let factor = std::mem::replace(&mut row.0[p], 0.0);
            for (entry, pivot) in row.0.iter_mut().zip(pivot) {
                *entry -= factor * pivot;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests;
