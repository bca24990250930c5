//! Single checkpoints whose reading is known: what is used, refused, ignored and assumed.

use unrelu::{Activation, Assumption, Error, NetworkOptions, ReadNetwork, Result, read_network};

use crate::tensors::Tensors;

/// A file of matrices and vectors with these names and shapes. Every number is 0.5, except in
/// those with a value of their own.
fn read(list: &[(&str, &[usize], f64)], options: NetworkOptions) -> Result<ReadNetwork> {
    let mut tensors = Tensors::default();
    for (name, shape, value) in list {
        tensors.add(*name, shape, &vec![*value; shape.iter().product()]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    std::fs::write(&path, tensors.safetensors()).unwrap();
    read_network(&path, &options)
}

fn relu() -> NetworkOptions {
    NetworkOptions::default().activation(Some(Activation::Relu)).output_activation(Some(Activation::Identity))
}

#[track_caller]
fn refused(outcome: Result<ReadNetwork>, words: &[&str]) {
    let error = outcome.expect_err("it was read");
    assert!(matches!(error, Error::Input(_)), "{error}");
    let message = error.to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

/// 2 → 3 → 4 in a `Sequential` with a gap for the activation.
const NET: [(&str, &[usize], f64); 2] = [("net.0.weight", &[3, 2], 0.5), ("net.3.weight", &[4, 3], 0.5)];

fn with(more: &[(&'static str, &'static [usize], f64)]) -> Vec<(&'static str, &'static [usize], f64)> {
    NET.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn what_acts_is_named() {
    refused(read(&with(&[("net.1.weight", &[3], 0.5), ("net.1.bias", &[3], 0.5)]), relu()), &["`net.1` (LayerNorm"]);
    refused(read(&with(&[("scale", &[], 0.5)]), relu()), &["`scale` []", "`ignore_tensors: scale`"]);
    refused(read(&with(&[("net.norm.loc", &[2], 0.5)]), relu()), &["`net.norm.loc` [2]"]);
    refused(read(&with(&[("mean", &[4], 0.5), ("std", &[4], 0.5)]), relu()), &["`mean` [4]", "`std` [4]"]);
    refused(read(&with(&[("net.0.weight_mask", &[3, 2], 0.5)]), relu()), &["`net.0`"]);
}

#[test]
fn ignored_tensors_are_reported() {
    let list = with(&[("mean", &[4], 0.5), ("norm.scale", &[4], 0.5), ("norm.shift", &[4], 0.5)]);
    let ignore = |names: &[&str]| relu().ignore_tensors(names.iter().map(|name| name.to_string()).collect());
    let found = read(&list, ignore(&["norm", "mean"])).unwrap();
    let expected = ["mean", "norm.scale", "norm.shift"].map(str::to_owned).to_vec();
    assert_eq!(found.ignored_tensors, expected);
    assert_eq!(found.assumptions, [Assumption::Ignored { tensors: expected }]);
    refused(read(&list, ignore(&["mean"])), &["`norm.scale`", "`norm.shift`"]);
    refused(read(&list, ignore(&["mean", "nor"])), &["no tensor or module `nor`"]);
}

#[test]
fn many_equal_slopes_are_one() {
    let network = read(&with(&[("net.1.weight", &[3], 0.125)]), relu().activation(None)).unwrap();
    assert_eq!(network.network.layers()[0].activation, Activation::LeakyRelu(0.125));
    let Assumption::Slopes { read: slopes } = &network.assumptions[0] else { panic!("{:?}", network.assumptions) };
    assert_eq!(slopes[0], ("net.1".to_owned(), Activation::LeakyRelu(0.125), "net.0".to_owned()));
}

#[test]
fn slopes_that_cannot_be_inverted_are_refused() {
    for slope in [-0.25, 1.0, 1.5] {
        refused(
            read(&with(&[("net.1.weight", &[1], slope)]), relu().activation(None)),
            &["`net.1`", &slope.to_string()],
        );
    }
    let mut tensors = Tensors::default();
    NET.iter().for_each(|(name, shape, _)| tensors.add(*name, shape, &vec![0.5; shape.iter().product()]));
    tensors.add("net.1.weight", &[3], &[0.1, 0.2, 0.3]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    std::fs::write(&path, tensors.safetensors()).unwrap();
    refused(read_network(&path, &relu().activation(None)), &["`net.1`", "3 different slopes"]);
}

#[test]
fn a_slope_in_the_file_and_an_option_must_agree() {
    let list = with(&[("net.1.weight", &[1], 0.25)]);
    refused(read(&list, relu()), &["the PReLU `net.1` with slope 0.25", "relu", "leaky_relu:0.25"]);
    let agrees = relu().activation(Some(Activation::LeakyRelu(0.25)));
    assert_eq!(read(&list, agrees).unwrap().network.layers()[0].activation, Activation::LeakyRelu(0.25));
    let no_output = NetworkOptions::default();
    refused(read(&list, no_output), &["no activation of the output layer", "output_activation"]);
}

#[test]
fn weights_in_parts_that_do_not_fit_are_refused() {
    let list: [(&str, &[usize], f64); 3] =
        [("0.weight_g", &[2, 1], 1.0), ("0.weight_v", &[3, 2], 0.5), ("2.weight", &[4, 3], 0.5)];
    refused(read(&list, relu()), &["`0` (a weight in parts"]);
    let zero: [(&str, &[usize], f64); 2] = [("0.weight_g", &[3, 1], 1.0), ("0.weight_v", &[3, 2], 0.0)];
    refused(read(&zero, relu()), &["a norm of 0", "`0.weight_v`"]);
}

#[test]
fn a_weight_norm_is_that_of_its_rows() {
    let list: [(&str, &[usize], f64); 2] = [("0.weight_g", &[3, 1], 2.0), ("0.weight_v", &[3, 4], 0.5)];
    let read = read(&list, relu()).unwrap();
    // ‖(½, ½, ½, ½)‖ = 1.
    assert!(read.network.layers()[0].weight().iter().all(|entry| *entry == 1.0));
    assert!(matches!(&read.assumptions[..], [Assumption::Weights { .. }]), "{:?}", read.assumptions);
}

#[test]
fn a_spectral_norm_is_that_of_the_stored_vectors() {
    let list: [(&str, &[usize], f64); 3] =
        [("0.weight_orig", &[3, 4], 0.5), ("0.weight_u", &[3], 1.0), ("0.weight_v", &[4], 0.5)];
    let read = read(&list, relu()).unwrap();
    // σ = 3 · 4 · ½ · ½ = 3.
    assert!(read.network.layers()[0].weight().iter().all(|entry| (entry - 0.5 / 3.0).abs() < 1e-15));
    // With `dim=1`, `u` has one entry per input: the lengths show it.
    let list: [(&str, &[usize], f64); 3] =
        [("0.weight_orig", &[3, 4], 0.5), ("0.weight_u", &[4], 0.5), ("0.weight_v", &[3], 1.0)];
    let transposed = self::read(&list, relu()).unwrap();
    assert_eq!(transposed.network, read.network);
}

#[test]
fn a_square_spectral_norm_without_sense_is_refused() {
    let mut tensors = Tensors::default();
    tensors.add("0.weight_orig", &[2, 2], &[1.0, 2.0, -3.0, 0.5]);
    tensors.add("0.weight_u", &[2], &[1.0, 0.0]);
    tensors.add("0.weight_v", &[2], &[1.0, 0.1]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    std::fs::write(&path, tensors.safetensors()).unwrap();
    let words = ["`0.weight_orig`", "dim=0", "remove_spectral_norm"];
    refused(read_network(&path, &relu()), &words);
}

#[test]
fn a_pruned_layer_is_the_product_with_its_masks() {
    let list: [(&str, &[usize], f64); 5] = [
        ("0.weight_orig", &[3, 2], 0.5),
        ("0.weight_mask", &[3, 2], 0.0),
        ("0.bias_orig", &[3], 0.5),
        ("0.bias_mask", &[3], 1.0),
        ("2.weight", &[4, 3], 0.5),
    ];
    let found = read(&list, relu()).unwrap();
    let layer = &found.network.layers()[0];
    assert!(layer.weight().iter().all(|w| *w == 0.0) && layer.bias.iter().all(|b| *b == 0.5), "{layer:?}");
    assert!(found.assumptions[0].to_string().contains("`0` (pruning)"), "{:?}", found.assumptions);
    // Masks of another shape, masks alone, and two normalisations at once are no pruned layers.
    for parts in [
        [("0.weight_orig", &[3, 2][..]), ("0.weight_mask", &[2, 3])],
        [("0.weight_mask", &[3, 2]), ("0.weight", &[3, 2])],
        [("0.weight", &[3, 2]), ("0.bias_mask", &[3])],
    ] {
        let list: Vec<_> = parts.iter().map(|(name, shape)| (*name, *shape, 0.5)).collect();
        refused(read(&[&list[..], &[("2.weight", &[4, 3], 0.5)]].concat(), relu()), &["`0` (a weight in parts"]);
    }
}

/// Nothing of a module that is used is left out.
#[test]
fn all_tensors_of_a_norm_act() {
    let norm: [(&str, &[usize], f64); 4] = [
        ("net.1.running_mean", &[3], 0.5),
        ("net.1.running_var", &[3], 0.5),
        ("net.1.weight_orig", &[3], 0.5),
        ("net.1.weight_mask", &[3], 0.5),
    ];
    refused(read(&with(&norm), relu()), &["`net.1.weight_orig` [3]", "`net.1.weight_mask` [3]"]);
    let slopes: [(&str, &[usize], f64); 2] = [("net.1.weight", &[1], 0.25), ("net.1.offset", &[1], 0.5)];
    refused(read(&with(&slopes), relu().activation(None)), &["`net.1.offset` [1]"]);
}
