//! Corollary 1, measured: Gaussian weights N(0, 1), layers that expand fivefold, and noise with
//! `‖e‖_∞ = ε < c₂^d / 2^(d+4) ‖z*‖₂ √k`. Then `‖z − z*‖_∞ ≤ 2^d ε / c₂^d` is claimed.
//!
//! `c₂` is the constant of Lemma 3, `s_min(W_I) ≥ c₂ √|I|`. Here it is measured: the least of the
//! layers' `s_min(W_I) / √|I|` on the truly active rows `I`. The proof needs, in every layer, at
//! least `2 n_{i−1}` entries of the true output above `2^(d+1−i) ε / c₂^(d−i)`: the *premise*.
//!
//! **The printed √k.** The proof takes the first layer's inputs to its relu as N(0, `‖z*‖₂ √k`).
//! For entries N(0, 1) their standard deviation is `‖z*‖₂`. With the printed limit, the entries
//! must exceed up to `√k ‖z*‖₂ / 8`, and the share of a normal variable above `√k / 8` is less than
//! the proof's 0.45 as soon as `k > 1`. Without the √k the count follows. The premise asks for
//! `c₂/2` of that only, so it fails at much larger `k`. Both limits are measured.
//!
//! **Footnote 3** sets ε of layer `i` to `ε (1/c₂)^(d−i)`; the proof of Theorem 4 to `ε
//! (2/c)^(d−i)`. Both are measured. The programs are the printed ones: inputs of layers are free.

use std::sync::Arc;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::batch::Inverter;
use crate::cpu::forward::forward;
use crate::error::Result;
use crate::experiments::contender::{Contender, descent_on_random};
use crate::experiments::study::Study;
use crate::network::{Activation, DenseLayer, Network};
use crate::random::{Domain, Noise, normal_vector, random_network};
use crate::statistics::median;

const NAME: &str = "corollary1";
const EXPANSION: usize = 5;
/// Code lengths with their largest depths.
const FAMILIES: [(usize, usize); 2] = [(2, 3), (10, 2)];
/// The noise, as shares of the limit.
const SHARES: [f64; 3] = [0.1, 0.5, 0.99];

/// The ε of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rule {
    /// `ε (2/c₂)^(d−i)`.
    Proof,
    /// `ε (1/c₂)^(d−i)`.
    Footnote,
}

struct Job {
    k: usize,
    depth: usize,
    run: u64,
}

/// The row of one inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    code_length: usize,
    depth: usize,
    run: u64,
    /// Whether the limit of the noise has the printed factor √k.
    printed_limit: bool,
    /// The noise as a share of the limit.
    share: f64,
    /// `‖e‖_∞`.
    epsilon: f64,
    c2: f64,
    /// Whether every layer has the entries that the proof counts on.
    premise: bool,
    rule: Rule,
    /// `‖z − z*‖_∞`; infinite if a program failed.
    error: f64,
    /// `2^d ε / c₂^d`.
    bound: f64,
}

/// Runs the measurement; returns its part of the summary.
pub(super) fn run(study: &Study) -> Result<String> {
    let runs = study.pick(100, 4);
    let mut jobs = Vec::new();
    for (k, deepest) in FAMILIES {
        for depth in 1..=deepest {
            jobs.extend((0..runs).map(|run| Job { k, depth, run }));
        }
    }
    let rows = study.runs(NAME, &jobs, 4 * SHARES.len(), |job| job.carry_out(study))?;
    // Where fewer rows than columns are active there is no c₂, and the corollary allows no noise.
    let with_constant: Vec<Row> = rows.into_iter().filter(|row| row.c2 > 0.0).collect();
    Ok(text(&with_constant))
}

impl Job {
    fn carry_out(&self, study: &Study) -> Result<Vec<Row>> {
        let Job { k, depth, run } = *self;
        let seed = study.seed(&[23, k as u64, depth as u64, run]);
        let sizes: Vec<usize> = (0..=depth).map(|layer| k * EXPANSION.pow(layer as u32)).collect();
        let network = standard_normal(&sizes, seed)?;
        let code = DMatrix::from_vec(k, 1, normal_vector(seed, Domain::Code, 0, k));
        let outputs: Vec<DMatrix<f64>> = (1..=depth).map(|end| forward(&network, 0..end, &code)).collect();
        let c2 = network.layers().iter().zip(&outputs).map(|(layer, output)| {
            let active: Vec<usize> = (0..output.len()).filter(|row| output[*row] > 0.0).collect();
            let rows = layer.weight().select_rows(&active);
            // With fewer rows than columns there is no such constant.
            if rows.nrows() < rows.ncols() {
                return 0.0;
            }
            rows.singular_values().min() / (active.len() as f64).sqrt()
        });
        let c2 = c2.fold(f64::INFINITY, f64::min);
        let d = depth as i32;
        let mut rows = Vec::new();
        for printed_limit in [true, false] {
            let root = if printed_limit { (k as f64).sqrt() } else { 1.0 };
            let limit = c2.powi(d) / 2.0_f64.powi(d + 4) * code.norm() * root;
            for share in SHARES {
                let epsilon = share * limit;
                let premise = outputs.iter().enumerate().all(|(index, output)| {
                    let after = d - 1 - index as i32;
                    let least = 2.0 * epsilon * (2.0 / c2).powi(after);
                    output.iter().filter(|entry| **entry > least).count() >= 2 * sizes[index]
                });
                let observation = noisy(&outputs[depth - 1], epsilon, study.seed(&[24, seed, share.to_bits()]));
                for rule in [Rule::Proof, Rule::Footnote] {
                    let error = invert(&network, &observation, |after| {
                        epsilon * (if rule == Rule::Proof { 2.0 / c2 } else { 1.0 / c2 }).powi(after as i32)
                    })?
                    .map_or(f64::INFINITY, |found| (found - &code).amax());
                    let bound = (2.0 / c2).powi(d) * epsilon;
                    let (code_length, share) = (k, share);
                    rows.push(Row {
                        code_length,
                        depth,
                        run,
                        printed_limit,
                        share,
                        epsilon,
                        c2,
                        premise,
                        rule,
                        error,
                        bound,
                    });
                }
            }
        }
        Ok(rows)
    }
}

