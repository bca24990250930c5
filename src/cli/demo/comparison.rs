//! The demo's comparison: methods on the same observations, each with its errors and its time.
//!
//! All printed figures are measured here, on this machine. The reference is least squares started
//! at the true codes, which no method knows. Its error is due to the noise alone.

use std::fmt::Write;
use std::time::Instant;

use nalgebra::DMatrix;

use crate::batch::summary::Distribution;
use crate::batch::{Inverter, Method, Options};
use crate::descent::{DescentOptions, Optimizer};
use crate::error::{Error, Result};
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::{Objective, PackedNetwork, RefineOptions, refine_one};
use crate::network::Network;
use crate::outcome::ObservationRow;

use super::interrupt;

/// Number of further runs of gradient descent, from other random codes.
const RESTARTS: usize = 2;
/// A residual above this multiple of the lowest belongs to another minimum, or to none.
const MISSED: f64 = 1.01;

/// The results of one method.
pub struct Entry {
    /// Name in the table.
    name: &'static str,
    /// Name in the picture; without one the method is not drawn.
    pub pictured: Option<&'static str>,
    /// One per column.
    pub codes: DMatrix<f64>,
    errors: Distribution,
    /// Euclidean norms of the residuals over those of the observations.
    residuals: Vec<f64>,
    rows: Vec<ObservationRow>,
    seconds: f64,
}

/// All methods on the same observations.
pub struct Comparison {
    /// `best` first.
    pub entries: Vec<Entry>,
    /// Relative code errors of least squares from the true codes.
    limit: Distribution,
    device: String,
}

impl Comparison {
    /// Inverts `observations` by each method. `best` is the inverter that the demo already has.
    ///
    /// # Errors
    /// Errors of the device; [`Error::Cancelled`] if an interrupt came between two methods.
    pub fn run(best: &Inverter, observations: &DMatrix<f64>, truth: &DMatrix<f64>) -> Result<Self> {
        let descent =
            |optimizer| Method::Descent(DescentOptions { optimizer, restarts: RESTARTS, ..DescentOptions::default() });
        let layers = match &best.options().method {
            Method::Best(best) => LayerwiseOptions { tolerances: best.tolerances, ..LayerwiseOptions::default() },
            _ => LayerwiseOptions::default(),
        };
        let others = [
            ("linf --refine", None, Method::Layerwise(layers), Some(Objective::L2)),
            ("descent by Adam, 2 restarts", Some("Adam, 2 restarts"), descent(Optimizer::Adam), None),
            ("plain descent, 2 restarts", Some("plain descent"), descent(Optimizer::Plain), None),
        ];
        let mut entries = vec![Entry::measure("best", Some("best"), best, observations, truth)?];
        for (name, pictured, method, refine) in others {
            let options = Options { method, refine, ..best.options().clone() };
            let inverter = Inverter::new(best.network().clone(), options)?;
            entries.push(Entry::measure(name, pictured, &inverter, observations, truth)?);
        }
        let limit = errors(&least_squares_from(best.network(), observations, truth), truth);
        Ok(Comparison { entries, limit, device: best.runtime().description() })
    }

    /// The table, and sentences on the difference between the methods.
    pub fn text(&self) -> String {
        let count = self.entries.first().map_or(0, |entry| entry.rows.len());
        let mut text = format!(
            "The first {count} observations were also inverted by other methods, on the same device ({}):\n\n\
             {:37}code error (relative)    missed the   time per\n\
             {:37}median   90 % below      minimum      observation\n",
            self.device, "", ""
        );
        // Writing to a String cannot fail.
        for (entry, missed) in self.entries.iter().zip(self.missed()) {
            let (median, most) = (two_digits(entry.errors.quantile(0.5)), two_digits(entry.errors.quantile(0.9)));
            let time = format!("{} ms", two_digits(1e3 * entry.time()));
            let _ = writeln!(text, "  {:35}{median:9}{most:16}{missed:<13}{time}", entry.name);
        }
        let (median, most) = (two_digits(self.limit.quantile(0.5)), two_digits(self.limit.quantile(0.9)));
        let _ = writeln!(text, "  {:35}{median:9}{most}", "least squares from the true code");
        text.push_str(
            "\nThe last row starts at the true codes, which no method knows: its error is due to the noise alone.\n\
             A method missed the minimum where its residual is more than 1 % above the lowest of all methods.\n",
        );
        text.push_str(&self.difference());
        text
    }

