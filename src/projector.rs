//! Projection onto the range of a generator, for iterative algorithms. A projector is made once and
//! can be called from any number of threads.
//!
//! **Meaning of the projection.** `project` returns images `G(z)` close to the observations. The
//! method defines what close means. `linf`, `l1` and `relaxed` minimise the deviation from the
//! targets of each layer separately, from the last layer to the first. For one layer, that is a
//! projection in the maximum norm (or in the norm of sums). For several layers, it is a heuristic.
//! It is not a Euclidean projection. With `refine`, `descent` or `best`, the answer is a local
//! minimum of the Euclidean distance `‖G(z) − x‖`, or close to one; with a prior, of
//! `½‖G(z) − x‖² + ½λ‖z‖²`. `best` returns the lowest
//! minimum found from many starts. No method guarantees the nearest image.
//!
//! **Warm starts.** Pass the last [`Projection`], or codes ([`WarmStart`]). Each code is first
//! moved to a local minimum for its new observation ([`follow_batch`]), which takes a few
//! Gauss–Newton steps. The method is not run, and this code is the answer, in two cases:
//! - The observation is reproduced within `reproduces_within`: no method can do better. With a
//!   prior this says nothing.
//! - The answers are Euclidean (`refine`, `best`) and the code stays within its linear region. It
//!   is then the least-squares answer of the same region as before.
//!
//! Otherwise the method runs. If the answers are Euclidean, the nearer one of its answer and the
//! warm answer is kept. `descent` starts from the warm code instead of a random one, on the CPU.
//!
//! The last projection also has the optimal [`Bases`] of the method's linear programs. `linf`
//! begins its search for each layer's ε where it ended, from that vertex; `l1` and `relaxed` begin
//! their ladders at the vertex of the first step. All programs are certified as without bases.
//! Where the bases prove that no code reproduces the observation, and only such a code would be an
//! answer, the warm code is not moved at all.
//! docs/RECOVERY.md has measurements of the time saved.

mod warm_start;

use std::ops::Range;

use nalgebra::{DMatrix, DVectorView};

use crate::batch::{Inverter, Method, Options, residual};
use crate::cpu::CpuDevice;
use crate::cpu::blocked::descend::runs;
use crate::cpu::blocked::forward::forward;
use crate::descent::{DescentOptions, Start, Steps};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::lp::bases::Bases;
use crate::multistart::{Followed, Objective, RefineOptions, follow_batch, refine_batch};
use crate::network::Network;
use crate::observation::{squared_distances, unusable};
use crate::outcome::{Residual, Status};
pub use warm_start::WarmStart;

/// A network prepared for repeated projections of batches onto its range.
///
/// With `refine`, `descent` or `best`, the projection is a local minimum of the Euclidean distance,
/// or close to one. With the other methods, it is a heuristic in the maximum norm or the norm of
/// sums.
///
/// ```
/// use unrelu::{Activation, Network, Objective, Options, Projector};
///
/// # fn main() -> unrelu::Result<()> {
/// let network = Network::random(&[5, 20, 60], Activation::Relu, 1)?;
/// let images = network.forward(&network.random_codes(4, 1))?;
/// let projector = Projector::new(network, Options::default().refine(Objective::L2))?;
/// let first = projector.project(&(&images * 0.9), None)?;
/// // The next call starts from the last one.
/// let second = projector.project(&images, &first)?;
/// assert!((second.images - images).amax() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Projector {
    inverter: Inverter,
    /// The network in the layout for products.
    cpu: CpuDevice,
    /// The steps and the options of `descent`.
    descent: Option<(Steps, DescentOptions)>,
}

/// The results of one batch: one column or entry per observation.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Projection {
    /// The codes `z`, `k` × count; `NaN` where there is none.
    pub codes: DMatrix<f64>,
    /// The images `G(z)`, `n` × count, in f64.
    pub images: DMatrix<f64>,
    /// The residuals `G(z) − x` over the observed entries.
    pub residuals: Vec<Residual>,
    /// The status, as in [`Inverter::invert`]. An answer from the warm start alone is `converged`
    /// if it is a local minimum.
    pub status: Vec<Status>,
    /// Whether the answer comes from the warm start, not from the method.
    pub from_warm_start: Vec<bool>,
    /// The optimal bases of the method's linear programs, from which those of the next call start.
    pub bases: Bases,
}

