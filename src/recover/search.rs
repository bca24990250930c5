//! The search for the codes of measurements: its preparation and its report rows.

use std::sync::Arc;

use nalgebra::DMatrix;

use super::Codes;
use super::measured::measured;
use crate::batch::search::note_search_on_cpu;
use crate::batch::{Options, best_row};
use crate::device::{DeviceChoice, Request};
use crate::error::Result;
use crate::multistart::{BestAnswer, PackedNetwork};
use crate::network::{Activation, Network};
use crate::runtime::Runtime;

/// Prepares the search. The device searches on network and operator as one network. If there is no
/// such network, the search runs on the CPU, and the runtime's notice says so.
pub(super) fn prepare(
    network: &Arc<Network>,
    matrix: Option<DMatrix<f64>>,
    options: &Options,
) -> Result<(PackedNetwork, Runtime)> {
    let open = |network: &Arc<Network>, request: &Request<'_>| Runtime::open(network, request, options.threads);
    // Whatever the method of the options: the search stays on the device.
    let request = Request { suits_integrated: true, ..options.device_request() };
    let Some(matrix) = matrix else {
        let mut runtime = open(network, &request)?;
        note_search_on_cpu(&mut runtime, network);
        return Ok((PackedNetwork::new(Arc::clone(network)), runtime));
    };
    let packed = PackedNetwork::measured_by(Arc::clone(network), &matrix);
    if let Some(measured) = measured(network, matrix) {
        let measured = Arc::new(measured);
        let mut runtime = open(&measured, &request)?;
        note_search_on_cpu(&mut runtime, &measured);
        return Ok((packed, runtime));
    }
    // The requested device must exist, even if the search does not use it.
    let asked = open(network, &request)?;
    if !asked.device().is_asynchronous() {
        return Ok((packed, asked));
    }
    let mut runtime = open(network, &Request { choice: DeviceChoice::Cpu, ..Request::default() })?;
    let output = network.layers()[network.depth() - 1].activation;
    runtime.notify(if output.allowed_in_hidden_layers() || output == Activation::Identity {
        "the search runs on the CPU: the product of operator and network overflows".to_owned()
    } else {
        format!("the search runs on the CPU: a GPU does not support a linear map of {output} outputs")
    });
    Ok((packed, runtime))
}

/// The codes and rows of the answers. `first_index`: the index of the first observation in the
/// whole run.
pub(super) fn rows(
    answers: Vec<BestAnswer>,
    measurements: &DMatrix<f64>,
    code_length: usize,
    first_index: u64,
) -> Codes {
    let row = |(place, answer): (usize, &BestAnswer)| {
        best_row(first_index + place as u64, measurements.column(place).as_slice(), 0, answer)
    };
    let rows = answers.iter().enumerate().map(row).collect();
    let codes = answers.iter().flat_map(|answer| answer.code.iter().copied());
    (DMatrix::from_iterator(code_length, answers.len(), codes), rows)
}
