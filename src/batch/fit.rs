//! Judges an answer from its residual: how well the code explains the observation, and what that
//! makes of the status. docs/INVERSION.md ("When a code explains its observation") has the rule.
//!
//! A method's own guarantee is about its programs or steps. An answer is good only if its code
//! explains the observation, too: programs of single layers can all be certified while the network
//! makes another image.

use std::sync::OnceLock;

use nalgebra::DMatrix;

use super::code_law::CodeLaw;
use super::noise_law::NoiseLaw;
use super::noise_test::{NoiseTest, are_mostly_within};
use super::output_range::{OutputRange, Outside};
use super::rows::residual;
use super::{Method, Options};
use crate::lp::formulation::LayerwiseMethod;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::Objective;
use crate::network::{Activation, Network};
use crate::observation::largest_entry;
use crate::outcome::{Fit, Loss, ObservationRow, Residual, Status};

/// A residual up to this many times the tolerance is reproduced.
const REPRODUCED: f64 = 2.0;
/// The same for `exact`, whose tolerance is that of one layer's equations.
const REPRODUCED_EXACTLY: f64 = 10.0;
/// Laplace noise exceeds five times this size in one entry of half a billion.
const LONG_TAIL: f64 = 4.0;
/// A residual above this share of the observation's variation is unexplained; one above this share
/// of its largest entry is reproduced only within a named noise.
const UNEXPLAINED: f64 = 0.5;

/// The norm of a residual, per entry.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Norm {
    Largest,
    Mean,
    RootMeanSquare,
}

impl Norm {
    fn by(objective: Objective) -> Self {
        match objective {
            Objective::L2 => Norm::RootMeanSquare,
            Objective::L1 => Norm::Mean,
            Objective::Linf => Norm::Largest,
        }
    }

    fn of(self, residual: &Residual) -> f64 {
        match self {
            Norm::Largest => residual.linf,
            Norm::Mean => residual.l1 / residual.observed as f64,
            Norm::RootMeanSquare => residual.rms,
        }
    }
}

/// Judges the answers of one inverter or recoverer.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    /// The size of the noise, if one was named.
    noise: Option<f64>,
    norm: Norm,
    noise_test: NoiseTest,
    law_of_noise: Option<NoiseLaw>,
    /// For `exact`: the factor from the tolerance of the last layer to one on its output.
    exact: Option<f64>,
    /// Whether the status describes iterations: an answer that reproduces the observation needs no
    /// more of them.
    iterates: bool,
    /// [`Options::is_by_layers`].
    by_layers: bool,
    range: Option<OutputRange>,
    /// About the first observation of which something was noted.
    data_warning: OnceLock<String>,
    law: CodeLaw,
    /// `λ`.
    prior: f64,
}

impl Judge {
    /// The judge of inversions with these options.
    pub fn of(options: &Options, network: &Network) -> Self {
        let output = network.layers()[network.depth() - 1].activation;
        let norm = match (&options.method, options.refine) {
            (_, Some(objective)) => Norm::by(objective),
            (Method::Layerwise(layers), None) => match layers.method {
                LayerwiseMethod::Linf | LayerwiseMethod::Exact => Norm::Largest,
                LayerwiseMethod::L1 | LayerwiseMethod::Relaxed => Norm::Mean,
            },
            (Method::Best(best), None) => Norm::by(best.search.objective),
            (Method::Descent(_), None) => Norm::RootMeanSquare,
        };
        let slope = if output == Activation::Sigmoid { 0.25 } else { 1.0 };
        Judge {
            norm,
            noise_test: NoiseTest::of(options),
            exact: options.is_exact().then_some(slope),
            iterates: !matches!(options.method, Method::Layerwise(_)),
            by_layers: options.is_by_layers(),
            range: OutputRange::of(output),
            ..Judge::of_objective(Objective::L2, options)
        }
    }

    /// The judge of a recovery that minimises this error of measurements.
    pub fn of_objective(objective: Objective, options: &Options) -> Self {
        Judge {
            noise: options.named_noise(),
            norm: Norm::by(objective),
            noise_test: NoiseTest::by(objective, options),
            law_of_noise: options.noise_law,
            exact: None,
            iterates: true,
            by_layers: false,
            range: None,
            data_warning: OnceLock::new(),
            law: options.code_law,
            prior: options.prior,
        }
    }

