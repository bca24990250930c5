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
                // A branch per entry would be mispredicted every second time.
                for (word, entries) in words.iter_mut().zip(target.chunks(32)) {
                    for (bit, t) in entries.iter().enumerate() {
                        *word |= u32::from(t > threshold) << bit;
                    }
                    *count += word.count_ones();
                }
            });
    }
    Configurations::from_words(rows, words, counts)
}
