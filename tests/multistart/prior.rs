//! The prior `½λ‖z‖²`: against every linear region of small networks, and against the network whose
//! further outputs are the prior's residuals `√λ z`.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, RefineOptions, best_batch, refine_one};
use unrelu::internals::random::{Domain, Noise, normal_vector, random_network};
use unrelu::{Activation, BestOptions, DenseLayer, Network};

use crate::regions::{Region, is_local_minimum, least_loss, regions};
use crate::support::{generate, layer, loss};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.1);
const SIZES: [&[usize]; 6] = [&[1, 4, 3], &[2, 5], &[2, 3, 2], &[2, 3, 4, 3], &[3, 5, 4], &[3, 4, 2]];
const PRIORS: [f64; 3] = [1e-4, 0.05, 1.0];

/// A network with biases, some with fewer outputs than code entries, and an observation with noise
/// and, in part, an unobserved entry.
fn case(seed: u64) -> (Network, Vec<f64>, f64) {
    let choice = |divisor: u64, count: usize| (seed / divisor) as usize % count;
    let sizes = SIZES[choice(1, 6)];
    let mut layers = random_network(sizes, [RELU, LEAKY][choice(6, 2)], seed).unwrap().dense_layers();
    for (index, layer) in layers.iter_mut().enumerate() {
        layer.bias = DVector::from_vec(normal_vector(seed, Domain::Start, index as u64, layer.units())) * 0.5;
    }
    layers.last_mut().unwrap().activation = [RELU, Activation::Identity, LEAKY][choice(12, 3)];
    let network = Network::new(layers, "a small network").unwrap();
    let mut x = generate(&network, &normal_vector(seed, Domain::Code, 0, sizes[0]));
    Noise::Gaussian(0.3).apply(seed, 0, &mut x);
    if seed % 4 == 3 {
        x[0] = f64::NAN;
    }
    (network, x, PRIORS[choice(36, 3)])
}

fn best(network: PackedNetwork, x: &[f64]) -> BestAnswer {
    let observations = DMatrix::from_column_slice(x.len(), 1, x);
    best_batch(&network, &observations, 0, &[], &BestOptions::default()).remove(0)
}

fn total(network: &Network, x: &[f64], code: &[f64], prior: f64) -> f64 {
    loss(network, x, code) + 0.5 * prior * code.iter().map(|z| z * z).sum::<f64>()
}

/// The regions of the network, with the prior's residuals as further rows.
fn with_prior(regions: Vec<Region>, prior: f64) -> Vec<Region> {
    let add = |mut region: Region| {
        let (rows, k) = region.a.shape();
        let mut a = region.a.clone().insert_rows(rows, k, 0.0);
        a.view_mut((rows, 0), (k, k)).fill_diagonal(prior.sqrt());
        region.c = region.c.insert_rows(rows, k, 0.0);
        region.a = a;
        region
    };
    regions.into_iter().map(add).collect()
}

/// `x`, followed by the targets 0 of `count` further outputs.
fn with_zeros(x: &[f64], count: usize) -> Vec<f64> {
    [x, &vec![0.0; count]].concat()
}

/// The network with `2k` further outputs, whose half squares sum to `½λ‖z‖²`. Each layer carries
/// `σ(z)` and `σ(−z)`: with the slope `c` below 0, `σ(s) − σ(−s) = (1 + c) s`, and
/// `σ(s)² + σ(−s)² = (1 + c²) s²`.
fn augmented(network: &Network, prior: f64) -> Network {
    let k = network.code_length();
    let slope = |activation: Activation| match activation {
        Activation::Relu => 0.0,
        Activation::LeakyRelu(slope) => slope,
        _ => 1.0,
    };
    let last = network.depth() - 1;
    let mut below = None;
    let widened = network.dense_layers().into_iter().enumerate().map(|(index, layer)| {
        let (units, inputs) = layer.weight.shape();
        let carried = if index == 0 { 0 } else { 2 * k };
        let mut weight = DMatrix::zeros(units + 2 * k, inputs + carried);
        weight.view_mut((0, 0), (units, inputs)).copy_from(&layer.weight);
        let c = slope(layer.activation);
        let size = if index == last { (prior / (1.0 + c * c)).sqrt() } else { 1.0 };
        for entry in 0..k {
            for (place, sign) in [(2 * entry, size), (2 * entry + 1, -size)] {
                match below {
                    None => weight[(units + place, entry)] = sign,
                    Some(c) => {
                        weight[(units + place, inputs + 2 * entry)] = sign / (1.0 + c);
                        weight[(units + place, inputs + 2 * entry + 1)] = -sign / (1.0 + c);
                    }
                }
            }
        }
        below = Some(c);
        let bias = layer.bias.insert_rows(units, 2 * k, 0.0);
        DenseLayer { weight, bias, activation: layer.activation }
    });
    Network::new(widened.collect(), "the network and its prior").unwrap()
}

