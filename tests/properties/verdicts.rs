//! Verdicts agree with the truth. Noise alone and outputs of another network are never reproduced
//! or determined; right codes are explained.

use std::cell::Cell;

use nalgebra::DMatrix;
use proptest::prelude::*;
use unrelu::{Activation, Fit, InvertedBatch, LayerwiseMethod, Method, Network, Status};

use crate::decoders::{Decoder, code_error, decoders, invert, is_exact, methods, network, normal};
use crate::support::forward;
use crate::trial::check;

/// The largest residual of a code, computed here.
fn residual(network: &Network, batch: &InvertedBatch, observations: &DMatrix<f64>, index: usize) -> f64 {
    let code = batch.codes.columns(index, 1).into_owned();
    (forward(network, 0..network.depth(), &code) - observations.columns(index, 1)).amax()
}

/// What holds for every row, whatever is true.
fn is_consistent(case: &Decoder, batch: &InvertedBatch, noise: Option<f64>) -> Result<(), TestCaseError> {
    for (index, row) in batch.rows.iter().enumerate() {
        prop_assert_eq!(row.fit == Some(Fit::Unexplained), row.status == Status::Unexplained, "{:?}", row);
        prop_assert_eq!(row.fit.is_none(), row.status.failure().is_some(), "{:?}", row);
        prop_assert!(!row.determined || row.fit == Some(Fit::Reproduced), "{:?}", row);
        if noise.is_none() && row.fit == Some(Fit::Reproduced) {
            let error = residual(&case.network, batch, &case.outputs, index);
            prop_assert!(error <= 1e-4 * case.outputs.column(index).amax().max(1.0), "{}: {:?}", error, row);
        }
    }
    Ok(())
}

/// Observations that no code makes.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// Random numbers in the range of the output.
    Noise,
    /// The outputs of a network with other weights.
    OtherWeights,
    /// The outputs of the same network, with their entries in another order.
    OtherOrder,
    /// The same weights without the biases.
    NoBias,
}

fn spoilt(case: &Decoder, wrong: Wrong) -> DMatrix<f64> {
    let layers = case.network.layers();
    let output = layers[layers.len() - 1].activation;
    let (n, count) = case.outputs.shape();
    match wrong {
        Wrong::Noise => {
            let noise = normal(n, count, case.seed ^ 1);
            noise.map(|e| if output == Activation::Relu { e.abs() } else { output.apply(e) })
        }
        Wrong::OtherWeights => {
            let sizes: Vec<usize> =
                [case.network.code_length()].into_iter().chain(layers.iter().map(|layer| layer.units())).collect();
            let other = network(&sizes, layers[0].activation, output, case.seed ^ 2);
            forward(&other, 0..other.depth(), &case.codes)
        }
        Wrong::OtherOrder => {
            let mut outputs = case.outputs.clone();
            outputs.as_mut_slice().chunks_mut(n).for_each(|x| x.rotate_left(1));
            outputs
        }
        Wrong::NoBias => {
            let mut layers: Vec<_> = layers.iter().map(|layer| layer.to_dense()).collect();
            layers.iter_mut().for_each(|layer| layer.bias.fill(0.0));
            let other = Network::dense(layers).unwrap();
            forward(&other, 0..other.depth(), &case.codes)
        }
    }
}

#[test]
fn what_no_code_makes_is_never_reproduced_or_determined() {
    let seen = Cell::new([0usize; 2]);
    let wrong =
        prop_oneof![Just(Wrong::Noise), Just(Wrong::OtherWeights), Just(Wrong::OtherOrder), Just(Wrong::NoBias)];
    check(80, (decoders(3), wrong), |(mut case, wrong)| {
        case.outputs = spoilt(&case, wrong);
        for method in methods() {
            let batch = invert(&case.network, method.clone(), None, &case.outputs);
            is_consistent(&case, &batch, None)?;
            for (row, x) in batch.rows.iter().zip(case.outputs.column_iter()) {
                // A ReLU output with few entries above 0 is made by many codes.
                if x.iter().filter(|x| x.abs() > 1e-3).count() < 2 * case.network.code_length() + 2 {
                    continue;
                }
                prop_assert!(row.fit != Some(Fit::Reproduced) && !row.determined, "{:?}: {:?}", method, row);
                let mut counts = seen.get();
                counts[usize::from(row.fit == Some(Fit::Unexplained))] += 1;
                seen.set(counts);
            }
        }
        Ok(())
    });
    assert!(seen.get().iter().all(|count| *count > 50), "{:?}", seen.get());
}

#[test]
fn outputs_of_the_network_itself_are_determined_by_right_codes_only() {
    let (determined, of_ladders) = (Cell::new(0), Cell::new(0));
    check(80, decoders(3), |case| {
        for method in methods() {
            let batch = invert(&case.network, method.clone(), None, &case.outputs);
            is_consistent(&case, &batch, None)?;
            for (index, row) in batch.rows.iter().enumerate().filter(|(_, row)| row.determined) {
                let error = code_error(&batch, &case.codes, index);
                // `best` knows its neighbourhood only: there may be another pre-image.
                let is_right = error < 1e-3 || matches!(method, Method::Best(_)) && row.reproduces;
                prop_assert!(is_right, "{:?}: code error {}, {:?}", method, error, row);
                determined.set(determined.get() + 1);
                of_ladders.set(of_ladders.get() + u32::from(is_of_a_ladder(&method)));
            }
        }
        Ok(())
    });
    let (determined, of_ladders) = (determined.get(), of_ladders.get());
    println!("{determined} determined, {of_ladders} of them by `l1` and `relaxed`");
    assert!(determined > 600 && of_ladders > 200, "{determined}, {of_ladders}");
}

fn is_of_a_ladder(method: &Method) -> bool {
    matches!(method, Method::Layerwise(options)
        if matches!(options.method, LayerwiseMethod::L1 | LayerwiseMethod::Relaxed))
}

/// Uniform noise with this bound, or Gaussian noise with this standard deviation. At most 1 % of
/// the right codes may be unexplained (docs/INVERSION.md).
#[test]
fn right_codes_are_explained_under_the_named_noise() {
    let (right, unexplained) = (Cell::new(0), Cell::new(0));
    let size = prop_oneof![Just(1e-3), Just(0.01), Just(0.05)];
    check(80, (decoders(4), size, any::<bool>()), |(mut case, size, is_uniform)| {
        let (n, count) = case.outputs.shape();
        let noise = normal(n, count, case.seed ^ 3);
        case.outputs += noise.map(|e| size * if is_uniform { e.sin() } else { e });
        for method in methods() {
            // `exact` is for observations without noise.
            if is_exact(&method) {
                continue;
            }
            let batch = invert(&case.network, method, Some(size), &case.outputs);
            is_consistent(&case, &batch, Some(size))?;
            for (index, row) in batch.rows.iter().enumerate() {
                if row.status.failure().is_none() && code_error(&batch, &case.codes, index) < 0.3 {
                    right.set(right.get() + 1);
                    unexplained.set(unexplained.get() + usize::from(row.fit == Some(Fit::Unexplained)));
                }
            }
        }
        Ok(())
    });
    let (right, unexplained) = (right.get(), unexplained.get());
    println!("{unexplained} of {right} right codes are unexplained");
    assert!(right > 500 && unexplained * 100 <= right, "{unexplained} of {right}");
}
