//! Gradients of the units: the gradient `∇a_u` of what each unit receives, within a region, and the
//! derivative of a misfit with respect to each unit's output.

use super::linearisation::Active;
use super::packed_network::PackedNetwork;
use super::region::{Region, slope};
use crate::linalg::lanes::{Lane, lanes_for, numbers, numbers_mut};

/// The gradients of all units. Its buffers are reused.
#[derive(Debug, Clone)]
pub struct Gradients {
    lanes: usize,
    columns: usize,
    /// For each layer: units × `lanes`.
    layers: Vec<Vec<Lane>>,
    /// The active rows of the layer below, times their slopes.
    inner: Vec<Lane>,
    /// The units of these rows.
    below: Vec<u32>,
    units: Vec<u32>,
    ones: Vec<f64>,
}

impl Gradients {
    /// Allocates room for the units of this network.
    pub fn new(network: &PackedNetwork) -> Self {
        let lanes = lanes_for(network.code_length());
        let widest = network.layers().iter().map(|layer| layer.units).max().unwrap_or(0);
        Gradients {
            lanes,
            columns: network.code_length(),
            layers: network.layers().iter().map(|layer| vec![Lane::ZERO; layer.units * lanes]).collect(),
            inner: Vec::new(),
            below: Vec::new(),
            units: (0..widest as u32).collect(),
            ones: vec![1.0; widest],
        }
    }

    /// Computes the gradients within `region`. Costs `2k·units·active units below` flops per layer.
    pub fn take(&mut self, network: &PackedNetwork, region: &Region) {
        for (index, layer) in network.layers().iter().enumerate() {
            let (units, ones) = (&self.units[..layer.units], &self.ones[..layer.units]);
            let (below, above) = self.layers.split_at_mut(index);
            let Some(below) = below.last() else {
                layer.begin_chain(units, ones, &mut above[0], self.lanes);
                continue;
            };
            let activation = network.layers()[index - 1].activation;
            self.below.clear();
            self.inner.clear();
            for (unit, (row, on)) in below.chunks_exact(self.lanes).zip(region.layer(index - 1)).enumerate() {
                // A hidden unit's slope does not depend on the value it receives.
                let slope = slope(activation, 0.0, *on);
                if slope != 0.0 {
                    self.below.push(unit as u32);
                    self.inner.extend(row.iter().map(|lane| Lane(lane.0.map(|x| x * slope))));
                }
            }
            layer.chain(units, ones, &self.below, &self.inner, self.columns, &mut above[0], self.lanes);
        }
    }

    /// Whether all gradients of the last layer are finite. Those of a map are not where a product
    /// failed.
    pub fn are_finite(&self) -> bool {
        self.layers.last().is_none_or(|layer| numbers(layer).iter().all(|entry| entry.is_finite()))
    }

    /// Total number of entries.
    pub fn entries(&self) -> usize {
        self.layers.iter().map(|layer| layer.len() / self.lanes.max(1) * self.columns).sum()
    }

    /// Appends the gradients of layer `index`, unit by unit.
    pub fn append(&self, index: usize, to: &mut Vec<f64>) {
        self.layers[index].chunks_exact(self.lanes).for_each(|row| to.extend(&numbers(row)[..self.columns]));
    }

    /// `∇a_u` of a unit of layer `index`, `k` entries.
    pub fn of(&self, index: usize, unit: usize) -> &[f64] {
        &numbers(&self.layers[index][unit * self.lanes..(unit + 1) * self.lanes])[..self.columns]
    }
}

/// One number per unit of each layer: the derivative of the misfit with respect to the unit's
/// output.
#[derive(Debug, Clone)]
pub struct Adjoints {
    layers: Vec<Vec<Lane>>,
    zeros: Vec<Lane>,
    active: Active,
}

impl Adjoints {
    /// Allocates room for the units of this network.
    pub fn new(network: &PackedNetwork) -> Self {
        let widest = network.layers().iter().map(|layer| layer.input_lanes).max().unwrap_or(0);
        Adjoints {
            layers: network.layers().iter().map(|layer| vec![Lane::ZERO; layer.unit_lanes]).collect(),
            zeros: vec![Lane::ZERO; widest],
            active: Active::default(),
        }
    }

    /// The numbers of layer `index`, which must be a hidden layer.
    pub fn layer(&self, index: usize) -> &[f64] {
        numbers(&self.layers[index])
    }

    /// Computes the numbers of all hidden layers from `at_received`, one vector per layer. For the
    /// output layer, this vector is the derivative of the misfit with respect to what each unit
    /// receives. For the other layers, it is added to the part that comes through the unit's own
    /// slope: the price of a unit held on its kink.
    pub fn backpropagate(&mut self, network: &PackedNetwork, region: &Region, at_received: &[Vec<f64>]) {
        let last = network.layers().len() - 1;
        numbers_mut(&mut self.layers[last]).fill(0.0);
        for index in (0..last).rev() {
            let above = &network.layers()[index + 1];
            let (below, from) = self.layers.split_at_mut(index + 1);
            self.active.units.clear();
            self.active.slopes.clear();
            for (unit, (given, more)) in numbers(&from[0]).iter().zip(&at_received[index + 1]).enumerate() {
                let through = if index + 1 == last {
                    0.0
                } else {
                    slope(above.activation, 0.0, region.layer(index + 1)[unit]) * given
                };
                if through + more != 0.0 {
                    self.active.units.push(unit as u32);
                    self.active.slopes.push(through + more);
                }
            }
            let zeros = &self.zeros[..above.input_lanes];
            above.backward(&self.active.units, &self.active.slopes, zeros, &mut below[index]);
        }
    }
}
