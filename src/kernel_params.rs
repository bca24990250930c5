//! Definitions that Rust and WGSL share: the structs, the numbers that stand for activations and
//! statuses, and in [`entry_points`] the bindings and workgroup shapes. `tests/kernels/layout.rs`
//! reads the shaders with naga and compares all of these. Names are the same on both sides.

mod activations;
pub mod bounds;
pub mod entry_points;

pub use activations::{activation_code, curve};
use bytemuck::{Pod, Zeroable};

use crate::descent::Optimizer;

/// Parameters of one layer, for `forward` (with its own activation) and `backward` (with the
/// activation of the layer below).
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
    /// Bits of the largest magnitude of an input with which no sum overflows; for `backward`, of a
    /// `δ`.
    pub limit: u32,
}

/// Parameters of `residual`: those of the last layer, and the limit of its outputs.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ResidualParams {
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
    /// Bits of the largest magnitude of an input with which no sum overflows.
    pub limit: u32,
    /// Bits of the largest magnitude of an output or a target with which the loss cannot overflow.
    pub residual_limit: u32,
}

/// Entries whose squares `residual` sums together. Each tile has a whole number of such slices, so
/// the sums do not depend on the tile.
pub const SUMMED_ENTRIES: u32 = 32;

/// Parameters of `convolve`: one phase of a convolution, a transposed one, or the gradient of one.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ImageParams {
    /// Images in the batch.
    pub count: u32,
    /// Rows of output pixels of this phase.
    pub phase_rows: u32,
    /// Columns of output pixels of this phase.
    pub phase_columns: u32,
    /// The row of the phase's first output pixel.
    pub first_row: u32,
    /// Its column.
    pub first_column: u32,
    /// Rows from one output pixel of the phase to the next.
    pub row_stride: u32,
    /// Columns from one to the next.
    pub column_stride: u32,
    /// Rows in the input from one output pixel to the next.
    pub row_step: u32,
    /// Columns in the input.
    pub column_step: u32,
    /// Rows of an input image.
    pub input_rows: u32,
    /// Columns of an input image.
    pub input_columns: u32,
    /// Channel quads of an input pixel.
    pub input_quads: u32,
    /// Rows of an output image.
    pub output_rows: u32,
    /// Columns of an output image.
    pub output_columns: u32,
    /// Channel quads of an output pixel.
    pub output_quads: u32,
    /// Number of taps.
    pub taps: u32,
    /// Images for each image of `beside`.
    pub per_lane: u32,
    /// One of the `AFTER_` numbers.
    pub after: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Slope below 0 of a piecewise linear activation.
    pub slope: f32,
    /// Bits of the largest magnitude of an input with which no sum overflows.
    pub limit: u32,
}

/// Parameters of `gather`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GatherParams {
    /// Rows in the batch.
    pub count: u32,
    /// Quads of an input.
    pub input_quads: u32,
    /// Quads of an output.
    pub output_quads: u32,
    /// Terms of an output quad.
    pub terms: u32,
    /// Rows for each row of `beside`.
    pub per_lane: u32,
    /// One of the `AFTER_` numbers.
    pub after: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Slope below 0 of a piecewise linear activation.
    pub slope: f32,
    /// Bits of the largest magnitude of an input with which no sum overflows.
    pub limit: u32,
}

/// Parameters of `curve` and `bend`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct CurveParams {
    /// Rows in the batch.
    pub count: u32,
    /// Quads of a row.
    pub length: u32,
    /// Rows for each row of sums.
    pub per_lane: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// The factor of an exponential below 0; `β` of softplus.
    pub slope: f32,
    /// The factor of an exponential above 0; the threshold of softplus.
    pub scale: f32,
}

/// Parameters of `compare`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct CompareParams {
    /// Entries of an output.
    pub units: u32,
    /// Observations in the batch.
    pub count: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Slope below 0 of a piecewise linear activation.
    pub slope: f32,
    /// Bits of the largest magnitude of an output or a target with which the loss cannot overflow.
    pub residual_limit: u32,
}

/// Parameters of `classify`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ClassifyParams {
    /// Entries per target.
    pub rows: u32,
    /// Words that hold one observation's bits.
    pub words: u32,
}

