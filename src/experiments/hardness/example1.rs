//! The paper's Example 1: `relu(relu(z₁ + 2z₂) − relu(3z₁ + z₂))`. The codes of an output lie on
//! two rays that meet at a right angle, so halfway between two codes of `x = 1`, the paper's
//! (−1, 1) and (1, 3), the output is not 1, but 2. Such a set is not convex, and no single linear
//! program describes it.

use nalgebra::{DMatrix, DVector};

use super::super::study::Study;
use super::pieces::{Place, outlines, pieces};
use crate::error::Result;
use crate::network::{Activation, DenseLayer, Network};
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};

/// The window has the aspect ratio of a panel, so that angles are true.
const WINDOW: [Place; 4] = [(-2.5, -0.25), (3.5, -0.25), (3.5, 3.35), (-2.5, 3.35)];
/// The paper's two codes of `x = 1`, and the point halfway between them.
const CODES: [Place; 2] = [(-1.0, 1.0), (1.0, 3.0)];
const HALFWAY: Place = (0.0, 2.0);

/// The network of Example 1.
///
/// # Errors
/// Those of [`Network::new`].
pub fn network() -> Result<Network> {
    let layer = |weight: DMatrix<f64>| {
        let bias = DVector::zeros(weight.nrows());
        DenseLayer { weight, bias, activation: Activation::Relu }
    };
    let first = layer(DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 1.0]));
    Network::new(vec![first, layer(DMatrix::from_row_slice(1, 2, &[1.0, -1.0]))], "Example 1")
}

