//! Levenberg–Marquardt on `½‖G(z) − x‖² + ½λ‖z‖²` for a batch, with the whole loop on the device.
//! Host side of `shaders/levenberg_marquardt.wgsl`, twin of `cpu/levenberg_marquardt.rs` within the
//! limits of f32. The loop itself is in `lane_loop.rs`, as for gradient descent.

use nalgebra::DMatrix;

use super::GpuDevice;
use super::buffers::{by_operations, narrowed_columns, padded_length};
use super::compact::Moving;
use super::context::Context;
use super::fitting::Work;
use super::lane_loop::LaneLoop;
use super::layer_steps::{Pass, Then};
use super::limits;
use super::maps::DeviceMap;
use super::pipeline::{Product, Rows, Step};
use super::targets::{Target, upload_targets};
use super::tiles::Tiles;
use super::workspace::{Operand, Role, Workspace};
use crate::error::Result;
use crate::kernel_params::entry_points::{ADVANCE, GRAM, JUDGE, NORMAL, TANGENT};
use crate::kernel_params::{
    Damping, LANE_DIVERGED, LANE_RUNNING, Lane, MOST_CODE_LENGTH, MarquardtParams, TangentParams, activation_code,
};
use crate::marquardt::{ARMIJO, FIRST_DAMPING, MOST_DAMPING, MarquardtRules};

/// Maximum number of steps per submission. A run has about twenty steps, and steps submitted after
/// the end of the last run are wasted.
const MOST_A_SUBMISSION: usize = 4;

/// The final state in f32 of the runs of a batch.
#[derive(Debug)]
pub struct MarquardtBatch {
    /// The last accepted codes, `k` × count; the code of a diverged lane has no meaning.
    pub codes: DMatrix<f64>,
    /// How each run ended: `anchor` is the loss, `iterations` the number of tried steps.
    pub lanes: Vec<Lane>,
}

impl MarquardtBatch {
    /// The final code of lane `place`; `None` if it left f32's range.
    pub fn code(&self, place: usize) -> Option<&[f64]> {
        let k = self.codes.nrows();
        let code = &self.codes.as_slice()[place * k..][..k];
        let in_range = self.lanes[place].status != LANE_DIVERGED && code.iter().all(|z| z.is_finite());
        in_range.then_some(code)
    }
}

/// The kernels of a step, apart from the forward pass.
#[derive(Debug)]
pub(super) struct MarquardtPipelines {
    judge: Rows,
    tangent: Product,
    normal: Rows,
    /// For long codes only.
    gram: Option<Product>,
    advance: Rows,
}

impl MarquardtPipelines {
    fn new(context: &Context, tiles: Tiles, takes_gram: bool) -> Self {
        MarquardtPipelines {
            judge: Rows::new(context, &JUDGE),
            tangent: Product::new(context, &TANGENT, tiles),
            normal: Rows::new(context, &NORMAL),
            gram: takes_gram.then(|| Product::new(context, &GRAM, tiles)),
            advance: Rows::new(context, &ADVANCE),
        }
    }
}

/// Number of entries of `JᵀJ` and `Jᵀr`: a lower triangle and one more row.
fn normal_entries(k: usize) -> usize {
    k * (k + 3) / 2
}

impl GpuDevice {
    /// Runs from `starts` (`k` × count) towards `observations` (`n` × count, `NaN` where
    /// unobserved) until a rule ends each run. Each run is independent of the others. Returns
    /// `None` if the kernels do not support the network: its code is longer than
    /// [`MOST_CODE_LENGTH`], or one of its Jacobians does not fit a binding.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    ///
    /// # Panics
    /// If the shapes do not fit the network.
    pub fn levenberg_marquardt_f32(
        &self,
        observations: &DMatrix<f64>,
        starts: &DMatrix<f64>,
        rules: &MarquardtRules,
    ) -> Result<Option<MarquardtBatch>> {
        assert_eq!(observations.ncols(), starts.ncols(), "one start per observation");
        let each: Vec<usize> = (0..starts.ncols()).collect();
        self.levenberg_marquardt_runs(observations, &each, starts, rules)
    }

