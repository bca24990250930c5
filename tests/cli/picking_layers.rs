//! `--layers`, and the suggestions where it is needed.

use crate::folder::Folder;

#[test]
fn an_unknown_key_lists_those_that_exist() {
    let folder = Folder::empty();
    folder.fixture("vae_zip.pth");
    let arguments =
        ["generate", "vae_zip.pth", "--layers", "fc3,fc5", "--activation", "relu", "--count", "1", "-o", "o"];
    let words = ["vae_zip.pth", "no layer `fc5`", "`fc1` (6 × 12)", "`fc22` (2 × 6)", "correct the name in --layers"];
    folder.refuses(&arguments, &words);
    folder.refuses(&["inspect", "vae_zip.pth", "--layers", "fc5"], &words[1..2]);
}

#[test]
fn mixtures_suggest_what_to_type() {
    let folder = Folder::empty();
    folder.fixture("vae_zip.pth");
    folder.fixture("checkpoint.pth");
    folder.refuses(&["inspect", "vae_zip.pth"], &["--layers fc3,fc4 (2 → 6 → 12)"]);
    folder
        .refuses(&["inspect", "checkpoint.pth"], &["--layers state_dict.decoder.0,state_dict.decoder.2 (2 → 5 → 10)"]);
}

#[test]
fn what_is_suggested_works() {
    let folder = Folder::empty();
    folder.fixture("checkpoint.pth");
    let whole = "state_dict.decoder.0,state_dict.decoder.2";
    for layers in [whole, "decoder.0,decoder.2", "decoder.0.weight, decoder.2.weight"] {
        let text =
            folder.succeeds(&["inspect", "checkpoint.pth", "--layers", layers, "--activation", "leaky_relu:0.2"]);
        assert!(text.contains("codes of 2 entries, observations of 10, 2 layers"), "{text}");
    }
}

#[test]
fn layers_in_the_wrong_order_do_not_chain() {
    let folder = Folder::empty();
    folder.fixture("vae.safetensors");
    folder.refuses(
        &["inspect", "vae.safetensors", "--layers", "fc4,fc3", "--activation", "relu"],
        &["layer 2 with 2 inputs after a layer with 12 units", "check the order"],
    );
}
