//! The GPU as a [`Device`]: the f32 results of its kernels, finished in f64 on the CPU where f32 is
//! not sufficient.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::Device;
use super::two_precisions::{InF32, Waves, fits_f32};
use crate::configuration::{Configurations, check_thresholds};
use crate::cpu::forward::forward_one;
use crate::descent::{DescentAnswer, DescentOptions, Start};
use crate::error::Result;
use crate::gpu::GpuDevice;
use crate::marquardt::MarquardtRules;
use crate::observation::{Usability, View};

impl Device for GpuDevice {
    fn description(&self) -> String {
        let adapter = self.context().adapter();
        format!("{} ({})", adapter.name, adapter.backend)
    }

    fn forward(&self, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.network().check_layer_inputs(&layers, inputs)?;
        let mut outputs = self.forward_f32(layers.clone(), inputs)?;
        let in_range = |column: &[f64]| column.iter().all(|entry| fits_f32(*entry));
        outputs
            .as_mut_slice()
            .par_chunks_mut(self.network().layers()[layers.end - 1].units())
            .zip(inputs.as_slice().par_chunks(inputs.nrows()))
            .filter(|(output, input)| !in_range(input) || !in_range(output))
            .for_each(|(output, input)| {
                let layers = &self.network().layers()[layers.clone()];
                output.copy_from_slice(&forward_one(layers, input));
            });
        Ok(outputs)
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        check_thresholds(targets, thresholds)?;
        self.classify_exactly(targets, thresholds)
    }

    fn descend(
        &self,
        observations: View<'_>,
        first_index: u64,
        options: &DescentOptions,
        prior: f64,
    ) -> Result<DescentAnswer> {
        options.validate()?;
        self.network().check_observation_length(observations.nrows())?;
        let steps = options.steps(|| self.default_step(), prior);
        let network = self.packed();
        let waves = Waves { network, observations, first_index, options, steps: &steps };
        waves.descend(|starts| {
            let narrowed = steps.with_outputs_in(self.unit());
            // f32 would flush such a step size to zero, and every run would stay at its start.
            if !(narrowed.size as f32).is_normal() || !fits_f32(narrowed.prior) {
                return Ok(waves.sorted(starts, |begun| vec![None; begun.len()]));
            }
            let reached = self.descend_runs(observations, starts, &steps)?;
            let continued = |(place, start): (usize, &Start)| match reached.usability[place] {
                Usability::Unusable => InF32::Unusable,
                _ => reached.continued(place, start.observation).map_or(InF32::Beyond, InF32::Reached),
            };
            Ok(starts.par_iter().enumerate().map(continued).collect())
        })
    }

    fn levenberg_marquardt(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        prior: f64,
    ) -> Result<Option<DMatrix<f64>>> {
        let rules = MarquardtRules { prior, ..MarquardtRules::IN_F32 };
        let reached = self.levenberg_marquardt_runs(observations, which, starts, &rules)?;
        Ok(reached.map(|reached| {
            let mut codes = starts.clone();
            for place in 0..which.len() {
                if let Some(code) = reached.code(place) {
                    codes.column_mut(place).copy_from_slice(code);
                }
            }
            codes
        }))
    }

    fn dispatches(&self) -> u64 {
        self.context().dispatches()
    }

    fn kernel_seconds(&self) -> Option<f64> {
        self.context().kernel_seconds()
    }

    fn is_asynchronous(&self) -> bool {
        true
    }

    fn observations_at_once(&self, options: &DescentOptions) -> usize {
        if self.context().adapter().is_card() { self.full_for(options) } else { 1 }
    }

    fn warning(&self) -> Option<String> {
        GpuDevice::warning(self)
    }
}
