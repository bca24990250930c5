//! The CPU's blocked kernels against the naive twins, and against themselves in other company.

use nalgebra::DMatrix;
use unrelu::cpu::blocked::descend::{Start, runs};
use unrelu::cpu::{blocked, descend, forward};
use unrelu::descent::default_step;
use unrelu::network::Activation;

use crate::compare::{expect, matrices};
use crate::fixtures::{OUTPUTS, matrix, network, random_widths};

/// Both add up the same terms in f64, in other orders.
const ROUNDING: f64 = 1e-12;

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn forward_is_the_twins() {
    for depth in 1..=4 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (300 + 10 * depth + case) as u64;
            let network = network(seed, &random_widths(seed, depth), Activation::LeakyRelu(0.1), output);
            for count in [1, 7, 300] {
                let codes = matrix(seed, network.code_length(), count);
                let expected = forward::forward(&network, 0..depth, &codes);
                let found = blocked::forward::forward(&network, 0..depth, &codes);
                let allowed = expected.map(|x| ROUNDING * (1.0 + x.abs()));
                expect(matrices(&format!("blocked forward {depth} {output} {count}"), &found, &expected, &allowed));
            }
        }
    }
}

#[test]
fn forward_does_not_depend_on_the_batch_bit_by_bit() {
    let network = network(320, &[20, 300, 500], Activation::Relu, Activation::Tanh);
    let codes = matrix(321, 20, 301);
    let whole = in_pool(2, || blocked::forward::forward(&network, 0..2, &codes));
    for (threads, columns) in [(1, 0..301), (3, 0..301), (1, 4..5), (2, 100..117)] {
        let part = codes.columns(columns.start, columns.len()).into_owned();
        let found = in_pool(threads, || blocked::forward::forward(&network, 0..2, &part));
        assert_eq!(found, whole.columns(columns.start, columns.len()), "{threads} threads, {columns:?}");
    }
}

/// Runs that end at different times, by rest, by the cap and by divergence, with unobserved entries.
fn starts(code_length: usize, count: usize) -> Vec<Start> {
    let start = |place: usize| Start {
        observation: place % 9,
        code: matrix(400 + place as u64, code_length, 1).as_slice().to_vec(),
        done: (place % 4) as u32 * 20,
    };
    (0..count).map(start).collect()
}

#[test]
fn each_run_is_the_twins() {
    for (case, output) in OUTPUTS.into_iter().enumerate() {
        let network = network(330 + case as u64, &[4, 19, 45], Activation::LeakyRelu(0.3), output);
        let mut observations = forward::forward(&network, 0..2, &matrix(340, 4, 9));
        observations[(3, 1)] = f64::NAN;
        let starts = starts(4, 40);
        // The second diverges where the output is not bounded.
        for (step, cap) in [(default_step(&network), 100), (30.0, 60)] {
            let found = runs(&network, &observations, &starts, step, cap);
            for (start, found) in starts.iter().zip(&found) {
                let x = observations.column(start.observation);
                let expected = descend::run(&network, x.as_slice(), start.code.clone(), start.done, step, cap);
                assert_eq!(found.loss.is_nan(), expected.loss.is_nan(), "{output}");
                if found.loss.is_nan() || step > 1.0 {
                    continue;
                }
                assert_eq!((found.converged, found.iterations), (expected.converged, expected.iterations), "{output}");
                let column = |code: &[f64]| DMatrix::from_column_slice(4, 1, code);
                let allowed = DMatrix::from_element(4, 1, 1e-10);
                expect(matrices("blocked run", &column(&found.code), &column(&expected.code), &allowed));
                assert!((found.loss - expected.loss).abs() <= 1e-10 * (1.0 + expected.loss));
            }
        }
    }
}

#[test]
fn runs_that_end_leave_the_others_alone_bit_by_bit() {
    let network = network(350, &[5, 40, 90], Activation::LeakyRelu(0.5), Activation::LeakyRelu(0.5));
    let mut observations = forward::forward(&network, 0..2, &matrix(351, 5, 9));
    // This one's runs diverge.
    observations.column_mut(5).fill(1e200);
    let (starts, step) = (starts(5, 300), default_step(&network));
    let whole = in_pool(2, || runs(&network, &observations, &starts, step, 3000));
    assert!(whole.iter().any(|run| run.converged) && whole.iter().any(|run| run.loss.is_nan()));
    let mut ends: Vec<u32> = whole.iter().map(|run| run.iterations).collect();
    ends.sort_unstable();
    ends.dedup();
    assert!(ends.len() > 20, "the runs end too much alike to prove anything");
    let same = |found: &[unrelu::descent::Run], expected: &[unrelu::descent::Run]| {
        found.iter().zip(expected).all(|(f, e)| {
            f.code == e.code && f.loss.to_bits() == e.loss.to_bits() && f.iterations == e.iterations
                || f.loss.is_nan() && e.loss.is_nan() && f.iterations == e.iterations
        })
    };
    for (threads, part) in [(1, 0..300), (3, 0..300), (1, 17..18), (2, 40..77)] {
        let found = in_pool(threads, || runs(&network, &observations, &starts[part.clone()], step, 3000));
        assert!(same(&found, &whole[part.clone()]), "{threads} threads, {part:?}");
    }
}
