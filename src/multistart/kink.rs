//! The kink of a unit, `a_u = 0`: how much the slope of its activation changes there, and when a
//! unit counts as being on it.
//!
//! A unit is on its kink when the absolute value that it receives is at most a tolerance times the
//! largest one of its layer. Each user of this test has its own tolerance; the reason stands beside
//! it.

use crate::network::Activation;

/// For the active-set method, which crosses the kink or holds the unit there.
pub const IN_ACTIVE_SET: f64 = 1e-12;
/// For the search by linear programs: at a vertex, the unit may be on either side.
pub const IN_LINEAR_PROGRAMS: f64 = 1e-11;
/// For comparing the regions of two codes: a unit this close to its kink is on neither side.
pub const IN_COMPARISON: f64 = 1e-9;
/// For a start beyond a kink: a unit this close to its kink has no other side to move to.
pub const IN_FLIPS: f64 = 1e-9;

/// The absolute received value up to which a unit of this layer is on its kink.
pub fn tolerance(share: f64, received: &[f64]) -> f64 {
    share * received.iter().fold(0.0, |most: f64, a| most.max(a.abs()))
}

/// How much the slope of an activation changes at 0; `None` where it has no kink.
pub fn bend(activation: Activation) -> Option<f64> {
    match activation {
        Activation::Relu => Some(1.0),
        Activation::LeakyRelu(slope) => Some(1.0 - slope),
        _ => None,
    }
}
