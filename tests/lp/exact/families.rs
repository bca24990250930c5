//! Small layers whose right answers are computed exactly. Each is determined by its seed.

use nalgebra::DMatrix;
use unrelu::Activation;
use unrelu::internals::random::{Domain, normal_vector};

use crate::awkward;
use crate::support::{Instance, random_instance};

/// What is asked of a family.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// Nearly all answers are certified.
    Plain,
    /// Rows, columns or entries differ by 2^±26.
    Mixed,
    /// Optima may be arbitrarily far away; answers may be open, but not wrong.
    Far,
}

pub struct Family {
    pub name: &'static str,
    pub scale: Scale,
    pub instance: fn(u64) -> Instance,
}

pub const FAMILIES: [Family; 8] = [
    Family { name: "plain", scale: Scale::Plain, instance: plain },
    Family { name: "small integers", scale: Scale::Plain, instance: integers },
    Family { name: "without noise", scale: Scale::Plain, instance: without_noise },
    Family { name: "degenerate, any scale", scale: Scale::Mixed, instance: degenerate },
    Family { name: "rank 2 but for 2^-p", scale: Scale::Far, instance: nearly_dependent },
    Family { name: "two close columns", scale: Scale::Far, instance: close_columns },
    Family { name: "rows and columns of 2^±26", scale: Scale::Mixed, instance: mixed_units },
    Family { name: "entries of 2^±26", scale: Scale::Far, instance: mixed_entries },
];

fn activation(seed: u64) -> Activation {
    [Activation::Relu, Activation::LeakyRelu(0.25), Activation::Identity][(seed / 2 % 3) as usize]
}

/// A gaussian layer, and a target with uniform noise.
fn plain(seed: u64) -> Instance {
    let (units, columns) = (4 + (seed % 5) as usize, 1 + (seed / 5 % 3) as usize);
    random_instance(units, columns, activation(seed), seed.is_multiple_of(2), 0.1, 10 * seed)
}

/// Ties, equal and zero rows, rank deficiency.
fn integers(seed: u64) -> Instance {
    let mut instance = plain(seed);
    instance.weight.apply(|w| *w = w.round());
    instance.bias.apply(|b| *b = (8.0 * *b).round());
    instance.target.iter_mut().for_each(|t| *t = t.round());
    instance.name = format!("integers, seed {seed}");
    instance
}

fn without_noise(seed: u64) -> Instance {
    let (units, columns) = (5 + (seed % 4) as usize, 1 + (seed / 4 % 3) as usize);
    random_instance(units, columns, activation(seed), seed.is_multiple_of(2), 0.0, 10 * seed + 1)
}

fn degenerate(seed: u64) -> Instance {
    awkward::instance(seed, |choose| (3 + choose.below(6), 1 + choose.below(3)))
}

/// Numbers of few digits, so that sums of them are exact.
fn short(seed: u64, index: u64, rows: usize, columns: usize) -> DMatrix<f64> {
    let numbers = normal_vector(seed, Domain::Network, index, rows * columns);
    DMatrix::from_vec(rows, columns, numbers).map(|w| (w * 1024.0).round() / 1024.0)
}

/// Column 2 is column 1 plus `2^-p` times column 3: of rank 2, exactly.
fn nearly_dependent(seed: u64) -> Instance {
    let power = 5 + (seed % 26) as i32;
    let mut weight = short(seed, 0, 8, 3);
    let second = weight.column(0) + weight.column(2) * 2.0f64.powi(-power);
    weight.set_column(1, &second);
    with_weight(seed, weight, format!("rank 2 but for 2^-{power}, seed {seed}"))
}

/// Column 2 is column 1 plus `2^-p` times numbers of about 1: of full rank, as far as one can see.
fn close_columns(seed: u64) -> Instance {
    let power = 10 + (seed % 30) as i32;
    let mut weight = short(seed, 0, 5, 2);
    let second = weight.column(0) + short(seed, 1, 5, 1) * 2.0f64.powi(-power);
    weight.set_column(1, &second.column(0));
    with_weight(seed, weight, format!("columns 2^-{power} apart, seed {seed}"))
}

/// A target of the weights' own, with noise for two seeds of three.
fn with_weight(seed: u64, weight: DMatrix<f64>, name: String) -> Instance {
    let mut instance = random_instance(weight.nrows(), weight.ncols(), activation(seed), seed % 4 == 3, 0.0, seed);
    let code = normal_vector(seed, Domain::Code, 0, weight.ncols());
    let code = nalgebra::DVector::from_vec(code).map(|z| if instance.nonnegative { z.abs() } else { z });
    let noise = normal_vector(seed, Domain::Noise, 5, weight.nrows());
    let size = if seed.is_multiple_of(3) { 0.0 } else { 0.05 };
    let clean = (&weight * code + &instance.bias).map(|a| instance.activation.apply(a));
    instance.target = clean.iter().zip(noise).map(|(x, u)| x + size * u).collect();
    (instance.weight, instance.name) = (weight, name);
    instance
}

fn exponents(seed: u64, index: u64, count: usize) -> Vec<f64> {
    let numbers = normal_vector(seed, Domain::Operator, index, count);
    numbers.into_iter().map(|u| 2.0f64.powi((13.0 * u).clamp(-26.0, 26.0) as i32)).collect()
}

fn mixed_units(seed: u64) -> Instance {
    let plain = plain(seed);
    let rows = exponents(seed, 0, plain.weight.nrows());
    let columns = exponents(seed, 1, plain.weight.ncols());
    let weight = DMatrix::from_fn(rows.len(), columns.len(), |i, j| plain.weight[(i, j)] * rows[i] * columns[j]);
    with_weight(seed, weight, format!("rows and columns of mixed scale, seed {seed}"))
}

pub fn mixed_entries(seed: u64) -> Instance {
    let plain = plain(seed);
    let entries = exponents(seed, 0, plain.weight.len());
    let weight =
        plain.weight.clone().component_mul(&DMatrix::from_vec(plain.weight.nrows(), plain.weight.ncols(), entries));
    with_weight(seed, weight, format!("entries of mixed scale, seed {seed}"))
}
