//! The picture of a recovery: rows for the truth, the measurements and the recovered images.

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;

use crate::cpu::forward::forward;
use crate::error::Result;
use crate::formats::npy::{NpyReader, PixelRange};
use crate::network::Network;
use crate::pictures::{Grid, Row, write_grid};
use crate::recover::operators::{Operator, shown};
use crate::run::mask::Mask;

use super::image_size::ImageSize;
use super::picture::{range_of, some_rows};

/// Number of observations in the picture.
const PICTURED: usize = 12;

/// The contents of the picture.
pub struct Pictured<'a> {
    pub network: &'a Network,
    pub operator: &'a dyn Operator,
    /// A description of the measurements.
    pub measured: String,
    pub measurements: &'a Path,
    /// The range that their pixels are read in.
    pub pixels: PixelRange,
    pub mask: Option<&'a Path>,
    pub truth: Option<&'a Path>,
    pub codes: &'a Path,
    pub beside: &'a [PathBuf],
    pub size: ImageSize,
    /// The shape of an observation, for the mask.
    pub image_shape: &'a [usize],
    pub picture: &'a Path,
    pub force: bool,
}

/// Draws the first observations.
pub fn draw(what: &Pictured) -> Result<()> {
    let images = |path: &Path| -> Result<DMatrix<f64>> {
        let mut codes = NpyReader::open(path)?;
        codes.fit(what.network.code_length(), "as the network's codes have")?;
        codes.set_pixels(PixelRange::Unscaled);
        Ok(forward(what.network, 0..what.network.depth(), &some_rows(codes, 0, PICTURED)?))
    };
    let mut rows = Vec::new();
    let mut add = |label: &str, images: DMatrix<f64>| rows.push(Row { label: label.to_owned(), images });
    if let Some(truth) = what.truth {
        add("truth", images(truth)?);
    }
    let mut measurements = NpyReader::open(what.measurements)?;
    measurements.fit(what.operator.measurements(), "one per measurement")?;
    measurements.set_pixels(what.pixels);
    let mut measured = some_rows(measurements, 0, PICTURED)?;
    if let Some(path) = what.mask {
        Mask::open(path, what.image_shape)?.hide(&mut measured)?;
    }
    add("measured", shown(what.operator, measured));
    add("recovered", images(what.codes)?);
    for path in what.beside {
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        add(&name, images(path)?);
    }
    let columns = rows.iter().map(|row| row.images.ncols()).max().unwrap_or(0);
    let captions = (0..columns).map(|index| index.to_string()).collect();
    let ImageSize { height, width, .. } = what.size;
    let title = Some(format!("Images recovered from {}: {}", what.measured, range_of("observation", 0, columns)));
    write_grid(what.picture, &Grid { title, captions, rows, height, width, white: None, black: None }, what.force)
}
