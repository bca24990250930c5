//! Seeded normal vectors, the same numbers on every platform, batch size and number of threads.
//!
//! Each vector has a ChaCha8 stream of its own, named by seed, purpose and index, so that the hundredth one can be
//! made without the ninety-nine before it. Normals by Box and Muller (1958), with `libm`'s logarithm and cosine:
//! the operating system's differ in the last digit.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a vector is for; equal seeds and indices give unrelated numbers for different purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Weights of a random network.
    Network,
    /// Latent codes.
    Code,
    /// Noise on observations.
    Noise,
    /// Starting codes of gradient descent; the index is that of [`crate::descent::start_index`].
    DescentStart,
    /// Starting codes of other searches.
    Start,
}

/// `length` independent standard normal numbers, vector number `index` of this seed and purpose.
pub fn normal_vector(seed: u64, domain: Domain, index: u64, length: usize) -> Vec<f64> {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = domain as u8;
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(index);
    // 53 random bits in (0, 1]: the logarithm below needs a number above 0.
    let mut uniform = || ((generator.next_u64() >> 11) + 1) as f64 * 2.0_f64.powi(-53);
    let mut numbers = Vec::with_capacity(length + 1);
    while numbers.len() < length {
        let radius = (-2.0 * libm::log(uniform())).sqrt();
        let angle = std::f64::consts::TAU * uniform();
        numbers.push(radius * libm::cos(angle));
        numbers.push(radius * libm::sin(angle));
    }
    numbers.truncate(length);
    numbers
}
