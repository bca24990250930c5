//! The legend of a plot: each label once, for all panels.

use std::path::Path;

use super::super::sheet::{Align, Sheet, text_width};
use super::super::{INK, SMALL_SIZE};
use super::curve::{Curve, POINT, Style};
use super::{Plot, height_of};
use crate::error::Result;

const SAMPLE: f64 = 46.0;
const SAMPLE_GAP: f64 = 10.0;
const ENTRY_GAP: f64 = 34.0;

/// One entry per label, in as many lines as needed.
pub(super) struct Legend {
    /// Each entry: a curve and the width of its label.
    lines: Vec<Vec<(Curve, f64)>>,
}

impl Legend {
    pub(super) fn new(plot: &Plot, width: f64, path: &Path) -> Result<Self> {
        let mut lines: Vec<Vec<(Curve, f64)>> = Vec::new();
        let mut taken = f64::INFINITY;
        let curves = || plot.panels.iter().flat_map(|panel| &panel.curves);
        for (index, curve) in curves().enumerate() {
            if curve.label.is_empty() || curves().take(index).any(|earlier| earlier.label == curve.label) {
                continue;
            }
            let text = text_width(&curve.label, SMALL_SIZE, path)?;
            let wanted = SAMPLE + SAMPLE_GAP + text;
            if taken + wanted > width {
                lines.push(Vec::new());
                taken = 0.0;
            }
            taken += wanted + ENTRY_GAP;
            let sample = Curve { points: Vec::new(), ..curve.clone() };
            if let Some(line) = lines.last_mut() {
                line.push((sample, text));
            }
        }
        Ok(Legend { lines })
    }

    pub(super) fn height(&self) -> f64 {
        self.lines.len() as f64 * height_of(SMALL_SIZE)
    }

    pub(super) fn widest(&self) -> f64 {
        let of_entry = |(_, text): &(Curve, f64)| SAMPLE + SAMPLE_GAP + text + ENTRY_GAP;
        self.lines.iter().map(|line| line.iter().map(of_entry).sum()).fold(0.0, f64::max)
    }

    pub(super) fn draw(&self, sheet: &mut dyn Sheet, corner: (f64, f64)) -> Result<()> {
        for (index, entries) in self.lines.iter().enumerate() {
            let (mut x, y) = (corner.0, corner.1 + (index as f64 + 0.5) * height_of(SMALL_SIZE));
            for (curve, text) in entries {
                let ends = [x + POINT / 2.0, x + SAMPLE - POINT / 2.0];
                let sample = match curve.style {
                    Style::Filled => {
                        let half = height_of(SMALL_SIZE) / 4.0;
                        vec![(ends[0], y - half), (ends[1], y - half), (ends[1], y + half), (ends[0], y + half)]
                    }
                    _ => ends.map(|x| (x, y)).to_vec(),
                };
                curve.draw(sheet, &sample)?;
                sheet.text(&curve.label, SMALL_SIZE, (x + SAMPLE + SAMPLE_GAP, y), Align::Left, INK)?;
                x += SAMPLE + SAMPLE_GAP + text + ENTRY_GAP;
            }
        }
        Ok(())
    }
}
