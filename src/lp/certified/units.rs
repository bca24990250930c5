//! Answers in a layer's better units, as answers in its own.

use super::super::certificate::{FAR, FailedTest, Proof, Verdict, certify_optimal, data_size};
use super::super::problem::equilibration::Equilibrated;
use super::super::problem::{LayerSystem, Problem};
use super::CertifiedSolution;

/// A checked answer to `scaled` as one to `problem`, whose layer `system` is.
///
/// A box of competitors is another box in other units. So an optimum that was proven within one is
/// certified if the layer's own box, a thousand times its data, lies within it, or if the
/// certificate holds in the layer's own units.
pub fn restored(
    (system, problem): (&LayerSystem, &Problem),
    (better, scaled): (&Equilibrated, &Problem),
    solution: CertifiedSolution,
) -> CertifiedSolution {
    let CertifiedSolution { mut z, mut multipliers, mut verdict, mut determined, .. } = solution;
    let size_of_scaled = data_size(&better.system, scaled, &z);
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
        // The size that entries are compared with is that of the scaled units.
        _ => determined.fill(false),
    }
    if let Verdict::Optimal { objective, proof: Proof::Within { factor } } = verdict {
        let size = data_size(system, problem, &z);
        let within = |i: usize| {
            let scaled = size_of_scaled / better.system.largest_of_column(i) * better.columns[i];
            let share = factor * (scaled / (size / system.largest_of_column(i)));
            // Overflow is no proof.
            if share.is_nan() { 0.0 } else { share }
        };
        let weighted = (0..z.len()).filter(|&i| system.largest_of_column(i) > 0.0);
        let factor = weighted.map(within).fold(f64::INFINITY, f64::min);
        verdict = if factor >= FAR {
            Verdict::Optimal { objective, proof: Proof::Within { factor } }
        } else {
            certify_optimal(system, problem, &z, &multipliers)
        };
    }
    if !is_exact && verdict != Verdict::Infeasible {
        verdict = Verdict::NotCertified { objective: f64::NAN, failed: FailedTest::NotFinite };
    }
    CertifiedSolution { z, multipliers, verdict, determined, vertex: None, ..solution }
}
