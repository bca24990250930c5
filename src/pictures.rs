//! Pictures as PNG or SVG files, as the ending of their name says: [`grid`] draws observations side
//! by side, [`plot`] curves.

pub mod axis;
mod base64;
mod canvas;
pub mod grid;
mod images;
mod legend;
pub mod plot;
mod raster;
mod sheet;
mod surface;
mod text;
pub mod throughput;
mod vector;

use std::path::Path;

pub use grid::{check_picture, write_grid};
pub use images::{Grid, Row, usual_white};
use raster::Colour;

const WHITE: Colour = [255, 255, 255];
const INK: Colour = [30, 30, 30];
const FAINT_INK: Colour = [105, 105, 105];
/// Between images; light, so that black images do not run into one another.
const SEPARATOR: Colour = [200, 200, 200];
const UNOBSERVED: Colour = [196, 90, 80];
const NO_ANSWER: Colour = [246, 228, 224];
const NO_ANSWER_CROSS: Colour = [176, 48, 40];

/// The most that is drawn, a side.
const MOST_PIXELS: usize = 20_000;
const MARGIN: usize = 18;
const LABEL_SIZE: f64 = 24.0;
const TITLE_SIZE: f64 = 30.0;
const SMALL_SIZE: f64 = 20.0;
/// A line of text takes this many pixels for each of its size.
const LINE_HEIGHT: f64 = 1.4;

/// The pixels that a line of text takes.
fn line(size: f64) -> usize {
    (size * LINE_HEIGHT) as usize
}

/// Whether a file of this name is to be SVG.
fn is_svg(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg"))
}
