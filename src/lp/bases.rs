//! Where the programs of a layer-wise inversion ended: the start of the programs of similar
//! observations, in loops of projections. The constraint matrix of a layer is the same for all
//! observations, so a vertex of one is a vertex of another, with other right-hand sides, and
//! multipliers that are dual feasible for one are so for the other.

use std::fmt;
use std::sync::Arc;

use super::basis::{Basis, Tight};
use super::certificate::{Verdict, certify_above};
use super::certified::CertifiedSolution;
use super::problem::{LayerSystem, Problem, Row};
use super::solution::Attempt;

/// The optimal bases of the layers' linear programs, one set per observation: the state that lets
/// the next call of a [`Projector`](crate::Projector) start where this one ended.
///
/// It takes about 100 bytes per column of each layer, and it is cheap to clone. It holds no
/// answers: whatever is passed, every answer is certified anew. Only the layer-wise methods `linf`,
/// `l1` and `relaxed` leave bases; otherwise, an observation has none.
#[derive(Clone, Default)]
pub struct Bases(Vec<ObservationBases>);

/// One entry per layer, the first layer first; no entries where there is nothing.
type ObservationBases = Vec<Option<Arc<LayerBasis>>>;

/// The result of one observation's programs at one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerBasis {
    /// Number of units of the layer.
    pub units: usize,
    /// The optimum, one entry per column.
    pub z: Vec<f64>,
    /// The objective there: `δ` for `linf`.
    pub objective: f64,
    /// The optimal vertex.
    pub basis: Basis,
    /// For `linf`, a lower bound on `δ`: the proof that a smaller tolerance is infeasible.
    pub bound: Option<LowerBound>,
}

/// Multipliers that bound the optimum of a program from below.
#[derive(Debug, Clone, PartialEq)]
pub struct LowerBound(Vec<Multiplier>);

/// A positive multiplier, with the row that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Multiplier {
    unit: usize,
    side: f64,
    slack: f64,
    y: f64,
}

impl fmt::Debug for Bases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bases").field("observations", &self.len()).finish_non_exhaustive()
    }
}

impl Bases {
    /// Number of observations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no observation.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bases of these observations, in this order.
    ///
    /// # Panics
    /// If one of the `observations` is not below [`Self::len`].
    #[must_use]
    pub fn select(&self, observations: &[usize]) -> Self {
        Bases(observations.iter().map(|&observation| self.0[observation].clone()).collect())
    }

    /// Adds the observations of `other` behind its own.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// No basis for any of `count` observations.
    pub(crate) fn none(count: usize) -> Self {
        Bases(vec![Vec::new(); count])
    }

    /// Replaces the bases of one observation by those of an observation of `other`.
    pub(crate) fn replace(&mut self, observation: usize, other: &Self, of: usize) {
        self.0[observation].clone_from(&other.0[of]);
    }

    /// The basis of an observation at a layer, from 0.
    pub(super) fn at(&self, observation: usize, layer: usize) -> Option<&LayerBasis> {
        self.0.get(observation)?.get(layer)?.as_deref()
    }

    /// Stores the basis of an observation at one of `depth` layers.
    pub(super) fn set(&mut self, observation: usize, (layer, depth): (usize, usize), basis: Arc<LayerBasis>) {
        let layers = &mut self.0[observation];
        layers.resize(depth, None);
        layers[layer] = Some(basis);
    }

    /// Whether the bases can be those of a network whose layers have these units and inputs.
    pub(crate) fn fits(&self, layers: &[(usize, usize)]) -> bool {
        let fits = |(basis, &(units, columns)): (&Option<Arc<LayerBasis>>, &(usize, usize))| {
            basis.as_ref().is_none_or(|basis| basis.fits(units, columns))
        };
        let of_observation = |bases: &ObservationBases| {
            bases.is_empty() || bases.len() == layers.len() && bases.iter().zip(layers).all(fits)
        };
        self.0.iter().all(of_observation)
    }
}

impl LayerBasis {
    /// Whether this can be the basis of a layer of this size.
    pub(super) fn fits(&self, units: usize, columns: usize) -> bool {
        let is_inside = |tight: &Tight| match *tight {
            Tight::Row { unit, .. } | Tight::Kink { unit, .. } => unit < units,
            Tight::Bound(column) => column < columns,
            Tight::NoViolation => true,
        };
        let of_row = |multiplier: &Multiplier| multiplier.unit < units;
        self.units == units
            && self.z.len() == columns
            && self.basis.tight.iter().all(is_inside)
            && self.bound.as_ref().is_none_or(|bound| bound.0.iter().all(of_row))
    }
}

impl LowerBound {
    /// The positive multipliers of a program's rows.
    pub(super) fn of(problem: &Problem, multipliers: &[f64]) -> Self {
        let positive = problem.rows.iter().zip(multipliers).filter(|(_, y)| **y > 0.0);
        LowerBound(
            positive.map(|(row, &y)| Multiplier { unit: row.unit, side: row.side, slack: row.slack, y }).collect(),
        )
    }

    /// The same multipliers for another program of the layer, if they prove that its optimum is
    /// above `cutoff`. Costs a product with the rows that have multipliers.
    pub(super) fn above(&self, system: &LayerSystem, problem: &Problem, cutoff: f64) -> Option<CertifiedSolution> {
        let mut multipliers = vec![0.0; problem.rows.len()];
        let mut place = 0;
        for known in &self.0 {
            // Both are in the order of the units, and of the rows within a unit.
            let is_row = |row: &Row| row.unit == known.unit && row.side == known.side && row.slack == known.slack;
            // Without a row that this program does not have, the others prove nothing.
            place += problem.rows.get(place..)?.iter().position(is_row)?;
            multipliers[place] = known.y;
            place += 1;
        }
        let verdict = certify_above(system, problem, &multipliers, cutoff);
        let is_proven = matches!(verdict, Verdict::AboveCutoff { .. });
        let solution = || CertifiedSolution {
            z: vec![0.0; system.columns()],
            multipliers,
            verdict,
            attempt: Attempt::WarmStart,
            ..CertifiedSolution::missing(system)
        };
        is_proven.then(solution)
    }
}
