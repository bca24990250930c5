// Gradient descent on ½‖G(z) − x‖² + ½λ‖z‖² for a batch of runs (lanes), with forward.wgsl for the
// forward pass. Twin of cpu/descend.rs.
//
// One iteration is: forward through all layers but the last, residual.wgsl (the last layer, δ of
// its outputs, sums of squares), `backward` once per layer, `update` (loss, stop rule, step). All
// of it stays on the device. An ended lane keeps its code; its arithmetic has no effect, until
// compact.wgsl moves the lane to the back. `update` is in parts/sum_tree.wgsl and, for devices with
// subgroup operations, in parts/sum_subgroups.wgsl.

struct DescendParams {
    observation_length: u32,
    code_length: u32,
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
    gradient_limit: u32,
    prior: f32,
    code_limit: u32,
}

const OPTIMIZER_PLAIN: u32 = 0u;
const OPTIMIZER_MOMENTUM: u32 = 1u;
const OPTIMIZER_ADAM: u32 = 2u;

@group(0) @binding(0) var<uniform> descent: DescendParams;
@group(0) @binding(1) var<storage, read_write> lanes: array<Lane>;

// Arrays of u32 are bits of f32; see parts/finite.wgsl.
// The sums of residual.wgsl.
@group(0) @binding(2) var<storage, read> squares: array<u32>;

@group(0) @binding(5) var<uniform> layer: LayerParams;
// [unit][input quad]: the transposed weight, so that both passes are the same product.
@group(0) @binding(6) var<storage, read> transposed: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> deltas_above: array<vec4<u32>>;
@group(0) @binding(8) var<storage, read> inputs: array<vec4<u32>>;
@group(0) @binding(9) var<storage, read_write> deltas_below: array<vec4<u32>>;

@group(0) @binding(10) var<storage, read> gradients: array<u32>;
@group(0) @binding(11) var<storage, read_write> codes: array<u32>;
// The first and second moment of each entry of the codes, if the optimizer needs them.
@group(0) @binding(12) var<storage, read_write> moments: array<vec2<u32>>;

fn left(lane: u32, quad: u32) -> vec4<u32> {
    return deltas_above[lane * quads(layer.units) + quad];
}

fn right(unit: u32, quad: u32) -> vec4<f32> {
    return transposed[unit * quads(layer.inputs) + quad];
}

fn finish(lane: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let at = lane * quads(layer.inputs) + quad;
    let delta = sum * derivative(layer.activation, layer.slope, inputs[at]);
    deltas_below[at] = stored(delta, is_lost, quad, layer.inputs);
}

// deltas_below = (Wᵀ deltas_above) ⊙ σ' of the layer below, whose outputs are this layer's inputs.
// At the code σ' is 1, which a slope of 1 expresses.
@compute @workgroup_size(TILE_X, TILE_Y)
fn backward(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    product(tile.xy, local.xy, layer.count, layer.units, layer.inputs, layer.limit);
}

// The direction that is subtracted from an entry of a code: the gradient, the velocity of the
// heavy-ball method (Polyak 1964), or Adam's quotient (Kingma and Ba 2015, Algorithm 1). `weights`:
// 1 − β₁ᵗ and 1 − β₂ᵗ.
fn step_direction(at: u32, g: f32, weights: vec2<f32>) -> f32 {
    if descent.optimizer == OPTIMIZER_PLAIN {
        return g;
    }
    let before = vec2<f32>(finite_or_zero(moments[at].x), finite_or_zero(moments[at].y));
    let first = descent.first_decay * before.x + descent.first_gain * g;
    if descent.optimizer == OPTIMIZER_MOMENTUM {
        moments[at] = vec2<u32>(bitcast<u32>(first), 0u);
        return first;
    }
    let second = descent.second_decay * before.y + descent.second_gain * g * g;
    moments[at] = vec2<u32>(bitcast<u32>(first), bitcast<u32>(second));
    return (first / weights.x) / (sqrt(second / weights.y) + descent.epsilon);
}

fn has_finite_moments(at: u32) -> bool {
    return descent.optimizer == OPTIMIZER_PLAIN || (is_finite(moments[at].x) && is_finite(moments[at].y));
}

