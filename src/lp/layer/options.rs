//! How layers are inverted: the method, and where it departs from the paper's literal form.

use super::super::formulation::{LayerwiseMethod, RowRule, Stop, Tolerances};
use crate::error::{Error, Result};
use crate::named::unknown;
use crate::setters::setters;

/// How layers are inverted. The default is the paper's form but for its stop rule, with `z ≥ 0`
/// behind a ReLU.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LayerwiseOptions {
    /// The method.
    pub method: LayerwiseMethod,
    /// `ε₀` and `α`.
    pub tolerances: Tolerances,
    /// The rule for the rows of a LeakyReLU layer.
    pub rows: RowRule,
    /// Which step of a ladder is returned.
    pub stop: Stop,
    /// How often the layers are inverted, at least once. In each further pass the inputs of a layer
    /// that the last code turns off (ReLU) are fixed at 0, so that its program has fewer columns.
    /// The code of a pass is kept if its error in the method's norm is lower. The passes end when
    /// the same inputs are off again.
    pub passes: usize,
    /// How much each row of a hidden layer may be violated.
    pub row_tolerances: RowTolerances,
    /// `ε₀` of the hidden layers.
    pub hidden_epsilon: HiddenEpsilon,
    /// The weights of `relaxed`.
    pub relaxed_weights: RelaxedWeights,
    /// The sign of what a hidden ReLU layer hands on.
    pub hidden_sign: HiddenSign,
}

setters!(LayerwiseOptions {
    method: LayerwiseMethod,
    tolerances: Tolerances,
    rows: RowRule,
    stop: Stop,
    passes: usize,
    row_tolerances: RowTolerances,
    hidden_epsilon: HiddenEpsilon,
    relaxed_weights: RelaxedWeights,
    hidden_sign: HiddenSign,
});

impl Default for LayerwiseOptions {
    fn default() -> Self {
        LayerwiseOptions {
            method: LayerwiseMethod::Linf,
            tolerances: Tolerances::default(),
            rows: RowRule::default(),
            stop: Stop::default(),
            passes: 1,
            row_tolerances: RowTolerances::default(),
            hidden_epsilon: HiddenEpsilon::default(),
            relaxed_weights: RelaxedWeights::default(),
            hidden_sign: HiddenSign::default(),
        }
    }
}

impl LayerwiseOptions {
    /// # Errors
    /// [`Error::BadOption`] where a tolerance is unusable, there is no pass, or an option does not
    /// apply to the method.
    pub fn validate(&self) -> Result<()> {
        self.tolerances.validate()?;
        if self.passes == 0 {
            return Err(Error::option("passes", "0", "at least 1"));
        }
        let is_exact = self.method == LayerwiseMethod::Exact;
        if is_exact && self.row_tolerances != RowTolerances::Equal {
            let expected = "equal: exact allows no violation";
            return Err(Error::option("row_tolerances", self.row_tolerances.to_string(), expected));
        }
        if is_exact && self.hidden_epsilon != HiddenEpsilon::Restart {
            let expected = "restart: exact has no initial tolerance";
            return Err(Error::option("hidden_epsilon", self.hidden_epsilon.to_string(), expected));
        }
        if self.method != LayerwiseMethod::Relaxed && self.relaxed_weights != RelaxedWeights::Positive {
            let expected = "positive, or method relaxed: the other programs have no weights";
            return Err(Error::option("relaxed_weights", self.relaxed_weights.to_string(), expected));
        }
        Ok(())
    }
}

impl LayerwiseOptions {
    /// Whether the spread of what is handed on matters.
    pub(in super::super) fn heeds_spread(&self) -> bool {
        self.row_tolerances == RowTolerances::Proportional || self.hidden_epsilon == HiddenEpsilon::Enlarged
    }
}

/// How much each row of a hidden layer may be violated. An entry of a hidden layer's target is an
/// answer of the layer after it, with an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum RowTolerances {
    /// All rows alike, as in the paper.
    #[default]
    Equal,
    /// In proportion to the entry's spread `√diag (W_IᵀW_I)⁻¹`, where `I` are the rows of the later
    /// layer that show what they receive.
    Proportional,
}

/// `ε₀` of the hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum HiddenEpsilon {
    /// The last layer's again.
    #[default]
    Restart,
    /// That at which the layer after it ended, as in the authors' program.
    Carried,
    /// That at which the layer after it ended, times the largest spread of an entry (`√diag
    /// (W_IᵀW_I)⁻¹`): footnote 3 of the paper with typical errors in place of a bound. With
    /// proportional row tolerances, twice the median of the spreads.
    Enlarged,
}

/// The weights of `relaxed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum RelaxedWeights {
    /// `t` where it is positive (for LeakyReLU, any `t`), as in eqs. (8) and (9).
    #[default]
    Positive,
    /// 0 also where `t ≤ 2ε` (for LeakyReLU, `|t| ≤ 2ε`), as in the authors' program: noise is not
    /// given a weight.
    Clear,
}

/// The sign of the inputs of a layer that come from a ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum HiddenSign {
    /// `z ≥ 0`, as every output of a ReLU is: in the authors' program, not in the printed
    /// algorithms.
    #[default]
    Nonnegative,
    /// Any sign, as in the printed Algorithms 1 to 3. An entry below 0 is handed on as it is.
    Free,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        assert_eq!("proportional".parse(), Ok(RowTolerances::Proportional));
        assert_eq!("enlarged".parse(), Ok(HiddenEpsilon::Enlarged));
        assert_eq!("clear".parse(), Ok(RelaxedWeights::Clear));
        assert!("larger".parse::<HiddenEpsilon>().is_err());
    }

    #[test]
    fn an_option_that_the_method_does_not_have_is_refused() {
        let valid = LayerwiseOptions::default();
        let linf = [
            valid.passes(3),
            valid.row_tolerances(RowTolerances::Proportional),
            valid.hidden_epsilon(HiddenEpsilon::Carried),
        ];
        assert!(linf.iter().all(|options| options.validate().is_ok()));
        assert!(linf[1..].iter().all(|options| options.method(LayerwiseMethod::Exact).validate().is_err()));
        assert!(linf[0].method(LayerwiseMethod::Exact).validate().is_ok());
        assert!(valid.passes(0).validate().is_err());
        let clear = valid.relaxed_weights(RelaxedWeights::Clear);
        assert!(clear.validate().is_err() && clear.method(LayerwiseMethod::Relaxed).validate().is_ok());
    }
}
