//! Curves in panels as a PNG file: a title, panels side by side with their axes, one legend for all below.
//!
//! A point without a place on its axis (not finite; not positive where the axis is logarithmic) is left out, and the curve goes from
//! its neighbour to its neighbour. Dashed curves have hollow points, so that they are told apart without colour.

use std::path::Path;

use super::axis::{Axis, Range};
use super::canvas::{Canvas, Colour, Text};
use super::{FAINT_INK, INK, MARGIN, MOST_PIXELS, SEPARATOR, SMALL_SIZE, TITLE_SIZE, WHITE, line};
use crate::error::{Error, Result};

/// A picture of curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Stands above everything; a line break begins a second, smaller line.
    pub title: String,
    /// Line by line, two in a line where there are several.
    pub panels: Vec<Panel>,
}

/// A pair of axes with its curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Stands above the axes; what the vertical one shows belongs here.
    pub title: String,
    /// The horizontal axis.
    pub horizontal: Axis,
    /// The vertical axis; its label stands at its upper end.
    pub vertical: Axis,
    /// The curves; later ones are drawn above earlier ones.
    pub curves: Vec<Curve>,
}

/// A curve through its points, from the first to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend calls it; curves of several panels that are called the same look the same and stand there once.
    pub label: String,
    /// Horizontal and vertical.
    pub points: Vec<(f64, f64)>,
    /// Which of the colours, counted around.
    pub colour: usize,
    /// Whether it is dashed.
    pub dashed: bool,
}

/// Told apart by people who do not see red and green, and in grey by their brightness.
const COLOURS: [Colour; 4] = [[0, 92, 171], [222, 110, 20], [0, 140, 105], [150, 75, 150]];
const PANEL_TITLE_SIZE: f64 = 23.0;
/// Of the axes of one panel, labels not counted.
const AXES: (usize, usize) = (600, 360);
const PANEL_GAP: usize = 44;
const TICK: usize = 6;
const THICKNESS: f64 = 2.6;
const POINT: f64 = 9.0;
const DASH: f64 = 9.0;
const GRID: Colour = [232, 232, 232];
const SAMPLE: usize = 46;
const SAMPLE_GAP: usize = 10;
const ENTRY_GAP: usize = 34;

/// Draws `plot` and writes it to `path` as a PNG file.
///
/// # Errors
/// [`Error::Input`] if no curve has a point that can be drawn, or if there are more panels or longer labels than fit a picture;
/// [`Error::Output`] if `path` exists and `force` is not set or cannot be created; [`Error::Io`] if writing fails.
pub fn write_plot(path: &Path, plot: &Plot, force: bool) -> Result<()> {
    crate::formats::output::check_free(path, force)?;
    let canvas = draw(path, plot)?;
    canvas.write_png(path, force)
}

fn draw(path: &Path, plot: &Plot) -> Result<Canvas> {
    if plot.panels.iter().all(|panel| panel.points().next().is_none()) {
        return Err(Error::input(
            "the plot",
            "no point",
            "at least one that its axes can show",
            "measure something first",
        ));
    }
    let panels: Vec<Laid> = plot.panels.iter().map(|panel| Laid::new(panel, path)).collect::<Result<_>>()?;
    let columns = if panels.len() > 1 { 2 } else { 1 };
    // One left margin for all, so that panels stand under one another.
    let left = panels.iter().map(|panel| panel.left()).max().unwrap_or(0);
    let right = panels.iter().map(Laid::right).max().unwrap_or(0);
    let cell = (left + AXES.0 + right, Laid::above() + AXES.1 + Laid::below());
    let width = 2 * MARGIN + columns * cell.0 + (columns - 1) * PANEL_GAP;
    let title = title(plot, path)?;
    let head = title.iter().map(|(_, height)| height).sum::<usize>() + MARGIN / 2;
    let legend = Legend::new(plot, width - 2 * MARGIN, path)?;
    let rows = panels.len().div_ceil(columns);
    let height = 2 * MARGIN + head + rows * (cell.1 + PANEL_GAP / 2) + legend.height();
    let widest = title.iter().map(|(text, _)| text.width).chain([legend.widest()]).max().unwrap_or(0) + 2 * MARGIN;
    let width = width.max(widest);
    if width > MOST_PIXELS || height > MOST_PIXELS {
        return Err(Error::input(
            "the plot",
            format!("panels and labels for {width} × {height} pixels"),
            format!("at most {MOST_PIXELS} a side"),
            "draw fewer panels, or shorten the labels",
        ));
    }
    let mut canvas = Canvas::new(width, height, WHITE);
    let mut y = MARGIN;
    for (text, height) in &title {
        canvas.text(text, MARGIN, y + height / 2, INK);
        y += height;
    }
    for (index, panel) in panels.iter().enumerate() {
        let (column, row) = (index % columns, index / columns);
        let corner = (
            MARGIN + column * (cell.0 + PANEL_GAP) + left,
            MARGIN + head + row * (cell.1 + PANEL_GAP / 2) + Laid::above(),
        );
        panel.draw(&mut canvas, corner);
    }
    legend.draw(&mut canvas, (MARGIN, height - MARGIN - legend.height()));
    Ok(canvas)
}

