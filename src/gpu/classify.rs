//! Which entries of a target exceed the observation's threshold. Host side of `shaders/classify.wgsl`, twin of
//! `cpu/classify.rs`, with the same answer bit for bit: what f32 cannot tell is decided here in f64.

use std::sync::atomic::Ordering;

use nalgebra::DMatrix;

use super::buffers::{self, ranges};
use super::{GpuDevice, narrowed};
use crate::configuration::Configurations;
use crate::error::Result;
use crate::kernel_params::ClassifyParams;

/// What the kernel makes of a batch.
struct Verdicts {
    active_words: Vec<u32>,
    undecided_words: Vec<u32>,
    active_counts: Vec<u32>,
}

impl GpuDevice {
    /// Entry `j` of observation `b` is active when `targets[(j, b)] > thresholds[b]`, in f64.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    ///
    /// # Panics
    /// If there is not one threshold a column.
    pub fn classify_exactly(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        let rows = targets.nrows();
        let words_each = Configurations::words_per_observation(rows);
        let mut words = Vec::with_capacity(words_each * targets.ncols());
        let mut undecided = Vec::with_capacity(words_each * targets.ncols());
        let mut counts = Vec::with_capacity(targets.ncols());
        if rows == 0 {
            return Ok(Configurations::from_words(0, words, vec![0; targets.ncols()]));
        }
        for columns in ranges(targets.ncols(), self.room.observations(rows, 1)?) {
            let batch = narrowed(targets.columns(columns.start, columns.len()).iter());
            let verdicts = self.classify_f32(&batch, &narrowed(&thresholds[columns]), rows)?;
            words.extend(verdicts.active_words);
            undecided.extend(verdicts.undecided_words);
            counts.extend(verdicts.active_counts);
        }
        let mut configurations = Configurations::from_words(rows, words, counts);
        self.decide_in_f64(&mut configurations, &undecided, targets, thresholds);
        Ok(configurations)
    }

    fn classify_f32(&self, targets: &[f32], thresholds: &[f32], rows: usize) -> Result<Verdicts> {
        let context = &self.context;
        let count = thresholds.len();
        let words = Configurations::words_per_observation(rows);
        context.guarded(|| {
            let params = buffers::uniform(context, ClassifyParams { rows: rows as u32, words: words as u32 });
            let targets = buffers::upload(context, targets);
            let thresholds = buffers::upload(context, thresholds);
            let active_words = buffers::storage(context, words * count);
            let undecided_words = buffers::storage(context, words * count);
            let active_counts = buffers::storage(context, count);
            let bound = self
                .pipelines
                .classify
                .bind(context, &[&params, &targets, &thresholds, &active_words, &undecided_words, &active_counts]);
            context.submit(|encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.pipelines.classify.dispatch(&mut pass, &bound, count as u32, 1);
                1
            });
            Ok(Verdicts {
                active_words: buffers::read(context, &active_words)?,
                undecided_words: buffers::read(context, &undecided_words)?,
                active_counts: buffers::read(context, &active_counts)?,
            })
        })
    }

    /// Sets the bits of the undecided rows that are active in f64.
    fn decide_in_f64(
        &self,
        configurations: &mut Configurations,
        undecided: &[u32],
        targets: &DMatrix<f64>,
        thresholds: &[f64],
    ) {
        let words_each = Configurations::words_per_observation(targets.nrows());
        let mut decided = 0;
        for (position, word) in undecided.iter().enumerate().filter(|(_, word)| **word != 0) {
            let observation = position / words_each;
            for bit in (0..32).filter(|bit| word >> bit & 1 == 1) {
                let row = position % words_each * 32 + bit;
                decided += 1;
                if targets[(row, observation)] > thresholds[observation] {
                    // The kernel never sets a bit that it calls undecided.
                    configurations.flip(observation, row);
                }
            }
        }
        self.undecided_rows.fetch_add(decided, Ordering::Relaxed);
    }
}
