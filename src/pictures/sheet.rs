//! The drawing area of a plot: one of the plotting library, in units of about one printed point.
//! The same calls make a PNG and an SVG file.
//!
//! The PNG is drawn larger and scaled down, because the library smooths neither lines nor discs.
//! Its text uses a font that is bundled with the program. An SVG file names `sans-serif`, which
//! every viewer has.

use std::path::Path;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle, register_font};

use super::is_svg;
use super::raster::{Colour, Raster};
use crate::error::{Error, Result};
use crate::formats::output::OutputFile;

/// Pixels of a PNG file for each unit.
const PNG_SCALE: usize = 2;
/// A PNG file is drawn this many times larger and scaled down.
const SMOOTHING: usize = 2;
/// The library rounds positions to whole pixels, so an SVG file is drawn this many times larger and
/// shown smaller.
const SVG_SCALE: usize = 8;
const FAMILY: FontFamily<'static> = FontFamily::SansSerif;

/// Horizontal position of a text relative to its point. Vertically, its line is always centred on
/// the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// The point is its left end.
    Left,
    /// The point is its middle.
    Centre,
    /// The point is its right end.
    Right,
}

/// The drawing operations that a plot needs. Positions are in units from the upper left corner.
pub trait Sheet {
    /// A filled rectangle.
    fn fill(&mut self, corner: (f64, f64), size: (f64, f64), colour: Colour) -> Result<()>;
    /// A line from point to point.
    fn path(&mut self, points: &[(f64, f64)], thickness: f64, colour: Colour) -> Result<()>;
    /// A filled circle; with `opacity` 1 it hides what is below it.
    fn disc(&mut self, centre: (f64, f64), diameter: f64, colour: Colour, opacity: f64) -> Result<()>;
    /// A filled polygon.
    fn polygon(&mut self, corners: &[(f64, f64)], colour: Colour, opacity: f64) -> Result<()>;
    /// A line of text.
    fn text(&mut self, text: &str, size: f64, at: (f64, f64), align: Align, colour: Colour) -> Result<()>;
}

/// The width of a line of text, in units.
///
/// # Errors
/// [`Error::Output`] for `path`, if the bundled font cannot be used.
pub fn text_width(text: &str, size: f64, path: &Path) -> Result<f64> {
    // Measured large, because widths are whole numbers.
    let large = 16.0;
    let (width, _) = font(size * large, path)?.box_size(text).map_err(|error| undrawn(path, &error))?;
    Ok(f64::from(width) / large)
}

/// Calls `draw` on a sheet of this size in units and writes it to `path`: as SVG if the name ends
/// in `.svg`, otherwise as PNG.
///
/// # Errors
/// Those of `draw`. [`Error::Output`] if `path` cannot be created, or exists and `force` is not
/// set. [`Error::Io`] if writing fails.
pub fn write_sheet(
    path: &Path,
    (width, height): (usize, usize),
    force: bool,
    draw: impl Fn(&mut dyn Sheet) -> Result<()>,
) -> Result<()> {
    if is_svg(path) {
        let size = ((width * SVG_SCALE) as u32, (height * SVG_SCALE) as u32);
        let mut text = String::new();
        on_area(SVGBackend::with_string(&mut text, size), SVG_SCALE as f64, 0.0, path, draw)?;
        // The displayed size; the coordinates inside are those of the view box.
        let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
        let text = text.replacen(&drawn, &format!("width=\"{width}\" height=\"{height}\""), 1);
        let mut output = OutputFile::create(path, force)?;
        output.append(text.as_bytes())?;
        return output.finish();
    }
    let scale = PNG_SCALE * SMOOTHING;
    let mut pixels = vec![0; 3 * width * height * scale * scale];
    let size = ((width * scale) as u32, (height * scale) as u32);
    // The middle of the library's line box is above the middle of its capitals.
    on_area(BitMapBackend::with_buffer(&mut pixels, size), scale as f64, 0.17, path, draw)?;
    let (width, height) = (width * PNG_SCALE, height * PNG_SCALE);
    Raster { width, height, pixels: scaled_down(&pixels, width, height) }.write_png(path, force)
}

