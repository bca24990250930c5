//! The search of `best`: with the device where the device supports it, otherwise on the CPU alone.

use nalgebra::DMatrix;

use crate::device::Device;
use crate::error::Result;
use crate::multistart::search::other_norms::begins_with_squares;
use crate::multistart::starts::Start;
use crate::multistart::{BestAnswer, BestOptions, Objective, PackedNetwork, Stored, best_batch, best_batch_on};
use crate::network::Network;
use crate::runtime::Runtime;

/// Searches for the lowest loss of each column, on the CPU and on an asynchronous device. The
/// device's steps lower squares: where runs begin with others, as those of `l1`, the CPU makes
/// them.
///
/// # Errors
/// Errors of the device.
pub(crate) fn search_on(
    device: &dyn Device,
    network: &PackedNetwork,
    stored: Stored<'_>,
    first_index: u64,
    given: &[(Start, &DMatrix<f64>)],
    options: &BestOptions,
) -> Result<Vec<BestAnswer>> {
    if device.is_asynchronous() && begins_with_squares(options.objective, &network.unit_counts()) {
        best_batch_on(device, network, stored, first_index, given, options)
    } else {
        Ok(best_batch(network, stored, first_index, given, options))
    }
}

/// Adds a notice to the runtime if its GPU cannot search on `network` for this objective.
/// `units`: of each layer, with an operator as a layer of its own.
pub(crate) fn note_search_on_cpu(runtime: &mut Runtime, network: &Network, objective: Objective, units: &[usize]) {
    let device = runtime.device();
    if device.is_asynchronous() && !begins_with_squares(objective, units) {
        let device = device.description();
        runtime.notify(format!("the search runs on the CPU: the steps of {device} lower squares, not {objective}"));
    } else if device.is_asynchronous() && !takes_part(device, network) {
        let device = device.description();
        runtime.notify(format!("the search runs on the CPU: {device} does not support this network's Jacobians"));
    }
}

/// Whether the device supports the search. An empty batch is enough to find out.
fn takes_part(device: &dyn Device, network: &Network) -> bool {
    let nothing = |rows: usize| DMatrix::zeros(rows, 0);
    let answer =
        device.levenberg_marquardt(&nothing(network.observation_length()), &[], &nothing(network.code_length()), 0.0);
    // An error here is ignored: the device will report it again when it is used.
    answer.is_ok_and(|codes| codes.is_some())
}