    /// The same, for measurements that are outputs of `network` themselves.
    pub fn with_range(self, network: &Network) -> Self {
        Judge { range: OutputRange::of(network.layers()[network.depth() - 1].activation), ..self }
    }

    /// The warning about the first observation that was seen outside the range of the output, or
    /// below the size of the noise.
    pub fn data_warning(&self) -> Option<&str> {
        self.data_warning.get().map(String::as_str)
    }

    /// Looks for observations outside the range, or below the size of the noise, until the first is
    /// found. `first_index`: the index of the first of `observations` in the run.
    pub fn note_data(&self, observations: &DMatrix<f64>, first_index: u64) {
        if self.data_warning.get().is_some() {
            return;
        }
        let warning = (first_index..).zip(observations.column_iter()).find_map(|(index, observation)| {
            let outside = || {
                let range = self.range?;
                Some(range.warning(index, &self.outside(&range, observation.as_slice())?))
            };
            self.drowned(index, observation.as_slice()).or_else(outside)
        });
        if let Some(warning) = warning {
            self.data_warning.get_or_init(|| warning);
        }
    }

    /// What to say of an observation whose entries are all below the named size of the noise: any
    /// code with small outputs passes the test of the answers. `None` for zeros.
    fn drowned(&self, index: u64, observation: &[f64]) -> Option<String> {
        let noise = self.noise?;
        let largest = largest_entry(observation);
        (largest > 0.0 && largest <= noise).then(|| {
            format!(
                "observation {index}: the named noise, {noise:e}, is not below its largest entry, {largest:.1e}; such \
                 noise explains nearly any code. Check the size (option `noise`) and the scale of the observations"
            )
        })
    }

    /// The entries out of range, by more than the noise of the named law makes them; `None` if
    /// there is none.
    fn outside(&self, range: &OutputRange, observation: &[f64]) -> Option<Outside> {
        match self.law_of_noise {
            Some(NoiseLaw::Gross) => {
                // Gross errors leave the range; a wrong scale of all entries is something else.
                range.outside(observation, self.noise).filter(|outside| 4 * outside.count > outside.observed)
            }
            Some(NoiseLaw::Laplace) => range.outside(observation, self.noise.map(|noise| LONG_TAIL * noise)),
            _ => range.outside(observation, self.noise),
        }
    }

    /// Completes the row of an answer, whose ε₀ is set. `output`: what `code` makes; `NaN` if there
    /// is no code.
    pub fn judge(&self, observation: &[f64], output: &[f64], code: &[f64], row: &mut ObservationRow) {
        row.residual = residual(observation, output);
        row.reproduces = row.residual.linf <= row.epsilon;
        let outside = self.range.and_then(|range| self.outside(&range, observation));
        row.out_of_range = outside.map_or(0, |outside| outside.count);
        if row.status.failure().is_some() || row.residual.observed == 0 {
            return;
        }
        row.far_code = self.law.is_far(code);
        if self.prior > 0.0 {
            let data = 0.5 * row.residual.observed as f64 * row.residual.rms * row.residual.rms;
            let prior = 0.5 * self.prior * code.iter().map(|z| z * z).sum::<f64>();
            row.loss = Some(Loss { data, prior });
        }
        let fit = self.fit(observation, output, row);
        row.fit = Some(fit);
        if fit == Fit::Unexplained {
            row.status = Status::Unexplained;
        } else if self.iterates
            && self.noise.is_none()
            && self.prior == 0.0
            && row.reproduces
            && row.status == Status::NotConverged
        {
            // Nothing is left to minimise. Within a named noise there may be a lower minimum.
            row.status = Status::Converged;
        }
        // What is left of an approximate code may be the error of a wrong network.
        row.determined = fit == Fit::Reproduced && row.out_of_range == 0 && is_determined_by_method(row);
    }

