//! Random checkpoints are read as what they compute, or refused by name; never anything else.
//! `UNRELU_CHECKPOINTS` sets their number.

use nalgebra::DMatrix;
use unrelu::{Network, NetworkOptions, Result, load_network};

use crate::build::{Checkpoint, checkpoint};
use crate::chance::Chance;
use crate::model::forward;

#[derive(Debug, Default)]
struct Counts {
    readable: usize,
    read_without_help: usize,
    refused: usize,
}

#[test]
fn random_checkpoints_are_read_right_or_refused_by_name() {
    let count = std::env::var("UNRELU_CHECKPOINTS").map_or(2000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let mut counts = Counts::default();
    for seed in 0..count {
        let checkpoint = checkpoint(seed);
        std::fs::write(&path, checkpoint.tensors.safetensors()).unwrap();
        let load = |options: NetworkOptions| load_network(&path, &options);
        check(seed, &checkpoint, &load, &mut counts);
    }
    println!("{count} checkpoints: {counts:?}");
    assert!(counts.readable * 10 >= count as usize * 6, "{counts:?}");
}

/// Reads a checkpoint with what it needs, with less, and without anything.
fn check(seed: u64, checkpoint: &Checkpoint, load: &dyn Fn(NetworkOptions) -> Result<Network>, counts: &mut Counts) {
    let ignored = || checkpoint.options().ignore_tensors(checkpoint.ignored.clone());
    let full = load(ignored().layers(checkpoint.picks.clone()));
    let readable = checkpoint.culprits.is_empty();
    if readable {
        counts.readable += 1;
        let network = full.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{:?}", names(checkpoint)));
        computes(seed, checkpoint, &network);
    } else {
        let error = full.err().unwrap_or_else(|| panic!("seed {seed}: read without {:?}", checkpoint.culprits));
        let message = error.to_string();
        let named = checkpoint.culprits.iter().any(|culprit| message.contains(&format!("`{culprit}`")));
        assert!(named, "seed {seed}: none of {:?} in {message}", checkpoint.culprits);
        counts.refused += 1;
    }
    for layers in [None, Some(checkpoint.linears.clone())] {
        let without_picks = layers.is_none();
        for (options, is_bare) in [(ignored(), false), (checkpoint.options(), true)] {
            match load(options.layers(layers.clone())) {
                Ok(network) => {
                    computes(seed, checkpoint, &network);
                    counts.read_without_help += usize::from(without_picks && is_bare);
                }
                Err(error) => {
                    let message = error.to_string();
                    let names = names(checkpoint);
                    assert!(names.iter().any(|name| message.contains(name)), "seed {seed}: {message}");
                }
            }
        }
    }
}

/// The names of all modules with their quotes, and of loose tensors.
fn names(checkpoint: &Checkpoint) -> Vec<String> {
    let tensors = checkpoint.tensors.0.iter().map(|(name, ..)| name);
    let module = |name: &String| format!("`{}`", name.rsplit_once('.').map_or("", |(module, _)| module));
    tensors.flat_map(|name| [format!("`{name}`"), module(name)]).collect()
}

fn computes(seed: u64, checkpoint: &Checkpoint, network: &Network) {
    if let Some(difference) = difference(seed, checkpoint, network) {
        panic!("seed {seed}: differs by {difference}\n{:?}\n{:?}", names(checkpoint), checkpoint.options());
    }
}

/// How much the network differs from the model on random codes, if by more than rounding.
fn difference(seed: u64, checkpoint: &Checkpoint, network: &Network) -> Option<f64> {
    const CODES: usize = 5;
    let mut chance = Chance::new(seed ^ 0xC0DE);
    let codes = chance.numbers(checkpoint.code_length * CODES, -2.0, 2.0);
    let codes = DMatrix::from_vec(checkpoint.code_length, CODES, codes);
    if network.code_length() != codes.nrows() {
        return Some(f64::INFINITY);
    }
    let outputs = network.forward(&codes).unwrap();
    let mut largest: f64 = 0.0;
    for (code, output) in codes.column_iter().zip(outputs.column_iter()) {
        let expected = forward(&checkpoint.steps, code.as_slice());
        if expected.len() != output.len() {
            return Some(f64::INFINITY);
        }
        let size = expected.iter().fold(1.0f64, |size, entry| size.max(entry.abs()));
        let apart = expected.iter().zip(output.iter()).map(|(left, right)| (left - right).abs() / size);
        largest = apart.fold(largest, f64::max);
    }
    // Also if it is not a number.
    if largest <= 1e-6 { None } else { Some(largest) }
}

#[test]
fn the_comparison_can_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let mut compared = 0;
    for seed in (0..200).filter(|seed| checkpoint(*seed).culprits.is_empty()).take(20) {
        let mut checkpoint = checkpoint(seed);
        let Some((_, _, crate::tensors::Numbers::Floats(numbers))) = checkpoint
            .tensors
            .0
            .iter_mut()
            .find(|(name, ..)| name.ends_with(&format!("{}.bias", checkpoint.linears[0])))
        else {
            continue;
        };
        numbers.iter_mut().for_each(|number| *number += 0.25);
        std::fs::write(&path, checkpoint.tensors.safetensors()).unwrap();
        let options = checkpoint.options().ignore_tensors(checkpoint.ignored.clone()).layers(checkpoint.picks.clone());
        let network = load_network(&path, &options).unwrap();
        compared += 1;
        assert!(difference(seed, &checkpoint, &network).is_some(), "seed {seed}");
    }
    assert!(compared > 5);
}
