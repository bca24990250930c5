//! Observations: whether the numbers of a file are pixels, and of which range.

use super::element_type::ElementType;
use super::pixels::PixelRange;
use super::reader::NpyReader;
use crate::error::{Error, Result};
use crate::network::Activation;

impl NpyReader {
    /// Chooses the range of observations that are outputs of the activation `output`. Bytes are
    /// pixels; floating-point numbers and booleans are numbers. `given` is the user's choice, which
    /// also applies to numbers of other types.
    ///
    /// # Errors
    /// [`Error::Input`] for other integers as outputs of sigmoid or tanh, unless a range is given:
    /// nothing says what they mean. [`Error::BadOption`] for a range given with booleans.
    pub fn choose_pixels(&mut self, output: Activation, given: Option<PixelRange>) -> Result<()> {
        let element_type = self.element_type();
        let bounded = matches!(output, Activation::Sigmoid | Activation::Tanh);
        let chosen = match (given, element_type) {
            (Some(_), ElementType::Bool) => {
                let found = format!("given, but {} has booleans", self.path().display());
                return Err(Error::option("pixels", found, "numbers; or leave out the option"));
            }
            (Some(given), _) => given,
            (None, ElementType::U8) => PixelRange::of_outputs(output),
            (None, other) if other.is_integer() && bounded => {
                let range = PixelRange::of_outputs(output);
                return Err(Error::input(
                    self.path().display(),
                    format!("integers ({}) as outputs of {output}", other.name()),
                    "pixels as uint8, or floating-point numbers",
                    format!(
                        "if they are pixel values 0 to 255, say option `pixels: {range}` ({}); if they are the \
                         outputs themselves, option `pixels: {}`",
                        range.formula(),
                        PixelRange::Unscaled
                    ),
                ));
            }
            _ => PixelRange::Unscaled,
        };
        self.set_pixels(chosen);
        Ok(())
    }

    /// What was assumed about pixel values; `None` for numbers that are read as they are.
    pub fn assumed_pixels(&self, given: Option<PixelRange>) -> Option<String> {
        let (element_type, pixels) = (self.element_type(), self.pixels());
        if given.is_some() || element_type != ElementType::U8 {
            return None;
        }
        Some(format!(
            "{}: pixels of type {} are read as {}; option `pixels` states another range",
            self.path().display(),
            element_type.name(),
            pixels.formula()
        ))
    }
}
