//! Reads the numbers of one layer, and folds its BatchNorms into it.

use nalgebra::{DMatrix, DVector};

use super::batch_norm::{BatchNorm, EPSILON};
use super::layer_names::LayerNames;
use super::norms_by_name::NormNames;
use super::tensor_file::TensorFile;
use super::weights::pruned;
use crate::error::{Error, Result};
use crate::network::{Activation, DenseLayer};

/// Reads a layer. `epsilon`: that of its BatchNorms, if the options state it.
///
/// # Errors
/// [`Error::Input`] if a tensor cannot be read, or if a BatchNorm does not fit the layer.
pub fn read_layer(
    file: &dyn TensorFile,
    names: &LayerNames,
    activation: Activation,
    epsilon: Option<f64>,
) -> Result<DenseLayer> {
    // A weight without numbers says nothing about the size of the file: its bias could be any size.
    if names.units == 0 || names.inputs == 0 {
        return Err(Error::input(
            file.source(),
            format!("an empty weight `{}` ({} × {})", names.name, names.units, names.inputs),
            "at least one unit and one input per layer",
            "leave the layer out, or export the network again",
        ));
    }
    let mut weight = DMatrix::from_row_slice(names.units, names.inputs, &names.weight.read(file, names.inputs)?);
    let mut bias = match (&names.bias, &names.bias_mask) {
        (Some(name), Some(mask)) => DVector::from_vec(pruned(file, name, mask)?),
        (Some(name), None) => DVector::from_vec(file.read(name)?),
        (None, _) => DVector::zeros(names.units),
    };
    // A bias of the wrong length is refused later, when the network is made.
    if bias.len() == names.units {
        for norm in names.norms_before.iter().rev() {
            read_norm(file, norm, (names, names.inputs, "input"), epsilon)?.fold_before(&mut weight, &mut bias);
        }
        for norm in &names.norms {
            read_norm(file, norm, (names, names.units, "unit"), epsilon)?.fold_after(&mut weight, &mut bias);
        }
    }
    Ok(DenseLayer { weight, bias, activation })
}

/// The `ε` of a BatchNorm, where the file states it: whole models do.
pub fn stated_epsilon(file: &dyn TensorFile, norm: &NormNames) -> Option<f64> {
    file.module_number(&norm.name, "eps").filter(|epsilon| *epsilon >= 0.0 && epsilon.is_finite())
}

fn read_norm(
    file: &dyn TensorFile,
    names: &NormNames,
    (layer, entries, what): (&LayerNames, usize, &str),
    epsilon: Option<f64>,
) -> Result<BatchNorm> {
    let optional = |name: &Option<String>| name.as_deref().map(|name| file.read(name)).transpose();
    let norm = BatchNorm {
        mean: file.read(&names.mean)?,
        variance: file.read(&names.variance)?,
        scale: optional(&names.scale)?,
        shift: optional(&names.shift)?,
        epsilon: epsilon.or_else(|| stated_epsilon(file, names)).unwrap_or(EPSILON),
    };
    let refuse = |found: String, expected: String| {
        Err(Error::input(file.source(), found, expected, "train or export the network again"))
    };
    if norm.features() != Some(entries) {
        return refuse(
            format!("vectors of different lengths in BatchNorm `{}`", names.name),
            format!("{entries} entries in each, one per {what} of `{}`", layer.name),
        );
    }
    match norm.variance.iter().find(|variance| variance.is_nan() || **variance < 0.0) {
        Some(variance) => refuse(
            format!("a running variance of {variance} in BatchNorm `{}`", names.name),
            "variances of 0 or more".into(),
        ),
        None => Ok(norm),
    }
}
