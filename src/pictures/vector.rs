//! An SVG picture of shapes: text stays text, and an image is a PNG file within the file, with its
//! original pixels.

use std::fmt::Write;
use std::path::Path;

use super::base64;
use super::raster::{Colour, Raster};
use super::surface::Surface;
use super::text::Text;
use crate::error::Result;
use crate::formats::output::OutputFile;

/// Font size of a font with a line height of 1.
const LETTERS: f64 = 1.0 / 1.24;

/// The picture while it is drawn.
pub struct Vector {
    text: String,
}

impl Vector {
    /// A picture with this number of pixels, filled with `background`.
    pub fn new((width, height): (usize, usize), background: Colour) -> Self {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n"
        );
        let mut vector = Vector { text };
        vector.fill((0, 0), (width, height), background);
        vector
    }

    /// Writes the picture as an SVG file, completely or not at all.
    ///
    /// # Errors
    /// Those of [`OutputFile`].
    pub fn write(&self, path: &Path, force: bool) -> Result<()> {
        let mut output = OutputFile::create(path, force)?;
        output.append(self.text.as_bytes())?;
        output.append(b"</svg>\n")?;
        output.finish()
    }

    fn add(&mut self, element: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{element}");
    }
}

impl Surface for Vector {
    fn fill(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: Colour) {
        let colour = hex(colour);
        self.add(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"/>"));
    }

    fn cross(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), thickness: usize, colour: Colour) {
        let (colour, right, bottom) = (hex(colour), x + width, y + height);
        self.add(format_args!(
            "<path d=\"M{x} {y}L{right} {bottom}M{right} {y}L{x} {bottom}\" stroke=\"{colour}\" \
             stroke-width=\"{thickness}\"/>"
        ));
    }

    fn text(&mut self, text: &Text, x: usize, centre: usize, colour: Colour) {
        if text.width == 0 {
            return;
        }
        let (baseline, size, width) = (centre as i64 + text.capital_height / 2, text.size * LETTERS, text.width);
        let (colour, content) = (hex(colour), escaped(&text.content));
        // The viewer's font may be wider than the measured one.
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{baseline}\" font-family=\"sans-serif\" font-size=\"{size:.2}\" fill=\"{colour}\" \
             textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\">{content}</text>"
        ));
    }

    fn image(&mut self, (x, y): (usize, usize), factor: usize, image: &Raster) -> Result<()> {
        let mut bytes = Vec::new();
        image.encode(&mut bytes, Path::new("the picture"))?;
        let (width, height, data) = (image.width * factor, image.height * factor, base64::encode(&bytes));
        // Without this attribute and this property, viewers would blur the pixels; some viewers
        // know only one of the two.
        self.add(format_args!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\" \
             xlink:href=\"data:image/png;base64,{data}\"/>"
        ));
        Ok(())
    }
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Escapes markup, and removes characters that XML 1.0 does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}
