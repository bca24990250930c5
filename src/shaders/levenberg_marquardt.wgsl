// Levenberg–Marquardt on ½‖G(z) − x‖² + ½λ‖z‖² for a batch of runs (lanes), with forward.wgsl for
// the forward pass. Twin of cpu/levenberg_marquardt.rs.
//
// One step is: forward through all layers from the trial codes, `judge` (loss, acceptance, damping,
// stop rules), `tangent` once per layer (the Jacobian's columns, as k tangents per lane), `normal`
// (JᵀJ and Jᵀr; gram.wgsl makes JᵀJ of long codes), `advance` (the damped step, the next trial). A
// lane whose trial was rejected keeps its matrix and uses another damping. An ended lane keeps its
// code; its products have no effect, until compact.wgsl moves the lane to the back.

struct MarquardtParams {
    observation_length: u32,
    code_length: u32,
    step_cap: u32,
    sufficient: f32,
    slow: f32,
    first_damping: f32,
    least_damping: f32,
    most_damping: f32,
    negligible_decrease: f32,
    negligible_step: f32,
    residual_limit: u32,
    jacobian_limit: u32,
    first_row: u32,
    prior: f32,
    code_limit: u32,
}

struct TangentParams {
    units: u32,
    inputs: u32,
    rows: u32,
    activation: u32,
    slope: f32,
    code_length: u32,
    is_first: u32,
    limit: u32,
}

const MOST_CODE_LENGTH: u32 = 64u;
const LARGEST: f32 = 3.0e38;
// The bits of 1.
const ONE: u32 = 0x3f800000u;

@group(0) @binding(0) var<uniform> levenberg_marquardt: MarquardtParams;
@group(0) @binding(1) var<storage, read_write> lanes: array<Lane>;
@group(0) @binding(2) var<storage, read_write> dampings: array<Damping>;
// Arrays of u32 are bits of f32, apart from the weights; see parts/finite.wgsl.
// Outputs of the current layer; in `judge` and `normal`, of the last layer.
@group(0) @binding(3) var<storage, read> outputs: array<vec4<u32>>;
// NaN is unobserved. The last quad is padded with NaN.
@group(0) @binding(4) var<storage, read> targets: array<vec4<u32>>;

@group(0) @binding(5) var<uniform> layer: TangentParams;
// [input][unit quad].
@group(0) @binding(6) var<storage, read> weight: array<vec4<f32>>;
// [lane · k + direction][input quad] and [lane · k + direction][unit quad].
@group(0) @binding(7) var<storage, read> tangents_below: array<vec4<u32>>;
@group(0) @binding(8) var<storage, read_write> tangents: array<vec4<u32>>;

// The last layer's tangents: the Jacobian by columns.
@group(0) @binding(9) var<storage, read> jacobian: array<vec4<u32>>;
// The lower triangle of JᵀJ by rows, followed by Jᵀr as one more row.
@group(0) @binding(10) var<storage, read_write> normals: array<u32>;

// The trial codes, and the last accepted codes.
@group(0) @binding(11) var<storage, read_write> trials: array<u32>;
@group(0) @binding(12) var<storage, read_write> codes: array<u32>;

// Whether a number of this workgroup's lane was not finite or beyond its limit.
var<workgroup> lost: atomic<u32>;

