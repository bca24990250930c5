//! `generate`: the same bytes for every batch size, and the same values as PyTorch.

use std::path::Path;

use nalgebra::DMatrix;
use unrelu::internals::formats::npy::NpyReader;
use unrelu::{ElementType, read_npy as read_all};

use crate::folder::Folder;

fn largest_difference(left: &Path, right: &Path) -> f64 {
    let (left, right): (DMatrix<f64>, DMatrix<f64>) = (read_all(left).unwrap(), read_all(right).unwrap());
    assert_eq!(left.shape(), right.shape());
    (left - right).amax()
}

#[test]
fn outputs_are_those_of_pytorch() {
    let cases: [(&str, &str, &[&str]); 7] = [
        ("vae_zip.pth", "vae", &["--layers", "fc3,fc4", "--activation", "relu", "--output-activation", "sigmoid"]),
        ("vae_legacy.pt", "vae", &["--layers", "fc3,fc4", "--activation", "relu", "--output-activation", "sigmoid"]),
        ("vae.safetensors", "vae", &["--layers", "fc3,fc4", "--activation", "relu", "--output-activation", "sigmoid"]),
        (
            "checkpoint.pth",
            "checkpoint",
            &["--layers", "decoder.0,decoder.2", "--activation", "leaky_relu:0.2", "--output-activation", "identity"],
        ),
        ("batch_norm.pth", "batch_norm", &["--activation", "relu", "--output-activation", "tanh"]),
        ("half.pth", "half", &["--activation", "relu"]),
        ("own.safetensors", "own", &[]),
    ];
    for (network, twin, options) in cases {
        let folder = Folder::empty();
        let (codes, outputs) = (format!("{twin}.codes.npy"), format!("{twin}.outputs.npy"));
        [network, &codes, &outputs].iter().for_each(|name| folder.fixture(name));
        folder.succeeds(&[&["generate", network, &codes, "-o", "out.npy"], options].concat());
        let difference = largest_difference(&folder.path("out.npy"), &folder.path(&outputs));
        assert!(difference < 1e-13, "{network}: {difference}");
    }
}

#[test]
fn the_comparison_above_can_fail() {
    let folder = Folder::empty();
    ["vae.safetensors", "vae.codes.npy", "vae.outputs.npy"].iter().for_each(|name| folder.fixture(name));
    let options = ["--layers", "fc3,fc4", "--activation", "relu", "--output-activation", "tanh"];
    folder.succeeds(&[&["generate", "vae.safetensors", "vae.codes.npy", "-o", "out.npy"][..], &options].concat());
    assert!(largest_difference(&folder.path("out.npy"), &folder.path("vae.outputs.npy")) > 1e-3);
}

#[test]
fn the_same_bytes_for_every_batch() {
    for noise in [&[][..], &["--noise", "uniform:0.01"], &["--noise", "gaussian:0.3"]] {
        let folder = Folder::with_network();
        for batch in ["1", "64", "1000", "5000"] {
            let (codes, output) = (format!("codes{batch}.npy"), format!("out{batch}.npy"));
            let arguments = ["generate", "net.safetensors", "--count", "1001", "--seed", "5", "--batch", batch];
            folder.succeeds(&[&arguments[..], &["--codes-out", &codes, "-o", &output], noise].concat());
            assert_eq!(folder.bytes(&codes), folder.bytes("codes1.npy"));
            assert_eq!(folder.bytes(&output), folder.bytes("out1.npy"));
        }
        // The file of codes gives the same observations, including noise.
        let arguments = ["generate", "net.safetensors", "codes64.npy", "--seed", "5", "-o", "again.npy"];
        folder.succeeds(&[&arguments[..], noise].concat());
        assert_eq!(folder.bytes("again.npy"), folder.bytes("out1.npy"));
    }
}

#[test]
fn noise_is_as_large_as_asked_for() {
    let folder = Folder::with_network();
    let generate = |output: &str, noise: &[&str]| {
        folder.succeeds(&[&["generate", "net.safetensors", "--count", "2000", "-o", output][..], noise].concat());
        read_all(folder.path(output)).unwrap()
    };
    let clean = generate("clean.npy", &[]);
    let uniform = generate("uniform.npy", &["--noise", "uniform:0.25"]) - &clean;
    assert!(uniform.amax() <= 0.25 && uniform.amax() > 0.249);
    let gaussian = generate("gaussian.npy", &["--noise", "gaussian:0.3"]) - &clean;
    let deviation = (gaussian.norm_squared() / gaussian.len() as f64).sqrt();
    assert!((deviation - 0.3).abs() < 0.005, "{deviation}");
    let another_seed = generate("other.npy", &["--seed", "1"]);
    assert!((another_seed - clean).amax() > 0.1);
}

#[test]
fn f32_observations_are_those_of_the_codes_as_written() {
    let folder = Folder::with_network();
    let outputs = ["--codes-out", "codes.npy", "-o", "out.npy"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "50", "--dtype", "f32"][..], &outputs].concat());
    assert_eq!(NpyReader::open(&folder.path("codes.npy")).unwrap().element_type(), ElementType::F32);
    folder.succeeds(&["generate", "net.safetensors", "codes.npy", "--dtype", "f32", "-o", "again.npy"]);
    assert_eq!(folder.bytes("again.npy"), folder.bytes("out.npy"));
}

#[test]
fn many_observations_stream_through() {
    let folder = Folder::with_network();
    folder.succeeds(&["generate", "net.safetensors", "--count", "100000", "-o", "out.npy"]);
    let reader = NpyReader::open(&folder.path("out.npy")).unwrap();
    assert_eq!((reader.count(), reader.width()), (100_000, 20));
}
