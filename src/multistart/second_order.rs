//! Proof of a strict local minimum where the output is curved (sigmoid, tanh).
//!
//! Where no hidden unit switches, `a = J₀ z + c` is affine, and `f = ½ Σ (σ(a_j) − x_j)²` has the
//! Hessian `H = Σ_j (σ'_j² + r_j σ''_j) ∇a_j ∇a_jᵀ`. At a code that is stationary to first order,
//! with the pinned units' multipliers strictly inside their ranges, `f` rises with a slope along
//! every direction that leaves a kink. Along the others it rises if `H` is positive definite: the
//! sufficient condition of second order (Nocedal & Wright, *Numerical Optimization*, theorem 12.6).
//! The whole of `H` is tested, so directions that leave a kink count too: that asks for more than
//! is needed.

use nalgebra::DMatrix;

use super::local_search::LocalSearch;
use crate::network::Activation;

/// The least eigenvalue of a matrix that counts as positive definite, as a share of its mean
/// diagonal.
const DEFINITE: f64 = 1e-8;
/// How far inside its range a multiplier is, as a share of the largest.
const INSIDE: f64 = 1e-8;

impl LocalSearch<'_> {
    /// Whether the end of [`Self::active_set`], which was stationary, is proven to be a strict
    /// minimum. Only for a curved output above piecewise linear layers; otherwise false. Comes
    /// right after [`Self::is_determined`], whose Jacobian it uses.
    pub(super) fn is_strict_minimum(&mut self, observation: &[f64]) -> bool {
        let last = self.network.layers().len() - 1;
        let activation = self.network.layers()[last].activation;
        let is_curved = matches!(activation, Activation::Sigmoid | Activation::Tanh);
        let hidden = &self.network.layers()[..last];
        if !is_curved || !hidden.iter().all(|layer| layer.activation.is_piecewise_linear()) {
            return false;
        }
        let is_open = !self.dependent.is_empty() || self.on_kinks(observation).next().is_some();
        if is_open || !self.multipliers_are_inside(observation, INSIDE) {
            return false;
        }
        let k = self.network.code_length();
        let received = self.current.received(last);
        let outputs = self.linear.active(last).units.iter().map(|unit| activation.apply(received[*unit as usize]));
        // The rows of `J` are `σ' ∇a`, so each counts `1 + r σ''/σ'²` times.
        let times = |output: f64, residual: f64| match activation {
            Activation::Tanh => 1.0 - 2.0 * residual * output / (1.0 - output * output),
            _ => 1.0 + residual * (1.0 - 2.0 * output) / (output * (1.0 - output)),
        };
        let rows: Vec<(&[f64], f64)> =
            self.linear.rows().zip(outputs).map(|((row, residual), output)| (row, times(output, residual))).collect();
        let jacobian = DMatrix::from_fn(k, rows.len(), |i, j| rows[j].0[i]);
        let weighted = DMatrix::from_fn(rows.len(), k, |j, i| rows[j].0[i] * rows[j].1);
        let mut hessian = jacobian * weighted;
        let least = DEFINITE * hessian.trace().abs() / k as f64;
        (0..k).for_each(|i| hessian[(i, i)] += self.network.prior() - least);
        hessian.iter().all(|entry| entry.is_finite()) && hessian.cholesky().is_some()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::super::local_search::MarquardtOptions;
    use super::super::packed_network::PackedNetwork;
    use super::*;
    use crate::network::{DenseLayer, Network};
    use crate::random::{Domain, normal_vector, random_network};

    /// `½(tanh(z + 2) − t)² + ½(tanh(z − 2) + t)²` is even in `z`, so 0 is stationary: a minimum
    /// for `t` near tanh 2, and a maximum for `t = −1`.
    #[test]
    fn a_stationary_maximum_is_not_taken_for_a_minimum() {
        let layer = DenseLayer {
            weight: DMatrix::from_element(2, 1, 1.0),
            bias: vec![2.0, -2.0].into(),
            activation: Activation::Tanh,
        };
        let network = PackedNetwork::new(Network::dense(vec![layer]).unwrap());
        for (target, is_minimum) in [(0.97, true), (-1.0, false)] {
            let mut search = LocalSearch::new(&network);
            let x = [target, -target];
            search.go_to(&x, &[0.0]);
            search.region.take(&network, &search.current);
            assert!(search.is_determined(&x));
            assert_eq!(search.is_strict_minimum(&x), is_minimum, "{target}");
        }
    }

    /// Against the Hessian by differences of the loss, at minima of ReLU and LeakyReLU layers below
    /// a sigmoid or tanh. Where no unit is pinned, the two agree.
    #[test]
    fn the_hessian_by_differences_is_positive_definite_too() {
        let (mut proven, mut compared) = (0, 0);
        for index in 0..60 {
            let hidden = if index % 2 == 0 { Activation::Relu } else { Activation::LeakyRelu(0.2) };
            let output = if index % 3 == 0 { Activation::Tanh } else { Activation::Sigmoid };
            let mut layers = random_network(&[3, 12, 20], hidden, index).unwrap().layers().to_vec();
            layers[1].activation = output;
            let network = PackedNetwork::new(Network::new(layers, "the network").unwrap());
            let noise = if index % 4 < 2 { 0.05 } else { 0.6 };
            let code = normal_vector(1, Domain::Code, index, 3);
            let clean = network.network().forward(&DMatrix::from_vec(3, 1, code)).unwrap();
            let errors = normal_vector(1, Domain::Noise, index, 20);
            let x: Vec<f64> = clean.iter().zip(errors.iter()).map(|(x, e)| x + noise * e).collect();
            let mut search = LocalSearch::new(&network);
            search.go_to(&x, &normal_vector(1, Domain::Start, index, 3));
            search.levenberg_marquardt(&x, &MarquardtOptions { damping: 1e-3, slow: 1e-3, steps: 200 });
            if !search.active_set(&x, 300).stationary || search.pinned().next().is_some() {
                continue;
            }
            let minimum = search.current.code.clone();
            let is_strict = search.is_determined(&x) && search.is_strict_minimum(&x);
            proven += usize::from(is_strict);
            let size = minimum.iter().fold(1e-3_f64, |most, z| most.max(z.abs()));
            // Small enough to stay within the region.
            let step = 1e-4 * size;
            let mut loss = |moves: &[(usize, f64)]| {
                let mut code = DVector::from_vec(minimum.clone());
                moves.iter().for_each(|(entry, length)| code[*entry] += length);
                search.loss_of(&x, code.as_slice())
            };
            let hessian = DMatrix::from_fn(3, 3, |i, j| {
                let signs = [(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)];
                let corners = signs.map(|(a, b)| loss(&[(i, a * step), (j, b * step)]));
                (corners[0] + corners[1] - corners[2] - corners[3]) / (4.0 * step * step)
            });
            let values = hessian.symmetric_eigenvalues();
            // Near singular ones, differences tell nothing. A saturated output is no proof.
            if values.min().abs() > 1e-3 * values.max() {
                compared += usize::from(is_strict);
                assert!(!is_strict || values.min() > 0.0, "network {index}: {values}");
            }
        }
        assert!(proven > 20 && compared > 20, "{proven} proven, {compared} compared");
    }
}
