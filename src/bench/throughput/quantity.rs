//! The counted quantities: passes, observations, iterations and inversions, and the operations of
//! each.
//!
//! A forward pass takes `2·Σ nᵢ·nᵢ₋₁` floating-point operations (biases and activations are not
//! counted). An iteration of gradient descent takes twice as many: forward, and backward through
//! the transposed layers. Classification does no arithmetic; it is counted in entries and bytes (8
//! bytes per entry, as passed). The operations of an inversion depend on its linear programs and
//! differ between observations, so none are reported.

use serde::Serialize;

use crate::named::unknown;
use crate::network::Network;

/// One of the four quantities.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::Display, strum::EnumString, strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
pub enum Quantity {
    /// Forward passes through all layers; one per code.
    Forward,
    /// Classifications of an observation against its threshold.
    Classify,
    /// Iterations of plain gradient descent; one per observation and step.
    Descend,
    /// Whole inversions by `linf`.
    Invert,
}

impl Quantity {
    /// All quantities, in the order of the table.
    pub const ALL: [Quantity; 4] = [Quantity::Forward, Quantity::Classify, Quantity::Descend, Quantity::Invert];

    /// The name of the quantity, as a heading.
    pub fn title(self) -> &'static str {
        match self {
            Quantity::Forward => "forward passes",
            Quantity::Classify => "classifications",
            Quantity::Descend => "descent iterations",
            Quantity::Invert => "inversions (linf)",
        }
    }

    /// Floating-point operations per unit; `None` if they are not counted.
    pub fn operations(self, network: &Network) -> Option<f64> {
        let forward: f64 = network.layers().iter().map(|layer| 2.0 * layer.map().products() as f64).sum();
        match self {
            Quantity::Forward => Some(forward),
            Quantity::Descend => Some(2.0 * forward),
            Quantity::Classify | Quantity::Invert => None,
        }
    }

    /// Entries per unit; `None` if entries are not counted.
    pub fn entries(self, network: &Network) -> Option<f64> {
        (self == Quantity::Classify).then(|| network.observation_length() as f64)
    }

    /// Approximate bytes per observation of a batch: inputs, answers and intermediate results. They
    /// are peaks measured on the CPU, plus the f32 copies of a GPU. An inversion also keeps the
    /// rows of its linear programs.
    pub(super) fn bytes(self, network: &Network) -> f64 {
        let (n, k) = (network.observation_length() as f64, network.code_length() as f64);
        let all: f64 = network.layers().iter().map(|layer| layer.units() as f64).sum();
        8.0 * match self {
            Quantity::Forward => 2.0 * (n + k),
            Quantity::Classify => 2.0 * n,
            Quantity::Descend => 2.5 * n + 6.0 * k,
            Quantity::Invert => 14.0 * all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;
    use crate::random::random_network;

    #[test]
    fn operations_are_counted_by_hand() {
        let network = random_network(&[2, 3, 5], Activation::Relu, 1).unwrap();
        // 2·3 and 3·5 multiplications, each with an addition.
        assert_eq!(Quantity::Forward.operations(&network), Some(42.0));
        assert_eq!(Quantity::Descend.operations(&network), Some(84.0));
        assert_eq!(Quantity::Invert.operations(&network), None);
        assert_eq!((Quantity::Classify.operations(&network), Quantity::Classify.entries(&network)), (None, Some(5.0)));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for quantity in Quantity::ALL {
            assert_eq!(quantity.to_string().parse(), Ok(quantity));
            assert_eq!(serde_json::to_value(quantity).unwrap(), quantity.to_string());
        }
        assert!("solve".parse::<Quantity>().unwrap_err().contains("descend"));
    }
}
