//! The loss of given codes and its gradient, by the passes of a descent's block.

use std::sync::atomic::AtomicUsize;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::{Block, Queue};
use crate::cpu::blocked::forward::block_width;
use crate::cpu::blocked::packed::PackedNetwork;
use crate::cpu::blocked::vector::Number;
use crate::descent::{LossWatch, Optimizer, Start, Steps};

/// `½‖G(z) − x‖²` over the observed entries, and its gradient by `z`, for each column `z` of
/// `codes` and `x` of `observations`. Products are in `T`. Returns count losses, and `k` × count.
///
/// # Panics
/// If an observation or a code does not fit the network, or their numbers differ.
pub fn gradients<T: Number>(
    network: &PackedNetwork<T>,
    observations: &DMatrix<f64>,
    codes: &DMatrix<f64>,
) -> (Vec<f64>, DMatrix<f64>) {
    assert_eq!(observations.ncols(), codes.ncols(), "observations and codes");
    let start = |index: usize| {
        let code = codes.column(index).iter().copied().collect();
        Start::fresh(index, code, Optimizer::Plain)
    };
    let starts: Vec<Start> = (0..codes.ncols()).map(start).collect();
    let steps = Steps { optimizer: Optimizer::Plain, size: 0.0, cap: 0, prior: 0.0 };
    let queue = Queue { starts: &starts, next: AtomicUsize::new(0) };
    let width = block_width(starts.len());
    let blocks = starts.len().div_ceil(width).min(rayon::current_num_threads());
    let found: Vec<_> = (0..blocks)
        .into_par_iter()
        .flat_map_iter(|_| Block::<T, LossWatch>::new(network, width, &steps).evaluate(observations, &queue))
        .collect();
    let mut losses = vec![0.0; starts.len()];
    let mut gradients = DMatrix::zeros(codes.nrows(), starts.len());
    for (place, loss, gradient) in found {
        losses[place] = loss;
        gradients.column_mut(place).copy_from_slice(&gradient);
    }
    (losses, gradients)
}

impl<T: Number> Block<'_, T, LossWatch> {
    /// The place, loss and gradient of every waiting run, without a step.
    fn evaluate(mut self, observations: &DMatrix<f64>, queue: &Queue) -> Vec<(usize, f64, Vec<f64>)> {
        let mut found = Vec::new();
        loop {
            self.fill(observations.into(), queue);
            if self.lanes.is_empty() {
                return found;
            }
            self.forward();
            self.turn();
            self.backward();
            for (lane, column) in self.lanes.drain(..).zip(0..) {
                let gradient = self.inputs.column(column).iter().map(|g| g.widened()).collect();
                found.push((lane.place, self.losses[column], gradient));
            }
        }
    }
}