    /// [`Self::levenberg_marquardt_f32`] where start `i` is for column `which[i]` of
    /// `observations`. Runs that f32 cannot represent are not made; their lanes are diverged.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    ///
    /// # Panics
    /// If the shapes do not fit the network, or an index the observations.
    pub fn levenberg_marquardt_runs(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        rules: &MarquardtRules,
    ) -> Result<Option<MarquardtBatch>> {
        let (n, k, count) = (self.network.observation_length(), self.network.code_length(), which.len());
        assert_eq!((observations.nrows(), starts.shape()), (n, (k, count)), "a batch that does not fit the network");
        assert!(which.iter().all(|index| *index < observations.ncols()), "an observation that is not there");
        let Some(most) = self.marquardt_lanes_at_a_time() else { return Ok(None) };
        let mut reached = MarquardtBatch { codes: DMatrix::zeros(k, count), lanes: vec![Lane::START; count] };
        self.in_parts(Work::LevenbergMarquardt, count, most, |columns| {
            let starts = &starts.as_slice()[columns.start * k..columns.end * k];
            let space = self.context.guarded(|| {
                let mut space = self.workspaces.take();
                let lanes = self.prepare_marquardt(&mut space, observations, &which[columns.clone()], starts, rules)?;
                if lanes.iter().all(|lane| lane.status != LANE_RUNNING) {
                    reached.lanes[columns].copy_from_slice(&lanes);
                    return Ok(space);
                }
                let moving = self.moving_in_marquardt();
                let work = Work::LevenbergMarquardt;
                let lane_loop = LaneLoop { work, cap: rules.steps as usize, most: MOST_A_SUBMISSION, moving: &moving };
                self.run_lanes(&mut space, columns.len(), &lane_loop, |space, width| {
                    self.marquardt_steps(space, width)
                })?;
                self.read_marquardt(&mut space, columns.start, columns.len(), &mut reached)?;
                Ok(space)
            })?;
            // Only now, because errors of the device are known when `guarded` ends.
            self.workspaces.give([space]);
            Ok(())
        })?;
        Ok(Some(reached))
    }

    /// Number of lanes that fit the device together; `None` if not even one fits.
    pub fn marquardt_lanes_at_a_time(&self) -> Option<usize> {
        let k = self.network.code_length();
        let entries = (k * self.widest(0..self.network.depth())).max(normal_entries(k)).max(size_of::<Lane>() / 4);
        let by_arrays = self.room.observations(entries, 1).ok()?;
        let rows = u64::from(self.room.workgroups) * u64::from(self.tiles.fewest_observations());
        let n = self.layouts[self.network.depth()].entries();
        let operations = (1 + k) as f64 * self.operations(0..self.network.depth()) + (n * k * k) as f64;
        let most = by_arrays.min((rows / k as u64) as usize).min(by_operations(operations));
        let is_supported = k <= MOST_CODE_LENGTH as usize && self.layouts[0].is_plain();
        (is_supported && most > 0).then_some(most)
    }

    fn marquardt_pipelines(&self) -> &MarquardtPipelines {
        self.marquardt.get_or_init(|| MarquardtPipelines::new(&self.context, self.tiles, self.takes_gram()))
    }

