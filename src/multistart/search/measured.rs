//! Runs and the end of a search by a measured rule ([`End::Found`]), and of its measurement.
//!
//! Here losses that differ by a share of at most 1e-3 count as the same, so a run need not reach a
//! minimum that is known. It ends at the first code that *agrees* with the lowest: its loss is
//! above that by at most this share, and the outputs differ by at most a tenth of the residual.
//! From there it would come to the same minimum, and its last steps and the active set take half of
//! its time. A run below the lowest loss continues to its minimum, however near it is.

use super::super::local_search::MarquardtOptions;
use super::super::minimum::SAME;
use super::super::options::{BestOptions, End};
use super::super::point::Point;
use super::super::progress::Progress;
use super::Searcher;
use super::agreement::outputs_agree;

/// The relative difference of losses that count as the same: about that of codes that are equally
/// likely, `1 / n` for `n` entries of noise.
const LEVEL: f64 = 1e-3;

/// The level of searches with this end. The usual ones tell all minima apart.
pub(super) fn level_of(end: End) -> f64 {
    if end == End::FoundOften { 0.0 } else { LEVEL }
}

impl Searcher<'_> {
    /// Descends by Levenberg–Marquardt. Returns whether the run has ended because its code agrees
    /// with the lowest; then it is counted.
    pub(super) fn has_come_to_the_lowest(
        &mut self,
        x: &[f64],
        how: &MarquardtOptions,
        progress: &mut Progress,
    ) -> bool {
        let Some(lowest) = progress.lowest.filter(|_| self.level > 0.0) else {
            self.local.levenberg_marquardt(x, how);
            return false;
        };
        self.return_to(x, progress);
        let Searcher { network, local, best, level, .. } = self;
        let losses = lowest.loss * (1.0 - SAME)..=lowest.loss * (1.0 + *level);
        let agrees = |point: &Point| losses.contains(&point.loss) && outputs_agree(network, point, best, x);
        local.levenberg_marquardt_until(x, how, |point, _| agrees(point));
        let has_come = agrees(local.point());
        progress.answer.found += usize::from(has_come);
        has_come
    }

    /// Ends a search when `times` runs have ended at the lowest loss, or if too few do.
    pub(super) fn end_when_found(&mut self, times: usize, x: &[f64], options: &BestOptions, progress: &mut Progress) {
        let answer = &progress.answer;
        if answer.found >= times && answer.determined {
            self.end(x, options, progress);
        } else if answer.found >= times || answer.runs >= times * End::MOST_PER_FOUND {
            progress.has_ended = true;
        }
    }
}
