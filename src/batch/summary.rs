//! What a run came to, added up batch by batch in constant memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InvertedBatch;
use crate::formats::report::Status;

/// A relative code error up to this counts as a success, as in the paper's experiments.
pub const SUCCESS_ERROR: f64 = 1e-3;

/// The sums over a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Observations.
    pub observations: u64,
    /// Status `solved` or `converged`.
    pub solved: u64,
    /// Status `not-certified` or `not-converged`.
    pub not_certified: u64,
    /// Status `failed`.
    pub failed: u64,
    /// Residual at most ε₀ in the maximum norm.
    pub reproduced: u64,
    /// Residual no larger than noise of size ε₀ explains, by [`NoiseTest`](super::NoiseTest).
    pub explained: u64,
    /// Determined in every layer; by `best`, locally.
    pub determined: u64,
    /// Solved, but not determined in some layer, and not reproduced: an optimum of every LP, and yet no pre-image.
    pub undetermined_missed: u64,
    /// Improved by refinement.
    pub refined: u64,
    /// Reasons of failure, with how often each occurred.
    pub failures: BTreeMap<String, u64>,
    /// Runs of searches from many starts.
    pub runs: u64,
    /// LPs solved and the iterations they took.
    pub solves: u64,
    /// LPs that the optimum of a neighbouring ε led to.
    pub from_neighbour: u64,
    /// Interior-point iterations.
    pub iterations: u64,
    /// Simplex pivots.
    pub pivots: u64,
    /// LPs that took a slower path, their first answer not passing the certificate.
    pub retries: u64,
    /// Largest entries of the residuals.
    pub residual_linf: Distribution,
    /// Root mean squares of the residuals, per observed entry.
    pub residual_rms: Distribution,
    /// Relative Euclidean residuals.
    pub residual_l2_relative: Distribution,
    /// Relative code errors, where the true codes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_error: Option<Distribution>,
    /// Code errors up to [`SUCCESS_ERROR`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successes: Option<u64>,
    /// Relative errors of the images, where a recovery knows the true ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_error: Option<Distribution>,
    /// Image errors up to [`SUCCESS_ERROR`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_successes: Option<u64>,
    /// The device, as it was at the end.
    pub device: String,
    /// Kernels run on it.
    pub dispatches: u64,
    /// Threads of the LP pool.
    pub threads: usize,
    /// Seconds by stage.
    pub seconds: Seconds,
}

/// Wall-clock seconds by stage. Where batches overlap, the time of a stage is that during which at least one batch was in it, and the
/// stages add up to more than the total.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading observations.
    pub read: f64,
    /// ReLU configurations, on the device.
    pub classify: f64,
    /// Linear programs, and the searches of `best`.
    pub solve: f64,
    /// Forward passes for the stop rules, on the device.
    pub forward: f64,
    /// Gradient descent, and Levenberg–Marquardt of `best`, on the device.
    pub descent: f64,
    /// Refinement.
    pub refine: f64,
    /// Residuals in f64.
    pub residuals: f64,
    /// Writing codes and report.
    pub write: f64,
    /// The device: any of classify, forward and descent.
    pub device: f64,
    /// The pool: any of solve, refine and residuals.
    pub pool: f64,
    /// From start to end.
    pub total: f64,
}

impl Seconds {
    /// The stage that bounds the run: its name and seconds.
    pub fn slowest(&self) -> (&'static str, f64) {
        let stages = [("pool", self.pool), ("device", self.device), ("read", self.read), ("write", self.write)];
        stages.into_iter().fold(("pool", self.pool), |most, stage| if stage.1 > most.1 { stage } else { most })
    }

    /// Adds those of another part of the work.
    pub fn add(&mut self, other: &Seconds) {
        let Seconds { read, classify, solve, forward, descent, refine, residuals, write, device, pool, total } = other;
        let pairs = [
            (&mut self.read, read),
            (&mut self.classify, classify),
            (&mut self.solve, solve),
            (&mut self.forward, forward),
            (&mut self.descent, descent),
            (&mut self.refine, refine),
            (&mut self.residuals, residuals),
            (&mut self.write, write),
            (&mut self.device, device),
            (&mut self.pool, pool),
            (&mut self.total, total),
        ];
        for (sum, seconds) in pairs {
            *sum += seconds;
        }
    }
}

