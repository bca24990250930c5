//! How far multipliers let the rows of a code move that is at least as good, where `G = 1`.

use super::super::problem::{Objective, Problem, Row};

/// By how much a row with the multiplier `y` can move.
pub fn row_freedom(problem: &Problem, y: f64) -> f64 {
    match problem.objective {
        // Without a violation variable z itself may be on the other side of a row.
        Objective::Linear { .. } => 2.0 / y,
        _ => 1.0 / y,
    }
}

/// By how much `a = w_u·z` of a unit can move for `G = 1`. Each row says `side·a = bound + slack·e
/// − p` with `p ≤ 1/y` and `e ≤ 1/unused`, both at least 0.
pub fn unit_freedom(rows: &[Row], y: &[f64], unused: f64) -> f64 {
    let mut least = f64::INFINITY;
    for (index, first) in rows.iter().enumerate() {
        // A row and the violation.
        least = least.min(y[index].recip() + first.slack / unused);
        for (second, other) in rows.iter().zip(y).take(index) {
            let difference = first.side * second.slack - second.side * first.slack;
            // Two rows of different slopes, the violation eliminated.
            least = least.min((second.slack / y[index] + first.slack / other) / difference.abs());
            // Two opposite rows without room between them hold the unit with the violation alone.
            if first.side != second.side && first.bound == -second.bound {
                least = least.min((first.slack + second.slack) / unused);
            }
        }
    }
    if least.is_nan() { f64::INFINITY } else { least }
}