/// Parameters of `compact`, for the rows of one array.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct CompactParams {
    /// Number of lanes that take part: the first ones.
    pub count: u32,
    /// Words per lane of the array.
    pub words: u32,
}

/// Parameters of gradient descent: the batch and the rules.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct DescendParams {
    /// `n`, entries per observation.
    pub observation_length: u32,
    /// `k`, entries per code.
    pub code_length: u32,
    /// Step size.
    pub step: f32,
    /// Gradient norm at or below which a run ends.
    pub gradient_tolerance: f32,
    /// Relative change of the loss up to which it counts as unchanged.
    pub loss_tolerance: f32,
    /// Number of steps without a change of the loss after which a run ends.
    pub unchanged_steps: u32,
    /// Maximum number of steps.
    pub iteration_cap: u32,
    /// One of the `OPTIMIZER_` numbers.
    pub optimizer: u32,
    /// Decay factor of an entry's first moment per step: `μ` of momentum, `β₁` of Adam.
    pub first_decay: f32,
    /// Factor of the gradient in the first moment: 1 for momentum, `1 − β₁` for Adam.
    pub first_gain: f32,
    /// `β₂` of Adam.
    pub second_decay: f32,
    /// `1 − β₂` of Adam; stored separately, because f32 would compute it from `β₂` to only four
    /// digits.
    pub second_gain: f32,
    /// `ε` of Adam.
    pub epsilon: f32,
    /// Bits of the largest magnitude of an entry of the gradient with which the square of its norm
    /// cannot overflow.
    pub gradient_limit: u32,
    /// `λ` of the prior, in units of the squared outputs; 0 without one.
    pub prior: f32,
    /// Bits of the largest magnitude of an entry of a code with which the prior cannot overflow.
    pub code_limit: u32,
}

/// The state of one run of gradient descent.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Lane {
    /// The loss at its last change; negative before the first.
    pub anchor: f32,
    /// Number of steps since then.
    pub unchanged: u32,
    /// Number of steps made.
    pub iterations: u32,
    /// One of the `LANE_` numbers.
    pub status: u32,
    /// `1 − β₁ᵗ` of Adam's bias correction after `t` steps.
    pub first_weight: f32,
    /// `1 − β₂ᵗ`, the same for the second moment.
    pub second_weight: f32,
    /// A loss up to this is rounding of f32 and counts as unchanged.
    pub rounding: f32,
    /// Its place in the batch before any lane was moved.
    pub origin: u32,
}

impl Lane {
    /// The state of a run before its first step.
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

/// Parameters of Levenberg–Marquardt: the batch and the rules. Dampings are shares of the mean
/// diagonal of `JᵀJ`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct MarquardtParams {
    /// `n`, entries per observation.
    pub observation_length: u32,
    /// `k`, entries per code.
    pub code_length: u32,
    /// Maximum number of steps.
    pub step_cap: u32,
    /// The share of the predicted decrease that a step must achieve.
    pub sufficient: f32,
    /// The run ends after two consecutive steps whose relative decrease of the loss is at most
    /// this.
    pub slow: f32,
    /// The first damping, and the least damping after a rejected step.
    pub first_damping: f32,
    /// The least damping of all.
    pub least_damping: f32,
    /// The damping beyond which a run ends.
    pub most_damping: f32,
    /// The share of the loss below which a predicted decrease is negligible.
    pub negligible_decrease: f32,
    /// The share of the code's length below which a step is negligible.
    pub negligible_step: f32,
    /// Bits of the largest magnitude of an output or a target with which the loss cannot overflow.
    pub residual_limit: u32,
    /// Bits of the largest magnitude of an entry of the Jacobian with which a damping cannot
    /// overflow.
    pub jacobian_limit: u32,
    /// The first row of `JᵀJ` and `Jᵀr` that `normal` computes: 0, or `k` where `gram` computes
    /// `JᵀJ`.
    pub first_row: u32,
    /// `λ` of the prior, in units of the squared outputs; 0 without one.
    pub prior: f32,
    /// Bits of the largest magnitude of an entry of a code with which the prior cannot overflow.
    pub code_limit: u32,
}

