//! The guarantees of `best`: the lowest loss, found repeatedly, from any start; never above the
//! other methods or the limit.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use unrelu::internals::multistart::starts::Start;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, RefineOptions, best_batch, refine_one};
use unrelu::internals::random::{Domain, Noise, normal_vector, random_network, uniform_vector};
use unrelu::{
    Activation, BestMethod, BestOptions, DescentOptions, DeviceChoice, Failure, Inverter, LayerwiseMethod,
    LayerwiseOptions, Method, Network, NetworkOptions, Objective, Options, Status, Tolerances, load_network,
};

use crate::support::{code, generate, loss, network, relative_error, trained};

const RELU: Activation = Activation::Relu;
const LEAKY: Activation = Activation::LeakyRelu(0.1);

fn trained_leaky() -> Network {
    load_network("examples/mnist_leaky_20_200_500_784.safetensors".as_ref(), &NetworkOptions::default()).unwrap()
}

/// True codes and noisy observations, one per column.
fn observed(network: &Network, count: usize, noise: Noise) -> (DMatrix<f64>, DMatrix<f64>) {
    let k = network.code_length();
    let codes = (0..count as u64).flat_map(|index| normal_vector(70, Domain::Code, index, k)).collect();
    let codes = DMatrix::from_vec(k, count, codes);
    let mut observations = DMatrix::zeros(network.observation_length(), count);
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x = generate(network, codes.column(index).into_owned().as_slice());
        noise.apply(71, index as u64, &mut x);
        column.copy_from_slice(&x);
    }
    (codes, observations)
}

fn best(network: &Network, observations: &DMatrix<f64>) -> Vec<BestAnswer> {
    best_batch(&PackedNetwork::new(network.clone()), observations, 0, &[], &BestOptions::default())
}

fn inverted(network: &Network, observations: &DMatrix<f64>, method: Method) -> Vec<f64> {
    let options = Options::default().method(method).device(DeviceChoice::Cpu);
    let codes = Inverter::new(network.clone(), options).unwrap().invert(observations).unwrap().codes;
    losses(network, observations, &codes)
}

fn losses(network: &Network, observations: &DMatrix<f64>, codes: &DMatrix<f64>) -> Vec<f64> {
    let pairs = observations.column_iter().zip(codes.column_iter());
    pairs.map(|(x, z)| loss(network, x.into_owned().as_slice(), z.into_owned().as_slice())).collect()
}

/// Least squares started at the truth.
fn limits(network: &Network, observations: &DMatrix<f64>, codes: &DMatrix<f64>) -> Vec<f64> {
    let packed = PackedNetwork::new(network.clone());
    let limit = |index: usize| {
        let mut z = codes.column(index).into_owned();
        let x = observations.column(index).into_owned();
        refine_one(&packed, x.as_slice(), z.as_mut_slice(), &RefineOptions::default()).loss_after
    };
    (0..codes.ncols()).into_par_iter().map(limit).collect()
}

/// Losses may differ by rounding; for noise-free observations, in the remaining rounding error.
fn is_above(loss: f64, other: f64, observation: &[f64]) -> bool {
    let size: f64 = observation.iter().filter(|x| !x.is_nan()).map(|x| x * x).sum();
    loss > other * (1.0 + 1e-9) + 1e-20 * size
}

fn column(matrix: &DMatrix<f64>, index: usize) -> &[f64] {
    let rows = matrix.nrows();
    &matrix.as_slice()[index * rows..(index + 1) * rows]
}

/// Tiny networks, for which a grid over the whole plane and a local search around its best point
/// give an upper bound of the lowest loss.
#[test]
fn nothing_on_a_grid_is_lower() {
    (0..24_u64).into_par_iter().for_each(|seed| {
        let hidden = [RELU, LEAKY][seed as usize % 2];
        let output = [RELU, LEAKY, Activation::Identity, Activation::Sigmoid][seed as usize / 2 % 4];
        let sizes: &[usize] = [&[2, 5][..], &[2, 4, 7], &[2, 3, 4, 6]][seed as usize % 3];
        let network = network(sizes, hidden, if sizes.len() == 2 { RELU } else { output }, seed);
        let mut x = generate(&network, &code(&network, seed));
        Noise::Gaussian(0.3).apply(seed, 0, &mut x);
        let mut lowest = (f64::INFINITY, vec![0.0; 2]);
        for (i, j) in (0..=160).flat_map(|i| (0..=160).map(move |j| (i, j))) {
            let z = [f64::from(i) * 0.05 - 4.0, f64::from(j) * 0.05 - 4.0];
            let here = loss(&network, &x, &z);
            if here < lowest.0 {
                lowest = (here, z.to_vec());
            }
        }
        let mut width = 0.05;
        for round in 0..600 {
            let d = normal_vector(seed, Domain::Noise, 100 + round, 2);
            let z: Vec<f64> = lowest.1.iter().zip(&d).map(|(z, d)| z + width * d).collect();
            let here = loss(&network, &x, &z);
            if here < lowest.0 {
                lowest = (here, z);
            } else {
                width *= 0.97;
            }
        }
        let observations = DMatrix::from_column_slice(x.len(), 1, &x);
        let answer = &best(&network, &observations)[0];
        assert!(answer.converged, "seed {seed}: {answer:?}");
        assert!(answer.loss <= lowest.0 * (1.0 + 1e-9), "seed {seed}: {answer:?} above {lowest:?}");
        let of_code = loss(&network, &x, &answer.code);
        assert!((of_code - answer.loss).abs() <= 1e-12 * of_code, "seed {seed}: {of_code} is not {answer:?}");
    });
}

