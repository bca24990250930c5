//! Descent in two precisions. A device makes the runs as far as f32 is accurate, and the CPU
//! continues each of them in f64. Runs that f32 cannot represent start in f64. Losses and the stop
//! rule are those of f64 on every device.

use rayon::prelude::*;

use crate::cpu::blocked::descend::runs;
use crate::cpu::blocked::packed::PackedNetwork;
use crate::descent::{DescentAnswer, DescentOptions, Start, Steps, start_code};
use crate::error::Result;
use crate::observation::{Usability, View};

/// Maximum number of runs in memory together; more restarts are made in several waves.
const WAVE: usize = 8192;

/// All runs for a batch of observations.
pub(super) struct Waves<'a> {
    /// The network of the f64 runs.
    pub network: &'a PackedNetwork<f64>,
    /// `n` × count.
    pub observations: View<'a>,
    /// The first column's index in the whole job.
    pub first_index: u64,
    /// The options, already validated.
    pub options: &'a DescentOptions,
    /// The steps of these options.
    pub steps: &'a Steps,
}

/// What f32 has made of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum InF32 {
    /// f64 continues from here.
    Reached(Start),
    /// f32 cannot represent the run: f64 makes it from its beginning.
    Beyond,
    /// The observation cannot be inverted.
    Unusable,
}

impl Waves<'_> {
    /// Descends for every observation from all its starting codes and keeps the lowest loss.
    /// `in_f32` makes the given runs as far as f32 is accurate. It also tells which observations
    /// cannot be inverted, because a device may find that in the same pass in which it narrows
    /// them.
    ///
    /// # Errors
    /// What `in_f32` returns.
    pub fn descend(&self, in_f32: impl Fn(&[Start]) -> Result<Vec<InF32>>) -> Result<DescentAnswer> {
        let count = self.observations.ncols();
        let mut answer = DescentAnswer::undetermined(self.network.code_length(), count);
        let mut usable: Vec<usize> = (0..count).collect();
        let mut restart = 0;
        while restart <= self.options.restarts && !usable.is_empty() {
            let next = (restart + (WAVE / usable.len()).max(1)).min(self.options.restarts + 1);
            let fresh: Vec<(usize, usize)> =
                (restart..next).flat_map(|restart| usable.iter().map(move |index| (restart, *index))).collect();
            let fresh: Vec<Start> = fresh.into_par_iter().map(|(restart, index)| self.start(restart, index)).collect();
            let reached = in_f32(&fresh)?;
            let mut is_usable = vec![true; count];
            let mut starts = Vec::with_capacity(fresh.len());
            for (fresh, reached) in fresh.into_iter().zip(reached) {
                match reached {
                    InF32::Reached(start) => starts.push(start),
                    InF32::Beyond => starts.push(fresh),
                    InF32::Unusable => is_usable[fresh.observation] = false,
                }
            }
            // In the order of the restarts, because the first of two equal losses is kept.
            for (start, run) in starts.iter().zip(runs(self.network, self.observations, &starts, self.steps)) {
                answer.offer(start.observation, &run);
            }
            usable.retain(|index| is_usable[*index]);
            restart = next;
        }
        Ok(answer)
    }

    /// Sorts `starts` by their observations and makes those in the range of f32 with `advance`,
    /// which returns `None` for a run that left it.
    pub fn sorted(&self, starts: &[Start], advance: impl FnOnce(&[Start]) -> Vec<Option<Start>>) -> Vec<InF32> {
        let usability = |start: &Start| self.observations.usability(start.observation);
        let usability: Vec<Usability> = starts.par_iter().map(usability).collect();
        let within = starts.iter().zip(&usability).filter(|(_, usability)| **usability == Usability::InF32);
        let begun: Vec<Start> = within.map(|(start, _)| start.clone()).collect();
        let mut reached = advance(&begun).into_iter();
        let sorted = usability.into_iter().map(|usability| match usability {
            Usability::InF32 => reached.next().flatten().map_or(InF32::Beyond, InF32::Reached),
            Usability::OnlyInF64 => InF32::Beyond,
            Usability::Unusable => InF32::Unusable,
        });
        sorted.collect()
    }

    fn start(&self, restart: usize, observation: usize) -> Start {
        let index = self.first_index.wrapping_add(observation as u64);
        let code = start_code(self.options.seed, index, restart, self.network.code_length());
        Start::fresh(observation, code, self.steps.optimizer)
    }
}

/// Whether a number is finite in f32.
pub(super) fn fits_f32(number: f64) -> bool {
    (number as f32).is_finite()
}