// Whether a sum of squares of this workgroup's lane is NaN, and whether a gradient, a code or a
// moment was not finite or beyond its limit.
var<workgroup> lost_loss: atomic<u32>;
var<workgroup> lost_state: atomic<u32>;

// An entry of the gradient, with the prior's λz.
fn gradient_at(at: u32) -> f32 {
    let g = within_or_zero(gradients[at], descent.gradient_limit);
    if descent.prior > 0.0 {
        return g + descent.prior * within_or_zero(codes[at], descent.code_limit);
    }
    return g;
}

// The bits of the sum of the lane's squares, with the prior's λz².
fn sum_of_squares(lane: u32, local: u32) -> u32 {
    let length = slices(descent.observation_length);
    var sum = 0.0;
    for (var slice = local; slice < length; slice += WORKGROUP) {
        let bits = squares[lane * length + slice];
        if !is_finite(bits) {
            atomicOr(&lost_loss, 1u);
        }
        sum += finite_or_zero(bits);
    }
    if descent.prior > 0.0 {
        let first = 4u * lane * quads(descent.code_length);
        for (var entry = local; entry < descent.code_length; entry += WORKGROUP) {
            let z = within_or_zero(codes[first + entry], descent.code_limit);
            sum += descent.prior * z * z;
        }
    }
    return workgroup_sum(sum, local);
}

// Ends the run or makes a step. One workgroup per lane.
fn update_of_lane(lane: u32, local: u32) {
    let first = 4u * lane * quads(descent.code_length);
    // All invocations read this before the sums. The sums' barriers separate it from the write
    // below.
    let state = lanes[lane];
    if local == 0u {
        atomicStore(&lost_loss, 0u);
        atomicStore(&lost_state, 0u);
    }
    workgroupBarrier();
    let loss_sum = sum_of_squares(lane, local);
    // Every invocation has read the sum before the next one overwrites it.
    workgroupBarrier();
    var squares_here = 0.0;
    for (var entry = local; entry < descent.code_length; entry += WORKGROUP) {
        let at = first + entry;
        let is_kept = is_within(gradients[at], descent.gradient_limit) && is_finite(codes[at]);
        if !(is_kept && is_within(codes[at], descent.code_limit) && has_finite_moments(at)) {
            atomicOr(&lost_state, 1u);
        }
        let g = gradient_at(at);
        squares_here += g * g;
    }
    let sum = workgroup_sum(squares_here, local);
    storageBarrier();

    var status = state.status;
    var anchor = state.anchor;
    var unchanged = state.unchanged;
    if status == LANE_RUNNING {
        let loss = 0.5 * finite_or_zero(loss_sum);
        if atomicLoad(&lost_loss) != 0u || !is_finite(loss_sum) {
            status = LANE_DIVERGED;
        } else if loss <= state.rounding || abs(loss - state.anchor) <= descent.loss_tolerance * loss {
            unchanged += 1u;
        } else {
            anchor = loss;
            unchanged = 0u;
        }
    }
    if status == LANE_RUNNING {
        if atomicLoad(&lost_state) != 0u || !is_finite(sum) {
            status = LANE_DIVERGED;
        } else if sqrt(finite_or_zero(sum)) <= descent.gradient_tolerance || unchanged >= descent.unchanged_steps {
            status = LANE_RESTED;
        } else if state.iterations >= descent.iteration_cap {
            status = LANE_CAPPED;
        }
    }
    // 1 − βᵗ as the moment of a gradient that is always 1. This avoids the cancellation in 1 −
    // pow(β, t).
    let weights = vec2<f32>(
        descent.first_decay * state.first_weight + descent.first_gain,
        descent.second_decay * state.second_weight + descent.second_gain,
    );
    if status == LANE_RUNNING {
        for (var entry = local; entry < descent.code_length; entry += WORKGROUP) {
            let at = first + entry;
            let g = gradient_at(at);
            codes[at] = bitcast<u32>(finite_or_zero(codes[at]) - descent.step * step_direction(at, g, weights));
        }
    }
    if local == 0u {
        lanes[lane].status = status;
        lanes[lane].anchor = anchor;
        lanes[lane].unchanged = unchanged;
        if status == LANE_RUNNING {
            lanes[lane].iterations = state.iterations + 1u;
            lanes[lane].first_weight = weights.x;
            lanes[lane].second_weight = weights.y;
        }
    }
}