/// At every noise, at most one of 100 observations may end above least squares started at the
/// truth; none did when this was written.
#[test]
fn the_limit_is_reached() {
    let networks = [("random", random_network(&[20, 100, 500], RELU, 1).unwrap(), 12), ("trained", trained(), 60)];
    for (name, network, count) in &networks {
        for noise in [Noise::Uniform(1e-4), Noise::Gaussian(1e-2), Noise::Uniform(0.1), Noise::Gaussian(0.1)] {
            let (codes, observations) = observed(network, *count, noise);
            let limits = limits(network, &observations, &codes);
            let answers = best(network, &observations);
            let missed: Vec<usize> = (0..*count)
                .filter(|&index| is_above(answers[index].loss, limits[index], column(&observations, index)))
                .collect();
            assert!(missed.len() * 100 <= *count, "{name}, {noise}: {missed:?} of {count} above the limit");
            assert!(answers.iter().filter(|answer| !answer.stationary).count() * 50 <= *count, "{name}, {noise}");
        }
    }
}

#[test]
fn the_limit_is_reached_with_half_of_the_entries() {
    let network = trained();
    let (codes, mut observations) = observed(&network, 60, Noise::Uniform(0.01));
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let shares = uniform_vector(72, Domain::Noise, index as u64, column.len());
        column.iter_mut().zip(shares).filter(|(_, share)| *share < 0.5).for_each(|(x, _)| *x = f64::NAN);
    }
    let limits = limits(&network, &observations, &codes);
    let answers = best(&network, &observations);
    let missed = (0..60).filter(|&i| is_above(answers[i].loss, limits[i], column(&observations, i))).count();
    assert!(missed == 0, "{missed} of 60 above the limit");
}

#[test]
fn no_other_method_is_lower() {
    let network = trained();
    for noise in [Noise::Uniform(0.01), Noise::Gaussian(0.1)] {
        let (_, observations) = observed(&network, 20, noise);
        let amplitude = match noise {
            Noise::Uniform(size) | Noise::Gaussian(size) => size,
            other => panic!("{other} is not tried here"),
        };
        let tolerances = Tolerances::default().epsilon(amplitude);
        let found: Vec<f64> = best(&network, &observations).iter().map(|answer| answer.loss).collect();
        let layerwise = |method| Method::Layerwise(LayerwiseOptions::default().method(method).tolerances(tolerances));
        let others = [
            layerwise(LayerwiseMethod::Linf),
            layerwise(LayerwiseMethod::L1),
            layerwise(LayerwiseMethod::Relaxed),
            Method::Descent(DescentOptions::default().restarts(10)),
        ];
        for method in others {
            let theirs = inverted(&network, &observations, method.clone());
            for (index, (ours, theirs)) in found.iter().zip(&theirs).enumerate() {
                // NaN where the other failed.
                assert!(
                    theirs.is_nan() || !is_above(*ours, *theirs, column(&observations, index)),
                    "{noise}, observation {index}: {ours:e} above {theirs:e} of {method:?}"
                );
            }
        }
    }
}

/// The condition at `z`: the Jacobian is the product of masked weights, by nalgebra. Returns the
/// ratio of its smallest to its largest singular value.
fn conditioning(network: &Network, z: &[f64]) -> f64 {
    let mut input = DVector::from_column_slice(z);
    let mut jacobian = DMatrix::identity(z.len(), z.len());
    for layer in network.layers() {
        let a = layer.weight() * &input + &layer.bias;
        jacobian = layer.weight() * jacobian;
        for (row, a) in a.iter().enumerate() {
            let slope = layer.activation.derivative(*a);
            jacobian.row_mut(row).iter_mut().for_each(|entry| *entry *= slope);
        }
        input = a.map(|a| layer.activation.apply(a));
    }
    let values = jacobian.singular_values();
    values.min() / values.max()
}

