//! Levenberg–Marquardt on `½‖G(z) − x‖² + ½λ‖z‖²`, one observation at a time. Twin of
//! `shaders/levenberg_marquardt.wgsl`; the search on the CPU runs `multistart/local_search.rs`.

use nalgebra::{DMatrix, DVector};

use crate::cpu::forward::{forward_one, layer_sums};
use crate::marquardt::{ARMIJO, FIRST_DAMPING, MOST_DAMPING, MarquardtRules, relaxation};
use crate::network::Network;

/// The final state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct MarquardtRun {
    /// The last accepted code.
    pub code: Vec<f64>,
    /// Its loss; not finite if the start's loss is not finite.
    pub loss: f64,
    /// Number of tried steps.
    pub steps: u32,
}

/// Makes one run towards `observation` until a rule ends it.
pub fn levenberg_marquardt(
    network: &Network,
    observation: &[f64],
    start: &[f64],
    rules: &MarquardtRules,
) -> MarquardtRun {
    let rounding = rules.rounding_loss(observation.iter().copied());
    let mut at = MarquardtRun { code: start.to_vec(), loss: loss(network, observation, start, rules.prior), steps: 0 };
    let (mut lambda, mut growth, mut slow) = (0.0, 2.0, 0);
    while at.loss.is_finite() && at.loss > rounding && slow < 2 && at.steps < rules.steps {
        let (jacobian, residual) = jacobian_and_residual(network, observation, &at.code);
        let of_prior = DMatrix::identity(start.len(), start.len()) * rules.prior;
        let normal = jacobian.tr_mul(&jacobian) + of_prior;
        let gradient = jacobian.tr_mul(&residual) + DVector::from_column_slice(&at.code) * rules.prior;
        let scale = normal.trace() / start.len() as f64;
        if scale.is_nan() || scale <= 0.0 {
            break;
        }
        if lambda == 0.0 {
            lambda = FIRST_DAMPING * scale;
        }
        let accepted = loop {
            lambda = f64::max(lambda, rules.least_damping * scale);
            let damped = &normal + DMatrix::identity(start.len(), start.len()) * lambda;
            let step = damped.cholesky().map(|factor| -factor.solve(&gradient));
            let mut predicted = f64::INFINITY;
            let mut trial = at.code.clone();
            if let Some(step) = step {
                predicted = 0.5 * step.dot(&(&step * lambda - &gradient));
                let length = DVector::from_column_slice(&at.code).norm();
                if predicted <= rules.negligible_decrease * at.loss || step.norm() <= rules.negligible_step * length {
                    break false;
                }
                trial.iter_mut().zip(&step).for_each(|(z, p)| *z += p);
            }
            at.steps += 1;
            let reached = loss(network, observation, &trial, rules.prior);
            let gain = at.loss - reached;
            if gain > ARMIJO * predicted {
                slow = if gain <= rules.slow * at.loss { slow + 1 } else { 0 };
                (at.code, at.loss) = (trial, reached);
                lambda *= relaxation(f64::min(gain / predicted, 1.0));
                growth = 2.0;
                break true;
            }
            lambda = if lambda < FIRST_DAMPING * scale { FIRST_DAMPING * scale } else { lambda * growth };
            growth *= 2.0;
            if lambda > MOST_DAMPING * scale || at.steps >= rules.steps {
                break false;
            }
        };
        if !accepted {
            break;
        }
    }
    at
}

fn loss(network: &Network, observation: &[f64], code: &[f64], prior: f64) -> f64 {
    let output = forward_one(network.layers(), code);
    let squares = output.iter().zip(observation).filter(|(_, x)| !x.is_nan()).map(|(y, x)| (y - x) * (y - x));
    0.5 * squares.sum::<f64>() + 0.5 * prior * code.iter().map(|z| z * z).sum::<f64>()
}

/// `J = D_d W_d ⋯ D_1 W_1` and `G(z) − x`, both with zeros in unobserved rows.
fn jacobian_and_residual(network: &Network, observation: &[f64], code: &[f64]) -> (DMatrix<f64>, DVector<f64>) {
    let mut jacobian = DMatrix::identity(code.len(), code.len());
    let mut output = code.to_vec();
    for layer in network.layers() {
        let sums = layer_sums(layer, &output);
        jacobian = layer.weight() * jacobian;
        for (mut row, a) in jacobian.row_iter_mut().zip(&sums) {
            row *= layer.activation.derivative(*a);
        }
        output = sums.iter().map(|a| layer.activation.apply(*a)).collect();
    }
    let mut residual = DVector::zeros(output.len());
    for (unit, x) in observation.iter().enumerate() {
        if x.is_nan() {
            jacobian.row_mut(unit).fill(0.0);
        } else {
            residual[unit] = output[unit] - x;
        }
    }
    (jacobian, residual)
}
