//! The precision of an observation: how far its numbers may be from the numbers that they stand
//! for.
//!
//! The type of a file says little. Outputs that were computed in f32 are often saved as f64, and
//! pixels of 8 bits are saved as anything. So the numbers decide, each observation for itself
//! ([`Precision::of`]):
//!
//! - All observed entries are `k/255` or `k/127.5 − 1`: 8-bit pixels.
//! - All are exactly an f16 or an f32: numbers of that type.
//! - Otherwise, and where fewer than 16 distinct entries speak, the type of the file or array.
//!
//! Integers up to 2048 say nothing, because every type has them. An f64 that stands for a real
//! number is an f32 by chance with a probability of `2⁻²⁹`. So 16 distinct ones are no chance.
//!
//! **Rounding.** An entry `x` stands for every number that the type rounds to `x`. For a type with
//! the unit roundoff `u` these are within `u |x|`, for pixels within half a step: `1/510` for
//! `k/255`, `1/255` for `k/127.5 − 1`. The bound does not include the errors of the arithmetic that
//! computed the outputs. In f32 these are some units more, so tests of outputs allow 16 `u`.

use nalgebra::DMatrix;

use crate::formats::npy::ElementType;
use crate::network::{Activation, Network};

/// The number of distinct entries, other than small integers, from which they decide.
const ENOUGH: usize = 16;
/// Every type has the integers up to this one, so they may be exact counts.
const COUNTABLE: f64 = 2048.0;

/// The precision of the numbers of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Precision {
    /// 8-bit pixels `k/255`.
    U8,
    /// 8-bit pixels `k/127.5 − 1`.
    CentredU8,
    /// Half precision.
    F16,
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
            ElementType::F16 => Precision::F16,
            ElementType::F32 => Precision::F32,
            // Other integers are exact.
            _ => Precision::F64,
        }
    }
}

impl Precision {
    /// The precision of these numbers, which are stored with precision `self`; `NaN` where
    /// unobserved. It depends on nothing else, and not on the order of the numbers.
    #[must_use]
    pub fn of(self, observation: &[f64]) -> Self {
        let mut kinds = Kinds::ALL;
        let mut seen = Vec::with_capacity(ENOUGH);
        for &x in observation.iter().filter(|x| !x.is_nan()) {
            kinds.narrow(x);
            if kinds.is_none() {
                return self;
            }
            let speaks = x.fract() != 0.0 || x.abs() > COUNTABLE;
            if seen.len() < ENOUGH && speaks && !seen.contains(&x) {
                seen.push(x);
            }
        }
        let has_negative = || observation.iter().any(|x| *x < 0.0);
        match self {
            // Nothing is coarser than pixels, and their file has no other numbers.
            Precision::U8 if kinds.centred && has_negative() => Precision::CentredU8,
            Precision::U8 | Precision::CentredU8 => self,
            _ if seen.len() < ENOUGH => self,
            _ if kinds.pixels => Precision::U8,
            _ if kinds.centred && has_negative() => Precision::CentredU8,
            _ if kinds.half => Precision::F16,
            Precision::F64 if kinds.single => Precision::F32,
            _ => self,
        }
    }

    /// The largest error of an entry `x` that was rounded to this precision.
    #[must_use]
    pub fn rounding(self, x: f64) -> f64 {
        match self {
            Precision::U8 => 0.5 / 255.0,
            Precision::CentredU8 => 1.0 / 255.0,
            // Below the normal numbers the distance of neighbours is constant.
            Precision::F16 => (self.roundoff() * x.abs()).max(2f64.powi(-25)),
            Precision::F32 => (self.roundoff() * x.abs()).max(2f64.powi(-150)),
            Precision::F64 => self.roundoff() * x.abs(),
        }
    }

    /// The largest of these errors over the observed entries.
    pub(crate) fn largest_rounding(self, observation: &[f64]) -> f64 {
        let errors = observation.iter().filter(|x| x.is_finite() && **x != 0.0).map(|x| self.rounding(*x));
        errors.fold(0.0, f64::max)
    }

    /// The unit roundoff; for pixels, half a step of the range.
    fn roundoff(self) -> f64 {
        match self {
            Precision::U8 => 0.5 / 255.0,
            Precision::CentredU8 => 1.0 / 255.0,
            Precision::F16 => 2f64.powi(-11),
            Precision::F32 => 2f64.powi(-24),
            Precision::F64 => 2f64.powi(-53),
        }
    }

    /// `τ / max|t|`: in `exact`, entries below it count as zero, and equations may miss by it. Half
    /// precision and pixels allow little more than their own rounding: a least-squares solution may
    /// miss single equations by more than each is wrong. Such data are rarely exact in an inner
    /// layer.
    pub(crate) fn relative_tolerance(self) -> f64 {
        match self {
            Precision::F64 => 1e-9,
            Precision::F32 => 1e-5,
            Precision::F16 => 4.0 * self.roundoff(),
            Precision::U8 | Precision::CentredU8 => self.roundoff(),
        }
    }

