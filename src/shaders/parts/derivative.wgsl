// Functions of one value: whether it is finite (by its bits), and σ' computed from a unit's output:
// for a piecewise linear layer from the sign, for sigmoid s(1 − s), for tanh 1 − t².

const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;

fn is_finite(value: f32) -> bool {
    return (bitcast<u32>(value) & MAGNITUDE) < INFINITY;
}

fn derivative(activation: u32, slope: f32, output: vec4<f32>) -> vec4<f32> {
    if activation == ACTIVATION_SIGMOID {
        return output * (1.0 - output);
    }
    if activation == ACTIVATION_TANH {
        return 1.0 - output * output;
    }
    return select(vec4<f32>(slope), vec4<f32>(1.0), output > vec4<f32>());
}
