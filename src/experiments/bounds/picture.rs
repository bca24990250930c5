//! The pictures of the bounds: errors and bounds per depth, and how the constants scale with the
//! width.

use super::super::contender::Contender;
use super::{CODE_LENGTH, EXPANSION, METHODS, Row, Rule, networks};
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::statistics::median;

/// Colours of the ladder, of the proof's tolerances and of the theorem's form.
const COLOURS: [usize; 3] = [0, 1, 4];
/// Horizontal shift between the dots of the two rules.
const ASIDE: f64 = 1.15;

fn logarithmic(label: &str) -> Axis {
    Axis { label: label.to_owned(), scale: Scale::Logarithmic, shows: Vec::new() }
}

/// Error against noise, one panel per depth.
pub(super) fn errors(rows: &[Row], method: Contender, depths: usize, levels: &[f64]) -> Plot {
    let norm = if method == Contender::L1 { "sum of" } else { "largest entry of" };
    let panel = |depth: usize| {
        let of = |rule: Rule, level: f64| {
            rows.iter().filter(move |row| row.is_of(depth, method, rule) && row.level == level)
        };
        let mut curves = Vec::new();
        // A run without a bound counts as infinite.
        let bounds = |bound: &dyn Fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
            let at = |level: f64| of(Rule::Proof, level).map(|row| bound(row).unwrap_or(f64::INFINITY));
            levels.iter().map(|level| (*level, median(at(*level).collect()))).collect()
        };
        let form = bounds(&|row| Some(row.formula));
        let label = "2^d |e| / ∏c of all active rows".to_owned();
        curves.push(Curve { label, points: form, colour: COLOURS[2], style: Style::Rule });
        let label = "guaranteed with the proof's ε".to_owned();
        curves.push(Curve { label, points: bounds(&Row::bound), colour: COLOURS[1], style: Style::Rule });
        let drawn = [
            (Rule::Ladder, "ladder from the noise", COLOURS[0], Style::Solid, 1.0 / ASIDE),
            (Rule::Proof, "the proof's ε", COLOURS[1], Style::Dashed, ASIDE),
        ];
        for (rule, label, colour, style, aside) in drawn {
            // A run without a code counts as an infinite error, so that the medians of both rules
            // are over the same runs. Infinite values are not drawn.
            let errors = |level: f64| of(rule, level).map(|row| row.error().unwrap_or(f64::INFINITY));
            let dots = levels.iter().flat_map(|level| errors(*level).map(move |error| (level * aside, error)));
            curves.push(Curve { label: String::new(), points: dots.collect(), colour, style: Style::Dots });
            let medians = levels.iter().map(|level| (*level, median(errors(*level).collect())));
            curves.push(Curve { label: label.to_owned(), points: medians.collect(), colour, style });
        }
        let sizes: Vec<String> =
            (0..=depth).map(|layer| (CODE_LENGTH * EXPANSION.pow(layer as u32)).to_string()).collect();
        Panel {
            title: format!("{depth} layer{}, {}", if depth == 1 { "" } else { "s" }, sizes.join("-")),
            horizontal: logarithmic("noise, uniform on (-a, a)"),
            vertical: logarithmic(&format!("{norm} |z - z*|")),
            curves,
        }
    };
    let known = if method == Contender::L1 { ", which use the sum of the noise" } else { "" };
    let theorem = if method == Contender::L1 { "Theorem 5, l1" } else { "Theorem 4, linf" };
    let above = rows.iter().filter(|row| row.method == method && row.violates()).count();
    let title = format!(
        "{theorem}: error and bound\nRandom ReLU networks of expansion 5; a dot is a run, a line is a median over all runs (a missing \
         value counts as infinite); {above} answers are above their own bounds{known}"
    );
    Plot { title, panels: (1..=depths).map(panel).collect() }
}

/// The constants of the last layer against its width.
pub(super) fn constants(rows: &[Row]) -> Plot {
    let panel = |method: Contender| {
        let of: Vec<&Row> = networks(rows, method).collect();
        let mut widths: Vec<usize> = of.iter().map(|row| row.width).collect();
        widths.sort_unstable();
        widths.dedup();
        let medians = |of_row: fn(&Row) -> f64| -> Vec<(f64, f64)> {
            let at = |width: usize| of.iter().filter(|row| row.width == width).map(|row| of_row(row)).collect();
            widths.iter().map(|width| (*width as f64, median(at(*width)))).collect()
        };
        let (medians, attained) = (medians(|row| row.constant), medians(|row| row.attained));
        let dots = of.iter().map(|row| (row.width as f64, row.constant)).collect();
        // A line of slope −½ through the last median.
        let rule: Vec<(f64, f64)> = medians.last().map_or_else(Vec::new, |(end, constant)| {
            medians.iter().map(|(width, _)| (*width, constant * (end / width).sqrt())).collect()
        });
        let (title, label) = match method {
            Contender::L1 => ("sum norm", "lower bound of c_1"),
            _ => ("maximum norm", "c_inf"),
        };
        let colour = method.colour();
        let mut curves = vec![
            Curve { label: "1/√n".to_owned(), points: rule, colour: COLOURS[2], style: Style::Rule },
            Curve { label: String::new(), points: dots, colour, style: Style::Dots },
            Curve { label: label.to_owned(), points: medians, colour, style: Style::Solid },
        ];
        if method == Contender::L1 {
            let label = "upper bound of c_1: attained".to_owned();
            curves.push(Curve { label, points: attained, colour, style: Style::Dashed });
        }
        Panel {
            title: format!("{title}, of the active rows"),
            horizontal: logarithmic("width n of the layer, of n/5 inputs"),
            vertical: logarithmic("least |Av| / |v|"),
            curves,
        }
    };
    let title = "Condition constants of the active rows of a layer\nEntries N(0, 1/n); a dot is a run, a line goes through the medians";
    Plot { title: title.to_owned(), panels: METHODS.map(panel).to_vec() }
}
