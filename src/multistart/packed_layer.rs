//! A layer in the layout of the search, and its products: with packed weights, or with a map that
//! has only products.
//!
//! Packed weights are stored twice, by columns for the forward pass and by rows for the Jacobian,
//! in padded lanes.

use std::borrow::Cow;
use std::sync::Arc;

use nalgebra::DMatrix;

use super::layer_map::LayerMap;
use super::map_rows::MapRows;
use super::products::{chained_rows, weighted_columns};
use crate::linalg::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::linear_map::LinearMap;
use crate::network::{Activation, Layer, Map};

/// A layer, packed.
#[derive(Debug, Clone)]
pub struct PackedLayer {
    /// Rows of `W`.
    pub units: usize,
    /// Columns of `W`.
    pub inputs: usize,
    /// Lanes that hold one number per unit.
    pub unit_lanes: usize,
    /// Lanes that hold one number per input.
    pub input_lanes: usize,
    /// `W`.
    weights: Weights,
    /// One number per unit.
    pub bias: Vec<Lane>,
    /// `σ`.
    pub activation: Activation,
}

/// `W` of a layer.
#[derive(Debug, Clone)]
enum Weights {
    Packed {
        /// `W` by columns: inputs × `unit_lanes`.
        columns: Vec<Lane>,
        /// `W` by rows: units × `input_lanes`.
        rows: Vec<Lane>,
    },
    /// Every product costs one call; a single vector of zeros needs none.
    Map {
        map: Arc<dyn LinearMap>,
        /// The size of the largest number of the map, as an order of magnitude.
        size: f64,
        /// Of a map of the network: what forms the Jacobian.
        rows: Option<Arc<MapRows>>,
    },
}

impl Weights {
    fn packed(weight: &DMatrix<f64>) -> Self {
        let (units, inputs) = weight.shape();
        let (unit_lanes, input_lanes) = (lanes_for(units), lanes_for(inputs));
        let mut packed_columns = vec![Lane::ZERO; inputs * unit_lanes];
        let mut packed_rows = vec![Lane::ZERO; units * input_lanes];
        let (columns, rows) = (numbers_mut(&mut packed_columns), numbers_mut(&mut packed_rows));
        for (input, column) in weight.as_slice().chunks_exact(units).enumerate() {
            columns[input * unit_lanes * LANE..][..units].copy_from_slice(column);
            for (unit, w) in column.iter().enumerate() {
                rows[unit * input_lanes * LANE + input] = *w;
            }
        }
        Weights::Packed { columns: packed_columns, rows: packed_rows }
    }
}

impl PackedLayer {
    /// Packs a layer.
    pub(super) fn new(layer: &Layer) -> Self {
        let (units, inputs) = (layer.units(), layer.inputs());
        let (unit_lanes, input_lanes) = (lanes_for(units), lanes_for(inputs));
        let mut bias = vec![Lane::ZERO; unit_lanes];
        numbers_mut(&mut bias)[..units].copy_from_slice(layer.bias.as_slice());
        let weights = match layer.map() {
            Map::Dense(weight) => Weights::packed(weight),
            map if map.is_best_written_out() => Weights::packed(&map.written_out()),
            map => Weights::Map {
                map: Arc::new(LayerMap::new(map)),
                size: map.largest(),
                rows: MapRows::of(map).map(Arc::new),
            },
        };
        PackedLayer { units, inputs, unit_lanes, input_lanes, weights, bias, activation: layer.activation }
    }

    /// A map as a layer, without a bias or an activation. `size`: that of its largest entries.
    pub(super) fn of_map(map: Arc<dyn LinearMap>, size: f64) -> Self {
        let (units, inputs) = (map.outputs(), map.inputs());
        let (unit_lanes, input_lanes) = (lanes_for(units), lanes_for(inputs));
        PackedLayer {
            units,
            inputs,
            unit_lanes,
            input_lanes,
            weights: Weights::Map { map, size, rows: None },
            bias: vec![Lane::ZERO; unit_lanes],
            activation: Activation::Identity,
        }
    }

    /// The map, if the layer has only products.
    pub(super) fn map(&self) -> Option<&dyn LinearMap> {
        match &self.weights {
            Weights::Packed { .. } => None,
            Weights::Map { map, .. } => Some(&**map),
        }
    }

    /// The largest absolute entry of `W`, of a map as an order of magnitude.
    pub(super) fn largest_weight(&self) -> f64 {
        match &self.weights {
            Weights::Packed { rows, .. } => numbers(rows).iter().fold(0.0, |most: f64, w| most.max(w.abs())),
            Weights::Map { size, .. } => *size,
        }
    }

    /// `out = bias + W v`, with `v` given by its nonzero entries. `bias`: `unit_lanes`, as `out`.
    #[inline(always)]
    pub(super) fn forward(&self, active: &[u32], values: &[f64], bias: &[Lane], out: &mut [Lane]) {
        match &self.weights {
            Weights::Packed { columns, .. } => weighted_columns(columns, active, values, bias, out),
            Weights::Map { map, .. } => {
                add_product(|v| map.apply(v), (self.inputs, self.units), (active, values), bias, out)
            }
        }
    }

