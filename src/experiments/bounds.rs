//! Theorems 4 and 5 and Corollary 1, measured: the error that noise causes, and its upper bounds.
//!
//! One ReLU layer has weight `W` and no bias. Its target `t` is known up to `e = t − relu(W z*)`,
//! with a tolerance `ε ≥ |e|_∞` and `I = {j : t_j > ε}`. Every row of `I` is truly active, because
//! a target whose true value is 0 is at most `ε`.
//!
//! - **Theorem 4**, `linf`. `z*` satisfies the rows with `δ = ε`: on `I`, `|w·z* − t| = |e_j| ≤ ε`;
//!   outside `I`, `w·z* ≤ relu(w·z*) ≤ t + ε`. So the first tolerance is feasible, and any optimum
//!   `z` has `δ ≤ ε`: `|W_I(z − z*)|_∞ ≤ δ + ε ≤ 2ε`, and `|z − z*|_∞ ≤ 2ε / c_∞(W_I)`.
//! - **Theorem 5**, `l1`, with the rows that `ε` gives. `z*` costs at most `|e|₁`: on `I` the cost
//!   is `|e_j|`, outside it `max(0, w·z* − t) ≤ |e_j|`. So any optimum has `|W_I(z − z*)|₁ ≤
//!   2|e|₁`, and `|z − z*|₁ ≤ 2|e|₁ / c_1(W_I)`.
//!
//! Layer by layer, with `z` as the next target, the bound becomes `2^d |e| / ∏ c(W_I)`, the form of
//! the theorems. Each step needs an `ε` of at least the error of *its* target. From the second step
//! on, that is the bound of the layer above; the proof of Theorem 4 sets `ε` to it ([`chain`]). The
//! library's ladder starts at the noise again at every layer (DESIGN). There, the rows may exclude
//! the truth, so nothing is guaranteed, but in practice nothing is lost. The sign constraint `z ≥
//! 0` of hidden layers also holds for `z*` and changes nothing.
//!
//! `c_∞` is exact. `c_1` is replaced by a lower bound ([`super::conditioning`]), so the drawn bound
//! of Theorem 5 is larger than the theorem's. `l1` is run at the proof's `ε` only, without the
//! rest of its ladder, whose steps have other rows. Its bounds use the `|e|₁` of the drawn noise,
//! which is unknown in practice.

mod chain;
mod corollary;
mod picture;

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use super::instance::Instance;
use super::study::Study;
use crate::error::Result;
use crate::network::Activation;
use crate::random::Noise;
use crate::statistics::{exponent, median};
use chain::{Chain, Found};

const NAME: &str = "bounds";
/// `k` and the expansion, as Corollary 1 requires. A fourth layer would be 250 → 1250: 250 programs
/// of 625 rows per constant. The cost grows with the fourth power of `k`.
const CODE_LENGTH: usize = 2;
const EXPANSION: usize = 5;
const METHODS: [Contender; 2] = [Contender::Linf, Contender::L1];
const RULES: [Rule; 2] = [Rule::Ladder, Rule::Proof];
/// Relative excess over a bound that counts as rounding. The constants' programs are certified to
/// 1e-8 of the terms of their dual equations, which alone would allow more than this in wide
/// layers. But their answers are vertices, which are exact to rounding in practice.
const ALLOWANCE: f64 = 1e-6;

/// The rule that sets the tolerance of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rule {
    /// The first tolerance of a ladder that starts at the noise.
    Ladder,
    /// The guaranteed error of the target.
    Proof,
}

struct Job {
    depth: usize,
    run: u64,
    method: Contender,
}

