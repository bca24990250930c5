//! Times a device's forward passes and descents, without the start of a process or the reading of files, one call a
//! line of standard input; `scripts/bench_torch.py` asks it in turn with PyTorch. `RAYON_NUM_THREADS` sets the threads.
//!
//! ```text
//! cargo run --release --example device_clock -- cpu|gpu NETWORK CODES.npy OBSERVATIONS.npy STARTS.npy
//! forward BATCH REPEATS [OUT.npy]                   seconds of a forward pass, the mean of REPEATS
//! descend BATCH ITERATIONS REPEATS [OUT.npy]        of a descent as the device runs it, f32 and then f64
//! descend-f64 BATCH ITERATIONS REPEATS [OUT.npy]    of one on the CPU in f64 from the beginning
//! ```
//!
//! `CODES` and `OBSERVATIONS` are given, as `unrelu generate` writes them; into `STARTS` it writes the codes that descents start
//! from. Answers go to `OUT`, off the clock. Calls take and give matrices in memory; on a GPU that is with the transfers.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use unrelu::cpu::CpuDevice;
use unrelu::cpu::blocked::descend::runs;
use unrelu::descent::{DescentOptions, Start, start_code};
use unrelu::device::{DeviceChoice, open};
use unrelu::formats::network_file::{NetworkOptions, load_network};
use unrelu::formats::npy::{ElementType, NpyReader, NpyWriter};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [choice, network, codes, observations, starts] = arguments.as_slice() else {
        return Err("expected cpu|gpu NETWORK CODES.npy OBSERVATIONS.npy STARTS.npy".into());
    };
    let network = Arc::new(load_network(Path::new(network), &NetworkOptions::default())?);
    let (codes, observations) = (read(codes)?, read(observations)?);
    network.check_codes(&codes)?;
    network.check_observations(&observations)?;
    let device = open(&network, choice.parse::<DeviceChoice>()?, None)?.device;
    let cpu = CpuDevice::new(Arc::clone(&network));

    let start = |index: usize| start_code(0, index as u64, 0, network.code_length());
    let columns: Vec<f64> = (0..observations.ncols()).flat_map(start).collect();
    write(starts, &DMatrix::from_vec(network.code_length(), observations.ncols(), columns))?;
    // What another needs to do the same, the step, and who this is.
    println!("{:e} {}", cpu.default_step(), device.description());

    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (seconds, answer, out) = match words.as_slice() {
            ["forward", batch, repeats, out @ ..] => {
                let inputs = first(&codes, batch)?;
                let (seconds, outputs) = timed(repeats, || device.forward(0..network.depth(), &inputs))?;
                (seconds, outputs, out)
            }
            ["descend", batch, iterations, repeats, out @ ..] => {
                let targets = first(&observations, batch)?;
                let options = DescentOptions { iterations: iterations.parse()?, ..DescentOptions::default() };
                let (seconds, answer) = timed(repeats, || device.descend(&targets, 0, &options))?;
                (seconds, answer.codes, out)
            }
            ["descend-f64", batch, iterations, repeats, out @ ..] => {
                let targets = first(&observations, batch)?;
                let options = DescentOptions { iterations: iterations.parse()?, ..DescentOptions::default() };
                let steps = options.steps(|| cpu.default_step());
                let (seconds, codes) = timed(repeats, || {
                    let begun = |index| Start::fresh(index, start(index), options.optimizer);
                    let starts: Vec<Start> = (0..targets.ncols()).map(begun).collect();
                    let ended = runs(cpu.double(), &targets, &starts, &steps);
                    let codes: Vec<f64> = ended.into_iter().flat_map(|run| run.code).collect();
                    Ok(DMatrix::from_vec(network.code_length(), targets.ncols(), codes))
                })?;
                (seconds, codes, out)
            }
            _ => return Err(format!("not understood: {line}").into()),
        };
        if let [out] = out {
            write(out, &answer)?;
        }
        println!("{seconds:e}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Mean seconds of `repeats` calls, and what the last one gave.
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
