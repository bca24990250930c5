//! Descent in two precisions: a device brings the runs as far as f32 goes, each goes on from there
//! in f64 on the CPU, and what f32 cannot hold begins in f64. Losses and the stop rule are f64's on
//! every device.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::cpu::blocked::descend::runs;
use crate::cpu::blocked::packed::PackedNetwork;
use crate::descent::{DescentAnswer, DescentOptions, Start, Steps, is_usable, start_code};
use crate::error::Result;

/// Runs whose codes wait in memory together; more restarts than this allows come in waves.
const WAVE: usize = 8192;

/// All runs of a batch of observations.
pub(super) struct Waves<'a> {
    /// What finishes them.
    pub network: &'a PackedNetwork<f64>,
    /// `n` × count.
    pub observations: &'a DMatrix<f64>,
    /// The first column's index in the whole run.
    pub first_index: u64,
    /// Validated.
    pub options: &'a DescentOptions,
    /// Those of the options.
    pub steps: &'a Steps,
}

impl Waves<'_> {
    /// Every observation from all its starting codes; the lowest loss is kept. `in_f32` makes the
    /// runs that it is given as far as f32 goes, and says from where to go on; `None` for those
    /// that left f32's range.
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
            // In the order of the restarts, on which the choice between equal losses rests.
            for (start, run) in starts.iter().zip(runs(self.network, self.observations, &starts, self.steps)) {
                answer.offer(start.observation, &run);
            }
        }
        Ok(answer)
    }

    /// The runs from where f32 has brought them.
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

/// Whether f32 has a finite number for it.
pub(super) fn fits_f32(number: f64) -> bool {
    (number as f32).is_finite()
}
