//! `random-network`: seeded, and identical when read back.

use unrelu::internals::random::random_network;
use unrelu::{Activation, NetworkOptions, load_network};

use crate::folder::Folder;

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = Folder::empty();
    for (output, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        folder.succeeds(&["random-network", "4,9,30", "-o", output, "--activation", "leaky_relu:0.1", "--seed", seed]);
    }
    assert_eq!(folder.bytes("a"), folder.bytes("b"));
    assert_ne!(folder.bytes("a"), folder.bytes("c"));
    let read = load_network(&folder.path("a"), &NetworkOptions::default()).unwrap();
    assert_eq!(read, random_network(&[4, 9, 30], Activation::LeakyRelu(0.1), 7).unwrap());
}

#[test]
fn sizes_and_activations_that_make_no_network() {
    let folder = Folder::empty();
    folder.refuses(&["random-network", "20", "-o", "a"], &["20,100,500"]);
    folder.refuses(&["random-network", "20,0,5", "-o", "a"], &["20,0,5"]);
    folder.refuses(&["random-network", "20,x", "-o", "a"], &["x"]);
    folder.refuses(&["random-network", "4,9", "-o", "a", "--activation", "leaky_relu:1.5"], &["leaky_relu:SLOPE"]);
    folder.succeeds(&["random-network", "4,9,9", "-o", "a", "--activation", "tanh"]);
}
