//! Bounded noise: bounds and intervals against all codes of a fine grid within the region, and
//! where there are none.

use unrelu::internals::multistart::{
    NoiseModel, PackedNetwork, RefineOptions, UncertaintyOptions, assess_one, refine_one,
};
use unrelu::internals::random::Noise;
use unrelu::{Activation, Intervals, Network, Objective, UncertaintyRow};

use crate::support::{code, generate, layer, misfit, network};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.2);

fn assess(network: &Network, x: &[f64], z: &[f64], size: Option<f64>) -> UncertaintyRow {
    let options = UncertaintyOptions { model: NoiseModel::Uniform, size, seed: 5 };
    assess_one(&PackedNetwork::new(network.clone()), x, z, 3, &options).expect("a finite code")
}

/// An observation with uniform noise, and the minimum of the largest error nearest to its code.
fn noisy(network: &Network, size: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut z = code(network, seed);
    let mut x = generate(network, &z);
    Noise::Uniform(size).apply(seed, 0, &mut x);
    refine_one(&PackedNetwork::new(network.clone()), &x, &mut z, &RefineOptions::of(Objective::Linf));
    (x, z)
}

/// What the hidden units receive.
fn hidden(network: &Network, z: &[f64]) -> Vec<f64> {
    let first = &network.layers()[0];
    (first.weight() * nalgebra::DVector::from_column_slice(z) + &first.bias).as_slice().to_vec()
}

/// Weighted numbers, of which quantiles are asked.
struct Law(Vec<(f64, f64)>);

impl Law {
    fn quantile(&mut self, share: f64) -> f64 {
        self.0.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mass: f64 = self.0.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let found = self.0.iter().find(|(_, weight)| {
            sum += weight;
            sum >= share * mass
        });
        found.unwrap().0
    }

    fn sd(&self) -> f64 {
        let mass: f64 = self.0.iter().map(|(_, weight)| weight).sum();
        let mean = self.0.iter().map(|(z, weight)| weight * z).sum::<f64>() / mass;
        (self.0.iter().map(|(z, weight)| weight * (z - mean).powi(2)).sum::<f64>() / mass).sqrt()
    }
}

/// The law of each entry, by its density on a grid from `from` to `to`, within the region of the
/// hidden layer in which `z` lies.
fn by_grid(network: &Network, z: &[f64], (from, to): (&[f64], &[f64]), density: impl Fn(&[f64]) -> f64) -> Vec<Law> {
    let points = if z.len() == 1 { 20_000 } else { 300 };
    let at = |i: usize, entry: usize| from[entry] + (to[entry] - from[entry]) * (i as f64 + 0.5) / points as f64;
    let signs: Vec<bool> = hidden(network, z).iter().map(|a| *a > 0.0).collect();
    let mut laws: Vec<Law> = z.iter().map(|_| Law(Vec::new())).collect();
    for i in 0..points {
        for j in 0..if z.len() == 1 { 1 } else { points } {
            let point: Vec<f64> = (0..z.len()).map(|entry| at(if entry == 0 { i } else { j }, entry)).collect();
            if !hidden(network, &point).iter().map(|a| *a > 0.0).eq(signs.iter().copied()) {
                continue;
            }
            let weight = density(&point);
            if weight > 0.0 {
                laws.iter_mut().zip(&point).for_each(|(law, z)| law.0.push((*z, weight)));
            }
        }
    }
    laws
}

fn cases() -> impl Iterator<Item = (u64, Network, Vec<f64>, Vec<f64>, f64)> {
    (0..48).filter_map(|seed| {
        let k = 1 + seed as usize % 2;
        let outputs = [RELU, Activation::Identity, LEAKY, Activation::Sigmoid, Activation::Tanh, Activation::Elu(1.0)];
        let network =
            network(&[k, 6, 24], [RELU, LEAKY][seed as usize % 2], outputs[seed as usize / 2 % 6], 500 + seed);
        let size = [0.002, 0.05][seed as usize / 12 % 2];
        let (x, z) = noisy(&network, size, seed);
        // On a kink either side is right.
        let is_inside = hidden(&network, &z).iter().all(|a| a.abs() > 1e-9);
        is_inside.then_some((seed, network, x, z, size))
    })
}

