// Gradient descent on ½‖G(z) − x‖² for a batch of runs (lanes), with forward.wgsl for the way up. Twin of
// cpu/descend.rs.
//
// One iteration is: forward through all layers, `residual` (loss, stop watch, δ of the output layer), `backward`
// once a layer, `update` (stop rule, step). All of it stays on the device. A lane that has ended keeps its code; its
// arithmetic goes on without effect until all have ended.
//
// Derivatives are told from outputs: σ' of a piecewise linear layer by its sign, of sigmoid s(1 − s), of tanh 1 − t².

struct DescendParams {
    observation_length: u32,
    code_length: u32,
    activation: u32,
    slope: f32,
    step: f32,
    gradient_tolerance: f32,
    loss_tolerance: f32,
    unchanged_steps: u32,
    iteration_cap: u32,
    optimizer: u32,
    first_decay: f32,
    first_gain: f32,
    second_decay: f32,
    second_gain: f32,
    epsilon: f32,
}

struct LayerParams {
    units: u32,
    inputs: u32,
    count: u32,
    activation: u32,
    slope: f32,
}

struct Lane {
    anchor: f32,
    unchanged: u32,
    iterations: u32,
    status: u32,
    first_weight: f32,
    second_weight: f32,
    rounding: f32,
}

const ACTIVATION_SIGMOID: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;

const LANE_RUNNING: u32 = 0u;
const LANE_RESTED: u32 = 1u;
const LANE_CAPPED: u32 = 2u;
const LANE_DIVERGED: u32 = 3u;

const OPTIMIZER_PLAIN: u32 = 0u;
const OPTIMIZER_MOMENTUM: u32 = 1u;
const OPTIMIZER_ADAM: u32 = 2u;

const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;

override TILE: u32 = 16u;
// A power of two: the sums below halve it.
override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> descent: DescendParams;
@group(0) @binding(1) var<storage, read_write> lanes: array<Lane>;

@group(0) @binding(2) var<storage, read> outputs: array<f32>;
// Bits of f32: NaN, unobserved, is looked for with integers, because WGSL may assume that there is none.
@group(0) @binding(3) var<storage, read> targets: array<u32>;
@group(0) @binding(4) var<storage, read_write> deltas: array<f32>;

@group(0) @binding(5) var<uniform> layer: LayerParams;
@group(0) @binding(6) var<storage, read> weight: array<f32>;
@group(0) @binding(7) var<storage, read> deltas_above: array<f32>;
@group(0) @binding(8) var<storage, read> inputs: array<f32>;
@group(0) @binding(9) var<storage, read_write> deltas_below: array<f32>;

@group(0) @binding(10) var<storage, read> gradients: array<f32>;
@group(0) @binding(11) var<storage, read_write> codes: array<f32>;
// The first and second moment of each entry of the codes, as far as the optimizer keeps them.
@group(0) @binding(12) var<storage, read_write> moments: array<vec2<f32>>;

var<workgroup> partial_sums: array<f32, WORKGROUP>;
// [input][unit], a column longer so that invocations side by side do not meet in one memory bank, and
// [observation][unit].
var<workgroup> weight_tile: array<f32, TILE * (TILE + 1u)>;
var<workgroup> delta_tile: array<f32, TILE * TILE>;

fn is_finite(value: f32) -> bool {
    return (bitcast<u32>(value) & MAGNITUDE) < INFINITY;
}

fn derivative(activation: u32, slope: f32, output: f32) -> f32 {
    if activation == ACTIVATION_SIGMOID {
        return output * (1.0 - output);
    }
    if activation == ACTIVATION_TANH {
        return 1.0 - output * output;
    }
    return select(slope, 1.0, output > 0.0);
}

// The sum of `value` over the workgroup, in an order that does not depend on anything but WORKGROUP.
fn workgroup_sum(value: f32, local: u32) -> f32 {
    partial_sums[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            partial_sums[local] += partial_sums[local + half];
        }
        workgroupBarrier();
    }
    return partial_sums[0];
}

// δ_d = (G(z) − x) ⊙ σ_d', the loss, and whether it has changed. One workgroup a lane.
@compute @workgroup_size(WORKGROUP)
fn residual(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = workgroup.x;
    let first = lane * descent.observation_length;
    var squares = 0.0;
    for (var entry = local; entry < descent.observation_length; entry += WORKGROUP) {
        let bits = targets[first + entry];
        var delta = 0.0;
        if (bits & MAGNITUDE) <= INFINITY {
            let output = outputs[first + entry];
            let difference = output - bitcast<f32>(bits);
            squares += difference * difference;
            delta = difference * derivative(descent.activation, descent.slope, output);
        }
        deltas[first + entry] = delta;
    }
    let loss = 0.5 * workgroup_sum(squares, local);
    if local == 0u && lanes[lane].status == LANE_RUNNING {
        if !is_finite(loss) {
            lanes[lane].status = LANE_DIVERGED;
        } else if loss <= lanes[lane].rounding || abs(loss - lanes[lane].anchor) <= descent.loss_tolerance * loss {
            lanes[lane].unchanged += 1u;
        } else {
            lanes[lane].anchor = loss;
            lanes[lane].unchanged = 0u;
        }
    }
}

