//! An RGB raster: filled rectangles and text, written as PNG.
//!
//! Text is drawn with a font that comes with the program, so a picture looks the same on every machine and needs no system
//! font; it is measured by its ink, drawn once into nothing, so that what is laid out by the measure is not clipped.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use crate::error::{Error, Result};
use crate::formats::output::OutputFile;

/// Red, green, blue.
pub type Colour = [u8; 3];

const FONT_NAME: &str = "unrelu";
/// Text is set this many times larger and scaled down.
const FINENESS: i64 = 4;

/// The picture while it is drawn. What falls outside is not drawn.
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// All `background`.
    pub fn new(width: usize, height: usize, background: Colour) -> Self {
        Canvas { width, height, pixels: background.repeat(width * height) }
    }

    /// Fills `width` × `height` pixels from the left upper corner `(x, y)`.
    pub fn fill(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: Colour) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.set(column, row, colour);
            }
        }
    }

    /// Both diagonals of a rectangle, `thickness` pixels wide.
    pub fn cross(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), thickness: usize, colour: Colour) {
        let steps = width.max(height).saturating_sub(thickness);
        for step in 0..=steps {
            let right = step * width.saturating_sub(thickness) / steps.max(1);
            let down = step * height.saturating_sub(thickness) / steps.max(1);
            let mirrored = width.saturating_sub(thickness) - right;
            self.fill((x + right, y + down), (thickness, thickness), colour);
            self.fill((x + mirrored, y + down), (thickness, thickness), colour);
        }
    }

    /// Writes `text` with its ink's left edge at `x` and its line of digits and capitals centred on `centre`.
    pub fn text(&mut self, text: &Text, x: usize, centre: usize, colour: Colour) {
        let baseline = centre as i64 + text.capital_height / 2;
        for &(right, up, coverage) in &text.ink {
            let (column, row) = (x as i64 + right, baseline - up);
            if (0..self.width as i64).contains(&column) && (0..self.height as i64).contains(&row) {
                self.blend(column as usize, row as usize, colour, coverage);
            }
        }
    }

    fn set(&mut self, x: usize, y: usize, colour: Colour) {
        let start = 3 * (y * self.width + x);
        self.pixels[start..start + 3].copy_from_slice(&colour);
    }

    fn blend(&mut self, x: usize, y: usize, colour: Colour, coverage: f32) {
        let start = 3 * (y * self.width + x);
        for (below, above) in self.pixels[start..start + 3].iter_mut().zip(colour) {
            let mixed = f32::from(*below) + (f32::from(above) - f32::from(*below)) * coverage.clamp(0.0, 1.0);
            *below = mixed.round() as u8;
        }
    }

    /// Writes the picture as a PNG file, whole or not at all.
    ///
    /// # Errors
    /// Those of [`write_pixels`].
    pub fn write_png(&self, path: &Path, force: bool) -> Result<()> {
        write_pixels(path, (self.width, self.height), &self.pixels, force)
    }
}

/// Writes red, green and blue of `width` × `height` pixels as a PNG file, whole or not at all.
///
/// # Errors
/// [`Error::Output`] if `path` exists and `force` is not set or cannot be created, [`Error::Io`] if writing fails.
pub fn write_pixels(path: &Path, (width, height): (usize, usize), pixels: &[u8], force: bool) -> Result<()> {
    let side = |length: usize| {
        u32::try_from(length).map_err(|_| Error::Output {
            path: path.to_owned(),
            found: format!("would be a picture {length} pixels long"),
            fix: "draw fewer images".into(),
        })
    };
    let mut output = OutputFile::create(path, force)?;
    let mut encoder = png::Encoder::new(&mut output, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_image_data(pixels)?;
            writer.finish()
        })
        .map_err(|error| Error::io(path, "write the picture", error.into()))?;
    output.finish()
}

/// A line of text as ink, ready to be placed.
pub struct Text {
    /// Pixels to the right of the ink's left edge, above the baseline, and how much of each is covered.
    ink: Vec<(i64, i64, f32)>,
    /// Of a capital letter.
    capital_height: i64,
    /// From the leftmost to the rightmost pixel with ink.
    pub width: usize,
}

impl Text {
    /// Sets `text` in letters of about `size` pixels from the top of `b` to the bottom of `p`.
    ///
    /// # Errors
    /// [`Error::Output`] for `path`, if the bundled font cannot be used.
    pub fn new(text: &str, size: f64, path: &Path) -> Result<Self> {
        let font = font(size, path)?;
        // The measure of every line, so that lines of different letters stand alike.
        let capital = ink(&font, "H", path)?;
        let bottom = capital.iter().map(|pixel| pixel.1).max().unwrap_or(0);
        let top = capital.iter().map(|pixel| pixel.1).min().unwrap_or(0);
        let drawn = ink(&font, text, path)?;
        let left = drawn.iter().map(|pixel| pixel.0).min().unwrap_or(0);
        let right = drawn.iter().map(|pixel| pixel.0).max().map_or(left, |right| right + 1);
        Ok(Text {
            ink: drawn.into_iter().map(|(x, y, coverage)| (x - left, bottom - y, coverage)).collect(),
            capital_height: bottom - top,
            width: usize::try_from(right - left).unwrap_or(0),
        })
    }
}

/// The pixels that a text covers. The font sets its letters on whole pixels, which at small sizes leaves gaps inside words, so
/// they are set larger and scaled down.
fn ink(font: &FontDesc, text: &str, path: &Path) -> Result<Vec<(i64, i64, f32)>> {
    let mut covered: BTreeMap<(i64, i64), f32> = BTreeMap::new();
    // Adding up cannot fail; finding the font can.
    let drawn = font.draw(text, (0, 0), |x, y, coverage| {
        if coverage > 0.0 {
            let pixel = (i64::from(x).div_euclid(FINENESS), i64::from(y).div_euclid(FINENESS));
            *covered.entry(pixel).or_insert(0.0) += coverage / (FINENESS * FINENESS) as f32;
        }
        Ok::<(), std::convert::Infallible>(())
    });
    match drawn {
        Ok(_) => Ok(covered.into_iter().map(|((x, y), coverage)| (x, y, coverage)).collect()),
        Err(error) => Err(no_font(path, &error.to_string())),
    }
}

fn font(size: f64, path: &Path) -> Result<FontDesc<'static>> {
    register_font(FONT_NAME, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| no_font(path, "it is damaged"))?;
    Ok(FontDesc::new(FontFamily::Name(FONT_NAME), size * FINENESS as f64, FontStyle::Normal))
}

fn no_font(path: &Path, reason: &str) -> Error {
    Error::Output {
        path: path.to_owned(),
        found: format!("cannot be labelled with the bundled font ({reason})"),
        fix: "please report it: the build is at fault".into(),
    }
}
