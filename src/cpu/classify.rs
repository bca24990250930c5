//! Classifies entries: which entries of a target exceed the observation's threshold. Twin of
//! `shaders/classify.wgsl`.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::configuration::Configurations;

/// Entry `j` of observation `b` is active when `targets[(j, b)] > thresholds[b]`.
///
/// # Panics
/// If there is not one threshold per column.
pub fn classify(targets: &DMatrix<f64>, thresholds: &[f64]) -> Configurations {
    let rows = targets.nrows();
    let words_each = Configurations::words_per_observation(rows);
    let mut words = vec![0_u32; words_each * targets.ncols()];
    let mut counts = vec![0_u32; thresholds.len()];
    if rows > 0 {
        words
            .par_chunks_mut(words_each)
            .zip(&mut counts)
            .zip(targets.as_slice().par_chunks(rows))
            .zip(thresholds)
            .for_each(|(((words, count), target), threshold)| {
                for (row, t) in target.iter().enumerate() {
                    if t > threshold {
                        words[row / 32] |= 1 << (row % 32);
                        *count += 1;
                    }
                }
            });
    }
    Configurations::from_words(rows, words, counts)
}
