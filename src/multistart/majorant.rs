//! A convex upper bound of the misfit that is equal to it at the current code, as a linear program:
//! the problem, and how to read its multipliers. With a curved output it is a bound of the
//! linearised misfit. Derived in [`super::absolute`].

use nalgebra::DMatrix;

use super::gradients::Gradients;
use super::kink::bend;
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use super::point::Point;
use super::region::Region;
use crate::lp::basis::{Basis, Tight};
use crate::lp::problem::{self, LayerSystem, Problem, Row};
use crate::network::Activation;

/// How much a `linf` border tightens per unit of decrease of `δ`, as a share of `1/L_u`. Small,
/// because it multiplies the number of programs of a descent. Not too small, because the slack
/// factors of the other rows are 1.
const DRAWN_IN: f64 = 1e-4;

/// An output whose derivative is at most this is saturated: its error counts as a constant.
const SATURATED: f64 = 1e-9;

/// The linear program around a code.
#[derive(Debug, Clone)]
pub struct Majorant {
    /// The gradients of all units: those of the output, then those of the hidden layers.
    pub system: LayerSystem,
    /// The problem over the step.
    pub problem: Problem,
    /// The part of the misfit that does not depend on the step: added to the sum, or a lower bound
    /// of the largest.
    pub floor: f64,
    /// What the values of each layer are multiplied by in the program. Its violations are in units
    /// of the last layer.
    units: Vec<f64>,
    /// The derivative of each output with a curved activation: its row of the program is multiplied
    /// by it. Empty for other outputs.
    slopes: Vec<f64>,
}

/// An error `|σ(a) − x|` as the maximum of a constant and of lines in `a`: exact on one side of a
/// concave kink, an upper bound on the other. For a curved `σ`, the lines are those of its tangent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piecewise {
    constant: f64,
    /// Slope and value at `a = 0`.
    lines: [Option<(f64, f64)>; 3],
}

/// The largest error that a small change of the received values can change, at least 0. The errors
/// `|x|` of outputs that are off are left out.
pub fn largest_that_moves(activation: Activation, received: &[f64], observation: &[f64]) -> f64 {
    let observed = received.iter().zip(observation).filter(|(_, x)| !x.is_nan());
    observed.map(|(&a, &x)| Piecewise::of(activation, x, (a > 0.0, a)).of_lines(a)).fold(0.0, f64::max)
}

/// Whether `|σ(a) − x|` has a concave kink at `a = 0`, where the sides differ.
pub fn has_concave_kink(activation: Activation, x: f64) -> bool {
    x > 0.0 && matches!(activation, Activation::Relu | Activation::LeakyRelu(_))
}

impl Piecewise {
    /// `on`: the side of the unit. `here`: what it receives.
    fn of(activation: Activation, x: f64, (on, here): (bool, f64)) -> Self {
        let (up, down) = (Some((1.0, -x)), Some((-1.0, x)));
        let (constant, lines) = match activation {
            Activation::Relu if x <= 0.0 => (-x, [up, None, None]),
            Activation::Relu if !on => (x, [up, None, None]),
            Activation::LeakyRelu(c) if x <= 0.0 => (0.0, [up, Some((c, -x)), Some((-c, x))]),
            Activation::LeakyRelu(c) if !on => (0.0, [up, Some((-c, x)), None]),
            _ if activation.is_piecewise_linear() => (0.0, [up, down, None]),
            _ => {
                let slope = tangent_slope(activation, here);
                let error = activation.apply(here) - x;
                let line = error - slope * here;
                match slope == 0.0 {
                    true => (error.abs(), [None; 3]),
                    false => (0.0, [Some((slope, line)), Some((-slope, -line)), None]),
                }
            }
        };
        Piecewise { constant, lines }
    }

    fn at(&self, a: f64) -> f64 {
        self.constant.max(self.of_lines(a))
    }

