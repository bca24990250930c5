//! Grids of images: labelled rows, so that truth, observation and recovered image are below one
//! another.
//!
//! All rows share the grey values: black is 0 and below; white is the grid's value, or
//! [`usual_white`](super::usual_white) of all its images. A `NaN` pixel (unobserved) is red. An
//! image with only `NaN` (no answer) is crossed out. A line below the images explains this.

use std::path::Path;

use super::canvas::Canvas;
use super::images::Grid;
use super::legend::Legend;
use super::raster::{Colour, Raster};
use super::surface::Surface;
use super::text::Text;
use super::vector::Vector;
use super::{INK, LABEL_SIZE, MARGIN, MOST_PIXELS, NO_ANSWER, NO_ANSWER_CROSS, SEPARATOR, SMALL_SIZE, TITLE_SIZE};
use super::{UNOBSERVED, WHITE, is_svg, line};
use crate::error::{Error, Result};
use crate::formats::output::{check_ending, check_free};

/// The width to which pictures are scaled, and their maximum height, if there are enough images.
const WANTED_WIDTH: usize = 1500;
const WANTED_HEIGHT: usize = 1500;
const GAP: usize = 2;
/// Additional gap between two groups of columns.
const GROUP_GAP: usize = 12;
/// Gap between two rows.
const ROW_GAP: usize = 8;

/// Refuses a place where no picture can be written: an existing file, unless `force` is set, and a
/// name that ends like another format than PNG and SVG.
///
/// # Errors
/// [`Error::Output`].
pub fn check_picture(path: &Path, force: bool) -> Result<()> {
    check_ending(path, &["png", "svg"])?;
    check_free(path, force)
}

/// Draws `grid` and writes it to `path`: as SVG if the name ends in `.svg`, otherwise as PNG. The
/// picture is about 1,000 to 1,500 pixels wide, and each pixel of an image is a square of the same
/// size.
///
/// # Errors
/// [`Error::Input`], naming the row, if its images do not have `height · width` pixels; also if
/// there is nothing to draw or more than fits a picture. [`Error::Output`] if `path` cannot be
/// created, or exists and `force` is not set. [`Error::Io`] if writing fails.
pub fn write_grid(path: &Path, grid: &Grid, force: bool) -> Result<()> {
    check_picture(path, force)?;
    check(grid)?;
    let labels: Vec<Text> =
        grid.rows.iter().map(|row| Text::new(&row.label, LABEL_SIZE, path)).collect::<Result<_>>()?;
    let title = grid.title.as_deref().map(|title| Text::new(title, TITLE_SIZE, path)).transpose()?;
    let legend = Legend::new(grid, path)?;
    let layout = Layout::new(grid, &labels, title.as_ref(), &legend)?;

    if is_svg(path) {
        let mut vector = Vector::new(layout.canvas, WHITE);
        draw(&mut vector, grid, &layout, &labels, title.as_ref(), &legend, path)?;
        return vector.write(path, force);
    }
    let mut canvas = Canvas::new(layout.canvas.0, layout.canvas.1, WHITE);
    draw(&mut canvas, grid, &layout, &labels, title.as_ref(), &legend, path)?;
    canvas.write_png(path, force)
}

fn draw(
    surface: &mut dyn Surface,
    grid: &Grid,
    layout: &Layout,
    labels: &[Text],
    title: Option<&Text>,
    legend: &Legend,
    path: &Path,
) -> Result<()> {
    if let Some(title) = title {
        surface.text(title, MARGIN, MARGIN + line(TITLE_SIZE) / 2, INK);
    }
    for (column, caption) in grid.captions.iter().enumerate().take(layout.columns) {
        let width = layout.caption_width(grid, column);
        let text = fitted(caption, width, path)?;
        let x = layout.corner(column, 0).0 + (width - text.width.min(width)) / 2;
        surface.text(&text, x, layout.images.1 - line(SMALL_SIZE) / 2, INK);
    }
    for (index, (row, label)) in grid.rows.iter().zip(labels).enumerate() {
        surface.text(label, MARGIN, layout.corner(0, index).1 + layout.cell.1 / 2, INK);
        for (column, image) in row.images.column_iter().enumerate() {
            let pixels: Vec<f64> = image.iter().copied().collect();
            draw_image(surface, grid, layout, layout.corner(column, index), &pixels, legend.range)?;
        }
    }
    legend.draw(surface, (MARGIN + 1, layout.canvas.1 - MARGIN - line(SMALL_SIZE) / 2));
    Ok(())
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
        if row.images.nrows() != pixels && Some(row.images.nrows()) != pixels.checked_mul(3) {
            return Err(Error::input(
                format!("the row `{}`", row.label),
                format!("images of {} pixels", row.images.nrows()),
                format!("{pixels}, for {} × {}, or three times as many for colours", grid.height, grid.width),
                "give the height and width of these images",
            ));
        }
    }
    if columns(grid) == 0 {
        return Err(Error::input("the picture", "no image", "at least one", "pass observations to draw"));
    }
    Ok(())
}

