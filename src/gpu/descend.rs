//! Gradient descent on `½‖G(z) − x‖²` for a batch, the whole loop on the device. Host side of
//! `shaders/descend.wgsl`, twin of `cpu/descend.rs`, as far as f32 goes.

use nalgebra::DMatrix;

use super::buffers::{self, ranges};
use super::forward::BoundLayer;
use super::{GpuDevice, narrowed};
use crate::descent::{DescentOptions, LossWatch};
use crate::error::Result;
use crate::kernel_params::{ACTIVATION_LINEAR, DescendParams, LANE_RUNNING, Lane, LayerParams, activation_code};

/// Iterations in one submission. After each the host looks whether any run goes on; the answer takes about as long
/// as an iteration or two, so a few dozen hide it.
const ITERATIONS_A_SUBMISSION: usize = 32;

/// What the kernels are bound to for one batch, and the buffers that are read back.
struct Bound {
    forward: Vec<BoundLayer>,
    residual: wgpu::BindGroup,
    /// From the output to the code.
    backward: Vec<(wgpu::BindGroup, (u32, u32))>,
    update: wgpu::BindGroup,
    lanes: wgpu::Buffer,
    codes: wgpu::Buffer,
}

impl GpuDevice {
    /// Descends in f32 from `starts` (`k` × count) towards `observations` (`n` × count, `NaN` where unobserved) until
    /// each run's stop rule holds in f32 or `options.iterations` are taken. Returns the codes and where each run
    /// ended; a code means nothing where its lane diverged.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    ///
    /// # Panics
    /// If the shapes do not fit the network.
    pub fn descend_f32(
        &self,
        observations: &DMatrix<f64>,
        starts: &DMatrix<f64>,
        options: &DescentOptions,
        step: f64,
    ) -> Result<(DMatrix<f64>, Vec<Lane>)> {
        let mut codes = DMatrix::zeros(starts.nrows(), starts.ncols());
        let mut lanes = Vec::with_capacity(starts.ncols());
        // A lane takes four entries and, in some kernels, a workgroup of its own.
        let most = self.batch_of(0..self.network.depth())?.min(self.room.observations(4, 1)?);
        for columns in ranges(starts.ncols(), most) {
            let count = columns.len();
            let targets = narrowed(observations.columns(columns.start, count).iter());
            let start = narrowed(starts.columns(columns.start, count).iter());
            let (batch_codes, batch_lanes) = self.descend_batch(&targets, &start, count, options, step)?;
            for (to, from) in codes.columns_mut(columns.start, count).iter_mut().zip(batch_codes) {
                *to = f64::from(from);
            }
            lanes.extend(batch_lanes);
        }
        Ok((codes, lanes))
    }

    fn descend_batch(
        &self,
        targets: &[f32],
        starts: &[f32],
        count: usize,
        options: &DescentOptions,
        step: f64,
    ) -> Result<(Vec<f32>, Vec<Lane>)> {
        let context = &self.context;
        let bound = context.guarded(|| Ok(self.bind_descent(targets, starts, count, options, step)))?;
        // One more than the cap: the last one only looks at where the last step has led.
        let mut left = options.iterations + 1;
        loop {
            let now = left.min(ITERATIONS_A_SUBMISSION);
            left -= now;
            let lanes: Vec<Lane> = context.guarded(|| {
                context.submit(|encoder| {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    (0..now).map(|_| self.dispatch_iteration(&mut pass, &bound, count)).sum()
                });
                buffers::read(context, &bound.lanes)
            })?;
            if left == 0 || lanes.iter().all(|lane| lane.status != LANE_RUNNING) {
                let codes = context.guarded(|| buffers::read(context, &bound.codes))?;
                return Ok((codes, lanes));
            }
        }
    }

    fn dispatch_iteration(&self, pass: &mut wgpu::ComputePass<'_>, bound: &Bound, count: usize) -> u64 {
        let forward = self.dispatch_forward(pass, &bound.forward);
        self.pipelines.residual.dispatch(pass, &bound.residual, count as u32, 1);
        for (layer, tiles) in &bound.backward {
            self.pipelines.backward.dispatch(pass, layer, tiles.0, tiles.1);
        }
        self.pipelines.update.dispatch(pass, &bound.update, count as u32, 1);
        forward + bound.backward.len() as u64 + 2
    }

    fn bind_descent(
        &self,
        targets: &[f32],
        starts: &[f32],
        count: usize,
        options: &DescentOptions,
        step: f64,
    ) -> Bound {
        let context = &self.context;
        let depth = self.network.depth();
        let descent = buffers::uniform(context, self.descend_params(options, step));
        let targets = buffers::upload(context, targets);
        let codes = buffers::upload(context, starts);
        let lanes = buffers::upload(context, &vec![Lane::START; count]);
        let activations = self.activations(0..depth, count);
        let deltas = self.activations(0..depth, count);
        let gradients = buffers::storage(context, self.network.code_length() * count);

        let output = &activations[depth - 1];
        let residual = [&descent, &lanes, output, &targets, &deltas[depth - 1]];
        let backward = (0..depth).rev().map(|index| {
            let (inputs, deltas_below) =
                if index == 0 { (&codes, &gradients) } else { (&activations[index - 1], &deltas[index - 1]) };
            let params = buffers::uniform(context, self.backward_params(index, count));
            let buffers = [&params, &self.layers[index].weight, &deltas[index], inputs, deltas_below];
            let tiles = self.tiles(self.network.layers()[index].inputs(), count);
            (self.pipelines.backward.bind(context, &buffers), tiles)
        });
        Bound {
            forward: self.bind_forward(0..depth, &codes, &activations, count),
            residual: self.pipelines.residual.bind(context, &residual),
            backward: backward.collect(),
            update: self.pipelines.update.bind(context, &[&descent, &lanes, &gradients, &codes]),
            lanes,
            codes,
        }
    }

    fn descend_params(&self, options: &DescentOptions, step: f64) -> DescendParams {
        let layers = self.network.layers();
        let (activation, slope) = activation_code(layers[layers.len() - 1].activation);
        DescendParams {
            observation_length: self.network.observation_length() as u32,
            code_length: self.network.code_length() as u32,
            activation,
            slope,
            step: step as f32,
            gradient_tolerance: DescentOptions::GRADIENT_TOLERANCE as f32,
            loss_tolerance: LossWatch::ULPS as f32 * f32::EPSILON,
            unchanged_steps: DescentOptions::UNCHANGED_STEPS,
            iteration_cap: options.iterations as u32,
        }
    }

    /// Layer `index` with the activation of the one below it; below the first layer stands the code, as it is.
    fn backward_params(&self, index: usize, count: usize) -> LayerParams {
        let layers = self.network.layers();
        let (activation, slope) = match index {
            0 => (ACTIVATION_LINEAR, 1.0),
            _ => activation_code(layers[index - 1].activation),
        };
        let layer = &layers[index];
        LayerParams {
            units: layer.units() as u32,
            inputs: layer.inputs() as u32,
            count: count as u32,
            activation,
            slope,
        }
    }
}