/// Counts of cases: `[missed by the search, missed by that of the augmented network]`.
#[test]
fn the_least_loss_with_the_prior_is_reached() {
    let judge = |seed: u64| {
        let (network, x, prior) = case(seed);
        let k = network.code_length();
        let regions = with_prior(regions(&network, &x), prior);
        let targets = with_zeros(&x, k);
        let answer = best(PackedNetwork::new(network.clone()).with_prior(prior), &x);
        let expected = total(&network, &x, &answer.code, prior);
        assert!((answer.loss - expected).abs() <= 1e-9 * expected, "seed {seed}: {answer:?}, not {expected}");
        if answer.converged {
            assert!(is_local_minimum(&regions, &targets, &answer.code, answer.loss), "seed {seed}: {answer:?}");
        }
        let least = least_loss(&regions, &targets, answer.loss);

        let wide = augmented(&network, prior);
        let other = best(PackedNetwork::new(wide.clone()), &with_zeros(&x, 2 * k));
        let of_other = total(&network, &x, &other.code, prior);
        assert!((other.loss - of_other).abs() <= 1e-9 * of_other, "seed {seed}: the augmented network");
        [answer.loss, other.loss]
            .map(|loss| usize::from(loss > least * (1.0 + 1e-6)))
            .into_iter()
            .chain([usize::from(answer.converged), answer.runs])
            .collect::<Vec<_>>()
    };
    let judged: Vec<Vec<usize>> = (0..108).into_par_iter().map(judge).collect();
    let sum = |index: usize| judged.iter().map(|counts| counts[index]).sum::<usize>();
    let [missed, missed_augmented, converged, runs] = [0, 1, 2, 3].map(sum);
    println!("missed {missed}, augmented {missed_augmented}, converged {converged}, {runs} runs");
    assert!(missed <= 3 && missed_augmented <= 3, "{missed} and {missed_augmented} of 108 missed");
    assert!(converged >= 104, "{converged} of 108 converged");
}

/// From one start, both end at the same minimum or at one of another basin; refinement never raises
/// the loss.
#[test]
fn refinement_ends_at_a_minimum_of_the_loss_with_the_prior() {
    let (mut same, mut proven) = (0, 0);
    for seed in 0..108 {
        let (network, x, prior) = case(seed);
        let k = network.code_length();
        let regions = with_prior(regions(&network, &x), prior);
        let start = normal_vector(seed, Domain::Code, 5, k);
        let refine = |network: PackedNetwork, x: &[f64]| {
            let mut code = start.clone();
            (refine_one(&network, x, &mut code, &RefineOptions::default()), code)
        };
        let (refined, code) = refine(PackedNetwork::new(network.clone()).with_prior(prior), &x);
        assert!((refined.loss_before - total(&network, &x, &start, prior)).abs() <= 1e-9 * refined.loss_before);
        assert!((refined.loss_after - total(&network, &x, &code, prior)).abs() <= 1e-9 * refined.loss_after);
        assert!(refined.loss_after <= refined.loss_before);
        if refined.stationary {
            proven += 1;
            assert!(is_local_minimum(&regions, &with_zeros(&x, k), &code, refined.loss_after), "seed {seed}");
        }
        let wide = PackedNetwork::new(augmented(&network, prior));
        let (other, _) = refine(wide, &with_zeros(&x, 2 * k));
        same += usize::from((other.loss_after - refined.loss_after).abs() <= 1e-8 * other.loss_after);
    }
    println!("{same} the same, {proven} proven");
    assert!(same >= 95 && proven >= 100, "{same} the same, {proven} proven of 108");
}

