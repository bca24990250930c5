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
                // With `dim=1` of PyTorch, the vectors belong to the transposed weight.
                let transposed = self.chance.happens(0.3);
                let seen = if transposed { transpose(&stored) } else { stored.clone() };
                let (left, right) = self.power_iteration(&seen);
                self.checkpoint.tensors.add(format!("{name}.{w}"), &[units, inputs], &flat);
                self.checkpoint.tensors.add(format!("{name}.{u}"), &[left.len()], &left);
                self.checkpoint.tensors.add(format!("{name}.{v}"), &[right.len()], &right);
                let sigma = dot(&left, &times(&seen, &right));
                stored.iter().map(|row| row.iter().map(|entry| entry / sigma).collect()).collect()
            }
            2 => {
                let mask: Vec<f64> = flat.iter().map(|_| f64::from(self.chance.happens(0.7))).collect();
                self.checkpoint.tensors.add(format!("{name}.weight_orig"), &[units, inputs], &flat);
                self.checkpoint.tensors.add(format!("{name}.weight_mask"), &[units, inputs], &mask);
                rows(&flat.iter().zip(&mask).map(|(w, mask)| w * mask).collect::<Vec<_>>(), inputs)
            }
            _ => {
                self.checkpoint.tensors.add(format!("{name}.weight"), &[units, inputs], &flat);
                stored
            }
        }
    }

    /// The vectors `u` and `v` of a power iteration. Those of a square weight do not fit its
    /// transpose as well.
    fn power_iteration(&mut self, weight: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        loop {
            let right = unit(self.chance.numbers(weight[0].len(), -1.0, 1.0));
            let left = unit(times(weight, &right));
            // `v` may also be the last.
            let right = if self.chance.happens(0.5) { unit(times(&transpose(weight), &left)) } else { right };
            let is_square = weight.len() == right.len();
            let turned = transpose(weight);
            let fits_turned = |a: &[f64], b: &[f64]| dot(a, &unit(times(&turned, b)));
            let turned_back = |a: &[f64], b: &[f64]| dot(b, &unit(times(weight, a)));
            if !is_square || left.len() == 1 || fits_turned(&left, &right).max(turned_back(&left, &right)) < 0.8 {
                return (left, right);
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

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn unit(vector: Vec<f64>) -> Vec<f64> {
    let length = dot(&vector, &vector).sqrt();
    vector.iter().map(|entry| entry / length).collect()
}

fn times(weight: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    weight.iter().map(|row| dot(row, vector)).collect()
}

fn transpose(weight: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..weight[0].len()).map(|column| weight.iter().map(|row| row[column]).collect()).collect()
}
