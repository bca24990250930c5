//! The formulations: which rows a layer's linear program has, which objective, and how ε is
//! searched.
//!
//! `linf` and `l1` share their rows ([`rows`]) and differ in the objective; `relaxed` has rows of
//! its own; `exact` is least squares, followed by a feasibility problem if needed. The search over
//! ε is a monotone one for `linf` ([`monotone`]) and a ladder for `l1` and `relaxed` ([`ladder`]).

pub mod exact;
pub mod ladder;
pub mod monotone;
pub mod open;
pub mod relaxed;
pub mod rows;
pub mod target;

use crate::error::{Error, Result};
use crate::named::unknown;
use crate::setters::setters;

/// The layer-wise methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum LayerwiseMethod {
    /// Realizable observations: least squares on the active rows (Theorem 3), then the feasibility
    /// LP (4) if needed.
    Exact,
    /// Algorithm 1: minimises the largest violation.
    Linf,
    /// Algorithm 2: minimises the sum of violations.
    L1,
    /// Algorithm 3, eqs. (8) and (9): the relaxation that is linear in the target.
    Relaxed,
}

/// How the rows of a LeakyReLU layer are formed near and below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum RowRule {
    /// The rows that never exclude the true code.
    #[default]
    Corrected,
    /// The rows as Remark 1 prints them.
    Printed,
    /// Remark 1's first option: entries up to ε are treated as inactive ReLU rows.
    Inactive,
}

/// Which step of the ladder `l1` and `relaxed` return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum Stop {
    /// The lowest loss `‖φ(z) − t‖₁` of all steps.
    #[default]
    Lowest,
    /// The paper's rule: continue while the loss falls.
    First,
}

/// The tolerances that are tried: `ε_s = ε₀ α^s`, starting at `ε₀` for every layer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Tolerances {
    /// `ε₀ > 0`, in units of the layers' targets. These are the units of the observations, unless a
    /// sigmoid or tanh output is inverted.
    ///
    /// `None`, the default: 1e-6 of the largest absolute entry of each layer's target, and in the
    /// last layer not less than the rounding of the observation's own numbers ([`Precision`]). So
    /// scaling the observations and the last layer by a constant scales ε₀ in that layer, and
    /// changes no code. Before a sigmoid or tanh it is 1e-6.
    ///
    /// [`Precision`]: crate::Precision
    pub epsilon: Option<f64>,
    /// `α`, at least 1.001: closer to 1, the ladder would have too many steps.
    pub growth: f64,
}

setters!(Tolerances { growth: f64 });

impl Default for Tolerances {
    fn default() -> Self {
        Tolerances { epsilon: None, growth: 1.2 }
    }
}

impl Tolerances {
    /// Sets the field `epsilon`: a number, or `None` for the default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: impl Into<Option<f64>>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    /// # Errors
    /// [`Error::BadOption`] where `ε₀` is not positive and finite or `α < 1.001`.
    pub fn validate(&self) -> Result<()> {
        if let Some(epsilon) = self.epsilon
            && !(epsilon > 0.0 && epsilon.is_finite())
        {
            return Err(Error::option("epsilon", epsilon.to_string(), "a positive number"));
        }
        if !(self.growth >= 1.001 && self.growth.is_finite()) {
            return Err(Error::option("growth", self.growth.to_string(), "at least 1.001"));
        }
        Ok(())
    }

    /// The tolerances of a layer and a target, where `default` is their default ε₀.
    pub fn steps(&self, default: impl FnOnce() -> f64) -> EpsilonSteps {
        EpsilonSteps { epsilon: self.epsilon.unwrap_or_else(default), growth: self.growth }
    }
}

/// The tolerances of one layer and one target: `ε_s = ε₀ α^s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpsilonSteps {
    /// `ε₀`, positive and finite.
    pub epsilon: f64,
    /// `α`.
    pub growth: f64,
}

impl EpsilonSteps {
    /// `ε_s`.
    pub fn at(&self, step: usize) -> f64 {
        // With a growth of at least 1.001, the ladder exceeds every f64 within two million steps.
        // The tolerance must stay finite.
        (self.epsilon * self.growth.powi(i32::try_from(step).unwrap_or(i32::MAX))).min(f64::MAX)
    }

    /// The first step `s` with `ε_s > value`.
    pub fn first_above(&self, value: f64) -> usize {
        let reaching = self.first_reaching(value);
        if self.at(reaching) > value { reaching } else { reaching + 1 }
    }

    /// The first step `s` with `ε_s ≥ value`; an infinite value counts as the largest number.
    pub fn first_reaching(&self, value: f64) -> usize {
        if value <= self.epsilon {
            return 0;
        }
        let value = value.min(f64::MAX);
        // The difference of logarithms does not overflow where the quotient may.
        let estimate = ((value.ln() - self.epsilon.ln()) / self.growth.ln()).ceil().max(1.0) as usize;
        // The logarithm may be wrong by one step in either direction, so the values of the ladder
        // decide.
        let mut step = estimate.saturating_sub(1);
        while self.at(step) < value && step < estimate + 2 {
            step += 1;
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_reaching_a_value_is_first() {
        for units in [1.0, 2f64.powi(-40), 3e200] {
            let steps = Tolerances::default().steps(|| 1e-6 * units);
            for step in 0..300 {
                let value = steps.at(step);
                assert_eq!(steps.first_reaching(value), step);
                assert_eq!(steps.first_reaching(value * (1.0 + 1e-12)), step + 1);
                assert_eq!(steps.first_reaching(value * (1.0 - 1e-12)), step);
            }
        }
    }

    #[test]
    fn a_number_that_was_given_is_absolute() {
        for given in [1e-6, 0.01] {
            assert_eq!(Tolerances::default().epsilon(given).steps(|| 5.0).epsilon, given);
        }
        assert_eq!(Tolerances::default().epsilon(0.1).epsilon(None).steps(|| 5.0).epsilon, 5.0);
        assert!(Tolerances::default().validate().is_ok() && Tolerances::default().epsilon(0.0).validate().is_err());
    }

    #[test]
    fn names_are_read_back() {
        for method in [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
            assert_eq!(method.to_string().parse::<LayerwiseMethod>().unwrap(), method);
        }
        assert!("simplex".parse::<LayerwiseMethod>().is_err());
    }
}
