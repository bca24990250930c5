//! The bounds hold in a small study, and a wrong answer would violate them.

use std::path::Path;

use nalgebra::DMatrix;

use super::super::determined::has_full_rank;
use super::super::{Nobody, Options};
use super::*;
use crate::batch::Inverter;
use crate::cpu::forward::forward;

fn small(folder: &Path) -> Vec<Row> {
    let options = Options { out: folder.to_owned(), quick: true, seed: 3, network: None, threads: Some(2) };
    let study = Study::open(options, &Nobody).unwrap();
    let job = |depth: usize, run: u64| METHODS.map(|method| Job { depth, run, method });
    let jobs: Vec<Job> = (1..=3).flat_map(|depth| (0..4).flat_map(move |run| job(depth, run))).collect();
    let levels = [1e-7, 1e-5, 1e-3];
    study.runs(NAME, &jobs, 2 * levels.len(), |job| job.carry_out(&study, &levels)).unwrap()
}

#[test]
fn no_guaranteed_bound_is_violated_and_each_could_be() {
    let folder = tempfile::tempdir().unwrap();
    let rows = small(folder.path());
    let guaranteed: Vec<&Row> = rows.iter().filter(|row| row.rule == Rule::Proof && row.bound().is_some()).collect();
    for depth in 1..=3 {
        for method in METHODS {
            let here: Vec<&&Row> = guaranteed.iter().filter(|row| row.is_of(depth, method, Rule::Proof)).collect();
            // Small noise has a bound at any depth.
            assert!(here.len() >= 4, "depth {depth} {method}: {}", here.len());
            for row in here {
                assert!(!row.violates(), "{row:?}");
                assert_eq!((row.truth_fits, row.at_first), (Some(true), Some(true)), "{row:?}");
                // An answer that is wrong by more than the bound is detected.
                let far = row.bound().map(|bound| 1.01 * bound);
                assert!(Row { error_inf: far, error_1: far, ..Row::clone(row) }.violates());
                assert!(row.afterwards <= row.bound() && row.error() > Some(0.0));
            }
        }
    }
    // For one layer, the bound has the theorem's form if the noise hides no active row.
    let one = rows.iter().find(|row| row.is_of(1, Contender::Linf, Rule::Proof)).unwrap();
    assert!((one.bound_inf.unwrap() / one.formula - 1.0).abs() < 1e-9, "{one:?}");
    assert!((one.formula * one.constant / (2.0 * one.level) - 1.0).abs() < 1e-9, "{one:?}");
}

/// At one layer, there is a bound whenever the rows above the noise have full rank. These may be
/// fewer or more than the positive true entries, because noise may lift entries up to `2ε`.
#[test]
fn no_bound_is_left_out() {
    let (mut with, mut lifted) = (0, 0);
    for seed in 0..60 {
        let epsilon = 0.3;
        let instance = Instance::random(&[3, 8], Activation::Relu, Noise::Uniform(epsilon), seed).unwrap();
        let truth = forward(&instance.network, 0..1, &instance.code);
        let above = |entries: &DMatrix<f64>| (0..8).filter(|row| entries[*row] > epsilon).collect::<Vec<_>>();
        let sum = (&instance.observation - &truth).lp_norm(1);
        let expected = has_full_rank(&instance.network.layers()[0].weight().select_rows(&above(&instance.observation)));
        for method in METHODS {
            let mut chain = Chain::new(&instance, method).unwrap();
            let found = chain.with_proofs_tolerances(instance.observation.as_slice(), epsilon, sum).unwrap();
            assert_eq!(found.is_some(), expected, "seed {seed} {method}");
        }
        with += usize::from(expected);
        lifted += usize::from(expected && above(&truth).len() < 3);
    }
    assert!((10..50).contains(&with) && lifted > 0, "{with} {lifted}");
}

#[test]
fn the_ladder_is_the_librarys() {
    for seed in 0..3 {
        let instance = Instance::random(&[3, 15, 75], Activation::Relu, Noise::Uniform(1e-3), seed).unwrap();
        for method in METHODS {
            let chain = Chain::new(&instance, method).unwrap();
            let ladder = chain.ladder(instance.observation.as_slice(), 1e-3).unwrap().unwrap();
            let options = method.options(1e-3, super::super::contender::descent_on_random(0), 1);
            let inverted = Inverter::new(instance.network.clone(), options).unwrap();
            assert_eq!(ladder.code, inverted.invert(&instance.observation).unwrap().codes.as_slice());
        }
    }
}
