//! Descent in two precisions. A device makes the runs as far as f32 is accurate, and the CPU
//! continues each of them in f64. Runs that f32 cannot represent start in f64. Losses and the stop
//! rule are those of f64 on every device.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::cpu::blocked::descend::runs;
use crate::cpu::blocked::packed::PackedNetwork;
use crate::descent::{DescentAnswer, DescentOptions, Start, Steps, is_usable, start_code};
use crate::error::Result;

/// Maximum number of runs in memory together; more restarts are made in several waves.
const WAVE: usize = 8192;

/// All runs for a batch of observations.
pub(super) struct Waves<'a> {
    /// The network of the f64 runs.
    pub network: &'a PackedNetwork<f64>,
    /// `n` × count.
    pub observations: &'a DMatrix<f64>,
    /// The first column's index in the whole job.
    pub first_index: u64,
    /// The options, already validated.
    pub options: &'a DescentOptions,
    /// The steps of these options.
    pub steps: &'a Steps,
}

impl Waves<'_> {
    /// Descends for every observation from all its starting codes and keeps the lowest loss.
    /// `in_f32` makes the given runs as far as f32 is accurate, and returns where to continue;
    /// `None` for those that left f32's range.
    ///
    /// # Errors
    /// What `in_f32` returns.
    pub fn descend(&self, in_f32: impl Fn(&[Start]) -> Result<Vec<Option<Start>>>) -> Result<DescentAnswer> {
        let columns = 0..self.observations.ncols();
        let usable: Vec<usize> = columns.filter(|index| is_usable(self.observation(*index))).collect();
        let mut answer = DescentAnswer::undetermined(self.network.code_length(), self.observations.ncols());
        let restarts: Vec<usize> = (0..=self.options.restarts).collect();
        for wave in restarts.chunks((WAVE / usable.len().max(1)).max(1)) {
            let fresh = wave.iter().flat_map(|restart| usable.iter().map(|index| (*restart, *index)));
            let fresh: Vec<(usize, usize)> = fresh.collect();
            let fresh = fresh.into_par_iter().map(|(restart, index)| self.start(restart, index)).collect();
            let starts = self.brought_forward(fresh, &in_f32)?;
            // In the order of the restarts, because the first of two equal losses is kept.
            for (start, run) in starts.iter().zip(runs(self.network, self.observations, &starts, self.steps)) {
                answer.offer(start.observation, &run);
            }
        }
        Ok(answer)
    }

    /// The runs, advanced as far as f32 is accurate.
    fn brought_forward(
        &self,
        fresh: Vec<Start>,
        in_f32: impl Fn(&[Start]) -> Result<Vec<Option<Start>>>,
    ) -> Result<Vec<Start>> {
        let within = |start: &Start| self.observation(start.observation).iter().all(|x| x.is_nan() || fits_f32(*x));
        let (places, begun): (Vec<usize>, Vec<Start>) =
            fresh.iter().cloned().enumerate().filter(|(_, start)| within(start)).unzip();
        let mut starts = fresh;
        if !begun.is_empty() {
            for (place, reached) in places.into_iter().zip(in_f32(&begun)?) {
                if let Some(reached) = reached {
                    starts[place] = reached;
                }
            }
        }
        Ok(starts)
    }

    fn start(&self, restart: usize, observation: usize) -> Start {
        let index = self.first_index.wrapping_add(observation as u64);
        let code = start_code(self.options.seed, index, restart, self.network.code_length());
        Start::fresh(observation, code, self.steps.optimizer)
    }

    fn observation(&self, index: usize) -> &[f64] {
        let length = self.observations.nrows();
        &self.observations.as_slice()[index * length..][..length]
    }
}

/// Whether a number is finite in f32.
pub(super) fn fits_f32(number: f64) -> bool {
    (number as f32).is_finite()
}
