//! The paper's figures 1 and 5: the relative error of the codes against the size of the noise,
//! uniform on (−a, a) or Gaussian with standard deviation a (the authors' reading of N(0, a)), on
//! random networks 20 → 100 → 500, a new one for every run, and on the trained generator. Figure 1
//! compares the linear programs with descent, figure 5 with one another.
//!
//! As in the paper, the horizontal axis is the relative noise, `‖e‖ / ‖G(z*)‖`; the record has `a`
//! as well.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_random, descent_on_trained};
use super::instance::Instance;
use super::study::Study;
use crate::descent::DescentOptions;
use crate::error::Result;
use crate::network::Activation;
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::random::Noise;
use crate::statistics::{exponent, median};

/// The networks, in the order of the panels.
pub(super) const NETWORKS: [Which; 2] = [Which::Random, Which::Trained];

/// A run with an error above this is a failure if the noise is below …
const LOST: f64 = 0.5;
/// … this: noise of a tenth of the pixels' size leaves the image recognisable.
const SMALL: f64 = 0.02;

/// A figure with its methods.
struct Figure {
    name: &'static str,
    title: &'static str,
    methods: fn(Law) -> Vec<Contender>,
}

/// The paper's `linf`, `l1` and descent. Beside them, the best of today's methods: refinement in
/// the norm of the noise, and the searches.
const FIGURE1: Figure = Figure {
    name: "figure1",
    title: "Recovery error against noise",
    methods: |law| {
        use Contender::{Best, BestLinf, Descent, L1, Linf, LinfRefinedInL2, LinfRefinedInLinf};
        match law {
            Law::Uniform => vec![Linf, L1, Descent, LinfRefinedInLinf, Best, BestLinf],
            Law::Gaussian => vec![Linf, L1, Descent, LinfRefinedInL2, Best, BestLinf],
        }
    },
};

/// The paper's three linear programs, and the two whose departures from its form pay most.
const FIGURE5: Figure = Figure {
    name: "figure5",
    title: "Recovery error against noise, linear programs",
    methods: |_| {
        use Contender::{L1, Linf, LinfPasses, Relaxed, RelaxedClear};
        vec![Linf, L1, Relaxed, LinfPasses, RelaxedClear]
    },
};

/// The distribution of noise of size `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Law {
    Uniform,
    Gaussian,
}

impl Law {
    /// All laws, in the order of the panels.
    pub const ALL: [Law; 2] = [Law::Uniform, Law::Gaussian];

    /// Noise of size `a` = `level`.
    pub fn of_size(self, level: f64) -> Noise {
        match self {
            Law::Uniform => Noise::Uniform(level),
            Law::Gaussian => Noise::Gaussian(level),
        }
    }
}

/// The networks of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Which {
    /// A new network for every run.
    Random,
    Trained,
}

impl Which {
    /// An instance on such a network. Random networks are 20 → 100 → 500.
    pub fn instance(self, study: &Study, noise: Noise, seed: u64) -> Result<Instance> {
        match self {
            Which::Random => Instance::random(&[20, 100, 500], Activation::Relu, noise, seed),
            Which::Trained => Ok(Instance::of(Arc::clone(&study.trained().network), noise, seed)),
        }
    }

    /// The name in titles.
    pub fn title(self, study: &Study) -> String {
        match self {
            Which::Random => "random networks 20-100-500".to_owned(),
            Which::Trained => study.trained().name.replace('→', "-"),
        }
    }
}

/// An observation to make and to invert.
pub(super) struct Case {
    pub network: Which,
    pub law: Law,
    /// `a`.
    pub level: f64,
    pub run: u64,
}

impl Case {
    /// `runs` cases of each network, law and level, in this order.
    pub fn all(levels: &[f64], runs: u64) -> Vec<Self> {
        let mut cases = Vec::new();
        for network in NETWORKS {
            for law in Law::ALL {
                for &level in levels {
                    cases.extend((0..runs).map(|run| Case { network, law, level, run }));
                }
            }
        }
        cases
    }

    /// The seed of the case, in the experiment of this number.
    pub fn seed(&self, study: &Study, experiment: u64) -> u64 {
        study.seed(&[experiment, self.network as u64, self.law as u64, self.level.to_bits(), self.run])
    }
}

/// The row of one inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    network: Which,
    noise: Law,
    /// `a`.
    level: f64,
    /// `‖e‖ / ‖G(z*)‖`.
    relative_noise: f64,
    run: u64,
    method: Contender,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
}

/// Runs figure 1: the linear programs and descent.
pub fn figure1(study: &Study) -> Result<String> {
    reproduce(study, &FIGURE1)
}

/// Runs figure 5: the linear programs among themselves.
pub fn figure5(study: &Study) -> Result<String> {
    reproduce(study, &FIGURE5)
}

fn reproduce(study: &Study, figure: &Figure) -> Result<String> {
    let (runs, exponents) = study.pick((200, 1..=6), (4, 1..=3));
    let levels: Vec<f64> = exponents.map(|exponent| 10_f64.powi(-exponent)).collect();
    let cases = Case::all(&levels, runs);
    let per_job = (figure.methods)(Law::Uniform).len();
    let rows = study.runs(figure.name, &cases, per_job, |case| figure.carry_out(study, case))?;
    study.draw(figure.name, &plot(study, figure, &rows))?;
    study.tell(figure.name, text(study, figure, &rows))
}

