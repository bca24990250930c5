//! One layer's linear programs, in the single form that formulations write, solvers solve and the
//! certificate checks.
//!
//! Over the layer's input `z` (free, or `z ≥ 0` after a ReLU layer) and violations `e ≥ 0`, each
//! row reads
//!
//! ```text
//!     side · (w_u · z) − slack · e ≤ bound        (bias and target already moved into `bound`)
//! ```
//!
//! where `u` is the row's unit and `e` is one shared `δ` ([`Objective::LargestViolation`]), one
//! `e_u` per unit ([`Objective::SumOfViolations`]) or absent (`slack = 0`, [`Objective::Linear`]).
//! The multipliers are `y ≥ 0`, one per row; with `g = Σ_r y_r side_r w_{u(r)}` the duals are
//!
//! | objective | primal | dual | subject to |
//! |---|---|---|---|
//! | largest violation | `min δ` | `max −bound·y` | `g ≥ 0` (`= 0` where `z` is free), `Σ_r slack_r y_r ≤ 1` |
//! | sum of violations | `min Σ e_u` | `max −bound·y` | the same `g`, `Σ_{r of u} slack_r y_r ≤ 1` for each unit `u` |
//! | linear | `max q·z` | `min bound·y` | `g ≥ q` (`= q` where `z` is free) |
//!
//! The first two are always feasible and bounded; the third is bounded by construction (each unit
//! with a weight has an upper bound) but may be infeasible, which the optimum of the first kind
//! over the same rows with slack 1 shows.

pub mod equilibration;

use std::sync::OnceLock;

use nalgebra::{DMatrix, DVector};

use crate::linalg::lanes::{multiply_add, vectorised};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::rank::{exponent, power_of_two};
use crate::linalg::single_weights::SingleWeights;
use equilibration::Equilibrated;

/// What all problems of a layer share.
#[derive(Debug, Clone)]
pub struct LayerSystem {
    /// `W`: units × columns.
    pub weight: DMatrix<f64>,
    /// `Wᵀ`, so that a unit's weights are contiguous: columns × units.
    pub transposed: DMatrix<f64>,
    /// `b`, one entry per unit.
    pub bias: DVector<f64>,
    /// `Σ_u |w_u|` and `Σ_u |b_u|`: bounds the sum of the units' absolute terms at the price of one
    /// scalar product.
    column_totals: DVector<f64>,
    bias_total: f64,
    /// The largest `|w_{u,i}|` of each column `i`.
    largest_of_column: DVector<f64>,
    /// Whether `z ≥ 0` (the hidden-layer sign).
    pub nonnegative: bool,
    /// The weights as the interior point reads them, packed when first needed.
    packed: OnceLock<PackedWeights>,
    /// The same by columns: what a step that few entries take changes.
    by_columns: OnceLock<PackedWeights>,
    /// The packed weights in single precision.
    single: OnceLock<SingleWeights>,
    /// The layer in better units, decided when first asked for.
    equilibrated: OnceLock<Option<Box<Equilibrated>>>,
}

impl LayerSystem {
    /// Takes a layer's weight (units × columns) and bias (units).
    pub fn new(weight: DMatrix<f64>, bias: DVector<f64>, nonnegative: bool) -> Self {
        let transposed = weight.transpose();
        LayerSystem::of(weight, transposed, bias, nonnegative)
    }

    /// Takes rows without biases over a free `z`, `Wᵀ` as it is: columns × units.
    pub fn from_units(transposed: DMatrix<f64>) -> Self {
        let bias = DVector::zeros(transposed.ncols());
        LayerSystem::of(transposed.transpose(), transposed, bias, false)
    }

    /// The same rows and one more, without a bias. Costs a copy of the weights.
    pub(crate) fn with_unit(&self, weights: &[f64]) -> Self {
        let units = self.units();
        let mut transposed = self.transposed.clone().insert_column(units, 0.0);
        transposed.column_mut(units).copy_from_slice(weights);
        let bias = self.bias.clone().insert_row(units, 0.0);
        LayerSystem::of(transposed.transpose(), transposed, bias, self.nonnegative)
    }

    fn of(weight: DMatrix<f64>, transposed: DMatrix<f64>, bias: DVector<f64>, nonnegative: bool) -> Self {
        let column_totals = DVector::from_iterator(
            weight.ncols(),
            weight.column_iter().map(|column| column.iter().map(|w| w.abs()).sum()),
        );
        let bias_total = bias.iter().map(|b| b.abs()).sum();
        let largest_of_column =
            DVector::from_iterator(weight.ncols(), weight.column_iter().map(|column| column.amax()));
        LayerSystem {
            weight,
            transposed,
            bias,
            column_totals,
            bias_total,
            largest_of_column,
            nonnegative,
            packed: OnceLock::new(),
            by_columns: OnceLock::new(),
            single: OnceLock::new(),
            equilibrated: OnceLock::new(),
        }
    }

    /// The weights in the interior point's layout; the first call makes them.
    pub(crate) fn packed(&self) -> &PackedWeights {
        self.packed.get_or_init(|| PackedWeights::new(self.transposed.as_slice(), self.columns()))
    }

    /// The weights in that layout with the columns in the place of the units; the first call makes
    /// them.
    pub(crate) fn by_columns(&self) -> &PackedWeights {
        self.by_columns.get_or_init(|| PackedWeights::new(self.weight.as_slice(), self.units()))
    }

    /// The packed weights in single precision; the first call makes them.
    pub(crate) fn single(&self) -> &SingleWeights {
        self.single.get_or_init(|| SingleWeights::of(self.packed()))
    }

