//! Observations side by side as a PNG file: rows of images with a label each, so that truth, observation and recovered
//! image stand under one another. [`plot`] draws curves.
//!
//! Grey values are shared by all rows: black is 0 and below, white is the value that 98 % of the positive ones do not exceed, or
//! 1 where that lies in ½ … 1. A pixel that is `NaN` (unobserved) is red, an image that is `NaN` throughout (no answer) is crossed
//! out; a line below the images says so.

pub mod axis;
mod canvas;
pub mod plot;
mod sheet;
pub mod throughput;

use std::path::Path;

use nalgebra::DMatrix;

use crate::error::{Error, Result};
use canvas::{Canvas, Colour, Text};

/// One row of a [`Grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What stands to the left of the images.
    pub label: String,
    /// Pixels × count: one image a column, its pixels line by line from the top.
    pub images: DMatrix<f64>,
}

/// Images in labelled rows. A row may have fewer images than another; its last places stay empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Stands above everything.
    pub title: Option<String>,
    /// Stand above the columns, from the left; may be fewer than the columns. One that is too long is cut with `…`.
    pub captions: Vec<String>,
    /// From the top.
    pub rows: Vec<Row>,
    /// Of one image, in its own pixels.
    pub height: usize,
    /// Of one image, in its own pixels.
    pub width: usize,
}

const WHITE: Colour = [255, 255, 255];
const INK: Colour = [30, 30, 30];
const FAINT_INK: Colour = [105, 105, 105];
/// Between images; light, so that black images do not run into one another.
const SEPARATOR: Colour = [200, 200, 200];
const UNOBSERVED: Colour = [196, 90, 80];
const NO_ANSWER: Colour = [246, 228, 224];
const NO_ANSWER_CROSS: Colour = [176, 48, 40];

/// What the width is scaled up to, and the height at most, if the images are many enough.
const WANTED_WIDTH: usize = 1500;
const WANTED_HEIGHT: usize = 1500;
/// The most that is drawn, a side.
const MOST_PIXELS: usize = 20_000;
const MARGIN: usize = 18;
/// The share of the positive values that are not brighter than white.
const WHITE_SHARE: f64 = 0.98;
const GAP: usize = 2;
/// Between one row and the next.
const ROW_GAP: usize = 8;
const LABEL_SIZE: f64 = 24.0;
const TITLE_SIZE: f64 = 30.0;
const SMALL_SIZE: f64 = 20.0;
/// A line of text takes this many pixels for each of its size.
const LINE_HEIGHT: f64 = 1.4;

/// Draws `grid` and writes it to `path` as a PNG file about 1,000 to 1,500 pixels wide, each pixel of an image an equally large
/// square.
///
/// # Errors
/// [`Error::Input`] naming the row if its images do not have `height · width` pixels, if there is nothing to draw or more than
/// fits a picture; [`Error::Output`] if `path` exists and `force` is not set or cannot be created; [`Error::Io`] if writing fails.
pub fn write_grid(path: &Path, grid: &Grid, force: bool) -> Result<()> {
    crate::formats::output::check_free(path, force)?;
    check(grid)?;
    let labels: Vec<Text> =
        grid.rows.iter().map(|row| Text::new(&row.label, LABEL_SIZE, path)).collect::<Result<_>>()?;
    let title = grid.title.as_deref().map(|title| Text::new(title, TITLE_SIZE, path)).transpose()?;
    let legend = Legend::new(grid, path)?;
    let layout = Layout::new(grid, &labels, title.as_ref(), &legend)?;

    let mut canvas = Canvas::new(layout.canvas.0, layout.canvas.1, WHITE);
    if let Some(title) = &title {
        canvas.text(title, MARGIN, MARGIN + line(TITLE_SIZE) / 2, INK);
    }
    for (column, caption) in grid.captions.iter().take(layout.columns).enumerate() {
        let text = fitted(caption, layout.cell.0, path)?;
        let x = layout.corner(column, 0).0 + (layout.cell.0 - text.width.min(layout.cell.0)) / 2;
        canvas.text(&text, x, layout.images.1 - line(SMALL_SIZE) / 2, INK);
    }
    for (index, (row, label)) in grid.rows.iter().zip(&labels).enumerate() {
        canvas.text(label, MARGIN, layout.corner(0, index).1 + layout.cell.1 / 2, INK);
        for (column, image) in row.images.column_iter().enumerate() {
            let pixels: Vec<f64> = image.iter().copied().collect();
            draw_image(&mut canvas, grid, &layout, layout.corner(column, index), &pixels, legend.white);
        }
    }
    legend.draw(&mut canvas, (MARGIN + 1, layout.canvas.1 - MARGIN - line(SMALL_SIZE) / 2));
    canvas.write_png(path, force)
}

