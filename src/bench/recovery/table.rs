//! The printed table, in Markdown so that it can be copied into a document; rows are printed when
//! they are ready.

use super::Options;
use super::contest::{Row, SUCCESS};
use super::warm;
use crate::bench::processor;

/// The heading of the table.
pub fn heading(options: &Options, threads: usize) -> String {
    format!(
        "{}, {threads} {}; {} observations per case, at most about {} s of them per way\n\
         error: relative, of the images; recovered: up to {SUCCESS:e}; determined: the Jacobian of the measurements has full rank at \
         the truth;\nlimit: descent on the measurements from the true code.\n\n\
         | network | measured | noise | way | of | error: median | 90 % | recovered | codes | of the determined | iterations | s per image |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
        processor::name(),
        if threads == 1 { "thread" } else { "threads" },
        options.count,
        options.seconds
    )
}

/// Rows of one case.
pub fn lines(rows: &[Row]) -> String {
    rows.iter().map(line).collect()
}

fn line(row: &Row) -> String {
    let share = |count: usize| format!("{:.1} %", 100.0 * count as f64 / row.observations.max(1) as f64);
    let dash = || "–".to_owned();
    let cells = [
        row.network.clone(),
        row.case.clone(),
        row.noise.to_string(),
        row.way.clone(),
        row.observations.to_string(),
        number(row.median),
        number(row.percentile_90),
        share(row.images_recovered),
        share(row.codes_recovered),
        format!("{} of {}", row.determined_recovered, row.determined),
        row.iterations.map_or_else(dash, |iterations| format!("{iterations:.0}")),
        row.seconds.map_or_else(dash, |seconds| format!("{seconds:.4}")),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// The table of the time that warm starts save.
pub fn projections(rows: &[warm::Row]) -> String {
    let mut text = "| network | moved by | ms without | ms with a warm start | ratio | from the warm start alone |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        text += &format!(
            "| {} | {:.0e} | {:.3} | {:.3} | {:.1} | {:.0} % |\n",
            row.network,
            row.moved,
            row.cold_ms,
            row.warm_ms,
            row.cold_ms / row.warm_ms,
            100.0 * row.from_warm_start
        );
    }
    text
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.1e}") } else { "failed".to_owned() }
}
