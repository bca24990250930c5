//! The linear programs as the paper prints them, as its authors' program has them, and as unrelu
//! has them: the errors of the codes on random networks and on the trained generator.
//!
//! The printed Algorithms 1 to 3 leave the input of every layer free; the authors' program bounds
//! it by `z ≥ 0` behind a ReLU, carries ε from layer to layer, and gives entries up to 2ε no
//! weight in Algorithm 3. The printed rule to stop compares the losses of neighbouring tolerances;
//! unrelu returns the lowest loss of the whole ladder.

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use super::noise::{Case, Law, NETWORKS, Which};
use super::study::Study;
use crate::batch::{Method, Options};
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::lp::formulation::{LayerwiseMethod, Stop, Tolerances};
use crate::lp::layer::{HiddenEpsilon, HiddenSign, LayerwiseOptions, RelaxedWeights};
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::statistics::{median, share};

const NAME: &str = "printed";
/// The sizes of the noise.
const LEVELS: [f64; 2] = [1e-2, 1e-4];
/// The size that is drawn.
const DRAWN: f64 = 1e-2;
/// An error above this is a failure.
const LOST: f64 = 0.5;

/// One form of an algorithm.
struct Form {
    method: LayerwiseMethod,
    name: &'static str,
    options: fn(LayerwiseOptions) -> LayerwiseOptions,
}

const FORMS: [Form; 13] = {
    use LayerwiseMethod::{L1, Linf, Relaxed};
    [
        Form { method: Linf, name: "unrelu", options: |plain| plain },
        Form { method: Linf, name: "printed", options: |plain| plain.hidden_sign(HiddenSign::Free) },
        Form { method: Linf, name: "authors", options: |plain| plain.hidden_epsilon(HiddenEpsilon::Carried) },
        Form { method: L1, name: "unrelu", options: |plain| plain },
        Form { method: L1, name: "unrelu, free", options: |plain| plain.hidden_sign(HiddenSign::Free) },
        Form { method: L1, name: "printed", options: |plain| first(plain).hidden_sign(HiddenSign::Free) },
        Form { method: L1, name: "authors", options: |plain| first(plain).hidden_epsilon(HiddenEpsilon::Carried) },
        Form {
            method: L1,
            name: "printed stop, enlarged",
            options: |plain| first(plain).hidden_epsilon(HiddenEpsilon::Enlarged),
        },
        Form { method: Relaxed, name: "unrelu", options: |plain| plain },
        Form { method: Relaxed, name: "unrelu, free", options: |plain| plain.hidden_sign(HiddenSign::Free) },
        Form { method: Relaxed, name: "printed", options: |plain| first(plain).hidden_sign(HiddenSign::Free) },
        Form {
            method: Relaxed,
            name: "authors",
            options: |plain| first(plain).hidden_epsilon(HiddenEpsilon::Carried).relaxed_weights(RelaxedWeights::Clear),
        },
        Form {
            method: Relaxed,
            name: "unrelu, clear weights",
            options: |plain| plain.relaxed_weights(RelaxedWeights::Clear),
        },
    ]
};

/// The paper's rule to stop.
fn first(options: LayerwiseOptions) -> LayerwiseOptions {
    options.stop(Stop::First)
}

impl Form {
    /// The name in the record.
    fn label(&self) -> String {
        format!("{}, {}", self.method, self.name)
    }

    fn options(&self, epsilon: f64) -> Options {
        let tolerances = Tolerances::default().epsilon(epsilon);
        let plain = LayerwiseOptions::default().method(self.method).tolerances(tolerances);
        let method = Method::Layerwise((self.options)(plain));
        let (device, threads) = (DeviceChoice::Cpu, Some(1));
        Options { method, device, threads, reproduces_within: Some(epsilon), ..Options::default() }
    }
}

/// The row of one inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    network: Which,
    noise: Law,
    level: f64,
    run: u64,
    form: String,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
    status: String,
}

