//! The search for the codes of measurements: its preparation and its report rows.

use std::sync::Arc;

use nalgebra::DMatrix;

use super::Codes;
use super::measured::measured;
use super::operators::Operator;
use super::products::OperatorMap;
use crate::batch::search::note_search_on_cpu;
use crate::batch::{Options, best_row};
use crate::device::{DeviceChoice, Request};
use crate::error::{Error, Result};
use crate::multistart::{BestAnswer, BestOptions, Objective, PackedNetwork};
use crate::network::{Activation, Network};
use crate::runtime::Runtime;

/// The relative error of the products of a map that counts as linear.
const MOST_ERROR: f64 = 1e-2;

/// Prepares the search. The device searches on network and operator as one network. If there is no
/// such network, the search runs on the CPU, and the runtime's notice says so.
pub(super) fn prepare(
    network: &Arc<Network>,
    matrix: Option<DMatrix<f64>>,
    objective: Objective,
    options: &Options,
) -> Result<(PackedNetwork, Runtime)> {
    let open = |network: &Arc<Network>| Runtime::open(network, &request_of(options), options.threads);
    let Some(matrix) = matrix else {
        let mut runtime = open(network)?;
        let packed = PackedNetwork::new(Arc::clone(network));
        note_search_on_cpu(&mut runtime, network, objective, &packed.unit_counts());
        return Ok((packed, runtime));
    };
    let packed = PackedNetwork::measured_by(Arc::clone(network), &matrix);
    if let Some(measured) = measured(network, matrix) {
        let measured = Arc::new(measured);
        let mut runtime = open(&measured)?;
        note_search_on_cpu(&mut runtime, &measured, objective, &packed.unit_counts());
        return Ok((packed, runtime));
    }
    let output = network.layers()[network.depth() - 1].activation;
    let runtime = open_cpu(network, options, || {
        if output.has_kink() || output == Activation::Identity {
            "the search runs on the CPU: the product of operator and network overflows".to_owned()
        } else {
            format!("the search runs on the CPU: a GPU does not support a linear map of {output} outputs")
        }
    })?;
    Ok((packed, runtime))
}

/// Prepares the search with products of the operator, without its matrix, on the CPU.
///
/// # Errors
/// [`Error::Input`] if the products are not finite, have another shape than the operator says, or
/// are not linear.
pub(super) fn prepare_by_products(
    network: &Arc<Network>,
    operator: &Arc<dyn Operator>,
    search: &BestOptions,
    options: &Options,
) -> Result<(PackedNetwork, Runtime, Arc<OperatorMap>)> {
    let runtime = open_cpu(network, options, || {
        "the search runs on the CPU: a GPU does not support an operator that is applied without its matrix".to_owned()
    })?;
    let map = Arc::new(OperatorMap::new(Arc::clone(operator)));
    let packed = runtime.run(|| {
        let packed = PackedNetwork::measured_by_map(Arc::clone(network), Arc::clone(&map) as _);
        let sizes = if search.objective == Objective::L2 { None } else { packed.column_sizes() };
        let are_finite = sizes.is_none_or(|sizes| sizes.sums.iter().all(|size| size.is_finite()));
        map.check()?;
        let found = match packed.product_error() {
            error if error.is_nan() || !are_finite => "an entry that is not finite".to_owned(),
            error if error > MOST_ERROR => {
                format!("products that differ by {:.1} % from those of a linear map and its adjoint", 100.0 * error)
            }
            _ => return Ok(packed),
        };
        let expected = "finite entries, and a linear map and its adjoint to 1 %";
        Err(Error::input("the operator's products", found, expected, "correct its methods `apply` and `adjoint`"))
    })?;
    Ok((packed, runtime, map))
}

/// The device of the options. Whatever their method is, the search stays on the device.
fn request_of(options: &Options) -> Request<'_> {
    Request { stays_on_device: true, ..options.device_request() }
}

/// A runtime on the CPU. `why`: the notice, if another device was wanted. The requested device must
/// exist, even if the search does not use it.
fn open_cpu(network: &Arc<Network>, options: &Options, why: impl FnOnce() -> String) -> Result<Runtime> {
    let asked = Runtime::open(network, &request_of(options), options.threads)?;
    if !asked.device().is_asynchronous() {
        return Ok(asked);
    }
    let cpu = Request { choice: DeviceChoice::Cpu, ..Request::default() };
    let mut runtime = Runtime::open(network, &cpu, options.threads)?;
    runtime.notify(why());
    Ok(runtime)
}

/// The codes and rows of the answers. `first_index`: the index of the first observation in the
/// whole run; `listed`: see [`best_row`].
pub(super) fn rows(
    answers: Vec<BestAnswer>,
    measurements: &DMatrix<f64>,
    code_length: usize,
    first_index: u64,
    listed: Option<usize>,
) -> Codes {
    let row = |(place, answer): (usize, &BestAnswer)| {
        best_row(first_index + place as u64, measurements.column(place).as_slice(), 0, answer, listed)
    };
    let rows = answers.iter().enumerate().map(row).collect();
    let codes = answers.iter().flat_map(|answer| answer.code.iter().copied());
    (DMatrix::from_iterator(code_length, answers.len(), codes), rows)
}
