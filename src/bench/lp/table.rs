//! The printed table: one line per group, at most 100 columns, printed when the group is ready.
//! Remarks on a group follow its line.

use super::Group;
use super::measure::{Measured, Measurement, Uncertified};
use crate::bench::processor;
use crate::lp::solution::Attempt;

/// The heading. `threads` is the size of the larger pool, `seconds` is Clarabel's time per group.
pub fn heading(batch: usize, threads: usize, seconds: f64) -> String {
    let first =
        columns(["", "", "", "1 LP", "1 LP", "batch", "batch", "Clara-", "", "times", "iter-", "not", "object."]);
    let second = columns([
        "layer", "sign", "method", "1 thr", "all", "1 thr", "all", "bel", "LPs", "faster", "ations", "cert", "differs",
    ]);
    format!(
        "{}\n\
         Milliseconds per LP: solving, finish and certificate; batches of {batch}. One thread: processor\n\
         time; all {threads}: the wall clock. Clarabel gets LPs of the batch for {seconds} s, at least one.\n\n{first}{second}",
        processor::name()
    )
}

/// A group's line, and one line for each LP that was not certified.
pub fn lines(group: Group, measured: &Measured) -> String {
    let rows = &measured.measurements;
    let cell =
        |row: Option<&Measurement>, show: &dyn Fn(&Measurement) -> String| row.map_or_else(|| "-".to_owned(), show);
    let ours = |one_thread: bool, single: bool| {
        rows.iter()
            .find(|row| row.solver != "clarabel" && (row.threads == 1) == one_thread && (row.batch == 1) == single)
    };
    let milliseconds = |row: Option<&Measurement>| cell(row, &|row| short(row.ms_per_lp));
    // A batch of one LP is measured as single LPs.
    let batch = ours(true, false).or(ours(true, true));
    let clarabel = rows.iter().find(|row| row.solver == "clarabel");
    let line = columns([
        &group.case.to_string(),
        if group.case.nonnegative { "z>=0" } else { "free" },
        &group.method.to_string(),
        &milliseconds(ours(true, true)),
        &milliseconds(ours(false, true)),
        &milliseconds(batch),
        &milliseconds(ours(false, false)),
        &milliseconds(clarabel),
        &cell(clarabel, &|row| row.batch.to_string()),
        &cell(batch, &|row| format!("{:.0}", row.ratio_to_clarabel)),
        &cell(batch, &|row| format!("{:.1}", row.iterations)),
        &cell(batch, &|row| row.fallbacks.to_string()),
        &cell(batch, &|row| row.objective_difference.map_or_else(|| "-".to_owned(), |d| format!("{d:.0e}"))),
    ]);
    let doubtful = clarabel.map_or(0, |row| row.fallbacks);
    let notes = measured.uncertified.iter().map(uncertified_line);
    let of_clarabel = (doubtful > 0).then(|| format!("    Clarabel: {doubtful} answers do not pass the certificate\n"));
    line + &notes.chain(of_clarabel).collect::<String>() + &profile_line(&measured.profile)
}

fn uncertified_line(found: &Uncertified) -> String {
    let Uncertified { index, failed, attempt, milliseconds } = found;
    let outcome = match attempt {
        Some(Attempt::Usual | Attempt::WarmStart) => "certified on a second attempt",
        Some(Attempt::Patient) => "certified with more careful settings",
        Some(Attempt::Fallback) => "certified by Clarabel",
        None => "not certified by the slower paths either",
    };
    format!("    LP {index}: the test that failed is {failed:?}; {outcome}, {} ms\n", short(*milliseconds))
}

/// The shares of the engine's stages, largest first; empty if they were not measured.
fn profile_line(shares: &[(&str, f64)]) -> String {
    let mut shares: Vec<_> = shares.iter().filter(|(_, share)| *share >= 0.005).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let words: Vec<String> = shares.iter().map(|(name, share)| format!("{name} {:.0} %", 100.0 * share)).collect();
    if words.is_empty() { String::new() } else { format!("    {}\n", words.join(", ")) }
}

/// Explanation of the columns.
pub const FOOTING: &str = "
times faster: Clarabel's milliseconds over the engine's on one thread, in batch. not cert: LPs of
the batch whose answer did not pass the certificate; the slower paths are switched off, and such LPs
are listed. object. differs: largest difference from Clarabel's objective, relative to it, on the
LPs that Clarabel solved (clean, without noise: relative to 1e-4 of the largest bound). exact: its
feasibility problem.
";

fn columns(cells: [&str; 13]) -> String {
    let [layer, sign, method, one, one_all, batch, batch_all, clarabel, lps, ratio, iterations, failed, differs] =
        cells;
    let line = format!(
        "{layer:<20} {sign:<4} {method:<7} {one:>6} {one_all:>6} {batch:>6} {batch_all:>6} {clarabel:>6} {lps:>4} \
         {ratio:>6} {iterations:>6} {failed:>4} {differs:>7}"
    );
    line.trim_end().to_owned() + "\n"
}

/// Formats a number with three digits.
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
    use crate::bench::lp::instances::CASES;
    use crate::lp::certificate::FailedTest;
    use crate::lp::formulation::LayerwiseMethod;

    fn row(solver: &'static str, threads: usize, batch: usize, ms_per_lp: f64) -> Measurement {
        Measurement {
            rows: 2000,
            columns: 200,
            method: "relaxed".to_owned(),
            nonnegative: true,
            solver,
            threads,
            batch,
            ms_per_lp,
            iterations: 123.4,
            fallbacks: if solver == "clarabel" { 0 } else { 1000 },
            objective_difference: Some(1.234e-12),
            ratio_to_clarabel: 12_345.6,
            weights: CASES[2].weights,
            activation: "relu".to_owned(),
            noise: 0.01,
        }
    }

    #[test]
    fn lines_fit_into_a_hundred_columns() {
        let group = Group { case: CASES[8], method: LayerwiseMethod::Relaxed };
        let engine = "interior-point";
        let measurements = vec![
            row(engine, 1, 1, 0.5),
            row(engine, 1, 1000, 0.25),
            row(engine, 128, 1, 0.5),
            row(engine, 128, 1000, 0.0125),
            row("clarabel", 1, 17, 98765.4),
        ];
        let uncertified = Uncertified { index: 999, failed: FailedTest::Gap, attempt: None, milliseconds: 12.0 };
        let profile = vec![("start", 0.1), ("factor", 0.9), ("step", 0.0)];
        let measured = Measured { measurements, objectives: Vec::new(), uncertified: vec![uncertified], profile };
        let found = lines(group, &measured);
        let text = heading(1000, 128, 3.0) + &found + FOOTING;
        assert!(text.lines().all(|line| line.chars().count() <= 100 && !line.ends_with(' ')), "{text}");
        let found: Vec<&str> = found.lines().collect();
        let fields: Vec<&str> = found[0].split_whitespace().collect();
        assert_eq!(fields[..3], ["784x60", "trained", "clean"]);
        assert_eq!(fields[5..], ["0.500", "0.500", "0.250", "0.013", "98765", "17", "12346", "123.4", "1000", "1e-12"]);
        assert!(found[1].contains("LP 999") && found[1].contains("Gap") && found[1].contains("either"), "{text}");
        assert_eq!(found[2], "    factor 90 %, start 10 %");
    }
}
