//! One quantity of one network over all batches. Each device continues until a batch would take too
//! long or too much memory, and the remaining rows say so.

use super::batches::Batch;
use super::contender::Contender;
use super::machine::{Kind, Machine};
use super::quantity::Quantity;
use super::repeat::{measure, timed};
use super::row::Row;
use super::{Options, machine};
use crate::bench::subject::Subject;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

/// If nothing is known about a batch larger than the second of these sizes, passes over batches of
/// these sizes predict its time.
const PROBES: [usize; 2] = [1, 64];

/// The state of a device in the series.
struct Going<'a> {
    contender: &'a Contender,
    /// The measured batches, ascending, and the seconds of a pass over each.
    known: Vec<(usize, f64)>,
    stopped: Option<String>,
}

/// Measures the batches in order, and passes the rows of each batch (one per device) to `each` when
/// they are ready. Runs on the caller's thread pool.
///
/// # Errors
/// The errors of `each`, [`Error::Cancelled`], and the CPU's failures. A GPU's failures are notes
/// in its rows.
pub(super) fn run(
    subject: &Subject,
    quantity: Quantity,
    contenders: &[Contender],
    machine: &Machine,
    options: &Options,
    cancel: &CancelToken,
    mut each: impl FnMut(&[Row]) -> Result<()>,
) -> Result<Vec<Row>> {
    let mut going: Vec<Going> =
        contenders.iter().map(|contender| Going { contender, known: Vec::new(), stopped: None }).collect();
    let mut rows = Vec::new();
    for &count in &options.batches {
        let memory = options.memory.unwrap_or_else(machine::memory_budget);
        let bytes = quantity.bytes(&subject.network) * count as f64;
        let mut batch = None;
        let first = rows.len();
        for device in &mut going {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let kind = device.contender.kind;
            let empty = |why: &str| Row::not_run(subject, kind, machine, quantity, count, why);
            if device.stopped.is_none() && bytes > memory {
                let limit = gibibytes(memory);
                device.stopped =
                    Some(format!("would take about {} of the {limit} available (option `memory`)", gibibytes(bytes)));
            }
            let outcome = match &device.stopped {
                None => device.take(subject, quantity, count, &mut batch, options, cancel, &empty),
                Some(_) => Ok(None),
            };
            match outcome {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => {
                    let why = device.stopped.as_deref().unwrap_or("stopped before");
                    rows.push(empty(&format!("not run: {why}")));
                }
                Err(error) if kind == Kind::Gpu && !matches!(error, Error::Cancelled) => {
                    let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                    rows.push(empty(&format!("not run: {reason}")));
                    device.stopped = Some(reason);
                }
                Err(error) => return Err(error),
            }
        }
        each(&rows[first..])?;
    }
    Ok(rows)
}

impl Going<'_> {
    /// The row of a batch; `None` if it takes, or would take, too long, with the reason in
    /// `stopped`.
    #[allow(clippy::too_many_arguments, reason = "what a row is made of")]
    fn take(
        &mut self,
        subject: &Subject,
        quantity: Quantity,
        count: usize,
        batch: &mut Option<Batch>,
        options: &Options,
        cancel: &CancelToken,
        empty: &dyn Fn(&str) -> Row,
    ) -> Result<Option<Row>> {
        let most = options.pass_seconds;
        if self.known.len() < 2 && count > PROBES[1] {
            self.known.clear();
            for probed in PROBES {
                let probe = subject.batch(quantity, probed)?;
                timed(self.contender, quantity, &probe)?;
                self.known.push((probed, timed(self.contender, quantity, &probe)?.0));
            }
        }
        let expected = expected(&self.known, count);
        if expected > most {
            self.stopped = Some(format!(
                "a batch of {count} would take about {expected:.1} s, more than option `pass_seconds: {most}`"
            ));
            return Ok(None);
        }
        let batch = match batch {
            Some(batch) => batch,
            None => batch.insert(subject.batch(quantity, count)?),
        };
        // A first pass may compile kernels; if it is too slow, a second one decides.
        if timed(self.contender, quantity, batch)?.0 > most {
            let (seconds, _) = timed(self.contender, quantity, batch)?;
            if seconds > most {
                self.stopped =
                    Some(format!("a batch of {count} takes {seconds:.1} s, more than option `pass_seconds: {most}`"));
                return Ok(None);
            }
        }
        let measured = measure(self.contender, quantity, batch, options.repeat_seconds, cancel)?;
        self.known.push((count, measured.spread.median));
        Ok(Some(empty("").measured(subject, &measured)))
    }
}

/// Predicts the seconds of a pass over a batch of `count` from the last two measured batches: a
/// constant part, plus a part per observation. Parts that are not known yet count as 0, so that no
/// series ends before it has been measured.
fn expected(known: &[(usize, f64)], count: usize) -> f64 {
    match *known {
        [] => 0.0,
        [(_, seconds)] => seconds,
        [.., (smaller, before), (larger, seconds)] => {
            let each = (seconds - before) / (larger as f64 - smaller as f64);
            seconds + each.max(0.0) * (count as f64 - larger as f64)
        }
    }
}

fn gibibytes(bytes: f64) -> String {
    format!("{:.1} GiB", bytes / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_batch_takes_is_a_beginning_and_so_much_each() {
        assert_eq!(expected(&[], 100), 0.0);
        assert_eq!(expected(&[(1, 0.5)], 100), 0.5);
        assert!((expected(&[(1, 9.0), (4, 1.3), (16, 2.5)], 64) - 7.3).abs() < 1e-12);
        // Noise: the larger batch was faster.
        assert_eq!(expected(&[(1, 2.0), (16, 1.0)], 64), 1.0);
    }
}
