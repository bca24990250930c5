//! The drawing area of a grid: the same calls make a PNG and an SVG file.

use super::raster::{Colour, Raster};
use super::text::Text;
use crate::error::Result;

/// Draws shapes, each above the previous ones. Positions are pixels from the upper left corner.
pub trait Surface {
    /// A filled rectangle with its upper left corner at `corner`.
    fn fill(&mut self, corner: (usize, usize), size: (usize, usize), colour: Colour);
    /// Both diagonals of a rectangle.
    fn cross(&mut self, corner: (usize, usize), size: (usize, usize), thickness: usize, colour: Colour);
    /// `text` with the left edge of its ink at `x`; its digits and capitals are vertically centred
    /// on `centre`.
    fn text(&mut self, text: &Text, x: usize, centre: usize, colour: Colour);
    /// An image; each of its pixels is a square with a side of `factor`.
    fn image(&mut self, corner: (usize, usize), factor: usize, image: &Raster) -> Result<()>;
}
