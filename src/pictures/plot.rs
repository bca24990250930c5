//! Plots: curves in panels as a PNG or SVG file, with a title, panels side by side with their axes,
//! and one legend below.
//!
//! Points without a place on their axis (not finite, or not positive on a logarithmic axis) are
//! left out, and the curve connects their neighbours. Dashed curves have hollow points, so that
//! they can be distinguished without colour.

mod curve;
mod legend;

use std::path::Path;

use super::axis::{Axis, Range};
use super::raster::Colour;
use super::sheet::{Align, Sheet, text_width, write_sheet};
use super::{FAINT_INK, INK, MARGIN, MOST_PIXELS, SEPARATOR, SMALL_SIZE, TITLE_SIZE, line};
use crate::error::{Error, Result};
pub use curve::{Curve, Style};
use legend::Legend;

/// A picture of curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// The title above everything; a line break starts a second, smaller line.
    pub title: String,
    /// The panels, row by row; two per row if there are several.
    pub panels: Vec<Panel>,
}

/// A pair of axes with its curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The title above the axes; it should say what the vertical axis shows.
    pub title: String,
    /// The horizontal axis.
    pub horizontal: Axis,
    /// The vertical axis; its label is at its upper end.
    pub vertical: Axis,
    /// The curves; later ones are drawn above earlier ones.
    pub curves: Vec<Curve>,
}

const PANEL_TITLE_SIZE: f64 = 23.0;
/// Size of the axes of one panel, without labels.
const AXES: (f64, f64) = (600.0, 360.0);
const PANEL_GAP: f64 = 44.0;
const TICK: f64 = 6.0;
const GRID: Colour = [232, 232, 232];
/// Thickness of axes and ticks.
const HAIR: f64 = 1.0;
const FRAME_MARGIN: f64 = MARGIN as f64;

/// Draws `plot` and writes it to `path`: as SVG if the name ends in `.svg`, otherwise as PNG.
///
/// # Errors
/// [`Error::Input`] if no curve has a point that can be drawn, or if the panels or labels do not
/// fit a picture. [`Error::Output`] if `path` cannot be created, or exists and `force` is not set.
/// [`Error::Io`] if writing fails.
pub fn write_plot(path: &Path, plot: &Plot, force: bool) -> Result<()> {
    crate::formats::output::check_free(path, force)?;
    if plot.panels.iter().all(|panel| panel.points().next().is_none()) {
        return Err(Error::input(
            "the plot",
            "no point",
            "at least one that its axes can show",
            "measure something first",
        ));
    }
    let laid = LaidPlot::new(plot, path)?;
    let (width, height) = (laid.width.ceil() as usize, laid.height.ceil() as usize);
    if width > MOST_PIXELS || height > MOST_PIXELS {
        return Err(Error::input(
            "the plot",
            format!("panels and labels for {width} × {height} points"),
            format!("at most {MOST_PIXELS} per side"),
            "draw fewer panels, or shorten the labels",
        ));
    }
    write_sheet(path, (width, height), force, |sheet| laid.draw(sheet))
}

/// A plot with known sizes, in units.
struct LaidPlot<'a> {
    plot: &'a Plot,
    panels: Vec<Laid<'a>>,
    legend: Legend,
    columns: usize,
    /// Width of the labels to the left of the axes: the same for all panels, so that panels are
    /// aligned.
    left: f64,
    cell: (f64, f64),
    width: f64,
    height: f64,
}

