//! The modules of a random model: their tensors, and the steps that they compute.

use super::{Builder, rows};
use crate::model::Step;

impl Builder {
    pub(super) fn linear(&mut self, name: &str, inputs: usize, units: usize) {
        let weight = self.chance.numbers(inputs * units, -1.0, 1.0);
        let weight = self.stored(name, rows(&weight, inputs));
        let bias = if self.chance.happens(0.8) { self.chance.numbers(units, -0.5, 0.5) } else { vec![] };
        if !bias.is_empty() {
            self.checkpoint.tensors.add(format!("{name}.bias"), &[units], &bias);
        }
        let bias = if bias.is_empty() { vec![0.0; units] } else { bias };
        self.checkpoint.steps.push(Step::Linear { weight, bias });
        self.checkpoint.linears.push(name.to_owned());
        self.listing.push(name.to_owned());
    }

    /// Stores a weight, perhaps in parts, and returns the weight that the model uses.
    fn stored(&mut self, name: &str, stored: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let (units, inputs) = (stored.len(), stored[0].len());
        let flat: Vec<f64> = stored.iter().flatten().copied().collect();
        let new_names = self.chance.happens(0.5);
        match self.chance.below(8) {
            0 => {
                let (g, v) = match new_names {
                    true => ("parametrizations.weight.original0", "parametrizations.weight.original1"),
                    false => ("weight_g", "weight_v"),
                };
                let kind = self.chance.below(3);
                let (shape, count) = [(vec![units, 1], units), (vec![1, inputs], inputs), (vec![], 1)][kind].clone();
                let magnitude = self.chance.numbers(count, 0.5, 2.0);
                self.checkpoint.tensors.add(format!("{name}.{g}"), &shape, &magnitude);
                self.checkpoint.tensors.add(format!("{name}.{v}"), &[units, inputs], &flat);
                let norm = |row: usize, column: usize| {
                    let mut sum = 0.0;
                    for (i, other) in stored.iter().enumerate() {
                        for (j, entry) in other.iter().enumerate() {
                            let counts = [i == row, j == column, true][kind];
                            sum += if counts { entry * entry } else { 0.0 };
                        }
                    }
                    sum.sqrt()
                };
                let size = |row: usize, column: usize| magnitude[[row, column, 0][kind]];
                (0..units).map(|i| (0..inputs).map(|j| size(i, j) * stored[i][j] / norm(i, j)).collect()).collect()
            }
            1 => {
                let [w, u, v] = match new_names {
                    true => ["original", "0._u", "0._v"].map(|part| format!("parametrizations.weight.{part}")),
                    false => ["orig", "u", "v"].map(|part| format!("weight_{part}")),
                };
                let (left, right) = (self.chance.numbers(units, 0.2, 1.0), self.chance.numbers(inputs, -1.0, 1.0));
                self.checkpoint.tensors.add(format!("{name}.{w}"), &[units, inputs], &flat);
                self.checkpoint.tensors.add(format!("{name}.{u}"), &[units], &left);
                self.checkpoint.tensors.add(format!("{name}.{v}"), &[inputs], &right);
                let mut sigma = 0.0;
                for i in 0..units {
                    for j in 0..inputs {
                        sigma += left[i] * stored[i][j] * right[j];
                    }
                }
                stored.iter().map(|row| row.iter().map(|entry| entry / sigma).collect()).collect()
            }
            _ => {
                self.checkpoint.tensors.add(format!("{name}.weight"), &[units, inputs], &flat);
                stored
            }
        }
    }

    pub(super) fn norm(&mut self, name: &str, features: usize) {
        let (mean, variance) = (self.chance.numbers(features, -1.0, 1.0), self.chance.numbers(features, 0.3, 2.0));
        let tensors = &mut self.checkpoint.tensors;
        tensors.add(format!("{name}.running_mean"), &[features], &mean);
        tensors.add(format!("{name}.running_var"), &[features], &variance);
        tensors.count(format!("{name}.num_batches_tracked"), 10);
        let (mut scale, mut shift) = (vec![1.0; features], vec![0.0; features]);
        if self.chance.happens(0.8) {
            (scale, shift) = (self.chance.numbers(features, 0.3, 2.0), self.chance.numbers(features, -1.0, 1.0));
            self.checkpoint.tensors.add(format!("{name}.weight"), &[features], &scale);
            self.checkpoint.tensors.add(format!("{name}.bias"), &[features], &shift);
        }
        let epsilon = self.epsilon;
        self.checkpoint.epsilon = Some(epsilon);
        self.checkpoint.steps.push(Step::BatchNorm { mean, variance, scale, shift, epsilon });
        self.listing.push(name.to_owned());
    }

    pub(super) fn layer_norm(&mut self, name: &str, features: usize) {
        let (scale, shift) = (self.chance.numbers(features, 0.3, 2.0), self.chance.numbers(features, -1.0, 1.0));
        self.checkpoint.tensors.add(format!("{name}.weight"), &[features], &scale);
        self.checkpoint.tensors.add(format!("{name}.bias"), &[features], &shift);
        self.checkpoint.steps.push(Step::LayerNorm { scale, shift });
        self.checkpoint.culprits.push(name.to_owned());
    }
}