/// Where all units are off, the prior alone decides: the nearest code to 0 at which none turns on.
#[test]
fn in_a_flat_region_the_prior_leads_to_the_nearest_code() {
    // G(z) = max(0, z₁ − 1), so that 0 is the answer to −1, and the data determine nothing.
    let first = layer(1, 2, &[1.0, 0.0], &[-1.0], RELU);
    let network = Network::new(vec![first], "a ramp").unwrap();
    let answer = best(PackedNetwork::new(network.clone()).with_prior(0.1), &[-1.0]);
    assert!(answer.converged && answer.stationary && !answer.determined, "{answer:?}");
    assert!(answer.code.iter().all(|z| z.abs() < 1e-12), "{answer:?}");
    // As many runs as without a prior: where the data determine little, there may be many minima.
    assert!(answer.runs >= 256, "{answer:?}");

    // max(0, 1 − z₁) leaves z₁ ≥ 1 flat: the answer to −1 is the kink, held there by the prior.
    let falling = layer(1, 2, &[-1.0, 0.0], &[1.0], RELU);
    let network = Network::new(vec![falling], "a falling ramp").unwrap();
    let answer = best(PackedNetwork::new(network).with_prior(0.1), &[-1.0]);
    assert!(answer.converged && !answer.determined, "{answer:?}");
    assert!((answer.code[0] - 1.0).abs() < 1e-12 && answer.code[1].abs() < 1e-12, "{answer:?}");
}

/// The data determine `z₁` of two entries, or both; the prior makes every code unique.
#[test]
fn determined_is_what_the_data_alone_determine() {
    for (rows, determined) in [(vec![1.0, 0.0, 2.0, 0.0], false), (vec![1.0, 0.0, 2.0, 1.0], true)] {
        let network = Network::new(vec![layer(2, 2, &rows, &[0.0; 2], Activation::Identity)], "a map").unwrap();
        let answer = best(PackedNetwork::new(network).with_prior(1e-3), &[1.0, 3.0]);
        assert!(answer.converged && answer.stationary && !answer.reproduced, "{answer:?}");
        assert_eq!(answer.determined, determined, "{answer:?}");
        // Ridge regression by its normal equations.
        let a = DMatrix::from_row_slice(2, 2, &rows);
        let x = DVector::from_column_slice(&[1.0, 3.0]);
        let z = (a.tr_mul(&a) + DMatrix::identity(2, 2) * 1e-3).try_inverse().unwrap() * a.tr_mul(&x);
        // The search ends where the loss is that of the minimum to 15 digits.
        let error = (DVector::from_vec(answer.code) - z).amax();
        assert!(error < 1e-6, "{error:e}");
    }
}

/// Codes from N(0, I), fewer Gaussian measurements than code entries, noise `σ`: with `λ = σ²` the
/// median error is lower than without a prior.
#[test]
fn with_few_measurements_the_prior_lowers_the_error() {
    let (k, m, sigma) = (8, 6, 0.2);
    let network = random_network(&[k, 20, 40], RELU, 3).unwrap();
    let matrix = DMatrix::from_vec(m, 40, normal_vector(5, Domain::Operator, 0, m * 40)) / (m as f64).sqrt();
    let errors = |prior: f64| {
        let packed = PackedNetwork::measured_by(network.clone(), &matrix).with_prior(prior);
        let mut errors: Vec<f64> = (0..25_u64)
            .into_par_iter()
            .map(|seed| {
                let truth = normal_vector(seed, Domain::Code, 0, k);
                let image = DVector::from_vec(generate(&network, &truth));
                let mut y: Vec<f64> = (&matrix * image).iter().copied().collect();
                Noise::Gaussian(sigma).apply(seed, 0, &mut y);
                let observations = DMatrix::from_column_slice(m, 1, &y);
                let options = BestOptions::default().starts(60);
                let answer = best_batch(&packed, &observations, seed, &[], &options).remove(0);
                // Without a prior, a minimum may be held by kinks.
                assert!(prior == 0.0 || !answer.determined);
                crate::support::relative_error(&answer.code, &truth)
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        errors[errors.len() / 2]
    };
    let [without, with] = [0.0, sigma * sigma].map(errors);
    println!("median code error {without:.3} without and {with:.3} with the prior");
    assert!(with < 0.9 * without, "{with} and {without}");
}

/// A prior of 0 changes no bit.
#[test]
fn without_a_prior_every_bit_stays() {
    for seed in 0..12 {
        let (network, x, _) = case(seed);
        let plain = best(PackedNetwork::new(network.clone()), &x);
        assert_eq!(best(PackedNetwork::new(network).with_prior(0.0), &x), plain);
    }
}
