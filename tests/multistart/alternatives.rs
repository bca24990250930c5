//! Other minima of a search: all minima of a small loss, within reach of the noise and beyond it,
//! and none in a flat valley.

use nalgebra::DMatrix;
use unrelu::internals::multistart::{PackedNetwork, Reach, RefineOptions, best_batch, refine_one};
use unrelu::internals::random::Noise;
use unrelu::{Activation, BestOptions, Network, Objective};

use crate::support::{code, generate, layer, network};

/// `G(z) = (|z|, z)`, so that an observation (1, 0.1) has two minima.
fn two_sided() -> Network {
    let hidden = layer(2, 1, &[1.0, -1.0], &[0.0; 2], Activation::Relu);
    let output = layer(2, 2, &[1.0, 1.0, 1.0, -1.0], &[0.0; 2], Activation::Identity);
    Network::new(vec![hidden, output], "a test").unwrap()
}

fn found(network: &Network, x: &[f64], objective: Objective, reach: Option<Reach>) -> Vec<(Vec<f64>, f64)> {
    let mut options = BestOptions::default().objective(objective);
    options.reach = reach;
    let packed = PackedNetwork::new(network.clone());
    let answers = best_batch(&packed, &DMatrix::from_column_slice(x.len(), 1, x), 0, &[], &options);
    let first = (answers[0].code.clone(), answers[0].loss);
    let others = answers[0].alternatives.iter().map(|other| (other.code.clone(), other.loss));
    std::iter::once(first).chain(others).collect()
}

fn assert_minima(found: &[(Vec<f64>, f64)], expected: &[(f64, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((code, loss), (z, least)) in found.iter().zip(expected) {
        assert!((code[0] - z).abs() < 1e-9 && (loss - least).abs() < 1e-9, "{found:?}");
    }
}

/// `½(|z| − 1)² + ½(z − 0.1)²` has the minima 0.55 and −0.45. `χ²₀.₉₉₉(2)` is 13.8.
#[test]
fn minima_within_reach_are_kept() {
    let (network, x) = (two_sided(), [1.0, 0.1]);
    let (first, second) = ((0.55, 0.2025), (-0.45, 0.3025));
    let squares = |size| found(&network, &x, Objective::L2, Some(Reach { size }));
    assert_minima(&squares(Some(0.3)), &[first, second]);
    assert_minima(&squares(Some(0.2)), &[first]);
    // Noise too small for the answer itself.
    assert_minima(&squares(Some(0.01)), &[first]);
    assert_minima(&squares(None), &[first, second]);
    assert_minima(&found(&network, &x, Objective::L2, None), &[first]);
    // The largest error: 0.45 and 0.55.
    let largest = |size| found(&network, &x, Objective::Linf, Some(Reach { size }));
    let (first, second) = ((0.55, 0.45), (-0.45, 0.55));
    assert_minima(&largest(Some(0.56)), &[first, second]);
    assert_minima(&largest(Some(0.54)), &[first]);
    assert_minima(&largest(None), &[first, second]);
}

/// The likelihood is in proportion to `‖r‖⁻ⁿ`: of many equal outputs, the second minimum has less
/// than a thousandth of it.
#[test]
fn without_a_size_the_likelihood_decides() {
    let hidden = layer(2, 1, &[1.0, -1.0], &[0.0; 2], Activation::Relu);
    let rows = [[1.0, 1.0], [1.0, -1.0]].concat().repeat(20);
    let output = layer(40, 2, &rows, &[0.0; 40], Activation::Identity);
    let network = Network::new(vec![hidden, output], "a test").unwrap();
    // (0.3025 / 0.2025)^−20 is 3e-4.
    let found = found(&network, &[1.0, 0.1].repeat(20), Objective::L2, Some(Reach { size: None }));
    assert_minima(&found, &[(0.55, 20.0 * 0.2025)]);
}

#[test]
fn a_flat_valley_is_one_minimum() {
    // The second entry changes nothing. (The minimum −0.2 of the first is out of reach.)
    let first = layer(3, 2, &[1.0, 0.0, -1.0, 0.0, 2.0, 0.0], &[0.1; 3], Activation::Relu);
    let network = Network::new(vec![first], "a test").unwrap();
    let found = found(&network, &[1.0, 0.3, 2.5], Objective::L2, Some(Reach { size: Some(0.2) }));
    assert_eq!(found.len(), 1, "{found:?}");
}

/// Recorded codes are minima: no neighbour is lower.
#[test]
fn alternatives_are_distinct_minima_in_order() {
    let mut seen = 0;
    for seed in 0..12 {
        let network = network(&[2, 8, 6], Activation::Relu, Activation::Identity, seed);
        let x: Vec<f64> = (0..6).map(|i| (f64::from(i) + 0.3 * seed as f64).sin()).collect();
        let loss = |z: &[f64]| crate::support::loss(&network, &x, z);
        let all = found(&network, &x, Objective::L2, Some(Reach { size: Some(0.5) }));
        assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{all:?}");
        for (code, recorded) in &all {
            assert!((loss(code) - recorded).abs() <= 1e-9 * recorded);
            for direction in 0..64 {
                let angle = f64::from(direction) * std::f64::consts::TAU / 64.0;
                let near = [code[0] + 1e-5 * angle.cos(), code[1] + 1e-5 * angle.sin()];
                assert!(loss(&near) >= recorded * (1.0 - 1e-9), "seed {seed}: {code:?} is no minimum");
            }
        }
        for (place, (code, _)) in all.iter().enumerate() {
            for (other, _) in &all[..place] {
                assert!(code.iter().zip(other).any(|(a, b)| (a - b).abs() > 1e-6), "seed {seed}: {all:?}");
            }
        }
        seen += all.len() - 1;
    }
    assert!(seen >= 4, "{seen}");
}

/// Runs of a network with curved layers end near their minimum only. What is listed must still be
/// another minimum: it does not descend to the answer's.
#[test]
fn codes_near_the_answers_minimum_are_no_alternatives() {
    let softplus = Activation::Softplus { beta: 1.0, threshold: 20.0 };
    let mut listed = 0;
    for seed in 0..12 {
        let network = network(&[6, 20, 30], softplus, Activation::Identity, 70 + seed);
        let mut x = generate(&network, &code(&network, seed));
        Noise::Gaussian(1.0).apply(seed, 0, &mut x);
        let minima = found(&network, &x, Objective::L2, Some(Reach { size: None }));
        let packed = PackedNetwork::new(network);
        let refined = |(code, _): &(Vec<f64>, f64)| {
            let mut code = code.clone();
            let loss = refine_one(&packed, &x, &mut code, &RefineOptions::of(Objective::L2)).loss_after;
            (code, loss)
        };
        let (answer, lowest) = refined(&minima[0]);
        for other in &minima[1..] {
            let (code, loss) = refined(other);
            let apart: f64 = code.iter().zip(&answer).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            let size = answer.iter().map(|z| z * z).sum::<f64>().sqrt();
            assert!(loss > lowest * (1.0 + 1e-6) || apart > 1e-2 * size, "seed {seed}: {apart} apart at {loss}");
            listed += 1;
        }
    }
    println!("{listed} other minima");
}
