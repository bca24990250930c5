//! A run of `best` with the objective `l1`: weighted squares come near a minimum of the sum of
//! errors, and linear programs find the minimum itself, unless it is known already.
//!
//! A run whose weighted squares end well above the lowest minimum ends there. Otherwise the code
//! that they reach lies in some linear region. Over a region whose output is piecewise linear, the
//! sum of errors is convex. So if a proven minimum lies in that region or on its border, it is the
//! region's lowest code, and the run would end there, or lower, if it made its programs. It has
//! found that minimum again, from a start of its own, and makes none.

use super::super::evaluation_error::EvaluationError;
use super::super::kink;
use super::super::minimum::Minimum;
use super::super::objective::Objective;
use super::super::packed_network::PackedNetwork;
use super::super::point::Point;
use super::super::progress::Progress;
use super::super::starts::Start;
use super::{MOST_PROGRAMS, Searcher};

/// A run whose weighted squares end above this multiple of the lowest sum makes no programs: they
/// come within 5e-4 of their minimum.
const PROMISING: f64 = 1.01;

/// On which side of its kink each unit is; 0 on the kink.
pub(in super::super) type Sides = Vec<i8>;

impl Searcher<'_> {
    /// Descends from the current code of the local search, and judges the minimum.
    pub(super) fn run_to_sum(&mut self, x: &[f64], start: Start, progress: &mut Progress) {
        self.local.approach_sum(x);
        let near = self.local.sum_of_errors(x);
        let error = EvaluationError::of(self.network, Objective::L1, x).of_misfit();
        let lowest = progress.lowest.map_or(f64::INFINITY, |lowest| lowest.loss);
        // Also where it is not a number.
        if !(near <= PROMISING * lowest + 2.0 * error) {
            return;
        }
        if !progress.known_regions.is_empty() {
            self.local.approach_sum_further(x);
        }
        let here = sides(self.network, self.local.point());
        let is_here = |known: &Sides| known.iter().zip(&here).all(|(known, here)| *known == 0 || known == here);
        let known = progress.known_regions.iter().find(|(sides, _)| is_here(sides)).map(|(_, minimum)| *minimum);
        if let Some(minimum) = known {
            return self.judge(x, start, (minimum, false), progress);
        }
        let Some(absolute) = self.absolute.as_mut() else { return };
        let code = self.local.point().code.clone();
        let descent = absolute.descend(x, &code, MOST_PROGRAMS);
        let minimum = Minimum { loss: absolute.misfit(), squares: 0.0, stationary: descent.stationary };
        if minimum.stationary && self.network.is_piecewise_linear() && minimum.loss <= PROMISING * lowest + 2.0 * error
        {
            progress.known_regions.push((sides(self.network, absolute.point()), minimum));
        }
        self.judge(x, start, (minimum, true), progress);
    }
}

/// The side of each unit of all layers, the first layer's first.
fn sides(network: &PackedNetwork, point: &Point) -> Sides {
    let of_layer = |(index, layer): (usize, &super::super::packed_layer::PackedLayer)| {
        let received = &point.received(index)[..layer.units];
        let tolerance = kink::tolerance(kink::IN_LINEAR_PROGRAMS, received);
        let side = move |a: &f64| if a.abs() <= tolerance { 0 } else { a.signum() as i8 };
        received.iter().map(side)
    };
    network.layers().iter().enumerate().flat_map(of_layer).collect()
}
