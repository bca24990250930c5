//! The paper's figures 1 and 5: the relative error of the codes against the size of the noise,
//! uniform on (−a, a) or Gaussian with standard deviation a (the authors' reading of N(0, a)).
//! Figure 1 uses random networks 20 → 100 → 500, a new one for every run. Figure 5 uses the trained
//! generator.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_random, descent_on_trained};
use super::instance::Instance;
use super::study::Study;
use crate::error::Result;
use crate::network::Activation;
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::random::Noise;
use crate::statistics::{exponent, median};

const METHODS: [Contender; 5] =
    [Contender::Linf, Contender::L1, Contender::Relaxed, Contender::Descent, Contender::Best];
const LAWS: [Law; 2] = [Law::Uniform, Law::Gaussian];

/// A run with an error above this is a failure if the noise is below …
const LOST: f64 = 0.5;
/// … this: noise of a tenth of the pixels' size leaves the image recognisable.
const SMALL: f64 = 0.02;

/// The distribution of noise of size `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Law {
    Uniform,
    Gaussian,
}

impl Law {
    fn of_size(self, level: f64) -> Noise {
        match self {
            Law::Uniform => Noise::Uniform(level),
            Law::Gaussian => Noise::Gaussian(level),
        }
    }
}

/// The networks of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// A new network for every run.
    Random,
    Trained,
}

struct Job {
    network: Which,
    law: Law,
    level: f64,
    run: u64,
}

/// The row of one inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    noise: Law,
    level: f64,
    run: u64,
    method: Contender,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
}

/// Runs figure 1: random networks.
pub fn figure1(study: &Study) -> Result<String> {
    reproduce(study, "figure1", Which::Random)
}

/// Runs figure 5: the trained generator.
pub fn figure5(study: &Study) -> Result<String> {
    reproduce(study, "figure5", Which::Trained)
}

fn reproduce(study: &Study, name: &str, network: Which) -> Result<String> {
    let (runs, exponents) = study.pick((200, 1..=6), (8, 1..=4));
    let mut jobs = Vec::new();
    for law in LAWS {
        for exponent in exponents.clone() {
            let level = 10_f64.powi(-exponent);
            jobs.extend((0..runs).map(|run| Job { network, law, level, run }));
        }
    }
    let rows = study.runs(name, &jobs, METHODS.len(), |job| job.carry_out(study))?;
    let subject = match network {
        Which::Random => "random networks 20-100-500".to_owned(),
        Which::Trained => study.trained().name.replace('→', "-"),
    };
    study.draw(name, &plot(&rows, &subject))?;
    let mut text = format!(
        "{name}, {subject}: the nearer the exponent p of median error ~ a^p to 1, the more linearly the error grows with the noise.\n\
         Exponent, and the share of runs with an error above 0.5, over the noises up to 1e-2 (descent: {}):",
        match network {
            Which::Random => "step 1, 1,000 iterations, one start",
            Which::Trained =>
                study.pick("step 1e-3, 10,000 iterations, one start", "step 1e-3, 1,000 iterations, one start"),
        }
    );
    for law in LAWS {
        let of = |method| {
            let runs = points(&rows, law, method);
            let small: Vec<f64> = runs.iter().filter(|run| run.0 < SMALL).map(|run| run.1).collect();
            let lost = small.iter().filter(|error| **error > LOST).count() as f64 / small.len() as f64;
            format!("{method} {:.3} ({:.1} %)", slope(&runs), 100.0 * lost)
        };
        text.push_str(&format!("\n  {law:?} noise: {}", METHODS.map(of).join(", ")));
    }
    study.tell(name, text)
}

impl Job {
    fn carry_out(&self, study: &Study) -> Result<Vec<Row>> {
        let Job { network, law, level, run } = *self;
        let noise = law.of_size(level);
        let seed = study.seed(&[1, network as u64, law as u64, level.to_bits(), run]);
        let (instance, descent) = match network {
            Which::Random => {
                (Instance::random(&[20, 100, 500], Activation::Relu, noise, seed)?, descent_on_random(seed))
            }
            Which::Trained => {
                let mut descent = descent_on_trained(seed);
                descent.iterations = study.pick(descent.iterations, 1000);
                (Instance::of(Arc::clone(&study.trained().network), noise, seed), descent)
            }
        };
        METHODS
            .map(|method| {
                let found = instance.invert(method.options(level, descent.clone(), 1))?;
                Ok(Row { noise: law, level, run, method, error: instance.error(&found) })
            })
            .into_iter()
            .collect()
    }
}

/// Noise levels and errors of the runs of one method.
fn points(rows: &[Row], law: Law, method: Contender) -> Vec<(f64, f64)> {
    let of = |row: &&Row| (row.noise, row.method) == (law, method);
    rows.iter().filter(of).map(|row| (row.level, row.error)).collect()
}

/// Noise levels, ascending, with the median error of each.
fn medians(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut levels: Vec<f64> = points.iter().map(|point| point.0).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let errors = |level: f64| points.iter().filter(|point| point.0 == level).map(|point| point.1).collect();
    levels.into_iter().map(|level| (level, median(errors(level)))).collect()
}

/// A small horizontal shift, so that the dots of one level do not lie on one line.
fn scattered(run: usize) -> f64 {
    // Multiples of the golden ratio fill the interval evenly, for any number of them.
    let share = (run as f64 * 0.618_033_988_749_895).fract();
    1.1_f64.powf(share - 0.5)
}

/// The exponent of the medians, over the noise levels that leave the image recognisable.
fn slope(runs: &[(f64, f64)]) -> f64 {
    exponent(&medians(runs).into_iter().filter(|(level, _)| *level < SMALL).collect::<Vec<_>>())
}

fn plot(rows: &[Row], subject: &str) -> Plot {
    let panel = |law: Law| {
        // All dots are below all lines.
        let (mut dots, mut lines) = (Vec::new(), Vec::new());
        for (place, method) in METHODS.into_iter().enumerate() {
            // The methods' dots are side by side, so that none hides another.
            let aside = 1.14_f64.powf(place as f64 - (METHODS.len() - 1) as f64 / 2.0);
            let runs = points(rows, law, method);
            let beside = runs.iter().enumerate();
            let beside = beside.map(|(run, (level, error))| (level * aside * scattered(run), *error)).collect();
            let colour = method.colour();
            dots.push(Curve { label: String::new(), points: beside, colour, style: Style::Dots });
            lines.push(Curve { label: method.to_string(), points: medians(&runs), colour, style: Style::Solid });
        }
        let curves = dots.into_iter().chain(lines).collect();
        let noise = match law {
            Law::Uniform => "noise uniform on (-a, a)",
            Law::Gaussian => "Gaussian noise of standard deviation a",
        };
        let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Logarithmic, shows: Vec::new() };
        Panel { title: noise.to_owned(), horizontal: axis("a"), vertical: axis("relative error of the code"), curves }
    };
    let title = format!("Recovery error against noise, {subject}\nA dot is a run, a line goes through the medians");
    Plot { title, panels: LAWS.map(panel).to_vec() }
}
