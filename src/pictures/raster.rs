//! An RGB image, pixel by pixel, and its PNG file.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::formats::output::OutputFile;

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// Pixels, row by row from the top.
pub struct Raster {
    /// Pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// The pixels, three bytes each.
    pub pixels: Vec<u8>,
}

impl Raster {
    /// An image filled with `colour`.
    pub fn filled(width: usize, height: usize, colour: Colour) -> Self {
        Raster { width, height, pixels: colour.repeat(width * height) }
    }

    /// Encodes the image as PNG; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Output`] for more pixels than a PNG file can have, [`Error::Io`] if writing fails.
    pub fn encode(&self, output: impl Write, path: &Path) -> Result<()> {
        let side = |length: usize| {
            u32::try_from(length).map_err(|_| Error::Output {
                path: path.to_owned(),
                found: format!("would be a picture {length} pixels long"),
                fix: "draw fewer images".into(),
            })
        };
        let mut encoder = png::Encoder::new(output, side(self.width)?, side(self.height)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()
            .and_then(|mut writer| {
                writer.write_image_data(&self.pixels)?;
                writer.finish()
            })
            .map_err(|error| Error::io(path, "write the picture", error.into()))
    }

    /// Writes the image as a PNG file, completely or not at all.
    ///
    /// # Errors
    /// [`Error::Output`] if `path` cannot be created, or exists and `force` is not set; also those
    /// of [`Self::encode`].
    pub fn write_png(&self, path: &Path, force: bool) -> Result<()> {
        let mut output = OutputFile::create(path, force)?;
        self.encode(&mut output, path)?;
        output.finish()
    }
}
