//! What `exact` says of one layer, against exact arithmetic. The rows are posed here, from the
//! definitions.

use unrelu::internals::lp::certificate::Proof;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem, Row};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{Activation, LayerFailure, LayerwiseMethod, LayerwiseOptions};

use super::judge::FAR;
use super::program::{Exact, data_size};
use super::simplex::zero;
use crate::support::{Instance, layer_answer};

/// What a row may be off by because of rounding, as a share of its terms.
const ROUNDING: f64 = 1e-12;

/// What is wrong with the answer of `exact`, one line per statement.
pub fn judge(instance: &Instance) -> Vec<String> {
    let system = instance.system();
    let answer = layer_answer(instance, &LpEngine, &LayerwiseOptions::default().method(LayerwiseMethod::Exact));
    let problem = Problem { rows: rows(instance, answer.epsilon), objective: Objective::LargestViolation };
    let mut wrong = Vec::new();
    if problem.rows.is_empty() {
        if answer.determined.contains(&true) {
            wrong.push("nothing was observed, and an entry is called determined".to_owned());
        }
        return named(instance, wrong);
    }
    let whole = Exact::of(&system, &problem);
    let Some((optimum, face)) = whole.solve() else { return vec!["a least violation does not exist".to_owned()] };
    match answer.failure {
        None => wrong.extend(violated(&system, &problem, &answer.z, answer.epsilon)),
        Some(LayerFailure::NoExactPreImage { violation, tolerance }) => {
            if violation <= tolerance {
                wrong.push(format!("refused, and the violation {violation:e} is within {tolerance:e}"));
            }
            wrong.extend(whole.better(&optimum, &answer.z, violation, Proof::Within { factor: FAR }));
        }
        Some(_) => {}
    }
    // Where a code reproduces the target exactly, all such codes have the same value of an entry
    // that is determined. The value found may differ from it, by the tolerance times the condition.
    if answer.failure.is_none() && optimum == zero() {
        let size = data_size(&system, &problem, &answer.z);
        for entry in (0..system.columns()).filter(|&entry| answer.determined[entry]) {
            let has_weight = system.largest_of_column(entry) > 0.0;
            let is_one = |(same, point): (bool, bool)| same || point;
            if has_weight && is_one(whole.is_same(&face, &answer.z, entry, size)) {
                continue;
            }
            let mut near = Exact::of(&system, &problem);
            near.within(&answer.z, FAR * size);
            let is_same = near.solve().is_none_or(|(_, face)| is_one(near.is_same(&face, &answer.z, entry, size)));
            if !has_weight || !is_same {
                wrong.push(format!("entry {entry} is called determined, z {:?}", answer.z));
            }
        }
    }
    named(instance, wrong)
}

fn named(instance: &Instance, wrong: Vec<String>) -> Vec<String> {
    wrong.into_iter().map(|wrong| format!("{} exact: {wrong}", instance.name)).collect()
}

/// `w·z + b = t` of the rows above `tolerance` (for LeakyReLU of all rows, with the target undone),
/// and `w·z + b ≤ 0` of the others; the slack makes the violation one of the output.
fn rows(instance: &Instance, tolerance: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (unit, &t) in instance.target.iter().enumerate().filter(|(_, t)| !t.is_nan()) {
        let below = instance.activation == Activation::Relu && t <= tolerance;
        let slope = if t < 0.0 && !below { instance.slope() } else { 1.0 };
        let (limit, bias) = (if below { 0.0 } else { t / slope }, instance.bias[unit]);
        let (slack, magnitude) = (1.0 / slope, bias.abs() + limit.abs());
        rows.push(Row { unit, side: 1.0, slack, bound: limit - bias, magnitude });
        if !below {
            rows.push(Row { unit, side: -1.0, slack, bound: bias - limit, magnitude });
        }
    }
    rows
}

/// A row that a solved code does not satisfy.
fn violated(system: &LayerSystem, problem: &Problem, z: &[f64], tolerance: f64) -> Option<String> {
    if z.iter().any(|z| !z.is_finite() || (system.nonnegative && *z < 0.0)) {
        return Some(format!("solved by {z:?}"));
    }
    let mut rows = problem.rows.iter();
    let row = rows.find(|row| {
        let rounding = ROUNDING * (system.absolute_product(row.unit, z) + row.magnitude);
        row.side * system.product(row.unit, z) > row.bound + row.slack * tolerance + rounding
    })?;
    Some(format!("solved by {z:?}, which violates unit {} by more than {tolerance:e}", row.unit))
}
