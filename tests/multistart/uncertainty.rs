//! The uncertainty of codes: against densities integrated on grids, against Jacobians by finite
//! differences, and where there is none.

use nalgebra::DMatrix;
use unrelu::internals::multistart::{
    NoiseModel, PackedNetwork, RefineOptions, UncertaintyOptions, assess_one, refine_one,
};
use unrelu::internals::random::Noise;
use unrelu::{Activation, Intervals, Network, Objective, UncertaintyRow};

use crate::support::{code, generate, layer, network, trained};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.2);

fn assess(packed: &PackedNetwork, x: &[f64], z: &[f64], model: NoiseModel, size: Option<f64>) -> UncertaintyRow {
    assess_one(packed, x, z, 0, &UncertaintyOptions { model, size, seed: 0 }).expect("a finite code")
}

/// An observation with noise, and the minimum of `objective` nearest to its code.
fn noisy(network: &Network, noise: Noise, objective: Objective, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut z = code(network, seed);
    let mut x = generate(network, &z);
    noise.apply(seed, 0, &mut x);
    refine_one(&PackedNetwork::new(network.clone()), &x, &mut z, &RefineOptions::of(objective));
    (x, z)
}

/// A small network of this seed, with one or two code entries and one of four outputs.
fn small_network(seed: u64) -> Network {
    let k = 1 + seed as usize % 2;
    let output = [RELU, Activation::Identity, LEAKY, Activation::Sigmoid][seed as usize / 2 % 4];
    network(&[k, 6, 30], [RELU, LEAKY][seed as usize % 2], output, 70 + seed)
}

/// `J` by central differences of the outputs, over the observed entries.
fn jacobian(network: &Network, x: &[f64], z: &[f64]) -> DMatrix<f64> {
    let step = 1e-6;
    let moved = |entry: usize, by: f64| {
        let mut z = z.to_vec();
        z[entry] += by;
        generate(network, &z)
    };
    let pairs: Vec<_> = (0..z.len()).map(|entry| (moved(entry, step), moved(entry, -step))).collect();
    let observed: Vec<usize> = (0..x.len()).filter(|entry| !x[*entry].is_nan()).collect();
    DMatrix::from_fn(observed.len(), z.len(), |i, j| {
        let (above, below) = &pairs[j];
        (above[observed[i]] - below[observed[i]]) / (2.0 * step)
    })
}

/// `√ diag (JᵀJ + λI)⁻¹`, by LU.
fn spread(jacobian: &DMatrix<f64>, prior: f64) -> Vec<f64> {
    let k = jacobian.ncols();
    let normal = jacobian.transpose() * jacobian + DMatrix::identity(k, k) * prior;
    let inverse = normal.lu().try_inverse().expect("regular");
    (0..k).map(|i| inverse[(i, i)].sqrt()).collect()
}

fn assert_close(found: &[f64], expected: &[f64], within: f64, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() <= within, "{what}: {found} for {expected}");
    }
}

/// Mean and standard deviation of each entry under a density, on a grid around `centre` that
/// reaches `reach` times `sd` to each side.
fn by_grid(centre: &[f64], sd: &[f64], reach: f64, density: impl Fn(&[f64]) -> f64) -> (Vec<f64>, Vec<f64>) {
    let points: i32 = if centre.len() == 1 { 4_000 } else { 240 };
    let at = |i: i32, entry: usize| centre[entry] + reach * sd[entry] * f64::from(i) / f64::from(points);
    let others = if centre.len() == 1 { 0..=0 } else { -points..=points };
    let (mut mass, mut sums, mut squares) = (0.0, vec![0.0; centre.len()], vec![0.0; centre.len()]);
    for i in -points..=points {
        for j in others.clone() {
            let z: Vec<f64> = (0..centre.len()).map(|entry| at(if entry == 0 { i } else { j }, entry)).collect();
            let weight = density(&z);
            mass += weight;
            for (entry, z) in z.iter().enumerate() {
                sums[entry] += weight * (z - centre[entry]);
                squares[entry] += weight * (z - centre[entry]) * (z - centre[entry]);
            }
        }
    }
    let mean: Vec<f64> = sums.iter().map(|sum| sum / mass).collect();
    let sd = squares.iter().zip(&mean).map(|(square, mean)| (square / mass - mean * mean).sqrt()).collect();
    (mean.iter().zip(centre).map(|(mean, centre)| mean + centre).collect(), sd)
}

