//! Median, minimum and maximum of repeated passes.

/// Seconds of repeated passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub repeats: usize,
}

impl Spread {
    /// Computes the spread. The median of an even number is the mean of the middle two. `None` for
    /// an empty slice.
    pub fn of(seconds: &[f64]) -> Option<Self> {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) };
        Some(Spread { median, least, most, repeats: sorted.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ends_are_found_in_any_order() {
        let spread = |median, least, most, repeats| Some(Spread { median, least, most, repeats });
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0, 3));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 8.0]), spread(3.0, 1.0, 8.0, 4));
        assert_eq!(Spread::of(&[5.0]), spread(5.0, 5.0, 5.0, 1));
        assert_eq!(Spread::of(&[]), None);
    }
}
