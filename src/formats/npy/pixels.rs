//! Pixels as bytes: which range of numbers the values 0 to 255 mean.
//!
//! A file does not say it. The default follows from the output activation of the network: a `tanh`
//! makes numbers from −1 to 1, all other activations are taken to make numbers from 0 to 1.

use crate::network::Activation;

/// The range that pixel values 0 to 255 stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(parse_err_ty = String, parse_err_fn = crate::named::unknown::<Self>)]
#[non_exhaustive]
pub enum PixelRange {
    /// 0 to 1: a value is divided by 255.
    #[strum(serialize = "0..1")]
    Unit,
    /// −1 to 1: a value is divided by 127.5, and 1 is subtracted.
    #[strum(serialize = "-1..1")]
    Symmetric,
    /// 0 to 255: a value is the number itself.
    #[strum(serialize = "0..255")]
    Unscaled,
}

impl PixelRange {
    /// The range that bytes are read in where nothing else is said: what `activation` can make.
    pub(super) fn of_outputs(activation: Activation) -> PixelRange {
        if activation == Activation::Tanh { PixelRange::Symmetric } else { PixelRange::Unit }
    }

    /// The number that a pixel value stands for.
    pub(super) fn scaled(self, value: f64) -> f64 {
        match self {
            PixelRange::Unit => value / 255.0,
            PixelRange::Symmetric => value / 127.5 - 1.0,
            PixelRange::Unscaled => value,
        }
    }

    /// The formula of a value `v`, for messages.
    pub(super) fn formula(self) -> &'static str {
        match self {
            PixelRange::Unit => "value / 255, from 0 to 1",
            PixelRange::Symmetric => "value / 127.5 − 1, from −1 to 1",
            PixelRange::Unscaled => "the values themselves",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_named_as_they_are_printed() {
        for (pixels, name, ends) in [
            (PixelRange::Unit, "0..1", [0.0, 1.0]),
            (PixelRange::Symmetric, "-1..1", [-1.0, 1.0]),
            (PixelRange::Unscaled, "0..255", [0.0, 255.0]),
        ] {
            assert_eq!((pixels.to_string().as_str(), name.parse()), (name, Ok(pixels)));
            assert_eq!([0.0, 255.0].map(|value| pixels.scaled(value)), ends);
        }
        assert_eq!("0-1".parse::<PixelRange>(), Err("found `0-1`, expected 0..1, -1..1 or 0..255".to_owned()));
    }
}
