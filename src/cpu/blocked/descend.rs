//! Gradient descent on `½‖G(z) − x‖²`, a block of runs (lanes) a core, the block's way up and down the layers as
//! products. As `cpu/descend.rs`, and what finishes in f64 the runs that the GPU brought as far as f32 goes.
//!
//! A lane that ends leaves its block at once and the next run takes its place; when no more wait, the last lane moves
//! into the hole, so the products stay full. Cores take runs from one queue: which block a run meets is chance, and
//! does not matter to it.

use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::forward::{block_width, layer_outputs, scale_by_derivative};
use super::product::transposed_product;
use crate::descent::{DescentAnswer, DescentOptions, LossWatch, Moments, Run, Start, Steps, is_usable, start_code};
use crate::network::Network;

/// Runs whose codes wait in memory together; more restarts than this allows come in waves.
const WAVE: usize = 8192;

/// Every observation from all its starting codes; the lowest loss is kept. `first_index` is the first column's index
/// in the whole run, `steps` are those of `options`.
///
/// # Panics
/// If `observations` does not have the network's output length.
pub fn descend(
    network: &Network,
    observations: &DMatrix<f64>,
    first_index: u64,
    options: &DescentOptions,
    steps: &Steps,
) -> DescentAnswer {
    let usable: Vec<usize> =
        (0..observations.ncols()).filter(|column| is_usable(observations.column(*column).as_slice())).collect();
    let mut answer = DescentAnswer::undetermined(network.code_length(), observations.ncols());
    let restarts: Vec<usize> = (0..=options.restarts).collect();
    for wave in restarts.chunks((WAVE / usable.len().max(1)).max(1)) {
        let pairs: Vec<(usize, usize)> =
            wave.iter().flat_map(|restart| usable.iter().map(|column| (*restart, *column))).collect();
        let starts: Vec<Start> = pairs
            .into_par_iter()
            .map(|(restart, observation)| {
                let index = first_index.wrapping_add(observation as u64);
                let code = start_code(options.seed, index, restart, network.code_length());
                Start::fresh(observation, code, steps.optimizer)
            })
            .collect();
        // In the order of the restarts, on which the choice between equal losses rests.
        for (start, run) in starts.iter().zip(runs(network, observations, &starts, steps)) {
            answer.offer(start.observation, &run);
        }
    }
    answer
}

/// Makes each run of `starts` until the stop rule holds or `steps.cap` steps are taken in all; in their order.
///
/// # Panics
/// If an observation or a code does not fit the network.
pub fn runs(network: &Network, observations: &DMatrix<f64>, starts: &[Start], steps: &Steps) -> Vec<Run> {
    let width = block_width(starts.len());
    let queue = Queue { starts, next: AtomicUsize::new(0) };
    let blocks = starts.len().div_ceil(width).min(rayon::current_num_threads());
    let mut ended: Vec<(usize, Run)> = (0..blocks)
        .into_par_iter()
        .flat_map_iter(|_| Block::new(network, width, steps).run(observations, &queue))
        .collect();
    ended.sort_unstable_by_key(|(place, _)| *place);
    ended.into_iter().map(|(_, run)| run).collect()
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

/// Where a lane stands.
struct Lane {
    /// Of its start.
    place: usize,
    iterations: u32,
    watch: LossWatch,
}

/// How a lane's iteration ended.
enum Verdict {
    Goes,
    Ends { loss: f64, converged: bool },
}

/// A core's lanes and the arrays they share, a lane a column; the columns in use are the first ones.
struct Block<'a> {
    network: &'a Network,
    steps: &'a Steps,
    width: usize,
    lanes: Vec<Lane>,
    codes: Vec<f64>,
    /// What the optimizer keeps, of each entry of the codes; empty where it keeps nothing.
    moments: Vec<Moments>,
    targets: Vec<f64>,
    /// Outputs of each layer.
    activations: Vec<Vec<f64>>,
    /// `δ` of each layer's outputs.
    deltas: Vec<Vec<f64>>,
    gradients: Vec<f64>,
}

impl<'a> Block<'a> {
    fn new(network: &'a Network, width: usize, steps: &'a Steps) -> Self {
        let of_layers = || network.layers().iter().map(|layer| vec![0.0; layer.units() * width]).collect();
        Block {
            network,
            steps,
            width,
            lanes: Vec::with_capacity(width),
            codes: vec![0.0; network.code_length() * width],
            moments: vec![[0.0; 2]; steps.optimizer.moments(network.code_length()) * width],
            targets: vec![0.0; network.observation_length() * width],
            activations: of_layers(),
            deltas: of_layers(),
            gradients: vec![0.0; network.code_length() * width],
        }
    }

    fn run(mut self, observations: &DMatrix<f64>, queue: &Queue) -> Vec<(usize, Run)> {
        let mut ended = Vec::new();
        loop {
            self.fill(observations, queue);
            if self.lanes.is_empty() {
                return ended;
            }
            self.forward();
            let losses = self.residual();
            self.backward();
            // From the last, so that a lane which moves into a hole has had its turn.
            for place in (0..self.lanes.len()).rev() {
                match self.verdict(place, losses[place]) {
                    Verdict::Goes => self.step(place),
                    Verdict::Ends { loss, converged } => ended.push(self.remove(place, loss, converged)),
                }
            }
        }
    }

