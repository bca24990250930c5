//! What Rust and WGSL share, in one place: the structs, the numbers that stand for activations and
//! statuses, and in [`entry_points`] the bindings and workgroup shapes. `tests/kernels/layout.rs`
//! reads the shaders with naga and holds all of it against them. Names are the same on both sides.

pub mod entry_points;

use bytemuck::{Pod, Zeroable};

use crate::descent::Optimizer;
use crate::network::Activation;

/// One layer, for `forward` (its own activation) and `backward` (the activation of the layer
/// below).
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

/// The batch and the rules of Levenberg–Marquardt. Dampings are shares of the mean diagonal of
/// `JᵀJ`.
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