/// The lines of the title and their heights.
fn title(plot: &Plot, path: &Path) -> Result<Vec<(Text, usize)>> {
    let lines = plot.title.lines().enumerate();
    let size = |index: usize| if index == 0 { TITLE_SIZE } else { SMALL_SIZE };
    lines.map(|(index, text)| Ok((Text::new(text, size(index), path)?, line(size(index))))).collect()
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

/// A panel with its ranges found and its texts set.
struct Laid<'a> {
    panel: &'a Panel,
    title: Text,
    horizontal: Side,
    vertical: Side,
    nothing: Text,
}

/// An axis with its range, its ticks and their labels.
struct Side {
    range: Option<Range>,
    ticks: Vec<(f64, Text)>,
    label: Text,
}

impl Side {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>, path: &Path) -> Result<Self> {
        let mut values = values.peekable();
        // An axis without a curve shows nothing.
        let range = values.peek().is_some().then(|| Range::of(axis.scale, values.chain(axis.shows.iter().copied())));
        let range = range.flatten();
        let ticks = range.iter().flat_map(|range| range.ticks());
        let ticks = ticks.map(|(value, label)| Ok((value, Text::new(&label, SMALL_SIZE, path)?)));
        let ticks = ticks.collect::<Result<_>>()?;
        Ok(Side { range, ticks, label: Text::new(&axis.label, SMALL_SIZE, path)? })
    }

    fn widest(&self) -> usize {
        self.ticks.iter().map(|(_, text)| text.width).max().unwrap_or(0)
    }
}

impl<'a> Laid<'a> {
    fn new(panel: &'a Panel, path: &Path) -> Result<Self> {
        Ok(Laid {
            panel,
            title: Text::new(&panel.title, PANEL_TITLE_SIZE, path)?,
            horizontal: Side::new(&panel.horizontal, panel.points().map(|point| point.0), path)?,
            vertical: Side::new(&panel.vertical, panel.points().map(|point| point.1), path)?,
            nothing: Text::new("no figures", SMALL_SIZE, path)?,
        })
    }

    /// What the labels take to the left of the axes.
    fn left(&self) -> usize {
        (self.vertical.widest() + 2 * TICK).max(self.horizontal.widest().div_ceil(2))
    }

    /// To the right: half a label, and what title or label are longer than the axes.
    fn right(&self) -> usize {
        let overlong = self.title.width.max(self.vertical.label.width).max(self.horizontal.label.width);
        self.horizontal.widest().div_ceil(2).max(overlong.saturating_sub(AXES.0))
    }

    fn above() -> usize {
        line(PANEL_TITLE_SIZE) + line(SMALL_SIZE)
    }

    fn below() -> usize {
        TICK + 2 * line(SMALL_SIZE)
    }

    /// Draws it with the left upper corner of the axes at `corner`.
    fn draw(&self, canvas: &mut Canvas, corner: (usize, usize)) {
        canvas.text(&self.title, corner.0, corner.1 - line(SMALL_SIZE) - line(PANEL_TITLE_SIZE) / 2, INK);
        canvas.text(&self.vertical.label, corner.0, corner.1 - line(SMALL_SIZE) / 2, FAINT_INK);
        let below = corner.1 + AXES.1 + TICK + line(SMALL_SIZE);
        let middle = corner.0 + (AXES.0.saturating_sub(self.horizontal.label.width)) / 2;
        canvas.text(&self.horizontal.label, middle, below + line(SMALL_SIZE) / 2, FAINT_INK);
        let (Some(horizontal), Some(vertical)) = (self.horizontal.range, self.vertical.range) else {
            frame(canvas, corner);
            canvas.text(&self.nothing, corner.0 + (AXES.0 - self.nothing.width) / 2, corner.1 + AXES.1 / 2, FAINT_INK);
            return;
        };
        let place = |(x, y): (f64, f64)| {
            let (right, up) = (horizontal.place(x) * AXES.0 as f64, vertical.place(y) * AXES.1 as f64);
            (corner.0 as f64 + right, corner.1 as f64 + AXES.1 as f64 - up)
        };
        for minor in horizontal.minor_ticks() {
            canvas.fill((place((minor, vertical.low())).0 as usize, corner.1), (1, AXES.1), GRID);
        }
        for (value, label) in &self.horizontal.ticks {
            let x = place((*value, vertical.low())).0 as usize;
            canvas.fill((x, corner.1), (1, AXES.1 + TICK), SEPARATOR);
            canvas.text(label, x.saturating_sub(label.width / 2), corner.1 + AXES.1 + TICK + line(SMALL_SIZE) / 2, INK);
        }
        for minor in vertical.minor_ticks() {
            canvas.fill((corner.0, place((horizontal.low(), minor)).1 as usize), (AXES.0, 1), GRID);
        }
        for (value, label) in &self.vertical.ticks {
            let y = place((horizontal.low(), *value)).1 as usize;
            canvas.fill((corner.0 - TICK, y), (AXES.0 + TICK, 1), SEPARATOR);
            canvas.text(label, corner.0 - 2 * TICK - label.width, y, INK);
        }
        frame(canvas, corner);
        for curve in &self.panel.curves {
            let points: Vec<(f64, f64)> = self.panel.drawable(curve).map(place).collect();
            stroke(canvas, &points, curve);
        }
    }
}

