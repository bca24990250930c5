//! Curves: their looks, and how they are drawn through points with known places.

use super::super::WHITE;
use super::super::raster::Colour;
use super::super::sheet::Sheet;
use crate::error::Result;

/// A curve through its points, from the first to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The name in the legend. Curves with the same name in several panels look the same and have
    /// one entry there. A curve without a name has no entry.
    pub label: String,
    /// The horizontal and the vertical value of each point.
    pub points: Vec<(f64, f64)>,
    /// The number of the colour; it wraps around.
    pub colour: usize,
    /// The style of the curve.
    pub style: Style,
}

/// The style of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line with a disc on each point.
    Solid,
    /// A dashed line with a ring on each point.
    Dashed,
    /// A thin line without points.
    Thin,
    /// A thin dashed line without points: a bound, or a mark.
    Rule,
    /// Small, translucent discs without a line: for single runs.
    Dots,
    /// A filled polygon through the points: for a set.
    Filled,
}

/// Colours that people with red-green blindness can distinguish, and that differ in brightness when
/// printed in grey.
pub(super) const COLOURS: [Colour; 7] =
    [[0, 92, 171], [222, 110, 20], [0, 140, 105], [150, 75, 150], [90, 90, 90], [86, 180, 233], [196, 160, 0]];
const THICKNESS: f64 = 2.6;
const THIN: f64 = 1.6;
pub(super) const POINT: f64 = 9.0;
const DOT: f64 = 5.0;
/// Opacity of a dot: places with several dots become dark.
const OPACITY: f64 = 0.3;
const DASH: f64 = 9.0;

impl Curve {
    /// Draws the curve through `points`, in units.
    pub(super) fn draw(&self, sheet: &mut dyn Sheet, points: &[(f64, f64)]) -> Result<()> {
        let colour = COLOURS[self.colour % COLOURS.len()];
        match self.style {
            Style::Dots => points.iter().try_for_each(|point| sheet.disc(*point, DOT, colour, OPACITY)),
            Style::Filled => sheet.polygon(points, colour, OPACITY),
            Style::Thin if points.len() > 1 => sheet.path(points, THIN, colour),
            Style::Thin => Ok(()),
            Style::Rule => dashes(points).iter().try_for_each(|dash| sheet.path(dash, THIN, colour)),
            Style::Solid => {
                if points.len() > 1 {
                    sheet.path(points, THICKNESS, colour)?;
                }
                points.iter().try_for_each(|point| sheet.disc(*point, POINT, colour, 1.0))
            }
            Style::Dashed => {
                dashes(points).iter().try_for_each(|dash| sheet.path(dash, THICKNESS, colour))?;
                points.iter().try_for_each(|point| {
                    sheet.disc(*point, POINT, colour, 1.0)?;
                    sheet.disc(*point, POINT - 2.0 * THICKNESS + 1.0, WHITE, 1.0)
                })
            }
        }
    }
}

/// Cuts the path through `points` into dashes; the pattern continues around corners.
fn dashes(points: &[(f64, f64)]) -> Vec<[(f64, f64); 2]> {
    let mut dashes = Vec::new();
    // The position in the pattern where the next segment starts.
    let mut walked = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |along: f64| {
            let share = along / length;
            (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
        };
        let mut along = 0.0;
        while along < length {
            let phase = (walked + along) % (2.0 * DASH);
            let rest = if phase < DASH { DASH - phase } else { 2.0 * DASH - phase };
            let end = (along + rest.max(0.5)).min(length);
            if phase < DASH {
                dashes.push([at(along), at(end)]);
            }
            along = end;
        }
        walked += length;
    }
    dashes
}