impl<'a> LaidPlot<'a> {
    fn new(plot: &'a Plot, path: &Path) -> Result<Self> {
        let panels: Vec<Laid> = plot.panels.iter().map(|panel| Laid::new(panel, path)).collect::<Result<_>>()?;
        let columns = if panels.len() > 1 { 2 } else { 1 };
        let left = panels.iter().map(Laid::left).fold(0.0, f64::max);
        let right = panels.iter().map(Laid::right).fold(0.0, f64::max);
        let cell = (left + AXES.0 + right, Laid::above() + AXES.1 + Laid::below());
        let width = 2.0 * FRAME_MARGIN + columns as f64 * cell.0 + (columns - 1) as f64 * PANEL_GAP;
        let legend = Legend::new(plot, width - 2.0 * FRAME_MARGIN, path)?;
        let rows = panels.len().div_ceil(columns);
        let head: f64 = title_lines(plot).map(|(_, size)| height_of(size)).sum::<f64>() + FRAME_MARGIN / 2.0;
        let height = 2.0 * FRAME_MARGIN + head + rows as f64 * (cell.1 + PANEL_GAP / 2.0) + legend.height();
        let title = title_lines(plot).map(|(text, size)| text_width(text, size, path));
        let title = title.collect::<Result<Vec<_>>>()?;
        let widest = title.into_iter().chain([legend.widest()]).fold(0.0, f64::max) + 2.0 * FRAME_MARGIN;
        Ok(LaidPlot { plot, panels, legend, columns, left, cell, width: width.max(widest), height })
    }

    fn draw(&self, sheet: &mut dyn Sheet) -> Result<()> {
        let mut y = FRAME_MARGIN;
        for (text, size) in title_lines(self.plot) {
            sheet.text(text, size, (FRAME_MARGIN, y + height_of(size) / 2.0), Align::Left, INK)?;
            y += height_of(size);
        }
        y += FRAME_MARGIN / 2.0;
        for (index, panel) in self.panels.iter().enumerate() {
            let (column, row) = ((index % self.columns) as f64, (index / self.columns) as f64);
            let corner = (
                FRAME_MARGIN + column * (self.cell.0 + PANEL_GAP) + self.left,
                y + row * (self.cell.1 + PANEL_GAP / 2.0) + Laid::above(),
            );
            panel.draw(sheet, corner)?;
        }
        self.legend.draw(sheet, (FRAME_MARGIN, self.height - FRAME_MARGIN - self.legend.height()))
    }
}

/// The lines of the title and their font sizes.
fn title_lines(plot: &Plot) -> impl Iterator<Item = (&str, f64)> {
    plot.title.lines().enumerate().map(|(index, text)| (text, if index == 0 { TITLE_SIZE } else { SMALL_SIZE }))
}

/// The height of a line of text of this size.
fn height_of(size: f64) -> f64 {
    line(size) as f64
}

impl Panel {
    /// Every point that has a place on both axes.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.curves.iter().flat_map(|curve| self.drawable(curve))
    }

    fn drawable<'a>(&'a self, curve: &'a Curve) -> impl Iterator<Item = (f64, f64)> + 'a {
        let shown = |(x, y): &(f64, f64)| self.horizontal.scale.shows(*x) && self.vertical.scale.shows(*y);
        curve.points.iter().copied().filter(shown)
    }
}

/// A panel with computed ranges and measured texts.
struct Laid<'a> {
    panel: &'a Panel,
    /// Width of the widest title or label of the axes.
    widest_text: f64,
    horizontal: Side,
    vertical: Side,
}

/// An axis with its range, its ticks and their labels.
struct Side {
    range: Option<Range>,
    ticks: Vec<(f64, String)>,
    widest: f64,
}

impl Side {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>, path: &Path) -> Result<Self> {
        let mut values = values.peekable();
        // An axis without a curve shows nothing.
        let range = values.peek().is_some().then(|| Range::of(axis.scale, values.chain(axis.shows.iter().copied())));
        let range = range.flatten();
        let ticks: Vec<(f64, String)> = range.iter().flat_map(|range| range.ticks()).collect();
        let widths = ticks.iter().map(|(_, label)| text_width(label, SMALL_SIZE, path)).collect::<Result<Vec<_>>>()?;
        Ok(Side { range, ticks, widest: widths.into_iter().fold(0.0, f64::max) })
    }
}

impl<'a> Laid<'a> {
    fn new(panel: &'a Panel, path: &Path) -> Result<Self> {
        let texts = [
            (&panel.title, PANEL_TITLE_SIZE),
            (&panel.horizontal.label, SMALL_SIZE),
            (&panel.vertical.label, SMALL_SIZE),
        ];
        let widths = texts.map(|(text, size)| text_width(text, size, path));
        Ok(Laid {
            panel,
            widest_text: widths.into_iter().collect::<Result<Vec<_>>>()?.into_iter().fold(0.0, f64::max),
            horizontal: Side::new(&panel.horizontal, panel.points().map(|point| point.0), path)?,
            vertical: Side::new(&panel.vertical, panel.points().map(|point| point.1), path)?,
        })
    }

