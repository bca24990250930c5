//! Gradient descent on `½‖G(z) − x‖² + ½λ‖z‖²` with one block of runs (lanes) per core; the block's
//! forward and backward passes are products. Same results as `cpu/descend.rs`.
//!
//! The products are in f64 or in f32. Codes, moments, steps and the sums of the stop rule are f64
//! in both, so f32 only costs the last digits of a gradient, not the small steps near the optimum.
//! An ended lane leaves its block immediately, and the next run takes its place. If no run is
//! waiting, the last lane moves into the free place, so that the products have no gaps. Cores take
//! runs from one queue. So the block of a run is random, but it does not affect the result.

pub mod gradients;

use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::forward::{block_width, layer_outputs, layer_outputs_and_slopes};
use super::packed::{PackedLayer, PackedNetwork};
use super::product::{self, Finish, stride_of};
use super::residual::residuals;
use super::vector::Number;
use crate::descent::{DescentOptions, LossWatch, LowestLoss, Moments, Run, Start, Steps, Watch};
use crate::network::Activation;
use crate::observation::{View, column};

/// Makes each run of `starts` until the stop rule holds or `steps.cap` steps are made in total;
/// results are in the order of `starts`.
///
/// # Panics
/// If an observation or a code does not fit the network.
pub fn runs<'a>(
    network: &PackedNetwork<f64>,
    observations: impl Into<View<'a>>,
    starts: &[Start],
    steps: &Steps,
) -> Vec<Run> {
    let ended = advance::<f64, LossWatch>(network, observations.into(), starts, steps);
    let run = |ended: Ended| Run {
        code: ended.code,
        loss: if ended.end == End::Diverges { f64::NAN } else { ended.loss },
        converged: ended.end == End::Rests,
        iterations: ended.iterations,
    };
    ended.into_iter().map(run).collect()
}

/// Advances each run of `starts` as far as products in f32 are accurate; results are in the order
/// of `starts`. `None` for runs that leave f32's range: f64 has to decide from their beginning
/// whether they diverge.
///
/// # Panics
/// As [`runs`].
pub fn prepared(
    network: &PackedNetwork<f32>,
    observations: &DMatrix<f64>,
    starts: &[Start],
    steps: &Steps,
) -> Vec<Option<Start>> {
    let ended = advance::<f32, LowestLoss>(network, observations.into(), starts, steps);
    let continued = |(ended, start): (Ended, &Start)| {
        let Ended { iterations, end, code, moments, .. } = ended;
        let reached = Start { observation: start.observation, code, moments, done: iterations };
        (end != End::Diverges).then_some(reached)
    };
    ended.into_iter().zip(starts).map(continued).collect()
}

/// An ended run.
struct Ended {
    /// The index of its start.
    place: usize,
    iterations: u32,
    end: End,
    loss: f64,
    code: Vec<f64>,
    moments: Vec<Moments>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The stop rule held.
    Rests,
    /// The maximum number of steps was made.
    Capped,
    /// The loss or its gradient was not finite.
    Diverges,
}

/// Descends with products in `T` until the watch or the gradient stops the run, or until
/// `steps.cap` steps are made in total.
fn advance<T: Number, W: Watch>(
    network: &PackedNetwork<T>,
    observations: View<'_>,
    starts: &[Start],
    steps: &Steps,
) -> Vec<Ended> {
    let width = block_width(starts.len());
    let queue = Queue { starts, next: AtomicUsize::new(0) };
    let blocks = starts.len().div_ceil(width).min(rayon::current_num_threads());
    let mut ended: Vec<Ended> = (0..blocks)
        .into_par_iter()
        .flat_map_iter(|_| Block::<T, W>::new(network, width, steps).run(observations, &queue))
        .collect();
    ended.sort_unstable_by_key(|ended| ended.place);
    ended
}

/// Copies an observation.
fn narrow<T: Number, F: Copy + Into<f64>>(observation: &[F], targets: &mut [T]) {
    for (target, x) in targets.iter_mut().zip(observation) {
        *target = T::narrowed((*x).into());
    }
}

/// The runs that no block has taken yet.
struct Queue<'a> {
    starts: &'a [Start],
    next: AtomicUsize,
}

impl<'a> Queue<'a> {
    fn take(&self) -> Option<(usize, &'a Start)> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        self.starts.get(place).map(|start| (place, start))
    }
}

/// The state of a lane.
struct Lane<W> {
    /// The index of its start.
    place: usize,
    iterations: u32,
    watch: W,
}

/// A matrix of a block: one lane per column; the columns in use come first.
struct Columns<T> {
    entries: Vec<T>,
    length: usize,
    stride: usize,
}