fn check(grid: &Grid) -> Result<()> {
    let pixels = grid.height.checked_mul(grid.width).filter(|pixels| *pixels > 0).ok_or_else(|| {
        Error::input(
            "the size of an image",
            format!("{} × {}", grid.height, grid.width),
            "a height and a width of at least 1",
            "give the size of one image, for example 28x28",
        )
    })?;
    for row in &grid.rows {
        if row.images.nrows() != pixels {
            return Err(Error::input(
                format!("the row `{}`", row.label),
                format!("images of {} pixels", row.images.nrows()),
                format!("{pixels}, for {} × {}", grid.height, grid.width),
                "give the height and width of these images",
            ));
        }
    }
    if columns(grid) == 0 {
        return Err(Error::input("the picture", "no image", "at least one", "hand in observations to draw"));
    }
    Ok(())
}

fn columns(grid: &Grid) -> usize {
    grid.rows.iter().map(|row| row.images.ncols()).max().unwrap_or(0)
}

/// The pixels that a line of text takes.
fn line(size: f64) -> usize {
    (size * LINE_HEIGHT) as usize
}

/// Where everything is, in pixels of the picture.
struct Layout {
    columns: usize,
    /// Pixels of the picture a side for each pixel of an image.
    factor: usize,
    /// Width and height of an image.
    cell: (usize, usize),
    /// The left upper corner of the first image.
    images: (usize, usize),
    /// Width and height of it all.
    canvas: (usize, usize),
}

impl Layout {
    fn new(grid: &Grid, labels: &[Text], title: Option<&Text>, legend: &Legend) -> Result<Self> {
        let columns = columns(grid);
        let label_width = labels.iter().map(|label| label.width).max().unwrap_or(0);
        let left = MARGIN + label_width + if label_width > 0 { MARGIN } else { 0 };
        let top = MARGIN
            + if title.is_some() { line(TITLE_SIZE) } else { 0 }
            + if grid.captions.is_empty() { 0 } else { line(SMALL_SIZE) };
        let bottom = ROW_GAP + line(SMALL_SIZE) + MARGIN;
        let gaps = (GAP * (columns - 1), ROW_GAP * (grid.rows.len() - 1));
        let room = |wanted: usize, taken: usize, images: usize| wanted.saturating_sub(taken) / images.max(1);
        let factor = room(WANTED_WIDTH, left + gaps.0 + MARGIN, columns.saturating_mul(grid.width))
            .min(room(WANTED_HEIGHT, top + gaps.1 + bottom, grid.rows.len().saturating_mul(grid.height)))
            .max(1);
        let cell = (grid.width.saturating_mul(factor), grid.height.saturating_mul(factor));
        let text_width = title.map_or(0, |title| title.width).max(legend.width());
        let width = (left + gaps.0).saturating_add(columns.saturating_mul(cell.0)).max(MARGIN + text_width) + MARGIN;
        let height = (top + gaps.1 + bottom).saturating_add(grid.rows.len().saturating_mul(cell.1));
        if width > MOST_PIXELS || height > MOST_PIXELS {
            return Err(Error::input(
                "the picture",
                format!("images and labels for {width} × {height} pixels"),
                format!("at most {MOST_PIXELS} a side"),
                "draw fewer images, or shorten the labels",
            ));
        }
        Ok(Layout { columns, factor, cell, images: (left, top), canvas: (width, height) })
    }

    /// The left upper corner of an image.
    fn corner(&self, column: usize, row: usize) -> (usize, usize) {
        (self.images.0 + column * (self.cell.0 + GAP), self.images.1 + row * (self.cell.1 + ROW_GAP))
    }
}

/// One image with a thin line around it.
fn draw_image(canvas: &mut Canvas, grid: &Grid, layout: &Layout, corner: (usize, usize), image: &[f64], white: f64) {
    canvas.fill((corner.0 - 1, corner.1 - 1), (layout.cell.0 + 2, layout.cell.1 + 2), SEPARATOR);
    if image.iter().all(|value| value.is_nan()) {
        canvas.fill(corner, layout.cell, NO_ANSWER);
        let thickness = (layout.cell.0.min(layout.cell.1) / 40).max(2);
        canvas.cross(corner, layout.cell, thickness, NO_ANSWER_CROSS);
        return;
    }
    for (index, &value) in image.iter().enumerate() {
        let (x, y) = (index % grid.width * layout.factor, index / grid.width * layout.factor);
        let colour = if value.is_nan() { UNOBSERVED } else { grey(value, white) };
        canvas.fill((corner.0 + x, corner.1 + y), (layout.factor, layout.factor), colour);
    }
}

