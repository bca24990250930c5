//! The state of one observation's search between two runs. It holds only what the next run depends
//! on, so that the states of a whole batch fit in memory side by side.

use std::vec::IntoIter;

use nalgebra::DMatrix;

use super::alternatives::Alternative;
use super::answer::BestAnswer;
use super::minimum::Minimum;
use super::objective::Objective;
use super::options::BestOptions;
use super::packed_network::PackedNetwork;
use super::starts::{FlipOrder, Start};
use super::stored::Stored;
use crate::observation::unusable;

/// The least number of runs.
pub(super) const LEAST_RUNS: usize = 48;
/// The same while the best code is not determined.
const LEAST_UNDETERMINED: usize = 256;
/// More runs for each run that it took to find the lowest loss.
const PATIENCE: usize = 5;
/// The least number of runs that ended at the lowest loss.
const LEAST_FOUND: usize = 24;
/// The same for the sum of errors, after [`MANY_RUNS`]: it has many more local minima, so that the
/// lowest may have a small basin.
const LEAST_FOUND_OF_MANY: usize = 3;
/// More runs than these without a lower loss show as much as [`LEAST_FOUND`].
const MANY_RUNS: usize = 240;

/// The least number of runs that agree, for networks that go by agreement.
const LEAST_AGREEING: usize = 3;
/// The same while the best code is not determined. In a flat region all codes agree.
const LEAST_AGREEING_UNDETERMINED: usize = 12;
/// The largest number of runs of such a search.
const MOST_TO_AGREE: usize = 24;
/// Both numbers for networks with few products, where a run takes milliseconds.
const LEAST_AGREEING_SHORT: usize = 12;
const MOST_TO_AGREE_SHORT: usize = 120;

/// The state of a search.
pub(super) struct Progress {
    /// The observation's index in the whole job.
    pub index: u64,
    /// Given codes that have not been used as starts yet.
    pub given: IntoIter<(Start, Vec<f64>)>,
    /// The number of moves made.
    pub moves: usize,
    /// The order of flips around the best code.
    pub flips: FlipOrder,
    /// The lowest loss of a candidate: half its sum of squares.
    pub least_squares: f64,
    /// The lowest minimum: that of the answer.
    pub lowest: Option<Minimum>,
    /// Whether it is proven to second order, if an output is curved.
    pub is_strict: bool,
    /// From squares to another objective: the squares of each candidate, and the minimum that it
    /// led to. By agreement: the minima that agree with the lowest, each with its loss.
    pub seen_minima: Vec<(f64, Minimum)>,
    /// Not for squares: the proven minima, each with the sides of its units.
    pub known_regions: Vec<(Vec<u8>, Minimum)>,
    /// Distinct minima within reach of the noise, if these are kept; the answer among them.
    pub minima: Vec<Alternative>,
    /// The largest entry of a residual that is only the rounding of the observation's numbers.
    pub rounding: f64,
    /// The result of the runs so far.
    pub answer: BestAnswer,
    /// Whether the stop rule has ended the search.
    pub has_ended: bool,
    is_hopeless: bool,
    /// [`PackedNetwork::goes_by_agreement`].
    by_agreement: bool,
    /// Whether the loss has a prior.
    has_prior: bool,
    /// [`PackedNetwork::has_short_runs`].
    has_short_runs: bool,
}

impl Progress {
    /// The state before the first run of column `place`. The other arguments are those of
    /// [`best_batch`](super::best_batch).
    pub fn new(
        network: &PackedNetwork,
        Stored { observations, stored_as }: Stored<'_>,
        first_index: u64,
        given: &[(Start, &DMatrix<f64>)],
        place: usize,
    ) -> Self {
        let code = |codes: &DMatrix<f64>| codes.column(place).iter().copied().collect::<Vec<_>>();
        let given = given.iter().map(|(start, codes)| (*start, code(codes)));
        let given: Vec<_> = given.filter(|(_, code)| code.iter().all(|z| z.is_finite())).collect();
        let observation = observations.column(place).data.into_slice();
        Progress {
            index: first_index.wrapping_add(place as u64),
            given: given.into_iter(),
            moves: 0,
            flips: FlipOrder::default(),
            least_squares: f64::INFINITY,
            lowest: None,
            is_strict: false,
            seen_minima: Vec::new(),
            known_regions: Vec::new(),
            minima: Vec::new(),
            rounding: stored_as.of(observation).rounding_of_outputs(observation),
            answer: BestAnswer::none(network.code_length()),
            has_ended: false,
            is_hopeless: unusable(observation).is_some(),
            by_agreement: network.goes_by_agreement(),
            has_short_runs: network.has_short_runs(),
            has_prior: network.prior() > 0.0,
        }
    }

    /// Removes the answer from the minima that are kept: another code of its valley takes its
    /// place.
    pub fn forget_answer(&mut self) {
        let Progress { minima, answer, .. } = self;
        minima.retain(|other| other.code != answer.code);
    }

    /// The answer of a search that is over, with the other minima.
    pub fn into_answer(self) -> BestAnswer {
        let Progress { mut minima, mut answer, .. } = self;
        minima.retain(|other| other.code != answer.code);
        minima.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        answer.alternatives = minima;
        answer
    }

    /// The stop rule: whether enough runs have been made, and enough of them ended at the lowest
    /// loss. Many codes share the loss of one that is not determined: there, that most runs end at
    /// it says little, and the largest error may be a floor that all of them share. `least`: the
    /// least number of runs where it is determined.
    pub fn has_found_enough(&self, objective: Objective, least: usize) -> bool {
        let answer = &self.answer;
        if self.by_agreement {
            let isolated = if self.has_short_runs { LEAST_AGREEING_SHORT } else { LEAST_AGREEING };
            return answer.found >= if self.is_isolated() { isolated } else { LEAST_AGREEING_UNDETERMINED };
        }
        // Not by the prior: without flats there may be as many minima.
        let least = if answer.determined { least } else { least.max(LEAST_UNDETERMINED) };
        let patient = |least: usize| answer.runs >= least + PATIENCE * answer.first_found;
        let of_many = objective == Objective::L1 && answer.found >= LEAST_FOUND_OF_MANY && patient(MANY_RUNS);
        patient(least) && answer.found >= LEAST_FOUND || of_many
    }

    /// Whether the loss rises in every direction away from the best code: the data determine it, or
    /// a prior does.
    pub fn is_isolated(&self) -> bool {
        self.answer.determined || self.has_prior
    }

    /// Whether the search is over.
    pub fn is_over(&self, options: &BestOptions) -> bool {
        let to_agree = if self.has_short_runs { MOST_TO_AGREE_SHORT } else { MOST_TO_AGREE };
        let most = if self.by_agreement { options.starts.min(to_agree) } else { options.starts };
        self.is_hopeless || self.has_ended || self.answer.converged || self.answer.runs >= most
    }
}
