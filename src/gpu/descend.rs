//! Gradient descent on `½‖G(z) − x‖²` for a batch, the whole loop on the device. Host side of
//! `shaders/descend.wgsl`, twin of `cpu/descend.rs`, as far as f32 goes.

use nalgebra::DMatrix;

use super::buffers::{self, ranges};
use super::forward::BoundLayer;
use super::{GpuDevice, narrowed};
use crate::descent::{DescentOptions, LossWatch, Moments, Optimizer, Start, Steps};
use crate::error::Result;
use crate::kernel_params::{
    ACTIVATION_LINEAR, DescendParams, LANE_DIVERGED, LANE_RUNNING, Lane, LayerParams, activation_code, optimizer_code,
};

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
    moments: wgpu::Buffer,
}

/// Where the runs of a batch have ended in f32.
#[derive(Debug)]
pub struct Reached {
    /// The codes, `k` × count; one means nothing where its lane diverged.
    pub codes: DMatrix<f64>,
    /// What the optimizer keeps of each code's entries, code after code; empty where it keeps nothing.
    pub moments: Vec<Moments>,
    /// How each run ended.
    pub lanes: Vec<Lane>,
}

impl Reached {
    /// The run that goes on in f64 where lane `place` has ended in f32; `None` where the lane left f32's range.
    pub fn continued(&self, place: usize, observation: usize) -> Option<Start> {
        let lane = &self.lanes[place];
        let code: Vec<f64> = self.codes.column(place).iter().copied().collect();
        let kept = self.moments.len() / self.lanes.len();
        // The moments go along: Adam's first step from none would throw the code off by a whole step.
        let moments = self.moments[place * kept..][..kept].to_vec();
        let in_range = lane.status != LANE_DIVERGED
            && code.iter().all(|z| z.is_finite())
            && moments.iter().flatten().all(|moment| moment.is_finite());
        in_range.then_some(Start { observation, code, moments, done: lane.iterations })
    }
}

/// A run before its first step. Plain descent and momentum come to rest in f32, their steps shrinking with the
/// gradient; Adam's do not: what rounding leaves of the gradient it divides by its own size, and walks on to the cap. A
/// residual of 32 f32 epsilons of the observation is little more than rounding, and from there f64 takes over.
fn lane_at_start(target: &[f32], optimizer: Optimizer) -> Lane {
    let rounding = match optimizer {
        Optimizer::Plain | Optimizer::Momentum => 0.0,
        Optimizer::Adam => {
            let square = |x: &f32| (32.0 * f64::from(f32::EPSILON) * f64::from(*x)).powi(2);
            0.5 * target.iter().filter(|x| !x.is_nan()).map(square).sum::<f64>()
        }
    };
    Lane { rounding: rounding as f32, ..Lane::START }
}

/// [`Reached`] of one batch, as the device returns it.
struct ReachedBatch {
    codes: Vec<f32>,
    moments: Vec<[f32; 2]>,
    lanes: Vec<Lane>,
}

impl GpuDevice {
    /// Descends in f32 from `starts` (`k` × count) towards `observations` (`n` × count, `NaN` where unobserved) until
    /// each run's stop rule holds in f32 or `steps.cap` steps are taken.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    ///
    /// # Panics
    /// If the shapes do not fit the network.
    pub fn descend_f32(&self, observations: &DMatrix<f64>, starts: &DMatrix<f64>, steps: &Steps) -> Result<Reached> {
        let mut codes = DMatrix::zeros(starts.nrows(), starts.ncols());
        let (mut lanes, mut moments) = (Vec::with_capacity(starts.ncols()), Vec::new());
        // A lane's state, the optimizer's pairs and, in some kernels, a workgroup of its own.
        let entries = (size_of::<Lane>() / 4).max(2 * steps.optimizer.moments(starts.nrows()));
        let most = self.batch_of(0..self.network.depth())?.min(self.room.observations(entries, 1)?);
        for columns in ranges(starts.ncols(), most) {
            let count = columns.len();
            let targets = narrowed(observations.columns(columns.start, count).iter());
            let start = narrowed(starts.columns(columns.start, count).iter());
            let batch = self.descend_batch(&targets, &start, count, steps)?;
            for (to, from) in codes.columns_mut(columns.start, count).iter_mut().zip(batch.codes) {
                *to = f64::from(from);
            }
            moments.extend(batch.moments.iter().map(|pair| pair.map(f64::from)));
            lanes.extend(batch.lanes);
        }
        Ok(Reached { codes, moments, lanes })
    }

    fn descend_batch(&self, targets: &[f32], starts: &[f32], count: usize, steps: &Steps) -> Result<ReachedBatch> {
        let context = &self.context;
        let bound = context.guarded(|| Ok(self.bind_descent(targets, starts, count, steps)))?;
        // One more than the cap: the last one only looks at where the last step has led.
        let mut left = steps.cap + 1;
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
                let moments = match steps.optimizer {
                    Optimizer::Plain => Vec::new(),
                    _ => context.guarded(|| buffers::read(context, &bound.moments))?,
                };
                return Ok(ReachedBatch { codes, moments, lanes });
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

    fn bind_descent(&self, targets: &[f32], starts: &[f32], count: usize, steps: &Steps) -> Bound {
        let context = &self.context;
        let depth = self.network.depth();
        let descent = buffers::uniform(context, self.descend_params(steps));
        let lanes = targets.chunks_exact(self.network.observation_length());
        let lanes: Vec<Lane> = lanes.map(|target| lane_at_start(target, steps.optimizer)).collect();
        let lanes = buffers::upload(context, &lanes);
        let targets = buffers::upload(context, targets);
        let codes = buffers::upload(context, starts);
        let activations = self.activations(0..depth, count);
        let deltas = self.activations(0..depth, count);
        let gradients = buffers::storage(context, self.network.code_length() * count);
        // A binding cannot be empty: where the optimizer keeps nothing, one pair that no kernel touches.
        let pairs = (steps.optimizer.moments(self.network.code_length()) * count).max(1);
        let moments = buffers::storage(context, 2 * pairs);

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
            update: self.pipelines.update.bind(context, &[&descent, &lanes, &gradients, &codes, &moments]),
            lanes,
            codes,
            moments,
        }
    }

    fn descend_params(&self, steps: &Steps) -> DescendParams {
        let layers = self.network.layers();
        let (activation, slope) = activation_code(layers[layers.len() - 1].activation);
        let (first_decay, first_gain) = match steps.optimizer {
            Optimizer::Plain => (0.0, 1.0),
            Optimizer::Momentum => (Optimizer::MOMENTUM, 1.0),
            Optimizer::Adam => (Optimizer::FIRST_DECAY, 1.0 - Optimizer::FIRST_DECAY),
        };
        DescendParams {
            observation_length: self.network.observation_length() as u32,
            code_length: self.network.code_length() as u32,
            activation,
            slope,
            step: steps.size as f32,
            gradient_tolerance: DescentOptions::GRADIENT_TOLERANCE as f32,
            loss_tolerance: LossWatch::ULPS as f32 * f32::EPSILON,
            unchanged_steps: DescentOptions::UNCHANGED_STEPS,
            iteration_cap: steps.cap as u32,
            optimizer: optimizer_code(steps.optimizer),
            first_decay: first_decay as f32,
            first_gain: first_gain as f32,
            second_decay: Optimizer::SECOND_DECAY as f32,
            second_gain: (1.0 - Optimizer::SECOND_DECAY) as f32,
            epsilon: Optimizer::EPSILON as f32,
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