/// The density `exp(−‖G(z) − x‖²/2σ²)` has this mean and spread where no kink is near.
#[test]
fn gaussian_intervals_are_those_of_the_density() {
    let mut compared = 0;
    for seed in 0..60 {
        let network = small_network(seed);
        let sigma = 1e-4;
        let (x, z) = noisy(&network, Noise::Gaussian(sigma), Objective::L2, seed);
        let packed = PackedNetwork::new(network.clone());
        let found = assess(&packed, &x, &z, NoiseModel::Gaussian, Some(sigma));
        let misfit = |z: &[f64]| -> f64 {
            generate(&network, z).iter().zip(&x).map(|(g, x)| (g - x) * (g - x)).sum::<f64>() / (2.0 * sigma * sigma)
        };
        let least = misfit(&z);
        if found.intervals != Intervals::Complete {
            continue;
        }
        let (mean, sd) = by_grid(&z, &found.sd, 6.0, |z| (least - misfit(z)).exp());
        let near_kink = mean.iter().zip(&z).zip(&sd).any(|((mean, z), sd)| (mean - z).abs() > 0.02 * sd);
        if near_kink {
            continue;
        }
        compared += 1;
        assert_close(&found.sd, &sd, 0.03, &format!("seed {seed}"));
        for (entry, z) in z.iter().enumerate() {
            assert!((found.upper[entry] - z - 1.6449 * found.sd[entry]).abs() < 1e-4 * found.sd[entry]);
            assert!((z - found.lower[entry] - 1.6449 * found.sd[entry]).abs() < 1e-4 * found.sd[entry]);
        }
    }
    assert!(compared >= 40, "{compared}");
}

#[test]
fn spreads_are_those_of_the_jacobian_with_missing_entries_a_prior_and_curved_layers() {
    for (seed, hidden) in [RELU, LEAKY, Activation::Silu, Activation::Tanh].into_iter().enumerate() {
        let seed = seed as u64;
        let network = network(&[4, 20, 60], hidden, Activation::Identity, 300 + seed);
        let (mut x, _) = noisy(&network, Noise::Gaussian(0.01), Objective::L2, seed);
        x.iter_mut().step_by(3).for_each(|x| *x = f64::NAN);
        for prior in [0.0, 0.3] {
            let packed = PackedNetwork::new(network.clone()).with_prior(prior);
            let mut z = code(&network, seed);
            refine_one(&packed, &x, &mut z, &RefineOptions::default());
            let jacobian = jacobian(&network, &x, &z);
            let expected = spread(&jacobian, prior);
            let named = assess(&packed, &x, &z, NoiseModel::Gaussian, Some(1.0));
            assert_close(&named.sd, &expected, 1e-4, &format!("{hidden}, prior {prior}"));
            assert_eq!((named.intervals, named.noise_size), (Intervals::Complete, 1.0));
            // The residual's own size: the fit has used `tr (JᵀJ (JᵀJ + λI)⁻¹)` entries.
            let normal = jacobian.transpose() * &jacobian;
            let with_prior = &normal + DMatrix::identity(4, 4) * prior;
            let used = (normal * with_prior.lu().try_inverse().unwrap()).trace();
            let squares: f64 =
                generate(&network, &z).iter().zip(&x).filter(|(_, x)| !x.is_nan()).map(|(g, x)| (g - x).powi(2)).sum();
            let sigma = (squares / (40.0 - used)).sqrt();
            let estimated = assess(&packed, &x, &z, NoiseModel::Gaussian, None);
            assert_close(&[estimated.noise_size], &[sigma], 1e-4, "size");
            assert_close(&estimated.sd, &expected.iter().map(|sd| sd * sigma).collect::<Vec<_>>(), 2e-4, "estimated");
        }
    }
}

