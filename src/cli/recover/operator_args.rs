//! What was measured: options of `unrelu recover`.

use std::path::PathBuf;

use crate::cli::image_size::ImageSize;
use crate::error::Result;
use crate::recover::operators::{BlockAverage, Dense, Operator, Pixels};

/// What was measured. By default: the pixels that are not NaN.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kind of measurements (at most one; default: the pixels that are not NaN)")]
#[group(multiple = false)]
pub(super) struct OperatorArgs {
    /// Some pixels: a .npy of shape (1, n) or (count, n) that is true or 1 where a pixel was
    /// observed
    #[arg(long, value_name = "MASK.npy")]
    pub(super) mask: Option<PathBuf>,

    /// Any linear map: a .npy of shape (m, n)
    #[arg(long, value_name = "A.npy")]
    pub(super) operator: Option<PathBuf>,

    /// M random projections, entries N(0, 1/M) drawn from --seed
    #[arg(long, value_name = "M")]
    pub(super) gaussian: Option<usize>,

    /// Averages of blocks of B × B pixels
    #[arg(long, value_name = "B")]
    pub(super) average: Option<usize>,
}

impl OperatorArgs {
    /// A description of the measurements.
    pub(super) fn words(&self) -> String {
        match (&self.operator, self.gaussian, self.average) {
            (Some(_), ..) => "linear measurements".to_owned(),
            (_, Some(measurements), _) => format!("{measurements} random projections"),
            (_, _, Some(block)) => format!("averages of {block} × {block} pixels"),
            _ => "the observed pixels".to_owned(),
        }
    }

    pub(super) fn operator(&self, pixels: usize, image: Option<ImageSize>, seed: u64) -> Result<Box<dyn Operator>> {
        if let Some(path) = &self.operator {
            return Ok(Box::new(Dense::from_file(path, pixels)?));
        }
        if let Some(measurements) = self.gaussian {
            return Ok(Box::new(Dense::gaussian(measurements, pixels, seed)?));
        }
        if let Some(block) = self.average {
            let size = ImageSize::of(pixels, image)?;
            return Ok(Box::new(BlockAverage::new(size.height, size.width, block)?));
        }
        Ok(Box::new(Pixels(pixels)))
    }
}
