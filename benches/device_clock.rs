//! Times a device's forward passes and descents, without the start of a process or the reading of
//! files. Standard input has one call per line; `scripts/bench_torch.py` alternates these with
//! calls of PyTorch. `RAYON_NUM_THREADS` sets the number of threads.
//!
//! ```text
//! cargo bench --bench device_clock                a few calls on the bundled generator, on the CPU
//! cargo bench --bench device_clock -- cpu|gpu NETWORK CODES.npy OBSERVATIONS.npy STARTS.npy
//! forward BATCH REPEATS [OUT.npy]                 seconds per forward pass, the mean of REPEATS
//! forward-f32 BATCH REPEATS [OUT.npy]             the same with products in f32, on the CPU
//! descend BATCH ITERATIONS REPEATS [OUT.npy]      the same for descents in f32, then f64
//! descend-f64 BATCH ITERATIONS REPEATS [OUT.npy]  the same for descents in f64 only, on the CPU
//! ```
//!
//! `CODES` and `OBSERVATIONS` are inputs, as `unrelu generate` writes them. The codes from which
//! descents start are written to `STARTS`. Answers are written to `OUT`, outside the measured time.
//! Calls read and return matrices in memory, so times on a GPU include the transfers.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::cpu::blocked::descend::runs;
use unrelu::internals::descent::{Start, start_code};
use unrelu::internals::device::{Device, Request, open};
use unrelu::internals::formats::npy::{NpyReader, NpyWriter};
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{DescentOptions, DeviceChoice, ElementType, Network, NetworkOptions, load_network};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.as_slice() {
        [] => show(),
        [choice, network, codes, observations, starts] => {
            let network = Arc::new(load_network(Path::new(network), &NetworkOptions::default())?);
            let clock = Clock::new(network, choice.parse()?, read(codes)?, read(observations)?)?;
            serve(&clock, starts)
        }
        _ => Err("expected cpu|gpu NETWORK CODES.npy OBSERVATIONS.npy STARTS.npy".into()),
    }
}

/// Makes a few calls on the bundled generator.
fn show() -> Outcome<()> {
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist_relu_20_60_784.safetensors");
    let network = Arc::new(load_network(Path::new(bundled), &NetworkOptions::default())?);
    let length = network.code_length();
    let codes = DMatrix::from_vec(length, 64, normal_vector(1, Domain::Code, 0, 64 * length));
    let observations = CpuDevice::new(Arc::clone(&network)).forward(0..network.depth(), &codes)?;
    let clock = Clock::new(network, DeviceChoice::Cpu, codes, observations)?;
    for call in ["forward 1 20", "forward 64 20", "forward-f32 64 20", "descend 64 10 3", "descend-f64 64 10 3"] {
        let words: Vec<&str> = call.split_whitespace().collect();
        println!("{call:<20} {:.2e} s", clock.call(&words)?.0);
    }
    Ok(())
}

