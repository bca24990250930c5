//! Every linear region of a small network, by exhaustive enumeration: the least loss of all codes,
//! and whether a code is a local minimum. Linear programs by microlp, quadratic ones by trying
//! every set of borders.

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome, Variable};
use nalgebra::{DMatrix, DVector};
use unrelu::{Activation, Network};

/// Codes further from 0 than this in an entry are not considered.
const BOX: f64 = 1e7;
/// A region whose largest ball in the box is smaller than this has no interior.
const INTERIOR: f64 = 1e-9;
/// A border at most this far from a code passes through it.
const ON_BORDER: f64 = 1e-9;
/// A relative difference of two losses that is rounding.
const SAME_LOSS: f64 = 1e-9;
/// A singular value below this (of unit vectors, or as a share of the largest entry) is 0.
const RANK: f64 = 1e-10;

/// The codes `z` with `w·z + b ≥ 0` for every border `(w, b)`, `‖w‖ = 1`. There the observed
/// outputs are `A z + c`.
#[derive(Debug, Clone)]
pub struct Region {
    pub a: DMatrix<f64>,
    pub c: DVector<f64>,
    pub borders: Vec<(DVector<f64>, f64)>,
    inside: DVector<f64>,
}

/// All regions with an interior, of a network whose observed outputs are those that are not `NaN`
/// in `observation`.
pub fn regions(network: &Network, observation: &[f64]) -> Vec<Region> {
    let k = network.code_length();
    let whole =
        Region { a: DMatrix::identity(k, k), c: DVector::zeros(k), borders: Vec::new(), inside: DVector::zeros(k) };
    let last = network.layers().len() - 1;
    network.layers().iter().enumerate().fold(vec![whole], |regions, (index, layer)| {
        let counts: Vec<usize> =
            (0..layer.units()).filter(|unit| index < last || !observation[*unit].is_nan()).collect();
        let weight = layer.weight().select_rows(&counts);
        let bias = DVector::from_iterator(counts.len(), counts.iter().map(|unit| layer.bias[*unit]));
        let below = |region: Region| Region { a: &weight * &region.a, c: &weight * &region.c + &bias, ..region };
        (0..counts.len()).fold(regions.into_iter().map(below).collect(), |regions: Vec<Region>, unit| {
            regions.into_iter().flat_map(|region| region.split(unit, layer.activation)).collect()
        })
    })
}

impl Region {
    /// The parts of the region on both sides of the kink of `unit`, whose received value is the
    /// `unit`-th row.
    fn split(self, unit: usize, activation: Activation) -> Vec<Region> {
        let slope = match activation {
            Activation::Relu => 0.0,
            Activation::LeakyRelu(slope) => slope,
            _ => return vec![self],
        };
        let w: DVector<f64> = self.a.row(unit).transpose();
        let size = w.norm();
        let below = |mut region: Region| {
            region.a.row_mut(unit).scale_mut(slope);
            region.c[unit] *= slope;
            region
        };
        if size == 0.0 {
            return vec![if self.c[unit] > 0.0 { self } else { below(self) }];
        }
        let border = (w / size, self.c[unit] / size);
        let with = |sign: f64| {
            let mut region = self.clone();
            region.borders.push((&border.0 * sign, border.1 * sign));
            region.find_inside().then_some(region)
        };
        let (on, off) = (with(1.0), with(-1.0).map(below));
        on.into_iter().chain(off).collect()
    }

    /// Moves `inside` to the centre of a large ball in the region; false if there is none.
    fn find_inside(&mut self) -> bool {
        let distance = |(w, b): &(DVector<f64>, f64)| w.dot(&self.inside) + b;
        if self.borders.iter().all(|border| distance(border) > 1e-3) {
            return true;
        }
        let mut program = Problem::new(OptimizationDirection::Maximize);
        let z: Vec<Variable> = self.inside.iter().map(|_| program.add_var(0.0, (-BOX, BOX))).collect();
        let radius = program.add_var(1.0, (0.0, 1.0));
        for (w, b) in &self.borders {
            let mut terms: Vec<_> = z.iter().copied().zip(w.iter().copied()).collect();
            terms.push((radius, -1.0));
            program.add_constraint(terms, ComparisonOp::Ge, -b);
        }
        let Some(solution) = solved(&program) else { return false };
        self.inside.iter_mut().zip(&z).for_each(|(inside, z)| *inside = solution.var_value(*z));
        solution.var_value(radius) > INTERIOR
    }

