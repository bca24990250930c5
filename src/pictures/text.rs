//! A line of text: its size and its ink.
//!
//! Text is drawn with a font that is bundled with the program, so a picture looks the same on every
//! machine and needs no system font. Its size is measured by drawing it once, so that a layout
//! based on it is not clipped.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use crate::error::{Error, Result};

const FONT_NAME: &str = "unrelu";
/// Text is drawn this many times larger and scaled down.
const FINENESS: i64 = 4;

/// A line of text as ink, ready to be placed.
pub struct Text {
    /// The text.
    pub content: String,
    /// The requested size.
    pub size: f64,
    /// Pixels to the right of the ink's left edge, pixels above the baseline, and the coverage of
    /// each pixel.
    pub ink: Vec<(i64, i64, f32)>,
    /// Height of a capital letter.
    pub capital_height: i64,
    /// Width from the leftmost to the rightmost pixel with ink.
    pub width: usize,
}

impl Text {
    /// Sets `text` in a font of about `size` pixels from the top of `b` to the bottom of `p`.
    ///
    /// # Errors
    /// [`Error::Output`] for `path`, if the bundled font cannot be used.
    pub fn new(text: &str, size: f64, path: &Path) -> Result<Self> {
        let font = font(size, path)?;
        // The vertical measure is that of every line, so that lines with different letters are
        // aligned.
        let capital = ink(&font, "H", path)?;
        let bottom = capital.iter().map(|pixel| pixel.1).max().unwrap_or(0);
        let top = capital.iter().map(|pixel| pixel.1).min().unwrap_or(0);
        let drawn = ink(&font, text, path)?;
        let left = drawn.iter().map(|pixel| pixel.0).min().unwrap_or(0);
        let right = drawn.iter().map(|pixel| pixel.0).max().map_or(left, |right| right + 1);
        Ok(Text {
            content: text.to_owned(),
            size,
            ink: drawn.into_iter().map(|(x, y, coverage)| (x - left, bottom - y, coverage)).collect(),
            capital_height: bottom - top,
            width: usize::try_from(right - left).unwrap_or(0),
        })
    }
}

/// The pixels that a text covers. The font places its letters on whole pixels, which leaves gaps
/// inside words at small sizes. So the text is drawn larger and scaled down.
fn ink(font: &FontDesc, text: &str, path: &Path) -> Result<Vec<(i64, i64, f32)>> {
    let mut covered: BTreeMap<(i64, i64), f32> = BTreeMap::new();
    // Adding cannot fail; finding the font can.
    let drawn = font.draw(text, (0, 0), |x, y, coverage| {
        if coverage > 0.0 {
            let pixel = (i64::from(x).div_euclid(FINENESS), i64::from(y).div_euclid(FINENESS));
            *covered.entry(pixel).or_insert(0.0) += coverage / (FINENESS * FINENESS) as f32;
        }
        Ok::<(), std::convert::Infallible>(())
    });
    match drawn {
        Ok(_) => Ok(covered.into_iter().map(|((x, y), coverage)| (x, y, coverage)).collect()),
        Err(error) => Err(no_font(path, &error.to_string())),
    }
}

fn font(size: f64, path: &Path) -> Result<FontDesc<'static>> {
    register_font(FONT_NAME, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| no_font(path, "it is damaged"))?;
    Ok(FontDesc::new(FontFamily::Name(FONT_NAME), size * FINENESS as f64, FontStyle::Normal))
}

fn no_font(path: &Path, reason: &str) -> Error {
    Error::Output {
        path: path.to_owned(),
        found: format!("cannot be labelled with the bundled font ({reason})"),
        fix: "please report this error in the build".into(),
    }
}
