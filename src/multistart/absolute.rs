//! Finds a local minimum of `F(z) = ‖G(z) − x‖₁` or `‖G(z) − x‖_∞` over the observed entries, by
//! linear programs.
//!
//! **Problem.** Give every unit a side: the side on which it is at the code `z` (on its kink,
//! `a_u = 0`, either side is valid). With the slopes of these sides, everything that a unit
//! receives is affine in a step `p`: `a_u + ∇a_u·p`, as long as no hidden unit leaves its side.
//! Beyond that, the output of a hidden unit differs from its line by at most `v_u`, the distance by
//! which the step crosses the kink. `F` then differs by at most `L_u v_u`, where `L_u` is the
//! Lipschitz constant of `F` in the output of the unit. `L_u` is the sum (for `linf` at the output:
//! the largest) of the absolute outgoing weights, each times the constant of the unit it feeds. An
//! output's error `|σ(a) − x|` is convex in `a`, or, for `x > 0`, concave at `a = 0` only. In the
//! concave case it is at most the convex continuation of either side. So, for every `p`,
//!
//! ```text
//!     F(z + p) ≤ M(p) = Σ_j ψ_j(a_j + ∇a_j·p) + Σ_u L_u v_u(p),     M(0) = F(z),
//! ```
//!
//! with `M` convex and piecewise linear. In the engine, this is the *sum of violations*:
//! `e_j = ψ_j` less its constant, and `e_u = L_u v_u`. The minimiser of `M` is the next code, and
//! `F` falls by at least as much as `M`.
//!
//! For `linf` the problem is to minimise `max_j ψ_j` within the sides: the engine's *largest
//! violation*. That form has no hard rows. Instead, the borders tighten as `δ` falls:
//! `v_u ≤ −s_u (F(z) − δ)`. So no step leaves the sides, and `F(z + p) ≤ δ`. At the end `δ = F(z)`,
//! and the tightened borders are the borders themselves.
//!
//! **At `p = 0`** the multipliers satisfy `Σ_j y_j ∇a_j + Σ_u ±y_u ∇a_u = 0`. Let `j_u` be `1 − c`
//! times the derivative of this sum with respect to the output of `u`, where `c` is the slope below
//! 0. The sum includes the `±y_v` of the units above `u`. Consider `F` along any direction. Its
//! slope is at least a sum over the units on kinks: `y_u` times the movement across the kink, plus
//! `j_u − y_u` times the movement to the other side. So `0 ≤ y_u ≤ j_u` proves a local minimum, on
//! both sides of every kink. Where the gradients of the units on kinks are independent, the
//! condition is also necessary: a unit with `y_u > j_u` changes its side, and on that side `F`
//! falls again. Concave kinks of the output are tried from both sides.
//!
//! **Curved outputs.** For a sigmoid, tanh or another curved output, `ψ_j` is the error of the
//! tangent at `a_j`. `M` is then no bound of `F`, but has the same slopes at `p = 0`, so that `F`
//! falls along a step that reduces `M`, if the step is short enough: it is halved until `F` falls
//! by a part of what `M` promises (Madsen, *An algorithm for minimax solution of overdetermined
//! systems of non-linear equations*, 1975). A code from which `M` does not fall is a minimum to
//! first order. Where as many errors are equal as the code has entries, and one more, it is a
//! minimum, and the last steps converge quadratically. Saturated outputs count as off.
//!
//! **Floors.** A ReLU output that is off leaves `|x|` as its error, and no small change of the code
//! changes it. Where that is the largest error, the code is one of many minima of `‖·‖_∞`. The
//! largest of the *other* errors is then reduced in the same way, as long as `F` does not rise.
//!
//! **Degenerate cases.** `F` is flat or cannot fall, so the code is a minimum: nothing observed,
//! `F` within rounding of 0, no row that changes (all units of a layer off). More units on kinks
//! than the code has entries: the conditions may fail at a minimum. Then the units change sides,
//! first all together, then one by one. If `F` has not fallen by then, the result is reported as
//! *not proven*. The same is reported where the engine's certificate fails.

mod hops;

use super::active_set::OF_PRODUCT_ERROR;
use super::evaluation_error::EvaluationError;
use super::gradients::{Adjoints, Gradients};
use super::kink::{self, bend};
use super::local_search::{Descent, REPRODUCED};
use super::majorant::{Majorant, has_concave_kink, largest_that_moves};
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use super::point::Point;
use super::region::{Region, sides};
use crate::lp::basis::{Basis, WarmStart};
use crate::lp::certificate::Verdict;
use crate::lp::certified::{CertifiedSolution, solve_certified_warm};
use crate::lp::solver::engine::LpEngine;

