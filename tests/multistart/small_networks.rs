//! `best` on small networks with biases, against every linear region of each.
//!
//! `UNRELU_SMALL_NETWORKS=2500` tries as many networks, and with `--nocapture` prints the counts.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, best_batch};
use unrelu::internals::random::{Domain, Noise, normal_vector, random_network};
use unrelu::{Activation, BestOptions, Network};

use crate::regions::{is_local_minimum, least_loss, regions};
use crate::support::{generate, layer};

const RELU: Activation = Activation::Relu;
const SIZES: [&[usize]; 8] =
    [&[1, 4, 3], &[2, 5], &[2, 4, 7], &[2, 3, 4, 6], &[3, 5, 4], &[3, 4, 3, 5], &[2, 6, 4], &[2, 3, 3]];
const BIASES: [f64; 4] = [0.1, 0.5, 2.0, 8.0];
const OUTPUTS: [Activation; 3] = [RELU, Activation::Identity, Activation::LeakyRelu(0.2)];

/// A network with biases of up to many times what its units receive, and an observation with noise
/// of up to its own size.
fn case(seed: u64) -> (f64, Network, Vec<f64>) {
    let choice = |divisor: u64, count: usize| (seed / divisor) as usize % count;
    let sizes = SIZES[choice(1, 8)];
    let hidden = [RELU, Activation::LeakyRelu(0.1)][choice(8, 2)];
    let bias = BIASES[choice(16, 4)];
    let mut layers = random_network(sizes, hidden, seed).unwrap().dense_layers();
    for (index, layer) in layers.iter_mut().enumerate() {
        layer.bias = DVector::from_vec(normal_vector(seed, Domain::Start, index as u64, layer.units())) * bias;
    }
    layers.last_mut().unwrap().activation = OUTPUTS[choice(64, 3)];
    let network = Network::new(layers, "a small network").unwrap();
    let length = [1.0, 4.0][choice(192, 2)];
    let code: Vec<f64> = normal_vector(seed, Domain::Code, 0, sizes[0]).iter().map(|z| length * z).collect();
    let mut x = generate(&network, &code);
    let size = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
    let noise = [0.02, 0.3, 1.0][choice(384, 3)] * if size > 0.0 { size } else { 1.0 };
    Noise::Gaussian(noise).apply(seed, 0, &mut x);
    (bias, network, x)
}

fn best(network: &Network, x: &[f64]) -> BestAnswer {
    let observations = DMatrix::from_column_slice(x.len(), 1, x);
    best_batch(&PackedNetwork::new(network.clone()), &observations, 0, &[], &BestOptions::default()).remove(0)
}

#[derive(Default, Debug)]
struct Count {
    networks: usize,
    missed: usize,
    missed_by_a_tenth: usize,
    not_converged: usize,
    converged_elsewhere: usize,
    runs: usize,
}

#[test]
fn the_least_loss_of_all_regions_is_reached() {
    let count: u64 = std::env::var("UNRELU_SMALL_NETWORKS").map_or(300, |count| count.parse().unwrap());
    let judge = |seed: u64| {
        let (bias, network, x) = case(seed);
        let regions = regions(&network, &x);
        let answer = best(&network, &x);
        let least = least_loss(&regions, &x, answer.loss);
        let rounding = 1e-9 * x.iter().map(|x| x * x).sum::<f64>();
        let missed = answer.loss > least * (1.0 + 1e-6) + rounding;
        let elsewhere = answer.converged && !is_local_minimum(&regions, &x, &answer.code, answer.loss);
        if missed || elsewhere {
            println!("seed {seed}: {:e} instead of {least:e}, {answer:?}", answer.loss);
        }
        (bias, least, rounding, missed, elsewhere, answer)
    };
    let judged: Vec<_> = (0..count).into_par_iter().map(judge).collect();
    let counted = |of: &dyn Fn(f64) -> bool| {
        judged.iter().filter(|(bias, ..)| of(*bias)).fold(Count::default(), |mut sum, judged| {
            let (_, least, rounding, missed, elsewhere, answer) = judged;
            sum.networks += 1;
            sum.missed += usize::from(*missed);
            sum.missed_by_a_tenth += usize::from(answer.loss > 1.1 * least + rounding);
            sum.not_converged += usize::from(!answer.converged);
            sum.converged_elsewhere += usize::from(*elsewhere);
            sum.runs += answer.runs;
            sum
        })
    };
    BIASES.iter().for_each(|bias| println!("biases {bias}: {:?}", counted(&|of| of == *bias)));
    let all = counted(&|_| true);
    println!("all: {all:?}");
    assert_eq!(all.converged_elsewhere, 0, "{all:?}");
    // 0.9 % of 2,500 networks when this was written, 2 % of the first 300.
    let most = if all.networks >= 2500 { all.networks / 100 } else { all.networks / 40 };
    assert!(all.missed <= most, "{all:?}");
}

