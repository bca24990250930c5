//! Success against the expansion `ρ = n_i/n_{i−1}`, without noise, on random ReLU networks, with a
//! new network for every run. The share of instances that are determined layer by layer by their
//! active rows is counted, and computed by the binomial law ([`super::determined`]). Theorem 3's
//! 2.1 is marked.
//!
//! Theorem 3 promises recovery for `ρ > 2.1` with a probability that goes to one as the layers
//! grow. For layers of a given size, the binomial law applies. `linf` and `exact` must recover all
//! instances that are determined in this way. For the others, a code that reproduces the
//! observation need not be the true one. Inequalities, which the law ignores, may still make it
//! unique: inactive rows (`w·z ≤ 0`) and the sign of a hidden layer.

use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_random};
use super::determined::{is_determined, probability};
use super::instance::{Instance, SUCCESS};
use super::study::Study;
use crate::error::Result;
use crate::network::Activation;
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::random::Noise;
use crate::statistics::share;

const NAME: &str = "expansion";
const METHODS: [Contender; 4] = [Contender::Linf, Contender::Exact, Contender::Descent, Contender::Best];
/// Code lengths and depths.
const FAMILIES: [(usize, usize); 4] = [(20, 1), (20, 2), (40, 1), (40, 2)];
const EXPANSIONS: [f64; 13] = [1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0];
/// The expansion of Theorem 3.
const PROMISED: f64 = 2.1;
/// `ε₀`, and the maximum residual that counts as reproduced: negligible for targets of about a
/// tenth.
const EPSILON: f64 = 1e-6;
/// Colour of the exact share and of the promise.
const GREY: usize = 4;

struct Job {
    k: usize,
    depth: usize,
    expansion: f64,
    run: u64,
}

/// The row of one inversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    k: usize,
    depth: usize,
    expansion: f64,
    run: u64,
    method: Contender,
    /// `‖z − z*‖ / ‖z*‖`.
    error: f64,
    /// Whether `G(z)` equals the observation to within `EPSILON`.
    reproduces: bool,
    /// Whether the active rows determine the code layer by layer.
    determined: bool,
}

impl Row {
    fn succeeds(&self) -> bool {
        self.error <= SUCCESS
    }

    fn is_of(&self, family: (usize, usize), expansion: f64) -> bool {
        ((self.k, self.depth), self.expansion) == (family, expansion)
    }
}

/// `k`, `ρk`, `ρ²k` and so on, rounded.
fn sizes(k: usize, depth: usize, expansion: f64) -> Vec<usize> {
    (0..=depth).map(|layer| (k as f64 * expansion.powi(layer as i32)).round() as usize).collect()
}

/// Runs the experiment: success against expansion.
pub fn run(study: &Study) -> Result<String> {
    let (runs, expansions) = study.pick((200, &EXPANSIONS[..]), (12, &[1.5, 2.0, 2.5, 3.0, 4.0]));
    let families = study.pick(&FAMILIES[..], &FAMILIES[..2]);
    let mut jobs = Vec::new();
    for &(k, depth) in families {
        for &expansion in expansions {
            jobs.extend((0..runs).map(|run| Job { k, depth, expansion, run }));
        }
    }
    let rows = study.runs(NAME, &jobs, METHODS.len(), |job| job.carry_out(study))?;
    study.draw(NAME, &plot(&rows, families, expansions))?;
    study.tell(NAME, tell(&rows, families, expansions))
}

impl Job {
    fn carry_out(&self, study: &Study) -> Result<Vec<Row>> {
        let Job { k, depth, expansion, run } = *self;
        let seed = study.seed(&[7, k as u64, depth as u64, expansion.to_bits(), run]);
        let sizes = sizes(k, depth, expansion);
        let instance = Instance::random(&sizes, Activation::Relu, Noise::Uniform(0.0), seed)?;
        let determined = is_determined(&instance.network, &instance.code);
        let row = |method: Contender| {
            let found = instance.invert(method.options(EPSILON, descent_on_random(seed), 1))?;
            let error = instance.error(&found);
            Ok(Row { k, depth, expansion, run, method, error, reproduces: found.rows[0].reproduces, determined })
        };
        METHODS.map(row).into_iter().collect()
    }
}

