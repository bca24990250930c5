//! Local minima of `‖G(z) − x‖₁` and `‖G(z) − x‖_∞`, and the search for the lowest: against all
//! linear regions of tiny networks, against nearby codes, and against known codes.

use nalgebra::DMatrix;
use rayon::prelude::*;
use unrelu::internals::multistart::absolute::AbsoluteSearch;
use unrelu::internals::multistart::starts::Start;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, RefineOptions, best_batch, refine_batch};
use unrelu::internals::random::{Domain, Noise, normal_vector, random_network};
use unrelu::{Activation, BestOptions, Inverter, Network, Objective, Options};

use crate::oracle::{least_largest_error, least_misfit};
use crate::support::{code, generate, layer, misfit, network, perturbed, relative_error, spoil, trained};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.2);
const ABSOLUTE: [Objective; 2] = [Objective::L1, Objective::Linf];

/// Strong noise: many minima, and most runs share few minima of squares. `UNRELU_SMALL_NETWORKS`
/// sets the number of networks.
#[test]
fn strong_noise_does_not_hide_the_lowest_misfit() {
    let count: u64 = std::env::var("UNRELU_SMALL_NETWORKS").map_or(120, |count| count.parse().unwrap());
    let judge = |seed: u64| {
        let sizes: &[usize] = [&[2, 4, 5][..], &[2, 3, 4, 6], &[3, 5, 4], &[2, 6, 4]][seed as usize % 4];
        let hidden = [RELU, LEAKY][seed as usize / 4 % 2];
        let output = [RELU, Activation::Identity, LEAKY][seed as usize / 8 % 3];
        let network = network(sizes, hidden, output, 5000 + seed);
        let mut x = generate(&network, &code(&network, seed));
        let size = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
        Noise::Gaussian([0.3, 1.0][seed as usize / 24 % 2] * size.max(0.1)).apply(seed, 0, &mut x);
        ABSOLUTE.map(|objective| {
            let least = least_misfit(&network, &x, objective);
            let answer = search_one(&network, &x, objective);
            let missed = answer.loss > least + 1e-7;
            if missed {
                println!("seed {seed}, {objective}: {:e} instead of {least:e}, {answer:?}", answer.loss);
            }
            [usize::from(missed && answer.converged), usize::from(!answer.converged), answer.runs]
        })
    };
    let judged: Vec<_> = (0..count).into_par_iter().map(judge).collect();
    for (place, objective) in ABSOLUTE.iter().enumerate() {
        let [missed, open, runs] = [0, 1, 2].map(|what| judged.iter().map(|of| of[place][what]).sum::<usize>());
        println!("{objective}: {missed} of {count} missed, {open} not converged, {runs} runs");
        // Of 600 networks, 5 for each.
        assert!(missed <= count as usize / 60, "{objective}: {missed} of {count} converged above the least misfit");
    }
}

fn search(
    network: &Network,
    observations: &DMatrix<f64>,
    given: &[&DMatrix<f64>],
    objective: Objective,
) -> Vec<BestAnswer> {
    let options = BestOptions::default().objective(objective);
    let given: Vec<_> = given.iter().map(|codes| (Start::Given, *codes)).collect();
    best_batch(&PackedNetwork::new(network.clone()), observations, 0, &given, &options)
}

fn search_one(network: &Network, x: &[f64], objective: Objective) -> BestAnswer {
    search(network, &DMatrix::from_column_slice(x.len(), 1, x), &[], objective).remove(0)
}

