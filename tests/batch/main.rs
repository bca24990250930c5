//! The pipeline as a library call: batches of any size, streams, cancellation, a lost device.

mod callers;
mod card;
mod groups;
mod overlap;
mod pipeline;
mod single;

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::random::{Domain, Noise, normal_vector, random_network};
use unrelu::{
    Activation, CancelToken, DescentOptions, DeviceChoice, Error, Failure, InvertedBatch, Inverter, LayerwiseMethod,
    LayerwiseOptions, Method, Network, Objective, Options, Status,
};

fn network() -> Arc<Network> {
    Arc::new(random_network(&[2, 5, 9], Activation::Relu, 5).unwrap())
}

fn noisy_observations(network: &Network, count: usize) -> DMatrix<f64> {
    let k = network.code_length();
    let codes: Vec<f64> = (0..count as u64).flat_map(|index| normal_vector(6, Domain::Code, index, k)).collect();
    let mut observations = forward(network, 0..network.depth(), &DMatrix::from_vec(k, count, codes));
    let n = network.observation_length();
    for (index, observation) in observations.as_mut_slice().chunks_mut(n).enumerate() {
        Noise::Uniform(0.05).apply(7, index as u64, observation);
    }
    observations
}

fn on_cpu(method: Method) -> Options {
    Options::default().method(method).device(DeviceChoice::Cpu)
}

fn layerwise(method: LayerwiseMethod) -> Options {
    on_cpu(Method::Layerwise(LayerwiseOptions::default().method(method)))
}

fn in_batches(inverter: &Inverter, observations: &DMatrix<f64>, batch: usize) -> Vec<InvertedBatch> {
    let count = observations.ncols();
    let source =
        (0..count).step_by(batch).map(|from| Ok(observations.columns(from, batch.min(count - from)).into_owned()));
    inverter.stream(source).collect::<Result<_, _>>().unwrap()
}

/// The codes of all batches bit for bit, and every row of the report as text, so that a `NaN`
/// equals itself.
fn joined(batches: &[InvertedBatch]) -> (Vec<u64>, Vec<String>) {
    let codes = batches.iter().flat_map(|batch| batch.codes.iter().map(|z| z.to_bits())).collect();
    (codes, batches.iter().flat_map(|batch| batch.rows.iter().map(|row| format!("{row:?}"))).collect())
}

#[test]
fn the_same_codes_for_every_batch_size() {
    let network = network();
    let methods = [
        layerwise(LayerwiseMethod::Linf),
        layerwise(LayerwiseMethod::L1),
        layerwise(LayerwiseMethod::Relaxed),
        layerwise(LayerwiseMethod::Exact),
        on_cpu(Method::Descent(DescentOptions::default().iterations(50).restarts(1))),
    ];
    for options in methods {
        let inverter = Inverter::new(Arc::clone(&network), options.refine(Objective::L2)).unwrap();
        for count in [1, 7, 1000, 1001] {
            let observations = noisy_observations(&network, count);
            let expected = joined(&in_batches(&inverter, &observations, 1000));
            assert_eq!(expected.0.len(), 2 * count);
            assert!(expected.1.iter().enumerate().all(|(index, row)| row.contains(&format!("index: {index}, "))));
            for batch in [1, 64] {
                assert_eq!(
                    joined(&in_batches(&inverter, &observations, batch)),
                    expected,
                    "{count} in batches of {batch}"
                );
            }
        }
    }
}

