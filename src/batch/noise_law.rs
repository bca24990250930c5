//! The law of the noise, and the norm that fits it.

use std::fmt;
use std::str::FromStr;

use strum::IntoEnumIterator;

use crate::multistart::Objective;
use crate::setters::setters;

/// The law of the noise in each observed entry. The most probable code under a law minimises the
/// norm of the residual that [`NoiseLaw::objective`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum NoiseLaw {
    /// Uniform between minus and plus its size, or bounded by its size otherwise.
    Uniform,
    /// Normal; the size is the standard deviation.
    Gaussian,
    /// Laplace; the size is the mean absolute value.
    Laplace,
    /// Some entries, fewer than a quarter, are wrong by any amount. The size bounds the errors of
    /// the others; without a size they are exact.
    Gross,
}

impl NoiseLaw {
    /// The norm whose least residual is the most probable code: `linf`, `l2`, `l1` and `l1`.
    pub fn objective(self) -> Objective {
        match self {
            NoiseLaw::Uniform => Objective::Linf,
            NoiseLaw::Gaussian => Objective::L2,
            NoiseLaw::Laplace | NoiseLaw::Gross => Objective::L1,
        }
    }
}

/// What is known about the noise: its law, its size, or both.
///
/// ```
/// use unrelu::{NamedNoise, NoiseLaw};
///
/// let noise: NamedNoise = "uniform:0.01".parse()?;
/// assert_eq!((noise.law, noise.size), (Some(NoiseLaw::Uniform), Some(0.01)));
/// assert_eq!("0.01".parse::<NamedNoise>()?.law, None);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct NamedNoise {
    /// The law.
    pub law: Option<NoiseLaw>,
    /// The size in each entry: a bound, a standard deviation or a mean absolute value.
    pub size: Option<f64>,
}

impl NamedNoise {
    /// The objective that the law asks for; `None` without a law.
    pub fn objective(self) -> Option<Objective> {
        self.law.map(NoiseLaw::objective)
    }

    /// The size as an initial tolerance, if the law was named, too: a size alone changes no code.
    pub fn tolerance(self) -> Option<f64> {
        self.law.and(self.size)
    }
}

setters!(NamedNoise { law: Option<NoiseLaw>, size: Option<f64> });

impl fmt::Display for NamedNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.law, self.size) {
            (Some(law), Some(size)) => write!(f, "{law}:{size}"),
            (Some(law), None) => law.fmt(f),
            (None, Some(size)) => size.fmt(f),
            (None, None) => f.write_str("not given"),
        }
    }
}

impl FromStr for NamedNoise {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || "expected SIZE, or uniform, gaussian, laplace or gross, each with :SIZE or without".to_owned();
        let size_of = |text: &str| {
            let size: f64 = text.parse().map_err(|_| expected())?;
            if size > 0.0 && size.is_finite() { Ok(size) } else { Err("expected a positive SIZE".to_owned()) }
        };
        let (name, size) = match text.split_once(':') {
            Some((name, size)) => (name, Some(size_of(size)?)),
            None => (text, None),
        };
        let law = NoiseLaw::iter().find(|law| law.to_string() == name);
        match law {
            Some(_) => Ok(NamedNoise { law, size }),
            None if size.is_none() => Ok(NamedNoise { law: None, size: Some(size_of(text)?) }),
            None => Err(expected()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for text in ["uniform", "gaussian:0.1", "laplace:0.01", "gross", "gross:0.5", "0.25"] {
            assert_eq!(text.parse::<NamedNoise>().unwrap().to_string(), text);
        }
        for text in
            ["", "uniform:", "uniform:0", "uniform:-1", "gaussian:nan", "poisson", "poisson:1", "-1", "inf", "1:1"]
        {
            let refused = text.parse::<NamedNoise>().unwrap_err();
            assert!(refused.contains("expected"), "{text}: {refused}");
        }
    }
}
