//! Random networks, codes and noise from seeds. The numbers are the same on every platform, for
//! every batch size and in any order of calls.
//!
//! Each vector has its own ChaCha8 stream, chosen by the seed, the [`Domain`] (the purpose of the
//! vector) and the index. So nothing depends on earlier draws. Normal numbers come from the method
//! of Box and Muller (1958), with the logarithm, sine and cosine of `libm`: those of the standard
//! library differ between platforms.

use std::fmt;
use std::str::FromStr;

use nalgebra::{DMatrix, DVector};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::error::{Error, Result};
use crate::memory;
use crate::network::{Activation, DenseLayer, Network};

/// The purpose of a random vector. Vectors of different domains are independent, whatever their
/// seeds and indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// The weights of a random network; the index is that of the layer.
    Network,
    /// Latent codes; the index is that of the code.
    Code,
    /// Noise added to observations; the index is that of the observation.
    Noise,
    /// Starting codes of gradient descent.
    DescentStart,
    /// Starting codes of the search from many starts.
    Start,
    /// The rows of a random linear map; the index is that of the row.
    Operator,
    /// The vectors by which an inverse or a linear map is checked.
    Check,
    /// The rays along which a network's kinks are counted.
    Ray,
    /// The distances of starting codes of the search from many starts.
    Distance,
    /// Directions around the answer of that search; the index is that of the direction.
    Surroundings,
    /// The random walk that samples codes within the noise; the index is that of the observation.
    Walk,
}

impl Domain {
    /// Part of the key. A change of a tag changes every number of its domain.
    fn tag(self) -> u64 {
        match self {
            Domain::Network => 1,
            Domain::Code => 2,
            Domain::Noise => 3,
            Domain::DescentStart => 4,
            Domain::Start => 5,
            Domain::Operator => 6,
            Domain::Check => 7,
            Domain::Ray => 8,
            Domain::Distance => 9,
            Domain::Surroundings => 10,
            Domain::Walk => 11,
        }
    }
}

/// `length` independent N(0, 1) numbers. A shorter vector is the beginning of a longer one.
pub fn normal_vector(seed: u64, domain: Domain, index: u64, length: usize) -> Vec<f64> {
    let mut stream = stream(seed, domain, index);
    let mut numbers = Vec::with_capacity(length + 1);
    while numbers.len() < length {
        numbers.extend(normal_pair(&mut stream));
    }
    numbers.truncate(length);
    numbers
}

/// `length` independent numbers, uniform on `[0, 1)`. A shorter vector is the beginning of a longer
/// one.
pub fn uniform_vector(seed: u64, domain: Domain, index: u64, length: usize) -> Vec<f64> {
    let mut stream = stream(seed, domain, index);
    (0..length).map(|_| unit(&mut stream)).collect()
}

/// Random numbers one by one, where it is not known how many are needed.
pub struct Draws {
    stream: ChaCha8Rng,
    /// The second number of a pair.
    spare: Option<f64>,
}

impl Draws {
    /// Those of this stream, from its beginning.
    pub fn new(seed: u64, domain: Domain, index: u64) -> Self {
        Draws { stream: stream(seed, domain, index), spare: None }
    }

    /// Uniform on `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        unit(&mut self.stream)
    }

    /// N(0, 1).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let [number, spare] = normal_pair(&mut self.stream);
        self.spare = Some(spare);
        number
    }
}

/// Two independent N(0, 1) numbers.
fn normal_pair(stream: &mut ChaCha8Rng) -> [f64; 2] {
    // `1 − u` is in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * libm::log(1.0 - unit(stream))).sqrt();
    let angle = std::f64::consts::TAU * unit(stream);
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

fn stream(seed: u64, domain: Domain, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&domain.tag().to_le_bytes());
    let mut stream = ChaCha8Rng::from_seed(key);
    stream.set_stream(index);
    stream
}