    /// Takes runs until all columns are in use or none wait.
    fn fill(&mut self, observations: &DMatrix<f64>, queue: &Queue) {
        let (k, n) = (self.network.code_length(), self.network.observation_length());
        while self.lanes.len() < self.width
            && let Some((place, start)) = queue.take()
        {
            let lane = self.lanes.len();
            self.codes[lane * k..][..k].copy_from_slice(&start.code);
            let kept = start.moments.len();
            self.moments[lane * kept..][..kept].copy_from_slice(&start.moments);
            self.targets[lane * n..][..n].copy_from_slice(observations.column(start.observation).as_slice());
            self.lanes.push(Lane { place, iterations: start.done, watch: LossWatch::new() });
        }
    }

    fn forward(&mut self) {
        let count = self.lanes.len();
        for (index, layer) in self.network.layers().iter().enumerate() {
            let (below, above) = self.activations.split_at_mut(index);
            let inputs = below.last().unwrap_or(&self.codes);
            layer_outputs(layer, &inputs[..layer.inputs() * count], count, &mut above[0][..layer.units() * count]);
        }
    }

    /// `G(z) − x` as the outputs' deltas, and the losses. In as many partial sums as vectors have entries; which
    /// entry goes into which depends on its row alone.
    fn residual(&mut self) -> Vec<f64> {
        let (n, last) = (self.network.observation_length(), self.network.depth() - 1);
        let columns = self.activations[last].chunks_exact(n).zip(self.targets.chunks_exact(n));
        columns
            .zip(self.deltas[last].chunks_exact_mut(n))
            .take(self.lanes.len())
            .map(|((output, target), delta)| {
                let mut sums = [0.0; 8];
                for ((output, target), delta) in output.chunks(8).zip(target.chunks(8)).zip(delta.chunks_mut(8)) {
                    for (((sum, out), x), d) in sums.iter_mut().zip(output).zip(target).zip(delta) {
                        *d = if x.is_nan() { 0.0 } else { out - x };
                        *sum += *d * *d;
                    }
                }
                0.5 * sums.iter().sum::<f64>()
            })
            .collect()
    }

    /// `δ_d ⊙ σ_d'`, `δ_{i−1} = (W_iᵀ δ_i) ⊙ σ_{i−1}'`, and `W_1ᵀ δ_1` at the codes.
    fn backward(&mut self) {
        let count = self.lanes.len();
        for (index, layer) in self.network.layers().iter().enumerate().rev() {
            let (below, above) = self.deltas.split_at_mut(index);
            let deltas = &mut above[0][..layer.units() * count];
            scale_by_derivative(layer.activation, &self.activations[index], deltas);
            let outputs = below.last_mut().unwrap_or(&mut self.gradients);
            transposed_product(&layer.weight, deltas, count, &mut outputs[..layer.inputs() * count]);
        }
    }

    /// The stop rule, as in `cpu/descend.rs`.
    fn verdict(&mut self, place: usize, loss: f64) -> Verdict {
        let k = self.network.code_length();
        let lane = &mut self.lanes[place];
        let gradient_norm = self.gradients[place * k..][..k].iter().map(|g| g * g).sum::<f64>().sqrt();
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Verdict::Ends { loss: f64::NAN, converged: false };
        }
        let converged = lane.watch.rests(loss) | (gradient_norm <= DescentOptions::GRADIENT_TOLERANCE);
        if converged || lane.iterations as usize >= self.steps.cap {
            return Verdict::Ends { loss, converged };
        }
        Verdict::Goes
    }

    fn step(&mut self, place: usize) {
        let k = self.network.code_length();
        let kept = self.steps.optimizer.moments(k);
        let gradient = &self.gradients[place * k..][..k];
        let (code, moments) = (&mut self.codes[place * k..][..k], &mut self.moments[place * kept..][..kept]);
        let lane = &mut self.lanes[place];
        self.steps.optimizer.advance(self.steps.size, lane.iterations, gradient, code, moments);
        lane.iterations += 1;
    }

    /// Takes a lane out and moves the last one into its place.
    fn remove(&mut self, place: usize, loss: f64, converged: bool) -> (usize, Run) {
        let (k, n, last) = (self.network.code_length(), self.network.observation_length(), self.lanes.len() - 1);
        let code = self.codes[place * k..][..k].to_vec();
        self.codes.copy_within(last * k..(last + 1) * k, place * k);
        let kept = self.steps.optimizer.moments(k);
        self.moments.copy_within(last * kept..(last + 1) * kept, place * kept);
        self.targets.copy_within(last * n..(last + 1) * n, place * n);
        let lane = self.lanes.swap_remove(place);
        (lane.place, Run { code, loss, converged, iterations: lane.iterations })
    }
}
