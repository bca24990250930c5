// σ' computed from a unit's output: for a piecewise linear layer from the sign, for sigmoid s(1 −
// s), for tanh 1 − t².

fn derivative(activation: u32, slope: f32, output_bits: vec4<u32>) -> vec4<f32> {
    return derivative_at(activation, slope, finite_or_zeros(output_bits), are_at_most_zero(output_bits));
}

fn derivative_at(activation: u32, slope: f32, output: vec4<f32>, is_at_most_zero: vec4<bool>) -> vec4<f32> {
    if activation == ACTIVATION_SIGMOID {
        return output * (1.0 - output);
    }
    if activation == ACTIVATION_TANH {
        return 1.0 - output * output;
    }
    return select(vec4<f32>(1.0), vec4<f32>(slope), is_at_most_zero);
}
