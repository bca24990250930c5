//! What Rust and WGSL share, in one place: the structs, the bindings and workgroup shapes of every entry point, and
//! the numbers that stand for activations and statuses. `tests/kernels/layout.rs` reads the shaders with naga and
//! holds all of it against them. Names are the same on both sides.

use bytemuck::{Pod, Zeroable};

use crate::descent::Optimizer;
use crate::network::Activation;

/// One layer, for `forward` (its own activation) and `backward` (the activation of the layer below).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct LayerParams {
    /// Rows of `W`.
    pub units: u32,
    /// Columns of `W`.
    pub inputs: u32,
    /// Observations in the batch.
    pub count: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Slope below 0 of a piecewise linear activation.
    pub slope: f32,
}

/// The batch of `classify`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ClassifyParams {
    /// Entries a target.
    pub rows: u32,
    /// Words an observation's bits take.
    pub words: u32,
}

/// The rows of one array that `compact` moves.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct CompactParams {
    /// Lanes that take part, the first ones.
    pub count: u32,
    /// Words of the array a lane.
    pub words: u32,
}

/// The batch and the rules of gradient descent.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct DescendParams {
    /// `n`, entries an observation.
    pub observation_length: u32,
    /// `k`, entries a code.
    pub code_length: u32,
    /// The output layer's activation, one of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Its slope below 0.
    pub slope: f32,
    /// Step size.
    pub step: f32,
    /// Gradient norm at which a run ends.
    pub gradient_tolerance: f32,
    /// Relative change of the loss that counts as none.
    pub loss_tolerance: f32,
    /// Steps without change after which a run ends.
    pub unchanged_steps: u32,
    /// Most steps.
    pub iteration_cap: u32,
    /// One of the `OPTIMIZER_` numbers.
    pub optimizer: u32,
    /// What stays of an entry's first moment in a step: `μ` of momentum, `β₁` of Adam.
    pub first_decay: f32,
    /// What of the gradient is added to it: 1 of momentum, `1 − β₁` of Adam.
    pub first_gain: f32,
    /// `β₂` of Adam.
    pub second_decay: f32,
    /// `1 − β₂` of Adam, by itself because f32 would get it from `β₂` to four digits only.
    pub second_gain: f32,
    /// `ε` of Adam.
    pub epsilon: f32,
}

/// Where one run of gradient descent stands.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Lane {
    /// The loss at its last change; negative before the first.
    pub anchor: f32,
    /// Steps since then.
    pub unchanged: u32,
    /// Steps taken.
    pub iterations: u32,
    /// One of the `LANE_` numbers.
    pub status: u32,
    /// `1 − β₁ᵗ` of Adam's bias correction after `t` steps.
    pub first_weight: f32,
    /// `1 − β₂ᵗ`, the same of the second moment.
    pub second_weight: f32,
    /// A loss up to this is f32's rounding and counts as unchanged.
    pub rounding: f32,
    /// Where it stood in the batch before any lane was moved.
    pub origin: u32,
}

impl Lane {
    /// A run before its first step.
    pub const START: Lane = Lane {
        anchor: -1.0,
        unchanged: 0,
        iterations: 0,
        status: LANE_RUNNING,
        first_weight: 0.0,
        second_weight: 0.0,
        rounding: 0.0,
        origin: 0,
    };
}

/// The batch and the rules of Levenberg–Marquardt. Dampings are shares of the mean diagonal of `JᵀJ`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct MarquardtParams {
    /// `n`, entries an observation.
    pub observation_length: u32,
    /// `k`, entries a code.
    pub code_length: u32,
    /// Most steps.
    pub step_cap: u32,
    /// The share of the predicted decrease that a step must keep.
    pub sufficient: f32,
    /// Two steps in a row that lower the loss by no more than this share of it end the run.
    pub slow: f32,
    /// The first damping, and the least after a step that was no good.
    pub first_damping: f32,
    /// The least of all.
    pub least_damping: f32,
    /// The damping beyond which a run ends.
    pub most_damping: f32,
    /// The share of the loss below which a predicted decrease is none.
    pub negligible_decrease: f32,
    /// The share of the code's length below which a step is none.
    pub negligible_step: f32,
}

