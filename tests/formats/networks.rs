//! Networks that PyTorch and the safetensors package wrote; `tests/cli/generate.rs` tests their
//! outputs.

use unrelu::internals::formats::safetensors::write_network;
use unrelu::{Activation, Network, NetworkOptions, load_network};

use crate::fixture;

fn options(layers: &[&str], activation: Activation, output_activation: Option<Activation>) -> NetworkOptions {
    let layers = (!layers.is_empty()).then(|| layers.iter().map(|layer| layer.to_string()).collect());
    NetworkOptions::default().layers(layers).activation(Some(activation)).output_activation(output_activation)
}

#[test]
fn the_same_network_from_every_container() {
    let load = |file| {
        let options = options(&["fc3", "fc4"], Activation::Relu, Some(Activation::Sigmoid));
        load_network(&fixture(file), &options).unwrap()
    };
    let network = load("vae_zip.pth");
    assert_eq!(network, load("vae_legacy.pt"));
    assert_eq!(network, load("vae.safetensors"));
    assert_eq!((network.code_length(), network.observation_length(), network.depth()), (2, 12, 2));
    assert_eq!(network.layers()[1].activation, Activation::Sigmoid);
}

#[test]
fn layers_are_counted_not_sorted_as_words() {
    let network = load_network(&fixture("batch_norm.pth"), &options(&[], Activation::Relu, None)).unwrap();
    let sizes: Vec<usize> = network.layers().iter().map(|layer| layer.units()).collect();
    assert_eq!(sizes, [4, 5, 6, 7]);
    // Layer 2 has no bias of its own; its BatchNorm gives it one.
    assert!(network.layers()[1].bias.iter().any(|bias| *bias != 0.0));
}

#[test]
fn a_pick_may_leave_the_folding_to_names_or_list_it() {
    let load = |layers: &[&str]| load_network(&fixture("batch_norm.pth"), &options(layers, Activation::Relu, None));
    let all = load(&["0", "5", "10", "12"]).unwrap();
    assert_eq!(all, load(&["0", "1", "5", "6", "10", "12"]).unwrap());
    assert_ne!(all, load(&["0", "1", "5", "10", "12"]).unwrap());
}

#[test]
fn a_whole_model_is_read_as_its_state_dict() {
    let network = load_network(&fixture("whole_model.pth"), &options(&[], Activation::Relu, None)).unwrap();
    assert_eq!((network.code_length(), network.observation_length()), (2, 4));
}

#[test]
fn activations_come_from_the_options_then_the_file() {
    let load = |activation, output_activation| {
        let options =
            NetworkOptions::default().layers(None).activation(activation).output_activation(output_activation);
        let network = load_network(&fixture("own.safetensors"), &options).unwrap();
        network.layers().iter().map(|layer| layer.activation).collect::<Vec<_>>()
    };
    assert_eq!(load(None, None), [Activation::LeakyRelu(0.1), Activation::Identity]);
    assert_eq!(load(Some(Activation::Relu), None), [Activation::Relu, Activation::Identity]);
    assert_eq!(load(None, Some(Activation::Tanh)), [Activation::LeakyRelu(0.1), Activation::Tanh]);
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let network: Network = load_network(&fixture("own.safetensors"), &NetworkOptions::default()).unwrap();
    write_network(&path, &network, false).unwrap();
    assert_eq!(load_network(&path, &NetworkOptions::default()).unwrap(), network);
}
