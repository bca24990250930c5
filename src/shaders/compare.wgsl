// What follows from the outputs of the last layer, where residual.wgsl does not compute them: δ_d =
// (G(z) − x) ⊙ σ_d', and sums of the squares of G(z) − x. Twin of cpu/compare.rs. One invocation
// per slice of an observation (parts/slices.wgsl).

struct CompareParams {
    units: u32,
    count: u32,
    activation: u32,
    slope: f32,
    residual_limit: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> layer: CompareParams;
// [observation][quad], bits of f32. In `targets`, NaN is unobserved; it is padded with NaN.
@group(0) @binding(1) var<storage, read> outputs: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> targets: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> deltas: array<vec4<u32>>;
// [observation][slice], bits of f32.
@group(0) @binding(4) var<storage, read_write> squares: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn compare(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP + local;
    if at >= layer.count * slices(layer.units) {
        return;
    }
    let observation = at / slices(layer.units);
    let first = at % slices(layer.units) * SUMMED_QUADS;
    let last = min(first + SUMMED_QUADS, quads(layer.units));
    var sum = 0.0;
    var is_lost = false;
    for (var quad = first; quad < last; quad++) {
        let place = observation * quads(layer.units) + quad;
        let output = outputs[place];
        let x = targets[place];
        is_lost = is_lost || is_beyond(output, x, layer.residual_limit);
        let residual = difference(output, x, layer.residual_limit);
        let square = residual * residual;
        sum += (square.x + square.y) + (square.z + square.w);
        deltas[place] = bitcast<vec4<u32>>(residual * derivative(layer.activation, layer.slope, output));
    }
    squares[at] = select(bitcast<u32>(sum), NOT_A_NUMBER, is_lost);
}