// deltas_below = (Wᵀ deltas_above) ⊙ σ' of the layer below, whose outputs are this layer's inputs; at the code σ' is
// 1, told by a slope of 1. One workgroup a tile of inputs × lanes.
@compute @workgroup_size(TILE, TILE)
fn backward(
    @builtin(workgroup_id) tile: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let input = tile.x * TILE + local.x;
    let lane = tile.y * TILE + local.y;
    let weight_input = tile.x * TILE + local.y;
    var sum = 0.0;
    for (var first = 0u; first < layer.units; first += TILE) {
        let unit = first + local.x;
        var w = 0.0;
        if unit < layer.units && weight_input < layer.inputs {
            w = weight[weight_input * layer.units + unit];
        }
        var delta = 0.0;
        if unit < layer.units && lane < layer.count {
            delta = deltas_above[lane * layer.units + unit];
        }
        weight_tile[local.y * (TILE + 1u) + local.x] = w;
        delta_tile[local.y * TILE + local.x] = delta;
        workgroupBarrier();

        var tile_sum = 0.0;
        for (var i = 0u; i < TILE; i++) {
            tile_sum += weight_tile[local.x * (TILE + 1u) + i] * delta_tile[local.y * TILE + i];
        }
        sum += tile_sum;
        workgroupBarrier();
    }
    if input < layer.inputs && lane < layer.count {
        let at = lane * layer.inputs + input;
        deltas_below[at] = sum * derivative(layer.activation, layer.slope, inputs[at]);
    }
}

// The direction against which an entry of a code steps: the gradient, the heavy ball's velocity (Polyak 1964), or
// Adam's quotient (Kingma and Ba 2015, Algorithm 1). `weights`: 1 − β₁ᵗ and 1 − β₂ᵗ.
fn step_direction(at: u32, g: f32, weights: vec2<f32>) -> f32 {
    if descent.optimizer == OPTIMIZER_PLAIN {
        return g;
    }
    let before = moments[at];
    let first = descent.first_decay * before.x + descent.first_gain * g;
    if descent.optimizer == OPTIMIZER_MOMENTUM {
        moments[at] = vec2<f32>(first, 0.0);
        return first;
    }
    let second = descent.second_decay * before.y + descent.second_gain * g * g;
    moments[at] = vec2<f32>(first, second);
    return (first / weights.x) / (sqrt(second / weights.y) + descent.epsilon);
}

// Ends the run or takes a step. One workgroup a lane.
@compute @workgroup_size(WORKGROUP)
fn update(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = workgroup.x;
    let first = lane * descent.code_length;
    // Read by all before the sum, whose barriers part it from the first invocation's writing below.
    let state = lanes[lane];
    var squares = 0.0;
    for (var entry = local; entry < descent.code_length; entry += WORKGROUP) {
        let g = gradients[first + entry];
        squares += g * g;
    }
    let squared_norm = workgroup_sum(squares, local);
    storageBarrier();

    var status = state.status;
    if status == LANE_RUNNING {
        if !is_finite(squared_norm) {
            status = LANE_DIVERGED;
        } else if sqrt(squared_norm) <= descent.gradient_tolerance || state.unchanged >= descent.unchanged_steps {
            status = LANE_RESTED;
        } else if state.iterations >= descent.iteration_cap {
            status = LANE_CAPPED;
        }
    }
    // 1 − βᵗ as the moment of a gradient that is always 1: nothing cancels, as it would in 1 − pow(β, t).
    let weights = vec2<f32>(
        descent.first_decay * state.first_weight + descent.first_gain,
        descent.second_decay * state.second_weight + descent.second_gain,
    );
    if status == LANE_RUNNING {
        for (var entry = local; entry < descent.code_length; entry += WORKGROUP) {
            let at = first + entry;
            codes[at] -= descent.step * step_direction(at, gradients[at], weights);
        }
    }
    if local == 0u {
        lanes[lane].status = status;
        if status == LANE_RUNNING {
            lanes[lane].iterations = state.iterations + 1u;
            lanes[lane].first_weight = weights.x;
            lanes[lane].second_weight = weights.y;
        }
    }
}