fn plot(rows: &[Row], families: &[(usize, usize)], expansions: &[f64]) -> Plot {
    let panel = |&(k, depth): &(usize, usize)| {
        let of = |method: Contender, expansion: f64| {
            rows.iter().filter(move |row| row.method == method && row.is_of((k, depth), expansion))
        };
        let curve = |method: Contender, says: fn(&Row) -> bool| -> Vec<(f64, f64)> {
            expansions.iter().filter_map(|&expansion| Some((expansion, share(of(method, expansion), says)?))).collect()
        };
        let law = |step: u32| {
            let expansion = 1.5 + f64::from(step) / 50.0;
            (expansion, probability(&sizes(k, depth, expansion)))
        };
        let last = expansions.iter().copied().fold(0.0, f64::max);
        let named = |label: &str, points, colour, style| Curve { label: label.to_owned(), points, colour, style };
        let mut curves = vec![
            named("Theorem 3: 2.1", vec![(PROMISED, 0.0), (PROMISED, 1.0)], 3, Style::Rule),
            named(
                "determined, by the binomial law",
                (0..=225).map(law).filter(|point| point.0 <= last + 1e-9).collect(),
                GREY,
                Style::Rule,
            ),
            named("determined, counted", curve(Contender::Linf, |row| row.determined), GREY, Style::Thin),
        ];
        let style = |method| match method {
            // Most of its points coincide with those of linf.
            Contender::Exact => Style::Dashed,
            _ => Style::Solid,
        };
        for method in [Contender::Descent, Contender::Best, Contender::Linf, Contender::Exact] {
            let (colour, style) = (method.colour(), style(method));
            curves.push(named(&method.to_string(), curve(method, Row::succeeds), colour, style));
        }
        let shape = if depth == 1 { format!("{k} - {k}r") } else { format!("{k} - {k}r - {k}r²") };
        let layers = if depth == 1 { "one layer" } else { "two layers" };
        Panel {
            title: format!("{layers}, {shape}"),
            horizontal: Axis { label: "expansion r of a layer".to_owned(), scale: Scale::Linear, shows: Vec::new() },
            vertical: Axis {
                label: "share with relative error up to 1e-3".to_owned(),
                scale: Scale::Linear,
                shows: vec![0.0, 1.0],
            },
            curves,
        }
    };
    let title = "Success against expansion\nRandom ReLU networks without noise, a new one per run; determined: layer by layer, by the active rows";
    Plot { title: title.to_owned(), panels: families.iter().map(panel).collect() }
}

fn tell(rows: &[Row], families: &[(usize, usize)], expansions: &[f64]) -> String {
    let of = |method: Contender| rows.iter().filter(move |row| row.method == method);
    let determined = of(Contender::Linf).filter(|row| row.determined).count();
    let missed = |method: Contender| of(method).filter(|row| row.determined && !row.succeeds()).collect::<Vec<_>>();
    let mut text = format!(
        "expansion: of {} instances {determined} are determined layer by layer by their active rows; of these not recovered:",
        of(Contender::Linf).count()
    );
    for method in METHODS {
        let missed = missed(method);
        text.push_str(&format!(" {method} {}{}", missed.len(), if method == METHODS[3] { "." } else { "," }));
        if matches!(method, Contender::Linf | Contender::Exact) {
            for row in missed {
                let Row { k, depth, expansion, run, error, .. } = row;
                text.push_str(&format!(" (k = {k}, depth {depth}, expansion {expansion}, run {run}: {error:.1e})"));
            }
        }
    }
    if determined > 0 && missed(Contender::Linf).is_empty() && missed(Contender::Exact).is_empty() {
        text.push_str(" So linf and exact recover whatever is determined, at any of these expansions.");
    }
    let others =
        |method: Contender, says: fn(&Row) -> bool| of(method).filter(|row| !row.determined && says(row)).count();
    text.push_str("\nOf the others, recovered / reproduced by another code:");
    for method in METHODS {
        let (recovered, reproduced) =
            (others(method, Row::succeeds), others(method, |row| row.reproduces && !row.succeeds()));
        text.push_str(&format!(" {method} {recovered} / {reproduced}{}", if method == METHODS[3] { "." } else { "," }));
    }
    for &(k, depth) in families {
        text.push_str(&format!(
            "\n  k = {k}, {depth} layer{}: expansion, determined (by the law), then success of linf, exact, descent, best in %",
            if depth == 1 { "" } else { "s" }
        ));
        for &expansion in expansions {
            let here = |method: Contender, says: fn(&Row) -> bool| {
                100.0 * share(of(method).filter(|row| row.is_of((k, depth), expansion)), says).unwrap_or(f64::NAN)
            };
            let law = 100.0 * probability(&sizes(k, depth, expansion));
            let successes = METHODS.map(|method| format!("{:.1}", here(method, Row::succeeds))).join(" ");
            let determined = here(Contender::Linf, |row| row.determined);
            text.push_str(&format!("\n    {expansion:<4}  {determined:.1} ({law:.1})  {successes}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_grow_by_the_expansion() {
        assert_eq!(sizes(20, 2, 2.25), [20, 45, 101]);
        assert_eq!(sizes(40, 1, 1.5), [40, 60]);
    }
}
