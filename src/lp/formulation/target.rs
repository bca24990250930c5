//! Targets: what a layer has to reproduce, with its output activation already inverted where it is
//! a bijection.
//!
//! `identity`, `sigmoid` and `tanh` become LeakyReLU rows with slope 1 on the pre-activation. A
//! saturated output (a logit of ±∞) says only on which side of a bound the pre-activation lies; it
//! is kept as `±∞` and becomes a one-sided row.

use nalgebra::DMatrix;

use crate::network::Activation;
use crate::precision::{Precision, size};

/// The activation of a layer after its bijective part is inverted: `max(a, c·a)` with `c = 0` for
/// ReLU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// ReLU.
    Relu,
    /// LeakyReLU with this slope; 1 for a layer that is linear after the inversion.
    Leaky(f64),
}

impl Shape {
    /// The shape of a layer with this activation.
    pub fn of(activation: Activation) -> Self {
        match activation {
            Activation::Relu => Shape::Relu,
            Activation::LeakyRelu(slope) => Shape::Leaky(slope),
            // Sigmoid and tanh are undone before. Networks with others do not get here.
            _ => Shape::Leaky(1.0),
        }
    }

    /// `φ⁻¹(t)`, or `t` where ReLU has none.
    pub fn undo(self, t: f64) -> f64 {
        match self {
            Shape::Leaky(slope) if t < 0.0 => t / slope,
            _ => t,
        }
    }

    /// The last step of `φ`, entry by entry.
    pub fn apply(self, a: f64) -> f64 {
        match self {
            Shape::Relu => a.max(0.0),
            Shape::Leaky(slope) => {
                if a > 0.0 {
                    a
                } else {
                    slope * a
                }
            }
        }
    }
}

/// Where a saturated pre-activation begins: `a ≤ low` for a target of `−∞`, `a ≥ high` for `+∞`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saturation {
    /// Upper bound of a pre-activation whose output is the lower limit of the activation.
    pub low: f64,
    /// Lower bound of a pre-activation whose output is the upper limit of the activation.
    pub high: f64,
}

impl Saturation {
    /// Where the output of this activation saturates.
    fn of(activation: Activation, precision: Precision) -> Self {
        let quantum = precision.half_quantum();
        match activation {
            Activation::Sigmoid => Saturation { low: logit(quantum), high: -logit(quantum) },
            // Near ±1, the steps of tanh are twice as large as those of the sigmoid near 1, because
            // its range is twice as large.
            Activation::Tanh => {
                let high = inverse_tanh_below(quantum);
                Saturation { low: -high, high }
            }
            _ => Saturation::NONE,
        }
    }

    /// No output saturates.
    const NONE: Saturation = Saturation { low: f64::NEG_INFINITY, high: f64::INFINITY };
}

/// How exact a target is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// The precision of the observation that the target comes from.
    pub precision: Precision,
    /// The largest rounding error of an entry of that observation; 0 for an inner layer's target.
    pub rounding: f64,
}

impl Accuracy {
    /// That of an observation, from its numbers; `stored_as` is the precision of their array.
    pub fn of(observation: &[f64], stored_as: Precision) -> Self {
        let precision = stored_as.of(observation);
        Accuracy { precision, rounding: precision.largest_rounding(observation) }
    }

    /// That of an inner layer's target, for an observation of this precision.
    pub fn of_hidden(precision: Precision) -> Self {
        Accuracy { precision, rounding: 0.0 }
    }
}

/// The targets of one layer for a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Units × count; `NaN` where unobserved, `±∞` where saturated.
    pub values: DMatrix<f64>,
    /// What `±∞` means in each column.
    pub saturation: Vec<Saturation>,
    /// How exact each column is.
    pub accuracy: Vec<Accuracy>,
    /// How many entries of each column are saturated.
    pub saturated: Vec<usize>,
    /// `1/σ′` at each target, units × count, where a sigmoid or tanh was undone: by how much that
    /// magnified rounding errors.
    pub sensitivity: Option<DMatrix<f64>>,
    /// For an inner layer, by how much each entry may be wrong; infinite where nothing is known.
    /// `None` where that is not known of any entry.
    pub errors: Option<DMatrix<f64>>,
    /// For an inner layer, the spread of each entry (`spread`), where the rows follow it.
    pub spread: Option<DMatrix<f64>>,
    /// For an inner layer, ε₀ of each column; empty where the options say it.
    pub epsilon: Vec<f64>,
}

