//! Refinement in the norms `l1` and `linf`: never a higher misfit, exact without noise, below least
//! squares under its own noise, and no effect on codes that cannot be refined.

use nalgebra::DMatrix;
use unrelu::internals::multistart::{PackedNetwork, RefineOptions, Refinement, refine_batch, refine_one};
use unrelu::internals::random::Noise;
use unrelu::{Activation, Network, Objective};

use crate::oracle::least_misfit;
use crate::support::{code, generate, layer, misfit, network, perturbed, relative_error, spoil, trained};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.2);
const NORMS: [Objective; 2] = [Objective::L1, Objective::Linf];

fn refine(network: &Network, x: &[f64], z: &mut [f64], objective: Objective) -> Refinement {
    refine_one(&PackedNetwork::new(network.clone()), x, z, &RefineOptions::of(objective))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[test]
fn realizable_observations_are_met_exactly() {
    let outputs = [RELU, LEAKY, Activation::Identity, Activation::Sigmoid, Activation::Tanh];
    for (seed, output) in outputs.into_iter().cycle().take(20).enumerate() {
        let network = network(&[8, 30, 90], [RELU, LEAKY][seed % 2], output, seed as u64);
        let truth = code(&network, seed as u64);
        let x = generate(&network, &truth);
        for objective in NORMS {
            let mut z = perturbed(&truth, 1e-3, seed as u64);
            let before = misfit(&network, &x, &z, objective);
            let refinement = refine(&network, &x, &mut z, objective);
            assert!((refinement.loss_before - before).abs() <= 1e-12 * before);
            assert!(relative_error(&z, &truth) <= 1e-8, "seed {seed}, {output}, {objective}: {refinement:?}");
            assert!(refinement.refined && refinement.stationary, "seed {seed}, {output}: {refinement:?}");
        }
    }
}

/// From anywhere, and against the least misfit of all linear regions, which no code is below.
#[test]
fn the_misfit_never_rises_and_is_never_below_the_least() {
    let (mut lowest, mut proven, mut tried) = (0, 0, 0);
    for seed in 0..60 {
        let sizes: &[usize] = [&[2, 4, 5][..], &[2, 3, 4, 6], &[3, 5, 4]][seed as usize % 3];
        let output = [RELU, Activation::Identity, LEAKY][seed as usize / 3 % 3];
        let network = network(sizes, [RELU, LEAKY][seed as usize % 2], output, 900 + seed);
        let truth = code(&network, seed);
        let mut x = generate(&network, &truth);
        Noise::Gaussian([0.02, 0.3][seed as usize / 2 % 2]).apply(seed, 0, &mut x);
        if seed % 5 == 4 {
            x[1] = f64::NAN;
        }
        for objective in NORMS {
            let mut z = perturbed(&truth, [0.1, 1.0][seed as usize / 4 % 2], seed);
            let before = misfit(&network, &x, &z, objective);
            let refinement = refine(&network, &x, &mut z, objective);
            let after = misfit(&network, &x, &z, objective);
            assert!((refinement.loss_after - after).abs() <= 1e-12 * before.max(1.0), "seed {seed}: {refinement:?}");
            assert!(after <= before, "seed {seed}, {objective}: {after} above {before}");
            let least = least_misfit(&network, &x, objective);
            assert!(after >= least - 1e-7, "seed {seed}, {objective}: {after} below {least}");
            tried += 1;
            lowest += usize::from(after <= least + 1e-7);
            proven += usize::from(refinement.stationary);
        }
    }
    println!("{lowest} lowest, {proven} proven of {tried}");
    assert!(lowest >= 70 && proven >= 110, "{lowest} lowest, {proven} proven of {tried}");
}

/// The norm that fits the noise has the smaller code errors: uniform noise and `linf`; gross errors
/// and `l1`.
#[test]
fn the_norm_of_the_noise_has_the_smaller_error() {
    let network = trained();
    let packed = PackedNetwork::new(network.clone());
    let count = 12;
    let truths: Vec<Vec<f64>> = (0..count).map(|index| code(&network, index)).collect();
    for objective in NORMS {
        let mut observations = DMatrix::zeros(network.observation_length(), count as usize);
        let mut codes = DMatrix::zeros(network.code_length(), count as usize);
        for (place, truth) in truths.iter().enumerate() {
            let mut x = generate(&network, truth);
            match objective {
                Objective::L1 => spoil(&mut x, 0.05, place as u64),
                _ => Noise::Uniform(0.01).apply(3, place as u64, &mut x),
            }
            observations.column_mut(place).copy_from_slice(&x);
            codes.column_mut(place).copy_from_slice(&perturbed(truth, 0.02, place as u64));
        }
        let [own, squares] = [objective, Objective::L2].map(|by| {
            let mut refined = codes.clone();
            let refinements = refine_batch(&packed, &observations, &mut refined, &RefineOptions::of(by));
            assert!(refinements.iter().all(|refinement| refinement.stationary), "{by}: {refinements:?}");
            let error = |place: usize| relative_error(refined.column(place).as_slice(), &truths[place]);
            median((0..count as usize).map(error).collect())
        });
        println!("{objective}: {own:e}, by squares {squares:e}");
        assert!(own <= 0.9 * squares, "{objective}: {own:e}, by squares {squares:e}");
    }
}

/// The largest error may be that of an output that is off, which no small change of the code
/// changes: outputs 1 and 2 are `z` and the rectified `−1 − z`, of which 0.5 and −0.9 are observed.
/// The others still count.
#[test]
fn errors_below_a_floor_are_reduced() {
    let only = layer(2, 1, &[1.0, -1.0], &[0.0, -1.0], RELU);
    let network = Network::new(vec![only], "a tiny network").unwrap();
    for start in [0.4, 0.1, 1.0] {
        let mut z = [start];
        let refinement = refine(&network, &[0.5, -0.9], &mut z, Objective::Linf);
        assert!(refinement.refined && refinement.stationary, "from {start}: {refinement:?}");
        assert!((z[0] - 0.5).abs() <= 1e-12 && refinement.loss_after == 0.9, "from {start}: {z:?}, {refinement:?}");
    }
}

#[test]
fn codes_that_cannot_be_refined_stay() {
    let network = network(&[3, 8, 12], RELU, RELU, 5);
    let x = generate(&network, &code(&network, 1));
    for objective in NORMS {
        for start in [[f64::NAN; 3], [f64::INFINITY, 0.0, 1.0], [1e200; 3]] {
            let mut z = start;
            let refinement = refine(&network, &x, &mut z, objective);
            let rises = refinement.loss_after > refinement.loss_before;
            assert!(!rises, "{objective} from {start:?}: {refinement:?}");
            if !refinement.refined {
                assert!(z.iter().zip(&start).all(|(z, start)| z.to_bits() == start.to_bits()), "{objective}: {z:?}");
            }
        }
        let mut z = [0.5, -0.2, 0.1];
        let nothing = refine(&network, &[f64::NAN; 12], &mut z, objective);
        assert!(!nothing.refined && z == [0.5, -0.2, 0.1], "{nothing:?}");
        let none = RefineOptions { steps: 0, ..RefineOptions::of(objective) };
        let refinement = refine_one(&PackedNetwork::new(network.clone()), &x, &mut z, &none);
        assert!(!refinement.refined && z == [0.5, -0.2, 0.1], "{refinement:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_batch() {
    let network = network(&[6, 20, 60], LEAKY, RELU, 8);
    let packed = PackedNetwork::new(network.clone());
    let mut observations = DMatrix::zeros(60, 5);
    let mut codes = DMatrix::zeros(6, 5);
    for place in 0..5 {
        let truth = code(&network, place as u64);
        let mut x = generate(&network, &truth);
        Noise::Uniform(0.05).apply(1, place as u64, &mut x);
        observations.column_mut(place).copy_from_slice(&x);
        codes.column_mut(place).copy_from_slice(&perturbed(&truth, 0.1, place as u64));
    }
    for objective in NORMS {
        let options = RefineOptions::of(objective);
        let mut together = codes.clone();
        let refinements = refine_batch(&packed, &observations, &mut together, &options);
        for (place, refinement) in refinements.into_iter().enumerate() {
            let mut alone: Vec<f64> = codes.column(place).iter().copied().collect();
            assert_eq!(refine_one(&packed, observations.column(place).as_slice(), &mut alone, &options), refinement);
            assert_eq!(alone, together.column(place).as_slice());
        }
    }
}