fn frame(canvas: &mut Canvas, corner: (usize, usize)) {
    canvas.fill(corner, (AXES.0, 1), SEPARATOR);
    canvas.fill((corner.0 + AXES.0, corner.1), (1, AXES.1 + 1), SEPARATOR);
    canvas.fill((corner.0, corner.1 + AXES.1), (AXES.0, 1), INK);
    canvas.fill(corner, (1, AXES.1 + 1), INK);
}

/// The curve through `points`, in pixels.
fn stroke(canvas: &mut Canvas, points: &[(f64, f64)], curve: &Curve) {
    let colour = COLOURS[curve.colour % COLOURS.len()];
    // Where in the pattern of dashes the next stretch begins.
    let mut walked = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        if !curve.dashed {
            canvas.line(from, to, THICKNESS, colour);
            continue;
        }
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
                canvas.line(at(along), at(end), THICKNESS, colour);
            }
            along = end;
        }
        walked += length;
    }
    for &point in points {
        canvas.line(point, point, POINT, colour);
        if curve.dashed {
            canvas.line(point, point, POINT - 2.0 * THICKNESS + 1.0, WHITE);
        }
    }
}

/// One entry for each label there is, in as many lines as they need.
struct Legend {
    lines: Vec<Vec<(Curve, Text)>>,
}

impl Legend {
    fn new(plot: &Plot, width: usize, path: &Path) -> Result<Self> {
        let mut lines: Vec<Vec<(Curve, Text)>> = Vec::new();
        let mut taken = usize::MAX;
        let curves = || plot.panels.iter().flat_map(|panel| &panel.curves);
        for (index, curve) in curves().enumerate() {
            if curves().take(index).any(|earlier| earlier.label == curve.label) {
                continue;
            }
            let text = Text::new(&curve.label, SMALL_SIZE, path)?;
            let wanted = SAMPLE + SAMPLE_GAP + text.width;
            if taken.saturating_add(wanted) > width {
                lines.push(Vec::new());
                taken = 0;
            }
            taken += wanted + ENTRY_GAP;
            let sample = Curve { points: Vec::new(), ..curve.clone() };
            if let Some(line) = lines.last_mut() {
                line.push((sample, text));
            }
        }
        Ok(Legend { lines })
    }

    fn height(&self) -> usize {
        self.lines.len() * line(SMALL_SIZE)
    }

    fn widest(&self) -> usize {
        let of_entry = |(_, text): &(Curve, Text)| SAMPLE + SAMPLE_GAP + text.width + ENTRY_GAP;
        self.lines.iter().map(|line| line.iter().map(of_entry).sum()).max().unwrap_or(0)
    }

    fn draw(&self, canvas: &mut Canvas, corner: (usize, usize)) {
        for (index, entries) in self.lines.iter().enumerate() {
            let (mut x, y) = (corner.0, corner.1 + index * line(SMALL_SIZE) + line(SMALL_SIZE) / 2);
            for (curve, text) in entries {
                let ends = [x as f64 + POINT / 2.0, (x + SAMPLE) as f64 - POINT / 2.0];
                stroke(canvas, &ends.map(|x| (x, y as f64)), curve);
                canvas.text(text, x + SAMPLE + SAMPLE_GAP, y, INK);
                x += SAMPLE + SAMPLE_GAP + text.width + ENTRY_GAP;
            }
        }
    }
}

#[cfg(test)]
mod tests;