/// Runs the experiment: the forms of the linear programs.
pub fn run(study: &Study) -> Result<String> {
    let runs = study.pick(200, 4);
    let cases = Case::all(&LEVELS, runs);
    let rows = study.runs(NAME, &cases, FORMS.len(), |case| carry_out(study, case))?;
    study.draw(NAME, &plot(study, &rows))?;
    study.tell(NAME, text(study, &rows))
}

fn carry_out(study: &Study, case: &Case) -> Result<Vec<Row>> {
    let Case { network, law, level, run } = *case;
    let instance = network.instance(study, law.of_size(level), case.seed(study, 22))?;
    let row = |form: &Form| {
        let found = instance.invert(form.options(level))?;
        let (error, status) = (instance.error(&found), found.rows[0].status.to_string());
        Ok(Row { network, noise: law, level, run, form: form.label(), error, status })
    };
    FORMS.iter().map(row).collect()
}

fn of(rows: &[Row], (network, law, level): (Which, Law, f64), form: &Form) -> Vec<f64> {
    let label = form.label();
    let is_it = |row: &&Row| (row.network, row.noise, row.level) == (network, law, level) && row.form == label;
    rows.iter().filter(is_it).map(|row| row.error).collect()
}

fn text(study: &Study, rows: &[Row]) -> String {
    let mut text = format!(
        "printed: median relative error of the code, and the share of errors above {LOST}, by the form of the linear programs. \
         Printed: inputs of layers free, the printed rule to stop. Authors: z >= 0 behind a ReLU, ε carried from layer to layer, the \
         printed rule, no weights up to 2ε in relaxed. unrelu: z >= 0, ε from the start in every layer, the lowest loss of the ladder."
    );
    for network in NETWORKS {
        for law in Law::ALL {
            for level in LEVELS {
                text.push_str(&format!("\n  {}, {law:?} noise {level:e}", network.title(study)));
                for form in &FORMS {
                    let errors = of(rows, (network, law, level), form);
                    let lost = share(errors.iter(), |error| *error > LOST).unwrap_or(0.0);
                    text.push_str(&format!("\n    {}: {:.1e}, {:.1} %", form.label(), median(errors), 100.0 * lost));
                }
            }
        }
    }
    text
}

/// For each network and method, the share of runs up to each error.
fn plot(study: &Study, rows: &[Row]) -> Plot {
    let panel = |network: Which, method: LayerwiseMethod| {
        let law = if method == LayerwiseMethod::Linf { Law::Uniform } else { Law::Gaussian };
        let forms = FORMS.iter().filter(|form| form.method == method);
        let curve = |form: &Form| {
            let mut errors = of(rows, (network, law, DRAWN), form);
            errors.sort_by(f64::total_cmp);
            let count = errors.len() as f64;
            let points = errors.into_iter().enumerate().map(|(place, error)| (error, (place + 1) as f64 / count));
            let colour = match form.name {
                "unrelu" => Contender::Linf.colour(),
                "printed" => Contender::Descent.colour(),
                "authors" => Contender::Best.colour(),
                "unrelu, free" => Contender::L1.colour(),
                "printed stop, enlarged" => Contender::BestLinf.colour(),
                _ => Contender::Relaxed.colour(),
            };
            Curve { label: form.name.to_owned(), points: points.collect(), colour, style: Style::Thin }
        };
        Panel {
            title: format!("{method}, {}", network.title(study)),
            horizontal: Axis {
                label: "relative error of the code".to_owned(),
                scale: Scale::Logarithmic,
                shows: Vec::new(),
            },
            vertical: Axis { label: "share of runs up to it".to_owned(), scale: Scale::Linear, shows: vec![0.0, 1.0] },
            curves: forms.map(curve).collect(),
        }
    };
    let methods = [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed];
    let panels = methods.into_iter().flat_map(|method| NETWORKS.map(|network| panel(network, method)));
    Plot {
        title: format!(
            "The linear programs as printed, as the authors' program has them, and here\nnoise {DRAWN}: uniform for linf, Gaussian for l1 and relaxed; where curves coincide, the last is on top"
        ),
        panels: panels.collect(),
    }
}