/// A ReLU network without biases whose weights are N(0, 1).
fn standard_normal(sizes: &[usize], seed: u64) -> Result<Network> {
    let network = random_network(sizes, Activation::Relu, seed)?;
    let scaled = |layer: &crate::network::Layer| DenseLayer {
        // Its entries are N(0, 1/n).
        weight: layer.weight() * (layer.units() as f64).sqrt(),
        bias: layer.bias.clone(),
        activation: layer.activation,
    };
    Network::new(network.layers().iter().map(scaled).collect(), "Corollary 1's network")
}

/// The output with uniform noise whose largest entry is `epsilon`.
fn noisy(output: &DMatrix<f64>, epsilon: f64, seed: u64) -> DMatrix<f64> {
    let mut noise = DMatrix::zeros(output.nrows(), 1);
    Noise::Uniform(1.0).apply(seed, 0, noise.as_mut_slice());
    let largest = noise.amax();
    output + noise * (epsilon / largest)
}

/// Inverts layer by layer with Algorithm 1, the ε of each given by the number of layers after it;
/// `None` if a program failed.
fn invert(
    network: &Network,
    observation: &DMatrix<f64>,
    epsilon: impl Fn(usize) -> f64,
) -> Result<Option<DMatrix<f64>>> {
    let mut target = observation.clone();
    for (index, layer) in network.layers().iter().enumerate().rev() {
        let epsilon = epsilon(network.depth() - 1 - index);
        // Without singular rows there is no tolerance.
        if !epsilon.is_finite() || epsilon <= 0.0 {
            return Ok(None);
        }
        let alone = Arc::new(Network::new(vec![layer.to_dense()], "one layer")?);
        let options = Contender::Linf.options(epsilon, descent_on_random(0), 1);
        let found = Inverter::new(alone, options)?.invert(&target)?;
        if found.codes.iter().any(|entry| !entry.is_finite()) {
            return Ok(None);
        }
        target = found.codes;
    }
    Ok(Some(target))
}

fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "corollary1: Gaussian weights N(0, 1), expansion 5, noise at 0.1, 0.5 and 0.99 of the limit c2^d / 2^(d+4) |z*| sqrt(k). \
         Only networks whose active rows have a c2. By code length, depth and limit (printed: with sqrt(k)): how often the proof's premise held; how often the conclusion held \
         with the proof's and with footnote 3's literal tolerances; the median error over the bound.",
    );
    for (k, deepest) in FAMILIES {
        for depth in 1..=deepest {
            for printed in [true, false] {
                let of = |rule: Rule| {
                    rows.iter().filter(move |row| {
                        (row.code_length, row.depth, row.printed_limit, row.rule) == (k, depth, printed, rule)
                    })
                };
                let count = of(Rule::Proof).count();
                let premises = of(Rule::Proof).filter(|row| row.premise).count();
                let holds = |rule: Rule, only_premise: bool| {
                    let counted = of(rule).filter(|row| !only_premise || row.premise);
                    let (all, held) = counted.fold((0, 0), |(all, held), row| {
                        (all + 1, held + usize::from(row.error <= row.bound * (1.0 + 1e-9)))
                    });
                    format!("{held} of {all}")
                };
                let ratio = |rule: Rule| median(of(rule).map(|row| row.error / row.bound).collect());
                text.push_str(&format!(
                    "\n  k = {k}, d = {depth}, {}: premise {premises} of {count}; conclusion: proof {} (with the premise {}), footnote {} \
                     (with the premise {}); error / bound {:.2} and {:.2}; c2 {:.2}",
                    if printed { "printed" } else { "without sqrt(k)" },
                    holds(Rule::Proof, false),
                    holds(Rule::Proof, true),
                    holds(Rule::Footnote, false),
                    holds(Rule::Footnote, true),
                    ratio(Rule::Proof),
                    ratio(Rule::Footnote),
                    median(of(Rule::Proof).map(|row| row.c2).collect()),
                ));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer, a code of one entry: the program by hand. Rows 1, −2 and 3 at z* = 1.
    #[test]
    fn a_layer_is_inverted_with_its_own_tolerance() {
        let layer = DenseLayer {
            weight: DMatrix::from_column_slice(3, 1, &[1.0, -2.0, 3.0]),
            bias: nalgebra::DVector::zeros(3),
            activation: Activation::Relu,
        };
        let network = Network::new(vec![layer], "by hand").unwrap();
        // |z − 1.1| and |3z − 2.9| are alike at z = 1: the largest error is 0.1.
        let observation = DMatrix::from_column_slice(3, 1, &[1.1, 0.0, 2.9]);
        let found = invert(&network, &observation, |_| 0.2).unwrap().unwrap();
        assert!((found[0] - 1.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn noise_has_the_largest_entry_and_weights_the_variance_that_are_named() {
        let network = standard_normal(&[10, 50, 250], 3).unwrap();
        for layer in network.layers() {
            let variance = layer.weight().norm_squared() / layer.weight().len() as f64;
            assert!((variance - 1.0).abs() < 0.2, "{variance}");
        }
        let output = DMatrix::zeros(50, 1);
        assert!((noisy(&output, 0.3, 5).amax() - 0.3).abs() < 1e-12);
    }
}
