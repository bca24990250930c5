//! The search in rounds: bit for bit the answers of the search one observation at a time, if the
//! device does not move any code.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use unrelu::internals::configuration::Configurations;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::descent::DescentAnswer;
use unrelu::internals::device::Device;
use unrelu::internals::multistart::starts::Start;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, best_batch, best_batch_on};
use unrelu::internals::observation::View;
use unrelu::internals::random::{Domain, Noise, normal_vector};
use unrelu::{Activation, BestOptions, DescentOptions, Error, Network, Objective, Result};

use crate::support::{generate, network, trained};

/// A CPU whose Levenberg–Marquardt applies `moves` for a given number of calls, and after that does
/// not support the operation.
struct Staged<F> {
    cpu: CpuDevice,
    calls: AtomicUsize,
    most: usize,
    moves: F,
}

impl<F: Fn(&[f64]) -> Vec<f64>> Staged<F> {
    fn new(network: &Network, most: usize, moves: F) -> Self {
        Staged { cpu: CpuDevice::new(network.clone().into()), calls: AtomicUsize::new(0), most, moves }
    }
}

impl<F: Fn(&[f64]) -> Vec<f64> + Send + Sync> Device for Staged<F> {
    fn description(&self) -> String {
        "a test's device".into()
    }

    fn forward(&self, layers: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.cpu.forward(layers, inputs)
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        self.cpu.classify(targets, thresholds)
    }

    fn descend(&self, x: View<'_>, first_index: u64, options: &DescentOptions, prior: f64) -> Result<DescentAnswer> {
        self.cpu.descend(x, first_index, options, prior)
    }

    fn levenberg_marquardt(
        &self,
        _: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        _: f64,
    ) -> Result<Option<DMatrix<f64>>> {
        assert_eq!(which.len(), starts.ncols());
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let moved = || starts.column_iter().flat_map(|start| (self.moves)(start.into_owned().as_slice()));
        Ok((call < self.most).then(|| DMatrix::from_iterator(starts.nrows(), starts.ncols(), moved())))
    }

    fn dispatches(&self) -> u64 {
        0
    }

    fn kernel_seconds(&self) -> Option<f64> {
        None
    }

    fn is_asynchronous(&self) -> bool {
        false
    }

    fn observations_at_once(&self, _: &DescentOptions) -> usize {
        1
    }

    fn warning(&self) -> Option<String> {
        None
    }
}

fn observed(network: &Network, count: usize, noise: Noise) -> DMatrix<f64> {
    let k = network.code_length();
    let mut observations = DMatrix::zeros(network.observation_length(), count);
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x = generate(network, &normal_vector(70, Domain::Code, index as u64, k));
        noise.apply(71, index as u64, &mut x);
        column.copy_from_slice(&x);
    }
    observations
}

/// Equality where `NaN` equals itself.
fn bits(answers: &[BestAnswer]) -> Vec<(Vec<u64>, u64, String)> {
    let of = |answer: &BestAnswer| {
        let rest = BestAnswer { code: Vec::new(), ..answer.clone() };
        (answer.code.iter().map(|z| z.to_bits()).collect(), answer.loss.to_bits(), format!("{rest:?}"))
    };
    answers.iter().map(of).collect()
}

#[test]
fn rounds_give_the_answers_of_one_observation_at_a_time() {
    let mut trained_observations = observed(&trained(), 9, Noise::Gaussian(0.1));
    trained_observations[(3, 4)] = f64::INFINITY;
    trained_observations.column_mut(7).fill(f64::NAN);
    trained_observations.rows_mut(100, 300).column_mut(2).fill(f64::NAN);
    let deep = network(&[6, 30, 40, 50], Activation::Relu, Activation::Sigmoid, 5);
    let deep_observations = observed(&deep, 7, Noise::Gaussian(0.03));
    let small = network(&[3, 12, 20], Activation::Relu, Activation::Relu, 6);
    let small_observations = observed(&small, 6, Noise::Gaussian(0.1));
    for (network, observations, objective) in [
        (trained(), trained_observations, Objective::L2),
        (deep, deep_observations, Objective::L2),
        (small.clone(), small_observations.clone(), Objective::L1),
        (small, small_observations, Objective::Linf),
    ] {
        let packed = PackedNetwork::new(network.clone());
        let options = BestOptions::default().starts(90).seed(3).objective(objective);
        let mut codes = DMatrix::from_element(network.code_length(), observations.ncols(), 0.3);
        codes[(0, 1)] = f64::NAN;
        let given = [(Start::Given, &codes), (Start::Linf, &codes)];
        let alone = best_batch(&packed, &observations, 40, &given, &options);
        assert!(alone.iter().any(|answer| answer.runs > 30), "too easy to prove anything");
        let near = |answer: &BestAnswer| matches!(answer.start, Start::Flip | Start::Near);
        assert!(objective != Objective::L2 || alone.iter().any(near), "no start depends on what came before");

        let cpu = CpuDevice::new(network.clone().into());
        let on_cpu = best_batch_on(&cpu, &packed, &observations, 40, &given, &options).unwrap();
        assert_eq!(bits(&on_cpu), bits(&alone), "on the CPU");
        // A device that always returns the starts, and one that is lost on the way.
        for most in [usize::MAX, 11] {
            let device = Staged::new(&network, most, <[f64]>::to_vec);
            let found = best_batch_on(&device, &packed, &observations, 40, &given, &options).unwrap();
            assert_eq!(bits(&found), bits(&alone), "{most} calls");
            let longest = alone.iter().map(|answer| answer.runs).max().unwrap();
            assert_eq!(device.calls.into_inner(), longest.min(most.saturating_add(1)));
        }
        // The comparison can fail.
        let mut wrong = alone.clone();
        wrong[0].code[0] = wrong[0].code[0].next_up();
        assert_ne!(bits(&wrong), bits(&alone));
    }
}

