// One layer of a batch: outputs = σ(W · inputs + b). Twin of cpu/forward.rs.
//
// Matrices are column-major with one observation a column, as on the host. A workgroup makes one TILE × TILE tile of
// the outputs (units × observations) from tiles of both factors in shared memory. Each tile's sum is formed by itself
// before it is added, which keeps the rounding error of long sums down.

struct LayerParams {
    units: u32,
    inputs: u32,
    count: u32,
    activation: u32,
    slope: f32,
}

const ACTIVATION_SIGMOID: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;

override TILE: u32 = 16u;

@group(0) @binding(0) var<uniform> layer: LayerParams;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> outputs: array<f32>;

// [input][unit] and [observation][input].
var<workgroup> weight_tile: array<f32, TILE * TILE>;
var<workgroup> input_tile: array<f32, TILE * TILE>;

fn activate(a: f32) -> f32 {
    if layer.activation == ACTIVATION_SIGMOID {
        // By the sign, because exp of a large number overflows and WGSL leaves open what follows.
        let e = exp(-abs(a));
        return select(e, 1.0, a > 0.0) / (1.0 + e);
    }
    if layer.activation == ACTIVATION_TANH {
        // Some drivers make tanh from exp(2a), which overflows; beyond 15 it is 1 in f32.
        return tanh(clamp(a, -15.0, 15.0));
    }
    return select(layer.slope * a, a, a > 0.0);
}

@compute @workgroup_size(TILE, TILE)
fn forward(
    @builtin(workgroup_id) tile: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let unit = tile.x * TILE + local.x;
    let observation = tile.y * TILE + local.y;
    var sum = 0.0;
    for (var first = 0u; first < layer.inputs; first += TILE) {
        let weight_input = first + local.y;
        var w = 0.0;
        if unit < layer.units && weight_input < layer.inputs {
            w = weight[weight_input * layer.units + unit];
        }
        let input = first + local.x;
        var a = 0.0;
        if observation < layer.count && input < layer.inputs {
            a = inputs[observation * layer.inputs + input];
        }
        weight_tile[local.y * TILE + local.x] = w;
        input_tile[local.y * TILE + local.x] = a;
        workgroupBarrier();

        var tile_sum = 0.0;
        for (var i = 0u; i < TILE; i++) {
            tile_sum += weight_tile[i * TILE + local.x] * input_tile[local.y * TILE + i];
        }
        sum += tile_sum;
        workgroupBarrier();
    }
    if unit < layer.units && observation < layer.count {
        outputs[observation * layer.units + unit] = activate(sum + bias[unit]);
    }
}
