//! The primal simplex for the sum of violations, a convex piecewise linear function of `z ≥ 0` (or
//! free): from any vertex of kinks and bounds downhill to the optimum (Barrodale and Roberts 1973,
//! with kinks of any slopes).
//!
//! A vertex holds as many units at kinks (and entries at 0) as there are columns. With the gradient
//! `c` of the other units, `c + Σ y_j B_j = 0`; it is the optimum when each `y_j` lies between the
//! slopes of its kink (`y ≥ 0` for a bound). Otherwise that constraint is left, on the side where
//! the sum falls, and the line search passes kinks until it rises.
//!
//! How fast the units move along an edge is computed in single precision on wide layers: it only
//! decides which kink comes next. The vertex is that of its constraints, in double precision, and
//! if it is not the optimum, the descent continues in double precision.

use super::breakpoints::{Breakpoints, Surroundings};
use super::kinks::{Kink, Kinks};
use super::tableau::{Constraint, Tableau};
use crate::linalg::lanes::{Lane, numbers, numbers_mut, vectorised};
use crate::linalg::normal_matrix::SINGLE_FROM;
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::combine;
use crate::linalg::single_weights::SingleProducts;
use crate::lp::problem::LayerSystem;
use crate::lp::solver::tolerances::{POSITIVE, VIOLATED};

/// Rates below this share of the largest are rounding errors.
const STILL: f64 = 1e-10;
/// The same for rates in single precision.
const STILL_SINGLE: f64 = 1e-5;

/// Workspace of the descent.
#[derive(Debug, Default)]
pub struct Descent {
    /// The kinks of the units.
    pub kinks: Kinks,
    /// On which piece each position is; for those held at a kink, the piece below it.
    pieces: Vec<u32>,
    around: Surroundings,
    breakpoints: Breakpoints,
    gradient: Vec<Lane>,
    change: Vec<Lane>,
    direction: Vec<Lane>,
    rates: Vec<f64>,
    /// Whether rates are in double precision.
    exactly: bool,
    single: SingleProducts,
    /// The multipliers between which each constraint holds.
    low: Vec<f64>,
    high: Vec<f64>,
    merits: Vec<f64>,
    lengths: Vec<f64>,
    held: Vec<bool>,
    units: Vec<u32>,
    factors: Vec<f64>,
}

impl Tableau {
    /// Descends from the vertex in place. `true` where it is the only optimum, shown by multipliers
    /// strictly between their limits. Returns the number of pivots, too.
    pub fn descend(&mut self, system: &LayerSystem, weights: &PackedWeights, descent: &mut Descent) -> (bool, u32) {
        let nonnegative = system.nonnegative;
        let limit = 2 * self.dimension() + 50;
        let mut pivots = 0;
        self.settle(system, weights, descent);
        let z = &numbers(&self.point)[..weights.columns];
        if nonnegative && z.iter().any(|&z| z < -VIOLATED) {
            return (false, 0);
        }
        self.price_edges(weights, descent);
        descent.exactly = weights.columns < SINGLE_FROM;
        loop {
            while let Some((leaving, upwards)) = self.steepest_edge(descent) {
                if pivots >= limit || !self.step_down(system, weights, descent, leaving, upwards) {
                    return (false, pivots as u32);
                }
                pivots += 1;
                if self.is_stale() {
                    if !self.invert(weights) {
                        return (false, pivots as u32);
                    }
                    self.settle(system, weights, descent);
                    self.price_edges(weights, descent);
                }
            }
            // Once more, at a point without the pivots' rounding.
            self.settle(system, weights, descent);
            let z = &numbers(&self.point)[..weights.columns];
            if nonnegative && z.iter().any(|&z| z < -VIOLATED) {
                return (false, pivots as u32);
            }
            self.set_multipliers(weights, &descent.gradient, true);
            if descent.exactly || self.steepest_edge(descent).is_none() {
                break;
            }
            // A rounded rate has led past a kink.
            descent.exactly = true;
        }
        let is_unique = self.strictly_between(|_, j| (descent.low[j], descent.high[j]));
        (is_unique, pivots as u32)
    }

    /// The multipliers between which a constraint holds.
    fn limits(kinks: &Kinks, constraint: &Constraint) -> (f64, f64) {
        match *constraint {
            Constraint::Kink { place, kink, .. } => {
                let [below, above] = kinks.of(place as usize)[kink as usize].pieces;
                (below.slope, above.slope)
            }
            _ => (0.0, f64::INFINITY),
        }
    }

    /// Multipliers and lengths of all edges, afresh.
    fn price_edges(&mut self, weights: &PackedWeights, descent: &mut Descent) {
        self.set_multipliers(weights, &descent.gradient, false);
        self.inverse.squared_lengths(&mut descent.lengths);
    }

