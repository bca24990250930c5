//! Combines network and operator into one network, `A G`.

use nalgebra::{DMatrix, DVector};

use crate::batch::Method;
use crate::error::{Error, Result};
use crate::network::{Activation, DenseLayer, Network};

/// `A G` as a network; `None` if `G` ends in sigmoid or tanh, which a hidden layer cannot have.
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
    // A product can overflow.
    Network::new(layers, "the network and the operator").ok()
}

/// [`measured`] for a method that inverts `A G` directly.
///
/// # Errors
/// [`Error::BadOption`] for methods other than `descent`, and if there is no such network.
pub(super) fn measured_for(network: &Network, matrix: DMatrix<f64>, method: &Method) -> Result<Network> {
    let found = match method {
        Method::Descent(_) => None,
        Method::Layerwise(_) => {
            Some("a layer-wise method, but the measurements are not pixels and do not determine a hidden layer")
        }
        Method::Best(_) => Some("method `best`, but the measurements are not pixels"),
    };
    if let Some(found) = found {
        let expected = "descent, option `Strategy::Search`, or the method with option `Strategy::Projected`";
        return Err(Error::option("Strategy::Direct", found, expected));
    }
    let activation = network.layers()[network.depth() - 1].activation;
    measured(network, matrix).ok_or_else(|| {
        Error::option(
            "Strategy::Direct",
            format!("descent through a linear map of {activation} outputs"),
            "option `Strategy::Search`, or descent with option `Strategy::Projected`",
        )
    })
}