#[test]
fn whatever_a_device_returns_minima_are_exact() {
    let network = trained();
    let packed = PackedNetwork::new(network.clone());
    let observations = observed(&network, 8, Noise::Uniform(0.01));
    let options = BestOptions::default();
    let expected = best_batch(&packed, &observations, 0, &[], &options);
    // Every other entry has a small error: another start for the f64 part, and another path.
    let jolt = |start: &[f64]| start.iter().enumerate().map(|(i, z)| z * (1.0 + 0.02 * (i % 2) as f64)).collect();
    let device = Staged::new(&network, usize::MAX, jolt);
    let found = best_batch_on(&device, &packed, &observations, 0, &[], &options).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert!(found.converged && found.stationary);
        assert!((found.loss - expected.loss).abs() <= 1e-9 * expected.loss, "{found:?} and {expected:?}");
    }
    assert_ne!(bits(&found), bits(&expected), "the device was not asked");
    // Useless codes: each run fails, and none becomes an answer.
    let device = Staged::new(&network, usize::MAX, |start| vec![f64::NAN; start.len()]);
    let options = options.starts(3);
    let found = best_batch_on(&device, &packed, &observations, 0, &[], &options).unwrap();
    assert!(found.iter().all(|answer| answer.found == 0 && answer.runs == 3 && !answer.converged));
}

#[test]
fn the_devices_error_is_the_searchs() {
    struct Lost(CpuDevice);
    impl Device for Lost {
        fn description(&self) -> String {
            "lost".into()
        }
        fn forward(&self, _: Range<usize>, _: &DMatrix<f64>) -> Result<DMatrix<f64>> {
            Err(Error::DeviceLost("gone".into()))
        }
        fn classify(&self, _: &DMatrix<f64>, _: &[f64]) -> Result<Configurations> {
            Err(Error::DeviceLost("gone".into()))
        }
        fn descend(&self, _: View<'_>, _: u64, _: &DescentOptions, _: f64) -> Result<DescentAnswer> {
            Err(Error::DeviceLost("gone".into()))
        }
        fn levenberg_marquardt(
            &self,
            _: &DMatrix<f64>,
            _: &[usize],
            _: &DMatrix<f64>,
            _: f64,
        ) -> Result<Option<DMatrix<f64>>> {
            Err(Error::DeviceLost("gone".into()))
        }
        fn dispatches(&self) -> u64 {
            self.0.dispatches()
        }
        fn kernel_seconds(&self) -> Option<f64> {
            None
        }
        fn is_asynchronous(&self) -> bool {
            false
        }
        fn observations_at_once(&self, _: &DescentOptions) -> usize {
            1
        }

        fn warning(&self) -> Option<String> {
            None
        }
    }
    let network = trained();
    let packed = PackedNetwork::new(network.clone());
    let observations = observed(&network, 2, Noise::Uniform(0.01));
    let lost = Lost(CpuDevice::new(network.clone().into()));
    let found = best_batch_on(&lost, &packed, &observations, 0, &[], &BestOptions::default());
    assert!(matches!(found, Err(Error::DeviceLost(_))));
    // With the CPU as the fallback, the loss has no effect on the answers.
    let backed = unrelu::internals::device::fallback::FallbackDevice::new(lost, network.into());
    let found = best_batch_on(&backed, &packed, &observations, 0, &[], &BestOptions::default()).unwrap();
    assert_eq!(bits(&found), bits(&best_batch(&packed, &observations, 0, &[], &BestOptions::default())));
    assert!(backed.warning().is_some());
}
