//! A row of the throughput table, and the batch size from which the GPU is faster.

use serde::Serialize;

use super::machine::{Kind, Machine};
use super::quantity::Quantity;
use super::repeat::Measured;
use crate::bench::subject::Subject;

/// One device, quantity and batch. A value that was not measured is `None`, and `note` says why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The network's name and sizes.
    pub network: String,
    /// `cpu` or `gpu`.
    pub device: Kind,
    /// The processor's or the adapter's name.
    pub adapter: String,
    /// Threads of the pool; the GPU's host side uses them too.
    pub threads: usize,
    /// The counted quantity.
    pub quantity: Quantity,
    /// Observations or codes per call.
    pub batch: usize,
    /// Iterations per observation; descent only.
    pub iterations: Option<f64>,
    /// Units per second: batch (times iterations) over the median of the seconds.
    pub per_second: Option<f64>,
    /// Seconds of a pass over the batch, transfers included.
    pub seconds_median: Option<f64>,
    /// Seconds of the fastest pass.
    pub seconds_min: Option<f64>,
    /// Seconds of the slowest pass.
    pub seconds_max: Option<f64>,
    /// Measured passes, without the warm-up pass.
    pub repeats: usize,
    /// Median kernel time of a pass in seconds, by the device's own clock.
    pub kernel_seconds: Option<f64>,
    /// 10⁹ floating-point operations per second; `None` for classification and inversion.
    pub gflops: Option<f64>,
    /// The device's measured peak. That of the GPU is in f32; that of the CPU is in f64, or in f32
    /// for descent.
    pub peak_gflops: Option<f64>,
    /// `gflops` over `peak_gflops`.
    pub share_of_peak: Option<f64>,
    /// Entries per second; classification only.
    pub entries_per_second: Option<f64>,
    /// Bytes of these entries, 8 bytes per entry.
    pub bytes_per_second: Option<f64>,
    /// A remark.
    pub note: Option<String>,
}

impl Row {
    /// A row without figures.
    pub(super) fn not_run(
        subject: &Subject,
        kind: Kind,
        machine: &Machine,
        quantity: Quantity,
        batch: usize,
        why: &str,
    ) -> Self {
        Row {
            network: subject.name.clone(),
            device: kind,
            adapter: machine.adapter(kind).to_owned(),
            threads: machine.threads,
            quantity,
            batch,
            iterations: None,
            per_second: None,
            seconds_median: None,
            seconds_min: None,
            seconds_max: None,
            repeats: 0,
            kernel_seconds: None,
            gflops: None,
            peak_gflops: machine.peak(kind, quantity),
            share_of_peak: None,
            entries_per_second: None,
            bytes_per_second: None,
            note: Some(why.to_owned()),
        }
    }

    /// Adds the figures.
    pub(super) fn measured(self, subject: &Subject, measured: &Measured) -> Self {
        let Measured { spread, done, kernel_seconds } = *measured;
        let per_second = done.units / spread.median;
        let gflops = self.quantity.operations(&subject.network).map(|operations| 1e-9 * operations * per_second);
        let entries_per_second = self.quantity.entries(&subject.network).map(|entries| entries * per_second);
        let doubtful = (done.not_certified > 0).then(|| format!("{} not certified", done.not_certified));
        Row {
            iterations: (self.quantity == Quantity::Descend).then(|| done.units / self.batch as f64),
            per_second: Some(per_second),
            seconds_median: Some(spread.median),
            seconds_min: Some(spread.least),
            seconds_max: Some(spread.most),
            repeats: spread.repeats,
            kernel_seconds,
            gflops,
            share_of_peak: gflops.zip(self.peak_gflops).map(|(reached, peak)| reached / peak),
            entries_per_second,
            bytes_per_second: entries_per_second.map(|entries| 8.0 * entries),
            note: doubtful,
            ..self
        }
    }
}

/// The batch size from which the GPU is faster than the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossover {
    /// From this batch on, the GPU is faster in every batch with figures of both devices.
    From(usize),
    /// The GPU is not faster at the end of the series.
    Nowhere,
}