    /// Half the distance from 1 to the next smaller number: the error that a saturated output may
    /// hide.
    pub(crate) fn half_quantum(self) -> f64 {
        match self {
            Precision::U8 | Precision::CentredU8 => self.roundoff(),
            Precision::F16 | Precision::F32 | Precision::F64 => 0.5 * self.roundoff(),
        }
    }

    /// The largest entry of a residual that is only the rounding of these numbers, and of the
    /// arithmetic that computed them. Single precision outputs miss by some units of the largest
    /// one; half precision outputs are usually computed in single precision. 0 for f64, where
    /// methods have their own tests, and for pixels: these are data with noise of half a step, for
    /// which another code may be better.
    pub(crate) fn rounding_of_outputs(self, observation: &[f64]) -> f64 {
        let largest = || observation.iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
        match self {
            Precision::F16 => 2.0 * self.roundoff() * largest(),
            Precision::F32 => 16.0 * self.roundoff() * largest(),
            Precision::F64 | Precision::U8 | Precision::CentredU8 => 0.0,
        }
    }
}

/// The default ε₀, as a share of the size of an observation or of a layer's target.
pub const RELATIVE_EPSILON: f64 = 1e-6;

/// The size of the values of a layer with these biases and weights: the largest absolute value.
/// Where all values are 0, the size of the terms that cancel takes its place: the largest bias of
/// the units with a value, or else the largest weight. So observations of zeros have a positive
/// size. Scaling values, biases and weights by a constant scales the size. It is 1 if everything is
/// 0.
pub fn size(values: &[f64], bias: &[f64], weight: &DMatrix<f64>) -> f64 {
    let largest = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(0.0, |most: f64, x| most.max(x.abs()));
    let of_values = largest(&mut values.iter().copied().filter(|x| x.is_finite()));
    if of_values > 0.0 {
        return of_values;
    }
    let observed = bias.iter().zip(values).filter(|(_, x)| !x.is_nan());
    let of_biases = largest(&mut observed.map(|(bias, _)| *bias));
    let of_weights = || Some(weight.amax()).filter(|size| *size > 0.0).unwrap_or(1.0);
    if of_biases > 0.0 { of_biases } else { of_weights() }
}

/// The default ε₀ of values of this size whose largest rounding error is `rounding`.
pub fn default_epsilon(size: f64, rounding: f64) -> f64 {
    // The tolerance must stay positive and finite.
    (RELATIVE_EPSILON * size).max(rounding).clamp(f64::MIN_POSITIVE, f64::MAX)
}

/// The size of an observation: its largest absolute entry. One of zeros has the size of the outputs
/// of ordinary codes, a power of two.
pub fn size_of_observation(network: &Network, observation: &[f64]) -> f64 {
    let entries = observation.iter().filter(|x| x.is_finite());
    let largest = entries.fold(0.0, |most: f64, x| most.max(x.abs()));
    if largest > 0.0 { largest } else { network.output_unit() }
}

/// The default ε₀ of an observation, in units of the outputs of `network`. Sigmoid and tanh reach
/// up to 1, so there it is [`RELATIVE_EPSILON`], whatever the observation.
pub fn default_epsilon_of(network: &Network, observation: &[f64], precision: Precision) -> f64 {
    let size = match network.layers()[network.depth() - 1].activation {
        Activation::Sigmoid | Activation::Tanh => 1.0,
        _ => size_of_observation(network, observation),
    };
    default_epsilon(size, precision.largest_rounding(observation))
}

/// The kinds of numbers that all entries so far may be.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    pixels: bool,
    centred: bool,
    half: bool,
    single: bool,
}

impl Kinds {
    const ALL: Kinds = Kinds { pixels: true, centred: true, half: true, single: true };

    fn narrow(&mut self, x: f64) {
        let single = f64::from(x as f32) == x;
        let half = single && is_half(x);
        // Pixels that were divided in f32 or saved in f16 are rounded to these. Other ways to
        // compute `k/127.5 − 1` differ by some units in the last place of 1.
        let steps = (255.0 * x).round();
        let miss = (x - steps / 255.0).abs();
        let is_step = miss <= 2f64.powi(-50) || single && miss <= 2f64.powi(-22) || half && miss <= 2f64.powi(-11);
        self.pixels &= is_step && (0.0..=255.0).contains(&steps);
        // `k/127.5 − 1 = (2k − 255)/255`.
        self.centred &= is_step && (-255.0..=255.0).contains(&steps) && steps.rem_euclid(2.0) == 1.0;
        self.half &= half;
        self.single &= single;
    }

    fn is_none(self) -> bool {
        !(self.pixels || self.centred || self.half || self.single)
    }
}

