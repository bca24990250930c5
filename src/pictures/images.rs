//! Images in labelled rows, and the value that is drawn as white.

use nalgebra::DMatrix;

/// The share of the positive values that must not be brighter than white.
const WHITE_SHARE: f64 = 0.98;
/// How far noise may move pixels out of the range of tanh.
const NOISE: f64 = 0.2;

/// One row of a [`Grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The text to the left of the images.
    pub label: String,
    /// Pixels × count: one image per column, its pixels row by row from the top; or 3 · pixels ×
    /// count, with the red, the green and the blue image one after the other.
    pub images: DMatrix<f64>,
}

/// Images in labelled rows. Rows with fewer images than others end with empty places.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// The title above everything.
    pub title: Option<String>,
    /// Captions above the columns, from the left; there may be fewer than columns. A caption
    /// followed by empty ones belongs to a group of columns, and there is a gap between groups.
    /// Captions that are too long are cut with `…`.
    pub captions: Vec<String>,
    /// The rows, from the top.
    pub rows: Vec<Row>,
    /// Height of one image, in its own pixels.
    pub height: usize,
    /// Width of one image, in its own pixels.
    pub width: usize,
    /// The value that is drawn as white; `None` for [`usual_white`] of all images.
    pub white: Option<f64>,
    /// The value that is drawn as black; `None` for [`usual_black`] of all images.
    pub black: Option<f64>,
}

impl Grid {
    /// The values that are drawn as black and as white.
    pub(super) fn range(&self) -> (f64, f64) {
        let images = || self.rows.iter().map(|row| &row.images);
        let black = self.black.unwrap_or_else(|| usual_black(images()));
        let white = self.white.unwrap_or_else(|| if black < 0.0 { 1.0 } else { usual_white(images()) });
        (black, white)
    }
}

/// The value that is drawn as black: −1 for images between −1 and 1, as tanh makes them, of which
/// a hundredth of the pixels or more are below −½; otherwise 0.
pub fn usual_black<'a>(images: impl IntoIterator<Item = &'a DMatrix<f64>>) -> f64 {
    let (mut count, mut dark) = (0usize, 0usize);
    for value in images.into_iter().flat_map(|images| images.iter()).filter(|value| !value.is_nan()) {
        if value.abs() > 1.0 + NOISE {
            return 0.0;
        }
        (count, dark) = (count + 1, dark + usize::from(*value < -0.5));
    }
    if dark > 0 && 100 * dark >= count { -1.0 } else { 0.0 }
}

/// The value from which images are drawn as white: the 98th percentile of their positive values, so
/// that a few bright pixels do not darken all others; 1 if that is between ½ and 1.
pub fn usual_white<'a>(images: impl IntoIterator<Item = &'a DMatrix<f64>>) -> f64 {
    let values = images.into_iter().flat_map(|images| images.iter());
    let mut positive: Vec<f64> = values.copied().filter(|value| *value > 0.0 && value.is_finite()).collect();
    if positive.is_empty() {
        return 1.0;
    }
    let place = ((positive.len() - 1) as f64 * WHITE_SHARE).round() as usize;
    let (_, bright, _) = positive.select_nth_unstable_by(place, f64::total_cmp);
    // Subnormal values would overflow as 255 times their inverse.
    if (0.5..=1.0).contains(bright) || !bright.is_normal() { 1.0 } else { *bright }
}