/// Uniform on `[0, 1)` in steps of 2⁻⁵³. Implemented here, so that no release of `rand` can change
/// the numbers.
fn unit(stream: &mut ChaCha8Rng) -> f64 {
    (stream.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Makes a random network without biases, with the same activation in every layer.
///
/// The layers have `sizes[0]` (the code) to `sizes[d]` (the observation) units. Entries of `W_i`
/// are N(0, 1/n_i), where `n_i` is the number of units, as in the paper.
///
/// # Errors
/// [`Error::BadOption`] for fewer than two sizes, or a size of 0. [`Error::Input`] for an
/// activation that hidden layers cannot have.
pub fn random_network(sizes: &[usize], activation: Activation, seed: u64) -> Result<Network> {
    if sizes.len() < 2 || sizes.contains(&0) {
        return Err(Error::option(
            "the sizes of the network",
            sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
            "at least two numbers of 1 or more, the code first, for example 20,100,500",
        ));
    }
    let numbers = sizes.windows(2).try_fold(0u64, |sum, pair| sum.checked_add(memory::of_matrix(pair[0], pair[1])?));
    // The numbers as they are drawn, and the matrix.
    memory::check(
        "the sizes of the network",
        || sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
        numbers.and_then(|bytes| bytes.checked_mul(2)),
    )?;
    let layers = sizes.windows(2).enumerate().map(|(index, pair)| {
        let (inputs, units) = (pair[0], pair[1]);
        let scale = 1.0 / (units as f64).sqrt();
        let mut entries = normal_vector(seed, Domain::Network, index as u64, units * inputs);
        entries.iter_mut().for_each(|entry| *entry *= scale);
        DenseLayer { weight: DMatrix::from_row_slice(units, inputs, &entries), bias: DVector::zeros(units), activation }
    });
    Network::new(layers.collect(), "the random network")
}

/// Noise that is added to each entry of an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// U(−A, A).
    Uniform(f64),
    /// N(0, SIGMA²).
    Gaussian(f64),
    /// Laplace, with this mean absolute value.
    Laplace(f64),
    /// Gross errors: this share of the entries, each by itself, is replaced by a number that is
    /// uniform between the smallest and the largest entry.
    Gross(f64),
}

impl Noise {
    /// Adds the noise of observation `index` to `observation`.
    pub fn apply(self, seed: u64, index: u64, observation: &mut [f64]) {
        let length = observation.len();
        match self {
            Noise::Uniform(amplitude) => {
                let numbers = uniform_vector(seed, Domain::Noise, index, length);
                observation.iter_mut().zip(numbers).for_each(|(x, u)| *x += amplitude * (2.0 * u - 1.0));
            }
            Noise::Gaussian(deviation) => {
                let numbers = normal_vector(seed, Domain::Noise, index, length);
                observation.iter_mut().zip(numbers).for_each(|(x, g)| *x += deviation * g);
            }
            Noise::Laplace(scale) => {
                let numbers = uniform_vector(seed, Domain::Noise, index, length);
                // The inverse of the distribution function. 1 − 2|v| is at least the spacing of
                // the uniform numbers.
                let laplace = |u: f64| {
                    let v = u - 0.5;
                    -v.signum() * (1.0 - 2.0 * v.abs()).max(f64::EPSILON).ln()
                };
                observation.iter_mut().zip(numbers).for_each(|(x, u)| *x += scale * laplace(u));
            }
            Noise::Gross(share) => {
                let numbers = uniform_vector(seed, Domain::Noise, index, 2 * length);
                let (least, most) = observation
                    .iter()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (x.min(least), x.max(most)));
                let wrong = observation.iter_mut().zip(numbers.chunks_exact(2)).filter(|(_, pair)| pair[0] < share);
                wrong.for_each(|(x, pair)| *x = least + pair[1] * (most - least));
            }
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Noise::Uniform(amplitude) => write!(f, "uniform:{amplitude}"),
            Noise::Gaussian(deviation) => write!(f, "gaussian:{deviation}"),
            Noise::Laplace(scale) => write!(f, "laplace:{scale}"),
            Noise::Gross(share) => write!(f, "gross:{share}"),
        }
    }
}

impl FromStr for Noise {
    type Err = String;