/// Whether an f32 is an f16: 11 significant bits, the last of them at least `2⁻²⁴`.
fn is_half(x: f64) -> bool {
    let scaled = x * 2f64.powi(24);
    let last_bit = ((x as f32).abs().to_bits() >> 23) as i32 - 127 - 10;
    x.abs() <= 65504.0 && scaled == scaled.trunc() && (x == 0.0 || (x * 2f64.powi(-last_bit)).fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, normal_vector};

    fn numbers() -> Vec<f64> {
        normal_vector(1, Domain::Code, 0, 40)
    }

    #[test]
    fn counts_are_exact() {
        let counts: Vec<f64> = (0..200).map(f64::from).collect();
        assert_eq!(Precision::F64.of(&counts), Precision::F64);
        assert_eq!(Precision::F32.of(&counts), Precision::F32);
        // In other units, numbers of single precision are still that.
        let single: Vec<f64> = numbers().iter().map(|x| f64::from(*x as f32) * 2f64.powi(40)).collect();
        assert_eq!(Precision::F64.of(&single), Precision::F32);
    }

    #[test]
    fn numbers_show_their_precision() {
        let single = |x: &f64| f64::from(*x as f32);
        let half = |x: &f64| (x * 2f64.powi(7)).round() / 2f64.powi(7);
        let pixels: Vec<f64> = (0..40).map(|k| f64::from(6 * k) / 255.0).collect();
        let centred: Vec<f64> = (0..40).map(|k| f64::from(6 * k) / 127.5 - 1.0).collect();
        let in_f32: Vec<f64> = (0..40).map(|k| f64::from((6 * k) as f32 / 255.0)).collect();
        let centred_in_f32: Vec<f64> = (0..40).map(|k| f64::from(((6 * k) as f32 / 255.0 - 0.5) / 0.5)).collect();
        for (numbers, expected) in [
            (numbers(), Precision::F64),
            (numbers().iter().map(single).collect(), Precision::F32),
            (numbers().iter().map(half).collect(), Precision::F16),
            (pixels, Precision::U8),
            (in_f32, Precision::U8),
            (centred, Precision::CentredU8),
            (centred_in_f32, Precision::CentredU8),
        ] {
            let finest = if expected == Precision::F64 { Precision::F32 } else { expected };
            assert_eq!(Precision::F64.of(&numbers), expected);
            assert_eq!(Precision::F32.of(&numbers), finest, "no finer than the file's type");
            let mut partly: Vec<f64> = numbers.iter().rev().copied().collect();
            partly.extend([f64::NAN, 0.0, 1.0]);
            let with_ends = if expected == Precision::CentredU8 { &partly[..41] } else { &partly[..] };
            assert_eq!(Precision::F64.of(with_ends), expected, "unobserved, in another order");
        }
    }

    #[test]
    fn few_distinct_numbers_decide_nothing() {
        let many: Vec<f64> = (0..400).map(|i| f64::from(i % 15) + 0.5).collect();
        assert_eq!(Precision::F64.of(&many), Precision::F64);
        assert_eq!(Precision::F32.of(&many), Precision::F32);
        assert_eq!(Precision::F64.of(&[many, vec![20.5]].concat()), Precision::F16);
        assert_eq!(Precision::F64.of(&[0.0, 1.0, -1.0].repeat(100)), Precision::F64);
        assert_eq!(Precision::F64.of(&[]), Precision::F64);
    }

    #[test]
    fn one_number_that_is_finer_decides() {
        let mut numbers: Vec<f64> = numbers().iter().map(|x| f64::from(*x as f32)).collect();
        numbers[17] = 0.1;
        assert_eq!(Precision::F64.of(&numbers), Precision::F64);
        numbers[17] = f64::INFINITY;
        assert_eq!(Precision::F64.of(&numbers), Precision::F32);
    }

    #[test]
    fn half_precision_is_recognised_at_its_ends() {
        for half in [0.0, 2f64.powi(-24), -3.0 * 2f64.powi(-24), 65504.0, 1.0 + 2f64.powi(-10), -2f64.powi(-14)] {
            assert!(is_half(half), "{half}");
        }
        for other in [2f64.powi(-25), 65536.0, 1.0 + 2f64.powi(-11), 2f64.powi(-14) + 2f64.powi(-25), f64::INFINITY] {
            assert!(!is_half(other), "{other}");
        }
    }

    #[test]
    fn rounding_bounds_the_distance_of_what_rounds_to_a_number() {
        for x in numbers() {
            assert!((f64::from(x as f32) - x).abs() <= Precision::F32.rounding(f64::from(x as f32)));
            let pixel = (255.0 * x).round() / 255.0;
            assert!((pixel - x).abs() <= Precision::U8.rounding(pixel));
        }
        assert!(Precision::F32.rounding(0.0) < 1e-44 && Precision::F64.rounding(0.0) == 0.0);
    }
}
