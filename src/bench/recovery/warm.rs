//! Measures the time that a warm start saves: `Projector::project` on observations that have
//! changed since the last call, with and without the last codes, on the same observations.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use serde::Serialize;

use crate::batch;
use crate::bench::subject::Subject;
use crate::cpu::forward::forward;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::projector::Projector;
use crate::random::{Domain, normal_vector};

/// Sizes of the changes, relative to an observation's length.
const MOVES: [f64; 4] = [1e-6, 1e-4, 1e-3, 1e-2];
/// The noise of the first observations, relative to their length.
const NOISE: f64 = 0.05;
/// Number of passes; the fastest counts.
const PASSES: usize = 3;

/// The result for one size of change, on one network's observations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The network.
    pub network: String,
    /// The change of each observation, relative to its length.
    pub moved: f64,
    /// Milliseconds per observation without a warm start, and with one.
    pub cold_ms: f64,
    /// See `cold_ms`.
    pub warm_ms: f64,
    /// The share of the answers that the warm start alone gave.
    pub from_warm_start: f64,
}

/// Measures `linf`, refined, on `count` observations of each network.
///
/// # Errors
/// Those of the projector.
pub fn run(subjects: &[Subject], count: usize, threads: Option<usize>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for subject in subjects {
        let network = &subject.network;
        let k = network.code_length();
        let codes = DMatrix::from_vec(k, count, normal_vector(3, Domain::Code, 0, k * count));
        let observations = moved(&forward(network, 0..network.depth(), &codes), NOISE, 1);
        let options = batch::Options {
            refine: Some(crate::multistart::Objective::L2),
            device: DeviceChoice::Cpu,
            threads,
            ..Default::default()
        };
        let projector = Projector::new(Arc::clone(network), options)?;
        let first = projector.project(&observations, None)?;
        for size in MOVES {
            let observations = moved(&observations, size, 2);
            let (mut cold_ms, mut warm_ms, mut from_warm_start) = (f64::INFINITY, f64::INFINITY, 0.0);
            // Alternating, so that a busy machine slows both.
            for _ in 0..PASSES {
                let time = |warm_start| -> Result<_> {
                    let start = Instant::now();
                    let projected = projector.project(&observations, warm_start)?;
                    Ok((1e3 * start.elapsed().as_secs_f64() / count as f64, projected))
                };
                cold_ms = cold_ms.min(time(None)?.0);
                let (milliseconds, projected) = time(Some(&first.codes))?;
                warm_ms = warm_ms.min(milliseconds);
                let warm = projected.from_warm_start.iter().filter(|warm| **warm).count();
                from_warm_start = warm as f64 / count as f64;
            }
            rows.push(Row { network: subject.name.clone(), moved: size, cold_ms, warm_ms, from_warm_start });
        }
    }
    Ok(rows)
}

/// Moves every column at random, by this share of its length on average.
fn moved(observations: &DMatrix<f64>, share: f64, seed: u64) -> DMatrix<f64> {
    let mut moved = observations.clone();
    for (index, mut x) in (0_u64..).zip(moved.column_iter_mut()) {
        let size = share * x.norm() / (x.len() as f64).sqrt();
        let noise = normal_vector(seed, Domain::Noise, index, x.len());
        x.iter_mut().zip(noise).for_each(|(x, e)| *x += size * e);
    }
    moved
}
