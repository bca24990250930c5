//! The result of a method at one noise.

use serde::Serialize;

use crate::statistics::quantile;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The network.
    pub network: String,
    /// The noise, in the notation of `unrelu generate`.
    pub noise: String,
    /// The share of the entries that was observed.
    pub observed: f64,
    /// The method. `limit` is descent of the squared error from the true code, `limit linf` and
    /// `limit l1` are descents in these norms; `lower of both` is the lower squared error of the
    /// limit and `best`.
    pub method: String,
    /// Observations that the method got in its time.
    pub observations: usize,
    /// Of these, those with a squared error above the limit's.
    pub above_limit: usize,
    /// Of these, those with a squared error below the limit's.
    pub below_limit: usize,
    /// Of the latter, those whose code is nevertheless farther from the truth.
    pub below_limit_but_farther: usize,
    /// Of all, those with a loss below that of `best`; `None` if `best` took no part.
    pub below_best: Option<usize>,
    /// `‖z − z*‖ / ‖z*‖`.
    pub error: Spread,
    /// Wall-clock milliseconds per observation, on all threads; `None` for rows that are not a
    /// method.
    pub milliseconds: Option<f64>,
}

/// The distribution of some numbers. A failure counts as infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the numbers are at most this.
    pub median: f64,
    /// 90 % of the numbers are at most this.
    pub percentile_90: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    /// The distribution of `numbers`; `NaN` counts as infinite, and everything is infinite for an
    /// empty list.
    pub fn of(numbers: Vec<f64>) -> Self {
        let [median, percentile_90, largest] = [0.5, 0.9, 1.0].map(|share| quantile(numbers.clone(), share));
        Spread { median, percentile_90, largest }
    }
}