    fn fit(&self, observation: &[f64], output: &[f64], row: &mut ObservationRow) -> Fit {
        let last_epsilon = row.layers.first().map_or(0.0, |layer| layer.epsilon);
        // A pre-image is measured by its largest entry, a residual that noise left by the method's
        // norm.
        let (found, tolerance) = match (self.exact, self.noise) {
            (Some(slope), _) => {
                let of_layer = REPRODUCED_EXACTLY / REPRODUCED * slope * last_epsilon;
                (row.residual.linf, of_layer.max(row.epsilon))
            }
            (None, None) => (row.residual.linf, row.epsilon),
            (None, Some(noise)) => (self.norm.of(&row.residual), noise),
        };
        row.tolerance = tolerance;
        row.tolerances_missed = found / tolerance;
        let explained = match self.noise_test {
            // Without a named size the other entries are exact.
            NoiseTest::MostEntries => are_mostly_within(observation, output, tolerance),
            test => self.noise.is_some_and(|noise| test.is_passed(&row.residual, noise)),
        };
        // The default tolerance before a sigmoid or tanh is absolute, and may be larger than all
        // entries of an observation in another unit. Then any small output is within it.
        let largest = largest_entry(observation);
        let says_nothing = self.noise.is_none() && largest > 0.0 && row.residual.linf > UNEXPLAINED * largest;
        // A fit of all layers leaves no more than the noise.
        let within = (self.by_layers || self.noise.is_none()) && found <= REPRODUCED * tolerance;
        if explained || (within && !says_nothing) {
            Fit::Reproduced
        } else if self.exact.is_some() {
            Fit::Unexplained
        } else {
            self.worse(observation, output)
        }
    }

    /// Approximate or unexplained: the residual, less what the named noise is expected to leave,
    /// against the observation's variation around its mean. In sums for the methods that minimise
    /// sums: a few gross errors dominate squares.
    fn worse(&self, observation: &[f64], output: &[f64]) -> Fit {
        let seen = || observation.iter().zip(output).filter(|(x, _)| !x.is_nan());
        let count = seen().count() as f64;
        let mean = seen().map(|(x, _)| x).sum::<f64>() / count;
        let in_sums = self.norm == Norm::Mean;
        // Mean absolute value or root mean square.
        let size = |entry: &dyn Fn((&f64, &f64)) -> f64| -> f64 {
            // Divided by the largest, so that no square overflows.
            let largest = seen().map(entry).fold(0.0f64, |most, entry| most.max(entry.abs()));
            let power = |share: f64| if in_sums { share.abs() } else { share * share };
            let total: f64 = seen().map(|pair| power(entry(pair) / largest)).sum::<f64>() / count;
            if largest == 0.0 { 0.0 } else { largest * if in_sums { total } else { total.sqrt() } }
        };
        let (left, variation) = (size(&|(x, g)| g - x), size(&|(x, _)| x - mean));
        let noise = self.noise.unwrap_or(0.0).min(left);
        let share = if left > 0.0 { noise / left } else { 0.0 };
        let excess = left * if in_sums { 1.0 - share } else { ((1.0 - share) * (1.0 + share)).sqrt() };
        if excess <= UNEXPLAINED * variation { Fit::Approximate } else { Fit::Unexplained }
    }
}

/// Whether the program of every layer has a unique optimum, or the loss of a search increases in
/// every direction. After a refinement by linear programs, the last of them decides.
pub(crate) fn is_determined_by_method(row: &ObservationRow) -> bool {
    if let Some(refinement) = &row.refinement {
        return refinement.determined;
    }
    let by_layers = !row.layers.is_empty() && row.layers.iter().all(|layer| layer.determined);
    by_layers || row.search.as_ref().is_some_and(|search| search.determined)
}

impl Options {
    /// The size of the noise, if one was named. `exact` is for observations without noise.
    pub(crate) fn named_noise(&self) -> Option<f64> {
        self.noise.or(self.reproduces_within).filter(|_| !self.is_exact())
    }

    /// Whether the layers are inverted one by one, and not fitted together afterwards.
    pub(crate) fn is_by_layers(&self) -> bool {
        matches!(self.method, Method::Layerwise(_)) && self.refine.is_none()
    }

    /// Whether the answers promise pre-images.
    pub(crate) fn is_exact(&self) -> bool {
        let is_exact = |layers: &LayerwiseOptions| layers.method == LayerwiseMethod::Exact;
        matches!(&self.method, Method::Layerwise(layers) if is_exact(layers)) && self.refine.is_none()
    }
}

#[cfg(test)]
mod tests;
