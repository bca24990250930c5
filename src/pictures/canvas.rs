//! A surface of pixels, for PNG files.

use std::path::Path;

use super::raster::{Colour, Raster};
use super::surface::Surface;
use super::text::Text;
use crate::error::Result;

/// The picture while it is drawn. Parts outside it are ignored.
pub struct Canvas(Raster);

impl Canvas {
    /// A picture filled with `background`.
    pub fn new(width: usize, height: usize, background: Colour) -> Self {
        Canvas(Raster::filled(width, height, background))
    }

    fn set(&mut self, x: usize, y: usize, colour: Colour) {
        let start = 3 * (y * self.0.width + x);
        self.0.pixels[start..start + 3].copy_from_slice(&colour);
    }

    fn blend(&mut self, x: usize, y: usize, colour: Colour, coverage: f32) {
        let start = 3 * (y * self.0.width + x);
        for (below, above) in self.0.pixels[start..start + 3].iter_mut().zip(colour) {
            let mixed = f32::from(*below) + (f32::from(above) - f32::from(*below)) * coverage.clamp(0.0, 1.0);
            *below = mixed.round() as u8;
        }
    }

    /// Writes the picture as a PNG file, completely or not at all.
    ///
    /// # Errors
    /// Those of [`Raster::write_png`].
    pub fn write_png(&self, path: &Path, force: bool) -> Result<()> {
        self.0.write_png(path, force)
    }
}

impl Surface for Canvas {
    fn fill(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: Colour) {
        for row in y..(y + height).min(self.0.height) {
            for column in x..(x + width).min(self.0.width) {
                self.set(column, row, colour);
            }
        }
    }

    fn cross(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), thickness: usize, colour: Colour) {
        let steps = width.max(height).saturating_sub(thickness);
        for step in 0..=steps {
            let right = step * width.saturating_sub(thickness) / steps.max(1);
            let down = step * height.saturating_sub(thickness) / steps.max(1);
            let mirrored = width.saturating_sub(thickness) - right;
            self.fill((x + right, y + down), (thickness, thickness), colour);
            self.fill((x + mirrored, y + down), (thickness, thickness), colour);
        }
    }

    fn text(&mut self, text: &Text, x: usize, centre: usize, colour: Colour) {
        let baseline = centre as i64 + text.capital_height / 2;
        for &(right, up, coverage) in &text.ink {
            let (column, row) = (x as i64 + right, baseline - up);
            if (0..self.0.width as i64).contains(&column) && (0..self.0.height as i64).contains(&row) {
                self.blend(column as usize, row as usize, colour, coverage);
            }
        }
    }

    fn image(&mut self, corner: (usize, usize), factor: usize, image: &Raster) -> Result<()> {
        for (index, pixel) in image.pixels.chunks_exact(3).enumerate() {
            let (x, y) = (index % image.width * factor, index / image.width * factor);
            self.fill((corner.0 + x, corner.1 + y), (factor, factor), [pixel[0], pixel[1], pixel[2]]);
        }
        Ok(())
    }
}
