//! How close a vertex holds competitors, by the inverse that the solver has at its end.
//!
//! The bound is that of [`super::vertex`], with all constraints of the vertex as rows of `D`. Its
//! proof needs `E = I − D R` for the solver's inverse `R`. The product would cost as much as the
//! inverse. Instead `E` is multiplied by four vectors of independent N(0, 1) entries (Freivalds'
//! check). For a row `v` of `E` and such a vector `g`, `v·g` is normally distributed with standard
//! deviation `‖v‖`, so `|v·g| ≤ 1e-5 ‖v‖` has a probability below 1e-5. All four are that small
//! with a probability below 1e-20. Otherwise `‖v‖ ≤ 1e5 max |v·g|`. Where this is too coarse, the
//! certificate forms an inverse and the product itself.

use std::sync::OnceLock;

use super::super::basis::{Basis, Tight};
use super::super::problem::{LayerSystem, Problem, rows_by_unit};
use super::freedom::{row_freedom, unit_freedom};
use super::residual::Residual;
use super::{Hold, ROUNDED_UP};
use crate::linalg::lanes::{multiply_add, vectorised};
use crate::linalg::rank::gamma;
use crate::random::{Domain, normal_vector};

/// Number of random vectors.
const VECTORS: usize = 4;
/// The least share of a row's length that one of the products has.
const SHARE: f64 = 1e-5;
/// The longest rows that are checked this way.
const LONGEST: usize = 4096;
/// Sums at a time: one alone would wait for each addition.
const SUMS: usize = 8;

/// What the inverse of a vertex was found to prove.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The multipliers, one per row.
    pub(super) multipliers: Vec<f64>,
    pub(super) residual: Residual,
    pub(super) hold: Hold,
}

/// The random vectors, entry by entry, and the largest size of an entry.
fn vectors() -> &'static (Vec<[f64; VECTORS]>, f64) {
    static VECTORS_OF_CHECK: OnceLock<(Vec<[f64; VECTORS]>, f64)> = OnceLock::new();
    VECTORS_OF_CHECK.get_or_init(|| {
        let numbers = normal_vector(0, Domain::Check, 0, VECTORS * LONGEST);
        let largest = numbers.iter().fold(0.0f64, |most, number| most.max(number.abs()));
        (numbers.as_chunks().0.to_vec(), largest)
    })
}

/// `K` of a vertex by its inverse: `inverse(j)` is the direction in which constraint `j` of `basis`
/// grows by 1, over `(z, δ)`, where the weights are divided by `weight_scale`. `None` where the
/// multipliers `y` of `z` do not hold every constraint, or the inverse is not accurate enough.
/// Costs `20 m²` flops for `m` constraints.
pub(crate) fn held_by_inverse<'a>(
    system: &LayerSystem,
    problem: &Problem,
    (z, y): (&[f64], &[f64]),
    basis: &Basis,
    inverse: impl Fn(usize) -> &'a [f64],
    weight_scale: f64,
) -> Option<Held> {
    let (columns, dimension) = (system.columns(), basis.tight.len());
    let (vectors, largest_entry) = vectors();
    if dimension > LONGEST || dimension < columns {
        return None;
    }
    let residual = Residual::of(system, problem, y);
    let freedom = freedoms(system, problem, &residual, basis, weight_scale)?;
    // R τ∘g and |R| τ.
    let mut moved = vec![[0.0; VECTORS]; dimension];
    let mut growth = vec![0.0; dimension];
    for ((j, &freedom), g) in freedom.iter().enumerate().zip(vectors) {
        let scaled = g.map(|g| g * freedom);
        add_direction(&mut moved, &mut growth, inverse(j), scaled, freedom);
    }
    // The rows of E τ∘g = τ∘g − D (R τ∘g), and what rounding may have made of them.
    let rounding = gamma(2 * dimension + 8) * largest_entry;
    let mut miss = 0.0f64;
    // At least Σ_i |w_ui| growth_i for every unit: one sum in place of one per row.
    let of_column = |(i, growth): (usize, &f64)| system.largest_of_column(i) * growth;
    let of_weights = growth.iter().take(columns).enumerate().map(of_column).sum::<f64>() / weight_scale * ROUNDED_UP;
    for ((tight, &freedom), g) in basis.tight.iter().zip(&freedom).zip(vectors) {
        let (product, size) = product(system, tight, (&moved, &growth), weight_scale, of_weights);
        let left = product.iter().zip(g).map(|(product, g)| (g * freedom - product).abs()).fold(0.0, f64::max);
        let length = (left + rounding * (size + freedom)) / SHARE;
        let relative = (dimension as f64).sqrt() * length / freedom;
        miss = if relative.is_nan() { f64::INFINITY } else { miss.max(relative) };
    }
    // In units of c_i, which is at most the largest weight.
    let of_column = |(i, growth): (usize, &f64)| growth * (system.column_size(i) / weight_scale);
    let largest = growth.iter().take(columns).enumerate().map(of_column).fold(0.0f64, f64::max);
    let growth = largest / (1.0 - miss) * ROUNDED_UP;
    let mut bound = vec![false; columns];
    for tight in &basis.tight {
        if let Tight::Bound(column) = *tight {
            bound[column] = z[column] == 0.0;
        }
    }
    let proven = miss < 0.5 && growth.is_finite();
    proven.then(|| Held { multipliers: y.to_vec(), residual, hold: Hold { growth, bound } })
}

