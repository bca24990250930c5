//! The switch from the iteration to the simplex. Once the predictor shows for nearly all
//! constraints whether they will be tight, the vertex of those that vanish first is a few pivots
//! from the optimum. Pivots cost less than iterations.
//!
//! The constraints are ranked by Tapia's indicator (see [`super::indicators`]), and as many as
//! there are unknowns are taken; a unit of the sum of violations is held at its kink by two of its
//! constraints, so the second one decides its rank.

use super::indicators::Indicators;
use super::iterate::Iterate;
use crate::lp::basis::{Basis, Tight};
use crate::lp::solver::scaled_rows::Kind;

/// Constraints with an indicator between these are unclear.
const UNCLEAR: std::ops::Range<f64> = 0.15..0.85;
/// Maximum number of unclear constraints, as a share of the unknowns …
const UNCLEAR_SHARE: f64 = 0.3;
/// … or this many.
const UNCLEAR_FEW: usize = 3;

/// A constraint with its indicator.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    indicator: f64,
    constraint: Candidate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    /// A row and its position.
    Row(u32, u32),
    /// The unit at a position.
    Unit(u32),
    Bound(u32),
    NoViolation,
}

/// The vertex from which the simplex starts, in the problem's own numbers; `None` while too many
/// constraints are unclear.
pub fn near_vertex(seen: Indicators<'_>) -> Option<Basis> {
    let Iterate { shared, rows, point } = seen.at;
    let columns = shared.columns();
    let unknowns = columns + usize::from(rows.kind == Kind::Largest);
    let mut ranked = Vec::with_capacity(rows.len() + columns + 1);
    let mut unclear = 0;
    let mut add = |indicator: f64, constraint: Candidate| {
        unclear += usize::from(UNCLEAR.contains(&indicator));
        if indicator > UNCLEAR.start {
            ranked.push(Ranked { indicator, constraint });
        }
    };
    if rows.kind == Kind::Sum {
        for place in 0..rows.units.len() {
            add(seen.second(place), Candidate::Unit(place as u32));
        }
    } else {
        for slot in &rows.slots {
            for (place, row) in slot.clone().enumerate() {
                add(seen.row(row), Candidate::Row(row as u32, place as u32));
            }
        }
    }
    if rows.kind == Kind::Largest {
        add(seen.violation(0), Candidate::NoViolation);
    }
    if shared.nonnegative {
        for column in 0..columns {
            add(seen.bound(column), Candidate::Bound(column as u32));
        }
    }
    let allowed = UNCLEAR_FEW.max((UNCLEAR_SHARE * unknowns as f64) as usize);
    if unclear > allowed || ranked.len() < unknowns {
        return None;
    }
    let order = |a: &Ranked, b: &Ranked| b.indicator.total_cmp(&a.indicator).then(a.constraint.cmp(&b.constraint));
    if ranked.len() > unknowns {
        ranked.select_nth_unstable_by(unknowns, order);
        ranked.truncate(unknowns);
    }
    ranked.sort_unstable_by_key(|ranked| ranked.constraint);
    let scale = rows.bound_scale(shared.weights);
    let tight = ranked.into_iter().map(|Ranked { constraint, .. }| match constraint {
        Candidate::Row(row, place) => {
            let row = row as usize;
            Tight::Row {
                unit: rows.units[place as usize] as usize,
                side: rows.side[row],
                slack: rows.slack[row],
                bound: rows.bound[row] * scale,
            }
        }
        Candidate::Unit(place) => {
            let place = place as usize;
            Tight::Kink { unit: rows.units[place] as usize, value: point.a[place] * scale }
        }
        Candidate::Bound(column) => Tight::Bound(column as usize),
        Candidate::NoViolation => Tight::NoViolation,
    });
    Some(Basis { tight: tight.collect() })
}