    /// Computes point, pieces and gradient from the constraints alone.
    fn settle(&mut self, system: &LayerSystem, weights: &PackedWeights, descent: &mut Descent) {
        self.place_point(weights, true);
        let mut a = std::mem::take(&mut self.a);
        self.products_of_units(system, weights, &self.point, &mut descent.change, &mut a);
        self.a = a;
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
        let limits = self.constraints.iter().map(|constraint| Self::limits(&descent.kinks, constraint));
        (descent.low, descent.high) = limits.unzip();
        descent.around.reset(self.a.len());
        descent.units.clear();
        descent.factors.clear();
        for (place, &piece) in descent.pieces.iter().enumerate() {
            if !descent.held[place] {
                descent.around.set(&descent.kinks, place, piece);
            }
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
        descent.merits.clear();
        descent.merits.resize(self.multipliers.len(), 0.0);
        let limits = [descent.low.as_slice(), &descent.high];
        let steepest = merits(&self.multipliers, limits, &descent.lengths, &mut descent.merits);
        let j = descent.merits.iter().position(|merit| steepest > 0.0 && *merit == steepest)?;
        Some((j, self.multipliers[j] > descent.high[j]))
    }

    /// One pivot; `false` where none is possible.
    fn step_down(
        &mut self,
        system: &LayerSystem,
        weights: &PackedWeights,
        descent: &mut Descent,
        leaving: usize,
        upwards: bool,
    ) -> bool {
        let sign = if upwards { 1.0 } else { -1.0 };
        descent.direction.clear();
        descent.direction.extend(self.inverse.vector(leaving).iter().map(|lane| Lane(lane.0.map(|x| sign * x))));
        let (low, high) = (descent.low[leaving], descent.high[leaving]);
        let y = self.multipliers[leaving];
        let mut slope = if upwards { high - y } else { y - low };
        if descent.exactly {
            self.products_of_units(system, weights, &descent.direction, &mut descent.change, &mut descent.rates);
        } else {
            let Descent { direction, single, rates, .. } = descent;
            rates.clear();
            rates.resize(self.a.len(), 0.0);
            system.single().products(&self.rows.units, direction, single, rates);
        }
        // The leaving unit goes on with the piece on its side of the kink.
        if let Constraint::Kink { place, .. } = self.constraints[leaving] {
            descent.held[place as usize] = false;
            descent.pieces[place as usize] += u32::from(upwards);
            descent.around.set(&descent.kinks, place as usize, descent.pieces[place as usize]);
        }
        self.find_breakpoints(system, weights, descent);
        // The change of the gradient: units that pass kinks, the leaving one, the entering one.
        descent.units.clear();
        descent.factors.clear();
        if let Constraint::Kink { unit, place, .. } = self.constraints[leaving] {
            descent.units.push(unit);
            descent.factors.push(descent.kinks.piece(place as usize, descent.pieces[place as usize]).slope);
        }
        let mut entering = None;
        while let Some((place, step)) = descent.breakpoints.first() {
            if place >= self.a.len() {
                entering = Some((Constraint::Bound((place - self.a.len()) as u32), step));
                break;
            }
            let (unit, rate, piece) = (self.rows.units[place], descent.rates[place], descent.pieces[place]);
            let rising = rate > 0.0;
            let kink = if rising { piece } else { piece - 1 };
            let Kink { at, pieces: [below, above] } = descent.kinks.of(place)[kink as usize];
            slope += (above.slope - below.slope) * rate.abs();
            descent.units.push(unit);
            if slope >= 0.0 {
                descent.factors.push(-descent.kinks.piece(place, piece).slope);
                descent.pieces[place] = kink;
                descent.held[place] = true;
                descent.around.hold(place);
                entering = Some((Constraint::Kink { unit, place: place as u32, kink, value: at }, step));
                break;
            }
            descent.factors.push(if rising { above.slope - below.slope } else { below.slope - above.slope });
            descent.pieces[place] = kink + u32::from(rising);
            descent.around.set(&descent.kinks, place, descent.pieces[place]);
            descent.breakpoints.pass(&descent.around, place, self.a[place], rate);
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
        (descent.low[leaving], descent.high[leaving]) = Self::limits(&descent.kinks, &entering);
        self.constraints[leaving] = entering;
        self.exchanges += 1;
        let (coordinates, prices) = (&self.coordinates, &mut self.multipliers);
        self.inverse.replace_and_price(leaving, coordinates, &descent.gradient, &mut descent.lengths, prices);
        prices.iter_mut().for_each(|y| *y = -*y);
        true
    }

    /// Finds the kinks and bounds ahead.
    fn find_breakpoints(&self, system: &LayerSystem, weights: &PackedWeights, descent: &mut Descent) {
        let largest = |rates: &[f64]| rates.iter().fold(0.0f64, |most, x| if x.abs() > most { x.abs() } else { most });
        let columns = if system.nonnegative { weights.columns } else { 0 };
        let (z, of_z) = (&numbers(&self.point)[..columns], &numbers(&descent.direction)[..columns]);
        let still = if descent.exactly { STILL } else { STILL_SINGLE };
        let of_units = (&descent.around, self.a.as_slice(), descent.rates.as_slice(), still * largest(&descent.rates));
        descent.breakpoints.find(of_units, (z, of_z, STILL * largest(of_z)));
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

vectorised! {
    /// `excess²/length` of each multiplier that is outside its limits, 0 for the others; returns
    /// the largest.
    fn merits(multipliers: &[f64], limits: [&[f64]; 2], lengths: &[f64], out: &mut [f64]) -> f64 {
        let n = out.len();
        let ([low, high], y, lengths) = (limits.map(|x| &x[..n]), &multipliers[..n], &lengths[..n]);
        let mut steepest = [0.0f64; 8];
        for i in 0..n {
            let (above, below) = (y[i] - high[i], low[i] - y[i]);
            let excess = if above > below { above } else { below };
            out[i] = if excess > POSITIVE { excess * excess / lengths[i] } else { 0.0 };
        }
        let (eights, rest) = out.as_chunks::<8>();
        for merits in eights {
            for i in 0..8 {
                steepest[i] = if merits[i] > steepest[i] { merits[i] } else { steepest[i] };
            }
        }
        steepest.iter().chain(rest).fold(0.0, |most, merit| if *merit > most { *merit } else { most })
    }
}