// Applies Nielsen's rule (Madsen, Nielsen, Tingleff 2004, 3.2) to the trial that gave these
// outputs. One workgroup per lane.
@compute @workgroup_size(WORKGROUP)
fn judge(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let lane = workgroup.x;
    let length = quads(levenberg_marquardt.observation_length);
    if local == 0u {
        atomicStore(&lost, 0u);
    }
    workgroupBarrier();
    var squares = vec4<f32>();
    for (var quad = local; quad < length; quad += WORKGROUP) {
        let at = lane * length + quad;
        let output = outputs[at];
        let x = targets[at];
        if is_beyond(output, x, levenberg_marquardt.residual_limit) {
            atomicOr(&lost, 1u);
        }
        let residual = difference(output, x, levenberg_marquardt.residual_limit);
        squares += residual * residual;
    }
    var of_prior = 0.0;
    if levenberg_marquardt.prior > 0.0 {
        let k = levenberg_marquardt.code_length;
        for (var entry = local; entry < k; entry += WORKGROUP) {
            let bits = trials[4u * lane * quads(k) + entry];
            if !is_within(bits, levenberg_marquardt.code_limit) {
                atomicOr(&lost, 1u);
            }
            let z = within_or_zero(bits, levenberg_marquardt.code_limit);
            of_prior += levenberg_marquardt.prior * z * z;
        }
    }
    let sum = workgroup_sum((squares.x + squares.y + squares.z + squares.w) + of_prior, local);
    if local != 0u {
        return;
    }
    let state = lanes[lane];
    let damping = dampings[lane];
    dampings[lane].is_fresh = 0u;
    if state.status != LANE_RUNNING {
        return;
    }
    let is_usable = atomicLoad(&lost) == 0u && is_finite(sum);
    let loss = 0.5 * finite_or_zero(sum);
    let is_first = state.anchor < 0.0;
    let gain = state.anchor - loss;
    var status = LANE_RUNNING;
    if is_usable && (is_first || gain > levenberg_marquardt.sufficient * damping.predicted) {
        let is_slow = !is_first && gain <= levenberg_marquardt.slow * state.anchor;
        let unchanged = select(0u, state.unchanged + 1u, is_slow);
        if !is_first {
            // The quotient could overflow.
            let quality = select(gain / damping.predicted, 1.0, gain >= damping.predicted);
            let excess = 2.0 * quality - 1.0;
            dampings[lane].lambda = damping.lambda * max(0.1, 1.0 - excess * excess * excess);
        }
        dampings[lane].is_fresh = 1u;
        dampings[lane].growth = 2.0;
        lanes[lane].unchanged = unchanged;
        lanes[lane].anchor = loss;
        if loss <= state.rounding || unchanged >= 2u {
            status = LANE_RESTED;
        }
    } else if is_first {
        status = LANE_DIVERGED;
    } else {
        let first = levenberg_marquardt.first_damping * damping.scale;
        // Divided by the growth, because the product could overflow.
        let most = levenberg_marquardt.most_damping * damping.scale / damping.growth;
        if damping.lambda < first {
            dampings[lane].lambda = first;
        } else if damping.lambda > most {
            status = LANE_RESTED;
        } else {
            dampings[lane].lambda = damping.lambda * damping.growth;
        }
        dampings[lane].growth = 2.0 * damping.growth;
    }
    if status == LANE_RUNNING && state.iterations >= levenberg_marquardt.step_cap {
        status = LANE_CAPPED;
    }
    lanes[lane].status = status;
}

fn left(row: u32, quad: u32) -> vec4<u32> {
    if layer.is_first == 1u {
        // The code's own tangents are the unit vectors.
        let direction = vec4<u32>(row % layer.code_length);
        let entry = 4u * quad;
        let is_one = direction == vec4<u32>(entry, entry + 1u, entry + 2u, entry + 3u);
        return select(vec4<u32>(), vec4<u32>(ONE), is_one);
    }
    return tangents_below[row * quads(layer.inputs) + quad];
}

fn right(input: u32, quad: u32) -> vec4<f32> {
    return weight[input * quads(layer.units) + quad];
}

fn finish(row: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let length = quads(layer.units);
    let output = outputs[row / layer.code_length * length + quad];
    let tangent = sum * derivative(layer.activation, layer.slope, output);
    tangents[row * length + quad] = stored(tangent, is_lost, quad, layer.units);
}

// tangents = (W tangents_below) ⊙ σ', k tangents per lane.
@compute @workgroup_size(TILE_X, TILE_Y)
fn tangent(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    product(tile.xy, local.xy, layer.rows, layer.inputs, layer.units, layer.limit);
}

// The position of entry (i, j), j ≤ i, in a lower triangle packed by rows.
fn packed(i: u32, j: u32) -> u32 {
    return i * (i + 1u) / 2u + j;
}

// The entry that is `ahead` positions after this one.
fn walked(start: vec2<u32>, ahead: u32) -> vec2<u32> {
    var at = vec2<u32>(start.x, start.y + ahead);
    while at.y > at.x {
        at.y -= at.x + 1u;
        at.x += 1u;
    }
    return at;
}

// A lower triangle of k rows, and one more row of k.
const MOST_ENTRIES: u32 = MOST_CODE_LENGTH * (MOST_CODE_LENGTH + 3u) / 2u;
const SLICE_QUADS: u32 = 4u;
// One quad longer than the slice, to avoid memory bank conflicts between neighbouring invocations.
const SLICE_STRIDE: u32 = 5u;

var<workgroup> is_wanted: u32;
// Some quads of the Jacobian's columns, and of the residual.
var<workgroup> slice: array<vec4<f32>, (MOST_CODE_LENGTH + 1u) * SLICE_STRIDE>;
// The sums of `normal`; the triangle that `advance` factors.
var<workgroup> triangle: array<f32, MOST_ENTRIES>;
var<workgroup> solution: array<f32, MOST_CODE_LENGTH>;

