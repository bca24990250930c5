//! The affine map that equals `G` around a code, and its normal equations.
//!
//! With `D_i` the diagonal matrix of `σ_i'` at layer `i`, the Jacobian is `J = D_d W_d ⋯ D_1 W_1`.
//! It is built from the code to the output, so that every product has `k` columns. Only rows and
//! columns with `D_i ≠ 0` are used, and of the last layer only the observed rows. On a kink, the
//! [`Region`] decides which side counts.
//!
//! A prior `½λ‖z‖²` is `k` more rows `√λ I` of `J`, with the residuals `√λ z`. They are not stored:
//! `λI` is added to `JᵀJ`, and `λz` to `Jᵀr`. [`Linearisation::rows`] are those of the data.
//!
//! Most steps near a minimum stay in one region, or change a few units. What a region shares with
//! the one before is kept: the maps up to the first layer that changed, of that layer the rows of
//! the units that did not, and `JᵀJ` where no row changed. These are the numbers that would be
//! computed again, bit for bit.

mod active;

use super::packed_network::PackedNetwork;
use super::point::Point;
use super::products::{gradient_column, normal_matrix};
use super::region::Region;
use crate::linalg::cholesky::{factor, solve_backward, solve_forward};
use crate::linalg::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut};
pub(super) use active::Active;
use active::{Chain, Rows};

/// Damping that prevents steps in the null space of the Jacobian, as a share of
/// [`Linearisation::scale`].
pub const LEAST_DAMPING: f64 = 1e-11;

/// The prior from which [`LEAST_DAMPING`] is left out, as a share of the same scale: it keeps the
/// matrix regular by itself.
const REGULAR: f64 = 1e-12;

/// `J` and `JᵀJ` at a point. Its buffers are reused.
#[derive(Debug, Clone)]
pub struct Linearisation {
    /// Lanes per row of `J`.
    lanes: usize,
    columns: usize,
    /// `λ` of the prior.
    prior: f64,
    /// For each layer: its units with a nonzero derivative, and that derivative.
    active: Vec<Active>,
    /// For each layer but the last: `D_i W_i ⋯ D_1 W_1` on these units, in rows of `lanes` lanes.
    maps: Vec<Vec<Lane>>,
    /// Number of layers, from the first, whose maps are those of their active units; `rows` is the
    /// map of the last.
    kept: usize,
    /// Whether `normal` belongs to `rows`, apart from the residuals.
    has_normal: bool,
    /// The active units that a layer had before.
    before: Active,
    updated: Rows,
    /// `[J | r]`, rows of `lanes + 1` lanes.
    rows: Vec<Lane>,
    /// `[JᵀJ | Jᵀr]`, upper triangle, rows of `lanes + 1` lanes.
    normal: Vec<Lane>,
    factor: Vec<Lane>,
    inverse_pivots: Vec<f64>,
    solution: Vec<Lane>,
}

/// What forming `[J | r]` has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Formed {
    /// Every row of `J` is 0.
    Flat,
    /// `J` is as it was.
    SameRows,
    NewRows,
}

impl Linearisation {
    /// Allocates room for codes of this network.
    pub fn new(network: &PackedNetwork) -> Self {
        let columns = network.code_length();
        let lanes = lanes_for(columns);
        let room = lanes * LANE * (lanes + 1);
        Linearisation {
            lanes,
            columns,
            prior: network.prior(),
            active: vec![Active::default(); network.layers().len()],
            maps: vec![Vec::new(); network.layers().len() - 1],
            kept: 0,
            has_normal: false,
            before: Active::default(),
            updated: Rows::default(),
            rows: Vec::new(),
            normal: vec![Lane::ZERO; room],
            factor: vec![Lane::ZERO; room],
            inverse_pivots: vec![0.0; lanes * LANE],
            solution: vec![Lane::ZERO; lanes],
        }
    }

    /// Linearises around `point`, which has been run against `observation`, with the slopes of
    /// `region`; `network` is the one that this value was made for. Returns false if every row of
    /// `J` is 0 and there is no prior: then the loss is constant around this code.
    pub fn form(&mut self, network: &PackedNetwork, point: &Point, region: &Region, observation: &[f64]) -> bool {
        match self.form_rows(network, point, region, observation) {
            Formed::Flat => return self.prior > 0.0,
            Formed::SameRows if self.has_normal => {
                gradient_column(&self.rows, self.lanes, &mut self.normal);
                self.add_prior_gradient(&point.code);
            }
            Formed::SameRows | Formed::NewRows => {
                normal_matrix(&self.rows, self.lanes, &mut self.normal);
                self.add_prior(&point.code);
            }
        }
        self.has_normal = true;
        true
    }

