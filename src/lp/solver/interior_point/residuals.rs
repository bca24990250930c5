//! How far a point is from satisfying its equations: `r_p`, `r_d` and `r_e` of
//! `docs/THE_LP_ENGINE.md`.

use super::iterate::{Iterate, reset};
use crate::linalg::lanes::{numbers, vectorised};
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// The residuals of one point.
#[derive(Debug, Default)]
pub struct Residuals {
    /// `r_p`, one entry per row.
    pub rows: Vec<f64>,
    /// `r_d`, one entry per column.
    pub dual: Vec<f64>,
    /// `r_e`, one entry per violation variable.
    pub violations: Vec<f64>,
}

impl Residuals {
    /// Resizes all vectors for `rows` and `columns`, filled with zeros.
    pub fn reset(&mut self, rows: &ScaledRows, columns: usize) {
        reset(&mut self.rows, rows.len());
        reset(&mut self.dual, columns);
        reset(&mut self.violations, rows.violations());
    }

    /// Cuts the vectors to the lengths of `rows`.
    pub fn truncate(&mut self, rows: &ScaledRows) {
        self.rows.truncate(rows.len());
        self.violations.truncate(rows.violations());
    }

    /// Computes `r_p` and `r_e`.
    pub fn update(&mut self, at: Iterate<'_>) {
        let Iterate { rows, point, .. } = at;
        for slot in &rows.slots {
            let slot = slot.clone();
            row_residuals(
                [&rows.bound[slot.clone()], &rows.side[slot.clone()], &rows.slack[slot.clone()]],
                [&point.a, &point.e, &point.p[slot.clone()]],
                &mut self.rows[slot],
            );
        }
        match rows.kind {
            Kind::Linear => {}
            Kind::Largest => {
                let used: f64 = rows.slack.iter().zip(&point.y).map(|(slack, y)| slack * y).sum();
                self.violations[0] = 1.0 - used - point.eta[0];
            }
            Kind::Sum => {
                for (residual, eta) in self.violations.iter_mut().zip(&point.eta) {
                    *residual = 1.0 - eta;
                }
                for slot in &rows.slots {
                    let (slack, y) = (&rows.slack[slot.clone()], &point.y[slot.clone()]);
                    for ((residual, slack), y) in self.violations.iter_mut().zip(slack).zip(y) {
                        *residual -= slack * y;
                    }
                }
            }
        }
    }

    /// Computes `r_d` from `g = Wᵀ Σ s y`.
    pub fn update_dual(&mut self, at: Iterate<'_>, g: &[f64]) {
        let v = numbers(&at.point.v);
        for (i, residual) in self.dual.iter_mut().enumerate() {
            *residual = at.rows.weights[i] + v[i] - g[i];
        }
    }
}

vectorised! {
    fn row_residuals(row: [&[f64]; 3], point: [&[f64]; 3], out: &mut [f64]) {
        let n = out.len();
        let [bound, side, slack] = row.map(|x| &x[..n]);
        let [a, e, p] = point.map(|x| &x[..n]);
        for i in 0..n {
            out[i] = bound[i] - side[i] * a[i] + slack[i] * e[i] - p[i];
        }
    }
}