#[test]
fn the_same_codes_for_every_number_of_threads() {
    let network = network();
    let observations = noisy_observations(&network, 50);
    let with = |threads| {
        let options = layerwise(LayerwiseMethod::L1).threads(Some(threads));
        let batch = Inverter::new(Arc::clone(&network), options).unwrap().invert(&observations).unwrap();
        joined(&[batch])
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_bad_observation_in_the_middle_changes_no_other() {
    let network = network();
    for options in [layerwise(LayerwiseMethod::Linf), on_cpu(Method::Descent(DescentOptions::default()))] {
        let inverter = Inverter::new(Arc::clone(&network), options.refine(Objective::L2)).unwrap();
        let clean = noisy_observations(&network, 9);
        let expected = inverter.invert(&clean).unwrap();
        let mut spoilt = clean.clone();
        spoilt[(2, 4)] = f64::INFINITY;
        spoilt.column_mut(6).fill(f64::NAN);
        let answer = inverter.invert(&spoilt).unwrap();
        for index in 0..9 {
            if index == 4 || index == 6 {
                let why = match index {
                    4 => Failure::InfiniteEntry { entry: 2, value: f64::INFINITY },
                    _ => Failure::NothingObserved,
                };
                assert_eq!(answer.rows[index].status, Status::Failed(why));
                assert!(answer.codes.column(index).iter().all(|z| z.is_nan()));
            } else {
                assert_eq!(answer.codes.column(index), expected.codes.column(index));
                assert_eq!(answer.rows[index], expected.rows[index]);
            }
        }
    }
}

#[test]
fn a_stream_reports_progress_and_can_be_cancelled() {
    let network = network();
    let inverter = Inverter::new(Arc::clone(&network), layerwise(LayerwiseMethod::Exact)).unwrap();
    let observations = noisy_observations(&network, 4);
    let mut told = Vec::new();
    let token = CancelToken::new();
    let source = std::iter::repeat_with(|| Ok(observations.clone()));
    let stream = inverter.stream(source).on_progress(|done| told.push(done)).cancelled_by(&token);
    let mut seen = 0;
    let mut ended = None;
    for batch in stream {
        match batch {
            Ok(batch) => {
                assert_eq!(batch.first_index, 4 * seen);
                seen += 1;
                if seen == 3 {
                    token.cancel();
                }
            }
            Err(error) => ended = Some(error),
        }
    }
    assert!(matches!(ended, Some(Error::Cancelled)));
    assert_eq!(told, [4, 8, 12]);
}

#[test]
fn a_wrong_width_is_refused_and_ends_a_stream() {
    let network = network();
    let inverter = Inverter::new(Arc::clone(&network), layerwise(LayerwiseMethod::Linf)).unwrap();
    let wrong = DMatrix::zeros(8, 1);
    assert!(matches!(inverter.invert(&wrong), Err(Error::Input(_))));
    let mut stream = inverter.stream([Ok(wrong.clone()), Ok(wrong)]);
    assert!(matches!(stream.next(), Some(Err(Error::Input(_)))));
    assert!(stream.next().is_none());
}

#[test]
fn no_observation_gives_no_code() {
    let network = network();
    let inverter = Inverter::new(Arc::clone(&network), layerwise(LayerwiseMethod::L1)).unwrap();
    let answer = inverter.invert(&DMatrix::zeros(9, 0)).unwrap();
    assert_eq!((answer.codes.shape(), answer.rows.len()), ((2, 0), 0));
}

#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_device_lost_in_the_middle_gives_the_same_codes() {
    use unrelu::internals::adapter::Selection;
    use unrelu::internals::device::fallback::FallbackDevice;
    use unrelu::internals::gpu::GpuDevice;
    use unrelu::internals::gpu::context::Context;

    let network = network();
    let observations = noisy_observations(&network, 20);
    let options = layerwise(LayerwiseMethod::L1);
    let expected = Inverter::new(Arc::clone(&network), options.clone()).unwrap().invert(&observations).unwrap();
    let context = Context::open(Selection::default(), None).unwrap();
    context.lose_after(3);
    let gpu = GpuDevice::new(context, Arc::clone(&network)).unwrap();
    let device = Box::new(FallbackDevice::new(gpu, Arc::clone(&network)));
    let inverter = Inverter::with_device(Arc::clone(&network), options, device, None).unwrap();
    let answer = inverter.invert(&observations).unwrap();
    assert_eq!(answer.codes, expected.codes);
    assert!(inverter.runtime().device().warning().is_some_and(|warning| warning.contains("CPU")));
}
