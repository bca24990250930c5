//! Layers and targets that are degenerate on purpose: rank-deficient, integer, with duplicated and
//! zero rows and columns, ties, equal and zero targets, unobserved entries, scales from 1e-6 to
//! 1e6. Each is determined by its seed.

use nalgebra::{DMatrix, DVector};
use unrelu::Activation;
use unrelu::internals::random::{Domain, normal_vector, uniform_vector};

use crate::support::Instance;

/// A seeded stream of choices.
pub struct Choices {
    numbers: std::vec::IntoIter<f64>,
}

impl Choices {
    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        (self.numbers.next().unwrap_or(0.0) * count as f64) as usize
    }

    /// True with probability one in `count`.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// A layer of the chosen size (units × columns) with properties that make linear programs
/// difficult.
pub fn instance(seed: u64, shape: impl Fn(&mut Choices) -> (usize, usize)) -> Instance {
    let mut choose = Choices { numbers: uniform_vector(seed, Domain::Noise, 1, 200).into_iter() };
    let (units, columns) = shape(&mut choose);
    let mut weight = DMatrix::from_vec(units, columns, normal_vector(seed, Domain::Network, 0, units * columns));
    let mut bias = DVector::from_vec(normal_vector(seed, Domain::Network, 1, units)) * 0.3;
    if choose.one_in(3) {
        let rank = 1 + choose.below(columns);
        let left = weight.columns(0, rank).into_owned();
        let right = DMatrix::from_vec(rank, columns, normal_vector(seed, Domain::Network, 2, rank * columns));
        weight = left * right;
    }
    let integers = choose.one_in(3);
    if integers {
        weight.iter_mut().for_each(|w| *w = w.round());
        bias.iter_mut().for_each(|b| *b = b.round());
    }
    if choose.one_in(3) {
        bias.fill(0.0);
    }
    if choose.one_in(4) {
        for _ in 0..1 + units / 4 {
            let (from, to) = (choose.below(units), choose.below(units));
            let row = weight.row(from).into_owned();
            weight.set_row(to, &row);
        }
    }
    if choose.one_in(5) {
        weight.row_mut(choose.below(units)).fill(0.0);
    }
    if choose.one_in(5) {
        weight.column_mut(choose.below(columns)).fill(0.0);
    }
    let nonnegative = choose.one_in(2);
    let activation = match choose.below(5) {
        0 => Activation::LeakyRelu(0.1),
        1 => Activation::LeakyRelu(0.5),
        2 => Activation::Identity,
        _ => Activation::Relu,
    };
    let z = DVector::from_vec(normal_vector(seed, Domain::Code, 0, columns));
    let z = if nonnegative { z.map(|z| z.max(0.0)) } else { z };
    let noise = [0.0, 1e-3, 0.1, 1.0][choose.below(4)];
    let clean = (&weight * z + &bias).map(|a| activation.apply(a));
    let shaken = normal_vector(seed, Domain::Noise, 2, units);
    let mut target: Vec<f64> = clean.iter().zip(shaken).map(|(x, u)| x + noise * u).collect();
    if integers && choose.one_in(2) {
        target.iter_mut().for_each(|t| *t = t.round());
    }
    match choose.below(12) {
        0 => target.fill(0.25),
        1 => target.fill(0.0),
        2 => target.iter_mut().for_each(|t| *t = -t.abs()),
        3 => target.iter_mut().step_by(3).for_each(|t| *t = f64::NAN),
        _ => {}
    }
    let scale = [1.0, 1.0, 1.0, 1e-6, 1e6][choose.below(5)];
    target.iter_mut().for_each(|t| *t *= scale);
    bias *= scale;
    let epsilon = scale * [1e-6, 1e-2, 0.25, 1.0][choose.below(4)];
    let name = format!("seed {seed}: {units}×{columns}, {activation}, z ≥ 0: {nonnegative}");
    Instance { name, weight, bias, nonnegative, activation, target, epsilon }
}
