//! A unit that the active-set method holds on its kink.

/// A unit held on its kink.
#[derive(Debug, Clone)]
pub struct Pin {
    /// The layer, from 0.
    pub layer: usize,
    /// The unit within it.
    pub unit: usize,
    /// `∇a_u`.
    pub gradient: Vec<f64>,
    /// `M⁻¹ ∇a_u`.
    pub solved: Vec<f64>,
    /// `μ_u`.
    pub multiplier: f64,
}
