//! The primal simplex for the sum of violations, a convex piecewise linear function of `z ≥ 0` (or
//! free): from any vertex of kinks and bounds downhill to the optimum (Barrodale and Roberts 1973,
//! with kinks of any slopes).
//!
//! A vertex holds as many units at kinks (and entries at 0) as there are columns. With the gradient
//! `c` of the other units, `c + Σ y_j B_j = 0`; it is the optimum when each `y_j` lies between the
//! slopes of its kink (`y ≥ 0` for a bound). Otherwise that constraint is left, on the side where
//! the sum falls, and the line search passes kinks until it rises.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::kinks::{Kink, Kinks};
use super::tableau::{Constraint, FRESH, Tableau};
use crate::linalg::lanes::{Lane, numbers, numbers_mut};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::{combine, products};
use crate::lp::solver::tolerances::{POSITIVE, VIOLATED};

/// Rates below this share of the largest are rounding errors.
const STILL: f64 = 1e-10;

/// Workspace of the descent.
#[derive(Debug, Default)]
pub struct Descent {
    /// The kinks of the units.
    pub kinks: Kinks,
    /// On which piece each position is; for those held at a kink, the piece below it.
    pieces: Vec<u32>,
    gradient: Vec<Lane>,
    change: Vec<Lane>,
    direction: Vec<Lane>,
    rates: Vec<f64>,
    breakpoints: BinaryHeap<Breakpoint>,
    lengths: Vec<f64>,
    held: Vec<bool>,
    units: Vec<u32>,
    factors: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Breakpoint {
    /// The distance along the direction.
    step: f64,
    /// By how much the sum's slope rises there.
    rise: f64,
    /// The position of the unit, or the column of the bound.
    place: u32,
    /// The kink, or `u32::MAX` for a bound.
    kink: u32,
}

const BOUND: u32 = u32::MAX;

impl Eq for Breakpoint {}

impl Ord for Breakpoint {
    /// The nearest is the largest. Ties are broken by the larger rise, then by the order of the
    /// units, so that the order is total.
    fn cmp(&self, other: &Self) -> Ordering {
        let nearest = other.step.total_cmp(&self.step).then(self.rise.total_cmp(&other.rise));
        nearest.then(other.place.cmp(&self.place)).then(other.kink.cmp(&self.kink))
    }
}

impl PartialOrd for Breakpoint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Tableau {
    /// Descends from the vertex in place. `true` where it is the only optimum, shown by multipliers
    /// strictly between their limits. Returns the number of pivots, too.
    pub fn descend(&mut self, weights: &PackedWeights, nonnegative: bool, descent: &mut Descent) -> (bool, u32) {
        let limit = 2 * self.dimension() + 50;
        let mut pivots = 0;
        self.settle(weights, descent);
        let z = &numbers(&self.point)[..weights.columns];
        if nonnegative && z.iter().any(|&z| z < -VIOLATED) {
            return (false, 0);
        }
        loop {
            self.set_multipliers(weights, &descent.gradient, false);
            let Some((leaving, upwards)) = self.steepest_edge(descent) else { break };
            if pivots >= limit || !self.step_down(weights, nonnegative, descent, leaving, upwards) {
                return (false, pivots as u32);
            }
            pivots += 1;
            if pivots.is_multiple_of(FRESH) {
                if !self.invert(weights) {
                    return (false, pivots as u32);
                }
                self.settle(weights, descent);
            }
        }
        // Once more, at a point without the pivots' rounding.
        self.settle(weights, descent);
        let z = &numbers(&self.point)[..weights.columns];
        if nonnegative && z.iter().any(|&z| z < -VIOLATED) {
            return (false, pivots as u32);
        }
        self.set_multipliers(weights, &descent.gradient, true);
        let is_unique = self.strictly_between(|tableau, j| tableau.limits(descent, j));
        (is_unique, pivots as u32)
    }

    /// The multipliers between which constraint `j` holds.
    fn limits(&self, descent: &Descent, j: usize) -> (f64, f64) {
        match self.constraints[j] {
            Constraint::Kink { place, kink, .. } => {
                let [below, above] = descent.kinks.of(place as usize)[kink as usize].pieces;
                (below.slope, above.slope)
            }
            _ => (0.0, f64::INFINITY),
        }
    }

