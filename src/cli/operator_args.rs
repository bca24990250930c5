//! What was measured: options of `unrelu recover`, and of `unrelu generate`.

use std::path::PathBuf;

use crate::cli::image_size::ImageSize;
use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader, PixelRange};
use crate::network::{Activation, Network};
use crate::recover::operators::{BlockAverage, Dense, Operator, Pixels};

/// What was measured. By default: the pixels that are not NaN.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kind of measurements (at most one; default: the pixels, where they are not NaN)")]
#[group(multiple = false)]
pub(in crate::cli) struct OperatorArgs {
    /// Some pixels: booleans, 0 and 1 in a .npy, true or 1 where a pixel was observed. One mask for
    /// all images, of shape (n,), (h, w) or (1, n), or one per image, (count, n) or (count, h, w).
    /// For images of three channels, (h, w) and (count, 1, h, w) hold for all channels
    #[arg(long, value_name = "MASK.npy")]
    pub(in crate::cli) mask: Option<PathBuf>,

    /// Any linear map: a .npy of shape (m, n), for y = A x
    #[arg(long, value_name = "A.npy")]
    pub(in crate::cli) operator: Option<PathBuf>,

    /// M random projections, entries N(0, 1/M) drawn from --seed
    #[arg(long, value_name = "M")]
    pub(in crate::cli) gaussian: Option<usize>,

    /// Averages of blocks of B × B pixels
    #[arg(long, value_name = "B")]
    pub(in crate::cli) average: Option<usize>,
}

impl OperatorArgs {
    /// A description of the measurements.
    pub(in crate::cli) fn words(&self) -> String {
        match (&self.operator, self.gaussian, self.average) {
            (Some(_), ..) => "linear measurements".to_owned(),
            (_, Some(measurements), _) => format!("{measurements} random projections"),
            (_, _, Some(block)) => format!("averages of {block} × {block} pixels"),
            _ => "the observed pixels".to_owned(),
        }
    }

    /// Chooses the range of the measurements' pixels.
    pub(in crate::cli) fn choose_pixels(
        &self,
        measurements: &mut NpyReader,
        network: &Network,
        given: Option<PixelRange>,
    ) -> Result<()> {
        let output = network.layers()[network.depth() - 1].activation;
        let linear = self.operator.is_some() || self.gaussian.is_some();
        if linear && given.is_none() && output == Activation::Tanh && measurements.element_type() == ElementType::U8 {
            return Err(Error::input(
                measurements.path().display(),
                "bytes as linear measurements of tanh outputs",
                "floating-point numbers, since the range that bytes stand for depends on the operator",
                "say option `pixels: 0..1`, `-1..1` or `0..255`, or save the measurements as float64",
            ));
        }
        measurements.choose_pixels(output, given)
    }

    /// `image_shape`: that of the network's outputs; `image`: the size that the user gave.
    pub(in crate::cli) fn operator(
        &self,
        image_shape: &[usize],
        image: Option<ImageSize>,
        seed: u64,
    ) -> Result<Box<dyn Operator>> {
        let pixels = image_shape.iter().product();
        if let Some(path) = &self.operator {
            return Ok(Box::new(Dense::from_file(path, pixels)?));
        }
        if let Some(measurements) = self.gaussian {
            return Ok(Box::new(Dense::gaussian(measurements, pixels, seed)?));
        }
        if let Some(block) = self.average {
            let ImageSize { channels, height, width } = ImageSize::of_shape(image_shape, image)?;
            let of_channel = BlockAverage::new(height, width, block)?;
            // Blocks that divide the height stay within one of the channels below one another.
            let of_all = if channels == 1 { of_channel } else { BlockAverage::new(channels * height, width, block)? };
            return Ok(Box::new(of_all));
        }
        Ok(Box::new(Pixels(pixels)))
    }
}
