//! The trained example generators: codes that are reported as determined are recovered, and an
//! independent computation agrees with the report.

use std::path::Path;
use std::sync::Arc;

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, Network, NetworkOptions, load_network};

use crate::support::{codes, forward, invert, method, relative_error, uniform};

pub fn example(name: &str) -> Arc<Network> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    Arc::new(load_network(&path, &NetworkOptions::default()).unwrap())
}

#[test]
fn linf_recovers_what_it_reports_as_determined() {
    let network = example("mnist_relu_20_60_784.safetensors");
    let codes = codes(20, 200, 1);
    let observations = forward(&network, 0..2, &codes);
    let mut determined = 0;
    for (index, answer) in invert(&network, &LpEngine, &method(LayerwiseMethod::Linf), &observations).iter().enumerate()
    {
        assert!(answer.is_certified(), "observation {index}: {answer:?}");
        if answer.is_determined() {
            determined += 1;
            let error = relative_error(&answer.code, codes.column(index).as_slice());
            assert!(error <= 1e-6, "observation {index} is said to be determined, but its code is off by {error:e}");
        }
    }
    println!("determined layer by layer: {determined} of 200");
    assert!(determined >= 160, "only {determined} of 200 are determined");
}

#[test]
fn linf_recovers_the_leaky_generator() {
    let network = example("mnist_leaky_20_200_500_784.safetensors");
    let codes = codes(20, 20, 2);
    let observations = forward(&network, 0..3, &codes);
    for (index, answer) in invert(&network, &LpEngine, &method(LayerwiseMethod::Linf), &observations).iter().enumerate()
    {
        assert!(answer.is_certified() && answer.is_determined(), "observation {index}: {:?}", answer.layers);
        let error = relative_error(&answer.code, codes.column(index).as_slice());
        assert!(error <= 1e-6, "observation {index}: relative error {error:e}");
    }
}

/// For each entry of the last layer's input, whether it is the same in all of
/// `{h ≥ 0 : W_on h = x_on, W_off h ≤ 0}` over the observed rows, by the minimum and maximum from
/// two linear programs.
///
/// With the true `h*` known, `h = h* + N u` over the null space `N` of `W_on`; `u` is the only
/// unknown.
fn determined_by_ranges(weight: &DMatrix<f64>, observation: &[f64], hidden: &DVector<f64>) -> Vec<bool> {
    let observed = (0..weight.nrows()).filter(|&row| !observation[row].is_nan());
    let (on, off): (Vec<usize>, Vec<usize>) = observed.partition(|&row| observation[row] > 0.0);
    let active = weight.select_rows(&on);
    // A square matrix, so that the SVD gives all of V.
    let gram = active.tr_mul(&active);
    let eigen = gram.symmetric_eigen();
    let largest = eigen.eigenvalues.amax();
    let free: Vec<usize> = (0..hidden.len()).filter(|&i| eigen.eigenvalues[i] <= 1e-13 * largest).collect();
    if free.is_empty() {
        return vec![true; hidden.len()];
    }
    let null_space = eigen.eigenvectors.select_columns(&free);
    let inactive = weight.select_rows(&off);
    // W_off (h* + N u) ≤ 0 and −(h* + N u) ≤ 0.
    let mut matrix = DMatrix::zeros(off.len() + hidden.len(), free.len());
    matrix.rows_mut(0, off.len()).copy_from(&(&inactive * &null_space));
    matrix.rows_mut(off.len(), hidden.len()).copy_from(&-&null_space);
    let mut bounds = DVector::zeros(matrix.nrows());
    bounds.rows_mut(0, off.len()).copy_from(&-(&inactive * hidden));
    bounds.rows_mut(off.len(), hidden.len()).copy_from(hidden);
    // Both hold at the truth up to rounding.
    bounds.apply(|bound| *bound = bound.max(0.0));
    let scale = hidden.amax();
    let extent = |direction: DVector<f64>| -> f64 {
        let matrix: Vec<Vec<f64>> = matrix.row_iter().map(|row| row.iter().copied().collect()).collect();
        let constraints = CscMatrix::from(&matrix);
        let settings = DefaultSettingsBuilder::default().verbose(false).build().unwrap();
        let quadratic = CscMatrix::zeros((direction.len(), direction.len()));
        let scaled: Vec<f64> = bounds.iter().map(|bound| bound / scale).collect();
        let cones = [NonnegativeConeT(bounds.len())];
        let mut solver =
            DefaultSolver::new(&quadratic, direction.as_slice(), &constraints, &scaled, &cones, settings).unwrap();
        solver.solve();
        // An unbounded direction has no finite extent.
        if solver.solution.obj_val.is_finite() { solver.solution.obj_val.abs() } else { f64::INFINITY }
    };
    (0..hidden.len())
        .map(|entry| {
            let direction = null_space.row(entry).transpose();
            if direction.norm() <= 1e-9 {
                return true;
            }
            extent(direction.clone()) <= 1e-5 && extent(-direction) <= 1e-5
        })
        .collect()
}

#[test]
fn determined_agrees_with_the_ranges_of_the_feasible_set() {
    let network = example("mnist_relu_20_60_784.safetensors");
    let codes = codes(20, 20, 3);
    let hidden = forward(&network, 0..1, &codes);
    let clean = forward(&network, 0..2, &codes);
    let mut undetermined_in_all = 0;
    // Fewer and fewer pixels, so that some entries are determined and some are not.
    for (round, share) in [1.0, 0.4, 0.2, 0.1].into_iter().enumerate() {
        let mut observations = clean.clone();
        for (x, u) in observations.iter_mut().zip(uniform(40 + round as u64, clean.len())) {
            if u > 2.0 * share - 1.0 {
                *x = f64::NAN;
            }
        }
        let answers = invert(&network, &LpEngine, &method(LayerwiseMethod::Linf), &observations);
        let expected: Vec<usize> = (0..20)
            .into_par_iter()
            .map(|index| {
                let hidden = hidden.column(index).into_owned();
                let weight = &network.layers()[1].weight();
                let determined = determined_by_ranges(weight, observations.column(index).as_slice(), &hidden);
                determined.iter().filter(|determined| !**determined).count()
            })
            .collect();
        for (index, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
            assert_eq!(answer.layers[0].undetermined_entries, *expected, "share {share}, observation {index}");
        }
        println!("{share} of the pixels observed, undetermined hidden entries: {expected:?}");
        undetermined_in_all += expected.iter().sum::<usize>();
    }
    assert!(undetermined_in_all > 100, "the comparison has seen too little that is undetermined");
}
