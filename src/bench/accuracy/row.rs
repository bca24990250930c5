//! What came of a method at one noise.

use serde::Serialize;

use crate::statistics::quantile;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The network.
    pub network: String,
    /// The noise, as `unrelu generate` reads it.
    pub noise: String,
    /// The share of the entries that was observed.
    pub observed: f64,
    /// The method; `limit` is descent from the true code, `lower of both` the lower loss of the
    /// limit and `best`.
    pub method: String,
    /// Observations that it got in its time.
    pub observations: usize,
    /// Of these, those with a loss above the limit's.
    pub above_limit: usize,
    /// Those with a loss below it.
    pub below_limit: usize,
    /// Of these, those whose code is farther from the truth all the same.
    pub below_limit_but_farther: usize,
    /// Those with a loss below that of `best`; `None` where `best` took no part.
    pub below_best: Option<usize>,
    /// `‖z − z*‖ / ‖z*‖`.
    pub error: Spread,
    /// Wall-clock milliseconds an observation, on all threads; `None` for what is no method.
    pub milliseconds: Option<f64>,
}

/// How numbers are spread. One that failed counts as infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half are at most this.
    pub median: f64,
    /// 90 % are at most this.
    pub percentile_90: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    /// Of some numbers; `NaN` is infinite, and so is everything of none.
    pub fn of(numbers: Vec<f64>) -> Self {
        let [median, percentile_90, largest] = [0.5, 0.9, 1.0].map(|share| quantile(numbers.clone(), share));
        Spread { median, percentile_90, largest }
    }
}
