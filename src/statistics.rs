//! Quantiles and shares of runs, some of which may have failed, the exponent of a power law, and a
//! quantile of `χ²`.

/// The smallest number that is at least as large as a share `share` of all numbers. `NaN` marks a
/// failure and counts as infinite. Returns infinity for an empty list.
pub fn quantile(mut numbers: Vec<f64>, share: f64) -> f64 {
    numbers.iter_mut().filter(|number| number.is_nan()).for_each(|number| *number = f64::INFINITY);
    numbers.sort_by(f64::total_cmp);
    let place = (share * numbers.len() as f64).ceil() as usize;
    numbers.get(place.max(1) - 1).copied().unwrap_or(f64::INFINITY)
}

/// The [`quantile`] of order one half.
pub fn median(numbers: Vec<f64>) -> f64 {
    quantile(numbers, 0.5)
}

/// The share of `items` for which `says` is true; `None` if there are no items.
pub fn share<T>(items: impl Iterator<Item = T>, says: impl Fn(T) -> bool) -> Option<f64> {
    let (count, yes) = items.fold((0_usize, 0_usize), |(count, yes), item| (count + 1, yes + usize::from(says(item))));
    (count > 0).then(|| yes as f64 / count as f64)
}

/// `χ²₀.₉₉₉(n) / n`, the 99.9 % quantile of the mean square of `n` standard normal numbers
/// (approximation of Wilson and Hilferty).
pub fn largest_mean_square(n: f64) -> f64 {
    /// The 99.9 % quantile of the standard normal distribution.
    const QUANTILE: f64 = 3.0902;
    let variance = 2.0 / (9.0 * n);
    (1.0 - variance + QUANTILE * variance.sqrt()).powi(3)
}

/// The exponent `p` of `y ≈ c·xᵖ`, by least squares on the logarithms. `NaN` for fewer than two
/// different `x`, or if a number is not positive and finite.
pub fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let along: f64 = logs.iter().map(|point| (point.0 - x) * (point.0 - x)).sum();
    let across: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    across / along
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        let numbers = || (1..=10).rev().map(f64::from).collect::<Vec<_>>();
        assert_eq!([0.5, 0.9, 1.0].map(|share| quantile(numbers(), share)), [5.0, 9.0, 10.0]);
        assert_eq!(median(vec![1.0, f64::NAN, 2.0]), 2.0);
        assert_eq!(quantile(vec![1.0, f64::NAN, 2.0], 1.0), f64::INFINITY);
        assert_eq!((median(vec![7.0]), median(Vec::new())), (7.0, f64::INFINITY));
    }

    #[test]
    fn shares_by_hand() {
        assert_eq!(share([3, 5, 8, 9].iter(), |number| number % 2 == 0), Some(0.25));
        assert_eq!(share(std::iter::empty::<usize>(), |_| true), None);
    }

    #[test]
    fn exponents_by_hand() {
        let points: Vec<(f64, f64)> = (1..6).map(f64::from).map(|x| (x, 3.0 * x.powf(1.5))).collect();
        assert!((exponent(&points) - 1.5).abs() < 1e-12);
        assert!(exponent(&points[..1]).is_nan() && exponent(&[(1.0, 0.0), (2.0, 1.0)]).is_nan());
    }

    #[test]
    fn the_quantile_is_that_of_tables() {
        for (n, quantile, within) in [(1.0, 10.828, 0.04), (10.0, 29.588, 0.01), (100.0, 149.449, 0.001)] {
            let error = n * largest_mean_square(n) / quantile - 1.0;
            assert!(error.abs() < within, "{n}: {error}");
        }
    }
}
