//! Measures the peak arithmetic of each device by the recurrence of `cpu/peak.rs`: the CPU in f64
//! and in f32 on all threads of the pool together, the GPU in f32.

use std::hint::black_box;

use rayon::ThreadPool;

use super::spread::Spread;
use crate::bench::clock::wall_seconds;
use crate::cpu::peak::{REGISTERS, Recurrence, vectorised, vectorised_single};

/// Seconds of a pass of one thread: shorter than a time slice of the scheduler, so that most passes
/// are uninterrupted even on a busy machine.
const CPU_PASS_SECONDS: f64 = 5e-4;
const CPU_PASSES: usize = 400;
/// Seconds of a pass of the GPU: long enough to make its start-up time negligible.
#[cfg(feature = "gpu")]
const GPU_PASS_SECONDS: f64 = 0.01;
#[cfg(feature = "gpu")]
const GPU_PASSES: usize = 24;
/// Maximum number of rounds of a pass.
const MOST_ROUNDS: u32 = 1 << 26;

/// GFLOP/s of all threads of `pool` in f64: the sum of each thread's median while the others work
/// too.
pub(super) fn of_cpu(pool: &ThreadPool) -> f64 {
    of_chains(pool, |recurrence| black_box(vectorised(recurrence)).1)
}

/// The same in f32.
pub(super) fn of_cpu_in_f32(pool: &ThreadPool) -> f64 {
    of_chains(pool, |recurrence| black_box(vectorised_single(recurrence)).1)
}

/// Measures `chains`, which runs the recurrence in [`REGISTERS`] registers behind a [`black_box`]
/// and returns the numbers per register.
fn of_chains(pool: &ThreadPool, chains: impl Fn(&Recurrence) -> usize + Sync) -> f64 {
    let pass = |recurrence: &Recurrence| {
        wall_seconds(|| {
            chains(black_box(recurrence));
        })
    };
    let rounds = long_enough(CPU_PASS_SECONDS, |recurrence| Some(pass(recurrence))).unwrap_or(1);
    let recurrence = Recurrence::towards_one(rounds);
    let lanes = chains(&Recurrence::towards_one(1));
    let operations = 2.0 * (REGISTERS * lanes) as f64 * recurrence.steps() as f64;
    let of_thread = |_: rayon::BroadcastContext<'_>| {
        let passes: Vec<f64> = (0..CPU_PASSES).map(|_| pass(&recurrence).max(1e-9)).collect();
        Spread::of(&passes).map_or(0.0, |spread| 1e-9 * operations / spread.median)
    };
    pool.broadcast(of_thread).into_iter().sum()
}

/// GFLOP/s of an adapter in f32: the fastest of several passes.
#[cfg(feature = "gpu")]
pub(super) fn of_gpu(context: &crate::gpu::context::Context) -> crate::error::Result<f64> {
    let kernel = crate::gpu::peak::PeakKernel::new(context, None)?;
    let pass = |recurrence: &Recurrence| kernel.run(context, recurrence).map(|taken| taken.as_secs_f64());
    let recurrence =
        Recurrence::towards_one(long_enough(GPU_PASS_SECONDS, |recurrence| pass(recurrence).ok()).unwrap_or(1));
    let mut fastest = f64::INFINITY;
    for _ in 0..GPU_PASSES {
        fastest = pass(&recurrence)?.min(fastest);
    }
    Ok(1e-9 * kernel.operations(&recurrence) / fastest)
}

/// The number of rounds after which a pass takes about `seconds`; `None` if a pass fails.
fn long_enough(seconds: f64, pass: impl Fn(&Recurrence) -> Option<f64>) -> Option<u32> {
    let mut rounds = 1;
    loop {
        let taken = pass(&Recurrence::towards_one(rounds))?;
        if taken >= seconds || rounds >= MOST_ROUNDS {
            return Some(rounds);
        }
        // At most a factor of 8 per step, because a first pass is slower than necessary.
        let wanted = (seconds / taken.max(1e-9) * 1.1).clamp(1.2, 8.0);
        rounds = ((f64::from(rounds) * wanted).ceil() as u32).min(MOST_ROUNDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_made_long_enough_and_end() {
        let linear = |recurrence: &Recurrence| Some(1e-6 * f64::from(recurrence.rounds));
        let rounds = long_enough(0.04, linear).unwrap();
        assert!((40_000..80_000).contains(&rounds), "{rounds}");
        assert_eq!(long_enough(0.04, |_| Some(0.0)), Some(MOST_ROUNDS));
        assert_eq!(long_enough(0.04, |_| None), None);
    }
}