#[test]
fn bounds_and_intervals_are_those_of_all_codes_within_the_noise() {
    let mut compared = 0;
    for (seed, network, x, z, size) in cases() {
        let found = assess(&network, &x, &z, Some(size));
        if found.intervals != Intervals::Complete {
            continue;
        }
        let (lowest, highest) = (found.bound_lower.unwrap(), found.bound_upper.unwrap());
        if lowest.iter().chain(&highest).any(|bound| bound.is_infinite()) {
            continue;
        }
        // A wider grid, on which codes beyond the bounds would be seen.
        let wider = |entry: usize, share: f64| lowest[entry] + share * (highest[entry] - lowest[entry]);
        let from: Vec<f64> = (0..z.len()).map(|entry| wider(entry, -0.3)).collect();
        let to: Vec<f64> = (0..z.len()).map(|entry| wider(entry, 1.3)).collect();
        let within = |point: &[f64]| f64::from(u8::from(misfit(&network, &x, point, Objective::Linf) <= size));
        for (entry, mut law) in by_grid(&network, &z, (&from, &to), within).into_iter().enumerate() {
            let width = highest[entry] - lowest[entry];
            let near = |found: f64, expected: f64, share: f64| {
                assert!(
                    (found - expected).abs() <= share * width,
                    "seed {seed}, {entry}: {found} for {expected}, of {width}"
                );
            };
            // Cells of the grid are 1.6/300 wide; a corner of the polytope may be narrow.
            near(lowest[entry], law.quantile(0.0), 0.03);
            near(highest[entry], law.quantile(1.0), 0.03);
            near(found.lower[entry], law.quantile(0.05), 0.03);
            near(found.upper[entry], law.quantile(0.95), 0.03);
            near(found.sd[entry], law.sd(), 0.015);
            assert!(lowest[entry] <= found.lower[entry] && found.upper[entry] <= highest[entry]);
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared}");
}

#[test]
fn without_a_size_the_density_falls_with_the_largest_residual() {
    let mut compared = 0;
    for (seed, network, x, z, _) in cases() {
        let found = assess(&network, &x, &z, None);
        if found.intervals != Intervals::Complete {
            continue;
        }
        assert!(found.bound_lower.is_none());
        let least = misfit(&network, &x, &z, Objective::Linf);
        let density = |point: &[f64]| (least / misfit(&network, &x, point, Objective::Linf)).powi(24);
        let side = |sign: f64| -> Vec<f64> { z.iter().zip(&found.sd).map(|(z, sd)| z + sign * 9.0 * sd).collect() };
        for (entry, mut law) in by_grid(&network, &z, (&side(-1.0), &side(1.0)), density).into_iter().enumerate() {
            let sd = law.sd();
            let near = |found: f64, expected: f64, share: f64| {
                assert!(
                    (found - expected).abs() <= share * sd,
                    "seed {seed}, {entry}: {found} for {expected}, of {sd}"
                );
            };
            near(found.sd[entry], sd, 0.1);
            near(found.lower[entry], law.quantile(0.05), 0.2);
            near(found.upper[entry], law.quantile(0.95), 0.2);
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared}");
}

#[test]
fn a_size_that_no_code_leaves_says_so() {
    let network = network(&[2, 12, 40], RELU, Activation::Identity, 8);
    let (x, z) = noisy(&network, 0.05, 8);
    let least = misfit(&network, &x, &z, Objective::Linf);
    let found = assess(&network, &x, &z, Some(0.99 * least));
    assert_eq!(found.intervals, Intervals::Empty);
    assert!(found.sd.iter().all(|sd| sd.is_infinite()) && found.bound_lower.is_none());
    let found = assess(&network, &x, &z, Some(1.01 * least));
    assert_eq!(found.intervals, Intervals::Complete);
    // An output of ReLU is never below 0: the noise is at least as large as an observation below.
    let relu = Network::new(vec![layer(3, 1, &[1.0, 1.0, -1.0], &[0.0; 3], RELU)], "a test").unwrap();
    assert_eq!(assess(&relu, &[1.0, 1.01, -0.2], &[1.0], Some(0.1)).intervals, Intervals::Empty);
    let found = assess(&relu, &[1.0, 1.01, -0.05], &[1.005], Some(0.1));
    let bounds = (found.bound_lower.as_ref().unwrap()[0], found.bound_upper.as_ref().unwrap()[0]);
    assert!((bounds.0 - 0.91).abs() < 1e-9 && (bounds.1 - 1.1).abs() < 1e-9, "{bounds:?}");
    assert!((found.lower[0] - 0.9195).abs() < 2e-3 && (found.upper[0] - 1.0905).abs() < 2e-3, "{found:?}");
}

#[test]
fn entries_that_the_data_leave_open_have_no_bounds() {
    // The third entry is not observed, the second only limited from one side.
    let rows = [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].concat();
    let network = Network::new(vec![layer(4, 3, &rows, &[0.0; 4], RELU)], "a test").unwrap();
    let found = assess(&network, &[1.0, 2.0, 0.0, f64::NAN], &[1.0, -4.0, 7.0], Some(0.1));
    assert_eq!(found.intervals, Intervals::Partial);
    assert!(found.sd[0].is_finite() && found.sd[1].is_infinite() && found.sd[2].is_infinite(), "{found:?}");
    let (lowest, highest) = (found.bound_lower.unwrap(), found.bound_upper.unwrap());
    assert!((lowest[0] - 0.95).abs() < 1e-9 && (highest[0] - 1.05).abs() < 1e-9, "{lowest:?} {highest:?}");
    assert_eq!((lowest[1], highest[1]), (f64::NEG_INFINITY, f64::INFINITY));
    // Nothing tells a size.
    let one = Network::new(vec![layer(2, 1, &[1.0, 1.0], &[0.0; 2], Activation::Identity)], "a test").unwrap();
    assert_eq!(assess(&one, &[1.0, 1.1], &[1.05], None).intervals, Intervals::NoNoiseSize);
    let many = Network::new(vec![layer(9, 1, &[1.0; 9], &[0.0; 9], Activation::Identity)], "a test").unwrap();
    assert_eq!(assess(&many, &[1.0; 9], &[1.0], None).intervals, Intervals::NoNoiseSize);
    assert_eq!(assess(&many, &[f64::NAN; 9], &[1.0], Some(0.1)).intervals, Intervals::Undetermined);
}

/// One output, one code entry: the bounds are those of an interval.
#[test]
fn bounds_of_a_single_output() {
    let network = Network::new(vec![layer(1, 1, &[2.0], &[0.5], Activation::Identity)], "a test").unwrap();
    let found = assess(&network, &[1.0], &[0.25], Some(0.1));
    let [low, high] = [&found.bound_lower, &found.bound_upper].map(|bounds| bounds.as_ref().unwrap()[0]);
    assert!((low - 0.2).abs() < 1e-9 && (high - 0.3).abs() < 1e-9, "{found:?}");
}
