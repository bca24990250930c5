//! Whether observations determine a code near the truth: the Jacobian `A G'(z*)`, of what was observed, has full rank.

use nalgebra::{DMatrix, DVector};

use crate::network::Network;

/// Singular values below this share of the largest count as zero.
const RANK_SHARE: f64 = 1e-10;

/// `code`: `z*`. `observation`: `NaN` where nothing was observed. `matrix`: `A`, where it is not the identity.
pub fn is_determined(
    network: &Network,
    code: &DVector<f64>,
    observation: &[f64],
    matrix: Option<&DMatrix<f64>>,
) -> bool {
    let k = code.len();
    let mut value = code.clone();
    let mut jacobian = DMatrix::identity(k, k);
    for layer in network.layers() {
        let sum = &layer.weight * value + &layer.bias;
        jacobian = &layer.weight * jacobian;
        for (mut row, a) in jacobian.row_iter_mut().zip(sum.iter()) {
            row *= layer.activation.derivative(*a);
        }
        value = sum.map(|a| layer.activation.apply(a));
    }
    if let Some(matrix) = matrix {
        jacobian = matrix * jacobian;
    }
    for (mut row, _) in jacobian.row_iter_mut().zip(observation).filter(|(_, y)| y.is_nan()) {
        row.fill(0.0);
    }
    // Of the Jacobian itself: its square would halve the digits.
    let values = jacobian.singular_values();
    values.len() == k && values.min() > RANK_SHARE * values.max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Layer};

    /// Two units that are on at (1, 1) and one that is off.
    fn network() -> Network {
        let weight = DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 0.0, 1.0, -1.0, -1.0]);
        let layer = Layer { weight, bias: DVector::zeros(3), activation: Activation::Relu };
        Network::new(vec![layer], "three units").unwrap()
    }

    #[test]
    fn what_is_off_or_unseen_tells_nothing() {
        let network = network();
        let code = DVector::from_vec(vec![1.0, 1.0]);
        let nan = f64::NAN;
        assert!(is_determined(&network, &code, &[1.0, 1.0, 0.0], None));
        assert!(is_determined(&network, &code, &[1.0, 1.0, nan], None));
        assert!(!is_determined(&network, &code, &[1.0, nan, 0.0], None));
        assert!(!is_determined(&network, &DVector::from_vec(vec![1.0, -0.5]), &[1.0, 0.0, 0.0], None));
        let sum = DMatrix::from_row_slice(1, 3, &[1.0, 1.0, 1.0]);
        assert!(!is_determined(&network, &code, &[2.0], Some(&sum)));
        let two = DMatrix::from_row_slice(2, 3, &[1.0, 1.0, 1.0, 1.0, -1.0, 5.0]);
        assert!(is_determined(&network, &code, &[2.0, 0.0], Some(&two)));
        assert!(!is_determined(&network, &code, &[2.0, nan], Some(&two)));
    }
}