/// Draws `example1`.
///
/// # Errors
/// Those of [`Study::draw`].
pub fn draw(study: &Study) -> Result<()> {
    let pieces = pieces(&network()?, &WINDOW);
    // The codes with more than this number of corners.
    let codes_of = |x: f64, corners: usize| {
        let codes = pieces.iter().map(|piece| piece.codes_of(x));
        codes.filter(|codes| codes.len() > corners).collect::<Vec<_>>()
    };
    let curves_of = |codes: Vec<Vec<Place>>, label: &str, colour: usize, style: Style| {
        let curve = |points| Curve { label: label.to_owned(), points, colour, style };
        codes.into_iter().map(curve).collect::<Vec<_>>()
    };
    let point = |label: &str, at: Place, colour: usize, style: Style| Curve {
        label: label.to_owned(),
        points: vec![at],
        colour,
        style,
    };
    // As one shape, because touching polygons would show a seam.
    let mut curves = curves_of(outlines(&codes_of(0.0, 2)), "codes of x = 0", 5, Style::Filled);
    curves.extend(curves_of(codes_of(1.0, 1), "codes of x = 1", 0, Style::Thin));
    curves.extend(curves_of(codes_of(2.0, 1), "codes of x = 2", 4, Style::Thin));
    let between = Curve { label: "between them".to_owned(), points: CODES.to_vec(), colour: 1, style: Style::Rule };
    curves.push(between);
    curves.extend(CODES.map(|code| point("two codes of x = 1", code, 0, Style::Solid)));
    curves.push(point("halfway, a code of x = 2", HALFWAY, 1, Style::Dashed));
    let axis = |label: &str| Axis { label: label.to_owned(), scale: Scale::Linear, shows: Vec::new() };
    let panel = Panel {
        title: "x = relu(relu(z1 + 2 z2) - relu(3 z1 + z2))".to_owned(),
        horizontal: axis("z1"),
        vertical: axis("z2"),
        curves,
    };
    let title =
        "Example 1: the codes of one output are not a convex set\nThe line between two codes of x = 1 leaves the set";
    study.draw("example1", &Plot { title: title.to_owned(), panels: vec![panel] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::forward::forward;

    fn output(z: Place) -> f64 {
        let network = network().unwrap();
        forward(&network, 0..2, &DMatrix::from_column_slice(2, 1, &[z.0, z.1]))[0]
    }

    /// Convex combinations of corners.
    fn within(corners: &[Place]) -> impl Iterator<Item = Place> + '_ {
        (1..200_u32).map(move |number| {
            let weight = |index: usize| (0.618 * f64::from(number) * (index + 1) as f64).fract();
            let total: f64 = (0..corners.len()).map(weight).sum();
            let sum = |of: fn(&Place) -> f64| {
                corners.iter().enumerate().map(|(index, corner)| weight(index) * of(corner)).sum::<f64>() / total
            };
            (sum(|corner| corner.0), sum(|corner| corner.1))
        })
    }

    #[test]
    fn what_is_drawn_has_the_output_it_is_drawn_for() {
        let pieces = pieces(&network().unwrap(), &WINDOW);
        assert_eq!(pieces.len(), 4);
        for x in [0.0, 1e-3, 0.5, 1.0, 2.0] {
            let codes: Vec<Vec<Place>> = pieces.iter().map(|piece| piece.codes_of(x)).collect();
            let drawn = |codes: &&Vec<Place>| if x > 0.0 { codes.len() == 2 } else { codes.len() > 2 };
            assert_eq!(codes.iter().filter(drawn).count(), if x > 0.0 { 2 } else { 3 }, "{x}: {codes:?}");
            for codes in codes.iter().filter(|codes| !codes.is_empty()) {
                within(codes).for_each(|z| assert!((output(z) - x).abs() < 1e-12, "{z:?} for {x}: {}", output(z)));
            }
        }
    }

    /// By hand: `a = z₁ + 2z₂`, `b = 3z₁ + z₂`; for `x = 1` the rays `a = 1, b ≤ 0` and
    /// `a = 1 + b, b ≥ 0` from (−0.2, 0.6).
    #[test]
    fn the_codes_of_one_are_the_two_rays_known_by_hand() {
        let mut ends: Vec<Place> =
            pieces(&network().unwrap(), &WINDOW).iter().flat_map(|piece| piece.codes_of(1.0)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let expected = [(-2.5, 1.75), (-0.2, 0.6), (-0.2, 0.6), (1.175, 3.35)];
        assert_eq!(ends.len(), expected.len());
        for (end, expected) in ends.iter().zip(expected) {
            assert!((end.0 - expected.0).abs() < 1e-12 && (end.1 - expected.1).abs() < 1e-12, "{ends:?}");
        }
    }

    /// Every other part of the window has another output. The polygons of output 0 cover the whole
    /// window except for one quarter-plane, in which the output is positive.
    #[test]
    fn no_code_of_nothing_is_left_out() {
        let area = |corners: &[Place]| {
            let next = corners.iter().cycle().skip(1);
            corners.iter().zip(next).map(|(p, q)| p.0 * q.1 - q.0 * p.1).sum::<f64>().abs() / 2.0
        };
        let polygons: Vec<Vec<Place>> =
            pieces(&network().unwrap(), &WINDOW).iter().map(|piece| piece.codes_of(0.0)).collect();
        let found: f64 = polygons.iter().map(|corners| area(corners)).sum();
        // x > 0 where a > 0 and a > b: beyond z₂ > −z₁/2 and z₂ > 2z₁, cut by the window at (−2.5,
        // 1.25), (−2.5, 3.35) and (1.675, 3.35).
        let others = area(&[(0.0, 0.0), (1.675, 3.35), (-2.5, 3.35), (-2.5, 1.25)]);
        assert!((found - (21.6 - others)).abs() < 1e-12, "{found} and {others}");
        // The polygons are drawn as one.
        let outlines = outlines(&polygons.into_iter().filter(|corners| corners.len() > 2).collect::<Vec<_>>());
        assert_eq!(outlines.len(), 1, "{outlines:?}");
        assert!((area(&outlines[0]) - found).abs() < 1e-12, "{outlines:?}");
    }

    #[test]
    fn the_set_is_not_convex() {
        assert_eq!(CODES.map(output), [1.0, 1.0]);
        assert_eq!(HALFWAY, ((CODES[0].0 + CODES[1].0) / 2.0, (CODES[0].1 + CODES[1].1) / 2.0));
        assert_eq!(output(HALFWAY), 2.0);
    }
}
