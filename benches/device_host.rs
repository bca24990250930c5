//! Times the work of the host around a GPU: what a card of zero latency would still leave to it.
//! Medians and minima of alternating rounds, in milliseconds, on the threads that
//! `RAYON_NUM_THREADS` allows.
//!
//! ```text
//! cargo bench --bench device_host [-- ROUNDS]
//! ```
//!
//! A classification: on the CPU, and with a device that answers at once. Its answer is recorded, so
//! that only its inputs are made: the targets as f32, in memory that is kept. A real device costs
//! the transfer, a submission and a wait besides. The time of this machine's adapter is beside it,
//! with its kernels subtracted.
//!
//! The preparation of a descent: 8,192 observations of 784, all of which have an entry that f32
//! cannot descend to, so that nothing is submitted but the transfer. In f64 and in f32; one after
//! the other, where each waits for the transfer of the one before, and with a pause between, in
//! which the transfer ends, as it does while a card works. Beside it are copies of the same bytes.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use rayon::prelude::*;
use unrelu::internals::adapter::Selection;
use unrelu::internals::configuration::Configurations;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::descent::Steps;
use unrelu::internals::device::Device;
use unrelu::internals::gpu::GpuDevice;
use unrelu::internals::gpu::context::Context;
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{Activation, Network, Optimizer, Result};

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let rounds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(3);
    println!("{} threads, {rounds} rounds", rayon::current_num_threads());
    for widths in [[20, 100, 500], [20, 60, 784]] {
        let network = Arc::new(Network::random(&widths, Activation::Relu, 1)?);
        let cpu = CpuDevice::new(Arc::clone(&network));
        let gpu = Context::open(Selection::default(), None).and_then(|context| GpuDevice::new(context, network)).ok();
        for rows in [widths[2], widths[1]] {
            for count in [256, 8192] {
                classification(rounds, (rows, count), &cpu, gpu.as_ref())?;
            }
        }
    }
    preparation(rounds)
}

/// Where several threads copy, each copies this many numbers.
const SHARE: usize = 1 << 16;

/// A device that knows the answer.
struct Immediate {
    answer: Configurations,
    /// The memory of the transfer.
    narrowed: Mutex<Vec<f32>>,
}

impl Immediate {
    fn classify(&self, targets: &DMatrix<f64>) -> Configurations {
        let mut narrowed = self.narrowed.lock().unwrap_or_else(PoisonError::into_inner);
        narrow(targets.as_slice(), &mut narrowed);
        self.answer.clone()
    }
}

fn narrow(from: &[f64], to: &mut [f32]) {
    let narrow = |(to, from): (&mut [f32], &[f64])| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
    to.par_chunks_mut(SHARE).zip(from.par_chunks(SHARE)).for_each(narrow);
}

fn classification(
    rounds: usize,
    (rows, count): (usize, usize),
    cpu: &CpuDevice,
    gpu: Option<&GpuDevice>,
) -> Outcome<()> {
    let targets = DMatrix::from_vec(rows, count, normal_vector(2, Domain::Noise, 0, rows * count));
    let thresholds = vec![0.01; count];
    let answer = cpu.classify(&targets, &thresholds)?;
    let immediate = Immediate { answer, narrowed: Mutex::new(vec![0.0; rows * count]) };
    let repeats = (1 << 22) / (rows * count) + 1;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        times[0].push(timed(repeats, || cpu.classify(&targets, &thresholds))?);
        times[1].push(timed(repeats, || Ok(immediate.classify(&targets)))?);
        if let Some(gpu) = gpu {
            let before = gpu.kernel_seconds();
            let whole = timed(repeats, || gpu.classify(&targets, &thresholds))?;
            let kernels = gpu.kernel_seconds().zip(before).map_or(0.0, |(after, before)| after - before);
            times[2].push(whole - 1e3 * kernels / repeats as f64);
        }
    }
    println!("classify {rows} × {count}");
    show(["CPU", "device of zero latency", "this adapter without its kernels"], times);
    Ok(())
}

fn preparation(rounds: usize) -> Outcome<()> {
    let (n, count) = (784, 8192);
    let network = Arc::new(Network::random(&[20, 60, n], Activation::Relu, 1)?);
    let gpu = Context::open(Selection::default(), None).and_then(|context| GpuDevice::new(context, network))?;
    let mut observations = DMatrix::from_vec(n, count, normal_vector(3, Domain::Noise, 0, n * count));
    // Above f32's largest number.
    observations.row_mut(n - 1).fill(1e39);
    let codes = DMatrix::zeros(20, count);
    let steps = Steps { optimizer: Optimizer::Plain, size: 1e-3, cap: 1, prior: 0.0 };
    let mut kept = vec![0.0_f32; n * count];
    let mut single = observations.map(|x| x as f32);
    single.row_mut(n - 1).fill(f32::INFINITY);
    let mut times = [const { Vec::new() }; 7];
    for _ in 0..rounds {
        times[0].push(timed(3, || gpu.descend_f32(&observations, &codes, &steps))?);
        times[1].push(timed(3, || gpu.descend_f32(&single, &codes, &steps))?);
        times[2].push(paused(3, || gpu.descend_f32(&observations, &codes, &steps))?);
        times[3].push(paused(3, || gpu.descend_f32(&single, &codes, &steps))?);
        times[4].push(timed(3, || {
            narrow(observations.as_slice(), &mut kept);
            Ok(())
        })?);
        times[5].push(timed(3, || {
            let mut fresh = vec![0.0_f32; n * count];
            narrow(observations.as_slice(), &mut fresh);
            Ok(fresh)
        })?);
        times[6].push(timed(3, || {
            let single = single.as_slice().par_chunks(SHARE);
            kept.par_chunks_mut(SHARE).zip(single).for_each(|(to, from)| to.copy_from_slice(from));
            Ok(())
        })?);
    }
    println!("prepare {n} × {count}: {} MB in f64, {} in f32", n * count * 8 / 1_000_000, n * count * 4 / 1_000_000);
    let names = [
        "f64, one after the other",
        "f32, one after the other",
        "f64, after a pause",
        "f32, after a pause",
        "narrowed to kept memory",
        "narrowed to fresh memory",
        "f32 copied to kept memory",
    ];
    show(names, times);
    Ok(())
}

/// Mean milliseconds of a call.
fn timed<T>(repeats: usize, mut call: impl FnMut() -> Result<T>) -> Result<f64> {
    let before = Instant::now();
    for _ in 0..repeats {
        black_box(call()?);
    }
    Ok(1e3 * before.elapsed().as_secs_f64() / repeats as f64)
}

/// In which a transfer ends.
const PAUSE: Duration = Duration::from_millis(30);

/// [`timed`], with a pause before each call.
fn paused<T>(repeats: usize, mut call: impl FnMut() -> Result<T>) -> Result<f64> {
    let mut total = 0.0;
    for _ in 0..repeats {
        std::thread::sleep(PAUSE);
        total += timed(1, &mut call)?;
    }
    Ok(total / repeats as f64)
}

fn show<const N: usize>(names: [&str; N], times: [Vec<f64>; N]) {
    for (name, mut times) in names.iter().zip(times).filter(|(_, times)| !times.is_empty()) {
        times.sort_by(f64::total_cmp);
        println!("  {name:<34} median {:>8.3}  minimum {:>8.3}", times[times.len() / 2], times[0]);
    }
}
