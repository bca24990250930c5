//! What holds for every file of a network, whatever its format.

use std::fs;
use std::path::Path;

use unrelu::internals::formats::network_file::open_tensor_file;
use unrelu::internals::formats::safetensors::write_network;
use unrelu::internals::inspection::inspect;
use unrelu::{Activation, Error, Network, NetworkOptions, Result, load_network};

use crate::memory::bounded;

/// Reads a file in every way, and returns whether it is accepted as a network. `name`: its name
/// within `folder`.
pub fn check(folder: &Path, name: &str, bytes: &[u8]) -> bool {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    let length = bytes.len();
    let relu = NetworkOptions::default().activation(Some(Activation::Relu)).output_activation(Some(Activation::Relu));
    let named = relu.clone().layers(Some(vec!["fc3".to_owned(), "fc4".to_owned()]));
    let mut accepted = false;
    for options in [NetworkOptions::default(), relu, named] {
        named_in(name, bounded(length, || inspect(&path, &options)).map(drop));
        let loaded = bounded(length, || load_network(&path, &options));
        if let Ok(network) = &loaded {
            accepted = true;
            of_its_shape(network);
            written_again(folder, network);
        }
        named_in(name, loaded.map(drop));
    }
    let opened = bounded(length, || open_tensor_file(&path));
    if let Ok(file) = &opened {
        for tensor in file.tensors() {
            let numbers = bounded(length, || file.read(&tensor.name));
            if let Ok(numbers) = numbers {
                assert_eq!(Some(numbers.len()), product(&tensor.shape), "tensor {} of {:?}", tensor.name, tensor.shape);
            }
        }
    }
    named_in(name, opened.map(drop));
    accepted
}

fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent))
}

/// An error names the file.
fn named_in(name: &str, outcome: Result<()>) {
    if let Err(error) = outcome {
        assert!(error.to_string().contains(name), "{error}");
    }
}

fn of_its_shape(network: &Network) {
    let layers = network.layers();
    assert!(!layers.is_empty());
    for layer in layers {
        assert_eq!(layer.bias.len(), layer.units());
        assert!(layer.weight().iter().chain(&layer.bias).all(|number| number.is_finite()));
    }
    for pair in layers.windows(2) {
        assert_eq!(pair[0].units(), pair[1].inputs());
    }
    let outputs = network.forward(&network.random_codes(2, 1)).unwrap();
    assert_eq!(outputs.shape(), (layers[layers.len() - 1].units(), 2));
}

fn written_again(folder: &Path, network: &Network) {
    let path = folder.join("written.safetensors");
    match write_network(&path, network, true) {
        Ok(()) => assert_eq!(&load_network(&path, &NetworkOptions::default()).unwrap(), network),
        // The metadata hold one activation for all hidden layers.
        Err(Error::Input(bad)) => assert!(bad.found.contains("hidden activations"), "{bad}"),
        Err(error) => panic!("{error}"),
    }
}
