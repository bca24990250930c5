//! The guarantees of refinement: exact for realizable data, never a higher loss, and no effect on
//! other codes.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::multistart;
use unrelu::internals::multistart::{PackedNetwork, RefineOptions, Refinement, refine_batch};
use unrelu::internals::random::{Domain, Noise, normal_vector, random_network};
use unrelu::{Activation, Network};

use crate::support::{code, generate, layer, loss, network, perturbed, relative_error};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.1);

fn refine_one(network: &Network, observation: &[f64], code: &mut [f64], options: &RefineOptions) -> Refinement {
    multistart::refine_one(&PackedNetwork::new(network.clone()), observation, code, options)
}

fn options() -> RefineOptions {
    RefineOptions::default()
}

/// Codes with an error of 1e-4, without noise, are refined to 1e-12.
fn recovers(network: &Network, count: u64) {
    for seed in 0..count {
        let truth = code(network, seed);
        let x = generate(network, &truth);
        let mut z = perturbed(&truth, 1e-4, seed);
        let refinement = refine_one(network, &x, &mut z, &options());
        let error = relative_error(&z, &truth);
        assert!(error <= 1e-12, "seed {seed}: relative error {error:e}, {refinement:?}");
        assert!(refinement.refined && refinement.stationary, "seed {seed}: {refinement:?}");
        assert!(refinement.loss_after < 1e-20 * refinement.loss_before.max(1e-6), "{refinement:?}");
    }
}

#[test]
fn realizable_observations_are_met_exactly() {
    recovers(&random_network(&[20, 100, 500], RELU, 1).unwrap(), 30);
    recovers(&network(&[10, 40, 120], RELU, RELU, 2), 30);
    recovers(&network(&[10, 40, 120], LEAKY, LEAKY, 3), 30);
    recovers(&network(&[6, 30], RELU, RELU, 4), 30);
    recovers(&network(&[6, 30, 90, 200], RELU, RELU, 5), 30);
    recovers(&network(&[6, 12, 20, 30], LEAKY, Activation::Identity, 6), 30);
    recovers(&network(&[8, 30, 90], RELU, Activation::Sigmoid, 7), 30);
    recovers(&network(&[8, 30, 90], LEAKY, Activation::Tanh, 8), 30);
}

#[test]
fn one_step_is_enough_in_the_right_region() {
    let network = random_network(&[20, 100, 500], RELU, 9).unwrap();
    let truth = code(&network, 1);
    let x = generate(&network, &truth);
    let mut z = perturbed(&truth, 1e-9, 2);
    let refinement = refine_one(&network, &x, &mut z, &options());
    assert_eq!(refinement.steps, 1, "{refinement:?}");
    assert!(relative_error(&z, &truth) <= 1e-14);
}

#[test]
fn the_loss_never_rises_and_is_the_one_of_the_code() {
    let outputs = [RELU, LEAKY, Activation::Identity, Activation::Sigmoid, Activation::Tanh];
    for seed in 0..200 {
        let hidden = if seed % 2 == 0 { RELU } else { LEAKY };
        let sizes: &[usize] = [&[3, 12][..], &[5, 15, 40], &[4, 8, 16, 32], &[6, 4, 9]][seed as usize % 4];
        let network = network(sizes, hidden, outputs[seed as usize % 5], seed);
        let mut x = generate(&network, &code(&network, seed));
        Noise::Gaussian([1e-3, 0.1, 2.0][seed as usize % 3]).apply(seed, 0, &mut x);
        let mut z = code(&network, seed + 1000);
        let start = z.clone();
        let refinement = refine_one(&network, &x, &mut z, &options());
        let (before, after) = (loss(&network, &x, &start), loss(&network, &x, &z));
        assert!(refinement.loss_after <= refinement.loss_before, "seed {seed}: {refinement:?}");
        // Not to the last digit: with a flat output, codes can become large, and pre-activations
        // cancel.
        assert!((refinement.loss_before - before).abs() <= 1e-10 * before, "seed {seed}: {refinement:?} and {before}");
        assert!((refinement.loss_after - after).abs() <= 1e-10 * before, "seed {seed}: {refinement:?} and {after}");
        assert_eq!(refinement.refined, z != start, "seed {seed}");
    }
}

