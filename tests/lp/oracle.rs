//! Independent oracles, written from the definitions and not from the library's rows: a simplex
//! solver (microlp), the dual as a separate problem, and brute force over all vertices for few
//! columns.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, ZeroConeT};

use microlp::{ComparisonOp, OptimizationDirection, Problem, Solution, SolveOutcome, Variable};
use nalgebra::{DMatrix, DVector};
use unrelu::{Activation, RowRule};

use crate::support::Instance;

/// Limits of a pre-activation `a`, as functions of the violation: `(constant, factor)` of each
/// `a ≤ constant + factor·e` and `a ≥ constant − factor·e`.
pub struct Limits {
    pub unit: usize,
    pub upper: Vec<(f64, f64)>,
    pub lower: Vec<(f64, f64)>,
}

/// The limits of `linf` and `l1`, DESIGN §2.
pub fn limits(instance: &Instance, rule: RowRule) -> Vec<Limits> {
    let (eps, c) = (instance.epsilon, instance.slope());
    let mut all = Vec::new();
    for (unit, &t) in instance.target.iter().enumerate().filter(|(_, t)| !t.is_nan()) {
        let (upper, lower) = if t > eps {
            (vec![(t, 1.0)], vec![(t, 1.0)])
        } else if instance.activation == Activation::Relu || rule == RowRule::Inactive {
            (vec![(t, 1.0)], vec![])
        } else if rule == RowRule::Printed {
            if t > -eps {
                (vec![(t, 1.0)], vec![(t / c, 1.0 / c)])
            } else {
                (vec![(t / c, 1.0 / c)], vec![(t / c, 1.0 / c)])
            }
        } else if t > 0.0 {
            (vec![(t, 1.0)], vec![(t, 1.0 / c)])
        } else {
            (vec![(t, 1.0), (t / c, 1.0 / c)], vec![(t / c, 1.0 / c)])
        };
        all.push(Limits { unit, upper, lower });
    }
    all
}

fn variables(problem: &mut Problem, instance: &Instance) -> Vec<Variable> {
    let low = if instance.nonnegative { 0.0 } else { f64::NEG_INFINITY };
    (0..instance.weight.ncols()).map(|_| problem.add_var(0.0, (low, f64::INFINITY))).collect()
}

fn terms(instance: &Instance, unit: usize, z: &[Variable], violation: Option<(Variable, f64)>) -> Vec<(Variable, f64)> {
    let of_z = z.iter().enumerate().map(|(i, &z)| (z, instance.weight[(unit, i)]));
    of_z.chain(violation).filter(|(_, factor)| *factor != 0.0).collect()
}

/// The simplex solver has absolute tolerances, so the instance is scaled to a largest number of 1.
/// Returns the scaled instance and the scale.
fn normalised(instance: &Instance) -> (Instance, f64) {
    let scale = instance.scale();
    let mut instance = instance.clone();
    instance.target.iter_mut().for_each(|t| *t /= scale);
    instance.bias /= scale;
    instance.epsilon /= scale;
    (instance, scale)
}

/// `δ*` or `Σ e*` as the maximum of the dual, posed as a separate problem:
/// `max Σ_lower y (limit − b) − Σ_upper y (limit − b)` over `y ≥ 0` with `Σ factor·y ≤ 1` (in
/// total, or per unit) and `Σ_upper y w − Σ_lower y w = 0`, or `≥ 0` where `z ≥ 0`.
pub fn violation_by_dual(instance: &Instance, rule: RowRule, sum: bool) -> f64 {
    let (instance, scale) = &normalised(instance);
    dual_maximum(instance, &limits(instance, rule), sum) * scale
}

/// The least tolerance at which (4) holds: `|a − t| ≤ δ` where `t > 0` (for LeakyReLU in every row,
/// after inversion), `a ≤ δ` elsewhere.
pub fn infeasibility_by_dual(instance: &Instance) -> f64 {
    let (instance, scale) = &normalised(instance);
    let slope = instance.slope();
    let observed = instance.target.iter().enumerate().filter(|(_, t)| !t.is_nan());
    let all: Vec<Limits> = observed
        .map(|(unit, &t)| match instance.activation {
            Activation::Relu if t > 1e-9 => Limits { unit, upper: vec![(t, 1.0)], lower: vec![(t, 1.0)] },
            Activation::Relu => Limits { unit, upper: vec![(0.0, 1.0)], lower: vec![] },
            _ if t < 0.0 => {
                Limits { unit, upper: vec![(t / slope, 1.0 / slope)], lower: vec![(t / slope, 1.0 / slope)] }
            }
            _ => Limits { unit, upper: vec![(t, 1.0)], lower: vec![(t, 1.0)] },
        })
        .collect();
    dual_maximum(instance, &all, false) * scale
}

