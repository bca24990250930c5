//! Gradient descent on `½‖G(z) − x‖² + ½λ‖z‖²` for a batch, with the whole loop on the device. Host
//! side of `shaders/descend.wgsl`, twin of `cpu/descend.rs` within the limits of f32. The loop
//! itself is in `lane_loop.rs`.

use nalgebra::DMatrix;

use super::GpuDevice;
use super::buffers::by_operations;
use super::compact::Moving;
use super::fitting::Work;
use super::lane_loop::LaneLoop;
use super::layer_steps::{Pass, Then};
use super::limits;
use super::maps::DeviceMap;
use super::pipeline::Step;
use super::targets::{Target, upload_targets};
use super::workspace::{Operand, Role, Workspace};
use crate::descent::{DescentOptions, LossWatch, Moments, Optimizer, Start, Steps, moments_from};
use crate::error::Result;
use crate::kernel_params::{
    ACTIVATION_LINEAR, DescendParams, LANE_DIVERGED, LANE_RUNNING, Lane, LayerParams, activation_code, optimizer_code,
};
use crate::observation::{Usability, View, column};

/// Number of descents that fill a large card: its multiprocessors, some 130, each have several of
/// the tiles that share a step's products.
const FULL: usize = 8192;
/// Maximum number of steps of the descents that are made to fill a card: a stop waits for their
/// ends, and what they have done is lost if the process is killed.
const MOST_STEPS_AT_ONCE: usize = FULL * 1000;

/// The final state in f32 of the runs of a batch.
#[derive(Debug)]
pub struct Reached {
    /// The codes, `k` × count; the code of a diverged lane has no meaning.
    pub codes: DMatrix<f64>,
    /// The optimizer's moments of each code's entries, code after code; empty for an optimizer
    /// without moments.
    pub moments: Vec<Moments>,
    /// How each run ended.
    pub lanes: Vec<Lane>,
    /// What each run's observation allows. Only the runs that are in the range of f32 were made;
    /// the others are diverged from the beginning.
    pub usability: Vec<Usability>,
}

impl Reached {
    /// The start from which f64 continues the run of lane `place`; `None` if the lane left f32's
    /// range.
    pub fn continued(&self, place: usize, observation: usize) -> Option<Start> {
        let lane = &self.lanes[place];
        let code: Vec<f64> = self.codes.column(place).iter().copied().collect();
        let kept = self.moments.len() / self.lanes.len();
        // The moments are kept: without them, Adam's first step would move the code by a whole step
        // size.
        let moments = self.moments[place * kept..][..kept].to_vec();
        let in_range = lane.status != LANE_DIVERGED
            && code.iter().all(|z| z.is_finite())
            && moments.iter().flatten().all(|moment| moment.is_finite());
        in_range.then_some(Start { observation, code, moments, done: lane.iterations })
    }
}

/// The residual at which f32 stops, as a share of the observation. Near a loss of zero, the last
/// digits are rounding, and the end of a run among them is left to chance. Momentum may circle
/// there. Adam divides the gradient's rounding by its own size and moves on until the cap. A
/// residual of 32 f32 epsilons of the observation is little more than rounding; from there f64
/// takes over.
const ROUNDING: f64 = 32.0 * f32::EPSILON as f64;

