//! Networks in files that state more or less than a state_dict: whole models with the classes of
//! their modules, and arrays of NumPy.

use unrelu::internals::formats::network_file::open_tensor_file;
use unrelu::{Activation, Network, NetworkOptions, Result, load_network, read_network, read_npy};

use crate::fixture;

/// The network of a file; an empty text is an option that is not given.
fn load(file: &str, layers: &str, hidden: &str, output: &str) -> Result<Network> {
    let layers: Vec<String> = layers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let named = |name: &str| (!name.is_empty()).then(|| name.parse::<Activation>().unwrap());
    let options = NetworkOptions::default()
        .layers(Some(layers).filter(|layers| !layers.is_empty()))
        .activation(named(hidden))
        .output_activation(named(output));
    load_network(&fixture(file), &options)
}

#[track_caller]
fn refused(network: Result<Network>, words: &[&str]) {
    let message = network.unwrap_err().to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

fn activations(network: &Network) -> Vec<Activation> {
    network.layers().iter().map(|layer| layer.activation).collect()
}

#[test]
fn a_whole_model_in_the_legacy_format_is_read_alike() {
    let network = load("whole_model_legacy.pth", "", "", "tanh").unwrap();
    assert_eq!(activations(&network), [Activation::LeakyRelu(0.2), Activation::Tanh]);
    let codes = read_npy(fixture("whole_model_legacy.codes.npy")).unwrap();
    let outputs = read_npy(fixture("whole_model_legacy.outputs.npy")).unwrap();
    assert!((network.forward(&codes).unwrap() - outputs).amax() < 1e-12);
    // The file does not say where the tanh is.
    refused(load("whole_model_legacy.pth", "", "", ""), &["`out` (tanh)", "option `output_activation: tanh`"]);
    refused(load("whole_model_legacy.pth", "", "relu", "tanh"), &["`act` (leaky_relu:0.2)", "relu, as option"]);
}

#[test]
fn modules_in_order_name_the_activation_of_each_layer() {
    let expected = [Activation::LeakyRelu(0.2), Activation::Relu, Activation::Sigmoid];
    assert_eq!(activations(&load("whole_model_in_order.pth", "", "", "").unwrap()), expected);
    assert_eq!(activations(&load("whole_model_in_order.pth", "", "", "sigmoid").unwrap()), expected);
    refused(
        load("whole_model_in_order.pth", "", "relu", ""),
        &["`1` (leaky_relu:0.2) behind layer `0`", "expected relu, as option `activation`"],
    );
    refused(
        load("whole_model_in_order.pth", "", "", "tanh"),
        &["`6` (sigmoid) behind layer `5`", "expected tanh, as option `output_activation`"],
    );
    // Nothing is behind the only layer but what the model has.
    assert_eq!(activations(&load("whole_model.pth", "", "", "").unwrap()), [Activation::Relu]);
    refused(load("whole_model.pth", "", "sigmoid", ""), &["`1` (relu) behind layer `0`", "sigmoid"]);
    assert_eq!(activations(&load("gelu.pth", "", "", "").unwrap()), [Activation::Gelu, Activation::Identity]);
    refused(load("gelu.pth", "", "relu", ""), &["`1` (gelu) behind layer `0`", "relu, as option `activation`"]);
}

#[test]
fn numbers_of_modules_are_known() {
    let file = open_tensor_file(&fixture("whole_model_in_order.pth")).unwrap();
    assert_eq!(file.module_number("3", "eps"), Some(0.8));
    assert_eq!(file.module_number("1", "negative_slope"), Some(0.2));
    assert_eq!(file.module_number("3", "missing"), None);
    assert_eq!(file.module_number("9", "eps"), None);
    let state = open_tensor_file(&fixture("batch_norm.pth")).unwrap();
    assert_eq!(state.module_number("1", "eps"), None);
}

#[test]
fn arrays_of_numpy_are_weights() {
    let expected = load("vae_zip.pth", "fc3,fc4", "relu", "sigmoid").unwrap();
    for file in ["vae.npz", "vae_dictionary.npy", "vae_arrays.pth"] {
        assert_eq!(load(file, "fc3,fc4", "relu", "sigmoid").unwrap(), expected, "{file}");
    }
    // Kernels are transposed.
    assert_eq!(load("flax.npz", "", "relu", "sigmoid").unwrap(), expected);
    assert_eq!(load("flax.npz", "params.Dense_0,params.Dense_1", "relu", "sigmoid").unwrap(), expected);
    let formats = ["vae.npz", "vae_dictionary.npy", "flax.npz"]
        .map(|file| open_tensor_file(&fixture(file)).unwrap().format().to_owned());
    assert_eq!(formats, ["NumPy .npz", "NumPy dictionary", "NumPy .npz, names of Flax or Keras"]);
}

#[test]
fn tied_tensors_of_safetensors_are_read_under_each_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tied.safetensors");
    let header = r#"{"__metadata__":{"b.weight":"a.weight","format":"pt"},"a.weight":{"dtype":"F64","shape":[2,2],"data_offsets":[0,32]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([1.0, 2.0, 3.0, 4.0].iter().flat_map(|x: &f64| x.to_le_bytes()));
    std::fs::write(&path, bytes).unwrap();
    let file = open_tensor_file(&path).unwrap();
    assert_eq!(file.tensors().iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["a.weight", "b.weight"]);
    assert_eq!(file.read("b.weight").unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

/// A whole model states the `ε` of its BatchNorms, so that nothing is assumed.
#[test]
fn the_epsilon_of_a_batch_norm_is_read() {
    let read = |epsilon: Option<f64>| {
        let options = NetworkOptions::default().batch_norm_epsilon(epsilon);
        read_network(&fixture("whole_model_in_order.pth"), &options).unwrap()
    };
    let stated = read(None);
    assert_eq!(stated.network, read(Some(0.8)).network);
    assert_ne!(stated.network, read(Some(1e-5)).network);
    assert!(stated.assumptions.is_empty(), "{:?}", stated.assumptions);
    assert!(read(Some(1e-5)).assumptions[0].to_string().contains("as given"));
}

/// The pickle of `d = {}; d['a'] = d; d['b'] = d` has two names for each value, at every depth.
#[test]
fn a_dictionary_that_contains_itself_is_refused() {
    let pickle = b"\x80\x02}q\0X\x01\0\0\0ah\0sX\x01\0\0\0bh\0s.";
    let header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n";
    let start = [b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header].concat();
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("itself.pth", pickle.to_vec()), ("itself.npy", [start.as_slice(), pickle].concat())] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        refused(load_network(&path, &NetworkOptions::default()), &[name]);
    }
}