/// The row of one inversion; a value that does not exist is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    depth: usize,
    run: u64,
    method: Contender,
    /// The noise is uniform between minus and plus this.
    level: f64,
    rule: Rule,
    /// `|z − z*|_∞` and `|z − z*|₁`; empty if the rule gives no code.
    error_inf: Option<f64>,
    error_1: Option<f64>,
    /// The guarantee of the proof for this instance, whatever the rule of this row; empty if its
    /// tolerances are too large.
    bound_inf: Option<f64>,
    bound_1: Option<f64>,
    /// The bound in the method's norm, from the objective that the last program reached.
    afterwards: Option<f64>,
    /// `2^d |e| / ∏ c` with the truly active rows, in the method's norm.
    formula: f64,
    /// Whether, in all layers, the rows do not exclude the truth (`linf`), or no inactive unit
    /// counts as active (`l1`).
    truth_fits: Option<bool>,
    /// Whether no layer had to raise its tolerance.
    at_first: Option<bool>,
    /// For the last layer: number of outputs, number of truly active ones, their constant (`c_∞`,
    /// or the lower bound of `c_1`), and an upper bound of the constant.
    width: usize,
    active: usize,
    constant: f64,
    attained: f64,
}

impl Row {
    /// The error in the method's norm.
    fn error(&self) -> Option<f64> {
        if self.method == Contender::L1 { self.error_1 } else { self.error_inf }
    }

    fn bound(&self) -> Option<f64> {
        if self.method == Contender::L1 { self.bound_1 } else { self.bound_inf }
    }

    /// Whether an error exceeds its bound.
    fn violates(&self) -> bool {
        let exceeds = |error: Option<f64>, bound: Option<f64>| {
            error.zip(bound).is_some_and(|(error, bound)| error > bound * (1.0 + ALLOWANCE))
        };
        let afterwards = self.afterwards.filter(|_| self.rule == Rule::Proof);
        exceeds(self.error_inf, self.bound_inf)
            || exceeds(self.error_1, self.bound_1)
            || exceeds(self.error(), afterwards)
    }

    fn is_of(&self, depth: usize, method: Contender, rule: Rule) -> bool {
        (self.depth, self.method, self.rule) == (depth, method, rule)
    }
}

/// Runs the experiment: error against noise, with the bounds.
pub fn run(study: &Study) -> Result<String> {
    let depths = study.pick(4, 3);
    let least = study.pick(8, 6);
    let runs = |depth: usize| study.pick(if depth == 4 { 5 } else { 20 }, 3);
    let levels: Vec<f64> = (2..=least).rev().map(|exponent| 10_f64.powi(-exponent)).collect();
    let mut jobs = Vec::new();
    for depth in 1..=depths {
        for run in 0..runs(depth) {
            jobs.extend(METHODS.map(|method| Job { depth, run, method }));
        }
    }
    let rows = study.runs(NAME, &jobs, levels.len() * RULES.len(), |job| job.carry_out(study, &levels))?;
    study.draw(NAME, &picture::errors(&rows, Contender::Linf, depths, &levels))?;
    study.draw("bounds-l1", &picture::errors(&rows, Contender::L1, depths, &levels))?;
    study.draw("bounds-constants", &picture::constants(&rows))?;
    let corollary = corollary::run(study)?;
    study.tell(NAME, format!("{}\n{corollary}", tell(&rows, depths)))
}

impl Job {
    fn carry_out(&self, study: &Study, levels: &[f64]) -> Result<Vec<Row>> {
        let Job { depth, run, method } = *self;
        let sizes: Vec<usize> = (0..=depth).map(|layer| CODE_LENGTH * EXPANSION.pow(layer as u32)).collect();
        let seed = study.seed(&[18, depth as u64, run]);
        let clean = Instance::random(&sizes, Activation::Relu, Noise::Uniform(0.0), seed)?;
        let mut chain = Chain::new(&clean, method)?;
        let chain::LastLayer { active, constant, attained } = chain.last_layer()?;
        let mut rows = Vec::new();
        for &level in levels {
            let mut observation = clean.observation.clone();
            Noise::Uniform(level).apply(
                study.seed(&[18, depth as u64, run, level.to_bits()]),
                0,
                observation.as_mut_slice(),
            );
            let sum: f64 = (&observation - &clean.observation).iter().map(|noise| noise.abs()).sum();
            let formula = chain.formula(level, sum)?;
            let followed = chain.with_proofs_tolerances(observation.as_slice(), level, sum)?;
            let guarantee = followed.as_ref().map(|(_, guarantee)| *guarantee);
            let ladder = chain.ladder(observation.as_slice(), level)?;
            for (rule, found) in [(Rule::Ladder, ladder), (Rule::Proof, followed.map(|(found, _)| found))] {
                let row = Row {
                    depth,
                    run,
                    method,
                    level,
                    rule,
                    error_inf: None,
                    error_1: None,
                    bound_inf: guarantee.map(|guarantee| guarantee.largest),
                    bound_1: guarantee.map(|guarantee| guarantee.sum),
                    afterwards: guarantee.map(|guarantee| guarantee.afterwards),
                    formula,
                    truth_fits: None,
                    at_first: None,
                    width: sizes[depth],
                    active,
                    constant,
                    attained,
                };
                rows.push(row.with(found.as_ref(), clean.code.as_slice()));
            }
        }
        Ok(rows)
    }
}