    fn of_lines(&self, a: f64) -> f64 {
        self.lines.iter().flatten().fold(f64::NEG_INFINITY, |most, (slope, value)| most.max(slope * a + value))
    }
}

/// The derivative of a curved output at `a`; 0 where it is saturated.
fn tangent_slope(activation: Activation, a: f64) -> f64 {
    let slope = activation.derivative(a);
    if slope.abs() > SATURATED { slope } else { 0.0 }
}

impl Majorant {
    /// Builds the program around `point` with the sides of `region`. `constants`: the Lipschitz
    /// constant of the misfit in the output of each hidden unit; none for the program of the region
    /// without its borders. `moving`: [`largest_that_moves`] at `point`.
    pub fn new(
        network: &PackedNetwork,
        (point, region, gradients): (&Point, &Region, &Gradients),
        observation: &[f64],
        objective: Objective,
        moving: f64,
        constants: &[Vec<f64>],
    ) -> Self {
        let last = network.layers().len() - 1;
        let sum = objective == Objective::L1;
        let (mut rows, mut floor) = (Vec::new(), 0.0f64);
        let units = network.units();
        let mut weights = Vec::with_capacity(gradients.entries());
        let append = |layer: usize, weights: &mut Vec<f64>| {
            let from = weights.len();
            gradients.append(layer, weights);
            weights[from..].iter_mut().for_each(|w| *w *= units[layer]);
        };
        append(last, &mut weights);
        let activation = network.layers()[last].activation;
        let mut slopes = Vec::new();
        if !activation.is_piecewise_linear() {
            let received = point.received(last)[..network.layers()[last].units].iter();
            slopes.extend(received.map(|a| tangent_slope(activation, *a)));
            for (weights, slope) in weights.chunks_exact_mut(network.code_length()).zip(&slopes) {
                weights.iter_mut().for_each(|w| *w *= slope);
            }
        }
        for (unit, (&a, &x)) in point.received(last).iter().zip(observation).enumerate() {
            if x.is_nan() {
                continue;
            }
            let error = Piecewise::of(activation, x, (region.layer(last)[unit], a));
            let still = is_still(gradients.of(last, unit)) || slopes.get(unit) == Some(&0.0);
            let constant = if still { error.at(a) } else { error.constant };
            floor = if sum { floor + constant } else { floor.max(constant) };
            if still {
                continue;
            }
            let below = if sum { error.constant } else { 0.0 };
            for &(slope, value) in error.lines.iter().flatten() {
                // The slope of a curved output is in its row already.
                let slack = if slopes.is_empty() { 1.0 / slope.abs() } else { 1.0 };
                let bound = (below - value - slope * a) * slack * units[last];
                let reached = slopes.get(unit).map_or(a.abs(), |slope| (slope * a).abs());
                let magnitude = (reached + x.abs()) * units[last];
                rows.push(Row { unit, side: side_of(slope, &slopes, unit), slack, bound, magnitude });
            }
        }
        let mut first = network.observation_length();
        for (layer, constants) in constants.iter().enumerate() {
            append(layer, &mut weights);
            let has_kinks = bend(network.layers()[layer].activation).is_some();
            for (unit, &constant) in constants.iter().enumerate() {
                if !has_kinks || constant == 0.0 || is_still(gradients.of(layer, unit)) {
                    continue;
                }
                let (a, on) = (point.received(layer)[unit], region.layer(layer)[unit]);
                let (side, room) = if on { (-1.0, a.max(0.0)) } else { (1.0, (-a).max(0.0)) };
                let (slack, bound) = if sum {
                    (1.0 / constant, room)
                } else {
                    let slack = DRAWN_IN / constant;
                    (slack, room - slack * moving)
                };
                let (slack, bound) = (slack * (units[layer] / units[last]), bound * units[layer]);
                rows.push(Row { unit: first + unit, side, slack, bound, magnitude: a.abs() * units[layer] });
            }
            first += constants.len();
        }
        let objective = if sum { problem::Objective::SumOfViolations } else { problem::Objective::LargestViolation };
        Majorant {
            system: LayerSystem::from_units(DMatrix::from_vec(network.code_length(), first, weights)),
            problem: Problem { rows, objective },
            floor,
            units: units.to_vec(),
            slopes,
        }
    }

