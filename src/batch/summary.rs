//! The totals of a run, added up batch by batch in constant memory.
//!
//! serde writes a [`Summary`] completely. A journal stores it, so that a resumed run and merged
//! shards end with the same summary as one run. [`Summary::json`] is the form for people and
//! programs.

mod distribution;
mod failures;
mod seconds;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InvertedBatch, is_determined_by_method};
use crate::outcome::{Fit, Intervals, ObservationRow, Status};
pub use distribution::Distribution;
pub use failures::FailureCounts;
pub use seconds::Seconds;

/// A relative code error up to this counts as a success, as in the paper's experiments.
pub const SUCCESS_ERROR: f64 = 1e-3;

/// The totals of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of observations.
    pub observations: u64,
    /// Observations whose status is `solved` or `converged`.
    pub solved: u64,
    /// Observations whose status is `not-certified` or `not-converged`.
    pub not_certified: u64,
    /// Observations whose status is `unexplained`: the code does not explain them.
    pub unexplained: u64,
    /// Observations whose status is `failed`.
    pub failed: u64,
    /// Observations that their codes reproduce ([`Fit::Reproduced`]).
    pub reproduced: u64,
    /// Observations whose codes come close ([`Fit::Approximate`]).
    pub approximate: u64,
    /// Their residuals, as multiples of the tolerance.
    pub approximate_by: Distribution,
    /// Observations whose code is determined ([`ObservationRow::determined`]).
    pub determined: u64,
    /// Observations that are only approximated, by codes that every layer determines or that are
    /// locally determined.
    pub determined_not_reproduced: u64,
    /// Solved observations that are not reproduced, and not determined in every layer. Another
    /// method may find their codes.
    pub undetermined_missed: u64,
    /// Observations with entries outside the range of the output.
    pub out_of_range: u64,
    /// Codes far outside the law that the generator was trained with.
    pub far_codes: u64,
    /// Observations that refinement improved.
    pub refined: u64,
    /// The number of failures per kind.
    pub failures: FailureCounts,
    /// Runs of searches from many starts.
    pub runs: u64,
    /// Linear programs solved.
    pub solves: u64,
    /// Linear programs that were warm-started from the optimum of a neighbouring ε.
    #[serde(rename = "from_neighbour")]
    pub warm_started: u64,
    /// Interior-point iterations, or iterations of `descent`.
    pub iterations: u64,
    /// Simplex pivots.
    pub pivots: u64,
    /// Linear programs whose first solution failed the certificate and that took a slower path.
    pub retries: u64,
    /// The largest absolute entries of the residuals.
    pub residual_linf: Distribution,
    /// The root mean squares of the residuals, over the observed entries.
    pub residual_rms: Distribution,
    /// Relative Euclidean residuals.
    pub residual_l2_relative: Distribution,
    /// The parts `½‖G(z) − x‖²` of losses with a prior.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_data: Option<Distribution>,
    /// Their parts `½λ‖z‖²`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_prior: Option<Distribution>,
    /// Codes with an interval for every entry, if intervals were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_intervals: Option<u64>,
    /// Codes in whose region no code leaves residuals within the noise ([`Intervals::Empty`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond_noise: Option<u64>,
    /// The sizes of the noise that the intervals are for, given or by the residual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_size: Option<Distribution>,
    /// Relative code errors, if the true codes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_error: Option<Distribution>,
    /// Observations with a code error of at most `SUCCESS_ERROR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successes: Option<u64>,
    /// Relative image errors, if a recovery knows the true images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_error: Option<Distribution>,
    /// Observations with an image error of at most `SUCCESS_ERROR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_successes: Option<u64>,
    /// The device at the end of the run.
    pub device: String,
    /// Number of kernels run on the device.
    pub dispatches: u64,
    /// Number of threads of the pool.
    pub threads: usize,
    /// Seconds per stage.
    pub seconds: Seconds,
}

