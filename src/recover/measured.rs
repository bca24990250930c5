//! Combines network and operator into one network, `A G`.
//!
//! The matrix `A` becomes one more layer. An operator without a matrix is applied to the columns of
//! the last layer instead, where that layer is affine: `A (W a + b) = (A W) a + A b`. Where it is
//! not, the search uses products ([`super::products`]).

use nalgebra::{DMatrix, DVector};

use crate::batch::Method;
use crate::error::{Error, Result};
use crate::network::{Activation, Layer, Map, Network};

use super::operators::Operator;

/// `A G` by products, where `G` ends in an affine layer; `None` where it does not.
///
/// # Errors
/// [`Error::Input`] if the products have another shape than the operator says, or an entry that is
/// not finite.
pub(super) fn measured_by_products(network: &Network, operator: &dyn Operator) -> Result<Option<Network>> {
    let mut layers = network.layers().to_vec();
    let Some(last) = layers.last_mut().filter(|last| last.activation == Activation::Identity && last.map().is_dense())
    else {
        return Ok(None);
    };
    let bias = DMatrix::from_column_slice(last.bias.len(), 1, last.bias.as_slice());
    let [weight, bias] = [last.weight(), &bias].map(|columns| operator.apply(columns));
    for (product, columns) in [(&weight, last.inputs()), (&bias, 1)] {
        if product.shape() != (operator.measurements(), columns) {
            return Err(Error::input(
                "the operator's products",
                format!("{} × {} entries", product.nrows(), product.ncols()),
                format!("{} × {columns}, measurements × images", operator.measurements()),
                "correct its method `apply`",
            ));
        }
    }
    *last = last.with(Map::Dense(weight), bias.column(0).into_owned());
    Network::new(layers, "the network and the operator").map(Some)
}

/// `A G` as a network; `None` if `G` ends in sigmoid or tanh, which a hidden layer cannot have.
pub(super) fn measured(network: &Network, matrix: DMatrix<f64>) -> Option<Network> {
    let mut layers = network.layers().to_vec();
    let last = layers.last_mut()?;
    if last.activation == Activation::Identity && last.map().is_dense() {
        *last = last.with(Map::Dense(&matrix * last.weight()), &matrix * &last.bias);
    } else if last.activation.is_piecewise_linear() {
        let bias = DVector::zeros(matrix.nrows());
        layers.push(Layer::new(Map::Dense(matrix), bias, Activation::Identity));
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
    check_method(method)?;
    let activation = network.layers()[network.depth() - 1].activation;
    measured(network, matrix).ok_or_else(|| {
        Error::option(
            "Strategy::Direct",
            format!("descent through a linear map of {activation} outputs"),
            "option `Strategy::Search`, or descent with option `Strategy::Projected`",
        )
    })
}

/// Checks that `method` can invert `A G` directly, where the measurements are not pixels.
///
/// # Errors
/// [`Error::BadOption`] for methods other than `descent`.
pub(super) fn check_method(method: &Method) -> Result<()> {
    let found = match method {
        Method::Descent(_) => None,
        Method::Layerwise(_) => {
            Some("a layer-wise method, but the measurements are not pixels and do not determine a hidden layer")
        }
        Method::Best(_) => Some("method `best`, but the measurements are not pixels"),
    };
    match found {
        None => Ok(()),
        Some(found) => {
            let expected = "descent, option `Strategy::Search`, or the method with option `Strategy::Projected`";
            Err(Error::option("Strategy::Direct", found, expected))
        }
    }
}
