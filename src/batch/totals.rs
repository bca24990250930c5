//! A [`Summary`] as a journal keeps it: whole, so that a run that is resumed, and shards that are merged, end with the
//! summary of one run. Its own JSON, for people and programs, has quantiles in the place of the bins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::summary::{Distribution, Seconds, Summary};

#[derive(Serialize, Deserialize)]
struct Totals {
    observations: u64,
    solved: u64,
    not_certified: u64,
    failed: u64,
    reproduced: u64,
    explained: u64,
    determined: u64,
    undetermined_missed: u64,
    refined: u64,
    failures: BTreeMap<String, u64>,
    runs: u64,
    solves: u64,
    iterations: u64,
    retries: u64,
    from_neighbour: u64,
    pivots: u64,
    residual_linf: Bins,
    residual_rms: Bins,
    residual_l2_relative: Bins,
    code_error: Option<Bins>,
    successes: Option<u64>,
    #[serde(default)]
    image_error: Option<Bins>,
    #[serde(default)]
    image_successes: Option<u64>,
    device: String,
    dispatches: u64,
    threads: usize,
    seconds: Seconds,
}

#[derive(Serialize, Deserialize)]
struct Bins {
    count: u64,
    /// Smallest and largest; JSON has no infinities for a distribution of nothing.
    range: Option<(f64, f64)>,
    bins: BTreeMap<i32, u64>,
}

/// The summary as JSON; `null` if it cannot be written as such.
pub(crate) fn save(summary: &Summary) -> Value {
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
    } = summary.clone();
    let totals = Totals {
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
        residual_linf: residual_linf.into(),
        residual_rms: residual_rms.into(),
        residual_l2_relative: residual_l2_relative.into(),
        code_error: code_error.map(Bins::from),
        successes,
        image_error: image_error.map(Bins::from),
        image_successes,
        device,
        dispatches,
        threads,
        seconds,
    };
    serde_json::to_value(totals).unwrap_or(Value::Null)
}

/// The summary that [`save`] wrote; `None` for anything else.
pub(crate) fn load(value: Value) -> Option<Summary> {
    let totals: Totals = serde_json::from_value(value).ok()?;
    Some(Summary {
        observations: totals.observations,
        solved: totals.solved,
        not_certified: totals.not_certified,
        failed: totals.failed,
        reproduced: totals.reproduced,
        explained: totals.explained,
        determined: totals.determined,
        undetermined_missed: totals.undetermined_missed,
        refined: totals.refined,
        failures: totals.failures,
        runs: totals.runs,
        solves: totals.solves,
        iterations: totals.iterations,
        retries: totals.retries,
        from_neighbour: totals.from_neighbour,
        pivots: totals.pivots,
        residual_linf: totals.residual_linf.into(),
        residual_rms: totals.residual_rms.into(),
        residual_l2_relative: totals.residual_l2_relative.into(),
        code_error: totals.code_error.map(Distribution::from),
        successes: totals.successes,
        image_error: totals.image_error.map(Distribution::from),
        image_successes: totals.image_successes,
        device: totals.device,
        dispatches: totals.dispatches,
        threads: totals.threads,
        seconds: totals.seconds,
    })
}

impl From<Distribution> for Bins {
    fn from(distribution: Distribution) -> Self {
        let Distribution { count, largest, smallest, bins } = distribution;
        // An infinite number has no JSON either.
        let range = (count > 0).then_some((smallest.min(f64::MAX), largest.min(f64::MAX)));
        Bins { count, range, bins }
    }
}

impl From<Bins> for Distribution {
    fn from(Bins { count, range, bins }: Bins) -> Self {
        let (smallest, largest) = range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        Distribution { count, largest, smallest, bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_comes_back_as_it_was() {
        let mut summary = Summary { observations: 3, explained: 2, device: "CPU".to_owned(), ..Summary::default() };
        summary.failures.insert("no entry is observed".to_owned(), 1);
        for value in [0.0, 3.7e-9, 0.125, 1.0 / 3.0] {
            summary.residual_linf.add(value);
            summary.residual_rms.add(value / 2.0);
        }
        let text = save(&summary).to_string();
        let loaded = load(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(format!("{loaded:?}"), format!("{summary:?}"));
        assert!(load(Value::Null).is_none());
    }

    #[test]
    fn two_halves_make_a_whole() {
        let (mut whole, mut halves) = (Distribution::default(), [Distribution::default(), Distribution::default()]);
        for i in 1..=100 {
            whole.add(f64::from(i));
            halves[i as usize % 2].add(f64::from(i));
        }
        let [mut first, second] = halves;
        first.merge(&second);
        assert_eq!(first, whole);
    }
}
