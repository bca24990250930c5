//! The point of least sum on a layer's optimal face: `min Σ z_i` over the `z ≥ 0` that are as good
//! as an answer. It is one of the points that can be handed on where the face leaves entries open.
//!
//! Each row keeps the violation that the answer leaves: the largest of all rows (`linf`, `exact`),
//! or of its unit's rows (`l1`). So every `z` that satisfies these rows is optimal, too. They leave
//! no interior, so they are no hard rows of the program. Each unit gets a violation of its own, and
//! the sum becomes the violation of one more unit, at a small price. If the price is small enough,
//! no other violation is left at the optimum (exact penalty; Nocedal & Wright, 17.2). The
//! multipliers of the answer decide: the point counts only if it is certified with them.
//!
//! `relaxed` has no such point: its objective would be a row of its own for each observation.

use rayon::prelude::*;

use super::super::certificate::{Verdict, certify_optimal};
use super::super::certified::solve_certified;
use super::super::formulation::target::Targets;
use super::super::formulation::{LayerwiseMethod, exact};
use super::super::problem::{LayerSystem, Objective, Problem, Row, rows_by_unit};
use super::answer::LayerAnswer;
use super::context::LayerContext;
use crate::error::Result;

/// The price of the sum, where that of a violation is 1.
const PRICE: f64 = 1e-3;

impl LayerContext<'_> {
    /// The points of least sum that are as good as these answers, one per column of `targets`.
    /// `None` where the answer is not open or has no multipliers, where no such point was found,
    /// with `relaxed`, and where `z` may be negative.
    ///
    /// # Errors
    /// Those of the device.
    pub fn least_sums(&self, targets: &Targets, answers: &[LayerAnswer]) -> Result<Vec<Option<Vec<f64>>>> {
        let mut points = vec![None; answers.len()];
        // Without multipliers nothing can be certified: the answer is that of an observation's own
        // rows.
        let has_face = |place: &usize| answers[*place].is_open() && !answers[*place].multipliers.is_empty();
        let places: Vec<usize> = (0..answers.len()).filter(has_face).collect();
        if !self.system.nonnegative || self.options.method == LayerwiseMethod::Relaxed || places.is_empty() {
            return Ok(points);
        }
        let problems = self.problems_of(targets, answers, &places)?;
        let face = |(problem, &place): (&Problem, &usize)| face(self.system, problem, &answers[place].z);
        let faces: Vec<Problem> = problems.par_iter().zip(&places).map(face).collect();
        let columns = self.system.columns();
        // In units of the weights, so that the units of the outputs change nothing.
        let size = (0..columns).fold(0.0, |most: f64, column| most.max(self.system.column_size(column)));
        let with_sum = self.system.with_unit(&vec![size; columns]);
        let solutions = solve_certified(&with_sum, self.solver, &faces);
        for ((problem, solution), &place) in problems.iter().zip(solutions).zip(&places) {
            let z: Vec<f64> = solution.z.iter().map(|z| z.max(0.0)).collect();
            let verdict = certify_optimal(self.system, problem, &z, &answers[place].multipliers);
            points[place] = matches!(verdict, Verdict::Optimal { .. }).then_some(z);
        }
        Ok(points)
    }

    /// The programs that the answers at these places solve, formed again.
    fn problems_of(&self, targets: &Targets, answers: &[LayerAnswer], places: &[usize]) -> Result<Vec<Problem>> {
        if self.options.method == LayerwiseMethod::Exact {
            let tolerances: Vec<f64> = places.iter().map(|&place| answers[place].epsilon).collect();
            let masks = self.above(&targets.values.select_columns(places), &tolerances)?;
            let problem = |(number, &place): (usize, &usize)| {
                let active = |unit| masks.is_active(number, unit);
                exact::feasibility(self.system, self.shape(), targets.column(place), active)
            };
            return Ok(places.iter().enumerate().map(problem).collect());
        }
        let step = |place| self.tolerances(targets.column(place)).first_reaching(answers[place].epsilon);
        let pending: Vec<(usize, usize)> = places.iter().map(|&place| (place, step(place))).collect();
        let masks = self.classify(targets, &pending)?;
        let problem = |(number, &(place, step)): (usize, &(usize, usize))| {
            self.problem(targets.column(place), &masks, number, step)
        };
        Ok(pending.iter().enumerate().map(problem).collect())
    }
}

/// The program of the point of least sum that is as good as `z`. Its last unit is the sum.
fn face(system: &LayerSystem, problem: &Problem, z: &[f64]) -> Problem {
    let violation = |row: &Row| ((row.side * system.product(row.unit, z) - row.bound) / row.slack).max(0.0);
    let largest = |rows: &[Row]| rows.iter().map(violation).fold(0.0, f64::max);
    let shared = largest(&problem.rows);
    let mut rows = Vec::with_capacity(problem.rows.len() + 1);
    for of_unit in rows_by_unit(&problem.rows) {
        let kept = match problem.objective {
            Objective::SumOfViolations => largest(of_unit),
            _ => shared,
        };
        rows.extend(of_unit.iter().map(|row| Row { slack: 1.0, bound: row.bound + row.slack * kept, ..*row }));
    }
    rows.push(Row { unit: system.units(), side: 1.0, slack: 1.0 / PRICE, bound: 0.0, magnitude: 0.0 });
    Problem { rows, objective: Objective::SumOfViolations }
}
