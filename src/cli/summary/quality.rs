//! The quality of the codes: whether they reproduce or explain the observations, residuals, errors.
//!
//! A line is printed only where it applies. With noise no code reproduces an observation, and a
//! relative code error of 1e-3 cannot be reached. There the summary says whether the noise explains
//! the residual.

use std::fmt::Write;

use crate::batch::summary::{Distribution, SUCCESS_ERROR, Summary};
use crate::batch::{Method, NoiseTest, Options};
use crate::lp::formulation;
use crate::precision::RELATIVE_EPSILON;

use super::{share, spread};

/// How many observations are reproduced or, if ε is the size of the noise, explained.
pub fn reproduction(summary: &Summary, options: &Options) -> String {
    let Some(noise) = named_noise(options) else {
        let advice = "none; if the observations are noisy, give the size of the noise as --epsilon".to_owned();
        let failed = summary.failed == summary.observations;
        let none = summary.reproduced == 0 && !failed && !is_exact(options);
        let count = if none { advice } else { share(summary.reproduced, summary.observations) };
        return format!("reproduced to {} in every entry: {count}\n", tolerance(options));
    };
    let by = match NoiseTest::of(options) {
        NoiseTest::Squares => "root mean square",
        // Gross errors are larger than this noise, so the count would be 0 and mislead.
        NoiseTest::Absolute if summary.explained == 0 => return String::new(),
        NoiseTest::Absolute => "mean absolute value",
        NoiseTest::Largest => "largest entry",
    };
    let count = share(summary.explained, summary.observations);
    let mut text = format!("residual explained by noise of size {noise}, by its {by}: {count}\n");
    let layer_by_layer = matches!(options.method, Method::Layerwise(_)) && !options.refine;
    if layer_by_layer && summary.explained + summary.failed < summary.observations {
        text.push_str("    layer by layer, errors add up; --refine fits all layers together\n");
    }
    text
}

/// Residuals, and errors if the truth is known.
pub fn residuals_and_errors(summary: &Summary, options: &Options) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "residual, largest entry:    {}", spread(&summary.residual_linf));
    if named_noise(options).is_some() && NoiseTest::of(options) == NoiseTest::Squares {
        let _ = writeln!(text, "residual, root mean square: {}", spread(&summary.residual_rms));
    }
    let _ = writeln!(text, "residual, relative:         {}", spread(&summary.residual_l2_relative));
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
    let fits = summary.reproduced + summary.explained > 0;
    if successes > 0 || (fits && options.reproduces_within.is_none_or(|epsilon| epsilon < SUCCESS_ERROR)) {
        let _ = writeln!(text, "{what} error up to {SUCCESS_ERROR:e}: {}", share(successes, summary.observations));
    }
    text
}

/// The size of the noise, if the user gave one: `exact` is for observations without noise.
fn named_noise(options: &Options) -> Option<f64> {
    options.reproduces_within.filter(|_| !is_exact(options))
}

/// The tolerance of a reproduced entry in words.
fn tolerance(options: &Options) -> String {
    match options.reproduces_within {
        Some(epsilon) => format!("{epsilon:e}"),
        None => format!("{RELATIVE_EPSILON:e} of the largest,"),
    }
}

/// Whether the method is for observations without noise.
fn is_exact(options: &Options) -> bool {
    matches!(&options.method, Method::Layerwise(layers) if layers.method == formulation::LayerwiseMethod::Exact)
}
