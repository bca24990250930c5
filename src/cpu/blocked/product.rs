//! Products of a weight with a block of observations, by `matrixmultiply`.
//!
//! It cuts the inner dimension into pieces of a constant length, sums each piece from its beginning to its end in one
//! register and adds the pieces in order, wherever in the output an entry stands and however wide the output is (at
//! its edges it multiplies by padding and throws that away). So a column of the output depends on its column of the
//! input alone. Libraries that take a vector by another path than a matrix (`gemm`, nalgebra's own) do not give that.
//! A test here holds it to this bit by bit.

use matrixmultiply::dgemm;
use nalgebra::DMatrix;

/// `C ← C + W A`. `weight`: units × inputs; `inputs`: inputs × count; `outputs`: units × count, by columns.
/// Costs `2·units·inputs·count` flops.
///
/// # Panics
/// If the slices are not of these lengths.
pub fn add_product(weight: &DMatrix<f64>, inputs: &[f64], count: usize, outputs: &mut [f64]) {
    let (units, width) = weight.shape();
    assert_eq!((inputs.len(), outputs.len()), (width * count, units * count), "a block that does not fit its layer");
    let (rows, columns) = (units as isize, width as isize);
    // SAFETY: the three matrices lie by columns within slices of just these lengths, and `outputs` is borrowed alone.
    #[allow(unsafe_code, reason = "the product library takes pointers and strides")]
    unsafe {
        let (w, a, c) = (weight.as_ptr(), inputs.as_ptr(), outputs.as_mut_ptr());
        dgemm(units, width, count, 1.0, w, 1, rows, a, 1, columns, 1.0, c, 1, rows);
    }
}

/// `C ← Wᵀ D`. `weight`: units × inputs; `deltas`: units × count; `outputs`: inputs × count, by columns.
/// Costs `2·units·inputs·count` flops.
///
/// # Panics
/// If the slices are not of these lengths.
pub fn transposed_product(weight: &DMatrix<f64>, deltas: &[f64], count: usize, outputs: &mut [f64]) {
    let (units, width) = weight.shape();
    assert_eq!((deltas.len(), outputs.len()), (units * count, width * count), "a block that does not fit its layer");
    let (rows, columns) = (units as isize, width as isize);
    // SAFETY: as above; `W` is read as its transpose by exchanged strides.
    #[allow(unsafe_code, reason = "the product library takes pointers and strides")]
    unsafe {
        let (w, d, c) = (weight.as_ptr(), deltas.as_ptr(), outputs.as_mut_ptr());
        dgemm(width, units, count, 1.0, w, rows, 1, d, 1, rows, 0.0, c, 1, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |row, column| ((row * 31 + column * 17 + 1) as f64 * scale).sin())
    }

    /// Shapes below, at and above the pieces into which the library cuts (8, 64, 256, 1024).
    const SHAPES: [(usize, usize); 7] = [(1, 1), (3, 2), (8, 8), (65, 20), (300, 257), (70, 600), (1100, 64)];

    #[test]
    fn products_are_those_of_the_matrices() {
        for (units, inputs) in SHAPES {
            let (weight, a, d) = (matrix(units, inputs, 0.7), matrix(inputs, 5, 1.3), matrix(units, 5, 0.9));
            let mut outputs = matrix(units, 5, 2.1);
            let expected = &outputs + &weight * &a;
            add_product(&weight, a.as_slice(), 5, outputs.as_mut_slice());
            assert!((outputs - expected).amax() < 1e-12 * inputs as f64);
            let mut below = matrix(inputs, 5, 0.1);
            transposed_product(&weight, d.as_slice(), 5, below.as_mut_slice());
            assert!((below - weight.tr_mul(&d)).amax() < 1e-12 * units as f64);
        }
    }

    #[test]
    fn a_column_does_not_depend_on_the_others_bit_by_bit() {
        for (units, inputs) in SHAPES {
            let (weight, a, d) = (matrix(units, inputs, 0.7), matrix(inputs, 131, 1.3), matrix(units, 131, 0.9));
            let start = matrix(units, 131, 2.1);
            let (mut outputs, mut below) = (start.clone(), matrix(inputs, 131, 0.1));
            add_product(&weight, a.as_slice(), 131, outputs.as_mut_slice());
            transposed_product(&weight, d.as_slice(), 131, below.as_mut_slice());
            for (first, count) in [(0, 1), (130, 1), (7, 2), (5, 9), (64, 67), (1, 130)] {
                let mut part = start.columns(first, count).into_owned();
                add_product(
                    &weight,
                    &a.as_slice()[first * inputs..(first + count) * inputs],
                    count,
                    part.as_mut_slice(),
                );
                assert_eq!(part, outputs.columns(first, count), "{units}×{inputs}: {count} from {first}");
                let mut part = DMatrix::zeros(inputs, count);
                transposed_product(
                    &weight,
                    &d.as_slice()[first * units..(first + count) * units],
                    count,
                    part.as_mut_slice(),
                );
                assert_eq!(part, below.columns(first, count), "{units}×{inputs}: {count} from {first}");
            }
        }
    }
}