    /// The least loss in the closed region, if it is below `bound`. The minimum is that of the loss
    /// on the flat of some set of borders.
    fn least(&self, x: &DVector<f64>, bound: f64) -> f64 {
        let mut least = bound;
        let mut sets = vec![Vec::new()];
        while let Some(set) = sets.pop() {
            let Some(z) = self.minimum_on(&set, x) else { continue };
            let loss = 0.5 * (&self.a * &z + &self.c - x).norm_squared();
            // Fewer borders allow no higher loss.
            if loss >= least {
                continue;
            }
            if self.contains(&z) {
                least = loss;
            } else if set.len() < self.a.ncols() {
                let next = set.last().map_or(0, |last| last + 1);
                sets.extend((next..self.borders.len()).map(|border| [&set[..], &[border]].concat()));
            }
        }
        least
    }

    fn contains(&self, z: &DVector<f64>) -> bool {
        self.borders.iter().all(|(w, b)| w.dot(z) + b >= -ON_BORDER * (1.0 + z.amax()))
    }

    /// The minimum nearest to 0 of the affine map's loss on the borders of `set`; `None` if these
    /// have no point in common.
    fn minimum_on(&self, set: &[usize], x: &DVector<f64>) -> Option<DVector<f64>> {
        let k = self.a.ncols();
        let (mut z, mut free) = (DVector::zeros(k), DMatrix::identity(k, k));
        if !set.is_empty() {
            let w = DMatrix::from_fn(set.len(), k, |row, column| self.borders[set[row]].0[column]);
            let b = DVector::from_fn(set.len(), |row, _| -self.borders[set[row]].1);
            z = w.clone().svd(true, true).solve(&b, RANK).ok()?;
            if (&w * &z - b).amax() > ON_BORDER * (1.0 + z.amax()) {
                return None;
            }
            let projection = DMatrix::identity(k, k) - w.clone().pseudo_inverse(RANK).ok()? * w;
            let basis = projection.svd(true, false);
            let columns: Vec<usize> = (0..k).filter(|i| basis.singular_values[*i] > 0.5).collect();
            free = basis.u?.select_columns(&columns);
        }
        if free.ncols() > 0 {
            let residual = &self.a * &z + &self.c - x;
            let map = &self.a * &free;
            let rank = RANK * self.a.amax();
            z -= free * map.svd(true, true).solve(&residual, rank).ok()?;
        }
        Some(z)
    }
}

/// The least `½‖G(z) − x‖²` over the observed entries, of all codes; `bound` if none is below it.
pub fn least_loss(regions: &[Region], observation: &[f64], bound: f64) -> f64 {
    let x = observed(observation);
    regions.iter().fold(bound, |least, region| region.least(&x, least))
}

/// Whether no code near `code` has a lower loss than `loss`, its own. In each region that `code`
/// belongs to, the loss is convex: where none near it is lower, none in the region is.
pub fn is_local_minimum(regions: &[Region], observation: &[f64], code: &[f64], loss: f64) -> bool {
    let (x, z) = (observed(observation), DVector::from_column_slice(code));
    let around: Vec<&Region> = regions.iter().filter(|region| region.contains(&z)).collect();
    assert!(!around.is_empty(), "{code:?} is in no region");
    let lower = loss * (1.0 - SAME_LOSS);
    around.iter().all(|region| region.least(&x, lower) >= lower)
}

/// The observed entries.
pub fn observed(observation: &[f64]) -> DVector<f64> {
    let observed: Vec<f64> = observation.iter().copied().filter(|x| !x.is_nan()).collect();
    DVector::from_vec(observed)
}

/// The optimum; `None` if there is no feasible point.
pub fn solved(program: &Problem) -> Option<microlp::Solution> {
    match program.solve() {
        Ok(SolveOutcome::Solution(solution)) => Some(solution),
        Err(microlp::Error::Infeasible) => None,
        other => panic!("the oracle failed: {other:?}"),
    }
}