/// The answers of a batch so far.
struct Answers {
    codes: DMatrix<f64>,
    status: Vec<Status>,
    from_warm_start: Vec<bool>,
    bases: Bases,
}

impl Projector {
    /// Opens the device, prepares the layers and starts the thread pool, for all calls.
    ///
    /// # Errors
    /// Those of [`Inverter::new`], and [`Error::BadOption`] for
    /// [`uncertainty`](Options::uncertainty) and [`alternatives`](Options::alternatives): a
    /// projection has no report.
    pub fn new(network: impl Into<std::sync::Arc<Network>>, options: Options) -> Result<Self> {
        let found = "given for a `Projector`";
        let expected = "an `Inverter`, whose report has it; or leave it out";
        if options.uncertainty {
            return Err(Error::option("uncertainty", found, expected));
        }
        if options.alternatives > 0 {
            return Err(Error::option("alternatives", found, expected));
        }
        Ok(Self::from_inverter(Inverter::new(network, options)?))
    }

    /// Makes a projector from an inverter.
    pub fn from_inverter(inverter: Inverter) -> Self {
        let cpu = CpuDevice::new(inverter.shared_network());
        let descent = match &inverter.options().method {
            Method::Descent(options) => Some((
                options.steps(|| cpu.default_step(), inverter.options().prior),
                DescentOptions { restarts: 0, ..options.clone() },
            )),
            _ => None,
        };
        Projector { inverter, cpu, descent }
    }

    /// The inverter that the projector uses.
    pub fn inverter(&self) -> &Inverter {
        &self.inverter
    }

    /// Computes `G(Z)` in f64. `codes`: `k` × count; returns `n` × count.
    ///
    /// # Panics
    /// If `codes` does not have `k` rows.
    pub fn images(&self, codes: &DMatrix<f64>) -> DMatrix<f64> {
        self.inverter.runtime().enter(|| self.images_inside(codes))
    }

    /// [`Self::images`] for the library's own code.
    pub(crate) fn images_inside(&self, codes: &DMatrix<f64>) -> DMatrix<f64> {
        let depth = self.inverter.network().depth();
        self.inverter.runtime().run(|| forward(self.cpu.double(), 0..depth, codes))
    }

