//! `inspect --check`: whether the network as read makes given outputs of given codes.

use serde_json::Value;
use unrelu::internals::formats::safetensors::write_network;
use unrelu::{Activation, ElementType, Network, read_npy, write_npy};

use crate::folder::{Folder, npy};

/// A ReLU network with sigmoid outputs, and what it makes of 300 codes.
fn with_outputs() -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,64", "-o", "net.safetensors", "--seed", "1"]);
    let to = ["--codes-out", "z.npy", "-o", "x.npy", "--seed", "4", "--dtype", "f32", "--output-activation", "sigmoid"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "300"], &to[..]].concat());
    folder
}

const CHECK: [&str; 7] = ["inspect", "net.safetensors", "--output-activation", "sigmoid", "--check", "z.npy", "x.npy"];

#[test]
fn outputs_that_the_network_makes() {
    let folder = with_outputs();
    let text = folder.succeeds(&CHECK);
    assert!(text.contains("The network as read makes these outputs") && text.contains("Over 300 rows"), "{text}");
    let json: Value = serde_json::from_str(&folder.succeeds(&[&CHECK[..], &["--json"]].concat())).unwrap();
    assert_eq!((&json["agrees"], &json["rows"]), (&Value::Bool(true), &Value::from(300)));
    assert!(json["relative_error"].as_f64().unwrap() < 1e-6);
}

#[test]
fn a_wrong_activation_is_named_with_the_right_one() {
    let folder = with_outputs();
    for wrong in [["leaky_relu:0.2", "sigmoid"], ["relu", "identity"]] {
        let named = ["--activation", wrong[0], "--output-activation", wrong[1]];
        let output = folder.run(&[&["inspect", "net.safetensors", "--check", "z.npy", "x.npy"], &named[..]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("does not make these outputs"), "{text}");
        assert!(text.contains("--activation relu --output-activation sigmoid"), "{text}");
    }
}

#[test]
fn another_scale_is_named() {
    let folder = with_outputs();
    let bytes = folder.bytes("x.npy");
    let scaled: Vec<u8> =
        bytes[128..].as_chunks::<4>().0.iter().flat_map(|x| (f32::from_le_bytes(*x) * 255.0).to_le_bytes()).collect();
    folder.write("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (300, 64), }", &scaled));
    let output = folder.run(&CHECK);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("--output-activation sigmoid, and outputs divided by 255"), "{text}");
    // The range can be stated.
    assert!(folder.succeeds(&[&CHECK[..], &["--pixels", "0..1"]].concat()).contains("makes these outputs"));
}

#[test]
fn rows_in_another_order_have_no_activation_that_fits() {
    let folder = with_outputs();
    let mut bytes = folder.bytes("x.npy");
    // One row later.
    bytes[128..].rotate_left(4 * 64);
    folder.write("x.npy", bytes);
    let output = folder.run(&CHECK);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("None of the other activations") && text.contains("different orders"), "{text}");
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let folder = with_outputs();
    folder.succeeds(&["generate", "net.safetensors", "--count", "2", "-o", "two.npy", "--codes-out", "codes.npy"]);
    folder.refuses(&["inspect", "net.safetensors", "--check", "z.npy", "two.npy"], &["2 outputs", "300, one for each"]);
    folder
        .refuses(&["inspect", "net.safetensors", "--check", "two.npy", "x.npy"], &["64 entries per row", "3 entries"]);
    folder.refuses(&["inspect", "net.safetensors", "--check", "z.npy"], &["--check"]);
    let nan = f64::NAN.to_le_bytes().repeat(3);
    folder.write("nan.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", &nan));
    folder.write("one.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (64,), }", &[0; 512]));
    folder.refuses(&["inspect", "net.safetensors", "--check", "nan.npy", "one.npy"], &["NaN in row 0 at entry 0"]);
}

#[test]
fn outputs_without_a_number_are_no_agreement() {
    let folder = with_outputs();
    let nothing = f32::NAN.to_le_bytes().repeat(300 * 64);
    folder.write("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (300, 64), }", &nothing));
    folder.refuses(&CHECK, &["no output that is a number", "at least one"]);
}

/// A unit whose outputs are a millionth of the others' has half of its weight.
#[test]
fn a_wrong_unit_of_small_outputs_is_found() {
    let folder = Folder::empty();
    let layers = |last: f64| {
        let mut layers = Network::random(&[3, 16, 64], Activation::Relu, 1).unwrap().dense_layers();
        layers[1].activation = Activation::Identity;
        layers[1].weight.row_mut(5).scale_mut(1e-6 * last);
        Network::dense(layers).unwrap()
    };
    for (name, network) in [("net.safetensors", layers(1.0)), ("half.safetensors", layers(0.5))] {
        write_network(&folder.path(name), &network, false).unwrap();
    }
    let to = ["--codes-out", "z.npy", "-o", "x.npy", "--seed", "4", "--dtype", "f32"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "300"], &to[..]].concat());
    folder.succeeds(&["inspect", "net.safetensors", "--check", "z.npy", "x.npy"]);
    let output = folder.run(&["inspect", "half.safetensors", "--check", "z.npy", "x.npy"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("entry 5 agrees least") && text.contains("None of the other activations"), "{text}");
}

/// A model that computes in f32, where large terms of an output cancel.
#[test]
fn rounding_of_terms_that_cancel_is_no_disagreement() {
    let folder = Folder::empty();
    let mut layers = Network::random(&[3, 16, 64], Activation::Relu, 1).unwrap().dense_layers();
    layers[1].activation = Activation::Identity;
    // The difference of two units that are nearly equal.
    let like_first = layers[0].weight.row(0).into_owned();
    layers[0].weight.row_mut(1).copy_from(&(like_first * 1.000_01));
    layers[1].weight.row_mut(5).fill(0.0);
    (layers[1].weight[(5, 0)], layers[1].weight[(5, 1)]) = (1.0, -1.0);
    let network = Network::dense(layers).unwrap();
    write_network(&folder.path("net.safetensors"), &network, false).unwrap();
    folder.succeeds(&["generate", "net.safetensors", "--count", "300", "--codes-out", "z.npy", "-o", "x.npy"]);
    let codes = read_npy(folder.path("z.npy")).unwrap();
    let mut made = codes.map(|z| z as f32);
    for layer in network.layers() {
        let (weight, bias) = (layer.weight().map(|w| w as f32), layer.bias.map(|b| b as f32));
        made = weight * made;
        made.column_iter_mut().for_each(|mut column| column += &bias);
        made.apply(|a| *a = layer.activation.apply(f64::from(*a)) as f32);
    }
    let outputs = made.map(f64::from);
    write_npy(folder.path("x.npy"), &outputs, ElementType::F64, true).unwrap();
    folder.succeeds(&["inspect", "net.safetensors", "--check", "z.npy", "x.npy"]);
    // The rounding is far above 1e-5 of this unit's outputs.
    let exact = network.forward(&codes).unwrap();
    assert!((exact.row(5) - outputs.row(5)).amax() > 3e-5 * exact.row(5).amax());
}