    /// The measured difference between `best` and Adam.
    fn difference(&self) -> String {
        let [best, linf, adam, ..] = self.entries.as_slice() else { return String::new() };
        let count = best.rows.len();
        let searches = || best.rows.iter().filter_map(|row| row.search.as_ref());
        let proven = searches().filter(|search| search.stationary).count();
        let runs = searches().map(|search| search.runs).sum::<usize>() as f64 / count.max(1) as f64;
        let ended = adam.rows.iter().filter(|row| row.status.is_good()).count();
        format!(
            "`best` made {runs:.0} runs per observation until its stop rule was met; {proven} of its {count} codes are proven \
             local minima.\nAdam made {} runs per observation; {ended} of its {count} codes met its stop rule, and none is proven.\n\
             Adam took {} times as long as `best` and {} times as long as `linf --refine`.\n",
            RESTARTS + 1,
            two_digits(adam.time() / best.time()),
            two_digits(adam.time() / linf.time()),
        )
    }

    /// For each method, the number of observations whose residual is above the lowest.
    fn missed(&self) -> Vec<usize> {
        let lowest =
            |place: usize| self.entries.iter().map(|entry| entry.residuals[place]).fold(f64::INFINITY, f64::min);
        let is_missed = |(place, residual): (usize, &f64)| residual.is_nan() || *residual > MISSED * lowest(place);
        let missed = |entry: &Entry| entry.residuals.iter().enumerate().filter(|place| is_missed(*place)).count();
        self.entries.iter().map(missed).collect()
    }
}

impl Entry {
    fn measure(
        name: &'static str,
        pictured: Option<&'static str>,
        inverter: &Inverter,
        observations: &DMatrix<f64>,
        truth: &DMatrix<f64>,
    ) -> Result<Self> {
        if interrupt::requested() {
            return Err(Error::Cancelled);
        }
        let begun = Instant::now();
        let inverted = inverter.invert(observations)?;
        let seconds = begun.elapsed().as_secs_f64();
        let (codes, rows) = (inverted.codes, inverted.rows);
        let residuals = rows.iter().map(|row| row.residual.l2_relative).collect();
        Ok(Entry { name, pictured, errors: errors(&codes, truth), codes, residuals, rows, seconds })
    }

    /// Seconds per observation.
    fn time(&self) -> f64 {
        self.seconds / self.rows.len().max(1) as f64
    }

    /// The label of its row in the picture.
    pub fn label(&self, pictured: &str) -> String {
        let error = two_digits(self.errors.quantile(0.5));
        format!("{pictured}: error {error}, {} ms", two_digits(1e3 * self.time()))
    }
}

/// The local minima that least squares reaches from the true codes.
fn least_squares_from(network: &Network, observations: &DMatrix<f64>, truth: &DMatrix<f64>) -> DMatrix<f64> {
    let packed = PackedNetwork::new(network.clone());
    let mut codes = truth.clone();
    for (observation, mut code) in observations.column_iter().zip(codes.column_iter_mut()) {
        let mut entries: Vec<f64> = code.iter().copied().collect();
        refine_one(&packed, observation.as_slice(), &mut entries, &RefineOptions::default());
        code.copy_from_slice(&entries);
    }
    codes
}

/// Relative errors of codes, one per column.
fn errors(codes: &DMatrix<f64>, truth: &DMatrix<f64>) -> Distribution {
    let mut errors = Distribution::default();
    for (code, truth) in codes.column_iter().zip(truth.column_iter()) {
        errors.add((code - truth).norm() / truth.norm());
    }
    errors
}

/// A number in decimal notation, to two digits.
pub fn two_digits(value: f64) -> String {
    if !value.is_finite() || value <= 0.0 {
        return value.to_string();
    }
    let decimals = (1 - value.log10().floor() as i32).max(0) as usize;
    format!("{value:.decimals$}")
}
