//! A layer's linear program in exact numbers.

use unrelu::internals::lp::certificate::Proof;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem};

use super::simplex::{Dictionary, Q, exact, zero};

/// What an objective may be off by, relative and as a share of the terms: twice what the
/// certificate promises.
const OBJECTIVE: (f64, f64) = (2e-8, 2e-10);

/// What entries that are determined may differ by, as a share of their size or that of the data.
const SAME: f64 = 1e-6;

/// What a program has.
#[derive(Clone)]
pub enum Optimum {
    Infeasible,
    Unbounded,
    /// The optimum, and the optimal face.
    At(Q, Dictionary),
}

/// A problem in exact numbers: `x` is `z` (two variables per entry where it is free), then the
/// violations.
pub struct Exact<'a> {
    pub system: &'a LayerSystem,
    pub problem: &'a Problem,
    /// The bound first, then the row.
    pub rows: Vec<Vec<Q>>,
    /// To be maximised.
    pub objective: Vec<Q>,
}

impl<'a> Exact<'a> {
    pub fn of(system: &'a LayerSystem, problem: &'a Problem) -> Self {
        let mut units: Vec<usize> = problem.rows.iter().map(|row| row.unit).collect();
        units.dedup();
        let of_z = system.columns() * if system.nonnegative { 1 } else { 2 };
        let violations = match problem.objective {
            Objective::LargestViolation => 1,
            Objective::SumOfViolations => units.len(),
            Objective::Linear { .. } => 0,
        };
        let mut exact_problem = Exact { system, problem, rows: Vec::new(), objective: Vec::new() };
        for row in &problem.rows {
            let mut numbers = vec![exact(row.bound)];
            numbers.resize(1 + of_z + violations, zero());
            for (i, w) in system.unit(row.unit).iter().enumerate() {
                exact_problem.add_entry(&mut numbers[1..], i, exact(row.side * w));
            }
            match problem.objective {
                Objective::LargestViolation => numbers[1 + of_z] = -exact(row.slack),
                Objective::SumOfViolations => {
                    let place = units.iter().position(|unit| *unit == row.unit).unwrap();
                    numbers[1 + of_z + place] = -exact(row.slack);
                }
                Objective::Linear { .. } => {}
            }
            exact_problem.rows.push(numbers);
        }
        exact_problem.objective = vec![zero(); of_z + violations];
        match &problem.objective {
            // Of the units, since the sums in `weights` are rounded.
            Objective::Linear { units, .. } => {
                let mut objective = std::mem::take(&mut exact_problem.objective);
                for &(unit, weight, _) in units {
                    for (i, w) in system.unit(unit).iter().enumerate() {
                        exact_problem.add_entry(&mut objective, i, exact(weight) * exact(*w));
                    }
                }
                exact_problem.objective = objective;
            }
            _ => exact_problem.objective[of_z..].fill(exact(-1.0)),
        }
        exact_problem
    }

    /// Adds a multiple of `z_i` to a row over `x`.
    pub fn add_entry(&self, row: &mut [Q], entry: usize, factor: Q) {
        if self.system.nonnegative {
            row[entry] += factor;
        } else {
            row[2 * entry] += &factor;
            row[2 * entry + 1] -= factor;
        }
    }

    /// Only codes with `|z′_i − z_i| ≤ size / max_u |w_ui|`.
    pub fn within(&mut self, z: &[f64], size: f64) {
        for (i, z) in z.iter().enumerate() {
            let largest = self.system.largest_of_column(i);
            if largest == 0.0 {
                continue;
            }
            for side in [1.0, -1.0] {
                let mut row = vec![exact(side * z) + exact(size) / exact(largest)];
                row.resize(1 + self.objective.len(), zero());
                self.add_entry(&mut row[1..], i, exact(side));
                self.rows.push(row);
            }
        }
    }

    /// The optimum, `δ*`, `Σ e*` or `q·z*`, at a vertex of the optimal face; `None` if infeasible.
    pub fn solve(&self) -> Option<(Q, Dictionary)> {
        match self.optimum() {
            Optimum::At(optimum, face) => Some((optimum, face)),
            Optimum::Infeasible => None,
            Optimum::Unbounded => panic!("every layer problem is bounded"),
        }
    }