#[test]
fn the_lowest_of_all_regions_is_found() {
    let (mut met, mut tried) = (0, 0);
    for seed in 0..36 {
        let sizes: &[usize] = [&[2, 4, 5][..], &[1, 4, 5], &[2, 3, 2, 4]][seed as usize % 3];
        let hidden = [RELU, LEAKY][seed as usize % 2];
        let output = [RELU, LEAKY, Activation::Identity][seed as usize / 3 % 3];
        let network = network(sizes, hidden, output, seed);
        let mut x = generate(&network, &code(&network, seed));
        Noise::Gaussian([0.02, 0.3][seed as usize / 2 % 2]).apply(seed, 0, &mut x);
        if seed % 5 == 4 {
            x[1] = f64::NAN;
        }
        for objective in ABSOLUTE {
            let least = least_misfit(&network, &x, objective);
            let answer = search_one(&network, &x, objective);
            let found = misfit(&network, &x, &answer.code, objective);
            assert!((answer.loss - found).abs() <= 1e-12, "seed {seed}, {objective}: {answer:?} and {found}");
            assert!(found >= least - 1e-7, "seed {seed}, {objective}: {found} below the oracle's {least}");
            tried += 1;
            if found <= least + 1e-7 {
                met += 1;
            } else {
                println!("seed {seed}, {objective}: {found} instead of {least}, {answer:?}");
            }
        }
    }
    println!("{met} of {tried}");
    assert!(met >= 66, "the global minimum was found for {met} of {tried}");
}

/// Starts near the truth; compares a reported local minimum with nearby codes.
#[test]
fn the_misfit_never_rises_and_what_is_proven_is_a_minimum() {
    let (mut proven, mut tried, mut fell) = (0, 0, 0);
    for seed in 0..120 {
        let sizes: &[usize] = [&[3, 12][..], &[5, 15, 40], &[4, 8, 16, 32], &[6, 20, 60]][seed as usize % 4];
        let hidden = [RELU, LEAKY][seed as usize / 4 % 2];
        let output = [RELU, LEAKY, Activation::Identity][seed as usize % 3];
        let network = network(sizes, hidden, output, seed);
        let packed = PackedNetwork::new(network.clone());
        let truth = code(&network, seed);
        let mut x = generate(&network, &truth);
        Noise::Gaussian(0.05).apply(seed, 0, &mut x);
        if seed % 3 == 1 {
            spoil(&mut x, 0.1, seed);
        }
        if seed % 5 == 2 {
            x.iter_mut().step_by(4).for_each(|x| *x = f64::NAN);
        }
        let start = perturbed(&truth, [0.02, 0.5][seed as usize % 2], seed);
        for objective in ABSOLUTE {
            let before = misfit(&network, &x, &start, objective);
            let mut search = AbsoluteSearch::new(&packed, objective);
            let descent = search.descend(&x, &start, 300);
            let z = search.point().code.clone();
            let here = misfit(&network, &x, &z, objective);
            assert!((search.misfit() - here).abs() <= 1e-12 * before, "seed {seed}, {objective}");
            assert!(here <= before, "seed {seed}, {objective}: {here} above {before}");
            tried += 1;
            fell += usize::from(here < before);
            if !descent.stationary {
                println!("seed {seed}, {objective}: not proven, {descent:?}");
                continue;
            }
            proven += 1;
            for direction in 0..200 {
                let d = normal_vector(seed, Domain::Noise, 1000 + direction, z.len());
                for length in [1e-5, 1e-7] {
                    let moved: Vec<f64> = z.iter().zip(&d).map(|(z, d)| z + length * d).collect();
                    let there = misfit(&network, &x, &moved, objective);
                    assert!(
                        there >= here * (1.0 - 1e-12),
                        "seed {seed}, {objective}, direction {direction}, {length:e}: {there:e} below {here:e}"
                    );
                }
            }
        }
    }
    println!("{proven} of {tried} proven, {fell} fell");
    assert!(proven >= 228 && fell >= 230, "{proven} of {tried} proven, {fell} fell");
}

