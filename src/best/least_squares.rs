//! The shortest `p` that minimises `‖J p + r‖`: by the normal equations with one step of refinement where their pivots show full
//! rank beyond doubt, else by QR with column pivoting, `J P = Q R`.
//!
//! With full rank `p = −P R⁻¹ Qᵀr`. With less, the leading rows of `R Pᵀ` are equations that more than one `p` satisfies, and
//! the shortest is taken, so that what the residual says nothing about stays as it was. Golub & Van Loan, 5.5.

use nalgebra::{DMatrix, DVector};

use crate::lp::row_space::{RowSpace, clear_cholesky};

/// A pivot below this share of the largest counts as 0.
const RANK_TOLERANCE: f64 = 1e-11;

/// A least-squares step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `p`, one entry a column of `J`.
    pub direction: DVector<f64>,
    /// `‖J p‖²`: what the step takes off `‖r‖²` as long as the map is affine. The gradient of `½‖r‖²` along `p` is its
    /// negative.
    pub decrease: f64,
}

/// The step for `jacobian` (rows × `k`) and `residual` (one entry a row). `None` where there is nothing to solve: no row,
/// a zero matrix, or numbers that leave the range of f64 on the way.
pub fn shortest_step(jacobian: DMatrix<f64>, mut residual: DVector<f64>) -> Option<Step> {
    let (rows, columns) = jacobian.shape();
    if rows == 0 || !jacobian.iter().all(|entry| entry.is_finite()) {
        return None;
    }
    if let Some(step) = full_rank_step(&jacobian, &residual) {
        return Some(step);
    }
    // At least as many (zero) rows as columns, so that R is square.
    let padded = if rows < columns {
        residual = residual.resize_vertically(columns, 0.0);
        jacobian.resize_vertically(columns, 0.0)
    } else {
        jacobian
    };
    let qr = padded.col_piv_qr();
    qr.q_tr_mul(&mut residual);
    let permutation = qr.p().clone();
    let mut r = qr.unpack_r();
    let largest = r.diagonal().amax();
    let rank = r.diagonal().iter().take_while(|pivot| pivot.abs() > RANK_TOLERANCE * largest).count();
    if rank == 0 {
        return None;
    }
    let mut direction = -residual.rows(0, rank);
    let decrease = direction.norm_squared();
    if rank == columns {
        r.solve_upper_triangular_mut(&mut direction);
        permutation.inv_permute_rows(&mut direction);
    } else {
        permutation.inv_permute_columns(&mut r);
        let equations = r.rows(0, rank).transpose();
        let space = RowSpace::new(columns, equations.as_slice().chunks(columns));
        direction = space.shortest_correction(direction.as_slice());
    }
    let finite = decrease.is_finite() && direction.iter().all(|entry| entry.is_finite());
    finite.then_some(Step { direction, decrease })
}

/// The step by `(JᵀJ) p = −Jᵀr`; `None` where the rank is in doubt.
fn full_rank_step(jacobian: &DMatrix<f64>, residual: &DVector<f64>) -> Option<Step> {
    let transposed = jacobian.transpose();
    let cholesky = clear_cholesky(&transposed)?;
    let mut direction = -cholesky.solve(&(&transposed * residual));
    // What the step leaves is all but orthogonal to J; the rest is the error of solving with a squared condition.
    let left = residual + jacobian * &direction;
    direction -= cholesky.solve(&(&transposed * left));
    let decrease = (jacobian * &direction).norm_squared();
    let finite = decrease.is_finite() && direction.iter().all(|entry| entry.is_finite());
    finite.then_some(Step { direction, decrease })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, normal_vector};

    fn random(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
        DMatrix::from_vec(rows, columns, normal_vector(seed, Domain::Start, 0, rows * columns))
    }

    /// The pseudoinverse, by singular values.
    fn oracle(jacobian: &DMatrix<f64>, residual: &DVector<f64>) -> DVector<f64> {
        let inverse = jacobian.clone().pseudo_inverse(1e-9).unwrap();
        -(inverse * residual)
    }

    fn check(jacobian: DMatrix<f64>, seed: u64) {
        let residual = DVector::from_vec(normal_vector(seed, Domain::Noise, 0, jacobian.nrows()));
        let expected = oracle(&jacobian, &residual);
        let step = shortest_step(jacobian.clone(), residual).unwrap();
        let difference = (&step.direction - &expected).norm();
        assert!(difference <= 1e-10 * (1.0 + expected.norm()), "{} instead of {expected}", step.direction);
        let decrease = (jacobian * expected).norm_squared();
        assert!((step.decrease - decrease).abs() <= 1e-10 * (1.0 + decrease));
    }

    #[test]
    fn agrees_with_the_pseudoinverse() {
        for seed in 0..20 {
            check(random(12, 5, seed), seed);
            check(random(5, 5, seed), seed);
            // Fewer rows than columns.
            check(random(3, 5, seed), seed);
            check(random(1, 7, seed), seed);
            // Rank 3 of 6, and a zero column.
            check(random(15, 3, seed) * random(3, 6, seed + 100), seed);
            let mut hole = random(9, 4, seed);
            hole.column_mut(2).fill(0.0);
            check(hole, seed);
        }
        check(DMatrix::from_element(1, 1, -2.0), 3);
    }

    #[test]
    fn nothing_to_solve() {
        let step =
            |jacobian: DMatrix<f64>| shortest_step(jacobian.clone(), DVector::from_element(jacobian.nrows(), 1.0));
        assert_eq!(step(DMatrix::zeros(0, 3)), None);
        assert_eq!(step(DMatrix::zeros(4, 3)), None);
        assert_eq!(step(DMatrix::from_element(4, 3, f64::INFINITY)), None);
        assert_eq!(step(DMatrix::from_element(4, 3, f64::NAN)), None);
        assert!(step(DMatrix::identity(3, 3) * 1e-200).is_none_or(|step| step.direction.iter().all(|p| p.is_finite())));
    }
}
