//! The law of the codes that a generator was trained with.

use std::fmt;
use std::str::FromStr;

/// The law of the codes that a generator was trained with. A code far outside it is counted and
/// reported: the generator was never trained there.
///
/// ```
/// use unrelu::CodeLaw;
///
/// assert_eq!("normal".parse(), Ok(CodeLaw::Normal(1.0)));
/// assert_eq!("uniform:0.5".parse(), Ok(CodeLaw::Uniform(0.5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum CodeLaw {
    /// Independent normal entries of mean 0 and this standard deviation.
    Normal(f64),
    /// Independent entries, uniform between minus and plus this number.
    Uniform(f64),
}

impl Default for CodeLaw {
    fn default() -> Self {
        CodeLaw::Normal(1.0)
    }
}

impl CodeLaw {
    /// Whether `code` is far outside. For a normal law of `k` entries and standard deviation `s`:
    /// `‖z‖₂ > s (√k + 5)`, which has a probability below 4e-6 under the law (concentration of
    /// Lipschitz functions of Gaussian vectors). For a uniform law: an entry above twice the bound.
    pub fn is_far(self, code: &[f64]) -> bool {
        match self {
            CodeLaw::Normal(size) => {
                // Divided first, so that no square overflows.
                let squares: f64 = code.iter().map(|z| (z / size) * (z / size)).sum();
                squares.sqrt() > (code.len() as f64).sqrt() + 5.0
            }
            CodeLaw::Uniform(size) => code.iter().any(|z| z.abs() > 2.0 * size),
        }
    }

    /// The size: a standard deviation or a bound.
    pub fn size(self) -> f64 {
        match self {
            CodeLaw::Normal(size) | CodeLaw::Uniform(size) => size,
        }
    }
}

impl fmt::Display for CodeLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodeLaw::Normal(size) => write!(f, "normal:{size}"),
            CodeLaw::Uniform(size) => write!(f, "uniform:{size}"),
        }
    }
}

impl FromStr for CodeLaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected normal, uniform, normal:SIZE or uniform:SIZE with a positive SIZE".to_owned();
        let (name, size) = text.split_once(':').unwrap_or((text, "1"));
        let size: f64 = size.parse().map_err(|_| expected())?;
        if !(size > 0.0 && size.is_finite()) {
            return Err(expected());
        }
        match name {
            "normal" => Ok(CodeLaw::Normal(size)),
            "uniform" => Ok(CodeLaw::Uniform(size)),
            _ => Err(expected()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, normal_vector};

    #[test]
    fn codes_of_the_law_are_near_and_others_are_far() {
        for seed in 0..1000 {
            for k in [1, 5, 100] {
                assert!(!CodeLaw::Normal(1.0).is_far(&normal_vector(seed, Domain::Code, 0, k)), "{seed}, {k}");
            }
        }
        assert!(CodeLaw::Normal(1.0).is_far(&[7.0]) && !CodeLaw::Normal(2.0).is_far(&[7.0]));
        assert!(CodeLaw::Normal(1.0).is_far(&[1e300; 3]) && CodeLaw::Normal(1.0).is_far(&[f64::INFINITY]));
        assert!(!CodeLaw::Uniform(1.0).is_far(&[1.5, -1.0]) && CodeLaw::Uniform(1.0).is_far(&[0.0, -2.5]));
        // There is no code.
        assert!(!CodeLaw::default().is_far(&[f64::NAN]) && !CodeLaw::Uniform(1.0).is_far(&[f64::NAN]));
    }

    #[test]
    fn its_text_is_read_back() {
        for law in [CodeLaw::Normal(1.0), CodeLaw::Normal(0.3), CodeLaw::Uniform(1.0), CodeLaw::Uniform(2.0)] {
            assert_eq!(law.to_string().parse(), Ok(law));
        }
        for text in ["", "cauchy", "normal:", "normal:0", "uniform:-1", "normal:inf", "uniform:nan"] {
            assert!(text.parse::<CodeLaw>().is_err(), "{text}");
        }
    }
}
