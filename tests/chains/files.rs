//! Chains in files: saved, and read from a list of operations beside their tensors.

use unrelu::{Activation, Network, NetworkOptions, load_network};

use crate::fixtures::{RELU, TANH, all, dcgan};

#[test]
fn what_was_saved_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (name, network)) in all().into_iter().enumerate() {
        let path = folder.path().join(format!("{index}.safetensors"));
        network.save(&path, false).unwrap();
        let read = Network::load(&path).unwrap();
        assert!(read == network, "{name}");
        let codes = network.random_codes(3, 1);
        assert_eq!(read.forward(&codes).unwrap(), network.forward(&codes).unwrap(), "{name}");
    }
}

#[test]
fn a_list_of_operations_stands_beside_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    let dense = Network::random(&[3, 8], Activation::Relu, 1).unwrap();
    dense.save(&weights, false).unwrap();
    let text = r#"{"format": "unrelu operations", "version": 1, "input": [3], "operations": [
        {"op": "linear", "weight": "layers.0.weight"}, {"op": "softplus"}, {"op": "reshape", "shape": [2, 2, 2]},
        {"op": "upsample", "size": 4}]}"#;
    std::fs::write(&list, text).unwrap();
    let options = NetworkOptions::default().architecture(Some(list.clone()));
    let network = load_network(&weights, &options).unwrap();
    let codes = network.random_codes(2, 1);
    let made = network.forward(&codes).unwrap();
    let hidden = dense.layers()[0].weight() * &codes;
    for (column, image) in made.column_iter().enumerate() {
        for (place, value) in image.iter().enumerate() {
            let (channel, row, at) = (place / 16, place / 4 % 4, place % 4);
            let a: f64 = hidden[(channel * 4 + row / 2 * 2 + at / 2, column)];
            assert!((value - a.exp().ln_1p()).abs() < 1e-12);
        }
    }
    let twice = options.activation(Some(Activation::Relu));
    let refusal = load_network(&weights, &twice).unwrap_err().to_string();
    assert!(refusal.contains("activation") && refusal.contains("net.json"), "{refusal}");
    std::fs::write(&list, "{").unwrap();
    let refusal = load_network(&weights, &NetworkOptions::default().architecture(Some(list))).unwrap_err().to_string();
    assert!(refusal.contains("net.json") && refusal.contains("line 1"), "{refusal}");
}

#[test]
fn an_ordinary_file_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    Network::random(&[3, 8, 20], Activation::LeakyRelu(0.1), 1).unwrap().save(&path, false).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(text.contains(r#""activation":"leaky_relu:0.1""#) && !text.contains("operations"));
    let path = folder.path().join("chain.safetensors");
    dcgan(RELU, TANH, 1).save(&path, false).unwrap();
    assert!(String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("conv_transpose2d"));
}

/// A list that leaves out a norm or a layer would be another network.
#[test]
fn a_module_that_a_list_forgets_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, list) = (folder.path().join("net.safetensors"), folder.path().join("net.json"));
    Network::random(&[3, 8, 8], Activation::Relu, 1).unwrap().save(&weights, false).unwrap();
    let text = r#"{"format": "unrelu operations", "version": 1, "input": [3], "operations": [
        {"op": "linear", "weight": "layers.0.weight"}, {"op": "softplus"}]}"#;
    std::fs::write(&list, text).unwrap();
    let options = NetworkOptions::default().architecture(Some(list));
    let refusal = load_network(&weights, &options).unwrap_err().to_string();
    assert!(refusal.contains("`layers.1.weight`") && refusal.contains("ignore_tensors"), "{refusal}");
    let ignoring = options.ignore_tensors(vec!["layers.1".to_owned()]);
    assert_eq!(load_network(&weights, &ignoring).unwrap().depth(), 1);
}
