//! Images in labelled rows, and the value that is drawn white.

use nalgebra::DMatrix;

/// The share of the positive values that are not brighter than white.
const WHITE_SHARE: f64 = 0.98;

/// One row of a [`Grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What stands to the left of the images.
    pub label: String,
    /// Pixels × count: one image a column, its pixels line by line from the top.
    pub images: DMatrix<f64>,
}

/// Images in labelled rows. A row may have fewer images than another; its last places stay empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Stands above everything.
    pub title: Option<String>,
    /// Stand above the columns, from the left; may be fewer than the columns. One that is followed
    /// by empty ones stands above a group of columns, and groups stand apart. One that is too long
    /// is cut with `…`.
    pub captions: Vec<String>,
    /// From the top.
    pub rows: Vec<Row>,
    /// Of one image, in its own pixels.
    pub height: usize,
    /// Of one image, in its own pixels.
    pub width: usize,
    /// The value that is drawn white; `None` for [`usual_white`] of all images.
    pub white: Option<f64>,
}

impl Grid {
    /// The value that is drawn white.
    pub(super) fn drawn_white(&self) -> f64 {
        self.white.unwrap_or_else(|| usual_white(self.rows.iter().map(|row| &row.images)))
    }
}

/// The value that images are drawn white from: what 98 % of their positive values do not exceed, so
/// that a few bright pixels do not make all others dark, or 1 where that lies in ½ … 1.
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