    /// As [`Self::form`], with other squares. `row`, of an error `r`: the factor of its row of `J`,
    /// and what stands for `r`; [`Self::rows`] are those then. A prior is left out.
    pub fn form_weighted(
        &mut self,
        network: &PackedNetwork,
        point: &Point,
        region: &Region,
        observation: &[f64],
        row: impl Fn(f64) -> (f64, f64),
    ) -> bool {
        let changes = self.form_rows(network, point, region, observation) != Formed::Flat;
        if changes {
            // The last layer's map is no longer that of its units.
            self.kept = self.maps.len();
            self.has_normal = false;
            for entries in self.rows.chunks_exact_mut(self.lanes + 1) {
                let (factor, residual) = row(entries[self.lanes].0[0]);
                numbers_mut(&mut entries[..self.lanes]).iter_mut().for_each(|entry| *entry *= factor);
                entries[self.lanes].0[0] = residual;
            }
            normal_matrix(&self.rows, self.lanes, &mut self.normal);
        }
        changes
    }

    /// Forms `[J | r]`. Where every row of `J` is 0, the normal equations are those of the prior.
    fn form_rows(&mut self, network: &PackedNetwork, point: &Point, region: &Region, observation: &[f64]) -> Formed {
        let last = network.layers().len() - 1;
        // Whether all layers so far are as they were.
        let mut is_same = true;
        let kept = std::mem::take(&mut self.kept);
        for (index, layer) in network.layers().iter().enumerate() {
            let (below, above) = self.active.split_at_mut(index);
            let active = &mut above[0];
            let observed = (index == last).then_some(observation);
            std::mem::swap(active, &mut self.before);
            active.take(layer.activation, &point.received(index)[..layer.units], region.layer(index), observed);
            if active.units.is_empty() {
                self.rows.clear();
                self.leave_flat(network, point, region, observation, index);
                self.normal.fill(Lane::ZERO);
                self.add_prior(&point.code);
                (self.kept, self.has_normal) = (index, false);
                return Formed::Flat;
            }
            let has_rows_of_before = is_same && index < kept;
            is_same = has_rows_of_before && *active == self.before;
            if is_same {
                continue;
            }
            let (inner, outer) = self.maps.split_at_mut(index);
            let (out, stride) = match outer.first_mut() {
                Some(map) => (map, self.lanes),
                None => (&mut self.rows, self.lanes + 1),
            };
            match (below.last(), inner.last()) {
                (Some(below), Some(inner)) if has_rows_of_before => {
                    let chain = Chain { layer, below, inner, columns: self.columns };
                    self.updated.update(chain, (&self.before, active), out, stride);
                }
                (below, inner) => {
                    out.clear();
                    out.resize(active.units.len() * stride, Lane::ZERO);
                    match (below, inner) {
                        (Some(below), Some(inner)) => {
                            layer.chain(&active.units, &active.slopes, &below.units, inner, self.columns, out, stride);
                        }
                        _ => layer.begin_chain(&active.units, &active.slopes, out, stride),
                    }
                }
            }
        }
        self.kept = last + 1;
        let (activation, received) = (network.layers()[last].activation, point.received(last));
        for (row, &unit) in self.rows.chunks_exact_mut(self.lanes + 1).zip(&self.active[last].units) {
            let unit = unit as usize;
            row[self.lanes].0[0] = activation.apply(received[unit]) - observation[unit];
        }
        if is_same { Formed::SameRows } else { Formed::NewRows }
    }

    /// Takes the slopes at `point` and nothing else, for derivatives by backward passes.
    pub(super) fn take_slopes(&mut self, network: &PackedNetwork, point: &Point, region: &Region, observation: &[f64]) {
        (self.kept, self.has_normal) = (0, false);
        let last = network.layers().len() - 1;
        for (index, layer) in network.layers().iter().enumerate() {
            let observed = (index == last).then_some(observation);
            let received = &point.received(index)[..layer.units];
            self.active[index].take(layer.activation, received, region.layer(index), observed);
        }
    }

    /// Adds `λI` to `JᵀJ` and `λz` to `Jᵀr`.
    fn add_prior(&mut self, code: &[f64]) {
        if self.prior > 0.0 {
            let width = (self.lanes + 1) * LANE;
            let rows = numbers_mut(&mut self.normal).chunks_exact_mut(width).take(self.columns);
            rows.enumerate().for_each(|(i, row)| row[i] += self.prior);
            self.add_prior_gradient(code);
        }
    }

    /// Adds `λz` to `Jᵀr`.
    fn add_prior_gradient(&mut self, code: &[f64]) {
        if self.prior > 0.0 {
            let (width, gradient) = ((self.lanes + 1) * LANE, self.lanes * LANE);
            let rows = numbers_mut(&mut self.normal).chunks_exact_mut(width);
            rows.zip(code).for_each(|(row, z)| row[gradient] += self.prior * z);
        }
    }

    /// Where no unit of layer `index` has a slope, no change reaches the layers above: their maps
    /// are 0. Their slopes still say what an output of that layer would change.
    fn leave_flat(
        &mut self,
        network: &PackedNetwork,
        point: &Point,
        region: &Region,
        observation: &[f64],
        index: usize,
    ) {
        self.maps[index..].iter_mut().for_each(Vec::clear);
        let last = network.layers().len() - 1;
        for (above, layer) in network.layers().iter().enumerate().skip(index + 1) {
            let observed = (above == last).then_some(observation);
            let received = &point.received(above)[..layer.units];
            self.active[above].take(layer.activation, received, region.layer(above), observed);
        }
    }

