//! `JᵀJ` of one observation. Twin of `shaders/gram.wgsl`; `cpu/levenberg_marquardt.rs` takes
//! nalgebra's product.

use nalgebra::DMatrix;

/// The lower triangle of `JᵀJ` by rows, over the observed entries. `jacobian`: observation × code.
///
/// # Panics
/// If `observation` has fewer entries than `jacobian` has rows.
pub fn gram(jacobian: &DMatrix<f64>, observation: &[f64]) -> Vec<f64> {
    let mut entries = Vec::new();
    for i in 0..jacobian.ncols() {
        for j in 0..=i {
            let observed = (0..jacobian.nrows()).filter(|unit| !observation[*unit].is_nan());
            entries.push(observed.map(|unit| jacobian[(unit, i)] * jacobian[(unit, j)]).sum());
        }
    }
    entries
}
