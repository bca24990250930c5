//! Other units of the outputs on the GPU: the last layer and the observations times a power of two.
//! The device divides them by their size, so that sums of squares stay within f32's range.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::{Activation, DenseLayer, DescentOptions, Network, Optimizer};

use crate::fixtures::{gpu, matrix, network};

with_both_modules!(units_of_the_outputs_change_no_code,);

fn scaled(network: &Network, units: f64) -> Arc<Network> {
    let mut layers: Vec<DenseLayer> = network.dense_layers();
    let last = layers.last_mut().unwrap();
    last.weight *= units;
    last.bias *= units;
    Arc::new(Network::dense(layers).unwrap())
}

fn bits(codes: &DMatrix<f64>) -> Vec<u64> {
    codes.iter().map(|z| z.to_bits()).collect()
}

fn units_of_the_outputs_change_no_code() {
    let device = gpu::context(None);
    drop(device);
    // With checks or without: all combinations would take too long.
    let outputs: &[Activation] = match gpu::has_checks() {
        true => &[Activation::LeakyRelu(0.3)],
        false => &[Activation::Relu, Activation::Identity],
    };
    for &output in outputs {
        let plain = network(87, &[4, 15, 45], Activation::Relu, output);
        let observations = CpuDevice::new(Arc::clone(&plain)).forward(0..2, &matrix(89, 4, 6)).unwrap();
        let (starts, which) = (matrix(88, 4, 6), [0, 1, 2, 3, 4, 5]);
        let run = |units: f64| {
            let (network, x) = (scaled(&plain, units), &observations * units);
            let gpu = gpu::device(&network);
            let descents = [Optimizer::Plain, Optimizer::Momentum, Optimizer::Adam].map(|optimizer| {
                let options = DescentOptions::default().optimizer(optimizer).iterations(200);
                let steps = options.steps(|| gpu.default_step(), 0.0);
                let in_f32 = gpu.descend_f32(&x, &starts, &steps).unwrap();
                let whole = gpu.descend((&x).into(), 0, &options, 0.0).unwrap();
                (bits(&in_f32.codes), bits(&whole.codes), whole.converged, whole.iterations)
            });
            let near = gpu.levenberg_marquardt(&x, &which, &starts, 0.0).unwrap().unwrap();
            let images = gpu.forward(0..2, &starts).unwrap() / units;
            (descents, bits(&near), bits(&images))
        };
        let expected = run(1.0);
        for power in [-40, 9, 40] {
            assert!(run(2f64.powi(power)) == expected, "{output}, times 2^{power}");
        }
    }
}