/// What a run of Levenberg–Marquardt knows of its damping.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Damping {
    /// `λ` of the trial that is under way; 0 before the first.
    pub lambda: f32,
    /// What `λ` is multiplied by if the trial is no good.
    pub growth: f32,
    /// What the loss is to fall by.
    pub predicted: f32,
    /// The mean of the diagonal of `JᵀJ`.
    pub scale: f32,
    /// 1 where the trial was accepted and the matrix is to be made anew.
    pub is_fresh: u32,
}

impl Damping {
    /// Before the first step.
    pub const START: Damping = Damping { lambda: 0.0, growth: 2.0, predicted: 0.0, scale: 0.0, is_fresh: 0 };
}

/// One layer, for `tangent`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct TangentParams {
    /// Rows of `W`.
    pub units: u32,
    /// Columns of `W`.
    pub inputs: u32,
    /// Tangents: lanes × `k`.
    pub rows: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Slope below 0 of a piecewise linear activation.
    pub slope: f32,
    /// `k`.
    pub code_length: u32,
    /// 1 for the first layer, whose inputs' tangents are the unit vectors.
    pub is_first: u32,
}

/// The longest code for which `JᵀJ` fits the workgroup memory that every device has.
pub const MOST_CODE_LENGTH: u32 = 64;

/// ReLU, LeakyReLU and the identity: the slope below 0 says which.
pub const ACTIVATION_LINEAR: u32 = 0;
/// The logistic function.
pub const ACTIVATION_SIGMOID: u32 = 1;
/// The hyperbolic tangent.
pub const ACTIVATION_TANH: u32 = 2;

/// The recurrence of `peak`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct PeakParams {
    /// Rounds of `PEAK_STEPS` steps.
    pub rounds: u32,
    /// `a` of `x ← a·x + b`.
    pub factor: f32,
    /// `b`.
    pub addend: f32,
}

/// Still descending.
pub const LANE_RUNNING: u32 = 0;
/// The stop rule held, in f32.
pub const LANE_RESTED: u32 = 1;
/// All steps are taken.
pub const LANE_CAPPED: u32 = 2;
/// Something left the range of f32.
pub const LANE_DIVERGED: u32 = 3;

/// Plain gradient descent.
pub const OPTIMIZER_PLAIN: u32 = 0;
/// The heavy ball.
pub const OPTIMIZER_MOMENTUM: u32 = 1;
/// Adam.
pub const OPTIMIZER_ADAM: u32 = 2;

/// The number that an optimizer has on the device.
pub fn optimizer_code(optimizer: Optimizer) -> u32 {
    match optimizer {
        Optimizer::Plain => OPTIMIZER_PLAIN,
        Optimizer::Momentum => OPTIMIZER_MOMENTUM,
        Optimizer::Adam => OPTIMIZER_ADAM,
    }
}

/// The number and the slope that an activation has on the device.
pub fn activation_code(activation: Activation) -> (u32, f32) {
    match activation {
        Activation::Relu => (ACTIVATION_LINEAR, 0.0),
        Activation::LeakyRelu(slope) => (ACTIVATION_LINEAR, slope as f32),
        Activation::Identity => (ACTIVATION_LINEAR, 1.0),
        Activation::Sigmoid => (ACTIVATION_SIGMOID, 0.0),
        Activation::Tanh => (ACTIVATION_TANH, 0.0),
    }
}

/// How an entry point uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is read and written.
    ReadWrite,
}

/// A binding of group 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name in WGSL.
    pub name: &'static str,
    /// Its number.
    pub number: u32,
    /// How it is used.
    pub access: Access,
}

