//! What a grid is drawn on: the same calls make a PNG and an SVG file.

use super::raster::{Colour, Raster};
use super::text::Text;
use crate::error::Result;

/// Takes shapes, one above the other. Places are pixels from the left upper corner.
pub trait Surface {
    /// A filled rectangle with its left upper corner at `corner`.
    fn fill(&mut self, corner: (usize, usize), size: (usize, usize), colour: Colour);
    /// Both diagonals of a rectangle.
    fn cross(&mut self, corner: (usize, usize), size: (usize, usize), thickness: usize, colour: Colour);
    /// `text` with its ink's left edge at `x` and its line of digits and capitals centred on
    /// `centre`.
    fn text(&mut self, text: &Text, x: usize, centre: usize, colour: Colour);
    /// An image, each of its pixels a square of `factor` a side.
    fn image(&mut self, corner: (usize, usize), factor: usize, image: &Raster) -> Result<()>;
}
