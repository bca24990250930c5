//! The Jacobian of a linear region against central differences of the network, computed with other
//! products.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::multistart::PackedNetwork;
use unrelu::internals::multistart::linearisation::Linearisation;
use unrelu::internals::multistart::point::Point;
use unrelu::internals::multistart::region::Region;
use unrelu::{Activation, Network};

use crate::support::{code, generate, loss, network};

fn networks() -> Vec<Network> {
    let mut networks = Vec::new();
    for (seed, output) in
        [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Identity, Activation::Sigmoid, Activation::Tanh]
            .into_iter()
            .enumerate()
    {
        let seed = seed as u64;
        networks.push(network(&[4, 9], Activation::Relu, output, seed));
        networks.push(network(&[3, 8, 20], Activation::Relu, output, seed));
        networks.push(network(&[5, 11, 17, 30], Activation::LeakyRelu(0.1), output, seed));
    }
    networks
}

/// `J` and `r` on the nonzero rows.
type Rows = (DMatrix<f64>, DVector<f64>);

/// The loss at `z`, and the rows; `None` if there are none.
fn linearised(network: &Network, x: &[f64], z: &[f64]) -> (f64, Option<Rows>) {
    let packed = PackedNetwork::new(network.clone());
    let mut point = Point::new(&packed);
    point.code.copy_from_slice(z);
    point.run(&packed, x);
    let mut region = Region::new(&packed);
    region.take(&packed, &point);
    let mut linear = Linearisation::new(&packed);
    let formed = linear.form(&packed, &point, &region, x).then(|| {
        let rows: Vec<(&[f64], f64)> = linear.rows().collect();
        let jacobian = DMatrix::from_fn(rows.len(), z.len(), |i, j| rows[i].0[j]);
        let residual = DVector::from_fn(rows.len(), |i, _| rows[i].1);
        // The normal equations are those of the rows.
        let gradient = jacobian.tr_mul(&residual);
        for i in 0..z.len() {
            assert!((gradient[i] - linear.gradient(i)).abs() <= 1e-13 * (1.0 + gradient.amax()));
        }
        let p: Vec<f64> = (0..z.len()).map(|i| (i as f64 + 0.5).sin()).collect();
        let curvature = (&jacobian * DVector::from_column_slice(&p)).norm_squared();
        assert!((linear.curvature(&p) - curvature).abs() <= 1e-12 * curvature);
        (jacobian, residual)
    });
    (point.loss, formed)
}

#[test]
fn it_is_the_derivative_of_the_network() {
    for (index, network) in networks().iter().enumerate() {
        let z = code(network, 40 + index as u64);
        let mut x = vec![0.25; network.observation_length()];
        x[1] = f64::NAN;
        let (found, linear) = linearised(network, &x, &z);
        assert!((found - loss(network, &x, &z)).abs() <= 1e-14 * found);
        let (jacobian, residual) = linear.expect("some row is active");

        // J's rows are a selection of the output's, in order; the gradient Jᵀr sees them all.
        let gradient = jacobian.tr_mul(&residual);
        let squares: Vec<f64> = jacobian.column_iter().map(|column| column.norm_squared()).collect();
        for (entry, (slope, square)) in gradient.iter().zip(&squares).enumerate() {
            let h = 1e-6;
            let shifted = |by: f64| {
                let mut shifted = z.clone();
                shifted[entry] += by;
                shifted
            };
            let difference = (loss(network, &x, &shifted(h)) - loss(network, &x, &shifted(-h))) / (2.0 * h);
            assert!((difference - slope).abs() <= 1e-7, "network {index}, entry {entry}: {slope} and {difference}");
            let (above, below) = (generate(network, &shifted(h)), generate(network, &shifted(-h)));
            let observed = above.iter().zip(&below).zip(&x).filter(|(_, x)| !x.is_nan());
            let column: f64 = observed.map(|((a, b), _)| ((a - b) / (2.0 * h)).powi(2)).sum();
            assert!((column - square).abs() <= 1e-7, "network {index}, column {entry}: {square} and {column}");
        }
    }
}