    /// Uploads a batch and reserves the buffers of the kernels. Returns the lanes.
    fn prepare_marquardt(
        &self,
        space: &mut Workspace,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &[f64],
        rules: &MarquardtRules,
    ) -> Result<Vec<Lane>> {
        let context = &self.context;
        let (n, k, depth) = (self.network.observation_length(), self.network.code_length(), self.network.depth());
        let count = which.len();
        let columns = observations.as_slice();
        let observation = |lane: usize| &columns[which[lane] * n..][..n];
        // The unit is a power of two, so its inverse is exact.
        let targets = upload_targets(context, space, (count, &self.layouts[depth]), 1.0 / self.unit, observation)?;
        let prior = rules.prior / self.unit / self.unit;
        let lane = |(place, (target, start)): (usize, (&Target, &[f64]))| {
            // Where nothing is observed, the run ends at its start.
            let in_range = target.is_in_range() || target.is_empty();
            let is_made = in_range && prior <= limits::prior() && start.iter().all(|z| (*z as f32).is_finite());
            target.lane_at_start(place, rules.rounding, is_made)
        };
        let lanes: Vec<Lane> = targets.iter().zip(starts.chunks_exact(k)).enumerate().map(lane).collect();
        let starts = narrowed_columns(starts, k, 0.0);
        space.upload(context, Role::Inputs, &starts);
        space.upload(context, Role::Codes, &starts);
        space.upload(context, Role::Lanes, &lanes);
        space.upload(context, Role::Dampings, &vec![Damping::START; count]);
        space.params(context, Role::Params("levenberg_marquardt", 0), self.marquardt_params(rules));
        self.reserve_activations(space, 0..depth, count);
        for index in 0..depth {
            space.reserve(context, Role::Tangents(index), self.layouts[index + 1].words() * k * count);
        }
        if !self.network.layers()[0].map().is_dense() {
            let identity: Vec<f64> = DMatrix::identity(k, k).as_slice().to_vec();
            let units = narrowed_columns(&identity, k, 0.0);
            space.upload(context, Role::Units, &units.repeat(count));
        }
        space.reserve(context, Role::Normals, normal_entries(k) * count);
        for Moving { between, words, .. } in self.moving_in_marquardt() {
            space.reserve(context, between, words * count);
        }
        space.reserve(context, Role::Destinations, count);
        space.reserve(context, Role::Running, 1);
        Ok(lanes)
    }

    /// The arrays that move with the lanes.
    fn moving_in_marquardt(&self) -> Vec<Moving> {
        let (targets, k) = (self.layouts[self.network.depth()].words(), self.network.code_length());
        let arrays = [
            (Role::Inputs, padded_length(k)),
            (Role::Codes, padded_length(k)),
            (Role::Targets, targets),
            (Role::Lanes, size_of::<Lane>() / 4),
            (Role::Dampings, size_of::<Damping>() / 4),
            (Role::Normals, normal_entries(k)),
        ];
        let moving = |(place, (array, words))| Moving { array, between: Role::Moved(place), words };
        arrays.into_iter().enumerate().map(moving).collect()
    }

    /// The kernels of one step on the first `width` lanes.
    fn marquardt_steps(&self, space: &mut Workspace, width: usize) -> Vec<Step> {
        let context = &self.context;
        let pipelines = self.marquardt_pipelines();
        let depth = self.network.depth();
        let (params, output, jacobian) =
            (Role::Params("levenberg_marquardt", 0), Role::Activation(depth - 1), Role::Tangents(depth - 1));
        let mut steps = self.forward_steps(space, 0..depth, width);
        let judge = [params, Role::Lanes, Role::Dampings, output, Role::Targets, Role::Inputs].map(Operand::Own);
        steps.push(pipelines.judge.step(context, space, &judge, width));
        for index in 0..depth {
            steps.extend(self.tangent_steps(space, pipelines, index, width));
        }
        if let Some(gram) = &pipelines.gram {
            steps.push(self.gram_step(gram, space, width));
        }
        let normal = [params, Role::Dampings, output, Role::Targets, jacobian, Role::Normals].map(Operand::Own);
        steps.push(pipelines.normal.step(context, space, &normal, width));
        let advance = [params, Role::Lanes, Role::Dampings, Role::Normals, Role::Inputs, Role::Codes];
        steps.push(pipelines.advance.step(context, space, &advance.map(Operand::Own), width));
        steps
    }

