// Layer definitions that all kernels share. Arrays are stored in quads: an observation's entries
// are padded with zeros to a multiple of four, so that each load is one aligned vec4 for any layer
// width.

struct LayerParams {
    units: u32,
    inputs: u32,
    count: u32,
    activation: u32,
    slope: f32,
}

const ACTIVATION_SIGMOID: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;

fn quads(entries: u32) -> u32 {
    return (entries + 3u) / 4u;
}

// `value`, quad number `quad` of an observation with this number of entries, with zeros beyond the
// last entry.
fn without_padding(value: vec4<f32>, quad: u32, entries: u32) -> vec4<f32> {
    let first = 4u * quad;
    return select(vec4<f32>(), value, vec4<u32>(first, first + 1u, first + 2u, first + 3u) < vec4<u32>(entries));
}