/// Laplace noise of a named and of an unknown size: the densities `exp(−‖r‖₁/b)` and `‖r‖₁⁻ⁿ`,
/// summed on a grid, have this spread, and a twentieth of their mass beyond each end.
#[test]
fn laplace_intervals_are_those_of_the_density() {
    let mut compared = 0;
    for seed in 0..40 {
        let network = small_network(seed);
        let b = 1e-4;
        let (x, z) = noisy(&network, Noise::Laplace(b), Objective::L1, seed);
        let packed = PackedNetwork::new(network.clone());
        let sum = |z: &[f64]| generate(&network, z).iter().zip(&x).map(|(g, x)| (g - x).abs()).sum::<f64>();
        let least = sum(&z);
        for size in [Some(b), None] {
            let found = assess(&packed, &x, &z, NoiseModel::Laplace, size);
            if found.intervals != Intervals::Complete {
                continue;
            }
            compared += 1;
            let density = |z: &[f64]| match size {
                Some(b) => ((least - sum(z)) / b).exp(),
                None => (sum(z) / least).powi(-(x.len() as i32)),
            };
            let (mean, sd) = by_grid(&z, &found.sd, 8.0, density);
            assert_close(&found.sd, &sd, 0.1, &format!("seed {seed}"));
            for entry in 0..z.len() {
                let beyond = |end: f64, sign: f64| {
                    let inside = |z: &[f64]| if sign * (z[entry] - end) > 0.0 { density(z) } else { 0.0 };
                    share(&z, &found.sd, inside, density)
                };
                let tails = [beyond(found.lower[entry], -1.0), beyond(found.upper[entry], 1.0)];
                assert!(tails.iter().all(|tail| (0.03..0.075).contains(tail)), "seed {seed}, {size:?}: {tails:?}");
                let middle = (found.lower[entry] + found.upper[entry]) / 2.0;
                assert!((middle - mean[entry]).abs() < 0.4 * sd[entry], "seed {seed}");
            }
        }
    }
    assert!(compared >= 50, "{compared}");
}

/// The mass of `part` over that of `whole`, on the grid of `by_grid`.
fn share(centre: &[f64], sd: &[f64], part: impl Fn(&[f64]) -> f64, whole: impl Fn(&[f64]) -> f64) -> f64 {
    let masses = std::cell::Cell::new((0.0, 0.0));
    by_grid(centre, sd, 8.0, |z| {
        let (inside, all) = masses.get();
        masses.set((inside + part(z), all + whole(z)));
        1.0
    });
    masses.get().0 / masses.get().1
}

/// With few entries per unknown, the limit for many entries would hold the truth in about 80 %.
#[test]
fn laplace_intervals_cover() {
    let network = network(&[6, 30, 90], RELU, Activation::Identity, 9);
    let packed = PackedNetwork::new(network.clone());
    for size in [Some(0.001), None] {
        let (mut covered, mut all) = (0, 0);
        for seed in 0..150 {
            let (x, z) = noisy(&network, Noise::Laplace(0.001), Objective::L1, seed);
            let found = assess(&packed, &x, &z, NoiseModel::Laplace, size);
            for (entry, truth) in code(&network, seed).iter().enumerate().filter(|(i, _)| found.sd[*i].is_finite()) {
                all += 1;
                covered += usize::from((found.lower[entry]..=found.upper[entry]).contains(truth));
            }
            assert!((found.noise_size / 0.001 - 1.0).abs() < 0.5, "{}", found.noise_size);
        }
        let share = covered as f64 / all as f64;
        println!("{size:?}: {covered} of {all}: {share}");
        assert!((0.87..0.93).contains(&share) && all > 800, "{covered} of {all}");
    }
}

