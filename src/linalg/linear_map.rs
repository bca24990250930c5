//! Linear maps that are given by their products with batches, without a matrix.

use std::fmt;

use nalgebra::DMatrix;

use crate::random::{Domain, normal_vector};

/// Unit vectors per product while [`ColumnSizes`] are measured.
const AT_A_TIME: usize = 64;

/// A linear map `W`, by its products.
///
/// A product that fails is `NaN`; its shape is always right.
pub trait LinearMap: Send + Sync + fmt::Debug {
    /// Columns of `W`.
    fn inputs(&self) -> usize;

    /// Rows of `W`.
    fn outputs(&self) -> usize;

    /// Computes `W X`. `inputs`: [`Self::inputs`] × count; returns [`Self::outputs`] × count.
    fn apply(&self, inputs: &DMatrix<f64>) -> DMatrix<f64>;

    /// Computes `Wᵀ Y`. `outputs`: [`Self::outputs`] × count; returns [`Self::inputs`] × count.
    fn adjoint(&self, outputs: &DMatrix<f64>) -> DMatrix<f64>;
}

/// What a few products with random vectors tell about a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// The size of the largest entries of `W`, as an order of magnitude.
    pub size: f64,
    /// The relative error of a product: how far `W (x + y)` is from `W x + W y`, the same of the
    /// adjoint, and how far `⟨W x, y⟩` is from `⟨x, Wᵀ y⟩`. `NaN` if a product is not finite.
    pub error: f64,
}

impl Probe {
    /// Applies the map once to three vectors, and its adjoint once to three.
    pub fn of(map: &dyn LinearMap) -> Self {
        let products = map.apply(&vectors(map.inputs(), 0));
        let size = products.amax() / (map.inputs() as f64).sqrt();
        let Some(error) = defect(&products) else { return Probe { size, error: f64::NAN } };
        let (inputs, outputs) = (vectors(map.inputs(), 0), vectors(map.outputs(), 2));
        let adjoint = map.adjoint(&outputs);
        let of_adjoint = defect(&adjoint).map(|defect| defect.max(mismatch(&products, &outputs, &inputs, &adjoint)));
        Probe { size, error: of_adjoint.map_or(f64::NAN, |of_adjoint| of_adjoint.max(error)) }
    }
}

/// `x`, `y` and `x + y`, with `x` and `y` ~ N(0, I).
fn vectors(length: usize, first: u64) -> DMatrix<f64> {
    let [x, y] = [first, first + 1].map(|index| normal_vector(0, Domain::Check, index, length));
    let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
    DMatrix::from_iterator(length, 3, x.into_iter().chain(y).chain(sum))
}

/// How far the third column is from the sum of the others, relative to the largest entry; `None` if
/// an entry is not finite.
fn defect(products: &DMatrix<f64>) -> Option<f64> {
    if products.iter().any(|entry| !entry.is_finite()) {
        return None;
    }
    let difference = products.column(2) - products.column(0) - products.column(1);
    let size = products.amax();
    Some(if size == 0.0 { 0.0 } else { difference.amax() / size })
}

/// The size of each column of a map: a product with every unit vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSizes {
    /// `Σ_i |W_ij|`.
    pub sums: Vec<f64>,
    /// `max_i |W_ij|`.
    pub largest: Vec<f64>,
}

impl ColumnSizes {
    /// Applies the map to the unit vectors, a few at a time, so that `W` is never in memory.
    pub fn of(map: &dyn LinearMap) -> Self {
        let inputs = map.inputs();
        let mut sizes = ColumnSizes { sums: Vec::with_capacity(inputs), largest: Vec::with_capacity(inputs) };
        for first in (0..inputs).step_by(AT_A_TIME) {
            let count = AT_A_TIME.min(inputs - first);
            let units = DMatrix::from_fn(inputs, count, |row, column| f64::from(row == first + column));
            for column in map.apply(&units).column_iter() {
                sizes.sums.push(column.iter().map(|w| w.abs()).sum());
                sizes.largest.push(column.amax());
            }
        }
        sizes
    }
}

/// How far `⟨W x, y⟩` is from `⟨x, Wᵀ y⟩`, relative to the lengths of `W x` and `y`, of `x` and `Wᵀ
/// y`: the largest over the columns.
fn mismatch(product: &DMatrix<f64>, y: &DMatrix<f64>, x: &DMatrix<f64>, adjoint: &DMatrix<f64>) -> f64 {
    let of_column = |column: usize| {
        let [product, y, x, adjoint] = [product, y, x, adjoint].map(|matrix| matrix.column(column));
        let size = (product.norm() * y.norm()).max(x.norm() * adjoint.norm());
        if size == 0.0 { 0.0 } else { (product.dot(&y) - x.dot(&adjoint)).abs() / size }
    };
    (0..product.ncols()).map(of_column).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix, and whether its products are rounded to single precision.
    #[derive(Debug)]
    struct Rounded(DMatrix<f64>, bool);

    impl Rounded {
        fn rounded(&self, product: DMatrix<f64>) -> DMatrix<f64> {
            if self.1 { product.map(|entry| f64::from(entry as f32)) } else { product }
        }
    }

    impl LinearMap for Rounded {
        fn inputs(&self) -> usize {
            self.0.ncols()
        }
        fn outputs(&self) -> usize {
            self.0.nrows()
        }
        fn apply(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
            self.rounded(&self.0 * inputs)
        }
        fn adjoint(&self, outputs: &DMatrix<f64>) -> DMatrix<f64> {
            self.rounded(self.0.tr_mul(outputs))
        }
    }

    fn matrix() -> DMatrix<f64> {
        DMatrix::from_vec(20, 130, normal_vector(1, Domain::Operator, 0, 20 * 130))
    }

    #[test]
    fn a_probe_tells_the_precision_of_the_products() {
        let exact = Probe::of(&Rounded(matrix(), false));
        assert!(exact.error < 1e-15 && (0.3..10.0).contains(&exact.size), "{exact:?}");
        let single = Probe::of(&Rounded(matrix(), true));
        assert!((1e-8..1e-6).contains(&single.error), "{single:?}");
        assert_eq!(Probe::of(&Rounded(0.0 * matrix(), true)), Probe { size: 0.0, error: 0.0 });
        assert!(Probe::of(&Rounded(f64::NAN * matrix(), false)).error.is_nan());
    }

    #[test]
    fn sizes_are_those_of_the_columns() {
        let matrix = matrix();
        let sizes = ColumnSizes::of(&Rounded(matrix.clone(), false));
        let sums: Vec<f64> = matrix.column_iter().map(|column| column.lp_norm(1)).collect();
        let largest: Vec<f64> = matrix.column_iter().map(|column| column.amax()).collect();
        assert!(sizes.sums.iter().zip(&sums).all(|(a, b)| (a - b).abs() <= 1e-14 * b));
        assert_eq!(sizes.largest, largest);
    }
}