impl Summary {
    /// Adds a batch.
    pub fn add(&mut self, batch: &InvertedBatch) {
        for row in &batch.rows {
            self.add_row(row);
        }
        let (seconds, times) = (&mut self.seconds, &batch.times);
        seconds.classify += times.layers.classify.as_secs_f64();
        seconds.solve += (times.layers.solve + times.search).as_secs_f64();
        seconds.forward += times.layers.forward.as_secs_f64();
        seconds.descent += times.descent.as_secs_f64();
        seconds.refine += times.refine.as_secs_f64();
        seconds.residuals += times.residuals.as_secs_f64();
    }

    fn add_row(&mut self, row: &ObservationRow) {
        self.observations += 1;
        match &row.status {
            Status::Solved | Status::Converged => self.solved += 1,
            Status::NotCertified | Status::NotConverged => self.not_certified += 1,
            Status::Unexplained => self.unexplained += 1,
            Status::Failed(why) => {
                self.failed += 1;
                self.failures.add(why.kind(), 1);
            }
        }
        let reproduced = row.fit == Some(Fit::Reproduced);
        self.reproduced += u64::from(reproduced);
        if row.fit == Some(Fit::Approximate) {
            self.approximate += 1;
            self.approximate_by.add(row.tolerances_missed);
        }
        self.out_of_range += u64::from(row.out_of_range > 0);
        self.far_codes += u64::from(row.far_code);
        self.refined += u64::from(row.refined);
        self.determined += u64::from(row.determined);
        let approximate = row.fit == Some(Fit::Approximate) && row.out_of_range == 0;
        self.determined_not_reproduced += u64::from(approximate && is_determined_by_method(row));
        self.runs += row.search.as_ref().map_or(0, |search| search.runs as u64);
        let open = row.layers.iter().any(|layer| !layer.determined);
        self.undetermined_missed += u64::from(open && row.status == Status::Solved && !reproduced);
        self.retries += row.layers.iter().map(|layer| layer.retries as u64).sum::<u64>();
        self.solves += row.layers.iter().map(|layer| layer.solves as u64).sum::<u64>();
        self.warm_started += row.layers.iter().map(|layer| layer.warm_started as u64).sum::<u64>();
        self.pivots += row.layers.iter().map(|layer| layer.pivots).sum::<u64>();
        self.iterations += row.layers.iter().map(|layer| layer.iterations).sum::<u64>();
        self.iterations += u64::from(row.iterations.unwrap_or(0));
        self.residual_linf.add(row.residual.linf);
        self.residual_rms.add(row.residual.rms);
        self.residual_l2_relative.add(row.residual.l2_relative);
        if let Some(loss) = row.loss {
            self.loss_data.get_or_insert_default().add(loss.data);
            self.loss_prior.get_or_insert_default().add(loss.prior);
        }
        if let Some(uncertainty) = &row.uncertainty {
            *self.with_intervals.get_or_insert(0) += u64::from(uncertainty.intervals == Intervals::Complete);
            *self.beyond_noise.get_or_insert(0) += u64::from(uncertainty.intervals == Intervals::Empty);
            self.noise_size.get_or_insert_default().add(uncertainty.noise_size);
        }
        if let Some(error) = row.code_error {
            self.code_error.get_or_insert_default().add(error);
            *self.successes.get_or_insert(0) += u64::from(error <= SUCCESS_ERROR);
        }
        if let Some(error) = row.image_error {
            self.image_error.get_or_insert_default().add(error);
            *self.image_successes.get_or_insert(0) += u64::from(error <= SUCCESS_ERROR);
        }
    }

