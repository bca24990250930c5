//! How good a point is, and whether its multipliers show that no point satisfies the rows.

use super::iterate::Iterate;
use super::residuals::Residuals;
use crate::linalg::lanes::numbers;
use crate::lp::solver::scaled_rows::Kind;

/// Total of the products at the end, relative to the objective …
pub const GAP: f64 = 1e-12;
/// … and to the problem's size: 1 per violation, `Σ|q||z|` for linear ones.
const GAP_OF_SIZE: f64 = 1e-14;

/// How good a point is: everything is relative, smaller is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// The mean of the products.
    pub mu: f64,
    /// The total of the products, divided by the accepted total.
    pub gap: f64,
    /// The largest residual of a row.
    pub rows: f64,
    /// The largest residual of a dual equation.
    pub dual: f64,
}

impl Quality {
    /// The quality of the iterate.
    pub fn of(at: Iterate<'_>, residuals: &Residuals) -> Self {
        let Iterate { shared, rows, point } = at;
        let (total, count) = products_total(at);
        let z = &numbers(&point.z)[..shared.columns()];
        let (objective, size) = match rows.kind {
            Kind::Largest => (point.e[0], 1.0),
            Kind::Sum => (point.e.iter().sum(), point.e.len() as f64),
            Kind::Linear => {
                let terms = rows.weights.iter().zip(z).map(|(q, z)| q * z);
                let sizes: f64 = rows.weights.iter().zip(z).map(|(q, z)| (q * z).abs()).sum();
                (terms.sum::<f64>().abs(), sizes.max(1.0))
            }
        };
        let largest =
            |values: &[f64]| values.iter().fold(0.0f64, |most, x| if x.abs() > most { x.abs() } else { most });
        let z_size = 1.0 + largest(z);
        let y_size = point.y.iter().sum::<f64>() + if rows.kind == Kind::Linear { 1.0 } else { 0.0 };
        Quality {
            mu: total / count.max(1) as f64,
            gap: total / (GAP * objective + GAP_OF_SIZE * size),
            rows: largest(&residuals.rows) / z_size,
            dual: largest(&residuals.dual).max(largest(&residuals.violations)) / y_size.max(1e-300),
        }
    }

    /// The largest of the gap and the residuals.
    pub fn worst(&self) -> f64 {
        self.gap.max(self.rows).max(self.dual)
    }
}

/// The sum of all products, and their number.
fn products_total(at: Iterate<'_>) -> (f64, usize) {
    let Iterate { shared, point, .. } = at;
    let columns = shared.columns();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut total = dot(&point.p, &point.y);
    let mut count = point.p.len() + point.eta.len();
    total += dot(&point.e[..point.eta.len()], &point.eta);
    if shared.nonnegative {
        total += dot(&numbers(&point.z)[..columns], &numbers(&point.v)[..columns]);
        count += columns;
    }
    (total, count)
}

/// Farkas: `y ≥ 0` with `g ≥ 0` (`= 0`) and `h·y < 0` shows that no `z` satisfies the rows. Only a
/// hint: it is proven elsewhere. `g`: `Wᵀ Σ s y`.
pub fn looks_infeasible(at: Iterate<'_>, g: &[f64]) -> bool {
    let y = &at.point.y;
    let reward: f64 = -at.rows.bound.iter().zip(y).map(|(h, y)| h * y).sum::<f64>();
    let size: f64 = y.iter().sum();
    let g = &g[..at.shared.columns()];
    let miss = g.iter().map(|g| if at.shared.nonnegative { -g } else { g.abs() }).fold(0.0, f64::max);
    reward > 1e-8 * size && miss <= 1e-9 * reward && size > 1e3
}
