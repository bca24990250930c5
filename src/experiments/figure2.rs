//! The paper's figure 2: the success rate (relative error up to 1e-3) on random networks k → 250 →
//! 600 without noise, against the code length k, for ReLU and LeakyReLU of slope 0.1. Every run has
//! a new network.
//!
//! Whether a ReLU instance determines its code layer by layer is known beforehand
//! ([`super::determined`]): every layer needs as many active rows as it has inputs, with full rank.
//! The number of active rows among `n` random ones is Bin(n, ½), so the expected share is known
//! exactly. A success beyond it is due to inactive rows, which are inequalities. The figure ends at
//! 250, where even the hidden layer is square; the curves of descent end at 110.

use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_random};
use super::determined::{is_determined, probability};
use super::instance::{Instance, SUCCESS};
use super::study::Study;
use crate::descent::DescentOptions;
use crate::error::Result;
use crate::network::Activation;
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::random::Noise;
use crate::statistics::share;

const NAME: &str = "figure2";
const HIDDEN: [usize; 2] = [250, 600];
const OURS: [Contender; 3] = [Contender::Linf, Contender::Exact, Contender::Best];
/// The paper's maximum number of descent iterations, and ten times as many.
const CAPS: [usize; 2] = [1000, 10_000];
/// The last code length of the descent curves: just beyond the paper's claim.
const DESCENT_ENDS: usize = 110;
/// The last code length at which the paper recovers every code by its linear programs.
const PAPER_CLAIM: f64 = 109.0;
/// ε₀: far below the entries of an observation.
const EPSILON: f64 = 1e-9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Relu,
    Leaky,
}

const KINDS: [Kind; 2] = [Kind::Relu, Kind::Leaky];

impl Kind {
    fn activation(self) -> Activation {
        match self {
            Kind::Relu => Activation::Relu,
            Kind::Leaky => Activation::LeakyRelu(0.1),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Kind::Relu => "ReLU",
            Kind::Leaky => "LeakyReLU, slope 0.1",
        }
    }
}

struct Job {
    kind: Kind,
    k: usize,
    run: u64,
}

/// The row of one inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    activation: Kind,
    code_length: usize,
    run: u64,
    method: Contender,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
    reproduces: bool,
    /// Whether the active rows determine the code layer by layer.
    determined: bool,
}

/// The row of one descent.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct DescentRow {
    activation: Kind,
    code_length: usize,
    run: u64,
    iterations_at_most: usize,
    error: f64,
    iterations: u32,
}

impl Job {
    fn instance(&self, study: &Study) -> Result<(Instance, u64)> {
        let Job { kind, k, run } = *self;
        let seed = study.seed(&[2, kind as u64, k as u64, run]);
        let noise = Noise::Uniform(0.0);
        Ok((Instance::random(&[k, HIDDEN[0], HIDDEN[1]], kind.activation(), noise, seed)?, seed))
    }

    fn ours(&self, study: &Study) -> Result<Vec<Row>> {
        let (instance, seed) = self.instance(study)?;
        let determined = is_determined(&instance.network, &instance.code);
        let of = |method: Contender| {
            let found = instance.invert(method.options(EPSILON, descent_on_random(seed), 1))?;
            Ok(Row {
                activation: self.kind,
                code_length: self.k,
                run: self.run,
                method,
                error: instance.error(&found),
                reproduces: found.rows[0].reproduces,
                determined,
            })
        };
        OURS.into_iter().map(of).collect()
    }

    fn descent(&self, study: &Study) -> Result<Vec<DescentRow>> {
        let (instance, seed) = self.instance(study)?;
        let of = |iterations: usize| {
            let options = DescentOptions { iterations, ..descent_on_random(seed) };
            let found = instance.invert(Contender::Descent.options(EPSILON, options, 1))?;
            Ok(DescentRow {
                activation: self.kind,
                code_length: self.k,
                run: self.run,
                iterations_at_most: iterations,
                error: instance.error(&found),
                iterations: found.rows[0].iterations.unwrap_or(0),
            })
        };
        CAPS.into_iter().map(of).collect()
    }
}

/// Runs the experiment and draws the figure.
pub fn run(study: &Study) -> Result<String> {
    let every = study.pick(10, 40);
    let lengths: Vec<usize> = (0..=(HIDDEN[0] - 10) / every).map(|step| 10 + step * every).collect();
    let runs = study.pick(200, 5);
    let jobs = |last: usize| -> Vec<Job> {
        let of = |(kind, k)| (0..runs).map(move |run| Job { kind, k, run });
        let lengths = lengths.iter().copied().filter(|k| *k <= last);
        lengths.flat_map(|k| KINDS.map(|kind| (kind, k))).flat_map(of).collect()
    };
    let rows = study.runs(NAME, &jobs(HIDDEN[0]), OURS.len(), |job| job.ours(study))?;
    let descents = study.runs("figure2-descent", &jobs(DESCENT_ENDS), CAPS.len(), |job| job.descent(study))?;
    study.draw(NAME, &plot(&rows, &descents, &lengths))?;
    study.tell(NAME, text(&rows, &descents, &lengths))
}

