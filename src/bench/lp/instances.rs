//! The measured layers, and the linear programs of noisy observations of them.
//!
//! A random layer has entries N(0, 1/rows). Its input is from N(0, I), clipped at 0 where `z ≥ 0`
//! holds. The trained layer is the last one of the bundled generator, with the hidden values of
//! random codes as inputs. Targets are its outputs with noise from U(−0.01, 0.01), or without noise
//! (*clean*: more tight rows than unknowns, so highly degenerate). The tolerance ε is 0.01. The
//! library's own formulations create rows and objectives.

use std::fmt;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use serde::Serialize;

use crate::cpu::classify::classify;
use crate::error::{Error, Result};
use crate::formats::network_file::bundled_generator;
use crate::lp::formulation::rows::{Masks, second_threshold, violation_rows};
use crate::lp::formulation::target::{Shape, Targets};
use crate::lp::formulation::{LayerwiseMethod, RowRule, exact, relaxed};
use crate::lp::problem::{LayerSystem, Objective, Problem};
use crate::network::Activation;
use crate::random::{Domain, Noise, normal_vector};

/// Amplitude of the noise.
pub const NOISE: f64 = 0.01;
/// The tolerance `ε`.
pub const EPSILON: f64 = 0.01;
/// Seeds of weights, inputs and noise.
const SEEDS: [u64; 3] = [1, 2, 3];

/// The origin of a layer's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Weights {
    /// Random entries, N(0, 1/rows).
    Random,
    /// The last layer of the bundled generator.
    Trained,
}

/// A layer to measure, and the noise on its targets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Number of units.
    pub rows: usize,
    /// Number of entries of `z`.
    pub columns: usize,
    /// Whether `z ≥ 0`.
    pub nonnegative: bool,
    /// The origin of the weights.
    pub weights: Weights,
    /// The activation: ReLU or LeakyReLU.
    pub activation: Activation,
    /// Amplitude of the noise, 0 or `NOISE`.
    pub noise: f64,
}

impl fmt::Display for Case {
    /// `500x100 random`, `500x100 random leaky`, `784x60 trained clean`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {}", self.rows, self.columns, self.weights)?;
        if self.activation != Activation::Relu {
            f.write_str(" leaky")?;
        }
        f.write_str(if self.noise == 0.0 { " clean" } else { "" })
    }
}

impl Case {
    /// The methods whose programs are measured. Without noise, this includes `exact`, by its
    /// feasibility problem. The objectives of the others are then all 0 or near it, and `linf`
    /// represents them.
    pub fn methods(&self) -> &'static [LayerwiseMethod] {
        if self.noise == 0.0 {
            &[LayerwiseMethod::Linf, LayerwiseMethod::Exact]
        } else {
            &[LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed]
        }
    }
}

const fn random(rows: usize, columns: usize, nonnegative: bool) -> Case {
    let (weights, activation) = (Weights::Random, Activation::Relu);
    Case { rows, columns, nonnegative, weights, activation, noise: NOISE }
}

/// The cases, in the order of the table's lines.
pub const CASES: [Case; 9] = [
    random(500, 100, true),
    random(784, 60, true),
    TRAINED,
    random(100, 20, false),
    random(600, 250, true),
    random(2000, 200, true),
    // After a LeakyReLU layer, `z` has no sign constraint.
    Case { activation: Activation::LeakyRelu(0.1), ..random(500, 100, false) },
    Case { noise: 0.0, ..random(500, 100, true) },
    Case { noise: 0.0, ..TRAINED },
];
const TRAINED: Case = Case { weights: Weights::Trained, ..random(784, 60, true) };

/// A layer with a batch of targets.
pub struct Instances {
    /// The layer.
    pub system: LayerSystem,
    /// One target per column.
    targets: Targets,
    shape: Shape,
}

impl Instances {
    /// Creates the layer of `case` with `count` targets; a smaller count gives the first of these.
    ///
    /// # Errors
    /// [`Error::BadOption`] for a trained layer that is not the bundled one.
    pub fn new(case: Case, count: usize) -> Result<Self> {
        let (weight, bias, inputs) = match case.weights {
            Weights::Random => random_layer(case, count),
            Weights::Trained => trained_layer(case, count)?,
        };
        let mut targets = &weight * inputs;
        for (index, mut column) in targets.column_iter_mut().enumerate() {
            column += &bias;
            column.apply(|a| *a = case.activation.apply(*a));
            if case.noise > 0.0 {
                Noise::Uniform(case.noise).apply(SEEDS[2], index as u64, column.as_mut_slice());
            }
        }
        Ok(Instances {
            system: LayerSystem::new(weight, bias, case.nonnegative),
            targets: Targets::from_hidden(targets),
            shape: Shape::of(case.activation),
        })
    }

