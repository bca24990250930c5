//! Single stages of an iteration, for benchmarks: the normal matrix and its factorisation, on the
//! engine's own layout.

use crate::linalg::lanes::{LANE, Lane};
use crate::linalg::normal_matrix::NormalMatrix;
use crate::linalg::packed_weights::PackedWeights;
use crate::lp::problem::LayerSystem;

/// The reduced system of one observation, formed repeatedly.
pub struct StageBench<'a> {
    weights: &'a PackedWeights,
    normal: NormalMatrix,
    single: bool,
    /// The matrix before it was factored in place.
    formed: Vec<Lane>,
}

impl<'a> StageBench<'a> {
    /// A system of the layer's first `units` units, as many as an iteration still works with; their
    /// weights `D_u` span six orders of magnitude, as they do halfway. `single`: whether it is
    /// formed in single precision.
    pub fn new(system: &'a LayerSystem, units: usize, single: bool) -> Self {
        let weights = system.packed();
        let units: Vec<u32> = (0..system.units().min(units) as u32).collect();
        let roots = units.iter().map(|unit| 10f64.powi(unit.wrapping_mul(5) as i32 % 4)).collect();
        let mut normal = NormalMatrix::default();
        (normal.units, normal.roots) = (units, roots);
        let mut bench = StageBench { weights, normal, single, formed: Vec::new() };
        bench.form();
        bench.formed.extend_from_slice(bench.normal.entries());
        bench
    }

    /// Forms `Σ D_u w_u w_uᵀ`, starting from zero.
    pub fn form(&mut self) {
        self.normal.reset(self.weights.lanes);
        self.normal.add_products(self.weights, self.single);
        // Padding has no weights. Ones added to the diagonal keep the matrix definite if the layer
        // has fewer units than columns.
        for index in 0..self.weights.lanes * LANE {
            self.normal.add_diagonal(index, 1.0);
        }
    }

    /// Copies the formed matrix and factors the copy; returns how many pivots were frozen.
    pub fn factor(&mut self) -> usize {
        self.normal.set_entries(&self.formed);
        self.normal.factor()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::linalg::lanes::numbers;

    /// The measured work is the real factorisation: `RᵀR` is the matrix of the definition.
    #[test]
    fn the_factor_is_that_of_the_matrix() {
        let weight = DMatrix::from_fn(30, 10, |u, i| ((7 * u + 3 * i) % 11) as f64 - 5.0);
        let system = LayerSystem::new(weight.clone(), DVector::zeros(30), true);
        let mut bench = StageBench::new(&system, 25, false);
        assert_eq!(bench.factor(), 0);
        let lanes = bench.weights.lanes;
        let width = (lanes + 1) * LANE;
        let row = |i: usize| &numbers(bench.normal.entries())[i * width..(i + 1) * width];
        let upper = DMatrix::from_fn(10, 10, |i, j| if j >= i { row(i)[j] } else { 0.0 });
        let mut expected = DMatrix::identity(10, 10);
        for (&unit, root) in bench.normal.units.iter().zip(&bench.normal.roots) {
            let w = weight.row(unit as usize).transpose() * (*root / bench.weights.scale);
            expected += &w * w.transpose();
        }
        let found = upper.tr_mul(&upper);
        assert!((&found - &expected).amax() <= 1e-12 * expected.amax(), "{found} {expected}");
    }
}
