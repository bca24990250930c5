//! Targets: what a layer has to reproduce, with its output activation already inverted where it is
//! a bijection.
//!
//! `identity`, `sigmoid` and `tanh` become LeakyReLU rows with slope 1 on the pre-activation. A
//! saturated output (a logit of ±∞) says only on which side of a bound the pre-activation lies; it
//! is kept as `±∞` and becomes a one-sided row.

use nalgebra::DMatrix;

use crate::formats::npy::ElementType;
use crate::network::Activation;

/// How the observations were stored: decides how exact they can be and where they saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Precision {
    /// 8-bit: 256 steps over the range of the outputs.
    U8,
    /// Single precision.
    F32,
    /// Double precision.
    #[default]
    F64,
}

impl From<ElementType> for Precision {
    fn from(stored_as: ElementType) -> Self {
        match stored_as {
            ElementType::U8 => Precision::U8,
            ElementType::F32 => Precision::F32,
            // The error of f16 numbers is between those of f32 numbers and of bytes.
            ElementType::F16 => Precision::U8,
            // Integers are exact.
            _ => Precision::F64,
        }
    }
}

impl Precision {
    /// `τ / max|t|`: entries below it count as zero in `exact`, and equations may miss by it.
    pub fn relative_tolerance(self) -> f64 {
        match self {
            Precision::F64 => 1e-9,
            // The error of 8-bit data is its quantum, not this value. `exact` does not suit such
            // data, and its answer shows this.
            Precision::F32 | Precision::U8 => 1e-5,
        }
    }

    /// Half the distance from 1 (or 0) to the next value of this type near 1: the error that a
    /// saturated output may hide.
    fn half_quantum(self) -> f64 {
        match self {
            Precision::U8 => 0.5 / 255.0,
            Precision::F32 => f64::from(f32::EPSILON) / 4.0,
            Precision::F64 => f64::EPSILON / 4.0,
        }
    }
}

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
            Activation::Identity | Activation::Sigmoid | Activation::Tanh => Shape::Leaky(1.0),
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

/// The targets of one layer for a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Units × count; `NaN` where unobserved, `±∞` where saturated.
    pub values: DMatrix<f64>,
    /// What `±∞` means.
    pub saturation: Saturation,
    /// How many entries of each column are saturated.
    pub saturated: Vec<usize>,
    /// `1/σ′` at each target, units × count, where a sigmoid or tanh was undone: by how much that
    /// magnified rounding errors.
    pub sensitivity: Option<DMatrix<f64>>,
}

impl Targets {
    /// The last layer's targets: the observations (`n` × count, finite or `NaN`) with a bijective
    /// output inverted.
    pub fn from_observations(observations: &DMatrix<f64>, activation: Activation, precision: Precision) -> Self {
        let quantum = precision.half_quantum();
        let (undo, saturation): (fn(f64) -> f64, Saturation) = match activation {
            Activation::Sigmoid => (logit, Saturation { low: logit(quantum), high: -logit(quantum) }),
            // Near ±1, the steps of tanh are twice as large as those of the sigmoid near 1, because
            // its range is twice as large.
            Activation::Tanh => {
                // Bytes span −1 to 1 here, so their steps are twice as large too.
                let quantum = if precision == Precision::U8 { 2.0 * quantum } else { quantum };
                (inverse_tanh, Saturation { low: -(1.0 - quantum).atanh(), high: (1.0 - quantum).atanh() })
            }
            _ => (|x| x, Saturation { low: f64::NEG_INFINITY, high: f64::INFINITY }),
        };
        let values = observations.map(undo);
        let saturated = values.column_iter().map(|column| column.iter().filter(|t| t.is_infinite()).count()).collect();
        let sensitivity = matches!(activation, Activation::Sigmoid | Activation::Tanh)
            .then(|| values.map(|t| 1.0 / activation.derivative(t)));
        Targets { values, saturation, saturated, sensitivity }
    }

    /// Targets of an inner layer: recovered hidden vectors (units × count), `NaN` where they were
    /// not determined.
    pub fn from_hidden(values: DMatrix<f64>) -> Self {
        let saturated = vec![0; values.ncols()];
        let saturation = Saturation { low: f64::NEG_INFINITY, high: f64::INFINITY };
        Targets { values, saturation, saturated, sensitivity: None }
    }

    /// One observation's target.
    pub fn column(&self, index: usize) -> Target<'_> {
        let units = self.values.nrows();
        let range = index * units..(index + 1) * units;
        let sensitivity = self.sensitivity.as_ref().map(|sensitivity| &sensitivity.as_slice()[range.clone()]);
        Target { values: &self.values.as_slice()[range], saturation: self.saturation, sensitivity }
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

fn inverse_tanh(x: f64) -> f64 {
    if x <= -1.0 {
        f64::NEG_INFINITY
    } else if x >= 1.0 {
        f64::INFINITY
    } else {
        x.atanh()
    }
}

/// One observation's target at one layer.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// One entry per unit: finite, `NaN` where unobserved, `±∞` where saturated.
    pub values: &'a [f64],
    /// What `±∞` means.
    pub saturation: Saturation,
    /// `1/σ′` at each entry, where a sigmoid or tanh was inverted.
    pub sensitivity: Option<&'a [f64]>,
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