/// Without biases the code 0 is on every kink. Many descents end there, whether or not the loss
/// falls in some direction.
#[test]
fn the_origin_is_an_answer_only_where_the_loss_does_not_fall() {
    let (mut proven, mut elsewhere) = (0, 0);
    for seed in 0..400 {
        let sizes: &[usize] = [&[2, 4, 5][..], &[3, 5, 6], &[2, 5], &[3, 4, 3, 4]][seed as usize % 4];
        let hidden = [RELU, Activation::LeakyRelu(0.2)][seed as usize / 4 % 2];
        let mut layers = random_network(sizes, hidden, seed).unwrap().dense_layers();
        layers.last_mut().unwrap().activation = OUTPUTS[seed as usize / 8 % 3];
        let network = Network::new(layers, "a small network").unwrap();
        let shift = [0.0, 1.0, 4.0][seed as usize / 24 % 3];
        let x: Vec<f64> = normal_vector(seed, Domain::Noise, 0, *sizes.last().unwrap());
        let x: Vec<f64> = x.iter().map(|x| x - shift).collect();
        let answer = best(&network, &x);
        if answer.converged {
            let regions = regions(&network, &x);
            assert!(is_local_minimum(&regions, &x, &answer.code, answer.loss), "seed {seed}: {answer:?}");
            assert!(answer.stationary || answer.reproduced, "seed {seed}: {answer:?}");
        }
        let in_origin = answer.code.iter().all(|z| z.abs() < 1e-9);
        proven += usize::from(answer.converged && in_origin);
        elsewhere += usize::from(answer.converged && !in_origin);
    }
    println!("{proven} proven in the origin, {elsewhere} converged elsewhere");
    assert!(proven >= 20 && elsewhere >= 200, "{proven} proven in the origin, {elsewhere} converged elsewhere");
}

/// A unit without weights is always on its kink, and two equal units reach it together. Neither is
/// a reason to doubt a minimum.
#[test]
fn units_that_are_zero_or_twice_there_do_not_hide_a_minimum() {
    let (mut converged, mut on_kinks) = (0, 0);
    for seed in 0..200 {
        let entries = normal_vector(seed, Domain::Network, 0, 8);
        let (w, b) = (&entries[..6], &entries[6..]);
        // Units 0 and 1 are equal, unit 4 has no weights.
        let rows = [w[0], w[1], w[0], w[1], w[2], w[3], w[4], w[5], 0.0, 0.0];
        let first = layer(5, 2, &rows, &[b[0], b[0], b[1], 0.3, 0.0], RELU);
        let second = layer(6, 5, &normal_vector(seed, Domain::Network, 1, 30), &[0.1; 6], Activation::Identity);
        let network = Network::new(vec![first, second], "a small network").unwrap();
        let x = normal_vector(seed, Domain::Noise, 0, 6);
        let answer = best(&network, &x);
        let a = w[0] * answer.code[0] + w[1] * answer.code[1] + b[0];
        on_kinks += usize::from(a.abs() < 1e-9);
        let regions = regions(&network, &x);
        let is_minimum = is_local_minimum(&regions, &x, &answer.code, answer.loss);
        assert!(is_minimum || !answer.converged, "seed {seed}: {answer:?}");
        converged += usize::from(answer.converged);
    }
    println!("{converged} of 200 converged, {on_kinks} with both equal units on their kink");
    assert!(converged >= 195 && on_kinks >= 5, "{converged} of 200 converged, {on_kinks} on the kink");
}
