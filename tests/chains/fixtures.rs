//! Generators with convolutions and smooth activations, with random weights.

use unrelu::Network;
use unrelu::internals::formats::operations::{NamedTensors, Tensor, read_operations};
use unrelu::internals::random::{Domain, normal_vector};

/// A network of these operations; each tensor of `shapes` is drawn so that values keep their size.
pub fn network(input: &str, operations: &str, shapes: &[(&str, &[usize])], seed: u64) -> Network {
    let tensor = |(index, (name, shape)): (usize, &(&str, &[usize]))| {
        let count: usize = shape.iter().product();
        // Inputs of an output: of a transposed kernel, they lie on the first axis.
        let inputs: usize = if name.starts_with("up") { shape[0] * 4 } else { shape[1..].iter().product() };
        let scale = if shape.len() == 1 { 0.1 } else { (2.0 / inputs as f64).sqrt() };
        let drawn = normal_vector(seed, Domain::Code, index as u64, count);
        let numbers = match *name {
            "var" => drawn.iter().map(|x| 0.5 + x.abs()).collect(),
            _ => drawn.iter().map(|x| scale * x).collect(),
        };
        ((*name).to_owned(), Tensor { shape: shape.to_vec(), numbers })
    };
    let tensors = NamedTensors(shapes.iter().enumerate().map(tensor).collect());
    let document =
        format!(r#"{{"format": "unrelu operations", "version": 1, "input": {input}, "operations": [{operations}]}}"#);
    read_operations(&document, "a test", &tensors).unwrap()
}

/// A small DCGAN: 5 → 8×3×3 → 6×6×6 → 2×12×12, with these activations.
pub fn dcgan(hidden: &str, output: &str, seed: u64) -> Network {
    let operations = format!(
        r#"{{"op": "linear", "weight": "fc", "bias": "fb"}}, {hidden}, {{"op": "reshape", "shape": [8, 3, 3]}},
           {{"op": "conv_transpose2d", "weight": "up1", "stride": 2, "padding": 1}},
           {{"op": "batch_norm", "running_mean": "mean", "running_var": "var"}}, {hidden},
           {{"op": "conv_transpose2d", "weight": "up2", "bias": "ub", "stride": 2, "padding": 1}}, {output}"#
    );
    let shapes: [(&str, &[usize]); 7] = [
        ("fc", &[72, 5]),
        ("fb", &[72]),
        ("up1", &[8, 6, 4, 4]),
        ("mean", &[6]),
        ("var", &[6]),
        ("up2", &[6, 2, 4, 4]),
        ("ub", &[2]),
    ];
    network("[5]", &operations, &shapes, seed)
}

/// Upsampling and convolutions: 4 → 3×3×4 → 5×6×8 → 1×5×3.
pub fn upsampler(hidden: &str, seed: u64) -> Network {
    let operations = format!(
        r#"{{"op": "linear", "weight": "fc"}}, {hidden}, {{"op": "reshape", "shape": [3, 3, 4]}},
           {{"op": "scale", "weight": "gain", "bias": "shift"}},
           {{"op": "upsample", "size": [6, 8], "mode": "bilinear"}},
           {{"op": "conv2d", "weight": "k1", "padding": 1}}, {hidden},
           {{"op": "avg_pool2d", "kernel_size": [2, 3], "stride": [1, 2]}},
           {{"op": "conv2d", "weight": "k2", "bias": "b2"}}"#
    );
    let shapes: [(&str, &[usize]); 6] =
        [("fc", &[36, 4]), ("gain", &[3]), ("shift", &[3]), ("k1", &[5, 3, 3, 3]), ("k2", &[1, 5, 1, 1]), ("b2", &[1])];
    network("[4]", &operations, &shapes, seed)
}

pub const RELU: &str = r#"{"op": "relu"}"#;
pub const LEAKY: &str = r#"{"op": "leaky_relu", "negative_slope": 0.2}"#;
pub const SILU: &str = r#"{"op": "silu"}"#;
pub const SOFTPLUS: &str = r#"{"op": "softplus"}"#;
pub const GELU: &str = r#"{"op": "gelu"}"#;
pub const ELU: &str = r#"{"op": "elu"}"#;
pub const TANH: &str = r#"{"op": "tanh"}"#;
pub const SIGMOID: &str = r#"{"op": "sigmoid"}"#;
pub const IDENTITY: &str = r#"{"op": "identity"}"#;

/// Networks of all kinds.
pub fn all() -> Vec<(String, Network)> {
    let mut networks = Vec::new();
    for (seed, hidden) in [RELU, LEAKY, SILU, SOFTPLUS, GELU, ELU, TANH].into_iter().enumerate() {
        for output in [TANH, SIGMOID, IDENTITY, SILU] {
            networks.push((format!("dcgan {hidden} {output}"), dcgan(hidden, output, seed as u64)));
        }
        networks.push((format!("upsampler {hidden}"), upsampler(hidden, seed as u64)));
    }
    networks
}
