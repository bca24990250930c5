//! Damaged lists of operations are read or refused, and nothing panics or takes memory for sizes
//! that only a number claims.

use rand::{RngExt, SeedableRng};

use super::*;

/// Numbers at the ends of what sizes and settings can be.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "2",
    "7",
    "1000000",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "0.5",
    "1e308",
    "null",
];
/// Words of the lists.
const WORDS: [&str; 12] = [
    "w",
    "fc",
    "relu",
    "linear",
    "conv2d",
    "conv_transpose2d",
    "upsample",
    "avg_pool2d",
    "reshape",
    "softplus",
    "stride",
    "absent",
];

/// A list that uses most of the reader, and its tensors.
fn whole() -> (String, NamedTensors) {
    let given = super::tensors(&[("fc", &[12, 4]), ("up", &[3, 2, 3, 3]), ("mean", &[2]), ("var", &[2])]);
    let operations = r#"{"op": "linear", "weight": "fc"}, {"op": "relu"}, {"op": "reshape", "shape": [3, 2, 2]},
        {"op": "conv_transpose2d", "weight": "up", "stride": 2, "padding": 1, "output_padding": 1, "dilation": 1},
        {"op": "leaky_relu", "negative_slope": 0.2}, {"op": "upsample", "size": [7, 8], "mode": "bilinear"},
        {"op": "avg_pool2d", "kernel_size": 2, "stride": [1, 2], "padding": 0, "ceil_mode": false},
        {"op": "elu", "alpha": 0.7}, {"op": "batch_norm", "running_mean": "mean", "running_var": "var"}, {"op": "softplus", "beta": 1.5, "threshold": 20.0}"#;
    let document =
        format!(r#"{{"format": "unrelu operations", "version": 1, "input": [4], "operations": [{operations}]}}"#);
    read_operations(&document, "a test", &given).unwrap();
    (document, given)
}

/// Changes numbers, words and bytes, repeats a part, or cuts the text.
fn damaged(text: &str, chance: &mut rand::rngs::ChaCha8Rng) -> String {
    let mut text = text.to_owned();
    for _ in 0..chance.random_range(1..4) {
        let place = chance.random_range(0..text.len());
        let part_from = |text: &str, is_part: fn(char) -> bool| {
            let start = place + text[place..].find(is_part)?;
            let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |end| start + end);
            Some(start..end)
        };
        match chance.random_range(0..10) {
            0..4 => {
                let Some(number) = part_from(&text, |c| c.is_ascii_digit()) else { continue };
                text.replace_range(number, NUMBERS[chance.random_range(0..NUMBERS.len())]);
            }
            4..7 => {
                let Some(word) = part_from(&text, |c| c.is_ascii_alphabetic()) else { continue };
                text.replace_range(word, WORDS[chance.random_range(0..WORDS.len())]);
            }
            7 => {
                let end = chance.random_range(place..text.len());
                let part = text[place..end].to_owned();
                text.insert_str(place, &part);
            }
            8 => text.truncate(place.max(1)),
            _ => {
                let byte = b" {}[]\",:-0e\\"[chance.random_range(0..12)];
                text.replace_range(place..place + 1, &char::from(byte).to_string());
            }
        }
    }
    text
}

/// `UNRELU_DAMAGED_FILES` is another number of texts, for a run of minutes.
#[test]
fn damaged_lists_never_panic() {
    let count = std::env::var("UNRELU_DAMAGED_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(4000);
    let (text, given) = whole();
    let mut chance = rand::rngs::ChaCha8Rng::seed_from_u64(count as u64);
    let mut accepted = 0;
    for _ in 0..count {
        let damaged = damaged(&text, &mut chance);
        match read_operations(&damaged, "a test", &given) {
            Ok(network) => {
                // What is read can be run.
                let codes = network.random_codes(1, 3);
                network.forward(&codes).unwrap();
                accepted += 1;
            }
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains("found") && said.contains("expected"), "{damaged}: {said}");
            }
        }
    }
    assert!(accepted > count / 100 && accepted < count, "{accepted} of {count}");
}
