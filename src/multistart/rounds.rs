//! Searches for a batch, with a device that brings codes near their minima. In each round, every
//! unfinished observation proposes its next start. The device runs Levenberg–Marquardt from all of
//! them at once, and the thread pool finishes each run in f64.
//!
//! Starts, their order and the stop rule are those of [`best_batch`](super::best_batch), and so are
//! the minima themselves. The f32 steps can only change the basin at which a run ends. If the
//! device does not support these steps, the pool finishes the searches, each from its current
//! state.

use std::sync::{Mutex, PoisonError};

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::answer::BestAnswer;
use super::local_search::MarquardtOptions;
use super::options::BestOptions;
use super::packed_network::PackedNetwork;
use super::progress::Progress;
use super::search::{MARQUARDT, Searcher, check_shapes};
use super::starts::Start;
use super::stored::Stored;
use crate::device::Device;
use crate::error::Result;

/// Options from the device's codes onwards: undamped steps, as long as they reduce the loss.
const FINISH: MarquardtOptions = MarquardtOptions { damping: 0.0, ..MARQUARDT };

/// An unfinished search.
struct Waiting {
    place: usize,
    progress: Progress,
}

/// Runs [`best_batch`](super::best_batch) with Levenberg–Marquardt on `device`. An answer depends
/// on its own column, its index, the seed and the device.
///
/// # Errors
/// What [`Device::levenberg_marquardt`] returns.
///
/// # Panics
/// If a shape does not fit the network, or the objective does not ([`BestOptions::validate`]).
pub fn best_batch_on<'a>(
    device: &dyn Device,
    network: &PackedNetwork,
    stored: impl Into<Stored<'a>>,
    first_index: u64,
    given: &[(Start, &DMatrix<f64>)],
    options: &BestOptions,
) -> Result<Vec<BestAnswer>> {
    let stored = stored.into();
    let observations = stored.observations;
    check_shapes(network, observations, given);
    let searchers = Searchers { network, options, spare: Mutex::default() };
    let begin = |place: usize| Waiting { place, progress: Progress::new(network, stored, first_index, given, place) };
    let mut waiting: Vec<Waiting> = (0..observations.ncols()).map(begin).collect();
    let mut answers: Vec<Option<BestAnswer>> = vec![None; waiting.len()];
    loop {
        for search in waiting.extract_if(.., |search| search.progress.is_over(options)) {
            answers[search.place] = Some(search.progress.into_answer());
        }
        if waiting.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        let observation = |place: usize| observations.column(place).data.into_slice();
        let propose = |search: &mut Waiting| {
            let x = observation(search.place);
            searchers.with(|searcher| searcher.propose(x, &mut search.progress, options))
        };
        let proposed: Vec<(Start, Vec<f64>)> = waiting.par_iter_mut().map(propose).collect();
        let places: Vec<usize> = waiting.iter().map(|search| search.place).collect();
        let codes = proposed.iter().flat_map(|(_, code)| code.iter().copied());
        let codes = DMatrix::from_iterator(network.code_length(), proposed.len(), codes);
        let reached = device.levenberg_marquardt(observations, &places, &codes, network.prior())?;
        waiting.par_iter_mut().zip(&proposed).enumerate().with_max_len(1).for_each(|(number, (search, proposed))| {
            let x = observation(search.place);
            let (start, code) = proposed;
            searchers.with(|searcher| match reached.as_ref().map(|reached| reached.column(number)) {
                // If the device has not moved the code, the run starts from the beginning.
                Some(reached) if reached.as_slice() != code => {
                    searcher.advance(x, (*start, reached.as_slice()), &FINISH, options, &mut search.progress);
                }
                Some(_) => searcher.advance(x, (*start, code), &MARQUARDT, options, &mut search.progress),
                None => {
                    searcher.advance(x, (*start, code), &MARQUARDT, options, &mut search.progress);
                    searcher.search(x, &mut search.progress, options);
                }
            });
        });
    }
}

/// Searchers that no thread is using.
struct Searchers<'a> {
    network: &'a PackedNetwork,
    options: &'a BestOptions,
    spare: Mutex<Vec<Searcher<'a>>>,
}

impl<'a> Searchers<'a> {
    fn with<T>(&self, work: impl FnOnce(&mut Searcher<'a>) -> T) -> T {
        // A searcher whose thread panicked was not given back, so the stored ones are intact.
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = spare().pop();
        let mut searcher = taken.unwrap_or_else(|| Searcher::new(self.network, self.options));
        let answer = work(&mut searcher);
        spare().push(searcher);
        answer
    }
}