// JᵀJ and Jᵀr over the observed entries, from row `first_row` on (Jᵀr is row k), for lanes whose
// trial was accepted; NaN if an entry of J or r is beyond its limit. One workgroup per lane; each
// invocation computes its own entries.
@compute @workgroup_size(WORKGROUP)
fn normal(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let lane = workgroup.x;
    if local == 0u {
        is_wanted = dampings[lane].is_fresh;
        atomicStore(&lost, 0u);
    }
    if workgroupUniformLoad(&is_wanted) == 0u {
        return;
    }
    let k = levenberg_marquardt.code_length;
    let entries = packed(k, k);
    let start = vec2<u32>(levenberg_marquardt.first_row, 0u);
    let first_entry = packed(start.x, start.y) + local;
    let length = quads(levenberg_marquardt.observation_length);
    for (var entry = first_entry; entry < entries; entry += WORKGROUP) {
        triangle[entry] = 0.0;
    }
    for (var first = 0u; first < length; first += SLICE_QUADS) {
        workgroupBarrier();
        for (var i = local; i < (k + 1u) * SLICE_QUADS; i += WORKGROUP) {
            let row = i / SLICE_QUADS;
            let quad = first + i % SLICE_QUADS;
            var value = vec4<f32>();
            if quad < length {
                let at = lane * length + quad;
                let x = targets[at];
                var is_lost = false;
                if row < k {
                    let limit = levenberg_marquardt.jacobian_limit;
                    let entries = jacobian[(lane * k + row) * length + quad];
                    is_lost = any(are_observed(x) & !are_within(entries, limit));
                    value = select(vec4<f32>(), within_or_zeros(entries, limit), are_observed(x));
                } else {
                    is_lost = is_beyond(outputs[at], x, levenberg_marquardt.residual_limit);
                    value = difference(outputs[at], x, levenberg_marquardt.residual_limit);
                }
                if is_lost {
                    atomicOr(&lost, 1u);
                }
            }
            slice[row * SLICE_STRIDE + i % SLICE_QUADS] = value;
        }
        workgroupBarrier();
        var at = walked(start, local);
        for (var entry = first_entry; entry < entries; entry += WORKGROUP) {
            var sum = vec4<f32>();
            for (var quad = 0u; quad < SLICE_QUADS; quad++) {
                sum = fma(slice[at.x * SLICE_STRIDE + quad], slice[at.y * SLICE_STRIDE + quad], sum);
            }
            triangle[entry] += (sum.x + sum.y) + (sum.z + sum.w);
            at = walked(at, WORKGROUP);
        }
    }
    let is_lost = atomicLoad(&lost) != 0u;
    for (var entry = first_entry; entry < entries; entry += WORKGROUP) {
        normals[lane * entries + entry] = select(bitcast<u32>(triangle[entry]), NOT_A_NUMBER, is_lost);
    }
}

// Factors the triangle in place, [LLᵀ], and replaces the row below it by L⁻¹ times that row.
// Returns false if the triangle is not positive definite.
fn factor(k: u32, local: u32) -> bool {
    var is_definite = true;
    for (var column = 0u; column < k; column++) {
        workgroupBarrier();
        let bits = bitcast<u32>(triangle[packed(column, column)]);
        let is_pivot = is_positive_normal(bits);
        is_definite = is_definite && is_pivot;
        let root = sqrt(finite_or_zero(select(ONE, bits, is_pivot)));
        workgroupBarrier();
        for (var row = column + local; row <= k; row += WORKGROUP) {
            let at = packed(row, column);
            triangle[at] = select(triangle[at] / root, root, row == column);
        }
        workgroupBarrier();
        // The remaining triangle, from column + 1 on, without its last entry.
        let left_over = packed(k - column - 1u, k - column - 1u);
        var at = walked(vec2<u32>(), local);
        for (var entry = local; entry < left_over; entry += WORKGROUP) {
            let row = column + 1u + at.x;
            let beside = column + 1u + at.y;
            triangle[packed(row, beside)] -= triangle[packed(row, column)] * triangle[packed(beside, column)];
            at = walked(at, WORKGROUP);
        }
    }
    workgroupBarrier();
    return is_definite;
}

// solution = −L⁻ᵀ of the row below the triangle.
fn solve_backward(k: u32, local: u32) {
    for (var entry = local; entry < k; entry += WORKGROUP) {
        solution[entry] = -triangle[packed(k, entry)];
    }
    for (var done = 0u; done < k; done++) {
        let row = k - 1u - done;
        workgroupBarrier();
        let value = solution[row] / triangle[packed(row, row)];
        workgroupBarrier();
        for (var entry = local; entry <= row; entry += WORKGROUP) {
            solution[entry] = select(solution[entry] - triangle[packed(row, entry)] * value, value, entry == row);
        }
    }
    workgroupBarrier();
}

