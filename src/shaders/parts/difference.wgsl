// G(z) − x over the observed entries, one quad at a time. NaN in x means unobserved, and x is
// padded with NaN.

fn are_observed(x: vec4<u32>) -> vec4<bool> {
    return (x & vec4<u32>(MAGNITUDE)) <= vec4<u32>(INFINITY);
}

// Whether an observed entry, or its output, is beyond the limit.
fn is_beyond(output: vec4<u32>, x: vec4<u32>, limit: u32) -> bool {
    return any(are_observed(x) & !(are_within(output, limit) & are_within(x, limit)));
}

fn difference(output: vec4<u32>, x: vec4<u32>, limit: u32) -> vec4<f32> {
    return select(vec4<f32>(), within_or_zeros(output, limit) - within_or_zeros(x, limit), are_observed(x));
}
