//! Bytes as observations: the range that they stand for follows from the output activation, or from
//! `--pixels`.

use crate::folder::{Folder, npy};

/// 3 → 16 → 64 with this output activation, codes `truth.npy`, and the outputs `x.npy` in f64.
fn with_outputs(activation: &str) -> (Folder, Vec<f64>) {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,64", "-o", "net.safetensors", "--seed", "1"]);
    let to = ["--codes-out", "truth.npy", "-o", "x.npy", "--seed", "4", "--output-activation", activation];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", "4"], &to[..]].concat());
    let outputs = folder.bytes("x.npy")[128..].as_chunks::<8>().0.iter().map(|x| f64::from_le_bytes(*x)).collect();
    (folder, outputs)
}

fn write(folder: &Folder, name: &str, kind: &str, pixels: impl Iterator<Item = Vec<u8>>) {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (4, 64), }}");
    folder.write(name, npy(&header, &pixels.flatten().collect::<Vec<_>>()));
}

fn bytes(folder: &Folder, name: &str, pixels: impl Iterator<Item = f64>) {
    write(folder, name, "|u1", pixels.map(|x| vec![x.round() as u8]));
}

/// Inverts the file by `best`, with this exit code; returns the codes' largest error and what was
/// said.
fn ended(code: i32, folder: &Folder, activation: &str, file: &str, more: &[&str]) -> (f64, String) {
    let start = ["invert", "net.safetensors", file, "-o", "z.npy", "--method", "best", "--epsilon", "0.01", "--force"];
    let output = folder.run(&[&start, more, &["--output-activation", activation]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    let numbers = |name: &str| -> Vec<f64> {
        folder.bytes(name)[128..].as_chunks::<8>().0.iter().map(|x| f64::from_le_bytes(*x)).collect()
    };
    let (found, truth) = (numbers("z.npy"), numbers("truth.npy"));
    (found.iter().zip(&truth).map(|(z, t)| (z - t).abs()).fold(0.0, f64::max), said)
}

fn inverted(folder: &Folder, activation: &str, file: &str, more: &[&str]) -> (f64, String) {
    ended(0, folder, activation, file, more)
}

#[test]
fn bytes_of_a_tanh_are_from_minus_one_to_one() {
    let (folder, outputs) = with_outputs("tanh");
    bytes(&folder, "u8.npy", outputs.iter().map(|x| (x + 1.0) * 127.5));
    let (error, said) = inverted(&folder, "tanh", "u8.npy", &[]);
    assert!(error < 0.05, "{error}");
    assert!(said.contains("uint8") && said.contains("value / 127.5 − 1") && said.contains("--pixels"), "{said}");
    let (error, said) = inverted(&folder, "tanh", "u8.npy", &["--pixels", "-1..1"]);
    assert!(error < 0.05 && !said.contains("127.5"), "{error}, {said}");
    let (wrong, _) = ended(3, &folder, "tanh", "u8.npy", &["--pixels", "0..1"]);
    assert!(wrong > 0.1, "another range gives other codes, which explain nothing: {wrong}");
}

#[test]
fn bytes_of_other_outputs_are_from_zero_to_one() {
    for activation in ["sigmoid", "relu"] {
        let (folder, outputs) = with_outputs(activation);
        let largest = outputs.iter().fold(0.0, |most: f64, x| most.max(*x));
        bytes(&folder, "u8.npy", outputs.iter().map(|x| x * 255.0 / largest.max(1.0)));
        let output = folder.run(&[
            "invert",
            "net.safetensors",
            "u8.npy",
            "-o",
            "z.npy",
            "--method",
            "best",
            "--epsilon",
            "0.01",
        ]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("u8.npy: pixels of type uint8 are read as value / 255, from 0 to 1"), "{said}");
    }
}

#[test]
fn other_integers_need_the_option_for_bounded_outputs() {
    let (folder, outputs) = with_outputs("sigmoid");
    write(&folder, "i8.npy", "<i8", outputs.iter().map(|x| ((x * 255.0).round() as i64).to_le_bytes().to_vec()));
    let sigmoid = ["--output-activation", "sigmoid"];
    let invert = [&["invert", "net.safetensors", "i8.npy", "-o", "c.npy"], &sigmoid[..]].concat();
    folder.refuses(&invert, &["i8.npy", "integers (int64) as outputs of sigmoid", "--pixels 0..1", "--pixels 0..255"]);
    let recover = [&["recover", "net.safetensors", "i8.npy", "-o", "c.npy"], &sigmoid[..]].concat();
    folder.refuses(&recover, &["int64", "--pixels 0..1"]);
    folder.refuses(&[&invert[..], &["--pixels", "0-1"]].concat(), &["expected 0..1, -1..1 or 0..255"]);
    let (error, _) = inverted(&folder, "sigmoid", "i8.npy", &["--pixels", "0..1"]);
    assert!(error < 0.1, "{error}");
    // The option is part of a run: another range does not continue it.
    let invert = ["invert", "net.safetensors", "i8.npy", "-o", "z.npy", "--method", "best", "--epsilon", "0.01"];
    folder.refuses(&[&invert[..], &["--pixels", "-1..1", "--resume"], &sigmoid].concat(), &["--pixels"]);
}

#[test]
fn measurements_of_a_tanh_in_bytes_are_ambiguous() {
    let (folder, _) = with_outputs("tanh");
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 10), }";
    folder.write("y.npy", npy(header, &[7; 40]));
    let recover = ["recover", "net.safetensors", "y.npy", "-o", "c.npy", "--gaussian", "10"];
    folder.refuses(
        &[&recover[..], &["--output-activation", "tanh"]].concat(),
        &["y.npy", "bytes as linear measurements of tanh outputs", "--pixels"],
    );
}