fn dual_maximum(instance: &Instance, all: &[Limits], sum: bool) -> f64 {
    let k = instance.weight.ncols();
    let groups = if sum { all.len() } else { 1 };
    // Rows: k stationarity, `groups` normalisations, then −y ≤ 0. One column per multiplier.
    let (mut columns, mut rewards) = (Vec::new(), Vec::new());
    for (place, limits) in all.iter().enumerate() {
        let group = k + if sum { place } else { 0 };
        let mut add = |side: f64, (constant, factor): (f64, f64)| {
            // Clarabel wants `g ≥ 0` as `−g ≤ 0`.
            let mut column: Vec<(usize, f64)> =
                (0..k).map(|i| (i, -side * instance.weight[(limits.unit, i)])).collect();
            column.push((group, factor));
            columns.push(column);
            rewards.push(side * (constant - instance.bias[limits.unit]));
        };
        limits.upper.iter().for_each(|&limit| add(1.0, limit));
        limits.lower.iter().for_each(|&limit| add(-1.0, limit));
    }
    let multipliers = columns.len();
    if multipliers == 0 {
        return 0.0;
    }
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for (index, column) in columns.iter().enumerate() {
        for &(row, value) in column.iter().chain([&(k + groups + index, -1.0)]) {
            rows.push(row);
            values.push(value);
        }
        starts.push(rows.len());
    }
    let height = k + groups + multipliers;
    let matrix = CscMatrix::new(height, multipliers, starts, rows, values);
    let bounds: Vec<f64> = (0..height).map(|row| if (k..k + groups).contains(&row) { 1.0 } else { 0.0 }).collect();
    let cones = if instance.nonnegative {
        vec![NonnegativeConeT(height)]
    } else {
        vec![ZeroConeT(k), NonnegativeConeT(height - k)]
    };
    let settings = DefaultSettingsBuilder::default()
        .verbose(false)
        .tol_gap_abs(1e-12)
        .tol_gap_rel(1e-12)
        .tol_feas(1e-12)
        .build()
        .unwrap();
    let quadratic = CscMatrix::zeros((multipliers, multipliers));
    let mut solver = DefaultSolver::new(&quadratic, &rewards, &matrix, &bounds, &cones, settings).unwrap();
    solver.solve();
    let status = solver.solution.status;
    assert!(
        matches!(status, SolverStatus::Solved | SolverStatus::AlmostSolved | SolverStatus::InsufficientProgress),
        "{}: the oracle failed: {status:?}",
        instance.name
    );
    -solver.solution.obj_val
}

/// `δ*` or `Σ e*` by the simplex solver, accurate to about 1e-6. It is computed from the definition
/// at the resulting vertex, because the solver's own value includes its feasibility tolerance.
pub fn violation(instance: &Instance, rule: RowRule, sum: bool) -> f64 {
    let (instance, scale) = &normalised(instance);
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let z = variables(&mut problem, instance);
    let shared = (!sum).then(|| problem.add_var(1.0, (0.0, f64::INFINITY)));
    for limits in limits(instance, rule) {
        let e = shared.unwrap_or_else(|| problem.add_var(1.0, (0.0, f64::INFINITY)));
        let bias = instance.bias[limits.unit];
        for (constant, factor) in limits.upper {
            problem.add_constraint(
                terms(instance, limits.unit, &z, Some((e, -factor))),
                ComparisonOp::Le,
                constant - bias,
            );
        }
        for (constant, factor) in limits.lower {
            problem.add_constraint(
                terms(instance, limits.unit, &z, Some((e, factor))),
                ComparisonOp::Ge,
                constant - bias,
            );
        }
    }
    let solution = solve(problem, instance).expect("always feasible");
    let z: Vec<f64> = z.iter().map(|&z| solution.var_value(z)).collect();
    let z: Vec<f64> = z.iter().map(|&z| if instance.nonnegative { z.max(0.0) } else { z }).collect();
    let all = violations(instance, rule, &z).into_iter().map(|(_, violation)| violation);
    let objective: f64 = if sum { all.sum() } else { all.fold(0.0, f64::max) };
    objective * scale
}

/// The least `Σ z_i` over `z ≥ 0` whose units have at most these violations, by the simplex solver.
pub fn least_sum(instance: &Instance, rule: RowRule, violation: impl Fn(usize) -> f64) -> f64 {
    let (scaled, scale) = &normalised(instance);
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let z: Vec<Variable> = (0..instance.weight.ncols()).map(|_| problem.add_var(1.0, (0.0, f64::INFINITY))).collect();
    for limits in limits(scaled, rule) {
        // The solver's rows hold to about 1e-9.
        let e = violation(limits.unit) / scale + 1e-9;
        let (left, bias) = (terms(scaled, limits.unit, &z, None), scaled.bias[limits.unit]);
        for (constant, factor) in limits.upper {
            problem.add_constraint(left.as_slice(), ComparisonOp::Le, constant + factor * e - bias);
        }
        for (constant, factor) in limits.lower {
            problem.add_constraint(left.as_slice(), ComparisonOp::Ge, constant - factor * e - bias);
        }
    }
    solve(problem, instance).expect("the answer satisfies the rows").objective() * scale
}