/// First-order conditions: if no unit is on its kink, the gradient is 0; on kinks, no direction
/// descends.
#[test]
fn a_stationary_code_is_a_local_minimum() {
    let (mut stationary, mut smooth, mut on_kinks) = (0, 0, 0);
    for seed in 0..120 {
        let output = [RELU, Activation::Sigmoid, LEAKY, Activation::Identity][seed as usize % 4];
        let hidden = [RELU, LEAKY][seed as usize / 4 % 2];
        let network = network(&[5, 20, 60], hidden, output, seed);
        let truth = code(&network, seed);
        let mut x = generate(&network, &truth);
        Noise::Gaussian(0.05).apply(seed, 0, &mut x);
        let mut z = perturbed(&truth, 0.05, seed);
        let refinement = refine_one(&network, &x, &mut z, &options());
        if !refinement.stationary {
            continue;
        }
        stationary += 1;
        let (_, gradient) = unrelu::internals::cpu::descend::loss_and_gradient(&network, &x, &z);
        let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if length <= 1e-6 * refinement.loss_after.sqrt() {
            smooth += 1;
        } else {
            on_kinks += 1;
        }
        let here = loss(&network, &x, &z);
        for direction in 0..200 {
            let d = normal_vector(seed, Domain::Noise, 1000 + direction, 5);
            for length in [1e-5, 1e-7] {
                let moved: Vec<f64> = z.iter().zip(&d).map(|(z, d)| z + length * d).collect();
                let there = loss(&network, &x, &moved);
                assert!(
                    there >= here * (1.0 - 1e-12),
                    "seed {seed}, direction {direction}, {length:e}: {there:e} below {here:e}, {refinement:?}"
                );
            }
        }
    }
    assert!(stationary >= 110, "only {stationary} of 120 ended at a local minimum");
    assert!(smooth >= 20 && on_kinks >= 20, "{smooth} between kinks, {on_kinks} on them");
}

/// All units on: the region's best code solves `AᵀA z = Aᵀ(x − c)` with `A = W₂W₁`,
/// `c = W₂b₁ + b₂`.
#[test]
fn the_best_code_of_a_region_solves_its_normal_equations() {
    let first = layer(3, 2, &[1.0, 0.5, -0.25, 1.0, 0.5, 0.5], &[4.0, 5.0, 6.0], RELU);
    let second = layer(4, 3, &[1.0, 0.0, 0.5, 0.25, 1.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.25, 1.0], &[1.0; 4], RELU);
    let a = &second.weight * &first.weight;
    let c = &second.weight * &first.bias + &second.bias;
    let network = Network::new(vec![first, second], "a tiny network").unwrap();
    let x = &a * DVector::from_vec(vec![0.3, -0.4]) + &c + DVector::from_vec(vec![0.02, -0.03, 0.01, 0.05]);
    let normal = a.tr_mul(&a);
    let expected = normal.try_inverse().unwrap() * a.tr_mul(&(&x - &c));
    let mut z = vec![0.0, 0.0];
    let refinement = refine_one(&network, x.as_slice(), &mut z, &options());
    assert_eq!(refinement.steps, 1);
    assert!(relative_error(&z, expected.as_slice()) <= 1e-13, "{z:?} instead of {expected}");
}

#[test]
fn unobserved_entries_do_not_count() {
    let network = network(&[5, 20, 80], RELU, RELU, 21);
    for seed in 0..10 {
        let truth = code(&network, seed);
        let mut x = generate(&network, &truth);
        // Wrong values in unobserved entries: the result must not depend on them.
        for entry in (0..80).step_by(3) {
            x[entry] = f64::NAN;
        }
        let mut z = perturbed(&truth, 1e-4, seed);
        assert!(refine_one(&network, &x, &mut z, &options()).refined);
        assert!(relative_error(&z, &truth) <= 1e-12, "seed {seed}");
    }
}

#[test]
fn directions_that_no_row_sees_stay_as_they_were() {
    // The second entry of the code has no effect.
    let only = layer(3, 2, &[1.0, 0.0, 2.0, 0.0, -1.0, 0.0], &[0.0; 3], RELU);
    let network = Network::new(vec![only], "a tiny network").unwrap();
    let mut z = [0.5, 17.0];
    assert!(refine_one(&network, &[1.0, 2.0, 0.0], &mut z, &options()).refined);
    assert!((z[0] - 1.0).abs() <= 1e-15);
    assert_eq!(z[1], 17.0);
}

#[test]
fn what_cannot_be_refined_is_left_alone() {
    let zero = Network::new(vec![layer(2, 2, &[0.0; 4], &[0.0; 2], RELU)], "the zero network").unwrap();
    let untouched = |network: &Network, x: &[f64], z: &[f64]| {
        let mut after = z.to_vec();
        let refinement = refine_one(network, x, &mut after, &options());
        assert!(!refinement.refined && refinement.steps == 0, "{refinement:?}");
        assert!(after.iter().zip(z).all(|(a, b)| a.to_bits() == b.to_bits()), "{after:?} instead of {z:?}");
        refinement
    };
    assert_eq!(untouched(&zero, &[1.0, 2.0], &[0.5, -3.0]).loss_after, 2.5);
    let network = network(&[3, 8, 12], RELU, RELU, 5);
    let z = code(&network, 1);
    let x = generate(&network, &z);
    // All unobserved, an infinite entry, failed and absurd codes.
    assert_eq!(untouched(&network, &[f64::NAN; 12], &z).loss_after, 0.0);
    assert_eq!(untouched(&network, &[f64::INFINITY; 12], &z).loss_after, f64::INFINITY);
    assert!(untouched(&network, &x, &[f64::NAN; 3]).loss_before.is_nan());
    untouched(&network, &x, &[1e200; 3]);
    untouched(&network, &x, &[f64::INFINITY; 3]);
    // Without biases everything is off at 0.
    let unbiased = random_network(&[3, 8, 12], RELU, 5).unwrap();
    untouched(&unbiased, &x, &[0.0; 3]);
    // No steps allowed.
    let mut start = perturbed(&z, 0.1, 1);
    assert!(!refine_one(&network, &x, &mut start, &RefineOptions { steps: 0, ..options() }).refined);
}