    /// Computes point, pieces and gradient from the constraints alone.
    fn settle(&mut self, weights: &PackedWeights, descent: &mut Descent) {
        self.place_point(weights, true);
        products(weights, &self.rows.units, &self.point, &mut self.a);
        descent.pieces.clear();
        descent.pieces.extend(
            self.a.iter().enumerate().map(|(place, a)| descent.kinks.of(place).partition_point(|k| k.at <= *a) as u32),
        );
        descent.held.clear();
        descent.held.resize(self.a.len(), false);
        for constraint in &self.constraints {
            if let Constraint::Kink { place, kink, value, .. } = *constraint {
                descent.pieces[place as usize] = kink;
                descent.held[place as usize] = true;
                self.a[place as usize] = value;
            }
        }
        descent.units.clear();
        descent.factors.clear();
        for (place, &piece) in descent.pieces.iter().enumerate() {
            let slope = descent.kinks.piece(place, piece).slope;
            if !descent.held[place] && slope != 0.0 {
                descent.units.push(self.rows.units[place]);
                descent.factors.push(slope);
            }
        }
        descent.gradient.clear();
        descent.gradient.resize(self.point.len(), Lane::ZERO);
        combine(weights, &descent.units, &descent.factors, &mut descent.gradient);
    }

    /// The constraint along whose edge the sum falls fastest for its length, and whether its value
    /// is to rise.
    fn steepest_edge(&self, descent: &mut Descent) -> Option<(usize, bool)> {
        self.inverse.squared_lengths(&mut descent.lengths);
        let mut best = None;
        let mut steepest = 0.0;
        for (j, &y) in self.multipliers.iter().enumerate() {
            let (low, high) = self.limits(descent, j);
            let excess = (y - high).max(low - y);
            if excess > POSITIVE {
                let merit = excess * excess / descent.lengths[j];
                if merit > steepest {
                    steepest = merit;
                    best = Some((j, y > high));
                }
            }
        }
        best
    }

    /// One pivot; `false` where none is possible.
    fn step_down(
        &mut self,
        weights: &PackedWeights,
        nonnegative: bool,
        descent: &mut Descent,
        leaving: usize,
        upwards: bool,
    ) -> bool {
        let sign = if upwards { 1.0 } else { -1.0 };
        descent.direction.clear();
        descent.direction.extend(self.inverse.vector(leaving).iter().map(|lane| Lane(lane.0.map(|x| sign * x))));
        let (low, high) = self.limits(descent, leaving);
        let y = self.multipliers[leaving];
        let mut slope = if upwards { high - y } else { y - low };
        descent.rates.clear();
        descent.rates.resize(self.a.len(), 0.0);
        products(weights, &self.rows.units, &descent.direction, &mut descent.rates);
        // The leaving unit goes on with the piece on its side of the kink.
        if let Constraint::Kink { place, .. } = self.constraints[leaving] {
            descent.held[place as usize] = false;
            descent.pieces[place as usize] += u32::from(upwards);
        }
        self.find_breakpoints(weights, nonnegative, descent);
        // The change of the gradient: units that pass kinks, the leaving one, the entering one.
        descent.units.clear();
        descent.factors.clear();
        if let Constraint::Kink { unit, place, .. } = self.constraints[leaving] {
            descent.units.push(unit);
            descent.factors.push(descent.kinks.piece(place as usize, descent.pieces[place as usize]).slope);
        }
        let mut entering = None;
        while let Some(breakpoint) = descent.breakpoints.pop() {
            slope += breakpoint.rise;
            let place = breakpoint.place as usize;
            if breakpoint.kink == BOUND {
                entering = Some((Constraint::Bound(breakpoint.place), breakpoint.step));
                break;
            }
            let unit = self.rows.units[place];
            let kink = descent.kinks.of(place)[breakpoint.kink as usize];
            if slope >= 0.0 {
                descent.units.push(unit);
                descent.factors.push(-descent.kinks.piece(place, descent.pieces[place]).slope);
                descent.pieces[place] = breakpoint.kink;
                descent.held[place] = true;
                let held = Constraint::Kink { unit, place: breakpoint.place, kink: breakpoint.kink, value: kink.at };
                entering = Some((held, breakpoint.step));
                break;
            }
            let [below, above] = kink.pieces;
            let rising = descent.rates[place] > 0.0;
            descent.units.push(unit);
            descent.factors.push(if rising { above.slope - below.slope } else { below.slope - above.slope });
            descent.pieces[place] = breakpoint.kink + u32::from(rising);
        }
        let Some((entering, step)) = entering else { return false };
        self.price(weights, &entering);
        let largest = self.coordinates.iter().fold(0.0f64, |most, c| most.max(c.abs()));
        if self.coordinates[leaving].abs() <= STILL * largest {
            return false;
        }
        let along = |x: &mut [f64], d: &[f64]| x.iter_mut().zip(d).for_each(|(x, d)| *x += step * d);
        along(numbers_mut(&mut self.point), numbers(&descent.direction));
        along(&mut self.a, &descent.rates);
        descent.change.clear();
        descent.change.resize(self.point.len(), Lane::ZERO);
        combine(weights, &descent.units, &descent.factors, &mut descent.change);
        numbers_mut(&mut descent.gradient).iter_mut().zip(numbers(&descent.change)).for_each(|(c, d)| *c += d);
        self.exchange(leaving, entering);
        true
    }

