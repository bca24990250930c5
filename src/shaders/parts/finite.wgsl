// Numbers that may not be finite. WGSL promises nothing about NaN and infinity: a compiler may
// assume that no number is one, and remove a test for it. So buffers hold the bits of such numbers
// as integers. What a kernel loads is decided on its bits, before any arithmetic. A number that is
// not finite, or so large that a later sum could overflow (gpu/limits.rs), is 0 in the arithmetic,
// and its lane is lost. `tests/kernels/finite.rs` checks all shaders for this rule.

const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;
const NOT_A_NUMBER: u32 = 0x7fc00000u;
const SIGN: u32 = 0x80000000u;
const LEAST_NORMAL: u32 = 0x00800000u;

fn is_finite(bits: u32) -> bool {
    return (bits & MAGNITUDE) < INFINITY;
}

// Above 0, finite and not denormal: a divisor.
fn is_positive_normal(bits: u32) -> bool {
    return bits >= LEAST_NORMAL && bits < INFINITY;
}

// At most 0: denormal numbers keep their sign, and NaN is neither above nor below.
fn are_at_most_zero(bits: vec4<u32>) -> vec4<bool> {
    return (bits == vec4<u32>()) | (bits - vec4<u32>(SIGN) <= vec4<u32>(INFINITY));
}

// The magnitude is at most that of `limit`, the bits of a finite number.
fn is_within(bits: u32, limit: u32) -> bool {
    return (bits & MAGNITUDE) <= limit;
}

fn are_within(bits: vec4<u32>, limit: u32) -> vec4<bool> {
    return (bits & vec4<u32>(MAGNITUDE)) <= vec4<u32>(limit);
}

fn finite_or_zero(bits: u32) -> f32 {
    return bitcast<f32>(select(0u, bits, (bits & MAGNITUDE) < INFINITY));
}

fn finite_or_zeros(bits: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(select(vec4<u32>(), bits, (bits & vec4<u32>(MAGNITUDE)) < vec4<u32>(INFINITY)));
}

fn within_or_zero(bits: u32, limit: u32) -> f32 {
    return bitcast<f32>(select(0u, bits, (bits & MAGNITUDE) <= limit));
}

fn within_or_zeros(bits: vec4<u32>, limit: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(select(vec4<u32>(), bits, (bits & vec4<u32>(MAGNITUDE)) <= vec4<u32>(limit)));
}
