//! Gradient descent on `½‖G(z) − x‖² + ½λ‖z‖²`, one observation at a time. Twin of
//! `shaders/descend.wgsl`; the CPU device itself runs `blocked/descend.rs`.

use crate::cpu::forward::{layer_sums, transposed_product};
use crate::descent::{DescentOptions, LossWatch, Run, Start, Steps, loss_unit};
use crate::network::Network;

/// Makes one run towards `observation` until the stop rule holds or `steps.cap` steps are made in
/// total.
pub fn run(network: &Network, observation: &[f64], start: &Start, steps: &Steps) -> Run {
    let (mut code, mut moments, mut iterations) = (start.code.clone(), start.moments.clone(), start.done);
    let (mut watch, unit) = (LossWatch::new(), loss_unit(network));
    loop {
        let (mut loss, mut gradient) = loss_and_gradient(network, observation, &code);
        loss += 0.5 * steps.prior * code.iter().map(|z| z * z).sum::<f64>();
        gradient.iter_mut().zip(&code).for_each(|(g, z)| *g += steps.prior * z);
        let gradient_norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Run { code, loss: f64::NAN, converged: false, iterations };
        }
        let converged = watch.rests(loss) | (gradient_norm <= DescentOptions::GRADIENT_TOLERANCE * unit);
        if converged || iterations as usize >= steps.cap {
            return Run { code, loss, converged, iterations };
        }
        steps.optimizer.advance((steps.size, unit), iterations, &gradient, &mut code, &mut moments);
        iterations += 1;
    }
}

/// `½‖G(z) − x‖²` over the observed entries, and its gradient in `z` by backpropagation:
/// `δ_d = (G(z) − x) ⊙ σ_d'`, `δ_{i−1} = (W_iᵀ δ_i) ⊙ σ_{i−1}'`, and `W_1ᵀ δ_1` at the code.
pub fn loss_and_gradient(network: &Network, observation: &[f64], code: &[f64]) -> (f64, Vec<f64>) {
    let layers = network.layers();
    let mut received: Vec<Vec<f64>> = Vec::with_capacity(layers.len());
    let mut output = code.to_vec();
    for layer in layers {
        let sums = layer_sums(layer, &output);
        output = sums.iter().map(|a| layer.activation.apply(*a)).collect();
        received.push(sums);
    }

    let mut loss = 0.0;
    let mut delta = vec![0.0; output.len()];
    for ((d, out), x) in delta.iter_mut().zip(&output).zip(observation) {
        if !x.is_nan() {
            *d = out - x;
            loss += 0.5 * *d * *d;
        }
    }

    for (layer, sums) in layers.iter().zip(&received).rev() {
        for (d, a) in delta.iter_mut().zip(sums) {
            *d *= layer.activation.derivative(*a);
        }
        delta = transposed_product(layer.map(), &delta);
    }
    (loss, delta)
}
