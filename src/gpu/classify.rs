//! Classifies entries: which entries of a target exceed the observation's threshold. Host side of
//! `shaders/classify.wgsl`, twin of `cpu/classify.rs`, with the same answer bit for bit: what f32
//! cannot decide is decided here in f64.

use std::sync::atomic::Ordering;

use nalgebra::DMatrix;

use super::GpuDevice;
use super::buffers::narrowed;
use super::fitting::Work;
use super::pipeline::dispatch;
use super::workspace::{Operand, Role, Workspace};
use crate::configuration::Configurations;
use crate::error::Result;
use crate::kernel_params::ClassifyParams;

impl GpuDevice {
    /// Entry `j` of observation `b` is active when `targets[(j, b)] > thresholds[b]`, in f64.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    ///
    /// # Panics
    /// If there is not one threshold per column.
    pub fn classify_exactly(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        let rows = targets.nrows();
        let count = targets.ncols();
        if rows == 0 {
            return Ok(Configurations::from_words(0, Vec::new(), vec![0; count]));
        }
        assert_eq!(thresholds.len(), count, "one threshold per column");
        let most = self.room.overlapped(rows, 1)?.min(count.max(1));
        let [words, undecided, counts] =
            self.halving(Work::Classify, most, |most| self.classify_parts(targets, thresholds, most))?;
        let mut configurations = Configurations::from_words(rows, words, counts);
        self.decide_in_f64(&mut configurations, &undecided, targets, thresholds);
        Ok(configurations)
    }

    /// Active words, undecided words and active counts, with at most `most` observations at a time.
    fn classify_parts(&self, targets: &DMatrix<f64>, thresholds: &[f64], most: usize) -> Result<[Vec<u32>; 3]> {
        let (rows, count) = targets.shape();
        let words_each = Configurations::words_per_observation(rows);
        let mut words: Vec<u32> = Vec::with_capacity(words_each * count);
        let mut undecided: Vec<u32> = Vec::with_capacity(words_each * count);
        let mut counts: Vec<u32> = Vec::with_capacity(count);
        self.in_overlapping_parts(
            count,
            most,
            |space, columns| {
                let part = &targets.as_slice()[columns.start * rows..columns.end * rows];
                self.start_classify(space, part, &thresholds[columns], rows);
            },
            |space, columns| {
                let each = 4 * words_each * columns.len();
                space.staging[0].collect(&self.context, |bytes| {
                    words.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&bytes[..each]));
                    undecided.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&bytes[each..2 * each]));
                    counts.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&bytes[2 * each..]));
                })
            },
        )?;
        Ok([words, undecided, counts])
    }

    /// Submits one part: active words, undecided words and counts will be read back.
    fn start_classify(&self, space: &mut Workspace, targets: &[f64], thresholds: &[f64], rows: usize) {
        let context = &self.context;
        let count = thresholds.len();
        let words = Configurations::words_per_observation(rows);
        let params = Role::Params("classify", 0);
        space.params(context, params, ClassifyParams { rows: rows as u32, words: words as u32 });
        space.upload(context, Role::Targets, &narrowed(targets));
        space.upload(context, Role::Thresholds, &narrowed(thresholds));
        let results =
            [(Role::ActiveWords, words * count), (Role::UndecidedWords, words * count), (Role::ActiveCounts, count)];
        for (role, entries) in results {
            space.reserve(context, role, entries);
        }
        let roles =
            [params, Role::Targets, Role::Thresholds, Role::ActiveWords, Role::UndecidedWords, Role::ActiveCounts];
        let step = self.pipelines.classify.step(context, space, &roles.map(Operand::Own), count);
        let mut staging = std::mem::take(&mut space.staging[0]);
        let sources = results.map(|(role, entries)| (space.buffer(role), 4 * entries as u64));
        staging.submit(context, &sources, |encoder, timer| dispatch(&mut timer.pass(encoder, true, true), [&step]));
        space.staging[0] = staging;
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
                    // The kernel never sets the active bit of an undecided row.
                    configurations.flip(observation, row);
                }
            }
        }
        self.undecided_rows.fetch_add(decided, Ordering::Relaxed);
    }
}