/// The smallest relative decrease that counts as a decrease of `F`.
const FALLEN: f64 = 1e-13;
/// A relative decrease above this that the linear program predicts but `F` does not show is a
/// failure.
const PROMISED: f64 = 1e-8;
/// If the linear program predicts a relative decrease above this and `F` does not fall, that is a
/// failure.
const LONGEST: f64 = 64.0;
/// A step towards a minimum of a linearised misfit has to reduce `F` by this share of what the
/// program promises.
const ARMIJO: f64 = 0.01;
/// The shortest such step.
const SHORTEST: f64 = 1.0 / (1u64 << 30) as f64;
/// Relative tolerance of a multiplier's range, as a share of its terms: a violation up to this is
/// rounding.
const NEGLIGIBLE: f64 = 1e-9;
/// The same tolerance, as a share of the unit's Lipschitz constant.
const NEGLIGIBLE_OF_CONSTANT: f64 = 1e-12;

/// Units, each by its layer and its number within the layer.
type Units = Vec<(usize, usize)>;

/// One thread's workspace: the current code and what is known around it.
#[derive(Debug, Clone)]
pub struct AbsoluteSearch<'a> {
    network: &'a PackedNetwork,
    objective: Objective,
    current: Point,
    trial: Point,
    misfit: f64,
    /// [`largest_that_moves`]; 0 for [`Objective::L1`].
    moving: f64,
    region: Region,
    gradients: Gradients,
    adjoints: Adjoints,
    /// `Σ y side` for each unit.
    multipliers: Vec<Vec<f64>>,
    /// `L_u` of each hidden unit.
    constants: Vec<Vec<f64>>,
    determined: bool,
    programs: usize,
}

impl<'a> AbsoluteSearch<'a> {
    /// Allocates room for codes of this network. `objective`: [`Objective::L1`] or
    /// [`Objective::Linf`].
    ///
    /// # Panics
    /// If [`Network::objective_obstacle`](crate::network::Network::objective_obstacle) is one, and for [`Objective::L2`].
    pub fn new(network: &'a PackedNetwork, objective: Objective) -> Self {
        assert!(objective != Objective::L2, "squares have a search of their own");
        assert!(!network.network().has_curved_hidden_layers(), "piecewise linear hidden layers");
        AbsoluteSearch {
            network,
            objective,
            current: Point::new(network),
            trial: Point::new(network),
            misfit: f64::NAN,
            moving: 0.0,
            region: Region::new(network),
            gradients: Gradients::new(network),
            adjoints: Adjoints::new(network),
            multipliers: network.layers().iter().map(|layer| vec![0.0; layer.units]).collect(),
            constants: lipschitz_constants(network, objective),
            determined: false,
            programs: 0,
        }
    }

    /// The objective to minimise.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// The current code.
    pub fn point(&self) -> &Point {
        &self.current
    }

    /// `F` at the current code.
    pub fn misfit(&self) -> f64 {
        self.misfit
    }

    /// `F` at the current code, and the largest error that a small change of the code can change.
    pub fn misfits(&self) -> (f64, f64) {
        (self.misfit, self.moving)
    }

    /// Whether the last linear program has no other optimum: then the code is the only minimiser
    /// within its region.
    pub fn is_determined(&self) -> bool {
        self.determined
    }

    /// Number of linear programs solved since the search was created.
    pub fn programs(&self) -> usize {
        self.programs
    }

    /// Whether the remaining misfit is only rounding.
    pub fn reproduces(&self, observation: &[f64]) -> bool {
        let size = self.objective.gathered(observation.iter().filter(|x| !x.is_nan()).map(|x| x.abs()));
        self.misfit <= REPRODUCED * size + self.error(observation)
    }

    /// The error of `F`.
    fn error(&self, observation: &[f64]) -> f64 {
        EvaluationError::of(self.network, self.objective, observation).of_misfit()
    }