// An entry of the gradient Jᵀr + λz. The code is within its limit, or its trial would have been
// rejected.
fn gradient_at(lane: u32, entry: u32) -> f32 {
    let k = levenberg_marquardt.code_length;
    let g = finite_or_zero(normals[lane * packed(k, k) + packed(k, entry)]);
    if levenberg_marquardt.prior > 0.0 {
        let code = codes[4u * lane * quads(k) + entry];
        return g + levenberg_marquardt.prior * within_or_zero(code, levenberg_marquardt.code_limit);
    }
    return g;
}

// Keeps an accepted trial, and makes the next one: (JᵀJ + (prior + lambda) I) p = −(Jᵀr + prior z).
// One workgroup per lane.
@compute @workgroup_size(WORKGROUP)
fn advance(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let lane = workgroup.x;
    let k = levenberg_marquardt.code_length;
    let entries = packed(k, k);
    let first = 4u * lane * quads(k);
    // All invocations read this before the barriers, which separate it from the write below.
    let damping = dampings[lane];
    if local == 0u {
        is_wanted = u32(lanes[lane].status == LANE_RUNNING);
        atomicStore(&lost, 0u);
    }
    workgroupBarrier();
    var code_squares = 0.0;
    var diagonal = 0.0;
    for (var entry = local; entry < k; entry += WORKGROUP) {
        let at = first + entry;
        if damping.is_fresh == 1u {
            codes[at] = trials[at];
        }
        if !is_finite(codes[at]) {
            atomicOr(&lost, 1u);
        }
        let code = finite_or_zero(codes[at]);
        code_squares += code * code;
        diagonal += finite_or_zero(normals[lane * entries + packed(entry, entry)]);
    }
    if workgroupUniformLoad(&is_wanted) == 0u {
        return;
    }
    // Every invocation has read the damping before the first one writes it below: the barriers of a
    // workgroup alone do not order accesses to buffers.
    storageBarrier();
    let scale = finite_or_zero(workgroup_sum(diagonal, local)) / f32(k) + levenberg_marquardt.prior;
    let wanted = select(damping.lambda, levenberg_marquardt.first_damping * scale, damping.lambda == 0.0);
    let lambda = max(wanted, levenberg_marquardt.least_damping * scale);
    var at = walked(vec2<u32>(), local);
    for (var entry = local; entry < entries; entry += WORKGROUP) {
        let bits = normals[lane * entries + entry];
        if !is_finite(bits) {
            atomicOr(&lost, 1u);
        }
        if at.x < k {
            triangle[entry] = finite_or_zero(bits) + select(0.0, lambda + levenberg_marquardt.prior, at.x == at.y);
        } else {
            triangle[entry] = gradient_at(lane, at.y);
        }
        at = walked(at, WORKGROUP);
    }
    let is_definite = factor(k, local);
    solve_backward(k, local);

    var falls_by = 0.0;
    var step_squares = 0.0;
    for (var entry = local; entry < k; entry += WORKGROUP) {
        let bits = bitcast<u32>(solution[entry]);
        if is_definite && !is_finite(bits) {
            atomicOr(&lost, 1u);
        }
        let p = finite_or_zero(bits);
        falls_by += 0.5 * p * (lambda * p - gradient_at(lane, entry));
        step_squares += p * p;
        trials[first + entry] = bitcast<u32>(finite_or_zero(codes[first + entry]) + select(0.0, p, is_definite));
    }
    workgroupBarrier();
    let predicted_bits = workgroup_sum(falls_by, local);
    workgroupBarrier();
    let step_bits = workgroup_sum(step_squares, local);
    workgroupBarrier();
    let code_bits = workgroup_sum(code_squares, local);
    if local != 0u {
        return;
    }
    let predicted = finite_or_zero(predicted_bits);
    let step_length = sqrt(finite_or_zero(step_bits));
    let code_length = sqrt(finite_or_zero(code_bits));
    // If the matrix is not positive definite in f32, it needs more damping: a prediction this large
    // rejects the trial.
    dampings[lane].predicted = select(LARGEST, predicted, is_definite);
    dampings[lane].lambda = lambda;
    dampings[lane].scale = scale;
    let is_step = is_finite(predicted_bits) && is_finite(step_bits) && is_finite(code_bits);
    let is_lost = atomicLoad(&lost) != 0u || (is_definite && !is_step);
    let has_nothing_left = predicted <= levenberg_marquardt.negligible_decrease * lanes[lane].anchor
        || step_length <= levenberg_marquardt.negligible_step * code_length;
    if is_lost || scale <= 0.0 || (is_definite && has_nothing_left) {
        lanes[lane].status = LANE_RESTED;
    } else {
        lanes[lane].iterations += 1u;
    }
}
