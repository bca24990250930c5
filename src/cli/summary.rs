//! The result of a run as text. JSON is made from the same data.

mod quality;

use std::fmt::Write;
use std::path::Path;

use crate::batch::summary::{Distribution, Summary};
use crate::batch::{Method, Options};
use crate::formats::streams::output_name;
use crate::outcome::FailureKind;

use super::progress::duration;

/// The summary as text.
pub fn text(summary: &Summary, options: &Options) -> String {
    let layerwise = matches!(options.method, Method::Layerwise(_));
    let (good, doubtful) = if layerwise { ("solved", "not certified") } else { ("converged", "not converged") };
    let mut text = format!(
        "{}: {} {good}, {} {doubtful}, {} failed{}\n{}",
        counted(summary.observations, "observation"),
        summary.solved,
        summary.not_certified,
        summary.failed,
        unexplained(summary),
        failures(summary)
    );
    // Writing to a String cannot fail.
    let share = |count: u64| share(count, summary.observations);
    text.push_str(&quality::fit(summary, options));
    if layerwise {
        text.push_str(&quality::determined("in every layer", summary, options));
        if summary.undetermined_missed > 0 {
            let _ = writeln!(
                text,
                "    {} solved, but not determined and not reproduced: a hidden layer is not determined by its \
                 targets alone; --method best may find the code",
                summary.undetermined_missed
            );
        }
    }
    if matches!(options.method, Method::Best(_)) {
        text.push_str(&quality::determined("locally by the data", summary, options));
        let runs = summary.runs as f64 / summary.observations.max(1) as f64;
        let _ = writeln!(text, "{}, {runs:.1} per observation", counted(summary.runs, "run"));
    }
    if options.refine.is_some() {
        let _ = writeln!(text, "improved by refinement: {}", share(summary.refined));
    }
    text.push_str(&quality::uncertainty(summary, options));
    text.push_str(&quality::residuals_and_errors(summary, options));
    if layerwise {
        let retried = match summary.retries {
            0 => String::new(),
            retries => format!(", {retries} by a slower path"),
        };
        let programs = counted(summary.solves, "linear program");
        let near = match summary.warm_started {
            0 => String::new(),
            near => format!(", {near} of them warm-started, {}", counted(summary.pivots, "pivot")),
        };
        let _ = writeln!(text, "{programs}, {}{near}{retried}", counted(summary.iterations, "iteration"));
    }
    let _ = writeln!(
        text,
        "{} on {}, {:.1} observations per second; device {}, {}",
        duration_short(summary.seconds.total),
        counted(summary.threads as u64, "thread"),
        summary.rate(),
        summary.device,
        counted(summary.dispatches, "dispatch")
    );
    let seconds = &summary.seconds;
    let stages = [
        ("read", seconds.read),
        ("classify", seconds.classify),
        ("solve", seconds.solve),
        ("forward", seconds.forward),
        ("descent", seconds.descent),
        ("refine", seconds.refine),
        ("residuals", seconds.residuals),
        ("write", seconds.write),
    ];
    let stages: Vec<String> = stages
        .iter()
        .filter(|(_, seconds)| *seconds > 0.0)
        .map(|(stage, seconds)| format!("{stage} {}", duration_short(*seconds)))
        .collect();
    let (slowest, most) = seconds.slowest();
    let _ = writeln!(
        text,
        "time by stage (stages overlap): {}; total {:.2} × the slowest of device, pool, read and write ({slowest})",
        stages.join(", "),
        seconds.total / most.max(f64::MIN_POSITIVE)
    );
    text
}

/// The summary of joined shards.
pub fn merged(summary: &Summary, parts: usize, codes: &Path) -> String {
    format!(
        "{} from {} in {}: {} solved or converged, {} not, {} failed{}\n{}total time of all parts: {}\n",
        counted(summary.observations, "observation"),
        counted(parts as u64, "part"),
        output_name(codes).display(),
        summary.solved,
        summary.not_certified,
        summary.failed,
        unexplained(summary),
        failures(summary),
        duration_short(summary.seconds.total)
    )
}

/// The count of unexplained observations, where there are any.
fn unexplained(summary: &Summary) -> String {
    match summary.unexplained {
        0 => String::new(),
        count => format!(", {count} unexplained"),
    }
}

/// Why observations failed, and what to do: one line per kind of failure.
fn failures(summary: &Summary) -> String {
    summary.failures.iter().map(|(why, count)| format!("    {count} × {why}; {}\n", advice(why))).collect()
}

/// What to do about a failure: a flag where one helps, otherwise the library's advice.
fn advice(why: &FailureKind) -> &'static str {
    let is_step_too_large = match why {
        FailureKind::Diverged => true,
        // The target of the projection came from a gradient step.
        FailureKind::NoProjection(why) => {
            matches!(**why, FailureKind::InfiniteEntry | FailureKind::NothingObserved | FailureKind::Diverged)
        }
        _ => false,
    };
    if is_step_too_large { "give a smaller --step" } else { why.remedy() }
}

/// `1 thread`, `2 threads`, `3 dispatches`.
fn counted(count: u64, what: &str) -> String {
    match (count, what.ends_with("ch")) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{count} {what}es"),
        (_, false) => format!("{count} {what}s"),
    }
}

/// A count with its percentage of all.
fn share(count: u64, of: u64) -> String {
    format!("{count} ({:.1} %)", 100.0 * count as f64 / of.max(1) as f64)
}

/// A number that the user gave: plain where that is short.
fn given(number: f64) -> String {
    if (1e-6..1e6).contains(&number) { number.to_string() } else { format!("{number:e}") }
}

fn spread(distribution: &Distribution) -> String {
    if distribution.largest().is_nan() {
        return "none".to_owned();
    }
    format!(
        "median {:.1e}, 90 % below {:.1e}, worst {:.1e}",
        distribution.quantile(0.5),
        distribution.quantile(0.9),
        distribution.largest()
    )
}

fn duration_short(seconds: f64) -> String {
    if seconds < 0.1 {
        format!("{:.1} ms", 1e3 * seconds)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        duration(seconds)
    }
}
