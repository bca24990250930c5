//! Files that are not a network, or not a usable one, are rejected before any work.

use crate::folder::Folder;

/// A safetensors file with this header, followed by `data` zero bytes.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// The header of layers of f64 with these shapes, ReLU.
fn layers(shapes: &[[usize; 2]]) -> (String, usize) {
    let mut header = String::from(r#"{"__metadata__":{"activation":"relu"}"#);
    let mut end = 0;
    for (index, [units, inputs]) in shapes.iter().enumerate() {
        let begin = end;
        end += units * inputs * 8;
        header.push_str(&format!(
            r#","layers.{index}.weight":{{"dtype":"F64","shape":[{units},{inputs}],"data_offsets":[{begin},{end}]}}"#
        ));
    }
    (header + "}", end)
}

#[track_caller]
fn refused(file: &str, bytes: &[u8], words: &[&str]) {
    let folder = Folder::empty();
    folder.write(file, bytes);
    let mut all = vec![file, "found", "expected"];
    all.extend(words);
    folder.refuses(&["generate", file, "--count", "2", "-o", "out.npy"], &all);
    folder.refuses(&["inspect", file], &all);
}

#[test]
fn no_network_at_all() {
    refused("net.safetensors", b"", &["an empty file", "copy or save the network again"]);
    refused("net.pth", b"", &["an empty file"]);
    refused("net.safetensors", b"these are words, not weights\n", &["another format", "convert the network"]);
    refused("net.pth", b"\x93NUMPY\x01\x00", &["a .npy array", "give the network first"]);
    refused("net.pth", b"PK\x03\x04 torn", &["cannot be read as a PyTorch checkpoint", "torch.save"]);
    refused("net.pth", b"\x80\x02torn", &["cannot be read as a PyTorch checkpoint"]);
    Folder::empty().refuses(&["inspect", "missing.pth"], &["missing.pth", "could not read"]);
}

#[test]
fn safetensors_that_claim_more_or_less_than_they_have() {
    let (header, length) = layers(&[[4, 2]]);
    let whole = safetensors(&header, length);
    refused("net.safetensors", &whole[..whole.len() - 1], &["at bytes 0 to 64 of 63"]);
    refused("net.safetensors", &safetensors(&header, length + 8), &["72 bytes of data", "64 bytes"]);
    let mut long_header = whole.clone();
    long_header[..8].copy_from_slice(&1_000_000u64.to_le_bytes());
    refused("net.safetensors", &long_header, &["claims 1000000 bytes in a file of"]);
    long_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused("net.safetensors", &long_header, &["claims 18446744073709551615 bytes"]);
    let wrong_shape = header.replace("[4,2]", "[4,3]");
    refused("net.safetensors", &safetensors(&wrong_shape, length), &["shape [4, 3] in 64 bytes"]);
    let overflowing = header.replace("[4,2]", "[18446744073709551615,18446744073709551615]");
    refused("net.safetensors", &safetensors(&overflowing, length), &["the number of bytes that type and shape need"]);
    refused("net.safetensors", &safetensors("{\"torn", 0), &["not JSON"]);
    refused("net.safetensors", &safetensors("{}", 0), &["no weight matrix"]);
}

#[test]
fn layers_that_do_not_chain() {
    let (header, length) = layers(&[[4, 2], [9, 5]]);
    let words = ["`layers.0` (4 × 2) followed by `layers.1` (9 × 5)", "do not fit"];
    refused("net.safetensors", &safetensors(&header, length), &words);
}

#[test]
fn a_weight_that_is_not_finite() {
    for (number, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let (header, length) = layers(&[[4, 2], [9, 4]]);
        let mut bytes = safetensors(&header, length);
        // Row 2, column 1 of the second layer.
        let at = bytes.len() - length + 64 + (2 * 4 + 1) * 8;
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        refused("net.safetensors", &bytes, &[name, "weight of layer 2 at [2, 1]", "finite weights", "export"]);
    }
}

#[test]
fn weights_of_other_types() {
    let (header, length) = layers(&[[4, 2]]);
    let integers = header.replace("F64", "I64");
    refused("net.safetensors", &safetensors(&integers, length), &["of type I64", "F32"]);
}

#[test]
fn an_activation_that_is_not_known() {
    let (header, length) = layers(&[[4, 2]]);
    let bytes = safetensors(&header.replace("relu", "mish"), length);
    refused("net.safetensors", &bytes, &["`mish`", "--activation", "leaky_relu:SLOPE"]);
    let folder = Folder::empty();
    folder.write("net.safetensors", bytes);
    folder.succeeds(&["inspect", "net.safetensors", "--activation", "relu"]);
}

#[test]
fn pytorch_files_without_an_activation() {
    for file in ["half.pth", "batch_norm.pth", "vae.npz"] {
        let folder = Folder::empty();
        folder.fixture(file);
        let words = [file, "no activation in the file", "--activation relu"];
        let layers: &[&str] = if file == "vae.npz" { &["--layers", "fc3,fc4"] } else { &[] };
        folder.refuses(&[&["generate", file, "--count", "2", "-o", "out.npy"], layers].concat(), &words);
    }
}

#[test]
fn pytorch_files_that_cannot_be_inverted() {
    let cases = [
        ("convolution.pth", "`3` (a convolution", "fully connected generators only"),
        ("integers.pth", "of type I8", "dequantize"),
    ];
    for (file, found, fix) in cases {
        let folder = Folder::empty();
        folder.fixture(file);
        let arguments = ["generate", file, "--activation", "relu", "--count", "2", "-o", "out.npy"];
        folder.refuses(&arguments, &[file, found, "expected", fix]);
    }
}

#[test]
fn truncated_checkpoints() {
    for file in ["vae_zip.pth", "vae_legacy.pt"] {
        let whole = std::fs::read(crate::folder::fixtures().join(file)).unwrap();
        for length in [20, whole.len() / 2, whole.len() - 1] {
            let folder = Folder::empty();
            folder.write(file, &whole[..length]);
            let arguments =
                ["generate", file, "--layers", "fc3,fc4", "--activation", "relu", "--count", "2", "-o", "out.npy"];
            folder.refuses(&arguments, &[file, "found", "expected"]);
        }
    }
}

#[test]
fn nothing_in_a_checkpoint_is_executed() {
    let folder = Folder::empty();
    folder.fixture("command.pth");
    folder.run(&["inspect", "command.pth", "--activation", "relu"]);
    assert_eq!(folder.names(), ["command.pth"]);
}