    /// Descends from `code` (`k` entries) to a local minimum, by at most `most` linear programs.
    /// `F` never rises. `observation`: `n` entries, `NaN` where unobserved. [`Descent::stationary`]
    /// says whether the result is proven to be a local minimum.
    pub fn descend(&mut self, observation: &[f64], code: &[f64], most: usize) -> Descent {
        self.current.code.copy_from_slice(code);
        self.current.run(self.network, observation);
        (self.misfit, self.moving) = self.misfit_at(&self.current, observation);
        self.region.take(self.network, &self.current);
        self.determined = false;
        // Set since the last step: the sides at that step, and the sets of units that are still to
        // change sides.
        let mut changes: Option<(Region, Vec<Units>)> = None;
        let mut vertex: Option<Basis> = None;
        let mut steps = 0;
        let error = self.error(observation);
        let ended = |steps, stationary| Descent { steps, stationary };
        for _ in 0..most {
            if !self.misfit.is_finite() {
                return ended(steps, false);
            }
            if self.reproduces(observation) {
                return ended(steps, true);
            }
            self.gradients.take(self.network, &self.region);
            if self.network.ends_in_map() && !self.gradients.are_finite() {
                return ended(steps, false);
            }
            let around = (&self.current, &self.region, &self.gradients);
            let majorant =
                Majorant::new(self.network, around, observation, self.objective, self.moving, &self.constants);
            // No small change of the code reduces the largest error, but the other errors may still
            // be reducible.
            let floored = self.objective == Objective::Linf && majorant.floor >= self.misfit * (1.0 - FALLEN);
            self.determined = false;
            if majorant.problem.rows.is_empty() || floored && self.moving == 0.0 {
                majorant.spread(&[], &mut self.multipliers);
            } else {
                let Some((solution, minimum)) = self.solve(&majorant, vertex.as_ref()) else {
                    return ended(steps, floored);
                };
                vertex.clone_from(&solution.vertex);
                if self.step(&solution.z, minimum, observation) {
                    steps += 1;
                    changes = None;
                    continue;
                }
                if minimum < self.misfit * (1.0 - PROMISED) - 2.0 * error {
                    return ended(steps, false);
                }
                majorant.spread(&solution.multipliers, &mut self.multipliers);
                self.determined = solution.determined.iter().all(|determined| *determined);
            }
            let wrong = self.wrong_sides(observation);
            if wrong.is_empty() {
                return ended(steps, true);
            }
            let proven = floored && wrong.iter().all(|(layer, _)| *layer != self.constants.len());
            let (sides, waiting) = changes.get_or_insert_with(|| {
                // The list is read from its end: all units at once, then one by one.
                let mut changes: Vec<_> = wrong.iter().map(|unit| vec![*unit]).collect();
                if wrong.len() > 1 {
                    changes.push(wrong);
                }
                (self.region.clone(), changes)
            });
            let Some(change) = waiting.pop() else { return ended(steps, proven) };
            self.region.clone_from(sides);
            for (layer, unit) in change {
                let on = self.region.layer(layer)[unit];
                self.region.set(layer, unit, !on);
            }
        }
        ended(steps, false)
    }

    /// Takes the step if `F` falls, or if `F` stays and the largest error that can change falls.
    /// Then tries ever longer steps in the same direction while `F` keeps falling: the majorant
    /// counts every kink at its worst. `minimum`: that of the majorant. With a curved output a step
    /// that does not reduce `F` enough is halved.
    fn step(&mut self, step: &[f64], minimum: f64, observation: &[f64]) -> bool {
        let start = self.current.code.clone();
        let error = self.error(observation);
        let is_curved = !self.network.is_piecewise_linear();
        let promised = (self.misfit - minimum).max(0.0);
        let mut taken = false;
        let mut length = 1.0;
        loop {
            for ((trial, z), p) in self.trial.code.iter_mut().zip(&start).zip(step) {
                *trial = z + length * p;
            }
            self.trial.run(self.network, observation);
            let (misfit, moving) = self.misfit_at(&self.trial, observation);
            // False for `NaN`.
            let falls_enough = misfit <= self.misfit - ARMIJO * length * promised;
            if is_curved && !taken && !falls_enough && promised > 0.0 && length > SHORTEST {
                length *= 0.5;
                continue;
            }
            let falls = misfit < self.misfit * (1.0 - FALLEN) - 2.0 * error;
            let moves = !taken && misfit <= self.misfit && moving < self.moving * (1.0 - FALLEN) - 2.0 * error;
            if !(falls || moves) {
                break;
            }
            taken = true;
            (self.misfit, self.moving) = (misfit, moving);
            std::mem::swap(&mut self.current, &mut self.trial);
            if !falls || length >= LONGEST {
                break;
            }
            length *= 2.0;
        }
        if taken {
            self.take_sides();
        }
        taken
    }

    /// `F` at a code, and the largest error that a small change of the code can change.
    pub fn misfits_of(&mut self, observation: &[f64], code: &[f64]) -> (f64, f64) {
        self.trial.code.copy_from_slice(code);
        self.trial.run(self.network, observation);
        self.misfit_at(&self.trial, observation)
    }