    /// The kernels of a layer's tangents, `k` for each of the first `width` lanes.
    fn tangent_steps(
        &self,
        space: &mut Workspace,
        pipelines: &MarquardtPipelines,
        index: usize,
        width: usize,
    ) -> Vec<Step> {
        let rows = self.network.code_length() * width;
        let mut steps = match &self.layers[index].map {
            DeviceMap::Dense { weight, .. } => {
                let role = Role::Params("tangent", index);
                space.params(&self.context, role, self.tangent_params(index, width));
                let operands = [
                    Operand::Own(Role::Activation(index)),
                    Operand::Own(role),
                    Operand::Fixed(weight),
                    // The first layer's tangents are the unit vectors, but something must be bound.
                    Operand::Own(if index == 0 { Role::Inputs } else { Role::Tangents(index - 1) }),
                    Operand::Own(Role::Tangents(index)),
                ];
                let shape = (self.layouts[index + 1].entries(), rows);
                vec![pipelines.tangent.step(&self.context, space, &operands, shape)]
            }
            _ => {
                let activation = self.network.layers()[index].activation;
                let then = match self.is_curved(index) {
                    true => Then::Keep,
                    false => Then::Bend(activation, Role::Activation(index), self.network.code_length()),
                };
                let from = if index == 0 { Role::Units } else { Role::Tangents(index - 1) };
                let (to, limit) = (Role::Tangents(index), self.layers[index].limits.tangent);
                let pass = Pass { name: "tangent", index, is_backward: false, from, to, rows, limit, then };
                self.pass_steps(space, &pass)
            }
        };
        steps.extend(self.bend_step(space, index, (Role::Tangents(index), rows, self.network.code_length())));
        steps
    }

    /// Reads the final state of the `count` lanes in `space` into the places from `first` on; each
    /// lane has its own place.
    fn read_marquardt(
        &self,
        space: &mut Workspace,
        first: usize,
        count: usize,
        reached: &mut MarquardtBatch,
    ) -> Result<()> {
        let k = self.network.code_length();
        let [lanes, codes] = [size_of::<Lane>() * count, 4 * padded_length(k) * count];
        let mut staging = std::mem::take(&mut space.staging[0]);
        let sources = [(space.buffer(Role::Lanes), lanes as u64), (space.buffer(Role::Codes), codes as u64)];
        staging.copy_back(&self.context, &sources);
        space.staging[0] = staging;
        space.staging[0].collect(&self.context, |bytes| {
            let (lanes, codes) = bytes.split_at(lanes);
            let lanes: Vec<Lane> = bytemuck::pod_collect_to_vec(lanes);
            let codes: Vec<f32> = bytemuck::pod_collect_to_vec(codes);
            for (lane, code) in lanes.into_iter().zip(codes.chunks_exact(padded_length(k))) {
                let to = first + lane.origin as usize;
                let column = reached.codes.column_mut(to);
                column.into_iter().zip(code).for_each(|(to, from)| *to = f64::from(*from));
                // In units of the observations, squared; the device's are smaller.
                let anchor = (f64::from(lane.anchor) * self.unit * self.unit) as f32;
                reached.lanes[to] = Lane { anchor, ..lane };
            }
        })
    }

    fn marquardt_params(&self, rules: &MarquardtRules) -> MarquardtParams {
        let prior = rules.prior / self.unit / self.unit;
        let n = self.layouts[self.network.depth()].entries();
        MarquardtParams {
            observation_length: n as u32,
            code_length: self.network.code_length() as u32,
            step_cap: rules.steps,
            sufficient: ARMIJO as f32,
            slow: rules.slow as f32,
            first_damping: FIRST_DAMPING as f32,
            least_damping: rules.least_damping as f32,
            most_damping: MOST_DAMPING as f32,
            negligible_decrease: rules.negligible_decrease as f32,
            negligible_step: rules.negligible_step as f32,
            residual_limit: limits::residual(n),
            jacobian_limit: limits::jacobian(n),
            first_row: if self.takes_gram() { self.network.code_length() as u32 } else { 0 },
            prior: prior as f32,
            code_limit: limits::code(self.network.code_length(), prior),
        }
    }

    fn tangent_params(&self, index: usize, width: usize) -> TangentParams {
        let (activation, slope) = activation_code(self.network.layers()[index].activation);
        let [inputs, units] = [0, 1].map(|end| self.layouts[index + end].entries());
        let k = self.network.code_length();
        TangentParams {
            units: units as u32,
            inputs: inputs as u32,
            rows: (width * k) as u32,
            activation,
            slope,
            code_length: k as u32,
            is_first: u32::from(index == 0),
            limit: self.layers[index].limits.tangent,
        }
    }
}
