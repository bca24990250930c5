//! The axes of a plot: the range of numbers that they show, the place of a number, and the ticks.

/// An axis before its range is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The text of the axis.
    pub label: String,
    /// The scale of the axis.
    pub scale: Scale,
    /// Numbers that the axis always shows, even if no curve reaches them: 0 and 1 for a share, or
    /// the range of other panels.
    pub shows: Vec<f64>,
}

/// The mapping from numbers to places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences have equal distances.
    Linear,
    /// Equal ratios have equal distances; only positive numbers have a place.
    Logarithmic,
}

impl Scale {
    /// Whether a number has a place.
    pub(super) fn shows(self, value: f64) -> bool {
        value.is_finite() && (self == Scale::Linear || value > 0.0)
    }

    fn forward(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Logarithmic => value.log10(),
        }
    }

    fn back(self, place: f64) -> f64 {
        match self {
            Scale::Linear => place,
            Scale::Logarithmic => 10_f64.powf(place),
        }
    }
}

/// Free space at both ends, as a share of the curves' range.
const PADDING: f64 = 0.05;
/// Maximum number of labels per axis.
const MOST_LABELS: f64 = 9.0;

/// The range of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    scale: Scale,
    /// Both ends, as `scale` maps them.
    from: f64,
    to: f64,
}

impl Range {
    /// From the minimum to the maximum of `values`, with some padding; `None` if no value can be
    /// placed on the axis.
    pub fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Option<Self> {
        let places = values.filter(|value| scale.shows(*value)).map(|value| scale.forward(value));
        let (from, to) = places.map(|place| (place, place)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let extent = to - from;
        // A single number gets some range around it.
        let padding = match scale {
            _ if extent > 0.0 => PADDING * extent,
            Scale::Logarithmic => 0.5,
            Scale::Linear => (0.1 * from.abs()).max(f64::MIN_POSITIVE),
        };
        Some(Range { scale, from: from - padding, to: to + padding })
    }

    /// The place of a number: 0 at the lower end, 1 at the upper.
    pub fn place(&self, value: f64) -> f64 {
        (self.scale.forward(value) - self.from) / (self.to - self.from)
    }

    /// The number at the lower end.
    pub fn low(&self) -> f64 {
        self.scale.back(self.from)
    }

    /// The places and texts of the labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => {
                let step = round_step((self.to - self.from) / (MOST_LABELS - 1.0));
                let numbers = (self.from / step).ceil() as i64..=(self.to / step).floor() as i64;
                numbers.map(|number| (number as f64 * step, decimal(number as f64 * step, step))).collect()
            }
            Scale::Logarithmic => {
                let decades = self.decades();
                // If there are few powers of ten, some of their multiples are labelled too.
                let within: &[f64] = match self.to - self.from {
                    extent if extent < 1.0 => &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
                    extent if extent < 2.0 => &[1.0, 2.0, 5.0],
                    _ => &[1.0],
                };
                let every = ((self.to - self.from) / MOST_LABELS).ceil().max(1.0) as i32;
                let wanted = decades.filter(|decade| decade.rem_euclid(every) == 0);
                let ticks = wanted.flat_map(|decade| within.iter().map(move |factor| factor * 10_f64.powi(decade)));
                ticks.filter(|tick| self.contains(*tick)).map(|tick| (tick, short(tick))).collect()
            }
        }
    }

    /// The places of ticks without a label: the multiples of each power of ten.
    pub fn minor_ticks(&self) -> Vec<f64> {
        if self.scale == Scale::Linear || self.to - self.from > MOST_LABELS {
            return Vec::new();
        }
        let multiples =
            self.decades().flat_map(|decade| (1..10).map(move |factor| f64::from(factor) * 10_f64.powi(decade)));
        multiples.filter(|tick| self.contains(*tick)).collect()
    }

    fn decades(&self) -> std::ops::RangeInclusive<i32> {
        self.from.floor() as i32..=self.to.ceil() as i32
    }

    fn contains(&self, value: f64) -> bool {
        (0.0..=1.0).contains(&self.place(value))
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-12));
    factor.unwrap_or(10.0) * power
}

/// Formats a number with the digits that steps of this size need.
fn decimal(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.1e}");
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
    // Avoids a negative zero.
    format!("{:.decimals$}", value + 0.0)
}

/// Formats a number with one digit, and a letter for a thousand, a million and so on.
fn short(value: f64) -> String {
    let scaled = |unit: f64, letter: &str| format!("{:.0}{letter}", value / unit);
    match value {
        value if !(0.9e-3..0.95e15).contains(&value) => format!("{value:.0e}"),
        value if value >= 0.95e12 => scaled(1e12, " T"),
        value if value >= 0.95e9 => scaled(1e9, " G"),
        value if value >= 0.95e6 => scaled(1e6, " M"),
        value if value >= 0.95e3 => scaled(1e3, " k"),
        value if value >= 0.95 => scaled(1.0, ""),
        value => {
            let decimals = (-value.log10().floor()).clamp(0.0, 6.0) as usize;
            format!("{value:.decimals$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64]) -> Vec<String> {
        let range = Range::of(scale, values.iter().copied()).unwrap();
        range.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_stand_on_round_numbers() {
        assert_eq!(labels(Scale::Logarithmic, &[1.0, 65536.0]), ["1", "10", "100", "1 k", "10 k", "100 k"]);
        assert_eq!(labels(Scale::Logarithmic, &[0.002, 0.03]), ["0.002", "0.005", "0.01", "0.02"]);
        assert_eq!(labels(Scale::Logarithmic, &[120.0, 340.0]), ["200", "300"]);
        assert_eq!(labels(Scale::Logarithmic, &[2e5, 3e9]), ["1 M", "10 M", "100 M", "1 G"]);
        assert_eq!(labels(Scale::Linear, &[0.0, 1.0]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::Linear, &[-30.0, 40.0]), ["-30", "-20", "-10", "0", "10", "20", "30", "40"]);
        // However wide the range is, there are no more labels than the maximum.
        assert!(labels(Scale::Logarithmic, &[1e-30, 1e30]).len() <= MOST_LABELS as usize + 1);
    }

    #[test]
    fn every_number_has_its_place_and_a_single_one_the_middle() {
        for (scale, values) in [(Scale::Linear, [-1.0, 3.0]), (Scale::Logarithmic, [0.01, 1e4])] {
            let range = Range::of(scale, values.into_iter().chain([f64::NAN, f64::INFINITY])).unwrap();
            assert!((range.place(values[0]) - PADDING / (1.0 + 2.0 * PADDING)).abs() < 1e-12);
            assert!((range.place(values[0]) + range.place(values[1]) - 1.0).abs() < 1e-12);
            assert!(range.place(range.low()).abs() < 1e-12);
            let single = Range::of(scale, [7.0].into_iter()).unwrap();
            assert!((single.place(7.0) - 0.5).abs() < 1e-9 && !single.ticks().is_empty());
        }
        assert_eq!(Range::of(Scale::Logarithmic, [0.0, -1.0].into_iter()), None);
        assert!(Range::of(Scale::Linear, [0.0].into_iter()).unwrap().place(0.0).is_finite());
    }
}
