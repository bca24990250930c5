//! Proof of a local minimum where more units are on their kinks than the multipliers of pinned
//! units decide.
//!
//! Let `E` be the units on their kinks, all counted as off, `g` the gradient of the loss there, and
//! `∇a_u` the gradient of what unit `u` receives. For any numbers `μ_u` let
//! `j_u(μ) = (1 − c)(∂f/∂σ_u + Σ_v μ_v ∂a_v/∂σ_u)`, as in [`super::active_set`]. Along a direction
//! `d`, let `α_u` be the change of what `u` receives, kinks below it included. If
//! `g + Σ μ_u ∇a_u = 0`, then
//!
//! ```text
//!     f′(d) = Σ_u (j_u(μ) max(0, α_u) − μ_u α_u),
//! ```
//!
//! since each unit of `E` that turns on adds `(1 − c) α_u` to its output. So `0 ≤ μ_u ≤ j_u(μ)` for
//! all of `E` proves that no direction descends. `f` is convex in each of the regions that meet at
//! the code, so the code is a local minimum. With independent gradients, `μ` is unique, and the
//! active-set method finds it. Here it is not: `μ ≥ 0` and `ν = j(μ) − μ ≥ 0` are found together by
//! nonnegative least squares.

use nalgebra::{DMatrix, DVector};

use super::kink::bend;
use super::linearisation::LEAST_DAMPING;
use super::local_search::LocalSearch;
use super::sensitivities::gradient_of_unit;
use crate::linalg::nnls::nonnegative_least_squares;

/// More units on kinks than this are not tried: the effort grows with their third power.
const MOST_UNITS: usize = 200;
/// A decrease of the loss below this share of it is rounding.
const NEGLIGIBLE_DECREASE: f64 = 1e-12;
/// A violation of `0 ≤ μ ≤ j` up to this share of its terms is rounding.
const NEGLIGIBLE_MULTIPLIER: f64 = 1e-9;

impl LocalSearch<'_> {
    /// Whether multipliers prove the current code to be a local minimum. False says nothing: the
    /// condition is sufficient. The network has to be piecewise linear.
    pub fn is_proven_minimum(&mut self, observation: &[f64]) -> bool {
        if self.reproduces(observation) {
            return true;
        }
        self.pins.clear();
        self.dependent.clear();
        self.region.take(self.network, &self.current);
        let units: Vec<(usize, usize)> = self.on_kinks(observation).collect();
        if !self.network.is_piecewise_linear() || units.len() > MOST_UNITS || !self.current.loss.is_finite() {
            return false;
        }
        units.iter().for_each(|(layer, unit)| self.region.set(*layer, *unit, false));
        let changes = self.linear.form(self.network, &self.current, &self.region, observation);
        let (k, count) = (self.network.code_length(), units.len());
        let gradient = DVector::from_fn(k, |i, _| if changes { self.linear.gradient(i) } else { 0.0 });
        let gradients = self.gradients_of(&units);
        let (jumps, price) = self.jumps_of(&units, observation);

        let size = Some(gradients.amax()).filter(|size| *size > 0.0).unwrap_or(1.0);
        let mut system = DMatrix::zeros(k + count, 2 * count);
        system.view_mut((0, 0), (k, count)).copy_from(&(&gradients / size));
        system.view_mut((k, 0), (count, count)).copy_from(&(DMatrix::identity(count, count) - &price));
        system.view_mut((k, count), (count, count)).fill_with_identity();
        let mut right = DVector::zeros(k + count);
        right.rows_mut(0, k).copy_from(&(-&gradient / size));
        right.rows_mut(k, count).copy_from(&jumps);
        let found = nonnegative_least_squares(&system, &right);
        let (mu, nu) = (found.rows(0, count), found.rows(count, count));

        let of_multipliers = &price * mu;
        let in_range = (0..count).all(|u| {
            let missing = jumps[u] + of_multipliers[u] - mu[u] - nu[u];
            missing >= -NEGLIGIBLE_MULTIPLIER * (jumps[u].abs() + of_multipliers[u].abs() + mu[u])
        });
        in_range && self.is_negligible(&(gradient + gradients * mu), changes)
    }

    /// One column per unit: `∇a_u`.
    fn gradients_of(&self, units: &[(usize, usize)]) -> DMatrix<f64> {
        let mut gradients = DMatrix::zeros(self.network.code_length(), units.len());
        for ((layer, unit), mut column) in units.iter().zip(gradients.column_iter_mut()) {
            gradient_of_unit(self.network, &self.linear, *layer, *unit, column.as_mut_slice());
        }
        gradients
    }

    /// `j(0)`, and the matrix `C` of `j(μ) = j(0) + C μ`.
    fn jumps_of(&mut self, units: &[(usize, usize)], observation: &[f64]) -> (DVector<f64>, DMatrix<f64>) {
        let jumps = |search: &mut Self, multiplier: Option<(usize, usize, f64)>| {
            let LocalSearch { network, linear, current, adjoints, .. } = search;
            adjoints.adjoints(network, linear, current, observation, multiplier.into_iter());
            let jump = |(layer, unit): &(usize, usize)| {
                bend(network.layers()[*layer].activation).unwrap_or(0.0) * adjoints.layer(*layer)[*unit]
            };
            DVector::from_iterator(units.len(), units.iter().map(jump))
        };
        let without = jumps(self, None);
        let mut price = DMatrix::zeros(units.len(), units.len());
        for ((layer, unit), mut column) in units.iter().zip(price.column_iter_mut()) {
            column.copy_from(&(jumps(self, Some((*layer, *unit, 1.0))) - &without));
        }
        (without, price)
    }

    /// Whether the affine map predicts no decrease of the loss from a gradient of `slope`.
    fn is_negligible(&mut self, slope: &DVector<f64>, changes: bool) -> bool {
        if !changes {
            return slope.amax() == 0.0;
        }
        self.linear.factor(LEAST_DAMPING * self.linear.scale());
        let mut step: Vec<f64> = slope.iter().copied().collect();
        self.linear.solve(&mut step);
        let decrease: f64 = 0.5 * step.iter().zip(slope.iter()).map(|(p, g)| p * g).sum::<f64>();
        decrease <= NEGLIGIBLE_DECREASE * self.current.loss
    }
}
