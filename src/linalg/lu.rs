//! Gaussian elimination with row pivoting of one square system, solved with the matrix and with its
//! transpose. For the few dozen equations of a vertex.

use super::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut, vectorised};

/// A pivot below this share of the largest entry of the matrix counts as 0.
const SINGULAR: f64 = 1e-9;

/// `P A = L U`, in place.
#[derive(Debug, Default)]
pub struct Lu {
    size: usize,
    stride: usize,
    entries: Vec<Lane>,
    order: Vec<u32>,
    work: Vec<f64>,
}

impl Lu {
    /// An empty matrix of `size × size`.
    pub fn reset(&mut self, size: usize) {
        self.size = size;
        self.stride = lanes_for(size);
        self.entries.clear();
        self.entries.resize(size * self.stride, Lane::ZERO);
        self.order.clear();
        self.order.extend(0..size as u32);
    }

    /// One row, mutable.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut numbers_mut(&mut self.entries[row * self.stride..(row + 1) * self.stride])[..self.size]
    }

    fn row(&self, row: usize) -> &[f64] {
        &numbers(&self.entries[row * self.stride..(row + 1) * self.stride])[..self.size]
    }

    /// Factors; `false` where the matrix is singular to rounding. Costs `2/3 size³` flops.
    pub fn factor(&mut self) -> bool {
        let largest = numbers(&self.entries).iter().fold(0.0f64, |most, a| most.max(a.abs()));
        for p in 0..self.size {
            let entry = |row: usize| numbers(&self.entries[row * self.stride..])[p].abs();
            let best = (p..self.size).max_by(|&a, &b| entry(a).total_cmp(&entry(b))).unwrap_or(p);
            // A NaN cannot be a pivot either.
            if entry(best).is_nan() || entry(best) <= SINGULAR * largest {
                return false;
            }
            if best != p {
                self.order.swap(p, best);
                let (upper, lower) = self.entries.split_at_mut(best * self.stride);
                upper[p * self.stride..(p + 1) * self.stride].swap_with_slice(&mut lower[..self.stride]);
            }
            let (done, below) = self.entries.split_at_mut((p + 1) * self.stride);
            eliminate(&done[p * self.stride..], below, p);
        }
        true
    }

    /// The smallest pivot divided by the largest. If it is small, multipliers may be only rounding.
    pub fn pivot_share(&self) -> f64 {
        let pivots = || (0..self.size).map(|p| self.row(p)[p].abs());
        pivots().fold(f64::INFINITY, f64::min) / pivots().fold(f64::MIN_POSITIVE, f64::max)
    }

    /// Solves `A x = b` in place.
    pub fn solve(&mut self, b: &mut [f64]) {
        let mut x = std::mem::take(&mut self.work);
        x.clear();
        x.extend(self.order.iter().map(|&row| b[row as usize]));
        for i in 0..self.size {
            x[i] -= dot(&self.row(i)[..i], &x[..i]);
        }
        for i in (0..self.size).rev() {
            let row = self.row(i);
            x[i] = (x[i] - dot(&row[i + 1..], &x[i + 1..])) / row[i];
        }
        b.copy_from_slice(&x);
        self.work = x;
    }

    /// Solves `Aᵀ y = c` in place.
    pub fn solve_transposed(&mut self, c: &mut [f64]) {
        for p in 0..self.size {
            let row = self.row(p);
            c[p] /= row[p];
            let factor = c[p];
            c[p + 1..].iter_mut().zip(&row[p + 1..]).for_each(|(c, u)| *c -= factor * u);
        }
        for i in (0..self.size).rev() {
            let factor = c[i];
            c[..i].iter_mut().zip(&self.row(i)[..i]).for_each(|(c, l)| *c -= factor * l);
        }
        let mut y = std::mem::take(&mut self.work);
        y.clear();
        y.resize(self.size, 0.0);
        for (&row, &c) in self.order.iter().zip(c.iter()) {
            y[row as usize] = c;
        }
        c.copy_from_slice(&y);
        self.work = y;
    }
}

vectorised! {
    /// Subtracts the pivot row from those below and leaves the factors in column `p`.
    fn eliminate(pivot: &[Lane], below: &mut [Lane], p: usize) {
        let stride = pivot.len();
        let (first, inside) = (p / LANE, p % LANE);
        let inverse = 1.0 / pivot[first].0[inside];
        for row in below.chunks_exact_mut(stride) {
            let factor = row[first].0[inside] * inverse;
            if factor == 0.0 {
                continue;
            }
            for j in inside + 1..LANE {
                row[first].0[j] -= factor * pivot[first].0[j];
            }
            row[first].0[inside] = factor;
            let factor = Lane::splat(-factor);
            for (entry, &above) in row[first + 1..].iter_mut().zip(&pivot[first + 1..]) {
                *entry = entry.plus_product::<FUSED>(factor, above);
            }
        }
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0f64; 8];
        let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
        for (a, b) in (&mut left).zip(&mut right) {
            for i in 0..8 {
                sums[i] = super::lanes::multiply_add::<FUSED>(a[i], b[i], sums[i]);
            }
        }
        let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
        sums.into_iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_with_the_matrix_and_its_transpose() {
        let rows = [[0.0, 2.0, 1.0], [1.0, -1.0, 0.5], [3.0, 0.0, 4.0]];
        let mut lu = Lu::default();
        lu.reset(3);
        rows.iter().enumerate().for_each(|(i, row)| lu.row_mut(i).copy_from_slice(row));
        assert!(lu.factor());
        let x = [1.0, -2.0, 0.5];
        let mut b: Vec<f64> = rows.iter().map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect();
        lu.solve(&mut b);
        let mut c: Vec<f64> = (0..3).map(|j| (0..3).map(|i| rows[i][j] * x[i]).sum()).collect();
        lu.solve_transposed(&mut c);
        for i in 0..3 {
            assert!((b[i] - x[i]).abs() < 1e-14 && (c[i] - x[i]).abs() < 1e-14);
        }
    }

    #[test]
    fn a_singular_matrix_is_refused() {
        let mut lu = Lu::default();
        lu.reset(2);
        lu.row_mut(0).copy_from_slice(&[1.0, 2.0]);
        lu.row_mut(1).copy_from_slice(&[2.0, 4.0]);
        assert!(!lu.factor());
    }
}
