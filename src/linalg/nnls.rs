//! Least squares with nonnegative unknowns.

use nalgebra::{DMatrix, DVector};

/// `argmin ‖A x − b‖`, `x ≥ 0` (Lawson and Hanson 1974, *Solving Least Squares Problems*, chapter
/// 23). For small matrices; at the limit of steps, the last feasible `x` is returned.
pub fn nonnegative_least_squares(a: &DMatrix<f64>, b: &DVector<f64>) -> DVector<f64> {
    let columns = a.ncols();
    let mut x = DVector::zeros(columns);
    let mut is_free = vec![false; columns];
    let tolerance = 1e-14 * a.amax() * b.amax();
    for _ in 0..3 * columns {
        let slope = a.tr_mul(&(b - a * &x));
        let steepest = (0..columns).filter(|i| !is_free[*i]).max_by(|i, j| slope[*i].total_cmp(&slope[*j]));
        let Some(entering) = steepest.filter(|i| slope[*i] > tolerance) else { break };
        is_free[entering] = true;
        loop {
            let free: Vec<usize> = (0..columns).filter(|i| is_free[*i]).collect();
            let Ok(solved) = a.select_columns(&free).svd(true, true).solve(b, 1e-13 * a.amax()) else { return x };
            if solved.iter().all(|s| *s > 0.0) {
                free.iter().zip(solved.iter()).for_each(|(i, s)| x[*i] = *s);
                break;
            }
            let blocking = free.iter().zip(solved.iter()).filter(|(_, s)| **s <= 0.0);
            let share = blocking.map(|(i, s)| x[*i] / (x[*i] - s)).fold(1.0, f64::min);
            for (i, s) in free.iter().zip(solved.iter()) {
                x[*i] += share * (s - x[*i]);
                if *s <= 0.0 && x[*i] <= 0.0 || x[*i] < 1e-15 * solved.amax() {
                    (x[*i], is_free[*i]) = (0.0, false);
                }
            }
            if is_free.iter().all(|free| !free) {
                return x;
            }
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, normal_vector};

    /// The conditions of Karush, Kuhn and Tucker, which are sufficient.
    #[test]
    fn nothing_nonnegative_is_nearer() {
        for seed in 0..300_u64 {
            let (rows, columns) = (1 + seed as usize % 7, 1 + seed as usize % 9);
            let entries = normal_vector(seed, Domain::Network, 0, rows * columns);
            let mut a = DMatrix::from_vec(rows, columns, entries);
            if seed % 3 == 0 && columns > 1 {
                let first = a.column(0) * 2.0;
                a.set_column(columns - 1, &first);
            }
            let scale = [1.0, 1e-6, 1e9][seed as usize % 3];
            let b = DVector::from_vec(normal_vector(seed, Domain::Noise, 0, rows)) * scale;
            let x = nonnegative_least_squares(&a, &b);
            let slope = a.tr_mul(&(&b - &a * &x));
            let tolerance = 1e-10 * a.amax() * (b.amax() + (&a * &x).amax());
            assert!(x.iter().all(|x| *x >= 0.0), "seed {seed}: {x}");
            for (x, slope) in x.iter().zip(slope.iter()) {
                assert!(*slope <= tolerance && (*x == 0.0 || slope.abs() <= tolerance), "seed {seed}: {x}, {slope}");
            }
        }
    }
}
