//! Small problems, sixteen at a time: the primal simplex in single precision, from the
//! least-squares fit to a vertex that is optimal, or nearly.
//!
//! Over `x = (z, δ)` the fit with its largest violation is a feasible point, and the most violated
//! row holds with equality there. The other constraints of the first basis are made up, `z_i =
//! fit_i`, and leave one by one, to either side; then rows and bounds leave whose multipliers have
//! the wrong sign. The edge is the one along which the objective falls most per length (Goldfarb
//! and Reid 1977; the lengths are at hand, since the inverse is held explicitly).
//! With uniform noise the fit is so close that this takes hardly more pivots than there are
//! columns.
//!
//! A linear objective starts in the same way, with one `δ` by which all rows are loosened, until `δ
//! = 0`; then the objective is its own.
//!
//! The vertex is a claim that nobody relies on: [`super::simplex`] inverts it in double precision,
//! pivots on where it is not optimal, and shows that it is.

mod alone;
mod codes;
mod kernels;
mod pack;
mod patience;
mod start;
#[cfg(test)]
mod tests;

use crate::linalg::wide::WIDE;
use crate::lp::basis::{Basis, WarmStart};
use crate::lp::problem::{LayerSystem, Objective, Problem};
use crate::lp::solver::scaled_rows::ScaledRows;
use alone::Alone;
use pack::Pack;
use start::{Start, Starts};

/// Multipliers above minus this are rounding errors (they sum to 1, or the objective's largest
/// entry is 1).
const LEAST: f32 = 2e-6;
/// Growths below this share of the edge's length are rounding errors.
const STILL: f32 = 4e-6;
/// By what share the growth of the entering row may differ from its pivot.
const AGREE: f32 = 0.02;
/// No constraint.
const NONE: u32 = u32::MAX;

/// Wider problems are left to the interior point: a pivot costs about as many flops per unit as
/// there are columns, and as many pivots are needed.
const MOST_COLUMNS: usize = 64;
/// Problems of at most so many columns go side by side, and keep all units.
const PACKED_COLUMNS: usize = 32;
/// A pack pays from so many problems on.
const LEAST_PACK: usize = 6;
/// Units whose rows all have more room than this, in units of the largest violation of the fit, are
/// left out: for the largest violation, those that a ReLU holds off by far. [`super::simplex`]
/// looks at all rows.
const KEEP: f64 = 1.5;

/// What the approach found for a problem.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Found {
    /// A vertex that is optimal or nearly so; `None` where this way does not serve.
    pub vertex: Option<Basis>,
    /// Number of pivots.
    pub pivots: u32,
    /// The least-squares fit, if it was made: the start of any other way.
    pub fit: Option<Vec<f64>>,
}

/// Workspace.
#[derive(Debug, Default)]
pub struct Approach {
    starts: Starts,
    /// The places of the problems that are pivoted on together, and their starts.
    begun: Vec<(usize, Start)>,
    pack: Pack,
    alone: Alone,
}

impl Approach {
    /// How many of a layer's problems are best passed to [`Self::vertices`] together, where
    /// `threads` share them.
    pub fn together(columns: usize, problems: usize, threads: usize) -> usize {
        if columns <= PACKED_COLUMNS { problems.div_ceil(threads.max(1)).clamp(1, 4 * WIDE) } else { 1 }
    }

    /// What is found for each problem. It does not depend on the other problems. `rows`: those of
    /// each problem, all of them.
    pub fn vertices(
        &mut self,
        system: &LayerSystem,
        problems: &[Problem],
        rows: &[ScaledRows],
        warm: &[WarmStart<'_>],
    ) -> Vec<Found> {
        let mut found = vec![Found::default(); problems.len()];
        let columns = system.columns();
        let is_served = |(problem, warm): (&Problem, &WarmStart<'_>)| {
            warm.basis.is_none() && !problem.rows.is_empty() && problem.objective != Objective::SumOfViolations
        };
        let places: Vec<usize> =
            (0..problems.len()).filter(|&place| is_served((&problems[place], &warm[place]))).collect();
        if columns == 0 || columns > MOST_COLUMNS || places.is_empty() {
            return found;
        }
        let Approach { starts, begun, pack, alone } = self;
        let count = places.len();
        begun.resize_with(begun.len().max(count), Default::default);
        if columns > PACKED_COLUMNS || count < LEAST_PACK {
            let (_, start) = &mut begun[0];
            for place in places {
                let problem = &problems[place];
                let is_largest = problem.objective == Objective::LargestViolation;
                let keep = (columns > PACKED_COLUMNS && is_largest).then_some(KEEP);
                let served = starts.write(system, (problem, &rows[place]), warm[place].near, keep, start);
                found[place].fit = starts.fit(warm[place].near);
                if served {
                    let (end, pivots) = alone.solve(system, start);
                    found[place].pivots = pivots;
                    found[place].vertex = end.and_then(|(codes, constraints)| codes.basis(problem, start, constraints));
                }
            }
            return found;
        }
        let mut served = 0;
        for place in places {
            let (owner, start) = &mut begun[served];
            *owner = place;
            served +=
                usize::from(starts.write(system, (&problems[place], &rows[place]), warm[place].near, None, start));
            found[place].fit = starts.fit(warm[place].near);
        }
        let begun = &begun[..served];
        pack.solve(system, begun, |index, pivots, end| {
            let (place, start) = &begun[index];
            found[*place].pivots = pivots;
            found[*place].vertex =
                end.and_then(|(codes, constraints)| codes.basis(&problems[*place], start, constraints));
        });
        found
    }
}
