// The last layer of gradient descent, and what follows from its outputs: δ_d = (G(z) − x) ⊙ σ_d',
// and sums of the squares of G(z) − x. Twin of cpu/residual.rs.
//
// The product is that of parts/product.wgsl. The outputs stay in registers: to write them and read
// them again would cost as much memory traffic as the targets and δ together. The squares of an
// observation are summed over slices (parts/slices.wgsl), in the same order for every tile, and
// `update` of descend.wgsl adds these sums. A sum is NaN if an input, an output or a target of its
// tile is not finite or beyond its limit.

struct ResidualParams {
    units: u32,
    inputs: u32,
    count: u32,
    activation: u32,
    slope: f32,
    limit: u32,
    residual_limit: u32,
}

@group(0) @binding(0) var<uniform> layer: ResidualParams;
// [input][unit quad].
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// [observation][input quad], bits of f32.
@group(0) @binding(3) var<storage, read> inputs: array<vec4<u32>>;
// [observation][unit quad], bits of f32. NaN is unobserved; the last quad is padded with NaN.
@group(0) @binding(4) var<storage, read> targets: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> deltas: array<vec4<u32>>;
// [observation][slice], bits of f32.
@group(0) @binding(6) var<storage, read_write> squares: array<u32>;

// The sum of squares of each quad that this invocation has finished, by its place; and a bit for
// each that is lost.
var<private> quad_squares: array<f32, 16>;
var<private> lost_places: u32;

fn left(observation: u32, quad: u32) -> vec4<u32> {
    return inputs[observation * quads(layer.inputs) + quad];
}

fn right(input: u32, quad: u32) -> vec4<f32> {
    return weight[input * quads(layer.units) + quad];
}

// The output is finite, because the limits of the layer bound it, so it may be compared as it is.
fn finish(observation: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let at = observation * quads(layer.units) + quad;
    let output = activate(layer.activation, layer.slope, sum + bias[quad]);
    let x = targets[at];
    let limit = layer.residual_limit;
    let is_within = abs(output) <= vec4<f32>(finite_or_zero(limit));
    let is_residual = are_observed(x) & is_within & are_within(x, limit);
    let residual = select(vec4<f32>(), select(vec4<f32>(), output, is_within) - within_or_zeros(x, limit), is_residual);
    let square = residual * residual;
    quad_squares[place] = (square.x + square.y) + (square.z + square.w);
    // With a limit of 0, the biases alone may overflow.
    if is_lost || layer.limit == 0u || any(are_observed(x) & !is_residual) {
        lost_places |= 1u << place;
    }
    let slope = derivative_at(layer.activation, layer.slope, output, output <= vec4<f32>());
    deltas[at] = bitcast<vec4<u32>>(residual * slope);
}

// Writes the sums over the slices of this tile. The squares of four places become one quad in the
// workgroup memory of the left factor, which the product no longer needs.
fn sum_slices(tile: vec2<u32>, local: vec2<u32>) {
    let invocations = TILE_X * TILE_Y;
    let invocation = local.y * TILE_X + local.x;
    left_tile[invocation] = vec4<f32>(quad_squares[0], quad_squares[1], quad_squares[2], quad_squares[3]);
    if ROWS > 4u {
        left_tile[invocations + invocation] =
            vec4<f32>(quad_squares[4], quad_squares[5], quad_squares[6], quad_squares[7]);
    }
    if QUADS > 1u {
        left_tile[2u * invocations + invocation] =
            vec4<f32>(quad_squares[8], quad_squares[9], quad_squares[10], quad_squares[11]);
        left_tile[3u * invocations + invocation] =
            vec4<f32>(quad_squares[12], quad_squares[13], quad_squares[14], quad_squares[15]);
    }
    // Also: every invocation has read `lost_rows` in the product.
    workgroupBarrier();
    for (var place = 0u; place < ROWS * QUADS; place++) {
        if ((lost_places >> place) & 1u) == 1u {
            let row = local.y + place % ROWS * TILE_Y;
            atomicOr(&lost_rows[row / 32u], 1u << (row % 32u));
        }
    }
    workgroupBarrier();
    // Each sum takes SUMMED_QUADS neighbouring invocations in x, for four rows.
    let groups = ROWS / 4u;
    let sums = groups * QUADS * invocations / SUMMED_QUADS;
    for (var i = invocation; i < sums; i += invocations) {
        var sum = vec4<f32>();
        for (var quad = 0u; quad < SUMMED_QUADS; quad++) {
            sum += left_tile[i * SUMMED_QUADS + quad];
        }
        let group = i * SUMMED_QUADS / invocations;
        let first = i * SUMMED_QUADS % invocations;
        let slice = ((tile.x * QUADS + group / groups) * TILE_X + first % TILE_X) / SUMMED_QUADS;
        for (var entry = 0u; entry < 4u; entry++) {
            write_sum(tile.y, first / TILE_X + (4u * (group % groups) + entry) * TILE_Y, slice, sum[entry]);
        }
    }
}

fn write_sum(tile: u32, row: u32, slice: u32, sum: f32) {
    let observation = tile * TILE_Y * ROWS + row;
    if observation < layer.count && slice < slices(layer.units) {
        let is_lost = (atomicLoad(&lost_rows[row / 32u]) >> (row % 32u) & 1u) == 1u;
        squares[observation * slices(layer.units) + slice] = select(bitcast<u32>(sum), NOT_A_NUMBER, is_lost);
    }
}

@compute @workgroup_size(TILE_X, TILE_Y)
fn residual(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    product(tile.xy, local.xy, layer.count, layer.inputs, layer.units, layer.limit);
    sum_slices(tile.xy, local.xy);
}
