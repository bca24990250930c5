mod damage;

use nalgebra::{DMatrix, DVector};

use super::*;
use crate::network::Activation;
use crate::random::{Domain, normal_vector};

fn tensors(entries: &[(&str, &[usize])]) -> NamedTensors {
    let tensor = |(index, (name, shape)): (usize, &(&str, &[usize]))| {
        let count = shape.iter().product();
        let numbers = normal_vector(1, Domain::Code, index as u64, count);
        // Variances are positive.
        let numbers = if name.ends_with("var") { numbers.iter().map(|x| x.abs() + 0.1).collect() } else { numbers };
        ((*name).to_owned(), Tensor { shape: shape.to_vec(), numbers })
    };
    NamedTensors(entries.iter().enumerate().map(tensor).collect())
}

fn read(operations: &str, input: &str, tensors: &NamedTensors) -> Result<Network> {
    let document =
        format!(r#"{{"format": "unrelu operations", "version": 1, "input": {input}, "operations": [{operations}]}}"#);
    read_operations(&document, "a test", tensors)
}

fn refusal(operations: &str, input: &str, tensors: &NamedTensors) -> String {
    read(operations, input, tensors).unwrap_err().to_string()
}

#[test]
fn a_dense_network_is_the_same_as_from_its_layers() {
    let given = tensors(&[("w", &[5, 3]), ("b", &[5]), ("mean", &[5]), ("var", &[5]), ("v", &[7, 5])]);
    let network = read(
        r#"{"op": "linear", "weight": "w", "bias": "b"}, {"op": "batch_norm", "running_mean": "mean", "running_var": "var"},
           {"op": "relu"}, {"op": "scale", "weight": 2.0, "bias": "b"}, {"op": "linear", "weight": "v"},
           {"op": "leaky_relu", "negative_slope": 0.2}"#,
        "[3]",
        &given,
    )
    .unwrap();
    assert!(network.is_dense() && network.depth() == 2 && network.layerwise_obstacle().is_none());
    let of = |name: &str| given.0[name].clone();
    let matrix = |name: &str| DMatrix::from_row_slice(of(name).shape[0], of(name).shape[1], &of(name).numbers);
    let vector = |name: &str| DVector::from_vec(of(name).numbers);
    for seed in 0..5 {
        let z = DVector::from_vec(normal_vector(2, Domain::Code, seed, 3));
        let a = matrix("w") * &z + vector("b");
        let normed = (a - vector("mean")).zip_map(&vector("var"), |a, v| a / (v + 1e-5).sqrt());
        let x = matrix("v") * (2.0 * normed.map(|a| a.max(0.0)) + vector("b"));
        let x = x.map(|a| if a > 0.0 { a } else { 0.2 * a });
        let found = network.forward(&DMatrix::from_column_slice(3, 1, z.as_slice())).unwrap();
        assert!((found.column(0) - x).amax() < 1e-12);
    }
}

type Curve = fn(f64) -> f64;

#[test]
fn activations_with_two_kinks_are_those_of_torch() {
    let one = tensors(&[("w", &[1, 1])]);
    let w = one.0["w"].numbers[0];
    let cases: [(&str, Curve); 6] = [
        (r#"{"op": "relu6"}"#, |a| a.clamp(0.0, 6.0)),
        (r#"{"op": "hardtanh"}"#, |a| a.clamp(-1.0, 1.0)),
        (r#"{"op": "hardtanh", "min_val": -0.5, "max_val": 2}"#, |a| a.clamp(-0.5, 2.0)),
        (r#"{"op": "leaky_relu", "negative_slope": 1.7}"#, |a| if a > 0.0 { a } else { 1.7 * a }),
        (r#"{"op": "leaky_relu", "negative_slope": 0}"#, |a| a.max(0.0)),
        (r#"{"op": "leaky_relu", "negative_slope": -0.4}"#, |a| if a > 0.0 { a } else { -0.4 * a }),
    ];
    for (operation, wanted) in cases {
        let network = read(&format!(r#"{{"op": "linear", "weight": "w"}}, {operation}"#), "[1]", &one).unwrap();
        for z in [-9.0, -1.0, -0.3, 0.0, 0.2, 1.5, 8.0] {
            let found = network.forward(&DMatrix::from_element(1, 1, z)).unwrap()[0];
            assert!((found - wanted(w * z)).abs() < 1e-12, "{operation} at {}: {found}", w * z);
        }
    }
}

#[test]
fn images_go_through_convolutions_and_resampling() {
    let given = tensors(&[
        ("fc", &[12, 4]),
        ("up", &[3, 4, 3, 3]),
        ("b", &[4]),
        ("mean", &[4]),
        ("var", &[4]),
        ("out", &[2, 4, 3, 3]),
    ]);
    let network = read(
        r#"{"op": "linear", "weight": "fc"}, {"op": "relu"}, {"op": "reshape", "shape": [3, 2, 2]},
           {"op": "conv_transpose2d", "weight": "up", "bias": "b", "stride": 2, "padding": 1, "output_padding": 1},
           {"op": "batch_norm", "running_mean": "mean", "running_var": "var", "weight": "b"}, {"op": "silu"},
           {"op": "upsample", "size": [7, 8], "mode": "bilinear"},
           {"op": "conv2d", "weight": "out", "padding": [1, 0]}, {"op": "tanh"}"#,
        "[4]",
        &given,
    )
    .unwrap();
    // The BatchNorm is in the convolution before it.
    assert_eq!((network.depth(), network.code_length(), network.observation_length()), (4, 4, 2 * 7 * 6));
    let codes = network.random_codes(5, 3);
    // The same numbers by the matrices that the maps are by definition.
    let wanted = network.layers().iter().fold(codes.clone(), |input, layer| {
        let mut sums = layer.map().written_out() * input;
        sums.column_iter_mut().for_each(|mut column| column += &layer.bias);
        sums.map(|a| layer.activation.apply(a))
    });
    assert!((network.forward(&codes).unwrap() - wanted).amax() < 1e-12);
    assert!(network.layerwise_obstacle().unwrap().contains("silu in layer 2"));
    assert_eq!(network.gpu_obstacle(), None);
    assert!(
        network.beyond_dense_relu().unwrap().contains("layer 2, conv_transpose2d 3×2×2 → 4×4×4, kernel 3×3, stride 2")
    );
}

#[test]
fn what_does_not_fit_is_refused_by_its_number_and_name() {
    let given = tensors(&[("w", &[5, 3]), ("k", &[2, 3, 3, 3]), ("b", &[5]), ("slopes", &[5])]);
    let linear = r#"{"op": "linear", "weight": "w"}"#;
    for (operations, input, part) in [
        (linear, "[4]", "operation 1, linear: an input of shape [4] and tensor `w` of shape [5, 3]"),
        (linear, "[4]", "expected 4, the length of the input, as second number of its shape, not 3"),
        (r#"{"op": "linear", "weight": "k"}"#, "[3]", "two axes"),
        (r#"{"op": "linear", "weight": "none"}"#, "[3]", "operation 1, linear: no tensor `none`"),
        (r#"{"op": "conv2d", "weight": "k"}"#, "[3]", "[channels, rows, columns]"),
        (r#"{"op": "conv2d", "weight": "k"}"#, "[4, 5, 5]", "4, the channels of the input, as second number"),
        (r#"{"op": "conv2d", "weight": "k", "groups": 2}"#, "[4, 5, 5]", "by 2 groups, as second number of the weight"),
        (r#"{"op": "conv2d", "weight": "k", "groups": 3}"#, "[4, 5, 5]", "groups that divide the 4 channels"),
        (
            r#"{"op": "conv2d", "weight": "k", "groups": 3}"#,
            "[9, 5, 5]",
            "a multiple of 3, the groups, as first number",
        ),
        (r#"{"op": "conv_transpose2d", "weight": "k"}"#, "[3, 5, 5]", "as first number of the weight's shape, not 2"),
        (r#"{"op": "conv2d", "weight": "k"}"#, "[3, 2, 2]", "operation 1, conv2d"),
        (r#"{"op": "conv2d", "weight": "k", "stride": 0}"#, "[3, 5, 5]", "stride [0, 0]"),
        (r#"{"op": "conv2d", "weight": "k", "bias": "b"}"#, "[3, 5, 5]", "2 numbers, one per output channel"),
        (r#"{"op": "conv_transpose2d", "weight": "k", "output_padding": 1}"#, "[2, 5, 5]", "output padding [1, 1]"),
        (r#"{"op": "conv_transpose2d", "weight": "k", "stride": 99999999999999}"#, "[2, 5, 5]", "conv_transpose2d"),
        (r#"{"op": "upsample", "size": 99999999}"#, "[2, 5, 5]", "an output of shape"),
        (r#"{"op": "upsample", "size": [67108864, 1]}"#, "[1, 1, 1]", "a size of 67108864"),
        (r#"{"op": "avg_pool2d", "kernel_size": [32768, 1], "stride": 1}"#, "[1, 65536, 1]", "a kernel of"),
        (r#"{"op": "avg_pool2d", "kernel_size": 18446744073709551605}"#, "[1, 5, 5]", "a setting of"),
        (r#"{"op": "hardtanh", "min_val": -1e10}"#, "[5]", "up to 4096"),
        (r#"{"op": "avg_pool2d", "kernel_size": 7}"#, "[2, 5, 5]", "at least as large as the kernel"),
        (r#"{"op": "reshape", "shape": [4]}"#, "[3]", "a shape of 3 entries"),
        (r#"{"op": "prelu", "weight": "slopes"}"#, "[6]", "one slope, or one per channel"),
        (r#"{"op": "softplus", "threshold": -5}"#, "[5]", "threshold -5"),
        (r#"{"op": "identity"}"#, "[5]", "a list without a map"),
        (linear, "[]", "input []"),
        (linear, "[3, 99999999999, 99999999999]", "the shape of one code"),
    ] {
        let found = refusal(operations, input, &given);
        assert!(found.contains(part), "{operations} of {input}: {found}");
    }
    let many = [r#"{"op": "tanh"}"#; 5].join(", ");
    let found = refusal(&many, "[67108864]", &given);
    assert!(found.contains("operation 5, tanh") && found.contains("in all"), "{found}");
    let document = r#"{"format": "other", "version": 1, "input": [3], "operations": []}"#;
    assert!(read_operations(document, "a test", &given).unwrap_err().to_string().contains("format `other`, version 1"));
}

/// Each message names the operation by its number and name, the field, and what was expected.
#[test]
fn what_is_no_operation_is_refused_by_its_field() {
    let given = tensors(&[("w", &[5, 3])]);
    let pair = "an integer of 0 or more for both axes, or a pair of them, [rows, columns]";
    for (operation, found, expected) in [
        (r#"{"op": "linear"}"#, "2, linear: no field `weight`", "the field `weight`"),
        (r#"{"op": "linear", "weight": 5}"#, "2, linear: `weight`: 5", "the name of a tensor"),
        (r#"{"op": "linear", "weight": "w", "stride": 2}"#, "2, linear: the field `stride`", "weight or bias"),
        (r#"{"op": "relu", "inplace": true}"#, "2, relu: the field `inplace`", "no field but `op`"),
        (r#"{"op": "max_pool2d"}"#, "2: `op`: \"max_pool2d\"", "linear, conv2d"),
        (r#"{"op": 3}"#, "2: `op`: 3", "the name of an operation"),
        (r#"{"weight": "w"}"#, "2: no field `op`", "the name of an operation"),
        ("7", "2: 7", "an object"),
        (r#"{"op": "conv2d", "weight": "w", "stride": [1, 2, 3]}"#, "2, conv2d: `stride`: [1,2,3]", pair),
        (r#"{"op": "conv2d", "weight": "w", "padding": "same"}"#, "2, conv2d: `padding`: \"same\"", pair),
        (r#"{"op": "conv2d", "weight": "w", "padding": -1, "stride": 2}"#, "2, conv2d: `padding`: -1", pair),
        (r#"{"op": "avg_pool2d", "kernel_size": [2.5, 2]}"#, "2, avg_pool2d: `kernel_size`: [2.5,2]", pair),
        (r#"{"op": "upsample", "size": 4, "mode": "bicubic"}"#, "2, upsample: `mode`: \"bicubic\"", "\"bilinear\""),
        (
            r#"{"op": "upsample", "size": 4, "scale_factor": [2]}"#,
            "2, upsample: `scale_factor`: [2]",
            "a number for both",
        ),
        (
            r#"{"op": "scale", "weight": [2]}"#,
            "2, scale: `weight`: [2]",
            "the name of a tensor, as a text, or a number",
        ),
        (r#"{"op": "elu", "alpha": "1"}"#, "2, elu: `alpha`: \"1\"", "a number"),
        (r#"{"op": "reshape", "shape": [-1]}"#, "2, reshape: `shape`: [-1]", "integers of 1 or more"),
        (r#"{"op": "reshape", "shape": [-1]}"#, "2, reshape: `shape`: [-1]", "in the place of -1"),
    ] {
        let told = refusal(&format!(r#"{{"op": "linear", "weight": "w"}}, {operation}"#), "[3]", &given);
        assert!(told.contains(&format!("operation {found}; expected ")), "{operation}: {told}");
        assert!(told.contains(expected) && !told.contains("usize"), "{operation}: {told}");
    }
    let whole = |text: &str| read_operations(text, "a test", &given).unwrap_err().to_string();
    for (text, found) in [
        ("[]", "a test: found []; expected an object with format"),
        (r#"{"format": 1, "version": 1, "input": [3], "operations": []}"#, "`format`: 1"),
        (r#"{"format": "unrelu operations", "version": 1, "input": [-3], "operations": []}"#, "`input`: [-3]"),
        (r#"{"format": "unrelu operations", "version": 1, "input": [3], "operations": {}}"#, "`operations`: {}"),
        (r#"{"format": "unrelu operations", "version": 1, "input": [3]}"#, "no field `operations`"),
        (r#"{"format": "unrelu operations", "version": 1, "inputs": [3]}"#, "the field `inputs`"),
        ("{", "line 1"),
    ] {
        let told = whole(text);
        assert!(told.contains(found) && !told.contains("usize"), "{text}: {told}");
    }
}

#[test]
fn an_activation_without_a_map_has_a_layer_of_its_own() {
    let network = read(r#"{"op": "elu", "alpha": 0.5}, {"op": "elu"}"#, "[2]", &NamedTensors::default()).unwrap();
    let found = network.forward(&DMatrix::from_column_slice(2, 1, &[-1.0, 2.0])).unwrap();
    let wanted = Activation::Elu(1.0).apply(0.5 * (-1_f64).exp_m1());
    assert!((found[0] - wanted).abs() < 1e-15 && found[1] == 2.0);
}

#[test]
fn each_channel_has_its_slope() {
    let given = tensors(&[("slopes", &[3])]);
    let network = read(r#"{"op": "prelu", "weight": "slopes"}"#, "[3, 2, 2]", &given).unwrap();
    let codes = network.random_codes(4, 1);
    let found = network.forward(&codes).unwrap();
    for (place, (found, z)) in found.iter().zip(codes.iter()).enumerate() {
        let slope = given.0["slopes"].numbers[place % 12 / 4];
        let wanted = if *z > 0.0 { *z } else { slope * z };
        assert!((found - wanted).abs() < 1e-15, "{found} instead of {wanted}");
    }
    assert!(network.layerwise_obstacle().unwrap().contains("positive_part"));
}

/// A PReLU of an image writes and reads an image of its shape, which the GPU needs.
#[test]
fn a_prelu_of_an_image_runs_on_a_gpu() {
    let given = tensors(&[("slopes", &[3]), ("k", &[2, 3, 2, 2]), ("two", &[2])]);
    let operations =
        r#"{"op": "conv2d", "weight": "k"}, {"op": "prelu", "weight": "two"}, {"op": "upsample", "size": 6}"#;
    assert_eq!(read(operations, "[3, 4, 5]", &given).unwrap().gpu_obstacle(), None);
    // Read as another image, it is named.
    let other =
        r#"{"op": "prelu", "weight": "two"}, {"op": "reshape", "shape": [3, 2, 2]}, {"op": "upsample", "size": 6}"#;
    let obstacle = read(other, "[2, 6]", &given).unwrap().gpu_obstacle().unwrap();
    assert!(obstacle.contains("of a PReLU with several slopes") && obstacle.contains("resample 3×2×2"), "{obstacle}");
}

#[test]
fn a_stride_beyond_the_image_has_one_output() {
    let given = tensors(&[("k", &[2, 3, 3, 3])]);
    let read = |stride: u64| {
        read(&format!(r#"{{"op": "conv2d", "weight": "k", "stride": {stride}}}"#), "[3, 5, 5]", &given).unwrap()
    };
    let (far, near) = (read(1_000_000), read(3));
    let codes = far.random_codes(2, 1);
    assert_eq!(far.observation_length(), 2);
    assert_eq!(far.forward(&codes).unwrap(), near.forward(&codes).unwrap());
}

#[test]
fn a_mean_may_begin_inside_and_end_outside() {
    // torch.nn.AvgPool2d(3, 2, ceil_mode=True) of [[0, 1], [2, 3]] is 1.5.
    let pool = r#"{"op": "avg_pool2d", "kernel_size": 3, "stride": 2, "ceil_mode": true}"#;
    let network = read(pool, "[1, 2, 2]", &NamedTensors::default()).unwrap();
    let image = DMatrix::from_column_slice(4, 1, &[0.0, 1.0, 2.0, 3.0]);
    assert_eq!(network.forward(&image).unwrap().as_slice(), [1.5]);
}

#[test]
fn identity_keeps_maps_apart() {
    let given = tensors(&[("w", &[5, 3]), ("v", &[4, 5])]);
    let linear = |name: &str| format!(r#"{{"op": "linear", "weight": "{name}"}}"#);
    let joined = read(&format!("{}, {}", linear("w"), linear("v")), "[3]", &given).unwrap();
    let apart = read(&format!(r#"{}, {{"op": "identity"}}, {}"#, linear("w"), linear("v")), "[3]", &given).unwrap();
    assert_eq!((joined.depth(), apart.depth()), (1, 2));
    let codes = joined.random_codes(2, 1);
    assert!((joined.forward(&codes).unwrap() - apart.forward(&codes).unwrap()).amax() < 1e-12);
}
