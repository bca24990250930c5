//! The dual simplex for the largest violation and for linear objectives: from a vertex whose
//! multipliers are nonnegative (the primal simplex makes them so first) to one that satisfies all
//! rows.
//!
//! A violated row enters; as its multiplier `θ` grows, those of the vertex's constraints fall by
//! `θ` times its coordinates, and the first that would turn negative leaves. The objective rises by
//! `θ` times the violation, so every vertex on the way is a lower bound: if that exceeds the
//! cutoff, the method stops.
//!
//! Rows are priced in two rounds: a product with all of `W` gives the most violated ones, and
//! pivots continue among those until they hold.

use super::super::scaled_rows::Kind;
use super::tableau::{Constraint, Tableau};
use crate::linalg::lanes::{Lane, numbers, numbers_mut, vectorised};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::products;
use crate::lp::problem::LayerSystem;
use crate::lp::solver::tolerances::{POSITIVE, VIOLATED, violated};

/// Rows priced between two products with all of `W`.
const CANDIDATES: usize = 48;
/// A coordinate below this share of the largest cannot be a pivot.
const PIVOT: f64 = 1e-7;
/// Multipliers this far below 0 are rounding errors.
const ROUNDING: f64 = 1e-12;

/// How the dual simplex ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DualEnd {
    /// All rows hold, all multipliers are strictly positive: the only optimum.
    Optimal,
    /// The optimum is above the cutoff.
    AboveCutoff,
    /// Nothing is proven: too many pivots, a lost one, a degenerate vertex.
    GaveUp,
}

/// Workspace of the pricing.
#[derive(Debug, Default)]
pub struct Candidates {
    rows: Vec<(f64, u32, u32)>,
    units: Vec<u32>,
    a: Vec<f64>,
    of_all: Vec<Lane>,
}

impl Tableau {
    /// Pivots until all rows hold. `cutoff` in the rows' scale. Returns the number of pivots, too.
    pub fn dual_simplex(
        &mut self,
        system: &LayerSystem,
        weights: &PackedWeights,
        cutoff: Option<f64>,
        candidates: &mut Candidates,
    ) -> (DualEnd, u32) {
        let nonnegative = system.nonnegative;
        let gradient = self.objective_gradient(weights);
        let Some(before) = self.primal_simplex(weights, nonnegative, &gradient) else { return (DualEnd::GaveUp, 0) };
        if self.multipliers.iter().any(|y| y.is_nan() || *y < -POSITIVE) {
            return (DualEnd::GaveUp, before);
        }
        self.multipliers.iter_mut().for_each(|y| *y = y.max(0.0));
        let mut pivots = before as usize;
        let limit = pivots + self.dimension() + 20;
        self.place_point(weights, false);
        candidates.rows.clear();
        loop {
            if cutoff.is_some_and(|cutoff| self.lower_bound() > cutoff) {
                self.set_multipliers(weights, &gradient, true);
                self.multipliers.iter_mut().for_each(|y| *y = y.max(0.0));
                let proven = cutoff.is_some_and(|cutoff| self.lower_bound() > cutoff);
                return (if proven { DualEnd::AboveCutoff } else { DualEnd::GaveUp }, pivots as u32);
            }
            let mut worst = self.worst_candidate(weights, nonnegative, candidates);
            if worst.is_none() {
                // Every candidate holds, so all rows are checked, at a point without the pivots'
                // rounding.
                self.place_point(weights, true);
                self.choose_candidates(system, weights, candidates);
                worst = self.worst_candidate(weights, nonnegative, candidates);
            }
            let Some((entering, excess)) = worst else { break };
            if pivots >= limit {
                return (DualEnd::GaveUp, pivots as u32);
            }
            pivots += 1;
            self.price(weights, &entering);
            let Some(leaving) = self.dual_ratio_test() else { return (DualEnd::GaveUp, pivots as u32) };
            self.pivot(leaving, entering, excess);
            if self.is_stale() {
                if !self.invert(weights) {
                    return (DualEnd::GaveUp, pivots as u32);
                }
                self.place_point(weights, false);
            }
        }
        self.set_multipliers(weights, &gradient, true);
        let is_unique = self.strictly_between(|_, _| (0.0, f64::INFINITY));
        (if is_unique { DualEnd::Optimal } else { DualEnd::GaveUp }, pivots as u32)
    }

    /// The objective to be minimised: `δ`, or `−q·z`.
    fn objective_gradient(&self, weights: &PackedWeights) -> Vec<Lane> {
        let mut gradient = vec![Lane::ZERO; self.point.len()];
        let entries = numbers_mut(&mut gradient);
        match self.rows.kind {
            Kind::Largest => entries[weights.columns] = 1.0,
            _ => entries.iter_mut().zip(&self.rows.weights).for_each(|(entry, q)| *entry = -q),
        }
        gradient
    }

    /// `−Σ β y`: the dual objective, a bound on the minimum from below.
    pub fn lower_bound(&self) -> f64 {
        -self.constraints.iter().zip(&self.multipliers).map(|(constraint, y)| constraint.value() * y).sum::<f64>()
    }

