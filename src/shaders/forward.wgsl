// One layer of a batch: outputs = σ(W · inputs + b). Twin of cpu/forward.rs.
//
// Matrices are column-major with one observation per column, as on the host; each column is padded
// to whole quads. The product is that of parts/product.wgsl. Bias and activation are applied to the
// sums in registers.
//
// An observation with an input that is not finite, or beyond the limit of the layer, becomes NaN in
// every output. So the host detects it and recomputes it in f64: the sum may be finite there.

@group(0) @binding(0) var<uniform> layer: LayerParams;
// [input][unit quad].
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// [observation][input quad] and [observation][unit quad], bits of f32.
@group(0) @binding(3) var<storage, read> inputs: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> outputs: array<vec4<u32>>;

fn left(observation: u32, quad: u32) -> vec4<u32> {
    return inputs[observation * quads(layer.inputs) + quad];
}

fn right(input: u32, quad: u32) -> vec4<f32> {
    return weight[input * quads(layer.units) + quad];
}

fn finish(observation: u32, quad: u32, sum: vec4<f32>, is_lost: bool) {
    outputs[observation * quads(layer.units) + quad] = stored(activate(sum + bias[quad]), is_lost, quad, layer.units);
}

fn activate(a: vec4<f32>) -> vec4<f32> {
    if layer.activation == ACTIVATION_SIGMOID {
        // Uses -abs(a), because exp of a large number overflows and WGSL does not define the
        // result.
        let e = exp(-abs(a));
        return select(e, vec4<f32>(1.0), a > vec4<f32>()) / (1.0 + e);
    }
    if layer.activation == ACTIVATION_TANH {
        return hyperbolic_tangent(a);
    }
    return select(layer.slope * a, a, a > vec4<f32>());
}

// tanh to a few units in the last place, also near 0, where WGSL promises only an absolute accuracy
// of its own function. An odd polynomial of degree 13 over an even one of degree 6 (the minimax
// approximation of Eigen and XLA); beyond the bound, tanh is 1 in f32.
fn hyperbolic_tangent(a: vec4<f32>) -> vec4<f32> {
    let x = clamp(a, vec4<f32>(-7.9053111), vec4<f32>(7.9053111));
    let square = x * x;
    var odd = fma(square, vec4<f32>(-2.76076847742355e-16), vec4<f32>(2.00018790482477e-13));
    odd = fma(square, odd, vec4<f32>(-8.60467152213735e-11));
    odd = fma(square, odd, vec4<f32>(5.12229709037114e-8));
    odd = fma(square, odd, vec4<f32>(1.48572235717979e-5));
    odd = fma(square, odd, vec4<f32>(6.37261928875436e-4));
    odd = fma(square, odd, vec4<f32>(4.89352455891786e-3));
    var even = fma(square, vec4<f32>(1.19825839466702e-6), vec4<f32>(1.18534705686654e-4));
    even = fma(square, even, vec4<f32>(2.26843463243900e-3));
    even = fma(square, even, vec4<f32>(4.89352518554385e-3));
    return x * (odd / even);
}

@compute @workgroup_size(TILE_X, TILE_Y)
fn forward(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    product(tile.xy, local.xy, layer.count, layer.inputs, layer.units, layer.limit);
}