fn on_area<DB: DrawingBackend>(
    backend: DB,
    scale: f64,
    drop: f64,
    path: &Path,
    draw: impl Fn(&mut dyn Sheet) -> Result<()>,
) -> Result<()> {
    let area = backend.into_drawing_area();
    area.fill(&RGBColor(255, 255, 255)).map_err(|error| undrawn(path, &error))?;
    let mut sheet = Area { area, scale, drop, path };
    draw(&mut sheet)?;
    sheet.area.present().map_err(|error| undrawn(path, &error))
}

/// A drawing area, and the path of its file.
struct Area<'a, DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    scale: f64,
    /// Downward shift of text, as a share of its size.
    drop: f64,
    path: &'a Path,
}

impl<DB: DrawingBackend> Area<'_, DB> {
    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn done(&self, drawn: Result<(), DrawingAreaErrorKind<DB::ErrorType>>) -> Result<()> {
        drawn.map_err(|error| undrawn(self.path, &error))
    }
}

impl<DB: DrawingBackend> Sheet for Area<'_, DB> {
    fn fill(&mut self, corner: (f64, f64), size: (f64, f64), colour: Colour) -> Result<()> {
        let corners = [self.place(corner), self.place((corner.0 + size.0, corner.1 + size.1))];
        self.done(self.area.draw(&Rectangle::new(corners, rgb(colour).filled())))
    }

    fn path(&mut self, points: &[(f64, f64)], thickness: f64, colour: Colour) -> Result<()> {
        let width = (thickness * self.scale).round().max(1.0) as u32;
        let points: Vec<(i32, i32)> = points.iter().map(|point| self.place(*point)).collect();
        self.done(self.area.draw(&PathElement::new(points, rgb(colour).stroke_width(width))))
    }

    fn disc(&mut self, centre: (f64, f64), diameter: f64, colour: Colour, opacity: f64) -> Result<()> {
        let radius = (diameter / 2.0 * self.scale).round() as i32;
        let style: ShapeStyle = rgb(colour).mix(opacity).filled();
        self.done(self.area.draw(&Circle::new(self.place(centre), radius, style)))
    }

    fn polygon(&mut self, corners: &[(f64, f64)], colour: Colour, opacity: f64) -> Result<()> {
        let corners: Vec<(i32, i32)> = corners.iter().map(|corner| self.place(*corner)).collect();
        self.done(self.area.draw(&Polygon::new(corners, rgb(colour).mix(opacity).filled())))
    }

    fn text(&mut self, text: &str, size: f64, (x, y): (f64, f64), align: Align, colour: Colour) -> Result<()> {
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let colour = rgb(colour);
        let font = font(size * self.scale, self.path)?;
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        let place = self.place((x, y + self.drop * size));
        self.done(self.area.draw_text(text, &style, place))
    }
}

fn rgb([red, green, blue]: Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

/// Scales an image down: each pixel of `width` × `height` is the mean of its square.
fn scaled_down(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let large = 3 * width * SMOOTHING;
    let mean = |row: usize, column: usize, channel: usize| {
        let square = (0..SMOOTHING).flat_map(|down| (0..SMOOTHING).map(move |right| (down, right)));
        let at = |(down, right)| (row * SMOOTHING + down) * large + 3 * (column * SMOOTHING + right) + channel;
        let sum: usize = square.map(|place| usize::from(pixels[at(place)])).sum();
        ((sum + SMOOTHING * SMOOTHING / 2) / (SMOOTHING * SMOOTHING)) as u8
    };
    let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    places.flat_map(|(row, column)| [0, 1, 2].map(|channel| mean(row, column, channel))).collect()
}

fn font(size: f64, path: &Path) -> Result<FontDesc<'static>> {
    register_font(FAMILY.as_str(), FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| undrawn(path, &"the bundled font is damaged"))?;
    Ok(FontDesc::new(FAMILY, size, FontStyle::Normal))
}

fn undrawn(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Output {
        path: path.to_owned(),
        found: format!("cannot be drawn ({reason})"),
        fix: "please report this error in the build".into(),
    }
}
