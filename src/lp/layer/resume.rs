//! Begins the search for `linf`'s ε where that of a similar target ended: at a step at which its
//! optimum says that the program is feasible, from its vertex. The infeasible step below is first
//! tried with the multipliers that proved it for the other target.
//!
//! The search, the programs and their certificates are those of a search from the beginning. Where
//! a program is not solved from its vertex, with an optimum that is shown to be the only one, the
//! search is dropped and the target is searched from the beginning.

use super::super::bases::LayerBasis;
use super::super::certified::solve_certified_from;
use super::super::formulation::monotone::MonotoneSearch;
use super::super::formulation::target::Target;
use super::super::formulation::{LayerwiseMethod, RowRule};
use super::context::LayerContext;
use super::guess::tolerance_near;
use super::member::{Member, Search};

/// Maximum number of steps that are tried. Two are usual; a start that needs more is not similar.
const MOST_STEPS: usize = 6;

impl LayerContext<'_> {
    /// The finished search of a target; `None` where that has to begin from the beginning.
    pub(super) fn resume(&self, target: Target<'_>, start: &LayerBasis) -> Option<Member> {
        let (system, shape, options) = (self.system, self.shape(), self.options);
        if options.method != LayerwiseMethod::Linf || !start.fits(system.units(), system.columns()) {
            return None;
        }
        let tolerances = self.tolerances(target);
        let near = tolerance_near(system, shape, target, (&start.z, start.objective))?;
        let first = tolerances.first_reaching(near);
        let search = MonotoneSearch::new(tolerances, shape, options.rows, target, first);
        let member = Member::new(Search::Monotone(search), tolerances, None);
        let mut member = member.leaving_a_basis().starting_at(&start.basis);
        for _ in 0..MOST_STEPS {
            let Some(step) = member.next_step() else { return Some(member) };
            let problem = self.problem_of(target, step)?;
            let warm = member.warm_start(step);
            let known = start.bound.as_ref().zip(warm.cutoff);
            let solution = match known.and_then(|(bound, cutoff)| bound.above(system, &problem, cutoff)) {
                Some(above) => above,
                None => solve_certified_from(system, self.solver, &problem, warm)?,
            };
            let unchanged = self.unchanged_down_to(target, step, &solution);
            let active_rows = member.active_count(step);
            member.record(step, (&problem, solution), None, unchanged, active_rows);
        }
        None
    }

    /// Whether the multipliers of `start` prove that every input of the layer misses an entry of
    /// the target by more than `within`. An input that comes as close as `within` satisfies the
    /// rows of each `ε ≥ within`, except for the printed ones, with violations of at most `within`.
    pub(in super::super) fn is_out_of_reach(&self, target: Target<'_>, start: &LayerBasis, within: f64) -> bool {
        let (system, options) = (self.system, self.options);
        let has_such_rows = options.method == LayerwiseMethod::Linf && options.rows != RowRule::Printed;
        if !has_such_rows || !self.activation.has_kink() || !start.fits(system.units(), system.columns()) {
            return false;
        }
        let Some(bound) = &start.bound else { return false };
        let problem = self.problem_of(target, self.tolerances(target).first_reaching(within));
        problem.is_some_and(|problem| bound.above(system, &problem, within).is_some())
    }
}