impl<T: Copy> Columns<T> {
    fn new(length: usize, stride: usize, width: usize, fill: T) -> Self {
        Columns { entries: vec![fill; stride * width], length, stride }
    }

    fn column(&self, lane: usize) -> &[T] {
        &self.entries[lane * self.stride..][..self.length]
    }

    fn column_mut(&mut self, lane: usize) -> &mut [T] {
        &mut self.entries[lane * self.stride..][..self.length]
    }

    fn copy_column(&mut self, from: usize, to: usize) {
        self.entries.copy_within(from * self.stride..(from + 1) * self.stride, to * self.stride);
    }
}

impl<T: Number> Columns<T> {
    /// Columns padded as the products need them.
    fn padded(length: usize, width: usize, fill: T) -> Self {
        Self::new(length, stride_of::<T>(length), width, fill)
    }

    /// Multiplies the first `count` columns by those of `factors`, entry by entry.
    fn multiply(&mut self, factors: &Self, count: usize) {
        let used = self.stride * count;
        let entries = self.entries[..used].iter_mut().zip(&factors.entries);
        entries.for_each(|(entry, factor)| *entry = *entry * *factor);
    }

    fn input(&self) -> product::Columns<'_, T> {
        product::Columns { entries: &self.entries, stride: self.stride }
    }

    fn output(&mut self) -> product::ColumnsMut<'_, T> {
        product::ColumnsMut { entries: &mut self.entries, stride: self.stride }
    }
}

/// The lanes of one core, and the arrays they share.
struct Block<'a, T, W> {
    network: &'a PackedNetwork<T>,
    steps: &'a Steps,
    width: usize,
    lanes: Vec<Lane<W>>,
    codes: Columns<f64>,
    /// The optimizer's moments of each entry of the codes; empty for an optimizer without moments.
    moments: Columns<Moments>,
    /// `NaN` beyond the observation's length.
    targets: Columns<T>,
    /// The codes in `T`; after the backward pass, the gradients.
    inputs: Columns<T>,
    /// Outputs of each layer; the backward pass replaces them with `δ` of each layer.
    layers: Vec<Columns<T>>,
    /// `σ'` of each layer whose outputs do not tell it to the passes.
    slopes: Vec<Option<Columns<T>>>,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

impl<'a, T: Number, W: Watch> Block<'a, T, W> {
    fn new(network: &'a PackedNetwork<T>, width: usize, steps: &'a Steps) -> Self {
        let (k, kept) = (network.code_length(), steps.optimizer.moments(network.code_length()));
        let columns = |units: usize| Columns::padded(units, width, T::ZERO);
        let last = network.layers().len() - 1;
        let has_slopes = |index: usize, activation: Activation| match activation {
            Activation::Relu | Activation::LeakyRelu(_) | Activation::Identity => false,
            Activation::Sigmoid | Activation::Tanh => index < last,
            _ => true,
        };
        let slopes = |(index, layer): (usize, &PackedLayer<T>)| {
            has_slopes(index, layer.activation).then(|| columns(layer.map.outputs()))
        };
        Block {
            network,
            steps,
            width,
            lanes: Vec::with_capacity(width),
            codes: Columns::new(k, k, width, 0.0),
            moments: Columns::new(kept, kept, width, [0.0; 2]),
            targets: Columns::padded(network.observation_length(), width, T::NAN),
            inputs: Columns::padded(k, width, T::ZERO),
            layers: network.layers().iter().map(|layer| columns(layer.map.outputs())).collect(),
            slopes: network.layers().iter().enumerate().map(slopes).collect(),
            losses: vec![0.0; width],
            gradient: vec![0.0; k],
        }
    }

    fn run(mut self, observations: View<'_>, queue: &Queue) -> Vec<Ended> {
        let mut ended = Vec::new();
        loop {
            self.fill(observations, queue);
            if self.lanes.is_empty() {
                return ended;
            }
            self.forward();
            self.turn();
            self.backward();
            // In reverse order, so that a lane that moves into a free place has been processed
            // already.
            for place in (0..self.lanes.len()).rev() {
                match self.end(place) {
                    None => self.step(place),
                    Some(end) => ended.push(self.remove(place, end)),
                }
            }
        }
    }

    /// Takes runs until all columns are in use or no run is waiting.
    fn fill(&mut self, observations: View<'_>, queue: &Queue) {
        while self.lanes.len() < self.width
            && let Some((place, start)) = queue.take()
        {
            let lane = self.lanes.len();
            self.codes.column_mut(lane).copy_from_slice(&start.code);
            self.moments.column_mut(lane).copy_from_slice(&start.moments);
            let targets = self.targets.column_mut(lane);
            match observations {
                View::Double(all) => narrow(column(all, start.observation), targets),
                View::Single(all) => narrow(column(all, start.observation), targets),
            }
            self.lanes.push(Lane { place, iterations: start.done, watch: W::default() });
        }
    }

