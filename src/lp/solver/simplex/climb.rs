//! From program to program of one observation ([`crate::lp::climb`]), with one inverse.

use super::super::scaled_rows::Kind;
use super::super::tolerances::ENORMOUS;
use super::dual::DualEnd;
use super::{Simplex, Tableau};
use crate::linalg::lanes::numbers;
use crate::linalg::packed_weights::PackedWeights;
use crate::lp::basis::Basis;
use crate::lp::climb::{Climb, Optimum};
use crate::lp::problem::{LayerSystem, Objective, Problem};

impl Simplex {
    /// Solves the programs of `climb` one after the other, the first from `start`. Ends at one
    /// whose optimum is not shown to be the only one.
    pub fn climb(&mut self, system: &LayerSystem, start: &Basis, climb: &mut dyn Climb) {
        let weights = system.packed();
        let mut basis = start.clone();
        let mut z = vec![0.0; system.columns()];
        let mut is_first = true;
        while let Some(problem) = climb.next() {
            if problem.rows.is_empty() || system.columns() == 0 {
                return;
            }
            let Some(pivots) = self.step_up(system, &problem, (&basis, is_first)) else { return };
            is_first = false;
            let tableau = &self.tableau;
            basis = tableau.basis(weights);
            for (z, scaled) in z.iter_mut().zip(numbers(&tableau.point)) {
                *z = scaled * tableau.rows.z_scale;
            }
            let gain = match &problem.objective {
                Objective::Linear { weights, .. } => weights.iter().zip(&z).map(|(q, z)| q * z).sum(),
                _ => 0.0,
            };
            let product = |unit: usize| tableau.product(unit, weights);
            if !climb.found(Optimum { z: &z, product: &product, gain, basis: &basis, pivots }) {
                return;
            }
        }
    }

    /// Solves one program from a vertex; `afresh`: the tableau does not hold its inverse. Returns
    /// the number of pivots; `None` where the optimum is not shown to be the only one.
    fn step_up(&mut self, system: &LayerSystem, problem: &Problem, (basis, afresh): (&Basis, bool)) -> Option<u32> {
        self.tableau.rows.load_all(system, problem);
        if !self.take(system, basis, afresh) {
            return None;
        }
        let weights = system.packed();
        let Simplex { tableau, candidates, descent } = self;
        let (is_unique, pivots) = if tableau.rows.kind == Kind::Sum {
            tableau.descend(system, weights, descent)
        } else {
            let (end, pivots) = tableau.dual_simplex(system, weights, None, candidates);
            (end == DualEnd::Optimal, pivots)
        };
        let moderate = numbers(&tableau.point).iter().all(|x| x.abs() <= ENORMOUS);
        (is_unique && moderate).then_some(pivots)
    }
}

impl Tableau {
    /// `w_u · z` of a unit that takes part, in the problem's own numbers; `NaN` for another.
    fn product(&self, unit: usize, weights: &PackedWeights) -> f64 {
        let place = self.place_of_unit.get(unit).and_then(|&place| self.a.get(place as usize));
        place.map_or(f64::NAN, |a| a * self.rows.bound_scale(weights))
    }
}