#[test]
fn sizes_do_not_matter() {
    for scale in [1e-6, 1e6, 1e100] {
        let network = random_network(&[6, 20, 60], RELU, 8).unwrap();
        let truth: Vec<f64> = code(&network, 2).iter().map(|z| z * scale).collect();
        let x = generate(&network, &truth);
        let mut z = perturbed(&truth, 1e-4, 3);
        refine_one(&network, &x, &mut z, &options());
        assert!(relative_error(&z, &truth) <= 1e-12, "scale {scale:e}");
    }
}

#[test]
fn neighbours_and_batch_size_do_not_matter() {
    let network = network(&[6, 20, 60], RELU, Activation::Sigmoid, 31);
    let count = 37;
    let mut observations = DMatrix::zeros(60, count);
    let mut codes = DMatrix::from_vec(6, count, normal_vector(1, Domain::Start, 9, 6 * count));
    for (seed, mut column) in observations.column_iter_mut().enumerate() {
        let mut x = generate(&network, &code(&network, seed as u64));
        Noise::Uniform(0.05).apply(1, seed as u64, &mut x);
        column.copy_from_slice(&x);
    }
    codes.column_mut(11).fill(f64::NAN);
    observations.column_mut(12).fill(f64::INFINITY);
    let start = codes.clone();
    let together = refine_batch(&PackedNetwork::new(network.clone()), &observations, &mut codes, &options());
    assert_eq!(together.len(), count);
    for (index, in_batch) in together.iter().enumerate() {
        let mut alone = start.column(index).iter().copied().collect::<Vec<_>>();
        let x: Vec<f64> = observations.column(index).iter().copied().collect();
        let refinement = refine_one(&network, &x, &mut alone, &options());
        assert!(alone.iter().zip(codes.column(index).iter()).all(|(a, b)| a.to_bits() == b.to_bits()), "{index}");
        assert_eq!(refinement.steps, in_batch.steps);
    }
    assert!(codes.column(11).iter().all(|z| z.is_nan()));
    assert!(
        refine_batch(
            &PackedNetwork::new(network.clone()),
            &DMatrix::zeros(60, 0),
            &mut DMatrix::zeros(6, 0),
            &options()
        )
        .is_empty()
    );
}

/// Duplicated neurons, and starts at 0 without biases, where every unit is on its kink: if the
/// result is reported as a local minimum, no direction descends.
#[test]
fn kinks_that_coincide_are_no_minimum_by_themselves() {
    let (mut stationary, mut ended) = (0, 0);
    for seed in 0..400_u64 {
        let half = random_network(&[2, 3, 9], RELU, seed).unwrap();
        let (w1, w2) = (&half.layers()[0].weight(), &half.layers()[1].weight());
        let doubled = DMatrix::from_fn(6, 2, |i, j| w1[(i % 3, j)]);
        let wide = DMatrix::from_fn(9, 6, |i, j| w2[(i, j % 3)] * if j < 3 { 1.0 } else { -0.4 });
        let [first, second] = [doubled, wide].map(|weight| {
            let bias = DVector::zeros(weight.nrows());
            unrelu::DenseLayer { weight, bias, activation: RELU }
        });
        let network = Network::new(vec![first, second], "doubled neurons").unwrap();
        let x: Vec<f64> = normal_vector(seed, Domain::Noise, 3, 9).iter().map(|x| x * 0.7).collect();
        let mut z = if seed % 4 == 0 { vec![0.0; 2] } else { code(&network, seed) };
        let refinement = refine_one(&network, &x, &mut z, &options());
        // No step leads away from 0, but 0 must not be reported as a minimum.
        ended += usize::from(seed % 4 != 0);
        if !refinement.stationary {
            continue;
        }
        stationary += 1;
        let here = loss(&network, &x, &z);
        for direction in 0..100 {
            let d = normal_vector(seed, Domain::Noise, 1000 + direction, 2);
            let moved: Vec<f64> = z.iter().zip(&d).map(|(z, d)| z + 1e-6 * d).collect();
            let there = loss(&network, &x, &moved);
            assert!(there >= here * (1.0 - 1e-11), "seed {seed}: {there:e} below {here:e} at {z:?}, {refinement:?}");
        }
    }
    assert!(stationary * 2 > ended, "only {stationary} of {ended} ended at a local minimum");
}