    /// The minimum of the majorant, computed from that of the linear program.
    pub fn minimum(&self, objective: Objective, of_problem: f64) -> f64 {
        let of_problem = of_problem / self.units.last().copied().unwrap_or(1.0);
        match objective {
            Objective::Linf => of_problem.max(self.floor),
            _ => of_problem + self.floor,
        }
    }

    /// `Σ_r y_r side_r` of each unit, by layer: the derivative of the minimum with respect to what
    /// the unit receives.
    pub fn spread(&self, multipliers: &[f64], by_layer: &mut [Vec<f64>]) {
        by_layer.iter_mut().for_each(|layer| layer.fill(0.0));
        let Some((output, hidden)) = by_layer.split_last_mut() else { return };
        for (row, y) in self.problem.rows.iter().zip(multipliers) {
            let mut unit = row.unit;
            let sum = if unit < output.len() {
                output.get_mut(unit)
            } else {
                unit -= output.len();
                hidden.iter_mut().flatten().nth(unit)
            };
            if let Some(sum) = sum {
                *sum += row.side * y;
            }
        }
        output.iter_mut().zip(&self.slopes).for_each(|(sum, slope)| *sum *= slope);
        let Some((misfit, units)) = self.units.split_last() else { return };
        for (layer, unit) in hidden.iter_mut().zip(units) {
            layer.iter_mut().for_each(|sum| *sum *= unit / misfit);
        }
    }

    /// Transfers the optimal vertex of the previous program, whose minimiser is the current code,
    /// to this program. Kinks stay with their units and are all at `p = 0` now. Units that have
    /// changed sides get the row of their new side.
    pub fn moved(&self, vertex: &Basis) -> Basis {
        let rows = &self.problem.rows;
        let here = |tight: &Tight| match *tight {
            Tight::Kink { unit, .. } => Tight::Kink { unit, value: 0.0 },
            Tight::Row { unit, side, slack, .. } => {
                let start = rows.iter().position(|row| row.unit == unit);
                let of_unit = || rows[start.unwrap_or(rows.len())..].iter().take_while(|row| row.unit == unit);
                let same = of_unit().find(|row| row.side == side && row.slack == slack).or_else(|| of_unit().next());
                same.map_or(*tight, |row| Tight::Row { unit, side: row.side, slack: row.slack, bound: row.bound })
            }
            other => other,
        };
        Basis { tight: vertex.tight.iter().map(here).collect() }
    }
}

/// The side of a row with this slope. The row of a curved output is multiplied by the output's own
/// slope, so that its lines have slopes 1 and −1.
fn side_of(slope: f64, slopes: &[f64], unit: usize) -> f64 {
    slopes.get(unit).map_or(slope.signum(), |of_output| (slope / of_output).signum())
}

fn is_still(gradient: &[f64]) -> bool {
    gradient.iter().all(|g| *g == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_met_on_their_side_and_never_undercut() {
        let activations =
            [Activation::Relu, Activation::LeakyRelu(0.1), Activation::LeakyRelu(0.9), Activation::Identity];
        for activation in activations {
            for x in [-1.3, 0.0, 0.7] {
                for step in -300..300 {
                    let a = f64::from(step) / 100.0;
                    let error = (activation.apply(a) - x).abs();
                    for on in [false, true] {
                        let model = Piecewise::of(activation, x, (on, a)).at(a);
                        assert!(model >= error - 1e-15, "{activation}, x {x}, a {a}: {model} below {error}");
                        if !has_concave_kink(activation, x) || on == (a > 0.0) {
                            assert!((model - error).abs() <= 1e-15, "{activation}, x {x}, a {a}: {model} for {error}");
                        }
                    }
                }
            }
        }
    }
}