/// The violation of each observed unit at `z`, from the definition.
pub fn violations(instance: &Instance, rule: RowRule, z: &[f64]) -> Vec<(usize, f64)> {
    let of_unit = |limits: Limits| {
        let a = instance.bias[limits.unit]
            + z.iter().enumerate().map(|(i, z)| instance.weight[(limits.unit, i)] * z).sum::<f64>();
        let above = limits.upper.iter().map(|(constant, factor)| (a - constant) / factor);
        let below = limits.lower.iter().map(|(constant, factor)| (constant - a) / factor);
        (limits.unit, above.chain(below).fold(0.0, f64::max))
    };
    limits(instance, rule).into_iter().map(of_unit).collect()
}

/// The relaxed maximum of eqs. (8) and (9) by the simplex solver; `None` if infeasible.
pub fn relaxed(instance: &Instance) -> Option<f64> {
    let (instance, scale) = &normalised(instance);
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let (eps, c) = (instance.epsilon, instance.slope());
    let relu = instance.activation == Activation::Relu;
    let low = if instance.nonnegative { 0.0 } else { f64::NEG_INFINITY };
    let observed: Vec<(usize, f64)> =
        instance.target.iter().copied().enumerate().filter(|(_, t)| !t.is_nan()).collect();
    let weight = |t: f64| if relu { t.max(0.0) } else { t };
    let z: Vec<Variable> = (0..instance.weight.ncols())
        .map(|i| {
            let q: f64 = observed.iter().map(|&(u, t)| weight(t) * instance.weight[(u, i)]).sum();
            problem.add_var(q, (low, f64::INFINITY))
        })
        .collect();
    for &(unit, t) in &observed {
        let left = terms(instance, unit, &z, None);
        let bias = instance.bias[unit];
        let upper = if relu { t + eps } else { (t + eps).max(0.0) };
        if left.is_empty() {
            // microlp does not accept empty rows.
            if upper < bias || (!relu && (t - eps).min(0.0) / c > bias) {
                return None;
            }
            continue;
        }
        problem.add_constraint(left.as_slice(), ComparisonOp::Le, upper - bias);
        if !relu {
            problem.add_constraint(left.as_slice(), ComparisonOp::Ge, (t - eps).min(0.0) / c - bias);
        }
    }
    // Bilinear in target and code.
    solve(problem, instance).map(|solution| solution.objective() * scale * scale)
}

/// The optimum; `None` if infeasible.
fn solve(problem: Problem, instance: &Instance) -> Option<Solution> {
    match problem.solve() {
        Ok(SolveOutcome::Solution(solution)) => Some(solution),
        Err(microlp::Error::Infeasible) => None,
        other => panic!("{}: the oracle failed: {other:?}", instance.name),
    }
}

/// `δ*` by trying every vertex of the region in `(z, δ)`. Rank-deficient regions have no vertex:
/// `None`.
pub fn violation_by_vertices(instance: &Instance, rule: RowRule) -> Option<f64> {
    let k = instance.weight.ncols();
    // Rows `g·(z, δ) ≤ h`.
    let mut rows: Vec<(DVector<f64>, f64)> = Vec::new();
    for limits in limits(instance, rule) {
        let bias = instance.bias[limits.unit];
        let mut add = |side: f64, (constant, factor): (f64, f64)| {
            let mut g = DVector::zeros(k + 1);
            for i in 0..k {
                g[i] = side * instance.weight[(limits.unit, i)];
            }
            g[k] = -factor;
            rows.push((g, side * (constant - bias)));
        };
        limits.upper.iter().for_each(|&limit| add(1.0, limit));
        limits.lower.iter().for_each(|&limit| add(-1.0, limit));
    }
    for i in (0..=k).filter(|&i| i == k || instance.nonnegative) {
        let mut g = DVector::zeros(k + 1);
        g[i] = -1.0;
        rows.push((g, 0.0));
    }
    let mut best: Option<f64> = None;
    let mut chosen = Vec::new();
    each_subset(rows.len(), k + 1, 0, &mut chosen, &mut |subset| {
        let matrix = DMatrix::from_fn(k + 1, k + 1, |r, c| rows[subset[r]].0[c]);
        let right = DVector::from_iterator(k + 1, subset.iter().map(|&r| rows[r].1));
        let lu = matrix.clone().full_piv_lu();
        if lu.u().diagonal().iter().any(|pivot| pivot.abs() < 1e-9) {
            return;
        }
        let Some(point) = lu.solve(&right) else { return };
        let scale = point.amax().max(1e-300) * 1e-9 + right.amax() * 1e-9;
        if rows.iter().all(|(g, h)| g.dot(&point) <= h + scale) && best.is_none_or(|best| point[k] < best) {
            best = Some(point[k]);
        }
    });
    best
}

fn each_subset(of: usize, size: usize, from: usize, chosen: &mut Vec<usize>, visit: &mut impl FnMut(&[usize])) {
    if chosen.len() == size {
        visit(chosen);
        return;
    }
    for next in from..of {
        chosen.push(next);
        each_subset(of, size, next + 1, chosen, visit);
        chosen.pop();
    }
}
