//! Layers that an observation has for itself: rows in units of their targets' spread, inputs that
//! are off fixed at 0, and an initial tolerance that follows the layer after them.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::Inversion;
use unrelu::internals::random::{Noise, uniform_vector};
use unrelu::{
    HiddenEpsilon, HiddenSign, LayerwiseMethod, LayerwiseOptions, Network, RelaxedWeights, RowTolerances, Tolerances,
};

use super::support::*;

/// A ReLU network with codes and observations with uniform noise.
fn noisy(sizes: &[usize], noise: f64, count: usize, seed: u64) -> (Arc<Network>, DMatrix<f64>, DMatrix<f64>) {
    let network = network(sizes, unrelu::Activation::Relu, seed);
    let codes = codes(sizes[0], count, seed);
    let mut observations = forward(&network, 0..network.depth(), &codes);
    for (index, mut x) in (0_u64..).zip(observations.column_iter_mut()) {
        Noise::Uniform(noise).apply(seed, index, x.as_mut_slice());
    }
    (network, codes, observations)
}

fn trained_network() -> Arc<Network> {
    super::trained::example("mnist_relu_20_60_784.safetensors")
}

/// Codes of the trained example, and their outputs with uniform noise.
fn trained(noise: f64, count: usize) -> (DMatrix<f64>, DMatrix<f64>) {
    let codes = codes(20, count, 6);
    let mut observations = forward(&trained_network(), 0..2, &codes);
    for (index, mut x) in (0_u64..).zip(observations.column_iter_mut()) {
        Noise::Uniform(noise).apply(6, index, x.as_mut_slice());
    }
    (codes, observations)
}

fn linf(noise: f64) -> LayerwiseOptions {
    method(LayerwiseMethod::Linf).tolerances(Tolerances::default().epsilon(noise))
}

fn median_error(found: &[Inversion], codes: &DMatrix<f64>) -> f64 {
    let errors =
        found.iter().zip(codes.column_iter()).map(|(found, code)| relative_error(&found.code, code.as_slice()));
    let mut errors: Vec<f64> = errors.collect();
    errors.sort_by(f64::total_cmp);
    errors[errors.len() / 2]
}

fn largest_error(network: &Network, code: &[f64], x: &[f64]) -> f64 {
    let output = forward(network, 0..network.depth(), &DMatrix::from_column_slice(code.len(), 1, code));
    output.iter().zip(x).map(|(g, x)| (g - x).abs()).fold(0.0, f64::max)
}

/// With one code entry the first layer's program is convex in one number, and a ternary search
/// finds its minimum: `max_u s_u (±(w_u z + b_u − t_u))` with `s_u = m / σ_u` from a plain inverse.
#[test]
fn a_row_may_be_violated_in_proportion_to_the_spread_of_its_target() {
    let mut differ = 0;
    for seed in 0..20 {
        let (network, _, observations) = noisy(&[1, 6, 30], 0.02, 1, seed);
        let found = |options: &LayerwiseOptions| invert(&network, SOLVERS[0], options, &observations).remove(0);
        let own = found(&linf(1e-9).row_tolerances(RowTolerances::Proportional));
        let last = Instance {
            name: "last layer".to_owned(),
            weight: network.layers()[1].weight().clone(),
            bias: network.layers()[1].bias.clone(),
            nonnegative: true,
            activation: unrelu::Activation::Relu,
            target: observations.as_slice().to_vec(),
            epsilon: 1e-9,
        };
        let hidden = layer_answer(&last, SOLVERS[0], &linf(1e-9));
        let active: Vec<usize> = (0..30).filter(|&u| observations[(u, 0)] > hidden.epsilon).collect();
        // With fewer rows not every entry has a spread.
        if hidden.is_open() || active.len() < 6 {
            continue;
        }
        let rows = network.layers()[1].weight().select_rows(&active);
        let inverse = (rows.transpose() * &rows).try_inverse().unwrap();
        let spread: Vec<f64> = (0..6).map(|i| inverse[(i, i)].sqrt()).collect();
        let typical = {
            let mut sorted = spread.clone();
            sorted.sort_by(f64::total_cmp);
            sorted[2]
        };
        let (w, b) = (network.layers()[0].weight(), &network.layers()[0].bias);
        // The answer's ε says which targets count as on, in units of their rows.
        let epsilon = own.layers[1].epsilon;
        let worst = |z: f64| {
            let of = |u: usize| {
                let (s, t) = (typical / spread[u], hidden.z[u]);
                let above = s * (w[(u, 0)] * z + b[u] - t);
                if s * t > epsilon { above.abs() } else { above }
            };
            (0..6).map(of).fold(0.0, f64::max)
        };
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..300 {
            let third = (high - low) / 3.0;
            if worst(low + third) < worst(high - third) { high -= third } else { low += third }
        }
        assert!((own.layers[1].objective - worst(low)).abs() < 1e-9, "{} and {}", own.layers[1].objective, worst(low));
        assert!((worst(own.code[0]) - worst(low)).abs() < 1e-9 && own.is_certified());
        differ += usize::from((own.code[0] - found(&linf(1e-9)).code[0]).abs() > 1e-6);
    }
    assert!(differ > 3, "{differ}");
}

