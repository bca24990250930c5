// σ of a quad of sums.

fn activate(activation: u32, slope: f32, a: vec4<f32>) -> vec4<f32> {
    if activation == ACTIVATION_SIGMOID {
        // Uses -abs(a), because exp of a large number overflows and WGSL does not define the
        // result.
        let e = exp(-abs(a));
        return select(e, vec4<f32>(1.0), a > vec4<f32>()) / (1.0 + e);
    }
    if activation == ACTIVATION_TANH {
        return hyperbolic_tangent(a);
    }
    return select(slope * a, a, a > vec4<f32>());
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
