//! The surroundings of a code, sampled for a lower loss: a last look where nothing proves that the
//! code is a local minimum.

use super::evaluation_error::EvaluationError;
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use super::point::Point;
use crate::random::{Domain, normal_vector};

/// Number of directions.
const DIRECTIONS: u64 = 256;
/// The lengths tried along a direction: powers of 4, in units of the code's own. In the origin no
/// length is known, so more of them are tried.
const POWERS: std::ops::RangeInclusive<i32> = -12..=0;
const IN_ORIGIN: std::ops::RangeInclusive<i32> = -15..=15;
/// The smallest relative decrease that counts.
const FALLEN: f64 = 1e-8;

/// The root mean square of a code's entries; 1 for the code 0.
pub fn scale_of(code: &[f64]) -> f64 {
    let length = (code.iter().map(|z| z * z).sum::<f64>() / code.len() as f64).sqrt();
    if length > 0.0 { length } else { 1.0 }
}

/// A code near `best`, which has been run against `observation`, with a lower loss; `None` if none
/// of the samples has one. `index`: the observation's index in the whole job.
pub fn lower_nearby(
    network: &PackedNetwork,
    best: &Point,
    observation: &[f64],
    seed: u64,
    index: u64,
) -> Option<Vec<f64>> {
    let scale = scale_of(&best.code);
    let powers = if best.code.iter().all(|z| *z == 0.0) { IN_ORIGIN } else { POWERS };
    let lengths: Vec<f64> = powers.rev().map(|power| scale * 4_f64.powi(power)).collect();
    let together = if network.ends_in_map() { lengths.len() } else { 1 };
    let mut trials = vec![Point::new(network); together];
    let error = EvaluationError::of(network, Objective::L2, observation).of_loss(best.loss);
    let lowest = best.loss * (1.0 - FALLEN) - 2.0 * error;
    for number in 0..DIRECTIONS {
        let number = index.wrapping_mul(DIRECTIONS).wrapping_add(number);
        let direction = normal_vector(seed, Domain::Surroundings, number, best.code.len());
        for lengths in lengths.chunks(together) {
            for (trial, length) in trials.iter_mut().zip(lengths) {
                for ((trial, z), d) in trial.code.iter_mut().zip(&best.code).zip(&direction) {
                    *trial = z + length * d;
                }
            }
            Point::run_together(&mut trials, network, observation);
            if let Some(lower) = trials.iter().find(|trial| trial.loss < lowest) {
                return Some(lower.code.clone());
            }
        }
    }
    None
}