    /// The linear program of each target at [`EPSILON`]; for `exact`, the feasibility problem.
    pub fn problems(&self, method: LayerwiseMethod) -> Vec<Problem> {
        let masks = self.masks(method);
        let problem = |index: usize| {
            let target = self.targets.column(index);
            let violations = |objective| Problem {
                rows: violation_rows(&self.system, self.shape, RowRule::Corrected, target, &masks, index),
                objective,
            };
            match method {
                LayerwiseMethod::Linf => violations(Objective::LargestViolation),
                LayerwiseMethod::L1 => violations(Objective::SumOfViolations),
                LayerwiseMethod::Relaxed => {
                    let weighted = |unit| masks.above.is_active(index, unit);
                    relaxed::problem((&self.system, self.shape), target, (weighted, 0.0), EPSILON)
                }
                LayerwiseMethod::Exact => {
                    exact::feasibility(&self.system, self.shape, target, |unit| masks.above.is_active(index, unit))
                }
            }
        };
        (0..self.targets.values.ncols()).into_par_iter().map(problem).collect()
    }

    /// The entries above the method's thresholds.
    fn masks(&self, method: LayerwiseMethod) -> Masks {
        let count = self.targets.values.ncols();
        let thresholds: Vec<f64> = match method {
            LayerwiseMethod::Linf | LayerwiseMethod::L1 => vec![EPSILON; count],
            LayerwiseMethod::Relaxed => vec![0.0; count],
            LayerwiseMethod::Exact => {
                (0..count).map(|i| exact::tolerance(&self.system, self.targets.column(i))).collect()
            }
        };
        let second = second_threshold(self.shape, RowRule::Corrected, EPSILON);
        Masks {
            above: classify(&self.targets.values, &thresholds),
            above_second: second.map(|threshold| classify(&self.targets.values, &vec![threshold; count])),
        }
    }
}

/// Weight, bias and inputs.
type LayerParts = (DMatrix<f64>, DVector<f64>, DMatrix<f64>);

fn random_layer(case: Case, count: usize) -> LayerParts {
    let Case { rows, columns, nonnegative, .. } = case;
    let scale = 1.0 / (rows as f64).sqrt();
    let weight = DMatrix::from_vec(rows, columns, normal_vector(SEEDS[0], Domain::Network, 0, rows * columns)) * scale;
    let mut inputs = codes(columns, count);
    if nonnegative {
        inputs.iter_mut().for_each(|z| *z = z.max(0.0));
    }
    (weight, DVector::zeros(rows), inputs)
}

fn trained_layer(case: Case, count: usize) -> Result<LayerParts> {
    let network = bundled_generator()?;
    match network.layers() {
        [hidden, output] if (output.units(), output.inputs()) == (case.rows, case.columns) && case.nonnegative => {
            let mut inputs = hidden.weight() * codes(hidden.inputs(), count);
            for mut column in inputs.column_iter_mut() {
                column += &hidden.bias;
                column.iter_mut().for_each(|a| *a = hidden.activation.apply(*a));
            }
            Ok((output.weight().clone(), output.bias.clone(), inputs))
        }
        _ => {
            Err(Error::option("the size of a trained layer", case.to_string(), "784x60 with z ≥ 0, as the bundled one"))
        }
    }
}

/// `count` codes N(0, I), one per column.
fn codes(length: usize, count: usize) -> DMatrix<f64> {
    let entries = (0..count as u64).flat_map(|index| normal_vector(SEEDS[1], Domain::Code, index, length));
    DMatrix::from_iterator(length, count, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_do_not_depend_on_how_many_there_are() {
        for case in [CASES[2], CASES[3], CASES[6], CASES[8]] {
            let (few, many) = (Instances::new(case, 2).unwrap(), Instances::new(case, 5).unwrap());
            assert_eq!(few.targets.values, many.targets.values.columns(0, 2));
            for &method in case.methods() {
                assert_eq!(few.problems(method)[..], many.problems(method)[..2]);
            }
        }
    }

    #[test]
    fn a_trained_layer_of_another_size_is_refused() {
        let case = Case { rows: 10, ..TRAINED };
        assert!(Instances::new(case, 1).is_err_and(|error| error.is_usage()));
    }
}
