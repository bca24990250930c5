//! Gradient descent on the trained generator, by its step: how many codes of observations without
//! noise it finds. The paper's step is 1e-3, of a loss whose scale it does not state; here the loss
//! is `½‖G(z) − x‖²`, and the step is swept over four powers of ten.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_trained};
use super::instance::{Instance, SUCCESS};
use super::study::Study;
use crate::descent::DescentOptions;
use crate::error::Result;
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::random::Noise;
use crate::statistics::{median, share};

const NAME: &str = "steps";
const STEPS: [f64; 9] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0];
/// The paper's step.
const PAPER: f64 = 1e-3;
/// `ε₀` and the residual that counts as reproduced: far below the pixels.
const EPSILON: f64 = 1e-9;

/// The row of one descent.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    run: u64,
    step: f64,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
    iterations: u32,
}

/// Runs the experiment: descent by its step.
pub fn run(study: &Study) -> Result<String> {
    let runs: Vec<u64> = (0..study.pick(100, 8)).collect();
    let iterations = study.pick(10_000, 1000);
    let rows = study.runs(NAME, &runs, STEPS.len(), |&run| {
        let seed = study.seed(&[21, run]);
        let instance = Instance::of(Arc::clone(&study.trained().network), Noise::Uniform(0.0), seed);
        let row = |step: f64| {
            let descent = DescentOptions { step: Some(step), iterations, ..descent_on_trained(seed) };
            let found = instance.invert(Contender::Descent.options(EPSILON, descent, 1))?;
            let iterations = found.rows[0].iterations.unwrap_or(0);
            Ok(Row { run, step, error: instance.error(&found), iterations })
        };
        STEPS.map(row).into_iter().collect()
    })?;
    study.draw(NAME, &plot(study, &rows))?;
    study.tell(NAME, text(study, &rows, iterations))
}

fn of(rows: &[Row], step: f64) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| row.step == step)
}

/// The share of the codes that are found.
fn found(rows: &[Row], step: f64) -> f64 {
    share(of(rows, step), |row| row.error <= SUCCESS).unwrap_or(0.0)
}

fn text(study: &Study, rows: &[Row], iterations: usize) -> String {
    let mut text = format!(
        "steps: plain gradient descent on ½‖G(z) − x‖², the trained generator ({}), no noise, one random start, up to {iterations} \
         iterations: share of the codes found (relative error up to {SUCCESS:.0e}), and the median error, by the step.",
        study.trained().name
    );
    for step in STEPS {
        let errors = of(rows, step).map(|row| row.error).collect();
        let paper = if step == PAPER { " (the paper's step)" } else { "" };
        text.push_str(&format!(
            "\n  {step:e}{paper}: {:.0} %, median {:.1e}",
            100.0 * found(rows, step),
            median(errors)
        ));
    }
    text
}

fn plot(study: &Study, rows: &[Row]) -> Plot {
    let along = |of: &dyn Fn(f64) -> f64| STEPS.iter().map(|&step| (step, of(step))).collect::<Vec<_>>();
    let solid = |points| Curve {
        label: "descent".to_owned(),
        points,
        colour: Contender::Descent.colour(),
        style: Style::Solid,
    };
    let rule = |low: f64, high: f64| Curve {
        label: "the paper's step".to_owned(),
        points: vec![(PAPER, low), (PAPER, high)],
        colour: 4,
        style: Style::Rule,
    };
    let step = || Axis { label: "step".to_owned(), scale: Scale::Logarithmic, shows: Vec::new() };
    let errors = along(&|step| median(of(rows, step).map(|row| row.error).collect()));
    let finite = || errors.iter().map(|point| point.1).filter(|error| error.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
    Plot {
        title: format!(
            "Gradient descent by its step, without noise\n{}; the loss is half the sum of squares; one start",
            study.trained().name.replace('→', "-")
        ),
        panels: vec![
            Panel {
                title: "share of codes found".to_owned(),
                horizontal: step(),
                vertical: Axis {
                    label: "relative error up to 0.001".to_owned(),
                    scale: Scale::Linear,
                    shows: vec![0.0, 1.0],
                },
                curves: vec![rule(0.0, 1.0), solid(along(&|step| found(rows, step)))],
            },
            Panel {
                title: "median error".to_owned(),
                horizontal: step(),
                vertical: Axis {
                    label: "relative error of the code".to_owned(),
                    scale: Scale::Logarithmic,
                    shows: Vec::new(),
                },
                curves: vec![rule(low, high), solid(errors.clone())],
            },
        ],
    }
}