impl GpuDevice {
    /// Descends in f32 from `starts` (`k` × count) towards `observations` (`n` × count, `NaN` where
    /// unobserved), until each run's stop rule holds in f32 or `steps.cap` steps are made. Each run
    /// is independent of the others.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    ///
    /// # Panics
    /// If the shapes do not fit the network.
    pub fn descend_f32<'a>(
        &self,
        observations: impl Into<View<'a>>,
        starts: &DMatrix<f64>,
        steps: &Steps,
    ) -> Result<Reached> {
        let observations = observations.into();
        assert_eq!(observations.ncols(), starts.ncols(), "one start per observation");
        let code = |index: usize| starts.column(index).iter().copied().collect();
        let starts: Vec<Start> =
            (0..starts.ncols()).map(|index| Start::fresh(index, code(index), steps.optimizer)).collect();
        self.descend_runs(observations, &starts, steps)
    }

    /// [`Self::descend_f32`] for runs from their beginnings; several may be towards one
    /// observation. Runs that f32 cannot represent are not made; see [`Reached::usability`].
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    ///
    /// # Panics
    /// If the shapes do not fit the network.
    pub fn descend_runs(&self, observations: View<'_>, starts: &[Start], steps: &Steps) -> Result<Reached> {
        let (n, k, count) = (self.network.observation_length(), self.network.code_length(), starts.len());
        assert_eq!(observations.nrows(), n, "observations that do not fit the network");
        assert!(starts.iter().all(|start| start.code.len() == k), "codes that do not fit the network");
        let mut reached = Reached {
            codes: DMatrix::zeros(k, count),
            moments: vec![[0.0; 2]; steps.optimizer.moments(k) * count],
            lanes: vec![Lane::START; count],
            usability: vec![Usability::Unusable; count],
        };
        let most = self.descents_at_a_time(steps.optimizer)?;
        self.in_parts(Work::Descend, count, most, |columns| {
            let space = self.context.guarded(|| {
                let mut space = self.workspaces.take();
                let (lanes, targets) = self.prepare(&mut space, observations, &starts[columns.clone()], steps)?;
                for (to, target) in reached.usability[columns.clone()].iter_mut().zip(&targets) {
                    *to = target.usability;
                }
                if lanes.iter().all(|lane| lane.status != LANE_RUNNING) {
                    reached.lanes[columns].copy_from_slice(&lanes);
                    return Ok(space);
                }
                let moving = self.moving(steps.optimizer);
                let rules = LaneLoop { work: Work::Descend, cap: steps.cap, most: usize::MAX, moving: &moving };
                self.run_lanes(&mut space, columns.len(), &rules, |space, width| self.iteration_steps(space, width))?;
                self.read_reached(&mut space, columns.start, columns.len(), &mut reached)?;
                Ok(space)
            })?;
            // Only now, because errors of the device are known when `guarded` ends.
            self.workspaces.give([space]);
            Ok(())
        })?;
        Ok(reached)
    }

    /// Maximum number of descents that run together.
    ///
    /// # Errors
    /// [`crate::Error::NoDevice`] if not even one fits.
    fn descents_at_a_time(&self, optimizer: Optimizer) -> Result<usize> {
        // A lane's state and the optimizer's moments; some kernels also need one workgroup per
        // lane.
        let moments = 2 * optimizer.moments(self.layouts[0].words());
        let entries = (size_of::<Lane>() / 4).max(moments).max(self.widest(0..self.network.depth()));
        // Forward and both products of the way back.
        let by_operations = by_operations(3.0 * self.operations(0..self.network.depth()));
        Ok(self.room.observations(entries, 1)?.min(by_operations))
    }

    /// The number of observations whose descents fill a card, at least 1. More than run together
    /// would only make a run wait longer for its first results.
    pub fn full_for(&self, options: &DescentOptions) -> usize {
        let together = self.descents_at_a_time(options.optimizer).unwrap_or(1).min(FULL);
        let by_steps = MOST_STEPS_AT_ONCE / options.iterations.max(1);
        (together.min(by_steps) / (options.restarts + 1)).max(1)
    }

    /// Uploads a batch and reserves the buffers of the kernels. Returns the lanes and what is known
    /// about their targets.
    fn prepare(
        &self,
        space: &mut Workspace,
        observations: View<'_>,
        starts: &[Start],
        steps: &Steps,
    ) -> Result<(Vec<Lane>, Vec<Target>)> {
        let context = &self.context;
        let depth = self.network.depth();
        let (code, count) = (self.layouts[0], starts.len());
        // The unit is a power of two, so its inverse is exact.
        let (shape, per_unit) = ((count, &self.layouts[depth]), 1.0 / self.unit);
        let of = |lane: usize| starts[lane].observation;
        let targets = match observations {
            View::Double(all) => upload_targets(context, space, shape, per_unit, |lane| column(all, of(lane)))?,
            View::Single(all) => upload_targets(context, space, shape, per_unit, |lane| column(all, of(lane)))?,
        };
        let lanes = targets
            .iter()
            .enumerate()
            .map(|(place, target)| target.lane_at_start(place, ROUNDING, target.is_in_range()));
        let lanes: Vec<Lane> = lanes.collect();
        let codes: Vec<f64> = starts.iter().map(|start| start.code.as_slice()).collect::<Vec<_>>().concat();
        space.upload(context, Role::Inputs, &code.narrowed(&codes, 0.0));
        space.upload(context, Role::Lanes, &lanes);
        space.params(context, Role::Params("descend", 0), self.descend_params(&steps.with_outputs_in(self.unit)));
        self.reserve_activations(space, 0..self.depth_of_forward(), count);
        for index in 0..depth - 1 {
            space.reserve(context, Role::Delta(index), self.layouts[index + 1].words() * count);
        }
        self.reserve_residual(space, count);
        space.reserve(context, Role::Gradients, code.words() * count);
        space.reserve(context, Role::MovedLanes, size_of::<Lane>() / 4 * count);
        // An optimizer without moments gets one unused pair, because a binding cannot be empty.
        let pairs = (steps.optimizer.moments(code.words()) * count).max(1);
        space.upload(context, Role::Moments, &vec![[0.0_f32; 2]; pairs]);
        space.reserve(context, Role::MovedMoments, 2 * pairs);
        space.reserve(context, Role::Destinations, count);
        space.reserve(context, Role::Running, 1);
        Ok((lanes, targets))
    }

    /// The arrays that move with the lanes.
    fn moving(&self, optimizer: Optimizer) -> Vec<Moving> {
        let (codes, targets) = (self.layouts[0].words(), self.layouts[self.network.depth()].words());
        let last = Role::Delta(self.network.depth() - 1);
        let mut arrays = vec![
            Moving { array: Role::Inputs, between: Role::Gradients, words: codes },
            Moving { array: Role::Targets, between: last, words: targets },
            Moving { array: Role::Lanes, between: Role::MovedLanes, words: size_of::<Lane>() / 4 },
        ];
        let moments = 2 * optimizer.moments(codes);
        if moments > 0 {
            arrays.push(Moving { array: Role::Moments, between: Role::MovedMoments, words: moments });
        }
        arrays
    }

    /// The kernels of one iteration on the first `width` lanes.
    fn iteration_steps(&self, space: &mut Workspace, width: usize) -> Vec<Step> {
        let context = &self.context;
        let depth = self.network.depth();
        let (descent, lanes) = (Role::Params("descend", 0), Role::Lanes);
        let mut steps = self.forward_steps(space, 0..self.depth_of_forward(), width);
        steps.extend(self.residual_steps(space, width));
        for index in (0..depth).rev() {
            steps.extend(self.backward_steps(space, index, width));
        }
        let update = [descent, lanes, Role::Squares, Role::Gradients, Role::Inputs, Role::Moments].map(Operand::Own);
        steps.push(self.pipelines.update.step(context, space, &update, width));
        steps
    }

    /// The kernels that take `δ` from the outputs of a layer to those of the layer below, or to the
    /// code.
    fn backward_steps(&self, space: &mut Workspace, index: usize, width: usize) -> Vec<Step> {
        let (inputs, below) = match index {
            0 => (Role::Inputs, Role::Gradients),
            _ => (Role::Activation(index - 1), Role::Delta(index - 1)),
        };
        let mut steps = match &self.layers[index].map {
            DeviceMap::Dense { transposed, .. } => {
                let role = Role::Params("backward", index);
                space.params(&self.context, role, self.backward_params(index, width));
                let operands = [
                    Operand::Own(role),
                    Operand::Fixed(transposed),
                    Operand::Own(Role::Delta(index)),
                    Operand::Own(inputs),
                    Operand::Own(below),
                ];
                let shape = (self.layouts[index].entries(), width);
                vec![self.pipelines.backward.step(&self.context, space, &operands, shape)]
            }
            _ => {
                let then = match index {
                    0 => Then::Keep,
                    _ if self.is_curved(index - 1) => Then::Keep,
                    _ => Then::Bend(self.network.layers()[index - 1].activation, inputs, 1),
                };
                let limit = self.layers[index].limits.backward;
                let (from, to) = (Role::Delta(index), below);
                let pass = Pass { name: "backward", index, is_backward: true, from, to, rows: width, limit, then };
                self.pass_steps(space, &pass)
            }
        };
        if index > 0 {
            steps.extend(self.bend_step(space, index - 1, (below, width, 1)));
        }
        steps
    }

    /// Reads the final state of the `count` lanes in `space` into the places from `first` on; each
    /// lane has its own place.
    fn read_reached(&self, space: &mut Workspace, first: usize, count: usize, reached: &mut Reached) -> Result<()> {
        let code = self.layouts[0];
        let kept = reached.moments.len() / reached.lanes.len();
        let [lanes, codes] = [size_of::<Lane>() * count, 4 * code.words() * count];
        let moments = if kept > 0 { 8 * code.words() * count } else { 0 };
        let mut staging = std::mem::take(&mut space.staging[0]);
        let mut sources = vec![(space.buffer(Role::Lanes), lanes as u64), (space.buffer(Role::Inputs), codes as u64)];
        if moments > 0 {
            sources.push((space.buffer(Role::Moments), moments as u64));
        }
        staging.copy_back(&self.context, &sources);
        space.staging[0] = staging;
        space.staging[0].collect(&self.context, |bytes| {
            let (lanes, rest) = bytes.split_at(lanes);
            let lanes: Vec<Lane> = bytemuck::pod_collect_to_vec(lanes);
            let (codes, moments) = rest.split_at(codes);
            let codes: Vec<f32> = bytemuck::pod_collect_to_vec(codes);
            let moments: Vec<[f32; 2]> = bytemuck::pod_collect_to_vec(moments);
            for (place, lane) in lanes.into_iter().enumerate() {
                let to = first + lane.origin as usize;
                let row = place * code.words();
                for (entry, to) in reached.codes.column_mut(to).iter_mut().enumerate() {
                    *to = f64::from(codes[row + code.place(entry)]);
                }
                for entry in 0..kept {
                    let moments = moments[row + code.place(entry)].map(f64::from);
                    reached.moments[to * kept + entry] = moments_from(self.unit, moments);
                }
                reached.lanes[to] = lane;
            }
        })
    }

    fn descend_params(&self, steps: &Steps) -> DescendParams {
        let (first_decay, first_gain) = match steps.optimizer {
            Optimizer::Plain => (0.0, 1.0),
            Optimizer::Momentum => (Optimizer::MOMENTUM, 1.0),
            Optimizer::Adam => (Optimizer::FIRST_DECAY, 1.0 - Optimizer::FIRST_DECAY),
        };
        DescendParams {
            observation_length: self.layouts[self.network.depth()].entries() as u32,
            code_length: self.layouts[0].entries() as u32,
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
            gradient_limit: limits::gradient(self.network.code_length()),
            prior: steps.prior as f32,
            code_limit: limits::code(self.network.code_length(), steps.prior),
        }
    }

    /// Layer `index` with the activation of the layer below; below the first layer is the code,
    /// with the identity.
    fn backward_params(&self, index: usize, count: usize) -> LayerParams {
        let layers = self.network.layers();
        let (activation, slope) = match index {
            0 => (ACTIVATION_LINEAR, 1.0),
            _ => activation_code(layers[index - 1].activation),
        };
        let [inputs, units] = [0, 1].map(|end| self.layouts[index + end].entries());
        LayerParams {
            units: units as u32,
            inputs: inputs as u32,
            count: count as u32,
            activation,
            slope,
            limit: self.layers[index].limits.backward,
        }
    }
}
