// Layer definitions that all kernels share. Arrays are stored in quads: an observation's entries
// are padded with zeros to a multiple of four, so that each load is one aligned vec4 for any layer
// width.

struct LayerParams {
    units: u32,
    inputs: u32,
    count: u32,
    activation: u32,
    slope: f32,
    limit: u32,
}

const ACTIVATION_SIGMOID: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;

fn quads(entries: u32) -> u32 {
    return (entries + 3u) / 4u;
}

// The bits of `value`, quad number `quad` of an observation with this number of entries, with zeros
// beyond the last entry; NaN in a lost lane.
fn stored(value: vec4<f32>, is_lost: bool, quad: u32, entries: u32) -> vec4<u32> {
    let first = 4u * quad;
    let bits = select(bitcast<vec4<u32>>(value), vec4<u32>(NOT_A_NUMBER), vec4<bool>(is_lost));
    return select(vec4<u32>(), bits, vec4<u32>(first, first + 1u, first + 2u, first + 3u) < vec4<u32>(entries));
}
