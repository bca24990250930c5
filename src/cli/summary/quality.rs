//! The quality of the codes: how well they explain the observations, residuals, errors.
//!
//! A line is printed only where it applies. With noise, a relative code error of 1e-3 is usually
//! out of reach: then the success rate is left out, unless some codes have it.

use std::fmt::Write;

use crate::batch::summary::{Distribution, SUCCESS_ERROR, Summary};
use crate::batch::{Method, NoiseLaw, NoiseTest, Options};
use crate::precision::RELATIVE_EPSILON;

use super::{given, share, spread};

/// How well the codes explain the observations, and what to do where they do not.
pub fn fit(summary: &Summary, options: &Options) -> String {
    let share = |count: u64| share(count, summary.observations);
    let noise = options.named_noise();
    let is_gross = options.noise_law == Some(NoiseLaw::Gross);
    let within = match noise {
        _ if options.is_exact() => "exactly, to the tolerance of the layers".to_owned(),
        Some(noise) if is_gross => format!("in three quarters of the entries, up to noise of size {}", given(noise)),
        None if is_gross => format!("in three quarters of the entries, to {RELATIVE_EPSILON:e} of the largest"),
        Some(noise) => format!("up to noise of size {}", given(noise)),
        // Up to twice the tolerance; see `batch/fit.rs`.
        None => format!("to {:e} of the largest entry, or to the rounding of the numbers", 2.0 * RELATIVE_EPSILON),
    };
    let mut text = format!("reproduced {within}: {}\n", share(summary.reproduced));
    // Writing to a String cannot fail.
    if summary.approximate > 0 {
        let times = summary.approximate_by.quantile(0.5);
        let times = if times < 1000.0 { format!("{times:.1}") } else { format!("{times:.1e}") };
        let why = match noise {
            Some(_) if options.is_by_layers() => "layer by layer, errors add up; --refine fits all layers together",
            Some(_) => {
                "a lower minimum may exist, the noise may be larger than named, or the network may be another one\n    \
                 (`unrelu inspect NETWORK --check CODES OUTPUTS` tests it)"
            }
            None if options.is_by_layers() => {
                "if the observations are noisy, give the size of the noise as --noise; otherwise try --method best"
            }
            None => {
                "if the observations are noisy, give the size of the noise as --noise; otherwise the network may be \
                 another one\n    (`unrelu inspect NETWORK --check CODES OUTPUTS` tests it)"
            }
        };
        let what = if noise.is_some() { "the noise" } else { "that" };
        let _ = writeln!(
            text,
            "approximated: {}, with a residual of {times} times {what} in the median\n    {why}",
            share(summary.approximate)
        );
    }
    if summary.unexplained > 0 {
        let mut causes = "a wrong activation, scale or order of the entries (`unrelu inspect NETWORK --check CODES \
                          OUTPUTS` tests the network)"
            .to_owned();
        if noise.is_none() {
            causes += ",\n    or large noise, whose size --noise names";
        }
        if matches!(options.method, Method::Descent(_)) {
            causes += ",\n    or too few steps: --optimizer adam, more --iterations, or --method best";
        }
        if options.is_by_layers() {
            causes += ",\n    or a code that only --method best finds";
        }
        let count = share(summary.unexplained);
        let _ = writeln!(text, "unexplained: {count}; their codes make other images\n    usual causes: {causes}");
    }
    if summary.out_of_range > 0 {
        let _ = writeln!(
            text,
            "entries outside the range of the output: in {}; none of these is called determined",
            share(summary.out_of_range)
        );
    }
    if summary.far_codes > 0 {
        let _ = writeln!(
            text,
            "codes far outside the law {}: {}; the generator was not trained there (--code-law names another law)",
            options.code_law,
            share(summary.far_codes)
        );
    }
    text
}

/// How many codes are determined. Where an observation is only approximated, that depends on the
/// cause of the residual.
pub fn determined(what: &str, summary: &Summary, options: &Options) -> String {
    let share = |count: u64| share(count, summary.observations);
    let mut text = format!("determined {what}: {}\n", share(summary.determined));
    if summary.determined_not_reproduced > 0 {
        let condition = match options.named_noise() {
            Some(_) => "but their observations are only approximated",
            None => "if the residuals are noise (--noise)",
        };
        let _ = writeln!(text, "    and {}, {condition}", share(summary.determined_not_reproduced));
    }
    text
}

/// How many codes have intervals, if these were asked for.
pub fn uncertainty(summary: &Summary, options: &Options) -> String {
    let Some(complete) = summary.with_intervals else { return String::new() };
    let share = |count: u64| share(count, summary.observations);
    let mut text = format!("an interval for every entry: {}\n", share(complete));
    if let Some(sizes) = summary.noise_size.as_ref().filter(|_| options.noise.is_none()) {
        let _ = writeln!(text, "size of the noise, by the residuals: {}", spread(sizes));
    }
    if let Some(beyond) = summary.beyond_noise.filter(|count| *count > 0) {
        let _ = writeln!(
            text,
            "noise of that size explains no code there: {}; it may be too small (--noise)",
            share(beyond)
        );
    }
    text
}

/// Residuals, and errors if the truth is known.
pub fn residuals_and_errors(summary: &Summary, options: &Options) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "residual, largest entry:    {}", spread(&summary.residual_linf));
    if options.named_noise().is_some() && NoiseTest::of(options) == NoiseTest::Squares {
        let _ = writeln!(text, "residual, root mean square: {}", spread(&summary.residual_rms));
    }
    let _ = writeln!(text, "residual, relative:         {}", spread(&summary.residual_l2_relative));
    for (part, losses) in [("data", &summary.loss_data), ("prior", &summary.loss_prior)] {
        if let Some(losses) = losses {
            let _ = writeln!(text, "{:<27}{}", format!("loss, {part}:"), spread(losses));
        }
    }
    text.push_str(&errors("code", &summary.code_error, summary.successes, summary, options));
    text.push_str(&errors("image", &summary.image_error, summary.image_successes, summary, options));
    text
}

/// The errors of codes or images. The success rate is printed only where success is possible.
fn errors(
    what: &str,
    error: &Option<Distribution>,
    successes: Option<u64>,
    summary: &Summary,
    options: &Options,
) -> String {
    let (Some(error), Some(successes)) = (error, successes) else { return String::new() };
    let mut text = format!("{:<28}{}\n", format!("{what} error, relative:"), spread(error));
    if successes > 0 || (options.named_noise().is_none() && summary.reproduced > 0) {
        let _ = writeln!(text, "{what} error up to {SUCCESS_ERROR:e}: {}", share(successes, summary.observations));
    }
    text
}