impl Targets {
    /// The last layer's targets: the observations (`n` × count, finite or `NaN`) with a bijective
    /// output inverted. `stored_as`: the precision of their array.
    pub fn from_observations(observations: &DMatrix<f64>, activation: Activation, stored_as: Precision) -> Self {
        let undo: fn(f64) -> f64 = match activation {
            Activation::Sigmoid => logit,
            Activation::Tanh => inverse_tanh,
            _ => |x| x,
        };
        let columns = observations.column_iter();
        let accuracy: Vec<Accuracy> = columns.map(|column| Accuracy::of(column.as_slice(), stored_as)).collect();
        let saturation = accuracy.iter().map(|accuracy| Saturation::of(activation, accuracy.precision)).collect();
        let values = observations.map(undo);
        let saturated = values.column_iter().map(|column| column.iter().filter(|t| t.is_infinite()).count()).collect();
        let sensitivity = match activation {
            // From `1 ∓ x`, which are exact near ±1, where σ(t) rounds to ±1. Infinite where
            // saturated.
            Activation::Tanh => Some(observations.map(|x| 1.0 / ((1.0 - x) * (1.0 + x)).max(0.0))),
            Activation::Sigmoid => Some(observations.map(|x| 1.0 / (x * (1.0 - x)).max(0.0))),
            _ => None,
        };
        Targets {
            values,
            saturation,
            accuracy,
            saturated,
            sensitivity,
            errors: None,
            spread: None,
            epsilon: Vec::new(),
        }
    }

    /// Targets of an inner layer: recovered hidden vectors (units × count), `NaN` where they were
    /// not determined. The observations are f64.
    pub fn from_hidden(values: DMatrix<f64>) -> Self {
        let saturated = vec![0; values.ncols()];
        let accuracy = vec![Accuracy::of_hidden(Precision::F64); values.ncols()];
        let saturation = vec![Saturation::NONE; values.ncols()];
        Targets {
            values,
            saturation,
            accuracy,
            saturated,
            sensitivity: None,
            errors: None,
            spread: None,
            epsilon: Vec::new(),
        }
    }

    /// The same targets of an inner layer, each entry with the error that it may have.
    ///
    /// # Panics
    /// If there is not one error per entry.
    pub fn with_errors(mut self, errors: DMatrix<f64>) -> Self {
        assert_eq!(errors.shape(), self.values.shape(), "one error per entry");
        self.errors = Some(errors);
        self
    }

    /// The same targets of an inner layer, for observations of these precisions, one per column.
    pub fn of_precisions(mut self, precisions: impl IntoIterator<Item = Precision>) -> Self {
        for (accuracy, precision) in self.accuracy.iter_mut().zip(precisions) {
            *accuracy = Accuracy::of_hidden(precision);
        }
        self
    }

    /// The targets of these columns.
    pub fn select(&self, columns: &[usize]) -> Self {
        let of = |values: &DMatrix<f64>| values.select_columns(columns);
        Targets {
            values: of(&self.values),
            saturation: columns.iter().map(|&column| self.saturation[column]).collect(),
            accuracy: columns.iter().map(|&column| self.accuracy[column]).collect(),
            saturated: columns.iter().map(|&column| self.saturated[column]).collect(),
            sensitivity: self.sensitivity.as_ref().map(of),
            errors: self.errors.as_ref().map(of),
            spread: self.spread.as_ref().map(of),
            epsilon: columns.iter().filter_map(|&column| self.epsilon.get(column).copied()).collect(),
        }
    }

    /// One observation's target.
    pub fn column(&self, index: usize) -> Target<'_> {
        let units = self.values.nrows();
        let range = index * units..(index + 1) * units;
        let sensitivity = self.sensitivity.as_ref().map(|sensitivity| &sensitivity.as_slice()[range.clone()]);
        let errors = self.errors.as_ref().map(|errors| &errors.as_slice()[range.clone()]);
        let (saturation, accuracy) = (self.saturation[index], self.accuracy[index]);
        let epsilon = self.epsilon.get(index).copied();
        Target { values: &self.values.as_slice()[range], saturation, accuracy, sensitivity, errors, epsilon }
    }
}

