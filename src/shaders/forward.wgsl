// One layer of a batch: outputs = σ(W · inputs + b). Twin of cpu/forward.rs.
//
// Matrices are column-major with one observation per column, as on the host; each column is padded
// to whole quads. The product is that of parts/product.wgsl. Bias and activation are applied to the
// sums in registers.

@group(0) @binding(0) var<uniform> layer: LayerParams;
// [input][unit quad].
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// [observation][input quad] and [observation][unit quad].
@group(0) @binding(3) var<storage, read> inputs: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> outputs: array<vec4<f32>>;

const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;

fn left(observation: u32, quad: u32) -> vec4<f32> {
    return inputs[observation * quads(layer.inputs) + quad];
}

fn right(input: u32, quad: u32) -> vec4<f32> {
    return weight[input * quads(layer.units) + quad];
}

fn finish(observation: u32, quad: u32, sum: vec4<f32>) {
    let output = activate(sum + bias[quad]);
    outputs[observation * quads(layer.units) + quad] = without_padding(output, quad, layer.units);
}

// Non-finite values pass through unchanged, whatever the activation, so that the host detects them
// and recomputes the observation in f64: an infinity may come from a sum that overflowed on its way
// to 0. They are detected by their bits, because a compiler may assume that every value is finite.
fn activate(a: vec4<f32>) -> vec4<f32> {
    let is_finite = (bitcast<vec4<u32>>(a) & vec4<u32>(MAGNITUDE)) < vec4<u32>(INFINITY);
    return select(a, activate_finite(a), is_finite);
}

fn activate_finite(a: vec4<f32>) -> vec4<f32> {
    if layer.activation == ACTIVATION_SIGMOID {
        // Uses -abs(a), because exp of a large number overflows and WGSL does not define the
        // result.
        let e = exp(-abs(a));
        return select(e, vec4<f32>(1.0), a > vec4<f32>()) / (1.0 + e);
    }
    if layer.activation == ACTIVATION_TANH {
        // Some drivers compute tanh from exp(2a), which overflows; beyond 15, tanh is 1 in f32.
        return tanh(clamp(a, vec4<f32>(-15.0), vec4<f32>(15.0)));
    }
    return select(layer.slope * a, a, a > vec4<f32>());
}

@compute @workgroup_size(TILE_X, TILE_Y)
fn forward(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    product(tile.xy, local.xy, layer.count, layer.inputs, layer.units);
}
