//! The search of `best` where the device has a part in it, and on the CPU alone elsewhere.

use nalgebra::DMatrix;

use crate::device::Device;
use crate::error::Result;
use crate::multistart::starts::Start;
use crate::multistart::{BestAnswer, BestOptions, PackedNetwork, best_batch, best_batch_on};
use crate::network::Network;
use crate::runtime::Runtime;

/// Searches for the lowest loss of each column, with the device's help where it works beside the CPU.
///
/// # Errors
/// What the device reports.
pub(crate) fn search_on(
    device: &dyn Device,
    network: &PackedNetwork,
    observations: &DMatrix<f64>,
    first_index: u64,
    given: &[(Start, &DMatrix<f64>)],
    options: &BestOptions,
) -> Result<Vec<BestAnswer>> {
    if device.is_asynchronous() {
        best_batch_on(device, network, observations, first_index, given, options)
    } else {
        Ok(best_batch(network, observations, first_index, given, options))
    }
}

/// Says in the runtime's notice that its GPU has no part in searches on `network`, where that is so.
pub(crate) fn note_search_on_cpu(runtime: &mut Runtime, network: &Network) {
    let device = runtime.device();
    if device.is_asynchronous() && !takes_part(device, network) {
        let device = device.description();
        runtime.notify(format!("the search runs on the CPU: {device} does not take this network's Jacobians"));
    }
}

/// Whether the device has a part in the search: it says so for an empty batch too.
fn takes_part(device: &dyn Device, network: &Network) -> bool {
    let nothing = |rows: usize| DMatrix::zeros(rows, 0);
    let answer =
        device.levenberg_marquardt(&nothing(network.observation_length()), &[], &nothing(network.code_length()));
    // A device that fails at once says so where it is used.
    answer.is_ok_and(|codes| codes.is_some())
}