/// The shape of an entry point's workgroup, in terms of the shader's override constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workgroup {
    /// `TILE_X` × `TILE_Y` invocations for a tile of a product, `ROWS` × 4 output entries each.
    Tile,
    /// `WORKGROUP` invocations for one observation; of `peak`, which has none, simply so many.
    Observation,
    /// `WORKGROUP` invocations for the whole batch.
    Batch,
}

/// An entry point: what its pipeline is made from.
#[derive(Debug)]
pub struct EntryPoint {
    /// The function's name.
    pub name: &'static str,
    /// The shader it stands in, without `.wgsl`.
    pub kernel: &'static str,
    /// The shader's text and that of the parts that it needs.
    pub source: &'static str,
    /// The bindings it uses, by number.
    pub bindings: &'static [Binding],
    /// The shape of its workgroup.
    pub workgroup: Workgroup,
    /// Whether the device has to have subgroup operations.
    pub subgroups: bool,
}

const fn binding(number: u32, name: &'static str, access: Access) -> Binding {
    Binding { name, number, access }
}

/// A shader and whole files of `shaders/parts/` behind it: WGSL has no includes, and does not mind the order.
macro_rules! shader {
    ($name:literal $(, $part:literal)*) => {
        concat!(
            include_str!(concat!("shaders/", $name, ".wgsl"))
            $(, "\n", include_str!(concat!("shaders/parts/", $part, ".wgsl")))*
        )
    };
}

const FORWARD_SOURCE: &str = shader!("forward", "layer", "product");
const CLASSIFY_SOURCE: &str = shader!("classify");
const DESCEND_SOURCE: &str = shader!("descend", "layer", "lane", "derivative", "product", "halving_sum", "sum_tree");
const DESCEND_SUBGROUPS_SOURCE: &str = shader!("descend", "layer", "lane", "derivative", "product", "sum_subgroups");
const COMPACT_SOURCE: &str = shader!("compact", "lane");
const LEVENBERG_MARQUARDT_SOURCE: &str =
    shader!("levenberg_marquardt", "layer", "lane", "derivative", "product", "halving_sum");

