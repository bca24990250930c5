//! The range of a generator's output, and observations outside it: pixels from 0 to 255 for a
//! sigmoid, standardised images for a ReLU. No code makes such entries.

use std::fmt;

use crate::network::Activation;

/// Without a named noise: the distance from the range that may still be noise, as a share of the
/// range's width.
const SHARE: f64 = 0.1;
/// Gaussian noise exceeds five standard deviations in one entry of two million.
const DEVIATIONS: f64 = 5.0;

/// The closed range of an output activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputRange {
    activation: Activation,
    low: f64,
    high: f64,
}

/// The entries of an observation outside the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outside {
    /// Number of such entries.
    pub count: usize,
    /// Number of observed entries.
    pub observed: usize,
    /// The distance from the range up to which an entry does not count.
    pub beyond: f64,
    /// Whether all entries would count as noise if its size were not named.
    pub is_near: bool,
    /// The smallest and the largest observed entry.
    pub extremes: (f64, f64),
}

impl OutputRange {
    /// The range of the activation; `None` if every number is in it.
    pub fn of(activation: Activation) -> Option<Self> {
        let (low, high) = match activation {
            Activation::Sigmoid => (0.0, 1.0),
            Activation::Tanh => (-1.0, 1.0),
            Activation::Relu => (0.0, f64::INFINITY),
            Activation::Softplus { .. } => (0.0, f64::INFINITY),
            _ => return None,
        };
        Some(OutputRange { activation, low, high })
    }

    /// The entries of `observation` outside the range, by more than the noise: five times the named
    /// `noise`; without one, a tenth of the range's width or, for ReLU, of the largest entry.
    /// `None` if there is none.
    pub fn outside(&self, observation: &[f64], noise: Option<f64>) -> Option<Outside> {
        let (mut least, mut most, mut observed) = (f64::INFINITY, f64::NEG_INFINITY, 0);
        for &x in observation.iter().filter(|x| !x.is_nan()) {
            (least, most, observed) = (least.min(x), most.max(x), observed + 1);
        }
        if least >= self.low && most <= self.high {
            return None;
        }
        let (low, high) = (self.low, self.high);
        let width = if self.high.is_finite() { self.high - self.low } else { most.abs().max(least.abs()) };
        let beyond = noise.map_or(SHARE * width, |noise| DEVIATIONS * noise);
        let is_outside = |x: &&f64| **x < low - beyond || **x > high + beyond;
        let count = observation.iter().filter(is_outside).count();
        let is_near = least >= low - SHARE * width && most <= high + SHARE * width;
        (count > 0).then_some(Outside { count, observed, beyond, is_near, extremes: (least, most) })
    }

    /// What was found in the observation `index`, and what to do.
    pub fn warning(&self, index: u64, outside: &Outside) -> String {
        let Outside { count, observed, beyond, extremes: (least, most), .. } = *outside;
        format!(
            "observation {index}: {count} of {observed} entries are outside the range of the {} output, {self}, by \
             more than {beyond:.1e} (they lie between {least:.3e} and {most:.3e}); {}",
            self.activation,
            self.remedy(outside)
        )
    }

    fn remedy(&self, outside: &Outside) -> &'static str {
        let (least, most) = outside.extremes;
        let is_byte = least >= 0.0 && most > 2.0 && most <= 255.0;
        match self.activation {
            // Only where a size is named.
            _ if outside.is_near => "the noise may be larger than named (option `noise`)",
            Activation::Sigmoid if is_byte => "divide pixels by 255",
            Activation::Tanh if is_byte => "turn pixels into p / 127.5 - 1",
            Activation::Relu => "undo a standardisation of the images, or name the output activation of the network",
            _ => "scale the observations as in training, or name the size of the noise with option `noise`",
        }
    }
}

impl fmt::Display for OutputRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high.is_finite() {
            write!(f, "{} to {}", self.low, self.high)
        } else {
            write!(f, "{} or more", self.low)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(activation: Activation, observation: &[f64], noise: Option<f64>) -> usize {
        let outside = OutputRange::of(activation).and_then(|range| range.outside(observation, noise));
        outside.map_or(0, |outside| outside.count)
    }

    #[test]
    fn only_entries_beyond_the_noise_count() {
        let noisy = [-0.04, 0.5, 1.05, f64::NAN];
        assert_eq!(count(Activation::Sigmoid, &noisy, None), 0);
        assert_eq!(count(Activation::Sigmoid, &noisy, Some(0.01)), 0);
        assert_eq!(count(Activation::Sigmoid, &noisy, Some(0.001)), 2);
        assert_eq!(count(Activation::Sigmoid, &[0.0, 128.0, 255.0], None), 2);
        assert_eq!(count(Activation::Tanh, &[-1.0, 1.0, 0.2], Some(0.0)), 0);
        assert_eq!(count(Activation::Tanh, &[0.0, 255.0], None), 1);
        assert_eq!(count(Activation::Relu, &[-0.4, 2.8, -0.1], None), 1);
        assert_eq!(count(Activation::Relu, &[-1e-8, 0.0, 1e-6], None), 0);
        for activation in [Activation::Identity, Activation::LeakyRelu(0.1)] {
            assert_eq!(count(activation, &[-1e9, 1e9], Some(0.0)), 0);
        }
        assert_eq!(count(Activation::Relu, &[f64::NAN], None), 0);
    }

    /// Entries that would pass for noise, were none named, say that it is larger than named.
    #[test]
    fn a_noise_that_is_named_too_small_is_told() {
        let range = OutputRange::of(Activation::Relu).unwrap();
        let warning = |observation: &[f64]| range.warning(0, &range.outside(observation, Some(1e-4)).unwrap());
        assert!(warning(&[-0.01, 0.4, 1.0]).ends_with("the noise may be larger than named (option `noise`)"));
        assert!(warning(&[-0.4, 0.4, 1.0]).contains("standardisation"));
    }

    #[test]
    fn the_warning_says_what_to_do() {
        let warning = |activation, observation: &[f64]| {
            let range = OutputRange::of(activation).unwrap();
            range.warning(7, &range.outside(observation, None).unwrap())
        };
        let pixels = warning(Activation::Sigmoid, &[0.0, 128.0, 255.0]);
        assert!(pixels.starts_with("observation 7: 2 of 3 entries") && pixels.ends_with("divide pixels by 255"));
        assert!(warning(Activation::Tanh, &[0.0, 255.0]).ends_with("p / 127.5 - 1"));
        assert!(warning(Activation::Relu, &[-1.0, 1.0]).contains("standardisation"));
    }
}