    /// [`Self::forward`] for several vectors and results, with the layer's bias: a map is applied
    /// once.
    pub(super) fn forward_together<'a>(&self, vectors: impl Iterator<Item = (&'a [u32], &'a [f64], &'a mut [Lane])>) {
        let Weights::Map { map, .. } = &self.weights else {
            return vectors.for_each(|(active, values, out)| self.forward(active, values, &self.bias, out));
        };
        let vectors: Vec<_> = vectors.collect();
        let mut given = DMatrix::zeros(self.inputs, vectors.len());
        for ((active, values, _), mut column) in vectors.iter().zip(given.column_iter_mut()) {
            active.iter().zip(*values).for_each(|(&place, value)| column[place as usize] += value);
        }
        let found = map.apply(&given);
        for ((.., out), column) in vectors.into_iter().zip(found.column_iter()) {
            out.copy_from_slice(&self.bias);
            numbers_mut(out)[..self.units].iter_mut().zip(column.iter()).for_each(|(sum, entry)| *sum += entry);
        }
    }

    /// `out = Wᵀ v`, with `v` given by its nonzero entries; a unit may occur twice. `zeros`:
    /// `input_lanes` of zeros.
    #[inline(always)]
    pub(super) fn backward(&self, units: &[u32], values: &[f64], zeros: &[Lane], out: &mut [Lane]) {
        match &self.weights {
            Weights::Packed { rows, .. } => weighted_columns(rows, units, values, zeros, out),
            Weights::Map { map, .. } => {
                add_product(|v| map.adjoint(v), (self.units, self.inputs), (units, values), zeros, out)
            }
        }
    }

    /// Row `r` of `out` becomes `factors[r]` times row `wanted[r]` of `W X`, where `X` has
    /// `columns` columns and is given by its nonzero rows, `inner`, at the places `active`. Rows of
    /// `inner` are padded to whole lanes; those of `out` have `stride` lanes. A map that has only
    /// products computes all rows, by one product.
    #[allow(clippy::too_many_arguments, reason = "the shape of a product of selected rows")]
    #[inline(always)]
    pub(super) fn chain(
        &self,
        wanted: &[u32],
        factors: &[f64],
        active: &[u32],
        inner: &[Lane],
        columns: usize,
        out: &mut [Lane],
        stride: usize,
    ) {
        let lanes = lanes_for(columns);
        match &self.weights {
            Weights::Packed { rows, .. } => {
                chained_rows(rows, self.input_lanes, wanted, factors, active, inner, lanes, out, stride);
            }
            Weights::Map { rows: Some(rows), .. } => rows.chain(wanted, factors, active, inner, lanes, out, stride),
            Weights::Map { map, .. } => {
                let mut given = DMatrix::zeros(self.inputs, columns);
                for (&input, row) in active.iter().zip(inner.chunks_exact(lanes)) {
                    let row = &numbers(row)[..columns];
                    given.row_mut(input as usize).iter_mut().zip(row).for_each(|(entry, x)| *entry = *x);
                }
                take_rows(&map.apply(&given), wanted, factors, out, stride);
            }
        }
    }

    /// [`Self::chain`] for the first layer, where `X` is the identity.
    #[inline(always)]
    pub(super) fn begin_chain(&self, wanted: &[u32], factors: &[f64], out: &mut [Lane], stride: usize) {
        match &self.weights {
            Weights::Packed { rows, .. } => {
                for ((row, &unit), &factor) in out.chunks_exact_mut(stride).zip(wanted).zip(factors) {
                    let weights = &rows[unit as usize * self.input_lanes..][..self.input_lanes];
                    for (entry, w) in row.iter_mut().zip(weights) {
                        *entry = Lane(w.0.map(|w| w * factor));
                    }
                }
            }
            Weights::Map { rows: Some(rows), .. } => {
                let (lanes, all) = (lanes_for(self.inputs), (0..self.inputs as u32).collect::<Vec<_>>());
                let mut identity = vec![Lane::ZERO; self.inputs * lanes];
                let entries = numbers_mut(&mut identity);
                (0..self.inputs).for_each(|i| entries[i * (lanes * LANE + 1)] = 1.0);
                rows.chain(wanted, factors, &all, &identity, lanes, out, stride);
            }
            Weights::Map { map, .. } => {
                take_rows(&map.apply(&DMatrix::identity(self.inputs, self.inputs)), wanted, factors, out, stride);
            }
        }
    }

    /// Row `unit` of `W`.
    #[inline(always)]
    pub(super) fn row(&self, unit: usize) -> Cow<'_, [f64]> {
        match &self.weights {
            Weights::Packed { rows, .. } => {
                Cow::Borrowed(&numbers(&rows[unit * self.input_lanes..][..self.input_lanes])[..self.inputs])
            }
            Weights::Map { map, .. } => {
                let chosen = DMatrix::from_fn(self.units, 1, |row, _| f64::from(row == unit));
                Cow::Owned(map.adjoint(&chosen).as_slice().to_vec())
            }
        }
    }
}

/// `out = start + P v` for a product `P` of this shape (length of `v`, length of the result).
fn add_product(
    product: impl Fn(&DMatrix<f64>) -> DMatrix<f64>,
    (given_length, length): (usize, usize),
    (active, values): (&[u32], &[f64]),
    start: &[Lane],
    out: &mut [Lane],
) {
    out.copy_from_slice(start);
    if values.iter().all(|value| *value == 0.0) {
        return;
    }
    let mut given = DMatrix::zeros(given_length, 1);
    active.iter().zip(values).for_each(|(&place, value)| given[place as usize] += value);
    let found = product(&given);
    numbers_mut(out)[..length].iter_mut().zip(found.iter()).for_each(|(sum, entry)| *sum += entry);
}

fn take_rows(product: &DMatrix<f64>, wanted: &[u32], factors: &[f64], out: &mut [Lane], stride: usize) {
    for ((row, &unit), &factor) in out.chunks_exact_mut(stride).zip(wanted).zip(factors) {
        let entries = product.row(unit as usize);
        numbers_mut(row).iter_mut().zip(entries.iter()).for_each(|(entry, w)| *entry = w * factor);
    }
}