#[test]
fn rows_that_are_off_or_unobserved_are_left_out() {
    let network = network(&[4, 10, 25], Activation::Relu, Activation::Relu, 3);
    let z = code(&network, 4);
    let made = generate(&network, &z);
    let active = made.iter().filter(|g| **g > 0.0).count();
    let mut x = vec![0.0; 25];
    let rows = |x: &[f64]| linearised(&network, x, &z).1.map(|(jacobian, _)| jacobian.nrows());
    assert_eq!(rows(&x), Some(active));
    let hidden = made.iter().position(|g| *g > 0.0).unwrap();
    x[hidden] = f64::NAN;
    assert_eq!(rows(&x), Some(active - 1));
    x.fill(f64::NAN);
    assert_eq!(linearised(&network, &x, &z).0, 0.0);
    assert_eq!(rows(&x), None);
}

/// What a linearisation says, as bits.
fn bits(linear: &Linearisation, k: usize) -> Vec<u64> {
    let rows = linear.rows().flat_map(|(row, residual)| row.iter().copied().chain([residual]).collect::<Vec<f64>>());
    let gradient = (0..k).map(|i| linear.gradient(i));
    let unit = |i: usize, j: usize| (0..k).map(|l| f64::from(u8::from(l == i || l == j))).collect::<Vec<f64>>();
    let pairs = (0..k).flat_map(|i| (i..k).map(move |j| (i, j)));
    let curvatures = pairs.map(|(i, j)| linear.curvature(&unit(i, j)));
    rows.chain(gradient).chain(curvatures).chain([linear.scale()]).map(f64::to_bits).collect()
}

/// What is kept from one linearisation to the next is what a new one computes.
#[test]
fn a_linearisation_is_that_of_its_code_whatever_it_was_before() {
    let (mut as_before, mut new) = (0, 0);
    for (index, network) in networks().into_iter().enumerate() {
        let (k, n) = (network.code_length(), network.observation_length());
        let prior = if index % 2 == 0 { 0.0 } else { 0.3 };
        let packed = PackedNetwork::new(network.clone()).with_prior(prior);
        let mut used = Linearisation::new(&packed);
        let mut point = Point::new(&packed);
        let mut region = Region::new(&packed);
        let mut former = None;
        for turn in 0..60 {
            // Mostly short moves, so that no unit switches, or a few.
            let far = code(&network, 1000 + turn / 12);
            let near = code(&network, turn);
            let length = if turn % 3 == 0 { 0.0 } else { 0.02 };
            let z = far.iter().zip(&near).map(|(far, near)| far + length * near);
            point.code.iter_mut().zip(z).for_each(|(entry, z)| *entry = z);
            let mut x = vec![0.25; n];
            x[0] += turn as f64;
            if turn % 5 < 2 {
                x[(turn / 5) as usize % n] = f64::NAN;
            }
            point.run(&packed, &x);
            region.take(&packed, &point);
            match turn % 10 {
                4 => region.set(0, 1, turn % 20 == 4),
                // No unit of the first layer is on.
                7 => (0..packed.layers()[0].units).for_each(|unit| region.set(0, unit, false)),
                _ => {}
            }
            let mut fresh = Linearisation::new(&packed);
            let weighted = |error: f64| (0.5 + error * error, 2.0 * error);
            let of_both = [&mut used, &mut fresh].map(|linear| match turn % 4 {
                1 => linear.form_weighted(&packed, &point, &region, &x, weighted),
                _ => linear.form(&packed, &point, &region, &x),
            });
            assert_eq!(of_both[0], of_both[1], "network {index}, turn {turn}");
            assert_eq!(bits(&used, k), bits(&fresh, k), "network {index}, turn {turn}");
            let here = (region.clone(), x.iter().map(|x| x.is_nan()).collect::<Vec<bool>>());
            *(if former.as_ref() == Some(&here) { &mut as_before } else { &mut new }) += 1;
            former = Some(here);
        }
    }
    assert!(as_before > 100 && new > 100, "{as_before} regions as before, {new} new ones");
}