fn grey(value: f64, white: f64) -> Colour {
    [(value / white * 255.0).round().clamp(0.0, 255.0) as u8; 3]
}

/// The value that is drawn white: a few bright pixels above it do not make all others dark.
fn white(grid: &Grid) -> f64 {
    let values = grid.rows.iter().flat_map(|row| row.images.iter());
    let mut positive: Vec<f64> = values.copied().filter(|value| *value > 0.0 && value.is_finite()).collect();
    if positive.is_empty() {
        return 1.0;
    }
    let place = ((positive.len() - 1) as f64 * WHITE_SHARE).round() as usize;
    let (_, bright, _) = positive.select_nth_unstable_by(place, f64::total_cmp);
    // Subnormal values would overflow as 255 times their inverse.
    if (0.5..=1.0).contains(bright) || !bright.is_normal() { 1.0 } else { *bright }
}

/// A caption no wider than `width`, cut where it has to be.
fn fitted(caption: &str, width: usize, path: &Path) -> Result<Text> {
    let mut text = Text::new(caption, SMALL_SIZE, path)?;
    let mut kept: Vec<char> = caption.chars().collect();
    while text.width > width && kept.pop().is_some() {
        let cut: String = kept.iter().chain(&['…']).collect();
        text = Text::new(&cut, SMALL_SIZE, path)?;
    }
    Ok(text)
}

/// The line below the images: what black and white, red and the cross mean.
struct Legend {
    white: f64,
    entries: Vec<(Swatch, Text)>,
}

/// The little square before a word of the legend.
enum Swatch {
    Plain(Colour),
    Crossed,
}

const SWATCH: usize = 16;
const SWATCH_GAP: usize = 7;
const ENTRY_GAP: usize = 28;

impl Legend {
    fn new(grid: &Grid, path: &Path) -> Result<Self> {
        let white = white(grid);
        let is_failed = |image: &[f64]| image.iter().all(|value| value.is_nan());
        let is_partial = |image: &[f64]| !is_failed(image) && image.iter().any(|value| value.is_nan());
        let any = |is: &dyn Fn(&[f64]) -> bool| {
            grid.rows.iter().any(|row| row.images.as_slice().chunks(row.images.nrows()).any(is))
        };
        let any_value =
            |is: &dyn Fn(f64) -> bool| grid.rows.iter().any(|row| row.images.iter().any(|value| is(*value)));
        let black = if any_value(&|value| value < 0.0) { "0 and below" } else { "0" };
        let above = if any_value(&|value| value > white) { " and above" } else { "" };
        let mut entries = vec![
            (Swatch::Plain([0; 3]), Text::new(black, SMALL_SIZE, path)?),
            (Swatch::Plain(WHITE), Text::new(&format!("{}{above}", short(white)), SMALL_SIZE, path)?),
        ];
        if any(&is_partial) {
            entries.push((Swatch::Plain(UNOBSERVED), Text::new("not observed", SMALL_SIZE, path)?));
        }
        if any(&is_failed) {
            entries.push((Swatch::Crossed, Text::new("no values", SMALL_SIZE, path)?));
        }
        Ok(Legend { white, entries })
    }

    fn width(&self) -> usize {
        self.entries.iter().map(|(_, text)| SWATCH + SWATCH_GAP + text.width + ENTRY_GAP).sum()
    }

    fn draw(&self, canvas: &mut Canvas, (mut x, centre): (usize, usize)) {
        for (swatch, text) in &self.entries {
            let corner = (x, centre - SWATCH / 2);
            canvas.fill((corner.0 - 1, corner.1 - 1), (SWATCH + 2, SWATCH + 2), SEPARATOR);
            match swatch {
                Swatch::Plain(colour) => canvas.fill(corner, (SWATCH, SWATCH), *colour),
                Swatch::Crossed => {
                    canvas.fill(corner, (SWATCH, SWATCH), NO_ANSWER);
                    canvas.cross(corner, (SWATCH, SWATCH), 2, NO_ANSWER_CROSS);
                }
            }
            x += SWATCH + SWATCH_GAP;
            canvas.text(text, x, centre, FAINT_INK);
            x += text.width + ENTRY_GAP;
        }
    }
}

/// A number as a person would write it, to three digits.
fn short(value: f64) -> String {
    if (1e-3..1e5).contains(&value) {
        let decimals = (2 - value.log10().floor() as i64).clamp(0, 6) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests;
