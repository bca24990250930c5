//! The batches for the networks: codes N(0, I), seeded by index, and their outputs with noise from
//! U(−0.01, 0.01). A smaller batch is the beginning of a larger one.

use std::sync::Arc;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::quantity::Quantity;
use crate::bench::subject::Subject;
use crate::cpu::CpuDevice;
use crate::device::Device;
use crate::error::Result;
use crate::random::{Domain, Noise, normal_vector};

/// Amplitude of the noise, and the tolerance ε of inversions and classifications.
pub const NOISE: f64 = 0.01;
const SEED: u64 = 1;

impl Subject {
    /// Creates the inputs of a pass of `quantity` over a batch of `count`, on the caller's thread
    /// pool.
    ///
    /// # Errors
    /// None of its own.
    pub fn batch(&self, quantity: Quantity, count: usize) -> Result<Batch> {
        let length = self.network.code_length();
        let mut codes = DMatrix::zeros(length, count);
        codes.as_mut_slice().par_chunks_mut(length).enumerate().for_each(|(index, code)| {
            code.copy_from_slice(&normal_vector(SEED, Domain::Code, index as u64, length));
        });
        if quantity == Quantity::Forward {
            return Ok(Batch { codes, observations: DMatrix::zeros(0, 0), thresholds: Vec::new() });
        }
        let cpu = CpuDevice::new(Arc::clone(&self.network));
        let mut observations = cpu.forward(0..self.network.depth(), &codes)?;
        let length = self.network.observation_length();
        observations.as_mut_slice().par_chunks_mut(length).enumerate().for_each(|(index, observation)| {
            Noise::Uniform(NOISE).apply(SEED, index as u64, observation);
        });
        Ok(Batch { codes, observations, thresholds: vec![NOISE; count] })
    }
}

/// One batch, with one column each.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `k` × count.
    pub codes: DMatrix<f64>,
    /// `n` × count; empty for forward passes, which need none.
    pub observations: DMatrix<f64>,
    /// One threshold per observation.
    pub thresholds: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_batch_is_the_beginning_of_a_larger_one() {
        let subjects = Subject::usual().unwrap();
        assert_eq!(
            subjects.iter().map(|subject| &*subject.name).collect::<Vec<_>>(),
            ["random 20→100→500", "trained 20→60→784"]
        );
        let (few, many) =
            (subjects[0].batch(Quantity::Invert, 3).unwrap(), subjects[0].batch(Quantity::Invert, 70).unwrap());
        assert_eq!(few.codes, many.codes.columns(0, 3));
        assert_eq!(few.observations, many.observations.columns(0, 3));
        assert_eq!(few.codes, subjects[0].batch(Quantity::Forward, 3).unwrap().codes);
        let clean = crate::cpu::forward::forward(&subjects[0].network, 0..2, &few.codes);
        let noise = (&few.observations - clean).amax();
        assert!(noise > 0.9 * NOISE && noise <= NOISE * (1.0 + 1e-12), "{noise}");
    }
}
