//! The objective of the best code: the measure of `G(z) − x` over the observed entries that is
//! minimised.

use crate::named::unknown;
use crate::network::{Activation, Network};

/// The measure of misfit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
#[non_exhaustive]
pub enum Objective {
    /// `½‖G(z) − x‖²`: for Gaussian noise; the fastest.
    #[default]
    L2,
    /// `‖G(z) − x‖₁`: robust to a few entries that are wrong by any amount.
    L1,
    /// `‖G(z) − x‖_∞`: for bounded noise.
    Linf,
}

impl Objective {
    /// Why this objective does not suit the network, and what is expected, for an error after the
    /// objective's name. `None` if it suits: with a curved hidden layer, what the output
    /// receives is not affine between the kinks, which `l1` and `linf` need.
    pub(crate) fn obstacle(self, network: &Network) -> Option<(String, &'static str)> {
        let obstacle = network.objective_obstacle().filter(|_| self != Objective::L2)?;
        let expected = "l2, since l1 and linf need matrices, and hidden activations that are linear on both sides of 0";
        Some((format!("for a network with {obstacle}"), expected))
    }

    /// The misfit of an output layer that receives `received`. `observation`: `NaN` where
    /// unobserved.
    pub(crate) fn misfit(self, activation: Activation, received: &[f64], observation: &[f64]) -> f64 {
        let observed = received.iter().zip(observation).filter(|(_, x)| !x.is_nan());
        let errors = observed.map(|(a, x)| (activation.apply(*a) - x).abs());
        self.gathered(errors)
    }

    /// The misfit of the given errors.
    pub(crate) fn gathered(self, errors: impl Iterator<Item = f64>) -> f64 {
        match self {
            Objective::L2 => 0.5 * errors.map(|e| e * e).sum::<f64>(),
            Objective::L1 => errors.sum(),
            // Not f64::max, which would ignore a NaN.
            Objective::Linf => errors.fold(0.0, |most: f64, e| if e <= most || most.is_nan() { most } else { e }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for objective in [Objective::L2, Objective::L1, Objective::Linf] {
            assert_eq!(objective.to_string().parse::<Objective>().unwrap(), objective);
        }
        assert!("l3".parse::<Objective>().is_err());
    }

    #[test]
    fn a_misfit_that_is_no_number_stays_none() {
        assert!(Objective::Linf.gathered([1.0, f64::NAN, 2.0].into_iter()).is_nan());
        assert_eq!(Objective::Linf.gathered([1.0, 3.0, 2.0].into_iter()), 3.0);
        assert_eq!(Objective::L1.gathered([1.0, 3.0, 2.0].into_iter()), 6.0);
        assert_eq!(Objective::L2.gathered([1.0, 3.0, 2.0].into_iter()), 7.0);
    }
}