#[test]
fn entries_that_the_data_do_not_determine_have_no_interval() {
    // The second entry only matters to an output that is not observed; the third to none.
    let rows = [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].concat();
    let network = Network::new(vec![layer(4, 3, &rows, &[0.0; 4], Activation::Identity)], "a test").unwrap();
    let x = [1.0, 2.1, -1.0, f64::NAN];
    let packed = PackedNetwork::new(network.clone());
    let found = assess(&packed, &x, &[1.0, 5.0, 7.0], NoiseModel::Gaussian, Some(0.6));
    assert_eq!(found.intervals, Intervals::Partial);
    assert!((found.sd[0] - 0.6 / 6f64.sqrt()).abs() < 1e-12 && found.sd[1..] == [f64::INFINITY; 2], "{found:?}");
    assert_eq!((found.lower[1], found.upper[2]), (f64::NEG_INFINITY, f64::INFINITY));
    // With a prior, each entry has its variance.
    let with_prior = assess(&packed.with_prior(4.0), &x, &[1.0, 5.0, 7.0], NoiseModel::Gaussian, Some(0.6));
    assert_close(&with_prior.sd, &[0.6 / 10f64.sqrt(), 0.3, 0.3], 1e-12, "prior");
    // All units of a layer off: nothing changes.
    let off = Network::new(vec![layer(2, 1, &[1.0, 2.0], &[-9.0; 2], RELU)], "a test").unwrap();
    let found = assess(&PackedNetwork::new(off), &[0.1, 0.2], &[1.0], NoiseModel::Gaussian, Some(0.1));
    assert_eq!((found.intervals, found.sd), (Intervals::Undetermined, vec![f64::INFINITY]));
}

#[test]
fn without_a_size_the_residual_has_to_tell_it() {
    let square = Network::new(vec![layer(2, 2, &[1.0, 0.0, 0.0, 1.0], &[0.0; 2], Activation::Identity)], "x").unwrap();
    let packed = PackedNetwork::new(square);
    let (x, z) = ([0.3, 0.4], [0.3, 0.4]);
    let found = assess(&packed, &x, &z, NoiseModel::Gaussian, None);
    assert_eq!((found.intervals, found.noise_size.is_nan()), (Intervals::NoNoiseSize, true));
    assert_eq!(assess(&packed, &x, &z, NoiseModel::Gaussian, Some(0.1)).sd, [0.1, 0.1]);
    let options = UncertaintyOptions { model: NoiseModel::Gaussian, size: None, seed: 0 };
    assert_eq!(assess_one(&packed, &x, &[f64::NAN, 0.0], 0, &options), None);
}

/// 90 % intervals hold the truth in about 90 % of the entries.
#[test]
fn gaussian_intervals_cover() {
    let (network, random) = (trained(), network(&[10, 60, 300], RELU, RELU, 9));
    for (network, sigma) in [(&network, 0.01), (&random, 0.01)] {
        let packed = PackedNetwork::new(network.clone());
        let (mut covered, mut all) = (0, 0);
        for seed in 0..120 {
            let (x, z) = noisy(network, Noise::Gaussian(sigma), Objective::L2, seed);
            for size in [Some(sigma), None] {
                let found = assess(&packed, &x, &z, NoiseModel::Gaussian, size);
                for (entry, truth) in code(network, seed).iter().enumerate().filter(|(i, _)| found.sd[*i].is_finite()) {
                    all += 1;
                    covered += usize::from((found.lower[entry]..=found.upper[entry]).contains(truth));
                }
            }
        }
        let share = f64::from(covered as u32) / f64::from(all as u32);
        println!("{covered} of {all}: {share}");
        assert!((0.86..0.94).contains(&share) && all > 2_000, "{covered} of {all}");
    }
}

/// Rounding is no noise, and 0 times an open entry is no number.
#[test]
fn exact_observations_have_no_size() {
    let network = network(&[3, 10, 30], RELU, Activation::Identity, 4);
    let z = code(&network, 1);
    let x = generate(&network, &z);
    let hidden = layer(2, 1, &[1.0, -1.0], &[0.0; 2], RELU);
    let output = layer(4, 2, &[1.0, 0.5, 1.0, -0.5, 0.3, 1.0, 0.2, 2.0], &[0.0; 4], Activation::Identity);
    let without_biases = Network::new(vec![hidden, output], "a test").unwrap();
    let [first, second] = [network, without_biases].map(PackedNetwork::new);
    for model in [NoiseModel::Gaussian, NoiseModel::Laplace, NoiseModel::Uniform] {
        for (packed, x, z) in [(&first, &x[..], &z[..]), (&second, &[0.0; 4], &[0.0])] {
            let found = assess(packed, x, z, model, None);
            assert_eq!(found.intervals, Intervals::NoNoiseSize, "{model:?}");
            assert!(found.sd.iter().all(|sd| sd.is_infinite()) && found.lower.iter().all(|z| !z.is_nan()));
        }
    }
}