#[test]
fn realizable_observations_are_reproduced_and_it_is_said_whether_they_are_determined() {
    // The last number of each line: how many of 1,000 observations must be reproduced. The third
    // network hardly expands: about 13 rows are on for 12 unknowns, and many of its codes are
    // undetermined.
    let networks = [
        (random_network(&[20, 100, 500], RELU, 1).unwrap(), 200, 995),
        (trained(), 1000, 995),
        (random_network(&[12, 20, 26], RELU, 4).unwrap(), 300, 900),
        (random_network(&[8, 20, 60], LEAKY, 5).unwrap(), 100, 1000),
    ];
    for (place, (network, count, thousandths)) in networks.iter().enumerate() {
        let (codes, observations) = observed(network, *count, Noise::Uniform(0.0));
        let answers = best(network, &observations);
        let (mut reproduced, mut determined, mut open) = (0, 0, 0);
        for (index, answer) in answers.iter().enumerate() {
            let x = column(&observations, index);
            let size = x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            let made = generate(network, &answer.code);
            if made.iter().zip(x).all(|(g, x)| (g - x).abs() <= 1e-9 * size.max(1.0)) {
                reproduced += 1;
                assert!(answer.converged && answer.runs == answer.first_found, "it stops at once: {answer:?}");
            }
            let condition = conditioning(network, column(&codes, index));
            let error = relative_error(&answer.code, column(&codes, index));
            if error <= 1e-6 && answer.reproduced {
                // In the same region as the truth, so with the same rank; skipped if the rank is in
                // doubt.
                if condition > 1e-6 {
                    determined += 1;
                    assert!(answer.determined, "network {place}, {index}: condition {condition:e}, {answer:?}");
                } else if condition < 1e-12 {
                    open += 1;
                    assert!(!answer.determined, "network {place}, {index}: condition {condition:e}, {answer:?}");
                }
            } else if answer.reproduced && condition < 1e-12 && error < 0.1 {
                open += 1;
            }
        }
        assert!(reproduced * 1000 >= count * thousandths, "network {place}: {reproduced} of {count} reproduced");
        assert!(determined > 0 || open > 0, "network {place}: nothing judged");
    }
}

#[test]
fn what_is_not_determined_is_not_said_to_be() {
    // Only the sum of two of the three code entries reaches the outputs.
    let one =
        crate::support::layer(4, 3, &[1.0, 1.0, 0.0, 2.0, 2.0, 0.0, -1.0, -1.0, 3.0, 0.5, 0.5, 1.0], &[0.1; 4], LEAKY);
    let network = Network::new(vec![one], "a tiny network").unwrap();
    let x = generate(&network, &[0.4, 0.3, -0.2]);
    let answer = &best(&network, &DMatrix::from_column_slice(4, 1, &x))[0];
    assert!(answer.converged && answer.reproduced && !answer.determined, "{answer:?}");
}

#[test]
fn batch_threads_and_neighbours_do_not_matter() {
    let network = trained();
    let (_, mut observations) = observed(&network, 11, Noise::Gaussian(0.05));
    observations[(3, 4)] = f64::INFINITY;
    observations.column_mut(7).fill(f64::NAN);
    observations.column_mut(8).fill(0.0);
    let packed = PackedNetwork::new(network);
    let options = BestOptions::default().starts(60).seed(5);
    let together = best_batch(&packed, &observations, 100, &[], &options);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (index, answer) in together.iter().enumerate() {
        let one = observations.columns(index, 1).into_owned();
        let single = alone.install(|| best_batch(&packed, &one, 100 + index as u64, &[], &options));
        let bits = |answer: &BestAnswer| answer.code.iter().map(|z| z.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(answer), bits(&single[0]), "{index}");
        assert_eq!((answer.runs, answer.found, answer.start), (single[0].runs, single[0].found, single[0].start));
        assert_eq!(answer.code.iter().any(|z| z.is_nan()), index == 4 || index == 7, "{index}: {answer:?}");
    }
    // Another seed has other starts, but at this noise it ends at the same minimum.
    let other = best_batch(&packed, &observations, 100, &[], &BestOptions::default().starts(1000).seed(6));
    let longer = best_batch(&packed, &observations, 100, &[], &BestOptions::default().starts(1000).seed(5));
    for (a, b) in longer.iter().zip(&other).filter(|(a, _)| a.found > 0) {
        assert!((a.loss - b.loss).abs() <= 1e-9 * a.loss, "{a:?} and {b:?}");
    }
}