fn columns(grid: &Grid) -> usize {
    grid.rows.iter().map(|row| row.images.ncols()).max().unwrap_or(0)
}

/// The first columns of all groups except the first. Groups start at columns with a caption, if
/// some columns have none.
fn groups(grid: &Grid, columns: usize) -> Vec<usize> {
    let captions = &grid.captions[..grid.captions.len().min(columns)];
    let first = |column: &usize| captions.iter().any(String::is_empty) && !captions[*column].is_empty();
    (1..captions.len()).filter(first).collect()
}

/// The layout, in pixels of the picture.
struct Layout {
    columns: usize,
    /// The first columns of all groups except the first.
    groups: Vec<usize>,
    /// Picture pixels per side of an image pixel.
    factor: usize,
    /// Width and height of an image.
    cell: (usize, usize),
    /// The upper left corner of the first image.
    images: (usize, usize),
    /// Width and height of the whole picture.
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
        let groups = groups(grid, columns);
        let gaps = (GAP * (columns - 1) + GROUP_GAP * groups.len(), ROW_GAP * (grid.rows.len() - 1));
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
                format!("at most {MOST_PIXELS} per side"),
                "draw fewer images, or shorten the labels",
            ));
        }
        Ok(Layout { columns, groups, factor, cell, images: (left, top), canvas: (width, height) })
    }

    /// The upper left corner of an image.
    fn corner(&self, column: usize, row: usize) -> (usize, usize) {
        let groups = self.groups.iter().filter(|first| **first <= column).count();
        let x = self.images.0 + column * (self.cell.0 + GAP) + groups * GROUP_GAP;
        (x, self.images.1 + row * (self.cell.1 + ROW_GAP))
    }

    /// The space above a column and above the following columns with empty captions.
    fn caption_width(&self, grid: &Grid, column: usize) -> usize {
        let is_caption = |column: &usize| grid.captions.get(*column).is_none_or(|caption| !caption.is_empty());
        let next = (column + 1..self.columns).find(is_caption).unwrap_or(self.columns);
        self.corner(next - 1, 0).0 + self.cell.0 - self.corner(column, 0).0
    }
}

/// Draws one image with a thin line around it.
fn draw_image(
    surface: &mut dyn Surface,
    grid: &Grid,
    layout: &Layout,
    corner: (usize, usize),
    image: &[f64],
    range: (f64, f64),
) -> Result<()> {
    surface.fill((corner.0 - 1, corner.1 - 1), (layout.cell.0 + 2, layout.cell.1 + 2), SEPARATOR);
    if image.iter().all(|value| value.is_nan()) {
        surface.fill(corner, layout.cell, NO_ANSWER);
        let thickness = (layout.cell.0.min(layout.cell.1) / 40).max(2);
        surface.cross(corner, layout.cell, thickness, NO_ANSWER_CROSS);
        return Ok(());
    }
    let pixels = grid.height * grid.width;
    let channels = image.len() / pixels;
    let colour = |pixel: usize| -> Colour {
        let values: [f64; 3] = std::array::from_fn(|channel| image[pixel + channel.min(channels - 1) * pixels]);
        if values.iter().any(|value| value.is_nan()) { UNOBSERVED } else { values.map(|value| shade(value, range)) }
    };
    let raster = Raster { width: grid.width, height: grid.height, pixels: (0..pixels).flat_map(colour).collect() };
    surface.image(corner, layout.factor, &raster)
}

fn shade(value: f64, (black, white): (f64, f64)) -> u8 {
    ((value - black) / (white - black) * 255.0).round().clamp(0.0, 255.0) as u8
}

/// A caption of at most `width`, cut if necessary.
fn fitted(caption: &str, width: usize, path: &Path) -> Result<Text> {
    let mut text = Text::new(caption, SMALL_SIZE, path)?;
    let mut kept: Vec<char> = caption.chars().collect();
    while text.width > width && kept.pop().is_some() {
        let cut: String = kept.iter().chain(&['…']).collect();
        text = Text::new(&cut, SMALL_SIZE, path)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
