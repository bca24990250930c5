//! Builds the report row of one observation.

use crate::lp::Inversion;
use crate::multistart::{BestAnswer, Objective, Refinement};
use crate::observation::unusable;
use crate::outcome::{AlternativesRow, Failure, ObservationRow, RefinementRow, Residual, SearchRow, Status};

const NO_RESIDUAL: Residual =
    Residual { linf: f64::NAN, l1: f64::NAN, l2_relative: f64::NAN, rms: f64::NAN, observed: 0 };

pub(crate) fn empty_row(index: u64, status: Status) -> ObservationRow {
    ObservationRow {
        index,
        status,
        fit: None,
        epsilon: f64::NAN,
        reproduces: false,
        determined: false,
        residual: NO_RESIDUAL,
        tolerance: f64::NAN,
        tolerances_missed: f64::NAN,
        out_of_range: 0,
        far_code: false,
        saturated: 0,
        refined: false,
        refinement: None,
        iterations: None,
        search: None,
        loss: None,
        alternatives: None,
        uncertainty: None,
        code_error: None,
        image_error: None,
        layers: Vec::new(),
    }
}

pub(super) fn layerwise_row(index: u64, inversion: Inversion) -> ObservationRow {
    let certified = inversion.is_certified();
    let status = match inversion.failure {
        Some(why) => Status::Failed(why),
        None if certified => Status::Solved,
        None => Status::NotCertified,
    };
    ObservationRow { saturated: inversion.saturated, layers: inversion.layers, ..empty_row(index, status) }
}

/// `listed`: the number of codes to list, if other minima were looked for.
pub(crate) fn best_row(
    index: u64,
    observation: &[f64],
    saturated: usize,
    answer: &BestAnswer,
    listed: Option<usize>,
) -> ObservationRow {
    let status = match unusable(observation) {
        Some(why) => Status::Failed(why),
        None if answer.found == 0 => Status::Failed(Failure::NoFiniteRun),
        None if answer.converged => Status::Converged,
        None => Status::NotConverged,
    };
    let search = || SearchRow {
        start: answer.start.into(),
        first_found: answer.first_found,
        found: answer.found,
        runs: answer.runs,
        determined: answer.determined,
        stationary: answer.stationary,
    };
    let first = || std::iter::once((&answer.code[..], answer.loss));
    let others = answer.alternatives.iter().map(|other| (&other.code[..], other.loss));
    let all: Vec<_> = first().chain(others).collect();
    let has_code = answer.found > 0;
    ObservationRow {
        saturated,
        search: has_code.then(search),
        alternatives: listed.filter(|_| has_code).map(|listed| AlternativesRow::of(all.into_iter(), listed)),
        ..empty_row(index, status)
    }
}

pub(super) fn refinement_row(objective: Objective, refinement: &Refinement) -> RefinementRow {
    RefinementRow {
        objective: objective.to_string(),
        before: refinement.loss_before,
        after: refinement.loss_after,
        proven: refinement.stationary,
        determined: refinement.determined,
        region: refinement.region.map_or_else(String::new, |digest| format!("{digest:016x}")),
    }
}

/// `G(z) − x` over the observed entries; `NaN` if `G(z)` is `NaN` or no entry was observed.
pub(crate) fn residual(observation: &[f64], output: &[f64]) -> Residual {
    let (mut linf, mut l1, mut squares, mut norm, mut observed) = (0.0f64, 0.0, 0.0, 0.0, 0usize);
    for (x, g) in observation.iter().zip(output).filter(|(x, _)| !x.is_nan()) {
        let difference = (g - x).abs();
        linf = linf.max(difference);
        l1 += difference;
        squares += difference * difference;
        norm += x * x;
        observed += 1;
    }
    // A `NaN` makes the sum `NaN`; the maximum ignores it.
    if observed == 0 || f64::is_nan(l1) {
        return NO_RESIDUAL;
    }
    let root = (observed as f64).sqrt();
    // Squares of numbers beyond 1e±154 leave the range of f64.
    if (linf > 0.0 && !squares.is_normal()) || (norm != 0.0 && !norm.is_normal()) {
        let seen = || observation.iter().zip(output).filter(|(x, _)| !x.is_nan());
        let (left, size) = (length(seen().map(|(x, g)| g - x)), length(seen().map(|(x, _)| *x)));
        let l2_relative = if left == 0.0 { 0.0 } else { left / size };
        return Residual { linf, l1, l2_relative, rms: left / root, observed };
    }
    let l2_relative = if squares == 0.0 { 0.0 } else { (squares / norm).sqrt() };
    Residual { linf, l1, l2_relative, rms: (squares / observed as f64).sqrt(), observed }
}

/// The Euclidean length, of numbers of any size.
fn length(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = numbers.clone().fold(0.0, |most: f64, x| most.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * numbers.map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_of_any_size() {
        let (x, g) = ([3.0, f64::NAN, -4.0, 0.0], [3.0, 9.0, -4.5, 1.2]);
        let plain = residual(&x, &g);
        assert!((plain.l2_relative - 0.26).abs() < 1e-15 && (plain.rms - 1.3 / 3f64.sqrt()).abs() < 1e-15);
        for scale in [1e-300, 1e-180, 1e180, 1e300] {
            let scaled = residual(&x.map(|x| x * scale), &g.map(|g| g * scale));
            assert!((scaled.l2_relative / plain.l2_relative - 1.0).abs() < 1e-12, "{scale}: {scaled:?}");
            assert!((scaled.rms / scale / plain.rms - 1.0).abs() < 1e-12, "{scale}: {scaled:?}");
        }
        assert_eq!(residual(&[0.0; 2], &[0.0; 2]).l2_relative, 0.0);
        assert_eq!(residual(&[0.0; 2], &[1.0; 2]).l2_relative, f64::INFINITY);
    }
}