/// The error of every region bounds a sigmoid's or tanh's; see [`least_largest_error`].
#[test]
fn the_lowest_of_all_regions_is_found_for_curved_outputs() {
    let (mut met, mut tried) = (0, 0);
    for seed in 0..40 {
        let sizes: &[usize] = [&[2, 4, 5][..], &[1, 4, 5], &[2, 3, 2, 4], &[3, 5, 6]][seed as usize % 4];
        let hidden = [RELU, LEAKY][seed as usize % 2];
        let (output, low) = [(Activation::Sigmoid, 0.0), (Activation::Tanh, -1.0)][seed as usize / 4 % 2];
        let network = network(sizes, hidden, output, 300 + seed);
        let mut x = generate(&network, &code(&network, seed));
        Noise::Gaussian([0.01, 0.2][seed as usize / 8 % 2]).apply(seed, 0, &mut x);
        if seed % 5 == 4 {
            x[1] = f64::NAN;
        }
        let inverse = |x: f64| {
            let share = (x - low) / (1.0 - low);
            let logit = if share <= 0.0 { f64::NEG_INFINITY } else { (share / (1.0 - share)).ln() };
            if share >= 1.0 { f64::INFINITY } else { logit / (1.0 - low) }
        };
        let least = least_largest_error(&network, &x, inverse);
        let answer = search_one(&network, &x, Objective::Linf);
        let found = misfit(&network, &x, &answer.code, Objective::Linf);
        assert!((answer.loss - found).abs() <= 1e-12, "seed {seed}: {answer:?} and {found}");
        assert!(found >= least - 1e-7, "seed {seed}: {found} below the oracle's {least}");
        tried += 1;
        if found <= least + 1e-6 {
            met += 1;
        } else {
            println!("seed {seed}: {found} instead of {least}, {answer:?}");
        }
    }
    println!("{met} of {tried}");
    assert!(met >= tried - 1, "the global minimum was found for {met} of {tried}");
}

#[test]
fn descents_with_curved_outputs_fall_to_minima() {
    let (mut proven, mut tried) = (0, 0);
    for seed in 0..60 {
        let sizes: &[usize] = [&[3, 12][..], &[5, 15, 40], &[4, 8, 16, 32], &[6, 20, 60]][seed as usize % 4];
        let hidden = [RELU, LEAKY][seed as usize / 4 % 2];
        let softplus = Activation::Softplus { beta: 1.0, threshold: 20.0 };
        let output = [Activation::Sigmoid, Activation::Tanh, softplus, Activation::Gelu][seed as usize / 8 % 4];
        let network = network(sizes, hidden, output, seed);
        let packed = PackedNetwork::new(network.clone());
        let truth = code(&network, seed);
        let mut x = generate(&network, &truth);
        Noise::Gaussian(0.05).apply(seed, 0, &mut x);
        if seed % 3 == 1 {
            spoil(&mut x, 0.1, seed);
        }
        let start = perturbed(&truth, [0.02, 0.5][seed as usize % 2], seed);
        for objective in ABSOLUTE {
            let before = misfit(&network, &x, &start, objective);
            let mut search = AbsoluteSearch::new(&packed, objective);
            let descent = search.descend(&x, &start, 300);
            let z = search.point().code.clone();
            let here = misfit(&network, &x, &z, objective);
            assert!((search.misfit() - here).abs() <= 1e-12 * before, "seed {seed}, {objective}");
            assert!(here <= before, "seed {seed}, {objective}: {here} above {before}");
            tried += 1;
            if !descent.stationary {
                println!("seed {seed}, {output}, {objective}: not proven, {descent:?}");
                continue;
            }
            proven += 1;
            for direction in 0..100 {
                let d = normal_vector(seed, Domain::Noise, 1000 + direction, z.len());
                let moved: Vec<f64> = z.iter().zip(&d).map(|(z, d)| z + 1e-5 * d).collect();
                let there = misfit(&network, &x, &moved, objective);
                // To first order: along a direction without slope, the curvature is of this size.
                assert!(there >= here - 1e-8, "seed {seed}, {output}, {objective}: {there:e} below {here:e}");
            }
        }
    }
    println!("{proven} of {tried} proven");
    assert!(proven >= 100, "{proven} of {tried} proven");
}

/// Proof that the check above can fail: the start of a descent is not a minimum, and nearby codes
/// show it.
#[test]
fn codes_around_a_code_that_is_no_minimum_are_lower() {
    let network = network(&[5, 15, 40], RELU, LEAKY, 3);
    let truth = code(&network, 3);
    let x = generate(&network, &truth);
    let z = perturbed(&truth, 0.1, 3);
    for objective in ABSOLUTE {
        let here = misfit(&network, &x, &z, objective);
        let lower = (0..200).filter(|direction| {
            let d = normal_vector(3, Domain::Noise, 1000 + direction, 5);
            let moved: Vec<f64> = z.iter().zip(&d).map(|(z, d)| z + 1e-5 * d).collect();
            misfit(&network, &x, &moved, objective) < here * (1.0 - 1e-12)
        });
        assert!(lower.count() >= 20);
    }
}

