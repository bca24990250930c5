//! One observation's search between two runs: what the next run depends on and no more, so that
//! those of a whole batch can wait side by side.

use std::iter::Cycle;
use std::slice::Iter;
use std::vec::IntoIter;

use nalgebra::DMatrix;

use super::answer::BestAnswer;
use super::minimum::Minimum;
use super::options::BestOptions;
use super::packed_network::PackedNetwork;
use super::starts::{FlipOrder, Move, SCHEDULE, Start};
use crate::observation::unusable;

/// How far a search has come.
pub(super) struct Progress {
    /// The observation's index in the whole run.
    pub index: u64,
    /// Codes to begin at that are left.
    pub given: IntoIter<(Start, Vec<f64>)>,
    /// The moves that follow.
    pub moves: Cycle<Iter<'static, Move>>,
    /// Those around the best code.
    pub flips: FlipOrder,
    /// The lowest sum of squares of a candidate, halved.
    pub least_squares: f64,
    /// The lowest minimum, the answer's.
    pub lowest: Option<Minimum>,
    /// The candidates minimised so far, by their squares, and the minimum that each led to.
    pub seen_minima: Vec<(f64, Minimum)>,
    /// What the runs so far have come to.
    pub answer: BestAnswer,
    is_hopeless: bool,
}

impl Progress {
    /// Before the first run of column `place`; what is given as to
    /// [`best_batch`](super::best_batch).
    pub fn new(
        network: &PackedNetwork,
        observations: &DMatrix<f64>,
        first_index: u64,
        given: &[(Start, &DMatrix<f64>)],
        place: usize,
    ) -> Self {
        let code = |codes: &DMatrix<f64>| codes.column(place).iter().copied().collect::<Vec<_>>();
        let given = given.iter().map(|(start, codes)| (*start, code(codes)));
        let given: Vec<_> = given.filter(|(_, code)| code.iter().all(|z| z.is_finite())).collect();
        Progress {
            index: first_index.wrapping_add(place as u64),
            given: given.into_iter(),
            moves: SCHEDULE.iter().cycle(),
            flips: FlipOrder::default(),
            least_squares: f64::INFINITY,
            lowest: None,
            seen_minima: Vec::new(),
            answer: BestAnswer::none(network.code_length()),
            is_hopeless: unusable(observations.column(place).as_slice()).is_some(),
        }
    }

    /// Whether no further run is to be made.
    pub fn is_over(&self, options: &BestOptions) -> bool {
        self.is_hopeless || self.answer.converged || self.answer.runs >= options.starts
    }
}
