//! Times one step of the search on one observation, on one thread: the Jacobian, the normal
//! matrix, its factorisation, and the forward pass of the trial. Prints the seconds of each round.
//!
//! ```text
//! cargo bench --bench search_step -- NETWORK [ROUNDS]
//! ```
//!
//! `scripts/bench_chains.py --step` runs the program in turn with the same step in PyTorch. Without
//! a network it takes a random one.

use std::time::Instant;

use nalgebra::DMatrix;
use unrelu::internals::multistart::PackedNetwork;
use unrelu::internals::multistart::local_search::{LocalSearch, MarquardtOptions};
use unrelu::{Activation, Network, Result};

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let network = match words.first() {
        Some(file) => Network::load(file)?,
        None => Network::random(&[20, 100, 500], Activation::Relu, 1)?,
    };
    let rounds = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(3);
    let images = network.forward(&network.random_codes(1, 1))?;
    let codes: DMatrix<f64> = network.random_codes(1, 2);
    let packed = PackedNetwork::new(network);
    let mut search = LocalSearch::new(&packed);
    let step = MarquardtOptions { damping: 1e-3, slow: 0.0, steps: 1 };
    // The first round also packs what a step needs.
    for round in 0..=rounds {
        search.go_to(images.as_slice(), codes.as_slice());
        let before = Instant::now();
        search.levenberg_marquardt(images.as_slice(), &step);
        if round > 0 {
            println!("{:e}", before.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