    fn forward(&mut self) {
        let count = self.lanes.len();
        for lane in 0..count {
            for (input, z) in self.inputs.column_mut(lane).iter_mut().zip(self.codes.column(lane)) {
                *input = T::narrowed(*z);
            }
        }
        for (index, layer) in self.network.layers().iter().enumerate() {
            let (below, above) = self.layers.split_at_mut(index);
            let inputs = below.last().unwrap_or(&self.inputs);
            match &mut self.slopes[index] {
                None => layer_outputs(layer, inputs.input(), above[0].output(), count),
                Some(slopes) => {
                    let outputs = above[0].output();
                    layer_outputs_and_slopes(layer, inputs.input(), outputs, &mut slopes.entries, count);
                }
            }
        }
    }

    /// Computes the losses, and replaces the outputs with `(G(z) − x) ⊙ σ_d'`.
    fn turn(&mut self) {
        let (count, last) = (self.lanes.len(), self.layers.len() - 1);
        let outputs = &mut self.layers[last];
        let losses = &mut self.losses[..count];
        losses.fill(0.0);
        let slopes = self.slopes[last].as_ref();
        // With slopes, the residual itself is left, to be multiplied by them.
        let activation = slopes.map_or(self.network.layers()[last].activation, |_| Activation::Identity);
        residuals(&mut outputs.entries, &self.targets.entries, outputs.stride, activation, losses);
        slopes.into_iter().for_each(|slopes| outputs.multiply(slopes, count));
    }

    /// Replaces the outputs with `δ_{i−1} = (W_iᵀ δ_i) ⊙ σ_{i−1}'`, and the codes with `W_1ᵀ δ_1`.
    fn backward(&mut self) {
        let count = self.lanes.len();
        for (index, layer) in self.network.layers().iter().enumerate().rev() {
            let (below, above) = self.layers.split_at_mut(index);
            let finish = match index {
                0 => Finish::Plain,
                _ => match self.network.layers()[index - 1].activation {
                    // All outputs at most zero have the same derivative.
                    activation @ (Activation::Relu | Activation::LeakyRelu(_)) => {
                        Finish::Derivative(T::narrowed(activation.derivative(-1.0)))
                    }
                    // Those of other activations are in `slopes`.
                    _ => Finish::Plain,
                },
            };
            let outputs = below.last_mut().unwrap_or(&mut self.inputs);
            layer.map.apply_transposed(above[0].input(), outputs.output(), count, finish);
            if let Some(slopes) = index.checked_sub(1).and_then(|below| self.slopes[below].as_ref()) {
                outputs.multiply(slopes, count);
            }
        }
    }

    /// Adds the prior, and checks the stop rule, as in `cpu/descend.rs`; reads the lane's gradient.
    fn end(&mut self, place: usize) -> Option<End> {
        for (wide, g) in self.gradient.iter_mut().zip(self.inputs.column(place)) {
            *wide = g.widened();
        }
        if self.steps.prior > 0.0 {
            let code = self.codes.column(place);
            self.losses[place] += 0.5 * self.steps.prior * code.iter().map(|z| z * z).sum::<f64>();
            self.gradient.iter_mut().zip(code).for_each(|(g, z)| *g += self.steps.prior * z);
        }
        let (lane, loss) = (&mut self.lanes[place], self.losses[place]);
        let gradient_norm = self.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Some(End::Diverges);
        }
        if lane.watch.rests(loss) | (gradient_norm <= DescentOptions::GRADIENT_TOLERANCE * self.network.loss_unit()) {
            return Some(End::Rests);
        }
        (lane.iterations as usize >= self.steps.cap).then_some(End::Capped)
    }

    /// Makes a step along the gradient that [`Self::end`] has read.
    fn step(&mut self, place: usize) {
        let (code, moments) = (self.codes.column_mut(place), self.moments.column_mut(place));
        let lane = &mut self.lanes[place];
        let size = (self.steps.size, self.network.loss_unit());
        self.steps.optimizer.advance(size, lane.iterations, &self.gradient, code, moments);
        lane.iterations += 1;
    }

    /// Removes a lane and moves the last one into its place.
    fn remove(&mut self, place: usize, end: End) -> Ended {
        let last = self.lanes.len() - 1;
        let (code, moments) = (self.codes.column(place).to_vec(), self.moments.column(place).to_vec());
        self.codes.copy_column(last, place);
        self.moments.copy_column(last, place);
        self.targets.copy_column(last, place);
        let Lane { place: start, iterations, .. } = self.lanes.swap_remove(place);
        Ended { place: start, iterations, end, loss: self.losses[place], code, moments }
    }
}