/// The row of a constraint times the vectors, and at least the sizes of its entries times `growth`;
/// `of_weights` is that for the weights of any unit.
fn product(
    system: &LayerSystem,
    tight: &Tight,
    (vectors, growth): (&[[f64; VECTORS]], &[f64]),
    weight_scale: f64,
    of_weights: f64,
) -> ([f64; VECTORS], f64) {
    let of_violation = || vectors.last().copied().unwrap_or_default();
    let (unit, side, slack) = match *tight {
        Tight::Row { unit, side, slack, .. } => (unit, side, slack),
        Tight::Kink { unit, .. } => (unit, 1.0, 0.0),
        Tight::Bound(column) => return (vectors[column].map(|x| -x), growth[column]),
        Tight::NoViolation => return (of_violation().map(|x| -x), growth.last().copied().unwrap_or(0.0)),
    };
    let sums = row_products(system.unit(unit), vectors);
    let mut size = of_weights;
    let mut sums = sums.map(|sum| side * sum / weight_scale);
    if slack > 0.0 {
        sums.iter_mut().zip(of_violation()).for_each(|(sum, x)| *sum -= slack * x);
        size += slack * growth.last().copied().unwrap_or(0.0);
    }
    (sums, size)
}

vectorised! {
    /// Adds a column of the inverse times each vector's entry, and its sizes times the freedom.
    fn add_direction(
        moved: &mut [[f64; VECTORS]],
        growth: &mut [f64],
        direction: &[f64],
        entries: [f64; VECTORS],
        freedom: f64,
    ) {
        for (moved, r) in moved.iter_mut().zip(direction) {
            for (moved, entry) in moved.iter_mut().zip(entries) {
                *moved = multiply_add::<FUSED>(*r, entry, *moved);
            }
        }
        for (growth, r) in growth.iter_mut().zip(direction) {
            *growth = multiply_add::<FUSED>(r.abs(), freedom, *growth);
        }
    }

    /// A unit's weights times each vector.
    fn row_products(weights: &[f64], vectors: &[[f64; VECTORS]]) -> [f64; VECTORS] {
        let mut sums = [[0.0; VECTORS]; SUMS];
        let ((weights, few_weights), (vectors, few_vectors)) = (weights.as_chunks::<SUMS>(), vectors.as_chunks::<SUMS>());
        for (weights, vectors) in weights.iter().zip(vectors) {
            for i in 0..SUMS {
                for q in 0..VECTORS {
                    sums[i][q] = multiply_add::<FUSED>(weights[i], vectors[i][q], sums[i][q]);
                }
            }
        }
        for (w, vector) in few_weights.iter().zip(few_vectors) {
            for q in 0..VECTORS {
                sums[0][q] = multiply_add::<FUSED>(*w, vector[q], sums[0][q]);
            }
        }
        let mut total = [0.0; VECTORS];
        for sums in sums {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        total
    }
}

/// By how much each constraint can move where `G = 1`; `None` where one has no multiplier.
fn freedoms(
    system: &LayerSystem,
    problem: &Problem,
    residual: &Residual,
    basis: &Basis,
    weight_scale: f64,
) -> Option<Vec<f64>> {
    const NO_ROW: usize = usize::MAX;
    let mut first_row = vec![(NO_ROW, NO_ROW); system.units()];
    let mut first = 0;
    for (place, rows) in rows_by_unit(&problem.rows).enumerate() {
        first_row[rows[0].unit] = (first, place);
        first += rows.len();
    }
    let rows_of = |unit: usize| {
        let (first, place) = *first_row.get(unit).filter(|(first, _)| *first != NO_ROW)?;
        let count = problem.rows[first..].iter().take_while(|row| row.unit == unit).count();
        Some((first..first + count, place))
    };
    let freedom = |tight: &Tight| -> Option<f64> {
        let freedom = match *tight {
            Tight::Row { unit, side, slack, .. } => {
                let (range, _) = rows_of(unit)?;
                let is_row = |&row: &usize| problem.rows[row].side == side && problem.rows[row].slack == slack;
                row_freedom(problem, residual.y[range.into_iter().find(is_row)?])
            }
            Tight::Kink { unit, .. } => {
                let (range, place) = rows_of(unit)?;
                unit_freedom(&problem.rows[range.clone()], &residual.y[range], *residual.unused.get(place)?)
            }
            Tight::Bound(column) => weight_scale / residual.reduced_cost(column),
            Tight::NoViolation => residual.unused.first()?.recip(),
        };
        (freedom > 0.0 && freedom.is_finite()).then_some(freedom)
    };
    basis.tight.iter().map(freedom).collect()
}