#[test]
fn further_passes_never_raise_the_residual() {
    let mut lower = 0;
    for (seed, noise) in [(1, 0.02), (2, 0.1)] {
        let (network, _, observations) = noisy(&[6, 30, 120], noise, 40, seed);
        let found = |passes| invert(&network, SOLVERS[0], &linf(noise).passes(passes), &observations);
        let (once, often) = (found(1), found(4));
        for (place, (once, often)) in once.iter().zip(&often).enumerate() {
            let residual = |code: &[f64]| largest_error(&network, code, observations.column(place).as_slice());
            let (before, after) = (residual(&once.code), residual(&often.code));
            assert!(after <= before, "observation {place}");
            assert!(often.is_certified() || !once.is_certified());
            assert!(once.is_determined() || !often.is_determined());
            assert_eq!(often.layers.len(), 2);
            lower += usize::from(after < before);
        }
    }
    assert!(lower > 10, "{lower}");
}

#[test]
fn further_passes_lower_the_error_on_a_trained_network() {
    let (codes, observations) = trained(0.01, 30);
    let error = |options: LayerwiseOptions| {
        median_error(&invert(&trained_network(), SOLVERS[0], &options, &observations), &codes)
    };
    let (once, twice) = (error(linf(0.01)), error(linf(0.01).passes(2)));
    assert!(twice < 0.7 * once, "{once} to {twice}");
}

#[test]
fn what_is_exact_stays_exact() {
    let (network, codes, observations) = noisy(&[5, 20, 80], 0.0, 10, 3);
    for options in [linf(1e-9).passes(3), linf(1e-9).passes(2).row_tolerances(RowTolerances::Proportional)] {
        let found = invert(&network, SOLVERS[0], &options, &observations);
        assert!(found.iter().all(Inversion::is_certified) && median_error(&found, &codes) < 1e-7);
    }
}

#[test]
fn neighbours_change_nothing() {
    let (network, _, mut observations) = noisy(&[5, 20, 80], 0.05, 9, 4);
    observations[(3, 2)] = f64::NAN;
    observations.column_mut(4).fill(f64::NAN);
    let options = [
        linf(0.05).passes(3).row_tolerances(RowTolerances::Proportional).hidden_epsilon(HiddenEpsilon::Enlarged),
        method(LayerwiseMethod::L1).passes(2).hidden_epsilon(HiddenEpsilon::Carried),
        method(LayerwiseMethod::Relaxed).passes(2).relaxed_weights(RelaxedWeights::Clear),
        method(LayerwiseMethod::Exact).passes(2),
    ];
    for options in options {
        let together = invert(&network, SOLVERS[0], &options, &observations);
        for (place, found) in together.iter().enumerate() {
            let alone = invert(&network, SOLVERS[0], &options, &observations.columns(place, 1).into_owned());
            let bits = |code: &[f64]| code.iter().map(|z| z.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&alone[0].code), bits(&found.code), "{options:?}, observation {place}");
            assert_eq!((&alone[0].failure, &alone[0].layers), (&found.failure, &found.layers));
        }
        assert!(together[4].failure.is_some());
    }
}

/// The input of a LeakyReLU layer is not known to be 0.
#[test]
fn passes_leave_leaky_networks_alone() {
    let network = network(&[4, 16, 50], unrelu::Activation::LeakyRelu(0.2), 5);
    let mut observations = forward(&network, 0..2, &codes(4, 5, 5));
    observations +=
        DMatrix::from_vec(50, 5, uniform_vector(5, unrelu::internals::random::Domain::Noise, 0, 250)) * 0.02;
    let found = |passes| invert(&network, SOLVERS[0], &linf(0.02).passes(passes), &observations);
    assert_eq!(found(1), found(3));
}

