//! The shape of an image: the number of pixels per row.

use crate::error::{Error, Result};

/// Maximum width of images side by side, in pixels.
const MOST_PIXELS: usize = 12_000;

/// Height and width of an image in its own pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of rows.
    pub height: usize,
    /// Pixels per row.
    pub width: usize,
}

impl Shape {
    /// The shape of images with `pixels` pixels: a square, or as near to a square as whole rows
    /// allow.
    ///
    /// # Errors
    /// [`Error::Input`] if even one image would be too wide.
    pub fn of(pixels: usize) -> Result<Self> {
        let height = (1..=pixels.isqrt()).rev().find(|height| pixels.is_multiple_of(*height)).unwrap_or(1);
        let width = pixels / height;
        if width > MOST_PIXELS {
            return Err(Error::input(
                "the network given",
                format!("images of {pixels} pixels, which do not fit rows of at most {MOST_PIXELS}"),
                "images that can be drawn",
                "choose a network of images, or another figure",
            ));
        }
        Ok(Shape { height, width })
    }

    /// Maximum number of images side by side.
    pub fn most_across(self) -> usize {
        MOST_PIXELS / self.width.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_as_square_as_they_can_be() {
        let of = |pixels| Shape::of(pixels).map(|shape| (shape.height, shape.width)).unwrap();
        assert_eq!([784, 500, 600, 7, 1].map(of), [(28, 28), (20, 25), (24, 25), (1, 7), (1, 1)]);
        assert!(Shape::of(20_011).unwrap_err().is_usage());
        assert_eq!(Shape { height: 1, width: 5000 }.most_across(), 2);
    }
}
