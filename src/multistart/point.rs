//! A code run forward: what each unit receives, its output, and the distance of the result from the
//! observation.

use super::packed_layer::PackedLayer;
use super::packed_network::PackedNetwork;
use crate::linalg::lanes::{Lane, numbers};
use crate::network::Activation;

/// A code and the values of every layer. The next [`Point::run`] reuses its buffers.
#[derive(Debug, Clone)]
pub struct Point {
    /// `z`, `k` entries.
    pub code: Vec<f64>,
    /// `½‖G(z) − x‖²` over the observed entries of the observation of the last run, and with a
    /// prior `½λ‖z‖²` ([`PackedNetwork::with_prior`]); not finite if it overflows.
    pub loss: f64,
    /// What each layer's units receive, `W a + b`.
    received: Vec<Vec<Lane>>,
    /// The nonzero outputs: of the code first, then of each layer but the last.
    given: Vec<Given>,
}

/// The nonzero entries of a vector.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Their positions, ascending.
    pub active: Vec<u32>,
    /// Their values.
    pub values: Vec<f64>,
}

impl Point {
    /// Allocates room for codes of this network.
    pub fn new(network: &PackedNetwork) -> Self {
        let received = network.layers().iter().map(|layer| vec![Lane::ZERO; layer.unit_lanes]);
        Point {
            code: vec![0.0; network.code_length()],
            loss: f64::NAN,
            received: received.collect(),
            given: vec![Given::default(); network.layers().len()],
        }
    }

    /// Runs `self.code` through the network and computes the loss against `observation` (`n`
    /// entries, `NaN` where unobserved).
    pub fn run(&mut self, network: &PackedNetwork, observation: &[f64]) {
        self.run_hidden(network);
        let last = network.layers().len() - 1;
        let layer = &network.layers()[last];
        let Given { active, values } = &self.given[last];
        layer.forward(active, values, &layer.bias, &mut self.received[last]);
        self.measure(network, observation);
    }

    /// [`Self::run`] for several points. A map at the end of the network is applied once.
    pub fn run_together(points: &mut [Point], network: &PackedNetwork, observation: &[f64]) {
        points.iter_mut().for_each(|point| point.run_hidden(network));
        let last = network.layers().len() - 1;
        let vectors = points.iter_mut().map(|point| {
            let Given { active, values } = &point.given[last];
            (&active[..], &values[..], &mut point.received[last][..])
        });
        network.layers()[last].forward_together(vectors);
        points.iter_mut().for_each(|point| point.measure(network, observation));
    }

    /// Runs `self.code` through all layers but the last.
    fn run_hidden(&mut self, network: &PackedNetwork) {
        let code = &mut self.given[0];
        code.active.clear();
        code.active.extend(0..self.code.len() as u32);
        code.values.clone_from(&self.code);
        let hidden = network.layers().len() - 1;
        for (index, layer) in network.layers()[..hidden].iter().enumerate() {
            let (below, above) = self.given.split_at_mut(index + 1);
            let Given { active, values } = &below[index];
            layer.forward(active, values, &layer.bias, &mut self.received[index]);
            above[0].take(layer, numbers(&self.received[index]));
        }
    }

    fn measure(&mut self, network: &PackedNetwork, observation: &[f64]) {
        let last = network.layers().len() - 1;
        self.loss = loss(network.layers()[last].activation, self.received(last), observation);
        if network.prior() > 0.0 {
            self.loss += 0.5 * network.prior() * self.code.iter().map(|z| z * z).sum::<f64>();
        }
    }

    /// What layer `index` (from 0) receives; entries beyond its units have no meaning.
    pub fn received(&self, index: usize) -> &[f64] {
        numbers(&self.received[index])
    }

    /// The nonzero inputs of layer `index`: the code for the first layer.
    pub fn entering(&self, index: usize) -> &Given {
        &self.given[index]
    }
}

impl Given {
    fn take(&mut self, layer: &PackedLayer, received: &[f64]) {
        let received = &received[..layer.units];
        // The choice is made once, not for each unit.
        match layer.activation {
            Activation::Relu => self.collect(received, |a| Activation::Relu.apply(a)),
            Activation::LeakyRelu(slope) => self.collect(received, |a| Activation::LeakyRelu(slope).apply(a)),
            activation => self.collect(received, |a| activation.apply(a)),
        }
    }

    #[inline(always)]
    fn collect(&mut self, received: &[f64], apply: impl Fn(f64) -> f64) {
        self.active.clear();
        self.values.clear();
        for (unit, a) in received.iter().enumerate() {
            let value = apply(*a);
            if value != 0.0 {
                self.active.push(unit as u32);
                self.values.push(value);
            }
        }
    }
}

/// `½ Σ (σ(a_j) − x_j)²` over the observed entries, in eight partial sums.
fn loss(activation: Activation, received: &[f64], observation: &[f64]) -> f64 {
    match activation {
        Activation::Relu => half_squares(received, observation, |a| Activation::Relu.apply(a)),
        Activation::LeakyRelu(slope) => half_squares(received, observation, |a| Activation::LeakyRelu(slope).apply(a)),
        Activation::Identity => half_squares(received, observation, |a| a),
        _ => half_squares(received, observation, |a| activation.apply(a)),
    }
}

#[inline(always)]
fn half_squares(received: &[f64], observation: &[f64], apply: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    for (received, observation) in received.chunks(8).zip(observation.chunks(8)) {
        for ((sum, a), x) in sums.iter_mut().zip(received).zip(observation) {
            let difference = if x.is_nan() { 0.0 } else { apply(*a) - x };
            *sum += difference * difference;
        }
    }
    0.5 * sums.iter().sum::<f64>()
}
