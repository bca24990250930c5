//! `--image HxW` or `CxHxW`: the size of one image, and the default where it is not given.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Channels, and height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// 1, or 3 for red, green and blue.
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl ImageSize {
    /// The given size, or the size of a square image of one or three channels with this number of
    /// entries. A given height and width may be those of three channels.
    ///
    /// # Errors
    /// [`Error::BadOption`] for a size with another number of entries, or if no size is given and
    /// the images are not square.
    pub fn of(entries: usize, given: Option<ImageSize>) -> Result<ImageSize> {
        let Some(size) = given else {
            let square = |channels: usize| {
                let side = (entries / channels).isqrt();
                Some(ImageSize { channels, height: side, width: side }).filter(|size| size.entries() == Some(entries))
            };
            // Three numbers are no image.
            let is_image = |size: &ImageSize| size.height > 1;
            return square(1).or_else(|| square(3).filter(is_image)).ok_or_else(|| {
                Error::option(
                    "--image",
                    format!("not given, and {entries} is not a square number of pixels, nor three times one"),
                    "the size of one image, for example --image 28x28, or --image 3x32x24 for three channels",
                )
            });
        };
        let fits = [size, ImageSize { channels: 3, ..size }].into_iter().find(|size| size.entries() == Some(entries));
        fits.ok_or_else(|| {
            let expected = format!(
                "a height and a width whose product is {entries}, the entries of an observation, or a third of it for \
                 three channels"
            );
            Error::option("--image", size.to_string(), expected)
        })
    }

    /// The given size; otherwise that of images of this shape, if it is (channels, height, width)
    /// with 1 or 3 channels; otherwise the default of [`Self::of`].
    ///
    /// # Errors
    /// Those of [`Self::of`].
    pub fn of_shape(shape: &[usize], given: Option<ImageSize>) -> Result<ImageSize> {
        match (given, shape) {
            (None, &[channels @ (1 | 3), height, width]) => Ok(ImageSize { channels, height, width }),
            _ => ImageSize::of(shape.iter().product(), given),
        }
    }

    /// The shape of a network's images: that of the given size, or `of_file`, which the network's
    /// file has.
    ///
    /// # Errors
    /// Those of [`Self::of`].
    pub fn shape_or(given: Option<ImageSize>, of_file: Vec<usize>) -> Result<Vec<usize>> {
        match given {
            Some(_) => Ok(ImageSize::of(of_file.iter().product(), given)?.shape()),
            None => Ok(of_file),
        }
    }

    /// Channels, height and width.
    fn shape(&self) -> Vec<usize> {
        vec![self.channels, self.height, self.width]
    }

    /// Number of entries; `None` if it is too large.
    pub fn entries(&self) -> Option<usize> {
        self.height.checked_mul(self.width)?.checked_mul(self.channels)
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.channels != 1 {
            write!(f, "{}x", self.channels)?;
        }
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.trim().parse::<usize>().ok().filter(|side| *side > 0);
        let sides: Option<Vec<usize>> = text.split(['x', '×']).map(side).collect();
        match sides.as_deref() {
            Some(&[height, width]) => Ok(ImageSize { channels: 1, height, width }),
            Some(&[channels @ (1 | 3), height, width]) => Ok(ImageSize { channels, height, width }),
            _ => Err("expected HEIGHTxWIDTH in pixels, for example 28x28, or 3xHEIGHTxWIDTH for colours".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_checked() {
        let size = |channels, height, width| ImageSize { channels, height, width };
        assert_eq!("28x20".parse(), Ok(size(1, 28, 20)));
        assert_eq!("3x28x20".parse(), Ok(size(3, 28, 20)));
        assert_eq!([size(1, 28, 20), size(3, 4, 5)].map(|size| size.to_string()), ["28x20", "3x4x5"]);
        for wrong in ["28", "0x4", "x", "4x", "-1x4", "99999999999999999999x1", "2x4x4", "3x3x3x3"] {
            assert!(wrong.parse::<ImageSize>().is_err(), "{wrong}");
        }
        assert_eq!(ImageSize::of(784, None).unwrap(), size(1, 28, 28));
        assert_eq!(ImageSize::of(3 * 32 * 32, None).unwrap(), size(3, 32, 32));
        assert_eq!(ImageSize::of(3 * 20 * 25, Some(size(1, 20, 25))).unwrap(), size(3, 20, 25));
        assert!(ImageSize::of(500, None).unwrap_err().is_usage());
        assert!(ImageSize::of(500, Some(size(1, 20, 20))).unwrap_err().is_usage());
        assert!(ImageSize::of(500, Some(size(3, 20, 25))).unwrap_err().is_usage());
        assert!(ImageSize::of(500, Some(size(1, 20, 25))).is_ok());
        assert_eq!(ImageSize::of_shape(&[3, 20, 25], None).unwrap(), size(3, 20, 25));
        assert_eq!(ImageSize::of_shape(&[2, 8, 8], Some(size(1, 16, 8))).unwrap(), size(1, 16, 8));
        assert_eq!(ImageSize::of_shape(&[784], None).unwrap(), size(1, 28, 28));
    }
}