/// One unit, one entry: `F(z) = |σ(z) − 1| + |σ(−z) − 0.25|`, whose minima are 0.25 at 1 and 1 at
/// −0.25.
#[test]
fn a_minimum_of_one_dimension_is_the_one_of_its_side() {
    let only = layer(2, 1, &[1.0, -1.0], &[0.0, 0.0], RELU);
    let network = Network::new(vec![only], "a tiny network").unwrap();
    let packed = PackedNetwork::new(network);
    let mut search = AbsoluteSearch::new(&packed, Objective::L1);
    for (start, minimum, misfit) in [(3.0, 1.0, 0.25), (0.1, 1.0, 0.25), (-0.1, -0.25, 1.0), (-4.0, -0.25, 1.0)] {
        let descent = search.descend(&[1.0, 0.25], &[start], 50);
        assert!(descent.stationary);
        assert!((search.point().code[0] - minimum).abs() <= 1e-14 && (search.misfit() - misfit).abs() <= 1e-14);
        assert!(search.is_determined());
    }
}

fn recovers_from_gross_errors(network: &Network, count: u64) {
    let n = network.observation_length();
    let mut observations = DMatrix::zeros(n, count as usize);
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x = generate(network, &code(network, index as u64));
        spoil(&mut x, 0.05, index as u64);
        column.copy_from_slice(&x);
    }
    let (absolute, squares) =
        (search(network, &observations, &[], Objective::L1), search(network, &observations, &[], Objective::L2));
    for (index, (absolute, squares)) in absolute.iter().zip(&squares).enumerate() {
        let truth = code(network, index as u64);
        let (error, of_squares) = (relative_error(&absolute.code, &truth), relative_error(&squares.code, &truth));
        assert!(error <= 1e-9, "observation {index}: {error:e}, {absolute:?}");
        assert!(of_squares >= 1e-3, "observation {index}: squares are not misled, {of_squares:e}");
        assert!(absolute.stationary && absolute.determined, "observation {index}: {absolute:?}");
    }
}

#[test]
fn gross_errors_do_not_matter_to_l1() {
    recovers_from_gross_errors(&trained(), 8);
    recovers_from_gross_errors(&random_network(&[20, 100, 500], RELU, 1).unwrap(), 4);
    recovers_from_gross_errors(&network(&[8, 30, 120], LEAKY, LEAKY, 5), 8);
}

#[test]
fn linf_is_below_the_others_on_uniform_noise() {
    let network = trained();
    let packed = PackedNetwork::new(network.clone());
    let count = 8;
    let mut observations = DMatrix::zeros(784, count);
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x = generate(&network, &code(&network, index as u64));
        Noise::Uniform(0.01).apply(3, index as u64, &mut x);
        column.copy_from_slice(&x);
    }
    let layerwise = Inverter::new(network.clone(), Options::default()).unwrap().invert(&observations).unwrap().codes;
    let mut refined = layerwise.clone();
    refine_batch(&packed, &observations, &mut refined, &RefineOptions::default());
    let linf = search(&network, &observations, &[&layerwise], Objective::Linf);
    let squares = search(&network, &observations, &[&layerwise], Objective::L2);
    for index in 0..count {
        let x = observations.column(index).as_slice().to_vec();
        let of = |z: &[f64]| misfit(&network, &x, z, Objective::Linf);
        let lowest = linf[index].loss;
        assert!((lowest - of(&linf[index].code)).abs() <= 1e-12);
        assert!(lowest <= of(&squares[index].code), "observation {index}");
        assert!(lowest <= of(refined.column(index).as_slice()), "observation {index}");
        assert!(lowest <= of(layerwise.column(index).as_slice()), "observation {index}");
        assert!(lowest <= 0.01 + 1e-12, "observation {index}: the truth is no farther");
        assert!(linf[index].stationary);
    }
}

