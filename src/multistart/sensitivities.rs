//! How each unit responds to a change of the code, and the loss to a change of each unit. These
//! derivatives tell on which side of a kink the loss falls.

use super::linearisation::{Active, Linearisation};
use super::packed_network::PackedNetwork;
use super::point::Point;
use crate::linalg::lanes::{Lane, numbers, numbers_mut};

/// One number for each unit of each layer.
#[derive(Debug, Clone)]
pub struct PerUnit {
    layers: Vec<Vec<Lane>>,
    /// Zeros: as many lanes as the widest layer or input has.
    zeros: Vec<Lane>,
    active: Active,
}

impl PerUnit {
    /// Allocates room for the units of this network.
    pub fn new(network: &PackedNetwork) -> Self {
        let widest = network.layers().iter().map(|layer| layer.unit_lanes.max(layer.input_lanes)).max().unwrap_or(0);
        PerUnit {
            layers: network.layers().iter().map(|layer| vec![Lane::ZERO; layer.unit_lanes]).collect(),
            zeros: vec![Lane::ZERO; widest],
            active: Active::default(),
        }
    }

    /// The numbers of layer `index`; those beyond its units have no meaning.
    pub fn layer(&self, index: usize) -> &[f64] {
        numbers(&self.layers[index])
    }

    /// The derivative of what every unit receives along `direction` (`k` entries), within the
    /// linearised region. That of a map at the end is left out: it has no kinks.
    pub fn tangents(&mut self, network: &PackedNetwork, at: &Linearisation, direction: &[f64]) {
        let kept = network.layers().len() - usize::from(network.ends_in_map());
        for (index, layer) in network.layers()[..kept].iter().enumerate() {
            let (below, above) = self.layers.split_at_mut(index);
            self.active.units.clear();
            self.active.slopes.clear();
            match below.last() {
                None => {
                    self.active.units.extend(0..direction.len() as u32);
                    self.active.slopes.extend(direction);
                }
                Some(change) => self.active.scaled(at.active(index - 1), numbers(change)),
            }
            let zeros = &self.zeros[..layer.unit_lanes];
            layer.forward(&self.active.units, &self.active.slopes, zeros, &mut above[0]);
        }
    }

    /// Computes `∂f/∂σ_u`, the derivative of the loss with respect to a unit's output, for every
    /// unit: `W_{i+1}ᵀ D_{i+1}` times that of the layer above, `G(z) − x` at the output (0 where
    /// unobserved). Each of `multipliers` (a layer, a unit and a number) adds its number to the
    /// derivative with respect to what that unit receives: the price of keeping a pinned unit on
    /// its kink.
    pub fn adjoints(
        &mut self,
        network: &PackedNetwork,
        at: &Linearisation,
        point: &Point,
        observation: &[f64],
        multipliers: impl Iterator<Item = (usize, usize, f64)> + Clone,
    ) {
        let last = network.layers().len() - 1;
        let (activation, received) = (network.layers()[last].activation, point.received(last));
        for ((error, x), a) in numbers_mut(&mut self.layers[last]).iter_mut().zip(observation).zip(received) {
            *error = if x.is_nan() { 0.0 } else { activation.apply(*a) - x };
        }
        for index in (0..last).rev() {
            let above = &network.layers()[index + 1];
            let (below, from) = self.layers.split_at_mut(index + 1);
            self.active.units.clear();
            self.active.slopes.clear();
            self.active.scaled(at.active(index + 1), numbers(&from[0]));
            for (_, unit, multiplier) in multipliers.clone().filter(|(layer, ..)| *layer == index + 1) {
                self.active.units.push(unit as u32);
                self.active.slopes.push(multiplier);
            }
            let zeros = &self.zeros[..above.input_lanes];
            above.backward(&self.active.units, &self.active.slopes, zeros, &mut below[index]);
        }
    }

    /// Writes the derivative with respect to the code, from the numbers of the first layer, into
    /// `out`.
    pub fn at_code(&mut self, network: &PackedNetwork, at: &Linearisation, out: &mut [Lane]) {
        let first = &network.layers()[0];
        self.active.units.clear();
        self.active.slopes.clear();
        self.active.scaled(at.active(0), numbers(&self.layers[0]));
        first.backward(&self.active.units, &self.active.slopes, &self.zeros[..first.input_lanes], out);
    }
}

impl Active {
    /// Collects the units of `active`, with their slopes times `numbers`.
    fn scaled(&mut self, active: &Active, numbers: &[f64]) {
        self.units.extend(&active.units);
        self.slopes
            .extend(active.units.iter().zip(&active.slopes).map(|(unit, slope)| slope * numbers[*unit as usize]));
    }
}

/// Writes `∇a_u`, the gradient of what a unit of layer `index` receives, into `out` (`k` entries):
/// `W_u D_{i−1} W_{i−1} ⋯ D_1 W_1`.
pub fn gradient_of_unit(network: &PackedNetwork, at: &Linearisation, index: usize, unit: usize, out: &mut [f64]) {
    let weights = network.layers()[index].row(unit);
    if index == 0 {
        out.copy_from_slice(&weights);
        return;
    }
    out.fill(0.0);
    for (&input, row) in at.active(index - 1).units.iter().zip(at.map(index - 1)) {
        let w = weights[input as usize];
        out.iter_mut().zip(row).for_each(|(sum, entry)| *sum += w * entry);
    }
}