fn success(rows: &[Row], kind: Kind, k: usize, method: Contender) -> Option<f64> {
    let of = |row: &&Row| (row.activation, row.code_length, row.method) == (kind, k, method);
    share(rows.iter().filter(of), |row| row.error <= SUCCESS)
}

fn descent_success(rows: &[DescentRow], kind: Kind, k: usize, cap: usize) -> Option<f64> {
    let of = |row: &&DescentRow| (row.activation, row.code_length, row.iterations_at_most) == (kind, k, cap);
    share(rows.iter().filter(of), |row| row.error <= SUCCESS)
}

fn expected(kind: Kind, k: usize) -> f64 {
    match kind {
        Kind::Relu => probability(&[k, HIDDEN[0], HIDDEN[1]]),
        // Injective, with as many rows as the layer has.
        Kind::Leaky => 1.0,
    }
}

fn plot(rows: &[Row], descents: &[DescentRow], lengths: &[usize]) -> Plot {
    let panel = |kind: Kind| {
        let along = |of: &dyn Fn(usize) -> Option<f64>| {
            lengths.iter().filter_map(|&k| Some((k as f64, of(k)?))).collect::<Vec<_>>()
        };
        let solid =
            |label: &str, points, colour| Curve { label: label.to_owned(), points, colour, style: Style::Solid };
        let law = (10..=HIDDEN[0]).map(|k| (k as f64, expected(kind, k))).collect();
        let mut curves = vec![Curve {
            label: "determined by its active rows, binomial law".to_owned(),
            points: law,
            colour: 4,
            style: Style::Thin,
        }];
        if kind == Kind::Relu {
            let end = vec![(PAPER_CLAIM, 0.0), (PAPER_CLAIM, 1.0)];
            let label = "the paper: 100 % up to here".to_owned();
            curves.push(Curve { label, points: end, colour: 4, style: Style::Rule });
        }
        for (cap, style) in CAPS.into_iter().zip([Style::Solid, Style::Dashed]) {
            let points = along(&|k| descent_success(descents, kind, k, cap));
            let label = format!("descent, {cap} iterations");
            curves.push(Curve { label, points, colour: Contender::Descent.colour(), style });
        }
        curves.push(solid("best", along(&|k| success(rows, kind, k, Contender::Best)), Contender::Best.colour()));
        curves.push(solid("exact", along(&|k| success(rows, kind, k, Contender::Exact)), Contender::Exact.colour()));
        let points = along(&|k| success(rows, kind, k, Contender::Linf));
        curves.push(Curve { style: Style::Dashed, ..solid("linf", points, Contender::Linf.colour()) });
        Panel {
            title: kind.title().to_owned(),
            horizontal: Axis { label: "code length k".to_owned(), scale: Scale::Linear, shows: vec![0.0] },
            vertical: Axis {
                label: "share of runs with a relative error up to 0.001".to_owned(),
                scale: Scale::Linear,
                shows: vec![0.0, 1.0],
            },
            curves,
        }
    };
    let title = "Success rate without noise, random networks k-250-600\nA new network every run; where curves coincide the dashed one is on top; descent was run up to k = 110";
    Plot { title: title.to_owned(), panels: KINDS.map(panel).to_vec() }
}

fn text(rows: &[Row], descents: &[DescentRow], lengths: &[usize]) -> String {
    let mut text = String::from("figure2: of the instances that their active rows determine are found");
    for kind in KINDS {
        let determined = |row: &&Row| row.activation == kind && row.determined;
        for method in OURS {
            let of: Vec<&Row> = rows.iter().filter(determined).filter(|row| row.method == method).collect();
            let found = of.iter().filter(|row| row.error <= SUCCESS).count();
            text.push_str(&format!("\n  {}, {method}: {found} of {}", kind.title(), of.len()));
            for lost in of.iter().filter(|row| row.error > SUCCESS).take(5) {
                text.push_str(&format!("; not k = {}, run {}: {:.1e}", lost.code_length, lost.run, lost.error));
            }
        }
    }
    text.push_str(
        "\n  share found in %, by k (expected, linf, exact, best, descent with 1,000 and 10,000 iterations):",
    );
    let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}", 100.0 * share));
    for kind in KINDS {
        for &k in lengths {
            let ours = OURS.map(|method| percent(success(rows, kind, k, method))).join(" ");
            let theirs = CAPS.map(|cap| percent(descent_success(descents, kind, k, cap))).join(" ");
            let law = percent(Some(expected(kind, k)));
            text.push_str(&format!("\n    {}, k = {k}: {law} | {ours} | {theirs}", kind.title()));
        }
    }
    text
}