    /// Projects each column of `observations` (`n` × count, `NaN` where unobserved).
    ///
    /// `warm_start`: the last projection, `Some(&codes)` of `k` × count, or `None`; see
    /// [`WarmStart`]. A code that is not finite counts as no warm start. An answer depends only on
    /// its own columns and, with `descent`, on its index. A failed observation is reported in its
    /// status.
    ///
    /// # Errors
    /// [`Error::Input`] for matrices of the wrong shape, and for bases of another number of
    /// observations or of a network with other layers; errors of the device.
    pub fn project<'a>(&self, observations: &DMatrix<f64>, warm_start: impl Into<WarmStart<'a>>) -> Result<Projection> {
        self.project_from(observations, warm_start, 0)
    }

    /// [`Self::project`] for a batch whose first observation has index `first_index`.
    pub fn project_from<'a>(
        &self,
        observations: &DMatrix<f64>,
        warm_start: impl Into<WarmStart<'a>>,
        first_index: u64,
    ) -> Result<Projection> {
        let warm_start = warm_start.into();
        let indices: Vec<u64> = (first_index..).take(observations.ncols()).collect();
        self.inverter
            .runtime()
            .enter(|| self.project_on(self.inverter.runtime().device(), observations, &indices, warm_start))
    }

    /// [`Self::project`] on this device, for observations with these indices in the whole run.
    pub(crate) fn project_on(
        &self,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        indices: &[u64],
        warm_start: WarmStart<'_>,
    ) -> Result<Projection> {
        let network = self.inverter.network();
        network.check_observations(observations)?;
        warm_start.check(network, observations.ncols())?;
        let mut answers = Answers {
            codes: DMatrix::from_element(network.code_length(), observations.ncols(), f64::NAN),
            status: vec![Status::NotConverged; observations.ncols()],
            from_warm_start: vec![false; observations.ncols()],
            bases: warm_start.bases_of(observations.ncols()),
        };
        let left = match (warm_start.codes, &self.descent) {
            (None, _) => (0..observations.ncols()).collect(),
            (Some(codes), Some(descent)) => self.descend_from(codes, observations, descent, &mut answers),
            (Some(codes), None) => self.follow(device, codes, observations, &mut answers),
        };
        self.run_method(device, observations, indices, &left, &mut answers)?;
        let Answers { codes, status, from_warm_start, bases } = answers;
        let images = self.images_inside(&codes);
        let residuals = (observations.column_iter().zip(images.column_iter()))
            .map(|(observation, image)| residual(observation.as_slice(), image.as_slice()))
            .collect();
        Ok(Projection { codes, images, residuals, status, from_warm_start, bases })
    }

    /// Stores the answers from warm starts, and returns the columns for which the method must run.
    fn follow(
        &self,
        device: &dyn Device,
        warm: &DMatrix<f64>,
        observations: &DMatrix<f64>,
        answers: &mut Answers,
    ) -> Vec<usize> {
        let options = self.inverter.options();
        let is_euclidean = options.refine == Some(Objective::L2)
            || matches!(&options.method, Method::Best(best) if best.search.objective == Objective::L2);
        let (mut columns, mut left) = with_a_start(warm, observations);
        if !is_euclidean {
            // Only a preimage would be an answer, and there may be a proof that there is none.
            let runtime = self.inverter.runtime();
            let out = runtime.run(|| self.inverter.out_of_reach(device, (observations, &columns), &answers.bases));
            let mut out = out.into_iter();
            columns.retain(|column| {
                let is_out = out.next().unwrap_or(false);
                left.extend(is_out.then_some(*column));
                !is_out
            });
        }
        let mut codes = warm.select_columns(&columns);
        let those = observations.select_columns(&columns);
        let (followed, images) = self.inverter.runtime().run(|| {
            let followed = follow_batch(self.inverter.packed(), &those, &mut codes);
            (followed, self.images_inside(&codes))
        });
        for (place, Followed { loss, stationary, same_region, reproduced, flat }) in followed.into_iter().enumerate() {
            let column = columns[place];
            let observation = observations.column(column);
            if !loss.is_finite() {
                left.push(column);
                continue;
            }
            let within = residual(observation.as_slice(), images.column(place).as_slice()).linf;
            // With a prior, another code may reproduce the observation at a lower loss.
            let is_preimage = options.prior == 0.0
                && (reproduced || within <= options.epsilon_of(self.inverter.network(), observation.as_slice()));
            let euclidean = is_euclidean && stationary;
            if is_preimage || euclidean {
                answers.take(
                    column,
                    &codes.column(place),
                    if stationary { Status::Converged } else { Status::NotConverged },
                );
            }
            if !(is_preimage || euclidean && same_region && !flat) {
                left.push(column);
            }
        }
        left.sort_unstable();
        left
    }

    /// Runs descent once from each warm code. Returns the columns without a warm code, or whose run
    /// diverged.
    fn descend_from(
        &self,
        warm: &DMatrix<f64>,
        observations: &DMatrix<f64>,
        (steps, _): &(Steps, DescentOptions),
        answers: &mut Answers,
    ) -> Vec<usize> {
        let (started, mut left) = with_a_start(warm, observations);
        let starts: Vec<Start> = started
            .iter()
            .map(|column| Start::fresh(*column, warm.column(*column).iter().copied().collect(), steps.optimizer))
            .collect();
        let runs = self.inverter.runtime().run(|| runs(self.cpu.double(), observations, &starts, steps));
        for (column, run) in started.into_iter().zip(runs) {
            if run.loss.is_finite() {
                answers.codes.column_mut(column).copy_from_slice(&run.code);
                answers.status[column] = if run.converged { Status::Converged } else { Status::NotConverged };
                answers.from_warm_start[column] = true;
            } else {
                left.push(column);
            }
        }
        if let Some(objective) = self.inverter.options().refine {
            self.refine_taken(objective, observations, answers);
        }
        left.sort_unstable();
        left
    }

    /// Refines the answers from warm starts, like those of the method.
    fn refine_taken(&self, objective: Objective, observations: &DMatrix<f64>, answers: &mut Answers) {
        let taken: Vec<usize> = (0..observations.ncols()).filter(|column| answers.from_warm_start[*column]).collect();
        let mut codes = answers.codes.select_columns(&taken);
        let those = observations.select_columns(&taken);
        self.inverter
            .runtime()
            .run(|| refine_batch(self.inverter.packed(), &those, &mut codes, &RefineOptions::of(objective)));
        for (place, column) in taken.into_iter().enumerate() {
            answers.codes.set_column(column, &codes.column(place));
        }
    }

    /// Runs the method on these columns. An existing answer is kept if it is nearer.
    fn run_method(
        &self,
        device: &dyn Device,
        observations: &DMatrix<f64>,
        indices: &[u64],
        columns: &[usize],
        answers: &mut Answers,
    ) -> Result<()> {
        for group in self.groups(indices, columns) {
            let columns = &columns[group];
            let those = observations.select_columns(columns);
            let warm = answers.codes.select_columns(columns);
            let starts = answers.bases.select(columns);
            let first_index = indices[columns[0]];
            let (mut batch, ended) = self.inverter.solve_from(device, (&those).into(), first_index, Some(&starts))?;
            self.inverter.complete(&those, &mut batch);
            let [warm, found] = [&warm, &batch.codes].map(|codes| self.losses(codes, &those));
            for (place, (&column, row)) in columns.iter().zip(batch.rows).enumerate() {
                let method_is_nearer = found[place] < warm[place];
                answers.bases.replace(column, &ended, place);
                // Also false if the method failed.
                let is_nearer = answers.from_warm_start[column] && !method_is_nearer;
                if !is_nearer {
                    answers.codes.set_column(column, &batch.codes.column(place));
                    answers.status[column] = row.status;
                    answers.from_warm_start[column] = false;
                }
            }
        }
        Ok(())
    }

    /// Twice the loss of each code: the squared distance of its image, and `λ‖z‖²` with a prior.
    fn losses(&self, codes: &DMatrix<f64>, observations: &DMatrix<f64>) -> Vec<f64> {
        let mut losses = squared_distances(&self.images_inside(codes), observations);
        let prior = self.inverter.options().prior;
        if prior > 0.0 {
            losses.iter_mut().zip(codes.column_iter()).for_each(|(loss, code)| *loss += prior * code.norm_squared());
        }
        losses
    }

    /// Groups `columns` for the method. A method that draws random codes by the index of the
    /// observation needs consecutive indices in a group.
    fn groups(&self, indices: &[u64], columns: &[usize]) -> Vec<Range<usize>> {
        let draws = !matches!(self.inverter.options().method, Method::Layerwise(_));
        let mut groups: Vec<Range<usize>> = Vec::new();
        for place in 0..columns.len() {
            let follows = |last: usize| !draws || indices[columns[place]] == indices[columns[last]].wrapping_add(1);
            match groups.last_mut() {
                Some(group) if follows(place - 1) => group.end = place + 1,
                _ => groups.push(place..place + 1),
            }
        }
        groups
    }
}

/// The columns of usable observations that have a finite warm code, and the others.
fn with_a_start(warm: &DMatrix<f64>, observations: &DMatrix<f64>) -> (Vec<usize>, Vec<usize>) {
    (0..observations.ncols()).partition(|&column| {
        warm.column(column).iter().all(|z| z.is_finite()) && unusable(observations.column(column).as_slice()).is_none()
    })
}

impl Answers {
    fn take(&mut self, column: usize, code: &DVectorView<'_, f64>, status: Status) {
        self.codes.set_column(column, code);
        self.status[column] = status;
        self.from_warm_start[column] = true;
    }
}