/// Kinds of failure kept apart; more are counted together, so that memory stays bounded.
const MOST_REASONS: usize = 20;

impl Summary {
    /// Adds a batch.
    pub fn add(&mut self, batch: &InvertedBatch) {
        for row in &batch.rows {
            self.observations += 1;
            match &row.status {
                Status::Solved | Status::Converged => self.solved += 1,
                Status::NotCertified | Status::NotConverged => self.not_certified += 1,
                Status::Failed(why) => {
                    self.failed += 1;
                    self.count_failure(why);
                }
            }
            self.reproduced += u64::from(row.reproduces);
            self.explained += u64::from(row.explained);
            self.refined += u64::from(row.refined);
            let all_determined = !row.layers.is_empty() && row.layers.iter().all(|layer| layer.determined);
            let by_search = row.search.as_ref().is_some_and(|search| search.determined);
            self.determined += u64::from((all_determined || by_search) && !matches!(row.status, Status::Failed(_)));
            self.runs += row.search.as_ref().map_or(0, |search| search.runs as u64);
            let open = row.layers.iter().any(|layer| !layer.determined);
            self.undetermined_missed += u64::from(open && row.status == Status::Solved && !row.reproduces);
            self.retries += row.layers.iter().map(|layer| layer.retries as u64).sum::<u64>();
            self.solves += row.layers.iter().map(|layer| layer.solves as u64).sum::<u64>();
            self.from_neighbour += row.layers.iter().map(|layer| layer.from_neighbour as u64).sum::<u64>();
            self.pivots += row.layers.iter().map(|layer| layer.pivots).sum::<u64>();
            self.iterations += row.layers.iter().map(|layer| layer.iterations).sum::<u64>();
            self.iterations += u64::from(row.iterations.unwrap_or(0));
            self.residual_linf.add(row.residual.linf);
            self.residual_rms.add(row.residual.rms);
            self.residual_l2_relative.add(row.residual.l2_relative);
            if let Some(error) = row.code_error {
                self.code_error.get_or_insert_default().add(error);
                *self.successes.get_or_insert(0) += u64::from(error <= SUCCESS_ERROR);
            }
            if let Some(error) = row.image_error {
                self.image_error.get_or_insert_default().add(error);
                *self.image_successes.get_or_insert(0) += u64::from(error <= SUCCESS_ERROR);
            }
        }
        let (seconds, times) = (&mut self.seconds, &batch.times);
        seconds.classify += times.layers.classify.as_secs_f64();
        seconds.solve += (times.layers.solve + times.search).as_secs_f64();
        seconds.forward += times.layers.forward.as_secs_f64();
        seconds.descent += times.descent.as_secs_f64();
        seconds.refine += times.refine.as_secs_f64();
        seconds.residuals += times.residuals.as_secs_f64();
    }

    /// Counts a kind of failure; the report has each observation's own numbers.
    fn count_failure(&mut self, why: &str) {
        let kind = match why.split_once(": ") {
            Some((layer, _)) if layer.starts_with("layer") => layer,
            _ if why.starts_with("entry ") => "an entry is infinite",
            _ => why,
        };
        self.count_failures(kind, 1);
    }

    fn count_failures(&mut self, kind: &str, count: u64) {
        let kind =
            if self.failures.contains_key(kind) || self.failures.len() < MOST_REASONS { kind } else { "other reasons" };
        *self.failures.entry(kind.to_owned()).or_default() += count;
    }