/// `ln(x / (1 − x))`; a value that noise has moved out of the unit interval counts as saturated.
fn logit(x: f64) -> f64 {
    if x <= 0.0 {
        f64::NEG_INFINITY
    } else if x >= 1.0 {
        f64::INFINITY
    } else {
        (x / (1.0 - x)).ln()
    }
}

/// `atanh x`; a value that noise has moved out of `(−1, 1)` counts as saturated.
fn inverse_tanh(x: f64) -> f64 {
    if x <= -1.0 {
        f64::NEG_INFINITY
    } else if x >= 1.0 {
        f64::INFINITY
    } else if x.abs() > 0.5 {
        // The difference is exact here.
        inverse_tanh_below(1.0 - x.abs()).copysign(x)
    } else {
        x.atanh()
    }
}

/// `atanh(1 − q)` for `0 < q < 1`, as `½ (ln(2 − q) − ln q)`. This keeps its digits for a small
/// `q`, where `1 − q` rounds to 1.
fn inverse_tanh_below(q: f64) -> f64 {
    0.5 * ((2.0 - q).ln() - q.ln())
}

/// One observation's target at one layer.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// One entry per unit: finite, `NaN` where unobserved, `±∞` where saturated.
    pub values: &'a [f64],
    /// What `±∞` means.
    pub saturation: Saturation,
    /// How exact the entries are.
    pub accuracy: Accuracy,
    /// `1/σ′` at each entry, where a sigmoid or tanh was inverted.
    pub sensitivity: Option<&'a [f64]>,
    /// By how much each entry may be wrong, where that is known.
    pub errors: Option<&'a [f64]>,
    /// ε₀, where it is not what the options say.
    pub epsilon: Option<f64>,
}

impl Target<'_> {
    /// The factor that converts a tolerance on the layer's output to one on the pre-activation of
    /// `unit`: `1/σ′`, or `1/c` below zero.
    pub fn slack(&self, shape: Shape, unit: usize) -> f64 {
        match (self.sensitivity, shape) {
            (Some(sensitivity), _) if sensitivity[unit].is_finite() => sensitivity[unit],
            (None, Shape::Leaky(slope)) if self.values[unit] < 0.0 => 1.0 / slope,
            _ => 1.0,
        }
    }

    /// The finite entries.
    pub fn finite(&self) -> impl Iterator<Item = f64> {
        self.values.iter().copied().filter(|t| t.is_finite())
    }

    /// `max |t|` over finite entries, 0 where there is none.
    pub fn largest(&self) -> f64 {
        self.finite().fold(0.0, |most, t| most.max(t.abs()))
    }

    /// The size from which the default ε₀ of this layer follows; see [`size`]. Sigmoid and tanh
    /// have a size of their own, 1.
    pub fn size(&self, bias: &[f64], weight: &DMatrix<f64>) -> f64 {
        if self.sensitivity.is_some() { 1.0 } else { size(self.values, bias, weight) }
    }

    /// The bound that a saturated entry stands for; other entries are returned unchanged.
    pub fn bounded(&self, t: f64) -> f64 {
        match t {
            f64::NEG_INFINITY => self.saturation.low,
            f64::INFINITY => self.saturation.high,
            finite => finite,
        }
    }

    /// `‖φ(z) − t‖₁` in the units of the (inverted) targets, from the pre-activations `w_u·z +
    /// b_u`. Unobserved entries are left out. A saturated entry counts by its distance beyond its
    /// bound.
    pub fn loss(&self, shape: Shape, pre_activation: impl Fn(usize) -> f64) -> f64 {
        let entry = |(unit, &t): (usize, &f64)| {
            if t.is_nan() {
                0.0
            } else if t == f64::NEG_INFINITY {
                (pre_activation(unit) - self.saturation.low).max(0.0)
            } else if t == f64::INFINITY {
                (self.saturation.high - pre_activation(unit)).max(0.0)
            } else {
                (shape.apply(pre_activation(unit)) - t).abs()
            }
        };
        self.values.iter().enumerate().map(entry).sum()
    }
}