/// Algorithm 2 to the letter stops at the first step whose loss rises, from an ε that is far below
/// the errors of a hidden layer's target.
#[test]
fn an_enlarged_tolerance_mends_the_papers_stop_rule() {
    let (codes, observations) = trained(1e-4, 12);
    let literal = method(LayerwiseMethod::L1).stop(unrelu::Stop::First).tolerances(Tolerances::default().epsilon(1e-4));
    let error = |options: &LayerwiseOptions| {
        median_error(&invert(&trained_network(), SOLVERS[0], options, &observations), &codes)
    };
    let (restart, enlarged) = (error(&literal), error(&literal.hidden_epsilon(HiddenEpsilon::Enlarged)));
    assert!(restart > 0.1 && enlarged < 0.002, "{restart}, {enlarged}");
}

/// A layer whose hidden units would all be off keeps them.
#[test]
fn a_code_that_turns_every_unit_off_is_kept() {
    let layer = |weight: DMatrix<f64>, bias: f64| {
        let units = weight.nrows();
        unrelu::DenseLayer { weight, bias: DVector::from_element(units, bias), activation: unrelu::Activation::Relu }
    };
    let layers = vec![layer(DMatrix::from_element(4, 2, 1.0), -1e3), layer(DMatrix::identity(8, 4), 0.5)];
    let network = Arc::new(Network::new(layers, "off").unwrap());
    let observations = forward(&network, 0..2, &DMatrix::zeros(2, 1));
    let found = |passes| invert(&network, SOLVERS[0], &linf(1e-6).passes(passes), &observations);
    assert_eq!(found(1), found(3));
}

/// A middle layer that leaves entries open, whose rows are the observation's own.
#[test]
fn an_open_layer_with_rows_of_its_own_hands_on() {
    let (network, _, observations) = noisy(&[5, 30, 45, 120], 0.05, 100, 1);
    let mut open = 0;
    for method_ in [LayerwiseMethod::Linf, LayerwiseMethod::L1] {
        let options = method(method_).tolerances(Tolerances::default().epsilon(0.05));
        let options = options.row_tolerances(RowTolerances::Proportional).passes(2);
        let found = invert(&network, SOLVERS[0], &options, &observations.columns(0, 40).into_owned());
        let is_open = |found: &&Inversion| found.layers.iter().any(|layer| layer.layer == 2 && !layer.determined);
        open += found.iter().filter(is_open).count();
        assert!(found.iter().all(|found| found.failure.is_some() || found.code.iter().all(|z| z.is_finite())));
    }
    assert!(open > 0);
}

/// The last layer's program, with its inputs free or at least 0, by the reference solver.
#[test]
fn what_a_relu_hands_on_is_bounded_by_0_or_free() {
    let (network, _, observations) = noisy(&[4, 16, 60], 0.05, 12, 7);
    let options = |sign| linf(0.05).hidden_sign(sign);
    let found = |sign, passes| invert(&network, SOLVERS[0], &options(sign).passes(passes), &observations);
    let (bounded, free) = (found(HiddenSign::Nonnegative, 1), found(HiddenSign::Free, 1));
    let mut below = 0;
    for (place, (bounded, free)) in bounded.iter().zip(&free).enumerate() {
        for (answer, nonnegative) in [(bounded, true), (free, false)] {
            let last = Instance {
                name: format!("observation {place}, z >= 0: {nonnegative}"),
                weight: network.layers()[1].weight().clone(),
                bias: network.layers()[1].bias.clone(),
                nonnegative,
                activation: unrelu::Activation::Relu,
                target: observations.column(place).as_slice().to_vec(),
                epsilon: 0.05,
            };
            let reference = layer_answer(&last, SOLVERS[1], &linf(0.05));
            // Layers are inverted from the last to the first.
            let ours = answer.layers[0].objective;
            assert!((ours - reference.objective).abs() <= 1e-8, "{}: {ours}, {}", last.name, reference.objective);
            assert!(answer.is_certified(), "{}", last.name);
            below += usize::from(!nonnegative && reference.z.iter().any(|z| *z < -1e-6));
        }
        assert!(free.layers[0].objective <= bounded.layers[0].objective + 1e-12);
    }
    assert!(below > 6, "{below}");
    // Units that are off can be fixed at 0 all the same.
    let again = found(HiddenSign::Free, 3);
    assert!(again.iter().zip(&free).any(|(again, free)| again.code != free.code));
}
