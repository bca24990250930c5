// What is read off a number: whether it is one, by its bits, and σ' where it is what a unit gives:
// of a piecewise linear layer by the sign, of sigmoid s(1 − s), of tanh 1 − t².

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