impl Row {
    fn with(self, found: Option<&Found>, truth: &[f64]) -> Self {
        let Some(found) = found else { return self };
        let errors = || found.code.iter().zip(truth).map(|(z, truth)| (z - truth).abs());
        Row {
            error_inf: Some(errors().fold(0.0, f64::max)),
            error_1: Some(errors().sum()),
            truth_fits: Some(found.truth_fits),
            at_first: Some(found.at_first),
            ..self
        }
    }
}

fn tell(rows: &[Row], depths: usize) -> String {
    let of = |rule: Rule| rows.iter().filter(move |row| row.rule == rule);
    let guaranteed = |rule: Rule| of(rule).filter(|row| row.bound().is_some() && row.error().is_some());
    let violations = |rule: Rule| guaranteed(rule).filter(|row| row.violates()).count();
    let mut text = format!(
        "bounds: errors above what the proof's tolerances guarantee (by more than a relative {ALLOWANCE:.0e}, for rounding): {} of {} with \
         these tolerances, {} of {} with the ladder from the noise, for which nothing is guaranteed.",
        violations(Rule::Proof),
        guaranteed(Rule::Proof).count(),
        violations(Rule::Ladder),
        guaranteed(Rule::Ladder).count(),
    );
    if violations(Rule::Proof) == 0 && guaranteed(Rule::Proof).count() > 0 {
        text.push_str(" So no guarantee is violated.");
    }
    let excluded = |rule: Rule| {
        let known = guaranteed(rule).filter(|row| row.truth_fits.is_some());
        format!("{} of {} times", known.clone().filter(|row| row.truth_fits == Some(false)).count(), known.count())
    };
    let answered: Vec<&Row> = rows.iter().filter(|row| row.error().is_some()).collect();
    let above = answered.iter().filter(|row| row.error() > Some(row.formula * (1.0 + ALLOWANCE))).count();
    text.push_str(&format!(
        " There the rows exclude the truth {} with the proof's, {} with the ladder. {above} of all {} errors are above the theorem's form \
         with the truly active rows. The bounds of l1 use the sum of the noise that was drawn, which is unknown in practice.",
        excluded(Rule::Proof),
        excluded(Rule::Ladder),
        answered.len(),
    ));
    let observations = of(Rule::Ladder).count();
    text.push_str(&format!(
        " In {} of {observations} observations the truly active rows of some layer do not have full rank, so there is no bound at any \
         noise. The ladder gives no code for {}.",
        of(Rule::Ladder).filter(|row| row.formula.is_infinite()).count(),
        of(Rule::Ladder).filter(|row| row.error().is_none()).count(),
    ));
    for method in METHODS {
        text.push_str(&format!(
            "\n  {method}: depth; of all observations the medians of the theorem's form/noise and of error/noise by the ladder, where none \
             counts as infinite; how many the proof gives a bound, of all, and of these alone: medians of error/noise by the ladder and by \
             the proof, median and most of error/bound, median of the bound from the objective reached/bound; the largest noise at which \
             half the runs have a bound, and one below 1; exponent of the error (ladder) in the noise"
        ));
        for depth in 1..=depths {
            text.push_str(&format!("\n    {depth}  {}", line(rows, depth, method)));
        }
    }
    text.push_str(
        "\n  Constants of the last layer's active rows, medians: width n, c_inf, c_inf √n; lower bound of c_1, that √n, least that some \
         vector attains",
    );
    for depth in 1..=depths {
        let of = |method, constant: fn(&Row) -> f64| {
            median(networks(rows, method).filter(|row| row.depth == depth).map(constant).collect())
        };
        let width = (CODE_LENGTH * EXPANSION.pow(depth as u32)) as f64;
        let maximum = of(Contender::Linf, |row| row.constant);
        let (sum, attained) = (of(Contender::L1, |row| row.constant), of(Contender::L1, |row| row.attained));
        let root = width.sqrt();
        let maximum = format!("{maximum:.4}  {:.2}", maximum * root);
        text.push_str(&format!("\n    {width}  {maximum}  {sum:.4}  {:.2}  {attained:.3}", sum * root));
    }
    text
}