/// The crossover of one series: the rows of one network and quantity. `None` if no batch has
/// figures of both devices.
pub fn crossover(rows: &[Row]) -> Option<Crossover> {
    let rate = |kind: Kind, batch: usize| {
        rows.iter().find(|row| row.device == kind && row.batch == batch).and_then(|row| row.per_second)
    };
    let mut batches: Vec<usize> = rows.iter().map(|row| row.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    let ratios: Vec<(usize, f64)> = batches
        .into_iter()
        .filter_map(|batch| Some((batch, rate(Kind::Gpu, batch)? / rate(Kind::Cpu, batch)?)))
        .collect();
    let faster = ratios.iter().rev().take_while(|(_, ratio)| *ratio > 1.0).last();
    match (ratios.is_empty(), faster) {
        (true, _) => None,
        (false, Some((batch, _))) => Some(Crossover::From(*batch)),
        (false, None) => Some(Crossover::Nowhere),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bench::throughput::adapters::Gpu;
    use crate::bench::throughput::contender::Done;
    use crate::bench::throughput::spread::Spread;

    pub fn machine() -> Machine {
        let gpu = Some(Gpu { adapter: "a card (vulkan)".into(), peak: 1000.0, timestamps: true });
        Machine { cpu: "a processor".into(), threads: 2, cpu_peak: 100.0, cpu_peak_in_f32: 200.0, gpu, notice: None }
    }

    pub fn row(kind: Kind, quantity: Quantity, batch: usize, units: f64, seconds: f64) -> Row {
        let subject = &Subject::usual().unwrap()[0];
        let spread = Spread { median: seconds, least: 0.5 * seconds, most: 2.0 * seconds, repeats: 5 };
        let kernel_seconds = (kind == Kind::Gpu).then_some(0.25 * seconds);
        let measured = Measured { spread, done: Done { units, not_certified: 0 }, kernel_seconds };
        Row::not_run(subject, kind, &machine(), quantity, batch, "").measured(subject, &measured)
    }

    #[test]
    fn rates_follow_from_the_median() {
        let forward = row(Kind::Cpu, Quantity::Forward, 100, 100.0, 0.01);
        assert!((forward.per_second.unwrap() - 1e4).abs() < 1e-9);
        // 2·(20·100 + 100·500) operations.
        assert!(
            (forward.gflops.unwrap() - 1.04).abs() < 1e-9 && (forward.share_of_peak.unwrap() - 0.0104).abs() < 1e-9
        );
        assert_eq!((forward.iterations, forward.bytes_per_second, forward.note), (None, None, None));
        let descend = row(Kind::Gpu, Quantity::Descend, 100, 5000.0, 1.0);
        assert_eq!(descend.iterations, Some(50.0));
        assert!(
            (descend.gflops.unwrap() - 1.04).abs() < 1e-9 && (descend.share_of_peak.unwrap() - 0.00104).abs() < 1e-9
        );
        let descend = row(Kind::Cpu, Quantity::Descend, 100, 5000.0, 1.0);
        assert!((descend.share_of_peak.unwrap() - 0.0052).abs() < 1e-9, "of the peak in f32");
        let classify = row(Kind::Cpu, Quantity::Classify, 10, 10.0, 1.0);
        assert_eq!((classify.entries_per_second, classify.bytes_per_second), (Some(5000.0), Some(40_000.0)));
        assert_eq!((classify.gflops, classify.share_of_peak), (None, None));
    }

    #[test]
    fn the_crossover_is_the_beginning_of_the_last_stretch() {
        let series = |gpu: &[f64]| -> Vec<Row> {
            let rows = gpu.iter().enumerate().flat_map(|(place, seconds)| {
                let batch = 4_usize.pow(place as u32);
                let row = |kind, seconds| row(kind, Quantity::Forward, batch, batch as f64, seconds);
                [row(Kind::Cpu, 1.0), row(Kind::Gpu, *seconds)]
            });
            rows.collect()
        };
        assert_eq!(crossover(&series(&[2.0, 0.5, 2.0, 0.5, 0.25])), Some(Crossover::From(64)));
        assert_eq!(crossover(&series(&[0.5, 0.5])), Some(Crossover::From(1)));
        assert_eq!(crossover(&series(&[0.5, 1.0])), Some(Crossover::Nowhere));
        let mut rows = series(&[2.0, 0.5, 0.5]);
        // The largest batch was not run on one of the two devices, so it decides nothing.
        rows[4].per_second = None;
        assert_eq!(crossover(&rows), Some(Crossover::From(4)));
        rows.retain(|row| row.device == Kind::Cpu);
        assert_eq!(crossover(&rows), None);
    }
}