    /// Parses `uniform:A`, `gaussian:SIGMA`, `laplace:B` and `gross:SHARE`; the numbers must be
    /// finite and not negative, and SHARE at most 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.trim().split_once(':').and_then(|(kind, size)| {
            let size = size.parse::<f64>().ok().filter(|size| size.is_finite() && *size >= 0.0)?;
            match kind {
                "uniform" => Some(Noise::Uniform(size)),
                "gaussian" => Some(Noise::Gaussian(size)),
                "laplace" => Some(Noise::Laplace(size)),
                "gross" if size <= 1.0 => Some(Noise::Gross(size)),
                _ => None,
            }
        });
        parsed.ok_or_else(|| {
            format!(
                "found `{text}`, expected uniform:A for U(−A, A), gaussian:SIGMA for a standard deviation, \
                 laplace:B for a mean absolute value or gross:SHARE for a share of wrong entries, for example \
                 uniform:0.01"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These numbers must be the same on every platform and in every later release. Otherwise,
    /// published runs can no longer be repeated. `scripts/random_golden_numbers.py` computes them
    /// independently. Its last digits can differ, because Python's logarithm, sine and cosine are
    /// different implementations.
    #[test]
    fn golden_numbers() {
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(
            bits(normal_vector(1, Domain::Code, 0, 4)),
            [0xbfc2fd453b18f420, 0x3fec3a9e6c10f1c1, 0x3fb38fc9bf0fdab1, 0x3ff23263dab4e245]
        );
        assert_eq!(
            bits(normal_vector(7, Domain::Noise, u64::MAX, 3)),
            [0xbf916b4de01eec44, 0xbfe552eecbf20865, 0x3fa685772bf82058]
        );
        assert_eq!(
            bits(uniform_vector(1, Domain::Network, 2, 3)),
            [0x3fda246048964c74, 0x3fe8ce788703f04f, 0x3fea2c95ee40c43a]
        );
    }

    #[test]
    fn vectors_do_not_depend_on_length_or_share_numbers() {
        let long = normal_vector(5, Domain::Code, 3, 10);
        assert_eq!(normal_vector(5, Domain::Code, 3, 7), long[..7]);
        assert_ne!(normal_vector(5, Domain::Code, 4, 10), long);
        assert_ne!(normal_vector(6, Domain::Code, 3, 10), long);
        assert_ne!(normal_vector(5, Domain::Start, 3, 10), long);
        assert!(normal_vector(5, Domain::Code, 3, 0).is_empty());
    }

    #[test]
    fn moments_are_those_asked_for() {
        let count = 200_000;
        let normal = normal_vector(11, Domain::Code, 0, count);
        let mean = normal.iter().sum::<f64>() / count as f64;
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / count as f64;
        let fourth = normal.iter().map(|x| x.powi(4)).sum::<f64>() / count as f64;
        // Five standard errors: √(1/n), √(2/n), √(96/n).
        assert!(mean.abs() < 0.012 && (variance - 1.0).abs() < 0.016 && (fourth - 3.0).abs() < 0.11);
        let uniform = uniform_vector(11, Domain::Code, 0, count);
        let mean = uniform.iter().sum::<f64>() / count as f64;
        assert!((mean - 0.5).abs() < 0.004 && uniform.iter().all(|u| (0.0..1.0).contains(u)));
    }

    #[test]
    fn entries_of_a_network_have_variance_one_over_its_units() {
        let network = random_network(&[50, 200, 800], Activation::Relu, 3).unwrap();
        for layer in network.layers() {
            let variance = layer.weight().iter().map(|w| w * w).sum::<f64>() / layer.weight().len() as f64;
            assert!((variance * layer.units() as f64 - 1.0).abs() < 0.08, "{variance}");
            assert!(layer.bias.iter().all(|b| *b == 0.0));
        }
        assert!(random_network(&[20], Activation::Relu, 1).unwrap_err().is_usage());
        assert!(random_network(&[20, 0], Activation::Relu, 1).unwrap_err().is_usage());
    }

    #[test]
    fn noise_is_read_and_bounded() {
        assert_eq!("uniform:0.01".parse(), Ok(Noise::Uniform(0.01)));
        assert_eq!("gaussian:0.3".parse(), Ok(Noise::Gaussian(0.3)));
        for wrong in ["uniform", "uniform:-1", "gaussian:nan", "poisson:1", "uniform:inf"] {
            assert!(wrong.parse::<Noise>().is_err(), "{wrong}");
        }
        let mut observation = vec![1.0; 1000];
        Noise::Uniform(0.25).apply(1, 0, &mut observation);
        assert!(
            observation.iter().all(|x| (x - 1.0).abs() <= 0.25) && observation.iter().any(|x| (x - 1.0).abs() > 0.2)
        );
    }
}