    /// The nonzero rows of `J` (of the data alone), each of `k` entries, each with its
    /// entry of `G(z) − x`.
    pub fn rows(&self) -> impl Iterator<Item = (&[f64], f64)> {
        let columns = self.columns;
        self.rows.chunks_exact(self.lanes + 1).map(move |row| (&numbers(row)[..columns], row[row.len() - 1].0[0]))
    }

    /// The units of layer `index` with a nonzero derivative.
    pub(super) fn active(&self, index: usize) -> &Active {
        &self.active[index]
    }

    /// `D_i W_i ⋯ D_1 W_1` of layer `index` (not the last): one row, padded to whole lanes, per
    /// active unit.
    pub(super) fn map(&self, index: usize) -> impl Iterator<Item = &[f64]> {
        self.maps[index].chunks_exact(self.lanes).map(numbers)
    }

    /// Entry `(i, j)` of `JᵀJ`, `i ≤ j`.
    pub(super) fn normal(&self, i: usize, j: usize) -> f64 {
        numbers(&self.normal)[i * (self.lanes + 1) * LANE + j]
    }

    /// `(Jᵀr)_i`, the gradient of the loss.
    pub fn gradient(&self, i: usize) -> f64 {
        self.normal(i, self.lanes * LANE)
    }

    /// The damping of steps that should have none: it prevents steps in the null space of `JᵀJ`. A
    /// prior leaves no null space.
    pub fn least_damping(&self) -> f64 {
        let scale = self.scale();
        if self.prior > REGULAR * scale { 0.0 } else { LEAST_DAMPING * scale }
    }

    /// The mean of the diagonal of `JᵀJ`.
    pub fn scale(&self) -> f64 {
        (0..self.columns).map(|i| self.normal(i, i)).sum::<f64>() / self.columns as f64
    }

    /// `‖J p‖²`.
    pub fn curvature(&self, p: &[f64]) -> f64 {
        let of_row = |i: usize| {
            let right: f64 = (i + 1..p.len()).map(|j| self.normal(i, j) * p[j]).sum();
            p[i] * (self.normal(i, i) * p[i] + 2.0 * right)
        };
        (0..p.len()).map(of_row).sum()
    }

    /// Factors `JᵀJ + damping·I`.
    pub fn factor(&mut self, damping: f64) {
        self.factor.copy_from_slice(&self.normal);
        let width = (self.lanes + 1) * LANE;
        let entries = numbers_mut(&mut self.factor);
        (0..self.columns).for_each(|i| entries[i * width + i] += damping);
        factor(&mut self.factor, self.lanes, &mut self.inverse_pivots);
    }

    /// `right ← (JᵀJ + damping·I)⁻¹ right`, with the last factorisation. Entries in the null space
    /// of the matrix become 0.
    pub fn solve(&mut self, right: &mut [f64]) {
        let solution = numbers_mut(&mut self.solution);
        solution.fill(0.0);
        solution[..right.len()].copy_from_slice(right);
        solve_forward(&self.factor, self.lanes, &self.inverse_pivots, &mut self.solution);
        solve_backward(&self.factor, self.lanes, &self.inverse_pivots, &mut self.solution);
        right.copy_from_slice(&numbers(&self.solution)[..right.len()]);
    }

    /// `step ← −(JᵀJ)⁻¹ Jᵀr`, with damping [`Self::least_damping`] and one step of iterative
    /// refinement, so that the step has almost no part in the null space of `J`. The matrix stays
    /// factored. Returns the decrease of the loss that the affine map predicts.
    pub fn newton_step(&mut self, step: &mut [f64]) -> f64 {
        self.step(self.least_damping(), step);
        let mut left: Vec<f64> = (0..step.len()).map(|i| -self.gradient(i) - self.product(i, step)).collect();
        self.solve(&mut left);
        step.iter_mut().zip(&left).for_each(|(p, more)| *p += more);
        step.iter().enumerate().map(|(i, p)| -0.5 * p * self.gradient(i)).sum()
    }

    /// `(JᵀJ p)_i`.
    fn product(&self, i: usize, p: &[f64]) -> f64 {
        p.iter().enumerate().map(|(j, p)| self.normal(i.min(j), i.max(j)) * p).sum()
    }

    /// `step ← −(JᵀJ + damping·I)⁻¹ Jᵀr`. Returns the decrease of the loss that the affine map
    /// predicts.
    pub fn step(&mut self, damping: f64, step: &mut [f64]) -> f64 {
        self.factor(damping);
        step.iter_mut().enumerate().for_each(|(i, p)| *p = -self.gradient(i));
        self.solve(step);
        step.iter().enumerate().map(|(i, p)| 0.5 * p * (damping * p - self.gradient(i))).sum()
    }
}
