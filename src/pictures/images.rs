//! Images in labelled rows, and the value that is drawn as white.

use nalgebra::DMatrix;

/// The share of the positive values that must not be brighter than white.
const WHITE_SHARE: f64 = 0.98;

/// One row of a [`Grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The text to the left of the images.
    pub label: String,
    /// Pixels × count: one image per column, its pixels row by row from the top.
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
}

impl Grid {
    /// The value that is drawn as white.
    pub(super) fn drawn_white(&self) -> f64 {
        self.white.unwrap_or_else(|| usual_white(self.rows.iter().map(|row| &row.images)))
    }
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