    /// A digest of which units are on, off, or on their kinks at the current code. Two codes of one
    /// network have the same digest if they lie in the same linear region.
    pub fn digest(&self) -> u64 {
        let digest = blake3::hash(&sides(self.network, &self.current));
        digest.as_bytes()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// `F`, and the largest error that a small change of the code can change.
    fn misfit_at(&self, point: &Point, observation: &[f64]) -> (f64, f64) {
        let last = self.network.layers().len() - 1;
        let (activation, received) = (self.network.layers()[last].activation, point.received(last));
        let moving = match self.objective {
            Objective::Linf => largest_that_moves(activation, received, observation),
            _ => 0.0,
        };
        (self.objective.misfit(activation, received, observation), moving)
    }

    /// The certified optimum, and the majorant's minimum.
    fn solve(&mut self, majorant: &Majorant, vertex: Option<&Basis>) -> Option<(CertifiedSolution, f64)> {
        self.programs += 1;
        let here = vec![0.0; self.network.code_length()];
        let basis = vertex.map(|vertex| majorant.moved(vertex));
        let warm = WarmStart { near: Some(&here), basis: basis.as_ref(), cutoff: None };
        let problem = std::slice::from_ref(&majorant.problem);
        let solution = solve_certified_warm(&majorant.system, &LpEngine, problem, &[warm]).pop()?;
        match solution.verdict {
            Verdict::Optimal { objective, .. } => Some((solution, majorant.minimum(self.objective, objective))),
            _ => None,
        }
    }

    /// Takes the sides of the current code; units on their kinks keep their side.
    fn take_sides(&mut self) {
        for (index, layer) in self.network.layers().iter().enumerate() {
            let received = &self.current.received(index)[..layer.units];
            let kink = kink::tolerance(kink::IN_LINEAR_PROGRAMS, received);
            for (unit, a) in received.iter().enumerate() {
                if a.abs() > kink {
                    self.region.set(index, unit, *a > 0.0);
                }
            }
        }
    }

    /// The units whose multipliers show, or do not rule out, that `F` falls on their other side.
    fn wrong_sides(&mut self, observation: &[f64]) -> Units {
        self.adjoints.backpropagate(self.network, &self.region, &self.multipliers);
        let mut wrong = Vec::new();
        let (mut hidden_on_kinks, last) = (false, self.network.layers().len() - 1);
        let of_constant = NEGLIGIBLE_OF_CONSTANT + OF_PRODUCT_ERROR * self.network.product_error();
        for (index, layer) in self.network.layers()[..last].iter().enumerate() {
            let received = &self.current.received(index)[..layer.units];
            let kink = kink::tolerance(kink::IN_LINEAR_PROGRAMS, received);
            let Some(bend) = bend(layer.activation) else { continue };
            let units = received.iter().zip(&self.multipliers[index]).zip(self.adjoints.layer(index)).enumerate();
            for (unit, ((a, multiplier), adjoint)) in units {
                let (y, jump) = (multiplier.abs(), bend * adjoint);
                let forgiven = NEGLIGIBLE * (y + jump.abs()) + of_constant * self.constants[index][unit];
                let on_kink = a.abs() <= kink;
                hidden_on_kinks |= on_kink;
                if y - jump > forgiven && (y > forgiven || on_kink) {
                    wrong.push((index, unit));
                }
            }
        }
        let activation = self.network.layers()[last].activation;
        let received = self.current.received(last);
        let kink = kink::tolerance(kink::IN_LINEAR_PROGRAMS, &received[..observation.len()]);
        for (unit, (a, &x)) in received.iter().zip(observation).enumerate() {
            let counts = self.objective == Objective::L1 || x >= self.misfit * (1.0 - NEGLIGIBLE);
            let moves = || hidden_on_kinks || self.gradients.of(last, unit).iter().any(|g| *g != 0.0);
            if a.abs() <= kink && has_concave_kink(activation, x) && counts && moves() {
                wrong.push((last, unit));
            }
        }
        wrong
    }
}

/// `L_u` for each hidden layer.
fn lipschitz_constants(network: &PackedNetwork, objective: Objective) -> Vec<Vec<f64>> {
    let last = network.layers().len() - 1;
    let of_outputs = network.layers()[last].activation.largest_slope();
    let mut constants: Vec<Vec<f64>> = network.layers()[..last].iter().map(|layer| vec![0.0; layer.units]).collect();
    for index in (0..last).rev() {
        let above = &network.layers()[index + 1];
        let (below, from) = constants.split_at_mut(index + 1);
        let constants = &mut below[index];
        let one_output = objective == Objective::Linf && index + 1 == last;
        if let Some(sizes) = network.column_sizes().filter(|_| index + 1 == last) {
            constants.copy_from_slice(if one_output { &sizes.largest } else { &sizes.sums });
            continue;
        }
        for unit in 0..above.units {
            let factor = from.first().map_or(of_outputs, |constants| constants[unit]);
            for (constant, w) in constants.iter_mut().zip(above.row(unit).iter()) {
                let through = factor * w.abs();
                *constant = if one_output { constant.max(through) } else { *constant + through };
            }
        }
    }
    constants
}
