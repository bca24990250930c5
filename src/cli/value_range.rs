//! `--range LOW..HIGH`: the values that are drawn as black and as white.

use std::str::FromStr;

/// Two numbers, the first below the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    pub low: f64,
    pub high: f64,
}

impl FromStr for ValueRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let ends = text.split_once("..").and_then(|(low, high)| Some((number(low)?, number(high)?)));
        match ends {
            Some((low, high)) if low < high => Ok(ValueRange { low, high }),
            _ => Err("expected LOW..HIGH, the values of black and white, for example -1..1".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_checked() {
        assert_eq!("-1..1".parse(), Ok(ValueRange { low: -1.0, high: 1.0 }));
        assert_eq!("0.5..2e1".parse(), Ok(ValueRange { low: 0.5, high: 20.0 }));
        for wrong in ["1", "1..1", "2..1", "a..1", "0..inf", "..", "nan..1"] {
            assert!(wrong.parse::<ValueRange>().is_err(), "{wrong}");
        }
    }
}