#[test]
fn unobserved_entries_do_not_count() {
    let network = network(&[5, 20, 80], RELU, RELU, 21);
    for seed in 0..6 {
        let truth = code(&network, seed);
        let mut x = generate(&network, &truth);
        spoil(&mut x, 0.05, seed);
        x.iter_mut().step_by(3).for_each(|x| *x = f64::NAN);
        let answer = search_one(&network, &x, Objective::L1);
        assert!(relative_error(&answer.code, &truth) <= 1e-9, "seed {seed}: {answer:?}");
    }
    let nothing = search_one(&network, &[f64::NAN; 80], Objective::L1);
    assert!(nothing.code.iter().all(|z| z.is_nan()) && nothing.runs == 0);
}

#[test]
fn what_can_be_met_is_reproduced() {
    let network = random_network(&[10, 40, 120], RELU, 2).unwrap();
    for objective in ABSOLUTE {
        for seed in 0..4 {
            let truth = code(&network, seed);
            let answer = search_one(&network, &generate(&network, &truth), objective);
            assert!(answer.reproduced && answer.converged && answer.determined, "{answer:?}");
            assert!(relative_error(&answer.code, &truth) <= 1e-11);
        }
    }
}

#[test]
fn flat_places_are_minima_and_absurd_codes_are_left() {
    // Without biases everything is off at 0.
    let unbiased = random_network(&[3, 8, 12], RELU, 5).unwrap();
    let zero = Network::new(vec![layer(2, 2, &[0.0; 4], &[0.0; 2], RELU)], "the zero network").unwrap();
    let x = generate(&unbiased, &code(&unbiased, 1));
    for objective in ABSOLUTE {
        let packed = PackedNetwork::new(zero.clone());
        let mut search = AbsoluteSearch::new(&packed, objective);
        assert!(search.descend(&[1.0, 2.0], &[0.5, -3.0], 20).stationary);
        assert_eq!(search.point().code, [0.5, -3.0]);
        let packed = PackedNetwork::new(unbiased.clone());
        let mut search = AbsoluteSearch::new(&packed, objective);
        for start in [[0.0; 3], [1e200; 3], [f64::NAN; 3], [f64::INFINITY, 0.0, 1.0]] {
            let before = misfit(&unbiased, &x, &start, objective);
            search.descend(&x, &start, 50);
            let after = search.misfit();
            let finite = start.iter().all(|z| z.is_finite());
            assert!(after <= before || !finite, "{objective} from {start:?}: {after} above {before}");
        }
    }
}

#[test]
fn neighbours_do_not_matter() {
    let network = network(&[4, 12, 30], LEAKY, RELU, 11);
    let mut observations = DMatrix::zeros(30, 7);
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x = generate(&network, &code(&network, index as u64));
        Noise::Uniform(0.05).apply(1, index as u64, &mut x);
        column.copy_from_slice(&x);
    }
    observations.column_mut(2).fill(f64::INFINITY);
    let packed = PackedNetwork::new(network.clone());
    for objective in ABSOLUTE {
        let options = BestOptions::default().objective(objective);
        let together = best_batch(&packed, &observations, 5, &[], &options);
        for (index, answer) in together.iter().enumerate() {
            let alone = observations.columns(index, 1).into_owned();
            let alone = best_batch(&packed, &alone, 5 + index as u64, &[], &options).remove(0);
            let same = alone.code.iter().zip(&answer.code).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same && alone.runs == answer.runs, "{objective}, observation {index}");
        }
    }
}

#[test]
fn curved_hidden_layers_are_refused_and_curved_outputs_are_not() {
    for activation in [Activation::Sigmoid, Activation::Tanh] {
        let hidden = network(&[3, 8, 12], activation, RELU, 5);
        let output = network(&[3, 8, 12], RELU, activation, 5);
        for objective in ABSOLUTE {
            let options = BestOptions::default().objective(objective);
            let refused = options.validate(&hidden).unwrap_err();
            assert!(
                refused.is_usage() && refused.to_string().contains(&format!("activation {activation} in layer 1")),
                "{refused}"
            );
            assert!(options.validate(&output).is_ok());
        }
        assert!(BestOptions::default().validate(&hidden).is_ok());
    }
}
