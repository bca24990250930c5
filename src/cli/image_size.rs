//! `--image HxW`: the size of one image, and the default where it is not given.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    pub height: usize,
    pub width: usize,
}

impl ImageSize {
    /// The given size, or the size of a square image with this number of pixels.
    ///
    /// # Errors
    /// [`Error::BadOption`] for a size with another number of pixels, or if no size is given and
    /// the images are not square.
    pub fn of(pixels: usize, given: Option<ImageSize>) -> Result<ImageSize> {
        match given {
            Some(size) if size.height.checked_mul(size.width) == Some(pixels) => Ok(size),
            Some(size) => Err(Error::option(
                "--image",
                size.to_string(),
                format!("a height and a width whose product is {pixels}, the entries of an observation"),
            )),
            None => match pixels.isqrt() {
                side if side * side == pixels => Ok(ImageSize { height: side, width: side }),
                _ => Err(Error::option(
                    "--image",
                    format!("not given, and {pixels} is not a square number of pixels"),
                    "the size of one image, for example --image 28x28",
                )),
            },
        }
    }
}

impl ImageSize {
    /// The same for an image of one channel, or of three: red, green, blue.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_picture(entries: usize, given: Option<ImageSize>) -> Result<ImageSize> {
        // Three numbers alone are no image, unless the size says so.
        let may_be = entries.is_multiple_of(3) && (entries > 3 || given.is_some());
        let of_colours = || may_be.then(|| Self::of(entries / 3, given).ok()).flatten();
        Self::of(entries, given).or_else(|error| of_colours().ok_or(error))
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.trim().parse::<usize>().ok().filter(|side| *side > 0);
        let sides = text.split_once(['x', '×']).and_then(|(height, width)| Some((side(height)?, side(width)?)));
        let (height, width) = sides.ok_or("expected HEIGHTxWIDTH in pixels, for example 28x28")?;
        Ok(ImageSize { height, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_checked() {
        assert_eq!("28x20".parse(), Ok(ImageSize { height: 28, width: 20 }));
        for wrong in ["28", "0x4", "x", "4x", "-1x4", "99999999999999999999x1"] {
            assert!(wrong.parse::<ImageSize>().is_err(), "{wrong}");
        }
        assert_eq!(ImageSize::of(784, None).unwrap(), ImageSize { height: 28, width: 28 });
        let square = ImageSize { height: 8, width: 8 };
        assert_eq!(ImageSize::of_picture(192, None).unwrap(), square);
        assert_eq!(ImageSize::of_picture(192, Some(square)).unwrap(), square);
        assert!(ImageSize::of_picture(64, Some(square)).is_ok() && ImageSize::of_picture(128, Some(square)).is_err());
        assert!(ImageSize::of(500, None).unwrap_err().is_usage());
        assert!(ImageSize::of(500, Some(ImageSize { height: 20, width: 20 })).unwrap_err().is_usage());
        assert!(ImageSize::of(500, Some(ImageSize { height: 20, width: 25 })).is_ok());
    }
}
