//! The output of table 1: medians as text and as curves.

use super::super::contender::Contender;
use super::super::study::Study;
use super::{AUTHORS_NOISE, Case, LENGTHS, METHODS, PAPERS_METHODS, REAL_NOISE, Row, Subject};
use crate::bench::processor;
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::statistics::median;

/// The paper's table 1: seconds of processor time, means of 200 runs; at the code lengths of
/// [`LENGTHS`] and on its trained generator.
const PAPER: [(Contender, [f64; 7]); 4] = [
    (Contender::Linf, [0.63, 0.73, 0.83, 0.90, 0.95, 1.03, 0.5]),
    (Contender::L1, [1.05, 1.05, 1.23, 1.28, 1.39, 1.22, 1.1]),
    (Contender::Relaxed, [0.66, 0.53, 0.58, 0.76, 0.75, 0.70, 0.6]),
    (Contender::Descent, [1.59, 1.65, 1.72, 1.80, 2.09, 2.01, 72.0]),
];

/// The rows to print.
pub(super) struct Table<'a> {
    pub subjects: &'a [Subject],
    pub alone: &'a [Row],
    pub batched: &'a [Row],
    pub study: &'a Study<'a>,
}

impl Table<'_> {
    fn of<'a>(&self, rows: &'a [Row], case: Case) -> impl Iterator<Item = &'a Row> {
        let k = match case.subject {
            Subject::Random(k) => k,
            Subject::Trained => self.study.trained().network.code_length(),
        };
        rows.iter().filter(move |row| {
            (row.network.as_str(), row.code_length) == (case.subject.name(), k)
                && (row.noise, row.method) == (case.noise, case.method)
        })
    }

    /// Median milliseconds per observation.
    fn time(&self, rows: &[Row], case: Case) -> f64 {
        median(self.of(rows, case).map(|row| row.milliseconds).collect())
    }

    fn found(&self, case: Case) -> f64 {
        let found: Vec<f64> = self.of(self.alone, case).map(|row| row.found).collect();
        found.iter().sum::<f64>() / found.len() as f64
    }

    pub fn plot(&self) -> Plot {
        let panel = |(title, rows): (&str, &[Row])| {
            let curve = |method: Contender, noise: f64, label: String, style| {
                let at = |subject: &Subject| match subject {
                    Subject::Random(k) => Some((*k as f64, self.time(rows, Case { subject: *subject, noise, method }))),
                    Subject::Trained => None,
                };
                let points = self.subjects.iter().filter_map(at).collect();
                Curve { label, points, colour: method.colour(), style }
            };
            let mut curves: Vec<Curve> =
                METHODS.iter().map(|method| curve(*method, 0.0, method.to_string(), Style::Solid)).collect();
            let programs = PAPERS_METHODS.iter().filter(|method| **method != Contender::Descent);
            curves.extend(
                programs.map(|&method| curve(method, AUTHORS_NOISE, format!("{method}, noise 1e-9"), Style::Dashed)),
            );
            Panel {
                title: title.to_owned(),
                horizontal: Axis { label: "code length k".to_owned(), scale: Scale::Linear, shows: vec![0.0] },
                vertical: Axis {
                    label: "median milliseconds per observation".to_owned(),
                    scale: Scale::Logarithmic,
                    shows: [self.alone, self.batched].into_iter().flatten().map(|row| row.milliseconds).collect(),
                },
                curves,
            }
        };
        let threads = self.alone.first().map_or(0, |row| row.threads);
        let machine = processor::name();
        let batch = format!("{} in one batch", self.batched.first().map_or(0, |row| row.batch));
        Plot {
            title: format!(
                "Time of an inversion, random networks k-250-600, without noise (dashed: with noise 1e-9)\n{machine}, {threads} threads"
            ),
            panels: [("each alone", self.alone), (&batch, self.batched)].map(panel).to_vec(),
        }
    }

    pub fn text(&self) -> String {
        let batch = self.batched.first().map_or(0, |row| row.batch);
        let mut text = format!(
            "table1: median milliseconds per observation alone / in a batch of {batch} (smaller where an inversion takes tenths of a second; share recovered in %), {} threads of {}.",
            self.alone.first().map_or(0, |row| row.threads),
            processor::name(),
        );
        for &subject in self.subjects {
            let name = match subject {
                Subject::Random(k) => format!("random k = {k}"),
                Subject::Trained => self.study.trained().name.clone(),
            };
            for noise in [0.0, AUTHORS_NOISE, REAL_NOISE] {
                let cases = Case::of(subject).into_iter().filter(|case| case.noise == noise);
                let told: Vec<String> = cases
                    .map(|case| {
                        let (alone, batched) = (self.time(self.alone, case), self.time(self.batched, case));
                        // With noise, no method has an error below 1e-3.
                        let found = match noise {
                            REAL_NOISE => String::new(),
                            _ => format!(" ({:.0})", 100.0 * self.found(case)),
                        };
                        format!("{} {alone:.3} / {batched:.3}{found}", case.method)
                    })
                    .collect();
                if !told.is_empty() {
                    text.push_str(&format!("\n  {name}, noise {noise:e}: {}", told.join(", ")));
                }
            }
        }
        text.push_str(&format!(
            "\nThe paper's table 1 gives seconds of processor time, means of 200 runs on its authors' machine. Beside it the mean time \
             of one observation alone at noise {AUTHORS_NOISE:e}, which the authors' program adds, in milliseconds, and the paper's \
             time over it:"
        ));
        for (method, seconds) in PAPER {
            let beside = self.subjects.iter().filter_map(|&subject| {
                let place = match subject {
                    Subject::Random(k) => LENGTHS.iter().position(|length| *length == k)?,
                    Subject::Trained => LENGTHS.len(),
                };
                let rows = self.of(self.alone, Case { subject, noise: AUTHORS_NOISE, method });
                let ours: Vec<f64> = rows.map(|row| row.milliseconds).collect();
                let mean = ours.iter().sum::<f64>() / ours.len() as f64;
                let theirs = seconds[place];
                let name = match subject {
                    Subject::Random(k) => format!("k = {k}"),
                    Subject::Trained => "trained".to_owned(),
                };
                Some(format!("{name}: {theirs} s, {mean:.3} ms, {:.0}", 1e3 * theirs / mean))
            });
            text.push_str(&format!("\n  {method}: {}", beside.collect::<Vec<_>>().join("; ")));
        }
        text
    }
}