#[test]
fn the_bound_on_starts_is_kept_and_said() {
    let network = trained();
    let (codes, observations) = observed(&network, 5, Noise::Gaussian(0.1));
    let packed = PackedNetwork::new(network);
    let answers = best_batch(&packed, &observations, 0, &[], &BestOptions::default().starts(2).seed(0));
    assert!(answers.iter().all(|answer| answer.runs == 2 && !answer.converged && answer.loss.is_finite()));
    // A given code is tried first; an invalid one is skipped.
    let given = [(Start::Given, &codes)];
    let answers = best_batch(&packed, &observations, 0, &given, &BestOptions::default().starts(1).seed(0));
    assert!(answers.iter().all(|answer| answer.start == Start::Given && answer.first_found == 1));
    let missing = DMatrix::from_element(20, 5, f64::NAN);
    let answers =
        best_batch(&packed, &observations, 0, &[(Start::Given, &missing)], &BestOptions::default().starts(1).seed(0));
    assert!(answers.iter().all(|answer| answer.start == Start::Random));
}

#[test]
fn through_the_inverter_with_its_report() {
    let network = trained_leaky();
    let (codes, mut observations) = observed(&network, 4, Noise::Uniform(0.0));
    observations[(0, 2)] = f64::NEG_INFINITY;
    observations[(100, 3)] = f64::NAN;
    let options = Options::default().method(Method::Best(BestMethod::default())).device(DeviceChoice::Cpu);
    let inverted = Inverter::new(network, options.clone()).unwrap().invert(&observations).unwrap();
    for (index, row) in inverted.rows.iter().enumerate() {
        if index == 2 {
            let why = Failure::InfiniteEntry { entry: 0, value: f64::NEG_INFINITY };
            assert_eq!(row.status, Status::Failed(why), "{row:?}");
            continue;
        }
        let search = row.search.as_ref().unwrap();
        // A network of invertible layers, without noise: least squares is exact.
        assert_eq!((search.start, search.runs, search.determined), ("least-squares", 1, true), "{row:?}");
        assert!(row.status == Status::Converged && row.reproduces);
        assert!(relative_error(column(&inverted.codes, index), column(&codes, index)) <= 1e-9);
    }
    let (codes, observations) = observed(&trained(), 3, Noise::Uniform(1e-3));
    let inverted = Inverter::new(trained(), options).unwrap().invert(&observations).unwrap();
    for (index, row) in inverted.rows.iter().enumerate() {
        assert_eq!(row.search.as_ref().unwrap().start, "linf", "{row:?}");
        assert!(relative_error(column(&inverted.codes, index), column(&codes, index)) <= 0.05);
    }
}

/// Squares prefer the code that fits the one gross error; the sum of errors prefers the code that
/// fits the other twenty entries. So candidates must not be rejected by their squares.
#[test]
fn l1_does_not_judge_by_squares() {
    let first = crate::support::layer(2, 1, &[1.0, -1.0], &[0.0; 2], RELU);
    let mut weights = [1.0, 0.0].repeat(20);
    weights.extend([0.0, 1.0]);
    let second = crate::support::layer(21, 2, &weights, &[0.0; 21], Activation::Identity);
    let network = Network::new(vec![first, second], "a tiny network").unwrap();
    let mut x = vec![1.0; 20];
    x.push(10.0);
    let observations = DMatrix::from_column_slice(21, 1, &x);
    for seed in 0..5 {
        let options = BestOptions::default().seed(seed).objective(Objective::L1);
        let answer = &best_batch(&PackedNetwork::new(network.clone()), &observations, 0, &[], &options)[0];
        assert!((answer.loss - 10.0).abs() <= 1e-9 && (answer.code[0] - 1.0).abs() <= 1e-9, "{answer:?}");
        assert!(answer.converged && answer.stationary, "{answer:?}");
    }
}

/// Few seen entries leave the code open. Then many runs end at the same largest error, the error at
/// an entry below the output's range, and that says little: the search continues, as it does for
/// squares.
#[test]
fn an_open_code_takes_more_runs_in_the_maximum_norm() {
    let network = network(&[20, 100, 500], RELU, RELU, 1);
    let (_, mut observations) = observed(&network, 6, Noise::Uniform(0.01));
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        column.iter_mut().enumerate().filter(|(i, _)| i % 33 != index).for_each(|(_, x)| *x = f64::NAN);
    }
    let options = BestOptions::default().objective(Objective::Linf);
    let answers = best_batch(&PackedNetwork::new(network), &observations, 0, &[], &options);
    let open: Vec<_> = answers.iter().filter(|answer| !answer.determined && !answer.reproduced).collect();
    assert!(open.len() >= 3 && open.iter().all(|answer| answer.runs >= 256), "{answers:?}");
}
