// A map with few numbers per output: resampling, scaling, their gradients. Each output quad is a
// sum of a few input quads, each times its own factors. Twin of cpu/gather.rs.
//
// `after`, `per_lane` and `beside` are as in convolution.wgsl. One invocation per output
// quad; its sum runs over the terms from first to last.

struct GatherParams {
    count: u32,
    input_quads: u32,
    output_quads: u32,
    terms: u32,
    per_lane: u32,
    after: u32,
    activation: u32,
    slope: f32,
    limit: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> gather_params: GatherParams;
// [output quad][term].
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// [output quad][term]: the input quad; a number beyond the last one for no term.
@group(0) @binding(3) var<storage, read> sources: array<u32>;
// Bits of f32.
@group(0) @binding(4) var<storage, read> inputs: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> beside: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> outputs: array<vec4<u32>>;

fn finish(row: u32, quad: u32, place: u32, sum: vec4<f32>, is_lost: bool) {
    let length = gather_params.output_quads;
    var output = sum;
    if gather_params.after == AFTER_BEND {
        let of_lane = beside[row / gather_params.per_lane * length + quad];
        output = sum * derivative(gather_params.activation, gather_params.slope, of_lane);
    } else if gather_params.after == AFTER_ACTIVATE {
        output = activate(gather_params.activation, gather_params.slope, sum + bias[quad]);
    }
    outputs[row * length + quad] = stored(output, is_lost, quad, 4u * length);
}

@compute @workgroup_size(WORKGROUP)
fn gather(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let length = gather_params.output_quads;
    let at = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP + local;
    if at >= gather_params.count * length {
        return;
    }
    let row = at / length;
    let quad = at % length;
    var sum = vec4<f32>();
    var is_lost = false;
    for (var term = 0u; term < gather_params.terms; term++) {
        let place = quad * gather_params.terms + term;
        let source = sources[place];
        if source < gather_params.input_quads {
            let bits = inputs[row * gather_params.input_quads + source];
            is_lost = is_lost || !all(are_within(bits, gather_params.limit));
            sum = fma(weight[place], within_or_zeros(bits, gather_params.limit), sum);
        }
    }
    finish(row, quad, 0u, sum, is_lost);
}
