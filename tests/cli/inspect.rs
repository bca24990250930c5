//! `inspect`: the contents of a file, even if it is not usable as it is.

use serde_json::Value;

use crate::folder::Folder;

#[test]
fn a_network_at_a_glance() {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "20,100,500", "-o", "net.safetensors"]);
    let text = folder.succeeds(&["inspect", "net.safetensors"]);
    assert!(text.contains("codes of 20 entries, observations of 500, 2 layers, 52000 parameters"), "{text}");
    assert!(text.contains("Found nothing that would prevent or harm"), "{text}");
}

#[test]
fn json_has_the_same() {
    let folder = Folder::empty();
    folder.fixture("batch_norm.pth");
    let text = folder.succeeds(&["inspect", "batch_norm.pth", "--activation", "relu", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["layers"][1]["name"], "5");
    assert_eq!(json["layers"][1]["batch_norms"][0], "6");
    assert_eq!(json["layers"][2]["name"], "10");
    assert_eq!(json["layers"][3]["activation"], "relu");
    assert_eq!(json["problem"], Value::Null);
    assert!(json["notes"].as_array().unwrap().iter().any(|note| note["severity"] == "warning" && note["layer"] == 2));
}

#[test]
fn a_file_that_is_not_in_order_yet_is_listed() {
    let folder = Folder::empty();
    folder.fixture("vae_legacy.pt");
    let output = folder.run(&["inspect", "vae_legacy.pt"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("PyTorch (legacy)") && text.contains("fc22.bias") && text.contains("[6, 12] F32"), "{text}");

    folder.fixture("half.pth");
    let output = folder.run(&["inspect", "half.pth", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["problem"].as_str().unwrap().contains("--activation relu"));
    assert_eq!(json["layers"][1]["units"], 6);
    assert_eq!(json["layers"][1]["activation"], Value::Null);
}
