//! How uncertain a code is: standard deviations and intervals of its entries.

use serde::Serialize;

/// Which entries of a code have an interval, and why the others have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Intervals {
    /// Every entry.
    Complete,
    /// Some entries: the data do not determine the others.
    Partial,
    /// None: the data determine no entry.
    Undetermined,
    /// None: noise of the named size does not explain the residuals (for uniform noise, those of no
    /// code of the linear region). The size is too small, or the code is in the wrong region.
    Empty,
    /// None: the size of the noise was not given, and the residuals do not tell it, because there
    /// are no more observed entries than the code has, or because they are only rounding.
    NoNoiseSize,
}

/// How uncertain a code is. Vectors have one number per entry of the code, in its units; an entry
/// without an interval has infinite numbers (`null` in `.jsonl`, empty in `.csv`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UncertaintyRow {
    /// Which entries have an interval.
    pub intervals: Intervals,
    /// The size of the noise that the intervals are for: given, or estimated from the residual;
    /// `NaN` if neither was possible.
    pub noise_size: f64,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// The lower ends of the 90 % intervals.
    pub lower: Vec<f64>,
    /// The upper ends of the 90 % intervals.
    pub upper: Vec<f64>,
    /// The least value of each entry over the codes of the region that leave no residual above the
    /// size of the noise. Only for bounded noise of a given size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_lower: Option<Vec<f64>>,
    /// The largest value, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_upper: Option<Vec<f64>>,
}

impl UncertaintyRow {
    /// A code of `entries` entries without intervals.
    pub(crate) fn without(intervals: Intervals, noise_size: f64, entries: usize) -> Self {
        UncertaintyRow {
            intervals,
            noise_size,
            sd: vec![f64::INFINITY; entries],
            lower: vec![f64::NEG_INFINITY; entries],
            upper: vec![f64::INFINITY; entries],
            bound_lower: None,
            bound_upper: None,
        }
    }

    /// Intervals whose lengths are finite where the entry is determined.
    pub(crate) fn of(noise_size: f64, sd: Vec<f64>, lower: Vec<f64>, upper: Vec<f64>) -> Self {
        let intervals = match sd.iter().filter(|sd| sd.is_finite()).count() {
            0 => Intervals::Undetermined,
            finite if finite < sd.len() => Intervals::Partial,
            _ => Intervals::Complete,
        };
        UncertaintyRow { intervals, noise_size, sd, lower, upper, bound_lower: None, bound_upper: None }
    }
}