impl Figure {
    fn carry_out(&self, study: &Study, case: &Case) -> Result<Vec<Row>> {
        let Case { network, law, level, run } = *case;
        let seed = case.seed(study, 1);
        let instance = network.instance(study, law.of_size(level), seed)?;
        let descent = match network {
            Which::Random => descent_on_random(seed),
            Which::Trained => {
                let descent = descent_on_trained(seed);
                DescentOptions { iterations: study.pick(descent.iterations, 1000), ..descent }
            }
        };
        let row = |method: Contender| {
            let found = instance.invert(method.options(level, descent.clone(), 1))?;
            let (relative_noise, error) = (instance.relative_noise, instance.error(&found));
            Ok(Row { network, noise: law, level, relative_noise, run, method, error })
        };
        (self.methods)(law).into_iter().map(row).collect()
    }
}

/// The runs of one method in one panel.
fn of(rows: &[Row], panel: (Which, Law), method: Contender) -> Vec<&Row> {
    rows.iter().filter(|row| ((row.network, row.noise), row.method) == (panel, method)).collect()
}

/// For each noise level, ascending: the level, the median relative noise, and the median error.
fn medians(runs: &[&Row]) -> Vec<(f64, f64, f64)> {
    let mut levels: Vec<f64> = runs.iter().map(|row| row.level).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let median_of = |level: f64, of: fn(&Row) -> f64| {
        median(runs.iter().filter(|row| row.level == level).map(|row| of(row)).collect())
    };
    let at = |level| (level, median_of(level, |row| row.relative_noise), median_of(level, |row| row.error));
    levels.into_iter().map(at).collect()
}

/// The exponent of the median error in `a`, over the noise levels that leave the image
/// recognisable.
fn slope(medians: &[(f64, f64, f64)]) -> f64 {
    let small = medians.iter().filter(|median| median.0 < SMALL);
    exponent(&small.map(|&(level, _, error)| (level, error)).collect::<Vec<_>>())
}

fn text(study: &Study, figure: &Figure, rows: &[Row]) -> String {
    let mut text = format!(
        "{}: median relative error of the code at each noise a, then the exponent p of error ~ a^p (1: the error grows linearly \
         with the noise) and the share of errors above {LOST}, both over noises up to 1e-2. Descent: step 1, 1,000 iterations on \
         random networks; {} on the trained generator; one start.",
        figure.name,
        study.pick("step 1e-3, 10,000 iterations", "step 1e-3, 1,000 iterations"),
    );
    for network in NETWORKS {
        for law in Law::ALL {
            let panel = (network, law);
            text.push_str(&format!("\n  {}, {law:?} noise", network.title(study)));
            let methods = (figure.methods)(law);
            if let Some(first) = methods.first() {
                let levels = medians(&of(rows, panel, *first));
                let noise: Vec<String> =
                    levels.iter().rev().map(|(level, relative, _)| format!("a = {level:e}: {relative:.1e}")).collect();
                text.push_str(&format!("; relative noise: {}", noise.join(", ")));
            }
            for method in methods {
                let runs = of(rows, panel, method);
                let medians = medians(&runs);
                let errors: Vec<String> = medians.iter().rev().map(|(_, _, error)| format!("{error:.1e}")).collect();
                let small: Vec<&&Row> = runs.iter().filter(|row| row.level < SMALL).collect();
                let lost = small.iter().filter(|row| row.error > LOST).count() as f64 / small.len().max(1) as f64;
                text.push_str(&format!(
                    "\n    {method}: {}; p = {:.3}, {:.1} %",
                    errors.join(" "),
                    slope(&medians),
                    100.0 * lost
                ));
            }
        }
    }
    text
}

fn plot(study: &Study, figure: &Figure, rows: &[Row]) -> Plot {
    let panel = |network: Which, law: Law| {
        // All dots are below all lines.
        let (mut dots, mut lines) = (Vec::new(), Vec::new());
        for method in (figure.methods)(law) {
            let runs = of(rows, (network, law), method);
            let colour = method.colour();
            let points = runs.iter().map(|row| (row.relative_noise, row.error)).collect();
            dots.push(Curve { label: String::new(), points, colour, style: Style::Dots });
            let points = medians(&runs).into_iter().map(|(_, relative, error)| (relative, error)).collect();
            lines.push(Curve { label: method.to_string(), points, colour, style: Style::Solid });
        }
        let noise = match law {
            Law::Uniform => "uniform noise",
            Law::Gaussian => "Gaussian noise",
        };
        let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Logarithmic, shows: Vec::new() };
        Panel {
            title: format!("{noise}, {}", network.title(study)),
            horizontal: axis("relative noise"),
            vertical: axis("relative error of the code"),
            curves: dots.into_iter().chain(lines).collect(),
        }
    };
    let panels = NETWORKS.into_iter().flat_map(|network| Law::ALL.map(|law| (network, law)));
    Plot {
        title: format!(
            "{}\nA dot is a run, a line goes through the medians of each noise; where lines coincide, the last of the legend is on top",
            figure.title
        ),
        panels: panels.map(|(network, law)| panel(network, law)).collect(),
    }
}