    /// Finds every kink and bound ahead.
    fn find_breakpoints(&self, weights: &PackedWeights, nonnegative: bool, descent: &mut Descent) {
        let Descent { kinks, pieces, direction, rates, held, .. } = descent;
        let mut breakpoints = std::mem::take(&mut descent.breakpoints).into_vec();
        breakpoints.clear();
        let fastest = rates.iter().fold(0.0f64, |most, rate| most.max(rate.abs()));
        for (place, &rate) in rates.iter().enumerate() {
            if held[place] || rate.abs() <= STILL * fastest {
                continue;
            }
            let of_unit = kinks.of(place);
            let ahead = if rate > 0.0 { pieces[place] as usize..of_unit.len() } else { 0..pieces[place] as usize };
            for kink in ahead {
                let Kink { at, pieces: [below, above] } = of_unit[kink];
                // A kink that was passed only by a rounding error counts as being at this point.
                let step = ((at - self.a[place]) / rate).max(0.0);
                let rise = (above.slope - below.slope) * rate.abs();
                breakpoints.push(Breakpoint { step, rise, place: place as u32, kink: kink as u32 });
            }
        }
        if nonnegative {
            let (z, d) = (numbers(&self.point), numbers(direction));
            let longest = d[..weights.columns].iter().fold(0.0f64, |most, d| most.max(d.abs()));
            for column in 0..weights.columns {
                if d[column] < -STILL * longest {
                    let step = (z[column] / -d[column]).max(0.0);
                    breakpoints.push(Breakpoint { step, rise: 0.0, place: column as u32, kink: BOUND });
                }
            }
        }
        // Only the nearest few are looked at.
        descent.breakpoints = BinaryHeap::from(breakpoints);
    }

    /// The multipliers of the problem's rows: each unit's weight 1 on the piece it is on, or split
    /// between the two at its kink.
    pub fn spread_multipliers(&self, descent: &Descent, y: &mut [f64]) {
        let mut put = |row: Option<u32>, share: f64| {
            if let Some(row) = row {
                let row = row as usize;
                y[self.rows.origin[row] as usize] = share / self.rows.slack[row];
            }
        };
        for (place, &piece) in descent.pieces.iter().enumerate().filter(|&(place, _)| !descent.held[place]) {
            put(descent.kinks.piece(place, piece).row, 1.0);
        }
        for (constraint, &y) in self.constraints.iter().zip(&self.multipliers) {
            if let Constraint::Kink { place, kink, .. } = *constraint {
                let [below, above] = descent.kinks.of(place as usize)[kink as usize].pieces;
                let share = (y - below.slope) / (above.slope - below.slope);
                put(below.row, 1.0 - share);
                put(above.row, share);
            }
        }
    }
}
