// The activations that no product applies to its sums: `curve` makes σ of the sums, and `bend`
// multiplies δ or tangents by σ' of the sums. One invocation per quad. Twin of cpu/curve.rs.

struct CurveParams {
    count: u32,
    length: u32,
    per_lane: u32,
    activation: u32,
    slope: f32,
    scale: f32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> layer: CurveParams;
// [row][quad], bits of f32. For `bend`, one row for each `per_lane` rows of `slopes`.
@group(0) @binding(1) var<storage, read> sums: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> outputs: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> bent: array<vec4<u32>>;

fn invocation_of(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> u32 {
    return (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP + local;
}

// NaN where a number was not finite.
fn kept(value: vec4<f32>, before: vec4<u32>) -> vec4<u32> {
    let is_kept = (before & vec4<u32>(MAGNITUDE)) < vec4<u32>(INFINITY);
    return select(vec4<u32>(NOT_A_NUMBER), bitcast<vec4<u32>>(value), is_kept);
}

@compute @workgroup_size(WORKGROUP)
fn curve(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = invocation_of(workgroup, workgroups, local);
    if at < layer.count * layer.length {
        let bits = sums[at];
        outputs[at] = kept(curved(layer.activation, layer.slope, layer.scale, finite_or_zeros(bits)), bits);
    }
}

@compute @workgroup_size(WORKGROUP)
fn bend(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = invocation_of(workgroup, workgroups, local);
    if at < layer.count * layer.length {
        let row = at / layer.length / layer.per_lane;
        let a = finite_or_zeros(sums[row * layer.length + at % layer.length]);
        let bits = bent[at];
        bent[at] = kept(finite_or_zeros(bits) * curved_slope(layer.activation, layer.slope, layer.scale, a), bits);
    }
}