/// Answers the calls on standard input until it ends.
fn serve(clock: &Clock, starts: &str) -> Outcome<()> {
    let (length, count) = (clock.network.code_length(), clock.observations.ncols());
    let columns: Vec<f64> = (0..count).flat_map(|index| clock.start(index)).collect();
    write(starts, &DMatrix::from_vec(length, count, columns))?;
    // The data that another program needs to do the same: the step size, and the device.
    println!("{:e} {}", clock.cpu.default_step(), clock.device.description());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (seconds, answer, out) = clock.call(&words)?;
        if let [out] = out {
            write(out, &answer)?;
        }
        println!("{seconds:e}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// A device and its inputs.
struct Clock {
    network: Arc<Network>,
    device: Box<dyn Device>,
    cpu: CpuDevice,
    codes: DMatrix<f64>,
    observations: DMatrix<f64>,
}

impl Clock {
    fn new(
        network: Arc<Network>,
        choice: DeviceChoice,
        codes: DMatrix<f64>,
        observations: DMatrix<f64>,
    ) -> Outcome<Self> {
        network.check_codes(&codes)?;
        network.check_observations(&observations)?;
        let device = open(&network, &Request { choice, ..Request::default() })?.device;
        let cpu = CpuDevice::new(Arc::clone(&network));
        Ok(Clock { network, device, cpu, codes, observations })
    }

    fn start(&self, index: usize) -> Vec<f64> {
        start_code(0, index as u64, 0, self.network.code_length())
    }

    /// Makes one call; returns its seconds, its result, and the output file.
    fn call<'a, 'b>(&self, words: &'a [&'b str]) -> Outcome<(f64, DMatrix<f64>, &'a [&'b str])> {
        let (seconds, answer, out) = match words {
            ["forward", batch, repeats, out @ ..] => {
                let inputs = first(&self.codes, batch)?;
                let (seconds, outputs) = timed(repeats, || self.device.forward(0..self.network.depth(), &inputs))?;
                (seconds, outputs, out)
            }
            ["forward-f32", batch, repeats, out @ ..] => {
                let inputs = first(&self.codes, batch)?.map(|entry| entry as f32);
                let (seconds, outputs) = timed(repeats, || self.cpu.forward_f32(&inputs))?;
                (seconds, outputs.map(f64::from), out)
            }
            ["descend", batch, iterations, repeats, out @ ..] => {
                let targets = first(&self.observations, batch)?;
                let options = DescentOptions::default().iterations(iterations.parse()?);
                let (seconds, answer) = timed(repeats, || self.device.descend((&targets).into(), 0, &options, 0.0))?;
                (seconds, answer.codes, out)
            }
            ["descend-f64", batch, iterations, repeats, out @ ..] => {
                let targets = first(&self.observations, batch)?;
                let options = DescentOptions::default().iterations(iterations.parse()?);
                let steps = options.steps(|| self.cpu.default_step(), 0.0);
                let (seconds, codes) = timed(repeats, || {
                    let begun = |index| Start::fresh(index, self.start(index), options.optimizer);
                    let starts: Vec<Start> = (0..targets.ncols()).map(begun).collect();
                    let ended = runs(self.cpu.double(), &targets, &starts, &steps);
                    let codes: Vec<f64> = ended.into_iter().flat_map(|run| run.code).collect();
                    Ok(DMatrix::from_vec(self.network.code_length(), targets.ncols(), codes))
                })?;
                (seconds, codes, out)
            }
            _ => return Err(format!("not understood: {}", words.join(" ")).into()),
        };
        // After a loss, the CPU replaces the GPU, so the times would not be the GPU's.
        match self.device.warning() {
            Some(warning) => Err(warning.into()),
            None => Ok((seconds, answer, out)),
        }
    }
}

/// Mean seconds of `repeats` calls, and the result of the last one.
fn timed<T>(repeats: &str, mut work: impl FnMut() -> unrelu::Result<T>) -> Outcome<(f64, T)> {
    let repeats: u32 = repeats.parse()?;
    let before = Instant::now();
    for _ in 1..repeats {
        black_box(work()?);
    }
    let answer = work()?;
    Ok((before.elapsed().as_secs_f64() / f64::from(repeats.max(1)), answer))
}

/// The first `batch` columns.
fn first(matrix: &DMatrix<f64>, batch: &str) -> Outcome<DMatrix<f64>> {
    let batch: usize = batch.parse()?;
    if batch > matrix.ncols() {
        return Err(format!("a batch of {batch}, but {} rows in the files", matrix.ncols()).into());
    }
    Ok(matrix.columns(0, batch).into_owned())
}

fn read(path: &str) -> Outcome<DMatrix<f64>> {
    let mut reader = NpyReader::open(Path::new(path))?;
    let count = reader.count();
    reader.read_batch(count)?.ok_or_else(|| format!("{path} is empty").into())
}

fn write(path: &str, columns: &DMatrix<f64>) -> Outcome<()> {
    let mut writer = NpyWriter::create(Path::new(path), columns.nrows(), ElementType::F64, true)?;
    writer.write(columns)?;
    Ok(writer.finish()?)
}