    /// Adds what came of other observations of the same run. Device and threads become those of `other`.
    pub fn merge(&mut self, other: &Summary) {
        // Each field is named here, so that a new one is not forgotten.
        let Summary {
            observations,
            solved,
            not_certified,
            failed,
            reproduced,
            explained,
            determined,
            undetermined_missed,
            refined,
            failures,
            runs,
            solves,
            iterations,
            retries,
            from_neighbour,
            pivots,
            residual_linf,
            residual_rms,
            residual_l2_relative,
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
            (&mut self.failed, failed),
            (&mut self.reproduced, reproduced),
            (&mut self.explained, explained),
            (&mut self.determined, determined),
            (&mut self.undetermined_missed, undetermined_missed),
            (&mut self.refined, refined),
            (&mut self.runs, runs),
            (&mut self.solves, solves),
            (&mut self.iterations, iterations),
            (&mut self.retries, retries),
            (&mut self.from_neighbour, from_neighbour),
            (&mut self.pivots, pivots),
            (&mut self.dispatches, dispatches),
        ];
        for (sum, count) in counts {
            *sum += count;
        }
        for (kind, &count) in failures {
            self.count_failures(kind, count);
        }
        self.residual_linf.merge(residual_linf);
        self.residual_rms.merge(residual_rms);
        self.residual_l2_relative.merge(residual_l2_relative);
        if let Some(error) = code_error {
            self.code_error.get_or_insert_default().merge(error);
        }
        if let Some(successes) = successes {
            *self.successes.get_or_insert(0) += successes;
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

    /// Whether every observation has a certified, or converged, answer.
    pub fn all_solved(&self) -> bool {
        self.solved == self.observations
    }

    /// Observations a second, from start to end.
    pub fn rate(&self) -> f64 {
        self.observations as f64 / self.seconds.total.max(f64::MIN_POSITIVE)
    }
}

/// A distribution of nonnegative numbers: extremes exactly, quantiles to 3 %, in constant memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Numbers added; those that are not numbers are left out.
    pub(super) count: u64,
    pub(super) largest: f64,
    pub(super) smallest: f64,
    /// Counts by `⌊BINS_PER_DECADE · log₁₀ x⌋`, from `10^LOWEST_DECADE`.
    pub(super) bins: BTreeMap<i32, u64>,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution { count: 0, largest: f64::NEG_INFINITY, smallest: f64::INFINITY, bins: BTreeMap::new() }
    }
}

const BINS_PER_DECADE: f64 = 80.0;
/// Everything below counts as 0.
const LOWEST: f64 = 1e-300;

impl Distribution {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1;
        self.largest = self.largest.max(value);
        self.smallest = self.smallest.min(value);
        let bin = if value < LOWEST { i32::MIN } else { (BINS_PER_DECADE * value.log10()).floor() as i32 };
        *self.bins.entry(bin).or_default() += 1;
    }

    /// Adds the numbers of another.
    pub fn merge(&mut self, other: &Distribution) {
        self.count += other.count;
        self.largest = self.largest.max(other.largest);
        self.smallest = self.smallest.min(other.smallest);
        for (&bin, &count) in &other.bins {
            *self.bins.entry(bin).or_default() += count;
        }
    }

    /// The number below which a share `q` in `[0, 1]` lies; `NaN` where nothing was added.
    pub fn quantile(&self, q: f64) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut passed = 0;
        for (&bin, &count) in &self.bins {
            passed += count;
            if passed >= rank {
                let middle = if bin == i32::MIN { 0.0 } else { 10f64.powf((f64::from(bin) + 0.5) / BINS_PER_DECADE) };
                return middle.clamp(self.smallest, self.largest);
            }
        }
        self.largest
    }

    /// The largest number; `NaN` where nothing was added.
    pub fn largest(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.largest }
    }
}

impl Serialize for Distribution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Distribution", 3)?;
        fields.serialize_field("median", &self.quantile(0.5))?;
        fields.serialize_field("percentile_90", &self.quantile(0.9))?;
        fields.serialize_field("largest", &self.largest())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_good_to_three_percent() {
        let mut distribution = Distribution::default();
        for i in 1..=1000 {
            distribution.add(f64::from(i) * 1e-6);
        }
        assert!((distribution.quantile(0.5) / 5e-4 - 1.0).abs() < 0.03);
        assert!((distribution.quantile(0.9) / 9e-4 - 1.0).abs() < 0.03);
        assert_eq!(distribution.largest(), 1e-3);
    }

    #[test]
    fn zeros_and_missing_numbers() {
        let mut distribution = Distribution::default();
        assert!(distribution.quantile(0.5).is_nan());
        distribution.add(f64::NAN);
        distribution.add(0.0);
        assert_eq!(distribution.quantile(0.5), 0.0);
    }
}
