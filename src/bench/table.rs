//! The table that a person reads: one line a group, at most 100 columns, printed as the groups come in.

use super::Group;
use super::measure::Measurement;

/// The heading. `threads` is the size of the larger pool.
pub fn heading(batch: usize, threads: usize) -> String {
    let all = format!("{threads} threads");
    format!(
        "Milliseconds an LP: solving, finish and certificate; batches of {batch}. One thread: processor time.\n\n\
         {:<8} {:<7} {:<7} {:>8} {:>8} {:>9} {:>8} {:>6} {:>6} {:>6} {:>9}\n\
         {:<8} {:<7} {:<7} {:>8} {:>8} {:>9} {:>8} {:>6} {:>6} {:>6} {:>9}\n",
        "",
        "",
        "",
        "one LP",
        "batch",
        "batch",
        "",
        "batch",
        "itera-",
        "slower",
        "objective",
        "size",
        "weights",
        "method",
        "1 thread",
        "1 thread",
        all,
        "Clarabel",
        "ratio",
        "tions",
        "path",
        "differs",
    )
}

/// A group's line.
pub fn line(group: Group, measurements: &[Measurement]) -> String {
    let ours = || measurements.iter().filter(|row| row.solver != "clarabel");
    let mut one_thread = ours().filter(|row| row.threads == 1);
    let single = one_thread.clone().next();
    let batch = one_thread.next_back();
    let all = ours().next_back();
    let clarabel = measurements.iter().find(|row| row.solver == "clarabel");
    let milliseconds = |row: Option<&Measurement>| row.map_or_else(|| "-".to_owned(), |row| short(row.ms_per_lp));
    let size = format!("{}x{}", group.size.rows, group.size.columns);
    format!(
        "{size:<8} {:<7} {:<7} {:>8} {:>8} {:>9} {:>8} {:>6} {:>6} {:>6} {:>9}\n",
        group.size.weights.to_string(),
        group.method.to_string(),
        milliseconds(single),
        milliseconds(batch),
        milliseconds(all),
        milliseconds(clarabel),
        batch.map_or_else(|| "-".to_owned(), |row| format!("{:.0}", row.ratio_to_clarabel)),
        batch.map_or_else(|| "-".to_owned(), |row| format!("{:.1}", row.iterations)),
        batch.map_or_else(|| "-".to_owned(), |row| row.fallbacks.to_string()),
        batch.and_then(|row| row.objective_difference).map_or_else(|| "-".to_owned(), |d| format!("{d:.0e}")),
    )
}

/// The shares of the engine's stages, largest first; nothing if they were not measured.
pub fn profile_line(shares: &[(&str, f64)]) -> String {
    let mut shares: Vec<_> = shares.iter().filter(|(_, share)| *share >= 0.005).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let words: Vec<String> = shares.iter().map(|(name, share)| format!("{name} {:.0} %", 100.0 * share)).collect();
    if words.is_empty() { String::new() } else { format!("    {}\n", words.join(", ")) }
}

/// What the columns mean that do not say so themselves.
pub const FOOTING: &str = "
ratio: Clarabel's milliseconds over those of a batch on one thread. slower path: LPs of the batch
whose first answer did not pass the certificate. objective differs: at most, relative to Clarabel's,
on the LPs that it solved.
";

/// Three digits.
fn short(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms >= 100.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}"),
        ms if ms >= 1.0 => format!("{ms:.2}"),
        ms => format!("{ms:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::instances::SIZES;
    use crate::lp::formulation::Method;

    #[test]
    fn lines_fit_into_a_hundred_columns() {
        let row = |solver, threads, ms_per_lp| Measurement {
            rows: 2000,
            columns: 200,
            method: "relaxed".to_owned(),
            nonnegative: true,
            solver,
            threads,
            batch: 1000,
            ms_per_lp,
            iterations: 123.4,
            fallbacks: 1000,
            objective_difference: Some(1.234e-12),
            ratio_to_clarabel: 12_345.6,
            weights: SIZES[2].weights,
        };
        let group = Group { size: SIZES[5], method: Method::Relaxed };
        let rows = [row("interior-point", 1, 0.5), row("interior-point", 1, 0.25), row("clarabel", 1, 98765.4)];
        let text = heading(1000, 128) + &line(group, &rows) + FOOTING;
        assert!(text.lines().all(|line| line.chars().count() <= 100 && !line.ends_with(' ')), "{text}");
        let last = line(group, &rows);
        let fields: Vec<_> = last.split_whitespace().collect();
        assert_eq!(profile_line(&[("start", 0.1), ("factor", 0.9), ("step", 0.0)]), "    factor 90 %, start 10 %\n");
        assert_eq!(fields[3..], ["0.500", "0.250", "0.250", "98765", "12346", "123.4", "1000", "1e-12"]);
    }
}
