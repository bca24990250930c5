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

fn finish(observation: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let output = activate(layer.activation, layer.slope, sum + bias[quad]);
    outputs[observation * quads(layer.units) + quad] = stored(output, is_lost, quad, layer.units);
}

@compute @workgroup_size(TILE_X, TILE_Y)
fn forward(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    product(tile.xy, local.xy, layer.count, layer.inputs, layer.units, layer.limit);
}
