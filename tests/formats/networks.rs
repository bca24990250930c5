//! Networks that PyTorch and the safetensors package wrote; `tests/cli/generate.rs` tests their
//! outputs.

use unrelu::internals::formats::safetensors::write_network;
use unrelu::{Activation, Assumption, Network, NetworkOptions, load_network, read_network};

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
    // What is not listed is folded where its position shows its place.
    assert_eq!(all, load(&["0", "1", "5", "10", "12"]).unwrap());
}

#[test]
fn a_batch_norm_after_the_activation_is_folded_into_the_next_layer() {
    let load = |layers: &[&str]| {
        load_network(&fixture("batch_norm_behind_relu.pth"), &options(layers, Activation::Relu, None))
    };
    let network = load(&[]).unwrap();
    assert_eq!(network, load(&["0", "activation", "2", "3"]).unwrap());
    assert_ne!(network, load(&["0", "2", "3"]).unwrap());
    let layers: Vec<_> = network.layers().iter().map(|layer| layer.weight().shape()).collect();
    assert_eq!(layers, [(4, 2), (6, 4)]);
}

#[test]
fn what_was_assumed_is_returned() {
    let epsilon = |epsilon| {
        let options = options(&[], Activation::Relu, Some(Activation::Tanh)).batch_norm_epsilon(epsilon);
        read_network(&fixture("batch_norm.pth"), &options).unwrap()
    };
    let read = epsilon(None);
    let [Assumption::BatchNormEpsilon { epsilon: 1e-5, given: false, folded }] = &read.assumptions[..] else {
        panic!("{:?}", read.assumptions)
    };
    assert_eq!(
        folded.iter().map(|(norm, layer)| [&norm[..], &layer[..]]).collect::<Vec<_>>(),
        [["1", "0"], ["6", "5"]]
    );
    assert_eq!(read.network, epsilon(Some(1e-5)).network);
    assert_ne!(read.network, epsilon(Some(0.1)).network);
    assert!(epsilon(Some(0.1)).assumptions[0].to_string().contains("eps 1e-1, as given"));
    let output = read_network(&fixture("half.pth"), &options(&[], Activation::Relu, None)).unwrap();
    assert_eq!(output.assumptions, [Assumption::OutputActivation(Activation::Relu)]);
    assert_eq!(read_network(&fixture("own.safetensors"), &NetworkOptions::default()).unwrap().assumptions, []);
    let nonsense = options(&[], Activation::Relu, None).batch_norm_epsilon(Some(-1.0));
    assert!(
        load_network(&fixture("batch_norm.pth"), &nonsense).unwrap_err().to_string().contains("batch_norm_epsilon")
    );
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
