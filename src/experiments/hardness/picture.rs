//! The lowest residual that every method reached on Theorem 2's networks, the paper's and ours:
//! satisfiable and unsatisfiable formulas in separate panels.

use super::runs::{FORMULAS, Row, TOLERANCE, Theorem, Way};
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};

/// The columns above a formula, each with a colour; the linear programs share one, because their
/// answers are alike.
const COLUMNS: [(&str, &[Way], usize); 5] = [
    ("linf, l1, relaxed, exact", &[Way::Linf, Way::L1, Way::Relaxed, Way::Exact], 4),
    ("descent", &[Way::Descent], 1),
    ("best", &[Way::Best], 2),
    ("best with l1", &[Way::BestL1], 3),
    ("best with linf", &[Way::BestLinf], 0),
];
/// Distance between two columns; the distance between two formulas is 1.
const APART: f64 = 0.15;

/// The picture.
pub fn plot(rows: &[Row]) -> Plot {
    let kinds = [("formulas that can be satisfied", 0), ("formulas that cannot be satisfied", 1)];
    let forms = [(Theorem::PaperReal, "The paper's network"), (Theorem::Real, "Ours")];
    let panels = forms.into_iter().flat_map(|form| kinds.map(|kind| (form, kind)));
    let title = "Theorem 2's networks: the residual of each method; a residual of 0 means that the formula is satisfied\n\
                 A dot is a run, a disc the lowest of a method's runs; on the lowest line: at most 1e-6, the output is reproduced";
    let panel = |((theorem, form), (title, second)): ((Theorem, &str), (&str, usize))| {
        let mut curves = Vec::new();
        let formulas = || FORMULAS.iter().map(|formula| formula.0).skip(second).step_by(2);
        for (column, (label, ways, colour)) in COLUMNS.into_iter().enumerate() {
            let aside = APART * (column as f64 - (COLUMNS.len() - 1) as f64 / 2.0);
            for (place, name) in (1..).zip(formulas()) {
                let of = |row: &&Row| row.theorem == theorem && row.formula == name && ways.contains(&row.method);
                let at = |row: &Row| (f64::from(place) + aside, row.residual.max(TOLERANCE));
                let points: Vec<(f64, f64)> = rows.iter().filter(of).map(at).collect();
                let lowest = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
                curves.push(Curve { label: String::new(), points, colour, style: Style::Dots });
                let lowest = lowest.into_iter().collect();
                curves.push(Curve { label: label.to_owned(), points: lowest, colour, style: Style::Solid });
            }
        }
        if let (1, Some(gap)) = (second, theorem.gap()) {
            let (points, label) = (vec![(0.6, gap), (6.4, gap)], "proven lower bound".to_owned());
            curves.push(Curve { label, points, colour: 4, style: Style::Rule });
        }
        let names = (1..)
            .zip(formulas())
            .map(|(place, name): (usize, _)| format!("{} ({place})", name.split('_').next().unwrap_or(name)));
        let label = format!("formula: {}", names.collect::<Vec<_>>().join(", "));
        let across = Axis { label, scale: Scale::Linear, shows: vec![0.5, 6.5] };
        let label = "largest entry of the residual".to_owned();
        let upwards = Axis { label, scale: Scale::Logarithmic, shows: vec![TOLERANCE, 15.0] };
        Panel { title: format!("{form}, {title}"), horizontal: across, vertical: upwards, curves }
    };
    Plot { title: title.to_owned(), panels: panels.map(panel).collect() }
}
