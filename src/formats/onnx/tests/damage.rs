//! Damaged files are read or refused, and nothing panics.

use rand::{RngExt, SeedableRng};

use super::builder::*;

/// Files that use most of the reader.
fn files() -> Vec<Vec<u8>> {
    let dense = Builder::new(&[-1, 3])
        .normal("w", &[3, 12])
        .normal("b", &[12])
        .normal("m", &[12])
        .with(tensor("v", &[12], &[1.0; 12]))
        .with(integers("image", &[-1, 2, 2, 3]))
        .with(tensor("one", &[], &[1.0]))
        .with(tensor("half", &[], &[0.5]))
        .with(tensor("root", &[], &[std::f64::consts::SQRT_2]))
        .node("Gemm", "x w b", "a", &[float("alpha", 0.5), int("transB", 0)])
        .node("BatchNormalization", "a b b m v", "c", &[float("epsilon", 0.1)])
        .node("Div", "c root", "d", &[])
        .node("Erf", "d", "e", &[])
        .node("Add", "e one", "f", &[])
        .node("Mul", "c f", "g", &[])
        .node("Mul", "g half", "h", &[])
        .node("Reshape", "h image", "i", &[])
        .node("Transpose", "i", "j", &[ints("perm", &[0, 3, 1, 2])])
        .normal("k", &[3, 2, 3, 3])
        .node(
            "ConvTranspose",
            "j k",
            "l",
            &[ints("strides", &[2, 2]), ints("pads", &[1, 0, 0, 1]), ints("output_padding", &[1, 0])],
        )
        .node("Tanh", "l", "n", &[])
        .node("Transpose", "n", "y", &[ints("perm", &[0, 2, 3, 1])]);
    let image = Builder::new(&[1, 2, 4, 5])
        .normal("k", &[4, 1, 2, 2])
        .normal("slopes", &[4, 1, 1])
        .with(integers("pads", &[0, 0, 1, 0, 0, 0, 0, 1]))
        .with(integers("sizes", &[1, 1, 5, 7]))
        .with(integers("start", &[1]))
        .with(integers("end", &[-1]))
        .with(integers("axis", &[2]))
        .with(integers("spatial", &[2, 3]))
        .with(integers("zero", &[0]))
        .with(integers("rest", &[-1]))
        .node("Pad", "x pads", "a", &[])
        .node("Conv", "a k", "b", &[int("group", 2), text("auto_pad", "SAME_UPPER"), ints("strides", &[1, 2])])
        .node("PRelu", "b slopes", "c", &[])
        .node("DepthToSpace", "c", "d", &[int("blocksize", 2)])
        .node("Resize", "d - - sizes", "e", &[text("mode", "linear")])
        .node("AveragePool", "e", "f", &[ints("kernel_shape", &[2, 2]), ints("pads", &[0, 1, 1, 0])])
        .node("Slice", "f start end axis", "g", &[])
        .node("Sigmoid", "g", "h", &[])
        .node("Mul", "g h", "i", &[])
        .node("Shape", "i", "s", &[])
        .node("Gather", "s zero", "t", &[])
        .node("Concat", "t rest", "u", &[int("axis", 0)])
        .node("Reshape", "i u", "v", &[])
        .node("Clip", "v", "y", &[]);
    let files = vec![dense.bytes(), image.bytes()];
    for file in &files {
        read(file.clone()).unwrap();
    }
    files
}

/// Changes some bytes, repeats a part, or cuts the file.
fn damaged(file: &[u8], chance: &mut rand::rngs::ChaCha8Rng) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..chance.random_range(1..6) {
        let place = chance.random_range(0..bytes.len());
        match chance.random_range(0..10) {
            0 => bytes.truncate(place.max(1)),
            1 => {
                let end = chance.random_range(place..bytes.len());
                let part = bytes[place..end].to_vec();
                bytes.splice(place..place, part);
            }
            2 => {
                bytes.remove(place);
                bytes.push(0);
            }
            3 => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][chance.random_range(0..5)],
            4..7 => bytes[place] ^= 1 << chance.random_range(0..8),
            _ => bytes[place] = chance.random(),
        }
    }
    bytes
}

/// `UNRELU_DAMAGED_FILES` is another number of files, for a run of minutes.
#[test]
fn damaged_files_never_panic() {
    let count = std::env::var("UNRELU_DAMAGED_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(4000);
    let files = files();
    let mut chance = rand::rngs::ChaCha8Rng::seed_from_u64(count as u64);
    let damaged = (0..count).map(|index| damaged(&files[index % files.len()], &mut chance));
    let accepted = damaged.filter(|bytes| read(bytes.clone()).is_ok()).count();
    // Some changes are those of numbers alone.
    assert!(accepted > count / 50 && accepted < count, "{accepted} of {count}");
}

#[test]
fn files_that_end_early_are_refused() {
    for file in files() {
        for length in (0..file.len()).step_by(7) {
            let message = read(file[..length].to_vec()).map(drop).expect_err("a refusal").to_string();
            assert!(message.starts_with("test.onnx: found"), "{message}");
        }
    }
}