    /// The layer in units in which rows and columns are of about equal size, where its own are far
    /// from that. The first call decides.
    pub(crate) fn equilibrated(&self) -> Option<&Equilibrated> {
        self.equilibrated.get_or_init(|| Equilibrated::of(self).map(Box::new)).as_deref()
    }

    /// Decides that the layer keeps its units.
    pub(crate) fn keep_units(&self) {
        self.equilibrated.get_or_init(|| None);
    }

    /// Number of units, the rows of `W`.
    pub fn units(&self) -> usize {
        self.weight.nrows()
    }

    /// Number of entries of `z`, the columns of `W`.
    pub fn columns(&self) -> usize {
        self.weight.ncols()
    }

    /// `max_u |w_{u,i}|`.
    pub fn largest_of_column(&self, column: usize) -> f64 {
        self.largest_of_column[column]
    }

    /// The power of two at most `max_u |w_{u,i}|`; 1 for a column of zeros.
    pub fn column_size(&self, column: usize) -> f64 {
        match self.largest_of_column[column] {
            largest if largest > 0.0 => power_of_two(exponent(largest)),
            _ => 1.0,
        }
    }

    /// The weights `w_u` of one unit, contiguous.
    pub fn unit(&self, unit: usize) -> &[f64] {
        let columns = self.columns();
        &self.transposed.as_slice()[unit * columns..(unit + 1) * columns]
    }

    /// `w_u · z`.
    pub fn product(&self, unit: usize, z: &[f64]) -> f64 {
        product(self.unit(unit), z)
    }

    /// `w_u · z` and [`Self::absolute_product`], in one pass.
    pub fn product_with_size(&self, unit: usize, z: &[f64]) -> (f64, f64) {
        product_with_size(self.unit(unit), z)
    }

    /// `Σ_u (|w_u|·|z| + |b_u|)` over all units.
    pub fn absolute_total(&self, z: &[f64]) -> f64 {
        self.column_totals.iter().zip(z).map(|(total, z)| total * z.abs()).sum::<f64>() + self.bias_total
    }

    /// `Σ_i |w_{u,i}| |z_i|`: the size of the terms of `w_u · z`, which is the scale of its
    /// rounding.
    pub fn absolute_product(&self, unit: usize, z: &[f64]) -> f64 {
        product_with_size(self.unit(unit), z).1
    }
}

/// Sums at a time: one alone would wait for each addition.
const SUMS: usize = 16;

/// How many roundings in a row a product of so many columns goes through, at most.
pub fn product_terms(columns: usize) -> usize {
    columns.min(columns / SUMS + 2 * SUMS + 2)
}

vectorised! {
    fn product(w: &[f64], z: &[f64]) -> f64 {
        let mut sums = [0.0f64; SUMS];
        let (mut left, mut right) = (w.chunks_exact(SUMS), z.chunks_exact(SUMS));
        for (w, z) in (&mut left).zip(&mut right) {
            for i in 0..SUMS {
                sums[i] = multiply_add::<FUSED>(w[i], z[i], sums[i]);
            }
        }
        let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(w, z)| w * z).sum();
        sums.into_iter().sum::<f64>() + rest
    }

    fn product_with_size(w: &[f64], z: &[f64]) -> (f64, f64) {
        let (mut sums, mut sizes) = ([0.0f64; SUMS], [0.0f64; SUMS]);
        let (mut left, mut right) = (w.chunks_exact(SUMS), z.chunks_exact(SUMS));
        for (w, z) in (&mut left).zip(&mut right) {
            for i in 0..SUMS {
                sums[i] = multiply_add::<FUSED>(w[i], z[i], sums[i]);
                sizes[i] = multiply_add::<FUSED>(w[i].abs(), z[i].abs(), sizes[i]);
            }
        }
        let rest = || left.remainder().iter().zip(right.remainder()).map(|(w, z)| w * z);
        let (rest, rest_size) = (rest().sum::<f64>(), rest().map(f64::abs).sum::<f64>());
        (sums.into_iter().sum::<f64>() + rest, sizes.into_iter().sum::<f64>() + rest_size)
    }
}

/// One inequality `side · (w_unit · z) − slack · e ≤ bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The unit whose weights stand on the left.
    pub unit: usize,
    /// `1` for an upper bound on `w·z`, `−1` for a lower one.
    pub side: f64,
    /// Factor of the violation, at least 0.
    pub slack: f64,
    /// Right-hand side.
    pub bound: f64,
    /// `|b_u| + |t_u|`: with `|w|·|z|` it makes the scale `s_u` of the certificate.
    pub magnitude: f64,
}

/// The objective of a linear program.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// `min δ`, one violation for all rows; every row's slack is positive.
    LargestViolation,
    /// `min Σ e_u`, one violation per unit; every row's slack is positive.
    SumOfViolations,
    /// `max q·z`; every row's slack is 0.
    Linear {
        /// `q`, one entry per column.
        weights: DVector<f64>,
        /// `Q = Σ_u |weight of unit u| s_u` of the certificate needs the units' weights:
        /// `(unit, weight, magnitude)`.
        units: Vec<(usize, f64, f64)>,
    },
}

/// One observation's linear program over a [`LayerSystem`]. Rows of the same unit are adjacent.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The inequalities.
    pub rows: Vec<Row>,
    /// The objective.
    pub objective: Objective,
}

/// The slices of `rows` that belong to one unit each.
pub fn rows_by_unit(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| a.unit == b.unit)
}