/// Parameters of `gram`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct GramParams {
    /// `n`, entries per observation.
    pub observation_length: u32,
    /// `k`, entries per code.
    pub code_length: u32,
    /// Bits of the largest magnitude of an entry of the Jacobian with which a damping cannot
    /// overflow.
    pub limit: u32,
}

/// The damping state of a run of Levenberg–Marquardt.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Damping {
    /// `λ` of the current trial; 0 before the first.
    pub lambda: f32,
    /// The factor for `λ` if the trial is rejected.
    pub growth: f32,
    /// The predicted decrease of the loss.
    pub predicted: f32,
    /// The mean of the diagonal of `JᵀJ`.
    pub scale: f32,
    /// 1 if the trial was accepted, so that the matrix must be recomputed.
    pub is_fresh: u32,
}

impl Damping {
    /// The state before the first step.
    pub const START: Damping = Damping { lambda: 0.0, growth: 2.0, predicted: 0.0, scale: 0.0, is_fresh: 0 };
}

/// Parameters of `tangent`, for one layer.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct TangentParams {
    /// Rows of `W`.
    pub units: u32,
    /// Columns of `W`.
    pub inputs: u32,
    /// Number of tangents: lanes × `k`.
    pub rows: u32,
    /// One of the `ACTIVATION_` numbers.
    pub activation: u32,
    /// Slope below 0 of a piecewise linear activation.
    pub slope: f32,
    /// `k`.
    pub code_length: u32,
    /// 1 for the first layer, whose inputs' tangents are the unit vectors.
    pub is_first: u32,
    /// Bits of the largest magnitude of an entry of a tangent with which no sum overflows.
    pub limit: u32,
}

/// Invocations per observation, a power of two.
pub const WORKGROUP: u32 = 64;

/// The longest code for which `JᵀJ` fits the workgroup memory that every device has.
pub const MOST_CODE_LENGTH: u32 = 64;

/// ReLU, LeakyReLU and the identity, distinguished by the slope below 0.
pub const ACTIVATION_LINEAR: u32 = 0;
/// The logistic function.
pub const ACTIVATION_SIGMOID: u32 = 1;
/// The hyperbolic tangent.
pub const ACTIVATION_TANH: u32 = 2;
/// ELU and SELU.
pub const ACTIVATION_EXPONENTIAL: u32 = 3;
/// Softplus.
pub const ACTIVATION_SOFTPLUS: u32 = 4;
/// SiLU.
pub const ACTIVATION_SILU: u32 = 5;
/// GELU with the normal distribution function.
pub const ACTIVATION_GELU: u32 = 6;
/// GELU with tanh.
pub const ACTIVATION_GELU_TANH: u32 = 7;

/// Bias and activation are applied to the sums of a map.
pub const AFTER_ACTIVATE: u32 = 0;
/// The sums are multiplied by the derivative of an activation.
pub const AFTER_BEND: u32 = 1;
/// They stay as they are.
pub const AFTER_KEEP: u32 = 2;

/// Parameters of `peak`: its recurrence.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct PeakParams {
    /// Number of rounds of `PEAK_STEPS` steps.
    pub rounds: u32,
    /// `a` of `x ← a·x + b`.
    pub factor: f32,
    /// `b`.
    pub addend: f32,
}

/// Independent chains per invocation of `peak`.
pub const PEAK_CHAINS: u32 = 8;

/// The run is not finished.
pub const LANE_RUNNING: u32 = 0;
/// The stop rule held in f32.
pub const LANE_RESTED: u32 = 1;
/// The run has made the maximum number of steps.
pub const LANE_CAPPED: u32 = 2;
/// A value exceeded the range of f32.
pub const LANE_DIVERGED: u32 = 3;

/// Plain gradient descent.
pub const OPTIMIZER_PLAIN: u32 = 0;
/// Momentum by the heavy-ball method.
pub const OPTIMIZER_MOMENTUM: u32 = 1;
/// Adam.
pub const OPTIMIZER_ADAM: u32 = 2;

/// The number of an optimizer on the device.
pub fn optimizer_code(optimizer: Optimizer) -> u32 {
    match optimizer {
        Optimizer::Plain => OPTIMIZER_PLAIN,
        Optimizer::Momentum => OPTIMIZER_MOMENTUM,
        Optimizer::Adam => OPTIMIZER_ADAM,
    }
}
