//! A distribution of numbers in constant memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// A distribution of nonnegative numbers in constant memory: exact extremes, quantiles to 3 %.
///
/// serde writes it completely, with its bins. [`Distribution::json`] gives the quantiles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many numbers were added, without `NaN`.
    count: u64,
    /// The smallest and the largest number; `None` if there is none.
    #[serde(deserialize_with = "range_with_infinities")]
    range: Option<(f64, f64)>,
    /// Number of values per bin `⌊BINS_PER_DECADE · log₁₀ x⌋`; `i32::MIN` is the bin below
    /// `LOWEST`.
    bins: BTreeMap<i32, u64>,
}

const BINS_PER_DECADE: f64 = 80.0;
/// Smaller numbers count as 0.
const LOWEST: f64 = 1e-300;

impl Distribution {
    /// Adds a number. `NaN` is ignored.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1;
        self.widen((value, value));
        let bin = if value < LOWEST { i32::MIN } else { (BINS_PER_DECADE * value.log10()).floor() as i32 };
        *self.bins.entry(bin).or_default() += 1;
    }

    /// Adds the numbers of another distribution. A damaged file can hold counts of any size.
    pub fn merge(&mut self, other: &Distribution) {
        self.count = self.count.saturating_add(other.count);
        if let Some(range) = other.range {
            self.widen(range);
        }
        for (&bin, &count) in &other.bins {
            let sum = self.bins.entry(bin).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    fn widen(&mut self, (low, high): (f64, f64)) {
        let (smallest, largest) = self.range.unwrap_or((low, high));
        self.range = Some((smallest.min(low), largest.max(high)));
    }

    /// The quantile of order `q` in `[0, 1]`; `NaN` if there is no number.
    pub fn quantile(&self, q: f64) -> f64 {
        let Some((smallest, largest)) = self.range else { return f64::NAN };
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut passed = 0u64;
        for (&bin, &count) in &self.bins {
            passed = passed.saturating_add(count);
            if passed >= rank {
                let middle = if bin == i32::MIN { 0.0 } else { 10f64.powf((f64::from(bin) + 0.5) / BINS_PER_DECADE) };
                // `clamp` would panic if a damaged file has the extremes in the wrong order.
                return middle.max(smallest).min(largest);
            }
        }
        largest
    }

    /// The largest number; `NaN` if there is none.
    pub fn largest(&self) -> f64 {
        self.range.map_or(f64::NAN, |(_, largest)| largest)
    }

    /// Median, 90th percentile and largest number; `null` for a value that is not finite.
    pub fn json(&self) -> Value {
        json!({
            "median": self.quantile(0.5),
            "percentile_90": self.quantile(0.9),
            "largest": self.largest(),
        })
    }
}

/// Reads a range. JSON has no infinity, so `null` stands for it.
fn range_with_infinities<'de, D: Deserializer<'de>>(source: D) -> Result<Option<(f64, f64)>, D::Error> {
    let range = Option::<(Option<f64>, Option<f64>)>::deserialize(source)?;
    Ok(range.map(|(smallest, largest)| (smallest.unwrap_or(f64::INFINITY), largest.unwrap_or(f64::INFINITY))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_good_to_three_percent() {
        let mut distribution = Distribution::default();
        for i in 1..=1000 {
            distribution.add(f64::from(i) * 1e-6);
        }
        assert!((distribution.quantile(0.5) / 5e-4 - 1.0).abs() < 0.03);
        assert!((distribution.quantile(0.9) / 9e-4 - 1.0).abs() < 0.03);
        assert_eq!(distribution.largest(), 1e-3);
    }

    #[test]
    fn zeros_and_missing_numbers() {
        let mut distribution = Distribution::default();
        assert!(distribution.quantile(0.5).is_nan());
        distribution.add(f64::NAN);
        distribution.add(0.0);
        assert_eq!(distribution.quantile(0.5), 0.0);
    }

    #[test]
    fn two_halves_make_a_whole() {
        let (mut whole, mut halves) = (Distribution::default(), [Distribution::default(), Distribution::default()]);
        for i in 1..=100 {
            whole.add(f64::from(i));
            halves[i as usize % 2].add(f64::from(i));
        }
        let [mut first, second] = halves;
        first.merge(&second);
        assert_eq!(first, whole);
        first.merge(&Distribution::default());
        assert_eq!(first, whole);
    }

    #[test]
    fn json_keeps_nothing_and_infinity() {
        let (nothing, mut infinite) = (Distribution::default(), Distribution::default());
        infinite.add(f64::INFINITY);
        let mut both = infinite.clone();
        both.add(0.25);
        for distribution in [nothing, infinite, both] {
            let text = serde_json::to_string(&distribution).unwrap();
            let back: Distribution = serde_json::from_str(&text).unwrap();
            assert_eq!(back, distribution, "{text}");
        }
    }
}
