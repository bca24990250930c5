//! Packed ReLU configurations of a batch: which entries of each target exceed their observation's
//! threshold.
//!
//! One bit per entry and 32 bits per word: bit `j % 32` of word `j / 32` for entry `j`. An
//! observation's words are contiguous, so that a kernel's workgroup writes the words of one
//! observation. Unused bits are 0.

use nalgebra::DMatrix;

use crate::error::{Error, Result};

/// Checks the inputs of every device's `classify`: one finite threshold per column of `targets`.
///
/// # Errors
/// [`Error::Input`] with the first threshold that is not finite.
pub fn check_thresholds(targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<()> {
    if thresholds.len() != targets.ncols() {
        return Err(Error::input(
            "the thresholds given",
            format!("{} thresholds for {} observations", thresholds.len(), targets.ncols()),
            "one threshold per observation",
            "pass one column of targets per threshold",
        ));
    }
    match thresholds.iter().position(|threshold| !threshold.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::input(
            "the thresholds given",
            format!("{} for observation {index}", thresholds[index]),
            "finite thresholds",
            "leave out the observations without a finite threshold",
        )),
    }
}

/// The configurations of `count` observations with `rows` entries each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configurations {
    rows: usize,
    words: Vec<u32>,
    active_counts: Vec<u32>,
}

impl Configurations {
    /// Number of words that hold one observation's bits.
    pub fn words_per_observation(rows: usize) -> usize {
        rows.div_ceil(32)
    }

    /// Takes the packed words (`count` times [`Self::words_per_observation`]) and each
    /// observation's number of set bits.
    ///
    /// # Panics
    /// If the lengths do not fit each other: the devices make them, not a user.
    pub fn from_words(rows: usize, words: Vec<u32>, active_counts: Vec<u32>) -> Self {
        assert_eq!(words.len(), active_counts.len() * Self::words_per_observation(rows), "words of a configuration");
        Configurations { rows, words, active_counts }
    }

    /// Entries per observation.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of observations.
    pub fn count(&self) -> usize {
        self.active_counts.len()
    }

    /// Whether entry `row` of `observation` is active.
    pub fn is_active(&self, observation: usize, row: usize) -> bool {
        let word = self.words[observation * Self::words_per_observation(self.rows) + row / 32];
        word >> (row % 32) & 1 == 1
    }

    /// Number of active entries of `observation`.
    pub fn active_count(&self, observation: usize) -> usize {
        self.active_counts[observation] as usize
    }

    /// The packed words of all observations.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Flips one bit and updates the count: for rows that f64 decides, and for tests that check
    /// that later results depend on the bits.
    pub fn flip(&mut self, observation: usize, row: usize) {
        let was_active = self.is_active(observation, row);
        self.words[observation * Self::words_per_observation(self.rows) + row / 32] ^= 1 << (row % 32);
        let count = &mut self.active_counts[observation];
        if was_active { *count -= 1 } else { *count += 1 }
    }
}