/// One layer of a batch.
pub const FORWARD: EntryPoint = EntryPoint {
    name: "forward",
    kernel: "forward",
    source: FORWARD_SOURCE,
    bindings: &[
        binding(0, "layer", Access::Uniform),
        binding(1, "weight", Access::Read),
        binding(2, "bias", Access::Read),
        binding(3, "inputs", Access::Read),
        binding(4, "outputs", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
};

/// The configurations of a batch, and what f32 cannot decide.
pub const CLASSIFY: EntryPoint = EntryPoint {
    name: "classify",
    kernel: "classify",
    source: CLASSIFY_SOURCE,
    bindings: &[
        binding(0, "batch", Access::Uniform),
        binding(1, "targets", Access::Read),
        binding(2, "thresholds", Access::Read),
        binding(3, "active_words", Access::ReadWrite),
        binding(4, "undecided_words", Access::ReadWrite),
        binding(5, "active_counts", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// Loss, the watch over it, and `δ_d`.
pub const RESIDUAL: EntryPoint = EntryPoint {
    name: "residual",
    kernel: "descend",
    source: DESCEND_SOURCE,
    bindings: &[
        binding(0, "descent", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(2, "outputs", Access::Read),
        binding(3, "targets", Access::Read),
        binding(4, "deltas", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// `δ` of the layer below.
pub const BACKWARD: EntryPoint = EntryPoint {
    name: "backward",
    kernel: "descend",
    source: DESCEND_SOURCE,
    bindings: &[
        binding(5, "layer", Access::Uniform),
        binding(6, "transposed", Access::Read),
        binding(7, "deltas_above", Access::Read),
        binding(8, "inputs", Access::Read),
        binding(9, "deltas_below", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
};

/// The stop rule and the step.
pub const UPDATE: EntryPoint = EntryPoint {
    name: "update",
    kernel: "descend",
    source: DESCEND_SOURCE,
    bindings: &[
        binding(0, "descent", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(10, "gradients", Access::Read),
        binding(11, "codes", Access::ReadWrite),
        binding(12, "moments", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// [`RESIDUAL`] by subgroup operations.
pub const RESIDUAL_SUBGROUPS: EntryPoint = EntryPoint { source: DESCEND_SUBGROUPS_SOURCE, subgroups: true, ..RESIDUAL };

/// [`UPDATE`] by subgroup operations.
pub const UPDATE_SUBGROUPS: EntryPoint = EntryPoint { source: DESCEND_SUBGROUPS_SOURCE, subgroups: true, ..UPDATE };

/// Where each lane goes, and how many run.
pub const RANK: EntryPoint = EntryPoint {
    name: "rank",
    kernel: "compact",
    source: COMPACT_SOURCE,
    bindings: &[
        binding(0, "compaction", Access::Uniform),
        binding(1, "lanes", Access::Read),
        binding(2, "destinations", Access::ReadWrite),
        binding(3, "running", Access::ReadWrite),
    ],
    workgroup: Workgroup::Batch,
    subgroups: false,
};

/// Moves one array's rows there.
pub const SCATTER: EntryPoint = EntryPoint {
    name: "scatter",
    kernel: "compact",
    source: COMPACT_SOURCE,
    bindings: &[
        binding(0, "compaction", Access::Uniform),
        binding(2, "destinations", Access::ReadWrite),
        binding(4, "rows", Access::Read),
        binding(5, "moved", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// The most arithmetic that a device does.
pub const PEAK: EntryPoint = EntryPoint {
    name: "peak",
    kernel: "peak",
    source: include_str!("shaders/peak.wgsl"),
    bindings: &[binding(0, "recurrence", Access::Uniform), binding(1, "ends", Access::ReadWrite)],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// Loss, acceptance and damping of a Levenberg–Marquardt step.
pub const JUDGE: EntryPoint = EntryPoint {
    name: "judge",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(0, "levenberg_marquardt", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(2, "dampings", Access::ReadWrite),
        binding(3, "outputs", Access::Read),
        binding(4, "targets", Access::Read),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// One layer of the Jacobian's columns.
pub const TANGENT: EntryPoint = EntryPoint {
    name: "tangent",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(3, "outputs", Access::Read),
        binding(5, "layer", Access::Uniform),
        binding(6, "weight", Access::Read),
        binding(7, "tangents_below", Access::Read),
        binding(8, "tangents", Access::ReadWrite),
    ],
    workgroup: Workgroup::Tile,
    subgroups: false,
};

/// `JᵀJ` and `Jᵀr`.
pub const NORMAL: EntryPoint = EntryPoint {
    name: "normal",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(0, "levenberg_marquardt", Access::Uniform),
        binding(2, "dampings", Access::ReadWrite),
        binding(3, "outputs", Access::Read),
        binding(4, "targets", Access::Read),
        binding(9, "jacobian", Access::Read),
        binding(10, "normals", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// The damped step.
pub const ADVANCE: EntryPoint = EntryPoint {
    name: "advance",
    kernel: "levenberg_marquardt",
    source: LEVENBERG_MARQUARDT_SOURCE,
    bindings: &[
        binding(0, "levenberg_marquardt", Access::Uniform),
        binding(1, "lanes", Access::ReadWrite),
        binding(2, "dampings", Access::ReadWrite),
        binding(10, "normals", Access::ReadWrite),
        binding(11, "trials", Access::ReadWrite),
        binding(12, "codes", Access::ReadWrite),
    ],
    workgroup: Workgroup::Observation,
    subgroups: false,
};

/// Every entry point there is.
pub const ENTRY_POINTS: [&EntryPoint; 14] = [
    &FORWARD,
    &CLASSIFY,
    &RESIDUAL,
    &RESIDUAL_SUBGROUPS,
    &BACKWARD,
    &UPDATE,
    &UPDATE_SUBGROUPS,
    &RANK,
    &SCATTER,
    &JUDGE,
    &TANGENT,
    &NORMAL,
    &ADVANCE,
    &PEAK,
];
