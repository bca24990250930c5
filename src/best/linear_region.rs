//! One code run forward, and the affine map that `G` is around it.
//!
//! With `D_i` the diagonal of `σ_i'` at layer `i`, the Jacobian is `J = D_d W_d ⋯ D_1 W_1`. It is built from the code outwards,
//! so that every product is one of a weight matrix with `k` columns, and only of the rows and columns where `D_i ≠ 0`; of the
//! last layer only the observed rows. At a kink the derivative is the one from the left, as everywhere in this crate.

use nalgebra::{DMatrix, DVector};

use crate::network::{Layer, Network};

/// A code and what every layer makes of it. Its buffers are reused by the next [`ForwardPass::run`].
#[derive(Debug, Clone)]
pub struct ForwardPass {
    /// `z`, `k` entries.
    pub code: Vec<f64>,
    /// `½‖G(z) − x‖²` over the observed entries of the observation last run against; not finite where it overflows.
    pub loss: f64,
    /// The output of each layer, from the code outwards.
    outputs: Vec<Vec<f64>>,
}

impl ForwardPass {
    /// Room for codes of this network.
    pub fn new(network: &Network) -> Self {
        ForwardPass {
            code: vec![0.0; network.code_length()],
            loss: f64::NAN,
            outputs: network.layers().iter().map(|layer| vec![0.0; layer.units()]).collect(),
        }
    }

    /// Runs `self.code` through the network and computes the loss against `observation` (`n` entries, `NaN` where unobserved).
    pub fn run(&mut self, network: &Network, observation: &[f64]) {
        let mut input = &self.code;
        for (layer, output) in network.layers().iter().zip(&mut self.outputs) {
            run_layer(layer, input, output);
            input = output;
        }
        let squares = self.observation_made().iter().zip(observation).filter(|(_, x)| !x.is_nan());
        self.loss = 0.5 * squares.map(|(g, x)| (g - x) * (g - x)).sum::<f64>();
    }

    /// `G(z)`, `n` entries.
    pub fn observation_made(&self) -> &[f64] {
        &self.outputs[self.outputs.len() - 1]
    }

    /// Whether the same units are on in both passes. Units of the last layer that are not observed do not count.
    pub fn same_region(&self, other: &ForwardPass, observation: &[f64]) -> bool {
        let last = self.outputs.len() - 1;
        let same = |a: &f64, b: &f64| (*a > 0.0) == (*b > 0.0);
        self.outputs[..last].iter().zip(&other.outputs).all(|(a, b)| a.iter().zip(b).all(|(a, b)| same(a, b)))
            && (self.outputs[last].iter().zip(&other.outputs[last]).zip(observation))
                .all(|((a, b), x)| x.is_nan() || same(a, b))
    }

    /// The Jacobian's rows that are observed and not zero (rows × `k`), and `G(z) − x` on them. `None` where there are none: the
    /// loss does not change around this code.
    pub fn linearise(&self, network: &Network, observation: &[f64]) -> Option<(DMatrix<f64>, DVector<f64>)> {
        let last = network.depth() - 1;
        let mut map: Option<(DMatrix<f64>, Vec<usize>)> = None;
        for (index, (layer, output)) in network.layers().iter().zip(&self.outputs).enumerate() {
            let derivative = |row: usize| layer.activation.derivative_from_output(output[row]);
            let observed = |row: usize| index < last || !observation[row].is_nan();
            let rows: Vec<usize> = (0..layer.units()).filter(|&row| observed(row) && derivative(row) != 0.0).collect();
            if rows.is_empty() {
                return None;
            }
            let mut jacobian = match map {
                None => layer.weight.select_rows(&rows),
                Some((inner, columns)) => submatrix(&layer.weight, &rows, &columns) * inner,
            };
            for mut column in jacobian.column_iter_mut() {
                column.iter_mut().zip(&rows).for_each(|(entry, &row)| *entry *= derivative(row));
            }
            map = Some((jacobian, rows));
        }
        let (jacobian, rows) = map?;
        let made = self.observation_made();
        let residual = DVector::from_iterator(rows.len(), rows.iter().map(|&row| made[row] - observation[row]));
        Some((jacobian, residual))
    }
}

/// `output = σ(W input + b)`, adding up the columns of `W`, which lie contiguous; inputs that are 0 cost nothing.
fn run_layer(layer: &Layer, input: &[f64], output: &mut [f64]) {
    output.copy_from_slice(layer.bias.as_slice());
    for (&a, column) in input.iter().zip(layer.weight.as_slice().chunks(layer.units())) {
        if a != 0.0 {
            output.iter_mut().zip(column).for_each(|(sum, w)| *sum += a * w);
        }
    }
    output.iter_mut().for_each(|entry| *entry = layer.activation.apply(*entry));
}

/// `weight[rows, columns]`, both ascending.
fn submatrix(weight: &DMatrix<f64>, rows: &[usize], columns: &[usize]) -> DMatrix<f64> {
    if (rows.len(), columns.len()) == weight.shape() {
        return weight.clone();
    }
    let units = weight.nrows();
    let mut entries = Vec::with_capacity(rows.len() * columns.len());
    for &column in columns {
        let source = &weight.as_slice()[column * units..(column + 1) * units];
        entries.extend(rows.iter().map(|&row| source[row]));
    }
    DMatrix::from_vec(rows.len(), columns.len(), entries)
}
