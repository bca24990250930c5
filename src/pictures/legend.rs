//! The line below a grid that explains black and white, red, and the cross.

use std::path::Path;

use super::images::Grid;
use super::raster::Colour;
use super::surface::Surface;
use super::text::Text;
use super::{FAINT_INK, NO_ANSWER, NO_ANSWER_CROSS, SEPARATOR, SMALL_SIZE, UNOBSERVED, WHITE};
use crate::error::Result;

/// The line below the images.
pub struct Legend {
    /// The values that are drawn as black and as white.
    pub range: (f64, f64),
    entries: Vec<(Swatch, Text)>,
}

/// The small square before a word of the legend.
enum Swatch {
    Plain(Colour),
    Crossed,
}

const SWATCH: usize = 16;
const SWATCH_GAP: usize = 7;
const ENTRY_GAP: usize = 28;

impl Legend {
    /// The entries that `grid` needs.
    pub fn new(grid: &Grid, path: &Path) -> Result<Self> {
        let (least, white) = grid.range();
        let is_failed = |image: &[f64]| image.iter().all(|value| value.is_nan());
        let is_partial = |image: &[f64]| !is_failed(image) && image.iter().any(|value| value.is_nan());
        let any = |is: &dyn Fn(&[f64]) -> bool| {
            grid.rows.iter().any(|row| row.images.as_slice().chunks(row.images.nrows()).any(is))
        };
        let any_value =
            |is: &dyn Fn(f64) -> bool| grid.rows.iter().any(|row| row.images.iter().any(|value| is(*value)));
        let below = if any_value(&|value| value < least) { " and below" } else { "" };
        let above = if any_value(&|value| value > white) { " and above" } else { "" };
        let mut entries = vec![
            (Swatch::Plain([0; 3]), Text::new(&format!("{least}{below}"), SMALL_SIZE, path)?),
            (Swatch::Plain(WHITE), Text::new(&format!("{}{above}", short(white)), SMALL_SIZE, path)?),
        ];
        if any(&is_partial) {
            entries.push((Swatch::Plain(UNOBSERVED), Text::new("not observed", SMALL_SIZE, path)?));
        }
        if any(&is_failed) {
            entries.push((Swatch::Crossed, Text::new("no values", SMALL_SIZE, path)?));
        }
        Ok(Legend { range: (least, white), entries })
    }

    /// Width of the whole line, in pixels.
    pub fn width(&self) -> usize {
        self.entries.iter().map(|(_, text)| SWATCH + SWATCH_GAP + text.width + ENTRY_GAP).sum()
    }

    /// Draws the line from `x` on, vertically centred on `centre`.
    pub fn draw(&self, surface: &mut dyn Surface, (mut x, centre): (usize, usize)) {
        for (swatch, text) in &self.entries {
            let corner = (x, centre - SWATCH / 2);
            surface.fill((corner.0 - 1, corner.1 - 1), (SWATCH + 2, SWATCH + 2), SEPARATOR);
            match swatch {
                Swatch::Plain(colour) => surface.fill(corner, (SWATCH, SWATCH), *colour),
                Swatch::Crossed => {
                    surface.fill(corner, (SWATCH, SWATCH), NO_ANSWER);
                    surface.cross(corner, (SWATCH, SWATCH), 2, NO_ANSWER_CROSS);
                }
            }
            x += SWATCH + SWATCH_GAP;
            surface.text(text, x, centre, FAINT_INK);
            x += text.width + ENTRY_GAP;
        }
    }
}

/// Formats a number for readers, with three digits.
pub(super) fn short(value: f64) -> String {
    if (1e-3..1e5).contains(&value) {
        let decimals = (2 - value.log10().floor() as i64).clamp(0, 6) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.2e}")
    }
}
