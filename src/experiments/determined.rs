//! Whether the active rows of a ReLU generator determine its code layer by layer, and how often
//! they do.
//!
//! A layer's active rows determine its input if the truly active ones have full column rank:
//! Theorem 3's argument, from the last layer on. This is sufficient for a unique code, but not
//! necessary. The inactive rows (`w·z ≤ 0`) and the sign of a hidden layer are inequalities, which
//! may also make a code unique; they are ignored here.

use nalgebra::DMatrix;

use crate::cpu::forward::forward;
use crate::network::{Activation, Network};

/// The share of random networks of these sizes (the code first) whose active rows determine a code,
/// for independent Gaussian entries and no biases: `∏ P(Bin(n_i, ½) ≥ n_{i−1})`.
///
/// For any input `a ≠ 0` of a layer, `w·a` is symmetric about zero and never zero. So each of its
/// `n_i` rows is active with probability ½, independently of the others and of `a`. This conditions
/// only the signs of the `w·a`. So `n_{i−1}` or more rows of Gaussian entries, each restricted to a
/// half-space, have full rank with probability one.
pub(super) fn probability(sizes: &[usize]) -> f64 {
    sizes.windows(2).map(|pair| at_least(pair[1], pair[0])).product()
}

/// `P(Bin(n, ½) ≥ least)`.
fn at_least(n: usize, least: usize) -> f64 {
    // ln C(n, i) step by step; the terms are summed from the smaller end.
    let mut logarithm = -(n as f64) * std::f64::consts::LN_2;
    let mut terms = vec![logarithm.exp()];
    for i in 1..=n {
        logarithm += ((n + 1 - i) as f64 / i as f64).ln();
        terms.push(logarithm.exp());
    }
    terms.iter().skip(least).rev().sum::<f64>().min(1.0)
}

/// Whether, at `code` (`k` × 1), the active rows of every ReLU layer of `network` have full column
/// rank: `n_{i−1}` singular values above `max(rows, columns)·ε` of the largest (Golub, Van Loan,
/// 5.4.1). Layers with other activations use all their rows.
pub(super) fn is_determined(network: &Network, code: &DMatrix<f64>) -> bool {
    network.layers().iter().enumerate().all(|(index, layer)| {
        let input = if index == 0 { code.clone() } else { forward(network, 0..index, code) };
        let active = active_rows(layer.weight(), layer.activation, &forward(network, index..index + 1, &input));
        has_full_rank(&active)
    })
}

/// The rows of `weight` whose outputs are positive; all rows if the activation is nowhere flat.
fn active_rows(weight: &DMatrix<f64>, activation: Activation, output: &DMatrix<f64>) -> DMatrix<f64> {
    let is_active = |row: &usize| activation != Activation::Relu || output[*row] > 0.0;
    let rows: Vec<usize> = (0..weight.nrows()).filter(is_active).collect();
    weight.select_rows(&rows)
}

/// Whether `matrix` has as many singular values above rounding as it has columns.
pub(super) fn has_full_rank(matrix: &DMatrix<f64>) -> bool {
    let (rows, columns) = matrix.shape();
    if rows < columns {
        return false;
    }
    // The QR factor has the same singular values and is smaller.
    let values = matrix.clone().qr().r().singular_values();
    values.min() > rows as f64 * f64::EPSILON * values.max()
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::*;
    use crate::network::DenseLayer;
    use crate::random::{Domain, normal_vector, random_network};

    #[test]
    fn binomial_laws_by_hand() {
        // Of the 16 outcomes of four tosses, 11 have two heads or more, and 1 has four.
        assert!((at_least(4, 2) - 11.0 / 16.0).abs() < 1e-15 && (at_least(4, 4) - 1.0 / 16.0).abs() < 1e-15);
        assert_eq!((at_least(4, 5), at_least(4, 0)), (0.0, 1.0));
        // An odd number of tosses has more heads than tails half the time.
        assert!((at_least(999, 500) - 0.5).abs() < 1e-12);
        assert!((probability(&[2, 4, 8]) - 11.0 / 16.0 * 163.0 / 256.0).abs() < 1e-14);
    }

    #[test]
    fn the_law_is_that_of_random_networks() {
        let (sizes, count) = ([4, 9, 20], 4000);
        let determined = |seed: u64| {
            let network = random_network(&sizes, Activation::Relu, seed).unwrap();
            is_determined(&network, &DMatrix::from_vec(4, 1, normal_vector(seed, Domain::Code, 0, 4)))
        };
        let share = (0..count).filter(|seed| determined(*seed)).count() as f64 / f64::from(count as u32);
        let expected = probability(&sizes);
        // Five standard errors; the share is neither near 0 nor near 1.
        assert!((share - expected).abs() < 5.0 * (expected * (1.0 - expected) / count as f64).sqrt());
        assert!((0.2..0.9).contains(&expected), "{expected}");
    }

    #[test]
    fn rank_counts_and_not_rows_alone() {
        let layer = |rows: &[f64], activation| {
            let weight = DMatrix::from_row_slice(rows.len() / 2, 2, rows);
            Network::new(vec![DenseLayer { bias: DVector::zeros(weight.nrows()), weight, activation }], "a test")
                .unwrap()
        };
        let code = DMatrix::from_vec(2, 1, vec![1.0, 1.0]);
        let parallel = [1.0, 2.0, 2.0, 4.0, -1.0, 0.0];
        assert!(!is_determined(&layer(&parallel, Activation::Relu), &code));
        assert!(is_determined(&layer(&parallel, Activation::LeakyRelu(0.1)), &code));
        assert!(is_determined(&layer(&[1.0, 2.0, 2.0, 1.0, -1.0, 0.0], Activation::Relu), &code));
        assert!(!is_determined(&layer(&[1.0, 2.0, -2.0, 1.0, -1.0, 0.0], Activation::Relu), &code));
    }
}
