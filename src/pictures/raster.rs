//! Red, green and blue, pixel by pixel, as PNG.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::formats::output::OutputFile;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Pixels, line by line from the top.
pub struct Raster {
    /// Of a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Three bytes each.
    pub pixels: Vec<u8>,
}

impl Raster {
    /// All `colour`.
    pub fn filled(width: usize, height: usize, colour: Colour) -> Self {
        Raster { width, height, pixels: colour.repeat(width * height) }
    }

    /// Encodes it for the picture `path`.
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

    /// Writes it as a PNG file, whole or not at all.
    ///
    /// # Errors
    /// Those of [`Self::encode`]; [`Error::Output`] if `path` exists and `force` is not set or
    /// cannot be created.
    pub fn write_png(&self, path: &Path, force: bool) -> Result<()> {
        let mut output = OutputFile::create(path, force)?;
        self.encode(&mut output, path)?;
        output.finish()
    }
}