/// One row per network: its constants do not depend on the noise.
fn networks(rows: &[Row], method: Contender) -> impl Iterator<Item = &Row> {
    let first = rows.first().map(|row| row.level);
    rows.iter().filter(move |row| (row.method, row.rule, Some(row.level)) == (method, Rule::Ladder, first))
}

/// The results of one method at one depth.
fn line(rows: &[Row], depth: usize, method: Contender) -> String {
    // The rows of an observation are consecutive, in the order of the rules.
    let pairs: Vec<(&Row, &Row)> = rows
        .chunks_exact(RULES.len())
        .map(|pair| (&pair[0], &pair[1]))
        .filter(|(ladder, _)| ladder.is_of(depth, method, Rule::Ladder))
        .collect();
    let by_noise = |row: &Row| row.error().map_or(f64::INFINITY, |error| error / row.level);
    let ladder = |number: &dyn Fn(&Row) -> f64| median(pairs.iter().map(|(ladder, _)| number(ladder)).collect());
    let both: Vec<&(&Row, &Row)> = pairs.iter().filter(|(_, proof)| proof.bound().is_some()).collect();
    let ratios = |number: &dyn Fn(&Row, &Row) -> Option<f64>| -> Vec<f64> {
        both.iter().map(|(ladder, proof)| number(ladder, proof).unwrap_or(f64::INFINITY)).collect()
    };
    let by_bound = ratios(&|_, proof| Some(proof.error()? / proof.bound()?));
    let mut levels: Vec<f64> = pairs.iter().map(|(ladder, _)| ladder.level).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let at = |level: f64| pairs.iter().filter(move |(ladder, _)| ladder.level == level);
    let errors = |level: f64| at(level).map(|(ladder, _)| ladder.error().unwrap_or(f64::INFINITY)).collect();
    let points: Vec<(f64, f64)> = levels.iter().map(|level| (*level, median(errors(*level)))).collect();
    let largest = |most: f64| {
        let bounded = |level: f64| at(level).filter(|pair| pair.1.bound().is_some_and(|bound| bound < most)).count();
        levels.iter().copied().filter(|level| 2 * bounded(*level) >= at(*level).count()).fold(0.0, f64::max)
    };
    format!(
        "{:.3e} {:.3e}  {} of {}: {:.3e} {:.3e}  {:.1e} {:.1e}  {:.2}  {:.0e} {:.0e}  {:.3}",
        ladder(&|row| row.formula / row.level),
        ladder(&by_noise),
        both.len(),
        pairs.len(),
        median(ratios(&|ladder, _| Some(by_noise(ladder)))),
        median(ratios(&|_, proof| Some(by_noise(proof)))),
        median(by_bound.clone()),
        by_bound.iter().copied().fold(0.0, f64::max),
        median(ratios(&|_, proof| Some(proof.afterwards? / proof.bound()?))),
        largest(f64::INFINITY),
        largest(1.0),
        exponent(&points),
    )
}

#[cfg(test)]
mod tests;