    /// Keeps the most violated rows.
    fn choose_candidates(&mut self, system: &LayerSystem, weights: &PackedWeights, candidates: &mut Candidates) {
        let mut a = std::mem::take(&mut self.a);
        self.products_of_units(system, weights, &self.point, &mut candidates.of_all, &mut a);
        self.a = a;
        let delta = self.violation(weights);
        let least = self.least_excess(delta);
        candidates.rows.clear();
        for slot in &self.rows.slots {
            for (place, (row, &a)) in slot.clone().zip(&self.a).enumerate() {
                let excess = self.rows.side[row] * a - self.rows.slack[row] * delta - self.rows.bound[row];
                if excess > least {
                    candidates.rows.push((excess, row as u32, place as u32));
                }
            }
        }
        if candidates.rows.len() > CANDIDATES {
            candidates.rows.select_nth_unstable_by(CANDIDATES, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            candidates.rows.truncate(CANDIDATES);
        }
        candidates.units.clear();
        candidates.units.extend(candidates.rows.iter().map(|&(_, _, place)| self.rows.units[place as usize]));
    }

    /// `δ`.
    fn violation(&self, weights: &PackedWeights) -> f64 {
        if self.rows.kind == Kind::Largest { numbers(&self.point)[weights.columns] } else { 0.0 }
    }

    /// Constraints violated by up to this hold.
    fn least_excess(&self, delta: f64) -> f64 {
        if self.rows.kind == Kind::Largest { violated(delta) } else { VIOLATED }
    }

    /// The most violated constraint, among the candidates and the signs.
    fn worst_candidate(
        &self,
        weights: &PackedWeights,
        nonnegative: bool,
        candidates: &mut Candidates,
    ) -> Option<(Constraint, f64)> {
        let delta = self.violation(weights);
        let mut worst = None;
        let mut largest = self.least_excess(delta);
        let x = numbers(&self.point);
        if nonnegative {
            for (column, z) in x[..weights.columns].iter().enumerate() {
                if -z > largest {
                    largest = -z;
                    worst = Some(Constraint::Bound(column as u32));
                }
            }
        }
        if -delta > largest {
            largest = -delta;
            worst = Some(Constraint::NoViolation);
        }
        candidates.a.clear();
        candidates.a.resize(candidates.rows.len(), 0.0);
        if !candidates.rows.is_empty() {
            products(weights, &candidates.units, &self.point, &mut candidates.a);
        }
        for ((&(_, row, _), &unit), &a) in candidates.rows.iter().zip(&candidates.units).zip(&candidates.a) {
            let at = row as usize;
            let (side, slack, bound) = (self.rows.side[at], self.rows.slack[at], self.rows.bound[at]);
            let excess = side * a - slack * delta - bound;
            if excess > largest {
                largest = excess;
                worst = Some(Constraint::Row { unit, side, slack, bound, row: Some(row) });
            }
        }
        worst.map(|constraint| (constraint, largest))
    }

    /// Which constraint leaves: among those whose multiplier vanishes first, up to rounding, the
    /// one with the largest pivot.
    fn dual_ratio_test(&self) -> Option<usize> {
        let (reach, least) = shortest_reach(&self.multipliers, &self.coordinates);
        let pairs = self.multipliers.iter().zip(&self.coordinates).enumerate();
        // Few pass the first test, so that the processor guesses it right.
        let first = pairs.filter(|(_, (y, c))| **y <= reach * **c).filter(|(_, (_, c))| **c > least);
        first.max_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b)).map(|(index, _)| index)
    }

    /// Carries the exchange out on point, multipliers and inverse.
    fn pivot(&mut self, leaving: usize, entering: Constraint, excess: f64) {
        let pivot = self.coordinates[leaving];
        let step = excess / pivot;
        let direction = numbers(self.inverse.vector(leaving));
        numbers_mut(&mut self.point).iter_mut().zip(direction).for_each(|(x, d)| *x -= step * d);
        let theta = self.multipliers[leaving] / pivot;
        for (y, c) in self.multipliers.iter_mut().zip(&self.coordinates) {
            *y = (*y - theta * c).max(0.0);
        }
        self.multipliers[leaving] = theta;
        self.exchange(leaving, entering);
    }
}

vectorised! {
    /// The least `(y + ROUNDING) / c` over the coordinates above [`PIVOT`] times the largest
    /// (infinite without any), and that limit.
    fn shortest_reach(multipliers: &[f64], coordinates: &[f64]) -> (f64, f64) {
        let (mut largest, mut shortest) = ([0.0f64; 8], [f64::INFINITY; 8]);
        let (multipliers, few_multipliers) = multipliers.as_chunks::<8>();
        let (coordinates, few_coordinates) = coordinates.as_chunks::<8>();
        for c in coordinates {
            for i in 0..8 {
                largest[i] = if c[i].abs() > largest[i] { c[i].abs() } else { largest[i] };
            }
        }
        for (largest, c) in largest.iter_mut().zip(few_coordinates) {
            *largest = largest.max(c.abs());
        }
        let least = PIVOT * largest.into_iter().fold(0.0, f64::max);
        // Without a branch, which would be guessed wrong at every other coordinate.
        let reach = |y: f64, c: f64| if c > least { (y + ROUNDING) / c } else { f64::INFINITY };
        for (y, c) in multipliers.iter().zip(coordinates) {
            for i in 0..8 {
                let reach = reach(y[i], c[i]);
                shortest[i] = if reach < shortest[i] { reach } else { shortest[i] };
            }
        }
        for ((shortest, y), c) in shortest.iter_mut().zip(few_multipliers).zip(few_coordinates) {
            *shortest = shortest.min(reach(*y, *c));
        }
        (shortest.into_iter().fold(f64::INFINITY, f64::min), least)
    }
}