    /// The same where some rows may be missing.
    pub fn optimum(&self) -> Optimum {
        if self.rows.is_empty() {
            // Over x ≥ 0.
            let is_zero = self.objective.iter().all(|q| *q <= zero());
            return if is_zero { Optimum::At(zero(), Dictionary::empty()) } else { Optimum::Unbounded };
        }
        let Some(mut dictionary) = Dictionary::feasible(&self.rows) else { return Optimum::Infeasible };
        let Some(best) = dictionary.maximise(&self.objective) else { return Optimum::Unbounded };
        let optimum = if self.is_linear() { best } else { -best };
        Optimum::At(optimum, dictionary.face(&self.objective))
    }

    pub fn is_linear(&self) -> bool {
        matches!(self.problem.objective, Objective::Linear { .. })
    }

    /// Whether a code with this objective is better than one with `objective`, by more than the
    /// tolerance.
    pub fn is_better(&self, optimum: &Q, z: &[f64], objective: &Q) -> bool {
        let tolerance = tolerance(self.system, self.problem, z, objective);
        match self.problem.objective {
            Objective::Linear { .. } => optimum > &(objective + tolerance),
            _ => optimum < &(objective - tolerance),
        }
    }

    /// What is wrong with a certified objective whose problem has this optimum: that a code is
    /// better, among those that the proof names.
    pub fn better(&self, optimum: &Q, z: &[f64], objective: f64, proof: Proof) -> Option<String> {
        let Exact { system, problem, .. } = self;
        let is_better = |optimum: &Q| self.is_better(optimum, z, &exact(objective));
        let mut found = Some(optimum.clone()).filter(is_better);
        if let (Some(_), Proof::Within { factor }) = (&found, proof) {
            let mut near = Exact::of(system, problem);
            near.within(z, factor * data_size(system, problem, z));
            found = near.solve().map(|(optimum, _)| optimum).filter(is_better);
        }
        found.map(|optimum| format!("{proof:?}, objective {objective:e}, optimum {optimum}"))
    }

    /// The least and the greatest `z_i` on a face; `None` where it is unbounded.
    pub fn range(&self, face: &Dictionary, entry: usize) -> Option<(Q, Q)> {
        let extreme = |sign: f64| {
            let mut objective = vec![zero(); self.objective.len()];
            self.add_entry(&mut objective, entry, exact(sign));
            face.clone().maximise(&objective)
        };
        Some((-extreme(-1.0)?, extreme(1.0)?))
    }

    /// Whether every code of a face has the entry of `z`, and whether the face has only one value
    /// of it. `size`: the size of the data.
    pub fn is_same(&self, face: &Dictionary, z: &[f64], entry: usize, size: f64) -> (bool, bool) {
        let Some((low, high)) = self.range(face, entry) else { return (false, false) };
        let close = exact(SAME) * exact(z[entry].abs().max(size / self.system.largest_of_column(entry)));
        let z = exact(z[entry]);
        (high.clone() - &z <= close && z - &low <= close, low == high)
    }
}

/// The largest of `|b_u| + |t_u|` and `|w_ui z_i|`.
pub fn data_size(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    let terms = z.iter().enumerate().map(|(i, z)| system.largest_of_column(i) * z.abs());
    terms.chain(problem.rows.iter().map(|row| row.magnitude)).fold(0.0, f64::max)
}

/// What the objective of `z` may be off by.
pub fn tolerance(system: &LayerSystem, problem: &Problem, z: &[f64], objective: &Q) -> Q {
    let size = if *objective < zero() { -objective.clone() } else { objective.clone() };
    exact(OBJECTIVE.0) * size + exact(OBJECTIVE.1 * scale(system, problem, z))
}

/// `Q` of the certificate.
pub fn scale(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    if let Objective::Linear { units, .. } = &problem.objective {
        let of_unit = |&(unit, weight, magnitude): &(usize, f64, f64)| {
            weight.abs() * (system.absolute_product(unit, z) + magnitude)
        };
        return units.iter().map(of_unit).sum();
    }
    let units = problem.rows.chunk_by(|a, b| a.unit == b.unit);
    let sizes = units.map(|rows| {
        let slack = rows.iter().fold(f64::INFINITY, |least, row| least.min(row.slack));
        (system.absolute_product(rows[0].unit, z) + rows[0].magnitude) / slack
    });
    match problem.objective {
        Objective::SumOfViolations => sizes.sum(),
        _ => sizes.fold(0.0, f64::max),
    }
}
