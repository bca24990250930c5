//! The printed table; rows are printed when they are ready.

use super::Options;
use super::row::Row;
use crate::bench::processor;
use crate::bench::subject::Subject;
use crate::random::Noise;

/// The heading of all tables.
pub fn heading(options: &Options, threads: usize) -> String {
    let observed = if options.observed < 1.0 {
        format!(", {:.0} % of the entries observed", 100.0 * options.observed)
    } else {
        String::new()
    };
    format!(
        "{}, {threads} {}; {} observations per noise{observed}, at most about {} s of them per method\n\
         limit: descent from the true code. above, below: observations whose squared error is above or below the \
         limit's.\n",
        processor::name(),
        if threads == 1 { "thread" } else { "threads" },
        options.count,
        options.seconds
    )
}

/// The rows of one noise.
pub fn lines(subject: &Subject, noise: Noise, rows: &[Row]) -> String {
    let mut text = format!("\n{}, noise {noise}\n", subject.name);
    let cells = ["method", "of", "above", "below", "error: median", "90 %", "worst", "ms/obs."];
    text += &line(cells.map(str::to_owned));
    for row in rows {
        text += &line([
            row.method.clone(),
            row.observations.to_string(),
            row.above_limit.to_string(),
            row.below_limit.to_string(),
            number(row.error.median),
            number(row.error.percentile_90),
            number(row.error.largest),
            row.milliseconds.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}")),
        ]);
    }
    if let Some(lower) = rows.iter().find(|row| row.method == "best") {
        text += &format!(
            "best is below the limit, but farther from the true code: {} of {}\n",
            lower.below_limit_but_farther, lower.observations
        );
    }
    let lower = rows.iter().filter(|row| row.method != "limit" && row.below_best.is_some_and(|count| count > 0));
    for row in lower {
        text += &format!("{} is below best: {} of {}\n", row.method, row.below_best.unwrap_or(0), row.observations);
    }
    text
}

fn line([method, of, above, below, median, ninety, worst, time]: [String; 8]) -> String {
    format!("{method:<17} {of:>5} {above:>6} {below:>6} {median:>14} {ninety:>9} {worst:>9} {time:>9}\n")
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.2e}") } else { "failed".to_owned() }
}
