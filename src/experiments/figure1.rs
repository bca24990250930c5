//! The paper's figures 1 and 5: the relative error of the codes against the size of the noise, on random networks 20 → 100 → 500 and on
//! the trained generator, the noise uniform on (−a, a) or Gaussian of standard deviation a (the authors' reading of N(0, a)).
//!
//! Figure 1 has the paper's two main methods and the baselines, figure 5 the relaxed linear program too; both are drawn from the same runs,
//! those of figure 1's record.

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

const NAME: &str = "figure1";
const METHODS: [Contender; 5] =
    [Contender::Linf, Contender::L1, Contender::Relaxed, Contender::Descent, Contender::Best];
const NOISES: [Law; 2] = [Law::Uniform, Law::Gaussian];
const NETWORKS: [Which; 2] = [Which::Random, Which::Trained];

/// How noise of size `a` is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Law {
    Uniform,
    Gaussian,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    /// A new network every run.
    Random,
    Trained,
}

struct Job {
    network: Which,
    law: Law,
    level: f64,
    run: u64,
}

/// One inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    network: Which,
    noise: Law,
    level: f64,
    run: u64,
    method: Contender,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
}

/// Figure 1: `linf`, `l1`, descent and `best`.
pub fn run(study: &Study) -> Result<String> {
    let rows = rows(study)?;
    study.draw(NAME, &plot(&rows, &[Contender::Linf, Contender::L1, Contender::Descent, Contender::Best]))?;
    let mut text = String::from(
        "figure1: the error grows linearly with the noise. Exponents p of median error ~ a^p over all noises up to 1e-2 \
         (a straight line of slope 1 is 1.00):",
    );
    for network in NETWORKS {
        for law in NOISES {
            let of = |method| format!("{method} {:.3}", slope(&rows, network, law, method));
            let methods = METHODS.map(of).join(", ");
            text.push_str(&format!("\n  {network:?} network, {law:?} noise: {methods}"));
        }
    }
    text.push_str(
        "\nDescent on the trained generator mostly ends in a local minimum, whatever the noise. `best` lies below every \
         other method's median.",
    );
    study.tell(NAME, text)
}

/// The runs of figures 1 and 5.
fn rows(study: &Study) -> Result<Vec<Row>> {
    let (runs, exponents) = study.pick((200, 1..=6), (8, 1..=4));
    let mut jobs = Vec::new();
    for network in NETWORKS {
        for law in NOISES {
            for exponent in exponents.clone() {
                let level = 10_f64.powi(-exponent);
                jobs.extend((0..runs).map(|run| Job { network, law, level, run }));
            }
        }
    }
    study.runs(NAME, &jobs, METHODS.len(), |job| job.carry_out(study))
}

impl Job {
    fn carry_out(&self, study: &Study) -> Result<Vec<Row>> {
        let Job { network, law, level, run } = *self;
        let noise = match law {
            Law::Uniform => Noise::Uniform(level),
            Law::Gaussian => Noise::Gaussian(level),
        };
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
                Ok(Row { network, noise: law, level, run, method, error: instance.error(&found) })
            })
            .into_iter()
            .collect()
    }
}

/// Levels and errors of the runs of one method.
fn points(rows: &[Row], network: Which, law: Law, method: Contender) -> Vec<(f64, f64)> {
    let of = |row: &&Row| (row.network, row.noise, row.method) == (network, law, method);
    rows.iter().filter(of).map(|row| (row.level, row.error)).collect()
}

/// Levels, the least first, and the median error of each.
fn medians(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut levels: Vec<f64> = points.iter().map(|point| point.0).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let errors = |level: f64| points.iter().filter(|point| point.0 == level).map(|point| point.1).collect();
    levels.into_iter().map(|level| (level, median(errors(level)))).collect()
}

fn slope(rows: &[Row], network: Which, law: Law, method: Contender) -> f64 {
    let medians = medians(&points(rows, network, law, method));
    exponent(&medians.into_iter().filter(|(level, _)| *level < 0.02).collect::<Vec<_>>())
}

fn plot(rows: &[Row], methods: &[Contender]) -> Plot {
    let panel = |(network, law): (Which, Law)| {
        let mut curves = Vec::new();
        for (place, method) in methods.iter().enumerate() {
            // The methods' runs side by side, so that none hides another.
            let aside = 1.12_f64.powf(place as f64 - (methods.len() - 1) as f64 / 2.0);
            let runs = points(rows, network, law, *method);
            let beside = runs.iter().map(|(level, error)| (level * aside, *error)).collect();
            let colour = method.colour();
            curves.push(Curve { label: String::new(), points: beside, colour, style: Style::Dots });
            curves.push(Curve { label: method.to_string(), points: medians(&runs), colour, style: Style::Solid });
        }
        let (title, sizes) = match network {
            Which::Random => ("random networks", "20-100-500"),
            Which::Trained => ("the trained generator", "20-60-784"),
        };
        let noise = match law {
            Law::Uniform => "uniform on (-a, a)",
            Law::Gaussian => "Gaussian, standard deviation a",
        };
        Panel {
            title: format!("{title} {sizes}, noise {noise}"),
            horizontal: Axis { label: "noise a".to_owned(), scale: Scale::Logarithmic, shows: Vec::new() },
            vertical: Axis {
                label: "relative error of the code".to_owned(),
                scale: Scale::Logarithmic,
                shows: Vec::new(),
            },
            curves,
        }
    };
    let panels = NETWORKS.into_iter().flat_map(|network| NOISES.map(|law| (network, law))).map(panel);
    let title = "Recovery error against noise\nA dot is a run, a line goes through the medians";
    Plot { title: title.to_owned(), panels: panels.collect() }
}