    /// The space that labels need to the left of the axes.
    fn left(&self) -> f64 {
        (self.vertical.widest + 2.0 * TICK).max(self.horizontal.widest / 2.0)
    }

    /// The space to the right: half a label, or the part of a title or label beyond the axes.
    fn right(&self) -> f64 {
        (self.horizontal.widest / 2.0).max(self.widest_text - AXES.0)
    }

    fn above() -> f64 {
        height_of(PANEL_TITLE_SIZE) + height_of(SMALL_SIZE)
    }

    fn below() -> f64 {
        TICK + 2.0 * height_of(SMALL_SIZE)
    }

    /// Draws the panel with the upper left corner of the axes at `corner`.
    fn draw(&self, sheet: &mut dyn Sheet, corner: (f64, f64)) -> Result<()> {
        let label = height_of(SMALL_SIZE);
        let above = corner.1 - label - height_of(PANEL_TITLE_SIZE) / 2.0;
        sheet.text(&self.panel.title, PANEL_TITLE_SIZE, (corner.0, above), Align::Left, INK)?;
        let beside = (corner.0, corner.1 - label / 2.0);
        sheet.text(&self.panel.vertical.label, SMALL_SIZE, beside, Align::Left, FAINT_INK)?;
        let ticks = corner.1 + AXES.1 + TICK + label / 2.0;
        let middle = corner.0 + AXES.0 / 2.0;
        sheet.text(&self.panel.horizontal.label, SMALL_SIZE, (middle, ticks + label), Align::Centre, FAINT_INK)?;
        let (Some(horizontal), Some(vertical)) = (self.horizontal.range, self.vertical.range) else {
            frame(sheet, corner)?;
            return sheet.text("no figures", SMALL_SIZE, (middle, corner.1 + AXES.1 / 2.0), Align::Centre, FAINT_INK);
        };
        let place = |(x, y): (f64, f64)| {
            let (right, up) = (horizontal.place(x) * AXES.0, vertical.place(y) * AXES.1);
            (corner.0 + right, corner.1 + AXES.1 - up)
        };
        for minor in horizontal.minor_ticks() {
            sheet.fill((place((minor, vertical.low())).0, corner.1), (HAIR, AXES.1), GRID)?;
        }
        for minor in vertical.minor_ticks() {
            sheet.fill((corner.0, place((horizontal.low(), minor)).1), (AXES.0, HAIR), GRID)?;
        }
        for (value, label) in &self.horizontal.ticks {
            let x = place((*value, vertical.low())).0;
            sheet.fill((x, corner.1), (HAIR, AXES.1 + TICK), SEPARATOR)?;
            sheet.text(label, SMALL_SIZE, (x, ticks), Align::Centre, INK)?;
        }
        for (value, label) in &self.vertical.ticks {
            let y = place((horizontal.low(), *value)).1;
            sheet.fill((corner.0 - TICK, y), (AXES.0 + TICK, HAIR), SEPARATOR)?;
            sheet.text(label, SMALL_SIZE, (corner.0 - 2.0 * TICK, y), Align::Right, INK)?;
        }
        frame(sheet, corner)?;
        for curve in &self.panel.curves {
            let points: Vec<(f64, f64)> = self.panel.drawable(curve).map(place).collect();
            curve.draw(sheet, &points)?;
        }
        Ok(())
    }
}

fn frame(sheet: &mut dyn Sheet, corner: (f64, f64)) -> Result<()> {
    sheet.fill(corner, (AXES.0, HAIR), SEPARATOR)?;
    sheet.fill((corner.0 + AXES.0, corner.1), (HAIR, AXES.1 + HAIR), SEPARATOR)?;
    sheet.fill((corner.0, corner.1 + AXES.1), (AXES.0, HAIR), INK)?;
    sheet.fill(corner, (HAIR, AXES.1 + HAIR), INK)
}

#[cfg(test)]
mod tests;
