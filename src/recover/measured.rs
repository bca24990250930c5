//! Network and operator as one network, `A G`.

use nalgebra::{DMatrix, DVector};

use crate::batch::Method;
use crate::error::{Error, Result};
use crate::network::{Activation, DenseLayer, Network};

/// `A G` as a network; none after a sigmoid or tanh, which no network has in a hidden layer.
pub(super) fn measured(network: &Network, matrix: DMatrix<f64>) -> Option<Network> {
    let mut layers = network.layers().to_vec();
    let last = layers.last_mut()?;
    if last.activation == Activation::Identity {
        last.bias = &matrix * &last.bias;
        last.weight = matrix * &last.weight;
    } else if last.activation.allowed_in_hidden_layers() {
        let bias = DVector::zeros(matrix.nrows());
        layers.push(DenseLayer { weight: matrix, bias, activation: Activation::Identity });
    } else {
        return None;
    }
    // A product may overflow.
    Network::new(layers, "the network and the operator").ok()
}

/// [`measured`] for a method that inverts `A G` directly.
///
/// # Errors
/// [`Error::BadOption`] for other methods than `descent`, and where there is no such network.
pub(super) fn measured_for(network: &Network, matrix: DMatrix<f64>, method: &Method) -> Result<Network> {
    if !matches!(method, Method::Descent(_)) {
        return Err(Error::option(
            "Strategy::Direct",
            "a method that begins layer by layer, for measurements that are not pixels: they do not determine a hidden layer",
            "best or descent, or the method with option `Strategy::Projected`",
        ));
    }
    let activation = network.layers()[network.depth() - 1].activation;
    measured(network, matrix).ok_or_else(|| {
        Error::option(
            "Strategy::Direct",
            format!("descent through a linear map of {activation} outputs"),
            "best, or descent with option `Strategy::Projected`",
        )
    })
}
