//! What a layer hands on where it leaves entries open: a point of its optimal face where that
//! explains the observation better, with nothing more called determined.

use std::path::Path;
use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::lp::{Inversion, LayerChain, LayerSystems};
use unrelu::internals::random::Noise;
use unrelu::{LayerwiseMethod, Network, NetworkOptions, Precision, Tolerances, load_network};

use crate::support::{HostDevice, codes, forward, method, relative_error, uniform};

/// The residual in the norm of the method, from the definition; infinite without a code.
fn residual(network: &Network, answer: &Inversion, x: &[f64], chosen: LayerwiseMethod) -> f64 {
    if answer.failure.is_some() {
        return f64::INFINITY;
    }
    let code = DMatrix::from_column_slice(answer.code.len(), 1, &answer.code);
    let made = forward(network, 0..network.depth(), &code);
    let errors = made.iter().zip(x).filter(|(_, x)| !x.is_nan()).map(|(g, x)| (g - x).abs());
    match chosen {
        LayerwiseMethod::Linf | LayerwiseMethod::Exact => errors.fold(0.0, f64::max),
        _ => errors.sum(),
    }
}

/// Outputs of the trained generator with this noise; half of the pixels are hidden.
struct Hidden {
    network: Arc<Network>,
    truth: DMatrix<f64>,
    observations: DMatrix<f64>,
    noise: f64,
}

impl Hidden {
    fn new(count: usize, noise: f64) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mnist_relu_20_60_784.safetensors");
        let network = Arc::new(load_network(&path, &NetworkOptions::default()).unwrap());
        let truth = codes(20, count, 3);
        let mut observations = forward(&network, 0..2, &truth);
        for (index, mut x) in observations.column_iter_mut().enumerate() {
            Noise::Uniform(noise).apply(11, index as u64, x.as_mut_slice());
        }
        for (x, u) in observations.iter_mut().zip(uniform(7, 784 * count)) {
            if u < 0.0 {
                *x = f64::NAN;
            }
        }
        Hidden { network, truth, observations, noise }
    }

    /// The answers with open entries as unobserved, and the answers kept.
    fn inverted(&self, chosen: LayerwiseMethod) -> [Vec<Inversion>; 2] {
        let epsilon = (self.noise > 0.0).then_some(self.noise);
        let options = method(chosen).tolerances(Tolerances::default().epsilon(epsilon));
        let systems = LayerSystems::new(&self.network, options.hidden_sign);
        let device = HostDevice::new(&self.network);
        let chain = LayerChain {
            network: &self.network,
            systems: &systems,
            device: &device,
            solver: &LpEngine,
            options: &options,
        };
        let one_way = chain.invert_in_one_way(&self.observations, Precision::F64).unwrap().0;
        [one_way, chain.invert(&self.observations, Precision::F64).unwrap().0]
    }

    fn error(&self, index: usize, answer: &Inversion) -> f64 {
        match answer.failure {
            Some(_) => f64::INFINITY,
            None => relative_error(&answer.code, self.truth.column(index).as_slice()),
        }
    }
}

/// What came of the observations, of which a third leave their last layer open.
#[derive(Debug, Default)]
struct Counts {
    open: usize,
    /// Open ones whose code is 0, with open entries as unobserved.
    zeros: usize,
    /// Open ones whose error is at most `right`, with open entries as unobserved.
    right_before: usize,
    /// The same of the answers that were kept.
    right: usize,
}

/// Checks each answer that was kept against the one with open entries as unobserved.
fn compare(hidden: &Hidden, chosen: LayerwiseMethod, right: f64) -> Counts {
    let [one_way, kept] = hidden.inverted(chosen);
    let mut counts = Counts::default();
    for (index, (before, kept)) in one_way.iter().zip(&kept).enumerate() {
        let what = format!("{chosen}, noise {}, observation {index}", hidden.noise);
        let x: Vec<f64> = hidden.observations.column(index).iter().copied().collect();
        let [at_first, at_last] = [before, kept].map(|answer| residual(&hidden.network, answer, &x, chosen));
        assert!(at_last <= at_first, "{what}: residual {at_last:e} instead of {at_first:e}");
        assert!(kept.is_certified() || !before.is_certified(), "{what}");
        assert_eq!(kept.is_determined(), before.is_determined(), "{what}");
        for layer in &kept.layers {
            assert_eq!(layer.determined, layer.undetermined_entries == 0, "{what}, layer {}", layer.layer);
            let of_first = before.layers.iter().find(|other| other.layer == layer.layer);
            let was_determined = of_first.is_some_and(|first| first.determined);
            assert!(!layer.determined || was_determined, "{what}, layer {}", layer.layer);
        }
        if before.layers[0].determined {
            assert_eq!(before, kept, "{what}: an answer without open entries");
            continue;
        }
        assert!(!kept.is_determined(), "{what}");
        counts.open += 1;
        counts.zeros += usize::from(before.code.iter().all(|z| *z == 0.0));
        counts.right_before += usize::from(hidden.error(index, before) <= right);
        counts.right += usize::from(hidden.error(index, kept) <= right);
        assert!(kept.code.iter().any(|z| *z != 0.0) || chosen == LayerwiseMethod::Exact, "{what}: the code is 0");
    }
    println!("{chosen}, noise {}: {counts:?}", hidden.noise);
    assert!(4 * counts.open >= kept.len(), "{counts:?}");
    counts
}

/// `UNRELU_HIDDEN_HALF` sets the number of observations.
fn count() -> usize {
    std::env::var("UNRELU_HIDDEN_HALF").map_or(60, |count| count.parse().unwrap())
}

#[test]
fn a_point_of_the_face_recovers_codes_and_is_never_called_determined() {
    let hidden = Hidden::new(count(), 0.0);
    for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Exact] {
        let Counts { open, right_before, right, .. } = compare(&hidden, chosen, 1e-3);
        assert!(right_before == 0 && 2 * right >= open, "{chosen}: {right} of {open}");
    }
    let Counts { open, right, .. } = compare(&hidden, LayerwiseMethod::Relaxed, 0.5);
    assert!(3 * right >= open, "{right} of {open}");
}

#[test]
fn with_noise_it_comes_closer() {
    let hidden = Hidden::new(count(), 0.01);
    for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1] {
        let Counts { open, right_before, right, .. } = compare(&hidden, chosen, 0.5);
        assert!(right_before * 5 <= open && 2 * right >= open, "{chosen}: {right} of {open}");
    }
}
