//! How far an entry of a layer's input is off, typically, for errors of size 1 in the layer's
//! target: `√diag (W_IᵀW_I)⁻¹` over the rows `I` that show what they receive. It is the standard
//! deviation of the least-squares estimate for independent errors of standard deviation 1.

use nalgebra::DMatrix;

use super::formulation::target::{Shape, Target};
use super::problem::LayerSystem;
use crate::linalg::row_space::{RowSpace, clear_cholesky};

/// The spread of each entry of the layer's input, infinite where the rows leave it open. `epsilon`:
/// the tolerance at which the layer was inverted; a ReLU shows what it receives above it.
pub(super) fn spread(system: &LayerSystem, shape: Shape, target: Target<'_>, epsilon: f64) -> Vec<f64> {
    let shows = |unit: &usize| {
        let t = target.values[*unit];
        t.is_finite() && (matches!(shape, Shape::Leaky(_)) || t > epsilon)
    };
    let units: Vec<usize> = (0..system.units()).filter(shows).collect();
    let columns = system.columns();
    // In units of the output: an error of the output is one of `slack` times it before φ.
    let rows: Vec<f64> = units
        .iter()
        .flat_map(|&unit| {
            let slack = target.slack(shape, unit);
            system.unit(unit).iter().map(move |w| w / slack)
        })
        .collect();
    let transposed = DMatrix::from_vec(columns, units.len(), rows);
    if let Some(cholesky) = clear_cholesky(&transposed) {
        return cholesky.inverse().diagonal().iter().map(|variance| variance.sqrt()).collect();
    }
    let rows: Vec<&[f64]> = transposed.as_slice().chunks_exact(columns.max(1)).collect();
    RowSpace::new(columns, rows.into_iter()).spread(&vec![1.0; units.len()])
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::super::formulation::target::Targets;
    use super::*;

    fn spread_of(t: &[f64], shape: Shape) -> Vec<f64> {
        let weight = DMatrix::from_row_slice(3, 2, &[1.0, 1.0, 1.0, -1.0, 3.0, 0.0]);
        let system = LayerSystem::new(weight, DVector::zeros(3), true);
        let targets = Targets::from_hidden(DMatrix::from_column_slice(3, 1, t));
        spread(&system, shape, targets.column(0), 0.1)
    }

    fn is_close(found: &[f64], expected: [f64; 2]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    /// `WᵀW` is diag(11, 2) for all rows and diag(2, 2) without the last.
    #[test]
    fn it_is_the_deviation_of_least_squares() {
        is_close(&spread_of(&[1.0, 2.0, 3.0], Shape::Relu), [1.0 / 11f64.sqrt(), 0.5f64.sqrt()]);
        is_close(&spread_of(&[1.0, 2.0, 0.1], Shape::Relu), [0.5f64.sqrt(), 0.5f64.sqrt()]);
        // Below 0, an error of the output is one ten times as large before φ.
        is_close(&spread_of(&[1.0, 2.0, -0.1], Shape::Leaky(0.1)), [1.0 / 2.09f64.sqrt(), 0.5f64.sqrt()]);
    }

    #[test]
    fn an_entry_that_the_rows_leave_open_has_none() {
        let found = spread_of(&[0.0, 0.0, 3.0], Shape::Relu);
        assert!((found[0] - 1.0 / 3.0).abs() < 1e-12 && found[1].is_infinite(), "{found:?}");
    }
}
