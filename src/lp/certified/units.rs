//! Answers in a layer's better units, as answers in its own.

use super::super::certificate::{FailedTest, Proof, Verdict};
use super::super::problem::Problem;
use super::super::problem::equilibration::Equilibrated;
use super::CertifiedSolution;

/// A checked answer to the scaled problem as one to `problem`.
pub fn restored(better: &Equilibrated, problem: &Problem, solution: CertifiedSolution) -> CertifiedSolution {
    let CertifiedSolution { mut z, mut multipliers, mut verdict, mut determined, .. } = solution;
    let mut is_exact = true;
    let mut scale = |value: &mut f64, factor: f64| {
        let restored = *value * factor;
        is_exact &= restored / factor == *value || value.is_nan();
        *value = restored;
    };
    z.iter_mut().zip(&better.columns).for_each(|(z, factor)| scale(z, *factor));
    multipliers.iter_mut().zip(&problem.rows).for_each(|(y, row)| scale(y, better.rows[row.unit]));
    match &mut verdict {
        Verdict::Optimal { proof: Proof::Everywhere { reach }, .. } if reach.is_finite() => *reach *= better.reach,
        // The box, and the size that entries are compared with, are those of the scaled units.
        _ => determined.fill(false),
    }
    if !is_exact && verdict != Verdict::Infeasible {
        verdict = Verdict::NotCertified { objective: f64::NAN, failed: FailedTest::NotFinite };
    }
    CertifiedSolution { z, multipliers, verdict, determined, vertex: None, ..solution }
}
