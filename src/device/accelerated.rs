//! The GPU as a [`Device`]: the kernels' f32 answers, finished in f64 by the CPU where f32 does not reach.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::Device;
use crate::configuration::{Configurations, check_thresholds};
use crate::cpu::blocked::descend::runs;
use crate::cpu::forward::forward_one;
use crate::descent::{DescentAnswer, DescentOptions, Start, is_usable, start_code};
use crate::error::Result;
use crate::gpu::GpuDevice;

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
        observations: &DMatrix<f64>,
        first_index: u64,
        options: &DescentOptions,
    ) -> Result<DescentAnswer> {
        options.validate()?;
        self.network().check_observations(observations)?;
        let network = self.network();
        let steps = options.steps(|| self.default_step());
        let column = |index: usize| observation(observations, index);
        let usable: Vec<usize> = (0..observations.ncols()).filter(|index| is_usable(column(*index))).collect();
        let reached = |index: &usize| column(*index).iter().all(|x| x.is_nan() || fits_f32(*x));
        let on_device: Vec<usize> = usable.iter().copied().filter(reached).collect();
        let targets = observations.select_columns(&on_device);

        let mut answer = DescentAnswer::undetermined(network.code_length(), observations.ncols());
        for restart in 0..=options.restarts {
            let start = |index: usize| {
                let index = first_index.wrapping_add(index as u64);
                start_code(options.seed, index, restart, network.code_length())
            };
            let mut prepared = vec![None; observations.ncols()];
            // A step that f32 can only flush to zero would leave every run where it starts.
            if (steps.size as f32).is_normal() && !on_device.is_empty() {
                let starts: Vec<f64> = on_device.iter().flat_map(|index| start(*index)).collect();
                let starts = DMatrix::from_vec(network.code_length(), on_device.len(), starts);
                let reached = self.descend_f32(&targets, &starts, &steps)?;
                for (place, index) in on_device.iter().enumerate() {
                    prepared[*index] = reached.continued(place, *index);
                }
            }
            // What f32 could not hold starts afresh: f64 tells whether it diverges.
            let starts: Vec<Start> = usable
                .iter()
                .map(|index| {
                    let fresh = || Start::fresh(*index, start(*index), steps.optimizer);
                    prepared[*index].take().unwrap_or_else(fresh)
                })
                .collect();
            for (index, run) in usable.iter().zip(runs(network, observations, &starts, &steps)) {
                answer.offer(*index, &run);
            }
        }
        Ok(answer)
    }

    fn dispatches(&self) -> u64 {
        self.context().dispatches()
    }

    fn kernel_seconds(&self) -> Option<f64> {
        self.context().kernel_seconds()
    }

    fn works_apart(&self) -> bool {
        true
    }
}

fn observation(observations: &DMatrix<f64>, index: usize) -> &[f64] {
    let length = observations.nrows();
    &observations.as_slice()[index * length..(index + 1) * length]
}

fn fits_f32(number: f64) -> bool {
    (number as f32).is_finite()
}