    /// Adds the summary of other observations of the same run. Device and threads are taken from
    /// `other`. Sums end at the largest number, because a damaged journal can hold any.
    pub fn merge(&mut self, other: &Summary) {
        // The pattern names every field, so the compiler reports a new field that is missing here.
        let Summary {
            observations,
            solved,
            not_certified,
            unexplained,
            failed,
            reproduced,
            approximate,
            approximate_by,
            determined,
            determined_not_reproduced,
            undetermined_missed,
            out_of_range,
            far_codes,
            refined,
            failures,
            runs,
            solves,
            iterations,
            retries,
            warm_started,
            pivots,
            residual_linf,
            residual_rms,
            residual_l2_relative,
            loss_data,
            loss_prior,
            with_intervals,
            beyond_noise,
            noise_size,
            code_error,
            successes,
            image_error,
            image_successes,
            device,
            dispatches,
            threads,
            seconds,
        } = other;
        let counts = [
            (&mut self.observations, observations),
            (&mut self.solved, solved),
            (&mut self.not_certified, not_certified),
            (&mut self.unexplained, unexplained),
            (&mut self.failed, failed),
            (&mut self.reproduced, reproduced),
            (&mut self.approximate, approximate),
            (&mut self.determined, determined),
            (&mut self.determined_not_reproduced, determined_not_reproduced),
            (&mut self.undetermined_missed, undetermined_missed),
            (&mut self.out_of_range, out_of_range),
            (&mut self.far_codes, far_codes),
            (&mut self.refined, refined),
            (&mut self.runs, runs),
            (&mut self.solves, solves),
            (&mut self.iterations, iterations),
            (&mut self.retries, retries),
            (&mut self.warm_started, warm_started),
            (&mut self.pivots, pivots),
            (&mut self.dispatches, dispatches),
        ];
        for (sum, count) in counts {
            *sum = sum.saturating_add(*count);
        }
        self.failures.merge(failures);
        self.approximate_by.merge(approximate_by);
        self.residual_linf.merge(residual_linf);
        self.residual_rms.merge(residual_rms);
        self.residual_l2_relative.merge(residual_l2_relative);
        if let Some(loss) = loss_data {
            self.loss_data.get_or_insert_default().merge(loss);
        }
        if let Some(loss) = loss_prior {
            self.loss_prior.get_or_insert_default().merge(loss);
        }
        if let Some(size) = noise_size {
            self.noise_size.get_or_insert_default().merge(size);
        }
        if let Some(error) = code_error {
            self.code_error.get_or_insert_default().merge(error);
        }
        let optional = [(&mut self.with_intervals, with_intervals), (&mut self.beyond_noise, beyond_noise)];
        for (sum, count) in optional {
            if let Some(count) = count {
                *sum = Some(sum.unwrap_or(0).saturating_add(*count));
            }
        }
        if let Some(successes) = successes {
            let sum = self.successes.get_or_insert(0);
            *sum = sum.saturating_add(*successes);
        }
        if let Some(error) = image_error {
            self.image_error.get_or_insert_default().merge(error);
        }
        if let Some(successes) = image_successes {
            *self.image_successes.get_or_insert(0) += successes;
        }
        self.device.clone_from(device);
        self.threads = *threads;
        self.seconds.add(seconds);
    }

    /// Whether every observation has a certified or converged answer that explains it.
    pub fn all_solved(&self) -> bool {
        self.solved == self.observations
    }

    /// Observations per second, from start to end.
    pub fn rate(&self) -> f64 {
        self.observations as f64 / self.seconds.total.max(f64::MIN_POSITIVE)
    }

    /// The summary for people and programs: quantiles instead of bins, and the number of failures
    /// per kind, by the words of the kind.
    pub fn json(&self) -> Value {
        // Cannot fail: the value has only numbers, strings and maps with string keys.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        let distributions = [
            ("approximate_by", Some(&self.approximate_by)),
            ("residual_linf", Some(&self.residual_linf)),
            ("residual_rms", Some(&self.residual_rms)),
            ("residual_l2_relative", Some(&self.residual_l2_relative)),
            ("loss_data", self.loss_data.as_ref()),
            ("loss_prior", self.loss_prior.as_ref()),
            ("noise_size", self.noise_size.as_ref()),
            ("code_error", self.code_error.as_ref()),
            ("image_error", self.image_error.as_ref()),
        ];
        for (name, distribution) in distributions {
            if let Some(distribution) = distribution {
                value[name] = distribution.json();
            }
        }
        value["failures"] = self.failures.json();
        value
    }
}

#[cfg(test)]
mod tests;
